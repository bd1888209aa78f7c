//! The records of events, and the first writes of their runs.
//!
//! The record of an event is written first and says which dispatchers start a run; then each run is written, every one of
//! them by a conditional write of its own. The fact stays in its queue until all of that is done and the commands are
//! sent, so that its next delivery completes what a crash left: it finds the record, and starts those of the runs that
//! are named there and missing. A run that is written is in the index of open rows besides. An event with so many runs
//! that its record cannot name them is in that index itself until all are written.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::clock::derived_uuid;
use shared::event::{DispatcherId, Envelope, EventId, EventType, TenantId};
use shared::list::{self, Index, Walks};
use shared::table::{Check, Expression, Query, Table, exists, is_new};
use utoipa::ToSchema;

use super::retry::BulkItem;
use super::run::{Key, Open, RunItem};
use crate::event::{Event, Occurrence, Replay};
use crate::run::Run;

/// How many occurrences of an event are kept, so that one that is redelivered late after a crash is recognised.
const MAX_OCCURRENCES: usize = 50;
/// The index of a tenant's events by time.
const TENANT_INDEX: &str = "byTime";
/// How many runs the record of an event names, and how many are built before they are written.
pub(crate) const NAMED_RUNS: usize = 100;
/// How many runs are written at once.
const CONCURRENT_WRITES: usize = 25;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The events.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    table: Table,
    walks: Walks,
    retention: SignedDuration,
}

/// What is known of an event as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventRecord {
    #[serde(rename = "envelope", with = "as_text")]
    pub(crate) event: Arc<Event>,
    pub(crate) source: String,
    #[serde(with = "millisecond::required")]
    pub(crate) received_at: Timestamp,
    #[serde(rename = "received")]
    pub(crate) outcome: MatchOutcome,
    /// Whether its runs are those of `starting`, or are all written.
    pub(crate) planned: bool,
    /// The dispatchers that start a run, unless they are too many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) starting: Vec<DispatcherId>,
    /// How many duplicates of it were received.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) duplicates: u64,
    /// Its latest occurrences after the first, the newest last; only known where all of its rows are read.
    #[serde(skip)]
    pub(crate) later: Vec<Occurrence>,
    /// The events that repeat it; only known where all of its rows are read.
    #[serde(skip)]
    pub(crate) replays: Vec<Replay>,
    /// When its rows may be deleted, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// The outcome of matching an event with the dispatchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MatchOutcome {
    /// At least one dispatcher matched.
    Matched,
    /// No dispatcher matched.
    Unmatched,
    /// The chain of dispatches that led here is too long.
    LoopDetected,
    /// What its first event may cause does not include this.
    BudgetExhausted,
}

