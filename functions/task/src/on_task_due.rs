//! Starts a task whose time has come, or that was created to start at once.

use jiff::Timestamp;
use shared::Error;
use shared::bus::{Bus, Entry, TooLarge};
use shared::clock::Clock;
use shared::event::command::{COMMAND_SOURCE, ScheduleDue, TASK_DUE, TaskDue};
use shared::event::{Envelope, EventId, TenantId};
use shared::scheduler::Scheduler;
use shared::step::{Claimable as _, Once};

use crate::sandbox::{Place, Sandbox};
use crate::services::Services;
use crate::store::task::{Status, Task, Tasks, is_waiting, status_change};
use crate::{action, answer, retry, run};

/// How long after its schedule the record of a task may appear.
const RECORD_DELAY_S: i64 = 60;

/// Starts the task; one that was started before is continued. Returns the schedule whose instants may wait for its end.
pub(crate) async fn handle(services: &Services, due: &TaskDue) -> Result<Option<ScheduleDue>, Error> {
    let Services { tasks, bus, scheduler, sandbox, clock, .. } = services;
    let id = &due.task_id;
    let Turn::Ours(place) = turn(tasks, sandbox, id).await? else { return Ok(None) };
    let now = clock.now();
    let start = status_change(Status::InProgress, now);
    let work = |task| Box::pin(run::run(services, task, place));
    let can_run = is_waiting().append(" AND attribute_not_exists(#action)").name("#action", "action");
    match Box::pin(tasks.once_begun(id, None, start, can_run, run::POLICY, work)).await? {
        Once::Missing if now.as_second() - due.requested_at.as_second() < RECORD_DELAY_S => {
            Err(Error::new("start a task", format!("task {id} is not there yet")))
        }
        Once::Missing => {
            tracing::warn!(task_id = id, "a task was never created or has been removed, so it is not started");
            Ok(None)
        }
        once => match once.done()? {
            Some(task) if task.action.is_some() && task.answer().is_none() => {
                action::request(services, task).await.map(|()| None)
            }
            Some(task) => {
                Box::pin(retry::follow(tasks, scheduler, &task)).await?;
                answer::publish(bus, &task, clock.now()).await?;
                tasks.store().close(&task).await?;
                Ok(task.schedule.filter(|schedule| schedule.has_queue).map(|schedule| schedule.key))
            }
            None => Ok(None),
        },
    }
}

/// Whose turn it is.
pub(crate) enum Turn {
    /// The task may start; it waits for a place when it runs if it has none.
    Ours(Option<Place>),
    /// Another delivery in this process waits for its turn.
    Here,
}

/// Waits for the turn of a task if there is not room for everybody: it is `new` until then, and can be canceled.
async fn turn(tasks: &Tasks, sandbox: &Sandbox, id: &str) -> Result<Turn, Error> {
    if sandbox.has_room() {
        return Ok(Turn::Ours(None));
    }
    match tasks.find(id).await? {
        Some(task) if task.status == Status::New && task.action.is_none() => await_turn(sandbox, &task).await,
        _ => Ok(Turn::Ours(None)),
    }
}

/// Waits for the turn of a task: of those of its tenant, the one with the highest priority is next.
pub(crate) async fn await_turn(sandbox: &Sandbox, task: &Task) -> Result<Turn, Error> {
    let place = sandbox.turn(&task.task_id, task.tenant_id.as_str(), &task.file_name(), task.priority).await?;
    Ok(place.map_or(Turn::Here, |place| Turn::Ours(Some(place))))
}

/// Creates a task and sees to it that it starts, at once or at its time; a second call changes nothing.
pub(crate) async fn submit(
    tasks: &Tasks,
    bus: &Bus,
    scheduler: &Scheduler,
    clock: &Clock,
    task: &Task,
) -> Result<(), Error> {
    let is_later = task.is_later(clock.now());
    if is_later {
        // Before the record: a task that can be seen has its schedule.
        schedule(scheduler, task).await?;
    }
    tasks.store().create(task).await?;
    if is_later {
        return Ok(());
    }
    let command = command(task).map_err(Error::cannot("build the command that starts a task"))?;
    bus.publish(vec![command]).await
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
