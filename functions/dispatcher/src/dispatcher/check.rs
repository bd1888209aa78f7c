//! The rules that a dispatcher keeps, checked as a whole whenever it is written.

use std::collections::HashSet;

use pattern::Pattern;
use serde_json::Value;
use shared::Refusal;

use super::graph::GraphError;
use super::{Action, Dispatcher, Graph};
use crate::template::Template;

/// The most actions of a dispatcher.
const MAX_ACTIONS: usize = 100;
/// The most attempts of all actions of a dispatcher together, so that a run always fits into its row.
const MAX_ATTEMPTS_IN_ALL: u32 = 200;
/// The most attempts at one step.
const MAX_ATTEMPTS: u32 = 10;
/// The longest delay between attempts: a day.
pub(super) const MAX_DELAY_S: u32 = 86_400;
/// The longest timeout: thirty days.
const MAX_TIMEOUT_S: u32 = 30 * 86_400;
/// The largest dispatcher, as JSON.
const MAX_BYTES: usize = 100 * 1024;
const MAX_NAME_BYTES: usize = 100;
const MAX_DESCRIPTION_BYTES: usize = 2_000;
const MAX_TAGS: usize = 50;
/// The longest detail type that EventBridge accepts.
const MAX_EVENT_TYPE_BYTES: usize = 128;
/// Leaves room for `.requested`.
const MAX_ACTION_TYPE_BYTES: usize = 64;

/// Checks every rule of a dispatcher; the refusal names the field.
pub(super) fn dispatcher(dispatcher: &Dispatcher) -> Result<(), Refusal> {
    event_type("eventType", &dispatcher.event_type)?;
    text("name", dispatcher.name.as_deref(), MAX_NAME_BYTES)?;
    max_length("description", dispatcher.description.as_deref(), MAX_DESCRIPTION_BYTES)?;
    if dispatcher.tags.len() > MAX_TAGS {
        return Err(Refusal::field("tags", format!("has more than {MAX_TAGS} tags")));
    }
    for (index, tag) in dispatcher.tags.iter().enumerate() {
        text(&format!("tags[{index}]"), Some(tag), MAX_NAME_BYTES)?;
    }
    pattern("filter", dispatcher.filter.as_ref())?;
    actions(&dispatcher.actions)?;
    let size_bytes = serde_json::to_vec(dispatcher).map_or(usize::MAX, |json| json.len());
    if size_bytes > MAX_BYTES {
        return Err(Refusal::too_large(format!(
            "the dispatcher has {size_bytes} bytes, at most {MAX_BYTES} are allowed"
        )));
    }
    Ok(())
}

/// Checks that a text can be an event type.
pub(crate) fn event_type(field: &str, kind: &str) -> Result<(), Refusal> {
    let is_start = kind.starts_with(|char: char| char.is_ascii_alphanumeric());
    let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    if is_start && kind.bytes().all(is_rest) && kind.len() <= MAX_EVENT_TYPE_BYTES {
        return Ok(());
    }
    let rule = "must start with a letter or digit and have up to 128 letters, digits and `._:/-`";
    Err(Refusal::field(field, rule))
}

fn actions(actions: &[Action]) -> Result<(), Refusal> {
    if actions.len() > MAX_ACTIONS {
        return Err(Refusal::field("actions", format!("has more than {MAX_ACTIONS} actions")));
    }
    let attempts: u32 = actions.iter().map(|action| action.retry.attempts.min(MAX_ATTEMPTS + 1)).sum();
    if attempts > MAX_ATTEMPTS_IN_ALL {
        return Err(Refusal::field("actions", format!("has more than {MAX_ATTEMPTS_IN_ALL} attempts in all")));
    }
    let mut names = HashSet::new();
    for (index, action) in actions.iter().enumerate() {
        let field = |name: &str| format!("actions[{index}].{name}");
        common(action, &field)?;
        if !names.insert(action.step_name()) {
            return Err(Refusal::field(&field("name"), format!("`{}` is taken", action.step_name())));
        }
    }
    let graph = Graph::new(actions.iter()).map_err(graph_error)?;
    for (index, action) in actions.iter().enumerate() {
        let used = |step: &str| match actions.iter().position(|other| other.step_name() == step) {
            None => Err(format!("no action `{step}` exists")),
            Some(other) if !graph.depends(index, other) => {
                Err(format!("`{step}` must be among `dependencies`, directly or through others"))
            }
            Some(_) => Ok(()),
        };
        for (name, value) in &action.fields {
            templates(&format!("actions[{index}].{name}"), value, &used)?;
        }
    }
    Ok(())
}

