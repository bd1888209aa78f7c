//! The commands: what a function is asked to do, and which fields the action of a step may have for it.
//!
//! A new type of action is an entry of [`ACTION_TYPES`], a rule in the template and the function behind it.

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{EventType, TenantId};
use crate::json::{Problem, whole_number};
use crate::nearest;
use crate::outbound::NOT_PASSED_ON;

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

/// What the value of a field must be; a text with a template in it can become anything.
#[derive(Debug)]
enum Rule {
    Anything,
    Text,
    /// The id of a record, no longer than a key can be.
    Id,
    /// The name of a function.
    FunctionName,
    /// The beginning of a URL, which may go on with a template.
    Url,
    /// The body of a request.
    Body,
    /// One of these words, in whatever case.
    Word(&'static [&'static str]),
    /// A whole number in this range, perhaps written as a text.
    Number(i64, i64),
    Object,
    /// A list of objects.
    Objects,
    /// True or false.
    Flag,
    /// An object whose texts can have placeholders.
    Placeholders,
    Texts,
    /// Lists of addresses by `to`, `cc` and `bcc`.
    Recipients,
    Headers,
    Time,
    /// The name of an environment.
    Environment,
    /// The tag of an app, a product or what belongs to them.
    Tag,
    /// A session, as `tag:token` or as an object with both.
    Session,
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

/// The type of action that sends a message on a channel.
pub const MESSAGE: ActionType = ActionType {
    name: "message",
    command: "message.requested",
    fields: &[
        required("channelId", Rule::Id),
        required("to", Rule::Anything),
        required("content", Rule::Anything),
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
        optional("schema", Rule::Anything),
        optional("expiresInSeconds", Rule::Number(1, 365 * 24 * 3600)),
        optional("id", Rule::Text),
    ],
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

impl Rule {
    /// Says which rule a value breaks.
    fn broken_by(&self, value: &Value) -> Option<String> {
        let (holds, rule) = match self {
            Self::Anything | Self::Body => return None,
            Self::Text => (value.is_string(), "must be a string".to_owned()),
            Self::Id => {
                let is_id = value.as_str().is_some_and(|text| (1..=ID_LIMIT_BYTES).contains(&text.len()));
                (is_id, format!("must have 1 to {ID_LIMIT_BYTES} characters"))
            }
            Self::FunctionName => {
                let rule = format!("must be 1 to {FUNCTION_NAME_LIMIT_CHARACTERS} letters, digits and hyphens");
                (value.as_str().is_some_and(is_function_name), rule)
            }
            Self::Url => {
                let is_url = |text: &str| ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
                (value.as_str().is_some_and(is_url), "must be a URL of http or https".to_owned())
            }
            Self::Object | Self::Placeholders => (value.is_object(), "must be an object".to_owned()),
            Self::Texts => (
                value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
                "must be an array of strings".to_owned(),
            ),
            Self::Objects => {
                let are_objects = value.as_array().is_some_and(|list| list.iter().all(Value::is_object));
                (are_objects, "must be an array of objects".to_owned())
            }
            Self::Flag => (value.is_boolean(), "must be true or false".to_owned()),
            Self::Recipients => return recipients_broken_by(value),
            Self::Headers => return headers_broken_by(value),
            Self::Word(words) => match value.as_str() {
                Some(word) if words.iter().any(|known| known.eq_ignore_ascii_case(word)) => return None,
                Some(word) => (false, format!("has the {}", nearest::unknown("value", word, words.iter().copied()))),
                None => (false, format!("must be one of {}", words.join(", "))),
            },
            Self::Environment => {
                let is_environment = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());
                let rule = "must be three lower-case letters, such as `dev`".to_owned();
                (value.as_str().is_some_and(is_environment), rule)
            }
            Self::Tag => {
                let rule = format!("must be 1 to {TAG_LIMIT_CHARACTERS} letters, digits, `_`, `.` and `-`");
                (value.as_str().is_some_and(is_tag), rule)
            }
            Self::Session => (is_session(value), "must be `tag:token`, or an object with `tag` and `token`".to_owned()),
            Self::Number(low, high) => return whole_number(value, *low, *high).err(),
            Self::Time => {
                let is_time = value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok())
                    || value.as_i64().is_some_and(|ms| Timestamp::from_millisecond(ms).is_ok());
                (is_time, TIME_RULE.to_owned())
            }
        };
        (!holds).then_some(rule)
    }
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
/// No id of a record is longer.
const ID_LIMIT_BYTES: usize = 128;

