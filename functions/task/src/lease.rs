//! Who runs a task: this process while it holds the lease, nobody twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::record::{Status, Task};

/// How long nobody else may take a task over after its owner was last heard of.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// How often an owner is heard of.
pub(crate) const RENEWAL: Duration = Duration::from_secs(2);

/// When a lease that is taken now ends, in milliseconds since 1970.
pub(crate) fn until_ms(now: Timestamp) -> i64 {
    now.as_millisecond().saturating_add(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX))
}

/// What to do with a task that somebody has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is over; its outcome is to be told again.
    Tell,
    /// Its owner may still run it; ask again later.
    Wait,
    /// Its owner is gone and it did nothing that anybody could notice.
    RunAgain,
    /// Its owner is gone and nobody knows what it did.
    GiveUp,
    /// It waits for its time.
    NotYet,
}

/// Decides what a process that does not run the task does with it.
pub(crate) fn claim(task: &Task, owner: &str, now: Timestamp) -> Claim {
    match task.status {
        Status::New => Claim::NotYet,
        Status::InProgress => {
            let is_ours = task.owner.as_deref() == Some(owner);
            match (is_ours || task.lease_until_ms <= now.as_millisecond(), task.effect) {
                (false, _) => Claim::Wait,
                (true, false) => Claim::RunAgain,
                (true, true) => Claim::GiveUp,
            }
        }
        _ => Claim::Tell,
    }
}

/// The tasks that this process works on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<HashSet<String>>>);

impl Running {
    /// Begins to work on a task; `None` if this process does so already.
    pub(crate) fn begin(&self, id: &str) -> Option<Work> {
        let is_first = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        is_first.then(|| Work { running: self.clone(), id: id.to_owned() })
    }
}

/// The work on one task; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Work {
    running: Running,
    id: String,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(status: Status, owner: &str, lease_until_ms: i64, effect: bool) -> Task {
        let start = Timestamp::UNIX_EPOCH;
        Task {
            task_id: "t".to_owned(),
            kind: Task::KIND.to_owned(),
            creation_timestamp: start,
            update_timestamp: start,
            status,
            status_changed_timestamp: start,
            function_name: "f".to_owned(),
            data: "{}".to_owned(),
            start_timestamp: None,
            tags: Vec::new(),
            priority: 0,
            tenant_id: "t".to_owned(),
            created_by_application_id: None,
            origin: None,
            owner: Some(owner.to_owned()),
            lease_until_ms,
            effect,
            started_at: None,
            output: None,
            error: None,
            logs: Vec::new(),
            expires_at: 0,
        }
    }

    #[test]
    fn only_a_task_whose_owner_is_gone_is_taken_over() {
        let now = Timestamp::from_millisecond(1_000).unwrap();
        let check = |status, owner, lease_until_ms, effect, expected| {
            assert_eq!(claim(&task(status, owner, lease_until_ms, effect), "me", now), expected);
        };
        check(Status::New, "me", 0, false, Claim::NotYet);
        check(Status::InProgress, "other", 1_001, false, Claim::Wait);
        check(Status::InProgress, "other", 1_001, true, Claim::Wait);
        check(Status::InProgress, "other", 1_000, false, Claim::RunAgain);
        check(Status::InProgress, "other", 1_000, true, Claim::GiveUp);
        check(Status::InProgress, "me", 9_000, false, Claim::RunAgain);
        check(Status::InProgress, "me", 9_000, true, Claim::GiveUp);
        for status in [Status::Complete, Status::Failed, Status::Canceled] {
            check(status, "other", 0, true, Claim::Tell);
        }
    }

    #[test]
    fn a_process_works_on_a_task_once_at_a_time() {
        let running = Running::default();
        let work = running.begin("a").unwrap();
        assert!(running.begin("a").is_none());
        assert!(running.begin("b").is_some());
        drop(work);
        assert!(running.begin("a").is_some());
    }

    #[test]
    fn a_lease_outlives_several_renewals() {
        assert!(RENEWAL * 2 < LEASE);
        assert_eq!(until_ms(Timestamp::UNIX_EPOCH), 5_000);
    }
}
