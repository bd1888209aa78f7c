//! The rules that a dispatcher keeps, checked as a whole whenever it is written.

use std::collections::HashSet;

use pattern::Pattern;
use serde_json::Value;
use shared::Refusal;
use shared::event::command::ActionType;
use shared::json::{Problem, size_bytes};

use super::plan::Graph;
use super::{Action, Dispatcher, DispatcherBody};
use crate::event::ENVELOPE_FIELDS;
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
/// The fields that every type of action has.
#[rustfmt::skip]
const COMMON_FIELDS: [&str; 10] = [
    "id", "type", "name", "description", "dependencies", "condition", "retry", "timeoutSeconds", "onFailure",
    super::CONFIGURATION,
];

/// Checks every rule of a dispatcher; the refusal names the field.
pub(super) fn dispatcher(dispatcher: &Dispatcher) -> Result<(), Refusal> {
    rules(&dispatcher.body)?;
    match size_bytes(dispatcher) {
        ..=MAX_BYTES => Ok(()),
        size => Err(Refusal::too_large(format!("the dispatcher has {size} bytes, at most {MAX_BYTES} are allowed"))),
    }
}

fn rules(body: &DispatcherBody) -> Result<(), Problem> {
    if body.event_type.is_reserved() {
        return Err(Problem::field("eventType", "must not be the type of a command or of an answer to one"));
    }
    text("name", body.name.as_deref(), MAX_NAME_BYTES)?;
    max_length("description", body.description.as_deref(), MAX_DESCRIPTION_BYTES)?;
    if body.tags.len() > MAX_TAGS {
        return Err(Problem::field("tags", format!("has more than {MAX_TAGS} tags")));
    }
    for (index, tag) in body.tags.iter().enumerate() {
        text(&format!("tags[{index}]"), Some(tag), MAX_NAME_BYTES)?;
    }
    pattern("filter", body.filter.as_ref(), &ENVELOPE_FIELDS)?;
    actions(&body.actions)
}

fn actions(actions: &[Action]) -> Result<(), Problem> {
    if actions.is_empty() {
        return Err(Problem::field("actions", "needs at least one action"));
    }
    if actions.len() > MAX_ACTIONS {
        return Err(Problem::field("actions", format!("has more than {MAX_ACTIONS} actions")));
    }
    let attempts: u32 = actions.iter().map(|action| action.retry.attempts.min(MAX_ATTEMPTS + 1)).sum();
    if attempts > MAX_ATTEMPTS_IN_ALL {
        return Err(Problem::field("actions", format!("has more than {MAX_ATTEMPTS_IN_ALL} attempts in all")));
    }
    let mut names = HashSet::new();
    for (index, action) in actions.iter().enumerate() {
        let taken = || Problem::field("name", format!("`{}` is taken", action.step_name()));
        let checked = if names.insert(action.step_name()) { own_rules(action) } else { Err(taken()) };
        checked.map_err(|problem| problem.within(&format!("actions[{index}]")))?;
    }
    let graph = Graph::new(actions.iter())?;
    for (index, action) in actions.iter().enumerate() {
        let used = |step: &str| match actions.iter().position(|other| other.step_name() == step) {
            None => Err(format!("no action `{step}` exists")),
            Some(other) if !graph.depends(index, other) => {
                Err(format!("`{step}` must be among `dependencies`, directly or through others"))
            }
            Some(_) => Ok(()),
        };
        for (name, value) in &action.fields {
            let field = format!("actions[{index}].{name}");
            templates(&field, value, &used)?;
            if ActionType::find(&action.kind).is_ok_and(ActionType::has_placeholders) {
                no_own_values(&field, value)?;
            }
        }
    }
    Ok(())
}

