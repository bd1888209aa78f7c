//! The filters of placeholders: each turns one value into another.

use serde_json::{Number, Value};
use shared::nearest::unknown;

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
}

/// The filters without an argument.
const PLAIN: [(&str, Filter); 9] = [
    ("upper", Filter::Upper),
    ("lower", Filter::Lower),
    ("trim", Filter::Trim),
    ("json", Filter::Json),
    ("first", Filter::First),
    ("last", Filter::Last),
    ("length", Filter::Length),
    ("string", Filter::Text),
    ("number", Filter::Number),
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

    /// Applies the filter, or says which type it does not accept.
    pub(super) fn apply(&self, value: Value) -> Result<Value, String> {
        let value = match (self, value) {
            (Self::Default(_), value) => value,
            (Self::Upper, Value::String(text)) => text.to_uppercase().into(),
            (Self::Lower, Value::String(text)) => text.to_lowercase().into(),
            (Self::Trim, Value::String(text)) => text.trim().into(),
            (Self::Json, value) => value.to_string().into(),
            (Self::Join(between), Value::Array(items)) => {
                items.into_iter().map(text_of).collect::<Vec<_>>().join(between).into()
            }
            (Self::First, Value::Array(items)) => items.into_iter().next().unwrap_or_default(),
            (Self::Last, Value::Array(items)) => items.into_iter().next_back().unwrap_or_default(),
            (Self::Length, Value::String(text)) => text.chars().count().into(),
            (Self::Length, Value::Array(items)) => items.len().into(),
            (Self::Length, Value::Object(members)) => members.len().into(),
            (Self::Text, value) => text_of(value).into(),
            (Self::Number, Value::Number(number)) => number.into(),
            (Self::Number, Value::String(text)) => number(&text)?,
            (filter, value) => return Err(format!("{} does not accept {}", filter.name(), kind(&value))),
        };
        Ok(value)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Default(_) => "default",
            Self::Join(_) => "join",
            plain => PLAIN.iter().find(|(_, filter)| filter == plain).map_or("filter", |(name, _)| name),
        }
    }
}

fn number(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let number = text.parse::<i64>().ok().map(Number::from);
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
    use super::*;
    use serde_json::json;

    #[test]
    fn each_filter_accepts_some_types_and_refuses_the_rest() {
        let check = |name: &str, argument: Option<Value>, value: Value, expected: Option<Value>| {
            let got = Filter::named(name, argument).unwrap().apply(value.clone()).ok();
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
        check("number", None, json!("NaN"), None);
        check("number", None, json!([]), None);
        check("default", Some(json!(1)), json!(2), Some(json!(2)));
    }
}
