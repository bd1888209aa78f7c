//! Reads: one item, or a page of a partition or of a whole table.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::value::RawValue;

use super::{Catalog, cost, read_units, table};
use crate::error::Error;
use crate::expression::condition::{Comparison, Condition};
use crate::expression::key::{KeyCondition, Range};
use crate::expression::{Projection, References};
use crate::request::{self, Capacity};
use crate::schema::{Attribute, Index, Key, KeyBytes, Kind, Table};
use crate::store::{self, Stored, Stretch, failed};
use crate::value::{Item, Value};

/// The most bytes of items in one page.
const PAGE_LIMIT_BYTES: usize = 1 << 20;

/// A read of one item.
pub(crate) struct Get {
    pub(crate) table: Arc<Table>,
    pub(crate) key: KeyBytes,
    pub(crate) projection: Option<Projection>,
    is_consistent: bool,
    capacity: Capacity,
}

impl Get {
    pub(crate) fn new(request: request::Get, catalog: &Catalog) -> Result<Self, Error> {
        let table = table(catalog, &request.table_name)?.clone();
        let mut references = References::new(request.expression_attribute_names, None)?;
        let projection = request.projection_expression.as_deref().map(|text| Projection::parse(text, &mut references));
        let projection = projection.transpose()?;
        references.all_used()?;
        let key = table.key.of_request(&request.key)?;
        let is_consistent = request.consistent_read.unwrap_or_default();
        Ok(Self { table, key, projection, is_consistent, capacity: request.return_consumed_capacity })
    }

    /// Returns the item as text, with its size.
    pub(crate) fn find(&self, connection: &Connection) -> Result<Option<(String, usize)>, Error> {
        let found = store::get(connection, &self.table, &self.key).map_err(|error| failed(&error))?;
        found.map(|found| Ok((shown(&found, self.projection.as_ref())?, found.size_bytes))).transpose()
    }

    pub(crate) fn run(&self, connection: &Connection) -> Result<Vec<u8>, Error> {
        let found = self.find(connection)?;
        let size = found.as_ref().map_or(0, |(_, size)| *size);
        let mut answer = Answer::new();
        if let Some((text, _)) = found {
            answer.field("Item", &text);
        }
        if let Some(cost) = cost(&self.table, self.capacity, read_units(size, self.is_consistent)) {
            answer.field("ConsumedCapacity", &cost.to_string());
        }
        Ok(answer.end())
    }
}

/// A read of many items, page by page.
pub(crate) struct Page {
    table: Arc<Table>,
    index: Option<usize>,
    /// Where a query looks.
    place: Option<(Vec<u8>, Stretch)>,
    /// The key that the last page ended at: in the index, and in the table.
    start: Option<(KeyBytes, KeyBytes)>,
    /// What the index has of an item, `None` for all of it.
    visible: Option<Projection>,
    filter: Option<Condition>,
    projection: Option<Projection>,
    limit: Option<usize>,
    is_descending: bool,
    is_consistent: bool,
    only_counts: bool,
    capacity: Capacity,
}

