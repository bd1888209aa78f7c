//! Dispatchers: which events they react to and what they do then.

mod check;
pub(crate) mod explain;
mod plan;
mod set;
mod sync;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use shared::event::{DispatcherId, EventType};
use shared::{Refusal, json};
use utoipa::ToSchema;

pub(crate) use plan::{COMMAND_TOO_LARGE, Plan};
pub(crate) use set::{CompiledDispatcher, DispatcherSet};

/// The field of an action whose members become fields of the command, even if they are named like common fields.
const CONFIGURATION: &str = "configuration";

/// The fields that a client may send back with a dispatcher that it has read, and that only the server sets.
pub(crate) const SERVER_FIELDS: [&str; 5] = ["id", "creationTimestamp", "updateTimestamp", "version", "warnings"];

/// What to do when an event of one type happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dispatcher {
    /// The id, 24 hex digits.
    pub(crate) id: DispatcherId,
    #[serde(flatten)]
    pub(crate) body: DispatcherBody,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
    /// The number of times that it was written, counting from 1.
    pub(crate) version: u64,
}

/// What clients decide about a dispatcher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DispatcherBody {
    /// The type of the events to react to.
    pub(crate) event_type: EventType,
    /// Whether events start runs of it, true unless given.
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    /// A name that no other dispatcher has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The steps of each run, 1 to 100.
    pub(crate) actions: Vec<Action>,
    /// Words to find it by in lists.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// An event pattern over the envelope; without one all events of the type match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<Value>,
}

/// One thing to do: a step of every run of its dispatcher.
///
/// Besides the common fields an action has those of its type, such as `functionName` of a task; their values may be
/// templates. Fields of a type that are named like a common one go into `configuration`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    /// The id, 24 hex digits; assigned by the server.
    #[serde(default)]
    pub(crate) id: String,
    /// The type of the action; its command is `<type>.requested`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// A name that no other action of the dispatcher has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The names of the actions that must be over before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dependencies: Vec<String>,
    /// An event pattern over `{event, steps}`; the step is skipped where it does not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<Value>,
    /// When the step is attempted again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) retry: Retry,
    /// After how many seconds an attempt without an outcome counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_seconds: Option<u32>,
    /// What a failure means for the run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) on_failure: OnFailure,
    /// The fields of the action's type.
    #[serde(flatten)]
    pub(crate) fields: Map<String, Value>,
}

/// When a step is attempted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Retry {
    /// The number of attempts in all, 1 to 10.
    pub(crate) attempts: u32,
    /// The delay before the second attempt in seconds, at most a day.
    pub(crate) delay_seconds: u32,
    /// How the delay grows.
    pub(crate) backoff: Backoff,
}

/// How the delay between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Backoff {
    /// It stays the same.
    #[default]
    Fixed,
    /// It doubles, up to a day.
    Exponential,
}

/// What a failed step means for its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OnFailure {
    /// The run fails; steps that depend on it are skipped, others still finish.
    #[default]
    Fail,
    /// The run continues; steps that depend on it run and can see its error.
    Continue,
}

/// What a client sends to change a dispatcher; a field that is absent stays as it is, null removes it.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DispatcherChange {
    /// The type of the events to react to.
    pub(crate) event_type: Option<EventType>,
    /// Whether events start runs of it.
    pub(crate) enabled: Option<bool>,
    /// A name that no other dispatcher has.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) name: Option<Option<String>>,
    /// What it is for.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Option<Option<String>>,
    /// Words to find it by in lists.
    pub(crate) tags: Option<Vec<String>>,
    /// An event pattern over the envelope.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub(crate) filter: Option<Option<Value>>,
}

impl Dispatcher {
    /// Builds a dispatcher, or says which field breaks which rule; `new_id` draws ids for it and its actions.
    pub(crate) fn new(body: DispatcherBody, new_id: impl Fn() -> String, now: Timestamp) -> Result<Self, Refusal> {
        let id = DispatcherId::new(new_id());
        let actions = body.actions.into_iter().map(|action| action.with_id(new_id())).collect();
        let body = DispatcherBody { actions, ..body };
        let dispatcher = Self { id, body, creation_timestamp: now, update_timestamp: now, version: 1 };
        check::dispatcher(&dispatcher)?;
        Ok(dispatcher)
    }

    /// Applies a change to everything but the actions.
    pub(crate) fn change(&self, change: DispatcherChange, now: Timestamp) -> Result<Self, Refusal> {
        self.next(now, |body| {
            change.apply(body);
            Ok(())
        })
    }

    /// Adds an action.
    pub(crate) fn add_action(&self, action: Action, id: String, now: Timestamp) -> Result<Self, Refusal> {
        self.next(now, |body| {
            body.actions.push(action.with_id(id));
            Ok(())
        })
    }

