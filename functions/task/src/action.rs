//! Tasks that run an action of an app: the action function does the work, and its answer ends them.
//!
//! No process holds such a task while it is in progress. Its command is published again by whoever finds it without an
//! answer, and the action function answers a repeated command with what it has recorded.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use shared::Error;
use shared::bus::Entry;
use shared::event::command::{ACTION, COMMAND_SOURCE, ScheduleDue};
use shared::event::{Answer, DispatcherId, Envelope, EventId, EventType, StepError, StepId, StepRequested, Trace};
use shared::step::{Claim, ClaimStore as _, Claimable as _};
use shared::table::{Expression, key};

use crate::services::Services;
use crate::store::task::{Status, Task, is_waiting, status_change};
use crate::{answer, job};

/// Who asks for the step, in place of a dispatcher, whose ids are hexadecimal digits.
const DISPATCHER: &str = "task";
/// How the ids of commands begin whose answers come to this function, as the rule of the template says.
const COMMAND_PREFIX: &str = "task:";
/// The only step.
const STEP: &str = "action";
/// The type of the event that the step is for.
const JOB_DUE: EventType = EventType::known("job.due");
/// How long the answer may take, which is longer than the bus tries to deliver its command.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// The step that a task stands for.
fn step_of(task_id: &str) -> StepId {
    StepId {
        event_id: EventId::new(task_id),
        dispatcher_id: DispatcherId::new(DISPATCHER),
        step: STEP.to_owned(),
        attempt: 1,
    }
}

/// Tells whether an answer is one for a task.
pub(crate) fn is_of_task(step: &StepId) -> bool {
    *step == step_of(step.event_id.as_str())
}

/// Asks for the action of a task, once more if it was asked for and has no answer.
pub(crate) async fn request(services: &Services, task: Task) -> Result<(), Error> {
    let Services { tasks, bus, clock, .. } = services;
    let task = match task.status {
        Status::New => {
            let start = status_change(Status::InProgress, clock.now());
            let table = tasks.store().table();
            let started: Option<Task> = table.update(&key(Task::KEY, task.id()), start, Some(is_waiting())).await?;
            match started {
                Some(started) => started,
                // Perhaps by our own write, whose reply was lost.
                None => match tasks.find(&task.task_id).await? {
                    Some(found) => found,
                    None => return Ok(()),
                },
            }
        }
        _ => task,
    };
    if task.status != Status::InProgress || task.answer().is_some() {
        return Ok(());
    }
    bus.publish(job::fact::started(&task).into_iter().chain([command(&task)?]).collect()).await
}

/// The command for the action; the prefix of its id brings the answer back to this function.
fn command(task: &Task) -> Result<Entry, Error> {
    let fields: Map<String, Value> = serde_json::from_str(task.action.as_deref().unwrap_or_default())
        .map_err(Error::cannot("read the action of a task"))?;
    let due = task.schedule.as_ref().and_then(|schedule| schedule.instant);
    let content = json!({
        "jobId": task.schedule.as_ref().map(|schedule| &schedule.key.schedule_id),
        "taskId": task.task_id,
        "scheduledAt": format!("{:.3}", due.unwrap_or(task.creation_timestamp)),
    });
    let time = task.creation_timestamp;
    let id = EventId::new(task.task_id.as_str());
    let event = Envelope::new(JOB_DUE, id, task.tenant_id.clone(), time, content).with_trace(task.trace());
    let trace = Trace { depth: event.trace.depth + 1, ..Trace::caused_by(&event) };
    let request = StepRequested { id: step_of(&task.task_id), action: Value::Object(fields), event };
    let id = EventId::new(format!("{COMMAND_PREFIX}{}", task.task_id));
    let envelope = Envelope::new(ACTION.event_type(), id, task.tenant_id.clone(), time, request).with_trace(trace);
    Entry::sealed(COMMAND_SOURCE, &envelope).map_err(Error::cannot("build the command of an action"))
}

/// Ends a task as its action was answered; returns the schedule whose instants may wait for its end.
///
/// The first answer counts. Another one only finishes what an interruption has left.
pub(crate) async fn end(services: &Services, task: Task, answer: Answer) -> Result<Option<ScheduleDue>, Error> {
    let Services { tasks, bus, clock, .. } = services;
    let now = clock.now();
    let store = tasks.store();
    let task = match task.answer() {
        Some(_) => task,
        None => {
            let mut ended = task.clone();
            let owner = format!("{STEP}.{}", task.task_id);
            ended.claim = Some(Claim { owner, lease_until_ms: now.as_millisecond(), effect: true, answer: None });
            ended.end(answer, now);
            let unanswered = Expression::new("attribute_not_exists(claim) AND #status = :status");
            let unanswered = unanswered.name("#status", "status").value(":status", Status::InProgress);
            match store.conclude(&ended, unanswered).await? {
                true => ended,
                false => match tasks.find(&task.task_id).await?.filter(|found| found.answer().is_some()) {
                    Some(found) => found,
                    None => return Ok(None),
                },
            }
        }
    };
    if task.open.is_some() {
        answer::publish(bus, &task, now).await?;
        store.close(&task).await?;
    }
    Ok(task.schedule.filter(|schedule| schedule.has_queue).map(|schedule| schedule.key))
}

/// The answer to a task that has waited too long for one.
pub(crate) fn overdue(task: &Task, now: Timestamp) -> Option<Answer> {
    let is_overdue = now.duration_since(task.status_changed_timestamp) > PATIENCE;
    let message = "the action was asked for a day ago and has not been answered";
    (task.status == Status::InProgress && is_overdue)
        .then(|| Answer::failed(StepError::invocation(StepError::OUTCOME_UNKNOWN, message)))
}
