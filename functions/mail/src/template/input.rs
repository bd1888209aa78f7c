//! The inputs of a template: what it declares, and the values that it is filled in with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use shared::json::Problem;
use shared::nearest;

/// How many inputs a template, and properties an object, may declare.
const DECLARED_LIMIT: usize = 200;
/// How deeply inputs may nest.
const DEPTH_LIMIT: usize = 16;
/// How long the name of an input may be.
const NAME_LIMIT_CHARACTERS: usize = 100;

/// The inputs that a template declares, by name.
pub(crate) type Inputs = BTreeMap<String, Input>;

/// The type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TemplateInputType)]
pub(crate) enum Kind {
    /// Named values, declared by `properties`.
    Object,
    /// Values that are all of the type that `items` declares.
    Array,
    /// A text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// One declared input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TemplateInput)]
pub(crate) struct Input {
    /// What its values are.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// The properties of an object; required for objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub(crate) properties: Option<Inputs>,
    /// The type of each item of an array; required for arrays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub(crate) items: Option<Box<Self>>,
    /// Whether it must be given; `true` unless given. An optional one that is not given is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) required: Option<bool>,
}

/// Checks what a template declares; the problem names the place.
pub(crate) fn check(inputs: &Inputs, place: &str) -> Result<(), Problem> {
    check_level(inputs, place, 1)
}

fn check_level(inputs: &Inputs, place: &str, depth: usize) -> Result<(), Problem> {
    if inputs.len() > DECLARED_LIMIT {
        return Err(Problem::field(place, format!("must have at most {DECLARED_LIMIT} entries")));
    }
    if depth > DEPTH_LIMIT {
        return Err(Problem::field(place, format!("must nest at most {DEPTH_LIMIT} levels")));
    }
    for (name, input) in inputs {
        let place = format!("{place}.{name}");
        if !is_name(name) {
            let rule = "must begin with a letter or `_`, and have up to 100 letters, digits, `_` and `-`";
            return Err(Problem::field(&place, rule));
        }
        check_input(input, &place, depth)?;
    }
    Ok(())
}

fn check_input(input: &Input, place: &str, depth: usize) -> Result<(), Problem> {
    let at = |field: &str| format!("{place}.{field}");
    let only = |field: &str, kind: &str| Err(Problem::field(&at(field), format!("is only for the type `{kind}`")));
    match (input.kind, &input.properties, &input.items) {
        (Kind::Object, Some(properties), None) => check_level(properties, &at("properties"), depth + 1),
        (Kind::Object, None, _) => Err(Problem::missing(&at("properties"))),
        (Kind::Array, None, Some(_)) if depth >= DEPTH_LIMIT => {
            Err(Problem::field(place, format!("must nest at most {DEPTH_LIMIT} levels")))
        }
        (Kind::Array, None, Some(items)) => check_input(items, &at("items"), depth + 1),
        (Kind::Array, _, None) => Err(Problem::missing(&at("items"))),
        (_, Some(_), _) => only("properties", "object"),
        (_, _, Some(_)) => only("items", "array"),
        _ => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    name.chars().count() <= NAME_LIMIT_CHARACTERS
        && first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
}

/// Returns the values of the inputs as a template sees them, or says which one breaks which rule.
///
/// Optional ones that are not given are null, so that a template can rely on every name; what is not declared is left out.
pub(crate) fn fill(inputs: &Inputs, values: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    fill_object(inputs, values, "inputs")
}

fn fill_object(inputs: &Inputs, values: &Map<String, Value>, place: &str) -> Result<Map<String, Value>, String> {
    let filled = inputs.iter().map(|(name, input)| {
        let place = format!("{place}.{name}");
        let value = match values.get(name) {
            None | Some(Value::Null) if input.required == Some(false) => Value::Null,
            None => return Err(missing(inputs, values, name, &place)),
            Some(value) => fill_value(input, value, &place)?,
        };
        Ok((name.clone(), value))
    });
    filled.collect()
}

/// Says that a value is missing, and which one may be meant for it.
fn missing(inputs: &Inputs, values: &Map<String, Value>, name: &str, place: &str) -> String {
    let others = values.keys().map(String::as_str).filter(|other| !inputs.contains_key(*other));
    match nearest::nearest(name, others) {
        Some(other) => format!("`{place}` is required: `{other}` is given, which the template does not declare"),
        None => format!("`{place}` is required"),
    }
}

fn fill_value(input: &Input, value: &Value, place: &str) -> Result<Value, String> {
    match (input.kind, value) {
        (Kind::Object, Value::Object(values)) => {
            let none = Inputs::new();
            fill_object(input.properties.as_ref().unwrap_or(&none), values, place).map(Value::Object)
        }
        (Kind::Array, Value::Array(values)) => {
            let Some(items) = &input.items else { return Ok(value.clone()) };
            let filled =
                values.iter().enumerate().map(|(index, value)| fill_value(items, value, &format!("{place}[{index}]")));
            filled.collect::<Result<_, _>>().map(Value::Array)
        }
        (Kind::Number, Value::Number(number)) => Ok(Value::Number(whole_if_possible(number))),
        (Kind::String, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (kind, value) => Err(format!("`{place}` must be {}, not {}", described(kind), kind_of(value))),
    }
}

/// Returns a number without a fraction as a whole one, as it is written: `5.0` is shown as `5`.
pub(super) fn whole_if_possible(number: &Number) -> Number {
    const SAFE: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= SAFE => Number::from(float as i64),
        _ => number.clone(),
    }
}

fn described(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "an object",
        Kind::Array => "an array",
        Kind::String => "a string",
        Kind::Number => "a number",
        Kind::Boolean => "true or false",
    }
}

/// Says what a value is.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inputs(value: Value) -> Inputs {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_declared_is_checked() {
        let check = |value: Value, expected: Option<&str>| {
            let problem = check(&inputs(value.clone()), "inputs").err().map(shared::Refusal::from);
            assert_eq!(problem.map(|problem| problem.message).as_deref(), expected, "{value}");
        };
        check(json!({"a": {"type": "string"}, "_b-2": {"type": "number", "required": false}}), None);
        check(json!({"a": {"type": "object", "properties": {"b": {"type": "boolean"}}}}), None);
        check(json!({"a": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}}), None);
        check(json!({"a": {"type": "object"}}), Some("`inputs.a.properties` is required"));
        check(json!({"a": {"type": "array"}}), Some("`inputs.a.items` is required"));
        let items = json!({"type": "string"});
        check(json!({"a": {"type": "string", "items": items}}), Some("`inputs.a.items` is only for the type `array`"));
        let stray = json!({"a": {"type": "array", "items": items, "properties": {}}});
        check(stray, Some("`inputs.a.properties` is only for the type `object`"));
        let rule = "`inputs.a b` must begin with a letter or `_`, and have up to 100 letters, digits, `_` and `-`";
        check(json!({"a b": {"type": "string"}}), Some(rule));
        let deep = (0..16).fold(json!({"type": "string"}), |items, _| json!({"type": "array", "items": items}));
        assert!(super::check(&inputs(json!({"a": deep})), "inputs").is_err());
    }

    #[test]
    fn values_must_be_those_that_are_declared() {
        let declared = inputs(json!({
            "name": {"type": "string"}, "age": {"type": "number", "required": false},
            "tags": {"type": "array", "items": {"type": "string"}, "required": false},
            "address": {"type": "object", "required": false, "properties": {
                "city": {"type": "string"}, "zip": {"type": "string", "required": false}
            }},
        }));
        let check = |values: Value, expected: Result<Value, &str>| {
            let filled = fill(&declared, values.as_object().unwrap());
            assert_eq!(filled.map(Value::Object), expected.map_err(str::to_owned), "{values}");
        };
        let only_name = json!({"name": "Ada", "age": null, "tags": null, "address": null});
        check(json!({"name": "Ada"}), Ok(only_name.clone()));
        check(json!({"name": "Ada", "age": null}), Ok(only_name.clone()));
        check(
            json!({"name": "Ada", "age": 5.0, "tags": ["x"], "address": {"city": "Ghent"}}),
            Ok(json!({"name": "Ada", "age": 5, "tags": ["x"], "address": {"city": "Ghent", "zip": null}})),
        );
        check(json!({}), Err("`inputs.name` is required"));
        check(json!({"name": null}), Err("`inputs.name` must be a string, not null"));
        check(json!({"name": 5}), Err("`inputs.name` must be a string, not a number"));
        let typo = "`inputs.name` is required: `nam` is given, which the template does not declare";
        check(json!({"nam": "Ada"}), Err(typo));
        check(json!({"name": "Ada", "event": {"x": 1}}), Ok(only_name));
        check(json!({"name": "Ada", "tags": ["x", 1]}), Err("`inputs.tags[1]` must be a string, not a number"));
        let wrong = json!({"name": "Ada", "address": {"zip": "1"}});
        check(wrong, Err("`inputs.address.city` is required"));
    }
}
