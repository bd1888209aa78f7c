//! Webhooks that are nothing that WhatsApp writes.

use http::HeaderMap;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::*;
use super::read::{Told, message, of_value, read};
use crate::reading::Inbound;
use crate::sample::{any_json, replace};

const NAMES: &[&str] = &[
    "object",
    "entry",
    "id",
    "changes",
    "field",
    "value",
    "metadata",
    "messages",
    "statuses",
    "contacts",
    "errors",
    "from",
    "timestamp",
    "type",
    "text",
    "body",
    "context",
    "edit",
    "message",
    "image",
    "interactive",
    "status",
    "whatsapp_business_account",
];

/// A webhook with a message of each type, as it should be.
fn proper() -> Value {
    let messages: Vec<Value> = [
        json!({"type": "text", "text": {"body": "x"}, "context": {"id": "w", "forwarded": true}}),
        json!({"type": "image", "image": {"id": "1", "caption": "c", "voice": false}}),
        json!({"type": "location", "location": {"latitude": 1, "longitude": 2.5, "name": "n"}}),
        json!({"type": "contacts", "contacts": [{"name": {}}]}),
        json!({"type": "button", "button": {"payload": "p", "text": "t"}}),
        json!({"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "i", "title": "t"}}}),
        json!({"type": "reaction", "reaction": {"message_id": "m", "emoji": "e"}}),
        json!({"type": "order", "order": {"text": "t"}}),
        json!({"type": "edit", "edit": {"original_message_id": "o", "message": {"type": "text", "text": {"body": "x"}}}}),
        json!({"type": "unsupported", "errors": [{"code": 131_051}], "referral": {}}),
    ]
    .into_iter()
    .map(message)
    .collect();
    let status = json!({"id": "w", "status": "failed", "timestamp": "1", "errors": [{"code": 1, "error_data": {}}]});
    of_value(json!({"messages": messages, "statuses": [status], "errors": [{"code": 1}]}))
}

proptest! {
    #[test]
    fn no_json_makes_reading_panic_or_tell_what_has_no_name(body in any_json(NAMES)) {
        let _ = read(&body);
    }

    #[test]
    fn no_wrong_part_makes_reading_panic_or_lose_the_others(
        path in prop::collection::vec(any::<usize>(), 8..16),
        part in any_json(NAMES),
    ) {
        let mut body = proper();
        let intact = body["entry"][0].clone();
        replace(&mut body, &path, part);
        if let Some(entries) = body["entry"].as_array_mut() {
            entries.push(intact);
            if body["object"] == "whatsapp_business_account" {
                let told = read(&body).unwrap();
                let readable = told.iter().filter(|(_, told, _)| !matches!(told, Told::Unreadable(_))).count();
                prop_assert!(readable >= 12, "{readable} of {}", told.len());
            }
        }
        let _ = read(&body);
    }
}

#[test]
fn deep_nesting_and_many_entries_are_no_danger() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let read_text = |text: String| {
        let payload = RawValue::from_string(text).unwrap();
        let headers = HeaderMap::new();
        let inbound = Inbound { headers: &headers, payload: &payload, recipe: None, now: Timestamp::UNIX_EPOCH };
        match WhatsApp.read(&inbound) {
            Ok(Reading::Updates { updates, .. }) => updates.len(),
            _ => 0,
        }
    };
    let change = |message: &str| {
        format!(
            r#"{{"object": "whatsapp_business_account", "entry": [{{"id": "1", "changes": [
                {{"field": "messages", "value": {{"metadata": {{"phone_number_id": "1"}}, "messages": [{message}]}}}}]}}]}}"#
        )
    };
    assert_eq!(read_text(change(&deep)), 1);
    for part in ["song", "contacts", "referral", "errors"] {
        let message = format!(r#"{{"id": "w", "from": "1", "timestamp": "1", "type": "{part}", "{part}": {deep}}}"#);
        assert_eq!(read_text(change(&message)), 1, "{part}");
    }
    assert_eq!(read_text(change(&["{}"; 10_000].join(","))), 1_001, "one too many is enough to refuse all");
}
