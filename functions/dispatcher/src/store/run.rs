//! The runs of an event, one row each, and what the rows of the table of events and runs share: the key, the place in
//! the index of open rows, JSON as text.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{DispatcherId, EventId, TenantId};
use shared::seal::Resealed;
use shared::table::{Expression, Query, Table};

use super::retry;
use crate::run::Run;

/// The index of rows that the sweeper must check.
const OPEN_INDEX: &str = "open";
const RUN_PREFIX: &str = "run#";
/// Over how many partitions of their index the open rows spread.
pub(crate) const OPEN_PARTITIONS: u8 = 16;

/// The runs.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    table: Table,
}

/// A row that the sweeper must check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OpenRow {
    /// An event whose runs are not all written.
    Event(EventId),
    /// A run.
    Run(EventId, DispatcherId),
    /// A bulk retry.
    Bulk(TenantId, String),
}

/// The key of a row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) event_id: EventId,
    pub(super) item: String,
}

/// The key of the index of open rows; absent from rows that are done.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Open {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    touched_at: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunItem {
    #[serde(flatten)]
    key: Key,
    version: u64,
    expires_at: i64,
    pub(super) run: String,
    #[serde(flatten)]
    open: Open,
}

impl Runs {
    /// Keeps the runs in a table.
    pub(super) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a run.
    pub(crate) async fn get(&self, event_id: &EventId, dispatcher_id: &DispatcherId) -> Result<Option<Run>, Error> {
        let item: Option<RunItem> = self.table.get(&Key::run(event_id, dispatcher_id)).await?;
        item.map(|item| item.run()).transpose()
    }

    /// Writes the next version of a run; returns whether nobody else was first.
    pub(crate) async fn save(&self, run: &Run) -> Result<bool, Error> {
        let is_previous = Expression::new("version = :previous").value(":previous", run.version.saturating_sub(1));
        self.table.put_if(&RunItem::new(run)?, is_previous).await
    }

    /// Seals a batch of rows, those of events too, with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
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

impl RunItem {
    pub(super) fn new(run: &Run) -> Result<Self, Error> {
        Ok(Self {
            key: Key::run(&run.event_id, &run.dispatcher_id),
            version: run.version,
            expires_at: run.expires_at,
            run: to_text(run)?,
            open: run.touched_at().map(|time| Open::since(&run.event_id, time)).unwrap_or_default(),
        })
    }

    /// Names the row in the log.
    pub(super) fn name(&self) -> String {
        format!("eventId={} item={}", self.key.event_id, self.key.item)
    }

    pub(super) fn dispatcher_id(&self) -> Option<DispatcherId> {
        self.key.item.strip_prefix(RUN_PREFIX).map(DispatcherId::new)
    }

    pub(super) fn run(&self) -> Result<Run, Error> {
        from_text(&self.run)
    }
}

impl From<Key> for OpenRow {
    fn from(Key { event_id, item }: Key) -> Self {
        if let Some((tenant_id, id)) = retry::of_key(&event_id, &item) {
            return Self::Bulk(tenant_id, id);
        }
        match item.strip_prefix(RUN_PREFIX) {
            Some(dispatcher_id) => Self::Run(event_id, DispatcherId::new(dispatcher_id)),
            None => Self::Event(event_id),
        }
    }
}

impl Key {
    pub(super) fn event(event_id: &EventId) -> Self {
        Self { event_id: event_id.clone(), item: "event".to_owned() }
    }

    pub(super) fn occurrences(event_id: &EventId) -> Self {
        Self { event_id: event_id.clone(), item: "latest".to_owned() }
    }

    pub(super) fn replay(event_id: &EventId, replay_id: &EventId) -> Self {
        Self { event_id: event_id.clone(), item: format!("replay#{replay_id}") }
    }

    pub(super) fn run(event_id: &EventId, dispatcher_id: &DispatcherId) -> Self {
        Self { event_id: event_id.clone(), item: format!("{RUN_PREFIX}{dispatcher_id}") }
    }
}

impl Open {
    pub(super) fn since(event_id: &EventId, time: Timestamp) -> Self {
        // Any spread will do, as long as the same event always gets the same partition.
        let sum = event_id.as_str().bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        Self { open: Some(partition_name(sum % OPEN_PARTITIONS)), touched_at: Some(time.as_millisecond()) }
    }
}

fn partition_name(partition: u8) -> String {
    format!("{partition:02}")
}

pub(super) fn to_text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::cannot("write a record"))
}

pub(super) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(Error::cannot("read a record"))
}
