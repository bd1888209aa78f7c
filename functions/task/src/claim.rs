//! Which process works on a task: the one that holds its lease, and no other.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;
use shared::Error;
use shared::bus::Bus;
use shared::clock::Clock;
use tokio::time::{Instant, interval_at};

use crate::answer;
use crate::sandbox::BeforeEffect;
use crate::store::Store;
use crate::store::task::{Outcome, Status, Task};

/// How long after the last renewal no other process may take a task over.
const LEASE: Duration = Duration::from_secs(5);
/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(2);
/// How many outcomes are kept until the table answers again.
const UNRECORDED_OUTCOMES: u64 = 100;

/// The tasks that this process works on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Claims {
    /// The name under which this process owns tasks.
    owner: Arc<str>,
    running: Arc<Mutex<HashSet<String>>>,
    /// Outcomes that are not recorded yet because the table did not answer.
    unrecorded: Cache<String, Outcome>,
}

/// The work on one task; it ends when this is dropped.
pub(crate) struct Work {
    claims: Claims,
    id: String,
}

/// What to do with a task that somebody has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has ended: publish its outcome again.
    Answer,
    /// It waits for its time.
    Wait,
    /// Its owner may still be running it: try again later.
    Busy,
    /// Its owner is gone before it had any effect.
    RunAgain,
    /// Its owner is gone and its effects are unknown.
    GiveUp,
}

impl Claims {
    pub(crate) fn new(owner: String) -> Self {
        Self { owner: owner.into(), running: Arc::default(), unrecorded: Cache::new(UNRECORDED_OUTCOMES) }
    }

    /// The name under which this process owns tasks.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// Begins to work on a task; `None` if this process does so already.
    pub(crate) fn begin(&self, id: &str) -> Option<Work> {
        let is_first = self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        is_first.then(|| Work { claims: self.clone(), id: id.to_owned() })
    }

    /// Takes the outcome of a task that could not be recorded before.
    pub(crate) fn take_unrecorded(&self, id: &str) -> Option<Outcome> {
        self.unrecorded.remove(id)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.claims.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// When a lease that is taken or renewed now ends, in milliseconds since 1970.
pub(crate) fn lease_until_ms(now: Timestamp) -> i64 {
    now.as_millisecond().saturating_add(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX))
}

/// Decides what a process that is not running the task does with it.
pub(crate) fn next(task: &Task, owner: &str, now: Timestamp) -> Next {
    match task.status {
        Status::New => Next::Wait,
        Status::InProgress => {
            let is_ours = task.owner.as_deref() == Some(owner);
            match (is_ours || task.lease_until_ms <= now.as_millisecond(), task.effect) {
                (false, _) => Next::Busy,
                (true, false) => Next::RunAgain,
                (true, true) => Next::GiveUp,
            }
        }
        _ => Next::Answer,
    }
}

/// Takes over a task whose owner is gone.
///
/// # Errors
///
/// When another process was faster.
pub(crate) async fn take_over(store: &Store, claims: &Claims, now: Timestamp, task: &Task) -> Result<(), Error> {
    match store.tasks.take_over(task, &claims.owner, lease_until_ms(now)).await? {
        true => Ok(()),
        false => Err(lost(&task.task_id)),
    }
}

/// Renews the lease for as long as the work lasts.
///
/// # Errors
///
/// When the work fails, or is dropped because the lease is lost.
pub(crate) async fn keep<T>(
    store: &Store,
    claims: &Claims,
    clock: &Clock,
    id: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(work);
    let mut renewals = interval_at(Instant::now() + RENEWAL, RENEWAL);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            _ = renewals.tick() => {
                // A failed renewal is tried again until the lease is over, which the next one notices.
                let renewed = store.tasks.renew(id, &claims.owner, lease_until_ms(clock.now())).await;
                if matches!(renewed, Ok(false)) {
                    return Err(lost(id));
                }
            }
        }
    }
}

/// Marks a task as having an effect, before the first one.
pub(crate) fn marks_effect(store: &Store, claims: &Claims, id: &str) -> BeforeEffect {
    let (store, owner, id) = (store.clone(), claims.owner.clone(), id.to_owned());
    Arc::new(move || {
        let (store, owner, id) = (store.clone(), owner.clone(), id.clone());
        Box::pin(async move {
            match store.tasks.mark_effect(&id, &owner).await? {
                true => Ok(()),
                false => Err(lost(&id)),
            }
        })
    })
}

/// Records the outcome of a task once and publishes it.
pub(crate) async fn finish(
    store: &Store,
    bus: &Bus,
    claims: &Claims,
    now: Timestamp,
    id: &str,
    outcome: &Outcome,
) -> Result<(), Error> {
    let recorded = store.tasks.finish(id, &claims.owner, now, outcome).await.inspect_err(|_| {
        claims.unrecorded.insert(id.to_owned(), outcome.clone());
    })?;
    let task = match recorded {
        Some(task) => task,
        // Our own write may have been done although its reply was lost.
        None => store.tasks.get(id).await?.filter(|task| task.status.is_final()).ok_or_else(|| lost(id))?,
    };
    bus.publish(answer::entries(&task, now)).await
}

fn lost(id: &str) -> Error {
    Error::new("keep the lease of a task", format!("another process has taken task {id} over"))
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
            assert_eq!(next(&task(status, owner, lease_until_ms, effect), "me", now), expected);
        };
        check(Status::New, "me", 0, false, Next::Wait);
        check(Status::InProgress, "other", 1_001, false, Next::Busy);
        check(Status::InProgress, "other", 1_001, true, Next::Busy);
        check(Status::InProgress, "other", 1_000, false, Next::RunAgain);
        check(Status::InProgress, "other", 1_000, true, Next::GiveUp);
        check(Status::InProgress, "me", 9_000, false, Next::RunAgain);
        check(Status::InProgress, "me", 9_000, true, Next::GiveUp);
        for status in [Status::Complete, Status::Failed, Status::Canceled] {
            check(status, "other", 0, true, Next::Answer);
        }
    }

    #[test]
    fn a_process_works_on_a_task_once_at_a_time() {
        let claims = Claims::new("me".to_owned());
        let work = claims.begin("a").unwrap();
        assert!(claims.begin("a").is_none());
        assert!(claims.begin("b").is_some());
        drop(work);
        assert!(claims.begin("a").is_some());
    }

    #[test]
    fn a_lease_outlives_several_renewals() {
        assert!(RENEWAL * 2 < LEASE);
        assert_eq!(lease_until_ms(Timestamp::UNIX_EPOCH), 5_000);
    }
}
