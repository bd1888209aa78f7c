//! What happens to a fact: it is matched, recorded with its runs, and fanned out.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use shared::event::{Envelope, EventId};
use shared::{Error, json};

use crate::decision::{self, Decision};
use crate::dispatcher::CompiledDispatcher;
use crate::event::{self, Event, Occurrence, Recurrence};
use crate::outbox::{Outbox, RecentRun};
use crate::run::{Command, Run, RunContext};
use crate::store::{EventRecord, MatchOutcome, Store};

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
    envelope: Envelope,
) -> Result<(), Error> {
    let depth = json::depth(&envelope.content);
    if depth > CONTENT_DEPTH_LIMIT {
        // The bus takes events from others, too; this one ends as a dead letter, and nothing of it is kept.
        let cause = format!("it nests {depth} levels deep, and can nest {CONTENT_DEPTH_LIMIT}");
        return Err(Error::new(format!("take the content of event {}", envelope.id), cause));
    }
    let event = Arc::new(Event::new(envelope));
    if start(store, outbox, event_budget, now, source, &event).await? {
        return Ok(());
    }
    match find_recurrence(store, now, &event.envelope).await? {
        Recurrence::Duplicate(id) => resume(store, outbox, event_budget, now, &id).await,
        Recurrence::Redelivered(id) | Recurrence::New(Occurrence { event_id: id, .. }) => {
            let occurrence = Arc::new(Event::new(event::renamed(&event.envelope, id)));
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
    let expires_at = store.events.expires_at(now, &event.envelope);
    let (outcome, started) = plan(store, event, event_budget, now, expires_at).await?;
    let record = EventRecord {
        event: event.clone(),
        source: source.to_owned(),
        received_at: now,
        outcome,
        planned: true,
        duplicates: 0,
        later: Vec::new(),
        expires_at,
    };
    let runs: Vec<&Run> = started.iter().map(|(recent, _)| &recent.run).collect();
    if !store.events.create(&record, &runs).await? {
        return Ok(false);
    }
    tracing::info!(event = %event.envelope.id, kind = %event.envelope.kind, runs = runs.len(), "event received");
    outbox.send(started).await?;
    Ok(true)
}

/// Finds the dispatchers that match and starts a run for each.
async fn plan(
    store: &Store,
    event: &Arc<Event>,
    event_budget: u64,
    now: Timestamp,
    expires_at: i64,
) -> Result<(MatchOutcome, Vec<StartedRun>), Error> {
    let Envelope { kind, tenant_id, trace, .. } = &event.envelope;
    if decision::is_loop(trace) {
        return Ok((MatchOutcome::LoopDetected, Vec::new()));
    }
    let candidates = store.dispatchers.of_type(tenant_id, kind).await?;
    let Decision { outcome, starting, step_budget } = decision::decide(&candidates, event, event_budget);
    if outcome == MatchOutcome::BudgetExhausted {
        tracing::warn!(event = %event.envelope.id, "the budget of the first event is used up");
    }
    let started = starting.into_iter().map(|CompiledDispatcher { dispatcher, plan, .. }| {
        let context = RunContext { event: event.clone(), plan: plan.clone() };
        let (run, commands) = Run::start(dispatcher, &context, step_budget, now, expires_at);
        (RecentRun::new(run, Some(context)), commands)
    });
    Ok((outcome, started.collect()))
}

/// Tells a duplicate from a new occurrence, which it records.
async fn find_recurrence(store: &Store, now: Timestamp, envelope: &Envelope) -> Result<Recurrence, Error> {
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
    let event = record.event;
    if !record.planned {
        let (_, started) = plan(store, &event, event_budget, now, record.expires_at).await?;
        let runs: Vec<&Run> = started.iter().map(|(recent, _)| &recent.run).collect();
        store.events.add_missing_runs(&event.envelope.id, &runs).await?;
    }
    let Some((_, runs)) = store.events.with_runs(&event.envelope.id).await? else { return Ok(()) };
    for run in runs.into_iter().filter(|run| !run.is_over()) {
        let context = run.context(event.clone());
        let commands = run.requested(&context, now, |_, step| !step.has_answered());
        outbox.send_missing(run, context, commands).await?;
    }
    Ok(())
}