fn is_session(value: &Value) -> bool {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match value {
        Value::Object(members) => {
            members.len() == 2 && ["tag", "token"].iter().all(|name| members.get(*name).is_some_and(is_text))
        }
        Value::String(text) => text.split_once(':').is_some_and(|(tag, token)| is_tag(tag) && !token.is_empty()),
        _ => false,
    }
}

fn recipients_broken_by(recipients: &Value) -> Option<String> {
    const LISTS: [&str; 3] = ["to", "cc", "bcc"];
    let Some(recipients) = recipients.as_object() else {
        return Some("must be an object with `to`, and perhaps `cc` and `bcc`".to_owned());
    };
    if let Some(name) = recipients.keys().find(|name| !LISTS.contains(&name.as_str())) {
        return Some(format!("has the {}", nearest::unknown("field", name, LISTS)));
    }
    // What a template will become is checked when it is there.
    let is_address = |value: &Value| value.as_str().is_some_and(|text| text.contains('@') || text.contains("{{"));
    let is_list = |value: &Value| match value {
        Value::Array(list) => list.iter().all(is_address),
        value => value.is_null() || value.as_str().is_some_and(|text| text.contains("{{")),
    };
    let (name, _) = recipients.iter().find(|(_, list)| !is_list(list))?;
    Some(format!("has a `{name}` that is not an array of addresses"))
}

fn headers_broken_by(headers: &Value) -> Option<String> {
    let is_text = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let Some(headers) = headers.as_object().filter(|headers| headers.values().all(is_text)) else {
        return Some("must be an object whose values are strings".to_owned());
    };
    if let Some(name) = headers.keys().find(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
        return Some(format!("has the name {name:?}, which no header can have"));
    }
    let is_own = |name: &&String| NOT_PASSED_ON.iter().any(|own| own.as_str().eq_ignore_ascii_case(name));
    if let Some(name) = headers.keys().find(is_own) {
        return Some(format!("has `{name}`, which belongs to the connection and is set by the client alone"));
    }
    // What a template will add is checked when it is there.
    let is_broken = |value: &Value| value.as_str().is_some_and(|text| HeaderValue::from_str(text).is_err());
    let (name, _) = headers.iter().find(|(_, value)| is_broken(value))?;
    Some(format!("has a line break or another control character in `{name}`"))
}