/// An event as the indexes know it: enough to find its place in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventEntry {
    pub(crate) event_id: EventId,
    pub(crate) kind: EventType,
    /// When it happened, in milliseconds since 1970.
    pub(crate) occurred_at: i64,
    /// When it was received, in milliseconds since 1970.
    pub(crate) received_at: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventItem<'a> {
    #[serde(flatten)]
    key: Key,
    /// The keys of the indexes of events, and what these carry besides.
    tenant_id: &'a TenantId,
    kind: &'a EventType,
    occurred_at: i64,
    #[serde(flatten)]
    record: &'a EventRecord,
    #[serde(flatten)]
    open: Open,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OccurrencesItem {
    #[serde(flatten)]
    key: Key,
    /// The newest last.
    occurrences: Vec<Occurrence>,
    expires_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplayItem {
    #[serde(flatten)]
    key: Key,
    replay: Replay,
    expires_at: i64,
}

/// What was asked for under the idempotency key that an event has its id from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestItem {
    #[serde(flatten)]
    key: Key,
    fingerprint: String,
    /// When it was first asked for.
    #[serde(with = "millisecond::required")]
    requested_at: Timestamp,
    expires_at: i64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Row {
    Event(Box<EventRecord>),
    Run(RunItem),
    Bulk(BulkItem),
    Replay(ReplayItem),
    Occurrences(OccurrencesItem),
    #[expect(dead_code, reason = "its fields tell it from the other rows")]
    Request(RequestItem),
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl EventRecord {
    /// Returns the dispatchers whose runs are still to be written, if these are all that are; none once they may have expired.
    pub(crate) fn missing(&self, runs: &[Run], now: Timestamp) -> Vec<DispatcherId> {
        let is_there = |id: &DispatcherId| runs.iter().any(|run| run.dispatcher_id == *id);
        let has_expired = self.expires_at <= now.as_second();
        self.starting.iter().filter(|id| !has_expired && !is_there(id)).cloned().collect()
    }
}

impl Events {
    /// Keeps the events in a table for `retention_s` seconds.
    pub(super) fn new(table: Table, retention_s: i64) -> Self {
        Self { table, walks: Walks::default(), retention: SignedDuration::from_secs(retention_s) }
    }

    /// Returns how the table is checked.
    pub(super) fn check(&self) -> Check {
        self.table.check(|row| match row {
            Row::Run(item) => item.run().map(drop),
            Row::Bulk(item) => item.bulk().map(drop),
            Row::Event(_) | Row::Replay(_) | Row::Occurrences(_) | Row::Request(_) => Ok(()),
        })
    }

    /// Returns when an event may be deleted, in seconds since 1970: not before its deduplication window is over.
    pub(crate) fn expires_at<C>(&self, now: Timestamp, envelope: &Envelope<C>) -> i64 {
        let window = SignedDuration::from_secs(envelope.dedup_window_seconds.unwrap_or_default().into());
        now.checked_add(self.retention.max(window + DAY)).unwrap_or(now).as_second()
    }

    /// Writes the record of an event; returns whether the event is new.
    pub(crate) async fn create(&self, record: &EventRecord) -> Result<bool, Error> {
        self.walks.written(record.event.envelope.time, record.received_at);
        self.table.put_if(&EventItem::new(record), is_new("eventId")).await
    }

    /// Writes those runs of an event that are missing, and returns the dispatchers of the others.
    pub(crate) async fn add_missing_runs(&self, runs: &[&Run]) -> Result<HashSet<DispatcherId>, Error> {
        let writes: Vec<_> = runs.iter().map(|run| self.add_run(run)).collect();
        let there: Vec<Option<DispatcherId>> =
            stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).try_collect().await?;
        Ok(there.into_iter().flatten().collect())
    }

    /// Writes a run unless it is there, and returns its dispatcher if it is.
    async fn add_run(&self, run: &Run) -> Result<Option<DispatcherId>, Error> {
        let is_written = self.table.put_if(&RunItem::new(run)?, is_new("eventId")).await?;
        Ok((!is_written).then(|| run.dispatcher_id.clone()))
    }

    /// Records that all runs of an event are written.
    pub(crate) async fn mark_planned(&self, event_id: &EventId) -> Result<(), Error> {
        let update = Expression::new("SET planned = :true REMOVE #open, touchedAt").name("#open", "open");
        let update = update.value(":true", true);
        self.table.update_if(&Key::event(event_id), update, exists("eventId")).await.map(drop)
    }

    /// Records that only these of the dispatchers that the record names have started a run.
    pub(crate) async fn settle(&self, event_id: &EventId, started: &[DispatcherId]) -> Result<(), Error> {
        let update = Expression::new("SET starting = :started").value(":started", started);
        let update = match started {
            [] => update.append(", received = :unmatched").value(":unmatched", MatchOutcome::Unmatched),
            _ => update,
        };
        self.table.update_if(&Key::event(event_id), update, exists("eventId")).await.map(drop)
    }

    /// Counts a duplicate of an event, and returns the record; `None` if it has expired.
    pub(crate) async fn count_duplicate(&self, event_id: &EventId) -> Result<Option<EventRecord>, Error> {
        let update = Expression::new("ADD duplicates :one").value(":one", 1);
        self.table.update(&Key::event(event_id), update, Some(exists("eventId"))).await
    }

    /// Returns the record of an event.
    pub(crate) async fn get(&self, event_id: &EventId) -> Result<Option<EventRecord>, Error> {
        self.table.get(&Key::event(event_id)).await
    }

    /// Returns the event of a run; `None` at the end of the retention period, when the event may be deleted before the run.
    pub(crate) async fn event(&self, event_id: &EventId) -> Result<Option<Arc<Event>>, Error> {
        let record = self.get(event_id).await?;
        if record.is_none() {
            tracing::warn!(event = %event_id, "the event of a run has expired");
        }
        Ok(record.map(|record| record.event))
    }

    /// Returns the latest occurrences of an event that recurred, the newest last.
    pub(crate) async fn occurrences(&self, event_id: &EventId) -> Result<Vec<Occurrence>, Error> {
        let item: Option<OccurrencesItem> = self.table.get(&Key::occurrences(event_id)).await?;
        Ok(item.map(|item| item.occurrences).unwrap_or_default())
    }

    /// Adds an occurrence of an event to those `before` it; returns whether nobody else was first.
    ///
    /// The event itself is kept as long, because it leads to the occurrence.
    pub(crate) async fn add_occurrence(
        &self,
        event_id: &EventId,
        before: &[Occurrence],
        occurrence: &Occurrence,
        expires_at: i64,
    ) -> Result<bool, Error> {
        let mut occurrences = before[before.len().saturating_sub(MAX_OCCURRENCES - 1)..].to_vec();
        occurrences.push(occurrence.clone());
        let item = OccurrencesItem { key: Key::occurrences(event_id), occurrences, expires_at };
        let condition = match before {
            [] => is_new("eventId"),
            before => Expression::new("occurrences = :before").value(":before", before),
        };
        self.table.update_if(&Key::event(event_id), kept_until(expires_at), exists("eventId")).await?;
        self.table.put_if(&item, condition).await
    }

    /// Records what is asked for under the idempotency key that an event has its id from, before it is published.
    ///
    /// Returns when it was first asked for; `None` if something else was.
    pub(crate) async fn claim_id<C>(
        &self,
        envelope: &Envelope<C>,
        asked: &[&[u8]],
    ) -> Result<Option<Timestamp>, Error> {
        let Envelope { id, time, .. } = envelope;
        let (key, fingerprint) = (Key::request(id), derived_uuid(asked).to_string());
        let expires_at = self.expires_at(*time, envelope);
        let item = RequestItem { key, fingerprint, requested_at: *time, expires_at };
        if self.table.put_if(&item, is_new("eventId")).await? {
            return Ok(Some(*time));
        }
        let earlier: Option<RequestItem> = self.table.get(&item.key).await?;
        let earlier = earlier.ok_or_else(|| Error::new("read what was asked for", "it has expired in the meantime"))?;
        Ok((earlier.fingerprint == item.fingerprint).then_some(earlier.requested_at))
    }

    /// Records that another event repeats an event, with which it is forgotten.
    pub(crate) async fn add_replay(&self, of: &EventId, replay: &Replay, expires_at: i64) -> Result<(), Error> {
        let key = Key::replay(of, &replay.event_id);
        self.table.put(&ReplayItem { key, replay: replay.clone(), expires_at }).await
    }

    /// Keeps an event until a time, in seconds since 1970, or longer if it already was to be kept longer.
    pub(crate) async fn keep_until(&self, event_id: &EventId, expires_at: i64) -> Result<(), Error> {
        let is_sooner = Expression::new("expiresAt < :expires").value(":expires", expires_at);
        self.table.update_if(&Key::event(event_id), kept_until(expires_at), is_sooner).await.map(drop)
    }

    /// Returns an event with all of its runs.
    pub(crate) async fn with_runs(&self, event_id: &EventId) -> Result<Option<(EventRecord, Vec<Run>)>, Error> {
        let key = Expression::new("eventId = :id").value(":id", event_id);
        let mut record: Option<EventRecord> = None;
        let (mut later, mut replays) = (Vec::new(), Vec::new());
        let mut runs = Vec::new();
        for row in self.table.query::<Row>(Query::new(key)).await? {
            match row {
                Row::Event(item) => record = Some(*item),
                Row::Run(item) => {
                    runs.extend(item.run().inspect_err(|error| self.table.log_unreadable(&item.name(), error)))
                }
                Row::Occurrences(item) => later = item.occurrences,
                Row::Replay(item) => replays.push(item.replay),
                Row::Bulk(_) | Row::Request(_) => {}
            }
        }
        replays.sort_by_key(|replay| replay.time);
        Ok(record.map(|record| (EventRecord { later, replays, ..record }, runs)))
    }

    /// Returns the index of a tenant's events, of a type or of all. One that was just recorded may be missing.
    pub(crate) fn index(&self, tenant: &TenantId, kind: Option<&str>, now: Timestamp) -> Index<'_, EventEntry> {
        let sort = ("occurredAt", list::milliseconds as list::Bounds);
        let partition = ("tenantId", tenant.to_string());
        let index =
            Index::new(&self.table, &self.walks, partition, sort, "creation_timestamp", now).index(TENANT_INDEX);
        match kind {
            Some(kind) => index.only("kind", kind),
            None => index,
        }
    }

    /// Returns the newest of a tenant's events, of a type or of all, that were in a span of time.
    pub(crate) async fn newest(
        &self,
        tenant: &TenantId,
        kind: Option<&str>,
        (from, to): (Option<i64>, Option<i64>),
        limit: usize,
    ) -> Result<Vec<EventEntry>, Error> {
        let (from, to) = (from.unwrap_or(0), to.unwrap_or(i64::MAX));
        if from > to {
            return Ok(Vec::new());
        }
        let key = Expression::new("tenantId = :tenant AND occurredAt BETWEEN :from AND :to")
            .value(":tenant", tenant)
            .value(":from", from)
            .value(":to", to);
        let query = Query::new(key).index(TENANT_INDEX).descending().limit(limit);
        let query = match kind {
            Some(kind) => query.filter(Expression::new("#kind = :kind").name("#kind", "kind").value(":kind", kind)),
            None => query,
        };
        self.table.query(query).await
    }

    /// Reads events as a whole, in this order; `None` for one that has expired or cannot be read.
    pub(crate) async fn read(&self, ids: &[&EventId]) -> Result<Vec<Option<EventRecord>>, Error> {
        let keys: Vec<Key> = ids.iter().map(|id| Key::event(id)).collect();
        self.table.get_all(&keys).await
    }
}

