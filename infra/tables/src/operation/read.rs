//! Reads of one item, and the answers of reads.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::meter::{Axis, Meter, read_units};
use super::{Catalog, table};
use crate::error::Error;
use crate::expression::{Projection, References};
use crate::request::{self, Capacity};
use crate::schema::{KeyBytes, Table};
use crate::store::{self, Stored, failed};
use crate::value::Item;

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

    pub(crate) fn run(&self, connection: &Connection, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let found = self.find(connection)?;
        let size = found.as_ref().map_or(0, |(_, size)| *size);
        meter.read(&self.table, None, read_units(size, self.is_consistent));
        let mut answer = Answer::new();
        if let Some((text, _)) = found {
            answer.field("Item", &text);
        }
        answer.cost(meter.answer(self.capacity, Axis::None).pop());
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

pub(super) fn to_text(item: &Item) -> Result<String, Error> {
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

    /// Adds what the request has cost, if it asked for that.
    pub(super) fn cost(&mut self, cost: Option<Json>) {
        if let Some(cost) = cost {
            self.field("ConsumedCapacity", &cost.to_string());
        }
    }

    /// Adds what a batch has cost, if it asked for that.
    pub(super) fn costs(&mut self, costs: &[Json]) {
        if !costs.is_empty() {
            let costs: Vec<String> = costs.iter().map(Json::to_string).collect();
            self.field("ConsumedCapacity", &format!("[{}]", costs.join(",")));
        }
    }

    /// Returns the whole body.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push('}');
        debug_assert!(serde_json::from_str::<&RawValue>(&self.0).is_ok(), "an answer is JSON");
        self.0.into_bytes()
    }
}
