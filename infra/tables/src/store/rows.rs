//! Rows of a table or an index in the order of their keys, read only as far as they are taken.

use rusqlite::types::ToSql;
use rusqlite::{Connection, params_from_iter};

use super::intact;
use crate::error::Error;
use crate::schema::{KeyBytes, Table};
use crate::value::{Item, some_of};

/// A stretch of sort keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stretch {
    /// The least, and whether it is included.
    pub(crate) from: Option<(Vec<u8>, bool)>,
    /// The greatest, and whether it is included.
    pub(crate) to: Option<(Vec<u8>, bool)>,
}

impl Stretch {
    /// Whether a sort key is in it.
    pub(crate) fn has(&self, sort: &[u8]) -> bool {
        let after = |(from, is_in): &(Vec<u8>, bool)| sort > from.as_slice() || (*is_in && sort == from.as_slice());
        let before = |(to, is_in): &(Vec<u8>, bool)| sort < to.as_slice() || (*is_in && sort == to.as_slice());
        self.from.as_ref().is_none_or(after) && self.to.as_ref().is_none_or(before)
    }
}

/// What is read of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Keys, size and item.
    Item,
    /// Keys and size.
    Size,
    /// The keys that an index has; its table is not looked at.
    Keys,
}

/// A row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: KeyBytes,
    /// Its place in the index.
    pub(crate) place: Option<KeyBytes>,
    /// The size of the item, zero where it is not read.
    pub(crate) size_bytes: usize,
    /// The item, empty where it is not read.
    pub(crate) text: String,
}

impl Row {
    /// Reads some attributes of the item.
    pub(crate) fn some(&self, names: &[String]) -> Result<Item, Error> {
        some_of(&self.text, names).map_err(|error| Error::storage(format!("an item cannot be read: {error}")))
    }
}

/// Which rows are read, and in which order.
pub(crate) struct Rows<'r> {
    pub(crate) table: &'r Table,
    pub(crate) index: Option<usize>,
    pub(crate) columns: Columns,
    /// A partition and a stretch of it; without one, all rows.
    pub(crate) place: Option<&'r (Vec<u8>, Stretch)>,
    /// The row that they come after: its place in the index, and its key.
    pub(crate) after: Option<&'r (KeyBytes, KeyBytes)>,
    pub(crate) is_descending: bool,
}

impl Rows<'_> {
    /// Reads rows until `take` has enough.
    pub(crate) fn read(&self, connection: &Connection, take: &mut dyn FnMut(Row) -> bool) -> rusqlite::Result<()> {
        let (sql, values) = self.sql();
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values.iter().map(|value| value as &dyn ToSql)))?;
        while let Some(row) = rows.next()? {
            let size: Option<i64> = row.get(2)?;
            let place = match self.index {
                Some(_) => Some(KeyBytes { partition: row.get(4)?, sort: row.get(5)? }),
                None => None,
            };
            let key = KeyBytes { partition: row.get(0)?, sort: row.get(1)? };
            let text = match self.columns {
                Columns::Item => intact(self.table, &key, row.get_ref(3)?),
                Columns::Size | Columns::Keys => String::new(),
            };
            let size_bytes = size.and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
            let row = Row { key, place, size_bytes, text };
            if !take(row) {
                break;
            }
        }
        Ok(())
    }

    fn sql(&self) -> (String, Vec<&[u8]>) {
        let id = self.table.id;
        let (source, order): (String, &[&str]) = match (self.index, self.columns) {
            (None, Columns::Item) => (format!("pk, sk, size, item FROM t{id}"), &["pk", "sk"]),
            (None, _) => (format!("pk, sk, size, NULL FROM t{id}"), &["pk", "sk"]),
            (Some(index), columns) => {
                let read = match columns {
                    Columns::Item => "t.size, t.item",
                    Columns::Size => "t.size, NULL",
                    Columns::Keys => "NULL, NULL",
                };
                let join = match columns {
                    Columns::Keys => String::new(),
                    _ => format!(" CROSS JOIN t{id} t ON t.pk = x.row_pk AND t.sk = x.row_sk"),
                };
                let source = format!("x.row_pk, x.row_sk, {read}, x.pk, x.sk FROM x{id}_{index} x{join}");
                (source, &["x.pk", "x.sk", "x.row_pk", "x.row_sk"])
            }
        };
        let mut wheres = Wheres::default();
        let mut ordered = order;
        let mut after: Vec<&[u8]> = self.after.map(|(place, key)| self.position(place, key)).unwrap_or_default();
        if let Some((partition, stretch)) = self.place {
            wheres.add(order[0], "=", partition);
            ordered = &order[1..];
            // The row to come after is within the stretch, and only one of two bounds would be looked up.
            let is_bound = |is_far: bool| self.after.is_none() || is_far;
            if let Some((from, is_in)) = stretch.from.as_ref().filter(|_| is_bound(self.is_descending)) {
                wheres.add(order[1], if *is_in { ">=" } else { ">" }, from);
            }
            if let Some((to, is_in)) = stretch.to.as_ref().filter(|_| is_bound(!self.is_descending)) {
                wheres.add(order[1], if *is_in { "<=" } else { "<" }, to);
            }
            after = after.into_iter().skip(1).collect();
        }
        if !after.is_empty() {
            wheres.add_row(ordered, if self.is_descending { "<" } else { ">" }, after);
        }
        let direction = if self.is_descending { " DESC" } else { "" };
        let order: Vec<String> = ordered.iter().map(|column| format!("{column}{direction}")).collect();
        (format!("SELECT {source}{} ORDER BY {}", wheres.sql, order.join(", ")), wheres.values)
    }

    fn position<'p>(&self, place: &'p KeyBytes, key: &'p KeyBytes) -> Vec<&'p [u8]> {
        let mut position: Vec<&[u8]> = vec![&place.partition, &place.sort];
        if self.index.is_some() {
            position.extend([key.partition.as_slice(), key.sort.as_slice()]);
        }
        position
    }
}

