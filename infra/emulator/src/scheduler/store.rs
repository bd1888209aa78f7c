//! Schedules as rows of the journal.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::definition::Definition;

/// Group and name.
pub(crate) type Key = (String, String);

/// Reads when each schedule is due.
pub(super) fn due(connection: &Connection) -> rusqlite::Result<Vec<(Key, Timestamp)>> {
    let sql = "SELECT schedule_group, name, due_at_ms FROM schedule WHERE due_at_ms IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let due = Timestamp::from_millisecond(row.get(2)?).unwrap_or(Timestamp::MIN);
        Ok(((row.get(0)?, row.get(1)?), due))
    })?;
    rows.collect()
}

/// Reads a schedule and when it is due.
pub(super) fn get(key: &Key, connection: &Connection) -> rusqlite::Result<Option<(Definition, Option<Timestamp>)>> {
    let sql = "SELECT definition, due_at_ms FROM schedule WHERE schedule_group = ? AND name = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let row = statement.query_row(params![key.0, key.1], |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((text, due_ms)): Option<(String, Option<i64>)> = row.optional()? else {
        return Ok(None);
    };
    let due = due_ms.map(|due_ms| Timestamp::from_millisecond(due_ms).unwrap_or(Timestamp::MIN));
    Ok(Some((definition(&text)?, due)))
}

/// Writes a schedule, in place of the one with its name.
pub(super) fn put(definition: &Definition, due: Option<Timestamp>, connection: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO schedule (schedule_group, name, definition, due_at_ms)
               VALUES (?, ?, ?, ?)";
    let text =
        serde_json::to_string(definition).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let row = params![definition.group_name, definition.name, text, due.map(Timestamp::as_millisecond)];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Changes only when a schedule is due.
pub(super) fn set_due(key: &Key, due: Option<Timestamp>, connection: &Connection) -> rusqlite::Result<()> {
    let sql = "UPDATE schedule SET due_at_ms = ? WHERE schedule_group = ? AND name = ?";
    let row = params![due.map(Timestamp::as_millisecond), key.0, key.1];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Deletes a schedule; `false` when there was none.
pub(super) fn delete(key: &Key, connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM schedule WHERE schedule_group = ? AND name = ?";
    let deleted = connection.prepare_cached(sql)?.execute(params![key.0, key.1])?;
    Ok(deleted > 0)
}

/// Lists schedules by group and name, those after a key.
pub(super) fn list(
    group: Option<&str>,
    prefix: &str,
    after: &Key,
    limit: usize,
    connection: &Connection,
) -> rusqlite::Result<Vec<Definition>> {
    let sql = "SELECT definition FROM schedule
               WHERE (schedule_group, name) > (?, ?) AND (?3 IS NULL OR schedule_group = ?3)
                 AND substr(name, 1, length(?4)) = ?4
               ORDER BY schedule_group, name LIMIT ?5";
    let mut statement = connection.prepare_cached(sql)?;
    let row = params![after.0, after.1, group, prefix, limit as i64];
    let texts = statement.query_map(row, |row| row.get::<_, String>(0))?;
    texts.map(|text| definition(&text?)).collect()
}

/// Lists the schedules that a template has registered.
pub(super) fn of_template(connection: &Connection) -> rusqlite::Result<Vec<Key>> {
    let sql = "SELECT schedule_group, name FROM schedule WHERE definition ->> 'FromTemplate'";
    let mut statement = connection.prepare(sql)?;
    let keys = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    keys.collect()
}

/// Adds a group; `false` when it was there.
pub(super) fn add_group(name: &str, connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "INSERT OR IGNORE INTO schedule_group (name) VALUES (?)";
    Ok(connection.prepare_cached(sql)?.execute([name])? > 0)
}

/// Whether there is such a group.
pub(super) fn has_group(name: &str, connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM schedule_group WHERE name = ?";
    connection.prepare_cached(sql)?.exists([name])
}

fn definition(text: &str) -> rusqlite::Result<Definition> {
    let unreadable = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    };
    serde_json::from_str(text).map_err(unreadable)
}
