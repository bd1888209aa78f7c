//! A run as it would be, compared with the run that was recorded.

use serde::Serialize;
use shared::event::DispatcherId;
use utoipa::ToSchema;

use crate::dispatcher::Dispatcher;
use crate::dispatcher::explain::Explanation;
use crate::rehearsal::{RehearsedState, RehearsedStep};
use crate::run::Run;

/// A run that would start, or that did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatedRun {
    /// The dispatcher; absent for one that does not exist yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatcher_id: Option<DispatcherId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatcher_name: Option<String>,
    /// Its position among the dispatchers of the request, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
    /// How it differs from what happened.
    change: RunChange,
    /// Why it would not start any more, or why it did not start then.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Explanation>,
    /// What its steps would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<SimulatedStep>,
    /// Whether its steps are left out, because the answer had become too large or too expensive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left_out: bool,
}

/// How a run differs from what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RunChange {
    /// It would start and did not.
    Added,
    /// It did start and would not.
    Removed,
    /// It would start as it did, but its steps would do something else.
    Changed,
    /// Its steps would do the same.
    Same,
    /// It would start as it did; whether its steps would do the same was not found out.
    NotCompared,
}

/// What a step would do, and what it did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatedStep {
    #[serde(flatten)]
    now: RehearsedStep,
    /// How it differs from what happened; absent where the run did not happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<StepChange>,
    /// What it did, if that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<RehearsedStep>,
}

/// How a step differs from what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StepChange {
    /// The run had no such step.
    Added,
    /// The run had the step, and would not have it; what is told of it is what it did.
    Removed,
    /// It would do something else.
    Changed,
    /// It would do the same.
    Same,
}

impl SimulatedRun {
    /// A run that would start, not compared yet.
    pub(super) fn starting(dispatcher: &Dispatcher, position: Option<usize>, recorded: Option<&Run>) -> Self {
        Self {
            // What does not exist yet has an id for the time of the simulation alone.
            dispatcher_id: (dispatcher.version > 0).then(|| dispatcher.id.clone()),
            dispatcher_name: dispatcher.body.name.clone(),
            position,
            change: if recorded.is_some() { RunChange::NotCompared } else { RunChange::Added },
            why: None,
            steps: Vec::new(),
            left_out: false,
        }
    }

    /// A run that did start and would not.
    pub(super) fn removed(recorded: &Run, position: Option<usize>, why: Explanation) -> Self {
        Self {
            dispatcher_id: Some(recorded.dispatcher_id.clone()),
            dispatcher_name: recorded.dispatcher_name.clone(),
            position,
            change: RunChange::Removed,
            why: Some(why),
            steps: Vec::new(),
            left_out: false,
        }
    }

    /// Returns how it differs from what happened.
    pub(crate) fn change(&self) -> RunChange {
        self.change
    }

    /// Says why the run did not start then, if that is known.
    pub(super) fn explain(&mut self, why: Option<Explanation>) {
        self.why = why;
    }

    /// Says that nothing is told of the steps.
    pub(super) fn leave_out(&mut self) {
        self.steps.clear();
        self.left_out = true;
    }

    /// Leaves out what takes most room: the steps, and what would match.
    pub(super) fn shorten(&mut self) {
        if !self.steps.is_empty() {
            self.leave_out();
        }
        if let Some(why) = &mut self.why {
            why.shorten();
        }
    }

    /// Compares what the steps would do with what they did.
    pub(super) fn compare(&mut self, now: Vec<RehearsedStep>, then: Option<Vec<RehearsedStep>>) {
        let Some(mut then) = then else {
            self.steps = now.into_iter().map(|now| SimulatedStep { now, change: None, then: None }).collect();
            return;
        };
        let compared = now.into_iter().map(|now| {
            let at = then.iter().position(|then| then.name == now.name && then.kind == now.kind);
            match at.map(|at| then.swap_remove(at)) {
                None => SimulatedStep { now, change: Some(StepChange::Added), then: None },
                Some(then) if do_the_same(&now, &then) => {
                    SimulatedStep { now, change: Some(StepChange::Same), then: None }
                }
                Some(then) => SimulatedStep { now, change: Some(StepChange::Changed), then: Some(then) },
            }
        });
        self.steps = compared.collect();
        let removed = |now: RehearsedStep| SimulatedStep { now, change: Some(StepChange::Removed), then: None };
        self.steps.extend(then.into_iter().map(removed));
        let is_same = self.steps.iter().all(|step| step.change == Some(StepChange::Same));
        self.change = if is_same { RunChange::Same } else { RunChange::Changed };
    }
}

/// Whether two steps do the same; why one does nothing is no difference.
fn do_the_same(now: &RehearsedStep, then: &RehearsedStep) -> bool {
    match (now.state, then.state) {
        (RehearsedState::Skipped, RehearsedState::Skipped) | (RehearsedState::Fails, RehearsedState::Fails) => true,
        (one, other) => one == other && now.command == then.command,
    }
}
