//! What happens to a fact: it is matched, recorded with its runs, and fanned out.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use shared::event::{DispatcherId, Envelope, EventId, Received};
use shared::{Error, json};

use crate::budget::Share;
use crate::decision::{self, Decision};
use crate::dispatcher::CompiledDispatcher;
use crate::event::{self, Event, Occurrence, Recurrence, Replay};
use crate::outbox::{Outbox, RecentRun};
use crate::outcome;
use crate::run::{Command, Run, RunContext};
use crate::store::{EventRecord, MatchOutcome, NAMED_RUNS, Store};

/// How often recording an occurrence is tried when another one came first.
const ATTEMPTS: u32 = 5;

/// How deep the content of a fact can nest: a body that came in, and what a fact says around it.
const CONTENT_DEPTH_LIMIT: usize = json::DEPTH_LIMIT + 4;

/// A run that starts, with its first commands.
type StartedRun = (RecentRun, Vec<Command>);

/// Handles a fact: the first delivery starts its runs, a later one completes what a crash left undone.
pub(crate) async fn handle(
    store: &Store,
    outbox: &Outbox,
    event_budget: u64,
    now: Timestamp,
    source: &str,
    envelope: Received,
) -> Result<(), Error> {
    let event = Arc::new(Event::read(envelope)?);
    let depth = json::depth(event.content());
    if depth > CONTENT_DEPTH_LIMIT {
        // The bus takes events from others, too; this one ends as a dead letter, and nothing of it is kept.
        let cause = format!("it nests {depth} levels deep, and can nest {CONTENT_DEPTH_LIMIT}");
        return Err(Error::new(format!("take the content of event {}", event.envelope.id), cause));
    }
    if let Some(replayed) = &event.envelope.replay_of {
        let (time, dispatcher_id) = (event.envelope.time, replayed.dispatcher_id.clone());
        let replay = Replay { event_id: event.envelope.id.clone(), time, dispatcher_id };
        let expires_at = store.events.expires_at(now, &event.envelope);
        store.events.add_replay(&replayed.event_id, &replay, expires_at).await?;
    }
    if start(store, outbox, event_budget, now, source, &event).await? {
        return Ok(());
    }
    match find_recurrence(store, now, &event.envelope).await? {
        Recurrence::Duplicate(id) => resume(store, outbox, event_budget, now, &id).await,
        Recurrence::Redelivered(id) | Recurrence::New(Occurrence { event_id: id, .. }) => {
            let occurrence = Arc::new(Event::read(event::renamed(&event.envelope, id))?);
            if start(store, outbox, event_budget, now, source, &occurrence).await? {
                return Ok(());
            }
            resume(store, outbox, event_budget, now, &occurrence.envelope.id).await
        }
    }
}

/// Records a new event with its runs and sends their first commands; returns `false` for an event that is not new.
async fn start(
    store: &Store,
    outbox: &Outbox,
    event_budget: u64,
    now: Timestamp,
    source: &str,
    event: &Arc<Event>,
) -> Result<bool, Error> {
    let plan = EventPlan::new(store, event, event_budget).await?;
    let is_named = plan.dispatchers.len() < NAMED_RUNS;
    let named = plan.dispatchers.iter().filter(|_| is_named);
    let record = EventRecord {
        event: event.clone(),
        source: source.to_owned(),
        received_at: now,
        outcome: plan.outcome,
        planned: is_named,
        starting: named.map(|compiled| compiled.dispatcher.id.clone()).collect(),
        duplicates: 0,
        later: Vec::new(),
        replays: Vec::new(),
        expires_at: store.events.expires_at(now, &event.envelope),
    };
    if !store.events.create(&record).await? {
        return Ok(false);
    }
    tracing::info!(event = %event.envelope.id, kind = %event.envelope.kind, runs = plan.dispatchers.len(), "event received");
    fan_out(store, outbox, now, &record, &plan).await?;
    Ok(true)
}

