//! DynamoDB tables: the few operations that the functions' stores are made of.
//!
//! Items are any `serde` type; expressions are DynamoDB's own language with named values.

mod change;
mod expression;
mod page;
mod read;
mod sealed;
mod statement;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1::{from_attribute_value, from_item, to_item};

use crate::aws::Aws;
use crate::error::Error;
use crate::gather::{Failure, Gatherer};
use crate::seal::{Resealed, Seal};
use change::{Change, Outcome, Single, Statements};
pub use expression::{Expression, Query, exists, is_new, key};
pub use page::{Part, Position};
use read::{Answer, Asked, Get, Gets, Queries, pages, query_identity};
pub use sealed::SealedAttributes;
use sealed::Sealing;
pub use transaction::{TRANSACTION_LIMIT, Unmet, Write};

type Item = HashMap<String, AttributeValue>;

/// The first pause before something is asked for again.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause before what a batch left is asked for again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The most items in one `BatchGetItem`.
const BATCH_GET_LIMIT: usize = 100;
/// How many batches are read at once.
const CONCURRENT_BATCHES: usize = 8;

/// One DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    client: aws_sdk_dynamodb::Client,
    gatherers: TableGatherers,
    name: String,
    sealing: Option<Arc<Sealing>>,
}

/// What gathers the requests to all tables of all who share a client.
#[derive(Debug, Clone)]
pub(crate) struct TableGatherers {
    statements: Gatherer<Statements>,
    gets: Gatherer<Gets>,
    queries: Gatherer<Queries>,
}

impl TableGatherers {
    /// Gathers for this client.
    pub(crate) fn new(client: &aws_sdk_dynamodb::Client) -> Self {
        Self {
            statements: Gatherer::new(Statements(client.clone())),
            gets: Gatherer::new(Gets(client.clone())),
            queries: Gatherer::new(Queries),
        }
    }
}

/// What became of a write that was to share a request with others.
enum Shared {
    /// It was done, unless its condition did not hold.
    Done(bool),
    /// It cannot share one.
    Never(Box<Change>),
    /// It was given away in a request, and was not done: it has to be done alone.
    InVain,
}

/// The longest partition key.
const PARTITION_KEY_LIMIT_BYTES: usize = 2_048;
/// The longest sort key; no partition key beside one is longer.
const SORT_KEY_LIMIT_BYTES: usize = 1_024;

/// An item that cannot be read: somebody has to repair or delete it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The table.
    pub table: String,
    /// The ids in the item.
    pub item: String,
    /// Why it cannot be read.
    pub error: String,
}

/// Reads every item of a table, and returns those that cannot be read.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Unreadable>, Error>> + Send + Sync>;

/// An item whose sealed attributes are still sealed.
#[derive(Debug, Clone)]
pub struct Row(Item);

impl Row {
    /// Reads an attribute that is not sealed, if it is there.
    pub fn attribute<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        from_attribute_value(self.0.get(name)?.clone()).ok()
    }
}

impl Table {
    /// Returns the table of this name.
    pub fn new(aws: &Aws, name: &str) -> Self {
        let (client, gatherers) = (aws.dynamodb.clone(), aws.tables.clone());
        Self { client, gatherers, name: name.to_owned(), sealing: None }
    }

    /// Keeps some attributes of the items sealed: they are sealed when an item is put and opened when one is read.
    ///
    /// An update must not set them, as it knows nothing of the rest of the item.
    #[must_use]
    pub fn sealing(self, seal: Seal, attributes: &'static SealedAttributes) -> Self {
        Self { sealing: Some(Arc::new(Sealing::new(seal, attributes))), ..self }
    }

    /// Seals a batch of items with the current key; call it until there are no more.
    ///
    /// An item that changes meanwhile is left to the next call.
    pub async fn reseal(&self) -> Result<Resealed, Error> {
        match &self.sealing {
            Some(sealing) => Box::pin(sealing.reseal(self)).await,
            None => Ok(Resealed { resealed: 0, more: false }),
        }
    }

