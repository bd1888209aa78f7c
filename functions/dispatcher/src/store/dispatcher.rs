//! The table of dispatchers.
//!
//! A dispatcher is in the partition of its event type, so that one strongly consistent query finds all that an event
//! may match. Two reserved partitions, `#id` and `#name`, point to it; no event type starts with `#`.

use std::sync::Arc;

use moka::future::Cache;
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::DispatcherId;
use shared::table::{Expression, Query, Table, Write, is_new};

use super::row::{from_text, to_text};
use crate::dispatcher::{CompiledDispatcher, Dispatcher, DispatcherSet};

const ID_PARTITION: &str = "#id";
const NAME_PARTITION: &str = "#name";
/// About how much memory compiled dispatchers take.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// How much memory the cache takes for a type without dispatchers, of which there can be any number.
const ENTRY_BYTES: usize = 500;
/// The most dispatchers that a list reads.
const LIST_LIMIT: usize = 10_000;
/// How often reading a dispatcher that moves is tried.
const READ_ATTEMPTS: u32 = 5;

/// The dispatchers.
#[derive(Debug, Clone)]
pub(crate) struct Dispatchers {
    table: Table,
    /// The compiled dispatchers of event types, valid for exactly the ids and versions that they were compiled from.
    compiled: Cache<String, Arc<DispatcherSet>>,
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    event_type: &'a str,
    dispatcher_id: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    event_type: String,
    dispatcher_id: DispatcherId,
    version: u64,
    definition: String,
}

/// Says where the dispatcher of an id or a name is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pointer {
    event_type: String,
    dispatcher_id: String,
    target: String,
}

impl Dispatchers {
    /// Keeps the dispatchers in a table.
    pub(super) fn new(table: Table) -> Self {
        let weigh = |event_type: &String, set: &Arc<DispatcherSet>| {
            u32::try_from(ENTRY_BYTES + event_type.len() + set.size_bytes()).unwrap_or(u32::MAX)
        };
        let compiled = Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build();
        Self { table, compiled }
    }

    /// Returns the dispatchers of an event type, including every one that was written before.
    pub(crate) async fn of_type(&self, event_type: &str) -> Result<Arc<DispatcherSet>, Error> {
        let key = Expression::new("eventType = :type").value(":type", event_type);
        let items: Vec<Item> = self.table.query(Query::new(key)).await?;
        let known = self.compiled.get(event_type).await;
        if let Some(known) = &known
            && known.consists_of(items.iter().map(|item| (&item.dispatcher_id, item.version)))
        {
            return Ok(known.clone());
        }
        let compiled = items.iter().map(|item| {
            let known = known.as_ref().and_then(|known| known.get(&item.dispatcher_id, item.version));
            known.map_or_else(|| compile(item), |known| Ok(known.clone()))
        });
        let set = Arc::new(DispatcherSet::new(compiled.collect::<Result<_, _>>()?));
        self.compiled.insert(event_type.to_owned(), set.clone()).await;
        Ok(set)
    }

