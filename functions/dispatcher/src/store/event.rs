//! The records of events, and the transactions that write them with their runs.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{Envelope, EventId, EventType, TenantId};
use shared::table::{Check, Expression, Query, TRANSACTION_LIMIT, Table, exists, is_new};

use super::run::{Key, Open, RunItem};
use crate::event::{Event, Occurrence};
use crate::run::Run;

/// How many occurrences of an event are kept, so that one that is redelivered late after a crash is recognised.
const MAX_OCCURRENCES: usize = 50;
/// The index of a tenant's events by type and time.
const TYPE_INDEX: &str = "byType";
/// The index of a tenant's events by time.
const TENANT_INDEX: &str = "byTenant";
/// Of how many events a list can be made; an entry of an index has about 200 bytes, so that they are about 20 requests.
pub(crate) const LIST_LIMIT: usize = 100_000;
/// How many events a list reads as a whole, because its query asks for what no index knows.
pub(crate) const CONTENT_LIMIT: usize = 10_000;
/// How many events a list reads at once.
const CONCURRENT_READS: usize = 16;
/// DynamoDB accepts 4 MB in one transaction; this leaves room for everything but the bodies.
const TRANSACTION_BYTES: usize = 3_500_000;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The events.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    table: Table,
    retention: SignedDuration,
}

/// What is known of an event as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventRecord {
    #[serde(rename = "envelope", with = "as_text")]
    pub(crate) event: Arc<Event>,
    pub(crate) source: String,
    #[serde(with = "millisecond::required")]
    pub(crate) received_at: Timestamp,
    #[serde(rename = "received")]
    pub(crate) outcome: MatchOutcome,
    /// Whether all of its runs are written.
    pub(crate) planned: bool,
    /// How many duplicates of it were received.
    pub(crate) duplicates: u64,
    /// Its latest occurrences after the first, the newest last; only known where all of its rows are read.
    #[serde(skip)]
    pub(crate) later: Vec<Occurrence>,
    /// When its rows may be deleted, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// The outcome of matching an event with the dispatchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(crate) created_at: i64,
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
    tenant_type: String,
    kind: &'a EventType,
    created_at: i64,
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

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Row {
    Event(Box<EventRecord>),
    Run(RunItem),
    Occurrences(OccurrencesItem),
}

impl Events {
    /// Keeps the events in a table for `retention_s` seconds.
    pub(super) fn new(table: Table, retention_s: i64) -> Self {
        Self { table, retention: SignedDuration::from_secs(retention_s) }
    }

    /// Returns how the table is checked.
    pub(super) fn check(&self) -> Check {
        self.table.check(|row| match row {
            Row::Run(item) => item.run().map(drop),
            Row::Event(_) | Row::Occurrences(_) => Ok(()),
        })
    }

    /// Returns when an event may be deleted, in seconds since 1970: not before its deduplication window is over.
    pub(crate) fn expires_at(&self, now: Timestamp, envelope: &Envelope) -> i64 {
        let window = SignedDuration::from_secs(envelope.dedup_window_seconds.unwrap_or_default().into());
        now.checked_add(self.retention.max(window + DAY)).unwrap_or(now).as_second()
    }

    /// Writes the record of an event with all of its runs; returns whether the event is new.
    pub(crate) async fn create(&self, record: &EventRecord, runs: &[&Run]) -> Result<bool, Error> {
        let is_event_new = || is_new("eventId");
        if runs.is_empty() {
            return self.table.put_if(&EventItem::new(record), is_event_new()).await;
        }
        let items = runs.iter().map(|run| RunItem::new(run)).collect::<Result<Vec<_>, _>>()?;
        let size_bytes: usize = items.iter().map(|item| item.run.len()).sum();
        if items.len() < TRANSACTION_LIMIT && size_bytes < TRANSACTION_BYTES {
            let mut writes = vec![self.table.writing(&EventItem::new(record), Some(is_event_new()))?];
            for item in &items {
                writes.push(self.table.writing(item, None)?);
            }
            return Ok(self.table.transact(writes).await?.is_empty());
        }
        let unplanned = EventRecord { planned: false, ..record.clone() };
        if !self.table.put_if(&EventItem::new(&unplanned), is_event_new()).await? {
            return Ok(false);
        }
        self.add_missing_runs(&record.event.envelope.id, runs).await?;
        Ok(true)
    }

