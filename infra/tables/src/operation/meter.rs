//! What requests cost, in DynamoDB's capacity units.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::request::Capacity;
use crate::schema::Table;

/// What a request has used of one table, its indexes included.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumed {
    /// The name of the table.
    pub table: String,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units; what a failed condition costs is in them.
    pub write_units: f64,
}

/// Collects what one request costs.
#[derive(Debug, Default)]
pub(crate) struct Meter(Vec<Usage>);

#[derive(Debug)]
struct Usage {
    table: Arc<Table>,
    is_write: bool,
    units: f64,
    indexes: BTreeMap<usize, f64>,
    /// What writes cost whose conditions did not hold.
    failed_units: f64,
    has_succeeded: bool,
}

/// Whether an answer repeats the units under the name of what they paid for, as those of transactions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    None,
    Read,
    Write,
}

impl Meter {
    fn usage(&mut self, table: &Arc<Table>, is_write: bool) -> &mut Usage {
        let at = self.0.iter().position(|usage| usage.table.id == table.id).unwrap_or_else(|| {
            let (units, failed_units) = (0.0, 0.0);
            let indexes = BTreeMap::new();
            let table = table.clone();
            self.0.push(Usage { table, is_write, units, indexes, failed_units, has_succeeded: false });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// Counts a read of a table, or of one of its indexes.
    pub(crate) fn read(&mut self, table: &Arc<Table>, index: Option<usize>, units: f64) {
        let usage = self.usage(table, false);
        usage.has_succeeded = true;
        match index {
            Some(index) => *usage.indexes.entry(index).or_default() += units,
            None => usage.units += units,
        }
    }

    /// Counts a write of a table, and what it has changed in indexes.
    pub(crate) fn write(&mut self, table: &Arc<Table>, units: f64, indexes: &[(usize, f64)]) {
        let usage = self.usage(table, true);
        usage.has_succeeded = true;
        usage.units += units;
        for (index, units) in indexes {
            *usage.indexes.entry(*index).or_default() += units;
        }
    }

    /// Counts a write whose condition did not hold.
    pub(crate) fn failed(&mut self, table: &Arc<Table>, units: f64) {
        self.usage(table, true).failed_units += units;
    }

    /// Returns what the request has used, table by table.
    pub(crate) fn consumed(&self) -> Vec<Consumed> {
        let consumed = |usage: &Usage| {
            let units = usage.total();
            let (read_units, write_units) = if usage.is_write { (0.0, units) } else { (units, 0.0) };
            Consumed { table: usage.table.name.clone(), read_units, write_units }
        };
        self.0.iter().map(consumed).collect()
    }

    /// Returns what an answer says of it, a table an entry; tables where nothing succeeded are left out.
    pub(crate) fn answer(&self, capacity: Capacity, axis: Axis) -> Vec<Json> {
        if capacity == Capacity::None {
            return Vec::new();
        }
        let mut used: Vec<&Usage> = self.0.iter().filter(|usage| usage.has_succeeded).collect();
        used.sort_unstable_by(|left, right| left.table.name.cmp(&right.table.name));
        used.into_iter().map(|usage| usage.answer(capacity, axis)).collect()
    }
}

impl Usage {
    fn total(&self) -> f64 {
        self.units + self.failed_units + self.indexes.values().sum::<f64>()
    }

    fn answer(&self, capacity: Capacity, axis: Axis) -> Json {
        let units = |units: f64| {
            let mut units_json = json!({"CapacityUnits": units});
            match axis {
                Axis::None => {}
                Axis::Read => units_json["ReadCapacityUnits"] = json!(units),
                Axis::Write => units_json["WriteCapacityUnits"] = json!(units),
            }
            units_json
        };
        let mut answer = units(self.total());
        answer["TableName"] = json!(self.table.name);
        if capacity == Capacity::Total {
            return answer;
        }
        answer["Table"] = units(self.units);
        for (field, is_local) in [("GlobalSecondaryIndexes", false), ("LocalSecondaryIndexes", true)] {
            let mut indexes = Map::new();
            for (at, index) in self.table.indexes.iter().enumerate() {
                let used = self.indexes.get(&at).filter(|_| index.is_local == is_local);
                indexes.extend(used.map(|used| (index.name.clone(), units(*used))));
            }
            if !indexes.is_empty() {
                answer[field] = indexes.into();
            }
        }
        answer
    }
}

/// How many units reading so many bytes costs.
pub(crate) fn read_units(bytes: usize, is_consistent: bool) -> f64 {
    let units = bytes.div_ceil(4096).max(1) as f64;
    if is_consistent { units } else { units / 2.0 }
}

/// How many units writing so many bytes costs.
pub(crate) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}
