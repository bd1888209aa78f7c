//! Deliveries and dead letters as rows of the journal.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::retry::RetryPolicy;

/// The most dead letters that are kept, the newest.
const KEPT: i64 = 10_000;
/// The most dead letters that are listed, the newest.
const LISTED: usize = 1000;

/// The most dead letters that are redriven in one transaction.
const REDRIVEN: usize = 256;

/// A delivery that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it is redriven by.
    pub id: i64,
    /// Logical id of the queue that it is redriven to; nothing if it came from none, such as the input of a schedule.
    pub queue: Option<String>,
    /// Logical id of the function.
    pub target: String,
    /// The event that it did not accept.
    pub event: Value,
    /// The error of the last attempt.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// One event on its way to a function, in a queue or straight.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: i64,
    /// Logical id of the queue or of the function.
    pub(crate) target: Arc<str>,
    /// The event's JSON text.
    pub(crate) event: Arc<str>,
    pub(crate) retries: u32,
    pub(crate) expires_at_ms: i64,
    /// Attempts that failed.
    pub(crate) attempts: u32,
    /// When it may be attempted again.
    pub(crate) due_at_ms: i64,
}

impl Delivery {
    /// A delivery that has no row yet; `steady` is the time in which its age is counted.
    pub(crate) fn new(target: Arc<str>, event: Arc<str>, retry: RetryPolicy, steady: Timestamp) -> Self {
        let expires_at_ms = retry.max_age_s.map(|age_s| steady.as_millisecond() + i64::from(age_s) * 1000);
        Self {
            id: 0,
            target,
            event,
            retries: retry.retries,
            expires_at_ms: expires_at_ms.unwrap_or(i64::MAX),
            attempts: 0,
            due_at_ms: 0,
        }
    }

    /// Inserts its row and takes the row's id.
    pub(crate) fn insert(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO delivery (target, event, retries, expires_at_ms) VALUES (?, ?, ?, ?)";
        self.id = connection.prepare_cached(sql)?.insert(params![
            self.target,
            self.event,
            self.retries,
            self.expires_at_ms
        ])?;
        Ok(())
    }

    /// Deletes its row: the function has accepted it.
    pub(crate) fn delete(id: i64, connection: &Connection) -> rusqlite::Result<()> {
        connection.prepare_cached("DELETE FROM delivery WHERE id = ?")?.execute([id])?;
        Ok(())
    }

    /// Updates the number of attempts and when the next one is due.
    pub(crate) fn postpone(id: i64, attempts: u32, due_at_ms: i64, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE delivery SET attempts = ?, due_at_ms = ? WHERE id = ?";
        connection.prepare_cached(sql)?.execute(params![attempts, due_at_ms, id])?;
        Ok(())
    }

    /// Turns its row into a dead letter.
    pub(crate) fn bury(&self, error: &str, now: Timestamp, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO dead_letter (target, event, error, attempts, died_at_ms)
                   VALUES (?, ?, ?, ?, ?)";
        let now_ms = now.as_millisecond();
        let row = params![self.target, self.event, error, self.attempts, now_ms];
        let last = connection.prepare_cached(sql)?.insert(row)?;
        let sql = "DELETE FROM dead_letter WHERE id <= ?";
        connection.prepare_cached(sql)?.execute([last - KEPT])?;
        Self::delete(self.id, connection)
    }

    /// Reads one row.
    pub(crate) fn fetch(id: i64, connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT id, target, event, retries, expires_at_ms, attempts, due_at_ms
                   FROM delivery WHERE id = ?";
        connection.prepare_cached(sql)?.query_row([id], Self::read).optional()
    }

    /// Reads rows of a target with higher ids than `after`, oldest first.
    pub(crate) fn load(target: &str, after: i64, limit: usize, connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let sql = "SELECT id, target, event, retries, expires_at_ms, attempts, due_at_ms
                   FROM delivery WHERE target = ? AND id > ? ORDER BY id LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![target, after, limit as i64], Self::read)?;
        rows.collect()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            target: row.get(1)?,
            event: row.get(2)?,
            retries: row.get(3)?,
            expires_at_ms: row.get(4)?,
            attempts: row.get(5)?,
            due_at_ms: row.get(6)?,
        })
    }
}

/// Counts the deliveries that wait for each target.
pub(crate) fn waiting(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = "SELECT target, count(*) FROM delivery GROUP BY target";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Reads the dead letters, oldest first.
pub(crate) fn dead_letters(connection: &Connection) -> rusqlite::Result<Vec<DeadLetter>> {
    let sql = "SELECT * FROM (SELECT id, target, event, error, attempts FROM dead_letter
               ORDER BY id DESC LIMIT ?) ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([LISTED as i64], |row| {
        let event: String = row.get(2)?;
        Ok(DeadLetter {
            id: row.get(0)?,
            queue: None,
            target: row.get(1)?,
            event: serde_json::from_str(&event).unwrap_or_default(),
            error: row.get(3)?,
            attempts: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// The highest id of a dead letter, and 0 without one.
pub(crate) fn last_dead_letter(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM dead_letter", [], |row| row.get(0))
}

/// Moves dead letters of a queue back to it, the oldest first: those with ids above `after` up to `last`.
///
/// Returns the new deliveries, and the id after which there may be more.
pub(crate) fn redrive(
    (queue, retry): (&Arc<str>, RetryPolicy),
    (after, last): (i64, i64),
    steady: Timestamp,
    connection: &Connection,
) -> rusqlite::Result<(Vec<Delivery>, Option<i64>)> {
    let sql = "SELECT id, event FROM dead_letter WHERE target = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(params![queue, after, last, REDRIVEN as i64], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Arc<str>>(1)?))
    })?;
    let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = found.last().filter(|_| found.len() == REDRIVEN).map(|(id, _)| *id);
    let mut deliveries = Vec::with_capacity(found.len());
    for (id, event) in found {
        let mut delivery = Delivery::new(queue.clone(), event, retry, steady);
        delivery.insert(connection)?;
        connection.prepare_cached("DELETE FROM dead_letter WHERE id = ?")?.execute([id])?;
        deliveries.push(delivery);
    }
    Ok((deliveries, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use crate::options::Durability;

    #[test]
    fn the_newest_ten_thousand_dead_letters_are_kept() {
        let journal = Journal::open(None, Durability::Process).unwrap();
        let count = journal.read(|connection| {
            let retry = RetryPolicy { retries: 0, max_age_s: Some(60) };
            let delivery = Delivery::new("F".into(), "{}".into(), retry, Timestamp::UNIX_EPOCH);
            for _ in 0..KEPT + 10 {
                delivery.bury("no", Timestamp::UNIX_EPOCH, connection)?;
            }
            connection.query_row("SELECT count(*) FROM dead_letter", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(count.unwrap(), KEPT);
    }
}