impl Page {
    pub(crate) fn query(request: request::Read, catalog: &Catalog) -> Result<Self, Error> {
        let text = request.key_condition_expression.clone();
        let text = text.ok_or_else(|| {
            Error::validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            )
        })?;
        Self::new(request, catalog, Some(&text))
    }

    pub(crate) fn scan(request: request::Read, catalog: &Catalog) -> Result<Self, Error> {
        if request.key_condition_expression.is_some() || request.scan_index_forward.is_some() {
            return Err(Error::validation("a Scan has no key condition and no order"));
        }
        Self::new(request, catalog, None)
    }

    fn new(request: request::Read, catalog: &Catalog, key_condition: Option<&str>) -> Result<Self, Error> {
        let table = table(catalog, &request.table_name)?.clone();
        let index = match &request.index_name {
            Some(name) => {
                table.index(name)?;
                table.indexes.iter().position(|index| index.name == *name)
            }
            None => None,
        };
        let described: Option<&Index> = index.map(|at| &table.indexes[at]);
        let is_consistent = request.consistent_read.unwrap_or_default();
        if is_consistent && described.is_some_and(|index| !index.is_local) {
            return Err(Error::validation("Consistent reads are not supported on global secondary indexes"));
        }
        let limit = request.limit.map(|limit| usize::try_from(limit).ok().filter(|limit| *limit > 0));
        let limit = limit.map(|limit| {
            limit.ok_or_else(|| {
                Error::validation(
                    "Value at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
                )
            })
        });
        let limit = limit.transpose()?;
        let key = described.map_or(&table.key, |index| &index.key);
        let mut references =
            References::new(request.expression_attribute_names.clone(), request.expression_attribute_values.clone())?;
        let place = key_condition.map(|text| place(text, &mut references, key)).transpose()?;
        let filter = request.filter_expression.as_deref();
        let filter = filter.map(|text| Condition::parse(text, "FilterExpression", &mut references)).transpose()?;
        let names = key.names();
        let of_key =
            |filter: &Condition| filter.roots().into_iter().find(|root| names.contains(root)).map(str::to_owned);
        if let Some(name) = filter.as_ref().filter(|_| place.is_some()).and_then(of_key) {
            let message =
                format!("Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}");
            return Err(Error::validation(message));
        }
        let projection = request.projection_expression.as_deref();
        let projection = projection.map(|text| Projection::parse(text, &mut references)).transpose()?;
        references.all_used()?;
        let only_counts = match request.select.as_deref() {
            None | Some("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES" | "SPECIFIC_ATTRIBUTES") => false,
            Some("COUNT") => true,
            Some(other) => return Err(Error::validation(format!("Value '{other}' at 'select' is not known"))),
        };
        let start = request.exclusive_start_key.as_ref().map(|start| start_of(start, &table, described)).transpose()?;
        if let (Some((partition, stretch)), Some((at, _))) = (&place, &start) {
            if at.partition != *partition {
                let message = "The provided starting key is outside query boundaries based on provided conditions";
                return Err(Error::validation(message));
            }
            if !stretch.has(&at.sort) {
                return Err(Error::validation("The provided starting key does not match the range key predicate"));
            }
        }
        Ok(Self {
            visible: described.and_then(|index| table.projected(index)).map(Projection::of),
            projection,
            place,
            start,
            filter,
            limit,
            is_descending: request.scan_index_forward == Some(false),
            is_consistent,
            only_counts,
            capacity: request.return_consumed_capacity,
            index,
            table,
        })
    }

    pub(crate) fn run_query(&self, connection: &Connection) -> Result<Vec<u8>, Error> {
        let Some((partition, stretch)) = &self.place else { return Err(Error::internal("a query without a place")) };
        let mut found = Found::new(self);
        let take = &mut |row: Stored| found.take(row);
        let read = match self.index {
            Some(index) => {
                let start = self.start.as_ref().map(|(place, key)| (place.sort.as_slice(), key));
                store::query_index(
                    connection,
                    (&self.table, index),
                    partition,
                    stretch,
                    start,
                    self.is_descending,
                    take,
                )
            }
            None => {
                let mut stretch = stretch.clone();
                if let Some((place, _)) = &self.start {
                    let bound = if self.is_descending { &mut stretch.to } else { &mut stretch.from };
                    *bound = Some((place.sort.clone(), false));
                }
                store::query(connection, &self.table, partition, &stretch, self.is_descending, take)
            }
        };
        read.map_err(|error| failed(&error))?;
        found.answer()
    }

    pub(crate) fn run_scan(&self, connection: &Connection) -> Result<Vec<u8>, Error> {
        let mut found = Found::new(self);
        let take = &mut |row: Stored| found.take(row);
        let read = match self.index {
            Some(index) => {
                let start = self.start.as_ref().map(|(place, key)| (place, key));
                store::scan_index(connection, (&self.table, index), start, take)
            }
            None => store::scan(connection, &self.table, self.start.as_ref().map(|(_, key)| key), take),
        };
        read.map_err(|error| failed(&error))?;
        found.answer()
    }
}

/// What a page has read so far.
struct Found<'p> {
    page: &'p Page,
    items: Vec<String>,
    count: usize,
    scanned: usize,
    size_bytes: usize,
    last: Option<Stored>,
    has_more: bool,
    failure: Option<Error>,
}

impl<'p> Found<'p> {
    fn new(page: &'p Page) -> Self {
        Self {
            page,
            items: Vec::new(),
            count: 0,
            scanned: 0,
            size_bytes: 0,
            last: None,
            has_more: false,
            failure: None,
        }
    }

    /// Takes an item; returns whether there is room for another.
    fn take(&mut self, row: Stored) -> bool {
        if self.scanned > 0 && self.size_bytes + row.size_bytes > PAGE_LIMIT_BYTES {
            self.has_more = true;
            return false;
        }
        if let Err(error) = self.add(&row) {
            self.failure = Some(error);
            return false;
        }
        self.scanned += 1;
        self.size_bytes += row.size_bytes;
        self.last = Some(row);
        // Whether there is another one is not looked at, as DynamoDB does not either.
        self.has_more = self.page.limit == Some(self.scanned);
        !self.has_more
    }

    fn add(&mut self, row: &Stored) -> Result<(), Error> {
        let Page { visible, filter, projection, .. } = self.page;
        if visible.is_none() && filter.is_none() && projection.is_none() {
            self.count += 1;
            if !self.page.only_counts {
                self.items.push(row.text.clone());
            }
            return Ok(());
        }
        let item = row.item()?;
        let item = visible.as_ref().map_or(item.clone(), |visible| visible.apply(&item));
        if filter.as_ref().is_some_and(|filter| !filter.holds(&item)) {
            return Ok(());
        }
        self.count += 1;
        if !self.page.only_counts {
            self.items.push(match (projection, visible) {
                (Some(projection), _) => to_text(&projection.apply(&item))?,
                (None, Some(_)) => to_text(&item)?,
                (None, None) => row.text.clone(),
            });
        }
        Ok(())
    }

