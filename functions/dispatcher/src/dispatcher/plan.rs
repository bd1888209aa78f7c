//! The actions of a dispatcher, compiled once for all of their commands, and which depends on which.

use std::collections::{HashMap, HashSet};

use pattern::{Mismatch, Pattern, PatternError};
use serde_json::{Map, Value};
use shared::bus::ENTRY_LIMIT_BYTES;
use shared::event::StepError;
use shared::event::command::{self, ActionType};
use shared::json::{self, Problem};
use shared::media::Media;

use super::Action;
use crate::template::{Budget, Failure, Place, Scope, TemplateValue};

/// How deep a command's action may nest; its receivers parse 128 levels, and the event and its envelopes add theirs.
const COMMAND_DEPTH_LIMIT: usize = 96;

/// The name of the failure of a step whose command the bus or its receiver would not take.
pub(crate) const COMMAND_TOO_LARGE: &str = "CommandTooLarge";

/// What the steps of a run do, by the position of their actions.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) graph: Graph,
    actions: Vec<CompiledAction>,
}

/// The dependencies between the actions of one dispatcher, by their position.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// For each action, all that must be over before it, directly or through others.
    ancestors: Vec<HashSet<usize>>,
}

/// An action; what is wrong with it fails its step when the step starts.
#[derive(Debug)]
struct CompiledAction {
    condition: Option<Result<Pattern, PatternError>>,
    /// The bodies of requests come last, as how they are written depends on the headers.
    fields: Vec<CompiledField>,
}

#[derive(Debug)]
struct CompiledField {
    name: String,
    place: command::Place,
    value: Result<TemplateValue, String>,
}

impl Plan {
    /// Compiles actions.
    pub(crate) fn new<'a>(actions: impl Iterator<Item = &'a Action> + Clone) -> Self {
        let compiled = actions.clone().map(|action| {
            let kind = ActionType::find(&action.kind).ok();
            let fields = action.command_fields().into_iter().map(|(name, value)| CompiledField {
                place: kind.map_or(command::Place::Plain, |kind| kind.place(&name)),
                value: TemplateValue::parse(value),
                name,
            });
            let mut fields: Vec<_> = fields.collect();
            fields.sort_by_key(|field| field.place == command::Place::Body);
            CompiledAction { condition: action.condition.as_ref().map(Pattern::compile), fields }
        });
        Self { actions: compiled.collect(), graph: Graph::new(actions).unwrap_or_default() }
    }

    /// Returns why the condition of an action does not hold; `None` if it does or if there is none.
    pub(crate) fn unmet_condition(&self, action: usize, scope: &Scope<'_>) -> Result<Option<String>, StepError> {
        let Some(condition) = &self.actions[action].condition else { return Ok(None) };
        let condition =
            condition.as_ref().map_err(|error| StepError::invocation("ConditionError", error.to_string()))?;
        let mismatch = condition.explain(&subject(scope));
        Ok(mismatch.map(|mismatch| format!("the condition does not hold: {mismatch}")))
    }

    /// Returns the clauses of an action's condition that fail, as far as it can be evaluated.
    pub(crate) fn failed_clauses(&self, action: usize, scope: &Scope<'_>) -> Vec<Mismatch> {
        let condition = self.actions[action].condition.as_ref().and_then(|condition| condition.as_ref().ok());
        let explained = condition.map(|condition| condition.explain_all(&subject(scope), 1));
        explained.into_iter().flatten().flatten().collect()
    }

    /// Whether an action's condition is about the result of a step.
    pub(crate) fn has_condition_on(&self, action: usize, step: &str) -> bool {
        let condition = self.actions[action].condition.as_ref().and_then(|condition| condition.as_ref().ok());
        let is_about = |path: &str| {
            let rest = path.strip_prefix("steps.").and_then(|path| path.strip_prefix(step));
            path == "steps" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        condition.is_some_and(|condition| condition.paths().any(is_about))
    }

    /// Returns the fields of an action's command as far as they are known, and by name what is not.
    ///
    /// A field that uses the result of a step that is not known stays the template that it is.
    pub(crate) fn known_fields(
        &self,
        action: usize,
        scope: &Scope<'_>,
        is_unknown: &dyn Fn(&str) -> bool,
    ) -> Result<(Map<String, Value>, Vec<String>), StepError> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for field in &self.actions[action].fields {
            let before = unknown.len();
            if let Ok(value) = &field.value {
                value.collect_steps(is_unknown, &mut unknown);
            }
            if unknown.len() == before {
                known.push(field);
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        Ok((fill(&known, scope)?, unknown))
    }

    /// Returns the fields of an action's command, with their templates filled in.
    pub(crate) fn command_fields(&self, action: usize, scope: &Scope<'_>) -> Result<Value, StepError> {
        let fields: Vec<&CompiledField> = self.actions[action].fields.iter().collect();
        let fields = Value::Object(fill(&fields, scope)?);
        match json::depth(&fields) {
            0..=COMMAND_DEPTH_LIMIT => Ok(fields),
            depth => {
                let message = format!("the command nests {depth} levels deep, it can nest {COMMAND_DEPTH_LIMIT}");
                Err(StepError::invocation(COMMAND_TOO_LARGE, message))
            }
        }
    }
}

impl Graph {
    /// Resolves the dependencies of actions, or says which can be satisfied in no order of steps.
    pub(super) fn new<'a>(actions: impl Iterator<Item = &'a Action> + Clone) -> Result<Self, Problem> {
        let problem = |action: usize, rule: String| Problem::field(&format!("actions[{action}].dependencies"), rule);
        let positions: HashMap<&str, usize> = actions.clone().map(Action::step_name).zip(0..).collect();
        let mut parents = Vec::new();
        for (action, entry) in actions.enumerate() {
            let position = |name: &String| {
                let unknown = || problem(action, format!("names `{name}`, which does not exist"));
                positions.get(name.as_str()).copied().ok_or_else(unknown)
            };
            parents.push(entry.dependencies.iter().map(position).collect::<Result<Vec<_>, _>>()?);
        }
        let ancestors: Vec<_> = (0..parents.len()).map(|action| above(action, &parents)).collect();
        match ancestors.iter().enumerate().find(|(action, above)| above.contains(action)) {
            Some((action, _)) => Err(problem(action, "makes the action wait for itself".to_owned())),
            None => Ok(Self { ancestors }),
        }
    }

    /// Whether `ancestor` must be over before `action` starts.
    pub(crate) fn depends(&self, action: usize, ancestor: usize) -> bool {
        self.ancestors.get(action).is_some_and(|above| above.contains(&ancestor))
    }
}

