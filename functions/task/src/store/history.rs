//! What became of the instants of schedules, in `SCHEDULE_HISTORY_TABLE` by incarnation and instant.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::table::{Check, Expression, Query, Table, Unmet, Write, is_new};
use shared::{Environment, Error};

use crate::schedule::decide::{Outcome, Reason, Summary};

/// How many rows a page is made of at most.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// What became of one instant, or of many missed ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) incarnation: String,
    /// In milliseconds since 1970; the last one if there are many.
    pub(crate) instant: i64,
    pub(crate) outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task_id: Option<String>,
    /// The first one, if there are many.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Timestamp>,
    /// How many there are.
    pub(crate) count: u64,
    /// Whether there are more than were counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) at_least: bool,
    /// When it was decided.
    #[serde(with = "shared::clock::iso")]
    pub(crate) handled_at: Timestamp,
    /// When the row is removed, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// The table of the history.
pub(crate) struct History {
    table: Table,
    retention_s: i64,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("SCHEDULE_HISTORY_TABLE")?.check(|_: Row| Ok(())))
}

impl History {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let table = environment.table("SCHEDULE_HISTORY_TABLE")?;
        Ok(Self { table, retention_s: environment.config.retention_s()? })
    }

    /// When what is written now is removed, in seconds since 1970.
    pub(crate) fn expires_at(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }

    /// Builds the row of an instant.
    pub(crate) fn row(&self, incarnation: &str, instant: Timestamp, outcome: Outcome, now: Timestamp) -> Row {
        Row {
            incarnation: incarnation.to_owned(),
            instant: instant.as_millisecond(),
            outcome,
            reason: None,
            task_id: None,
            from: None,
            count: 1,
            at_least: false,
            handled_at: now,
            expires_at: self.expires_at(now),
        }
    }

    /// Builds the row that stands for many missed instants.
    pub(crate) fn summary(&self, incarnation: &str, missed: Summary, now: Timestamp) -> Row {
        Row {
            reason: Some(Reason::Late),
            from: Some(missed.from),
            count: missed.count,
            at_least: missed.at_least,
            ..self.row(incarnation, missed.to, Outcome::Missed, now)
        }
    }

    /// Writes a row and returns it; if there is one of its instant already, that one counts.
    pub(crate) async fn claim(&self, row: Row) -> Result<Row, Error> {
        match self.table.put_if(&row, is_new("instant")).await? {
            true => Ok(row),
            false => Ok(self.get(&row).await?.unwrap_or(row)),
        }
    }

    /// Writes rows of instants in one transaction, as many as one may have; those of instants that have a row already
    /// are left out.
    pub(crate) async fn claim_all(&self, mut rows: Vec<Row>) -> Result<(), Error> {
        while !rows.is_empty() {
            let writes = rows.iter().map(|row| self.firing(row, false)).collect::<Result<Vec<_>, _>>()?;
            let unmet = self.table.transact(writes).await?;
            if unmet.is_empty() {
                return Ok(());
            }
            let mut index = 0..;
            rows.retain(|_| index.next().is_some_and(|index| !unmet.contains(&index)));
        }
        Ok(())
    }

    /// Prepares the row of an instant that nothing was decided about, or that waits.
    pub(crate) fn firing(&self, row: &Row, waits: bool) -> Result<Write, Error> {
        let condition = match waits {
            true => Expression::new("outcome = :queued").value(":queued", Outcome::Queued),
            false => is_new("instant"),
        };
        self.table.writing(row, Some(condition))
    }

    /// Replaces the row of an instant that waits; false if it does not any more.
    pub(crate) async fn end_wait(&self, row: &Row) -> Result<bool, Error> {
        let waits = Expression::new("outcome = :queued").value(":queued", Outcome::Queued);
        self.table.put_if(row, waits).await
    }

    /// Does writes of which one is [`History::firing`]; returns whether all were done.
    pub(crate) async fn transact(&self, writes: Vec<Write>) -> Result<bool, Error> {
        Ok(self.transact_all(writes).await?.is_empty())
    }

    /// The same; returns which of the writes did not meet their conditions, so that none was done.
    pub(crate) async fn transact_all(&self, writes: Vec<Write>) -> Result<Unmet, Error> {
        self.table.transact(writes).await
    }

    /// Reads the row of the same instant as it is now.
    pub(crate) async fn get(&self, row: &Row) -> Result<Option<Row>, Error> {
        self.table.get(&json!({"incarnation": row.incarnation, "instant": row.instant})).await
    }

    /// Tells whether the row of its instant is this one, as its writing may have had no reply.
    pub(crate) async fn is_there(&self, row: &Row) -> Result<bool, Error> {
        Ok(self.get(row).await?.is_some_and(|found| found.task_id == row.task_id))
    }

    /// Reads the newest rows, the newest first.
    pub(crate) async fn last(&self, incarnation: &str, limit: usize) -> Result<Vec<Row>, Error> {
        let key = Expression::new("incarnation = :incarnation").value(":incarnation", incarnation);
        self.table.query(Query::new(key).descending().limit(limit)).await
    }

    /// Reads the first rows after an instant, the oldest first.
    pub(crate) async fn after(&self, incarnation: &str, after: Timestamp, limit: usize) -> Result<Vec<Row>, Error> {
        let key = Expression::new("incarnation = :incarnation AND instant > :after");
        let key = key.value(":incarnation", incarnation).value(":after", after.as_millisecond());
        self.table.query(Query::new(key).limit(limit)).await
    }

    /// Reads the newest rows between two moments, the newest first.
    pub(crate) async fn newest(
        &self,
        incarnation: &str,
        (from_ms, to_ms): (Option<i64>, Option<i64>),
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        let key = Expression::new("incarnation = :incarnation AND instant BETWEEN :from AND :to");
        let key = key.value(":incarnation", incarnation);
        let (from, to) = (from_ms.unwrap_or(i64::MIN), to_ms.unwrap_or(i64::MAX));
        if from > to {
            return Ok(Vec::new());
        }
        let key = key.value(":from", from).value(":to", to);
        self.table.query(Query::new(key).descending().limit(limit)).await
    }
}
