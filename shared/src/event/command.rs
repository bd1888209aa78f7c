//! The commands: what a function is asked to do, and which fields the action of a step may have for it.
//!
//! A new type of action is an entry of [`ACTION_TYPES`], a rule in the template and the function behind it.

mod rule;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::rule::Rule;
pub use self::rule::TIME_RULE;
use super::{EventType, TenantId};
use crate::json::Problem;
use crate::media::Media;
use crate::nearest;

/// The source of commands.
pub const COMMAND_SOURCE: &str = "hookyard.command";

/// The content of the command `task.due`, and the input of a task's schedule: a task's time has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskDue {
    /// The task.
    pub task_id: String,
    /// When the task was asked for.
    #[serde(with = "crate::clock::iso")]
    pub requested_at: Timestamp,
}

/// The type of [`TaskDue`].
pub const TASK_DUE: EventType = EventType::known("task.due");

/// The content of the command `task.cancel.requested`: a task that has not started is not to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskCancelRequested {
    /// The task.
    pub task_id: String,
}

/// The type of [`TaskCancelRequested`].
pub const TASK_CANCEL_REQUESTED: EventType = EventType::known("task.cancel.requested");

/// The content of the command `schedule.due`, and the input of a schedule's own schedule: its instants may have come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleDue {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The schedule.
    pub schedule_id: String,
    /// What tells it from an earlier or later schedule of the same id.
    pub incarnation: String,
}

/// The type of [`ScheduleDue`].
pub const SCHEDULE_DUE: EventType = EventType::known("schedule.due");

/// A type of action: the command that asks for its steps, and its own fields.
#[derive(Debug)]
pub struct ActionType {
    /// The `type` of the action.
    pub name: &'static str,
    /// The type of its command, `<name>.requested`.
    pub command: &'static str,
    fields: &'static [Field],
    /// A field that is required where another one has this value: (other, value, field).
    required_with: Option<(&'static str, &'static str, &'static str)>,
    /// Fields with two names, one of which is required.
    either: &'static [[&'static str; 2]],
    /// Fields of which at least one is required; none if there are no such fields.
    any_of: &'static [&'static str],
    /// Fields that go with one value of another one only: (field, other, value).
    only_with: &'static [(&'static str, &'static str, &'static str)],
    /// What else must hold of all fields together.
    together: fn(&Map<String, Value>) -> Result<(), Problem>,
    /// The fields that name a record of another function, and of which kind; the first that is there counts.
    names: &'static [(&'static str, Named)],
    /// Within how many seconds its function answers a command, be it that the step waits.
    pub answers_within_s: u32,
}

/// Within how many seconds a function answers a command: time for its longest work, and for several deliveries.
pub const ANSWERS_WITHIN_S: u32 = 15 * 60;
/// Within how many seconds a command is answered that takes a minute at most.
const SHORT_ANSWERS_WITHIN_S: u32 = 10 * 60;

/// A kind of record that an action can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A channel, by its id.
    Channel,
    /// A function, by its name.
    Function,
    /// A template, by its id or name.
    Template,
    /// A product, by its tag.
    Product,
    /// The access tag of a product by which it uses an app.
    AccessTag,
}

/// Where the text of a field ends up, which decides how the values of a template are written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In JSON, or where nothing but the whole text means something.
    Plain,
    /// In a URL.
    Url,
    /// In the body of a request, whose `content-type` is among the action's `headers`.
    Body,
    /// Where placeholders such as `$Secret{KEY}` are resolved by the function that does the step.
    Placeholders,
}

/// The field of a command with the values that were put aside in [`Place::Placeholders`]; no action can have it.
pub const VALUES: &str = "values";

/// How the placeholder of a value that was put aside begins.
pub const OWN_VALUE: &str = "$Value{";

/// Returns the placeholder of the value at a position of [`VALUES`].
pub fn own_value(position: usize) -> String {
    format!("{OWN_VALUE}{position}}}")
}

/// A field of an action.
#[derive(Debug)]
struct Field {
    name: &'static str,
    is_required: bool,
    rule: Rule,
}

const fn required(name: &'static str, rule: Rule) -> Field {
    Field { name, is_required: true, rule }
}

const fn optional(name: &'static str, rule: Rule) -> Field {
    Field { name, is_required: false, rule }
}

/// The methods of HTTP calls; `CONNECT` and `TRACE` are about the connection and not about what is called.
pub const HTTP_METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// What most types of actions have in common.
const PLAIN: ActionType = ActionType {
    name: "",
    command: "",
    fields: &[],
    required_with: None,
    either: &[],
    any_of: &[],
    only_with: &[],
    together: |_| Ok(()),
    names: &[],
    answers_within_s: ANSWERS_WITHIN_S,
};

