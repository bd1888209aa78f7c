//! The table of dispatchers.
//!
//! A dispatcher is in the partition of its tenant and event type, so that one strongly consistent query finds all that
//! an event may match. Two reserved partitions of the tenant, `#id#<tenant>` and `#name#<tenant>`, point to it; no tenant
//! starts with `#`. The pointer of an id carries what people look for in lists, so that the definitions of a page alone
//! are read. Beside them are the tenant's subscriptions, in `#subscription#<tenant>`.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use moka::future::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::event::{DispatcherId, EventType, TenantId};
use shared::rql;
use shared::seal::Resealed;
use shared::table::{Check, Expression, Query, Row, Table, is_new};
use shared::{Error, Refusal};

use super::gather::Gather;
use super::run::{from_text, to_text};
use super::subscription::SubscriptionItem;
use crate::dispatcher::{CompiledDispatcher, Dispatcher, DispatcherSet};

/// About how much memory compiled dispatchers take.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// How much memory the cache takes for a type without dispatchers, of which there can be any number.
const ENTRY_BYTES: usize = 500;
/// Of how many event types a list reads the dispatchers at once.
const CONCURRENT_QUERIES: usize = 8;
/// How many dispatchers a list reads as a whole, because its query asks for what no pointer knows.
const CONTENT_LIMIT: usize = 10_000;
/// How often reading a dispatcher that moves is tried.
const READ_ATTEMPTS: u32 = 5;

/// The dispatchers.
#[derive(Debug, Clone)]
pub(crate) struct Dispatchers {
    table: Table,
    /// The compiled dispatchers by partition, valid for exactly the ids and versions that they were compiled from.
    compiled: Cache<String, Arc<DispatcherSet>>,
    /// The partitions that are being read.
    reads: Arc<Gather<DispatcherSet>>,
}

/// The outcome of writing a dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    /// It is written.
    Written,
    /// Another dispatcher has the name.
    NameTaken,
    /// The dispatcher was changed or deleted in the meantime.
    Conflict,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    pk: String,
    dispatcher_id: DispatcherId,
    version: u64,
    definition: String,
}

/// Any row that is understood.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Known {
    Dispatcher(Item),
    Subscription(SubscriptionItem),
    #[expect(dead_code, reason = "a pointer that can be read is right")]
    Pointer(Pointer),
}

/// Says where the dispatcher of an id, or what the id of a name is.
#[derive(Debug, Deserialize)]
struct Pointer {
    target: String,
}

/// A dispatcher as the pointer of its id knows it: enough to find its place in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DispatcherEntry {
    pub(crate) dispatcher_id: DispatcherId,
    /// The partition in which it is.
    target: String,
    pub(crate) event_type: EventType,
    pub(crate) enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
    pub(crate) version: u64,
}

/// The pointer of an id.
#[derive(Debug, Serialize)]
struct EntryItem {
    pk: String,
    #[serde(flatten)]
    entry: DispatcherEntry,
}

impl Dispatchers {
    /// Keeps the dispatchers in a table.
    pub(super) fn new(table: Table) -> Self {
        let weigh = |pk: &String, set: &Arc<DispatcherSet>| {
            u32::try_from(ENTRY_BYTES + pk.len() + set.size_bytes()).unwrap_or(u32::MAX)
        };
        let compiled = Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build();
        Self { table, compiled, reads: Arc::new(Gather::new()) }
    }

    /// Returns how the table is checked.
    pub(super) fn check(&self) -> Check {
        self.table.check(|row| match row {
            Known::Dispatcher(item) => compile(&item).map(drop),
            Known::Subscription(item) => item.subscription().map(drop),
            Known::Pointer(_) => Ok(()),
        })
    }

    /// Returns a tenant's dispatchers of an event type, including every one that was written before.
    pub(crate) async fn of_type(&self, tenant: &TenantId, kind: &EventType) -> Result<Arc<DispatcherSet>, Error> {
        let pk = tenant.key(kind.as_str());
        self.reads.read(&pk, async || self.read_set(&pk).await).await
    }

    async fn read_set(&self, pk: &str) -> Result<Arc<DispatcherSet>, Error> {
        let rows = self.table.query_rows(all_in(pk)).await?;
        let known = self.compiled.get(pk).await;
        // What can be told without opening a definition.
        let head = |row: &Row| Some((row.attribute("dispatcherId")?, row.attribute("version")?));
        let heads: Vec<(DispatcherId, u64)> = rows.iter().filter_map(head).collect();
        if let Some(known) = &known
            && known.consists_of(heads.iter().map(|(id, version)| (id, *version)))
        {
            return Ok(known.clone());
        }
        let items: Vec<Item> = self.table.open_rows(rows).await?;
        let compiled = items.iter().map(|item| {
            let known = known.as_ref().and_then(|known| known.get(&item.dispatcher_id, item.version));
            let compiled = known.cloned().or_else(|| self.readable(item, compile(item)));
            (item.dispatcher_id.clone(), item.version, compiled)
        });
        let set = Arc::new(DispatcherSet::new(compiled.collect()));
        self.compiled.insert(pk.to_owned(), set.clone()).await;
        Ok(set)
    }

