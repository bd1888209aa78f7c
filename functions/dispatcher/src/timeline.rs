//! The timeline of an event: its outcome, its runs, and everything that happened in order.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use shared::event::{ChannelId, Envelope, EventId, StepError, StepRecord};
use utoipa::ToSchema;

use crate::event::{Occurrence, Replay};
use crate::run::{Attempt, Run, RunRetry, RunStatus, RunView, Step, StepState};
use crate::store::{EventRecord, MatchOutcome};

/// What happened to an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timeline {
    /// The event.
    event: Envelope,
    /// Where the event came from.
    source: String,
    /// The channel that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<ChannelId>,
    /// When it was first received.
    #[serde(with = "shared::clock::iso")]
    received_at: Timestamp,
    /// The outcome of all runs together.
    outcome: Outcome,
    /// How many duplicates of the event were received.
    duplicates: u64,
    /// The latest event with the same id that was received after the deduplication window.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_event_id: Option<EventId>,
    /// The events with the same id that were received after the deduplication window, the newest last; the latest 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    later_events: Vec<Occurrence>,
    /// The events that replay it, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replays: Vec<Replay>,
    /// One run per dispatcher that matched.
    runs: Vec<RunView>,
    /// Everything that happened, in order.
    timeline: Vec<Moment>,
}

/// The outcome of all runs of an event together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Something is in progress.
    Running,
    /// Nothing is in progress, but something waits for the outside world or for its time.
    Waiting,
    /// Every run succeeded.
    Succeeded,
    /// Every run is over and at least one failed.
    Failed,
    /// Every run is over, none failed and at least one was cancelled.
    Cancelled,
    /// No dispatcher matched.
    Unmatched,
    /// The chain of dispatches that led to the event is too long.
    LoopDetected,
    /// The first event of the chain has caused as many events and steps as it may, so that nothing started.
    BudgetExhausted,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Moment {
    /// When it happened.
    #[serde(with = "shared::clock::iso")]
    time: Timestamp,
    /// What happened, such as `step.requested`.
    what: String,
    /// The dispatcher that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatcher: Option<String>,
    /// The step that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// The attempt at that step, counting from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// The result or the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The record that the attempt has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<StepRecord>,
}

impl Timeline {
    /// Builds the timeline of an event from its record and runs.
    pub(crate) fn new(record: EventRecord, runs: Vec<Run>, now: Timestamp) -> Self {
        Self {
            outcome: outcome(&record, &runs, now),
            timeline: moments(&record, &runs),
            channel_id: record.event.channel_id(),
            event: Arc::unwrap_or_clone(record.event).into_envelope(),
            source: record.source,
            received_at: record.received_at,
            duplicates: record.duplicates,
            latest_event_id: record.later.last().map(|latest| latest.event_id.clone()),
            later_events: record.later,
            replays: record.replays,
            runs: runs.into_iter().map(RunView::from).collect(),
        }
    }
}

fn outcome(record: &EventRecord, runs: &[Run], now: Timestamp) -> Outcome {
    let is_starting = !record.planned || !record.missing(runs, now).is_empty();
    let any = |status: RunStatus| runs.iter().any(|run| run.status == status);
    match record.outcome {
        MatchOutcome::Unmatched => Outcome::Unmatched,
        MatchOutcome::LoopDetected => Outcome::LoopDetected,
        MatchOutcome::BudgetExhausted => Outcome::BudgetExhausted,
        MatchOutcome::Matched if is_starting || any(RunStatus::Running) => Outcome::Running,
        MatchOutcome::Matched if any(RunStatus::Waiting) => Outcome::Waiting,
        MatchOutcome::Matched if any(RunStatus::Failed) => Outcome::Failed,
        MatchOutcome::Matched if any(RunStatus::Cancelled) => Outcome::Cancelled,
        MatchOutcome::Matched => Outcome::Succeeded,
    }
}

