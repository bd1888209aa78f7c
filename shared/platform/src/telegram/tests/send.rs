//! Messages to calls, and answers to verdicts.

use std::time::Duration;

use http::Method;

use super::*;
use crate::chat::{Access, Answer, Outgoing, Problem, Verdict};

const BOT: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

fn outgoing(mut message: Value) -> Outgoing {
    if message.get("to").is_none() {
        message["to"] = json!({"id": "-100123"});
    }
    serde_json::from_value::<Outgoing>(message).unwrap()
}

fn with_access<T>(api_url: &str, bot_token: Option<&str>, then: impl FnOnce(&Access<'_>) -> T) -> T {
    let mut value = json!({"secretToken": SECRET});
    value.as_object_mut().unwrap().extend(bot_token.map(|token| ("botToken".to_owned(), json!(token))));
    then(&Access { api_url, credentials: &credentials(value) })
}

/// Checks the method and the parameters that a message is sent with.
fn check(fields: Value, method: &str, mut parameters: Value) {
    let call = with_access("https://api.test", Some(BOT), |access| Telegram.send_request(access, &outgoing(fields)));
    let call = call.unwrap();
    assert_eq!((call.method, call.url), (Method::POST, format!("https://api.test/bot{BOT}/{method}")));
    assert_eq!(call.headers["content-type"], "application/json; charset=utf-8");
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    if parameters.get("chat_id").is_none() {
        parameters["chat_id"] = json!(-100_123);
    }
    assert_eq!(body, parameters, "{method}");
}

fn refused(fields: Value, field: &str) {
    let refusal = with_access("https://api.test", Some(BOT), |access| Telegram.send_request(access, &outgoing(fields)));
    let message = refusal.unwrap_err().to_string();
    assert!(message.starts_with(&format!("`{field}` ")), "{message}");
}

#[test]
fn texts_are_sent_with_buttons_and_answers() {
    check(json!({"content": {"text": "hi"}}), "sendMessage", json!({"text": "hi"}));
    let fields = json!({"to": {"id": "@tea"}, "content": {"text": "hi"}});
    check(fields, "sendMessage", json!({"chat_id": "@tea", "text": "hi"}));
    check(
        json!({"content": {"text": "hi"}, "replyTo": {"messageId": "7"}, "threadId": "12"}),
        "sendMessage",
        json!({"text": "hi", "reply_parameters": {"message_id": 7}, "message_thread_id": 12}),
    );
    check(
        json!({"content": {
            "text": "Tea?",
            "buttons": [{"id": "yes", "title": "Yes"}, {"title": "More", "url": "https://tea.test"}],
            "list": {"title": "Sorts", "rows": [{"id": "green", "title": "Green", "description": "from Uji"}]},
        }}),
        "sendMessage",
        json!({"text": "Tea?", "reply_markup": {"inline_keyboard": [
            [{"text": "Yes", "callback_data": "yes"}],
            [{"text": "More", "url": "https://tea.test"}],
            [{"text": "Green", "callback_data": "green"}],
        ]}}),
    );
    check(
        json!({"content": {"text": "*hi*", "native": {"parse_mode": "MarkdownV2", "text": "*ho*"}}}),
        "sendMessage",
        json!({"text": "*ho*", "parse_mode": "MarkdownV2"}),
    );
}

#[test]
fn files_are_sent_by_what_they_are() {
    let by_kind = |kind: &str, method: &str, member: &str| {
        let media = json!({"kind": kind, "id": "f1", "url": "https://files.test/1"});
        let fields = json!({"content": {"type": "FILE", "media": media}});
        check(fields, method, json!({member: "f1"}));
    };
    by_kind("image", "sendPhoto", "photo");
    by_kind("video", "sendVideo", "video");
    by_kind("audio", "sendAudio", "audio");
    by_kind("voice", "sendVoice", "voice");
    by_kind("sticker", "sendSticker", "sticker");
    by_kind("document", "sendDocument", "document");
    let cat = json!({"url": "https://files.test/cat.png", "mimeType": "image/png"});
    check(
        json!({"content": {"type": "FILE", "text": "a cat", "attachments": [cat]}}),
        "sendPhoto",
        json!({"photo": "https://files.test/cat.png", "caption": "a cat"}),
    );
    refused(json!({"content": {"type": "FILE"}}), "content.media");
    refused(json!({"content": {"type": "FILE", "media": {"kind": "image"}}}), "content.media.url");
    refused(json!({"content": {"type": "FILE", "attachments": [cat, cat]}}), "content.attachments");
    let sticker = json!({"type": "FILE", "text": "x", "media": {"kind": "sticker", "id": "s"}});
    refused(json!({"content": sticker}), "content.text");
}

#[test]
fn places_and_contacts_are_sent() {
    let place = |rest: Value| {
        let mut location = json!({"latitude": 52.5, "longitude": 13.25});
        location.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        location
    };
    let send = |rest: Value| json!({"content": {"type": "LOCATION", "location": place(rest)}});
    check(send(json!({})), "sendLocation", place(json!({})));
    let zoo = json!({"title": "Zoo", "address": "Platz 1"});
    check(send(json!({"name": "Zoo", "address": "Platz 1"})), "sendVenue", place(zoo));
    check(send(json!({"name": "Zoo"})), "sendVenue", place(json!({"title": "Zoo", "address": "Zoo"})));
    refused(json!({"content": {"type": "LOCATION"}}), "content.location");
    let bob = json!({"phone_number": "+491701", "first_name": "Bob", "user_id": 8});
    check(
        json!({"content": {"type": "CONTACTS", "contacts": [bob]}}),
        "sendContact",
        json!({"phone_number": "+491701", "first_name": "Bob"}),
    );
    refused(json!({"content": {"type": "CONTACTS"}}), "content.contacts");
    refused(json!({"content": {"type": "CONTACTS", "contacts": [bob, bob]}}), "content.contacts");
    refused(json!({"content": {"type": "CONTACTS", "contacts": [{}]}}), "content.contacts[0].phone_number");
}

#[test]
fn messages_are_reacted_to_changed_and_deleted() {
    let on = |content: Value| {
        let mut content = content;
        content["target"] = json!({"messageId": "7"});
        json!({"content": content})
    };
    let react = |reaction: Value| on(json!({"type": "REACTION", "reaction": reaction}));
    let set = |reactions: Value| json!({"message_id": 7, "reaction": reactions});
    check(react(json!({"emoji": "👍"})), "setMessageReaction", set(json!([{"type": "emoji", "emoji": "👍"}])));
    let custom = json!([{"type": "custom_emoji", "custom_emoji_id": "53683"}]);
    check(react(json!({"emoji": "53683"})), "setMessageReaction", set(custom));
    check(react(json!({"emoji": "👍", "removed": true})), "setMessageReaction", set(json!([])));
    check(
        on(json!({"type": "EDIT", "text": "hello", "buttons": [{"id": "y", "title": "Y"}]})),
        "editMessageText",
        json!({"message_id": 7, "text": "hello",
            "reply_markup": {"inline_keyboard": [[{"text": "Y", "callback_data": "y"}]]}}),
    );
    check(on(json!({"type": "DELETE"})), "deleteMessage", json!({"message_id": 7}));
    refused(react(json!({})), "content.reaction.emoji");
    refused(on(json!({"type": "REACTION"})), "content.reaction");
    refused(on(json!({"type": "EDIT"})), "content.text");
    refused(on(json!({"type": "EDIT", "text": "x", "media": {"id": "f"}})), "content.media");
    refused(json!({"content": {"type": "DELETE"}}), "content.target");
    let other = json!({"content": {"type": "DELETE", "target": {"messageId": "m7"}}});
    refused(other, "content.target.messageId");
}

#[test]
fn what_telegram_cannot_take_is_refused_by_field() {
    for kind in ["BUTTON", "LIST", "COMMAND", "TEMPLATE", "UNSUPPORTED"] {
        refused(json!({"content": {"type": kind, "text": "x"}}), "content.type");
    }
    refused(json!({"content": {}}), "content.text");
    refused(json!({"content": {"text": ""}}), "content.text");
    for id in ["", "@", "tea", "1.5", "99999999999999999999", "7/../8"] {
        refused(json!({"to": {"id": id}, "content": {"text": "x"}}), "to.id");
    }
    refused(json!({"content": {"text": "x"}, "replyTo": {"messageId": "x"}}), "replyTo.messageId");
    refused(json!({"content": {"text": "x"}, "threadId": "x"}), "threadId");
    let buttons = |button: Value| json!({"content": {"text": "x", "buttons": [{"id": "a", "title": "A"}, button]}});
    refused(buttons(json!({"title": "B"})), "content.buttons[1].id");
    refused(buttons(json!({"title": "B", "id": "x".repeat(65)})), "content.buttons[1].id");
    let list = json!({"title": "L", "rows": [{"id": "", "title": "R"}]});
    refused(json!({"content": {"text": "x", "list": list}}), "content.list.rows[0].id");
}

#[test]
fn without_a_good_token_nothing_is_called() {
    let message = outgoing(json!({"content": {"text": "hi"}}));
    for token in [None, Some("hush"), Some("1:hush/../../x")] {
        let refusal =
            with_access("https://api.test", token, |access| Telegram.send_request(access, &message)).unwrap_err();
        assert!(refusal.to_string().starts_with("`credentials.botToken` ") && !refusal.to_string().contains("hush"));
        assert!(with_access("https://api.test", token, |access| Telegram.health_request(access)).is_err());
    }
}

/// An answer with JSON, or with a text that is none.
fn answer(status: u16, body: impl Into<Value>) -> Answer {
    let body = match body.into() {
        Value::String(text) => text,
        json => json.to_string(),
    };
    Answer { status, headers: HeaderMap::new(), body: body.into() }
}

#[test]
fn answers_are_understood() {
    let check = |answer: Answer, expected: Verdict| {
        let verdict = Telegram.parse_send(&answer);
        assert!(!format!("{verdict:?}").contains(BOT));
        assert_eq!(verdict, expected);
    };
    let sent = json!({"ok": true, "result": {"message_id": 366, "date": 1, "chat": {"id": -100_123}, "text": "hi"}});
    let metadata = json!({"chatId": "-100123"}).as_object().unwrap().clone();
    check(answer(200, sent), Verdict::Sent { message_id: Some("366".to_owned()), metadata });
    let done = answer(200, json!({"ok": true, "result": true}));
    check(done, Verdict::Sent { message_id: None, metadata: serde_json::Map::new() });
    let problem = |status: u16, description: &str| {
        answer(status, json!({"ok": false, "error_code": status, "description": description}))
    };
    let refused = |code: u16, message: &str| Verdict::Refused(Problem::new(code, message));
    check(problem(400, "Bad Request: chat not found"), refused(400, "Bad Request: chat not found"));
    check(problem(401, "Unauthorized"), refused(401, "Unauthorized"));
    check(
        problem(403, "Forbidden: bot was blocked by the user"),
        refused(403, "Forbidden: bot was blocked by the user"),
    );
    let busy = json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 5",
        "parameters": {"retry_after": 5}});
    let problem_429 = Problem::new(429, "Too Many Requests: retry after 5");
    check(
        answer(429, busy),
        Verdict::Retry { problem: problem_429, after: Some(Duration::from_secs(5)), may_have_arrived: false },
    );
    let migrated = json!({"ok": false, "error_code": 400, "parameters": {"migrate_to_chat_id": -1_001_i64},
        "description": "Bad Request: group chat was upgraded to a supergroup chat"});
    let expected = "Bad Request: group chat was upgraded to a supergroup chat; the chat is -1001 now";
    check(answer(400, migrated), refused(400, expected));
    let bad_gateway = Problem::new(502, "the answer with status 502 is not what Telegram sends");
    check(answer(502, "<html>"), Verdict::Retry { problem: bad_gateway, after: None, may_have_arrived: true });
    let unreadable = Problem::new(200, "the answer with status 200 is not what Telegram sends");
    check(answer(200, "<html>"), Verdict::Unknown(unreadable));
}

#[test]
fn the_bot_tells_how_it_is() {
    let call = with_access("http://127.0.0.1:1", Some(BOT), |access| Telegram.health_request(access)).unwrap();
    assert_eq!((call.method, call.url), (Method::GET, format!("http://127.0.0.1:1/bot{BOT}/getMe")));
    let bot = json!({"ok": true, "result": {"id": 110_201_543, "is_bot": true, "first_name": "Hookyard",
        "username": "hookyard_bot", "can_join_groups": true, "can_read_all_group_messages": false}});
    let details = json!({"id": "110201543", "username": "hookyard_bot", "canJoinGroups": true});
    assert_eq!(Telegram.parse_health(&answer(200, bot)), Ok(details.as_object().unwrap().clone()));
    let unauthorized = json!({"ok": false, "error_code": 401, "description": "Unauthorized"});
    assert_eq!(Telegram.parse_health(&answer(401, unauthorized)), Err(Problem::new(401, "Unauthorized")));
}
