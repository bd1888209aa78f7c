//! Does one step of a run: creates its task, and runs it unless its time is still to come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::Error;
use shared::event::{Answer, Received, StepError, StepId, StepRequested};
use shared::json::from_value;
use shared::step::{self, Once, Origin};
use tokio::time::timeout;

use crate::new_task::NewTask;
use crate::on_task_due::{Turn, await_turn, schedule};
use crate::sandbox::Place;
use crate::services::Services;
use crate::store::task::{Status, Task, is_waiting, status_change};
use crate::{answer, retry, run};

/// After how long a task that waits for its turn shows in its record that it does; those of a burst have theirs sooner.
const SHOWN_AFTER: Duration = Duration::from_secs(5);

/// Does the step that the command asks for; a second delivery finds its task and continues from there.
pub(crate) async fn handle(services: &Services, command: &Received) -> Result<(), Error> {
    let Services { tasks, functions, bus, scheduler, clock, .. } = services;
    step::perform(bus, clock, command, async |origin, request: StepRequested<Received>| {
        let now = clock.now();
        let StepRequested { id, action, event } = request;
        let mut new: NewTask = match from_value(action) {
            Ok(new) => new,
            Err(problem) => return Ok(Some(Answer::failed(StepError::bad_request(problem.to_string())).into())),
        };
        if new.priority.is_none() {
            let function = functions.recent(&origin.command.tenant_id, &new.function_name).await?;
            new.priority = function.and_then(|function| function.default_priority());
        }
        let task = match task_of(new, origin, &id, &event, now, tasks.store().expires_at(now)) {
            Ok(task) => task,
            Err(error) => return Ok(Some(Answer::failed(error).into())),
        };
        if task.is_later(now) {
            // Before the record: a task that can be seen has its schedule.
            schedule(scheduler, &task).await?;
            if tasks.store().create(&task).await? {
                return Ok(Some(answer::outcome(&task, now)));
            }
        }
        let Some(once) = start(services, task).await? else { return Ok(None) };
        if let Once::NotDue(task) = &once
            && task.status == Status::New
        {
            schedule(scheduler, task).await?;
        }
        let Some(task) = once.done()? else { return Ok(None) };
        Box::pin(retry::follow(tasks, scheduler, &task)).await?;
        Ok(Some(answer::outcome(&task, clock.now())))
    })
    .await
}

/// Runs a task when it is its turn; `None` if another delivery in this process waits for that.
///
/// A task that waits is `new` and can be canceled once it shows in its record.
async fn start(services: &Services, mut task: Task) -> Result<Option<Once<Task>>, Error> {
    let Services { tasks, sandbox, clock, .. } = services;
    let mut turn = Box::pin(await_turn(sandbox, &task));
    let soon = match sandbox.has_room() {
        true => Some(Turn::Ours(None)),
        false => timeout(SHOWN_AFTER, &mut turn).await.ok().transpose()?,
    };
    let once = match soon {
        Some(Turn::Here) => return Ok(None),
        Some(Turn::Ours(place)) => {
            drop(turn);
            task.set_status(Status::InProgress, clock.now());
            let place = Mutex::new(place);
            let work = |task| Box::pin(run::run(services, task, taken(&place)));
            Box::pin(tasks.once_unwritten(task, run::POLICY, work)).await?
        }
        None => {
            tasks.store().create(&task).await?;
            let Turn::Ours(place) = turn.await? else { return Ok(None) };
            let start = status_change(Status::InProgress, clock.now());
            let work = |task| Box::pin(run::run(services, task, place));
            let id = task.task_id.clone();
            Box::pin(tasks.once_begun(&id, Some(task), start, is_waiting(), run::POLICY, work)).await?
        }
    };
    Ok(Some(once))
}

/// Takes a place, which one run has.
fn taken(place: &Mutex<Option<Place>>) -> Option<Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The input of the task of a step: what its action says, and the event.
#[derive(Serialize)]
struct Input<'a> {
    #[serde(flatten)]
    data: &'a Map<String, Value>,
    event: EventOfInput<'a>,
}

/// The event as a script gets it.
#[derive(Serialize)]
struct EventOfInput<'a> {
    #[serde(flatten)]
    event: &'a Received,
    /// The time of the event in milliseconds since 1970: scripts that were written for lists of events read it so.
    creation_timestamp: i64,
}

/// Builds the task of a step, which has not started.
fn task_of(
    mut new: NewTask,
    origin: Origin,
    id: &StepId,
    event: &Received,
    now: Timestamp,
    expires_at: i64,
) -> Result<Task, StepError> {
    let mut data = new.data.take().unwrap_or_default();
    data.remove("event");
    let input = Input { data: &data, event: EventOfInput { event, creation_timestamp: event.time.as_millisecond() } };
    let input = serde_json::to_string(&input).map_err(|error| StepError::bad_request(error.to_string()))?;
    let task = new.into_task(id.record_id(), origin.command.tenant_id.clone(), now, expires_at);
    let task = task.map_err(|refusal| StepError::bad_request(refusal.message))?;
    Ok(Task { origin: Some(origin), data: input, ..task })
}
