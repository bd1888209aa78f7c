//! `/events/v1`: publishing custom events, and listing all that were received; `/runs`: what happened to one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::Caller;
use shared::bus::Entry;
use shared::clock::derived_uuid;
use shared::event::fact::{CUSTOM_SOURCE, check_published};
use shared::event::{Envelope, EventId, EventType};
use shared::http::{IdempotencyKey, JsonBody, List};
use shared::rql::{self, Rql};
use shared::seal::Resealed;
use utoipa::ToSchema;

use super::{Answer, Services};
use crate::store::{CONTENT_LIMIT, EventEntry, EventRecord, LIST_LIMIT};
use crate::timeline::Timeline;

/// A custom event.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    kind: EventType,
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
    kind: EventType,
    /// The details.
    content: Value,
    /// When it happened, in milliseconds since 1970.
    creation_timestamp: i64,
    /// When it was received, in milliseconds since 1970.
    update_timestamp: i64,
}

/// How the service of events is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventsHealth {
    /// Always `up`: a service that is not does not answer so.
    status: &'static str,
}

/// Publishes an event; it is durable when the response is sent.
///
/// The same `Idempotency-Key` from the same client is the same event, which does not start runs again.
#[utoipa::path(
    post, path = "/events/v1", tag = "events", request_body = NewEvent,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes.")),
    responses((status = 200, body = EventView)),
)]
pub(crate) async fn create(
    State(app): Services,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(NewEvent { kind, content }): JsonBody<NewEvent>,
) -> Answer<EventView> {
    check_published(&kind)?;
    let (tenant, client) = (caller.tenant_id(), caller.client_id().as_bytes());
    let id = match key.as_bytes() {
        Some(key) => derived_uuid(&[b"event", tenant.as_str().as_bytes(), client, key]),
        None => app.ids.uuid(),
    };
    let mut envelope = Envelope::new(kind, EventId::new(id.to_string()), tenant.clone(), app.clock.now(), content);
    if key.as_bytes().is_some()
        && let Some(earlier) = app.store.events.get(&envelope.id).await?
    {
        let earlier = &earlier.event.envelope;
        if (&earlier.kind, &earlier.content) != (&envelope.kind, &envelope.content) {
            return Err(Refusal::field("Idempotency-Key", "was used for another event"));
        }
        envelope.time = earlier.time;
    }
    let entry = Entry::fact(CUSTOM_SOURCE, &envelope).map_err(|error| Refusal::too_large(error.to_string()))?;
    app.bus.publish(vec![entry]).await?;
    let time = envelope.time.as_millisecond();
    Ok(Json(EventView::new(envelope, time)))
}

/// Lists events, the newest first.
///
/// The query string is RQL, such as `eq(type,order.paid)&limit(50)`; without any it lists the events of all types. One that
/// would have to read more than 100,000 events, or more than 10,000 to look at their `content`, is refused as a long
/// query: `eq(type,…)` and `ge(update_timestamp,…)` make it shorter.
#[utoipa::path(get, path = "/events/v1", tag = "events", responses((status = 200, body = List<EventView>)))]
pub(crate) async fn list(State(app): Services, caller: Caller, RawQuery(query): RawQuery) -> Answer<List<Value>> {
    let query = Rql::parse::<EventView>(query.as_deref())?;
    let (events, tenant) = (&app.store.events, caller.tenant_id());
    if let Some(id) = query.eq("id") {
        let found = events.get(&EventId::new(id)).await?;
        let found = found.filter(|found| found.event.envelope.tenant_id == *tenant);
        return query.apply(&found.map(EventView::from).into_iter().collect::<Vec<_>>()).map(Json);
    }
    let entries = events.entries(tenant, query.eq("type"), query.times("update_timestamp")).await?;
    let entries = rql::within(entries, LIST_LIMIT)?;
    let read = async |ids| {
        let records = events.read(rql::within(ids, CONTENT_LIMIT)?).await?;
        Ok::<Vec<EventView>, Refusal>(records.into_iter().map(EventView::from).collect())
    };
    if query.decides_by("content") {
        let views = read(entries.into_iter().map(|entry| entry.event_id).collect()).await?;
        return query.apply(&views).map(Json);
    }
    let views: Vec<EventView> = entries.into_iter().map(EventView::from).collect();
    let List { page, data } = query.page(&views)?;
    let views = read(data.into_iter().map(|view| view.id.clone()).collect()).await?;
    let data = views.iter().map(|view| query.show(view)).collect::<Result<_, _>>()?;
    Ok(Json(List { page, data }))
}

/// Says whether events can be published and listed.
///
/// 503 while the records of events cannot be read.
#[utoipa::path(
    get, path = "/events/v1/health", tag = "events",
    responses((status = 200, body = EventsHealth, example = json!({"status": "up"}))),
)]
pub(crate) async fn health(State(app): Services) -> Answer<EventsHealth> {
    // A record that is not there costs the least and proves as much.
    app.store.events.get(&EventId::new("health")).await?;
    Ok(Json(EventsHealth { status: "up" }))
}

/// Seals a batch of events and runs with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/runs/rotate", tag = "runs",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(app): Services) -> Answer<Resealed> {
    Ok(Json(app.store.runs.reseal().await?))
}

/// Returns an event with its runs, steps and attempts, and everything that happened, in order.
#[utoipa::path(get, path = "/runs/{eventId}", tag = "runs", responses((status = 200, body = Timeline)))]
pub(crate) async fn run(State(app): Services, caller: Caller, Path(event_id): Path<String>) -> Answer<Timeline> {
    let found = app.store.events.with_runs(&EventId::new(event_id.as_str())).await?;
    let found = found.filter(|(record, _)| record.event.envelope.tenant_id == *caller.tenant_id());
    let (record, runs) = found.ok_or_else(|| Refusal::unknown("event", &event_id))?;
    Ok(Json(Timeline::new(record, runs)))
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

impl From<EventEntry> for EventView {
    /// Shows all but the content.
    fn from(EventEntry { event_id: id, kind, created_at, received_at }: EventEntry) -> Self {
        let (creation_timestamp, update_timestamp) = (created_at, received_at);
        Self { id, kind, content: Value::Null, creation_timestamp, update_timestamp }
    }
}