/// Returns what a condition is matched with.
fn subject(scope: &Scope<'_>) -> Value {
    let steps: Map<String, Value> = scope.steps.iter().map(|step| (step.name.to_owned(), step.to_value())).collect();
    serde_json::json!({"event": scope.event, "steps": steps})
}

/// Fills in the templates of the fields of one action.
fn fill(fields: &[&CompiledField], scope: &Scope<'_>) -> Result<Map<String, Value>, StepError> {
    let mut budget = Budget::new(ENTRY_LIMIT_BYTES);
    let (mut filled, mut aside) = (Map::new(), Vec::new());
    for CompiledField { name, place, value } in fields {
        let value = value.as_ref().map_err(|why| Failure::Template(why.clone()));
        let value = value.and_then(|value| match place {
            command::Place::Plain => value.fill(scope, Place::Plain, &mut budget),
            command::Place::Url => value.fill(scope, Place::Url, &mut budget),
            command::Place::Body => value.fill(scope, place_in_body(&filled), &mut budget),
            command::Place::Placeholders => value.fill_aside(scope, &mut aside, &mut budget),
        });
        filled.insert(name.clone(), value.map_err(|failure| template_error(name, &failure))?);
    }
    if !aside.is_empty() {
        filled.insert(command::VALUES.to_owned(), Value::Array(aside));
    }
    Ok(filled)
}

/// How values are written into a text that is sent as a body, by the type that the headers give it.
fn place_in_body(fields: &Map<String, Value>) -> Place {
    match command::body_type(fields) {
        Some(Media::Form) => Place::Form,
        Some(Media::Json) => Place::Json,
        Some(Media::Markup) => Place::Markup,
        Some(Media::Multipart) => Place::Multipart,
        Some(Media::Other) => Place::Plain,
        None => Place::Unknown,
    }
}

fn template_error(field: &str, failure: &Failure) -> StepError {
    match failure {
        Failure::Template(why) => StepError::invocation("TemplateError", format!("`{field}`: {why}")),
        Failure::TooLarge => {
            let message = format!("`{field}` makes the command larger than the {ENTRY_LIMIT_BYTES} bytes of an event");
            StepError::invocation(COMMAND_TOO_LARGE, message)
        }
    }
}

fn above(action: usize, parents: &[Vec<usize>]) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut open = parents[action].clone();
    while let Some(parent) = open.pop() {
        if found.insert(parent) {
            open.extend(&parents[parent]);
        }
    }
    found
}
