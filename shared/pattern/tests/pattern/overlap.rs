//! Events that several patterns match.

use std::collections::HashSet;

use pattern::{Overlap, Pattern};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::json;
use crate::properties::{array_event, array_pattern, event, pattern};

fn overlap(patterns: &[&str]) -> Overlap {
    let compiled: Vec<Pattern> = patterns.iter().map(|text| Pattern::compile(&json(text)).unwrap()).collect();
    let overlap = Overlap::of(&compiled.iter().collect::<Vec<_>>());
    if let Overlap::Witness(event) | Overlap::WitnessWithLists(event) = &overlap {
        assert!(compiled.iter().all(|pattern| pattern.matches(event)), "{patterns:?} {event}");
    }
    overlap
}

/// The patterns have this value of `a` in common.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn common(one: &str, other: &str, expected: Value) {
    let of = |rules: &str| format!(r#"{{"a": {rules}}}"#);
    assert_eq!(overlap(&[&of(one), &of(other)]), Overlap::Witness(json!({ "a": expected })), "{one} {other}");
}

/// The patterns have no event in common in which `a` has one value, but one in which it has several.
#[track_caller]
fn apart(one: &str, other: &str) {
    let of = |rules: &str| format!(r#"{{"a": {rules}}}"#);
    let overlap = overlap(&[&of(one), &of(other)]);
    assert!(matches!(overlap, Overlap::WitnessWithLists(_)), "{one} {other}: {overlap:?}");
}

#[test]
fn every_operator_meets_every_other() {
    common(r#"["paid"]"#, r#"["paid", "sent"]"#, json!("paid"));
    common(r#"[{"prefix": "order."}]"#, r#"[{"suffix": ".paid"}]"#, json!("order.paid"));
    common(r#"[{"prefix": "abc"}]"#, r#"[{"suffix": "bcd"}]"#, json!("abcd"));
    common(r#"[{"prefix": {"equals-ignore-case": "OR"}}]"#, r#"[{"prefix": "or"}]"#, json!("or"));
    common(r#"[{"suffix": {"equals-ignore-case": "ß"}}]"#, r#"[{"prefix": "aS"}]"#, json!("aSS"));
    common(r#"[{"equals-ignore-case": "abc"}]"#, r#"[{"prefix": "aB"}]"#, json!("aBc"));
    common(r#"[{"wildcard": "a*b*c"}]"#, r#"[{"wildcard": "*bb*"}]"#, json!("abbc"));
    common(r#"[{"wildcard": "a\\*b"}]"#, r#"[{"anything-but": "x"}]"#, json!("a*b"));
    common(r#"[{"wildcard": "a*"}]"#, r#"[{"anything-but": {"wildcard": ["a", "aw*"]}}]"#, json!("ax"));
    common(r#"[{"prefix": "a"}]"#, r#"[{"anything-but": {"prefix": "ab"}}]"#, json!("a"));
    common(r#"[{"suffix": "a"}]"#, r#"[{"anything-but": {"suffix": ["aa", "ba"]}}]"#, json!("a"));
    common(r#"[{"equals-ignore-case": "ab"}]"#, r#"[{"anything-but": ["ab", "Ab", "aB"]}]"#, json!("AB"));
    common(r#"[{"prefix": "a"}]"#, r#"[{"anything-but": {"equals-ignore-case": "A"}}]"#, json!("ax"));
    common(r#"[{"numeric": [">", 5]}]"#, r#"[{"numeric": ["<", 7]}]"#, json!(6));
    common(r#"[{"numeric": [">", 0.25, "<", 0.75]}]"#, r#"[{"anything-but": 0.5}]"#, json!(0.250_000_000_000_000_06));
    common(r#"[{"numeric": ["=", 1e300]}]"#, r#"[{"numeric": [">", 5]}]"#, json!(1e300));
    common(r#"[{"numeric": [">=", 5]}]"#, r#"[{"anything-but": [5, 6]}]"#, json!(7));
    common(r#"[{"cidr": "10.0.0.0/8"}]"#, r#"[{"cidr": "10.1.2.0/24"}]"#, json!("10.1.2.0"));
    common(r#"[{"cidr": "10.0.0.0/31"}]"#, r#"[{"anything-but": "10.0.0.0"}]"#, json!("10.0.0.1"));
    common(r#"[{"cidr": "2001:db8::/64"}]"#, r#"[{"exists": true}]"#, json!("2001:db8::"));
    common(r#"[null]"#, r#"[{"anything-but": "x"}, 1]"#, json!(null));
    common(r#"[true, "a"]"#, r#"[true]"#, json!(true));
    common(r#"[{"exactly": "a"}]"#, r#"[{"exists": true}]"#, json!("a"));
}

#[test]
fn what_no_single_value_satisfies_is_proven_apart() {
    apart(r#"["paid"]"#, r#"["sent"]"#);
    apart(r#"[{"prefix": "a"}]"#, r#"[{"prefix": "b"}, "c"]"#);
    apart(r#"[{"suffix": "a"}]"#, r#"[{"equals-ignore-case": "b"}]"#);
    apart(r#"[{"prefix": "a"}]"#, r#"[{"numeric": [">", 1]}]"#);
    apart(r#"[{"numeric": [">", 5]}]"#, r#"[{"numeric": ["<=", 5]}]"#);
    apart(r#"[{"prefix": "ab"}]"#, r#"[{"wildcard": "a"}, 1]"#);
    apart(r#"[{"wildcard": "*a"}]"#, r#"[{"wildcard": "*b"}]"#);
    apart(r#"["a"]"#, r#"[{"anything-but": {"prefix": "a"}}]"#);
    apart(r#"[{"cidr": "10.0.0.0/8"}]"#, r#"[{"cidr": "11.0.0.0/8"}]"#);
    apart(r#"[true]"#, r#"[false, null]"#);
    let absent = overlap(&[r#"{"a": [{"exists": false}]}"#, r#"{"a": [1]}"#]);
    assert_eq!(absent, Overlap::Disjoint);
    let shut = r#"{"a": [{"prefix": "x"}], "b": [1]}"#;
    assert_eq!(overlap(&[shut, r#"{"b": [{"exists": false}]}"#]), Overlap::Disjoint);
}

#[test]
fn fields_and_alternatives_are_put_together() {
    let check = |patterns: &[&str], expected: Value| assert_eq!(overlap(patterns), Overlap::Witness(expected));
    check(&[], json!({}));
    check(
        &[r#"{"a": {"b": [1]}}"#, r#"{"a": {"c": [2]}}"#, r#"{"d": ["x"]}"#],
        json!({"a": {"b": 1, "c": 2}, "d": "x"}),
    );
    check(&[r#"{"a": {"b": [1]}}"#, r#"{"a.b": [{"exists": true}]}"#], json!({"a": {"b": 1}}));
    check(&[r#"{"a": [1, {"exists": false}]}"#, r#"{"a": {"b": [1]}}"#], json!({"a": {"b": 1}}));
    check(&[r#"{"a": [1]}"#, r#"{"a": {"b": [1]}}"#], json!({"a": 1, "a.b": 1}));
    check(&[r#"{"a": [{"exists": false}]}"#, r#"{"a": [{"exists": false}], "b": [1]}"#], json!({"b": 1}));
    check(&[r#"{"$or": [{"a": [1]}, {"b": [2]}]}"#, r#"{"a": [3], "c": [4]}"#], json!({"a": 3, "b": 2, "c": 4}));
    assert_eq!(
        overlap(&[r#"{"$or": [{"a": [1]}, {"a": [2]}], "b": [5]}"#, r#"{"b": [{"exists": false}]}"#]),
        Overlap::Disjoint
    );
    let deep = (0..60).fold(json!([1]), |inner, _| json!({ "a": inner })).to_string();
    assert!(matches!(overlap(&[&deep, &deep]), Overlap::Witness(_)));
    let lists = overlap(&[r#"{"l": {"n": ["bug"]}}"#, r#"{"l": {"n": ["urgent"]}}"#]);
    assert_eq!(lists, Overlap::WitnessWithLists(json!({"l": {"n": ["bug", "urgent"]}})));
}

#[test]
fn what_would_take_too_long_is_unknown_and_claims_nothing() {
    // Which of many wildcards have come how far makes more states than are visited.
    let rules = |end: char| {
        let wildcards = (0..12).map(|n| json!({"wildcard": format!("*a{}*{end}", "*b".repeat(n))}));
        json!({"a": wildcards.collect::<Vec<_>>()})
    };
    let (one, other) = (rules('y').to_string(), rules('z').to_string());
    assert!(!matches!(overlap(&[&one, &other]), Overlap::Witness(_)));
    // Each state has hundreds of places, so that few states are much work.
    let stars = |part: &str| json!({"a": [{"wildcard": part.repeat(800)}]}).to_string();
    assert_eq!(overlap(&[&stars("*a"), &stars("*b")]), Overlap::Unknown);
    // A thousand alternatives and more of two patterns.
    let or = |name: &str| {
        let branches: Vec<Value> = (0..40).map(|n| json!({ name: [n] })).collect();
        json!({"$or": branches, "x": [{"exists": name == "a"}]}).to_string()
    };
    assert_eq!(overlap(&[&or("a"), &or("b")]), Overlap::Unknown);
}

/// Whether the event has one value at most at each path.
fn is_simple(event: &Value) -> bool {
    fn add(value: &Value, path: &str, paths: &mut HashSet<String>) -> bool {
        match value {
            Value::Array(_) => false,
            Value::Object(fields) => fields.iter().all(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                add(value, &path, paths)
            }),
            _ => paths.insert(path.to_owned()),
        }
    }
    add(event, "", &mut HashSet::new())
}

fn compiled(values: [&Value; 2]) -> Option<[Pattern; 2]> {
    let [one, other] = values.map(Pattern::compile);
    Some([one.ok()?, other.ok()?])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_witness_matches_and_nothing_that_overlaps_is_called_disjoint(
        one in pattern(), other in pattern(), event in event(0)
    ) {
        let Some([one, other]) = compiled([&one, &other]) else { return Ok(()) };
        let both = |event: &Value| one.matches(event) && other.matches(event);
        match Overlap::of(&[&one, &other]) {
            Overlap::Witness(witness) => {
                prop_assert!(both(&witness), "{}", witness);
                prop_assert!(is_simple(&witness), "{}", witness);
            }
            Overlap::WitnessWithLists(witness) => {
                prop_assert!(both(&witness), "{}", witness);
                prop_assert!(!(is_simple(&event) && both(&event)), "{}", event);
            }
            Overlap::Disjoint => prop_assert!(!(is_simple(&event) && both(&event)), "{}", event),
            Overlap::Unknown => prop_assert!(false, "small patterns are decided"),
        }
    }

    #[test]
    fn two_patterns_that_one_event_matches_overlap(event in event(0), picks in any::<u32>(), other in pattern()) {
        // A pattern that the event matches: some of its own values, each under an operator that accepts it.
        prop_assume!(is_simple(&event) && event.as_object().is_some_and(|fields| !fields.is_empty()));
        let derived = derived(&event, picks);
        let Some([one, other]) = derived.as_ref().and_then(|derived| compiled([derived, &other])) else { return Ok(()) };
        prop_assert!(one.matches(&event));
        if other.matches(&event) {
            prop_assert!(matches!(Overlap::of(&[&one, &other]), Overlap::Witness(_)), "{}", event);
        }
    }

    #[test]
    fn a_witness_matches_where_patterns_are_about_lists(one in array_pattern(), other in array_pattern(), event in array_event()) {
        let Some([one, other]) = compiled([&one, &other]) else { return Ok(()) };
        match Overlap::of(&[&one, &other]) {
            Overlap::Witness(found) | Overlap::WitnessWithLists(found) => {
                prop_assert!(one.matches(&found) && other.matches(&found), "{}", found);
            }
            Overlap::Disjoint => prop_assert!(!(is_simple(&event) && one.matches(&event) && other.matches(&event))),
            Overlap::Unknown => {}
        }
    }
}

/// A pattern of an event's own fields; `None` where it has no values.
fn derived(value: &Value, picks: u32) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let inner = fields.iter().filter_map(|(name, value)| Some((name.clone(), derived(value, picks >> 2)?)));
            let inner: serde_json::Map<_, _> = inner.collect();
            (!inner.is_empty()).then_some(Value::Object(inner))
        }
        Value::String(text) => Some(match picks % 4 {
            0 => json!([{"equals-ignore-case": text.to_uppercase()}]),
            1 => json!([{"prefix": text.chars().take(1).collect::<String>()}]),
            2 => json!([{"anything-but": format!("{text}b")}, 7]),
            _ => json!([text]),
        }),
        Value::Number(number) if picks.is_multiple_of(2) => Some(json!([{"numeric": ["<=", number]}])),
        plain => Some(json!([plain])),
    }
}
