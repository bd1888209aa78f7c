//! How a run and its steps start, and how answers and time change them.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::bus::Entry;
use shared::event::command::ActionType;
use shared::event::{EventType, FailedResponse, StepError, StepFinished, StepId, StepRequested, StepStatus};

use super::size;
use super::{Attempt, Command, FIRST_RESEND_DELAY, Run, RunContext, RunStatus, Step, StepState, When};
use crate::budget::{self, Share};
use crate::dispatcher::{COMMAND_TOO_LARGE, Dispatcher, OnFailure};

/// The name of the failure of a step that no function does.
const NOBODY_DOES_IT: &str = "UnknownActionType";

impl Run {
    /// Starts a run and returns the commands of the steps that wait for no other.
    pub(crate) fn start(
        dispatcher: &Dispatcher,
        context: &RunContext,
        share: Share,
        now: Timestamp,
        expires_at: i64,
    ) -> (Self, Vec<Command>) {
        let steps = dispatcher.body.actions.iter().map(|action| Step {
            action: action.clone(),
            status: StepState::Pending,
            attempts: Vec::new(),
            retried_after: 0,
            output: None,
            error: None,
            reason: None,
        });
        let envelope = &context.event.envelope;
        let mut run = Self {
            event_id: envelope.id.clone(),
            tenant_id: envelope.tenant_id.clone(),
            event_type: envelope.kind.clone(),
            channel_id: context.event.channel_id(),
            dispatcher_id: dispatcher.id.clone(),
            dispatcher_name: dispatcher.body.name.clone(),
            status: RunStatus::Running,
            started_at: now,
            finished_at: None,
            steps: steps.collect(),
            step_budget: share.step,
            outcome_budget: share.outcome,
            endings: 0,
            outcome_event_id: None,
            is_outcome_due: false,
            retries: Vec::new(),
            swept_at: None,
            sweeps: 0,
            version: 1,
            expires_at,
        };
        let commands = run.settle(context, now);
        (run, commands)
    }

    /// Starts every pending step whose dependencies are over, and updates the status of the run.
    pub(crate) fn settle(&mut self, context: &RunContext, now: Timestamp) -> Vec<Command> {
        let mut commands = Vec::new();
        while self.status != RunStatus::Cancelled
            && let Some(index) = self.next_ready()
        {
            commands.extend(self.start_step(index, context, now));
        }
        self.close(now);
        commands
    }

    /// Updates the status of the run.
    pub(crate) fn close(&mut self, now: Timestamp) {
        let any = |status: StepState| self.steps.iter().any(|step| step.status == status);
        let is_fatal = |step: &Step| step.status == StepState::Failed && step.action.on_failure == OnFailure::Fail;
        self.status = match () {
            () if self.status == RunStatus::Cancelled => RunStatus::Cancelled,
            () if any(StepState::Requested) => RunStatus::Running,
            () if any(StepState::Waiting) => RunStatus::Waiting,
            () if any(StepState::Pending) => RunStatus::Running,
            () if self.steps.iter().any(is_fatal) => RunStatus::Failed,
            () => RunStatus::Succeeded,
        };
        if self.is_over() && self.finished_at.is_none() {
            self.finished_at = Some(now);
            self.endings += 1;
        }
    }

    fn parents(&self, index: usize) -> impl Iterator<Item = &Step> {
        let names = &self.steps[index].action.dependencies;
        names.iter().filter_map(|name| self.steps.iter().find(|step| step.name() == name))
    }

    fn next_ready(&self) -> Option<usize> {
        let is_ready = |index: &usize| {
            self.steps[*index].status == StepState::Pending && self.parents(*index).all(|step| step.status.is_over())
        };
        (0..self.steps.len()).find(is_ready)
    }

    /// Skips a pending step, requests it, or fails it if its command cannot be built.
    fn start_step(&mut self, index: usize, context: &RunContext, now: Timestamp) -> Option<Command> {
        let unneeded = match self.blocked(index) {
            None => context.plan.unmet_condition(index, &self.scope(index, context)),
            blocked => Ok(blocked),
        };
        let attempt = self.steps[index].attempt() + 1;
        let command = match unneeded {
            Ok(None) => self.command(index, attempt, context),
            Ok(Some(reason)) => {
                self.steps[index].status = StepState::Skipped;
                self.steps[index].reason = Some(size::cut(&reason, size::STEP_MESSAGE_LIMIT_BYTES));
                return None;
            }
            Err(error) => Err(error),
        };
        let failed = |error: StepError| {
            self.steps[index].status = StepState::Failed;
            self.steps[index].error = Some(size::shortened(&error, size::STEP_MESSAGE_LIMIT_BYTES));
        };
        let command = command.map_err(failed).ok()?;
        self.attempt(index, attempt, now);
        Some(Command { times_out_at: self.steps[index].times_out_at(), ..command })
    }

