//! Webhooks as WhatsApp writes them, and what they become.

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::*;
use crate::message::{NormalizedMessage, StatusUpdate};
use crate::reading::{DedupKey, Inbound, Kind};
use crate::sample::variant_of;

/// What a webhook told, as values that can be compared.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Message(Box<NormalizedMessage>),
    Status(Box<StatusUpdate>),
    Event(String),
    Unreadable(String),
}

pub(super) fn read(webhook: &Value) -> Result<Vec<(String, Told, Value)>, Error> {
    let payload: Box<RawValue> = serde_json::value::to_raw_value(webhook).unwrap();
    let headers = HeaderMap::new();
    let inbound = Inbound { headers: &headers, payload: &payload, recipe: None, now: Timestamp::UNIX_EPOCH };
    let Reading::Updates { updates, reply: None } = WhatsApp.read(&inbound)? else { panic!("WhatsApp asks with GET") };
    let told = updates.into_iter().map(|found| match found {
        Ok(found) => {
            let DedupKey::Id(key) = found.key else { panic!("everything has a name of its own") };
            let told = match found.kind {
                Kind::Message { message, reply_token: None } => Told::Message(message),
                Kind::Message { .. } => panic!("WhatsApp has no such tokens"),
                Kind::Status(status) => Told::Status(Box::new(status)),
                Kind::Event { name } => Told::Event(name.unwrap()),
            };
            (String::from_utf8(key.into_owned()).unwrap(), told, serde_json::from_str(found.payload.get()).unwrap())
        }
        Err(part) => (
            String::new(),
            Told::Unreadable(part.reason),
            // Numbers that no value can hold may be in what is unreadable.
            serde_json::from_str(part.payload.get()).unwrap_or_default(),
        ),
    });
    Ok(told.collect())
}

fn of_changes(changes: &[Value]) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]})
}

pub(super) fn of_value(fields: Value) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "contacts": [
            {"profile": {"name": "Sheena Nelson"}, "wa_id": "16505551234"},
            {"profile": {"name": "Pablo", "username": "@pablo"}, "user_id": "US.13491208655302741918"},
        ],
    });
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    value.as_object_mut().unwrap().extend(fields);
    of_changes(&[json!({"field": "messages", "value": value})])
}

/// A message with these members besides the usual ones.
pub(super) fn message(members: Value) -> Value {
    let mut message = json!({"from": "16505551234", "id": "wamid.A", "timestamp": "1749416383"});
    let Value::Object(members) = members else { panic!("members are an object") };
    message.as_object_mut().unwrap().extend(members);
    message
}

