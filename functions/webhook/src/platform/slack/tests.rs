mod sending;

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::platform::reading::Unreadable;
use crate::platform::tests::flips;
use crate::signature::{Delivery, Unverified};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TIME: &[u8] = b"1531420618";
const SIGNATURE: &[u8] = b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
    channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
    response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
    trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn verify(secret: &str, now_s: i64, time: &[u8], signature: &[u8], body: &[u8]) -> Option<Result<(), Unverified>> {
    let credentials = Credentials::parse(json!({"signingSecret": secret})).unwrap();
    let verifier = Slack.verifier(&credentials, None).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-slack-request-timestamp", HeaderValue::from_bytes(time).ok()?);
    headers.insert("x-slack-signature", HeaderValue::from_bytes(signature).ok()?);
    Some(verifier(&Delivery { headers: &headers, body, url: "", now: Timestamp::from_second(now_s).unwrap() }))
}

#[test]
fn the_published_vector_verifies_and_no_bit_of_it_can_change() {
    let (now_s, body) = (1_531_420_618, BODY.as_bytes());
    assert_eq!(verify(SECRET, now_s, TIME, SIGNATURE, body), Some(Ok(())));
    for signature in flips(SIGNATURE) {
        assert_ne!(verify(SECRET, now_s, TIME, &signature, body), Some(Ok(())), "{signature:?}");
    }
    for time in flips(TIME) {
        assert_ne!(verify(SECRET, now_s, &time, SIGNATURE, body), Some(Ok(())), "{time:?}");
    }
    for changed in flips(body) {
        assert_eq!(verify(SECRET, now_s, TIME, SIGNATURE, &changed), Some(Err(Unverified::Mismatch)));
    }
    for secret in flips(SECRET.as_bytes()).filter_map(|secret| String::from_utf8(secret).ok()) {
        assert_eq!(verify(&secret, now_s, TIME, SIGNATURE, body), Some(Err(Unverified::Mismatch)), "{secret}");
    }
}

#[test]
fn a_webhook_is_fresh_for_five_minutes_on_both_sides() {
    let check = |now_s: i64, expected: Result<(), Unverified>| {
        assert_eq!(verify(SECRET, now_s, TIME, SIGNATURE, BODY.as_bytes()), Some(expected), "{now_s}");
    };
    check(1_531_420_618 + 300, Ok(()));
    check(1_531_420_618 - 300, Ok(()));
    check(1_531_420_618 + 301, Err(Unverified::Stale { tolerance_s: 300 }));
    check(1_531_420_618 - 301, Err(Unverified::Stale { tolerance_s: 300 }));
}

#[test]
fn the_signing_secret_is_needed_and_the_token_only_to_send() {
    let check = |credentials: Value| SPEC.check(&Credentials::parse(credentials).unwrap());
    assert_eq!(check(json!({"signingSecret": "x"})), Ok(()));
    assert_eq!(check(json!({"signingSecret": "x", "botToken": "xoxb-1", "verifyToken": "y"})), Ok(()));
    for (credentials, field) in [
        (json!({}), "`credentials.signingSecret`"),
        (json!({"signingSecret": ""}), "`credentials.signingSecret`"),
        (json!({"signingSecret": "x", "botToken": ""}), "`credentials.botToken`"),
        (json!({"signingSecret": "x", "token": "y"}), "`credentials.token`"),
    ] {
        let message = check(credentials).unwrap_err().message;
        assert!(message.contains(field), "{message}");
    }
}

#[test]
fn times_are_read_to_the_millisecond() {
    let check = |ts: &str, expected: Option<i64>| assert_eq!(milliseconds(ts), expected, "{ts}");
    check("1355517523.000005", Some(1_355_517_523_000));
    check("1355517523.999999", Some(1_355_517_523_999));
    check("1355517523.5", Some(1_355_517_523_500));
    check("1355517523", Some(1_355_517_523_000));
    check("", None);
    check(".5", None);
    check("-1.5", None);
    check("1.+5", None);
    check("1e5", None);
    check("1.2.3", None);
    check("9223372036854775807.000000", None);
    check("\u{661}.\u{661}", None);
}

/// What a reading is, as text to compare with.
fn told(payload: &Value) -> Value {
    told_of(&payload.to_string())
}

