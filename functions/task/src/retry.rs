//! Retries by the policy of a function: a failed task ends as `retried`, and a new one takes its place after a while.

use jiff::SignedDuration;
use shared::Error;
use shared::clock::derived_hex24;
use shared::scheduler::Scheduler;

use crate::on_task_due::schedule;
use crate::store::function::RetryPolicy;
use crate::store::task::{Status, Task, Tasks};

/// After how many seconds the first, second and third retry start.
const DELAYS_S: [i64; 3] = [2, 5, 10];
/// How many tasks take the place of one at most.
pub(crate) const MOST: usize = DELAYS_S.len();

/// Marks a task that has just failed as retried, if the policy of its function says so.
pub(crate) fn mark(task: &mut Task, policy: Option<&RetryPolicy>) {
    let Some(error) = task.error().filter(|_| task.status == Status::Failed) else { return };
    if policy.is_some_and(|policy| policy.covers(&error.name)) {
        try_again(task);
    }
}

/// Marks a task that was interrupted after it had acted as retried, if its function said so when it started.
pub(crate) fn mark_interrupted(task: &mut Task) {
    if std::mem::take(&mut task.retries_interruption) {
        try_again(task);
    }
}

fn try_again(task: &mut Task) {
    if task.retry_for_task_ids.len() < DELAYS_S.len() {
        task.status = Status::Retried;
        task.retried_by_task_id = Some(derived_hex24(&[b"retry", task.task_id.as_bytes()]));
    }
}

/// Creates the task that takes the place of a retried one; a second call changes nothing.
pub(crate) async fn follow(tasks: &Tasks, scheduler: &Scheduler, task: &Task) -> Result<(), Error> {
    let Some(next) = successor(task) else { return Ok(()) };
    // Before the record: a task that can be seen has its schedule.
    schedule(scheduler, &next).await?;
    tasks.store().create(&next).await.map(drop)
}

fn successor(task: &Task) -> Option<Task> {
    let task_id = task.retried_by_task_id.clone()?;
    let delay_s = DELAYS_S.get(task.retry_for_task_ids.len())?;
    let failed_at = task.status_changed_timestamp;
    Some(Task {
        task_id,
        creation_timestamp: failed_at,
        update_timestamp: failed_at,
        status: Status::New,
        start_timestamp: failed_at.checked_add(SignedDuration::from_secs(*delay_s)).ok(),
        claim: None,
        open: None,
        sweep_at_ms: None,
        sweeps: 0,
        logs: Vec::new(),
        retried_by_task_id: None,
        retries_interruption: false,
        journal: None,
        retry_for_task_ids: [task.retry_for_task_ids.as_slice(), std::slice::from_ref(&task.task_id)].concat(),
        ..task.clone()
    })
}
