//! Batches of `PartiQL` statements: each has its own condition and its own error, and none undoes another.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::Catalog;
use super::meter::{Axis, Meter, read_units};
use super::read::Answer;
use super::write::{Action, Write, check_keys, stored};
use crate::error::Error;
use crate::expression::condition::{Comparison, Condition, Operand};
use crate::expression::{Path, Projection, Segment};
use crate::request::{self, BatchStatement, Capacity, Returned};
use crate::schema::{KeyBytes, Table};
use crate::statement::{self, Statement, UNKEYED_READ};
use crate::store::{self, failed};
use crate::value::{Item, Value};

/// The most statements in one batch.
const STATEMENTS_LIMIT: usize = 25;

/// `BatchExecuteStatement`.
pub(crate) struct Statements {
    statements: Vec<Result<Prepared, Box<Refused>>>,
    capacity: Capacity,
}

/// A statement that is to be run.
enum Prepared {
    Read(Read),
    Write(Box<Write>, Returned),
    Insert(Box<Write>),
}

/// A read of one item.
struct Read {
    table: Arc<Table>,
    key: KeyBytes,
    projection: Option<Projection>,
    is_consistent: bool,
}

/// A statement that is not run.
struct Refused {
    error: Error,
    /// The table that its error names.
    table: Option<String>,
    /// Whether it would have changed anything, if that could be read.
    is_write: Option<bool>,
    /// The item that it was for, if that could be read.
    place: Option<(i64, KeyBytes)>,
}

impl From<Error> for Box<Refused> {
    fn from(error: Error) -> Self {
        Self::new(Refused { error, table: None, is_write: None, place: None })
    }
}

impl Statements {
    pub(crate) fn new(request: &request::BatchExecuteStatement, catalog: &Catalog) -> Result<Self, Error> {
        let count = request.statements.len();
        if count == 0 || count > STATEMENTS_LIMIT {
            return Err(Error::validation(format!(
                "1 validation error detected: Value at 'statements' failed to satisfy constraint: Member must have length less than or equal to {STATEMENTS_LIMIT}, Member must have length greater than or equal to 1: {count}"
            )));
        }
        let statements: Vec<_> = request.statements.iter().map(|statement| Prepared::new(statement, catalog)).collect();
        let writes = || statements.iter().filter_map(is_write);
        if writes().any(|is_write| is_write) && writes().any(|is_write| !is_write) {
            return Err(Error::validation("Read and write requests together in the same batch is not supported."));
        }
        let mut places: Vec<(i64, &KeyBytes)> = statements.iter().filter_map(place).collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::validation("Provided list of item keys contains duplicates"));
        }
        Ok(Self { statements, capacity: request.return_consumed_capacity })
    }

    /// Whether any statement changes anything.
    pub(super) fn is_write(&self) -> bool {
        self.statements.iter().flatten().any(|prepared| !matches!(prepared, Prepared::Read(_)))
    }

    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let mut responses = Vec::with_capacity(self.statements.len());
        for statement in &self.statements {
            responses.push(match statement {
                Ok(prepared) => match prepared.run(connection, meter) {
                    Ok(item) => response(item, &prepared.table().name)?,
                    // What SQLite cannot write is lost with the whole transaction.
                    Err(error) if error.is_of_storage => return Err(error),
                    Err(error) => {
                        let is_of_request = error.name == "ValidationException";
                        refusal(&error, Some(&prepared.table().name).filter(|_| !is_of_request))
                    }
                },
                Err(refused) => refusal(&refused.error, refused.table.as_ref()),
            });
        }
        let mut answer = Answer::new();
        answer.field("Responses", &format!("[{}]", responses.join(",")));
        answer.costs(&meter.answer(self.capacity, Axis::None));
        Ok(answer.end())
    }
}