    /// Returns all dispatchers of a tenant, oldest first; one that moves to another event type meanwhile may be missing.
    pub(crate) async fn all(&self, tenant: &TenantId) -> Result<Vec<Dispatcher>, Error> {
        let partitions: BTreeSet<String> = self.entries(tenant).await?.into_iter().map(|entry| entry.target).collect();
        let items: Vec<Vec<Item>> = stream::iter(partitions)
            .map(async |pk| self.partition(&pk).await)
            .buffer_unordered(CONCURRENT_QUERIES)
            .try_collect()
            .await?;
        let dispatchers = items.iter().flatten();
        let mut dispatchers: Vec<Dispatcher> =
            dispatchers.filter_map(|item| self.readable(item, from_text(&item.definition))).collect();
        dispatchers.sort_by(|one, other| (one.creation_timestamp, &one.id).cmp(&(other.creation_timestamp, &other.id)));
        dispatchers.dedup_by(|later, earlier| later.id == earlier.id);
        Ok(dispatchers)
    }

    /// Returns all dispatchers of a tenant, oldest first, unless they are more than a list may read.
    pub(crate) async fn all_of_few(&self, tenant: &TenantId) -> Result<Vec<Dispatcher>, Refusal> {
        rql::within(self.entries(tenant).await?, CONTENT_LIMIT)?;
        Ok(self.all(tenant).await?)
    }

    /// Returns what the pointers know of a tenant's dispatchers, oldest first.
    pub(crate) async fn entries(&self, tenant: &TenantId) -> Result<Vec<DispatcherEntry>, Error> {
        Ok(in_order(self.partition(&ids(tenant)).await?))
    }

    /// Returns what the pointers know of the dispatchers of some ids, oldest first.
    pub(crate) async fn entries_of_ids(&self, tenant: &TenantId, ids: &[&str]) -> Result<Vec<DispatcherEntry>, Error> {
        let pk = self::ids(tenant);
        let keys: Vec<Value> = ids.iter().map(|id| key(&pk, id)).collect();
        Ok(in_order(self.table.get_all(&keys).await?.into_iter().flatten().collect()))
    }

    /// Returns what the pointers know of the dispatchers of some names, oldest first.
    pub(crate) async fn entries_of_names(
        &self,
        tenant: &TenantId,
        names: &[&str],
    ) -> Result<Vec<DispatcherEntry>, Error> {
        let pk = self::names(tenant);
        let keys: Vec<Value> = names.iter().map(|name| key(&pk, name)).collect();
        let found: Vec<Option<Pointer>> = self.table.get_all(&keys).await?;
        let ids: Vec<&str> = found.iter().flatten().map(|pointer| pointer.target.as_str()).collect();
        self.entries_of_ids(tenant, &ids).await
    }

    /// Reads dispatchers in this order; `None` for one that was deleted or cannot be read.
    pub(crate) async fn read(
        &self,
        tenant: &TenantId,
        entries: &[DispatcherEntry],
    ) -> Result<Vec<Option<Dispatcher>>, Error> {
        let keys: Vec<Value> = entries.iter().map(|entry| key(&entry.target, entry.dispatcher_id.as_str())).collect();
        let mut dispatchers = Vec::with_capacity(entries.len());
        for (entry, item) in entries.iter().zip(self.table.get_all::<Item>(&keys).await?) {
            let item = if item.is_some() { item } else { self.moved(tenant, entry).await? };
            dispatchers.push(item.and_then(|item| self.readable(&item, from_text(&item.definition))));
        }
        Ok(dispatchers)
    }

    /// Reads a dispatcher that is not where its pointer said, if it moved to another event type since.
    async fn moved(&self, tenant: &TenantId, entry: &DispatcherEntry) -> Result<Option<Item>, Error> {
        let id = entry.dispatcher_id.as_str();
        match self.table.get::<Pointer>(&key(&ids(tenant), id)).await? {
            Some(pointer) if pointer.target != entry.target => self.table.get_readable(&key(&pointer.target, id)).await,
            _ => Ok(None),
        }
    }

    /// Returns the dispatcher of an id, if it belongs to the tenant.
    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<Dispatcher>, Error> {
        for _ in 0..READ_ATTEMPTS {
            let pointer = self.table.get::<Pointer>(&key(&ids(tenant), id)).await?;
            let Some(found) = pointer else { return Ok(None) };
            if let Some(item) = self.table.get::<Item>(&key(&found.target, id)).await? {
                return from_text(&item.definition).map(Some);
            }
            // It moved to another event type, or was deleted, between the two reads.
        }
        Err(Error::new("find a dispatcher", "its event type keeps changing"))
    }

