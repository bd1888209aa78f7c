//! The actions of a dispatcher, compiled once for all of their commands.

use pattern::{Pattern, PatternError};
use serde_json::{Map, Value, json};
use shared::bus::ENTRY_LIMIT_BYTES;
use shared::event::StepError;

use super::{Action, Graph};
use crate::template::{Failure, Scope, TemplateValue};

/// What the steps of a run do, by the position of their actions.
#[derive(Debug)]
pub(crate) struct Plan {
    graph: Graph,
    actions: Vec<CompiledAction>,
}

/// An action; what is wrong with it fails its step when the step starts.
#[derive(Debug)]
struct CompiledAction {
    condition: Option<Result<Pattern, PatternError>>,
    fields: Vec<(String, Result<TemplateValue, String>)>,
}

impl Plan {
    /// Compiles actions.
    pub(crate) fn new<'a>(actions: impl Iterator<Item = &'a Action> + Clone) -> Self {
        let compiled = actions.clone().map(|action| {
            let fields = action.command_fields().into_iter();
            CompiledAction {
                condition: action.condition.as_ref().map(Pattern::compile),
                fields: fields.map(|(name, value)| (name, TemplateValue::parse(value))).collect(),
            }
        });
        Self { actions: compiled.collect(), graph: Graph::new(actions).unwrap_or_default() }
    }

    /// Whether `ancestor` must be over before `action` starts.
    pub(crate) fn depends(&self, action: usize, ancestor: usize) -> bool {
        self.graph.depends(action, ancestor)
    }

    /// Returns why the condition of an action does not hold; `None` if it does or if there is none.
    pub(crate) fn unmet_condition(&self, action: usize, scope: &Scope<'_>) -> Result<Option<String>, StepError> {
        let Some(condition) = &self.actions[action].condition else { return Ok(None) };
        let condition =
            condition.as_ref().map_err(|error| StepError::invocation("ConditionError", error.to_string()))?;
        let steps: Map<String, Value> =
            scope.steps.iter().map(|step| (step.name.to_owned(), step.to_value())).collect();
        let mismatch = condition.explain(&json!({"event": scope.event, "steps": steps}));
        Ok(mismatch.map(|mismatch| format!("the condition does not hold: {mismatch}")))
    }

    /// Returns the fields of an action's command, with their templates filled in.
    pub(crate) fn command_fields(&self, action: usize, scope: &Scope<'_>) -> Result<Map<String, Value>, StepError> {
        let mut budget_bytes = ENTRY_LIMIT_BYTES;
        let fields = self.actions[action].fields.iter().map(|(name, value)| {
            let value = value.as_ref().map_err(|why| Failure::Template(why.clone()));
            let filled = value.and_then(|value| value.fill(scope, &mut budget_bytes));
            filled.map(|value| (name.clone(), value)).map_err(|failure| template_error(name, &failure))
        });
        fields.collect()
    }
}

fn template_error(field: &str, failure: &Failure) -> StepError {
    match failure {
        Failure::Template(why) => StepError::invocation("TemplateError", format!("`{field}`: {why}")),
        Failure::TooLarge => {
            let message = format!("`{field}` makes the command larger than the {ENTRY_LIMIT_BYTES} bytes of an event");
            StepError::invocation("CommandTooLarge", message)
        }
    }
}
