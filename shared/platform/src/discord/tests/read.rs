//! Interactions and webhook events as Discord documents them.

use serde_json::value::RawValue;

use super::*;
use crate::reading::{DedupKey, Kind, Reply, Unreadable, Update};
use crate::sample::variant_of;

const TOKEN: &str = "aW50ZXJhY3Rpb246Nzg2MDA4NzI5NzE1MjEyMzM4OmFfdG9rZW4";

pub(super) fn read<T>(body: &str, with: impl FnOnce(Reading<'_>) -> T) -> Result<T, Error> {
    let payload: &RawValue = serde_json::from_str(body).unwrap();
    let inbound = Inbound { headers: &HeaderMap::new(), payload, recipe: None, now: Timestamp::UNIX_EPOCH };
    Discord.read(&inbound).map(with)
}

/// Reads a body that tells one thing.
fn one<T>(body: &Value, with: impl FnOnce(Result<Update<'_>, Unreadable<'_>>, Option<Reply>) -> T) -> T {
    let read = read(&body.to_string(), |reading| match reading {
        Reading::Updates { mut updates, reply } if updates.len() == 1 => with(updates.remove(0), reply),
        _ => panic!("{body} tells one thing"),
    });
    read.unwrap()
}

fn without_token(body: &Value) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove("token");
    body
}

/// Returns the message that an interaction becomes.
fn message(interaction: &Value, provisional: u8) -> Value {
    one(interaction, |found, reply| {
        let found = found.map_err(|unreadable| unreadable.reason).unwrap();
        assert_eq!(reply, Some(Reply::json(&json!({"type": provisional}))));
        let (DedupKey::Id(key), Kind::Message { message, reply_token }) = (found.key, found.kind) else {
            panic!("{interaction} is a message");
        };
        assert_eq!((&*key, message.id.as_str()), (b"786008729715212338".as_slice(), "786008729715212338"));
        assert_eq!(reply_token.as_deref(), Some(TOKEN));
        assert_eq!(serde_json::from_str::<Value>(found.payload.get()).unwrap(), without_token(interaction));
        assert!(!found.payload.get().contains(TOKEN));
        serde_json::to_value(message).unwrap()
    })
}

fn mason() -> Value {
    json!({"id": "53908232506183680", "username": "mason", "global_name": "Mason", "discriminator": "0",
        "avatar": "a_d5efa99b3eeaa7dd43acca82f5692432", "public_flags": 131_141})
}

/// An interaction in a guild.
pub(super) fn interaction(kind: u8, data: &Value) -> Value {
    json!({
        "id": "786008729715212338", "application_id": "775799577604522054", "type": kind, "token": TOKEN, "version": 1,
        "member": {"user": mason(), "roles": ["539082325061836999"], "permissions": "2147483647", "nick": null,
            "joined_at": "2017-03-13T19:19:14.040000+00:00", "deaf": false, "mute": false, "pending": false},
        "guild_id": "290926798626357999", "app_permissions": "442368", "guild_locale": "en-US", "locale": "de",
        "channel_id": "645027906669510667", "channel": {"id": "645027906669510667", "type": 0}, "entitlements": [],
        "attachment_size_limit": 10_485_760, "context": 0, "data": data,
    })
}

