//! What would match: it does, and the nearest comes first.

use pattern::{Example, Mismatch, Pattern};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::json;
use crate::properties::{array_event, array_pattern, event, number, pattern};

/// Explains an event and writes what would match: each way with its example.
#[track_caller]
fn check(rules: &str, value: Option<&str>, expected: &[&str]) {
    let pattern = Pattern::compile(&json!({"a": json(rules)})).expect("compiles");
    let event = value.map_or_else(|| json!({}), |value| json!({"a": json(value)}));
    let why = pattern.explain(&event).expect("does not match");
    let shown = why.would_match().into_iter().map(|remedy| match remedy.example() {
        Some(Example::Value(value)) => format!("{}: {value}", remedy.description()),
        Some(Example::Absence) => format!("{}: absent", remedy.description()),
        None => format!("{}: nothing", remedy.description()),
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected, "{rules} on {value:?}");
}

#[test]
fn of_a_list_the_nearest_literal_comes_first() {
    check(
        r#"["shipped", "paid", "payed"]"#,
        Some(r#""paied""#),
        &[r#"the text "paid": "paid""#, r#"the text "payed": "payed""#, r#"the text "shipped": "shipped""#],
    );
    check("[1, 50, 20]", Some("22"), &["the number 20: 20", "the number 1: 1", "the number 50: 50"]);
    check(
        r#"[7, "5", 5, true]"#,
        Some(r#""5.""#),
        &["the text \"5\": \"5\"", "the number 7: 7", "the number 5: 5", "true: true"],
    );
    check(r#"[7, 5]"#, Some(r#""5""#), &["the number 5: 5", "the number 7: 7"]);
    check(r#"[null, "b"]"#, None, &["null: null", "the text \"b\": \"b\""]);
    check(
        r#"[{"prefix": "order."}, {"prefix": "user."}]"#,
        Some(r#""user-created""#),
        &[r#"a text that starts with "user.": "user.""#, r#"a text that starts with "order.": "order.""#],
    );
}

#[test]
fn of_a_range_the_nearest_round_number_is_the_example() {
    let numeric = |terms: &str| format!(r#"[{{"numeric": {terms}}}]"#);
    check(&numeric(r#"[">", 100]"#), Some("12"), &["a number > 100: 101"]);
    check(&numeric(r#"[">=", 100]"#), Some("12"), &["a number >= 100: 100"]);
    check(&numeric(r#"["<", 100]"#), Some("2000"), &["a number < 100: 99"]);
    check(&numeric(r#"["<=", 2.5]"#), None, &["a number <= 2.5: 2"]);
    check(&numeric(r#"[">", 0, "<", 1]"#), Some("-4"), &["a number > 0 and < 1: 0.5"]);
    check(&numeric(r#"[">", 0, "<=", 9]"#), Some("10"), &["a number > 0 and <= 9: 9"]);
    check(&numeric(r#"["=", 0.1]"#), Some(r#""0.1""#), &["a number = 0.1: 0.1"]);
    check(&numeric(r#"["<", -1.7976931348623157e308]"#), Some("1"), &["a number < -1.7976931348623157e+308: nothing"]);
}

#[test]
fn each_operator_says_what_would_match() {
    check(r#"[{"exists": true}]"#, None, &["any value: true"]);
    check(r#"[{"exists": false}]"#, Some("1"), &["no value: the field is absent: absent"]);
    check(r#"[{"suffix": ".png"}]"#, Some(r#""a.jpg""#), &[r#"a text that ends with ".png": ".png""#]);
    check(
        r#"[{"wildcard": "a*b\\*"}]"#,
        Some("1"),
        &[r#"a text like "a*b\\*", in which * stands for any characters: "ab*""#],
    );
    check(r#"[{"cidr": "10.1.0.0/16"}]"#, Some(r#""::1""#), &[r#"an IP address in "10.1.0.0/16": "10.1.0.0""#]);
    check(r#"[{"anything-but": ["a", "other"]}]"#, Some(r#""a""#), &[r#"any value but ["a","other"]: "other1""#]);
    check(r#"[{"anything-but": [0, 1]}]"#, Some("1"), &["any value but [0,1]: 2"]);
    check(r#"[{"anything-but": {"wildcard": "*"}}]"#, Some(r#""a""#), &[r#"any value but {"wildcard":"*"}: 0"#]);
    check(r#"[{"equals-ignore-case": "aB"}]"#, Some("1"), &[r#"the text "aB" in upper or lower case: "aB""#]);
    check(
        r#"[{"prefix": {"equals-ignore-case": "aB"}}]"#,
        None,
        &[r#"a text that starts with "aB" in upper or lower case: "aB""#],
    );
    check(r#"[{"exactly": "x"}]"#, None, &[r#"the text "x": "x""#]);
}

#[test]
fn eight_ways_are_described_and_the_others_counted() {
    let list: Vec<String> = (10..99).map(|n| format!("word{n}")).collect();
    let why = Pattern::compile(&json!({"a": list})).unwrap().explain(&json!({"a": "word9"})).unwrap().to_json();
    assert_eq!((why["wouldMatch"].as_array().unwrap().len(), &why["moreWouldMatch"]), (8, &json!(81)));
}

#[test]
fn every_alternative_is_explained_with_all_of_its_failed_clauses_the_nearest_first() {
    let pattern = json!({"$or": [{"a": [1], "b": [1], "c": [1]}, {"a": [2], "d": [1]}]});
    let pattern = Pattern::compile(&pattern).unwrap();
    let paths = |event: Value, most: usize| {
        let all = pattern.explain_all(&event, most);
        all.iter().map(|one| one.iter().map(Mismatch::path).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(paths(json!({"a": 3}), 9), ["a d", "a b c"]);
    assert_eq!(paths(json!({"a": 1, "b": 1}), 9), ["c", "a d"]);
    assert_eq!(paths(json!({"a": 1, "b": 1}), 1), ["c"]);
    assert!(paths(json!({"a": 2, "d": 1}), 9).is_empty());
    assert_eq!(pattern.paths().collect::<Vec<_>>(), ["a", "b", "c", "a", "d"]);
}

/// The event with the example at the path, in place of everything that is there.
fn remedied(event: &Value, path: &str, example: &Example) -> Value {
    let mut event = event.clone();
    remove(&mut event, path);
    if let Example::Value(value) = example {
        set(&mut event, path, value.clone());
    }
    event
}

fn remove(value: &mut Value, path: &str) {
    match value {
        Value::Object(fields) => {
            if fields.get(path).is_some_and(|value| !value.is_object()) {
                fields.remove(path);
            }
            for (dot, _) in path.match_indices('.') {
                if let Some(inner) = fields.get_mut(&path[..dot]) {
                    remove(inner, &path[dot + 1..]);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| remove(element, path)),
        _ => {}
    }
}

fn set(event: &mut Value, path: &str, value: Value) {
    if !event.is_object() {
        *event = Value::Object(Map::new());
    }
    match path.split_once('.') {
        Some((name, rest)) => set(&mut event[name], rest, value),
        None => event[path] = value,
    }
}

/// The clause of a mismatch as a pattern of its own.
fn alone(why: &Mismatch) -> Pattern {
    let nested = why.path().rsplit('.').fold(why.rule().clone(), |inner, name| json!({ name: inner }));
    Pattern::compile(&nested).expect("a clause is a pattern")
}

/// Checks each way to satisfy each clause that failed.
fn each_remedy_works(pattern: &Value, event: &Value) -> Result<(), TestCaseError> {
    let Ok(compiled) = Pattern::compile(pattern) else { return Ok(()) };
    let all = compiled.explain_all(event, 5);
    prop_assert_eq!(all.is_empty(), compiled.matches(event));
    prop_assert_eq!(all.first().and_then(|nearest| nearest.first()).cloned(), compiled.explain(event));
    for why in all.iter().flatten() {
        prop_assert!(!why.would_match().is_empty());
        for remedy in why.would_match() {
            let example = remedy.example().expect("something matches each of these rules");
            let event = remedied(event, why.path(), example);
            prop_assert!(alone(why).matches(&event), "{} with {:?} on {}", why, remedy, event);
        }
    }
    Ok(())
}

/// Whether a field of the pattern lies within another one of it.
fn overlaps(pattern: &Pattern) -> bool {
    let paths: Vec<&str> = pattern.paths().collect();
    let within = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
    paths.iter().any(|one| paths.iter().any(|other| within(one, other)))
}

proptest! {
    #[test]
    fn what_would_match_makes_its_clause_pass(pattern in pattern(), event in event(2)) {
        each_remedy_works(&pattern, &event)?;
    }

    #[test]
    fn what_would_match_makes_its_clause_pass_in_arrays(pattern in array_pattern(), event in array_event()) {
        each_remedy_works(&pattern, &event)?;
    }

    #[test]
    fn what_would_match_is_in_every_range(low in number(), high in number(), value in number()) {
        for terms in [json!([">", low, "<", high]), json!([">=", low, "<", high]), json!([">", low]), json!(["<=", high])] {
            let Ok(compiled) = Pattern::compile(&json!({"a": [{"numeric": terms}]})) else { continue };
            if let Some(why) = compiled.explain(&json!({"a": value})) {
                if let Some(Example::Value(example)) = why.would_match()[0].example() {
                    prop_assert!(compiled.matches(&json!({"a": example})), "{} {}", terms, example);
                } else {
                    // Nothing lies between two neighbours, or beyond the last double.
                    let beyond = [f64::MAX.to_string(), f64::MIN.to_string()];
                    let neighbours = low.as_f64().unwrap().next_up() >= high.as_f64().unwrap().next_down();
                    prop_assert!(neighbours || beyond.contains(&low.as_f64().unwrap().to_string()), "{}", terms);
                }
            }
        }
    }

    #[test]
    fn an_event_whose_failed_clauses_are_all_remedied_matches(pattern in pattern(), event in event(0)) {
        let Ok(compiled) = Pattern::compile(&pattern) else { return Ok(()) };
        prop_assume!(!overlaps(&compiled));
        let mut remedied_event = event.clone();
        for why in compiled.explain_all(&event, 1).iter().flatten() {
            remedied_event = remedied(&remedied_event, why.path(), why.would_match()[0].example().unwrap());
        }
        prop_assert!(compiled.matches(&remedied_event), "{} on {} after {}", pattern, remedied_event, event);
    }
}
