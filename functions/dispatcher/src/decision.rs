//! Which dispatchers an event starts, decided from values alone: for what happens, and for what would happen.

use shared::event::Trace;

use crate::budget;
use crate::dispatcher::{CompiledDispatcher, DispatcherSet};
use crate::event::Event;
use crate::store::MatchOutcome;

/// What an event starts.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    pub(crate) outcome: MatchOutcome,
    /// The dispatchers of which a run starts, in the order of their ids.
    pub(crate) starting: Vec<&'a CompiledDispatcher>,
    /// How many events and steps each step of these runs may cause.
    pub(crate) step_budget: u64,
}

/// Whether the chain of dispatches that led to an event is too long.
pub(crate) fn is_loop(trace: &Trace) -> bool {
    trace.depth > Trace::MAX_DEPTH
}

/// Decides which of the dispatchers of its type an event starts; `event_budget` is that of a first event.
pub(crate) fn decide<'a>(candidates: &'a DispatcherSet, event: &'a Event, event_budget: u64) -> Decision<'a> {
    let nothing = |outcome: MatchOutcome| Decision { outcome, starting: Vec::new(), step_budget: 0 };
    let trace = &event.envelope.trace;
    if is_loop(trace) {
        return nothing(MatchOutcome::LoopDetected);
    }
    let starting: Vec<&CompiledDispatcher> = candidates.matching(&event.value).collect();
    if starting.is_empty() {
        return nothing(MatchOutcome::Unmatched);
    }
    let actions = starting.iter().flat_map(|compiled| &compiled.dispatcher.body.actions);
    let left = trace.budget.unwrap_or(event_budget);
    match budget::share(left, actions.map(|action| action.retry.attempts)) {
        Some(step_budget) => Decision { outcome: MatchOutcome::Matched, starting, step_budget },
        None => nothing(MatchOutcome::BudgetExhausted),
    }
}