/// What a message from that guild is, with a content and more metadata.
fn from_mason(content: Value, metadata: &Value) -> Value {
    let mut message = json!({
        "id": "786008729715212338", "conversationId": "645027906669510667",
        "from": {"id": "53908232506183680", "name": "Mason"}, "to": {"id": "775799577604522054"},
        "timestamp": 1_607_469_484_500_u64, "platform": "discord",
        "metadata": {"interactionId": "786008729715212338", "guildId": "290926798626357999", "locale": "de"},
    });
    message["content"] = content;
    message["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    message
}

#[test]
fn commands_are_read_with_their_options() {
    let check = |data: Value, content: Value, metadata: Value| {
        assert_eq!(message(&interaction(2, &data), 5), from_mason(content, &metadata), "{data}");
    };
    let search = json!({"id": "771825006014889984", "name": "cardsearch", "type": 1, "options": [
        {"type": 3, "name": "cardname", "value": "The Gitrog Monster"},
        {"type": 4, "name": "count", "value": 3}, {"type": 10, "name": "price", "value": 1.5},
        {"type": 5, "name": "foil", "value": true}, {"type": 6, "name": "owner", "value": "53908232506183680"},
        {"type": 3, "name": "set", "value": "SOI"},
    ]});
    let options = json!({"cardname": "The Gitrog Monster", "count": 3, "price": 1.5, "foil": true,
        "owner": "53908232506183680", "set": "SOI"});
    check(
        search,
        json!({"type": "COMMAND", "text": "The Gitrog Monster SOI", "command": {"name": "cardsearch",
            "options": options}}),
        json!({}),
    );
    let name = |name: &str| json!({"type": "COMMAND", "command": {"name": name}});
    check(json!({"id": "1", "name": "ping", "type": 1}), name("ping"), json!({}));
    let sub = json!({"type": 1, "name": "show"});
    check(json!({"id": "1", "name": "tea", "type": 1, "options": [sub]}), name("tea show"), json!({}));
    let get = json!({"type": 1, "name": "get", "options": [{"type": 3, "name": "sort", "value": "green"}]});
    let group = json!({"type": 2, "name": "leaf", "options": [get]});
    check(
        json!({"id": "1", "name": "tea", "type": 1, "options": [group]}),
        json!({"type": "COMMAND", "text": "green", "command": {"name": "tea leaf get", "options": {"sort": "green"}}}),
        json!({}),
    );
    let on_user = json!({"id": "1", "name": "High Five", "type": 2, "target_id": "80351110224678912",
        "resolved": {"users": {"80351110224678912": mason()}}});
    check(on_user, name("High Five"), json!({"targetId": "80351110224678912"}));
}

#[test]
fn files_of_a_command_come_with_it() {
    let file = json!({"id": "9", "filename": "a.png", "content_type": "image/png", "size": 5, "url": "https://cdn.test/a",
        "proxy_url": "https://media.test/a", "ephemeral": true});
    let data = json!({"id": "1", "name": "upload", "type": 1, "options": [{"type": 11, "name": "file", "value": "9"}],
        "resolved": {"attachments": {"9": file}}});
    let content = message(&interaction(2, &data), 5)["content"].clone();
    let media = json!({"id": "9", "url": "https://cdn.test/a", "mimeType": "image/png", "filename": "a.png",
        "sizeBytes": 5});
    let command = json!({"name": "upload", "options": {"file": "9"}});
    assert_eq!(content, json!({"type": "COMMAND", "command": command, "media": media}));
}

#[test]
fn in_a_direct_message_the_user_stands_alone() {
    let mut direct = interaction(2, &json!({"id": "1", "name": "ping", "type": 1}));
    for name in ["member", "guild_id", "channel_id", "locale"] {
        direct.as_object_mut().unwrap().remove(name);
    }
    direct["user"] = json!({"id": "7", "username": "ada", "global_name": null});
    let read = message(&direct, 5);
    assert_eq!(read["from"], json!({"id": "7", "name": "ada"}));
    assert_eq!((&read["conversationId"], &read["metadata"]), (&json!("7"), &json!({"interactionId": read["id"]})));
    direct["user"] = json!({"id": "7"});
    assert_eq!(message(&direct, 5)["from"], json!({"id": "7"}), "somebody without a name");
}

#[test]
fn buttons_and_lists_are_read_with_their_labels() {
    let select = json!({"type": 3, "custom_id": "sorts", "options": [
        {"label": "Green", "value": "green", "description": "from Uji"}, {"label": "Black", "value": "black"}]});
    let button = json!({"type": 2, "style": 1, "label": "Yes", "custom_id": "yes"});
    let components = json!([{"type": 17, "components": [{"type": 1, "components": [button]}]},
        {"type": 1, "components": [select]}]);
    let check = |data: Value, content: Value, custom_id: &str| {
        let mut pressed = interaction(3, &data);
        pressed["message"] = json!({"id": "5", "channel_id": "645027906669510667", "components": components});
        let mut expected = from_mason(content, &json!({"customId": custom_id}));
        expected["replyTo"] = json!({"messageId": "5"});
        assert_eq!(message(&pressed, 6), expected, "{data}");
    };
    check(
        json!({"custom_id": "yes", "component_type": 2}),
        json!({"type": "BUTTON", "text": "Yes", "choice": {"id": "yes", "title": "Yes"}}),
        "yes",
    );
    check(
        json!({"custom_id": "other", "component_type": 2}),
        json!({"type": "BUTTON", "choice": {"id": "other"}}),
        "other",
    );
    let green = json!({"id": "green", "title": "Green", "description": "from Uji", "ids": ["green", "black"]});
    check(
        json!({"custom_id": "sorts", "component_type": 3, "values": ["green", "black"]}),
        json!({"type": "LIST", "text": "Green", "choice": green}),
        "sorts",
    );
    check(
        json!({"custom_id": "sorts", "component_type": 3, "values": ["black"]}),
        json!({"type": "LIST", "text": "Black", "choice": {"id": "black", "title": "Black"}}),
        "sorts",
    );
    check(
        json!({"custom_id": "users", "component_type": 5, "values": ["7"]}),
        json!({"type": "LIST", "choice": {"id": "7"}}),
        "users",
    );
    check(
        json!({"custom_id": "sorts", "component_type": 3, "values": []}),
        json!({"type": "LIST", "choice": {"id": ""}}),
        "sorts",
    );
}

#[test]
fn a_ping_wants_a_pong_and_nothing_has_happened() {
    let check = |body: &str, expected: Reply| {
        let handshake = read(body, |reading| match reading {
            Reading::Handshake(reply) => reply,
            Reading::Updates { .. } => panic!("{body} has no updates"),
        });
        assert_eq!(handshake.unwrap(), expected, "{body}");
    };
    let pong = Reply::json(&json!({"type": 1}));
    check(r#"{"type":1}"#, pong.clone());
    let whole = json!({"id": "1", "application_id": "2", "type": 1, "token": TOKEN, "version": 1, "user": mason()});
    check(&whole.to_string(), pong);
    let empty = Reply { status: http::StatusCode::NO_CONTENT, content_type: "", body: bytes::Bytes::new() };
    check(r#"{"version": 1, "application_id": "1234560123453231555", "type": 0}"#, empty);
}

#[test]
fn other_interactions_are_events_without_their_token() {
    let check = |kind: u8, expected: &str, reply: Option<Value>| {
        let body = interaction(kind, &json!({"custom_id": "form", "name": "tea"}));
        one(&body, |found, answered| {
            let found = found.map_err(|unreadable| unreadable.reason).unwrap();
            assert!(matches!(found.kind, Kind::Event { name: Some(kind) } if kind == expected));
            assert!(matches!(found.key, DedupKey::Id(key) if &*key == b"786008729715212338"));
            assert_eq!(serde_json::from_str::<Value>(found.payload.get()).unwrap(), without_token(&body));
            assert_eq!(answered, reply.map(|reply| Reply::json(&reply)));
        });
    };
    check(4, "autocomplete", Some(json!({"type": 8, "data": {"choices": []}})));
    check(5, "modal_submit", Some(json!({"type": 5})));
    check(6, "interaction", None);
}

#[test]
fn a_webhook_event_is_an_event_of_its_name() {
    let event = |at: &str| {
        json!({"version": 1, "application_id": "1234560123453231555", "type": 1, "event": {
            "type": "APPLICATION_AUTHORIZED", "timestamp": at,
            "data": {"integration_type": 1, "scopes": ["applications.commands"], "user": mason()},
        }})
    };
    let key = |body: &Value| {
        one(body, |found, reply| {
            let found = found.map_err(|unreadable| unreadable.reason).unwrap();
            assert!(matches!(found.kind, Kind::Event { name: Some(kind) } if kind == "application_authorized"));
            assert_eq!(serde_json::from_str::<Value>(found.payload.get()).unwrap(), *body);
            assert_eq!(reply.unwrap().status, 204);
            let DedupKey::Id(key) = found.key else { panic!("an event is known by what it says") };
            key.into_owned()
        })
    };
    let first = key(&event("2024-10-18T14:42:53.064834"));
    assert_eq!(key(&event("2024-10-18T14:42:53.064834")), first);
    assert_ne!(key(&event("2024-10-18T14:42:54.064834")), first);
}

#[test]
fn what_discord_does_not_send_is_refused() {
    let bodies = [
        "[]",
        "1",
        "null",
        "\"x\"",
        "{}",
        r#"{"type": "1"}"#,
        r#"{"type": 1.5}"#,
        r#"{"type": -1}"#,
        r#"{"type": null, "id": "1"}"#,
        r#"{"type": 2}"#,
        r#"{"type": 2, "id": "1"}"#,
        r#"{"type": 2, "id": 1, "token": "x"}"#,
        r#"{"type": 2, "id": "1", "token": 5}"#,
        r#"{"type": 123456789012345678901234567890}"#,
        r#"[{"type": 1}]"#,
    ];
    for body in bodies {
        let refusal = read(body, |_| ()).map(|()| body).unwrap_err();
        assert_eq!(variant_of(&refusal), "Body", "{body}");
    }
}

#[test]
fn an_interaction_with_wrong_types_is_unreadable_and_gets_no_answer() {
    let check = |body: Value| {
        one(&body, |found, reply| {
            let Err(unreadable) = found else { panic!("{body} cannot be read") };
            assert!(unreadable.reason.contains("is not what Discord sends"), "{}", unreadable.reason);
            assert!(!unreadable.payload.get().contains(TOKEN));
            assert!(reply.is_none_or(|reply| reply.status == 204));
        });
    };
    for kind in [2, 3] {
        for data in [json!(null), json!(5), json!([]), json!({}), json!({"name": 5, "custom_id": 5})] {
            check(interaction(kind, &data));
        }
    }
    let with = |name: &str, value: Value| {
        let mut body = interaction(2, &json!({"id": "1", "name": "ping", "type": 1}));
        body[name] = value;
        body
    };
    check(with("id", json!("not a number")));
    check(with("id", json!("99999999999999999999")));
    check(with("member", json!(null)));
    check(with("member", json!({"user": {"id": 1e300}})));
    check(with("application_id", json!(5)));
    check(with("channel_id", json!([])));
    check(json!({"type": 1, "event": 5}));
    check(json!({"type": 1, "event": {"type": 5}}));
}
