//! What dispatchers would do with events that were recorded, compared with what happened then. Nothing is done.

mod change;
mod compare;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use shared::event::{DispatcherId, EventId, EventType, TenantId};
use shared::json::size_bytes;
use shared::{Error, Refusal};
use utoipa::ToSchema;

use crate::decision::{self, Decision};
use crate::dispatcher::DispatcherSet;
use crate::dispatcher::explain::Explanation;
use crate::event::Event;
use crate::rehearsal::{rehearse, repeat};
use crate::run::Run;
use crate::store::{Dispatchers, EventRecord, MatchOutcome};

pub(crate) use change::{Change, Changes};
pub(crate) use compare::{RunChange, SimulatedRun};

/// How many bytes of JSON an answer has before its runs are shown without their steps.
const ANSWER_LIMIT_BYTES: usize = 3_000_000;
/// How long an answer is worked on before its runs are not compared any more.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The dispatchers as they would be, and how a simulation looks at them.
#[derive(Debug)]
pub(crate) struct Simulation<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) dispatchers: &'a Dispatchers,
    pub(crate) changes: &'a Changes,
    pub(crate) event_budget: u64,
    /// Whether results of steps that were recorded may be used.
    pub(crate) with_answers: bool,
    pub(crate) now: Timestamp,
}

/// An event with what would happen to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatedEvent {
    event_id: EventId,
    /// The type of the event.
    #[serde(rename = "type")]
    kind: EventType,
    /// When it was received.
    #[serde(with = "shared::clock::iso")]
    received_at: Timestamp,
    /// The outcome of matching it with the dispatchers as they would be.
    outcome: MatchOutcome,
    /// The outcome of matching it when it was received.
    recorded_outcome: MatchOutcome,
    /// The runs that would start and those that did.
    pub(crate) runs: Vec<SimulatedRun>,
}

/// How many events and runs there are of each kind, in one answer.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SimulationCounts)]
pub(crate) struct Counts {
    /// How many events were simulated.
    pub(crate) events: usize,
    /// How many of them would start a run.
    pub(crate) matched: usize,
    /// How many runs would start.
    pub(crate) starts: usize,
    /// How many runs did start.
    pub(crate) started: usize,
    /// Runs that would start and did not.
    pub(crate) added: usize,
    /// Runs that did start and would not.
    pub(crate) removed: usize,
    /// Runs whose steps would do something else.
    pub(crate) changed: usize,
    /// Runs whose steps would do the same.
    pub(crate) same: usize,
    /// Runs that were not compared, because the answer had become too large or too expensive.
    pub(crate) not_compared: usize,
}

/// What one answer may still use.
#[derive(Debug)]
pub(crate) struct Limits {
    left_bytes: usize,
    until: Instant,
}

impl Limits {
    /// The limits of an answer that begins now.
    pub(crate) fn new() -> Self {
        Self { left_bytes: ANSWER_LIMIT_BYTES, until: Instant::now() + TIME_LIMIT }
    }

    /// Whether nothing is left.
    pub(crate) fn are_reached(&self) -> bool {
        self.left_bytes == 0 || self.are_late()
    }

    fn are_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Takes the room of a run, which is shortened if there is not enough.
    fn take(&mut self, run: &mut SimulatedRun) {
        let left = self.left_bytes.checked_sub(size_bytes(run));
        self.left_bytes = left.unwrap_or_default();
        if left.is_none() {
            run.shorten();
        }
    }
}

impl Simulation<'_> {
    /// Returns the dispatchers of a type as they would be.
    pub(crate) async fn set(&self, kind: &EventType) -> Result<Arc<DispatcherSet>, Error> {
        match self.changes.set(kind)? {
            Some(set) => Ok(Arc::new(set)),
            None => self.dispatchers.of_type(self.tenant, kind).await,
        }
    }

    /// Simulates an event of which the runs are known, and counts what is found.
    pub(crate) fn event(
        &self,
        set: &DispatcherSet,
        record: &EventRecord,
        runs: &[Run],
        counts: &mut Counts,
        limits: &mut Limits,
    ) -> Result<SimulatedEvent, Refusal> {
        let event = &record.event;
        let Decision { outcome, starting, share } = decision::decide(set, event, self.event_budget);
        let focus = self.changes.focus.as_ref();
        let is_shown = |id: &DispatcherId| focus.is_none_or(|focus| focus == id);
        let mut simulated = Vec::new();
        for compiled in starting.iter().filter(|compiled| is_shown(&compiled.dispatcher.id)) {
            let dispatcher = &compiled.dispatcher;
            let recorded = runs.iter().find(|run| run.dispatcher_id == dispatcher.id);
            let mut run = SimulatedRun::starting(dispatcher, self.changes.position(&dispatcher.id), recorded);
            if recorded.is_none() && !self.changes.is_changed(&dispatcher.id) {
                run.explain(Explanation::of_start(dispatcher, record));
            }
            if limits.are_late() {
                run.leave_out();
            } else {
                let answers = recorded.filter(|_| self.with_answers);
                let now = rehearse(compiled, event, share, answers, self.now);
                let then = recorded.map(|run| repeat(run, event, self.with_answers, self.now));
                run.compare(now, then);
            }
            limits.take(&mut run);
            simulated.push(run);
        }
        let started = |id: &DispatcherId| starting.iter().any(|compiled| compiled.dispatcher.id == *id);
        for recorded in runs.iter().filter(|run| is_shown(&run.dispatcher_id) && !started(&run.dispatcher_id)) {
            let why = self.why_not(recorded, event, outcome)?;
            let mut run = SimulatedRun::removed(recorded, self.changes.position(&recorded.dispatcher_id), why);
            limits.take(&mut run);
            simulated.push(run);
        }
        counts.count(&simulated);
        Ok(SimulatedEvent {
            event_id: event.envelope.id.clone(),
            kind: event.envelope.kind.clone(),
            received_at: record.received_at,
            outcome,
            recorded_outcome: record.outcome,
            runs: simulated,
        })
    }

    /// Says why a dispatcher that had started a run would not.
    fn why_not(&self, recorded: &Run, event: &Event, outcome: MatchOutcome) -> Result<Explanation, Refusal> {
        match self.changes.get(&recorded.dispatcher_id) {
            Some(dispatcher) => Explanation::new(dispatcher, self.tenant, event, outcome),
            None => Ok(Explanation::not_simulated()),
        }
    }
}

impl Counts {
    fn count(&mut self, runs: &[SimulatedRun]) {
        self.events += 1;
        let (mut starts, mut started) = (0, 0);
        for run in runs {
            let counter = match run.change() {
                RunChange::Added => &mut self.added,
                RunChange::Removed => &mut self.removed,
                RunChange::Changed => &mut self.changed,
                RunChange::Same => &mut self.same,
                RunChange::NotCompared => &mut self.not_compared,
            };
            *counter += 1;
            starts += usize::from(run.change() != RunChange::Removed);
            started += usize::from(run.change() != RunChange::Added);
        }
        self.starts += starts;
        self.started += started;
        self.matched += usize::from(starts > 0);
    }
}