fn told_of(payload: &str) -> Value {
    let raw: &RawValue = serde_json::from_str(payload).unwrap();
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-slack-request-timestamp"),
        HeaderValue::from_static("1767323044"),
    )]);
    let inbound = Inbound { headers: &headers, payload: raw, recipe: None, now: Timestamp::UNIX_EPOCH };
    let (news, reply) = match Slack.read(&inbound) {
        Err(refusal) => return json!({"refused": refusal.status.as_u16(), "message": refusal.message}),
        Ok(Reading::Handshake(reply)) => return json!({"handshake": String::from_utf8_lossy(&reply.body)}),
        Ok(Reading::News { news, reply }) => (news, reply),
    };
    let news: Vec<Value> = news.into_iter().map(one).collect();
    json!({"news": news, "silent": reply == Some(Reply::empty())})
}

fn one(news: Result<News<'_>, Unreadable<'_>>) -> Value {
    match news {
        Err(Unreadable { reason, payload }) => json!({"unreadable": reason, "payload": payload}),
        Ok(News { key, what, payload }) => {
            let key = match key {
                Key::Id(id) => String::from_utf8(id.into_owned()).unwrap().into(),
                Key::Body => Value::Null,
            };
            let what = match what {
                What::Event { kind } => json!({"event": kind}),
                What::Message { message, reply_token } => {
                    assert_eq!(reply_token, None);
                    serde_json::to_value(message).unwrap()
                }
                What::Status(_) => panic!("Slack tells no statuses"),
            };
            json!({"key": key, "what": what, "payload": payload})
        }
    }
}

/// What the only news is.
fn what(payload: &Value) -> Value {
    let mut told = told(payload);
    assert_eq!(told["news"].as_array().map(Vec::len), Some(1), "{told}");
    told["news"][0]["what"].take()
}

/// What a message of an event is, without what is the same for all of them.
#[track_caller]
fn check_event(event: &Value, expected: Value) {
    let mut what = what(&counterpart::slack::event("Ev1", event));
    if let Some(message) = what.as_object_mut().filter(|what| what.contains_key("id")) {
        assert_eq!(message.remove("platform"), Some("slack".into()));
        assert_eq!(message.remove("to"), Some(json!({"id": "A0MDYCDME"})));
        assert_eq!(message.remove("conversationId"), Some("C061EG9SL".into()));
        assert_eq!(message.remove("from"), Some(json!({"id": "U061F7AUR"})));
        let metadata = message.remove("metadata").unwrap();
        assert_eq!((&metadata["teamId"], &metadata["eventId"]), (&json!("T061EG9R6"), &json!("Ev1")));
    }
    assert_eq!(what, expected, "{event}");
}

fn message(fields: Value) -> Value {
    with(&counterpart::slack::message("Hello", "1767323044.000200"), fields)
}

/// What of a webhook may travel on.
fn public(payload: &Value) -> Value {
    let mut payload = payload.clone();
    payload.as_object_mut().unwrap().remove("token");
    payload
}

/// The same with other fields; null takes one away.
fn with(value: &Value, fields: Value) -> Value {
    let mut value = value.clone();
    let Value::Object(fields) = fields else { unreachable!() };
    let object = value.as_object_mut().unwrap();
    object.extend(fields);
    object.retain(|_, value| !value.is_null());
    value
}

#[test]
fn a_message_is_read_whole() {
    let payload =
        counterpart::slack::event("Ev08MFMKH6", &counterpart::slack::message("Hi <@U1> &amp; co", "1767323044.678900"));
    let expected = json!({"silent": false, "news": [{
        "key": "Ev08MFMKH6",
        "payload": public(&payload),
        "what": {
            "id": "1767323044.678900",
            "conversationId": "C061EG9SL",
            "from": {"id": "U061F7AUR"},
            "to": {"id": "A0MDYCDME"},
            "content": {"type": "TEXT", "text": "Hi <@U1> &amp; co"},
            "timestamp": 1_767_323_044_678_i64,
            "platform": "slack",
            "metadata": {"teamId": "T061EG9R6", "channelType": "channel", "eventId": "Ev08MFMKH6"},
        },
    }]});
    assert_eq!(told(&payload), expected);
}

const AT: i64 = 1_767_323_044_000;

