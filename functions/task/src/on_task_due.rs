//! Starts a task whose time has come, or that was created to start at once.

use std::sync::Arc;

use jiff::Timestamp;
use shared::Error;
use shared::bus::{Bus, Entry, TooLarge};
use shared::clock::Clock;
use shared::event::command::{COMMAND_SOURCE, ScheduleDue, TASK_DUE, TaskDue};
use shared::event::{Envelope, EventId, TenantId};
use shared::scheduler::Scheduler;
use shared::step::Once;

use crate::sandbox::Sandbox;
use crate::store::function::Functions;
use crate::store::task::{Status, Task, Tasks, is_waiting, status_change};
use crate::{answer, retry, run};

/// How long after its schedule the record of a task may appear.
const RECORD_DELAY_S: i64 = 60;

/// Starts the task; one that was started before is continued. Returns the schedule whose instants may wait for its end.
pub(crate) async fn handle(
    tasks: &Arc<Tasks>,
    functions: &Functions,
    bus: &Bus,
    scheduler: &Scheduler,
    sandbox: &Sandbox,
    clock: &Clock,
    due: &TaskDue,
) -> Result<Option<ScheduleDue>, Error> {
    let (id, now) = (&due.task_id, clock.now());
    let start = status_change(Status::InProgress, now);
    let work = |task| Box::pin(run::run(tasks, functions, sandbox, clock, task));
    match Box::pin(tasks.once_begun(id, start, is_waiting(), run::POLICY, work)).await? {
        Once::Missing if now.as_second() - due.requested_at.as_second() < RECORD_DELAY_S => {
            Err(Error::new("start a task", format!("task {id} is not there yet")))
        }
        Once::Missing => {
            tracing::warn!(task_id = id, "a task was never created or has been removed, so it is not started");
            Ok(None)
        }
        once => match once.done()? {
            Some(task) => {
                retry::follow(tasks, scheduler, &task).await?;
                answer::publish(bus, &task, clock.now()).await?;
                Ok(task.schedule.filter(|schedule| schedule.has_queue).map(|schedule| schedule.key))
            }
            None => Ok(None),
        },
    }
}

/// Schedules the start of a task at its time; a second call changes nothing.
pub(crate) async fn schedule(scheduler: &Scheduler, task: &Task) -> Result<(), Error> {
    let time = task.start_timestamp.unwrap_or(task.creation_timestamp);
    scheduler.run_at(&task.task_id, time, &due(task)).await
}

/// The command that starts a task at once.
pub(crate) fn command(task: &Task) -> Result<Entry, TooLarge> {
    let id = EventId::new(format!("{}-due", task.task_id));
    let tenant_id = task.tenant_id.clone();
    Entry::fact(COMMAND_SOURCE, &Envelope::new(TASK_DUE, id, tenant_id, task.creation_timestamp, due(task)))
}

/// The command that starts a task of which only this is known.
pub(crate) fn command_for(tenant: &TenantId, task_id: &str, requested_at: Timestamp) -> Option<Entry> {
    let id = EventId::new(format!("{task_id}-due"));
    let due = TaskDue { task_id: task_id.to_owned(), requested_at };
    // It is far smaller than the bus takes.
    Entry::fact(COMMAND_SOURCE, &Envelope::new(TASK_DUE, id, tenant.clone(), requested_at, due)).ok()
}

/// What starts a task.
pub(crate) fn due(task: &Task) -> TaskDue {
    TaskDue { task_id: task.task_id.clone(), requested_at: task.creation_timestamp }
}
