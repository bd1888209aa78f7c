//! Writes: one item is put, updated or deleted, if a condition holds for what is there.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Map, Value as Json};

use super::meter::{Axis, Meter, write_units};
use super::{Catalog, bytes, table};
use crate::error::Error;
use crate::expression::condition::Condition;
use crate::expression::update::Update;
use crate::expression::{Path, Projection, References};
use crate::request::{self, Capacity, Returned};
use crate::schema::{Index, KeyBytes, Table};
use crate::store::{self, Stored, failed};
use crate::value::{Item, check_depth, size_bytes};

/// The largest item.
const ITEM_LIMIT_BYTES: usize = 400 * 1024;

/// A write of one item.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) table: Arc<Table>,
    pub(crate) key: KeyBytes,
    action: Action,
    condition: Option<Condition>,
    /// Whether a failed condition shows the item that it failed for.
    shows_failed: bool,
}

/// What a write does.
#[derive(Debug)]
pub(super) enum Action {
    Put(Item, Stored),
    Update(Item, Option<Update>),
    Delete,
    Check,
}

/// The change that a write makes.
pub(crate) struct Change<'w> {
    before: Option<Item>,
    is_there: bool,
    after: Option<(Cow<'w, Item>, Cow<'w, Stored>)>,
    /// What it costs in the table itself.
    pub(crate) units: f64,
}

/// A write that is a request of its own.
#[derive(Debug)]
pub(crate) struct Single {
    write: Write,
    returned: Returned,
    capacity: Capacity,
}

impl Single {
    pub(crate) fn put(request: request::Write, catalog: &Catalog) -> Result<Self, Error> {
        if !matches!(request.return_values, Returned::None | Returned::AllOld) {
            return Err(Error::validation("Return values set to invalid value"));
        }
        Self::new(request, catalog, Write::put)
    }

    pub(crate) fn update(request: request::Write, catalog: &Catalog) -> Result<Self, Error> {
        Self::new(request, catalog, Write::update)
    }

    pub(crate) fn delete(request: request::Write, catalog: &Catalog) -> Result<Self, Error> {
        if !matches!(request.return_values, Returned::None | Returned::AllOld) {
            return Err(Error::validation("Return values set to invalid value"));
        }
        Self::new(request, catalog, Write::delete)
    }

    fn new(
        request: request::Write,
        catalog: &Catalog,
        read: fn(request::Write, &Catalog) -> Result<Write, Error>,
    ) -> Result<Self, Error> {
        let (returned, capacity) = (request.return_values, request.return_consumed_capacity);
        Ok(Self { write: read(request, catalog)?, returned, capacity })
    }

    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let change = self.write.decide(connection, self.returned != Returned::None, meter)?;
        let indexes = self.write.apply(connection, &change)?;
        meter.write(&self.write.table, change.units, &indexes);
        let mut answer = Map::new();
        if let Some(attributes) = self.write.attributes(self.returned, &change).filter(|item| !item.is_empty()) {
            answer.insert("Attributes".to_owned(), to_json(&attributes)?);
        }
        if let Some(cost) = meter.answer(self.capacity, Axis::None).pop() {
            answer.insert("ConsumedCapacity".to_owned(), cost);
        }
        bytes(&answer)
    }
}

impl Write {
    /// Returns a write of an item that has this key.
    pub(super) fn of(table: Arc<Table>, key: KeyBytes, action: Action) -> Self {
        Self { table, key, action, condition: None, shows_failed: false }
    }

    /// Returns the write with a condition, which shows the item that it fails for if asked to.
    pub(super) fn only_if(self, condition: Option<Condition>, shows_failed: bool) -> Self {
        Self { condition, shows_failed, ..self }
    }

    /// Reads a put.
    pub(crate) fn put(request: request::Write, catalog: &Catalog) -> Result<Self, Error> {
        let table = table(catalog, &request.table_name)?.clone();
        refuse(&request, &[("Key", request.key.is_some()), ("UpdateExpression", request.update_expression.is_some())])?;
        let item = request.item.ok_or_else(|| Error::validation("missing field `Item`"))?;
        let (key, stored) = stored(&table, &item)?;
        let mut references = References::new(request.expression_attribute_names, request.expression_attribute_values)?;
        let condition = condition(request.condition_expression.as_deref(), &mut references)?;
        references.all_used()?;
        let shows_failed = request.return_values_on_condition_check_failure == Returned::AllOld;
        Ok(Self { table, key, action: Action::Put(item, stored), condition, shows_failed })
    }

