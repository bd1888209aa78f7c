//! A run: one dispatcher working on one event, step by step; its decisions are pure.
//!
//! [`Run::start`], [`Run::apply`] with [`Run::advance`], and [`Run::sweep`] change a run and return the commands that
//! follow. A step or run that is over never changes again.

mod advance;
mod cancel;
mod retry;
mod size;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::bus::Entry;
use shared::event::command::{ANSWERS_WITHIN_S, ActionType};
use shared::event::{
    ChannelId, DispatcherId, EventId, EventType, FailedResponse, StepError, StepId, StepRecord, TenantId,
};
use shared::json::present;
use utoipa::ToSchema;

use crate::dispatcher::{Action, Plan};
use crate::event::Event;
use crate::template::{Scope, StepResult};
pub(crate) use view::{ListedRun, RunView};

pub(crate) use retry::{NotRetried, Request as RetryRequest, RunRetry};

/// How long a command may stay unanswered before it is sent again for the first time.
const FIRST_RESEND_DELAY: SignedDuration = SignedDuration::from_mins(1);
/// The longest such delay.
const MAX_RESEND_DELAY: SignedDuration = SignedDuration::from_hours(1);

/// One dispatcher working on one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) event_id: EventId,
    pub(crate) tenant_id: TenantId,
    pub(crate) event_type: EventType,
    /// The channel that the event came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channel_id: Option<ChannelId>,
    pub(crate) dispatcher_id: DispatcherId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dispatcher_name: Option<String>,
    pub(crate) status: RunStatus,
    #[serde(with = "shared::clock::iso")]
    pub(crate) started_at: Timestamp,
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) steps: Vec<Step>,
    /// How many events and steps each of its steps may cause.
    pub(crate) step_budget: u64,
    /// How many events and steps the facts about its outcome may cause.
    #[serde(default)]
    pub(crate) outcome_budget: u64,
    /// How often it has ended: once, and once more whenever it is done again.
    #[serde(default)]
    pub(crate) endings: u32,
    /// The fact about its outcome, where a dispatcher listens for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome_event_id: Option<EventId>,
    /// Whether that fact is still to be published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_outcome_due: bool,
    /// The latest retries of the run by hand, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) retries: Vec<RunRetry>,
    /// When commands were last sent again, and how often in a row.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) swept_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) sweeps: u32,
    /// Counts the writes of the row, from 1.
    pub(crate) version: u64,
    /// When the row may be deleted, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RunStatus {
    /// At least one step is in progress.
    Running,
    /// Steps wait for the outside world or for their time, and nothing else is in progress.
    Waiting,
    /// Every step is over and none failed, except where that was allowed.
    Succeeded,
    /// Every step is over and at least one failed.
    Failed,
    /// Somebody ended it; what was under way then may still be answered.
    Cancelled,
}

/// One action within a run, as it was when the event happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) status: StepState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attempts: Vec<Attempt>,
    /// The number of the last attempt before the step was last retried by hand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retried_after: u32,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
    /// Why the step was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The status of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StepState {
    /// It waits for the steps that it depends on.
    Pending,
    /// Its command was sent, or will be sent at a set time.
    Requested,
    /// Its function has answered that it waits.
    Waiting,
    /// It is done.
    Succeeded,
    /// It failed in its last attempt.
    Failed,
    /// It was not needed, or could not be done.
    Skipped,
}

/// One attempt at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    /// Counts from 1.
    pub(crate) attempt: u32,
    /// When its command was or will be sent.
    #[serde(with = "shared::clock::iso")]
    pub(crate) requested_at: Timestamp,
    /// When the work began.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    /// When it began to wait.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) waiting_at: Option<Timestamp>,
    /// What ended the waiting, such as `callback.called`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resumed_by: Option<String>,
    /// When it ended.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<Timestamp>,
    /// Its status.
    pub(crate) status: StepState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
    /// The record that it has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<StepRecord>,
    /// What a server answered that did not do what it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<FailedResponse>,
}

/// What the commands of a run are built from.
#[derive(Debug, Clone)]
pub(crate) struct RunContext {
    /// The event that started the run.
    pub(crate) event: Arc<Event>,
    /// The actions of the dispatcher, as they were then.
    pub(crate) plan: Arc<Plan>,
}

/// A command that follows from a change of a run.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) id: StepId,
    pub(crate) when: When,
    /// When the attempt fails if it has no outcome by then, where its action says so.
    pub(crate) times_out_at: Option<Timestamp>,
}

/// When a command is sent.
#[derive(Debug, Clone)]
pub(crate) enum When {
    /// At once.
    Now(Entry),
    /// Later, by a schedule.
    At(Timestamp),
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl StepState {
    /// Whether nothing will change any more.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }

    /// Returns the name of the state.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Requested => "requested",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Step {
    /// Returns the name, unique within the run.
    pub(crate) fn name(&self) -> &str {
        self.action.step_name()
    }

    /// Returns the number of the current or last attempt.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempts.last().map_or(self.retried_after, |attempt| attempt.attempt)
    }