/// The conditions of a statement and their values.
#[derive(Default)]
struct Wheres<'v> {
    sql: String,
    values: Vec<&'v [u8]>,
}

impl<'v> Wheres<'v> {
    fn add(&mut self, column: &str, sign: &str, value: &'v [u8]) {
        self.values.push(value);
        let joint = if self.sql.is_empty() { "WHERE" } else { "AND" };
        self.sql = format!("{} {joint} {column} {sign} ?{}", self.sql, self.values.len());
    }

    fn add_row(&mut self, columns: &[&str], sign: &str, values: Vec<&'v [u8]>) {
        let first = self.values.len() + 1;
        let places: Vec<String> = (first..first + values.len()).map(|place| format!("?{place}")).collect();
        self.values.extend(values);
        let joint = if self.sql.is_empty() { "WHERE" } else { "AND" };
        let columns = columns.join(", ");
        self.sql = format!("{} {joint} ({columns}) {sign} ({})", self.sql, places.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    /// However a page is asked for, SQLite looks its first row up and reads on from there in the order of an index.
    #[test]
    fn rows_are_looked_up_and_never_sorted_or_passed_over() {
        let definition = r#"{"id": 1, "name": "t", "ttl": null, "created_at": 0,
            "key": {"partition": {"name": "pk", "kind": "S"}, "sort": {"name": "sk", "kind": "S"}},
            "indexes": [{"name": "i", "is_local": false, "projection": "All",
                "key": {"partition": {"name": "a", "kind": "S"}, "sort": {"name": "b", "kind": "S"}}}]}"#;
        let table: Table = serde_json::from_str(definition).unwrap();
        let connection = Connection::open_in_memory().unwrap();
        store::create(&connection, &table).unwrap();
        let bound = |is_in: bool| Some((b"b".to_vec(), is_in));
        let places = [
            None,
            Some((b"p".to_vec(), Stretch::default())),
            Some((b"p".to_vec(), Stretch { from: bound(true), to: bound(false) })),
        ];
        let key = || KeyBytes { partition: b"p".to_vec(), sort: b"s".to_vec() };
        let after = Some((key(), key()));
        let orders = [(None, false), (None, true), (after.as_ref(), false), (after.as_ref(), true)];
        let sources =
            [(None, Columns::Item), (None, Columns::Size), (Some(0), Columns::Keys), (Some(0), Columns::Item)];
        for place in &places {
            let orders = orders.iter().flat_map(|order| sources.map(|source| (*order, source)));
            for ((after, is_descending), (index, columns)) in orders {
                let table = &table;
                check(&connection, &Rows { table, index, columns, place: place.as_ref(), after, is_descending });
            }
        }
    }

    fn check(connection: &Connection, rows: &Rows<'_>) {
        let (sql, values) = rows.sql();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.query_map(params_from_iter(values.iter()), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{sql}: {steps:?}");
        if rows.place.is_some() || rows.after.is_some() {
            assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{sql}: {steps:?}");
        }
        if rows.after.is_some() {
            let sign = if rows.is_descending { '<' } else { '>' };
            assert!(steps[0].contains(sign), "{sql}: {steps:?}");
        }
    }
}