/// Checks an action as far as it does not depend on others.
fn own_rules(action: &Action) -> Result<(), Problem> {
    let kind = ActionType::find(&action.kind)?;
    text("name", action.name.as_deref(), MAX_NAME_BYTES)?;
    max_length("description", action.description.as_deref(), MAX_DESCRIPTION_BYTES)?;
    pattern("condition", action.condition.as_ref(), &["event", "steps"])?;
    between("retry.attempts", action.retry.attempts, 1, MAX_ATTEMPTS)?;
    between("retry.delaySeconds", action.retry.delay_seconds, 0, MAX_DELAY_S)?;
    between("timeoutSeconds", action.timeout_seconds.unwrap_or(1), 1, MAX_TIMEOUT_S)?;
    if let Some(Value::Object(configuration)) = action.fields.get(super::CONFIGURATION)
        && let Some(name) = configuration.keys().find(|name| action.fields.contains_key(*name))
    {
        return Err(Problem::field(name, "stands in `configuration` as well"));
    }
    kind.check(&action.command_fields(), &COMMON_FIELDS, Template::is_in)
}

fn templates(field: &str, value: &Value, used: &impl Fn(&str) -> Result<(), String>) -> Result<(), Problem> {
    each_text(field, value, &mut |field, text| {
        if !text.contains("{{") {
            return Ok(());
        }
        let template =
            Template::parse(text).map_err(|why| Problem::field(field, format!("is not a valid template: {why}")))?;
        if let Some(name) = template.event_fields().find(|name| !ENVELOPE_FIELDS.contains(name)) {
            return Err(Problem::unknown(name, ENVELOPE_FIELDS).within(field));
        }
        for step in template.steps() {
            used(step).map_err(|why| Problem::field(field, format!("uses a step that it cannot see: {why}")))?;
        }
        Ok(())
    })
}

/// Refuses the placeholders that stand for filled in values, which nobody but the dispatcher can number.
fn no_own_values(field: &str, value: &Value) -> Result<(), Problem> {
    each_text(field, value, &mut |field, text| match Template::parse(text) {
        Ok(template) if template.has_own_value() => {
            let rule = "has `$Value{`, which only the dispatcher writes: `{{ … }}` fills in a value";
            Err(Problem::field(field, rule))
        }
        _ => Ok(()),
    })
}

/// Visits every text within a value, with the path to it, until one is refused.
fn each_text<E>(field: &str, value: &Value, visit: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
    match value {
        Value::String(text) => visit(field, text),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| each_text(&format!("{field}[{index}]"), item, visit))
        }
        Value::Object(members) => {
            members.iter().try_for_each(|(name, member)| each_text(&format!("{field}.{name}"), member, visit))
        }
        _ => Ok(()),
    }
}

impl Action {
    /// Describes texts that stay as they are although they were perhaps meant to be placeholders, each with its field.
    pub(crate) fn look_alikes(&self, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        for (name, value) in &self.fields {
            let full = each_text(name, value, &mut |field, text| {
                let left = most - found.len();
                found.extend(Template::look_alikes(text).take(left).map(|text| format!("{field}`: {text}")));
                if found.len() == most { Err(()) } else { Ok(()) }
            });
            if full.is_err() {
                break;
            }
        }
        found
    }
}

/// Checks a pattern, and that its outermost fields are those of what it is matched with.
fn pattern(field: &str, pattern: Option<&Value>, known: &[&str]) -> Result<(), Problem> {
    let is_known = |name: &str| name == "$or" || known.contains(&name);
    if let Some(name) =
        pattern.and_then(Value::as_object).and_then(|members| members.keys().find(|name| !is_known(name)))
    {
        return Err(Problem::unknown(name, known.iter().copied()).within(field));
    }
    match pattern.map(Pattern::compile) {
        Some(Err(error)) => Err(Problem::field(field, format!("is not a valid event pattern: {error}"))),
        _ => Ok(()),
    }
}

