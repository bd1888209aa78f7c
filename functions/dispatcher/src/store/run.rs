//! The runs of an event, one row each, and what the rows of the table of events and runs share: the key, the place in
//! the index of open rows, JSON as text.
//!
//! A run is listed by the index of its tenant's runs by time from its second write on, which for most runs is their end,
//! so that it is written into that index once. Before, the index of open rows knows the same of it. A run that failed is
//! in the sparse index of failed runs besides.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::{ChannelId, DispatcherId, EventId, EventType, TenantId};
use shared::list::{self, Index, Unlisted, Walks};
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
/// How many partitions of the index of open rows a list reads at once.
const CONCURRENT_READS: usize = 16;
/// Over how many partitions of their index the open rows spread.
pub(crate) const OPEN_PARTITIONS: u8 = 16;

/// The runs.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    table: Table,
    walks: Walks,
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
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "EntryItem")]
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

/// The place of a run among those of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunPlace {
    pub(crate) event_id: EventId,
    pub(crate) dispatcher_id: DispatcherId,
    /// In milliseconds since 1970.
    pub(crate) started_at: i64,
}

/// The key of a run in the index of those that failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedKey<'a> {
    #[serde(flatten)]
    key: Key,
    failed_tenant: &'a TenantId,
    started_at: i64,
}

/// Which runs a list is about: those for which everything is so that is given.
#[derive(Debug, Default)]
pub(crate) struct RunKind<'a> {
    pub(crate) status: Option<&'a str>,
    pub(crate) event_type: Option<&'a str>,
    pub(crate) channel_id: Option<&'a str>,
    pub(crate) dispatcher_id: Option<&'a str>,
    pub(crate) dispatcher_name: Option<&'a str>,
}

/// What each index has of a run; each has the key of its own only.
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

/// The attributes that one version of a run may have and the next one may lack.
const MAY_LACK: &[&str] =
    &["open", "touchedAt", "runTenant", "failedTenant", "channelId", "dispatcherName", "outcome", "finishedAt"];

impl Runs {
    /// Keeps the runs in a table.
    pub(super) fn new(table: Table) -> Self {
        Self { table, walks: Walks::default() }
    }

    /// Returns a run.
    pub(crate) async fn get(&self, event_id: &EventId, dispatcher_id: &DispatcherId) -> Result<Option<Run>, Error> {
        let item: Option<RunItem> = self.table.get(&Key::run(event_id, dispatcher_id)).await?;
        item.map(|item| item.run()).transpose()
    }

    /// Returns the index of a tenant's runs of a kind. One that has just started or ended may be missing.
    pub(crate) async fn index(
        &self,
        tenant: &TenantId,
        kind: &RunKind<'_>,
        now: Timestamp,
    ) -> Result<Index<'_, RunEntry>, Error> {
        let sort = ("startedAt", list::milliseconds as list::Bounds);
        let (name, key) =
            if kind.status == Some("failed") { (FAILED_INDEX, "failedTenant") } else { (RUNS_INDEX, "runTenant") };
        let partition = (key, tenant.to_string());
        let mut index = Index::new(&self.table, &self.walks, partition, sort, "startedAt", now)
            .index(name)
            .changing(&["status", "finishedAt", "durationMs", "steps"]);
        match kind.status {
            Some("failed") => index = index.divided_by("status"),
            Some(status @ ("succeeded" | "cancelled")) => index = index.only("outcome", status).divided_by("status"),
            Some(_) => index = index.without("outcome").unlisted(self.unlisted(tenant, kind).await?),
            None => index = index.unlisted(self.unlisted(tenant, kind).await?),
        }
        let item = kind.dispatcher_id.map(|id| format!("{RUN_PREFIX}{id}"));
        for (field, attribute, text) in [
            ("eventType", "kind", kind.event_type),
            ("channelId", "channelId", kind.channel_id),
            ("dispatcherId", "item", item.as_deref()),
            ("dispatcherName", "dispatcherName", kind.dispatcher_name),
        ] {
            if let Some(text) = text {
                index = index.only(attribute, text).divided_by(field);
            }
        }
        Ok(index)
    }

    /// Returns a tenant's runs of a kind that are not in the index of runs by time yet.
    async fn unlisted(&self, tenant: &TenantId, kind: &RunKind<'_>) -> Result<Unlisted<RunEntry>, Error> {
        let partitions = (0..OPEN_PARTITIONS).map(|partition| {
            let key = Expression::new("#open = :partition").name("#open", "open");
            let of_tenant = Expression::new(
                "tenantId = :tenant AND attribute_exists(startedAt) AND attribute_not_exists(runTenant)",
            );
            let query = Query::new(key.value(":partition", partition_name(partition))).index(OPEN_INDEX);
            self.table.query::<RunEntry>(query.filter(of_tenant.value(":tenant", tenant)))
        });
        let found: Vec<Vec<RunEntry>> =
            stream::iter(partitions.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_READS).try_collect().await?;
        Ok(Unlisted {
            entries: found.into_iter().flatten().filter(|entry| kind.takes(entry)).collect(),
            time_ms: |entry| entry.started_at.as_millisecond(),
            is_same: |a, b| (&a.event_id, &a.dispatcher_id) == (&b.event_id, &b.dispatcher_id),
        })
    }

    /// Returns up to about `limit` of a tenant's runs that have failed and that started in a span of time, the latest
    /// first and after one of them, and whether there are no more. One that has just failed may be missing.
    pub(crate) async fn failed(
        &self,
        tenant: &TenantId,
        (from, to): (i64, i64),
        after: Option<&RunPlace>,
        limit: usize,
    ) -> Result<(Vec<RunEntry>, bool), Error> {
        if from > to {
            return Ok((Vec::new(), true));
        }
        let key = Expression::new("failedTenant = :tenant AND startedAt BETWEEN :from AND :to")
            .value(":tenant", tenant)
            .value(":from", from)
            .value(":to", to);
        let after = after.map(|place| self.table.after(&place.failed_key(tenant))).transpose()?;
        let query = Query::new(key).index(FAILED_INDEX).descending();
        let part = self.table.query_part(&query, after.as_ref(), limit).await?;
        Ok((self.table.open_rows(part.found).await?, part.next.is_none()))
    }

    /// Reads runs as a whole, in this order; `None` for one that has expired or cannot be read.
    pub(crate) async fn read(&self, ids: &[(&EventId, &DispatcherId)]) -> Result<Vec<Option<Run>>, Error> {
        let keys: Vec<Key> = ids.iter().map(|(event_id, dispatcher_id)| Key::run(event_id, dispatcher_id)).collect();
        let items: Vec<Option<RunItem>> = self.table.get_all(&keys).await?;
        let read = |item: RunItem| item.run().inspect_err(|error| self.table.log_unreadable(&item.name(), error)).ok();
        Ok(items.into_iter().map(|item| item.and_then(read)).collect())
    }

    /// Writes the next version of a run; returns whether nobody else was first.
    pub(crate) async fn save(&self, run: &Run) -> Result<bool, Error> {
        let is_previous = Expression::new("version = :previous").value(":previous", run.version.saturating_sub(1));
        self.table.replace_if(&RunItem::new(run)?, MAY_LACK, is_previous).await
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

impl RunPlace {
    fn failed_key<'a>(&self, tenant: &'a TenantId) -> FailedKey<'a> {
        let key = Key::run(&self.event_id, &self.dispatcher_id);
        FailedKey { key, failed_tenant: tenant, started_at: self.started_at }
    }
}