/// The type of action that makes one HTTP call.
pub const HTTP: ActionType = ActionType {
    name: "http",
    command: "http.requested",
    fields: &[
        required("url", Rule::Url),
        optional("method", Rule::Word(&HTTP_METHODS)),
        optional("headers", Rule::Headers),
        optional("body", Rule::Body),
        optional("timeoutSeconds", Rule::Number(1, 60)),
    ],
    together: body_fits_type,
    answers_within_s: SHORT_ANSWERS_WITHIN_S,
    ..PLAIN
};

/// The most attempts after the first that a run of an action may have.
pub const RETRIES_LIMIT: u32 = 20;

/// The type of action that runs an action of an app.
pub const ACTION: ActionType = ActionType {
    name: "action",
    command: "action.requested",
    fields: &[
        required("env", Rule::Environment),
        optional("product", Rule::Tag),
        optional("product_tag", Rule::Tag),
        required("app", Rule::Tag),
        optional("action", Rule::Tag),
        optional("event", Rule::Tag),
        optional("cache", Rule::Tag),
        optional("input", Rule::Placeholders),
        optional("session", Rule::Session),
        optional("retries", Rule::Number(0, RETRIES_LIMIT as i64)),
    ],
    either: &[["product", "product_tag"], ["action", "event"]],
    names: &[("product", Named::Product), ("product_tag", Named::Product), ("app", Named::AccessTag)],
    ..PLAIN
};

/// The kinds of content that a message can have.
#[rustfmt::skip]
pub const MESSAGE_KINDS: [&str; 12] = [
    "TEXT", "FILE", "LOCATION", "CONTACTS", "BUTTON", "LIST", "REACTION", "EDIT", "DELETE", "COMMAND", "TEMPLATE",
    "UNSUPPORTED",
];

/// The type of action that sends a message on a channel.
pub const MESSAGE: ActionType = ActionType {
    name: "message",
    command: "message.requested",
    fields: &[
        required("channelId", Rule::Id),
        required("to", Rule::Party),
        required("content", Rule::Content(&MESSAGE_KINDS)),
        optional("replyTo", Rule::Object),
        optional("threadId", Rule::Text),
    ],
    names: &[("channelId", Named::Channel)],
    answers_within_s: SHORT_ANSWERS_WITHIN_S,
    ..PLAIN
};

/// The type of action that runs a function as a task.
pub const TASK: ActionType = ActionType {
    name: "task",
    command: "task.requested",
    fields: &[
        required("functionName", Rule::FunctionName),
        optional("data", Rule::Object),
        optional("startTimestamp", Rule::Time),
        optional("tags", Rule::Texts),
        optional("priority", Rule::Number(-9_007_199_254_740_991, 9_007_199_254_740_991)),
    ],
    names: &[("functionName", Named::Function)],
    ..PLAIN
};

/// The type of action that creates a callback or waits for one.
pub const CALLBACK: ActionType = ActionType {
    name: "callback",
    command: "callback.requested",
    fields: &[
        required("action", Rule::Word(&["create", "wait"])),
        optional("schema", Rule::Schema),
        optional("expiresInSeconds", Rule::Number(1, 365 * 24 * 3600)),
        optional("id", Rule::CallbackId),
    ],
    only_with: &[("schema", "action", "create"), ("expiresInSeconds", "action", "create"), ("id", "action", "wait")],
    required_with: Some(("action", "wait", "id")),
    ..PLAIN
};

/// The type of action that sends a mail.
pub const MAIL: ActionType = ActionType {
    name: "mail",
    command: "mail.requested",
    fields: &[
        required("recipients", Rule::Recipients),
        optional("templateId", Rule::Id),
        optional("templateName", Rule::Text),
        optional("content", Rule::Object),
        optional("language", Rule::Text),
        optional("timeZone", Rule::Text),
        optional("replyTo", Rule::Texts),
        optional("attachments", Rule::Objects),
        optional("trackOpens", Rule::Flag),
    ],
    any_of: &["templateId", "templateName"],
    names: &[("templateId", Named::Template), ("templateName", Named::Template)],
    ..PLAIN
};

/// Every type of action.
pub const ACTION_TYPES: [&ActionType; 6] = [&ACTION, &CALLBACK, &HTTP, &MAIL, &MESSAGE, &TASK];

