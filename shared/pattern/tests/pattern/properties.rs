//! What holds for all patterns and events.

use pattern::{Index, Pattern};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::oracle;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => "[abc]", 1 => "[ab]\\.[ab]"]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "[ab]{0,3}".prop_map(Value::from),
        4 => (0..4_i64).prop_map(Value::from),
        1 => (0..8_i64).prop_map(|n| json!(n as f64 / 2.0)),
        1 => number(),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

/// Numbers of every size and spelling, with neighbours among them that are easily taken for each other.
fn number() -> impl Strategy<Value = Value> {
    let centre =
        prop::sample::select(vec![0.0, 0.1, 1.0, 52.52, 5e9, 1_767_323_045_678.0, 9_007_199_254_740_992.0, 1e300]);
    let near = (centre, any::<bool>(), -1..2).prop_map(|(centre, is_negative, step): (f64, bool, i32)| {
        let moved = if step < 0 { centre.next_down() } else { [centre, centre.next_up()][step as usize] };
        if is_negative { -moved } else { moved }
    });
    prop_oneof![
        4 => near.prop_map(|float| json!(float)),
        2 => prop::sample::select(vec![json!(5_000_000_001_i64), json!(1_767_323_045_678_i64), json!(u64::MAX), json!(i64::MIN),
            json!(9_007_199_254_740_992_i64), json!(9_007_199_254_740_993_i64), json!(0), json!(1)]),
        1 => any::<f64>().prop_filter("JSON has no others", |float| float.is_finite()).prop_map(|float| json!(float)),
        1 => any::<i64>().prop_map(Value::from),
    ]
}

/// Objects of plain values and, where `arrays` is more than nothing, arrays of all kinds.
pub(crate) fn event(arrays: u32) -> impl Strategy<Value = Value> {
    let value = leaf().prop_recursive(4, 40, 4, move |inner| {
        prop_oneof![
            3 => btree_map(name(), inner.clone(), 0..4).prop_map(object),
            arrays => vec(inner, 0..4).prop_map(Value::from),
        ]
    });
    btree_map(name(), value, 0..4).prop_map(object)
}

fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(fields.into_iter().collect())
}

fn text_operator() -> impl Strategy<Value = (&'static str, String)> {
    let wildcard = "\\*?[ab](\\*[ab]){0,2}\\*?";
    prop_oneof![
        ("[ab]{1,2}").prop_map(|text| ("prefix", text)),
        ("[ab]{1,2}").prop_map(|text| ("suffix", text)),
        ("[abAB]{1,2}").prop_map(|text| ("equals-ignore-case", text)),
        wildcard.prop_map(|text| ("wildcard", text)),
    ]
}

fn anything_but() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ab]{0,2}".prop_map(Value::from),
        (0..4_i64).prop_map(Value::from),
        vec("[ab]{0,2}", 1..3).prop_map(Value::from),
        vec(0..4_i64, 1..3).prop_map(Value::from),
        text_operator().prop_map(|(name, text)| json!({ name: text })),
        text_operator().prop_map(|(name, text)| json!({ name: [text, "b"] })),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    let numeric = prop_oneof![
        ("=|<|<=|>|>=", 0..4_i64).prop_map(|(name, n)| json!([name, n])),
        (">|>=", 0..3_i64, "<|<=", 1..3_i64).prop_map(|(lower, n, upper, more)| json!([lower, n, upper, n + more])),
    ];
    prop_oneof![
        4 => leaf(),
        2 => text_operator().prop_map(|(name, text)| json!({ name: text })),
        2 => numeric.prop_map(|terms| json!({ "numeric": terms })),
        2 => anything_but().prop_map(|operand| json!({ "anything-but": operand })),
        2 => any::<bool>().prop_map(|exists| json!({ "exists": exists })),
    ]
}

