//! The rows of tables and indexes in SQLite.
//!
//! A table is `t<id>(pk, sk, size, item)`: the bytes of its key and the item as DynamoDB's JSON. An index has only the two
//! keys, `x<id>_<n>(pk, sk, row_pk, row_sk)`; its items are looked up in the table.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::error::Error;
use crate::schema::{KeyBytes, Table};
use crate::value::Item;

/// An item as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) key: KeyBytes,
    pub(crate) size_bytes: usize,
    pub(crate) text: String,
}

impl Stored {
    /// Reads the item.
    pub(crate) fn item(&self) -> Result<Item, Error> {
        serde_json::from_str(&self.text).map_err(|error| Error::internal(format!("an item cannot be read: {error}")))
    }
}

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

pub(crate) fn failed(error: &rusqlite::Error) -> Error {
    Error::storage(error.to_string())
}

/// Creates what does not exist yet.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS tables (id INTEGER PRIMARY KEY, name TEXT UNIQUE, definition TEXT NOT NULL)",
    )
}

pub(crate) fn definitions(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT definition FROM tables ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

pub(crate) fn save_definition(connection: &Connection, table: &Table, definition: &str) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO tables (id, name, definition) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET definition = ?3";
    connection.prepare_cached(sql)?.execute(params![table.id, table.name, definition]).map(drop)
}

pub(crate) fn create(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let id = table.id;
    connection.execute_batch(&format!(
        "CREATE TABLE t{id} (pk BLOB NOT NULL, sk BLOB NOT NULL, size INTEGER NOT NULL, item TEXT NOT NULL);
         CREATE UNIQUE INDEX k{id} ON t{id} (pk, sk)"
    ))?;
    (0..table.indexes.len()).try_for_each(|index| create_index(connection, table, index))
}

pub(crate) fn create_index(connection: &Connection, table: &Table, index: usize) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE x{}_{index} (pk BLOB NOT NULL, sk BLOB NOT NULL, row_pk BLOB NOT NULL, row_sk BLOB NOT NULL,
         PRIMARY KEY (pk, sk, row_pk, row_sk)) WITHOUT ROWID",
        table.id
    ))
}

pub(crate) fn drop_table(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    for index in 0..table.indexes.len() {
        connection.execute_batch(&format!("DROP TABLE x{}_{index}", table.id))?;
    }
    connection.execute_batch(&format!("DROP TABLE t{}", table.id))?;
    connection.execute("DELETE FROM tables WHERE id = ?1", [table.id]).map(drop)
}

pub(crate) fn get(connection: &Connection, table: &Table, key: &KeyBytes) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT pk, sk, size, item FROM t{} WHERE pk = ?1 AND sk = ?2", table.id);
    connection.prepare_cached(&sql)?.query_row(params![key.partition, key.sort], stored).optional()
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let key = KeyBytes { partition: row.get(0)?, sort: row.get(1)? };
    let size: i64 = row.get(2)?;
    Ok(Stored { key, size_bytes: usize::try_from(size).unwrap_or_default(), text: row.get(3)? })
}

/// Writes an item in the place of the one before, if there is one.
pub(crate) fn put(connection: &Connection, table: &Table, exists: bool, stored: &Stored) -> rusqlite::Result<()> {
    let size = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
    let (key, id) = (&stored.key, table.id);
    let sql = match exists {
        true => format!("UPDATE t{id} SET size = ?3, item = ?4 WHERE pk = ?1 AND sk = ?2"),
        false => format!("INSERT INTO t{id} (pk, sk, size, item) VALUES (?1, ?2, ?3, ?4)"),
    };
    connection.prepare_cached(&sql)?.execute(params![key.partition, key.sort, size, stored.text]).map(drop)
}

pub(crate) fn delete(connection: &Connection, table: &Table, key: &KeyBytes) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM t{} WHERE pk = ?1 AND sk = ?2", table.id);
    connection.prepare_cached(&sql)?.execute(params![key.partition, key.sort]).map(drop)
}