impl From<&RunEntry> for RunPlace {
    fn from(RunEntry { event_id, dispatcher_id, started_at, .. }: &RunEntry) -> Self {
        Self {
            event_id: event_id.clone(),
            dispatcher_id: dispatcher_id.clone(),
            started_at: started_at.as_millisecond(),
        }
    }
}

impl RunKind<'_> {
    /// Tells whether a run is of this kind, as far as one that is not over can be told.
    fn takes(&self, entry: &RunEntry) -> bool {
        self.event_type.is_none_or(|kind| entry.event_type.as_str() == kind)
            && self.channel_id.is_none_or(|id| entry.channel_id.as_ref().is_some_and(|of| of.as_str() == id))
            && self.dispatcher_id.is_none_or(|id| entry.dispatcher_id.as_str() == id)
            && self.dispatcher_name.is_none_or(|name| entry.dispatcher_name.as_deref() == Some(name))
    }
}

impl TryFrom<EntryItem> for RunEntry {
    type Error = &'static str;

    fn try_from(item: EntryItem) -> Result<Self, Self::Error> {
        let About { kind, channel_id, dispatcher_name, outcome, finished_at } = item.about;
        Ok(Self {
            event_id: item.key.event_id,
            dispatcher_id: DispatcherId::new(item.key.item.strip_prefix(RUN_PREFIX).ok_or("it is not a run")?),
            dispatcher_name,
            event_type: kind,
            channel_id,
            outcome,
            started_at: Timestamp::from_millisecond(item.started_at).map_err(|_| "it has no time")?,
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

    pub(super) fn request(event_id: &EventId) -> Self {
        Self { event_id: event_id.clone(), item: "request".to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_a_run_may_lack_is_named() {
        let least = json!({
            "eventId": "e", "item": "run#d", "version": 1, "expiresAt": 1, "run": "{}", "runTenant": "t", "startedAt": 1,
            "kind": "user_deleted", "tenantId": "t",
        });
        let mut most = least.clone();
        for (name, value) in [
            ("open", json!("1")),
            ("touchedAt", json!(1)),
            ("failedTenant", json!("t")),
            ("channelId", json!("c")),
            ("dispatcherName", json!("n")),
            ("outcome", json!("failed")),
            ("finishedAt", json!(1)),
        ] {
            most[name] = value;
        }
        let written = |item: Value| serde_json::to_value(serde_json::from_value::<RunItem>(item).unwrap()).unwrap();
        let (least, most) = (written(least), written(most));
        let lacking = most.as_object().unwrap().keys().filter(|name| least.get(name.as_str()).is_none());
        let lacking: Vec<&String> = lacking.collect();
        assert_eq!(lacking.len(), 7);
        assert!(lacking.iter().all(|name| MAY_LACK.contains(&name.as_str())), "{lacking:?}");
    }
}
