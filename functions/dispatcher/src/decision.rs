//! Which dispatchers an event starts, decided from values alone: for what happens, and for what would happen.

use std::sync::Arc;

use shared::event::Trace;

use crate::budget::{self, Share};
use crate::dispatcher::{CompiledDispatcher, DispatcherSet};
use crate::event::Event;
use crate::store::MatchOutcome;

/// What an event starts.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    pub(crate) outcome: MatchOutcome,
    /// The dispatchers of which a run starts, in the order of their ids.
    pub(crate) starting: Vec<&'a Arc<CompiledDispatcher>>,
    /// How many events and steps each of these runs may cause.
    pub(crate) share: Share,
}

/// Whether the chain of dispatches that led to an event is too long.
pub(crate) fn is_loop(trace: &Trace) -> bool {
    trace.depth > Trace::MAX_DEPTH
}

/// Decides which of the dispatchers of its type an event starts; `event_budget` is that of a first event.
pub(crate) fn decide<'a>(candidates: &'a DispatcherSet, event: &'a Event, event_budget: u64) -> Decision<'a> {
    let nothing = |outcome: MatchOutcome| Decision { outcome, starting: Vec::new(), share: Share::default() };
    let trace = &event.envelope.trace;
    if is_loop(trace) {
        return nothing(MatchOutcome::LoopDetected);
    }
    let only = event.envelope.replay_of.as_ref().and_then(|replayed| replayed.dispatcher_id.as_ref());
    let is_meant = |compiled: &&Arc<CompiledDispatcher>| only.is_none_or(|id| compiled.dispatcher.id == *id);
    let starting: Vec<&Arc<CompiledDispatcher>> = candidates.matching(&event.value).filter(is_meant).collect();
    if starting.is_empty() {
        return nothing(MatchOutcome::Unmatched);
    }
    let actions = starting.iter().flat_map(|compiled| &compiled.dispatcher.body.actions);
    let runs = u64::try_from(starting.len()).unwrap_or(u64::MAX);
    let left = trace.budget.unwrap_or(event_budget);
    match budget::share(left, runs, actions.map(|action| action.retry.attempts)) {
        Some(share) => Decision { outcome: MatchOutcome::Matched, starting, share },
        None => nothing(MatchOutcome::BudgetExhausted),
    }
}
