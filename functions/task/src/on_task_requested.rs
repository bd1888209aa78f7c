//! Does one step of a run: creates its task, and runs it unless its time is still to come.

use jiff::Timestamp;
use serde_json::Map;
use shared::Error;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::event::{Envelope, StepError, StepRequested};
use shared::http::read_json;
use shared::scheduler::Scheduler;

use crate::claim::{self, Claims};
use crate::new_task::NewTask;
use crate::sandbox::Sandbox;
use crate::store::Store;
use crate::store::task::{Origin, Status, Task};
use crate::{answer, run, start};

/// Does the step that the command asks for; a second delivery finds its task and continues from there.
pub(crate) async fn handle(
    store: &Store,
    bus: &Bus,
    scheduler: &Scheduler,
    sandbox: &Sandbox,
    claims: &Claims,
    clock: &Clock,
    command: &Envelope,
) -> Result<(), Error> {
    let request: StepRequested = command.content()?;
    let id = request.id.record_id();
    let Some(_work) = claims.begin(&id) else {
        // The first delivery is still at work in this process, and is delivered again should it fail.
        return Ok(());
    };
    let now = clock.now();
    let origin = Origin { step: request.id.clone(), command: without_content(command) };
    let mut task = match task_of(&request, origin.clone(), now, store.tasks.expiry(now)) {
        Ok(task) => task,
        Err(error) => return bus.publish(answer::refused(&origin, error, now)).await,
    };
    let is_later = task.start_timestamp.is_some_and(|start| start > now);
    if is_later {
        // Before the record: a task that can be seen has its schedule.
        start::schedule(scheduler, &task).await?;
    } else {
        task.status = Status::InProgress;
        task.started_at = Some(now);
        task.owner = Some(claims.owner().to_owned());
        task.lease_until_ms = claim::lease_until_ms(now);
    }
    if !store.tasks.create(&task).await? {
        let missing = || Error::new("resume a task", format!("task {id} no longer exists"));
        let task = store.tasks.get(&id).await?.ok_or_else(missing)?;
        return run::resume(store, bus, scheduler, sandbox, claims, clock, &task).await;
    }
    match is_later {
        true => bus.publish(answer::entries(&task, now)).await,
        false => run::run(store, bus, sandbox, claims, clock, &task).await,
    }
}

/// Builds the task that a step asks for, which has not started.
fn task_of(request: &StepRequested, origin: Origin, now: Timestamp, expires_at: i64) -> Result<Task, StepError> {
    let invalid = |message: String| StepError::invocation("InvalidAction", message);
    let mut fields = request.action.as_object().cloned().unwrap_or_default();
    fields.retain(|name, _| NewTask::FIELDS.contains(&name.as_str()));
    let bytes = serde_json::to_vec(&fields).map_err(|error| invalid(error.to_string()))?;
    let mut new: NewTask = read_json(&bytes).map_err(|refusal| invalid(refusal.message))?;
    let event = serde_json::to_value(&request.event).map_err(|error| invalid(error.to_string()))?;
    new.data.get_or_insert_with(Map::new).insert("event".to_owned(), event);
    let task = new.into_task(request.id.record_id(), request.event.tenant_id.clone(), now, expires_at);
    let task = task.map_err(|refusal| invalid(refusal.message))?;
    Ok(Task { origin: Some(origin), ..task })
}

fn without_content(envelope: &Envelope) -> Envelope<()> {
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
