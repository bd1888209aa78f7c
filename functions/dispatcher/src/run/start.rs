//! How a run and each of its steps start.

use jiff::Timestamp;
use shared::bus::Entry;
use shared::event::{EventType, StepError, StepRequested};

use super::size;
use super::{Attempt, Command, Run, RunContext, RunStatus, Step, StepState, When};
use crate::dispatcher::{COMMAND_TOO_LARGE, Dispatcher, OnFailure};

impl Run {
    /// Starts a run and returns the commands of the steps that wait for no other.
    pub(crate) fn start(
        dispatcher: &Dispatcher,
        context: &RunContext,
        now: Timestamp,
        expires_at: i64,
    ) -> (Self, Vec<Command>) {
        let steps = dispatcher.actions.iter().map(|action| Step {
            action: action.clone(),
            status: StepState::Pending,
            attempts: Vec::new(),
            output: None,
            error: None,
            reason: None,
        });
        let mut run = Self {
            event_id: context.event.id().clone(),
            dispatcher_id: dispatcher.id.clone(),
            dispatcher_name: dispatcher.name.clone(),
            status: RunStatus::Running,
            started_at: now,
            finished_at: None,
            steps: steps.collect(),
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
        while let Some(index) = self.next_ready() {
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
            () if any(StepState::Requested) => RunStatus::Running,
            () if any(StepState::Waiting) => RunStatus::Waiting,
            () if any(StepState::Pending) => RunStatus::Running,
            () if self.steps.iter().any(is_fatal) => RunStatus::Failed,
            () => RunStatus::Succeeded,
        };
        if self.is_over() && self.finished_at.is_none() {
            self.finished_at = Some(now);
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
        Some(command)
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
        });
    }

    /// Builds the command of an attempt, always the same for the same run.
    pub(super) fn command(&self, index: usize, attempt: u32, context: &RunContext) -> Result<Command, StepError> {
        let step = &self.steps[index];
        let action = context.plan.command_fields(index, &self.scope(index, context))?;
        let kind = EventType::parse(format!("{}.requested", step.action.kind));
        let kind = kind.map_err(|invalid| StepError::bad_request(format!("the command's type {invalid}")))?;
        let id = self.step_id(index, attempt);
        let request = StepRequested { id, action, event: context.event.envelope.clone() };
        let entry = Entry::command(kind, &request);
        let entry = entry.map_err(|too_large| StepError::invocation(COMMAND_TOO_LARGE, too_large.to_string()))?;
        Ok(Command { id: request.id, when: When::Now(entry) })
    }

    /// Says which dependency blocks a step.
    fn blocked(&self, index: usize) -> Option<String> {
        let is_blocking = |step: &&Step| {
            matches!(step.status, StepState::Failed | StepState::Skipped) && step.action.on_failure == OnFailure::Fail
        };
        let step = self.parents(index).find(is_blocking)?;
        Some(format!("`{}` {}", step.name(), if step.status == StepState::Failed { "failed" } else { "was skipped" }))
    }
}
