//! The table of events and their runs.
//!
//! The partition of an event holds its receipt (`event`), one row per run (`run#<dispatcher>`) and, of one that came
//! again after its time, the latest occurrence (`latest`): one query is the whole timeline. Rows that the sweeper must
//! look at are in the sparse index `open`.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::event::{DispatcherId, Envelope, EventId};
use shared::table::{Expression, Query, TRANSACTION_LIMIT, Table, exists, is_new};
use shared::{Environment, Error};
use utoipa::ToSchema;

use super::{from_text, to_text};
use crate::event::Event;
use crate::recurrence::Occurrence;
use crate::run::Run;

const RECEIPT: &str = "event";
const RUN_PREFIX: &str = "run#";
const LATEST: &str = "latest";
/// How many occurrences of an event are known, so that one that a crash brings back late is recognised.
const OCCURRENCES: usize = 50;
/// The index of rows that the sweeper must look at, and over how many of its partitions they spread.
const OPEN_INDEX: &str = "open";
const OPEN_PARTITIONS: u8 = 16;
/// The index of events by type and time.
const TYPE_INDEX: &str = "byType";
/// What DynamoDB takes in one transaction is 4 MB; this leaves room for everything but the bodies.
const TRANSACTION_BYTES: usize = 3_500_000;

/// The events and their runs.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    table: Table,
}

/// What is known of an event as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Receipt {
    pub(crate) event: Event,
    pub(crate) source: String,
    pub(crate) received_at: Timestamp,
    pub(crate) received: Received,
    /// Whether all of its runs are written.
    pub(crate) planned: bool,
    /// How often it came again.
    pub(crate) duplicates: u64,
    /// Its latest occurrence, if it came again after its time; only known where all of its rows are read.
    pub(crate) latest: Option<EventId>,
    /// When its rows may be deleted, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// What an event led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Received {
    /// At least one dispatcher matched.
    Matched,
    /// No dispatcher matched.
    Unmatched,
    /// The chain of dispatches that led here is too long.
    LoopDetected,
}

/// Whether an event was new when its receipt was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It was; its runs are written.
    First,
    /// It was there before; nothing is written.
    Again,
}