/// What a time must be, in bodies and in actions.
pub const TIME_RULE: &str = "must be a time such as 2026-01-02T03:04:05Z, or milliseconds since 1970";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
    fn check(kind: &str, fields: Value, expected: Result<(), &str>) {
        let map = fields.as_object().unwrap();
        let result =
            ActionType::find(kind).and_then(|kind| kind.check(map, &["dependencies"], |text| text.contains("{{")));
        let result = result.map_err(|problem| problem.to_string());
        assert_eq!(result.as_ref().map_err(String::as_str).copied(), expected, "{kind} {fields}");
    }

    #[test]
    fn every_command_is_named_after_its_type() {
        for known in ACTION_TYPES {
            assert_eq!(known.command, format!("{}.requested", known.name));
            assert!(EventType::parse(known.command).is_ok());
        }
    }

    #[test]
    fn a_type_that_nobody_serves_is_refused() {
        check("htpt", json!({}), Err("`type` has the unknown value `htpt`: did you mean `http`?"));
        let types = "must be one of `action`, `callback`, `http`, `mail`, `message`, `task`";
        check("fax", json!({}), Err(&format!("`type` has the unknown value `fax`: {types}")));
    }

    #[test]
    fn the_fields_of_a_run_are_checked_when_it_is_saved() {
        let action = |more: Value| {
            let mut action = json!({"env": "dev", "product": "shop", "app": "payments", "action": "charge"});
            action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            action
        };
        check("action", action(json!({})), Ok(()));
        check("action", action(json!({"product": null, "product_tag": "p", "action": null, "event": "e"})), Ok(()));
        check("action", action(json!({"product_tag": "shop", "input": {"a": 1}, "session": "users:jwt"})), Ok(()));
        check(
            "action",
            action(json!({"app": "{{ event.content.app }}", "session": {"tag": "a", "token": "b"}})),
            Ok(()),
        );
        check("action", action(json!({"session": "{{ event.content.session }}", "retries": "3"})), Ok(()));
        check("action", action(json!({"env": null})), Err("`env` is required"));
        check("action", action(json!({"env": "prod"})), Err("`env` must be three lower-case letters, such as `dev`"));
        check("action", action(json!({"product": null})), Err("`product` is required"));
        check("action", action(json!({"action": null})), Err("`action` is required"));
        let both = "`action` must be the same as `event`, or only one of them given";
        check("action", action(json!({"event": "refund"})), Err(both));
        check(
            "action",
            action(json!({"cache": ""})),
            Err("`cache` must be 1 to 128 letters, digits, `_`, `.` and `-`"),
        );
        check("action", action(json!({"input": "a"})), Err("`input` must be an object"));
        let session = "`session` must be `tag:token`, or an object with `tag` and `token`";
        for wrong in [json!(1), json!("token"), json!({"tag": "a"}), json!({"tag": "a", "token": "b", "c": 1})] {
            check("action", action(json!({"session": wrong})), Err(session));
        }
        check("action", action(json!({"retries": 21})), Err("`retries` must be a whole number from 0 to 20"));
        let unknown = "unknown field `inputs`: did you mean `input`?";
        check("action", action(json!({"inputs": {}})), Err(unknown));
        let refused = ACTION.check(&json!({"values": []}).as_object().unwrap().clone(), &[], |_| false);
        assert!(refused.unwrap_err().to_string().starts_with("unknown field `values`"));
    }

    #[test]
    fn the_fields_of_an_action_are_checked_when_it_is_saved() {
        check("task", json!({"functionName": "f", "data": {"a": 1}, "tags": ["t"], "priority": 1}), Ok(()));
        check("task", json!({}), Err("`functionName` is required"));
        check("task", json!({"functionName": null}), Err("`functionName` is required"));
        let name = "`functionName` must be 1 to 128 letters, digits and hyphens";
        for wrong in [json!(5), json!(""), json!("a b"), json!("é"), json!("f".repeat(129)), json!("f".repeat(3_000))]
        {
            check("task", json!({"functionName": wrong}), Err(name));
        }
        for wrong in [json!(5), json!(""), json!("c".repeat(3_000))] {
            let message = json!({"channelId": wrong, "to": "t", "content": "c"});
            check("message", message, Err("`channelId` must have 1 to 128 characters"));
        }
        check("task", json!({"functionName": "f", "data": [1]}), Err("`data` must be an object"));
        check("task", json!({"functionName": "f", "tags": "t"}), Err("`tags` must be an array of strings"));
        check(
            "task",
            json!({"functionName": "f", "startTimestamp": "soon"}),
            Err(&format!("`startTimestamp` {TIME_RULE}")),
        );
        check("task", json!({"functionName": "f", "startTimestamp": 1_767_323_045_000_i64}), Ok(()));
        let unknown = "unknown field `functionname`: did you mean `functionName`?";
        check("task", json!({"functionname": "f"}), Err(unknown));
        let unknown = "unknown field `dependancies`: did you mean `dependencies`?";
        check("task", json!({"functionName": "f", "dependancies": []}), Err(unknown));
        check("http", json!({"url": "ftp://a.test"}), Err("`url` must be a URL of http or https"));
        check("http", json!({"url": "{{ event.content.url }}"}), Ok(()));
        let typo = "`method` has the unknown value `PSOT`: did you mean `POST`?";
        check("http", json!({"url": "https://a.test", "method": "PSOT"}), Err(typo));
        for method in ["CONNECT", "TRACE", "trace", "TRACK"] {
            let methods = "must be one of `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD`, `OPTIONS`";
            let rule = format!("`method` has the unknown value `{method}`: {methods}");
            check("http", json!({"url": "https://a.test", "method": method}), Err(&rule));
        }
        check("http", json!({"url": "https://a.test", "method": "patch"}), Ok(()));
        check("http", json!({"url": "https://a.test", "headers": {"a": "b"}, "body": [1]}), Ok(()));
        check(
            "http",
            json!({"url": "https://a.test", "headers": {"a": {}}}),
            Err("`headers` must be an object whose values are strings"),
        );
        for (headers, rule) in [
            (json!({"a": "b\r\nc: d"}), "`headers` has a line break or another control character in `a`"),
            (json!({"a": "{{ event.x }}\n"}), "`headers` has a line break or another control character in `a`"),
            (json!({"a b": "c"}), "`headers` has the name \"a b\", which no header can have"),
        ] {
            check("http", json!({"url": "https://a.test", "headers": headers}), Err(rule));
        }
        check("http", json!({"url": "https://a.test", "headers": {"a": "\té", "b": 1, "c": "{{ event.x }}"}}), Ok(()));
        check(
            "callback",
            json!({"action": "poke"}),
            Err("`action` has the unknown value `poke`: must be one of `create`, `wait`"),
        );
        check("callback", json!({"action": "Wait"}), Err("`id` is required"));
        check("callback", json!({"action": "create", "expiresInSeconds": "60"}), Ok(()));
        let rule = "`expiresInSeconds` must be a whole number from 1 to 31536000";
        check("callback", json!({"action": "create", "expiresInSeconds": 0}), Err(rule));
    }

    #[test]
    fn a_mail_needs_a_template_and_recipients() {
        let to = json!({"to": ["a@a.test", "{{ event.content.email }}"], "cc": "{{ event.content.others }}"});
        check("mail", json!({"recipients": to, "templateName": "welcome"}), Ok(()));
        check("mail", json!({"recipients": to, "templateName": "welcome", "templateId": "abc"}), Ok(()));
        check("mail", json!({"recipients": to}), Err("`templateId` is required"));
        check("mail", json!({"recipients": to, "templateId": null}), Err("`templateId` is required"));
        check("mail", json!({"templateId": "abc"}), Err("`recipients` is required"));
        let rule = "`recipients` has a `to` that is not an array of addresses";
        check("mail", json!({"recipients": {"to": ["nobody"]}, "templateId": "abc"}), Err(rule));
        check("mail", json!({"recipients": {"to": "a@a.test"}, "templateId": "abc"}), Err(rule));
        check(
            "mail",
            json!({"recipients": {"too": ["a@a.test"]}, "templateId": "abc"}),
            Err("`recipients` has the unknown field `too`: did you mean `to`?"),
        );
        check(
            "mail",
            json!({"recipients": ["a@a.test"], "templateId": "abc"}),
            Err("`recipients` must be an object with `to`, and perhaps `cc` and `bcc`"),
        );
        let rule = "`attachments` must be an array of objects";
        check("mail", json!({"recipients": to, "templateId": "abc", "attachments": ["x"]}), Err(rule));
    }

    #[test]
    fn what_a_template_will_become_is_not_known_yet() {
        check("task", json!({"functionName": "{{ event.content.f }}", "data": "{{ event.content }}"}), Ok(()));
        check("callback", json!({"action": "{{ event.content.action }}"}), Ok(()));
        check("task", json!({"functionName": "f", "startTimestamp": "{{ event.content.at }}"}), Ok(()));
    }
}
