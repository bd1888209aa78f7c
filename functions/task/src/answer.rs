//! What is published about a task: the answer to its step, and the fact that it failed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::bus::Entry;
use shared::clock;
use shared::event::{Envelope, EventId, StepError, StepFinished, Trace};

use crate::store::task::{Origin, Status, Task};

const SOURCE: &str = "hookyard.task";

/// The fact `task_failed`: a task ended without success.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskFailed {
    id: String,
    function_name: String,
    error: StepError,
}

impl TaskFailed {
    const TYPE: &'static str = "task_failed";
}

/// Everything to publish about a task in its current state.
pub(crate) fn entries(task: &Task, now: Timestamp) -> Vec<Entry> {
    [step_finished(task, now), task_failed(task, now)].into_iter().flatten().collect()
}

/// The answer for a step that never became a task.
pub(crate) fn refused(origin: &Origin, error: StepError, now: Timestamp) -> Vec<Entry> {
    step_answer(&StepFinished::failed(origin.step.clone(), error), origin, now).into_iter().collect()
}

fn step_finished(task: &Task, now: Timestamp) -> Option<Entry> {
    let origin = task.origin.as_ref()?;
    let step = origin.step.clone();
    let answer = match task.status {
        Status::New => StepFinished::waiting(step),
        Status::InProgress => return None,
        Status::Complete => StepFinished::succeeded(step, output(task)),
        Status::Failed => StepFinished::failed(step, task.error.clone().unwrap_or_else(unknown)),
        Status::Canceled => {
            StepFinished::failed(step, StepError::invocation("TaskCanceled", "the task was canceled before its time"))
        }
    };
    let answer = match task.started_at {
        Some(time) => answer.started_at(time),
        None => answer,
    };
    step_answer(&answer, origin, now)
}

fn step_answer(answer: &StepFinished, origin: &Origin, now: Timestamp) -> Option<Entry> {
    let fits = Entry::step_finished(answer, &origin.command, now);
    // The limits of output and error rule this out, but no step may stay without an answer.
    let fits = fits.or_else(|error| {
        let error = StepError::invocation("OutputLimitExceeded", error.to_string());
        Entry::step_finished(&StepFinished::failed(origin.step.clone(), error), &origin.command, now)
    });
    fits.ok()
}

fn task_failed(task: &Task, now: Timestamp) -> Option<Entry> {
    let error = task.error.clone().filter(|_| task.status == Status::Failed)?;
    let id = EventId::new(clock::derived_uuid(&[TaskFailed::TYPE.as_bytes(), task.task_id.as_bytes()]).to_string());
    let trace = match &task.origin {
        Some(origin) => Trace::caused_by(&origin.command),
        None => Trace::start(&id),
    };
    let fact = Envelope {
        id,
        kind: TaskFailed::TYPE.to_owned(),
        dedup_window_seconds: None,
        tenant_id: task.tenant_id.clone(),
        time: clock::truncate(now),
        content: TaskFailed { id: task.task_id.clone(), function_name: task.function_name.clone(), error },
        trace,
    };
    Entry::fact(SOURCE, &fact).ok()
}

fn output(task: &Task) -> Value {
    let output = task.output.as_deref().unwrap_or("null");
    serde_json::from_str(output).unwrap_or_default()
}

fn unknown() -> StepError {
    StepError::invocation("Unknown", "the task failed")
}