fn moments(record: &EventRecord, runs: &[Run]) -> Vec<Moment> {
    let mut moments = vec![Moment {
        detail: Some(record.event.envelope.kind.to_string()),
        ..Moment::new(record.received_at, "event.received")
    }];
    match record.outcome {
        MatchOutcome::Matched => {}
        MatchOutcome::Unmatched => moments.push(Moment::new(record.received_at, "event.unmatched")),
        MatchOutcome::LoopDetected => moments.push(Moment::new(record.received_at, "event.loop_detected")),
        MatchOutcome::BudgetExhausted => moments.push(Moment::new(record.received_at, "event.budget_exhausted")),
    }
    for run in runs {
        of_run(run, &mut moments);
    }
    for replay in &record.replays {
        moments
            .push(Moment { detail: Some(replay.event_id.to_string()), ..Moment::new(replay.time, "event.replayed") });
    }
    // The sort is stable: what happened in the same millisecond stays in causal order.
    moments.sort_by_key(|moment| moment.time);
    moments
}

fn of_run(run: &Run, moments: &mut Vec<Moment>) {
    let dispatcher = run.dispatcher_name.clone().unwrap_or_else(|| run.dispatcher_id.to_string());
    let from_index = moments.len();
    moments.push(Moment::new(run.started_at, "dispatcher.matched"));
    // Steps are in the order of the actions; the moments of a run must be in the order of time before others are added.
    for step in &run.steps {
        step.attempts.iter().for_each(|attempt| of_attempt(step, attempt, moments));
        let is_without_attempt = step.status.is_over() && step.attempts.is_empty();
        if is_without_attempt || step.status == StepState::Skipped {
            let what = if step.status == StepState::Skipped { "step.skipped" } else { "step.failed" };
            let detail = step.reason.clone().or_else(|| step.error.as_ref().map(shown));
            let time = moments[from_index..].last().map_or(run.started_at, |last| last.time);
            moments.push(Moment { step: Some(step.name().to_owned()), detail, ..Moment::new(time, what) });
        }
    }
    moments[from_index..].sort_by_key(|moment| moment.time);
    for RunRetry { time, from, status, finished_at, .. } in &run.retries {
        // What followed from the retry comes after it, even if that was in the same millisecond.
        let at = from_index + moments[from_index..].partition_point(|moment| moment.time < *time);
        let retried = Moment { step: from.clone(), ..Moment::new(*time, "run.retried") };
        moments
            .splice(at..at, finished_at.map(|finished_at| finished(finished_at, *status)).into_iter().chain([retried]));
    }
    moments.extend(run.finished_at.map(|finished_at| finished(finished_at, run.status)));
    for moment in &mut moments[from_index..] {
        moment.dispatcher = Some(dispatcher.clone());
    }
}

fn finished(time: Timestamp, status: RunStatus) -> Moment {
    let detail = match status {
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Running | RunStatus::Waiting | RunStatus::Succeeded => "succeeded",
    };
    Moment { detail: Some(detail.to_owned()), ..Moment::new(time, "run.finished") }
}

fn of_attempt(step: &Step, attempt: &Attempt, moments: &mut Vec<Moment>) {
    let moment = |time: Timestamp, what: &str| Moment {
        step: Some(step.name().to_owned()),
        attempt: Some(attempt.attempt),
        ..Moment::new(time, what)
    };
    moments.push(moment(attempt.requested_at, "step.requested"));
    if let Some(time) = attempt.started_at {
        moments.push(moment(time.max(attempt.requested_at), "step.started"));
    }
    if let Some(time) = attempt.waiting_at {
        moments.push(Moment { record: attempt.record.clone(), ..moment(time, "step.waiting") });
    }
    if let Some(time) = attempt.finished_at {
        if let Some(resumed_by) = &attempt.resumed_by {
            moments.push(moment(time, resumed_by));
        }
        let what = if attempt.status == StepState::Succeeded { "step.succeeded" } else { "step.failed" };
        let (detail, record) = (attempt.error.as_ref().map(shown), attempt.record.clone());
        moments.push(Moment { detail, record, ..moment(time, what) });
    }
}

fn shown(error: &StepError) -> String {
    format!("{}: {}", error.name, error.message)
}

impl Moment {
    fn new(time: Timestamp, what: &str) -> Self {
        Self { time, what: what.to_owned(), dispatcher: None, step: None, attempt: None, detail: None, record: None }
    }
}
