//! What happens to an answer: it changes its run in one conditional write, then the commands that follow are sent.

use jiff::Timestamp;
use shared::Error;
use shared::clock::Clock;
use shared::event::{Received, StepFinished, StepId};

use crate::outbox::{Outbox, RecentRun};
use crate::outcome;
use crate::run::{Run, StepState};
use crate::store::Store;

/// How often a write is tried when others get ahead of it.
const WRITE_ATTEMPTS: u32 = 50;

/// What an answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advance {
    /// It is saved, and the commands that follow are sent.
    Saved,
    /// It changes nothing in the run.
    Late,
    /// Someone else changed the run in the meantime.
    Conflict,
}

/// Handles the answer to a command.
pub(crate) async fn handle(store: &Store, outbox: &Outbox, clock: &Clock, envelope: &Received) -> Result<(), Error> {
    let answer: StepFinished = envelope.content()?;
    let (event_id, dispatcher_id) = (&answer.id.event_id, &answer.id.dispatcher_id);
    if let Some(recent) = outbox.recent(event_id, dispatcher_id).await {
        let recent = RecentRun::clone(&recent);
        if advance(store, outbox, clock, recent, &answer, envelope.time).await? == Advance::Saved {
            return Ok(());
        }
    }
    for _ in 0..WRITE_ATTEMPTS {
        let Some(run) = store.runs.get(event_id, dispatcher_id).await? else {
            tracing::warn!(event = %event_id, dispatcher = %dispatcher_id, "answer to a run that does not exist");
            return Ok(());
        };
        let loaded = RecentRun::new(run.clone(), None);
        match advance(store, outbox, clock, loaded, &answer, envelope.time).await? {
            Advance::Saved => return Ok(()),
            Advance::Late if run.is_over() => return outcome::publish(store, outbox, vec![run], None).await,
            Advance::Late => return send_missing(store, outbox, clock.now(), run, &answer.id).await,
            Advance::Conflict => {}
        }
    }
    Err(Error::new("advance a run", "others keep changing it"))
}

/// Applies an answer, given at the time `at`, to a run.
async fn advance(
    store: &Store,
    outbox: &Outbox,
    clock: &Clock,
    mut recent: RecentRun,
    answer: &StepFinished,
    at: Timestamp,
) -> Result<Advance, Error> {
    if !recent.run.apply(answer, at) {
        return Ok(Advance::Late);
    }
    let mut commands = Vec::new();
    if recent.run.needs_context(&answer.id) {
        if recent.context.is_none() {
            let event = store.events.event(&recent.run.event_id).await?;
            recent.context = event.map(|event| recent.run.context(event));
        }
        let Some(context) = &recent.context else { return Ok(Advance::Saved) };
        commands = recent.run.advance(&answer.id, context, clock.now());
    } else {
        recent.run.close(clock.now());
    }
    let event = recent.context.as_ref().map(|context| context.event.clone());
    if recent.run.is_over() {
        outcome::decide(store, &mut recent.run, event.as_ref()).await?;
    }
    recent.run.version += 1;
    if !store.runs.save(&recent.run).await? {
        return Ok(Advance::Conflict);
    }
    if recent.run.is_over() {
        let run = &recent.run;
        tracing::info!(event = %run.event_id, dispatcher = %run.dispatcher_id, status = ?run.status, "run finished");
    }
    let ended = recent.run.is_outcome_due.then(|| recent.run.clone());
    outbox.send(vec![(recent, commands)]).await?;
    outcome::publish(store, outbox, ended.into_iter().collect(), event.as_ref()).await?;
    Ok(Advance::Saved)
}

/// Sends the commands that follow from a late answer: its first delivery may have died before it sent them.
async fn send_missing(store: &Store, outbox: &Outbox, now: Timestamp, run: Run, id: &StepId) -> Result<(), Error> {
    if !run.steps.iter().any(|step| step.status == StepState::Requested) {
        return Ok(());
    }
    let Some(event) = store.events.event(&run.event_id).await? else { return Ok(()) };
    let context = run.context(event);
    let commands = run.requested_by(id, &context, now);
    outbox.send_missing(run, context, commands).await
}