/// A row that the sweeper must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OpenRow {
    /// An event whose runs are not all written.
    Event(EventId),
    /// A run.
    Run(EventId, DispatcherId),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    event_id: EventId,
    item: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptItem {
    #[serde(flatten)]
    key: Key,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    received_at: i64,
    received: Received,
    planned: bool,
    duplicates: u64,
    expires_at: i64,
    envelope: String,
    #[serde(flatten)]
    open: Open,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunItem {
    #[serde(flatten)]
    key: Key,
    version: u64,
    expires_at: i64,
    run: String,
    #[serde(flatten)]
    open: Open,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Row {
    Receipt(Box<ReceiptItem>),
    Run(RunItem),
    Latest(LatestItem),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LatestItem {
    #[serde(flatten)]
    key: Key,
    /// The newest last.
    occurrences: Vec<Occurrence>,
    expires_at: i64,
}

/// The key of the index of open rows; absent from rows that are done.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    touched_at: Option<i64>,
}

impl Runs {
    /// Opens the table that `RUNS_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("RUNS_TABLE")? })
    }

    /// Writes the receipt of an event with all of its runs, if the event is new.
    pub(crate) async fn begin(&self, receipt: &Receipt, runs: &[&Run]) -> Result<Begun, Error> {
        let is_event_new = || is_new("eventId");
        if runs.is_empty() {
            let first = self.table.put_if(&ReceiptItem::new(receipt, true)?, is_event_new()).await?;
            return Ok(if first { Begun::First } else { Begun::Again });
        }
        let items = runs.iter().map(|run| RunItem::new(run)).collect::<Result<Vec<_>, _>>()?;
        let size_bytes: usize = items.iter().map(|item| item.run.len()).sum();
        if items.len() < TRANSACTION_LIMIT && size_bytes < TRANSACTION_BYTES {
            let mut writes = vec![self.table.writing(&ReceiptItem::new(receipt, true)?, Some(is_event_new()))?];
            for item in &items {
                writes.push(self.table.writing(item, None)?);
            }
            let unmet = self.table.transact(writes).await?;
            return Ok(if unmet.is_empty() { Begun::First } else { Begun::Again });
        }
        if !self.table.put_if(&ReceiptItem::new(receipt, false)?, is_event_new()).await? {
            return Ok(Begun::Again);
        }
        self.finish_planning(receipt.event.id(), items).await?;
        Ok(Begun::First)
    }

    /// Writes those runs of an event that are not there, and records that all are.
    pub(crate) async fn plan_rest(&self, event_id: &EventId, runs: &[&Run]) -> Result<(), Error> {
        let items = runs.iter().map(|run| RunItem::new(run)).collect::<Result<Vec<_>, _>>()?;
        self.finish_planning(event_id, items).await
    }

    async fn finish_planning(&self, event_id: &EventId, mut items: Vec<RunItem>) -> Result<(), Error> {
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
        self.table.update::<ReceiptItem>(&Key::receipt(event_id), update, Some(exists("eventId"))).await?;
        Ok(())
    }

    /// Writes those of the runs that are not there.
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

    /// Records that an event came again, and returns its receipt; `None` if it is gone.
    pub(crate) async fn came_again(&self, event_id: &EventId) -> Result<Option<Receipt>, Error> {
        let update = Expression::new("ADD duplicates :one").value(":one", 1);
        let item: Option<ReceiptItem> =
            self.table.update(&Key::receipt(event_id), update, Some(exists("eventId"))).await?;
        item.map(Receipt::try_from).transpose()
    }

    /// Returns the receipt of an event.
    pub(crate) async fn receipt(&self, event_id: &EventId) -> Result<Option<Receipt>, Error> {
        let item: Option<ReceiptItem> = self.table.get(&Key::receipt(event_id)).await?;
        item.map(Receipt::try_from).transpose()
    }

    /// Returns a run.
    pub(crate) async fn run(&self, event_id: &EventId, dispatcher_id: &DispatcherId) -> Result<Option<Run>, Error> {
        let item: Option<RunItem> = self.table.get(&Key::run(event_id, dispatcher_id)).await?;
        item.map(|item| from_text(&item.run)).transpose()
    }

    /// Writes the next version of a run; returns whether nobody else was first.
    pub(crate) async fn save(&self, run: &Run) -> Result<bool, Error> {
        let is_previous = Expression::new("version = :previous").value(":previous", run.version.saturating_sub(1));
        self.table.put_if(&RunItem::new(run)?, is_previous).await
    }

    /// Returns the latest occurrences of an event that came again after its time, the newest last.
    pub(crate) async fn occurrences(&self, event_id: &EventId) -> Result<Vec<Occurrence>, Error> {
        let item: Option<LatestItem> = self.table.get(&Key::latest(event_id)).await?;
        Ok(item.map(|item| item.occurrences).unwrap_or_default())
    }

    /// Records another occurrence of an event; returns whether those `before` it were still all.
    ///
    /// The event itself is kept as long, as it leads to the occurrence.
    pub(crate) async fn add_occurrence(
        &self,
        event_id: &EventId,
        before: &[Occurrence],
        occurrence: &Occurrence,
        expires_at: i64,
    ) -> Result<bool, Error> {
        let mut occurrences = before[before.len().saturating_sub(OCCURRENCES - 1)..].to_vec();
        occurrences.push(occurrence.clone());
        let item = LatestItem { key: Key::latest(event_id), occurrences, expires_at };
        let condition = match before {
            [] => is_new("eventId"),
            before => Expression::new("occurrences = :before").value(":before", before),
        };
        let update = Expression::new("SET expiresAt = :expires").value(":expires", expires_at);
        self.table.update::<ReceiptItem>(&Key::receipt(event_id), update, Some(exists("eventId"))).await?;
        self.table.put_if(&item, condition).await
    }

    /// Returns an event with all of its runs.
    pub(crate) async fn timeline(&self, event_id: &EventId) -> Result<Option<(Receipt, Vec<Run>)>, Error> {
        let key = Expression::new("eventId = :id").value(":id", event_id);
        let mut receipt: Option<Receipt> = None;
        let mut latest = None;
        let mut runs = Vec::new();
        for row in self.table.query::<Row>(Query::new(key)).await? {
            match row {
                Row::Receipt(item) => receipt = Some(Receipt::try_from(*item)?),
                Row::Run(item) => runs.push(from_text(&item.run)?),
                Row::Latest(item) => latest = item.occurrences.last().map(|latest| latest.event_id.clone()),
            }
        }
        Ok(receipt.map(|receipt| (Receipt { latest, ..receipt }, runs)))
    }

    /// Returns the newest events of a type, newest first; one that has just come may be missing.
    pub(crate) async fn of_type(&self, kind: &str, limit: usize) -> Result<Vec<Receipt>, Error> {
        let key = Expression::new("#type = :type").name("#type", "type").value(":type", kind);
        let query = Query::new(key).index(TYPE_INDEX).descending().limit(limit);
        let items: Vec<ReceiptItem> = self.table.query(query).await?;
        items.into_iter().map(Receipt::try_from).collect()
    }

    /// Names the partitions of the index of open rows.
    pub(crate) fn open_partitions() -> impl Iterator<Item = u8> {
        0..OPEN_PARTITIONS
    }

    /// Returns the open rows of a partition that were touched last before a time, oldest first.
    pub(crate) async fn open(&self, partition: u8, before: Timestamp, limit: usize) -> Result<Vec<OpenRow>, Error> {
        let key = Expression::new("#open = :partition AND touchedAt <= :before")
            .name("#open", "open")
            .value(":partition", partition_name(partition))
            .value(":before", before.as_millisecond());
        let keys: Vec<Key> = self.table.query(Query::new(key).index(OPEN_INDEX).limit(limit)).await?;
        Ok(keys.into_iter().map(OpenRow::from).collect())
    }
}

impl Key {
    fn receipt(event_id: &EventId) -> Self {
        Self { event_id: event_id.clone(), item: RECEIPT.to_owned() }
    }

    fn latest(event_id: &EventId) -> Self {
        Self { event_id: event_id.clone(), item: LATEST.to_owned() }
    }

    fn run(event_id: &EventId, dispatcher_id: &DispatcherId) -> Self {
        Self { event_id: event_id.clone(), item: format!("{RUN_PREFIX}{dispatcher_id}") }
    }
}

impl From<Key> for OpenRow {
    fn from(Key { event_id, item }: Key) -> Self {
        match item.strip_prefix(RUN_PREFIX) {
            Some(dispatcher_id) => Self::Run(event_id, DispatcherId::new(dispatcher_id)),
            None => Self::Event(event_id),
        }
    }
}

impl ReceiptItem {
    fn new(receipt: &Receipt, planned: bool) -> Result<Self, Error> {
        let event_id = receipt.event.id();
        Ok(Self {
            key: Key::receipt(event_id),
            kind: receipt.event.envelope.kind.clone(),
            source: receipt.source.clone(),
            received_at: receipt.received_at.as_millisecond(),
            received: receipt.received,
            planned,
            duplicates: receipt.duplicates,
            expires_at: receipt.expires_at,
            envelope: to_text(&receipt.event.envelope)?,
            open: if planned { Open::default() } else { Open::since(event_id, receipt.received_at) },
        })
    }
}

impl TryFrom<ReceiptItem> for Receipt {
    type Error = Error;

    fn try_from(item: ReceiptItem) -> Result<Self, Error> {
        let envelope: Envelope = from_text(&item.envelope)?;
        let received_at = Timestamp::from_millisecond(item.received_at).map_err(Error::cannot("read a time"))?;
        Ok(Self {
            event: Event::new(envelope),
            source: item.source,
            received_at,
            received: item.received,
            planned: item.planned,
            duplicates: item.duplicates,
            latest: None,
            expires_at: item.expires_at,
        })
    }
}

impl RunItem {
    fn new(run: &Run) -> Result<Self, Error> {
        Ok(Self {
            key: Key::run(&run.event_id, &run.dispatcher_id),
            version: run.version,
            expires_at: run.expires_at,
            run: to_text(run)?,
            open: run.touched_at().map(|time| Open::since(&run.event_id, time)).unwrap_or_default(),
        })
    }
}

impl Open {
    fn since(event_id: &EventId, time: Timestamp) -> Self {
        // Any spread will do, as long as the same event always gets the same partition.
        let sum = event_id.as_str().bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        Self { open: Some(partition_name(sum % OPEN_PARTITIONS)), touched_at: Some(time.as_millisecond()) }
    }
}

fn partition_name(partition: u8) -> String {
    format!("{partition:02}")
}
