//! `/events/v1`: publishing custom events, and listing all that were received.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::Caller;
use shared::bus::{Bus, Entry};
use shared::clock::{Clock, Ids, derived_uuid};
use shared::event::{CUSTOM_SOURCE, Envelope, EventId, StepFinished, Trace};
use shared::http::{ErrorBody, JsonBody, List};
use shared::rql::Rql;
use utoipa::ToSchema;

use crate::dispatcher::event_type;
use crate::store::{EventRecord, Store};

/// How many events of a type a list can reach, the newest first.
const LIST_LIMIT: usize = 1_000;
/// The longest idempotency key.
const KEY_LIMIT_BYTES: usize = 255;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A custom event.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    kind: String,
    /// The details; an empty object if absent.
    #[serde(default = "empty_object")]
    content: Value,
}

/// An event as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    id: EventId,
    /// The type of the event.
    #[serde(rename = "type")]
    kind: String,
    /// The details.
    content: Value,
    /// When it happened, in milliseconds since 1970.
    creation_timestamp: i64,
    /// When it was received, in milliseconds since 1970.
    update_timestamp: i64,
}

/// Publishes an event; it is durable when the response is sent.
///
/// The same `Idempotency-Key` from the same client is the same event, which does not start runs again.
#[utoipa::path(
    post, path = "/events/v1", tag = "events", request_body = NewEvent,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters.")),
    responses(
        (status = 200, body = EventView), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(bus): State<Bus>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewEvent>,
) -> Result<Json<EventView>, Refusal> {
    check_type(&body.kind)?;
    let id = match idempotency_key(&headers)? {
        Some(key) => derived_uuid(&[b"event", caller.client_id().as_bytes(), key.as_bytes()]),
        None => ids.uuid(),
    };
    let id = EventId::new(id.to_string());
    let envelope = Envelope {
        kind: body.kind,
        dedup_window_seconds: None,
        tenant_id: caller.tenant_id().to_owned(),
        time: clock.now(),
        content: body.content,
        trace: Trace::start(&id),
        id,
    };
    let entry = Entry::fact(CUSTOM_SOURCE, &envelope).map_err(|error| Refusal::too_large(error.to_string()))?;
    bus.publish(vec![entry]).await?;
    let time = envelope.time.as_millisecond();
    Ok(Json(EventView::new(envelope, time)))
}

/// Lists events of one type, the newest first.
///
/// The query string is RQL and must contain `eq(type,…)`; only the newest 1000 events of the type can be reached.
#[utoipa::path(
    get, path = "/events/v1", tag = "events",
    responses(
        (status = 200, body = List<EventView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
)]
pub(crate) async fn list(State(store): State<Store>, RawQuery(query): RawQuery) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse(query.as_deref())?;
    let records = if let Some(id) = query.eq("id") {
        store.events.get(&EventId::new(id)).await?.into_iter().collect()
    } else {
        let needed = || Refusal::invalid_rql("a list of events needs `eq(type,…)` or `eq(id,…)`");
        store.events.of_type(query.eq("type").ok_or_else(needed)?, LIST_LIMIT).await?
    };
    let views: Vec<EventView> = records.into_iter().map(EventView::from).collect();
    query.apply(&views).map(Json)
}

/// Refuses types that are reserved for commands and answers.
fn check_type(kind: &str) -> Result<(), Refusal> {
    event_type("type", kind)?;
    if kind == StepFinished::TYPE || kind.ends_with(".requested") {
        return Err(Refusal::field("type", "must not be `step.finished` or end with `.requested`"));
    }
    Ok(())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=KEY_LIMIT_BYTES).contains(&key.len()));
    let rule = format!("must have 1 to {KEY_LIMIT_BYTES} printable ASCII characters");
    key.map(Some).ok_or_else(|| Refusal::field("Idempotency-Key", rule))
}

fn empty_object() -> Value {
    Value::Object(Map::new())
}

impl EventView {
    fn new(envelope: Envelope, update_timestamp: i64) -> Self {
        let Envelope { id, kind, time, content, .. } = envelope;
        Self { id, kind, content, creation_timestamp: time.as_millisecond(), update_timestamp }
    }
}

impl From<EventRecord> for EventView {
    fn from(record: EventRecord) -> Self {
        let received_at = record.received_at.as_millisecond();
        Self::new(Arc::unwrap_or_clone(record.event).envelope, received_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_cannot_be_forged() {
        let check = |kind: &str, expected: bool| assert_eq!(check_type(kind).is_ok(), expected, "{kind}");
        check("user_deleted", true);
        check("order.paid", true);
        check("task.requested", false);
        check("step.finished", false);
        check("#id", false);
        check("", false);
    }
}
