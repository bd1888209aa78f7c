//! What the steps of a run would do, and what they did, without doing it.
//!
//! A rehearsal is a run like any other, which gets the answers that were recorded for steps of the same name. What was
//! never answered is not known: the steps that depend on it say so by name.

use std::sync::Arc;

use jiff::Timestamp;
use pattern::Mismatch;
use serde::Serialize;
use serde_json::Value;
use shared::event::{Answer, StepError, StepFinished, StepId};
use utoipa::ToSchema;

use crate::budget::Share;
use crate::dispatcher::CompiledDispatcher;
use crate::event::Event;
use crate::run::{Run, RunContext, RunStatus, Step, StepState};

/// What a step of a run would do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RehearsedStep {
    /// The name of the step.
    pub(crate) name: String,
    /// The type of its action.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Whether it would start.
    pub(crate) state: RehearsedState,
    /// The fields of its command, with all templates filled in that are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<Value>,
    /// What is not known, such as `steps.charge.output.id`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
    /// Why it is skipped, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The clauses of its condition that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mismatches: Vec<Value>,
    /// Why it fails before it starts, such as a template that cannot be filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
}

/// Whether a step would start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RehearsedState {
    /// Its command is sent.
    Starts,
    /// It is skipped.
    Skipped,
    /// It fails before its command is sent.
    Fails,
    /// That depends on steps whose results are not known.
    Depends,
}

/// Rehearses a run of a dispatcher, with the answers of the run that was recorded where there is one.
pub(crate) fn rehearse(
    compiled: &CompiledDispatcher,
    event: &Arc<Event>,
    share: Share,
    recorded: Option<&Run>,
    now: Timestamp,
) -> Vec<RehearsedStep> {
    let context = RunContext { event: event.clone(), plan: compiled.plan.clone() };
    let (mut run, _) = Run::start(&compiled.dispatcher, &context, share, now, 0);
    while let Some(finished) = recorded.and_then(|recorded| next_answer(&run, recorded))
        && run.apply(&finished, now)
    {
        run.settle(&context, now);
    }
    steps(&run, &context)
}

/// Returns what the steps of a recorded run did; without `answers` as far as it follows from the event alone.
pub(crate) fn repeat(recorded: &Run, event: &Arc<Event>, answers: bool, now: Timestamp) -> Vec<RehearsedStep> {
    let context = recorded.context(event.clone());
    if answers {
        return steps(recorded, &context);
    }
    let mut run = recorded.clone();
    // One that was cancelled is repeated as if it had not been.
    run.status = RunStatus::Running;
    for step in &mut run.steps {
        step.status = StepState::Pending;
        step.attempts.clear();
        (step.output, step.error, step.reason) = (None, None, None);
    }
    run.settle(&context, now);
    steps(&run, &context)
}

/// Returns the next answer that a rehearsed run waits for, if it was recorded.
fn next_answer(run: &Run, recorded: &Run) -> Option<StepFinished> {
    let waiting = run.steps.iter().filter(|step| step.status == StepState::Requested);
    let mut answers = waiting.filter_map(|step| {
        let same = |other: &&Step| other.name() == step.name() && other.action.kind == step.action.kind;
        let answer = answer(recorded.steps.iter().find(same)?)?;
        let id = StepId {
            event_id: run.event_id.clone(),
            dispatcher_id: run.dispatcher_id.clone(),
            step: step.name().to_owned(),
            attempt: step.attempt(),
        };
        Some(StepFinished { id, answer })
    });
    answers.next()
}

/// Returns the final answer to a recorded step, if there was one.
fn answer(step: &Step) -> Option<Answer> {
    let output = step.output.clone();
    match (step.status, &step.error) {
        _ if step.attempts.is_empty() => None,
        (StepState::Succeeded, _) => Some(Answer { output, ..Answer::succeeded(Value::Null) }),
        (StepState::Failed, Some(error)) => Some(Answer { output, ..Answer::failed(error.clone()) }),
        _ => None,
    }
}

fn steps(run: &Run, context: &RunContext) -> Vec<RehearsedStep> {
    let steps = run.steps.iter().enumerate();
    steps.map(|(index, step)| rehearsed(run, index, step, context)).collect()
}

fn rehearsed(run: &Run, index: usize, step: &Step, context: &RunContext) -> RehearsedStep {
    let blank = RehearsedStep {
        name: step.name().to_owned(),
        kind: step.action.kind.clone(),
        state: RehearsedState::Starts,
        command: None,
        unknown: Vec::new(),
        reason: None,
        mismatches: Vec::new(),
        error: None,
    };
    let scope = run.scope(index, context);
    if !step.attempts.is_empty() {
        return match context.plan.command_fields(index, &scope) {
            Ok(command) => RehearsedStep { command: Some(command), ..blank },
            Err(error) => RehearsedStep { error: Some(error), ..blank },
        };
    }
    let failed_clauses = || {
        let failed = context.plan.failed_clauses(index, &scope);
        failed.iter().map(Mismatch::to_json).collect()
    };
    match (step.status, run.blocked(index)) {
        (StepState::Skipped, None) => {
            let reason = step.reason.clone();
            RehearsedStep { state: RehearsedState::Skipped, reason, mismatches: failed_clauses(), ..blank }
        }
        (StepState::Skipped, Some(_)) => {
            RehearsedStep { state: RehearsedState::Skipped, reason: step.reason.clone(), ..blank }
        }
        (StepState::Pending, Some(reason)) => {
            RehearsedStep { state: RehearsedState::Skipped, reason: Some(reason), ..blank }
        }
        (StepState::Pending, None) => pending(run, index, context, blank),
        _ => RehearsedStep { state: RehearsedState::Fails, error: step.error.clone(), ..blank },
    }
}

/// Describes a step whose dependencies are not all over, as far as it is known.
fn pending(run: &Run, index: usize, context: &RunContext, blank: RehearsedStep) -> RehearsedStep {
    let (plan, scope) = (&context.plan, run.scope(index, context));
    let open: Vec<&str> = run
        .steps
        .iter()
        .enumerate()
        .filter(|(other, step)| plan.graph.depends(index, *other) && !step.status.is_over())
        .map(|(_, step)| step.name())
        .collect();
    let names = open.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let reason = Some(format!("the result of {names} is not known"));
    let depends = RehearsedStep { state: RehearsedState::Depends, reason, ..blank };
    let mut unknown: Vec<String> =
        open.iter().filter(|name| plan.has_condition_on(index, name)).map(|name| format!("steps.{name}")).collect();
    if unknown.is_empty() {
        match plan.unmet_condition(index, &scope) {
            Ok(None) => {}
            Ok(reason) => {
                let failed = plan.failed_clauses(index, &scope);
                let mismatches = failed.iter().map(Mismatch::to_json).collect();
                return RehearsedStep { state: RehearsedState::Skipped, reason, mismatches, ..depends };
            }
            Err(error) => return RehearsedStep { error: Some(error), ..depends },
        }
    }
    match plan.known_fields(index, &scope, &|name| open.contains(&name)) {
        Err(error) => RehearsedStep { unknown, error: Some(error), ..depends },
        Ok((mut fields, of_fields)) => {
            for (name, template) in run.steps[index].action.command_fields() {
                fields.entry(name).or_insert(template);
            }
            unknown.extend(of_fields);
            RehearsedStep { unknown, command: Some(Value::Object(fields)), ..depends }
        }
    }
}
