use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::reading::{Inbound, Kind, Reading, Update};
use crate::registry::all;
use crate::sample::{any_json, any_path, replace};

#[test]
fn the_platforms_are_in_the_order_of_their_names() {
    let names: Vec<_> = all().map(|platform| platform.spec().name).collect();
    assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
}

/// The names of members that some platform looks at, and texts that mean something to it.
const NAMES: &[&str] = &[
    "type",
    "id",
    "event",
    "event_id",
    "event_time",
    "challenge",
    "token",
    "team_id",
    "channel",
    "user",
    "text",
    "ts",
    "thread_ts",
    "files",
    "item",
    "subtype",
    "message",
    "previous_message",
    "payload",
    "actions",
    "container",
    "object",
    "entry",
    "changes",
    "field",
    "value",
    "messages",
    "statuses",
    "contacts",
    "metadata",
    "errors",
    "timestamp",
    "from",
    "to",
    "update_id",
    "edited_message",
    "callback_query",
    "message_reaction",
    "chat",
    "date",
    "message_id",
    "photo",
    "location",
    "entities",
    "data",
    "options",
    "name",
    "member",
    "channel_id",
    "application_id",
    "custom_id",
    "values",
    "components",
    "resolved",
    "attachments",
    "MessageStatus",
    "SmsStatus",
    "MessageSid",
    "Body",
    "CallStatus",
    "authorizations",
    "selected_option",
    "command",
    "body",
    "context",
    "edit",
    "status",
    "",
    "whatsapp_business_account",
    "image",
    "interactive",
    "button_reply",
    "reaction",
    "sent",
    "failed",
    "event_callback",
    "url_verification",
    "message_changed",
    "file_share",
    "reaction_added",
    "block_actions",
    "received",
    "1531420618.000100",
    "1614265330",
    "-1",
    "99999999999999999999",
    "\u{0}\u{1f600}",
];