    /// Reads an update.
    pub(crate) fn update(request: request::Write, catalog: &Catalog) -> Result<Self, Error> {
        refuse(&request, &[("Item", request.item.is_some())])?;
        let (table, key_item, key) = keyed(&request.table_name, request.key, catalog)?;
        let mut references = References::new(request.expression_attribute_names, request.expression_attribute_values)?;
        let update =
            request.update_expression.as_deref().map(|text| Update::parse(text, &mut references)).transpose()?;
        let condition = condition(request.condition_expression.as_deref(), &mut references)?;
        references.all_used()?;
        update.as_ref().map_or(Ok(()), |update| check_keys(&table, update))?;
        let shows_failed = request.return_values_on_condition_check_failure == Returned::AllOld;
        Ok(Self { table, key, action: Action::Update(key_item, update), condition, shows_failed })
    }

    /// Reads a delete.
    pub(crate) fn delete(request: request::Write, catalog: &Catalog) -> Result<Self, Error> {
        Self::of_key(request, catalog, Action::Delete)
    }

    /// Reads the check of a transaction.
    pub(crate) fn check(request: request::Write, catalog: &Catalog) -> Result<Self, Error> {
        if request.condition_expression.is_none() {
            return Err(Error::validation("missing field `ConditionExpression`"));
        }
        Self::of_key(request, catalog, Action::Check)
    }

    fn of_key(request: request::Write, catalog: &Catalog, action: Action) -> Result<Self, Error> {
        refuse(
            &request,
            &[("Item", request.item.is_some()), ("UpdateExpression", request.update_expression.is_some())],
        )?;
        let (table, _, key) = keyed(&request.table_name, request.key, catalog)?;
        let mut references = References::new(request.expression_attribute_names, request.expression_attribute_values)?;
        let condition = condition(request.condition_expression.as_deref(), &mut references)?;
        references.all_used()?;
        let shows_failed = request.return_values_on_condition_check_failure == Returned::AllOld;
        Ok(Self { table, key, action, condition, shows_failed })
    }

    /// Returns what the answer shows of a changed item.
    pub(super) fn attributes(&self, returned: Returned, change: &Change<'_>) -> Option<Item> {
        let before = || change.before.as_ref().filter(|_| change.is_there);
        let after = || change.after.as_ref().map(|(item, _)| item.as_ref());
        let changed = || match &self.action {
            Action::Update(_, Some(update)) => Some(Projection::on(update.paths().cloned().collect::<Vec<Path>>())),
            _ => None,
        };
        match returned {
            Returned::None => None,
            Returned::AllOld => before().cloned(),
            Returned::AllNew => after().cloned(),
            Returned::UpdatedOld => changed().zip(before()).map(|(changed, item)| changed.apply(item)),
            Returned::UpdatedNew => changed().zip(after()).map(|(changed, item)| changed.apply(item)),
        }
    }

    /// Finds out what it changes, or that its condition does not hold.
    pub(crate) fn decide(
        &self,
        connection: &Connection,
        shows_before: bool,
        meter: &mut Meter,
    ) -> Result<Change<'_>, Error> {
        let found = store::get(connection, &self.table, &self.key).map_err(|error| failed(&error))?;
        let is_read = shows_before
            || self.condition.is_some()
            || !self.table.indexes.is_empty()
            || matches!(self.action, Action::Update(..));
        let before = found.as_ref().filter(|_| is_read).map(Stored::item).transpose()?;
        let nothing = Item::new();
        let size_before = found.as_ref().map_or(0, |found| found.size_bytes);
        if let Some(condition) = &self.condition
            && !condition.holds(before.as_ref().unwrap_or(&nothing))
        {
            let size_after = if let Action::Put(_, stored) = &self.action { stored.size_bytes } else { 0 };
            meter.failed(&self.table, write_units(size_before.max(size_after)));
            let shown = before.as_ref().filter(|_| self.shows_failed).map(to_json).transpose()?;
            return Err(Error::condition(shown));
        }
        let after = match &self.action {
            Action::Put(item, stored) => Some((Cow::Borrowed(item), Cow::Borrowed(stored))),
            Action::Update(key, update) => {
                let start = before.as_ref().unwrap_or(key);
                let item = update.as_ref().map_or_else(|| Ok(start.clone()), |update| update.apply(start))?;
                let (_, stored) = stored(&self.table, &item)?;
                Some((Cow::Owned(item), Cow::Owned(stored)))
            }
            Action::Delete | Action::Check => None,
        };
        let size_after = after.as_ref().map_or(0, |(_, stored)| stored.size_bytes);
        Ok(Change { before, is_there: found.is_some(), after, units: write_units(size_before.max(size_after)) })
    }

    /// Makes a change; returns what it costs in each index.
    pub(crate) fn apply(&self, connection: &Connection, change: &Change<'_>) -> Result<Vec<(usize, f64)>, Error> {
        if matches!(self.action, Action::Check) {
            return Ok(Vec::new());
        }
        let write = || {
            match &change.after {
                Some((_, stored)) => store::put(connection, &self.table, change.is_there, stored)?,
                None if change.is_there => store::delete(connection, &self.table, &self.key)?,
                None => {}
            }
            let after = change.after.as_ref().map(|(item, _)| item.as_ref());
            store::reindex(connection, &self.table, &self.key, change.before.as_ref(), after)?;
            Ok(index_units(&self.table, change.before.as_ref(), after))
        };
        write().map_err(|error: rusqlite::Error| failed(&error))
    }
}