    /// Returns all dispatchers, oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<Dispatcher>, Error> {
        let no_pointer = Expression::new("attribute_exists(#definition)").name("#definition", "definition");
        let items: Vec<Item> = self.table.scan(Some(no_pointer), LIST_LIMIT).await?;
        let mut dispatchers: Vec<Dispatcher> =
            items.iter().map(|item| from_text(&item.definition)).collect::<Result<_, _>>()?;
        dispatchers.sort_by(|one, other| (one.creation_timestamp, &one.id).cmp(&(other.creation_timestamp, &other.id)));
        Ok(dispatchers)
    }

    /// Returns the dispatcher of an id.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Dispatcher>, Error> {
        let pointer = Key { event_type: ID_PARTITION, dispatcher_id: id };
        for _ in 0..READ_ATTEMPTS {
            let Some(found) = self.table.get::<Pointer>(&pointer).await? else { return Ok(None) };
            let key = Key { event_type: &found.target, dispatcher_id: id };
            if let Some(item) = self.table.get::<Item>(&key).await? {
                return from_text(&item.definition).map(Some);
            }
            // It moved to another event type, or was deleted, between the two reads.
        }
        Err(Error::new("find a dispatcher", "its event type keeps changing"))
    }

    /// Writes a new dispatcher and its pointers.
    pub(crate) async fn create(&self, dispatcher: &Dispatcher) -> Result<WriteOutcome, Error> {
        let mut writes = vec![self.put(dispatcher, is_new("eventType"))?, self.point_to(dispatcher)?];
        let name_at = self.claim_name(dispatcher, &mut writes)?;
        self.write(writes, name_at).await
    }

    /// Replaces a dispatcher by its next version, wherever that belongs.
    pub(crate) async fn replace(&self, before: &Dispatcher, after: &Dispatcher) -> Result<WriteOutcome, Error> {
        let mut writes = Vec::new();
        if before.event_type == after.event_type {
            writes.push(self.put(after, unchanged(before))?);
        } else {
            writes.push(self.remove(before)?);
            writes.push(self.put(after, is_new("eventType"))?);
            writes.push(self.point_to(after)?);
        }
        let mut name_at = None;
        if before.name != after.name {
            self.release_name(before, &mut writes)?;
            name_at = self.claim_name(after, &mut writes)?;
        }
        self.write(writes, name_at).await
    }

    /// Deletes a dispatcher and its pointers.
    pub(crate) async fn delete(&self, dispatcher: &Dispatcher) -> Result<WriteOutcome, Error> {
        let pointer = Key { event_type: ID_PARTITION, dispatcher_id: dispatcher.id.as_str() };
        let mut writes = vec![self.remove(dispatcher)?, self.table.deleting(&pointer, None)?];
        self.release_name(dispatcher, &mut writes)?;
        self.write(writes, None).await
    }

    async fn write(&self, writes: Vec<Write>, name_at: Option<usize>) -> Result<WriteOutcome, Error> {
        let unmet = self.table.transact(writes).await?;
        Ok(match unmet.as_slice() {
            [] => WriteOutcome::Written,
            [only] if Some(*only) == name_at => WriteOutcome::NameTaken,
            _ => WriteOutcome::Conflict,
        })
    }

    fn put(&self, dispatcher: &Dispatcher, condition: Expression) -> Result<Write, Error> {
        let item = Item {
            event_type: dispatcher.event_type.clone(),
            dispatcher_id: dispatcher.id.clone(),
            version: dispatcher.version,
            definition: to_text(dispatcher)?,
        };
        self.table.writing(&item, Some(condition))
    }

    fn remove(&self, dispatcher: &Dispatcher) -> Result<Write, Error> {
        let key = Key { event_type: &dispatcher.event_type, dispatcher_id: dispatcher.id.as_str() };
        self.table.deleting(&key, Some(unchanged(dispatcher)))
    }

    fn point_to(&self, dispatcher: &Dispatcher) -> Result<Write, Error> {
        let pointer = Pointer {
            event_type: ID_PARTITION.to_owned(),
            dispatcher_id: dispatcher.id.to_string(),
            target: dispatcher.event_type.clone(),
        };
        self.table.writing(&pointer, None)
    }

    /// Adds the write that reserves the name for the dispatcher, and returns its position.
    fn claim_name(&self, dispatcher: &Dispatcher, writes: &mut Vec<Write>) -> Result<Option<usize>, Error> {
        let Some(name) = &dispatcher.name else { return Ok(None) };
        let pointer = Pointer {
            event_type: NAME_PARTITION.to_owned(),
            dispatcher_id: name.clone(),
            target: dispatcher.id.to_string(),
        };
        writes.push(self.table.writing(&pointer, Some(is_new("eventType")))?);
        Ok(Some(writes.len() - 1))
    }

    fn release_name(&self, dispatcher: &Dispatcher, writes: &mut Vec<Write>) -> Result<(), Error> {
        if let Some(name) = &dispatcher.name {
            let pointer = Key { event_type: NAME_PARTITION, dispatcher_id: name };
            writes.push(self.table.deleting(&pointer, None)?);
        }
        Ok(())
    }
}

fn compile(item: &Item) -> Result<Arc<CompiledDispatcher>, Error> {
    let compiled = CompiledDispatcher::new(from_text(&item.definition)?, item.definition.len());
    compiled.map(Arc::new).map_err(Error::cannot("compile the filter of a dispatcher"))
}

fn unchanged(dispatcher: &Dispatcher) -> Expression {
    Expression::new("version = :version").value(":version", dispatcher.version)
}
