//! `/dispatchers/v1/{id}/actions`: the actions of a dispatcher, one at a time.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::clock::{Clock, Ids};
use shared::http::{Affected, ErrorBody, JsonBody};

use super::dispatchers::{change, check_id};
use crate::dispatcher::Action;
use crate::store::Store;

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
    State(store): State<Store>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    Path(id): Path<String>,
    JsonBody(action): JsonBody<Action>,
) -> Result<Json<Action>, Refusal> {
    let (action_id, now) = (ids.hex24(), clock.now());
    let changed =
        change(&store.dispatchers, &id, |before| before.add_action(action.clone(), action_id.clone(), now)).await?;
    let added = changed.actions.into_iter().find(|action| action.id == action_id);
    added.map(Json).ok_or_else(Refusal::internal)
}

/// Changes the given fields of an action, except its type; null removes a field.
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
    State(store): State<Store>,
    State(clock): State<Clock>,
    Path((id, action_id)): Path<(String, String)>,
    JsonBody(fields): JsonBody<Map<String, Value>>,
) -> Result<Json<Affected>, Refusal> {
    check_id("action", &action_id)?;
    let now = clock.now();
    change(&store.dispatchers, &id, |before| before.change_action(&action_id, fields.clone(), now)).await?;
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
    State(store): State<Store>,
    State(clock): State<Clock>,
    Path((id, action_id)): Path<(String, String)>,
) -> Result<Json<Affected>, Refusal> {
    check_id("action", &action_id)?;
    let now = clock.now();
    change(&store.dispatchers, &id, |before| before.remove_action(&action_id, now)).await?;
    Ok(Json(Affected { affected_records: 1 }))
}