fn text(field: &str, text: Option<&str>, max_bytes: usize) -> Result<(), Problem> {
    match text {
        Some(text) if text.trim().is_empty() => Err(Problem::field(field, "is empty")),
        Some(text) if text.chars().any(char::is_control) => Err(Problem::field(field, "has control characters")),
        text => max_length(field, text, max_bytes),
    }
}

fn max_length(field: &str, text: Option<&str>, max_bytes: usize) -> Result<(), Problem> {
    match text {
        Some(text) if text.len() > max_bytes => Err(Problem::field(field, format!("is longer than {max_bytes} bytes"))),
        _ => Ok(()),
    }
}

fn between(field: &str, number: u32, least: u32, most: u32) -> Result<(), Problem> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(Problem::field(field, format!("must be between {least} and {most}")))
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
    fn what_can_never_match_or_be_found_is_refused() {
        let check = |more: Value, part: &str| {
            let action = json!({"type": "task", "functionName": "f"});
            let mut body = json!({"eventType": "e", "actions": [action]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let refusal = dispatcher(&body).unwrap_err();
            assert!(refusal.message.contains(part), "{body}: {}", refusal.message);
        };
        check(json!({"filter": {"contnt": {"a": [1]}}}), "`filter`: unknown field `contnt`: did you mean `content`?");
        check(json!({"eventType": "task.requested"}), "`eventType` must not be the type of a command");
        check(json!({"eventType": "step.finished"}), "`eventType` must not be the type of a command");
        let action = |more: Value| {
            let mut action = json!({"type": "http", "url": "https://a.test"});
            action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"actions": [action]})
        };
        check(
            action(json!({"condition": {"evnt": {"a": [1]}}})),
            "`actions[0].condition`: unknown field `evnt`: did you mean",
        );
        check(
            action(json!({"body": "{{ event.contnt.a }}"})),
            "`actions[0].body`: unknown field `contnt`: did you mean",
        );
        let twice = action(json!({"configuration": {"url": "https://b.test"}}));
        check(twice, "`actions[0].url` stands in `configuration` as well");
        assert!(with_actions(&json!([{"type": "task", "functionName": "f", "data": {"e": "{{ event }}"}}])).is_ok());
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
        check(json!({"eventType": "e", "actions": actions, "enabled": "yes"}), 15, "`enabled` must be true or false");
        check(
            json!({"eventType": "e", "actions": actions, "filtre": {}}),
            15,
            "unknown field `filtre`: did you mean `filter`?",
        );
        check(json!(["e", "n"]), 15, "the body must be an object");
        let many: Vec<_> = (0..101).map(|_| json!({"type": "task", "functionName": "f"})).collect();
        check(json!({"eventType": "e", "actions": many}), 15, "100 actions");
        let large = json!([{"type": "task", "functionName": "f", "data": {"x": "x".repeat(110_000)}}]);
        check(json!({"eventType": "e", "actions": large}), 22, "bytes");
    }

    #[test]
    fn every_broken_rule_of_an_action_is_named_with_its_field() {
        let check = |actions: Value, part: &str| {
            let refusal = with_actions(&actions).unwrap_err();
            assert!(refusal.message.contains(part), "{actions}: {}", refusal.message);
        };
        // Fields of an action that can be done.
        let task = |more: Value| {
            let mut action = json!({"type": "task", "functionName": "f"});
            action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            action
        };
        let one = |more: Value| json!([task(more)]);
        check(json!([{"name": "a"}]), "type");
        check(json!([{"type": "Task"}]), "`actions[0].type` has the unknown value `Task`: did you mean `task`?");
        check(json!([{"type": "task"}]), "`actions[0].functionName` is required");
        check(json!([{"type": "fax"}]), "`actions[0].type`");
        check(json!([{"type": "mail"}]), "`actions[0].recipients` is required");
        check(json!([["task"]]), "`actions[0]` must be an object");
        check(one(json!({"url": "u"})), "`actions[0]`: unknown field `url`");
        check(one(json!({"dependancies": []})), "unknown field `dependancies`: did you mean `dependencies`?");
        check(one(json!({"configuration": {"dat": {}}})), "`actions[0]`: unknown field `dat`: did you mean `data`?");
        check(one(json!({"id": "x"})), "`actions[0]`: unknown field `id`");
        check(one(json!({"data": [1]})), "`actions[0].data` must be an object");
        let action = |more: Value| {
            let mut action = json!({"type": "action", "env": "dev", "product": "p", "app": "a", "action": "c"});
            action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!([action])
        };
        check(action(json!({"input": [1]})), "`actions[0].input` must be an object");
        check(action(json!({"values": []})), "`actions[0]`: unknown field `values`");
        check(action(json!({"configuration": {"values": []}})), "`actions[0]`: unknown field `values`");
        for own in ["$Value{0}", "a $Value{{{ event.id }}}", r"\$Value{0}", r"$Value\{{ event.id }}", "'$Value{"] {
            let rule = "has `$Value{`, which only the dispatcher writes";
            check(action(json!({"input": {"a": [own]}})), &format!("`actions[0].input.a[0]` {rule}"));
            let within = json!({"configuration": {"input": {"a": own}}});
            check(action(within), &format!("`actions[0].configuration.input.a` {rule}"));
        }
        assert!(with_actions(&action(json!({"input": {"a": "$Value{{ event.id }} $Secret{K}"}}))).is_ok());
        check(json!([{"type": "callback", "action": "wait"}]), "`actions[0].id` is required");
        check(json!([task(json!({"name": "a"})), task(json!({"name": "a"}))]), "`actions[1].name`");
        check(one(json!({"condition": {"a": 1}})), "`actions[0].condition`");
        check(one(json!({"retry": {"attempts": 0}})), "`actions[0].retry.attempts`");
        check(one(json!({"retry": {"attempts": 11}})), "`actions[0].retry.attempts`");
        check(one(json!({"retry": {"delaySeconds": 86401}})), "`actions[0].retry.delaySeconds`");
        check(one(json!({"retry": {"tries": 2}})), "tries");
        check(one(json!({"retry": [2, 0]})), "`actions[0].retry` must be an object");
        check(one(json!({"timeoutSeconds": 0})), "`actions[0].timeoutSeconds`");
        check(one(json!({"onFailure": "explode"})), "explode");
        check(one(json!({"dependencies": ["b"]})), "names `b`");
        check(one(json!({"name": "a", "dependencies": ["a"]})), "wait for itself");
        let ring = json!([
            task(json!({"name": "a", "dependencies": ["b"]})),
            task(json!({"name": "b", "dependencies": ["c"]})),
            task(json!({"name": "c", "dependencies": ["a"]})),
        ]);
        check(ring, "wait for itself");
        check(one(json!({"data": {"a": [1, "{{ event.a"]}})), "`actions[0].data.a[1]`");
        check(one(json!({"data": {"to": "{{ steps.b.output }}"}})), "no action `b`");
        let loose = json!([task(json!({"name": "a"})), task(json!({"data": {"to": "{{ steps.a.output }}"}}))]);
        check(loose, "`actions[1].data.to` uses a step");
        let many: Vec<_> = (0..30).map(|_| task(json!({"retry": {"attempts": 10}}))).collect();
        check(json!(many), "attempts in all");
    }

    #[test]
    fn a_step_can_use_what_it_depends_on_directly_or_through_others() {
        let text = "{{ steps.a.output }}{{ steps['my b'].output }}";
        let chain = json!([
            {"type": "http", "url": "https://a.test", "name": "a"},
            {"type": "callback", "action": "create", "name": "my b", "dependencies": ["a"]},
            {"type": "task", "functionName": "f", "name": "c", "dependencies": ["my b"], "data": {"to": text}},
        ]);
        assert_eq!(with_actions(&chain).unwrap().body.actions.len(), 3);
    }
}
