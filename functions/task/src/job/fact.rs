//! The facts about jobs and their runs.

use jiff::Timestamp;
use shared::bus::Entry;
use shared::event::fact::{JOB_COMPLETED, JOB_FAILED, JOB_STARTED, JobChanged, TASK_SOURCE};
use shared::event::{Envelope, EventId, EventType};
use shared::step::Claimable as _;
use shared::{Error, clock};

use crate::services::Services;
use crate::store::schedule::Schedule;
use crate::store::task::{Status, Task};

/// Publishes what a client did with a job.
pub(crate) async fn publish(services: &Services, kind: EventType, job: &Schedule) -> Result<(), Error> {
    let content = JobChanged { job_id: job.schedule_id.clone(), task_id: None, error: None };
    let version = job.version.to_be_bytes();
    let id = clock::derived_uuid(&[kind.as_str().as_bytes(), job.incarnation.as_bytes(), &version]);
    let id = EventId::new(id.to_string());
    let fact = Envelope::new(kind, id, job.tenant_id.clone(), clock::truncate(services.clock.now()), content);
    services.bus.publish(Entry::fact(TASK_SOURCE, &fact).into_iter().collect()).await
}

/// The fact that a run started.
pub(crate) fn started(task: &Task) -> Option<Entry> {
    of_run(JOB_STARTED, task, task.status_changed_timestamp)
}

/// The fact that a run ended, if it did.
pub(crate) fn ended(task: &Task, now: Timestamp) -> Option<Entry> {
    let kind = match task.status {
        Status::Complete => JOB_COMPLETED,
        Status::Failed => JOB_FAILED,
        _ => return None,
    };
    of_run(kind, task, clock::truncate(now))
}

fn of_run(kind: EventType, task: &Task, time: Timestamp) -> Option<Entry> {
    let job_id = task.action.as_ref().and(task.schedule.as_ref())?.key.schedule_id.clone();
    let error = task.answer().and_then(|answer| answer.error.clone());
    let content = JobChanged { job_id, task_id: Some(task.task_id.clone()), error };
    let id = clock::derived_uuid(&[kind.as_str().as_bytes(), task.task_id.as_bytes()]);
    let fact = Envelope::new(kind, EventId::new(id.to_string()), task.tenant_id.clone(), time, content);
    // An error can say what a step handed on.
    Entry::sealed(TASK_SOURCE, &fact.with_trace(task.trace())).ok()
}