pub(crate) fn pattern() -> impl Strategy<Value = Value> {
    let rules = vec(rule(), 1..3).prop_map(Value::from);
    let nested = rules.prop_recursive(3, 16, 3, |inner| {
        let fields = || btree_map(name(), inner.clone(), 1..4).prop_map(object);
        let or = (fields(), vec(fields().prop_filter("an object", Value::is_object), 2..3));
        prop_oneof![4 => fields(), 1 => or.prop_map(|(mut fields, or)| { fields["$or"] = or.into(); fields })]
    });
    btree_map(name(), nested, 1..4).prop_map(object)
}

/// A pattern for fields inside arrays, some of which must be absent.
pub(crate) fn array_pattern() -> impl Strategy<Value = Value> {
    let rules = prop_oneof![
        3 => Just(json!([1])),
        2 => Just(json!([{"exists": false}])),
        2 => Just(json!([1, {"exists": false}])),
        1 => Just(json!([{"anything-but": 1}])),
    ];
    let inner = btree_map("[abc]", rules.clone(), 1..4).prop_map(object);
    let rules = prop_oneof![2 => rules, 1 => inner];
    btree_map("[abc]", rules, 1..4).prop_map(|fields| json!({ "a": object(fields) }))
}

/// An event full of arrays of objects.
pub(crate) fn array_event() -> impl Strategy<Value = Value> {
    let number = (1..3_i64).prop_map(Value::from);
    let fields = |value| btree_map("[abc]", value, 0..4).prop_map(object);
    let inner = vec(fields(number.clone().boxed()), 0..3).prop_map(Value::from);
    let value = prop_oneof![2 => number, 1 => inner].boxed();
    let element = prop_oneof![4 => fields(value.clone()), 1 => vec(fields(value), 0..3).prop_map(Value::from)];
    vec(element, 0..4).prop_map(|elements| json!({ "a": elements }))
}

/// The same JSON with the fields of every object in reverse order, where the map keeps an order at all.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().rev().map(|(k, v)| (k.clone(), reversed(v))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(reversed).collect(),
        plain => plain.clone(),
    }
}

