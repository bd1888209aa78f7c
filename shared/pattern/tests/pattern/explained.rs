//! Why an event did not match.

use pattern::{Pattern, Reason};
use serde_json::json;

use crate::json;

#[track_caller]
fn check(pattern: &str, event: &str, expected: &str) {
    let why = Pattern::compile(&json(pattern)).expect("compiles").explain(&json(event)).expect("does not match");
    assert_eq!(why.to_string(), expected);
}

#[test]
fn the_first_failed_clause_is_named_with_its_rule_and_the_values_seen() {
    check(
        r#"{"a": [1], "b": {"c": ["x", null]}}"#,
        r#"{"a": 1, "b": {"c": "y"}}"#,
        r#""b.c" is "y", but must match ["x",null]"#,
    );
    check(r#"{"a": [1], "b": [2]}"#, r#"{"a": 3, "b": 4}"#, r#""a" is 3, but must match [1]"#);
    check(r#"{"a": [1]}"#, r#"{"a": [2, [3, null]]}"#, r#""a" is 2, 3, null, but must match [1]"#);
    check(r#"{"a": {"b": [1]}}"#, r#"{"a": {"c": 1}}"#, r#""a.b" is absent, but must match [1]"#);
    check(r#"{"a": [{"exists": false}]}"#, r#"{"a": true}"#, r#""a" is true, but must match [{"exists":false}]"#);
    check(r#"{"a": [1]}"#, "[]", r#"the event is not an object, so "a" cannot match [1]"#);
}

#[test]
fn a_value_that_cannot_be_compared_is_said_to_be_so() {
    let numeric = r#"{"a": [{"numeric": [">", 0]}]}"#;
    let only_numbers = r#"which cannot be compared: [{"numeric":[">",0]}] takes only numbers"#;
    for value in [r#""5""#, "true", "null", r#""NaN""#] {
        check(numeric, &format!(r#"{{"a": {value}}}"#), &format!(r#""a" is {value}, {only_numbers}"#));
    }
    check(numeric, r#"{"a": ["x", -1]}"#, r#""a" is "x", -1, but must match [{"numeric":[">",0]}]"#);
    check(
        r#"{"a": [{"prefix": "x"}, {"numeric": ["<", 1]}]}"#,
        r#"{"a": true}"#,
        r#""a" is true, which cannot be compared: [{"prefix":"x"},{"numeric":["<",1]}] takes only strings or numbers"#,
    );
    check(
        r#"{"a": [{"cidr": "10.0.0.0/8"}]}"#,
        r#"{"a": "example.com"}"#,
        r#""a" is "example.com", which cannot be compared: [{"cidr":"10.0.0.0/8"}] takes only IP addresses"#,
    );
    check(
        r#"{"a": ["y", {"numeric": ["<", 1]}]}"#,
        r#"{"a": "x"}"#,
        r#""a" is "x", but must match ["y",{"numeric":["<",1]}]"#,
    );
    let why = Pattern::compile(&json(numeric)).unwrap().explain(&json!({"a": "5"})).unwrap();
    assert_eq!((why.reason(), &why.to_json()["reason"]), (Reason::NotComparable, &json!("not_comparable")));
}

#[test]
fn of_several_alternatives_the_nearest_is_explained() {
    let pattern = r#"{"$or": [{"a": [1], "b": [1]}, {"a": [2], "c": [1]}]}"#;
    check(pattern, r#"{"a": 2, "c": 3}"#, r#""c" is 3, but must match [1]"#);
    check(pattern, r#"{"a": 1, "c": 3}"#, r#""b" is absent, but must match [1]"#);
}

#[test]
fn values_in_different_elements_are_said_to_be_so() {
    let pattern = r#"{"a": {"b": [1], "c": [2], "d": [{"exists": false}]}}"#;
    let other = r#""a.c" matches [2], but not in the same array element as the fields before it"#;
    check(pattern, r#"{"a": [{"b": 1}, {"c": 2}]}"#, other);
    check(pattern, r#"{"a": [{"b": 1, "c": 2, "d": 5}]}"#, r#""a.d" is 5, but must match [{"exists":false}]"#);
}

#[test]
fn the_parts_are_there_for_programs() {
    let pattern = Pattern::compile(&json!({"a": [{"prefix": "x"}]})).unwrap();
    let why = pattern.explain(&json!({"a": "y"})).unwrap();
    assert_eq!((why.path(), why.rule(), why.reason()), ("a", &json!([{"prefix": "x"}]), Reason::Rejected));
    assert_eq!(why.found(), [json!("y")]);
    let expected = json!({
        "path": "a", "rule": [{"prefix": "x"}], "found": ["y"], "reason": "rejected",
        "wouldMatch": [{"description": "a text that starts with \"x\"", "value": "x"}],
    });
    assert_eq!(why.to_json(), expected);
}

#[test]
fn long_values_and_many_values_are_cut() {
    let pattern = Pattern::compile(&json!({"a": [1]})).unwrap();
    let why = pattern.explain(&json!({"a": "ä".repeat(5_000)})).unwrap();
    assert_eq!(why.to_string().chars().count(), 228);
    assert_eq!(why.to_json()["found"], json!([format!("{}…", "ä".repeat(200))]));
    let why = pattern.explain(&json!({"a": vec![7; 100]})).unwrap();
    assert_eq!(why.found().len(), 8);
}
