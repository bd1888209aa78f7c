//! `/events/v1`: publishing custom events, and listing all that were received.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::Caller;
use shared::bus::Entry;
use shared::clock::derived_uuid;
use shared::event::fact::{CUSTOM_SOURCE, check_published};
use shared::event::{Envelope, EventId, EventType, TenantId};
use shared::http::{IdempotencyKey, JsonBody, List};
use shared::list::{Found, Source};
use shared::rql::Rql;
use utoipa::ToSchema;

use super::{Answer, Services};
use crate::store::{EventEntry, EventRecord, Events};

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
    let mut published = entry(&envelope)?;
    if key.as_bytes().is_some() {
        let asked = [envelope.kind.as_str().as_bytes(), envelope.content.to_string().as_bytes()].map(<[u8]>::to_vec);
        let first = app.store.events.claim_id(&envelope, &asked.each_ref().map(Vec::as_slice)).await?;
        envelope.time = first.ok_or_else(|| Refusal::field("Idempotency-Key", "was used for another event"))?;
        published = entry(&envelope)?;
    }
    app.bus.publish(vec![published]).await?;
    let time = envelope.time.as_millisecond();
    Ok(Json(EventView::new(envelope, time)))
}

fn entry(envelope: &Envelope) -> Result<Entry, Refusal> {
    Entry::fact(CUSTOM_SOURCE, envelope).map_err(|error| Refusal::too_large(error.to_string()))
}

/// Lists events, the newest first.
///
/// The query string is RQL, such as `eq(type,order.paid)&limit(50)`; without any it lists the events of all types. Times of
/// creation are looked up in an index, and types within them. A query that would have to look at more than 200,000 events, or more than
/// 10,000 as a whole because it asks for their `content`, is refused as a long query.
#[utoipa::path(get, path = "/events/v1", tag = "events", responses((status = 200, body = List<EventView>)))]
pub(crate) async fn list(State(app): Services, caller: Caller, RawQuery(query): RawQuery) -> Answer<List<Value>> {
    let query = Rql::parse::<EventView>(query.as_deref())?;
    let source = EventSource { events: &app.store.events, tenant: caller.tenant_id(), now: app.clock.now() };
    shared::list::list(&query, &source).await.map(Json)
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

/// Where the events of a tenant are.
struct EventSource<'a> {
    events: &'a Events,
    tenant: &'a TenantId,
    now: Timestamp,
}

impl Source for EventSource<'_> {
    type Item = EventView;
    type Entry = EventEntry;

    const CONTENT: &'static [&'static str] = &["content"];

    async fn find(&self, query: &Rql) -> Result<Found<'_, Self>, Refusal> {
        if let Some(ids) = query.texts("id") {
            let ids: Vec<EventId> = ids.into_iter().map(EventId::new).collect();
            let found = self.events.read(&ids.iter().collect::<Vec<_>>()).await?;
            let found = found.into_iter().flatten().filter(|found| found.event.envelope.tenant_id == *self.tenant);
            let mut found: Vec<EventRecord> = found.collect();
            found.sort_by_key(|found| Reverse(found.event.envelope.time));
            return Ok(Found::Items(found.into_iter().map(EventView::from).collect()));
        }
        let kind = query.only_text("type");
        let index = self.events.index(self.tenant, kind, self.now).span(query.span("creation_timestamp"));
        Ok(Found::Index(Box::new(if kind.is_some() { index.divided_by("type") } else { index })))
    }

    fn partly(&self, entry: &EventEntry) -> EventView {
        let EventEntry { event_id: id, kind, occurred_at: creation_timestamp, received_at: update_timestamp } =
            entry.clone();
        EventView { id, kind, content: Value::Null, creation_timestamp, update_timestamp }
    }

    async fn read(&self, entries: &[EventEntry]) -> Result<Vec<Option<EventView>>, Refusal> {
        let ids: Vec<&EventId> = entries.iter().map(|entry| &entry.event_id).collect();
        Ok(self.events.read(&ids).await?.into_iter().map(|found| found.map(EventView::from)).collect())
    }
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
        Self::new(Arc::unwrap_or_clone(record.event).into_envelope(), received_at)
    }
}