/// Whether a statement changes anything, `None` if it cannot be read.
fn is_write(statement: &Result<Prepared, Box<Refused>>) -> Option<bool> {
    match statement {
        Ok(prepared) => Some(!matches!(prepared, Prepared::Read(_))),
        Err(refused) => refused.is_write,
    }
}

/// Returns the item that a statement is for, whether or not it can be run.
fn place(statement: &Result<Prepared, Box<Refused>>) -> Option<(i64, &KeyBytes)> {
    match statement {
        Ok(Prepared::Read(read)) => Some((read.table.id, &read.key)),
        Ok(Prepared::Write(write, _) | Prepared::Insert(write)) => Some((write.table.id, &write.key)),
        Err(refused) => refused.place.as_ref().map(|(table, key)| (*table, key)),
    }
}

fn response(item: Option<Item>, table: &str) -> Result<String, Error> {
    let mut response = json!({"TableName": table});
    if let Some(item) = item {
        response["Item"] = serde_json::to_value(item).map_err(|error| Error::internal(error.to_string()))?;
    }
    Ok(response.to_string())
}

fn refusal(error: &Error, table: Option<&String>) -> String {
    let mut refusal = json!({"Error": {"Code": error.code(), "Message": error.message}});
    if let Some(("Item", item)) = &error.more {
        refusal["Error"]["Item"] = item.clone();
    }
    if let Some(table) = table {
        refusal["TableName"] = Json::from(table.as_str());
    }
    refusal.to_string()
}

/// What a statement says of its item.
struct Parts {
    table: Arc<Table>,
    key: Item,
    bytes: KeyBytes,
    /// The conditions beside the key.
    rest: Vec<Condition>,
}

impl Prepared {
    fn new(request: &BatchStatement, catalog: &Catalog) -> Result<Self, Box<Refused>> {
        let parameters: Vec<Value> = match &request.parameters {
            Some(parameters) => request::read(parameters.get().as_bytes())?,
            None => Vec::new(),
        };
        let Statement { table, action, conditions } = Statement::parse(&request.statement, parameters)?;
        let is_write = Some(!matches!(action, statement::Action::Select(_)));
        let Some(found) = catalog.get(&table) else {
            let error = Error::not_found("Requested resource not found");
            return Err(Box::new(Refused { error, table: Some(table), is_write, place: None }));
        };
        let refused = |error, place| Box::new(Refused { error, table: None, is_write, place });
        let (key, rest) = match &action {
            statement::Action::Insert(_) => (Item::new(), Vec::new()),
            _ => keyed(found, conditions).map_err(|error| refused(error, None))?,
        };
        let complete = key.len() == found.key.names().len();
        let bytes = match &action {
            statement::Action::Insert(item) => found.key.of_item(item),
            statement::Action::Select(_) if !complete => Err(Error::validation(UNKEYED_READ)),
            _ if !complete => {
                Err(Error::validation("Where clause does not contain a mandatory equality on all key attributes"))
            }
            _ => found.key.of_request(&key),
        };
        let bytes = bytes.map_err(|error| refused(error, None))?;
        let place = (found.id, bytes.clone());
        let parts = Parts { table: found.clone(), key, bytes, rest };
        Self::of(action, parts, request).map_err(|error| refused(error, Some(place)))
    }

