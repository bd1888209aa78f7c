//! The rows of tables and indexes in SQLite.
//!
//! A table is `t<id>(pk, sk, size, expires, item)`: the bytes of its key and the item as DynamoDB's JSON. An index has only
//! the two keys, `x<id>_<n>(pk, sk, row_pk, row_sk)`; its items are looked up in the table.

pub(crate) mod rows;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::schema::{KeyBytes, Table};
use crate::value::Item;

/// An item as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) key: KeyBytes,
    pub(crate) size_bytes: usize,
    pub(crate) text: String,
    /// When it expires, in seconds since 1970.
    pub(crate) expires: Option<i64>,
}

impl Stored {
    /// Reads the item.
    pub(crate) fn item(&self) -> Result<Item, Error> {
        serde_json::from_str(&self.text).map_err(|error| Error::internal(format!("an item cannot be read: {error}")))
    }
}

pub(crate) fn failed(error: &rusqlite::Error) -> Error {
    Error::storage(error.to_string())
}

/// The layout of the file.
const LAYOUT: i32 = 1;

/// Creates what a new file needs; returns whether the file is new or of this layout.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<bool> {
    let found: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let parts: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if found != 0 || parts > 0 {
        return Ok(found == LAYOUT);
    }
    connection.execute_batch(&format!(
        "BEGIN;
         CREATE TABLE tables (id INTEGER PRIMARY KEY, name TEXT UNIQUE, definition TEXT NOT NULL);
         PRAGMA user_version = {LAYOUT};
         COMMIT"
    ))?;
    Ok(true)
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
        "CREATE TABLE t{id} (pk BLOB NOT NULL, sk BLOB NOT NULL, size INTEGER NOT NULL, expires INTEGER, item TEXT NOT NULL);
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
    let sql = format!("SELECT pk, sk, size, item, expires FROM t{} WHERE pk = ?1 AND sk = ?2", table.id);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row(params![key.partition, key.sort], |row| stored(table, row)).optional()
}

fn stored(table: &Table, row: &Row<'_>) -> rusqlite::Result<Stored> {
    let key = KeyBytes { partition: row.get(0)?, sort: row.get(1)? };
    let size: i64 = row.get(2)?;
    let text = intact(table, &key, row.get_ref(3)?);
    Ok(Stored { key, size_bytes: usize::try_from(size).unwrap_or_default(), text, expires: row.get(4)? })
}

/// The text of an item; where the file is damaged, that of its key alone, so that whoever reads it finds out what it lacks
/// and nobody else notices.
fn intact(table: &Table, key: &KeyBytes, found: ValueRef<'_>) -> String {
    let text = found.as_bytes().ok().and_then(|bytes| str::from_utf8(bytes).ok());
    let is_item = |text: &&str| text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if let Some(text) = text.filter(is_item) {
        return text.to_owned();
    }
    let key = serde_json::to_string(&table.key.item(key)).unwrap_or_else(|_| "{}".to_owned());
    tracing::error!(table = table.name, key, "an item is damaged in the file, so that only its key can be read");
    key
}

/// Writes an item in the place of the one before, if there is one.
pub(crate) fn put(connection: &Connection, table: &Table, exists: bool, stored: &Stored) -> rusqlite::Result<()> {
    let size = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
    let (key, id) = (&stored.key, table.id);
    let sql = match exists {
        true => format!("UPDATE t{id} SET size = ?3, expires = ?4, item = ?5 WHERE pk = ?1 AND sk = ?2"),
        false => format!("INSERT INTO t{id} (pk, sk, size, expires, item) VALUES (?1, ?2, ?3, ?4, ?5)"),
    };
    connection
        .prepare_cached(&sql)?
        .execute(params![key.partition, key.sort, size, stored.expires, stored.text])
        .map(drop)
}

pub(crate) fn delete(connection: &Connection, table: &Table, key: &KeyBytes) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM t{} WHERE pk = ?1 AND sk = ?2", table.id);
    connection.prepare_cached(&sql)?.execute(params![key.partition, key.sort]).map(drop)
}

/// Brings the indexes up to date.
pub(crate) fn reindex(
    connection: &Connection,
    table: &Table,
    key: &KeyBytes,
    before: Option<&Item>,
    after: Option<&Item>,
) -> rusqlite::Result<()> {
    for (at, index) in table.indexes.iter().enumerate() {
        let place = |item: Option<&Item>| item.and_then(|item| index.key.in_index(item));
        let (old, new) = (place(before), place(after));
        if old == new {
            continue;
        }
        if let Some(old) = old {
            let sql =
                format!("DELETE FROM x{}_{at} WHERE pk = ?1 AND sk = ?2 AND row_pk = ?3 AND row_sk = ?4", table.id);
            connection.prepare_cached(&sql)?.execute(params![old.partition, old.sort, key.partition, key.sort])?;
        }
        if let Some(new) = new {
            // It is there already if the item before was damaged.
            let sql =
                format!("INSERT OR IGNORE INTO x{}_{at} (pk, sk, row_pk, row_sk) VALUES (?1, ?2, ?3, ?4)", table.id);
            connection.prepare_cached(&sql)?.execute(params![new.partition, new.sort, key.partition, key.sort])?;
        }
    }
    Ok(())
}

