//! What is published about a task: the answer to its step, and the fact that it failed.

use jiff::Timestamp;
use shared::bus::{Bus, Entry};
use shared::event::fact::{TASK_FAILED, TASK_SOURCE, TaskFailed};
use shared::event::{Answer, Envelope, EventId, RecordKind, StepError, Trace};
use shared::step::{Claimable as _, Outcome};
use shared::{Error, clock};

use crate::job;
use crate::runner::share;
use crate::store::task::{Status, Task};

/// What there is to say about a task in its current state.
pub(crate) fn outcome(task: &Task, now: Timestamp) -> Outcome {
    let named = |answer: Answer| answer.with_record(RecordKind::Task, &task.task_id);
    if task.status == Status::Retried {
        return named(Answer::waiting()).into();
    }
    let answer = match (task.answer(), task.status) {
        (Some(answer), _) => answer.clone(),
        (None, Status::Canceled) => {
            Answer::failed(StepError::invocation("TaskCanceled", "the task was canceled before its time"))
        }
        (None, _) => Answer::waiting(),
    };
    Outcome {
        answer: named(answer),
        facts: task_failed(task, now).into_iter().chain(job::fact::ended(task, now)).collect(),
    }
}

/// Publishes it; a task that no step asked for answers nobody.
pub(crate) async fn publish(bus: &Bus, task: &Task, now: Timestamp) -> Result<(), Error> {
    let Outcome { answer, mut facts } = outcome(task, now);
    facts.extend(task.origin.as_ref().map(|origin| origin.finished(&answer, now)));
    bus.publish(facts).await
}

/// The trace of the fact that a task failed, with the part of its budget that its script had no share in.
fn trace_of_failure(task: &Task) -> Trace {
    let trace = task.trace();
    let has_acted = task.claim.as_ref().is_some_and(|claim| claim.effect);
    let left = |budget| share::of_failure(budget, task.retry_for_task_ids.len(), has_acted);
    Trace { budget: trace.budget.map(left), ..trace }
}

fn task_failed(task: &Task, now: Timestamp) -> Option<Entry> {
    let content = TaskFailed {
        id: task.task_id.clone(),
        function_name: task.function_name.clone(),
        script: task.script.clone(),
        schedule_id: task.schedule.as_ref().map(|schedule| schedule.key.schedule_id.clone()),
        error: task.error()?,
    };
    let id = EventId::new(clock::derived_uuid(&[TASK_FAILED.as_str().as_bytes(), task.task_id.as_bytes()]).to_string());
    let fact = Envelope::new(TASK_FAILED, id, task.tenant_id.clone(), clock::truncate(now), content);
    let fact = match task.origin.is_some() || task.trace.is_some() {
        true => fact.with_trace(trace_of_failure(task)),
        false => fact,
    };
    // A script can throw what a step handed on. The sandbox clips names and messages, so that it fits.
    Entry::sealed(TASK_SOURCE, &fact).ok()
}