    /// Reads one item, strongly consistent.
    pub async fn get<T: DeserializeOwned>(&self, key: &impl Serialize) -> Result<Option<T>, Error> {
        match self.get_item(key).await? {
            Some(item) => self.read(item).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads one item of a list, strongly consistent; one that cannot be read is logged and left out.
    pub async fn get_readable<T: DeserializeOwned>(&self, key: &impl Serialize) -> Result<Option<T>, Error> {
        Ok(self.readable(self.get_item(key).await?.into_iter().collect()).await?.pop())
    }

    /// Reads items by their keys, strongly consistent, in no particular order and without those that are not there.
    ///
    /// Their sealed attributes stay sealed. No key may be named twice.
    pub async fn get_rows(&self, keys: &[impl Serialize]) -> Result<Vec<Row>, Error> {
        let keys: Vec<Item> = keys.iter().map(|key| self.item(key)).collect::<Result<_, _>>()?;
        let keys: Vec<Item> = keys.into_iter().filter(can_be_key).collect();
        let reads: Vec<_> = keys.chunks(BATCH_GET_LIMIT).map(|keys| self.get_batch(keys.to_vec())).collect();
        let found: Vec<Vec<Item>> = stream::iter(reads).buffer_unordered(CONCURRENT_BATCHES).try_collect().await?;
        Ok(found.into_iter().flatten().map(Row).collect())
    }

    /// Reads one batch, and then what was left of it, until nothing is left.
    async fn get_batch(&self, mut keys: Vec<Item>) -> Result<Vec<Item>, Error> {
        let (mut found, mut pause) = (Vec::with_capacity(keys.len()), FIRST_PAUSE);
        loop {
            let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let asked = asked.map_err(|cause| self.failed("read from", cause))?;
            let answer = self.client.batch_get_item().request_items(&self.name, asked).send().await;
            let answer = answer.map_err(|cause| self.failed("read from", cause))?;
            found.extend(answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default());
            let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
            keys = left.map(|left| left.keys).unwrap_or_default();
            if keys.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn get_item(&self, key: &impl Serialize) -> Result<Option<Item>, Error> {
        let key = self.item(key)?;
        if !can_be_key(&key) {
            return Ok(None);
        }
        let failed = |cause: Failure| self.failed("read from", cause);
        let answer = self.gatherers.gets.ask(Get::new(&self.name, key)).await;
        match answer.map_err(|cause| self.failed("read from", cause))? {
            Answer::Found(item) => Ok(item),
            Answer::Failed(failure) => Err(failed(failure)),
            Answer::Alone(get) => Box::pin(get.alone(&self.client)).await.map_err(failed),
        }
    }

    /// Writes an item, replacing any with the same key.
    pub async fn put(&self, item: &impl Serialize) -> Result<(), Error> {
        self.put_change(item, None, None).await.map(drop)
    }

    /// Writes an item if the condition holds for the one with the same key; returns whether it did.
    pub async fn put_if(&self, item: &impl Serialize, condition: Expression) -> Result<bool, Error> {
        self.put_change(item, Some(&condition), None).await
    }

    /// Writes an item in place of one that is there if the condition holds for that one; returns whether it did.
    ///
    /// It is the same as [`Table::put_if`], and can share a request with other writes, as it is known which attributes the
    /// former item can have that the new one can lack: all of those must be named.
    pub async fn replace_if(
        &self,
        item: &impl Serialize,
        may_lack: &'static [&'static str],
        condition: Expression,
    ) -> Result<bool, Error> {
        self.put_change(item, Some(&condition), Some(may_lack)).await
    }

    async fn put_change(
        &self,
        item: &impl Serialize,
        condition: Option<&Expression>,
        may_lack: Option<&'static [&'static str]>,
    ) -> Result<bool, Error> {
        let change = Change::Put { item: self.sealed_item(item).await?, condition: condition.cloned(), may_lack };
        let alone = match self.share("write to", change).await? {
            Shared::Done(is_met) => return Ok(is_met),
            Shared::Never(change) => *change,
            Shared::InVain => {
                Change::Put { item: self.sealed_item(item).await?, condition: condition.cloned(), may_lack }
            }
        };
        self.write_alone("write to", alone).await
    }

    /// Updates an item if the condition holds; returns whether it did.
    pub async fn update_if(
        &self,
        key: &impl Serialize,
        update: Expression,
        condition: Expression,
    ) -> Result<bool, Error> {
        let key = self.item(key)?;
        if !can_be_key(&key) {
            return Ok(false);
        }
        let (text, condition, names, values) = update.join(Some(condition));
        let change = Change::Update { key, update: Expression { text, names, values }, condition };
        match self.share("update", change.clone()).await? {
            Shared::Done(is_met) => Ok(is_met),
            Shared::Never(_) | Shared::InVain => self.write_alone("update", change).await,
        }
    }

    /// Does a write in a request with others of the same moment.
    async fn share(&self, doing: &str, change: Change) -> Result<Shared, Error> {
        let key = self.sealing.as_ref().map(|sealing| sealing.key());
        let single = match Single::new(&self.name, key, change) {
            Ok(single) => single,
            Err(change) => return Ok(Shared::Never(change)),
        };
        match self.gatherers.statements.ask(single).await.map_err(|cause| self.failed(doing, cause))? {
            Outcome::Done(is_met) => Ok(Shared::Done(is_met)),
            Outcome::Failed(failure) => Err(self.failed(doing, failure)),
            Outcome::Alone => Ok(Shared::InVain),
        }
    }

    async fn write_alone(&self, doing: &str, change: Change) -> Result<bool, Error> {
        // Few writes are alone, and what the SDK needs for one would be part of the future of every write.
        Box::pin(change.alone(&self.client, &self.name)).await.map_err(|cause| self.failed(doing, cause))
    }

    /// Updates an item if the condition holds and returns it as it is then; `None` if the condition did not hold.
    ///
    /// Without a condition an item that does not exist is created.
    pub async fn update<T: DeserializeOwned>(
        &self,
        key: &impl Serialize,
        update: Expression,
        condition: Option<Expression>,
    ) -> Result<Option<T>, Error> {
        let key = self.item(key)?;
        if condition.is_some() && !can_be_key(&key) {
            return Ok(None);
        }
        match self.update_item(key, update, condition).await? {
            Some(item) => self.read(item).await.map(Some),
            None => Ok(None),
        }
    }

    async fn update_item(
        &self,
        key: Item,
        update: Expression,
        condition: Option<Expression>,
    ) -> Result<Option<Item>, Error> {
        let (update, condition, names, values) = update.join(condition);
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression(update)
            .set_condition_expression(condition)
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(answer.attributes),
            Err(error) if is_condition(&error) => Ok(None),
            Err(error) => Err(self.failed("update", error)),
        }
    }

    /// Deletes an item and returns it as it was; `None` if there was none or the condition did not hold.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        key: &impl Serialize,
        condition: Option<Expression>,
    ) -> Result<Option<T>, Error> {
        let key = self.item(key)?;
        if !can_be_key(&key) {
            return Ok(None);
        }
        let (text, _, names, values) = condition.unwrap_or_default().join(None);
        let sent = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .set_condition_expression((!text.is_empty()).then_some(text))
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match sent {
            Ok(answer) => match answer.attributes {
                Some(item) => self.read(item).await.map(Some),
                None => Ok(None),
            },
            Err(error) if is_condition(&error) => Ok(None),
            Err(error) => Err(self.failed("delete from", error)),
        }
    }

