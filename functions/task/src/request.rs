//! What the bus and the schedules ask for: tasks of steps, tasks that were created over HTTP, tasks that are due.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::event::{COMMAND_SOURCE, Envelope, StepError, StepRequested};
use shared::http::read_json;
use shared::{Error, Incoming};

use crate::lease::Claim;
use crate::record::{Origin, Status, Task};
use crate::task::{Creator, NewTask};
use crate::{Tasks, answer, lease, run};

/// The command that asks for a task.
pub(crate) const TASK_REQUESTED: &str = "task.requested";
/// How long the record of a task may come after its schedule.
const RECORD_DELAY_S: i64 = 60;

/// The task that is due: the input of its schedule, and the content of the command that starts it at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Due {
    pub(crate) task_id: String,
    /// When the task was asked for.
    pub(crate) requested_at: Timestamp,
}

/// Takes an event.
pub(crate) async fn handle(tasks: Arc<Tasks>, incoming: Incoming) -> Result<(), Error> {
    match incoming {
        Incoming::Event { source, envelope } if source == COMMAND_SOURCE && envelope.kind == TASK_REQUESTED => {
            match Due::deserialize(&envelope.content) {
                Ok(due) => start(&tasks, due).await,
                Err(_) => requested(&tasks, &envelope).await,
            }
        }
        Incoming::Schedule(input) => {
            let due = Due::deserialize(&input).map_err(Error::cannot("read the input of a schedule"))?;
            start(&tasks, due).await
        }
        Incoming::Event { source, envelope } => {
            let message = format!("{} of {source} is nothing that this function does", envelope.kind);
            Err(Error::new("handle an event", message))
        }
    }
}

/// Does one step: creates its task, and runs it unless its time is still to come.
async fn requested(tasks: &Arc<Tasks>, command: &Envelope) -> Result<(), Error> {
    let request: StepRequested = command.content()?;
    let origin = Origin { step: request.id.clone(), command: without_content(command) };
    let id = request.id.record_id();
    let Some(_work) = tasks.running.begin(&id) else {
        // The first delivery is still at work here, and is delivered again should it fail.
        return Ok(());
    };
    let now = tasks.clock.now();
    let task = match task_of(tasks, &id, &request, origin.clone(), now) {
        Ok(task) => task,
        Err(error) => return tasks.bus.publish(answer::refused(&origin, error, now)).await,
    };
    if task.status == Status::New {
        schedule(tasks, &task).await?;
    }
    if !tasks.store.create_task(&task).await? {
        return resume(tasks, &id).await;
    }
    match task.status {
        Status::New => tasks.bus.publish(answer::entries(&task, now)).await,
        _ => run::run(tasks, task).await,
    }
}

/// The task that a step asks for: waiting if its time is still to come, otherwise already ours.
fn task_of(
    tasks: &Tasks,
    id: &str,
    request: &StepRequested,
    origin: Origin,
    now: Timestamp,
) -> Result<Task, StepError> {
    let invalid = |message: String| StepError::invocation("InvalidAction", message);
    let mut fields = request.action.as_object().cloned().unwrap_or_default();
    let own = |name: &str| ["functionName", "data", "startTimestamp", "tags", "priority"].contains(&name);
    fields.retain(|name, _| own(name));
    let bytes = serde_json::to_vec(&fields).map_err(|error| invalid(error.to_string()))?;
    let mut new: NewTask = read_json(&bytes).map_err(|refusal| invalid(refusal.message))?;
    let event = serde_json::to_value(&request.event).map_err(|error| invalid(error.to_string()))?;
    new.data.get_or_insert_with(Map::new).insert("event".to_owned(), event);
    let creator = Creator { tenant_id: request.event.tenant_id.clone(), application_id: None };
    let mut task = new
        .into_task(id.to_owned(), creator, now, tasks.store.expiry(now))
        .map_err(|refusal| invalid(refusal.message))?;
    task.origin = Some(origin);
    if task.start_timestamp.is_none_or(|start| start <= now) {
        task.status = Status::InProgress;
        task.started_at = Some(now);
        task.owner = Some(tasks.owner.clone());
        task.lease_until_ms = lease::until_ms(now);
    }
    Ok(task)
}

/// Lets the task start at its time. Doing so again changes nothing.
pub(crate) async fn schedule(tasks: &Tasks, task: &Task) -> Result<(), Error> {
    let due = Due { task_id: task.task_id.clone(), requested_at: task.creation_timestamp };
    let start = task.start_timestamp.unwrap_or(task.creation_timestamp);
    tasks.scheduler.run_at(&task.task_id, start, &due).await
}

/// Starts a task whose time has come.
async fn start(tasks: &Arc<Tasks>, due: Due) -> Result<(), Error> {
    let Some(_work) = tasks.running.begin(&due.task_id) else {
        return Ok(());
    };
    let now = tasks.clock.now();
    let started = tasks.store.start_task(&due.task_id, &tasks.owner, now, lease::until_ms(now)).await?;
    match started {
        Some(task) => run::run(tasks, task).await,
        None if tasks.store.task(&due.task_id).await?.is_some() => resume(tasks, &due.task_id).await,
        None if now.as_second() - due.requested_at.as_second() < RECORD_DELAY_S => {
            Err(Error::new("start a task", format!("task {} is not there yet", due.task_id)))
        }
        None => {
            tracing::warn!(task_id = due.task_id, "a task that was never created, or is gone, is not started");
            Ok(())
        }
    }
}

/// Does what is left to do of a task that exists and that no other delivery works on in this process.
async fn resume(tasks: &Arc<Tasks>, id: &str) -> Result<(), Error> {
    let missing = || Error::new("resume a task", format!("task {id} is gone"));
    let task = tasks.store.task(id).await?.ok_or_else(missing)?;
    let now = tasks.clock.now();
    if run::record(tasks, &task).await? {
        return Ok(());
    }
    let claim = lease::claim(&task, &tasks.owner, now);
    match claim {
        Claim::Tell => tasks.bus.publish(answer::entries(&task, now)).await,
        Claim::NotYet => {
            schedule(tasks, &task).await?;
            tasks.bus.publish(answer::entries(&task, now)).await
        }
        Claim::Wait => Err(Error::new("resume a task", format!("another process may still run task {id}"))),
        Claim::RunAgain | Claim::GiveUp => {
            if !tasks.store.take_over(&task, &tasks.owner, lease::until_ms(now)).await? {
                return Err(Error::new("resume a task", format!("another process has taken task {id} over")));
            }
            match claim {
                Claim::RunAgain => run::run(tasks, task).await,
                _ => run::give_up(tasks, &task).await,
            }
        }
    }
}

fn without_content(envelope: &Envelope<Value>) -> Envelope<()> {
    Envelope {
        id: envelope.id.clone(),
        kind: envelope.kind.clone(),
        dedup_window_seconds: None,
        tenant_id: envelope.tenant_id.clone(),
        time: envelope.time,
        content: (),
        trace: envelope.trace.clone(),
    }
}
