//! Which events the steps of an action can cause, and what is known of them beforehand.

use serde_json::{Map, Value, json};
use shared::event::EventType;
use shared::event::fact::{
    CALLBACK_EXPIRED, CALLBACK_RESOLVED, MAIL_BOUNCED, MAIL_COMPLAINED, MAIL_DELIVERED, MAIL_FAILED, MESSAGE_FAILED,
    MESSAGE_SENT, MESSAGE_STATUS, RUN_FAILED, RUN_SUCCEEDED, TASK_FAILED,
};

use crate::dispatcher::Action;

/// The types of the facts about runs that are over.
pub(super) const OUTCOMES: [EventType; 2] = [RUN_SUCCEEDED, RUN_FAILED];
/// The types of the facts about mails.
const MAIL: [EventType; 4] = [MAIL_DELIVERED, MAIL_FAILED, MAIL_BOUNCED, MAIL_COMPLAINED];

/// Events of a type that a step can cause.
#[derive(Debug, Clone)]
pub(super) struct Emission {
    pub(super) kind: EventType,
    /// The fields of the content whose values are known.
    pub(super) content: Map<String, Value>,
}

impl Emission {
    /// Events of which nothing but the type is known.
    pub(super) fn of_type(kind: EventType) -> Self {
        Self { kind, content: Map::new() }
    }

    /// Returns the pattern that these events match.
    pub(super) fn pattern(&self) -> Value {
        let mut pattern = json!({"type": [self.kind]});
        if !self.content.is_empty() {
            let content = self.content.iter().map(|(name, value)| (name.clone(), json!([value])));
            pattern["content"] = Value::Object(content.collect());
        }
        pattern
    }
}

/// Returns what a step of an action can emit, by its type alone.
pub(super) fn of(action: &Action) -> Vec<Emission> {
    let fields = action.command_fields();
    let known = |name: &str| {
        let value = fields.get(name).filter(|value| value.as_str().is_some_and(|text| !text.contains("{{")));
        value.map(|value| Map::from_iter([(name.to_owned(), value.clone())])).unwrap_or_default()
    };
    let (kinds, content): (&[EventType], _) = match action.kind.as_str() {
        "task" => (&[TASK_FAILED], known("functionName")),
        "message" => (&[MESSAGE_SENT, MESSAGE_STATUS, MESSAGE_FAILED], known("channelId")),
        "callback" if is_creation(&fields) => (&[CALLBACK_RESOLVED, CALLBACK_EXPIRED], Map::new()),
        "mail" => (&MAIL, Map::new()),
        _ => (&[], Map::new()),
    };
    kinds.iter().map(|kind| Emission { kind: kind.clone(), content: content.clone() }).collect()
}

/// Whether a callback action creates callbacks, or perhaps does.
pub(super) fn is_creation(fields: &Map<String, Value>) -> bool {
    !fields.get("action").and_then(Value::as_str).is_some_and(|word| word.eq_ignore_ascii_case("wait"))
}
