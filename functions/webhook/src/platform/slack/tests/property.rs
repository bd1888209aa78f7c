//! JSON of any kind, and real webhooks with any kind of flaw.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::event::{changed, deleted};
use super::interaction::button;
use super::{message, told};

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9]{0,20}[.]?[0-9]{0,20}".prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![
            proptest::sample::select(vec![
                "type",
                "event",
                "user",
                "actions",
                "files",
                "message",
                "previous_message",
                "item",
                "id",
                "ts",
                "channel",
                "token",
                "subtype",
                "authorizations",
                "container",
                "selected_option",
                "text",
                "command",
            ])
            .prop_map(str::to_owned),
            ".*",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Real webhooks, to be spoilt.
fn real() -> Vec<Value> {
    let event = |event: Value| counterpart::slack::event("Ev1", &event);
    vec![
        event(message(json!({"files": [{"id": "F1", "size": 1, "mimetype": "image/png"}]}))),
        event(changed(json!({}), json!({"text": "new"}))),
        event(deleted(json!({}))),
        event(json!({
            "type": "reaction_added", "user": "U1", "reaction": "x", "event_ts": "1.2",
            "item": {"type": "message", "channel": "C1", "ts": "1.2"},
        })),
        counterpart::slack::interaction(&[button(json!({})), button(json!({"selected_options": [{"value": "x"}]}))]),
        json!({"command": "/x", "user_id": "U1", "channel_id": "C1", "trigger_id": "1"}),
        json!({"type": "url_verification", "challenge": "x"}),
    ]
}

/// Replaces what is found by following `path` modulo the sizes of what is on the way.
fn spoil(value: &mut Value, path: &[usize], other: Value) {
    let Some((step, path)) = path.split_first() else {
        *value = other;
        return;
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let at = step % fields.len();
            spoil(fields.values_mut().nth(at).unwrap(), path, other);
        }
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            spoil(&mut items[at], path, other);
        }
        value => *value = other,
    }
}

proptest! {
    #[test]
    fn no_json_makes_the_reading_panic(value in anything()) {
        told(&value);
        told(&json!({"type": "event_callback", "event": value}));
        told(&json!({"type": "block_actions", "user": {"id": "U1"}, "actions": [value]}));
    }

    #[test]
    fn no_spoilt_webhook_makes_the_reading_panic(
        which in any::<proptest::sample::Index>(),
        path in proptest::collection::vec(any::<usize>(), 1..5),
        other in anything(),
    ) {
        let real = real();
        let mut value = real[which.index(real.len())].clone();
        spoil(&mut value, &path, other);
        told(&value);
    }
}