    /// Changes the given fields of an action; null removes one.
    pub(crate) fn change_action(&self, id: &str, change: Map<String, Value>, now: Timestamp) -> Result<Self, Refusal> {
        self.next(now, |body| {
            let action = body.actions.iter_mut().find(|action| action.id == id);
            let action = action.ok_or_else(|| Refusal::unknown("action", id))?;
            *action = action.change(change)?;
            Ok(())
        })
    }

    /// Removes an action on which no other depends.
    pub(crate) fn remove_action(&self, id: &str, now: Timestamp) -> Result<Self, Refusal> {
        self.next(now, |body| {
            let at = body.actions.iter().position(|action| action.id == id);
            body.actions.remove(at.ok_or_else(|| Refusal::unknown("action", id))?);
            Ok(())
        })
    }

    /// Returns the next version, or says which rule it breaks.
    fn next(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut DispatcherBody) -> Result<(), Refusal>,
    ) -> Result<Self, Refusal> {
        let mut next = Self { version: self.version + 1, update_timestamp: now, ..self.clone() };
        change(&mut next.body)?;
        check::dispatcher(&next)?;
        Ok(next)
    }
}

impl DispatcherChange {
    fn apply(self, body: &mut DispatcherBody) {
        body.event_type = self.event_type.unwrap_or_else(|| body.event_type.clone());
        body.enabled = self.enabled.unwrap_or(body.enabled);
        body.name = self.name.unwrap_or_else(|| body.name.take());
        body.description = self.description.unwrap_or_else(|| body.description.take());
        body.tags = self.tags.unwrap_or_else(|| std::mem::take(&mut body.tags));
        body.filter = self.filter.unwrap_or_else(|| body.filter.take());
    }
}

impl Action {
    /// Returns the name of the step that the action is in a run.
    pub(crate) fn step_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Returns the fields of the command, before their templates are filled in.
    pub(crate) fn command_fields(&self) -> Map<String, Value> {
        let mut fields = self.fields.clone();
        if let Some(Value::Object(configuration)) = fields.get(CONFIGURATION).cloned() {
            fields.remove(CONFIGURATION);
            fields.extend(configuration);
        }
        fields
    }

    /// Assigns an id to an action from a client; an `id` that is not one of ours is a field of the action's type.
    fn with_id(mut self, id: String) -> Self {
        let own = std::mem::replace(&mut self.id, id);
        if !own.is_empty() && !is_id(&own) {
            let configuration = self.fields.entry(CONFIGURATION).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(configuration) = configuration {
                configuration.entry("id").or_insert(Value::String(own));
            }
        }
        self
    }

    fn change(&self, change: Map<String, Value>) -> Result<Self, Refusal> {
        if change.get("type").is_some_and(|kind| kind != &self.kind) {
            return Err(Refusal::field("type", format!("is `{}` and cannot be changed", self.kind)));
        }
        let mut fields = match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        for (name, value) in change {
            match value {
                Value::Null => fields.remove(&name),
                value => fields.insert(name, value),
            };
        }
        Ok(json::from_value::<Self>(Value::Object(fields))?.with_id(self.id.clone()))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, delay_seconds: 0, backoff: Backoff::Fixed }
    }
}

impl Retry {
    /// Returns the delay in seconds after a failed attempt, which counts from 1.
    pub(crate) fn delay_s(&self, attempt: u32) -> u32 {
        match self.backoff {
            Backoff::Fixed => self.delay_seconds,
            Backoff::Exponential => {
                let doublings = attempt.saturating_sub(1).min(31);
                self.delay_seconds.saturating_mul(1 << doublings).min(check::MAX_DELAY_S)
            }
        }
    }
}