/// Starts the runs of a recorded event, and sends the commands of those that an earlier delivery may have written without
/// sending them.
///
/// A batch is written and sent before the next is built, so that the commands of all are never in memory at once.
async fn fan_out(
    store: &Store,
    outbox: &Outbox,
    now: Timestamp,
    record: &EventRecord,
    plan: &EventPlan,
) -> Result<(), Error> {
    for batch in plan.dispatchers.chunks(NAMED_RUNS) {
        let started = plan.start(store, batch, record, now).await?;
        let runs: Vec<&Run> = started.iter().map(|(recent, _)| &recent.run).collect();
        let there = store.events.add_missing_runs(&runs).await?;
        let is_new = |(recent, _): &StartedRun| !there.contains(&recent.run.dispatcher_id);
        send(store, outbox, started.into_iter().filter(is_new).collect(), &record.event).await?;
        for dispatcher_id in &there {
            if let Some(run) = store.runs.get(&record.event.envelope.id, dispatcher_id).await? {
                send_missing(store, outbox, now, &record.event, vec![run]).await?;
            }
        }
    }
    match record.planned {
        true => Ok(()),
        false => store.events.mark_planned(&record.event.envelope.id).await,
    }
}

/// Sends the commands of runs that have just been written, and publishes the outcomes of those that ended at once.
async fn send(store: &Store, outbox: &Outbox, started: Vec<StartedRun>, event: &Arc<Event>) -> Result<(), Error> {
    let ended = started.iter().map(|(recent, _)| &recent.run).filter(|run| run.is_outcome_due).cloned().collect();
    outbox.send(started).await?;
    outcome::publish(store, outbox, ended, Some(event)).await
}

/// Which dispatchers start a run for an event, and how much each of their steps may cause.
struct EventPlan {
    outcome: MatchOutcome,
    dispatchers: Vec<Arc<CompiledDispatcher>>,
    share: Share,
}

impl EventPlan {
    /// Finds the dispatchers that match.
    async fn new(store: &Store, event: &Event, event_budget: u64) -> Result<Self, Error> {
        let Envelope { kind, tenant_id, trace, .. } = &event.envelope;
        if decision::is_loop(trace) {
            return Ok(Self { outcome: MatchOutcome::LoopDetected, dispatchers: Vec::new(), share: Share::default() });
        }
        let candidates = store.dispatchers.of_type(tenant_id, kind).await?;
        let Decision { outcome, starting, share } = decision::decide(&candidates, event, event_budget);
        if outcome == MatchOutcome::BudgetExhausted {
            tracing::warn!(event = %event.envelope.id, "the budget of the first event is used up");
        }
        Ok(Self { outcome, dispatchers: starting.into_iter().cloned().collect(), share })
    }

    /// Starts the runs of some of the dispatchers.
    async fn start(
        &self,
        store: &Store,
        dispatchers: &[Arc<CompiledDispatcher>],
        record: &EventRecord,
        now: Timestamp,
    ) -> Result<Vec<StartedRun>, Error> {
        let mut started = Vec::with_capacity(dispatchers.len());
        for compiled in dispatchers {
            let context = RunContext { event: record.event.clone(), plan: compiled.plan.clone() };
            let (mut run, commands) = Run::start(&compiled.dispatcher, &context, self.share, now, record.expires_at);
            if run.is_over() {
                outcome::decide(store, &mut run, Some(&record.event)).await?;
            }
            started.push((RecentRun::new(run, Some(context)), commands));
        }
        Ok(started)
    }
}

