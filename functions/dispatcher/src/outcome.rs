//! The outcome of a run as a fact: `run.succeeded` or `run.failed`.
//!
//! Only an outcome that a dispatcher would take becomes a fact, so that runs whose outcome nobody waits for cost no event.
//! Whether one would is decided with a strongly consistent read before the last write of the run, which says that the
//! fact is due and keeps the row in the index of open rows. Then the fact is published, and the row says that it was.
//! After a crash in between, the redelivered answer or the sweeper publishes it; its id derives from the run, so that it
//! is one event however often that happens.
//!
//! The fact is one dispatch deeper than the event of its run and has a small part of the budget, so that a dispatcher
//! whose own failures start it again ends soon. The success of a run that an outcome has started is no fact: a dispatcher
//! of `run.succeeded` would start itself again whenever it succeeds.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde_json::json;
use shared::Error;
use shared::bus::Entry;
use shared::clock::derived_uuid;
use shared::event::fact::{DISPATCHER_SOURCE, FailedStep, RUN_FAILED, RUN_SUCCEEDED, RunEnded};
use shared::event::{Envelope, EventId, EventType, Trace};

use crate::budget;
use crate::event::Event;
use crate::outbox::Outbox;
use crate::run::{Run, RunStatus, StepState};
use crate::store::Store;

/// How many runs are written at once.
const CONCURRENT_WRITES: usize = 8;

/// Decides whether the outcome of a run that is about to be written becomes a fact.
///
/// `event` is the one that started the run, if it is at hand.
pub(crate) async fn decide(store: &Store, run: &mut Run, event: Option<&Arc<Event>>) -> Result<(), Error> {
    (run.is_outcome_due, run.outcome_event_id) = (false, None);
    let Some(kind) = kind(run) else { return Ok(()) };
    let listeners = store.dispatchers.of_type(&run.tenant_id, &kind).await?;
    if !listeners.has_enabled() {
        return Ok(());
    }
    let event = match event {
        Some(event) => event.clone(),
        None => match store.events.event(&run.event_id).await? {
            Some(event) => event,
            None => return Ok(()),
        },
    };
    let Some(fact) = fact(run, &event) else { return Ok(()) };
    if listeners.matching(&json!(fact)).next().is_some() {
        (run.is_outcome_due, run.outcome_event_id) = (true, Some(fact.id));
    }
    Ok(())
}

/// Publishes the outcomes of those runs that are due, and records that; doing it again repeats the same events.
///
/// `event` is the one that started the runs, if it is at hand.
pub(crate) async fn publish(
    store: &Store,
    outbox: &Outbox,
    runs: Vec<Run>,
    event: Option<&Arc<Event>>,
) -> Result<(), Error> {
    let runs: Vec<Run> = runs.into_iter().filter(|run| run.is_outcome_due && run.is_over()).collect();
    let Some(first) = runs.first() else { return Ok(()) };
    let event = match event {
        Some(event) => Some(event.clone()),
        None => store.events.event(&first.event_id).await?,
    };
    let Some(event) = event else { return Ok(()) };
    let facts = runs.iter().filter_map(|run| fact(run, &event));
    // An error of a step may repeat what another one has handed on. A run keeps so little of errors that all fit.
    let entries = facts.map(|fact| Entry::sealed(DISPATCHER_SOURCE, &fact)).collect::<Result<Vec<_>, _>>();
    outbox.publish_facts(entries.map_err(Error::cannot("publish the outcome of a run"))?).await?;
    stream::iter(runs.into_iter().map(|run| published(store, run)))
        .buffer_unordered(CONCURRENT_WRITES)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

/// Records that the outcome of a run is published; somebody else who has done so is as good.
async fn published(store: &Store, run: Run) -> Result<(), Error> {
    let run = Run { is_outcome_due: false, version: run.version + 1, ..run };
    store.runs.save(&run).await.map(drop)
}

/// Returns the type of the fact that the outcome of a run can become.
fn kind(run: &Run) -> Option<EventType> {
    let is_of_outcome = [RUN_SUCCEEDED, RUN_FAILED].contains(&run.event_type);
    match run.status {
        RunStatus::Failed => Some(RUN_FAILED),
        RunStatus::Succeeded if !is_of_outcome => Some(RUN_SUCCEEDED),
        _ => None,
    }
}

/// Builds the fact about the outcome of a run, always the same for the same end.
fn fact(run: &Run, event: &Event) -> Option<Envelope<RunEnded>> {
    let kind = kind(run)?;
    let (event_id, dispatcher_id) = (run.event_id.as_str().as_bytes(), run.dispatcher_id.as_str().as_bytes());
    let id = derived_uuid(&[b"run", event_id, dispatcher_id, &run.endings.to_be_bytes()]);
    let failed = run.steps.iter().filter(|step| step.status == StepState::Failed).map(|step| FailedStep {
        name: step.name().to_owned(),
        kind: step.action.kind.clone(),
        error: step.error.clone(),
    });
    let content = RunEnded {
        event_id: run.event_id.clone(),
        event_type: run.event_type.clone(),
        dispatcher_id: run.dispatcher_id.clone(),
        dispatcher_name: run.dispatcher_name.clone(),
        failed_steps: failed.collect(),
    };
    let time: Timestamp = run.finished_at.unwrap_or(run.started_at);
    let budget = budget::of_ending(run.outcome_budget, run.endings);
    let fact = Envelope::new(kind, EventId::new(id.to_string()), run.tenant_id.clone(), time, content);
    Some(fact.with_trace(Trace::dispatched_by(&event.envelope, budget)))
}