/// Fills a new index from the items of its table.
pub(crate) fn fill_index(connection: &Connection, table: &Table, at: usize) -> Result<(), Error> {
    for_each(connection, table, &mut |row| {
        let Some(place) = table.indexes[at].key.in_index(&row.item()?) else { return Ok(()) };
        let sql = format!("INSERT OR IGNORE INTO x{}_{at} (pk, sk, row_pk, row_sk) VALUES (?1, ?2, ?3, ?4)", table.id);
        let written = connection.prepare_cached(&sql).and_then(|mut insert| {
            insert.execute(params![place.partition, place.sort, row.key.partition, row.key.sort])
        });
        written.map(drop).map_err(|error| failed(&error))
    })
}

/// Counts the items of a table and their bytes.
pub(crate) fn count(connection: &Connection, table: &Table) -> rusqlite::Result<(i64, i64)> {
    let sql = format!("SELECT count(*), coalesce(sum(size), 0) FROM t{}", table.id);
    connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// How long AWS takes no notice of an expiry that lies further back.
const EXPIRY_LIMIT_S: i64 = 5 * 365 * 24 * 3600;
/// How many expired items are removed before requests are let through.
const SWEEP_ROWS: usize = 200;

/// Removes some of the items whose expiry is past; returns how many, zero when none is left.
pub(crate) fn expire(connection: &Connection, table: &Table, now_s: i64) -> Result<usize, Error> {
    let sql = format!(
        "SELECT pk, sk, size, item, expires FROM t{} WHERE expires < ?1 AND expires >= ?2 ORDER BY expires LIMIT {SWEEP_ROWS}",
        table.id
    );
    let expired: rusqlite::Result<Vec<Stored>> = connection.prepare_cached(&sql).and_then(|mut statement| {
        let rows = statement.query_map(params![now_s, now_s - EXPIRY_LIMIT_S], |row| stored(table, row))?;
        rows.collect()
    });
    let expired = expired.map_err(|error| failed(&error))?;
    for row in &expired {
        let item = row.item()?;
        let deleted =
            delete(connection, table, &row.key).and_then(|()| reindex(connection, table, &row.key, Some(&item), None));
        deleted.map_err(|error| failed(&error))?;
    }
    Ok(expired.len())
}

/// Brings the expiries of all items up to date with the attribute that says them.
pub(crate) fn set_expiries(connection: &Connection, table: &Table) -> Result<(), Error> {
    let id = table.id;
    let index = match table.ttl {
        Some(_) => format!("CREATE INDEX IF NOT EXISTS e{id} ON t{id} (expires) WHERE expires IS NOT NULL"),
        None => format!("DROP INDEX IF EXISTS e{id}"),
    };
    connection.execute_batch(&index).map_err(|error| failed(&error))?;
    for_each(connection, table, &mut |row| {
        let expires = table.expires(&row.item()?);
        if expires == row.expires {
            return Ok(());
        }
        let sql = format!("UPDATE t{id} SET expires = ?3 WHERE pk = ?1 AND sk = ?2");
        let updated = connection
            .prepare_cached(&sql)
            .and_then(|mut update| update.execute(params![row.key.partition, row.key.sort, expires]));
        updated.map(drop).map_err(|error| failed(&error))
    })
}

/// Calls `visit` with each item of a table.
fn for_each(
    connection: &Connection,
    table: &Table,
    visit: &mut dyn FnMut(&Stored) -> Result<(), Error>,
) -> Result<(), Error> {
    let sql = format!(
        "SELECT pk, sk, size, item, expires, rowid FROM t{} WHERE rowid > ?1 ORDER BY rowid LIMIT 1000",
        table.id
    );
    let mut after = 0_i64;
    loop {
        let rows: rusqlite::Result<Vec<(Stored, i64)>> = connection.prepare_cached(&sql).and_then(|mut statement| {
            let rows = statement.query_map([after], |row| Ok((stored(table, row)?, row.get(5)?)))?;
            rows.collect()
        });
        let rows = rows.map_err(|error| failed(&error))?;
        let Some((_, last)) = rows.last() else { return Ok(()) };
        after = *last;
        rows.iter().try_for_each(|(row, _)| visit(row))?;
    }
}
