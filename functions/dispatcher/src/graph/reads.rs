//! Which steps the other steps of a dispatcher read, in their templates and conditions.

use std::collections::HashSet;

use serde_json::Value;

use crate::dispatcher::Action;
use crate::template::Template;

/// Returns the names of the steps whose outcomes other actions of the same dispatcher use.
pub(super) fn read_steps(actions: &[Action]) -> HashSet<String> {
    let names: Vec<&str> = actions.iter().map(Action::step_name).collect();
    let mut read = HashSet::new();
    for action in actions {
        action.fields.values().for_each(|value| in_templates(value, &mut read));
        if let Some(condition) = &action.condition {
            in_condition(condition, &names, &mut read);
        }
    }
    read
}

/// Returns the fields that a condition requires of other steps than these.
pub(super) fn conditions_on_others<'a>(condition: &'a Value, names: &[&str]) -> Vec<(&'a str, &'a Value)> {
    let mut found = Vec::new();
    each_step_field(condition, &mut |field, value| {
        if !names.iter().any(|name| is_of(field, name)) {
            found.push((field, value));
        }
    });
    found
}

fn in_templates(value: &Value, read: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            if let Ok(template) = Template::parse(text) {
                read.extend(template.steps().map(str::to_owned));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| in_templates(item, read)),
        Value::Object(members) => members.values().for_each(|member| in_templates(member, read)),
        _ => {}
    }
}

fn in_condition(condition: &Value, names: &[&str], read: &mut HashSet<String>) {
    each_step_field(condition, &mut |field, _| {
        read.extend(names.iter().filter(|name| is_of(field, name)).map(|name| (*name).to_owned()));
    });
}

/// Whether a field below `steps` is that of a step, perhaps with more of the path in its name.
fn is_of(field: &str, step: &str) -> bool {
    field.strip_prefix(step).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Visits the fields below `steps`, in every alternative.
fn each_step_field<'a>(condition: &'a Value, visit: &mut impl FnMut(&'a str, &'a Value)) {
    for (name, value) in condition.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("$or", Value::Array(branches)) => branches.iter().for_each(|branch| each_step_field(branch, visit)),
            ("steps", below) => each_below(below, visit),
            _ => {}
        }
    }
}

fn each_below<'a>(below: &'a Value, visit: &mut impl FnMut(&'a str, &'a Value)) {
    for (name, value) in below.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("$or", Value::Array(branches)) => branches.iter().for_each(|branch| each_below(branch, visit)),
            _ => visit(name, value),
        }
    }
}
