//! How a run that is over goes on: its failed steps again, or one step with all that depends on it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::nearest;
use utoipa::ToSchema;

use super::{Command, Run, RunContext, RunStatus, Step, StepState};
use crate::dispatcher::OnFailure;

/// How far ahead an attempt is soon; one may also be later than `now` because it was requested after that was read.
const SOON: SignedDuration = SignedDuration::from_mins(1);
/// How many retries of a run are kept.
const MAX_RETRIES: usize = 20;

/// A retry of a run, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The same for the same request.
    pub(crate) id: String,
    /// The step to go on from; the failed steps if absent.
    pub(crate) from: Option<String>,
    /// The bulk retry that it is part of.
    pub(crate) bulk_id: Option<String>,
}

/// A retry of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunRetry {
    /// The id of the request, the same for the same `Idempotency-Key`.
    pub(crate) id: String,
    /// When it was retried.
    #[serde(with = "shared::clock::iso")]
    pub(crate) time: Timestamp,
    /// The step from which it went on; its failed steps if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The bulk retry that it was part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bulk_id: Option<String>,
    /// How the run had ended before.
    pub(crate) status: RunStatus,
    /// When it had ended before.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<Timestamp>,
}

/// Why a run is not retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRetried {
    /// It has not ended.
    #[error("the run is not over")]
    Open,
    /// It was ended by hand, which is final.
    #[error("the run was cancelled; replay its event to start another one")]
    Cancelled,
    /// There is nothing to repeat.
    #[error("no step of the run failed; name the step to go on from in `from`")]
    NothingFailed,
    /// It has no step of that name.
    #[error("{0}")]
    UnknownStep(String),
    /// The step would be skipped again.
    #[error("the step would be skipped again: {0}; go on from that one")]
    Blocked(String),
    /// The id of the request was used for another one.
    #[error("was used for another request")]
    OtherRequest,
    /// Its record is full.
    #[error("the record of the run has no room for further attempts")]
    NoRoom,
}

impl Run {
    /// Returns the retry of this id, if the run had it.
    pub(crate) fn retried(&self, id: &str) -> Option<&RunRetry> {
        self.retries.iter().find(|retry| retry.id == id)
    }

    /// Whether nothing is to be expected of it soon: it is over, or waits for the outside world or for its time.
    pub(crate) fn is_idle(&self, now: Timestamp) -> bool {
        let soon = now.checked_add(SOON).unwrap_or(now);
        let is_due = |step: &Step| step.requested_at().is_none_or(|requested_at| requested_at <= soon);
        !self.steps.iter().any(|step| step.status == StepState::Requested && is_due(step))
    }

    /// Goes on with a run that is over, and returns the commands of the steps that can start.
    ///
    /// Attempts are counted on from those before, so that they leave records of their own, and each step has as many as
    /// its action allows. The oldest attempts are forgotten where the record has no room for more.
    pub(crate) fn retry(
        &mut self,
        request: &Request,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<Vec<Command>, NotRetried> {
        match self.status {
            RunStatus::Running | RunStatus::Waiting => return Err(NotRetried::Open),
            RunStatus::Cancelled => return Err(NotRetried::Cancelled),
            // What it came to is about to be published, which is the last that happens to a run.
            _ if self.is_outcome_due => return Err(NotRetried::Open),
            RunStatus::Succeeded | RunStatus::Failed => {}
        }
        let chosen = match &request.from {
            Some(name) => self.with_dependents(name, context)?,
            None => self.failed_and_skipped(context),
        };
        if chosen.is_empty() {
            return Err(NotRetried::NothingFailed);
        }
        self.remember(request, now);
        for index in chosen {
            self.steps[index].reset();
        }
        self.status = RunStatus::Running;
        (self.finished_at, self.outcome_event_id, self.swept_at, self.sweeps) = (None, None, None, 0);
        self.make_room().then(|| self.settle(context, now)).ok_or(NotRetried::NoRoom)
    }

    /// Returns the positions of a step and of all that depend on it.
    fn with_dependents(&self, name: &str, context: &RunContext) -> Result<Vec<usize>, NotRetried> {
        let names = self.steps.iter().map(Step::name);
        let unknown = || NotRetried::UnknownStep(format!("names an {}", nearest::unknown("step", name, names.clone())));
        let first = self.steps.iter().position(|step| step.name() == name).ok_or_else(unknown)?;
        if let Some(why) = self.blocked(first) {
            return Err(NotRetried::Blocked(why));
        }
        let depends = |index: &usize| *index == first || context.plan.graph.depends(*index, first);
        Ok((0..self.steps.len()).filter(depends).collect())
    }

    /// Returns the positions of the steps that failed, and of those that were skipped because of them or may have been.
    ///
    /// A step that was allowed to fail stays as it is where another one has already done its work because of that.
    fn failed_and_skipped(&self, context: &RunContext) -> Vec<usize> {
        let graph = &context.plan.graph;
        let has_status = |index: usize, status: StepState| self.steps[index].status == status;
        let all = 0..self.steps.len();
        let is_settled = |failed: usize| {
            let went_on = |index: usize| graph.depends(index, failed) && has_status(index, StepState::Succeeded);
            self.steps[failed].action.on_failure == OnFailure::Continue && all.clone().any(went_on)
        };
        let failed: Vec<usize> =
            all.clone().filter(|index| has_status(*index, StepState::Failed) && !is_settled(*index)).collect();
        let is_skipped = |index: usize| {
            has_status(index, StepState::Skipped) && failed.iter().any(|failed| graph.depends(index, *failed))
        };
        all.filter(|index| failed.contains(index) || is_skipped(*index)).collect()
    }

    fn remember(&mut self, request: &Request, now: Timestamp) {
        let Request { id, from, bulk_id } = request.clone();
        let retry = RunRetry { id, time: now, from, bulk_id, status: self.status, finished_at: self.finished_at };
        self.retries.push(retry);
        let forgotten = self.retries.len().saturating_sub(MAX_RETRIES);
        self.retries.drain(..forgotten);
    }

    /// Forgets the oldest attempts and retries until the run fits into its row; returns `false` if it does not without
    /// them either.
    fn make_room(&mut self) -> bool {
        while !self.fits() {
            let pending = self.steps.iter_mut().filter(|step| step.status == StepState::Pending);
            let longest = pending.map(|step| step.attempts.len()).max().unwrap_or_default();
            if longest == 0 && self.retries.len() <= 1 {
                return false;
            }
            for step in self.steps.iter_mut().filter(|step| step.status == StepState::Pending) {
                let forgotten = step.attempts.len().saturating_sub(longest / 2);
                step.attempts.drain(..forgotten);
            }
            self.retries.drain(..self.retries.len() / 2);
        }
        true
    }
}

impl NotRetried {
    /// Returns the name of the reason.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Open => "NotOver",
            Self::Cancelled => "Cancelled",
            Self::NothingFailed => "NothingFailed",
            Self::UnknownStep(_) => "UnknownStep",
            Self::Blocked(_) => "Blocked",
            Self::OtherRequest => "OtherRequest",
            Self::NoRoom => "NoRoom",
        }
    }
}

impl Step {
    /// Makes the step as if nothing of it were done, except that its attempts are remembered.
    fn reset(&mut self) {
        self.status = StepState::Pending;
        self.retried_after = self.attempt();
        (self.output, self.error, self.reason) = (None, None, None);
    }
}

#[cfg(test)]
mod tests;
