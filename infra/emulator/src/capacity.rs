//! The write units that the tables' engine counts, as AWS bills them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

/// The operations that write; what reads consume is not counted.
const WRITES: [&str; 5] = ["BatchExecuteStatement", "BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"];
const TRANSACTION: &str = "TransactWriteItems";
const ASKED: &str = "\"ReturnConsumedCapacity\"";

/// The units by table, and by index as `table/index`.
#[derive(Debug, Default)]
pub(crate) struct WriteUnits(Mutex<BTreeMap<String, f64>>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    consumed_capacity: Option<Consumed>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Consumed {
    One(Capacity),
    Many(Vec<Capacity>),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Capacity {
    table_name: String,
    table: Option<Units>,
    #[serde(default)]
    global_secondary_indexes: BTreeMap<String, Units>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Units {
    #[serde(default)]
    capacity_units: f64,
    write_capacity_units: Option<f64>,
}

impl WriteUnits {
    /// Makes a request that writes ask for what it consumes, unless it does.
    pub(crate) fn asking<'a>(operation: &str, body: &'a [u8]) -> Cow<'a, [u8]> {
        let is_write = WRITES.contains(&operation) || operation == TRANSACTION;
        let is_asked = body.windows(ASKED.len()).any(|part| part == ASKED.as_bytes());
        match body.strip_prefix(b"{") {
            Some(rest) if is_write && !is_asked => {
                Cow::Owned([b"{", ASKED.as_bytes(), b":\"INDEXES\",", rest].concat())
            }
            _ => Cow::Borrowed(body),
        }
    }

    /// Adds what an answer says was consumed.
    pub(crate) fn add(&self, operation: &str, answer: &[u8]) {
        if !WRITES.contains(&operation) && operation != TRANSACTION {
            return;
        }
        let Ok(Answer { consumed_capacity: Some(consumed) }) = serde_json::from_slice(answer) else { return };
        let consumed = match consumed {
            Consumed::One(one) => vec![one],
            Consumed::Many(many) => many,
        };
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |place: String, detail: Units| {
            *units.entry(place).or_default() += detail.write_capacity_units.unwrap_or(detail.capacity_units);
        };
        for Capacity { table_name, table, global_secondary_indexes } in consumed {
            for (index, detail) in global_secondary_indexes {
                add(format!("{table_name}/{index}"), detail);
            }
            table.into_iter().for_each(|detail| add(table_name.clone(), detail));
        }
    }

    /// Returns the units so far.
    pub(crate) fn so_far(&self) -> BTreeMap<String, f64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins at zero.
    pub(crate) fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
