//! Looks for tasks that an interruption left, once a minute: never started, given up while running, or ended unannounced.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use shared::Error;
use shared::bus::Bus;
use shared::event::{Answer, StepError};
use shared::step::{ClaimStore as _, Claimable as _, Once};
use shared::table::key;

use crate::on_schedule::settle_one;
use crate::services::Services;
use crate::store::open_task::PARTITIONS;
use crate::store::task::{Status, Task, is_waiting, status_change};
use crate::{action, answer, on_task_due, retry, run};

/// What is swept, as the template's schedule names it.
pub(crate) const TASKS: &str = "tasks";
/// The most tasks of one partition in one sweep; what is left comes first in the next.
const TASKS_PER_PARTITION: usize = 32;
/// How many tasks are processed at once.
const CONCURRENT_TASKS: usize = 8;
/// How often a task that ends its process is started again.
const RESTARTS: u32 = 5;

/// Does what is due for the tasks that nothing has touched for a while.
pub(crate) async fn handle(services: &Services) -> Result<(), Error> {
    let (store, now) = (services.tasks.store(), services.clock.now());
    let overdue: Vec<Vec<String>> = stream::iter(0..PARTITIONS)
        .map(|partition| store.overdue(partition, now, TASKS_PER_PARTITION))
        .buffer_unordered(CONCURRENT_TASKS)
        .try_collect()
        .await?;
    // One task that fails must not keep the others from being looked at.
    let failed: Vec<Error> = stream::iter(overdue.into_iter().flatten())
        .map(|id| sweep(services, now, id))
        .buffer_unordered(CONCURRENT_TASKS)
        .filter_map(|swept| async { swept.err() })
        .collect()
        .await;
    failed.into_iter().next().map_or(Ok(()), Err)
}

async fn sweep(services: &Services, now: Timestamp, id: String) -> Result<(), Error> {
    let Services { tasks, bus, .. } = services;
    // One that cannot be read is logged: it must not fail every sweep.
    let found: Option<Task> = tasks.store().table().get_readable(&key(Task::KEY, id)).await?;
    let Some(task) = found else { return Ok(()) };
    if !is_overdue(&task, now) || !tasks.store().postpone(&task, now).await? {
        return Ok(());
    }
    if task.answer().is_some() || task.status == Status::Canceled {
        return announce(services, &task).await;
    }
    if task.claim().is_some_and(|claim| now.as_millisecond() < claim.lease_until_ms) {
        return Ok(());
    }
    if let Some(answer) = action::overdue(&task, now).filter(|_| task.action.is_some()) {
        return match action::end(services, task, answer).await? {
            Some(schedule) => settle_one(services, schedule).await,
            None => Ok(()),
        };
    }
    if task.status == Status::InProgress && task.action.is_none() && task.sweeps >= RESTARTS {
        return Box::pin(give_up(services, &task)).await;
    }
    let (task_id, status) = (&task.task_id, task.status.as_str());
    tracing::warn!(task_id, status, "a task made no progress and is continued, or ended if it may have acted");
    start(bus, &task).await
}

fn is_overdue(task: &Task, now: Timestamp) -> bool {
    task.sweep_at_ms.is_some_and(|sweep_at_ms| sweep_at_ms <= now.as_millisecond())
}

async fn start(bus: &Bus, task: &Task) -> Result<(), Error> {
    let command = on_task_due::command(task).map_err(|_| Error::new("start a task", "its command is too large"))?;
    bus.publish(vec![command]).await
}

/// Publishes how a task has ended, and creates the task that follows it.
async fn announce(services: &Services, task: &Task) -> Result<(), Error> {
    let Services { tasks, bus, scheduler, clock, .. } = services;
    retry::follow(tasks, scheduler, task).await?;
    answer::publish(bus, task, clock.now()).await?;
    tasks.store().close(task).await
}

/// Ends a task whose process has ended each time that it ran.
async fn give_up(services: &Services, task: &Task) -> Result<(), Error> {
    let Services { tasks, clock, .. } = services;
    let now = clock.now();
    let end = |mut task: Task| async move {
        let message = format!("the process that ran the task has ended {RESTARTS} times");
        task.end(Answer::failed(StepError::invocation(StepError::OUTCOME_UNKNOWN, message)), now);
        Ok(task)
    };
    let start = status_change(Status::InProgress, now);
    match Box::pin(tasks.once_begun(&task.task_id, None, start, is_waiting(), run::POLICY, end)).await? {
        Once::Done(task) => announce(services, &task).await,
        _ => Ok(()),
    }
}
