//! Reads that share requests: items by their keys, and partitions that several callers want at the same moment.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::change::{identity, is_refused};
use super::{BATCH_GET_LIMIT, Item};
use crate::gather::{Failure, Requests};

/// One item that is asked for.
pub(crate) struct Get {
    table: String,
    key: Item,
    /// The names of the key's attributes in order.
    names: Vec<String>,
    /// The same for the same item alone.
    identity: String,
}

/// What has become of an item that was asked for.
pub(crate) enum Answer {
    Found(Option<Item>),
    /// Its request failed.
    Failed(Failure),
    /// It was not read beside others: it has to be read alone.
    Alone(Get),
}

impl Get {
    pub(super) fn new(table: &str, key: Item) -> Self {
        let mut names: Vec<String> = key.keys().cloned().collect();
        names.sort_unstable();
        let mut get = Self { table: table.to_owned(), key, names, identity: String::new() };
        get.identity = get.identity_of(&get.key).unwrap_or_default();
        get
    }

    /// Reads it in a request of its own, strongly consistent.
    pub(super) async fn alone(self, client: &Client) -> Result<Option<Item>, Failure> {
        let request = client.get_item().table_name(self.table).set_key(Some(self.key)).consistent_read(true);
        request.send().await.map(|answer| answer.item).map_err(Failure::new)
    }

    /// Returns the identity of an item in the same table.
    fn identity_of(&self, item: &Item) -> Option<String> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        identity(&self.table, &names, item)
    }
}

/// The requests that read items by their keys, strongly consistent.
pub(crate) struct Gets(pub(super) Client);

impl Requests for Gets {
    type Part = Get;
    type Answer = Answer;
    type Lane = ();

    const LIMIT: usize = BATCH_GET_LIMIT;
    const LIMIT_BYTES: usize = usize::MAX;

    fn lane(_: &Get) {}

    fn size_bytes(_: &Get) -> usize {
        0
    }

    fn clash(_: &Get, _: &Get) -> bool {
        false
    }

    async fn send(&self, mut gets: Vec<Get>) -> Vec<Answer> {
        if gets.len() == 1
            && let Some(get) = gets.pop()
        {
            return vec![get.alone(&self.0).await.map_or_else(Answer::Failed, Answer::Found)];
        }
        let mut tables: HashMap<&str, Vec<Item>> = HashMap::new();
        let mut asked = HashSet::new();
        for get in gets.iter().filter(|get| asked.insert(get.identity.as_str())) {
            tables.entry(&get.table).or_default().push(get.key.clone());
        }
        let mut request = self.0.batch_get_item();
        for (table, keys) in tables {
            let Ok(keys) = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build() else {
                return gets.into_iter().map(Answer::Alone).collect();
            };
            request = request.request_items(table, keys);
        }
        match request.send().await {
            Ok(answer) => answers(answer, gets),
            Err(error) if is_refused(&error) => gets.into_iter().map(Answer::Alone).collect(),
            Err(error) => {
                let failure = Failure::new(error);
                gets.iter().map(|_| Answer::Failed(failure.clone())).collect()
            }
        }
    }
}

/// Those that were not processed are read alone, where a throttled one waits before it is repeated.
fn answers(answer: BatchGetItemOutput, gets: Vec<Get>) -> Vec<Answer> {
    let mut wanted: HashMap<&str, usize> = HashMap::new();
    let mut by_table: HashMap<&str, &Get> = HashMap::new();
    for get in &gets {
        *wanted.entry(&get.identity).or_default() += 1;
        by_table.entry(&get.table).or_insert(get);
    }
    let mut found: HashMap<String, Item> = HashMap::new();
    for (table, items) in answer.responses.unwrap_or_default() {
        let Some(get) = by_table.get(table.as_str()) else { continue };
        found.extend(items.into_iter().filter_map(|item| Some((get.identity_of(&item)?, item))));
    }
    let mut left = HashSet::new();
    for (table, keys) in answer.unprocessed_keys.unwrap_or_default() {
        let Some(get) = by_table.get(table.as_str()) else { continue };
        left.extend(keys.keys.iter().filter_map(|key| get.identity_of(key)));
    }
    let is_shared: Vec<bool> = gets.iter().map(|get| wanted[get.identity.as_str()] > 1).collect();
    let each = gets.into_iter().zip(is_shared);
    each.map(|(get, is_shared)| match left.contains(&get.identity) {
        true => Answer::Alone(get),
        false if is_shared => Answer::Found(found.get(&get.identity).cloned()),
        false => Answer::Found(found.remove(&get.identity)),
    })
    .collect()
}

/// One partition that is asked for, strongly consistent.
pub(crate) struct Asked {
    /// The same for the same query alone.
    pub(super) identity: String,
    pub(super) request: QueryFluentBuilder,
    pub(super) limit: usize,
}

/// The queries that several callers share: each starts after the last of its callers has come.
pub(crate) struct Queries;

impl Requests for Queries {
    type Part = Asked;
    type Answer = Result<Arc<Vec<Item>>, Failure>;
    type Lane = String;

    const LIMIT: usize = usize::MAX;
    const LIMIT_BYTES: usize = usize::MAX;

    fn lane(asked: &Asked) -> String {
        asked.identity.clone()
    }

    fn size_bytes(_: &Asked) -> usize {
        0
    }

    fn clash(_: &Asked, _: &Asked) -> bool {
        false
    }

    async fn send(&self, mut asked: Vec<Asked>) -> Vec<Self::Answer> {
        let count = asked.len();
        let Some(Asked { request, limit, .. }) = asked.pop() else { return Vec::new() };
        let answer = pages(request, limit).await.map(Arc::new).map_err(Failure::new);
        std::iter::repeat_n(answer, count).collect()
    }
}

/// Reads up to `limit` items in as many requests as it takes.
pub(super) async fn pages(request: QueryFluentBuilder, limit: usize) -> Result<Vec<Item>, SdkError<QueryError>> {
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = request.clone().set_exclusive_start_key(start).send().await?;
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key.filter(|key| !key.is_empty());
        if start.is_none() || items.len() >= limit {
            items.truncate(limit);
            return Ok(items);
        }
    }
}

/// Returns what tells a query from all others.
pub(super) fn query_identity(request: &QueryFluentBuilder) -> String {
    let query = request.as_input();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut identity = format!(
        "{}\0{}\0{}\0{:?}\0{:?}",
        text(query.get_table_name()),
        text(query.get_key_condition_expression()),
        text(query.get_filter_expression()),
        query.get_scan_index_forward(),
        query.get_limit(),
    );
    let names: BTreeMap<_, _> = query.get_expression_attribute_names().iter().flatten().collect();
    for (name, attribute) in names {
        let _ = write!(identity, "\0{name}\0{attribute}");
    }
    let values: BTreeMap<_, _> = query.get_expression_attribute_values().iter().flatten().collect();
    for (name, value) in values {
        let _ = match value {
            AttributeValue::S(text) => write!(identity, "\0{name}\0S{}\0{text}", text.len()),
            other => write!(identity, "\0{name}\0{other:?}"),
        };
    }
    identity
}