/// Webhooks of several platforms, for their parts to be replaced.
fn real() -> Vec<Value> {
    vec![
        json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp", "metadata": {"display_phone_number": "1", "phone_number_id": "2"},
            "contacts": [{"wa_id": "3", "profile": {"name": "Ann"}}],
            "messages": [
                {"from": "3", "id": "wamid.1", "timestamp": "1614265330", "type": "text", "text": {"body": "hi"},
                 "context": {"from": "2", "id": "wamid.0"}},
                {"from": "3", "id": "wamid.2", "timestamp": "1614265330", "type": "image",
                 "image": {"id": "5", "mime_type": "image/png", "sha256": "x", "caption": "c"}},
                {"from": "3", "id": "wamid.3", "timestamp": "1614265330", "type": "interactive",
                 "interactive": {"type": "list_reply", "list_reply": {"id": "a", "title": "A", "description": "d"}}},
                {"from": "3", "id": "wamid.4", "timestamp": "1614265330", "type": "location",
                 "location": {"latitude": 1.5, "longitude": 2.5, "name": "n"}},
                {"from": "3", "id": "wamid.5", "timestamp": "1614265330", "type": "reaction",
                 "reaction": {"message_id": "wamid.0", "emoji": "x"}},
            ],
            "statuses": [{"id": "wamid.6", "status": "failed", "timestamp": "1614265330", "recipient_id": "3",
                "errors": [{"code": 131_047, "title": "t", "message": "m", "error_data": {"details": "d"}}]}],
        }}]}]}),
        json!({"token": "t", "team_id": "T1", "api_app_id": "A1", "type": "event_callback", "event_id": "Ev1",
        "event_time": 1_614_265_330, "authorizations": [{"user_id": "U0", "is_bot": true}], "event": {
            "type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1531420618.000100",
            "thread_ts": "1531420618.000100", "channel_type": "im", "event_ts": "1531420618.000100",
            "files": [{"id": "F1", "mimetype": "image/png", "url_private": "https://x", "size": 5}],
        }}),
        json!({"type": "block_actions", "user": {"id": "U1"}, "team": {"id": "T1"}, "channel": {"id": "C1"},
            "container": {"type": "message", "message_ts": "1531420618.000100"}, "response_url": "https://x",
            "message": {"ts": "1531420618.000100"}, "actions": [{"type": "button", "action_id": "a", "block_id": "b",
                "value": "v", "action_ts": "1531420618.000100", "text": {"type": "plain_text", "text": "A"}}]}),
        json!({"update_id": 1, "message": {"message_id": 2, "from": {"id": 3, "is_bot": false, "first_name": "Ann"},
            "chat": {"id": -4, "type": "private"}, "date": 1_614_265_330, "text": "/start x", "photo": [{"file_id": "f",
                "file_unique_id": "u", "width": 1, "height": 1, "file_size": 2}], "caption": "c",
            "entities": [{"type": "bot_command", "offset": 0, "length": 6}], "reply_to_message": {"message_id": 1}}}),
        json!({"update_id": 1, "callback_query": {"id": "1", "from": {"id": 3, "first_name": "Ann"}, "data": "d",
            "chat_instance": "5", "message": {"message_id": 2, "chat": {"id": 4, "type": "private"}, "date": 1}}}),
        json!({"update_id": 1, "message_reaction": {"chat": {"id": 4, "type": "group"}, "message_id": 2, "date": 1,
            "user": {"id": 3, "first_name": "Ann"}, "old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "x"}]}}),
        json!({"id": "1", "application_id": "2", "type": 2, "token": "t", "version": 1, "channel_id": "3",
            "guild_id": "4", "member": {"user": {"id": "5", "username": "ann", "global_name": "Ann"}},
            "data": {"id": "6", "name": "ask", "type": 1, "options": [{"name": "q", "type": 3, "value": "v"}]}}),
        json!({"id": "1", "application_id": "2", "type": 3, "token": "t", "version": 1, "user": {"id": "5"},
            "message": {"id": "7", "channel_id": "3"}, "data": {"custom_id": "a", "component_type": 3, "values": ["x"]}}),
        json!({"version": 1, "application_id": "2", "type": 1, "event": {"type": "APPLICATION_AUTHORIZED",
            "timestamp": "2024-10-18T14:42:53.064834", "data": {"user": {"id": "5"}}}}),
        json!({"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}),
        json!({"MessageSid": "SM1", "SmsStatus": "received", "From": "+1", "To": "+2", "Body": "hi"}),
    ]
}

/// Lets every platform read a webhook and looks at whatever it makes of it.
fn read_by_all(payload: &Value, kind: &str) {
    let payload: Box<RawValue> = serde_json::value::to_raw_value(payload).unwrap();
    let mut headers = HeaderMap::new();
    for name in ["x-github-event", "x-shopify-topic", "webhook-id", "x-slack-retry-num", "x-signature-timestamp"] {
        if let Ok(value) = HeaderValue::from_bytes(kind.as_bytes()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let inbound = Inbound { headers: &headers, payload: &payload, recipe: None, now: Timestamp::UNIX_EPOCH };
    for platform in all() {
        let Ok(Reading::Updates { updates, .. }) = platform.read(&inbound) else { continue };
        for updates in updates {
            if let Ok(Update { kind: Kind::Message { message, .. }, .. }) = &updates {
                serde_json::to_value(message).unwrap();
            }
            let part = updates.map_or_else(|unreadable| unreadable.payload, |updates| updates.payload);
            serde_json::from_str::<Value>(part.get())
                .unwrap_or_else(|cause| panic!("{}: {cause}", platform.spec().name));
        }
    }
}

proptest! {
    #[test]
    fn no_platform_panics_whatever_json_it_reads(payload in any_json(NAMES), kind in ".{0,12}") {
        read_by_all(&payload, &kind);
    }

    #[test]
    fn no_platform_panics_when_parts_of_a_real_webhook_are_something_else(
        webhook in prop::sample::select(real()),
        parts in prop::collection::vec((any_path(10), any_json(NAMES)), 1..4),
    ) {
        let mut webhook = webhook;
        parts.into_iter().for_each(|(path, part)| replace(&mut webhook, &path, part));
        read_by_all(&webhook, "messages");
    }
}