#[test]
fn messages_of_people_become_messages() {
    let base = json!({"id": "1767323044.000200", "timestamp": AT});
    let check = |fields: Value, expected: Value| check_event(&message(fields), with(&base, expected));
    let text = json!({"type": "TEXT", "text": "Hello"});
    check(json!({}), json!({"content": text}));
    check(json!({"subtype": "me_message"}), json!({"content": text}));
    check(json!({"text": ""}), json!({"content": {"type": "TEXT", "text": ""}}));
    check(json!({"text": null, "blocks": []}), json!({"content": {"type": "TEXT", "text": ""}}));
    check(json!({"files": []}), json!({"content": text}));
    let answer =
        json!({"content": text, "threadId": "1767320000.000100", "replyTo": {"messageId": "1767320000.000100"}});
    check(json!({"thread_ts": "1767320000.000100"}), answer.clone());
    check(json!({"thread_ts": "1767320000.000100", "subtype": "thread_broadcast"}), answer);
    let first = json!({"content": text, "threadId": "1767323044.000200"});
    check(json!({"thread_ts": "1767323044.000200"}), first);
}

#[test]
fn files_become_media() {
    let picture = json!({
        "id": "F1", "name": "a.png", "title": "A", "mimetype": "image/png", "filetype": "png", "size": 1234,
        "mode": "hosted", "url_private": "https://files.slack.com/files-pri/T1-F1/a.png",
        "url_private_download": "https://files.slack.com/files-pri/T1-F1/download/a.png",
    });
    let hidden = json!({"id": "F2", "mode": "file_access", "file_access": "check_file_info"});
    let media = json!({
        "kind": "image", "id": "F1", "url": "https://files.slack.com/files-pri/T1-F1/a.png", "mimeType": "image/png",
        "filename": "a.png", "sizeBytes": 1234,
    });
    let check = |fields: Value, content: Value| {
        let expected = json!({"id": "1767323044.000200", "timestamp": AT, "content": content});
        check_event(&message(fields), expected);
    };
    check(
        json!({"subtype": "file_share", "files": [picture]}),
        json!({"type": "FILE", "text": "Hello", "media": media}),
    );
    check(
        json!({"subtype": "file_share", "text": "", "files": [picture, hidden]}),
        json!({"type": "FILE", "media": media, "attachments": [media, {"id": "F2"}]}),
    );
}

/// What Slack says when a message has changed.
fn changed(before: Value, after: Value) -> Value {
    json!({
        "type": "message", "subtype": "message_changed", "hidden": true, "channel": "C061EG9SL", "channel_type": "channel",
        "ts": "1767323045.000300", "event_ts": "1767323045.000300",
        "message": with(&written(), after), "previous_message": with(&written(), before),
    })
}

fn deleted(before: Value) -> Value {
    json!({
        "type": "message", "subtype": "message_deleted", "hidden": true, "channel": "C061EG9SL", "channel_type": "channel",
        "ts": "1767323045.000300", "event_ts": "1767323045.000300", "deleted_ts": "1767323044.000200",
        "previous_message": with(&written(), before),
    })
}

fn written() -> Value {
    json!({"type": "message", "user": "U061F7AUR", "text": "Hello", "ts": "1767323044.000200"})
}

#[test]
fn edits_and_deletions_name_their_message() {
    let target = json!({"messageId": "1767323044.000200"});
    let base = json!({"id": "1767323045.000300", "timestamp": AT + 1_000});
    let edit = json!({"content": {"type": "EDIT", "text": "Hello!", "target": target}});
    let delete = json!({"content": {"type": "DELETE", "target": target}});
    let edited = json!({"text": "Hello!", "edited": {"user": "U061F7AUR", "ts": "1767323045.000000"}});
    check_event(&changed(json!({}), edited.clone()), with(&base, edit.clone()));
    check_event(&with(&changed(json!({}), edited), json!({"previous_message": null})), with(&base, edit));
    check_event(&deleted(json!({})), with(&base, delete.clone()));
    let tombstone = json!({"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted."});
    check_event(&changed(json!({}), tombstone.clone()), with(&base, delete));
    // What is no edit and no deletion of a person: previews of links, and what becomes of a tombstone.
    let preview = json!({"attachments": [{"from_url": "https://example.com"}]});
    check_event(&changed(json!({}), preview), json!({"event": "message.message_changed"}));
    check_event(&changed(tombstone.clone(), tombstone.clone()), json!({"event": "message.message_changed"}));
    check_event(&deleted(tombstone), json!({"event": "message.message_deleted"}));
    check_event(
        &with(&deleted(json!({})), json!({"previous_message": null})),
        json!({"event": "message.message_deleted"}),
    );
    check_event(&deleted(json!({"user": null})), json!({"event": "message.message_deleted"}));
}

