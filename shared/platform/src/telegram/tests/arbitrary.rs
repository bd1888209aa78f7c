//! Anything that is no update, or not quite.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::{ada, private, read, with};
use crate::sample::{any_json, any_path, replace};

const NAMES: &[&str] = &["update_id", "message", "text", "from", "chat", "date", "message_id", "photo", "/start"];

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

proptest! {
    #[test]
    fn no_json_makes_it_panic_or_tell_more_than_one_thing(value in any_json(NAMES)) {
        let _ = read(&value.to_string(), |_| ());
        let _ = read(&json!({"update_id": 1, "message": value}).to_string(), |_| ());
        let _ = read(&json!({"update_id": 1, "callback_query": value}).to_string(), |_| ());
    }

    #[test]
    fn no_spoilt_update_makes_it_panic(
        sample in prop::sample::select(samples()),
        path in any_path(6),
        part in any_json(NAMES),
    ) {
        let mut update = sample;
        replace(&mut update, &path, part);
        let _ = read(&update.to_string(), |_| ());
    }
}