/// The update that keeps an event until a time, in seconds since 1970, at which its runs may have expired.
fn kept_until(expires_at: i64) -> Expression {
    Expression::new("SET expiresAt = :expires REMOVE starting").value(":expires", expires_at)
}

impl<'a> EventItem<'a> {
    fn new(record: &'a EventRecord) -> Self {
        let Envelope { id, tenant_id, kind, .. } = &record.event.envelope;
        let open = if record.planned { Open::default() } else { Open::since(id, record.received_at) };
        let occurred_at = record.event.envelope.time.as_millisecond();
        Self { key: Key::event(id), tenant_id, kind, occurred_at, record, open }
    }
}

/// Keeps the envelope of an event as JSON text.
mod as_text {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};

    use crate::event::Event;

    pub(super) fn serialize<S: Serializer>(event: &Arc<Event>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(&event.envelope).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Event>, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map(|envelope| Arc::new(Event::new(envelope))).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_are_missing_until_they_may_have_expired() {
        let (kind, tenant, now) = (EventType::known("k"), TenantId::new("t"), Timestamp::from_second(1_000).unwrap());
        let record = EventRecord {
            event: Arc::new(Event::new(Envelope::new(kind, EventId::new("e"), tenant, now, json!({})))),
            source: "s".to_owned(),
            received_at: now,
            outcome: MatchOutcome::Matched,
            planned: true,
            starting: vec![DispatcherId::new("d")],
            duplicates: 0,
            later: Vec::new(),
            replays: Vec::new(),
            expires_at: 2_000,
        };
        let missing = |second: i64| record.missing(&[], Timestamp::from_second(second).unwrap()).len();
        assert_eq!([missing(1_000), missing(1_999), missing(2_000)], [1, 1, 0]);
    }
}