/// Brings the indexes up to date; returns how many of them have changed.
pub(crate) fn reindex(
    connection: &Connection,
    table: &Table,
    key: &KeyBytes,
    before: Option<&Item>,
    after: Option<&Item>,
) -> rusqlite::Result<usize> {
    let mut changed = 0;
    for (at, index) in table.indexes.iter().enumerate() {
        let place = |item: Option<&Item>| item.and_then(|item| index.key.in_index(item));
        let (old, new) = (place(before), place(after));
        if old == new {
            continue;
        }
        changed += 1;
        if let Some(old) = old {
            let sql =
                format!("DELETE FROM x{}_{at} WHERE pk = ?1 AND sk = ?2 AND row_pk = ?3 AND row_sk = ?4", table.id);
            connection.prepare_cached(&sql)?.execute(params![old.partition, old.sort, key.partition, key.sort])?;
        }
        if let Some(new) = new {
            let sql = format!("INSERT INTO x{}_{at} (pk, sk, row_pk, row_sk) VALUES (?1, ?2, ?3, ?4)", table.id);
            connection.prepare_cached(&sql)?.execute(params![new.partition, new.sort, key.partition, key.sort])?;
        }
    }
    Ok(changed)
}

/// Fills a new index from the items of its table.
pub(crate) fn fill_index(connection: &Connection, table: &Table, at: usize) -> Result<(), Error> {
    let mut after = None;
    loop {
        let mut rows = Vec::new();
        scan(connection, table, after.as_ref(), &mut |row| {
            rows.push(row);
            rows.len() < 1000
        })
        .map_err(|error| failed(&error))?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for row in &rows {
            let Some(place) = table.indexes[at].key.in_index(&row.item()?) else { continue };
            let sql =
                format!("INSERT OR IGNORE INTO x{}_{at} (pk, sk, row_pk, row_sk) VALUES (?1, ?2, ?3, ?4)", table.id);
            let written = connection.prepare_cached(&sql).and_then(|mut insert| {
                insert.execute(params![place.partition, place.sort, row.key.partition, row.key.sort])
            });
            written.map_err(|error| failed(&error))?;
        }
    }
}

/// Reads items of a partition in the order of their sort keys until `take` has enough.
pub(crate) fn query(
    connection: &Connection,
    table: &Table,
    partition: &[u8],
    stretch: &Stretch,
    descending: bool,
    take: &mut dyn FnMut(Stored) -> bool,
) -> rusqlite::Result<()> {
    let (bounds, from, to) = bounds(stretch, "sk");
    let order = if descending { "DESC" } else { "ASC" };
    let sql = format!("SELECT pk, sk, size, item FROM t{} WHERE pk = ?1{bounds} ORDER BY sk {order}", table.id);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![partition, from, to])?;
    while let Some(row) = rows.next()? {
        if !take(stored(row)?) {
            break;
        }
    }
    Ok(())
}

/// Reads the keys of an index's partition, in the order of its sort keys and then of the table's keys, after a place.
pub(crate) fn query_index(
    connection: &Connection,
    (table, index): (&Table, usize),
    partition: &[u8],
    stretch: &Stretch,
    after: Option<(&[u8], &KeyBytes)>,
    descending: bool,
    take: &mut dyn FnMut(Stored) -> bool,
) -> rusqlite::Result<()> {
    let (bounds, from, to) = bounds(stretch, "x.sk");
    let (order, sign) = if descending { ("DESC", "<") } else { ("ASC", ">") };
    let start = match after {
        Some(_) => format!(" AND (x.sk, x.row_pk, x.row_sk) {sign} (?4, ?5, ?6)"),
        None => " AND ?4 IS NULL AND ?5 IS NULL AND ?6 IS NULL".to_owned(),
    };
    let id = table.id;
    let sql = format!(
        "SELECT t.pk, t.sk, t.size, t.item FROM x{id}_{index} x CROSS JOIN t{id} t ON t.pk = x.row_pk AND t.sk = x.row_sk
         WHERE x.pk = ?1{bounds}{start} ORDER BY x.sk {order}, x.row_pk {order}, x.row_sk {order}"
    );
    let (sort, row_pk, row_sk) = match after {
        Some((sort, key)) => (Some(sort), Some(&key.partition), Some(&key.sort)),
        None => (None, None, None),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![partition, from, to, sort, row_pk, row_sk])?;
    while let Some(row) = rows.next()? {
        if !take(stored(row)?) {
            break;
        }
    }
    Ok(())
}

