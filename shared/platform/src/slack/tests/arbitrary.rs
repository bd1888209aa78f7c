//! JSON of any kind, and real webhooks with any kind of flaw.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::event::{changed, deleted};
use super::interaction::button;
use super::{message, told};
use crate::sample::{any_json, any_path, replace};

const NAMES: &[&str] = &[
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
];

/// Real webhooks, to be spoilt.
fn real() -> Vec<Value> {
    let event = |event: Value| harness::platform::slack::event("Ev1", &event);
    vec![
        event(message(json!({"files": [{"id": "F1", "size": 1, "mimetype": "image/png"}]}))),
        event(changed(json!({}), json!({"text": "new"}))),
        event(deleted(json!({}))),
        event(json!({
            "type": "reaction_added", "user": "U1", "reaction": "x", "event_ts": "1.2",
            "item": {"type": "message", "channel": "C1", "ts": "1.2"},
        })),
        harness::platform::slack::interaction(&[
            button(json!({})),
            button(json!({"selected_options": [{"value": "x"}]})),
        ]),
        json!({"command": "/x", "user_id": "U1", "channel_id": "C1", "trigger_id": "1"}),
        json!({"type": "url_verification", "challenge": "x"}),
    ]
}

proptest! {
    #[test]
    fn no_json_makes_the_reading_panic_or_tell_statuses(value in any_json(NAMES)) {
        told(&value);
        told(&json!({"type": "event_callback", "event": value}));
        told(&json!({"type": "block_actions", "user": {"id": "U1"}, "actions": [value]}));
    }

    #[test]
    fn no_spoilt_webhook_makes_the_reading_panic(
        webhook in prop::sample::select(real()),
        path in any_path(5),
        part in any_json(NAMES),
    ) {
        let mut value = webhook;
        replace(&mut value, &path, part);
        told(&value);
    }
}
