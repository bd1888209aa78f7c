//! Reads of many items, page by page.

mod found;
mod place;

use std::sync::Arc;

use rusqlite::Connection;

use self::found::Found;
use self::place::{place, start_of};
use super::meter::Meter;
use super::{Catalog, table};
use crate::error::Error;
use crate::expression::condition::Condition;
use crate::expression::{Projection, References};
use crate::request::{self, Capacity};
use crate::schema::{Index, KeyBytes, Projected, Table};
use crate::store::failed;
use crate::store::rows::{Columns, Rows, Stretch};

/// A read of many items, page by page.
pub(crate) struct Page {
    table: Arc<Table>,
    index: Option<usize>,
    /// Where a query looks.
    place: Option<(Vec<u8>, Stretch)>,
    /// The key that the last page ended at: in the index, and in the table.
    start: Option<(KeyBytes, KeyBytes)>,
    shown: Shown,
    filter: Option<Condition>,
    projection: Option<Projection>,
    limit: Option<usize>,
    is_descending: bool,
    is_consistent: bool,
    only_counts: bool,
    capacity: Capacity,
}

/// What has to be known of an item that a page passes.
enum Shown {
    /// Nothing but its text, or its size where the page only counts.
    Whole,
    /// Some attributes: what filter and projection look at.
    Some(Vec<String>),
    /// What an index has of it.
    Projected(Vec<String>),
    /// The attributes of the keys, which the rows of the index have themselves.
    Keys,
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
        let key = described.map_or(&table.key, |index| &index.key);
        let limit = limit(&request)?;
        let only_counts = only_counts(&request)?;
        let mut references = References::new(request.expression_attribute_names, request.expression_attribute_values)?;
        let place = key_condition.map(|text| place(text, &mut references, key)).transpose()?;
        let filter = request.filter_expression.as_deref();
        let filter = filter.map(|text| Condition::parse(text, "FilterExpression", &mut references)).transpose()?;
        if let Some(filter) = filter.as_ref().filter(|_| place.is_some()) {
            check_filter(filter, &key.names())?;
        }
        let projection = request.projection_expression.as_deref();
        let projection = projection.map(|text| Projection::parse(text, &mut references)).transpose()?;
        references.all_used()?;
        let start = request.exclusive_start_key.as_ref().map(|start| start_of(start, &table, described)).transpose()?;
        if let (Some(place), Some((at, _))) = (&place, &start) {
            check_start(place, at)?;
        }
        let shown = shown(&table, described, filter.as_ref(), projection.as_ref());
        Ok(Self {
            shown,
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

    /// Reads the page.
    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let mut found = Found::new(self);
        let rows = Rows {
            table: &self.table,
            index: self.index,
            columns: match &self.shown {
                Shown::Keys => Columns::Keys,
                Shown::Whole if self.only_counts => Columns::Size,
                _ => Columns::Item,
            },
            place: self.place.as_ref(),
            after: self.start.as_ref(),
            is_descending: self.is_descending,
        };
        rows.read(connection, &mut |row| found.take(row)).map_err(|error| failed(&error))?;
        found.answer(meter)
    }
}

fn limit(request: &request::Read) -> Result<Option<usize>, Error> {
    let limit = request.limit.map(|limit| usize::try_from(limit).ok().filter(|limit| *limit > 0));
    match limit {
        Some(None) => Err(Error::validation(
            "Value at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        )),
        limit => Ok(limit.flatten()),
    }
}

fn only_counts(request: &request::Read) -> Result<bool, Error> {
    let has_projection = request.projection_expression.is_some();
    let refused = |select: &str| {
        let why = "Cannot specify the ProjectionExpression when choosing to get";
        Err(Error::validation(format!("{why} {select}")))
    };
    match request.select.as_deref() {
        None | Some("SPECIFIC_ATTRIBUTES") => Ok(false),
        Some("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES") if has_projection => refused("all attributes"),
        Some("COUNT") if has_projection => refused("only the Count"),
        Some("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES") => Ok(false),
        Some("COUNT") => Ok(true),
        Some(other) => Err(Error::validation(format!("Value '{other}' at 'select' is not known"))),
    }
}

fn check_filter(filter: &Condition, key: &[&str]) -> Result<(), Error> {
    let Some(name) = filter.roots().into_iter().find(|root| key.contains(root)) else { return Ok(()) };
    let message =
        format!("Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}");
    Err(Error::validation(message))
}

fn check_start((partition, stretch): &(Vec<u8>, Stretch), at: &KeyBytes) -> Result<(), Error> {
    if at.partition != *partition {
        let message = "The provided starting key is outside query boundaries based on provided conditions";
        return Err(Error::validation(message));
    }
    if !stretch.has(&at.sort) {
        return Err(Error::validation("The provided starting key does not match the range key predicate"));
    }
    Ok(())
}

fn shown(table: &Table, index: Option<&Index>, filter: Option<&Condition>, projection: Option<&Projection>) -> Shown {
    if let Some(index) = index {
        match (&index.projection, table.projected(index)) {
            (Projected::KeysOnly, _) => return Shown::Keys,
            (_, Some(names)) => return Shown::Projected(names.into_iter().map(str::to_owned).collect()),
            (_, None) => {}
        }
    }
    if filter.is_none() && projection.is_none() {
        return Shown::Whole;
    }
    let filtered = filter.map(Condition::roots).unwrap_or_default();
    let projected = projection.map(Projection::roots).unwrap_or_default();
    Shown::Some(filtered.into_iter().chain(projected).map(str::to_owned).collect())
}
