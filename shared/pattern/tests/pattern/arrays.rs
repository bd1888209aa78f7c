//! Arrays in the event: any value, nested, and the same element for fields that belong together.

use pattern::Pattern;
use serde_json::Value;

use crate::{check, json};

#[test]
fn any_value_of_an_array_will_do() {
    check(r#"{"a": ["x"]}"#, r#"{"a": ["y", "x"]}"#, true);
    check(r#"{"a": ["x"]}"#, r#"{"a": ["y", "z"]}"#, false);
    check(r#"{"a": ["x"]}"#, r#"{"a": []}"#, false);
    check(r#"{"a": ["x"]}"#, r#"{"a": [["y"], [["x"]]]}"#, true);
    check(r#"{"a": ["x"]}"#, r#"{"a": [{"b": "x"}, "x"]}"#, true);
    check(r#"{"a": {"b": [1]}}"#, r#"{"a": [{"b": 2}, {"b": 1}]}"#, true);
    check(r#"{"a": {"b": [1]}}"#, r#"{"a": [[{"b": 2}], [{"b": [3, 1]}]]}"#, true);
    check(r#"{"a": {"b": [1]}}"#, r#"{"a": [1, {"c": 1}]}"#, false);
    check(r#"{"a": [{"numeric": [">", 5]}], "b": ["x"]}"#, r#"{"a": [1, 9], "b": ["y", "x"]}"#, true);
}

#[test]
fn fields_of_one_array_must_match_in_the_same_element() {
    let both = r#"{"items": {"kind": ["book"], "price": [{"numeric": [">", 10]}]}}"#;
    check(both, r#"{"items": [{"kind": "book", "price": 5}, {"kind": "pen", "price": 50}]}"#, false);
    check(both, r#"{"items": [{"kind": "pen", "price": 50}, {"kind": "book", "price": 50}]}"#, true);
    check(both, r#"{"items": [[{"kind": "book"}, {"price": 50}]]}"#, false);
    check(both, r#"{"items": [[{"kind": "book", "price": 50}]]}"#, true);
    check(both, r#"{"items": {"kind": ["book", "pen"], "price": [5, 50]}}"#, true);
}

#[test]
fn different_arrays_choose_their_elements_independently() {
    let pattern = r#"{"a": {"x": [1]}, "b": {"y": [2]}}"#;
    check(pattern, r#"{"a": [{"x": 0}, {"x": 1}], "b": [{"y": 2}, {"y": 0}]}"#, true);
    let inner = r#"{"a": {"b": {"x": [1]}, "c": {"y": [2]}}}"#;
    check(inner, r#"{"a": [{"b": [{"x": 0}, {"x": 1}], "c": [{"y": 2}, {"y": 3}]}]}"#, true);
    check(inner, r#"{"a": [{"b": [{"x": 1}], "c": [{"y": 0}]}, {"b": [{"x": 0}], "c": [{"y": 2}]}]}"#, false);
    let three = r#"{"a": {"b": {"x": [1], "y": [2]}, "z": [3]}}"#;
    check(three, r#"{"a": [{"b": [{"x": 1, "y": 2}], "z": 0}, {"b": [{"x": 1}, {"y": 2}], "z": 3}]}"#, false);
    check(three, r#"{"a": [{"b": [{"x": 1}]}, {"b": [{"x": 0}, {"x": 1, "y": 2}], "z": 3}]}"#, true);
}

#[test]
fn the_same_element_counts_through_an_or_too() {
    let pattern = r#"{"a": {"x": [1], "$or": [{"y": [2]}, {"z": [3]}]}}"#;
    check(pattern, r#"{"a": [{"x": 1}, {"y": 2}]}"#, false);
    check(pattern, r#"{"a": [{"x": 1}, {"x": 1, "z": 3}]}"#, true);
}

#[test]
fn absence_is_judged_in_the_element_that_an_earlier_field_chose() {
    let later = r#"{"a": {"b": [1], "c": [{"exists": false}]}}"#;
    check(later, r#"{"a": [{"b": 1, "c": 1}, {"b": 1}]}"#, true);
    check(later, r#"{"a": [{"b": 1, "c": 1}, {"b": 2}]}"#, false);
    let earlier = r#"{"a": {"c": [1], "b": [{"exists": false}]}}"#;
    check(earlier, r#"{"a": [{"b": 1, "c": 1}, {"c": 1}]}"#, false);
    check(earlier, r#"{"a": [{"d": 1, "c": 1}, {"c": 1}]}"#, true);
    check(r#"{"a": {"b": [{"exists": false}]}}"#, r#"{"a": [{"b": 1}, {"c": 1}]}"#, false);
    check(r#"{"a": {"b": [{"exists": false}]}}"#, r#"{"a": [{"c": 1}, {"c": 2}]}"#, true);
    let either = r#"{"a": {"b": [1], "c": [{"exists": false}, 3]}}"#;
    check(either, r#"{"a": [{"b": 1, "c": 2}, {"b": 2, "c": 3}, {"b": 1}]}"#, true);
    check(either, r#"{"a": [{"b": 1, "c": 2}, {"b": 1, "c": 3}]}"#, true);
    check(either, r#"{"a": [{"b": 1, "c": 2}, {"b": 2, "c": 3}]}"#, false);
}

#[test]
fn an_event_of_any_depth_is_no_danger() {
    let deep = |inner: &str| format!(r#"{{"a": {}{inner}{}}}"#, "[".repeat(100), "]".repeat(100));
    check(r#"{"a": ["x"]}"#, &deep(r#""x""#), true);
    let too_deep = (0..2_000).fold(Value::from("x"), |inner, _| Value::Array(vec![inner]));
    let event = Value::Object([("a".to_owned(), too_deep), ("b".to_owned(), 1.into())].into_iter().collect());
    let pattern = Pattern::compile(&json(r#"{"a": ["x"], "b": [1]}"#)).unwrap();
    assert!(!pattern.matches(&event));
    assert!(pattern.explain(&event).is_some());
}

#[test]
fn fields_that_belong_together_are_found_at_any_depth_that_is_looked_at() {
    let pattern = Pattern::compile(&json(r#"{"a": {"x": [1], "y": [2], "z": [{"exists": false}, 3]}}"#)).unwrap();
    let at_depth = |depth| {
        let element = json(r#"{"x": 1, "y": 2, "z": 3}"#);
        let nested = (0..depth).fold(element, |inner, _| Value::Array(vec![Value::Null, inner]));
        pattern.matches(&Value::Object([("a".to_owned(), nested)].into_iter().collect()))
    };
    assert!(at_depth(250));
    assert!(!at_depth(300));
}

#[test]
fn independent_arrays_are_not_tried_in_every_combination() {
    let fields: Vec<String> = (0..30).map(|n| format!(r#""f{n:02}": {{"x": [1], "y": [2]}}"#)).collect();
    let arrays: Vec<String> = (0..30)
        .map(|n| {
            let last = if n == 29 { "" } else { r#", {"x": 1, "y": 2}"# };
            format!(r#""f{n:02}": [{}{last}]"#, vec![r#"{"x": 1}, {"y": 2}"#; 50].join(", "))
        })
        .collect();
    check(&format!("{{{}}}", fields.join(", ")), &format!("{{{}}}", arrays.join(", ")), false);
}