fn common(action: &Action, field: &impl Fn(&str) -> String) -> Result<(), Refusal> {
    action_type(&field("type"), &action.kind)?;
    text(&field("name"), action.name.as_deref(), MAX_NAME_BYTES)?;
    max_length(&field("description"), action.description.as_deref(), MAX_DESCRIPTION_BYTES)?;
    pattern(&field("condition"), action.condition.as_ref())?;
    within(&field("retry.attempts"), action.retry.attempts, 1, MAX_ATTEMPTS)?;
    within(&field("retry.delaySeconds"), action.retry.delay_seconds, 0, MAX_DELAY_S)?;
    within(&field("timeoutSeconds"), action.timeout_seconds.unwrap_or(1), 1, MAX_TIMEOUT_S)
}

/// Checks the type of an action; the command that it becomes is `<type>.requested`.
fn action_type(field: &str, kind: &str) -> Result<(), Refusal> {
    let is_rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if kind.starts_with(|char: char| char.is_ascii_lowercase())
        && kind.bytes().all(is_rest)
        && kind.len() <= MAX_ACTION_TYPE_BYTES
    {
        return Ok(());
    }
    Err(Refusal::field(field, "must start with a lower-case letter and have up to 64 of `a-z`, `0-9` and `-`"))
}

fn graph_error(error: GraphError) -> Refusal {
    match error {
        GraphError::Unknown { action, dependency } => Refusal::field(
            &format!("actions[{action}].dependencies"),
            format!("names `{dependency}`, which does not exist"),
        ),
        GraphError::Cycle { action } => {
            Refusal::field(&format!("actions[{action}].dependencies"), "makes the action wait for itself")
        }
    }
}

fn templates(field: &str, value: &Value, used: &impl Fn(&str) -> Result<(), String>) -> Result<(), Refusal> {
    match value {
        Value::String(text) if text.contains("{{") => {
            let template = Template::parse(text)
                .map_err(|why| Refusal::field(field, format!("is not a valid template: {why}")))?;
            for step in template.steps() {
                used(step).map_err(|why| Refusal::field(field, format!("uses a step that it cannot see: {why}")))?;
            }
            Ok(())
        }
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| templates(&format!("{field}[{index}]"), item, used))
        }
        Value::Object(members) => {
            members.iter().try_for_each(|(name, member)| templates(&format!("{field}.{name}"), member, used))
        }
        _ => Ok(()),
    }
}

fn pattern(field: &str, pattern: Option<&Value>) -> Result<(), Refusal> {
    match pattern.map(Pattern::compile) {
        Some(Err(error)) => Err(Refusal::field(field, format!("is not a valid event pattern: {error}"))),
        _ => Ok(()),
    }
}

fn text(field: &str, text: Option<&str>, max_bytes: usize) -> Result<(), Refusal> {
    match text {
        Some(text) if text.trim().is_empty() => Err(Refusal::field(field, "is empty")),
        Some(text) if text.chars().any(char::is_control) => Err(Refusal::field(field, "has control characters")),
        text => max_length(field, text, max_bytes),
    }
}

fn max_length(field: &str, text: Option<&str>, max_bytes: usize) -> Result<(), Refusal> {
    match text {
        Some(text) if text.len() > max_bytes => Err(Refusal::field(field, format!("is longer than {max_bytes} bytes"))),
        _ => Ok(()),
    }
}

