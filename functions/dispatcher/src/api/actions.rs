//! `/dispatchers/v1/{id}/actions`: one action at a time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::http::{Affected, ErrorBody, JsonBody};

use super::check_id;
use crate::App;
use crate::dispatcher::Action;

/// Adds an action to a dispatcher.
#[utoipa::path(
    post, path = "/dispatchers/v1/{id}/actions", tag = "dispatchers", params(("id" = String, Path)),
    request_body = Action,
    responses(
        (status = 200, body = Action), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(action): JsonBody<Action>,
) -> Result<Json<Action>, Refusal> {
    let (action_id, now) = (app.ids.hex24(), app.clock.now());
    let changed = app.change(&id, |before| before.add_action(action.clone(), action_id.clone(), now)).await?;
    let added = changed.actions.into_iter().find(|action| action.id == action_id);
    added.map(Json).ok_or_else(Refusal::internal)
}

/// Changes the given fields of an action, all but its type; null removes a field.
#[utoipa::path(
    put, path = "/dispatchers/v1/{id}/actions/{actionId}", tag = "dispatchers",
    params(("id" = String, Path), ("actionId" = String, Path)),
    request_body = Action,
    responses(
        (status = 200, body = Affected), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path((id, action_id)): Path<(String, String)>,
    JsonBody(change): JsonBody<Map<String, Value>>,
) -> Result<Json<Affected>, Refusal> {
    check_id("action", &action_id)?;
    let now = app.clock.now();
    app.change(&id, |before| before.change_action(&action_id, change.clone(), now)).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Removes an action on which no other depends.
#[utoipa::path(
    delete, path = "/dispatchers/v1/{id}/actions/{actionId}", tag = "dispatchers",
    params(("id" = String, Path), ("actionId" = String, Path)),
    responses(
        (status = 200, body = Affected), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path((id, action_id)): Path<(String, String)>,
) -> Result<Json<Affected>, Refusal> {
    check_id("action", &action_id)?;
    let now = app.clock.now();
    app.change(&id, |before| before.remove_action(&action_id, now)).await?;
    Ok(Json(Affected { affected_records: 1 }))
}