    /// Records that an attempt is requested.
    pub(super) fn attempt(&mut self, index: usize, attempt: u32, requested_at: Timestamp) {
        let step = &mut self.steps[index];
        step.status = StepState::Requested;
        step.attempts.push(Attempt {
            attempt,
            requested_at,
            started_at: None,
            waiting_at: None,
            resumed_by: None,
            finished_at: None,
            status: StepState::Requested,
            error: None,
            record: None,
            response: None,
        });
    }

    /// Builds the command of an attempt, always the same for the same run.
    pub(super) fn command(&self, index: usize, attempt: u32, context: &RunContext) -> Result<Command, StepError> {
        let step = &self.steps[index];
        ActionType::find(&step.action.kind)
            .map_err(|unknown| StepError::invocation(NOBODY_DOES_IT, unknown.to_string()))?;
        let action = context.plan.command_fields(index, &self.scope(index, context))?;
        let kind = EventType::parse(format!("{}.requested", step.action.kind));
        let kind = kind.map_err(|invalid| StepError::bad_request(format!("the command's type {invalid}")))?;
        let id = self.step_id(index, attempt);
        let request = StepRequested { id, action, event: &context.event.envelope };
        let made = attempt.saturating_sub(step.retried_after);
        let budget = budget::of_attempt(self.step_budget, made, step.action.retry.attempts);
        let entry = Entry::command(kind, &request, budget);
        let entry = entry.map_err(|too_large| StepError::invocation(COMMAND_TOO_LARGE, too_large.to_string()))?;
        Ok(Command { id: request.id, when: When::Now(entry), times_out_at: step.times_out_at() })
    }

    /// Says which dependency blocks a step.
    pub(crate) fn blocked(&self, index: usize) -> Option<String> {
        let is_blocking = |step: &&Step| {
            matches!(step.status, StepState::Failed | StepState::Skipped) && step.action.on_failure == OnFailure::Fail
        };
        let step = self.parents(index).find(is_blocking)?;
        Some(format!("`{}` {}", step.name(), if step.status == StepState::Failed { "failed" } else { "was skipped" }))
    }

    /// Applies an answer that was given at a time; returns `false` if it changes nothing, because it is late or repeated.
    ///
    /// A failed attempt is followed by the next where attempts are left. [`Run::advance`] or [`Run::close`] must follow.
    pub(crate) fn apply(&mut self, StepFinished { id, answer }: &StepFinished, at: Timestamp) -> bool {
        let Some(index) = self.steps.iter().position(|step| step.name() == id.step) else { return false };
        let step = &mut self.steps[index];
        let is_repeated = step.status == StepState::Waiting && answer.status == StepStatus::Waiting;
        let is_open = matches!(step.status, StepState::Requested | StepState::Waiting);
        if !is_open || is_repeated || step.attempt() != id.attempt {
            return false;
        }
        let Some(attempt) = step.attempts.last_mut() else { return false };
        attempt.started_at = answer.started_at.or(attempt.started_at);
        attempt.record = answer.record.as_ref().map(size::record).or_else(|| attempt.record.take());
        self.sweeps = 0;
        match answer.status {
            StepStatus::Waiting => {
                attempt.waiting_at = Some(at.max(attempt.requested_at));
                attempt.status = StepState::Waiting;
                step.status = StepState::Waiting;
            }
            StepStatus::Succeeded => {
                attempt.resumed_by =
                    answer.resumed_by.as_deref().map(|name| size::cut(name, size::RESUMED_BY_LIMIT_BYTES));
                self.succeed(index, answer.output.as_ref(), at);
            }
            StepStatus::Failed => {
                self.keep_response(index, answer.response.as_ref());
                let unknown = || StepError::invocation("Unknown", "the step failed without a reason");
                self.steps[index].output.clone_from(&answer.output);
                if !self.fits() {
                    self.steps[index].output = None;
                }
                self.fail(index, &answer.error.clone().unwrap_or_else(unknown), at);
            }
        }
        true
    }

    /// Keeps what a server answered, where the run has room for it.
    fn keep_response(&mut self, index: usize, response: Option<&FailedResponse>) {
        let of_attempt = |run: &mut Self, response| {
            if let Some(attempt) = run.steps[index].attempts.last_mut() {
                attempt.response = response;
            }
        };
        of_attempt(self, response.cloned());
        if !self.fits() {
            let without_body = response.map(|response| FailedResponse { body: None, ..*response });
            of_attempt(self, without_body);
        }
    }

    fn succeed(&mut self, index: usize, output: Option<&Value>, at: Timestamp) {
        self.steps[index].output = output.cloned();
        if self.fits() {
            return self.finish(index, StepState::Succeeded, None, at);
        }
        self.steps[index].output = None;
        let message = "the outputs of all steps together are too long";
        self.fail(index, &StepError::invocation(StepError::OUTPUT_TOO_LARGE, message), at);
    }