    fn answer(self) -> Result<Vec<u8>, Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let mut answer = Answer::new();
        if !self.page.only_counts {
            answer.field("Items", &format!("[{}]", self.items.join(",")));
        }
        answer.field("Count", &self.count.to_string());
        answer.field("ScannedCount", &self.scanned.to_string());
        if let Some(last) = self.last.filter(|_| self.has_more) {
            let item = last.item()?;
            let mut key = self.page.table.key.project(&item);
            if let Some(index) = self.page.index {
                key.extend(self.page.table.indexes[index].key.project(&item));
            }
            answer.field(
                "LastEvaluatedKey",
                &serde_json::to_string(&key).map_err(|error| Error::internal(error.to_string()))?,
            );
        }
        let units = read_units(self.size_bytes, self.page.is_consistent);
        if let Some(cost) = cost(&self.page.table, self.page.capacity, units) {
            answer.field("ConsumedCapacity", &cost.to_string());
        }
        Ok(answer.end())
    }
}

/// Writes an item as the answer shows it; whole items are copied as they are kept.
pub(super) fn shown(stored: &Stored, projection: Option<&Projection>) -> Result<String, Error> {
    match projection {
        Some(projection) => serde_json::to_string(&projection.apply(&stored.item()?))
            .map_err(|error| Error::internal(error.to_string())),
        None => Ok(stored.text.clone()),
    }
}

fn to_text(item: &Item) -> Result<String, Error> {
    serde_json::to_string(item).map_err(|error| Error::internal(error.to_string()))
}

/// The body of an answer, written field by field.
pub(super) struct Answer(String);

impl Answer {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a field whose value is JSON text.
    pub(super) fn field(&mut self, name: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push('}');
        debug_assert!(serde_json::from_str::<&RawValue>(&self.0).is_ok(), "an answer is JSON");
        self.0.into_bytes()
    }
}

fn place(text: &str, references: &mut References, key: &Key) -> Result<(Vec<u8>, Stretch), Error> {
    let sort = key.sort.as_ref();
    let condition = KeyCondition::parse(text, references, &key.partition.name, sort.map(|sort| sort.name.as_str()))?;
    let partition = encode(&key.partition, &condition.partition)?;
    let stretch = match (&condition.sort, sort) {
        (Some(range), Some(sort)) => stretch(range, sort)?,
        _ => Stretch::default(),
    };
    Ok((partition, stretch))
}

fn encode(attribute: &Attribute, value: &Value) -> Result<Vec<u8>, Error> {
    attribute.encode(value).ok_or_else(|| {
        Error::validation(
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        )
    })
}

fn stretch(range: &Range, sort: &Attribute) -> Result<Stretch, Error> {
    let stretch = |from: Option<(Vec<u8>, bool)>, to: Option<(Vec<u8>, bool)>| Stretch { from, to };
    Ok(match range {
        Range::Between(low, high) => stretch(Some((encode(sort, low)?, true)), Some((encode(sort, high)?, true))),
        Range::BeginsWith(prefix) => {
            if sort.kind == Kind::N {
                let message = "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N";
                return Err(Error::validation(message));
            }
            let from = encode(sort, prefix)?;
            let to = after_prefix(&from).map(|to| (to, false));
            stretch(Some((from, true)), to)
        }
        Range::Compare(comparison, value) => {
            let value = encode(sort, value)?;
            match comparison {
                Comparison::Equal | Comparison::NotEqual => stretch(Some((value.clone(), true)), Some((value, true))),
                Comparison::Less => stretch(None, Some((value, false))),
                Comparison::LessOrEqual => stretch(None, Some((value, true))),
                Comparison::Greater => stretch(Some((value, false)), None),
                Comparison::GreaterOrEqual => stretch(Some((value, true)), None),
            }
        }
    })
}

/// The least bytes that are greater than all that begin so.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

fn start_of(start: &Item, table: &Table, index: Option<&Index>) -> Result<(KeyBytes, KeyBytes), Error> {
    let invalid = || Error::validation("The provided starting key is invalid");
    let key = table.key.project(start);
    let key = table.key.of_request(&key).map_err(|_| invalid())?;
    let place = match index {
        Some(index) => index.key.in_index(start).ok_or_else(invalid)?,
        None => key.clone(),
    };
    let mut names = table.key.names();
    names.extend(index.map(|index| index.key.names()).unwrap_or_default());
    if start.keys().any(|name| !names.contains(&name.as_str())) {
        return Err(invalid());
    }
    Ok((place, key))
}