#[test]
fn reactions_name_their_message() {
    let event = |kind: &str, fields: Value| {
        let item = json!({"type": "message", "channel": "C061EG9SL", "ts": "1767323044.000200"});
        let event = json!({
            "type": kind, "user": "U061F7AUR", "reaction": "thumbsup", "item_user": "U0LAN0Z89", "item": item,
            "event_ts": "1767323045.000300",
        });
        with(&event, fields)
    };
    let expected = |removed: bool| {
        let content = json!({
            "type": "REACTION", "reaction": {"emoji": "thumbsup", "removed": removed},
            "target": {"messageId": "1767323044.000200"},
        });
        json!({"id": "1767323045.000300", "timestamp": AT + 1_000, "content": content})
    };
    check_event(&event("reaction_added", json!({})), expected(false));
    check_event(&event("reaction_removed", json!({})), expected(true));
    check_event(
        &event("reaction_added", json!({"item": {"type": "file", "file": "F1"}})),
        json!({"event": "reaction_added"}),
    );
    check_event(&event("reaction_removed", json!({"user": "U0LAN0Z89"})), json!({"event": "reaction_removed"}));
}

#[test]
fn messages_of_bots_are_events() {
    let bot = json!({"event": "bot_message"});
    check_event(&message(json!({"bot_id": "B1", "app_id": "A1"})), bot.clone());
    check_event(&message(json!({"subtype": "bot_message", "user": null, "username": "ci"})), bot.clone());
    check_event(&message(json!({"user": "U0LAN0Z89"})), bot.clone());
    check_event(&changed(json!({}), json!({"bot_id": "B1", "text": "x"})), bot.clone());
    check_event(&changed(json!({}), json!({"subtype": "bot_message", "text": "x"})), bot.clone());
    check_event(&deleted(json!({"bot_id": "B1"})), bot.clone());
    check_event(&deleted(json!({"user": "U0LAN0Z89"})), bot);
}

#[test]
fn everything_else_is_an_event_of_its_own_name() {
    check_event(&message(json!({"type": "app_mention"})), json!({"event": "app_mention"}));
    check_event(&json!({"type": "team_join", "user": {"id": "U1"}}), json!({"event": "team_join"}));
    check_event(&message(json!({"subtype": "channel_join"})), json!({"event": "message.channel_join"}));
    check_event(&message(json!({"user": null})), json!({"event": "message"}));
    let check = |payload: Value, key: Value, kind: &str, silent: bool| {
        let told = told(&payload);
        let news = &told["news"][0];
        assert_eq!(
            (&news["key"], &news["what"]["event"], &told["silent"]),
            (&key, &json!(kind), &json!(silent)),
            "{payload}"
        );
        assert_eq!(news["payload"], public(&payload));
    };
    let limited = json!({
        "token": "t", "type": "app_rate_limited", "minute_rate_limited": 1_518_467_820, "team_id": "T1", "api_app_id": "A1",
    });
    check(limited, Value::Null, "app_rate_limited", false);
    let submitted = json!({"token": "t", "type": "view_submission", "trigger_id": "1.2.3", "view": {"id": "V1"}});
    check(submitted, json!("1.2.3"), "view_submission", true);
    check(json!({"type": "view_closed", "view": {"id": "V1"}}), Value::Null, "view_closed", true);
    check(json!({"type": "shortcut", "trigger_id": "1.2.3"}), json!("1.2.3"), "shortcut", true);
    check(json!({"type": "block_actions", "user": {"id": "U1"}, "actions": []}), Value::Null, "block_actions", true);
}

fn button(fields: Value) -> Value {
    let button = json!({
        "action_id": "button_0", "block_id": "b1", "text": {"type": "plain_text", "text": "Yes", "emoji": true},
        "value": "yes", "type": "button", "action_ts": "1767323044.840180",
    });
    with(&button, fields)
}

#[test]
fn a_click_is_read_whole() {
    let payload = counterpart::slack::interaction(&[button(json!({}))]);
    let trigger_id = payload["trigger_id"].as_str().unwrap();
    let expected = json!({"silent": true, "news": [{
        "key": format!("{trigger_id}\n1767323044.840180\nb1\nbutton_0"),
        "payload": public(&payload),
        "what": {
            "id": "1767323044.840180",
            "conversationId": "C061EG9SL",
            "from": {"id": "U061F7AUR", "name": "ada"},
            "to": {"id": "A0MDYCDME"},
            "content": {"type": "BUTTON", "text": "Yes", "choice": {"id": "yes", "title": "Yes"}},
            "replyTo": {"messageId": "1767323000.000100"},
            "timestamp": 1_767_323_044_840_i64,
            "platform": "slack",
            "metadata": {"teamId": "T061EG9R6", "triggerId": trigger_id, "actionId": "button_0", "blockId": "b1"},
        },
    }]});
    assert_eq!(told(&payload), expected);
}