/// Tells a duplicate from a new occurrence, which it records.
async fn find_recurrence(store: &Store, now: Timestamp, envelope: &Received) -> Result<Recurrence, Error> {
    let duplicate = Recurrence::Duplicate(envelope.id.clone());
    let Some(window_s) = envelope.dedup_window_seconds else { return Ok(duplicate) };
    let Some(first) = store.events.get(&envelope.id).await? else { return Ok(duplicate) };
    let (first, window) = (first.event.envelope.time, SignedDuration::from_secs(window_s.into()));
    if Recurrence::of(envelope, first, &[], window) == duplicate {
        return Ok(duplicate);
    }
    for _ in 0..ATTEMPTS {
        let known = store.events.occurrences(&envelope.id).await?;
        let recurrence = Recurrence::of(envelope, first, &known, window);
        let is_recorded = match &recurrence {
            Recurrence::New(occurrence) => {
                let expires_at = store.events.expires_at(now, envelope);
                store.events.add_occurrence(&envelope.id, &known, occurrence, expires_at).await?
            }
            Recurrence::Duplicate(_) | Recurrence::Redelivered(_) => true,
        };
        if is_recorded {
            return Ok(recurrence);
        }
    }
    Err(Error::new("record an occurrence of an event", "other occurrences were recorded first each time"))
}

/// Completes an event that was delivered before.
async fn resume(
    store: &Store,
    outbox: &Outbox,
    event_budget: u64,
    now: Timestamp,
    event_id: &EventId,
) -> Result<(), Error> {
    let Some(record) = store.events.count_duplicate(event_id).await? else {
        return Err(Error::new("resume an event", "its record has expired in the meantime"));
    };
    tracing::info!(event = %event_id, duplicates = record.duplicates, "duplicate event received");
    match record.outcome {
        MatchOutcome::Matched => complete(store, outbox, event_budget, now, record).await,
        MatchOutcome::Unmatched | MatchOutcome::LoopDetected | MatchOutcome::BudgetExhausted => Ok(()),
    }
}

/// Writes the runs of an event that are missing, and sends the commands that may not have been sent.
pub(crate) async fn complete(
    store: &Store,
    outbox: &Outbox,
    event_budget: u64,
    now: Timestamp,
    record: EventRecord,
) -> Result<(), Error> {
    if !record.planned {
        let plan = EventPlan::new(store, &record.event, event_budget).await?;
        return fan_out(store, outbox, now, &record, &plan).await;
    }
    let Some((_, runs)) = store.events.with_runs(&record.event.envelope.id).await? else { return Ok(()) };
    let missing = record.missing(&runs, now);
    if !missing.is_empty() {
        start_missing(store, outbox, event_budget, now, &record, &missing).await?;
    }
    send_missing(store, outbox, now, &record.event, runs).await
}

/// Starts those runs of an event that its record names and that are missing.
///
/// A dispatcher that does not match any more starts none, and the record says so.
async fn start_missing(
    store: &Store,
    outbox: &Outbox,
    event_budget: u64,
    now: Timestamp,
    record: &EventRecord,
    missing: &[DispatcherId],
) -> Result<(), Error> {
    let mut plan = EventPlan::new(store, &record.event, event_budget).await?;
    plan.dispatchers.retain(|compiled| missing.contains(&compiled.dispatcher.id));
    fan_out(store, outbox, now, record, &plan).await?;
    let is_started = |id: &DispatcherId| plan.dispatchers.iter().any(|compiled| compiled.dispatcher.id == *id);
    let is_gone = |id: &&DispatcherId| missing.contains(id) && !is_started(id);
    let started: Vec<DispatcherId> = record.starting.iter().filter(|id| !is_gone(id)).cloned().collect();
    if started.len() < record.starting.len() {
        store.events.settle(&record.event.envelope.id, &started).await?;
    }
    Ok(())
}

/// Sends the commands and publishes the outcomes of runs that may not have been sent when they were written.
async fn send_missing(
    store: &Store,
    outbox: &Outbox,
    now: Timestamp,
    event: &Arc<Event>,
    runs: Vec<Run>,
) -> Result<(), Error> {
    let (over, open): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(Run::is_over);
    for run in open {
        let context = run.context(event.clone());
        let commands = run.requested(&context, now, |_, step| !step.has_answered());
        outbox.send_missing(run, context, commands).await?;
    }
    outcome::publish(store, outbox, over, Some(event)).await
}
