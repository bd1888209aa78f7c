//! Batches and transactions.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::meter::{Axis, Meter, read_units};
use super::read::{Answer, Get};
use super::write::Write;
use super::{Catalog, table};
use crate::error::Error;
use crate::expression::{Projection, References};
use crate::request::{self, Capacity};
use crate::schema::{KeyBytes, Table};
use crate::store::{self, failed};

/// The most keys in one `BatchGetItem`.
const GETS_LIMIT: usize = 100;
/// The most writes in one `BatchWriteItem`.
const WRITES_LIMIT: usize = 25;
/// The most items in one transaction.
const TRANSACTION_LIMIT: usize = 100;
/// The most bytes of items in one answer; what is over is named as unprocessed.
const ANSWER_LIMIT_BYTES: usize = 16 << 20;

/// `BatchGetItem`.
pub(crate) struct Gets {
    tables: Vec<TableGets>,
    capacity: Capacity,
}

struct TableGets {
    table: Arc<Table>,
    keys: Vec<(KeyBytes, Json)>,
    projection: Option<Projection>,
    is_consistent: bool,
}

impl Gets {
    pub(crate) fn new(request: request::BatchGet, catalog: &Catalog) -> Result<Self, Error> {
        let count: usize = request.request_items.values().map(|keys| keys.keys.len()).sum();
        if count == 0 || count > GETS_LIMIT {
            return Err(Error::validation(format!(
                "Too many items requested for the BatchGetItem call, or none: {count}"
            )));
        }
        let mut tables = Vec::new();
        for (name, asked) in request.request_items {
            let table = table(catalog, &name)?.clone();
            let mut references = References::new(asked.expression_attribute_names, None)?;
            let projection =
                asked.projection_expression.as_deref().map(|text| Projection::parse(text, &mut references));
            let projection = projection.transpose()?;
            references.all_used()?;
            let mut keys: Vec<(KeyBytes, Json)> = Vec::with_capacity(asked.keys.len());
            for key in &asked.keys {
                let bytes = table.key.of_request(key)?;
                keys.push((bytes, serde_json::to_value(key).map_err(|error| Error::internal(error.to_string()))?));
            }
            check_once(keys.iter().map(|(key, _)| key))?;
            tables.push(TableGets {
                table,
                keys,
                projection,
                is_consistent: asked.consistent_read.unwrap_or_default(),
            });
        }
        Ok(Self { tables, capacity: request.return_consumed_capacity })
    }

    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let (mut responses, mut unprocessed) = (Answer::new(), serde_json::Map::new());
        let mut total_bytes = 0;
        for gets in &self.tables {
            let (mut items, mut left) = (Vec::new(), Vec::new());
            for (key, json) in &gets.keys {
                if total_bytes > ANSWER_LIMIT_BYTES {
                    left.push(json.clone());
                    continue;
                }
                let found = store::get(connection, &gets.table, key).map_err(|error| failed(&error))?;
                let size = found.as_ref().map_or(0, |found| found.size_bytes);
                meter.read(&gets.table, None, read_units(size, gets.is_consistent));
                total_bytes += size;
                if let Some(found) = found {
                    items.push(super::read::shown(&found, gets.projection.as_ref())?);
                }
            }
            responses.field(&gets.table.name, &format!("[{}]", items.join(",")));
            if !left.is_empty() {
                unprocessed
                    .insert(gets.table.name.clone(), json!({"Keys": left, "ConsistentRead": gets.is_consistent}));
            }
        }
        let mut answer = Answer::new();
        answer.field("Responses", &String::from_utf8_lossy(&responses.end()));
        answer.field("UnprocessedKeys", &Json::Object(unprocessed).to_string());
        answer.costs(&meter.answer(self.capacity, Axis::None));
        Ok(answer.end())
    }
}

/// Refuses keys of which one is named twice.
fn check_once<'k>(keys: impl Iterator<Item = &'k KeyBytes>) -> Result<(), Error> {
    let mut keys: Vec<&KeyBytes> = keys.collect();
    keys.sort_unstable();
    match keys.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(Error::validation("Provided list of item keys contains duplicates")),
        false => Ok(()),
    }
}

/// `BatchWriteItem`.
pub(crate) struct Writes {
    writes: Vec<Write>,
    capacity: Capacity,
}

impl Writes {
    pub(crate) fn new(request: request::BatchWrite, catalog: &Catalog) -> Result<Self, Error> {
        let count: usize = request.request_items.values().map(Vec::len).sum();
        if count == 0 || count > WRITES_LIMIT {
            return Err(Error::validation(format!(
                "Too many items requested for the BatchWriteItem call, or none: {count}"
            )));
        }
        let mut writes = Vec::with_capacity(count);
        for (name, entries) in request.request_items {
            let start = writes.len();
            for entry in entries {
                let write = |item, key| request::Write { item, key, ..request::Write::of_table(&name) };
                writes.push(match (entry.put_request, entry.delete_request) {
                    (Some(put), None) => Write::put(write(Some(put.item), None), catalog)?,
                    (None, Some(delete)) => Write::delete(write(None, Some(delete.key)), catalog)?,
                    _ => {
                        return Err(Error::validation(
                            "Supplied WriteRequest must have exactly one of PutRequest and DeleteRequest",
                        ));
                    }
                });
            }
            check_once(writes[start..].iter().map(|write| &write.key))?;
        }
        Ok(Self { writes, capacity: request.return_consumed_capacity })
    }

    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        for write in &self.writes {
            let change = write.decide(connection, false, meter)?;
            let indexes = write.apply(connection, &change)?;
            meter.write(&write.table, change.units, &indexes);
        }
        let mut answer = Answer::new();
        answer.field("UnprocessedItems", "{}");
        answer.costs(&meter.answer(self.capacity, Axis::None));
        Ok(answer.end())
    }
}

