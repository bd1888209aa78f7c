//! What the values of an action's own fields must be, as far as that is known before its templates are filled in.

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{FUNCTION_NAME_LIMIT_CHARACTERS, TAG_LIMIT_CHARACTERS, is_function_name, is_tag};
use crate::json::{self, whole_number};
use crate::nearest;
use crate::outbound::{self, NOT_PASSED_ON};

/// What the value of a field must be; a text with a template in it can become anything.
#[derive(Debug)]
pub(super) enum Rule {
    Text,
    /// The id of a record, no longer than a key can be.
    Id,
    /// The name of a function.
    FunctionName,
    /// A URL of http or https that can be asked for.
    Url,
    /// The body of a request.
    Body,
    /// A JSON Schema, as JSON or as a text with JSON in it.
    Schema,
    /// The id of a callback.
    CallbackId,
    /// The recipient of a message: an id, or an object with one.
    Party,
    /// The content of a message: a text, or an object whose `type` is one of these, perhaps in lower case.
    Content(&'static [&'static str]),
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

impl Rule {
    /// Says which rule a value breaks.
    pub(super) fn broken_by(&self, value: &Value) -> Option<String> {
        let (holds, rule) = match self {
            Self::Body => return None,
            Self::Text => (value.is_string(), "must be a string".to_owned()),
            Self::Id => {
                let is_id = value.as_str().is_some_and(|text| (1..=ID_LIMIT_BYTES).contains(&text.len()));
                (is_id, format!("must have 1 to {ID_LIMIT_BYTES} characters"))
            }
            Self::FunctionName => {
                let rule = format!("must be 1 to {FUNCTION_NAME_LIMIT_CHARACTERS} letters, digits and hyphens");
                (value.as_str().is_some_and(is_function_name), rule)
            }
            Self::Url => return url_broken_by(value),
            Self::Schema => return schema_broken_by(value),
            Self::CallbackId => {
                let is_id = value.as_str().is_some_and(|text| Uuid::parse_str(text).is_ok());
                let rule =
                    "must be the id of a callback, such as `{{ steps.NAME.output.id }}` of the step that creates it";
                (is_id, rule.to_owned())
            }
            Self::Party => {
                let is_party = value.is_string() || value.is_i64() || value.is_u64() || value.is_object();
                (is_party, "must be an id or an object with an `id`".to_owned())
            }
            Self::Content(kinds) => return content_broken_by(value, kinds),
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

fn url_broken_by(url: &Value) -> Option<String> {
    let is_url = |text: &&str| ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    let Some(url) = url.as_str().filter(is_url) else {
        return Some("must be a URL of http or https".to_owned());
    };
    outbound::check_url(url).err().map(|reason| format!("cannot be used: {reason}"))
}

/// Which schemas can check bodies, only the function of the callbacks knows.
fn schema_broken_by(schema: &Value) -> Option<String> {
    let is_schema = match schema {
        Value::Object(_) | Value::Bool(_) => true,
        // An empty text is no schema, as for the plugin that this follows.
        Value::String(text) if text.trim().is_empty() => true,
        Value::String(text) => match json::foreign_within_limit(text.as_bytes()) {
            Ok(parsed) => parsed.is_object() || parsed.is_boolean(),
            Err(unreadable) => return Some(format!("is not a JSON Schema: {unreadable}")),
        },
        _ => false,
    };
    (!is_schema).then(|| "must be a JSON Schema: an object or a boolean, or a text with one".to_owned())
}

fn content_broken_by(content: &Value, kinds: &[&str]) -> Option<String> {
    let content = match content {
        Value::String(_) => return None,
        Value::Object(content) => content,
        _ => return Some("must be a text or an object with a `type`".to_owned()),
    };
    // What a template will become is checked when it is there.
    let kind = content.get("type")?.as_str().filter(|kind| !kind.contains("{{"))?;
    let is_known = kinds.iter().any(|known| kind == *known || kind == known.to_ascii_lowercase());
    (!is_known).then(|| format!("has a `type` of the {}", nearest::unknown("value", kind, kinds.iter().copied())))
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
