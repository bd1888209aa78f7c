//! How a run and each of its steps begin.

use jiff::Timestamp;
use pattern::Pattern;
use serde_json::{Map, Value, json};
use shared::bus::{ENTRY_LIMIT_BYTES, Entry};
use shared::event::{StepError, StepRequested};

use super::size;
use super::{Attempt, Command, Run, RunStatus, Step, StepState, When};
use crate::dispatcher::{Dispatcher, Graph, OnFailure};
use crate::event::Event;
use crate::template::{self, Failure, Scope};

impl Run {
    /// Starts a run and returns the commands of the steps that wait for no other.
    pub(crate) fn start(
        event: &Event,
        dispatcher: &Dispatcher,
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
            event_id: event.id().clone(),
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
        let commands = run.settle(event, now);
        (run, commands)
    }

    /// Begins every pending step whose dependencies are over, and finds out where the run stands then.
    pub(crate) fn settle(&mut self, event: &Event, now: Timestamp) -> Vec<Command> {
        let graph = self.graph();
        let mut commands = Vec::new();
        while let Some(index) = self.next_ready() {
            commands.extend(self.begin(index, graph.as_ref(), event, now));
        }
        self.close(now);
        commands
    }

    /// Finds out where the run stands.
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

    /// Skips a pending step, or requests it; afterwards it is pending no more.
    fn begin(&mut self, index: usize, graph: Option<&Graph>, event: &Event, now: Timestamp) -> Option<Command> {
        if let Some(reason) = self.blocked(index) {
            self.skip(index, &reason);
            return None;
        }
        let scope = self.scope(index, graph, &event.value);
        match self.steps[index].action.condition.as_ref().map(|condition| unmet(condition, &scope)) {
            Some(Ok(Some(reason))) => {
                self.skip(index, &reason);
                None
            }
            Some(Err(error)) => {
                self.give_up(index, &error);
                None
            }
            _ => self.request(index, graph, event, now),
        }
    }

    /// Requests the next attempt at a step, or fails it where no command can be made of it.
    pub(super) fn request(
        &mut self,
        index: usize,
        graph: Option<&Graph>,
        event: &Event,
        now: Timestamp,
    ) -> Option<Command> {
        let attempt = self.steps[index].attempt() + 1;
        match self.command(index, attempt, graph, event) {
            Ok(command) => {
                self.attempt(index, attempt, now);
                Some(command)
            }
            Err(error) => {
                self.give_up(index, &error);
                None
            }
        }
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
            finished_at: None,
            status: StepState::Requested,
            error: None,
        });
    }

    /// Makes the command of an attempt; the same for the same run, however often it is made.
    pub(super) fn command(
        &self,
        index: usize,
        attempt: u32,
        graph: Option<&Graph>,
        event: &Event,
    ) -> Result<Command, StepError> {
        let step = &self.steps[index];
        let scope = self.scope(index, graph, &event.value);
        let action = Value::Object(fill(step.action.command_fields(), &scope)?);
        let id = self.step_id(index, attempt);
        let request = StepRequested { id, action, event: event.envelope.clone() };
        let entry = Entry::command(&step.action.kind, &request);
        let entry = entry.map_err(|too_large| StepError::invocation("CommandTooLarge", too_large.to_string()))?;
        Ok(Command { id: request.id, when: When::Now(entry) })
    }

    /// Fails a step for good.
    pub(super) fn give_up(&mut self, index: usize, error: &StepError) {
        let step = &mut self.steps[index];
        step.status = StepState::Failed;
        step.error = Some(size::for_step(error));
    }

    fn skip(&mut self, index: usize, reason: &str) {
        let step = &mut self.steps[index];
        step.status = StepState::Skipped;
        step.reason = Some(size::for_reason(reason));
    }

    /// Says which dependency keeps a step from being done.
    fn blocked(&self, index: usize) -> Option<String> {
        let is_in_the_way = |step: &&Step| {
            matches!(step.status, StepState::Failed | StepState::Skipped) && step.action.on_failure == OnFailure::Fail
        };
        let step = self.parents(index).find(is_in_the_way)?;
        Some(format!("`{}` {}", step.name(), if step.status == StepState::Failed { "failed" } else { "was skipped" }))
    }
}

/// Says why a condition does not hold.
fn unmet(condition: &Value, scope: &Scope<'_>) -> Result<Option<String>, StepError> {
    let pattern = Pattern::compile(condition);
    let pattern = pattern.map_err(|error| StepError::invocation("ConditionError", error.to_string()))?;
    let steps: Map<String, Value> = scope.steps.iter().map(|step| (step.name.to_owned(), step.to_value())).collect();
    let seen = json!({"event": scope.event, "steps": steps});
    Ok(pattern.explain(&seen).map(|mismatch| format!("the condition does not hold: {mismatch}")))
}

/// Fills in the templates of a command's fields.
fn fill(fields: Map<String, Value>, scope: &Scope<'_>) -> Result<Map<String, Value>, StepError> {
    let mut budget_bytes = ENTRY_LIMIT_BYTES;
    let filled = fields.into_iter().map(|(name, value)| {
        let value = template::fill(&value, scope, &mut budget_bytes).map_err(|failure| match failure {
            Failure::Template(why) => StepError::invocation("TemplateError", format!("`{name}`: {why}")),
            Failure::TooLarge => {
                let message =
                    format!("`{name}` makes the command larger than the {ENTRY_LIMIT_BYTES} bytes of an event");
                StepError::invocation("CommandTooLarge", message)
            }
        })?;
        Ok((name, value))
    });
    filled.collect()
}
