//! The runs of an event, one row each, and what the rows of the table of events and runs share: the key, the place in
//! the index of open rows, JSON as text.
//!
//! A run is listed by the index of its tenant's runs by time from its second write on, which for most runs is their end,
//! so that it is written into that index once. Before, the index of open rows knows the same of it. A run that failed is
//! in the sparse index of failed runs besides.

use std::cmp::Reverse;
use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{ChannelId, DispatcherId, EventId, EventType, TenantId};
use shared::seal::Resealed;
use shared::table::{Expression, Query, Table};

use super::retry;
use crate::run::{Run, RunStatus};

/// The index of rows that the sweeper must check.
const OPEN_INDEX: &str = "open";
/// The index of a tenant's runs by time, and the one of those that failed.
const RUNS_INDEX: &str = "runsByTime";
const FAILED_INDEX: &str = "failedRuns";
const RUN_PREFIX: &str = "run#";
/// Of how many runs a list can be made; an entry of an index has about 200 bytes, so that they are about 20 requests.
pub(crate) const LIST_LIMIT: usize = 100_000;
/// How many runs a list reads as a whole, because its query asks for what no index knows.
pub(crate) const CONTENT_LIMIT: usize = 10_000;
/// How many runs a list reads at once.
const CONCURRENT_READS: usize = 16;
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

/// The keys of the indexes of runs, and what these carry besides.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    tenant_id: TenantId,
    /// The key of the index by time; absent while the run is found among the open rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_tenant: Option<TenantId>,
    /// In milliseconds since 1970.
    started_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_tenant: Option<TenantId>,
    #[serde(flatten)]
    about: About,
}

/// What the indexes of runs carry beside their keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    kind: EventType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel_id: Option<ChannelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dispatcher_name: Option<String>,
    /// The status of a run that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<RunStatus>,
    /// In milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
}

/// A run as the indexes know it: enough to find its place in a list, unless that depends on its steps.
#[derive(Debug)]
pub(crate) struct RunEntry {
    pub(crate) event_id: EventId,
    pub(crate) dispatcher_id: DispatcherId,
    pub(crate) dispatcher_name: Option<String>,
    pub(crate) event_type: EventType,
    pub(crate) channel_id: Option<ChannelId>,
    /// The status; an index does not tell a run that is running from one that waits.
    pub(crate) outcome: Option<RunStatus>,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
}

/// What both indexes have of a run; each has the key of its own only.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryItem {
    #[serde(flatten)]
    key: Key,
    started_at: i64,
    #[serde(flatten)]
    about: About,
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
    #[serde(flatten)]
    listed: Listed,
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

    /// Returns a tenant's runs that started in a span of time, or those of them that failed, newest first; more than
    /// [`LIST_LIMIT`] if there are too many to list. One that has just started or ended may be missing.
    pub(crate) async fn entries(
        &self,
        tenant: &TenantId,
        failed_only: bool,
        (from, to): (Option<i64>, Option<i64>),
    ) -> Result<Vec<RunEntry>, Error> {
        let (from, to) = (from.unwrap_or(0), to.unwrap_or(i64::MAX));
        if from > to {
            return Ok(Vec::new());
        }
        let (index, name) = if failed_only { (FAILED_INDEX, "failedTenant") } else { (RUNS_INDEX, "runTenant") };
        let key = Expression::new("#key = :key AND startedAt BETWEEN :from AND :to")
            .name("#key", name)
            .value(":key", tenant)
            .value(":from", from)
            .value(":to", to);
        let query = Query::new(key).index(index).descending().limit(LIST_LIMIT + 1);
        let items: Vec<EntryItem> = self.table.query(query).await?;
        let mut entries: Vec<RunEntry> = items.into_iter().filter_map(EntryItem::entry).collect();
        if failed_only || entries.len() > LIST_LIMIT {
            return Ok(entries);
        }
        let known: HashSet<(EventId, DispatcherId)> = entries.iter().map(RunEntry::id).collect();
        let is_in_span = |entry: &RunEntry| (from..=to).contains(&entry.started_at.as_millisecond());
        let open = self.open_entries(tenant).await?.into_iter();
        entries.extend(open.filter(|entry| is_in_span(entry) && !known.contains(&entry.id())));
        entries.sort_by_key(|entry| Reverse(entry.started_at));
        Ok(entries)
    }

    /// Returns a tenant's runs that are open rows, in no particular order.
    async fn open_entries(&self, tenant: &TenantId) -> Result<Vec<RunEntry>, Error> {
        let partitions = (0..OPEN_PARTITIONS).map(|partition| {
            let key = Expression::new("#open = :partition").name("#open", "open");
            let of_tenant =
                Expression::new("tenantId = :tenant AND attribute_exists(startedAt)").value(":tenant", tenant);
            let query = Query::new(key.value(":partition", partition_name(partition))).index(OPEN_INDEX);
            self.table.query::<EntryItem>(query.filter(of_tenant).limit(LIST_LIMIT))
        });
        let found: Vec<Vec<EntryItem>> =
            stream::iter(partitions.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().filter_map(EntryItem::entry).collect())
    }

    /// Reads runs as a whole, in their order, without those that have expired or cannot be read.
    pub(crate) async fn read(&self, ids: Vec<(EventId, DispatcherId)>) -> Result<Vec<Run>, Error> {
        let reads = ids.into_iter().map(|(event_id, dispatcher_id)| async move {
            let item: Option<RunItem> = self.table.get_readable(&Key::run(&event_id, &dispatcher_id)).await?;
            let read =
                |item: RunItem| item.run().inspect_err(|error| self.table.log_unreadable(&item.name(), error)).ok();
            Ok::<_, Error>(item.and_then(read))
        });
        let found: Vec<Option<Run>> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
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
            listed: Listed::new(run),
        })
    }

    /// Names the row in the log.
    pub(super) fn name(&self) -> String {
        format!("eventId={} item={}", self.key.event_id, self.key.item)
    }

    pub(super) fn run(&self) -> Result<Run, Error> {
        from_text(&self.run)
    }
}

impl Listed {
    fn new(run: &Run) -> Self {
        let is_listed = run.version > 1 || run.touched_at().is_none();
        Self {
            tenant_id: run.tenant_id.clone(),
            run_tenant: is_listed.then(|| run.tenant_id.clone()),
            started_at: run.started_at.as_millisecond(),
            failed_tenant: (run.status == RunStatus::Failed).then(|| run.tenant_id.clone()),
            about: About::new(run),
        }
    }
}

impl About {
    fn new(run: &Run) -> Self {
        Self {
            kind: run.event_type.clone(),
            channel_id: run.channel_id.clone(),
            dispatcher_name: run.dispatcher_name.clone(),
            outcome: run.is_over().then_some(run.status),
            finished_at: run.finished_at.map(Timestamp::as_millisecond),
        }
    }
}

impl RunEntry {
    fn id(&self) -> (EventId, DispatcherId) {
        (self.event_id.clone(), self.dispatcher_id.clone())
    }
}

impl EntryItem {
    fn entry(self) -> Option<RunEntry> {
        let About { kind, channel_id, dispatcher_name, outcome, finished_at } = self.about;
        Some(RunEntry {
            event_id: self.key.event_id,
            dispatcher_id: DispatcherId::new(self.key.item.strip_prefix(RUN_PREFIX)?),
            dispatcher_name,
            event_type: kind,
            channel_id,
            outcome,
            started_at: Timestamp::from_millisecond(self.started_at).ok()?,
            finished_at: finished_at.and_then(|time| Timestamp::from_millisecond(time).ok()),
        })
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
