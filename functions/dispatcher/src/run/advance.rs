//! How answers and time change a run.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::event::{StepError, StepFinished, StepId, StepStatus};

use super::size;
use super::{Command, FIRST_RESEND_DELAY, Run, RunContext, Step, StepState, When};

impl Run {
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
                let unknown = || StepError::invocation("Unknown", "the step failed without a reason");
                self.fail(index, &answer.error.clone().unwrap_or_else(unknown), at);
            }
        }
        true
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

    /// Fails the current attempt, and plans the next where one is left.
    fn fail(&mut self, index: usize, error: &StepError, at: Timestamp) {
        self.finish(index, StepState::Failed, Some(error), at);
        let step = &self.steps[index];
        let (attempt, retry) = (step.attempt(), step.action.retry);
        // What may have been done is not done again, nor is what was done and would have the same output.
        let is_done = [StepError::OUTCOME_UNKNOWN, StepError::OUTPUT_TOO_LARGE].contains(&error.name.as_str());
        if attempt < retry.attempts && !is_done {
            let due = at.checked_add(SignedDuration::from_secs(retry.delay_s(attempt).into())).unwrap_or(at);
            self.steps[index].error = None;
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

    /// Returns the commands of requested steps that wait for an answer, of those that `which` takes.
    ///
    /// Commands that are due later than `now` come with their time.
    pub(crate) fn requested(
        &self,
        context: &RunContext,
        now: Timestamp,
        which: impl Fn(usize, &Step) -> bool,
    ) -> Vec<Command> {
        let steps = self.steps.iter().enumerate();
        let chosen = steps.filter(|(index, step)| step.status == StepState::Requested && which(*index, step));
        let commands = chosen.filter_map(|(index, step)| {
            let due = step.requested_at().unwrap_or(now);
            if due > now {
                return Some(Command { id: self.step_id(index, step.attempt()), when: When::At(due) });
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
            false => context.plan.depends(index, answered_index),
        })
    }

    /// Fails attempts past their deadline, and returns the commands that follow and those that have been unanswered for
    /// too long; `None` if it is not time yet.
    pub(crate) fn sweep(&mut self, context: &RunContext, now: Timestamp) -> Option<Vec<Command>> {
        if self.is_over() || self.next_check().is_none_or(|check| check > now) {
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
        self.next_check()?.checked_sub(FIRST_RESEND_DELAY).ok()
    }
}

fn timed_out(step: &Step) -> StepError {
    match step.action.timeout_seconds {
        Some(seconds) => StepError::invocation("TimedOut", format!("no outcome within {seconds} seconds")),
        None => {
            let message = format!("the command {}.requested was never answered", step.action.kind);
            StepError::invocation("Unanswered", message)
        }
    }
}
