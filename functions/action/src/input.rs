//! What a run is asked to send.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::app::Action;
use crate::declared;
use crate::failure::Violation;

/// The names of the parts of a request.
const PARTS: [&str; 4] = ["query", "params", "body", "headers"];

/// The four parts of a request; each is empty unless given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The query string.
    #[serde(default)]
    pub(crate) query: Map<String, Value>,
    /// The parameters of the resource.
    #[serde(default)]
    pub(crate) params: Map<String, Value>,
    /// The body: an object for all but SOAP and HTML, which can be a text.
    #[serde(default)]
    pub(crate) body: Value,
    /// The headers.
    #[serde(default)]
    pub(crate) headers: Map<String, Value>,
}

impl Input {
    /// Reads an input that is either in four parts or flat, in which case the action's declaration sorts it.
    pub(crate) fn read(action: &Action, input: Value) -> Result<Self, Vec<Violation>> {
        match input {
            Value::Null => Ok(Self::default()),
            Value::Object(members) if is_in_parts(action, &members) => Ok(Self::of_parts(members)),
            Value::Object(members) => declared::structured(action, members),
            _ => Err(vec![Violation { selector: "input".to_owned(), rule: "must be an object".to_owned() }]),
        }
    }

    fn of_parts(mut members: Map<String, Value>) -> Self {
        let mut part = |name: &str| match members.remove(name) {
            Some(Value::Object(part)) => part,
            _ => Map::new(),
        };
        let (query, params, headers) = (part("query"), part("params"), part("headers"));
        Self { query, params, headers, body: members.remove("body").unwrap_or_default() }
    }

    /// Returns the input as one value, as `$Input{…}` looks through it.
    pub(crate) fn to_value(&self) -> Value {
        json!({"query": self.query, "params": self.params, "body": self.body, "headers": self.headers})
    }
}

/// Tells whether an input is in four parts: a field that is called like one makes it flat, unless its value is a part.
fn is_in_parts(action: &Action, members: &Map<String, Value>) -> bool {
    let is_declared = |name: &str| {
        let declared = [&action.query, &action.params, &action.body, &action.headers];
        declared.into_iter().flatten().any(|field| field.key == name)
    };
    let is_part = |(name, value): (&String, &Value)| match value {
        Value::Object(_) | Value::Null => PARTS.contains(&name.as_str()),
        _ => name == "body" && !is_declared(name),
    };
    members.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(body: &[&str]) -> Action {
        let fields: Vec<Value> = body.iter().map(|key| json!({"key": key})).collect();
        serde_json::from_value(json!({"tag": "a", "resource": "/", "method": "POST", "body": fields})).unwrap()
    }

    #[test]
    fn an_input_in_four_parts_is_told_from_a_flat_one() {
        let check = |input: Value, declared: &[&str], expected: bool| {
            assert_eq!(is_in_parts(&action(declared), input.as_object().unwrap()), expected, "{input}");
        };
        check(json!({}), &[], true);
        check(json!({"query": {}, "params": {}, "body": {}, "headers": {}}), &[], true);
        check(json!({"body": {"a": 1}, "query": null}), &[], true);
        check(json!({"body": "<xml/>"}), &[], true);
        check(json!({"body": "hello"}), &["body"], false);
        check(json!({"query": "shoes"}), &["query"], false);
        check(json!({"query": {}, "name": 1}), &[], false);
        check(json!({"body:name": 1}), &[], false);
    }

    #[test]
    fn parts_that_are_not_given_are_empty() {
        let input = Input::read(&action(&[]), json!({"query": {"a": 1}, "params": null})).unwrap();
        assert_eq!(input.to_value(), json!({"query": {"a": 1}, "params": {}, "body": null, "headers": {}}));
        assert_eq!(Input::read(&action(&[]), Value::Null).unwrap(), Input::default());
        assert_eq!(Input::read(&action(&[]), json!([1])).unwrap_err()[0].rule, "must be an object");
    }
}
