//! What one value must be.

use std::borrow::Cow;

use email_address::{EmailAddress, Options};
use serde_json::{Number, Value};
use uuid::Uuid;

use crate::app::{Field, PlainType};

/// The length of a UUID with hyphens.
const UUID_BYTES: usize = 36;

/// Says which rule of a type a value breaks; where everything becomes text, scalars can be written as text or not.
pub(super) fn type_rule(kind: PlainType, value: &Value, is_text: bool) -> Option<&'static str> {
    let text = match value {
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        Value::Number(_) | Value::Bool(_) if is_text => Some(Cow::Owned(value.to_string())),
        _ => None,
    };
    let is_number =
        || value.is_number() || (is_text && value.as_str().is_some_and(|text| text.parse::<Number>().is_ok()));
    let is_boolean = || value.is_boolean() || (is_text && matches!(value.as_str(), Some("true" | "false")));
    let is_text = |is: &dyn Fn(&str) -> bool| text.as_deref().is_some_and(is);
    let (holds, rule) = match kind {
        PlainType::Any => return None,
        PlainType::String => (text.is_some(), "must be a string"),
        PlainType::NoSpacesString => {
            (is_text(&|text| !text.contains(char::is_whitespace)), "must be a string without spaces")
        }
        PlainType::EmailString => (is_text(&is_email), "must be an e-mail address"),
        PlainType::NumberString => {
            (is_text(&is_number_string), "must be a string of digits, perhaps with a sign and a fraction")
        }
        PlainType::Number | PlainType::Float | PlainType::Double => (is_number(), "must be a number"),
        PlainType::Uuid => (is_text(&is_uuid), "must be a UUID"),
        PlainType::Array => (value.is_array(), "must be an array"),
        PlainType::Object => (value.is_object(), "must be an object"),
        PlainType::Boolean => (is_boolean(), "must be true or false"),
    };
    (!holds).then_some(rule)
}

/// Says which limit the length of a value breaks: the characters of a string or number, the items of an array.
pub(super) fn length_rule(field: &Field, value: &Value) -> Option<String> {
    let (length, unit) = match value {
        Value::String(text) => (text.chars().count(), "characters"),
        Value::Number(number) => (number.to_string().len(), "characters"),
        Value::Array(items) => (items.len(), "items"),
        _ => return None,
    };
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    match (field.min_length, field.max_length) {
        (Some(least), _) if length < least => Some(format!("must have at least {least} {unit}")),
        (_, Some(most)) if length > most => Some(format!("must have at most {most} {unit}")),
        _ => None,
    }
}

fn is_email(text: &str) -> bool {
    let options = Options::default().without_display_text().without_domain_literal();
    EmailAddress::parse_with_options(text, options).is_ok()
}

fn is_number_string(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_BYTES && Uuid::try_parse(text).is_ok()
}
