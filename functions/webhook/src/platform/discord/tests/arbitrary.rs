//! Anything that is no interaction, or not quite.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::{interaction, read};

/// Any JSON, with names that interactions have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..8).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9 ä👍]{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "type", "id", "token", "event", "data", "member", "user", "name", "options", "values"
        ])
        .prop_map(str::to_owned),
        "[a-z_]{0,8}"
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn samples() -> Vec<Value> {
    let option = json!({"type": 3, "name": "a", "value": "b"});
    let sub = json!({"type": 1, "name": "s", "options": [option]});
    let command = json!({"name": "c", "type": 1, "options": [sub],
        "resolved": {"attachments": {"9": {"id": "9", "filename": "f", "size": 1, "url": "u"}}}});
    let mut pressed = interaction(3, &json!({"custom_id": "x", "component_type": 3, "values": ["v"]}));
    let row = json!({"custom_id": "x", "options": [{"value": "v", "label": "V"}]});
    pressed["message"] = json!({"id": "5", "components": [{"type": 1, "components": [row]}]});
    vec![interaction(2, &command), pressed, json!({"type": 1, "event": {"type": "A", "data": {}}})]
}

/// Replaces the `at`th value, counted through the tree, by another.
fn replace(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, at, with)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, at, with)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(value in any_json(), kind in 0_u8..8) {
        let _ = read(&value.to_string(), |_| ());
        let _ = read(&interaction(kind, &value).to_string(), |_| ());
        let _ = read(&json!({"type": kind, "event": value}).to_string(), |_| ());
    }

    #[test]
    fn no_spoilt_interaction_makes_it_panic(sample in prop::sample::select(samples()), at in 0_usize..60, value in any_json()) {
        let (mut body, mut at) = (sample, at);
        replace(&mut body, &mut at, &value);
        let _ = read(&body.to_string(), |_| ());
    }
}