/// Whether a text is an id as this function draws them.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn yes() -> bool {
    true
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Distinguishes a field that is null from one that is absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;
    use serde_json::json;

    /// Builds a dispatcher from a body, as the route does.
    pub(crate) fn dispatcher(body: &Value) -> Result<Dispatcher, Refusal> {
        let body: DispatcherBody = json::from_value(body.clone())?;
        let count = Cell::new(0);
        let new_id = || {
            count.set(count.get() + 1);
            format!("{:024x}", count.get())
        };
        Dispatcher::new(body, new_id, "2026-01-02T03:04:05.678Z".parse().unwrap())
    }

    /// Builds a dispatcher of any actions, of which runs know no type.
    pub(crate) fn unchecked(actions: &Value) -> Dispatcher {
        let any = json!({"eventType": "order.paid", "name": "d", "actions": [{"type": "task", "functionName": "f"}]});
        let mut dispatcher = dispatcher(&any).unwrap();
        dispatcher.body.actions = serde_json::from_value(actions.clone()).unwrap();
        for (action, n) in dispatcher.body.actions.iter_mut().zip(2..) {
            action.id = format!("{n:024x}");
        }
        dispatcher
    }

    #[test]
    fn a_dispatcher_looks_as_clients_expect() {
        let dispatcher = dispatcher(&json!({
            "eventType": "user_deleted", "name": "cleanup",
            "actions": [{"type": "task", "name": "wipe", "functionName": "wipe", "data": {"a": 1}}],
        }));
        let expected = json!({
            "id": "000000000000000000000001", "eventType": "user_deleted", "enabled": true, "name": "cleanup", "tags": [],
            "actions": [{
                "id": "000000000000000000000002", "type": "task", "name": "wipe", "functionName": "wipe", "data": {"a": 1},
            }],
            "creationTimestamp": "2026-01-02T03:04:05.678Z", "updateTimestamp": "2026-01-02T03:04:05.678Z", "version": 1,
        });
        assert_eq!(serde_json::to_value(dispatcher.unwrap()).unwrap(), expected);
    }

    #[test]
    fn a_field_named_like_a_common_one_reaches_the_command_through_the_configuration() {
        let dispatcher = dispatcher(&json!({"eventType": "e", "actions": [
            {"type": "callback", "action": "wait", "id": "0f8fad5b-d9cb-469f-a165-70867728950e"},
            {"type": "callback", "configuration": {"action": "wait", "id": "{{ event.id }}"}},
            {"type": "callback", "action": "create", "id": "00000000000000000000000f"},
            {"type": "http", "url": "https://u.test", "timeoutSeconds": 90, "configuration": {"timeoutSeconds": 5}},
        ]}));
        let actions = dispatcher.unwrap().body.actions;
        assert_eq!(
            Value::from(actions[0].command_fields()),
            json!({"action": "wait", "id": "0f8fad5b-d9cb-469f-a165-70867728950e"})
        );
        assert_eq!(Value::from(actions[1].command_fields()), json!({"action": "wait", "id": "{{ event.id }}"}));
        assert_eq!(Value::from(actions[2].command_fields()), json!({"action": "create"}));
        assert_eq!(actions[2].id, "000000000000000000000004");
        assert_eq!(Value::from(actions[3].command_fields()), json!({"url": "https://u.test", "timeoutSeconds": 5}));
        assert_eq!(actions[3].timeout_seconds, Some(90));
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = dispatcher(&json!({
            "eventType": "e", "name": "n", "description": "d", "tags": ["t"],
            "actions": [{"type": "task", "name": "a", "functionName": "f", "description": "x", "retry": {"attempts": 2}}],
        }))
        .unwrap();
        let now = "2026-01-03T00:00:00Z".parse().unwrap();
        let change = serde_json::from_value(json!({"eventType": "f", "description": null})).unwrap();
        let after = before.change(change, now).unwrap();
        assert_eq!(
            (after.body.event_type.as_str(), after.body.name.as_deref(), after.body.description),
            ("f", Some("n"), None)
        );
        assert!(after.body.enabled);
        assert_eq!((after.version, after.update_timestamp, after.body.actions), (2, now, before.body.actions.clone()));

        let id = before.body.actions[0].id.clone();
        let change = |change: Value| match change {
            Value::Object(change) => before.change_action(&id, change, now),
            _ => panic!("a change is an object"),
        };
        let after = change(json!({"functionName": "g", "description": null, "type": "task"})).unwrap();
        assert_eq!(after.body.actions[0].fields["functionName"], "g");
        assert_eq!((after.body.actions[0].description.clone(), after.body.actions[0].retry.attempts), (None, 2));
        assert_eq!(after.body.actions[0].id, id);
        assert!(change(json!({"type": "mail"})).unwrap_err().message.contains("cannot be changed"));
        assert_eq!(before.change_action("0", Map::new(), now).unwrap_err().code, 16);
        assert_eq!(before.remove_action("0", now).unwrap_err().code, 16);
        let last = before.remove_action(&id, now).unwrap_err();
        assert_eq!(last.message, "`actions` needs at least one action");
    }

    #[test]
    fn delays_double_up_to_a_day() {
        let check = |backoff: Backoff, attempt: u32, expected: u32| {
            let retry = Retry { attempts: 10, delay_seconds: 1000, backoff };
            assert_eq!(retry.delay_s(attempt), expected, "{backoff:?} {attempt}");
        };
        check(Backoff::Fixed, 9, 1000);
        check(Backoff::Exponential, 1, 1000);
        check(Backoff::Exponential, 2, 2000);
        check(Backoff::Exponential, 5, 16000);
        check(Backoff::Exponential, 9, 86400);
    }
}
