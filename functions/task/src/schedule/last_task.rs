//! Whether the last task of a schedule has ended, be it by a retry.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use shared::Error;
use shared::bus::Entry;
use shared::event::TenantId;
use shared::table::Row;

use crate::on_task_due;
use crate::store::schedule::{Overlap, Schedule};
use crate::store::task::{Status, TaskStore};

/// How many retries one task can have.
const RETRIES: usize = 3;
/// After what time without progress a task is started again.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// How far the last task of a schedule, or the newest of its retries, has come.
#[derive(Clone, Debug)]
pub(crate) struct LastTask {
    task_id: String,
    created: Timestamp,
    /// Whether its end is still to come.
    pub(crate) is_running: bool,
    /// Since when nobody works on it, if nobody does.
    idle_since: Option<Timestamp>,
    retried_by: Option<String>,
}

impl LastTask {
    fn of(row: &Row) -> Option<Self> {
        let time = |name: &str| row.attribute::<String>(name).and_then(|text| text.parse::<Timestamp>().ok());
        let status: Status = row.attribute("status")?;
        let lease = || Timestamp::from_millisecond(row.attribute::<Lease>("claim")?.lease_until_ms).ok();
        Some(Self {
            task_id: row.attribute("taskId")?,
            created: time("creationTimestamp")?,
            is_running: matches!(status, Status::New | Status::InProgress | Status::Retried),
            idle_since: match status {
                Status::New => time("startTimestamp").max(time("statusChangedTimestamp")),
                Status::InProgress => lease(),
                // Its end may have been lost before the retry was there.
                Status::Retried => time("statusChangedTimestamp"),
                _ => None,
            },
            retried_by: row.attribute("retriedByTaskId").filter(|_| status == Status::Retried),
        })
    }

    /// The command that starts it once more, if nobody seems to work on it.
    pub(crate) fn wake(&self, tenant: &TenantId, now: Timestamp) -> Option<Entry> {
        let is_left = self.idle_since.is_some_and(|since| now.duration_since(since) > PATIENCE);
        is_left.then(|| on_task_due::command_for(tenant, &self.task_id, self.created)).flatten()
    }
}

/// The part of a claim that says how long its owner may work.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lease {
    lease_until_ms: i64,
}

/// Reads the last tasks of those schedules whose instants do not start tasks whatever the last one does.
pub(crate) async fn read(tasks: &TaskStore, schedules: &[Schedule]) -> Result<BTreeMap<String, LastTask>, Error> {
    let asks = |schedule: &&Schedule| schedule.running && schedule.overlap != Overlap::Allow;
    let first = schedules.iter().filter(asks).filter_map(|schedule| schedule.last_task_id.clone());
    // The first task of each chain of retries, by the one that is to be read.
    let mut chains: BTreeMap<String, String> = first.map(|id| (id.clone(), id)).collect();
    let mut last = BTreeMap::new();
    for _ in 0..=RETRIES {
        let ids: BTreeSet<&str> = chains.keys().map(String::as_str).collect();
        if ids.is_empty() {
            break;
        }
        let rows = tasks.rows(&ids.into_iter().collect::<Vec<_>>()).await?;
        let mut retried = BTreeMap::new();
        for task in rows.iter().filter_map(LastTask::of) {
            let Some(first) = chains.get(&task.task_id) else { continue };
            retried.extend(task.retried_by.clone().map(|next| (next, first.clone())));
            last.insert(first.clone(), task);
        }
        chains = retried;
    }
    Ok(last)
}