    /// Fails the current attempt, and plans the next where one is left, unless the run is cancelled.
    fn fail(&mut self, index: usize, error: &StepError, at: Timestamp) {
        self.finish(index, StepState::Failed, Some(error), at);
        let step = &self.steps[index];
        let (attempt, made, retry) = (step.attempt(), step.attempts_made(), step.action.retry);
        if made < retry.attempts && !error.is_final() && self.status != RunStatus::Cancelled {
            let due = at.checked_add(SignedDuration::from_secs(retry.delay_s(made).into())).unwrap_or(at);
            (self.steps[index].error, self.steps[index].output) = (None, None);
            self.attempt(index, attempt + 1, due);
        }
    }

    fn finish(&mut self, index: usize, status: StepState, error: Option<&StepError>, at: Timestamp) {
        let step = &mut self.steps[index];
        step.status = status;
        step.error = error.map(|error| size::shortened(error, size::STEP_MESSAGE_LIMIT_BYTES));
        if let Some(attempt) = step.attempts.last_mut() {
            attempt.finished_at = Some(at.max(attempt.requested_at));
            attempt.status = status;
            attempt.error = error.map(|error| size::shortened(error, size::ATTEMPT_MESSAGE_LIMIT_BYTES));
        }
    }

    /// Whether continuing after an answer that changed the run needs the context: for the commands that follow.
    pub(crate) fn needs_context(&self, answered: &StepId) -> bool {
        let is_next_attempt = |step: &Step| step.name() == answered.step && step.attempt() > answered.attempt;
        self.steps.iter().any(|step| step.status == StepState::Pending || is_next_attempt(step))
    }

    /// Continues after an answer that changed the run and returns the commands that follow from it.
    pub(crate) fn advance(&mut self, answered: &StepId, context: &RunContext, now: Timestamp) -> Vec<Command> {
        let mut commands = self.requested(context, now, |_, step| step.name() == answered.step);
        commands.extend(self.settle(context, now));
        commands
    }

    /// Returns the commands of requested steps that wait for an answer, of those that `which` takes; none of a run that
    /// is over.
    ///
    /// Commands that are due later than `now` come with their time.
    pub(crate) fn requested(
        &self,
        context: &RunContext,
        now: Timestamp,
        which: impl Fn(usize, &Step) -> bool,
    ) -> Vec<Command> {
        if self.is_over() {
            return Vec::new();
        }
        let steps = self.steps.iter().enumerate();
        let chosen = steps.filter(|(index, step)| step.status == StepState::Requested && which(*index, step));
        let commands = chosen.filter_map(|(index, step)| {
            let due = step.requested_at().unwrap_or(now);
            if due > now {
                let id = self.step_id(index, step.attempt());
                return Some(Command { id, when: When::At(due), times_out_at: step.times_out_at() });
            }
            self.command(index, step.attempt(), context).ok()
        });
        commands.collect()
    }

    /// Returns the unanswered commands that follow from the answer to another: the next attempt at its step, and the
    /// steps that depend on it.
    pub(crate) fn requested_by(&self, answered: &StepId, context: &RunContext, now: Timestamp) -> Vec<Command> {
        let Some(answered_index) = self.steps.iter().position(|step| step.name() == answered.step) else {
            return Vec::new();
        };
        self.requested(context, now, |index, step| match index == answered_index {
            true => step.attempt() > answered.attempt,
            false => context.plan.graph.depends(index, answered_index),
        })
    }

    /// Fails attempts past their deadline, and returns the commands that follow and those that have been unanswered for
    /// too long; `None` if it is not time yet.
    pub(crate) fn sweep(&mut self, context: &RunContext, now: Timestamp) -> Option<Vec<Command>> {
        if self.next_check().is_none_or(|check| check > now) {
            return None;
        }
        let late = |(_, step): &(usize, &Step)| step.deadline().is_some_and(|deadline| deadline <= now);
        let late: Vec<usize> = self.steps.iter().enumerate().filter(late).map(|(index, _)| index).collect();
        for index in &late {
            self.fail(*index, &timed_out(&self.steps[*index]), now);
        }
        let resent = self.requested(context, now, |index, step| {
            late.contains(&index) || self.resend_at(step).is_some_and(|time| time <= now)
        });
        let mut commands = self.settle(context, now);
        commands.extend(resent);
        // The delay starts over when a step makes progress.
        self.sweeps = if late.is_empty() { self.sweeps + 1 } else { 0 };
        self.swept_at = Some(now);
        Some(commands)
    }

    /// Returns the sort key in the index of open runs: the sweeper checks the run a minute after it.
    pub(crate) fn touched_at(&self) -> Option<Timestamp> {
        if self.is_outcome_due && self.is_over() {
            return self.finished_at;
        }
        self.next_check()?.checked_sub(FIRST_RESEND_DELAY).ok()
    }
}

fn timed_out(step: &Step) -> StepError {
    match step.action.timeout_seconds {
        Some(seconds) => StepError::invocation("TimedOut", format!("no outcome within {seconds} seconds")),
        None => {
            let (kind, minutes) = (&step.action.kind, step.answers_within_s() / 60);
            let message =
                format!("the command {kind}.requested was not answered within {minutes} minutes; it may still be done");
            StepError::invocation(StepError::UNANSWERED, message)
        }
    }
}