fn one(webhook: &Value) -> (String, Told, Value) {
    let mut told = read(webhook).unwrap_or_else(|refusal| panic!("{webhook}: {}", refusal));
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

fn one_message(message: &Value) -> Value {
    match one(&of_value(json!({"messages": [message]}))) {
        (_, Told::Message(normalised), payload) => {
            assert_eq!(&payload, message);
            serde_json::to_value(*normalised).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_says_everything_about_itself() {
    let text = message(json!({"type": "text", "text": {"body": "Does it come in another color?"}}));
    let expected = json!({
        "id": "wamid.A",
        "conversationId": "16505551234",
        "from": {"id": "16505551234", "name": "Sheena Nelson"},
        "to": {"id": "106540352242922"},
        "content": {"type": "TEXT", "text": "Does it come in another color?"},
        "timestamp": 1_749_416_383_000_i64,
        "platform": "whatsapp",
        "metadata": {"phoneNumberId": "106540352242922", "displayPhoneNumber": "15550783881"},
    });
    assert_eq!(one_message(&text), expected);
    let (key, _, _) = one(&of_value(json!({"messages": [text]})));
    assert_eq!(key, "wamid.A");
}

#[test]
fn each_type_becomes_its_content() {
    let check = |members: Value, expected: Value| {
        assert_eq!(one_message(&message(members.clone()))["content"], expected, "{members}");
    };
    check(
        json!({"type": "image", "image": {
            "caption": "Taj Mahal", "mime_type": "image/jpeg", "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=",
            "id": "1003383421387256", "url": "https://lookaside.fbsbx.com/1",
        }}),
        json!({"type": "FILE", "text": "Taj Mahal", "media": {
            "kind": "image", "id": "1003383421387256", "url": "https://lookaside.fbsbx.com/1", "mimeType": "image/jpeg",
            "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=",
        }}),
    );
    check(
        json!({"type": "video", "video": {"mime_type": "video/mp4", "sha256": "s", "id": "1"}}),
        json!({"type": "FILE", "media": {"kind": "video", "id": "1", "mimeType": "video/mp4", "sha256": "s"}}),
    );
    check(
        json!({"type": "audio", "audio": {"mime_type": "audio/ogg; codecs=opus", "id": "1", "voice": true}}),
        json!({"type": "FILE", "media": {"kind": "voice", "id": "1", "mimeType": "audio/ogg; codecs=opus"}}),
    );
    check(
        json!({"type": "audio", "audio": {"mime_type": "audio/mpeg", "id": "1", "voice": false}}),
        json!({"type": "FILE", "media": {"kind": "audio", "id": "1", "mimeType": "audio/mpeg"}}),
    );
    check(
        json!({"type": "document", "document": {"filename": "a.pdf", "mime_type": "application/pdf", "id": "1"}}),
        json!({"type": "FILE", "media": {
            "kind": "document", "id": "1", "mimeType": "application/pdf", "filename": "a.pdf",
        }}),
    );
    check(
        json!({"type": "sticker", "sticker": {"mime_type": "image/webp", "id": "1", "animated": true}}),
        json!({"type": "FILE", "media": {"kind": "sticker", "id": "1", "mimeType": "image/webp"}}),
    );
    check(
        json!({"type": "location", "location": {
            "latitude": 37.442_9, "longitude": -122, "name": "Philz Coffee", "address": "101 Forest Ave", "url": "x",
        }}),
        json!({"type": "LOCATION", "location": {
            "latitude": 37.442_9, "longitude": -122.0, "name": "Philz Coffee", "address": "101 Forest Ave",
        }}),
    );
    let contact = json!({"name": {"formatted_name": "Barbara", "first_name": "Barbara"}, "phones": [{"phone": "+1"}]});
    check(json!({"type": "contacts", "contacts": [contact]}), json!({"type": "CONTACTS", "contacts": [contact]}));
}

#[test]
fn choices_and_reactions_become_their_content() {
    let check = |members: Value, expected: Value| {
        assert_eq!(one_message(&message(members.clone()))["content"], expected, "{members}");
    };
    check(
        json!({"type": "interactive", "interactive": {
            "type": "button_reply", "button_reply": {"id": "change", "title": "Change"},
        }}),
        json!({"type": "BUTTON", "text": "Change", "choice": {"id": "change", "title": "Change"}}),
    );
    check(
        json!({"type": "interactive", "interactive": {
            "type": "list_reply", "list_reply": {"id": "fast", "title": "Fast", "description": "Next day"},
        }}),
        json!({"type": "LIST", "text": "Fast", "choice": {"id": "fast", "title": "Fast", "description": "Next day"}}),
    );
    check(
        json!({"type": "button", "button": {"payload": "STOP", "text": "Unsubscribe"}}),
        json!({"type": "BUTTON", "text": "Unsubscribe", "choice": {"id": "STOP", "title": "Unsubscribe"}}),
    );
    check(
        json!({"type": "button", "button": {"text": "Unsubscribe"}}),
        json!({"type": "BUTTON", "text": "Unsubscribe", "choice": {"id": "Unsubscribe", "title": "Unsubscribe"}}),
    );
    let target = json!({"messageId": "wamid.T"});
    check(
        json!({"type": "reaction", "reaction": {"message_id": "wamid.T", "emoji": "\u{1f44d}"}}),
        json!({"type": "REACTION", "reaction": {"emoji": "\u{1f44d}", "removed": false}, "target": target}),
    );
    for removed in [json!({"message_id": "wamid.T"}), json!({"message_id": "wamid.T", "emoji": ""})] {
        check(
            json!({"type": "reaction", "reaction": removed}),
            json!({"type": "REACTION", "reaction": {"removed": true}, "target": target}),
        );
    }
    check(
        json!({"type": "edit", "edit": {"original_message_id": "wamid.T", "message": {
            "type": "text", "text": {"body": "new"}, "context": {"id": "M0"},
        }}}),
        json!({"type": "EDIT", "text": "new", "target": target}),
    );
    check(
        json!({"type": "edit", "edit": {"original_message_id": "wamid.T", "message": {
            "type": "image", "image": {"id": "1", "caption": "new"},
        }}}),
        json!({"type": "EDIT", "text": "new", "media": {"kind": "image", "id": "1"}, "target": target}),
    );
    check(
        json!({"type": "revoke", "revoke": {"original_message_id": "wamid.T"}}),
        json!({"type": "DELETE", "target": target}),
    );
}

#[test]
fn a_message_that_does_not_name_its_type_is_what_it_has() {
    let check = |members: Value, content: Value, kind: Option<&str>| {
        let read = one_message(&message(members.clone()));
        assert_eq!(read["content"], content, "{members}");
        assert_eq!(read["metadata"].get("type").and_then(Value::as_str), kind, "{members}");
    };
    let (place, written) = (json!({"latitude": 1.5, "longitude": 2.5}), json!({"type": "TEXT", "text": "x"}));
    check(json!({"text": {"body": "x"}}), written.clone(), None);
    check(json!({"type": "", "text": {"body": "x"}}), written.clone(), None);
    check(json!({"type": null, "text": {"body": "x"}}), written, None);
    check(json!({"location": place}), json!({"type": "LOCATION", "location": place}), None);
    let contact = json!({"name": {"formatted_name": "Ada"}});
    check(json!({"contacts": [contact]}), json!({"type": "CONTACTS", "contacts": [contact]}), None);
    check(json!({"sticker": {"id": "1"}}), json!({"type": "FILE", "media": {"kind": "sticker", "id": "1"}}), None);
    let choice = json!({"id": "yes", "title": "Yes"});
    check(
        json!({"interactive": {"button_reply": choice}}),
        json!({"type": "BUTTON", "text": "Yes", "choice": choice}),
        None,
    );
    check(
        json!({"edit": {"original_message_id": "wamid.T", "message": {"text": {"body": "new"}}}}),
        json!({"type": "EDIT", "text": "new", "target": {"messageId": "wamid.T"}}),
        None,
    );
    let unsupported = json!({"type": "UNSUPPORTED"});
    check(json!({"system": {"type": "user_changed_number"}}), unsupported.clone(), Some("system"));
    check(json!({"errors": [{"code": 131_051}]}), unsupported.clone(), Some("unknown"));
    check(json!({"interactive": {"poll": {}}}), unsupported.clone(), Some("interactive"));
    check(json!({}), unsupported, Some("unknown"));
}

#[test]
fn what_has_no_content_keeps_its_details() {
    let check = |members: Value, content: Value, metadata: Value| {
        let read = one_message(&message(members.clone()));
        assert_eq!(read["content"], content, "{members}");
        let mut expected = json!({"phoneNumberId": "106540352242922", "displayPhoneNumber": "15550783881"});
        expected.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        assert_eq!(read["metadata"], expected, "{members}");
    };
    let unsupported = json!({"type": "UNSUPPORTED"});
    let errors = json!([{"code": 131_051, "title": "Message type unknown"}]);
    check(
        json!({"type": "unsupported", "errors": errors, "unsupported": {"type": "poll_creation"}}),
        unsupported.clone(),
        json!({"type": "unsupported", "errors": errors, "details": {"type": "poll_creation"}}),
    );
    check(
        json!({"type": "unknown", "errors": errors}),
        unsupported.clone(),
        json!({"type": "unknown", "errors": errors}),
    );
    check(json!({"type": "request_welcome"}), unsupported.clone(), json!({"type": "request_welcome"}));
    check(json!({"type": "song", "song": [1]}), unsupported.clone(), json!({"type": "song", "details": [1]}));
    let flow = json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{}"}});
    check(
        json!({"type": "interactive", "interactive": flow}),
        unsupported,
        json!({"type": "interactive", "details": flow}),
    );
    let system = json!({"body": "User A changed from 1 to 2", "wa_id": "2", "type": "user_changed_number"});
    check(
        json!({"type": "system", "system": system}),
        json!({"type": "UNSUPPORTED", "text": "User A changed from 1 to 2"}),
        json!({"type": "system", "details": system}),
    );
    let order = json!({"catalog_id": "c", "text": "please hurry", "product_items": [{"quantity": 1}]});
    check(
        json!({"type": "order", "order": order}),
        json!({"type": "TEXT", "text": "please hurry"}),
        json!({"order": order}),
    );
    check(
        json!({"type": "text", "text": {"body": "x"}, "referral": {"source_id": "1", "ctwa_clid": "c"}}),
        json!({"type": "TEXT", "text": "x"}),
        json!({"referral": {"source_id": "1", "ctwa_clid": "c"}}),
    );
    check(
        json!({"type": "text", "text": {"body": "x"}, "context": {"forwarded": true, "frequently_forwarded": true}}),
        json!({"type": "TEXT", "text": "x"}),
        json!({"forwarded": true, "frequentlyForwarded": true}),
    );
    let product = json!({"catalog_id": "c", "product_retailer_id": "p"});
    check(
        json!({"type": "text", "text": {"body": "x"}, "context": {"id": "w", "forwarded": false, "referred_product": product}}),
        json!({"type": "TEXT", "text": "x"}),
        json!({"referredProduct": product}),
    );
}

#[test]
fn a_message_names_the_one_that_it_answers_its_group_and_a_hidden_sender() {
    let text = json!({"type": "text", "text": {"body": "x"}});
    let with = |members: Value| {
        let mut message = message(text.clone());
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        one_message(&message)
    };
    let reply = with(json!({"context": {"from": "15550783881", "id": "wamid.Q"}}));
    assert_eq!(reply["replyTo"], json!({"messageId": "wamid.Q"}));
    let grouped = with(json!({"group_id": "G1"}));
    assert_eq!((&grouped["conversationId"], &grouped["from"]["id"]), (&json!("G1"), &json!("16505551234")));
    let hidden = with(json!({"from": null, "from_user_id": "US.13491208655302741918"}));
    assert_eq!(hidden["from"], json!({"id": "US.13491208655302741918", "name": "Pablo"}));
    assert_eq!(hidden["conversationId"], "US.13491208655302741918");
    assert_eq!(hidden["metadata"]["username"], "@pablo");
    let unnamed = with(json!({"from": "1"}));
    assert_eq!(unnamed["from"], json!({"id": "1"}));
}

#[test]
fn statuses_are_read_with_what_went_wrong() {
    let status = |members: Value| {
        let mut status = json!({"id": "wamid.S", "timestamp": "1750263773", "recipient_id": "16505551234"});
        status.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        match one(&of_value(json!({"statuses": [status]}))) {
            (key, Told::Status(update), payload) => {
                assert_eq!(payload, status);
                (key, serde_json::to_value(*update).unwrap())
            }
            other => panic!("{other:?}"),
        }
    };
    for word in ["sent", "delivered", "read", "played", "failed"] {
        let (key, update) = status(json!({"status": word}));
        assert_eq!(key, format!("status:wamid.S:{word}"));
        let expected = json!({
            "messageId": "wamid.S", "status": word, "recipientId": "16505551234", "timestamp": 1_750_263_773_000_i64,
            "metadata": {"phoneNumberId": "106540352242922"},
        });
        assert_eq!(update, expected);
    }
    let (conversation, pricing) = (json!({"id": "c", "origin": {"type": "service"}}), json!({"billable": false}));
    let (_, update) = status(json!({
        "status": "sent", "conversation": conversation, "pricing": pricing, "biz_opaque_callback_data": "mine",
    }));
    assert_eq!(
        update["metadata"],
        json!({
            "phoneNumberId": "106540352242922", "conversation": conversation, "pricing": pricing, "callbackData": "mine",
        })
    );
    let errors = json!([
        {"code": 131_047, "title": "Re-engagement message", "error_data": {"details": "24 hours have passed"}},
        {"code": 131_026, "message": "Undeliverable", "error_data": {"details": "Undeliverable"}},
        {},
    ]);
    let (_, update) = status(json!({"status": "failed", "errors": errors}));
    assert_eq!(update["error"], "131047: Re-engagement message: 24 hours have passed; 131026: Undeliverable");
    assert_eq!(update["metadata"]["errors"], errors);
    let (key, update) = status(json!({
        "status": "read", "recipient_id": "G1", "recipient_type": "group", "recipient_participant_id": "1650",
    }));
    assert_eq!((key.as_str(), &update["recipientId"]), ("status:wamid.S:read:1650", &json!("G1")));
    assert_eq!(update["metadata"]["participantId"], "1650");
    let (_, update) = status(json!({"status": "read", "recipient_id": null, "recipient_user_id": "US.1"}));
    assert_eq!(update["recipientId"], "US.1");
}

#[test]
fn a_status_of_anything_else_is_an_event_of_its_own() {
    let status = |members: Value| {
        let mut status = json!({"id": "wamid.P", "timestamp": "1767323044"});
        status.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let (key, told, payload) = one(&of_value(json!({"statuses": [status]})));
        assert_eq!(payload, status);
        (key, told)
    };
    let payment = json!({"type": "payment", "status": "captured", "payment": {"reference_id": "r"}});
    let (captured, told) = status(payment.clone());
    assert_eq!(told, Told::Event("payment.captured".to_owned()));
    assert_eq!(status(payment).0, captured, "the same again is the same");
    let failed = json!({"type": "payment", "status": "failed", "payment": {"reference_id": "r"}});
    let (payment_failed, told) = status(failed);
    assert_eq!(told, Told::Event("payment.failed".to_owned()));
    let (later, _) = status(json!({"type": "payment", "status": "failed", "timestamp": "1767323999"}));
    let (message_failed, told) = status(json!({"status": "failed"}));
    assert!(matches!(told, Told::Status(_)));
    assert_eq!(std::collections::BTreeSet::from([&captured, &payment_failed, &later, &message_failed]).len(), 4);
    assert!(matches!(status(json!({"type": "message", "status": "read"})).1, Told::Status(_)));
    assert_eq!(status(json!({"status": "warning"})).1, Told::Event("message.warning".to_owned()));
    assert_eq!(status(json!({"type": "call", "status": "RINGING"})).1, Told::Event("call.RINGING".to_owned()));
    let nameless = json!({"type": "call", "status": "x", "id": null});
    assert_eq!(status(nameless).1, Told::Event("call.x".to_owned()));
    // It needs no time, and none that can be read.
    assert_eq!(status(json!({"type": "call", "status": "x", "timestamp": null})).1, Told::Event("call.x".to_owned()));
}

#[test]
fn what_is_set_removed_and_set_again_is_three_events() {
    let label = |action: &str| json!({"field": "labels", "value": {"action": action, "label": {"id": "7"}}});
    let sent = |time: Value, changes: &[Value]| {
        let entry = json!({"id": "1", "time": time, "changes": changes});
        let told = read(&json!({"object": "whatsapp_business_account", "entry": [entry]})).unwrap();
        told.into_iter().map(|(key, ..)| key).collect::<Vec<_>>()
    };
    let distinct = |keys: Vec<Vec<String>>| keys.into_iter().flatten().collect::<std::collections::BTreeSet<_>>().len();
    let one_by_one = vec![
        sent(json!(1_767_323_044), &[label("add")]),
        sent(json!(1_767_323_045), &[label("remove")]),
        sent(json!(1_767_323_046), &[label("add")]),
        // Sent again.
        sent(json!(1_767_323_046), &[label("add")]),
    ];
    assert_eq!(distinct(one_by_one), 3);
    let at_once = || sent(json!(1), &[label("add"), label("remove"), label("add")]);
    assert_eq!(distinct(vec![at_once(), at_once()]), 3);
    assert_eq!(distinct(vec![sent(Value::Null, &[label("add")]), sent(Value::Null, &[label("add")])]), 1);
}

#[test]
fn a_message_need_not_say_who_sent_it_to_whom_or_what() {
    let system = json!({"body": "Maintenance tonight", "type": "announcement"});
    let mut nobody = message(json!({"type": "system", "system": system}));
    nobody.as_object_mut().unwrap().remove("from");
    let read = one_message(&nobody);
    assert_eq!(read["content"], json!({"type": "UNSUPPORTED", "text": "Maintenance tonight"}));
    assert_eq!(read["metadata"]["details"], system);
    assert_eq!((&read["from"], &read["conversationId"]), (&json!({"id": ""}), &json!("")));
    let check = |members: Value, content: Value| {
        assert_eq!(one_message(&message(members.clone()))["content"], content, "{members}");
    };
    check(json!({"type": "text", "text": {}}), json!({"type": "TEXT"}));
    for kind in
        ["text", "image", "location", "contacts", "button", "interactive", "reaction", "order", "edit", "revoke"]
    {
        check(json!({"type": kind}), json!({"type": "UNSUPPORTED"}));
        assert_eq!(one_message(&message(json!({"type": kind})))["metadata"]["type"], kind);
    }
    check(
        json!({"type": "edit", "edit": {"original_message_id": "wamid.T"}}),
        json!({"type": "EDIT", "target": {"messageId": "wamid.T"}}),
    );
    let to = |metadata: Value| {
        let text = message(json!({"type": "text", "text": {"body": "x"}}));
        match one(&of_value(json!({"metadata": metadata, "messages": [text]}))).1 {
            Told::Message(message) => message.to.id,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(to(json!({"phone_number_id": "1", "display_phone_number": "2"})), "1");
    assert_eq!(to(json!({"display_phone_number": "2"})), "2");
    assert_eq!(to(json!(null)), "");
}

#[test]
fn other_changes_are_events_of_their_own_kind() {
    let change = json!({"field": "account_update", "value": {"event": "VERIFIED_ACCOUNT"}});
    let (key, told, payload) = one(&of_changes(std::slice::from_ref(&change)));
    assert_eq!((told, payload), (Told::Event("account_update".to_owned()), change));
    assert!(key.starts_with("102290129340398:account_update:"), "{key}");
    let (other, ..) = one(&of_changes(&[json!({"field": "account_update", "value": {"event": "OTHER"}})]));
    assert_ne!(key, other);
    let errors = json!([{"code": 130_429, "title": "Rate limit hit"}]);
    let (key, told, payload) = one(&of_value(json!({"errors": errors})));
    assert_eq!((told, &payload["value"]["errors"]), (Told::Event("errors".to_owned()), &errors));
    assert!(key.starts_with("102290129340398:errors:"), "{key}");
    let (_, told, _) = one(&of_value(json!({"calls": []})));
    assert_eq!(told, Told::Event("messages".to_owned()));
    assert_eq!(read(&json!({"object": "whatsapp_business_account", "entry": []})).unwrap().len(), 0);
    assert_eq!(read(&of_changes(&[])).unwrap().len(), 0);
}

#[test]
fn one_bad_part_keeps_no_other_back() {
    let good = message(json!({"type": "text", "text": {"body": "x"}}));
    let check = |bad: Value, part: &str| {
        let told = read(&of_value(json!({"messages": [good, bad, good], "statuses": []}))).unwrap();
        assert_eq!(told.len(), 3, "{bad}");
        assert!(matches!((&told[0].1, &told[2].1), (Told::Message(_), Told::Message(_))), "{bad}");
        let Told::Unreadable(reason) = &told[1].1 else { panic!("{bad}: {:?}", told[1]) };
        assert!(reason.contains(part) && reason.len() < 1000, "{bad}: {reason}");
        assert_eq!(told[1].2, bad);
    };
    for bad in [json!(null), json!(1), json!("x"), json!([]), json!(1e300)] {
        check(bad, "expected");
    }
    let without = |name: &str| {
        let mut message = good.clone();
        message.as_object_mut().unwrap().remove(name);
        message
    };
    for name in ["id", "timestamp"] {
        check(without(name), &format!("`{name}` is missing"));
    }
    let with = |name: &str, value: Value| {
        let mut message = good.clone();
        message[name] = value;
        message
    };
    check(with("id", json!(1)), "`id`");
    check(with("id", json!("")), "`id` is empty");
    check(with("from", json!(["x".repeat(100_000)])), "`from`");
    check(with("text", json!("x".repeat(100_000))), "`text`");
    check(with("text", json!({"body": 1})), "`text`");
    check(with("context", json!("x")), "expected");
    for time in ["-1", "1e3", "", " 1", "99999999999999999999", "now", "2026-01-02"] {
        check(with("timestamp", json!(time)), "`timestamp`");
    }
    for time in [json!(1e30), json!(-1), json!(u64::MAX), json!(null), json!([])] {
        check(with("timestamp", time), "`timestamp`");
    }
    check(message(json!({"type": "image", "image": {"id": ""}})), "empty");
    check(message(json!({"type": "location", "location": {"latitude": "1", "longitude": 1}})), "`location`");
    check(message(json!({"type": "interactive", "interactive": {"type": "button_reply"}})), "`button_reply`");
    check(message(json!({"type": "button", "button": {}})), "payload");
    check(message(json!({"type": "reaction", "reaction": {"emoji": "x"}})), "message_id");
    check(message(json!({"type": "contacts", "contacts": {}})), "`contacts`");
}

#[test]
fn a_time_may_be_a_number() {
    let check = |time: Value, expected: i64| {
        let message = message(json!({"type": "text", "text": {"body": "x"}, "timestamp": time}));
        assert_eq!(one_message(&message)["timestamp"], expected);
    };
    check(json!(1_749_416_383), 1_749_416_383_000);
    check(json!("0"), 0);
    check(json!("99999999999"), 99_999_999_999_000);
    check(json!("1749416383500"), 1_749_416_383_500);
    check(json!(1_749_416_383_500_i64), 1_749_416_383_500);
    check(json!("1749416383.5"), 1_749_416_383_500);
    check(json!("2025-06-08T20:59:43.5Z"), 1_749_416_383_500);
}

#[test]
fn a_bad_entry_change_or_status_is_rejected_by_itself() {
    let good = json!({"field": "account_update", "value": {}});
    let reasons = |webhook: Value| {
        let told = read(&webhook).unwrap();
        let bad = told.iter().filter(|(_, told, _)| matches!(told, Told::Unreadable(_))).count();
        (bad, told.len() - bad)
    };
    for bad in [json!(null), json!({}), json!({"field": 1}), json!({"field": ""}), json!({"field": "messages"})] {
        assert_eq!(reasons(of_changes(&[good.clone(), bad.clone(), good.clone()])), (1, 2), "{bad}");
    }
    let object = "whatsapp_business_account";
    let entry = json!({"id": "1", "changes": [good]});
    for bad in [json!(null), json!(5), json!({}), json!({"id": 1, "changes": []}), json!({"id": "1", "changes": 1})] {
        assert_eq!(reasons(json!({"object": object, "entry": [bad, entry]})), (1, 1), "{bad}");
    }
    let status = json!({"id": "w", "status": "sent", "timestamp": "1"});
    let bad = json!({"id": "w", "status": "sent", "timestamp": "now"});
    assert_eq!(reasons(of_value(json!({"statuses": [bad, status, bad, 1]}))), (3, 1));
    assert_eq!(reasons(of_value(json!({"messages": {}}))), (1, 0));
    for bad in [json!({"status": "sent", "timestamp": "1"}), json!({"id": "w"}), json!({"id": "w", "status": 1})] {
        assert_eq!(reasons(of_value(json!({"statuses": [bad]}))), (1, 0), "{bad}");
    }
    let text = message(json!({"type": "text", "text": {"body": "x"}}));
    assert_eq!(reasons(of_value(json!({"metadata": 1, "messages": [text], "statuses": [status]}))), (0, 2));
    assert_eq!(reasons(of_value(json!({"contacts": [1, {}, {"profile": 1}], "messages": [text]}))), (0, 1));
}

#[test]
fn what_is_no_webhook_of_whatsapp_is_refused() {
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({"object": "page", "entry": []}),
        json!({"object": 1, "entry": []}),
        json!({"object": "whatsapp_business_account"}),
        json!({"object": "whatsapp_business_account", "entry": {}}),
    ] {
        let refusal = read(&body).unwrap_err();
        assert_eq!(variant_of(&refusal), "Body", "{body}: {}", refusal);
    }
}
