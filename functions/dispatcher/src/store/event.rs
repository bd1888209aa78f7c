//! The records of events, and the transactions that write them with their runs.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{Envelope, EventId};
use shared::table::{Expression, Query, TRANSACTION_LIMIT, Table, exists, is_new};
use utoipa::ToSchema;

use super::row::{Key, Open, from_text, to_text};
use super::run::RunItem;
use crate::event::Event;
use crate::recurrence::Occurrence;
use crate::run::Run;

/// How many occurrences of an event are kept, so that one that is redelivered late after a crash is recognised.
const MAX_OCCURRENCES: usize = 50;
/// The index of events by type and time.
const TYPE_INDEX: &str = "byType";
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
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EventRecord {
    pub(crate) event: Arc<Event>,
    pub(crate) source: String,
    pub(crate) received_at: Timestamp,
    pub(crate) outcome: MatchOutcome,
    /// Whether all of its runs are written.
    pub(crate) planned: bool,
    /// How many duplicates of it were received.
    pub(crate) duplicates: u64,
    /// Its latest occurrence, if it recurred; only known where all of its rows are read.
    pub(crate) latest: Option<EventId>,
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
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventItem {
    #[serde(flatten)]
    key: Key,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    received_at: i64,
    #[serde(rename = "received")]
    outcome: MatchOutcome,
    planned: bool,
    duplicates: u64,
    expires_at: i64,
    envelope: String,
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
    Event(Box<EventItem>),
    Run(RunItem),
    Occurrences(OccurrencesItem),
}

impl Events {
    /// Keeps the events in a table for `retention_s` seconds.
    pub(super) fn new(table: Table, retention_s: i64) -> Self {
        Self { table, retention: SignedDuration::from_secs(retention_s) }
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
            return self.table.put_if(&EventItem::new(record, true)?, is_event_new()).await;
        }
        let items = runs.iter().map(|run| RunItem::new(run)).collect::<Result<Vec<_>, _>>()?;
        let size_bytes: usize = items.iter().map(RunItem::size_bytes).sum();
        if items.len() < TRANSACTION_LIMIT && size_bytes < TRANSACTION_BYTES {
            let mut writes = vec![self.table.writing(&EventItem::new(record, true)?, Some(is_event_new()))?];
            for item in &items {
                writes.push(self.table.writing(item, None)?);
            }
            return Ok(self.table.transact(writes).await?.is_empty());
        }
        if !self.table.put_if(&EventItem::new(record, false)?, is_event_new()).await? {
            return Ok(false);
        }
        self.add_missing_items(record.event.id(), items).await?;
        Ok(true)
    }

    /// Writes those runs of an event that are missing, and records that all are there.
    pub(crate) async fn add_missing_runs(&self, event_id: &EventId, runs: &[&Run]) -> Result<(), Error> {
        let items = runs.iter().map(|run| RunItem::new(run)).collect::<Result<Vec<_>, _>>()?;
        self.add_missing_items(event_id, items).await
    }

    async fn add_missing_items(&self, event_id: &EventId, mut items: Vec<RunItem>) -> Result<(), Error> {
        while !items.is_empty() {
            let mut size_bytes = 0;
            let fits = |item: &&RunItem| {
                size_bytes += item.size_bytes();
                size_bytes < TRANSACTION_BYTES
            };
            let count = items.iter().take(TRANSACTION_LIMIT).take_while(fits).count().max(1);
            let rest = items.split_off(count);
            self.write_missing(items).await?;
            items = rest;
        }
        let update = Expression::new("SET planned = :true REMOVE #open, touchedAt").name("#open", "open");
        let update = update.value(":true", true);
        self.table.update::<EventItem>(&Key::event(event_id), update, Some(exists("eventId"))).await?;
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
        let item: Option<EventItem> = self.table.update(&Key::event(event_id), update, Some(exists("eventId"))).await?;
        item.map(EventRecord::try_from).transpose()
    }

    /// Returns the record of an event.
    pub(crate) async fn get(&self, event_id: &EventId) -> Result<Option<EventRecord>, Error> {
        let item: Option<EventItem> = self.table.get(&Key::event(event_id)).await?;
        item.map(EventRecord::try_from).transpose()
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
        self.table.update::<EventItem>(&Key::event(event_id), update, Some(exists("eventId"))).await?;
        self.table.put_if(&item, condition).await
    }

    /// Returns an event with all of its runs.
    pub(crate) async fn with_runs(&self, event_id: &EventId) -> Result<Option<(EventRecord, Vec<Run>)>, Error> {
        let key = Expression::new("eventId = :id").value(":id", event_id);
        let mut record: Option<EventRecord> = None;
        let mut latest = None;
        let mut runs = Vec::new();
        for row in self.table.query::<Row>(Query::new(key)).await? {
            match row {
                Row::Event(item) => record = Some(EventRecord::try_from(*item)?),
                Row::Run(item) => runs.push(Run::try_from(item)?),
                Row::Occurrences(item) => latest = item.occurrences.last().map(|latest| latest.event_id.clone()),
            }
        }
        Ok(record.map(|record| (EventRecord { latest, ..record }, runs)))
    }

    /// Returns the newest events of a type, newest first; one that was just recorded may be missing.
    pub(crate) async fn of_type(&self, kind: &str, limit: usize) -> Result<Vec<EventRecord>, Error> {
        let key = Expression::new("#type = :type").name("#type", "type").value(":type", kind);
        let query = Query::new(key).index(TYPE_INDEX).descending().limit(limit);
        let items: Vec<EventItem> = self.table.query(query).await?;
        items.into_iter().map(EventRecord::try_from).collect()
    }
}

impl EventItem {
    fn new(record: &EventRecord, planned: bool) -> Result<Self, Error> {
        let event_id = record.event.id();
        Ok(Self {
            key: Key::event(event_id),
            kind: record.event.envelope.kind.clone(),
            source: record.source.clone(),
            received_at: record.received_at.as_millisecond(),
            outcome: record.outcome,
            planned,
            duplicates: record.duplicates,
            expires_at: record.expires_at,
            envelope: to_text(&record.event.envelope)?,
            open: if planned { Open::default() } else { Open::since(event_id, record.received_at) },
        })
    }
}

impl TryFrom<EventItem> for EventRecord {
    type Error = Error;

    fn try_from(item: EventItem) -> Result<Self, Error> {
        let envelope: Envelope = from_text(&item.envelope)?;
        let received_at = Timestamp::from_millisecond(item.received_at).map_err(Error::cannot("read a time"))?;
        Ok(Self {
            event: Arc::new(Event::new(envelope)),
            source: item.source,
            received_at,
            outcome: item.outcome,
            planned: item.planned,
            duplicates: item.duplicates,
            latest: None,
            expires_at: item.expires_at,
        })
    }
}
