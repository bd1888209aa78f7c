//! The filters of placeholders: each turns one value into another.

use std::borrow::Cow;

use serde_json::{Number, Value};
use shared::nearest::unknown;

use super::budget::Allowance;
use super::text_of;

/// What happens to a value on its way into a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    /// Replaces a value that is missing or null.
    Default(Value),
    Upper,
    Lower,
    Trim,
    /// Writes the value as JSON text.
    Json,
    /// Joins a list with a separator between its items.
    Join(String),
    First,
    Last,
    /// Counts the characters of a string, the items of a list or the members of an object.
    Length,
    /// Writes the value as text.
    Text,
    /// Parses a number.
    Number,
    /// Leaves the value as it is, and lets the text around it be written without escaping it.
    Raw,
}

/// The filters without an argument.
const PLAIN: [(&str, Filter); 10] = [
    ("upper", Filter::Upper),
    ("lower", Filter::Lower),
    ("trim", Filter::Trim),
    ("json", Filter::Json),
    ("first", Filter::First),
    ("last", Filter::Last),
    ("length", Filter::Length),
    ("string", Filter::Text),
    ("number", Filter::Number),
    ("raw", Filter::Raw),
];

impl Filter {
    /// Finds a filter by its name and argument, or says what is wrong.
    pub(super) fn named(name: &str, argument: Option<Value>) -> Result<Self, String> {
        match (name, argument) {
            ("default", Some(value)) => Ok(Self::Default(value)),
            ("join", Some(Value::String(between))) => Ok(Self::Join(between)),
            ("default" | "join", _) => Err(format!("the filter {name} needs one argument, as in `{name}(\"…\")`")),
            (name, argument) => match PLAIN.iter().find(|(known, _)| *known == name) {
                None => {
                    Err(unknown("filter", name, PLAIN.map(|(known, _)| known).into_iter().chain(["default", "join"])))
                }
                Some(_) if argument.is_some() => Err(format!("the filter {name} takes no argument")),
                Some((_, filter)) => Ok(filter.clone()),
            },
        }
    }

    /// Applies the filter, or says which type it does not accept or what it may not cost.
    pub(super) fn apply<'v>(
        &self,
        value: Cow<'v, Value>,
        allowance: &mut Allowance<'_>,
    ) -> Result<Cow<'v, Value>, String> {
        let value = match (self, &*value) {
            (Self::Default(_) | Self::Raw, _) | (Self::Text, Value::String(_)) | (Self::Number, Value::Number(_)) => {
                return Ok(value);
            }
            (Self::First | Self::Last, Value::Array(_)) => return Ok(self.one_item(value)),
            (Self::Upper | Self::Lower | Self::Trim, Value::String(text)) => self.changed(text, allowance)?.into(),
            (Self::Json | Self::Text, value) => {
                allowance.json(value)?;
                value.to_string().into()
            }
            (Self::Join(between), Value::Array(items)) => joined(items, between, allowance)?.into(),
            (Self::Length, Value::String(text)) => {
                allowance.work(text.len())?;
                text.chars().count().into()
            }
            (Self::Length, Value::Array(items)) => items.len().into(),
            (Self::Length, Value::Object(members)) => members.len().into(),
            (Self::Number, Value::String(text)) => {
                allowance.work(text.len())?;
                number(text)?
            }
            (filter, value) => return Err(format!("{} does not accept {}", filter.name(), kind(value))),
        };
        Ok(Cow::Owned(value))
    }

    fn one_item<'v>(&self, list: Cow<'v, Value>) -> Cow<'v, Value> {
        let is_first = *self == Self::First;
        let item = match list {
            Cow::Borrowed(list) => {
                let items = list.as_array().and_then(|items| if is_first { items.first() } else { items.last() });
                items.map(Cow::Borrowed)
            }
            Cow::Owned(Value::Array(mut items)) => match is_first {
                true => items.into_iter().next(),
                false => items.pop(),
            }
            .map(Cow::Owned),
            Cow::Owned(_) => None,
        };
        item.unwrap_or_default()
    }

    /// Returns a text in another case, or without the space around it.
    fn changed(&self, text: &str, allowance: &mut Allowance<'_>) -> Result<String, String> {
        allowance.work(text.len())?;
        let bytes = |chars: &mut dyn Iterator<Item = char>| chars.map(char::len_utf8).sum();
        allowance.output(match self {
            Self::Upper => bytes(&mut text.chars().flat_map(char::to_uppercase)),
            Self::Lower => bytes(&mut text.chars().flat_map(char::to_lowercase)),
            _ => text.trim().len(),
        })?;
        Ok(match self {
            Self::Upper => text.to_uppercase(),
            Self::Lower => text.to_lowercase(),
            _ => text.trim().to_owned(),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Default(_) => "default",
            Self::Join(_) => "join",
            plain => PLAIN.iter().find(|(_, filter)| filter == plain).map_or("filter", |(name, _)| name),
        }
    }
}