    /// Replaces a dispatcher by its next version, wherever that belongs, with its pointers.
    ///
    /// Without `before` it is new, without `after` it is deleted.
    pub(crate) async fn write(
        &self,
        tenant: &TenantId,
        before: Option<&Dispatcher>,
        after: Option<&Dispatcher>,
    ) -> Result<WriteOutcome, Error> {
        let partition = |dispatcher: &Dispatcher| tenant.key(dispatcher.body.event_type.as_str());
        let (old, new) = (before.map(partition), after.map(partition));
        let mut writes = Vec::new();
        if let (Some(before), Some(old)) = (before, &old)
            && new.as_ref() != Some(old)
        {
            let id = before.id.as_str();
            writes.push(self.table.deleting(&key(old, id), Some(unchanged(before)))?);
            if after.is_none() {
                writes.push(self.table.deleting(&key(&ids(tenant), id), None)?);
            }
        }
        if let (Some(after), Some(new)) = (after, &new) {
            let stays = before.filter(|_| old.as_ref() == Some(new));
            let (dispatcher_id, version, definition) = (after.id.clone(), after.version, to_text(after)?);
            let item = Item { pk: new.clone(), dispatcher_id, version, definition };
            writes.push(self.table.writing(&item, Some(stays.map_or_else(|| is_new("pk"), unchanged)))?);
            writes.push(self.table.writing(&EntryItem::new(tenant, after, new), None)?);
        }
        let name = |dispatcher: Option<&Dispatcher>| dispatcher.and_then(|dispatcher| dispatcher.body.name.clone());
        let mut name_at = None;
        if name(before) != name(after) {
            if let Some(released) = name(before) {
                writes.push(self.table.deleting(&key(&names(tenant), &released), None)?);
            }
            if let (Some(claimed), Some(after)) = (name(after), after) {
                name_at = Some(writes.len());
                writes.push(
                    self.table.writing(&pointer(&names(tenant), &claimed, after.id.as_str()), Some(is_new("pk")))?,
                );
            }
        }
        Ok(match self.table.transact(writes).await?.as_slice() {
            [] => WriteOutcome::Written,
            [only] if Some(*only) == name_at => WriteOutcome::NameTaken,
            _ => WriteOutcome::Conflict,
        })
    }

    /// Leaves a dispatcher out that cannot be read, so that it does not take the others with it.
    fn readable<T>(&self, item: &Item, read: Result<T, Error>) -> Option<T> {
        let name = || format!("dispatcherId={} pk={}", item.dispatcher_id, item.pk);
        read.inspect_err(|error| self.table.log_unreadable(&name(), error)).ok()
    }

    /// Seals a batch of dispatchers with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }

    async fn partition<T: DeserializeOwned>(&self, pk: &str) -> Result<Vec<T>, Error> {
        self.table.query(all_in(pk)).await
    }
}

impl EntryItem {
    fn new(tenant: &TenantId, dispatcher: &Dispatcher, target: &str) -> Self {
        let Dispatcher { id, body, creation_timestamp, update_timestamp, version } = dispatcher;
        let entry = DispatcherEntry {
            dispatcher_id: id.clone(),
            target: target.to_owned(),
            event_type: body.event_type.clone(),
            enabled: body.enabled,
            name: body.name.clone(),
            tags: body.tags.clone(),
            creation_timestamp: *creation_timestamp,
            update_timestamp: *update_timestamp,
            version: *version,
        };
        Self { pk: ids(tenant), entry }
    }
}

fn in_order(mut entries: Vec<DispatcherEntry>) -> Vec<DispatcherEntry> {
    entries.sort_by(|one, other| {
        (one.creation_timestamp, &one.dispatcher_id).cmp(&(other.creation_timestamp, &other.dispatcher_id))
    });
    entries
}

fn all_in(pk: &str) -> Query {
    Query::new(Expression::new("pk = :pk").value(":pk", pk))
}

fn key(pk: &str, dispatcher_id: &str) -> Value {
    json!({"pk": pk, "dispatcherId": dispatcher_id})
}

fn pointer(pk: &str, from: &str, to: &str) -> Value {
    json!({"pk": pk, "dispatcherId": from, "target": to})
}

/// The partition of a tenant's ids.
fn ids(tenant: &TenantId) -> String {
    format!("#id#{tenant}")
}

/// The partition of a tenant's names.
fn names(tenant: &TenantId) -> String {
    format!("#name#{tenant}")
}

fn compile(item: &Item) -> Result<Arc<CompiledDispatcher>, Error> {
    let compiled = CompiledDispatcher::new(from_text(&item.definition)?, item.definition.len());
    compiled.map(Arc::new).map_err(Error::cannot("compile the filter of a dispatcher"))
}

fn unchanged(dispatcher: &Dispatcher) -> Expression {
    Expression::new("version = :version").value(":version", dispatcher.version)
}