impl ActionType {
    /// Returns the type of this name.
    pub fn find(name: &str) -> Result<&'static Self, Problem> {
        let names = ACTION_TYPES.iter().map(|known| known.name);
        let unknown = || Problem::field("type", format!("has the {}", nearest::unknown("value", name, names)));
        ACTION_TYPES.into_iter().find(|known| known.name == name).ok_or_else(unknown)
    }

    /// Returns the type of the command.
    pub fn event_type(&self) -> EventType {
        EventType::known(self.command)
    }

    /// Returns the fields of an action that name records of another function, and of which kind.
    ///
    /// Where one of several fields is enough, the first that is given counts.
    pub fn naming(&self, fields: &Map<String, Value>) -> impl Iterator<Item = (&'static str, Named)> {
        let is_given = |field: &str| fields.get(field).is_some_and(|value| !value.is_null());
        let most = if self.any_of.is_empty() { usize::MAX } else { 1 };
        self.names.iter().copied().filter(move |(field, _)| is_given(field)).take(most)
    }

    /// Returns where the text of a field ends up.
    pub fn place(&self, field: &str) -> Place {
        match self.fields.iter().find(|known| known.name == field).map(|known| &known.rule) {
            Some(Rule::Url) => Place::Url,
            Some(Rule::Body) => Place::Body,
            Some(Rule::Placeholders) => Place::Placeholders,
            _ => Place::Plain,
        }
    }

    /// Whether a field has placeholders that the function of the step resolves.
    pub fn has_placeholders(&self) -> bool {
        self.fields.iter().any(|field| matches!(field.rule, Rule::Placeholders))
    }

    /// Checks an action's own fields as far as that is possible before its templates are filled in.
    ///
    /// `common` names the fields that every action has, one of which an unknown field may be meant to be; `is_template`
    /// tells whether a text has a template in it.
    pub fn check(
        &self,
        fields: &Map<String, Value>,
        common: &[&str],
        is_template: impl Fn(&str) -> bool,
    ) -> Result<(), Problem> {
        for (name, value) in fields {
            let field = self.fields.iter().find(|field| field.name == name);
            let others = common.iter().copied().filter(|common| common != name);
            let names = self.fields.iter().map(|field| field.name).chain(others);
            let field = field.ok_or_else(|| Problem::unknown(name, names))?;
            let is_open = value.is_null() || value.as_str().is_some_and(&is_template);
            if let Some(rule) = field.rule.broken_by(value).filter(|_| !is_open) {
                return Err(Problem::field(name, rule));
            }
        }
        let with = self.required_with.filter(|(name, word, _)| {
            fields.get(*name).and_then(Value::as_str).is_some_and(|given| given.eq_ignore_ascii_case(word))
        });
        let required = self.fields.iter().filter(|field| field.is_required).map(|field| field.name);
        let required = required.chain(with.map(|(_, _, name)| name));
        if let Some(name) = required.into_iter().find(|name| fields.get(*name).is_none_or(Value::is_null)) {
            return Err(Problem::missing(name));
        }
        let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
        if let Some(name) = self.any_of.first()
            && !self.any_of.iter().any(|name| given(name).is_some())
        {
            return Err(Problem::missing(name));
        }
        for (name, other, word) in self.only_with {
            let is_otherwise = |given: &str| !is_template(given) && !given.eq_ignore_ascii_case(word);
            if given(name).is_some() && given(other).and_then(Value::as_str).is_some_and(is_otherwise) {
                return Err(Problem::field(name, format!("goes with the {other} `{word}` only")));
            }
        }
        (self.together)(fields)?;
        self.either.iter().try_for_each(|[name, alias]| {
            let is_open = |value: &Value| value.as_str().is_some_and(&is_template);
            match (given(name), given(alias)) {
                (None, None) => Err(Problem::missing(name)),
                (Some(one), Some(other)) if one != other && !is_open(one) && !is_open(other) => {
                    let rule = format!("must be the same as `{alias}`, or only one of them given");
                    Err(Problem::field(name, rule))
                }
                _ => Ok(()),
            }
        })
    }
}

/// Checks that a body which is no text can be written in the type that the headers of its request give it.
fn body_fits_type(fields: &Map<String, Value>) -> Result<(), Problem> {
    match (fields.get("body"), body_type(fields)) {
        (Some(body), Some(media)) if !body.is_string() && !body.is_null() => {
            media.broken_by(body).map_or(Ok(()), |rule| Err(Problem::field("body", rule)))
        }
        _ => Ok(()),
    }
}

/// Returns the syntax that the `headers` of an action give its body, if they do.
pub fn body_type(fields: &Map<String, Value>) -> Option<Media> {
    let headers = fields.get("headers")?.as_object()?;
    let (_, content_type) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
    content_type.as_str().map(Media::of)
}

/// Tells whether a text can be the name of a function.
pub fn is_function_name(text: &str) -> bool {
    (1..=FUNCTION_NAME_LIMIT_CHARACTERS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Tells whether a text can be the tag of an app, a product or what belongs to them.
pub fn is_tag(text: &str) -> bool {
    (1..=TAG_LIMIT_CHARACTERS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The longest tag.
pub const TAG_LIMIT_CHARACTERS: usize = 128;
/// The longest name of a function.
pub const FUNCTION_NAME_LIMIT_CHARACTERS: usize = 128;

#[cfg(test)]
mod tests;