/// `TransactWriteItems`.
pub(crate) struct Transaction {
    writes: Vec<Write>,
    capacity: Capacity,
    /// What tells the same request, sent again, from another one.
    pub(crate) token: Option<String>,
}

impl Transaction {
    pub(crate) fn new(request: request::TransactWrite, catalog: &Catalog) -> Result<Self, Error> {
        let count = request.transact_items.len();
        if count == 0 || count > TRANSACTION_LIMIT {
            let message = format!(
                "Member must have length less than or equal to {TRANSACTION_LIMIT}, Member must have length greater than or equal to 1: {count}"
            );
            return Err(Error::validation(message));
        }
        let mut writes = Vec::with_capacity(count);
        for item in request.transact_items {
            writes.push(match (item.put, item.update, item.delete, item.condition_check) {
                (Some(put), None, None, None) => Write::put(put, catalog)?,
                (None, Some(update), None, None) => Write::update(update, catalog)?,
                (None, None, Some(delete), None) => Write::delete(delete, catalog)?,
                (None, None, None, Some(check)) => Write::check(check, catalog)?,
                _ => {
                    return Err(Error::validation(
                        "TransactItems can only contain one of Check, Put, Update or Delete",
                    ));
                }
            });
        }
        let mut places: Vec<(i64, &KeyBytes)> = writes.iter().map(|write| (write.table.id, &write.key)).collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::validation("Transaction request cannot include multiple operations on one item"));
        }
        Ok(Self { writes, capacity: request.return_consumed_capacity, token: request.client_request_token })
    }

    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let mut changes = Vec::with_capacity(self.writes.len());
        for write in &self.writes {
            changes.push(write.decide(connection, false, meter));
        }
        if changes.iter().any(Result::is_err) {
            return Err(cancelled(changes.into_iter().map(Result::err)));
        }
        for (write, change) in self.writes.iter().zip(changes.into_iter().flatten()) {
            let indexes = write.apply(connection, &change)?;
            // A write of a transaction costs twice that of a single one; what it changes in indexes does not.
            meter.write(&write.table, 2.0 * change.units, &indexes);
        }
        let mut answer = Answer::new();
        answer.costs(&meter.answer(self.capacity, Axis::Write));
        Ok(answer.end())
    }
}

/// The error of a transaction some of whose writes cannot be made.
fn cancelled(problems: impl Iterator<Item = Option<Error>>) -> Error {
    let mut reasons = Vec::new();
    for problem in problems {
        reasons.push(match problem {
            None => json!({"Code": "None"}),
            Some(error) if error.status >= 500 => return error,
            Some(error) => {
                let code = match error.name {
                    "ConditionalCheckFailedException" => "ConditionalCheckFailed",
                    _ => "ValidationError",
                };
                let mut reason = json!({"Code": code, "Message": error.message});
                if let Some(("Item", item)) = error.more {
                    reason["Item"] = item;
                }
                reason
            }
        });
    }
    Error::cancelled(reasons)
}

/// `TransactGetItems`.
pub(crate) struct Reads {
    gets: Vec<Get>,
    capacity: Capacity,
}

impl Reads {
    pub(crate) fn new(request: request::TransactGet, catalog: &Catalog) -> Result<Self, Error> {
        let count = request.transact_items.len();
        if count == 0 || count > TRANSACTION_LIMIT {
            return Err(Error::validation(format!(
                "Member must have length between 1 and {TRANSACTION_LIMIT}: {count}"
            )));
        }
        let gets =
            request.transact_items.into_iter().map(|item| Get::new(item.get, catalog)).collect::<Result<_, _>>()?;
        Ok(Self { gets, capacity: request.return_consumed_capacity })
    }

    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let mut responses = Vec::with_capacity(self.gets.len());
        for get in &self.gets {
            let found = get.find(connection)?;
            let size = found.as_ref().map_or(0, |(_, size)| *size);
            meter.read(&get.table, None, 2.0 * read_units(size, true));
            responses.push(found.map_or_else(|| "{}".to_owned(), |(text, _)| format!("{{\"Item\":{text}}}")));
        }
        let mut answer = Answer::new();
        answer.field("Responses", &format!("[{}]", responses.join(",")));
        answer.costs(&meter.answer(self.capacity, Axis::Read));
        Ok(answer.end())
    }
}
