//! The schema of a session: sample data, whose shape is that of all data.
//!
//! Every field of the sample must be there, with a value of the same JSON type; further fields are refused. A field
//! that is null in the sample can have any value and be left out. The elements of an array are like the first one of the
//! sample; an array or object that is empty in the sample can hold anything.

use serde_json::{Map, Value};
use shared::nearest;

use crate::failure::Violation;

/// Returns how data differs from the sample; empty if it is of its shape.
pub(super) fn differences(sample: &Value, data: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    compare(sample, data, "$Session", &mut found);
    found
}

fn compare(sample: &Value, data: &Value, place: &str, found: &mut Vec<Violation>) {
    match (sample, data) {
        (Value::Object(sample), Value::Object(data)) if !sample.is_empty() => members(sample, data, place, found),
        (Value::Array(sample), Value::Array(data)) => {
            let Some(sample) = sample.first() else { return };
            for (index, element) in data.iter().enumerate() {
                compare(sample, element, &format!("{place}{{[{index}]}}"), found);
            }
        }
        _ if sample.is_null() || name_of(sample) == name_of(data) => {}
        _ => found.push(violation(place, format!("must be {}", name_of(sample)))),
    }
}

fn members(sample: &Map<String, Value>, data: &Map<String, Value>, place: &str, found: &mut Vec<Violation>) {
    for (name, sample) in sample {
        let place = format!("{place}{{{name}}}");
        match data.get(name) {
            Some(value) => compare(sample, value, &place, found),
            None if sample.is_null() => {}
            None => found.push(violation(&place, "is required".to_owned())),
        }
    }
    for name in data.keys().filter(|name| !sample.contains_key(*name)) {
        let known = sample.keys().map(String::as_str);
        found.push(violation(place, format!("has the {}", nearest::unknown("field", name, known))));
    }
}

fn violation(selector: &str, rule: String) -> Violation {
    Violation { selector: selector.to_owned(), rule }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn data_has_the_shape_of_the_sample() {
        let sample = json!({
            "user": {"id": "u1", "age": 3, "vip": false}, "roles": [{"name": "a"}], "extra": {}, "list": [], "note": null,
        });
        let data = json!({
            "user": {"id": "u2", "age": 4.5, "vip": true}, "roles": [{"name": "a"}, {"name": "b"}], "extra": {"x": [1]},
            "list": [1, "a"],
        });
        let check = |pointer: &str, value: Option<Value>, expected: &[(&str, &str)]| {
            let mut data = data.clone();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = data.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match value {
                Some(value) => parent.insert(name.to_owned(), value),
                None => parent.remove(name),
            };
            let found = differences(&sample, &data);
            let found: Vec<_> = found.iter().map(|found| (found.selector.as_str(), found.rule.as_str())).collect();
            assert_eq!(found, expected, "{data}");
        };
        check("/note", Some(json!({"any": "thing"})), &[]);
        check("/roles", Some(json!([])), &[]);
        check("/user/id", Some(json!(1)), &[("$Session{user}{id}", "must be a string")]);
        check("/user/age", Some(json!("4")), &[("$Session{user}{age}", "must be a number")]);
        check("/user/vip", Some(json!(null)), &[("$Session{user}{vip}", "must be true or false")]);
        check("/user/id", None, &[("$Session{user}{id}", "is required")]);
        check("/user", Some(json!([])), &[("$Session{user}", "must be an object")]);
        check("/extra", Some(json!([])), &[("$Session{extra}", "must be an object")]);
        check("/list", Some(json!({})), &[("$Session{list}", "must be an array")]);
        check("/user/Id", Some(json!(1)), &[("$Session{user}", "has the unknown field `Id`: did you mean `id`?")]);
        let roles = json!([{"name": "a"}, {"name": 1}, {}]);
        let both = [("$Session{roles}{[1]}{name}", "must be a string"), ("$Session{roles}{[2]}{name}", "is required")];
        check("/roles", Some(roles), &both);
    }

    proptest! {
        #[test]
        fn the_sample_itself_is_of_its_shape(names in prop::collection::vec("[a-z]{1,3}", 0..5), number: i64) {
            let sample: Value = names.iter().map(|name| (name.clone(), json!({"n": number, "s": [name, name]}))).collect();
            prop_assert_eq!(differences(&sample, &sample), []);
        }
    }
}
