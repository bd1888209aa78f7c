//! Anything that is no update, or not quite.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::{ada, private, read, with};

/// Any JSON, with the names that updates have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z/@ ä👍]{0,12}".prop_map(Value::from),
    ];
    let name =
        prop_oneof![Just("update_id".to_owned()), Just("message".to_owned()), Just("text".to_owned()), "[a-z_]{0,8}"];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Updates of every kind that is read.
fn samples() -> Vec<Value> {
    let place = json!({"latitude": 1.0, "longitude": 2.0});
    let rich = with(&json!({
        "reply_to_message": with(&json!({})), "message_thread_id": 5, "photo": [{"file_id": "p", "width": 1,
        "height": 1}], "document": {"file_id": "d"}, "venue": {"location": place, "title": "t", "address": "a"},
        "contact": {"phone_number": "1"}, "caption": "c",
    }));
    let query = json!({"id": "1", "from": ada(), "message": rich, "data": "d", "chat_instance": "1"});
    let change = json!({"chat": private(), "message_id": 1, "user": ada(), "date": 1,
        "old_reaction": [{"type": "emoji", "emoji": "x"}], "new_reaction": []});
    vec![
        json!({"update_id": 1, "message": with(&json!({"text": "/start x"}))}),
        json!({"update_id": 1, "edited_message": rich}),
        json!({"update_id": 1, "callback_query": query}),
        json!({"update_id": 1, "message_reaction": change}),
    ]
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
    fn no_json_makes_it_panic(value in any_json()) {
        let _ = read(&value.to_string(), |_| ());
        let _ = read(&json!({"update_id": 1, "message": value}).to_string(), |_| ());
        let _ = read(&json!({"update_id": 1, "callback_query": value}).to_string(), |_| ());
    }

    #[test]
    fn no_spoilt_update_makes_it_panic(sample in prop::sample::select(samples()), at in 0_usize..60, value in any_json()) {
        let mut update = sample;
        let mut at = at;
        replace(&mut update, &mut at, &value);
        let _ = read(&update.to_string(), |_| ());
    }
}