    /// Reads the items of one partition, in as many requests as it takes; one that cannot be read is logged and left out.
    pub async fn query<T: DeserializeOwned>(&self, query: Query) -> Result<Vec<T>, Error> {
        let rows = self.query_rows(query).await?;
        self.open_rows(rows).await
    }

    /// Opens the sealed attributes of rows, and reads them.
    pub async fn open_rows<T: DeserializeOwned>(&self, rows: Vec<Row>) -> Result<Vec<T>, Error> {
        self.readable(rows.into_iter().map(|row| row.0).collect()).await
    }

    /// Reads the items of one partition and leaves their sealed attributes sealed.
    pub async fn query_rows(&self, query: Query) -> Result<Vec<Row>, Error> {
        let limit = query.limit.unwrap_or(usize::MAX);
        // A limit counts what is read, also what a filter leaves out.
        let per_request = query.limit.filter(|_| query.filter.is_none()).and_then(|limit| i32::try_from(limit).ok());
        // An index lags behind in any case, and its lists are read by people.
        let is_consistent = query.index.is_none();
        let Some(request) = self.query_request(query) else { return Ok(Vec::new()) };
        let request = request.set_limit(per_request);
        let items = match is_consistent {
            true => {
                let asked = Asked { identity: query_identity(&request), request, limit };
                let items = self.gatherers.queries.ask(asked).await.map_err(|cause| self.failed("query", cause))?;
                Arc::unwrap_or_clone(items.map_err(|cause| self.failed("query", cause))?)
            }
            false => Box::pin(pages(request, limit)).await.map_err(|cause| self.failed("query", cause))?,
        };
        Ok(items.into_iter().map(Row).collect())
    }

    /// Reads a whole table or index, strongly consistent for a table, up to `limit` items; for lists that stay small.
    ///
    /// An item that cannot be read is logged and left out.
    pub async fn scan<T: DeserializeOwned>(&self, filter: Option<Expression>, limit: usize) -> Result<Vec<T>, Error> {
        let items = self.scan_items(filter, limit).await?;
        self.readable(items).await
    }