/// Any JSON, with the names that mean something more likely than others.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        2 => "prefix|suffix|wildcard|numeric|cidr|exists|exactly|anything-but|equals-ignore-case|\\$or|=|<|>=",
        1 => ".{0,4}",
    ];
    let plain = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    plain.prop_recursive(6, 64, 5, move |inner| {
        prop_oneof![
            btree_map(word.clone(), inner.clone(), 0..4).prop_map(object),
            vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn matching_agrees_with_trying_everything(pattern in pattern(), events in vec(event(3), 4)) {
        if let Ok(compiled) = Pattern::compile(&pattern) {
            for event in &events {
                prop_assert_eq!(compiled.matches(event), oracle::matches(&pattern, event), "{} on {}", pattern, event);
            }
        }
    }

    #[test]
    fn numbers_compare_as_doubles_one_by_one_and_in_an_index(
        bounds in (number(), number()),
        operator in "=|<|<=|>|>=",
        value in number(),
    ) {
        let (low, high) = (bounds.0.as_f64().unwrap(), bounds.1.as_f64().unwrap());
        let patterns = [
            json!({"a": [bounds.0]}),
            json!({"a": [{"numeric": [operator, bounds.0]}]}),
            json!({"a": [{"numeric": [">", low, "<=", high]}]}),
            json!({"a": [{"numeric": [">=", low, "<", high]}]}),
            json!({"a": [{"anything-but": [bounds.0, bounds.1]}]}),
        ];
        let event = json!({"a": value});
        let compiled: Vec<_> = patterns.iter().map(Pattern::compile).collect();
        prop_assert!(compiled.iter().enumerate().all(|(at, pattern)| pattern.is_ok() || matches!(at, 2 | 3) && low >= high));
        let compiled = compiled.into_iter().enumerate().filter_map(|(key, pattern)| Some((key, pattern.ok()?)));
        let compiled: Vec<_> = compiled.collect();
        for (key, pattern) in &compiled {
            prop_assert_eq!(pattern.matches(&event), oracle::matches(&patterns[*key], &event), "{}", &patterns[*key]);
        }
        let expected: Vec<_> = compiled.iter().filter(|(_, p)| p.matches(&event)).map(|(key, _)| *key).collect();
        let index: Index<usize> = compiled.into_iter().collect();
        prop_assert_eq!(index.matching(&event).copied().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn arrays_of_objects_agree_with_trying_everything(pattern in array_pattern(), events in vec(array_event(), 8)) {
        let compiled = Pattern::compile(&pattern).unwrap();
        for event in &events {
            prop_assert_eq!(compiled.matches(event), oracle::matches(&pattern, event), "{} on {}", pattern, event);
        }
    }

    #[test]
    fn an_explanation_is_given_exactly_when_there_is_no_match(pattern in pattern(), event in event(2)) {
        if let Ok(compiled) = Pattern::compile(&pattern) {
            prop_assert_eq!(compiled.explain(&event).is_none(), compiled.matches(&event));
        }
    }

    #[test]
    fn the_order_of_fields_does_not_matter(pattern in pattern(), event in event(2)) {
        let turned = Pattern::compile(&reversed(&pattern));
        if let Ok(compiled) = Pattern::compile(&pattern) {
            let turned = turned.unwrap();
            prop_assert_eq!(compiled.matches(&event), turned.matches(&reversed(&event)));
        }
    }

    #[test]
    fn an_index_finds_what_one_by_one_matching_finds(patterns in vec(of(pattern()), 0..8), event in event(2)) {
        let compile = |pattern: &Option<Value>| pattern.as_ref().map_or(Ok(Pattern::any()), Pattern::compile).ok();
        let compiled: Vec<_> = patterns.iter().filter_map(compile).enumerate().collect();
        let expected: Vec<_> = compiled.iter().filter(|(_, p)| p.matches(&event)).map(|(key, _)| *key).collect();
        let index: Index<usize> = compiled.into_iter().collect();
        prop_assert_eq!(index.matching(&event).copied().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn anything_but_is_the_opposite_of_its_operand(operand in anything_but(), leaf in leaf()) {
        let but = Pattern::compile(&json!({"a": [{"anything-but": operand}]})).unwrap();
        let alternatives: Vec<Value> = match &operand {
            Value::Object(operator) => {
                let (name, texts) = operator.iter().next().unwrap();
                let texts = texts.as_array().cloned().unwrap_or_else(|| vec![texts.clone()]);
                texts.iter().map(|text| json!({ name: text })).collect()
            }
            Value::Array(literals) => literals.clone(),
            literal => vec![literal.clone()],
        };
        let positive = Pattern::compile(&json!({"a": alternatives})).unwrap();
        let event = json!({"a": leaf});
        prop_assert_ne!(but.matches(&event), positive.matches(&event));
    }

    #[test]
    fn no_json_makes_anything_panic(pattern in anything(), event in anything()) {
        let wrapped = json!({"a": [pattern]});
        for pattern in [&pattern, &wrapped] {
            match Pattern::compile(pattern) {
                Ok(compiled) => {
                    let why = compiled.explain(&event);
                    prop_assert_eq!(why.is_none(), compiled.matches(&event));
                    let _ = why.map(|why| why.to_string());
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn an_event_matches_the_pattern_of_its_own_values(event in event(0)) {
        fn wrap(value: &Value) -> Option<Value> {
            match value {
                Value::Object(fields) => {
                    let fields: Map<_, _> = fields.iter().filter_map(|(k, v)| Some((k.clone(), wrap(v)?))).collect();
                    (!fields.is_empty()).then_some(Value::Object(fields))
                }
                plain => Some(json!([plain])),
            }
        }
        if let Some(Ok(own)) = wrap(&event).map(|own| Pattern::compile(&own)) {
            prop_assert!(own.matches(&event));
        }
    }
}