    fn of(action: statement::Action, parts: Parts, request: &BatchStatement) -> Result<Self, Error> {
        let Parts { table, key, bytes, rest } = parts;
        let is_there = Condition::Exists(attribute(&table.key.partition.name));
        let shows_failed = request.return_values_on_condition_check_failure == Returned::AllOld;
        Ok(match action {
            statement::Action::Select(names) => {
                // A read is that of one item, and has no other condition.
                if !rest.is_empty() {
                    return Err(Error::validation(UNKEYED_READ));
                }
                let is_consistent = request.consistent_read.unwrap_or_default();
                Self::Read(Read { table, key: bytes, projection: names.map(Projection::of), is_consistent })
            }
            statement::Action::Insert(item) => {
                let (_, stored) = stored(&table, &item)?;
                let is_missing = Condition::Not(Box::new(is_there));
                let write = Write::of(table, bytes, Action::Put(item, stored));
                Self::Insert(Box::new(write.only_if(Some(is_missing), false)))
            }
            statement::Action::Update(update, returned) => {
                check_keys(&table, &update)?;
                update.check()?;
                // An update never creates its item.
                let condition = [is_there].into_iter().chain(rest).reduce(both);
                let write = Write::of(table, bytes, Action::Update(key, Some(update)));
                Self::Write(Box::new(write.only_if(condition, shows_failed)), returned)
            }
            statement::Action::Delete(returned) => {
                // Of an item that is not there, nothing is demanded.
                let is_missing = Condition::Not(Box::new(is_there));
                let condition = rest.into_iter().reduce(both);
                let condition = condition.map(|condition| Condition::Or(Box::new(is_missing), Box::new(condition)));
                let write = Write::of(table, bytes, Action::Delete);
                Self::Write(Box::new(write.only_if(condition, shows_failed)), returned)
            }
        })
    }

    fn table(&self) -> &Table {
        match self {
            Self::Read(read) => &read.table,
            Self::Write(write, _) | Self::Insert(write) => &write.table,
        }
    }

    /// Runs it and returns the item that its response shows.
    fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Option<Item>, Error> {
        match self {
            Self::Read(read) => read.run(connection, meter),
            Self::Write(write, returned) => run(write, *returned, connection, meter),
            Self::Insert(write) => run(write, Returned::None, connection, meter).map_err(|error| match error.name {
                "ConditionalCheckFailedException" => Error::duplicate(),
                _ => error,
            }),
        }
    }
}

fn run(write: &Write, returned: Returned, connection: &Connection, meter: &mut Meter) -> Result<Option<Item>, Error> {
    let change = write.decide(connection, returned != Returned::None, meter)?;
    let indexes = write.apply(connection, &change)?;
    meter.write(&write.table, change.units, &indexes);
    Ok(write.attributes(returned, &change).filter(|item| !item.is_empty()))
}

impl Read {
    fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Option<Item>, Error> {
        let found = store::get(connection, &self.table, &self.key).map_err(|error| failed(&error))?;
        let size = found.as_ref().map_or(0, |found| found.size_bytes);
        meter.read(&self.table, None, read_units(size, self.is_consistent));
        let Some(item) = found.map(|found| found.item()).transpose()? else { return Ok(None) };
        Ok(Some(match &self.projection {
            Some(projection) => projection.apply(&item),
            None => item,
        }))
    }
}

fn attribute(name: &str) -> Path {
    Path(vec![Segment::Name(name.to_owned())])
}

fn both(left: Condition, right: Condition) -> Condition {
    Condition::And(Box::new(left), Box::new(right))
}

/// Takes the key out of the conditions of a WHERE clause.
fn keyed(table: &Table, conditions: Vec<Condition>) -> Result<(Item, Vec<Condition>), Error> {
    let names = table.key.names();
    let (mut key, mut rest) = (Item::new(), Vec::new());
    for condition in conditions {
        let (path, value) = match condition {
            Condition::Compare(Operand::Path(path), Comparison::Equal, Operand::Value(value))
            | Condition::Compare(Operand::Value(value), Comparison::Equal, Operand::Path(path))
                if path.0.len() == 1 && names.contains(&path.root()) =>
            {
                (path, value)
            }
            other => {
                rest.push(other);
                continue;
            }
        };
        let name = path.root();
        if key.get(name).is_some_and(|before| *before != value) {
            return Err(Error::validation(format!(
                "Multiple conditions on same key {name}. Only single item Update/Insert/Delete are supported"
            )));
        }
        key.insert(name.to_owned(), value);
    }
    Ok((key, rest))
}