fn within(field: &str, number: u32, least: u32, most: u32) -> Result<(), Refusal> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(Refusal::field(field, format!("must be between {least} and {most}")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::dispatcher;
    use super::*;
    use serde_json::json;

    fn with_actions(actions: &Value) -> Result<Dispatcher, Refusal> {
        dispatcher(&json!({"eventType": "e", "actions": actions}))
    }

    #[test]
    fn every_broken_rule_is_named_with_its_field() {
        let check = |body: Value, code: u32, part: &str| {
            let refusal = dispatcher(&body).unwrap_err();
            assert_eq!(refusal.code, code, "{body}: {}", refusal.message);
            assert!(refusal.message.contains(part), "{body}: {}", refusal.message);
        };
        let actions = json!([{"type": "task", "functionName": "f"}]);
        check(json!({"actions": actions}), 14, "eventType");
        check(json!({"eventType": "e"}), 14, "actions");
        check(json!({"eventType": "e", "actions": []}), 15, "`actions`");
        check(json!({"eventType": "#id", "actions": actions}), 15, "`eventType`");
        check(json!({"eventType": "", "actions": actions}), 15, "`eventType`");
        check(json!({"eventType": "e".repeat(129), "actions": actions}), 15, "`eventType`");
        check(json!({"eventType": "e", "actions": actions, "name": " "}), 15, "`name`");
        check(json!({"eventType": "e", "actions": actions, "name": "n".repeat(101)}), 15, "`name`");
        check(json!({"eventType": "e", "actions": actions, "tags": ["a", ""]}), 15, "`tags[1]`");
        check(json!({"eventType": "e", "actions": actions, "filter": {"type": "e"}}), 15, "`filter`");
        check(json!({"eventType": "e", "actions": actions, "tags": 1}), 15, "`tags`");
        let many: Vec<_> = (0..101).map(|_| json!({"type": "x"})).collect();
        check(json!({"eventType": "e", "actions": many}), 15, "100 actions");
        let large = json!([{"type": "x", "data": "x".repeat(110_000)}]);
        check(json!({"eventType": "e", "actions": large}), 22, "bytes");
    }

    #[test]
    fn every_broken_rule_of_an_action_is_named_with_its_field() {
        let check = |actions: Value, part: &str| {
            let refusal = with_actions(&actions).unwrap_err();
            assert!(refusal.message.contains(part), "{actions}: {}", refusal.message);
        };
        check(json!([{"name": "a"}]), "type");
        check(json!([{"type": "Task"}]), "`actions[0].type`");
        check(json!([{"type": "x", "name": "a"}, {"type": "x", "name": "a"}]), "`actions[1].name`");
        check(json!([{"type": "x", "condition": {"a": 1}}]), "`actions[0].condition`");
        check(json!([{"type": "x", "retry": {"attempts": 0}}]), "`actions[0].retry.attempts`");
        check(json!([{"type": "x", "retry": {"attempts": 11}}]), "`actions[0].retry.attempts`");
        check(json!([{"type": "x", "retry": {"delaySeconds": 86401}}]), "`actions[0].retry.delaySeconds`");
        check(json!([{"type": "x", "retry": {"tries": 2}}]), "tries");
        check(json!([{"type": "x", "timeoutSeconds": 0}]), "`actions[0].timeoutSeconds`");
        check(json!([{"type": "x", "onFailure": "explode"}]), "explode");
        check(json!([{"type": "x", "dependencies": ["b"]}]), "names `b`");
        check(json!([{"type": "x", "name": "a", "dependencies": ["a"]}]), "wait for itself");
        let ring = json!([
            {"type": "x", "name": "a", "dependencies": ["b"]},
            {"type": "x", "name": "b", "dependencies": ["c"]},
            {"type": "x", "name": "c", "dependencies": ["a"]},
        ]);
        check(ring, "wait for itself");
        check(json!([{"type": "x", "data": {"a": [1, "{{ event.a"]}}]), "`actions[0].data.a[1]`");
        check(json!([{"type": "x", "to": "{{ steps.b.output }}"}]), "no action `b`");
        let loose = json!([{"type": "x", "name": "a"}, {"type": "x", "to": "{{ steps.a.output }}"}]);
        check(loose, "`actions[1].to` uses a step");
        let many: Vec<_> = (0..30).map(|_| json!({"type": "x", "retry": {"attempts": 10}})).collect();
        check(json!(many), "attempts in all");
    }

    #[test]
    fn a_step_can_use_what_it_depends_on_directly_or_through_others() {
        let chain = json!([
            {"type": "anything-new", "name": "a"},
            {"type": "x", "name": "my b", "dependencies": ["a"]},
            {"type": "x", "name": "c", "dependencies": ["my b"], "to": "{{ steps.a.output }}{{ steps['my b'].output }}"},
        ]);
        assert_eq!(with_actions(&chain).unwrap().actions.len(), 3);
    }
}
