//! Does one step of a run: creates its task, and runs it unless its time is still to come.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Map;
use shared::Error;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::event::{Answer, Envelope, StepError, StepRequested};
use shared::json::from_value;
use shared::scheduler::Scheduler;
use shared::step::{self, Once, Origin};

use crate::new_task::NewTask;
use crate::on_task_due::schedule;
use crate::runner::Runner;
use crate::store::function::Functions;
use crate::store::task::{Status, Task, Tasks};
use crate::{answer, retry, run};

/// The field of `data.event` with the time of the event in milliseconds since 1970, as lists of events have it.
const CREATION_TIMESTAMP: &str = "creation_timestamp";

/// Does the step that the command asks for; a second delivery finds its task and continues from there.
pub(crate) async fn handle(
    tasks: &Arc<Tasks>,
    functions: &Functions,
    bus: &Bus,
    scheduler: &Scheduler,
    runner: &Runner,
    clock: &Clock,
    command: &Envelope,
) -> Result<(), Error> {
    step::perform(bus, clock, command, async |origin, request| {
        let now = clock.now();
        let mut task = match task_of(origin, request, now, tasks.store().expires_at(now)) {
            Ok(task) => task,
            Err(error) => return Ok(Some(Answer::failed(error).into())),
        };
        if task.is_later(now) {
            // Before the record: a task that can be seen has its schedule.
            schedule(scheduler, &task).await?;
            if tasks.store().create(&task).await? {
                return Ok(Some(Answer::waiting().into()));
            }
        }
        task.set_status(Status::InProgress, now);
        let once =
            Box::pin(tasks.once(task, run::POLICY, |task| Box::pin(run::run(tasks, functions, runner, clock, task))))
                .await?;
        if let Once::NotDue(task) = &once
            && task.status == Status::New
        {
            schedule(scheduler, task).await?;
        }
        let Some(task) = once.done()? else { return Ok(None) };
        retry::follow(tasks, scheduler, &task).await?;
        Ok(Some(answer::outcome(&task, clock.now())))
    })
    .await
}

/// Builds the task that a step asks for, which has not started.
fn task_of(origin: Origin, request: StepRequested, now: Timestamp, expires_at: i64) -> Result<Task, StepError> {
    let invalid = |message: String| StepError::bad_request(message);
    let mut new: NewTask = from_value(request.action).map_err(|problem| invalid(problem.to_string()))?;
    let mut event = serde_json::to_value(&request.event).map_err(|error| invalid(error.to_string()))?;
    // Scripts that were written for lists of events read the time of an event under this name.
    event[CREATION_TIMESTAMP] = request.event.time.as_millisecond().into();
    new.data.get_or_insert_with(Map::new).insert("event".to_owned(), event);
    let task = new.into_task(request.id.record_id(), origin.command.tenant_id.clone(), now, expires_at);
    let task = task.map_err(|refusal| invalid(refusal.message))?;
    Ok(Task { origin: Some(origin), ..task })
}
