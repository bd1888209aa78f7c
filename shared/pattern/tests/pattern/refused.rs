//! Patterns that are not valid, and what the error says.

use pattern::Pattern;
use serde_json::{Value, json};

use crate::json;

#[track_caller]
fn check(pattern: &str, path: &str, reason: &str) {
    let error = Pattern::compile(&json(pattern)).expect_err(pattern);
    assert_eq!(error.path(), path, "{error}");
    assert!(error.reason().contains(reason), "{pattern}: {error}");
}

/// The reason for refusing a rule at a field.
#[track_caller]
fn rule(rule: &str, reason: &str) {
    check(&format!(r#"{{"detail": {{"a": [{rule}]}}}}"#), "detail.a", reason);
}

#[test]
fn the_shape_must_be_objects_down_to_arrays_of_rules() {
    check("[]", "", "must be an object");
    check("null", "", "must be an object");
    check("{}", "", "empty object");
    check(r#"{"a": {}}"#, "a", "empty object");
    check(r#"{"a": "x"}"#, "a", "must be an object or an array");
    check(r#"{"detail": {"slug": 5}}"#, "detail.slug", "must be an object or an array");
    check(r#"{"a": []}"#, "a", "empty array");
    rule("[1]", "not an array");
    rule("{}", "must not be empty");
    rule(r#"{"prefix": "a", "suffix": "b"}"#, "only one operator");
    rule(r#"{"regex": "a"}"#, "unknown operator \"regex\"");
    check(r#"{"a.b": [1], "a": {"b": [2]}}"#, "a.b", "more than once");
}

#[test]
fn an_operand_must_have_the_right_type() {
    rule(r#"{"prefix": 1}"#, "prefix must be a string");
    rule(r#"{"suffix": ["a"]}"#, "suffix must be a string");
    rule(r#"{"equals-ignore-case": ["a"]}"#, "equals-ignore-case must be a string");
    rule(r#"{"prefix": {"suffix": "a"}}"#, "prefix cannot hold \"suffix\"");
    rule(r#"{"suffix": {"equals-ignore-case": 1}}"#, "equals-ignore-case must be a string");
    rule(r#"{"prefix": {}}"#, "must not be empty");
    rule(r#"{"exactly": 1}"#, "exactly must be a string");
    rule(r#"{"exists": "true"}"#, "true or false");
    rule(r#"{"wildcard": 1}"#, "wildcard must be a string");
    rule(r#"{"wildcard": "a**"}"#, "consecutive wildcard characters at position 1");
    rule(r#"{"wildcard": "a\\b"}"#, "invalid escape character at position 1");
    rule(r#"{"cidr": 1}"#, "cidr must be a string");
    rule(r#"{"cidr": "10.0.0.0/33"}"#, "less than 32");
    rule(r#"{"cidr": "x"}"#, "malformed CIDR");
}

#[test]
fn anything_but_is_not_mixed_and_not_empty() {
    rule(r#"{"anything-but": []}"#, "only strings or only numbers");
    rule(r#"{"anything-but": ["a", 1]}"#, "only strings or only numbers");
    rule(r#"{"anything-but": null}"#, "only strings or only numbers");
    rule(r#"{"anything-but": [true]}"#, "only strings or only numbers");
    rule(r#"{"anything-but": [["a"]]}"#, "only strings or only numbers");
    rule(r#"{"anything-but": {}}"#, "must not be empty");
    rule(r#"{"anything-but": {"numeric": ["=", 1]}}"#, "anything-but cannot hold \"numeric\"");
    rule(r#"{"anything-but": {"prefix": "a", "suffix": "b"}}"#, "only one operator");
    rule(r#"{"anything-but": {"prefix": ""}}"#, "empty prefix");
    rule(r#"{"anything-but": {"suffix": ["a", ""]}}"#, "empty suffix");
    rule(r#"{"anything-but": {"prefix": []}}"#, "empty list");
    rule(r#"{"anything-but": {"prefix": ["a", 1]}}"#, "prefix must be a string");
    rule(r#"{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}"#, "prefix must be a string");
    rule(r#"{"anything-but": {"equals-ignore-case": 1}}"#, "equals-ignore-case must be a string");
    rule(r#"{"anything-but": {"wildcard": ["a", "**"]}}"#, "consecutive wildcard");
}

#[test]
fn numeric_is_one_comparison_or_a_range() {
    rule(r#"{"numeric": ">"}"#, "must be an array");
    rule(r#"{"numeric": []}"#, "one comparison, or two");
    rule(r#"{"numeric": [">"]}"#, "one comparison, or two");
    rule(r#"{"numeric": [">", 1, "<"]}"#, "one comparison, or two");
    rule(r#"{"numeric": ["!=", 1]}"#, "unknown numeric comparison \"!=\"");
    rule(r#"{"numeric": [1, ">"]}"#, "unknown numeric comparison 1");
    rule(r#"{"numeric": [">", "1"]}"#, "the value of > must be a number");
    rule(r#"{"numeric": ["=", 1, "<", 2]}"#, "a lower bound");
    rule(r#"{"numeric": ["<", 5, ">", 0]}"#, "a lower bound");
    rule(r#"{"numeric": [">", 0, ">", 1]}"#, "a lower bound");
    rule(r#"{"numeric": [">", 5, "<", 5]}"#, "must be less than the upper");
    rule(r#"{"numeric": [">", 1e12, "<", 1e12]}"#, "must be less than the upper");
    rule(r#"{"numeric": [">=", 9007199254740992, "<", 9007199254740993]}"#, "must be less than the upper");
}

#[test]
fn an_or_is_an_array_of_two_objects_or_more() {
    check(r#"{"$or": {"a": [1]}}"#, "", "must be an array");
    check(r#"{"$or": []}"#, "", "at least two");
    check(r#"{"d": {"$or": [{"a": [1]}]}}"#, "d", "at least two");
    check(r#"{"$or": [{"a": [1]}, 2]}"#, "", "only objects");
    check(r#"{"$or": [{"a": [1]}, {}]}"#, "", "empty object");
    check(r#"{"$or": [{"a": [1]}, {"prefix": ["x"]}]}"#, "prefix", "is an operator");
    check(r#"{"$or": [{"a": [1]}, {"b": {"numeric": [1]}}]}"#, "b.numeric", "is an operator");
    check(r#"{"a": [1], "$or": [{"a": [2]}, {"b": [1]}]}"#, "a", "more than once");
}

#[test]
fn names_of_operators_are_good_fields_outside_an_or() {
    assert!(Pattern::compile(&json(r#"{"prefix": ["x"], "numeric": {"exists": [1]}}"#)).is_ok());
}

/// Like `json!`, without the recursion of serialising.
fn object(name: &str, value: Value) -> Value {
    Value::Object([(name.to_owned(), value)].into_iter().collect())
}

fn or_of(name: &str, branches: usize) -> Value {
    (0..branches).map(|n| json!({ format!("{name}{n}"): [n] })).collect()
}

#[test]
fn a_thousand_combinations_are_the_limit() {
    let fits = json!({"x": {"$or": or_of("a", 10)}, "y": {"$or": or_of("b", 10)}, "z": {"$or": or_of("c", 10)}});
    assert!(Pattern::compile(&fits).is_ok());
    let over = json!({"x": {"$or": or_of("a", 10)}, "y": {"$or": or_of("b", 10)}, "z": {"$or": or_of("c", 11)}});
    let error = Pattern::compile(&over).unwrap_err();
    assert_eq!(
        error.to_string(),
        "event pattern is not valid at the top: too complex: $or may lead to at most 1000 combinations with 10000 fields in all"
    );
    assert!(Pattern::compile(&json!({"$or": or_of("a", 1_001)})).is_err());
}

#[test]
fn size_and_depth_are_limited() {
    let mut deep = json!([1]);
    for _ in 0..64 {
        deep = json!({"a": deep});
    }
    assert!(Pattern::compile(&deep).is_ok());
    let error = Pattern::compile(&json!({"a": deep})).unwrap_err();
    assert_eq!(error.reason(), "nested more than 64 deep");

    let mut or = json!({"a": [1]});
    for _ in 0..100 {
        or = json!({"$or": [or, {"b": [1]}]});
    }
    assert_eq!(Pattern::compile(&or).unwrap_err().reason(), "nested more than 64 deep");

    let error = Pattern::compile(&json!({"a": ["x".repeat(17_000)]})).unwrap_err();
    assert_eq!(error.reason(), "larger than 16384 bytes");
    let many: Value = (0..5_000).map(|n| (format!("{n}"), json!([1]))).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(Pattern::compile(&many).unwrap_err().reason(), "larger than 16384 bytes");
    let mut rule = json!("x");
    for _ in 0..2_000 {
        rule = Value::Array(vec![rule]);
    }
    assert_eq!(
        Pattern::compile(&object("a", Value::Array(vec![rule]))).unwrap_err().reason(),
        "a rule is nested too deep"
    );
}

#[test]
fn an_error_names_the_field_and_the_rule() {
    let error = Pattern::compile(&json(r#"{"detail": {"state": [{"regex": ".*"}]}}"#)).unwrap_err();
    assert_eq!(error.to_string(), r#"event pattern is not valid at "detail.state": unknown operator "regex""#);
}