/// Returns what a change costs in each index whose entries it changes: both places of an entry that moves, otherwise the
/// larger of the entries before and after.
fn index_units(table: &Table, before: Option<&Item>, after: Option<&Item>) -> Vec<(usize, f64)> {
    let mut units = Vec::new();
    for (at, index) in table.indexes.iter().enumerate() {
        let place = |item: Option<&Item>| item.and_then(|item| index.key.in_index(item));
        let size = |item: Option<&Item>| item.map_or(0, |item| write_size(table, index, item));
        let cost = match (place(before), place(after)) {
            (None, None) => continue,
            (Some(_), None) => write_units(size(before)),
            (None, Some(_)) => write_units(size(after)),
            (Some(old), Some(new)) if old != new => write_units(size(before)) + write_units(size(after)),
            _ if !table.shows_change(index, before, after) => continue,
            _ => write_units(size(before).max(size(after))),
        };
        units.push((at, cost));
    }
    units
}

fn write_size(table: &Table, index: &Index, item: &Item) -> usize {
    match table.projected(index) {
        Some(names) => names.iter().filter_map(|name| Some(name.len() + item.get(*name)?.size_bytes())).sum(),
        None => size_bytes(item),
    }
}

fn refuse(request: &request::Write, fields: &[(&str, bool)]) -> Result<(), Error> {
    match fields.iter().find(|(_, is_there)| *is_there) {
        Some((name, _)) => Err(Error::validation(format!("this write of {} cannot have `{name}`", request.table_name))),
        None => Ok(()),
    }
}

/// Refuses an update of an attribute of the key.
pub(super) fn check_keys(table: &Table, update: &Update) -> Result<(), Error> {
    let keys = table.key.names();
    let Some(path) = update.paths().find(|path| keys.contains(&path.root())) else { return Ok(()) };
    let message = format!(
        "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
        path.root()
    );
    Err(Error::validation(message))
}

fn keyed(name: &str, key: Option<Item>, catalog: &Catalog) -> Result<(Arc<Table>, Item, KeyBytes), Error> {
    let table = table(catalog, name)?.clone();
    let item = key.ok_or_else(|| Error::validation("missing field `Key`"))?;
    let key = table.key.of_request(&item)?;
    Ok((table, item, key))
}

fn condition(text: Option<&str>, references: &mut References) -> Result<Option<Condition>, Error> {
    text.map(|text| Condition::parse(text, "ConditionExpression", references)).transpose()
}

/// Checks an item and writes it as it is kept.
pub(super) fn stored(table: &Table, item: &Item) -> Result<(KeyBytes, Stored), Error> {
    let key = table.key.of_item(item)?;
    check_depth(item)?;
    for index in &table.indexes {
        index.key.check_in_index(item, &index.name)?;
    }
    let size_bytes = size_bytes(item);
    if size_bytes > ITEM_LIMIT_BYTES {
        return Err(Error::validation("Item size has exceeded the maximum allowed size"));
    }
    let text = serde_json::to_string(item).map_err(|error| Error::internal(error.to_string()))?;
    Ok((key.clone(), Stored { key, size_bytes, text, expires: table.expires(item) }))
}

fn to_json(item: &Item) -> Result<Json, Error> {
    serde_json::to_value(item).map_err(|error| Error::internal(error.to_string()))
}