fn joined(items: &[Value], between: &str, allowance: &mut Allowance<'_>) -> Result<String, String> {
    let mut size_bytes = between.len().saturating_mul(items.len().saturating_sub(1));
    for item in items {
        size_bytes = size_bytes.saturating_add(match item {
            Value::String(text) => text.len(),
            other => allowance.json(other)?,
        });
    }
    allowance.output(size_bytes)?;
    let texts: Vec<_> = items.iter().map(text_of).collect();
    Ok(texts.join(between))
}

fn number(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let number = text.parse::<i64>().ok().map(Number::from);
    let number = number.or_else(|| text.parse::<u64>().ok().map(Number::from));
    let number = number.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    number.map(Value::Number).ok_or_else(|| "number does not accept a text that is not a number".to_owned())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Budget, PLACEHOLDER_OUTPUT_BYTES};
    use super::*;
    use serde_json::json;

    #[test]
    fn each_filter_accepts_some_types_and_refuses_the_rest() {
        let check = |name: &str, argument: Option<Value>, value: Value, expected: Option<Value>| {
            let filter = Filter::named(name, argument).unwrap();
            let got = filter.apply(Cow::Borrowed(&value), &mut Budget::new(0).placeholder()).ok().map(Cow::into_owned);
            let owned = filter.apply(Cow::Owned(value.clone()), &mut Budget::new(0).placeholder());
            assert_eq!(owned.ok().map(Cow::into_owned), got, "{value} | {name}");
            assert_eq!(got, expected, "{value} | {name}");
        };
        check("upper", None, json!("aß"), Some(json!("ASS")));
        check("upper", None, json!(1), None);
        check("lower", None, json!("ÀB"), Some(json!("àb")));
        check("trim", None, json!(" a \n"), Some(json!("a")));
        check("json", None, json!({"a": [1]}), Some(json!(r#"{"a":[1]}"#)));
        check("join", Some(json!(", ")), json!(["a", 1, null]), Some(json!("a, 1, null")));
        check("join", Some(json!(",")), json!("a"), None);
        check("first", None, json!([]), Some(json!(null)));
        check("first", None, json!([1, 2]), Some(json!(1)));
        check("last", None, json!([1, 2]), Some(json!(2)));
        check("last", None, json!({}), None);
        check("length", None, json!("äö"), Some(json!(2)));
        check("length", None, json!({"a": 1}), Some(json!(1)));
        check("length", None, json!(true), None);
        check("string", None, json!(1.5), Some(json!("1.5")));
        check("number", None, json!(" 12 "), Some(json!(12)));
        check("number", None, json!("1.5"), Some(json!(1.5)));
        check("number", None, json!("18446744073709551615"), Some(json!(u64::MAX)));
        check("number", None, json!("-9223372036854775808"), Some(json!(i64::MIN)));
        check("number", None, json!("NaN"), None);
        check("number", None, json!([]), None);
        check("default", Some(json!(1)), json!(2), Some(json!(2)));
        check("raw", None, json!([1]), Some(json!([1])));
    }

    #[test]
    fn no_filter_makes_more_than_a_placeholder_may_have() {
        let check = |name: &str, argument: Option<Value>, value: Value| {
            let filter = Filter::named(name, argument).unwrap();
            let mut budget = Budget::new(0);
            let refused = filter.apply(Cow::Borrowed(&value), &mut budget.placeholder()).unwrap_err();
            assert!(refused.contains("1000000 bytes") || refused.contains("too much to do"), "{name}: {refused}");
        };
        let half = "x".repeat(PLACEHOLDER_OUTPUT_BYTES / 2);
        check("join", Some(json!(half)), json!([1, 2, 3, 4]));
        check("join", Some(json!("")), json!([half, half, half]));
        check("join", Some(json!(",")), json!([[half, half], {"a": half}]));
        check("json", None, json!("\u{1}".repeat(PLACEHOLDER_OUTPUT_BYTES / 5)));
        check("json", None, json!([half, half, half]));
        check("string", None, json!([half, half, half]));
        check("upper", None, json!("\u{390}".repeat(PLACEHOLDER_OUTPUT_BYTES / 5)));
        check("lower", None, json!("\u{130}".repeat(PLACEHOLDER_OUTPUT_BYTES / 2)));
        check("trim", None, json!(half.repeat(3)));
        check("length", None, json!(half.repeat(7)));
        check("number", None, json!("1".repeat(PLACEHOLDER_OUTPUT_BYTES * 4)));
    }
}
