//! `/dispatchers/v1`: dispatchers as a whole.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::clock::{Clock, Ids};
use shared::http::{Affected, ErrorBody, JsonBody, List};
use shared::rql::Rql;
use utoipa::ToSchema;

use crate::dispatcher::{Dispatcher, DispatcherChange, NewDispatcher, is_id};
use crate::store::{Dispatchers, Store, WriteOutcome};

/// How often a change is tried when others get ahead of it.
const WRITE_ATTEMPTS: u32 = 10;

/// Lists dispatchers.
///
/// The query string is RQL, such as `eq(tags,mine)&limit(50)`.
#[utoipa::path(
    get, path = "/dispatchers/v1", tag = "dispatchers",
    responses(
        (status = 200, body = List<Dispatcher>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
)]
pub(crate) async fn list(State(store): State<Store>, RawQuery(query): RawQuery) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse(query.as_deref())?;
    let found = match query.eq("id") {
        Some(id) if is_id(id) => store.dispatchers.get(id).await?.into_iter().collect(),
        _ => store.dispatchers.all().await?,
    };
    query.apply(&found).map(Json)
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
    State(store): State<Store>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    JsonBody(body): JsonBody<NewDispatcher>,
) -> Result<Json<Dispatcher>, Refusal> {
    let dispatcher = body.create(|| ids.hex24(), clock.now())?;
    match store.dispatchers.create(&dispatcher).await? {
        WriteOutcome::Written => Ok(Json(dispatcher)),
        WriteOutcome::NameTaken => Err(name_taken(&dispatcher)),
        WriteOutcome::Conflict => Err(Refusal::unavailable()),
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
pub(crate) async fn get(State(store): State<Store>, Path(id): Path<String>) -> Result<Json<Dispatcher>, Refusal> {
    find(&store.dispatchers, &id).await.map(Json)
}

/// Changes the event type, name, description, tags or filter; actions have their own routes.
#[utoipa::path(
    put, path = "/dispatchers/v1/{id}", tag = "dispatchers", params(("id" = String, Path)),
    request_body = DispatcherChange,
    responses(
        (status = 200, body = Affected), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn update(
    State(store): State<Store>,
    State(clock): State<Clock>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<DispatcherChange>,
) -> Result<Json<Affected>, Refusal> {
    let now = clock.now();
    change(&store.dispatchers, &id, |before| before.change(body.clone(), now)).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Deletes a dispatcher; runs that have started continue.
#[utoipa::path(
    delete, path = "/dispatchers/v1/{id}", tag = "dispatchers", params(("id" = String, Path)),
    responses(
        (status = 200, body = Affected), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn delete(State(store): State<Store>, Path(id): Path<String>) -> Result<Json<Affected>, Refusal> {
    for _ in 0..WRITE_ATTEMPTS {
        let dispatcher = find(&store.dispatchers, &id).await?;
        if store.dispatchers.delete(&dispatcher).await? == WriteOutcome::Written {
            return Ok(Json(Affected { affected_records: 1 }));
        }
    }
    Err(Refusal::unavailable())
}

/// An event to explain: its type, and as much of its envelope as the filter needs.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ExplainedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    kind: String,
    /// The rest of the envelope.
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Whether an event would start a run of a dispatcher, and if not, why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// Whether it would start a run.
    matches: bool,
    /// Why not, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The first rule that failed: its path, the rule itself and the values found there.
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
    State(store): State<Store>,
    Path(id): Path<String>,
    JsonBody(event): JsonBody<ExplainedEvent>,
) -> Result<Json<Explanation>, Refusal> {
    let dispatcher = find(&store.dispatchers, &id).await?;
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

/// Returns a dispatcher, or refuses an unknown id.
async fn find(dispatchers: &Dispatchers, id: &str) -> Result<Dispatcher, Refusal> {
    check_id("dispatcher", id)?;
    dispatchers.get(id).await?.ok_or_else(|| Refusal::unknown("dispatcher", id))
}

/// Applies a change to a dispatcher, again if it was changed by someone else in the meantime.
pub(super) async fn change(
    dispatchers: &Dispatchers,
    id: &str,
    change: impl Fn(&Dispatcher) -> Result<Dispatcher, Refusal>,
) -> Result<Dispatcher, Refusal> {
    for _ in 0..WRITE_ATTEMPTS {
        let before = find(dispatchers, id).await?;
        let after = change(&before)?;
        match dispatchers.replace(&before, &after).await? {
            WriteOutcome::Written => return Ok(after),
            WriteOutcome::NameTaken => return Err(name_taken(&after)),
            WriteOutcome::Conflict => {}
        }
    }
    Err(Refusal::unavailable())
}

fn name_taken(dispatcher: &Dispatcher) -> Refusal {
    Refusal::already_exists("dispatcher", dispatcher.name.as_deref().unwrap_or_default())
}

/// Refuses a text that cannot be the id of a resource.
pub(super) fn check_id(resource: &str, id: &str) -> Result<(), Refusal> {
    if is_id(id) {
        return Ok(());
    }
    Err(Refusal::id_format(format!("the id of a {resource} is 24 hex digits")))
}