#[test]
fn choices_are_read_by_the_kind_of_their_element() {
    let check = |action: Value, expected: Value| {
        let what = what(&counterpart::slack::interaction(std::slice::from_ref(&action)));
        let content = what.get("content").unwrap_or(&what);
        assert_eq!(content, &expected, "{action}");
    };
    let option = |value: &str| json!({"text": {"type": "plain_text", "text": value.to_uppercase()}, "value": value});
    let element = |kind: &str, fields: Value| {
        with(&json!({"type": kind, "action_id": "list", "block_id": "b", "action_ts": "1767323044.000001"}), fields)
    };
    let list = |choice: Value| match choice.get("title") {
        Some(title) => json!({"type": "LIST", "text": title, "choice": choice}),
        None => json!({"type": "LIST", "choice": choice}),
    };
    let described = with(&option("a"), json!({"description": {"type": "plain_text", "text": "first"}}));
    check(
        element("static_select", json!({"selected_option": described})),
        list(json!({"id": "a", "title": "A", "description": "first"})),
    );
    check(element("overflow", json!({"selected_option": option("a")})), list(json!({"id": "a", "title": "A"})));
    check(
        element("checkboxes", json!({"selected_options": [option("a"), option("b")]})),
        list(json!({"id": "a", "title": "A", "ids": ["a", "b"]})),
    );
    check(element("users_select", json!({"selected_user": "U1"})), list(json!({"id": "U1"})));
    check(element("channels_select", json!({"selected_channel": "C1"})), list(json!({"id": "C1"})));
    check(
        element("multi_conversations_select", json!({"selected_conversations": ["C1", "C2"]})),
        list(json!({"id": "C1", "ids": ["C1", "C2"]})),
    );
    check(element("datepicker", json!({"selected_date": "2026-01-02"})), list(json!({"id": "2026-01-02"})));
    check(element("datetimepicker", json!({"selected_date_time": 1_767_323_044})), list(json!({"id": "1767323044"})));
    check(element("checkboxes", json!({"selected_options": []})), json!({"event": "block_actions"}));
    check(element("plain_text_input", json!({"value": "x"})), json!({"event": "block_actions"}));
    let link = button(json!({"value": null, "url": "https://example.com"}));
    check(link, json!({"type": "BUTTON", "text": "Yes", "choice": {"id": "button_0", "title": "Yes"}}));
}

#[test]
fn each_of_several_actions_is_news_of_its_own() {
    let other = button(json!({"action_id": "button_1", "value": "no"}));
    let broken = button(json!({"action_ts": 1}));
    let told = told(&counterpart::slack::interaction(&[button(json!({})), broken.clone(), other.clone()]));
    let news = told["news"].as_array().unwrap();
    assert_eq!(news.len(), 3);
    assert_ne!(news[0]["key"], news[2]["key"]);
    assert_eq!(news[2]["what"]["content"]["choice"]["id"], "no");
    assert_eq!(news[2]["payload"]["actions"], json!([other]));
    assert!(news[1]["unreadable"].as_str().unwrap().contains("the action cannot be read"), "{}", news[1]);
    assert_eq!(news[1]["payload"]["actions"], json!([broken]));
    assert!(!told.to_string().contains(counterpart::slack::VERIFICATION_TOKEN));
    let many = vec![button(json!({})); 101];
    assert_eq!(self::told(&counterpart::slack::interaction(&many))["refused"], 413);
}

#[test]
fn a_click_in_a_view_is_answered_to_its_user() {
    let payload = counterpart::slack::interaction(&[button(json!({}))]);
    let view = json!({"channel": null, "message": null, "team": null, "container": {"type": "view", "view_id": "V1"}});
    let what = what(&with(&payload, view));
    assert_eq!((&what["conversationId"], what.get("replyTo")), (&json!("U061F7AUR"), None));
    assert_eq!(what["metadata"]["teamId"], "T061EG9R6");
}