    /// Writes those runs of an event that are missing, and records that all are there.
    pub(crate) async fn add_missing_runs(&self, event_id: &EventId, runs: &[&Run]) -> Result<(), Error> {
        let mut items = runs.iter().map(|run| RunItem::new(run)).collect::<Result<Vec<_>, _>>()?;
        while !items.is_empty() {
            let mut size_bytes = 0;
            let fits = |item: &&RunItem| {
                size_bytes += item.run.len();
                size_bytes < TRANSACTION_BYTES
            };
            let count = items.iter().take(TRANSACTION_LIMIT).take_while(fits).count().max(1);
            let rest = items.split_off(count);
            self.write_missing(items).await?;
            items = rest;
        }
        let update = Expression::new("SET planned = :true REMOVE #open, touchedAt").name("#open", "open");
        let update = update.value(":true", true);
        self.table.update::<EventRecord>(&Key::event(event_id), update, Some(exists("eventId"))).await?;
        Ok(())
    }

    /// Writes those of the runs that are missing.
    async fn write_missing(&self, mut items: Vec<RunItem>) -> Result<(), Error> {
        loop {
            let writes = items.iter().map(|item| self.table.writing(item, Some(is_new("eventId"))));
            let unmet: HashSet<usize> =
                self.table.transact(writes.collect::<Result<_, _>>()?).await?.into_iter().collect();
            let mut index = 0;
            items.retain(|_| {
                index += 1;
                !unmet.contains(&(index - 1))
            });
            if unmet.is_empty() || items.is_empty() {
                return Ok(());
            }
        }
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
        let update = Expression::new("SET expiresAt = :expires").value(":expires", expires_at);
        self.table.update::<EventRecord>(&Key::event(event_id), update, Some(exists("eventId"))).await?;
        self.table.put_if(&item, condition).await
    }

    /// Returns an event with all of its runs.
    pub(crate) async fn with_runs(&self, event_id: &EventId) -> Result<Option<(EventRecord, Vec<Run>)>, Error> {
        let key = Expression::new("eventId = :id").value(":id", event_id);
        let mut record: Option<EventRecord> = None;
        let mut later = Vec::new();
        let mut runs = Vec::new();
        for row in self.table.query::<Row>(Query::new(key)).await? {
            match row {
                Row::Event(item) => record = Some(*item),
                Row::Run(item) => {
                    runs.extend(item.run().inspect_err(|error| self.table.log_unreadable(&item.name(), error)))
                }
                Row::Occurrences(item) => later = item.occurrences,
            }
        }
        Ok(record.map(|record| (EventRecord { later, ..record }, runs)))
    }

    /// Returns a tenant's events, of a type or of all, that were received in a span of time, newest first, and one more
    /// than [`LIST_LIMIT`] at most. One that was just recorded may be missing.
    pub(crate) async fn entries(
        &self,
        tenant: &TenantId,
        kind: Option<&str>,
        (from, to): (Option<i64>, Option<i64>),
    ) -> Result<Vec<EventEntry>, Error> {
        let (from, to) = (from.unwrap_or(0), to.unwrap_or(i64::MAX));
        if from > to {
            return Ok(Vec::new());
        }
        let (index, name, value) = match kind {
            Some(kind) => (TYPE_INDEX, "tenantType", tenant.key(kind)),
            None => (TENANT_INDEX, "tenantId", tenant.to_string()),
        };
        let key = Expression::new("#key = :key AND receivedAt BETWEEN :from AND :to")
            .name("#key", name)
            .value(":key", value)
            .value(":from", from)
            .value(":to", to);
        let query = Query::new(key).index(index).descending().limit(LIST_LIMIT + 1);
        self.table.query(query).await
    }

    /// Returns the newest of a tenant's events that were received in a span of time, as many as `limit` at most.
    pub(crate) async fn latest(
        &self,
        tenant: &TenantId,
        (from, to): (i64, i64),
        limit: usize,
    ) -> Result<Vec<EventEntry>, Error> {
        let key = Expression::new("tenantId = :tenant AND receivedAt BETWEEN :from AND :to")
            .value(":tenant", tenant)
            .value(":from", from)
            .value(":to", to);
        self.table.query(Query::new(key).index(TENANT_INDEX).descending().limit(limit)).await
    }

    /// Reads events as a whole, in their order, without those that have expired or cannot be read.
    pub(crate) async fn read(&self, ids: Vec<EventId>) -> Result<Vec<EventRecord>, Error> {
        let reads = ids.into_iter().map(|id| async move { self.table.get_readable(&Key::event(&id)).await });
        let found: Vec<Option<EventRecord>> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl<'a> EventItem<'a> {
    fn new(record: &'a EventRecord) -> Self {
        let Envelope { id, tenant_id, kind, .. } = &record.event.envelope;
        let open = if record.planned { Open::default() } else { Open::since(id, record.received_at) };
        let created_at = record.event.envelope.time.as_millisecond();
        Self {
            key: Key::event(id),
            tenant_id,
            tenant_type: tenant_id.key(kind.as_str()),
            kind,
            created_at,
            record,
            open,
        }
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
