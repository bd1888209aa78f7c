//! `/dispatchers/v1`: what to do on which event.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::http::{Affected, ErrorBody, JsonBody, List};
use shared::rql::Rql;
use utoipa::ToSchema;

use super::{TRIES, name_taken};
use crate::App;
use crate::dispatcher::{Dispatcher, DispatcherChange, NewDispatcher, is_id};
use crate::store::Written;

/// Lists dispatchers.
///
/// The query string is RQL, such as `eq(tags,mine)&limit(50)`.
#[utoipa::path(
    get, path = "/dispatchers/v1", tag = "dispatchers",
    responses(
        (status = 200, body = List<Dispatcher>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse(query.as_deref())?;
    let dispatchers = match query.eq("id") {
        Some(id) if is_id(id) => app.dispatchers.get(id).await?.into_iter().collect(),
        _ => app.dispatchers.all().await?,
    };
    query.apply(&dispatchers).map(Json)
}

/// Creates a dispatcher.
#[utoipa::path(
    post, path = "/dispatchers/v1", tag = "dispatchers", request_body = NewDispatcher,
    responses(
        (status = 200, body = Dispatcher), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    JsonBody(body): JsonBody<NewDispatcher>,
) -> Result<Json<Dispatcher>, Refusal> {
    let dispatcher = body.create(|| app.ids.hex24(), app.clock.now())?;
    match app.dispatchers.create(&dispatcher).await? {
        Written::Done => Ok(Json(dispatcher)),
        Written::NameTaken => Err(name_taken(&dispatcher)),
        Written::Changed => Err(Refusal::unavailable()),
    }
}

/// Returns a dispatcher.
#[utoipa::path(
    get, path = "/dispatchers/v1/{id}", tag = "dispatchers", params(("id" = String, Path)),
    responses(
        (status = 200, body = Dispatcher), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn get(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Dispatcher>, Refusal> {
    app.dispatcher(&id).await.map(Json)
}

/// Changes the event type, name, description, tags or filter; the actions have their own routes.
#[utoipa::path(
    put, path = "/dispatchers/v1/{id}", tag = "dispatchers", params(("id" = String, Path)),
    request_body = DispatcherChange,
    responses(
        (status = 200, body = Affected), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<DispatcherChange>,
) -> Result<Json<Affected>, Refusal> {
    let now = app.clock.now();
    app.change(&id, |before| before.change(body.clone(), now)).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Deletes a dispatcher; runs that have begun go on.
#[utoipa::path(
    delete, path = "/dispatchers/v1/{id}", tag = "dispatchers", params(("id" = String, Path)),
    responses(
        (status = 200, body = Affected), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Affected>, Refusal> {
    for _ in 0..TRIES {
        let dispatcher = app.dispatcher(&id).await?;
        if app.dispatchers.delete(&dispatcher).await? == Written::Done {
            return Ok(Json(Affected { affected_records: 1 }));
        }
    }
    Err(Refusal::unavailable())
}

/// An event to explain: at least its type, and as much of its envelope as the filter looks at.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ExplainedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    kind: String,
    /// Everything else.
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Whether an event would start a run of a dispatcher, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// Whether it would.
    matches: bool,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The first clause that failed: its path, its rule and the values found there.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<Value>,
}

/// Explains whether an event would start a run of a dispatcher.
#[utoipa::path(
    post, path = "/dispatchers/v1/{id}/explain", tag = "dispatchers", params(("id" = String, Path)),
    request_body = ExplainedEvent,
    responses(
        (status = 200, body = Explanation), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(event): JsonBody<ExplainedEvent>,
) -> Result<Json<Explanation>, Refusal> {
    let dispatcher = app.dispatcher(&id).await?;
    explanation(&dispatcher, event).map(Json)
}

fn explanation(dispatcher: &Dispatcher, event: ExplainedEvent) -> Result<Explanation, Refusal> {
    if event.kind != dispatcher.event_type {
        let message = format!("the dispatcher reacts to `{}`, not to `{}`", dispatcher.event_type, event.kind);
        return Ok(Explanation { matches: false, message: Some(message), mismatch: None });
    }
    let filter = dispatcher.filter.as_ref().map(Pattern::compile).transpose();
    let filter = filter.map_err(|error| Refusal::illegal_state(error.to_string()))?;
    let mut envelope = event.rest;
    envelope.insert("type".to_owned(), event.kind.into());
    let mismatch = filter.and_then(|filter| filter.explain(&Value::Object(envelope)));
    Ok(Explanation {
        matches: mismatch.is_none(),
        message: mismatch.as_ref().map(ToString::to_string),
        mismatch: mismatch.map(|mismatch| mismatch.to_json()),
    })
}