#[test]
fn a_command_is_read_whole() {
    let payload = json!({
        "token": "gIkuvaNzQIHg97ATvDxqgjtO", "team_id": "T0001", "channel_id": "C2147483705", "user_id": "U2147483697",
        "user_name": "Steve", "command": "/weather", "text": "94070", "api_app_id": "A123456", "response_url": "https://x",
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
    });
    let expected = json!({"silent": true, "news": [{
        "key": "13345224609.738474920.8088930838d88f008e0",
        "payload": public(&payload),
        "what": {
            "id": "13345224609.738474920.8088930838d88f008e0",
            "conversationId": "C2147483705",
            "from": {"id": "U2147483697", "name": "Steve"},
            "to": {"id": "A123456"},
            "content": {"type": "COMMAND", "text": "94070", "command": {"name": "weather"}},
            "timestamp": 1_767_323_044_000_i64,
            "platform": "slack",
            "metadata": {"teamId": "T0001", "triggerId": "13345224609.738474920.8088930838d88f008e0"},
        },
    }]});
    assert_eq!(told(&payload), expected);
    let bare = what(&with(&payload, json!({"text": "", "api_app_id": null})));
    assert_eq!(bare["content"], json!({"type": "COMMAND", "command": {"name": "weather"}}));
}

#[test]
fn the_challenge_comes_back() {
    let question = json!({"token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV", "type": "url_verification"});
    assert_eq!(told(&question), json!({"handshake": "3eZbrw1aBm2rZgRNFdxV"}));
    assert_eq!(told(&json!({"ssl_check": "1", "token": "t"})), json!({"handshake": ""}));
}

#[test]
fn what_slack_does_not_send_is_refused() {
    let check = |payload: Value| {
        let told = told(&payload);
        assert_eq!(told["refused"], 400, "{payload}: {told}");
    };
    for payload in [json!(null), json!(1), json!("x"), json!([]), json!(["event_callback"]), json!({})] {
        check(payload);
    }
    check(json!({"type": 1}));
    check(json!({"type": "url_verification"}));
    check(json!({"type": "url_verification", "challenge": 5}));
    check(json!({"type": "event_callback"}));
    check(json!({"type": "event_callback", "event": {"type": "x"}, "event_id": 1}));
    check(json!({"type": "block_actions", "actions": []}));
    check(json!({"type": "block_actions", "user": {"id": "U1"}, "actions": {}}));
    check(json!({"command": "/x"}));
    check(json!({"command": ["/x", "/y"], "user_id": "U1", "channel_id": "C1", "trigger_id": "1"}));
}

#[test]
fn an_event_with_wrong_types_is_unreadable_and_says_why() {
    let check = |event: Value, part: &str| {
        let told = told(&counterpart::slack::event("Ev1", &event));
        let reason = told["news"][0]["unreadable"].as_str().unwrap_or_else(|| panic!("{told}"));
        assert!(reason.contains(part), "{reason}");
        assert!(!told.to_string().contains(counterpart::slack::VERIFICATION_TOKEN));
    };
    check(json!([]), "type");
    check(json!({"user": "U1"}), "`type`");
    check(message(json!({"ts": 1_767_323_044.5})), "string");
    check(message(json!({"ts": "soon"})), "`soon` is no time");
    check(message(json!({"channel": null})), "`channel`");
    check(message(json!({"text": {"a": 1}})), "string");
    check(message(json!({"files": {}})), "sequence");
    check(message(json!({"files": [{"size": 1.5}]})), "u64");
    check(json!({"type": "reaction_added", "user": "U1"}), "`reaction`");
}

#[test]
fn the_token_of_old_travels_in_no_payload_however_it_is_written() {
    for name in ["token", "\\u0074oken", "tok\\u0065n"] {
        let body = format!(r#"{{"type":"shortcut","{name}":"hush","token":"hush","a":[1.50,"\u00e9"]}}"#);
        let raw: &RawValue = serde_json::from_str(&body).unwrap();
        let headers = HeaderMap::new();
        let inbound = Inbound { headers: &headers, payload: raw, recipe: None, now: Timestamp::UNIX_EPOCH };
        let Ok(Reading::News { news, .. }) = Slack.read(&inbound) else { panic!("{body} is no news") };
        let payload = news[0].as_ref().ok().unwrap().payload.get();
        assert_eq!(payload, r#"{"a":[1.50,"\u00e9"],"type":"shortcut"}"#);
    }
}

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