    /// Returns how many attempts of those that its action allows are made.
    fn attempts_made(&self) -> u32 {
        self.attempt().saturating_sub(self.retried_after)
    }

    /// Whether an attempt at the step was ever answered.
    pub(crate) fn has_answered(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.waiting_at.is_some() || attempt.finished_at.is_some())
    }

    /// Returns when the current attempt fails because its action has a timeout.
    pub(crate) fn times_out_at(&self) -> Option<Timestamp> {
        self.action.timeout_seconds.and_then(|_| self.deadline())
    }

    /// Returns within how many seconds a function answers the command.
    fn answers_within_s(&self) -> u32 {
        ActionType::find(&self.action.kind).map_or(ANSWERS_WITHIN_S, |kind| kind.answers_within_s)
    }

    /// Returns the record that the last attempt has left.
    pub(crate) fn record(&self) -> Option<&StepRecord> {
        self.attempts.last()?.record.as_ref()
    }

    /// Returns what a server answered that did not do what the last attempt asked.
    pub(crate) fn response(&self) -> Option<&FailedResponse> {
        self.attempts.last()?.response.as_ref()
    }

    fn requested_at(&self) -> Option<Timestamp> {
        self.attempts.last().map(|attempt| attempt.requested_at)
    }

    /// Returns when the current attempt fails if nothing else happens.
    fn deadline(&self) -> Option<Timestamp> {
        let limit = match (self.status, self.action.timeout_seconds) {
            (StepState::Requested | StepState::Waiting, Some(seconds)) => SignedDuration::from_secs(seconds.into()),
            // Who answers that a step waits has taken it over, and answers again in its own time.
            (StepState::Requested, None) => SignedDuration::from_secs(self.answers_within_s().into()),
            _ => return None,
        };
        self.requested_at()?.checked_add(limit).ok()
    }
}

impl Run {
    /// Whether nothing will start any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled)
    }

    /// Returns when an attempt was or will be requested, if it is the current one.
    pub(crate) fn due_at(&self, id: &StepId) -> Option<Timestamp> {
        let step = self.steps.iter().find(|step| step.name() == id.step && step.attempt() == id.attempt)?;
        step.requested_at()
    }

    /// Returns when an attempt times out, if it is the current one.
    pub(crate) fn times_out_at(&self, id: &StepId) -> Option<Timestamp> {
        let step = self.steps.iter().find(|step| step.name() == id.step && step.attempt() == id.attempt)?;
        step.times_out_at()
    }

    /// Returns the id of an attempt at a step.
    fn step_id(&self, index: usize, attempt: u32) -> StepId {
        StepId {
            event_id: self.event_id.clone(),
            dispatcher_id: self.dispatcher_id.clone(),
            step: self.steps[index].name().to_owned(),
            attempt,
        }
    }

    /// Returns when the sweeper must check the run, if nothing happens before.
    pub(crate) fn next_check(&self) -> Option<Timestamp> {
        let checks = self.steps.iter().filter_map(|step| {
            let is_resent = step.status == StepState::Requested && self.status != RunStatus::Cancelled;
            let resend = is_resent.then(|| self.resend_at(step)).flatten();
            resend.into_iter().chain(step.deadline()).min()
        });
        checks.min()
    }

    /// Returns when the command of a requested step is sent again: after a minute, then after ever longer delays.
    fn resend_at(&self, step: &Step) -> Option<Timestamp> {
        let requested_at = step.requested_at()?;
        let from = self.swept_at.map_or(requested_at, |swept_at| swept_at.max(requested_at));
        let delay = FIRST_RESEND_DELAY.saturating_mul(1 << self.sweeps.min(16)).min(MAX_RESEND_DELAY);
        from.checked_add(delay).ok()
    }

    /// Returns what the commands are built from, for a run that was loaded.
    pub(crate) fn context(&self, event: Arc<Event>) -> RunContext {
        RunContext { event, plan: Arc::new(Plan::new(self.steps.iter().map(|step| &step.action))) }
    }

    /// Returns what a step can see: the event, and the steps that it depends on as far as they are over.
    pub(crate) fn scope<'a>(&'a self, index: usize, context: &'a RunContext) -> Scope<'a> {
        let steps = self.steps.iter().enumerate();
        let visible = steps.filter(|(other, step)| step.status.is_over() && context.plan.graph.depends(index, *other));
        let result = |(_, step): (usize, &'a Step)| StepResult {
            name: step.name(),
            status: step.status.as_str(),
            output: step.output.as_ref(),
            error: step.error.as_ref(),
        };
        Scope { event: &context.event.value, steps: visible.map(result).collect() }
    }
}
