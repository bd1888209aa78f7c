//! The index of open tasks in `TASKS_TABLE`, in which the sweep looks for what an interruption left.
//!
//! A task is in it from its creation until it has ended and everything about its end is published, in the same place as
//! long as the sweep need not act: that costs one write of keys when it enters and one when it leaves. A step whose
//! task starts at once is never in it: its command comes again until it is answered.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use shared::Error;
use shared::step::{ClaimStore as _, Claimable as _};
use shared::table::{Expression, Query, exists, key};

use crate::store::task::{Status, Task, TaskStore};

const INDEX: &str = "open";
/// Over how many partitions of the index the open tasks spread.
pub(crate) const PARTITIONS: u8 = 16;
/// How long after it should have started, or was looked at, the sweep looks at a task; doubled each time.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);
/// How often that is doubled.
const DOUBLINGS: u32 = 6;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    task_id: String,
}

/// The task with its place in the index.
pub(crate) fn watched(task: Task) -> Task {
    let due = task.start_timestamp.unwrap_or(task.creation_timestamp).max(task.creation_timestamp);
    // Any spread will do, as long as the same task always gets the same partition.
    let sum = task.task_id.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let mut task = Task { open: Some(partition_name(sum % PARTITIONS)), sweep_at_ms: Some(later(due, 0)), ..task };
    task.show();
    task
}

impl TaskStore {
    /// Returns the ids of the open tasks of a partition at which the sweep should look, the oldest first.
    pub(crate) async fn overdue(&self, partition: u8, now: Timestamp, limit: usize) -> Result<Vec<String>, Error> {
        let key = Expression::new("#open = :partition AND sweepAtMs <= :now")
            .name("#open", "open")
            .value(":partition", partition_name(partition))
            .value(":now", now.as_millisecond());
        let keys: Vec<Key> = self.table().query(Query::new(key).index(INDEX).limit(limit)).await?;
        Ok(keys.into_iter().map(|key| key.task_id).collect())
    }

    /// Says when the sweep looks at a task again; false if it has changed its place in the index.
    pub(crate) async fn postpone(&self, task: &Task, now: Timestamp) -> Result<bool, Error> {
        let sweeps = task.sweeps.saturating_add(1);
        let change = Expression::new("SET sweepAtMs = :next, sweeps = :sweeps")
            .value(":next", later(now, sweeps))
            .value(":sweeps", sweeps);
        let unchanged = Expression::new("sweepAtMs = :former").value(":former", task.sweep_at_ms);
        self.table().update_if(&key(Task::KEY, task.id()), change, unchanged).await
    }

    /// Takes a task whose end was announced out of the index.
    pub(crate) async fn close(&self, task: &Task) -> Result<(), Error> {
        let is_over = task.answer().is_some() || task.status == Status::Canceled;
        if task.open.is_none() || !is_over || !task.is_announced() {
            return Ok(());
        }
        let change = Expression::new("REMOVE #open, sweepAtMs").name("#open", "open");
        self.table().update_if(&key(Task::KEY, task.id()), change, exists(Task::KEY)).await.map(drop)
    }
}

fn partition_name(partition: u8) -> String {
    format!("{partition:02}")
}

fn later(time: Timestamp, doublings: u32) -> i64 {
    let patience = PATIENCE.saturating_mul(1 << doublings.min(DOUBLINGS));
    time.checked_add(patience).unwrap_or(Timestamp::MAX).as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweep_looks_at_a_task_ever_less_often() {
        let waits = [0, 1, 2, 6, 7, u32::MAX].map(|sweeps| later(Timestamp::UNIX_EPOCH, sweeps) / 60_000);
        assert_eq!(waits, [1, 2, 4, 64, 64, 64]);
        assert_eq!(later(Timestamp::MAX, 3), Timestamp::MAX.as_millisecond());
    }
}