fn bounds(stretch: &Stretch, column: &str) -> (String, Option<Vec<u8>>, Option<Vec<u8>>) {
    let from = match &stretch.from {
        Some((_, true)) => format!(" AND {column} >= ?2"),
        Some((_, false)) => format!(" AND {column} > ?2"),
        None => " AND ?2 IS NULL".to_owned(),
    };
    let to = match &stretch.to {
        Some((_, true)) => format!(" AND {column} <= ?3"),
        Some((_, false)) => format!(" AND {column} < ?3"),
        None => " AND ?3 IS NULL".to_owned(),
    };
    let value = |bound: &Option<(Vec<u8>, bool)>| bound.as_ref().map(|(value, _)| value.clone());
    (format!("{from}{to}"), value(&stretch.from), value(&stretch.to))
}

/// Reads all items of a table, in the order of their keys after a place, until `take` has enough.
pub(crate) fn scan(
    connection: &Connection,
    table: &Table,
    after: Option<&KeyBytes>,
    take: &mut dyn FnMut(Stored) -> bool,
) -> rusqlite::Result<()> {
    let start = if after.is_some() { "(pk, sk) > (?1, ?2)" } else { "?1 IS NULL AND ?2 IS NULL" };
    let sql = format!("SELECT pk, sk, size, item FROM t{} WHERE {start} ORDER BY pk, sk", table.id);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![after.map(|key| &key.partition), after.map(|key| &key.sort)])?;
    while let Some(row) = rows.next()? {
        if !take(stored(row)?) {
            break;
        }
    }
    Ok(())
}

/// Reads all items of an index, in the order of its keys after a place, until `take` has enough.
pub(crate) fn scan_index(
    connection: &Connection,
    (table, index): (&Table, usize),
    after: Option<(&KeyBytes, &KeyBytes)>,
    take: &mut dyn FnMut(Stored) -> bool,
) -> rusqlite::Result<()> {
    let start = match after {
        Some(_) => "(x.pk, x.sk, x.row_pk, x.row_sk) > (?1, ?2, ?3, ?4)",
        None => "?1 IS NULL AND ?2 IS NULL AND ?3 IS NULL AND ?4 IS NULL",
    };
    let id = table.id;
    let sql = format!(
        "SELECT t.pk, t.sk, t.size, t.item FROM x{id}_{index} x CROSS JOIN t{id} t ON t.pk = x.row_pk AND t.sk = x.row_sk
         WHERE {start} ORDER BY x.pk, x.sk, x.row_pk, x.row_sk"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![
        after.map(|(place, _)| &place.partition),
        after.map(|(place, _)| &place.sort),
        after.map(|(_, key)| &key.partition),
        after.map(|(_, key)| &key.sort),
    ])?;
    while let Some(row) = rows.next()? {
        if !take(stored(row)?) {
            break;
        }
    }
    Ok(())
}

/// Counts the items of a table and their bytes.
pub(crate) fn count(connection: &Connection, table: &Table) -> rusqlite::Result<(i64, i64)> {
    let sql = format!("SELECT count(*), coalesce(sum(size), 0) FROM t{}", table.id);
    connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// How long AWS takes no notice of an expiry that lies further back.
const EXPIRY_LIMIT_S: i64 = 5 * 365 * 24 * 3600;
/// How many items a sweep looks at before it lets requests through.
const SWEEP_ROWS: usize = 1000;

/// Removes the items whose expiry is past.
pub(crate) fn expire(connection: &Connection, table: &Table, attribute: &str, now_s: i64) -> Result<usize, Error> {
    let (mut after, mut removed) = (None, 0);
    loop {
        let mut rows = Vec::new();
        let read = scan(connection, table, after.as_ref(), &mut |row| {
            rows.push(row);
            rows.len() < SWEEP_ROWS
        });
        read.map_err(|error| failed(&error))?;
        let Some(last) = rows.last() else { return Ok(removed) };
        after = Some(last.key.clone());
        for row in &rows {
            let item = row.item()?;
            let Some(crate::value::Value::N(expiry)) = item.get(attribute) else { continue };
            let Ok(expiry) = expiry.to_string().parse::<f64>() else { continue };
            if expiry >= now_s as f64 || expiry < (now_s - EXPIRY_LIMIT_S) as f64 {
                continue;
            }
            let deleted = delete(connection, table, &row.key)
                .and_then(|()| reindex(connection, table, &row.key, Some(&item), None));
            deleted.map_err(|error| failed(&error))?;
            removed += 1;
        }
    }
}
