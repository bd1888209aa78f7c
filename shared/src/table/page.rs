//! A partition of a table or index in parts, and many items by their keys in their order.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Item, Query, Row, Table, can_be_key, some};
use crate::error::Error;

/// Where a query goes on: after which item of its partition.
#[derive(Debug, Clone)]
pub struct Position(Item);

/// A part of a partition.
#[derive(Debug, Clone)]
pub struct Part<T> {
    /// What was found in it.
    pub found: T,
    /// Where the next part begins; `None` at the end of the partition.
    pub next: Option<Position>,
}

impl Query {
    /// Puts the place of a position into a bound of the sort key, so that nothing before it is looked at again.
    pub(crate) fn narrowed(self, bound: &str, attribute: &str, position: &Position) -> Self {
        match position.0.get(attribute) {
            Some(value) => Self { key: self.key.attribute(bound, value.clone()), ..self },
            None => self,
        }
    }
}

impl Table {
    /// Reads up to `limit` items of a partition after a position, and leaves their sealed attributes sealed.
    ///
    /// A part may have fewer items although more follow.
    pub async fn query_part(
        &self,
        query: &Query,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Part<Vec<Row>>, Error> {
        let Some(request) = self.part(query, after, limit) else { return Ok(Part { found: Vec::new(), next: None }) };
        let answer = request.send().await.map_err(|cause| self.failed("query", cause))?;
        let found = answer.items.unwrap_or_default().into_iter().map(Row).collect();
        Ok(Part { found, next: position(answer.last_evaluated_key) })
    }

    /// Returns the position after an item with this key, whether the item is there or not.
    ///
    /// In an index, the key has the attributes of the index and of the table.
    pub fn after(&self, key: &impl Serialize) -> Result<Position, Error> {
        self.item(key).map(Position)
    }

    /// Counts up to `limit` items of a partition after a position without reading them.
    pub async fn count_part(
        &self,
        query: &Query,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Part<usize>, Error> {
        let Some(request) = self.part(query, after, limit) else { return Ok(Part { found: 0, next: None }) };
        let answer = request.select(Select::Count).send().await.map_err(|cause| self.failed("query", cause))?;
        Ok(Part { found: usize::try_from(answer.count).unwrap_or(0), next: position(answer.last_evaluated_key) })
    }

    fn part(&self, query: &Query, after: Option<&Position>, limit: usize) -> Option<QueryFluentBuilder> {
        let request = self.query_request(query.clone())?;
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        Some(request.limit(limit).set_exclusive_start_key(after.map(|position| position.0.clone())))
    }

    /// Starts the request of a query; `None` if no item can have such a key.
    pub(super) fn query_request(&self, query: Query) -> Option<QueryFluentBuilder> {
        let (key, filter, names, values) = query.key.join(query.filter);
        if !can_be_key(&values) {
            return None;
        }
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression(key)
            .set_filter_expression(filter)
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .consistent_read(query.index.is_none())
            .set_index_name(query.index.map(str::to_owned))
            .scan_index_forward(!query.descending);
        Some(request)
    }

    /// Reads items by their keys, strongly consistent and in the order of the keys.
    ///
    /// One that is not there is `None`, and so is one that cannot be read, which is logged. No key may be named twice.
    pub async fn get_all<T: DeserializeOwned>(&self, keys: &[impl Serialize]) -> Result<Vec<Option<T>>, Error> {
        let wanted: Vec<Item> = keys.iter().map(|key| self.item(key)).collect::<Result<_, _>>()?;
        let Some(names) = wanted.first().map(sorted_names) else { return Ok(Vec::new()) };
        let mut found = HashMap::with_capacity(keys.len());
        for row in self.get_rows(keys).await? {
            found.insert(texts(&row.0, &names), row);
        }
        let mut items = Vec::with_capacity(keys.len());
        for key in &wanted {
            let row = found.remove(&texts(key, &names));
            items.push(self.open_rows(row.into_iter().collect()).await?.pop());
        }
        Ok(items)
    }
}

fn position(last: Option<Item>) -> Option<Position> {
    last.filter(|key| !key.is_empty()).map(Position)
}

fn sorted_names(key: &Item) -> Vec<String> {
    let mut names: Vec<String> = key.keys().cloned().collect();
    names.sort_unstable();
    names
}

/// The values of a key, which are texts or numbers.
fn texts(item: &Item, names: &[String]) -> Vec<String> {
    let text = |value: &AttributeValue| value.as_s().or_else(|_| value.as_n()).cloned().unwrap_or_default();
    names.iter().map(|name| item.get(name).map(text).unwrap_or_default()).collect()
}