    async fn scan_items(&self, filter: Option<Expression>, limit: usize) -> Result<Vec<Item>, Error> {
        let (text, _, names, values) = filter.unwrap_or_default().join(None);
        let request = self
            .client
            .scan()
            .table_name(&self.name)
            .set_filter_expression((!text.is_empty()).then_some(text))
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .consistent_read(true);
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let page = request.clone().set_exclusive_start_key(start).send().await;
            let page = page.map_err(|cause| self.failed("scan", cause))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || items.len() >= limit {
                items.truncate(limit);
                return Ok(items);
            }
        }
    }

    /// Returns the check that every item of the table is a `T` in which `read` finds nothing wrong.
    pub fn check<T: DeserializeOwned + 'static>(&self, read: fn(T) -> Result<(), Error>) -> Check {
        let table = self.clone();
        Arc::new(move || {
            let table = table.clone();
            Box::pin(async move { table.unreadable(read).await })
        })
    }

    async fn unreadable<T: DeserializeOwned>(
        &self,
        read: fn(T) -> Result<(), Error>,
    ) -> Result<Vec<Unreadable>, Error> {
        let request = self.client.scan().table_name(&self.name).consistent_read(true);
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let page = request.clone().set_exclusive_start_key(start).send().await;
            let page = page.map_err(|cause| self.failed("scan", cause))?;
            for item in page.items.unwrap_or_default() {
                let name = name_of(&item);
                if let Err(error) = self.read(item).await.and_then(read) {
                    found.push(Unreadable { table: self.name.clone(), item: name, error: error.chain() });
                }
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    fn item(&self, item: &impl Serialize) -> Result<Item, Error> {
        to_item(item).map_err(|cause| self.failed("write an item for", cause))
    }

    async fn sealed_item(&self, item: &impl Serialize) -> Result<Item, Error> {
        let mut item = self.item(item)?;
        if let Some(sealing) = &self.sealing {
            Box::pin(sealing.seal(&mut item)).await?;
        }
        Ok(item)
    }

    async fn read<T: DeserializeOwned>(&self, mut item: Item) -> Result<T, Error> {
        if let Some(sealing) = &self.sealing {
            Box::pin(sealing.open(&mut item)).await??;
        }
        from_item(item).map_err(|cause| self.failed("understand an item of", cause))
    }

    /// Reads items, and leaves out those that cannot be read: one of them must not take a whole list with it.
    async fn readable<T: DeserializeOwned>(&self, items: Vec<Item>) -> Result<Vec<T>, Error> {
        let mut read = Vec::with_capacity(items.len());
        for mut item in items {
            let name = name_of(&item);
            let opened = match &self.sealing {
                Some(sealing) => Box::pin(sealing.open(&mut item)).await?,
                None => Ok(()),
            };
            let value =
                opened.and_then(|()| from_item(item).map_err(|cause| self.failed("understand an item of", cause)));
            match value {
                Ok(value) => read.push(value),
                Err(error) => self.log_unreadable(&name, &error),
            }
        }
        Ok(read)
    }

    /// Logs an item that cannot be read, for the one who has to repair or delete it.
    pub fn log_unreadable(&self, name: &str, error: &dyn std::error::Error) {
        tracing::error!(table = self.name, item = name, %error, "an item cannot be read and is left out");
    }

    fn failed(&self, doing: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::new(format!("{doing} table {}", self.name), cause)
    }
}

/// Names an item by its ids, which are no secrets.
fn name_of(item: &Item) -> String {
    let is_id = |name: &str| matches!(name, "id" | "item" | "name" | "pk") || name.ends_with("Id");
    let mut ids: Vec<String> = item
        .iter()
        .filter(|(name, _)| is_id(name))
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_s().ok()?)))
        .collect();
    ids.sort_unstable();
    ids.join(" ")
}

/// Tells whether there can be an item with a key of these values; a request with any other is an error.
fn can_be_key(values: &Item) -> bool {
    let limit = if values.len() == 1 { PARTITION_KEY_LIMIT_BYTES } else { SORT_KEY_LIMIT_BYTES };
    values.values().all(|value| value.as_s().map_or(true, |text| (1..=limit).contains(&text.len())))
}

/// An empty map is an error in a request, an absent one is not.
fn some<K, V>(map: HashMap<K, V>) -> Option<HashMap<K, V>> {
    (!map.is_empty()).then_some(map)
}

fn is_condition<E, R>(error: &SdkError<E, R>) -> bool
where
    SdkError<E, R>: aws_sdk_dynamodb::error::ProvideErrorMetadata,
{
    error.code() == Some("ConditionalCheckFailedException")
}
