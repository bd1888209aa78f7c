//! The selector of a session: where in its data the one is named whom it is for, such as `$Session{user}{id}`.

use serde_json::{Number, Value};

use crate::tag::Tag;

/// The longest text that names somebody.
const IDENTIFIER_LIMIT_BYTES: usize = 512;

/// The stages of a selector, without the tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<Stage>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Member(String),
    Element(usize),
}

impl Selector {
    /// Reads a selector; a first stage that is the session's tag is not part of the path, unless it is the only one.
    pub(super) fn parse(text: &str, tag: &Tag) -> Result<Self, String> {
        let rule = || "must be `$Session{…}` with a stage for each level, such as `$Session{user}{id}`".to_owned();
        let mut rest = text.trim().strip_prefix("$Session").ok_or_else(rule)?;
        let mut stages = Vec::new();
        while !rest.is_empty() {
            let (stage, after) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or_else(rule)?;
            if stage.is_empty() || stage.contains(['{', '$']) {
                return Err(rule());
            }
            stages.push(stage);
            rest = after;
        }
        if stages.len() > 1 && stages[0] == tag.as_str() {
            stages.remove(0);
        }
        if stages.is_empty() {
            return Err(rule());
        }
        Ok(Self(stages.into_iter().map(Stage::read).collect()))
    }

    /// Checks that the schema has a text, a number or a boolean there.
    pub(super) fn check(&self, schema: &Value) -> Result<(), String> {
        let sample = self.0.iter().try_fold(schema, |value, stage| match (stage, value) {
            // Every element of an array is like the first one.
            (Stage::Element(_), Value::Array(elements)) => elements.first(),
            _ => stage.of(value),
        });
        match sample {
            Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) => Ok(()),
            Some(_) => Err("must end on a string, a number or a boolean of the schema".to_owned()),
            None => Err("must lead to a field of the schema".to_owned()),
        }
    }

    /// Returns whom the data names.
    pub(super) fn identifier(&self, data: &Value) -> Result<String, String> {
        let found = self.0.iter().try_fold(data, |value, stage| stage.of(value));
        let found = found.and_then(text_of).filter(|text| (1..=IDENTIFIER_LIMIT_BYTES).contains(&text.len()));
        found.ok_or_else(|| format!("must have 1 to {IDENTIFIER_LIMIT_BYTES} bytes where `selector` leads"))
    }
}

impl Stage {
    fn read(text: &str) -> Self {
        let index = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        match index.and_then(|index| index.parse().ok()) {
            Some(index) => Self::Element(index),
            None => Self::Member(text.to_owned()),
        }
    }

    fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Member(name) => value.as_object()?.get(name),
            Self::Element(index) => value.as_array()?.get(*index),
        }
    }
}

/// Writes what names somebody as text; the same number is the same text however it was written.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is_so) => Some(is_so.to_string()),
        Value::Number(number) => Some(canonical(number).to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the one form of numbers that are the same: `1` for `1.0` and `1e0`, `0` for `-0.0`.
#[expect(clippy::cast_possible_truncation, reason = "numbers that are cut are filtered out")]
pub(crate) fn canonical(number: &Number) -> Number {
    /// Up to here every whole number is a float as well.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT) {
        Some(float) => Number::from(float as i64),
        None => number.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tag() -> Tag {
        Tag::parse("login").unwrap()
    }

    #[test]
    fn a_selector_is_stages_that_can_begin_with_the_tag() {
        let schema = json!({"user": {"id": 1, "roles": ["a"], "on": true, "more": {}}, "login": "x", "any": null});
        let check = |text: &str, expected: Result<(), &str>| {
            let checked = Selector::parse(text, &tag()).and_then(|selector| selector.check(&schema));
            match expected {
                Ok(()) => assert_eq!(checked, Ok(()), "{text}"),
                Err(part) => assert!(checked.as_ref().is_err_and(|rule| rule.contains(part)), "{text}: {checked:?}"),
            }
        };
        check("$Session{user}{id}", Ok(()));
        check("$Session{login}{user}{id}", Ok(()));
        check("$Session{user}{roles}{[7]}", Ok(()));
        check("$Session{user}{on}", Ok(()));
        check("$Session{login}", Ok(()));
        check("$Session{login}{login}", Ok(()));
        check("$Session{user}", Err("end on"));
        check("$Session{any}", Err("end on"));
        check("$Session{user}{name}", Err("lead to"));
        check("$Session{user}{id}{x}", Err("lead to"));
        check("$Session{login}{id}", Err("lead to"));
        for text in ["", "$Session", "Session{a}", "$Session{}", "$Session{a}b", "$Session{a", "$Session{$Auth{a}}"] {
            check(text, Err("must be `$Session{…}`"));
        }
    }

    #[test]
    fn whoever_is_named_is_named_by_one_text() {
        let check = |data: Value, expected: Option<&str>| {
            let selector = Selector::parse("$Session{id}", &tag()).unwrap();
            assert_eq!(selector.identifier(&data).ok().as_deref(), expected, "{data}");
        };
        check(json!({"id": "a"}), Some("a"));
        check(json!({"id": 1}), Some("1"));
        check(json!({"id": 1.0}), Some("1"));
        check(json!({"id": -0.0}), Some("0"));
        check(json!({"id": 1.5}), Some("1.5"));
        check(json!({"id": u64::MAX}), Some("18446744073709551615"));
        check(json!({"id": false}), Some("false"));
        check(json!({"id": ""}), None);
        check(json!({"id": "x".repeat(513)}), None);
        check(json!({"id": null}), None);
        check(json!({}), None);
    }
}
