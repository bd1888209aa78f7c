//! Telegram: the Bot API for one bot, and updates as its server posts them.
//!
//! Source: core.telegram.org/bots/api, and the texts of errors from the server `tdlib/telegram-bot-api`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use http::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Request, Server};

/// The token of the bot.
pub const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
/// A chat that the bot is in.
pub const CHAT: i64 = 7;
/// A chat whose user has blocked the bot.
pub const BLOCKED: i64 = 13;
/// A group that has become the supergroup [`SUPERGROUP`].
pub const MIGRATED: i64 = -42;
/// The supergroup that [`MIGRATED`] has become.
pub const SUPERGROUP: i64 = -10_042;
/// The id of the first message that the bot sends.
pub const FIRST_MESSAGE: i64 = 1_001;

const TEXT_LIMIT: usize = 4_096;
const CAPTION_LIMIT: usize = 1_024;

/// The messages that the bot has sent and not deleted.
#[derive(Default)]
struct Messages {
    sent: i64,
    present: HashSet<i64>,
}

/// Starts the Bot API.
pub async fn server() -> Server {
    let messages = Mutex::<Messages>::default();
    Server::start(move |request| play(&mut messages.lock().unwrap_or_else(PoisonError::into_inner), request)).await
}

/// The answer to a bot that sends too often.
pub fn rate_limited(seconds: u64) -> Answer {
    let description = format!("Too Many Requests: retry after {seconds}");
    let body = json!({"ok": false, "error_code": 429, "description": description,
        "parameters": {"retry_after": seconds}});
    Answer::status(429, body).header("retry-after", &seconds)
}

/// The headers of an update; `secret` is the `secret_token` of `setWebhook`.
pub fn signed(secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".to_owned()),
        ("x-telegram-bot-api-secret-token", secret.to_owned()),
        ("accept-encoding", "gzip, deflate".to_owned()),
    ]
}

/// An update: `member` names what happened.
pub fn update(update_id: i64, member: &str, value: &Value) -> Value {
    json!({"update_id": update_id, member: value})
}

/// A message of the user Ada in the chat with the bot; `content` has the members with its content.
pub fn message(message_id: i64, content: &Value) -> Value {
    let user = ada();
    let mut message = json!({
        "message_id": message_id, "from": user, "date": 1_767_323_045,
        "chat": {"id": CHAT, "first_name": "Ada", "username": "ada", "type": "private"},
    });
    if let (Some(message), Some(content)) = (message.as_object_mut(), content.as_object()) {
        message.extend(content.clone());
    }
    message
}

/// The user Ada.
pub fn ada() -> Value {
    json!({"id": CHAT, "is_bot": false, "first_name": "Ada", "username": "ada", "language_code": "en"})
}

/// Ada presses a button below a message.
pub fn callback_query(id: &str, data: &str, below: &Value) -> Value {
    json!({"id": id, "from": ada(), "message": below, "chat_instance": "-3488192018", "data": data})
}

fn play(messages: &mut Messages, request: &Request) -> Answer {
    let Some((token, method)) = request.path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        return failed(404, "Not Found");
    };
    if token != TOKEN {
        return failed(401, "Unauthorized");
    }
    if method == "getMe" {
        return me();
    }
    if request.method != Method::POST || !request.header("content-type").starts_with("application/json") {
        return failed(400, "Bad Request: message text is empty");
    }
    let body = &request.body;
    wrong_chat(body).unwrap_or_else(|| match method {
        "sendMessage" => with_text(messages, body),
        "sendPhoto" => with_file(messages, body, "photo"),
        "sendVideo" => with_file(messages, body, "video"),
        "sendAudio" => with_file(messages, body, "audio"),
        "sendVoice" => with_file(messages, body, "voice"),
        "sendSticker" => with_file(messages, body, "sticker"),
        "sendDocument" => with_file(messages, body, "document"),
        "sendLocation" | "sendVenue" => {
            sent_if(messages, body, body["latitude"].is_f64() && body["longitude"].is_f64())
        }
        "sendContact" => sent_if(messages, body, body["phone_number"].is_string() && body["first_name"].is_string()),
        "setMessageReaction" => done_if(body["reaction"].is_array(), "Bad Request: REACTION_INVALID"),
        "editMessageText" => edited(messages, body),
        "deleteMessage" => done_if(messages.present.remove(&id(body)), "Bad Request: message to delete not found"),
        _ => failed(404, "Not Found: method not found"),
    })
}

fn me() -> Answer {
    Answer::ok(json!({"ok": true, "result": {
        "id": 110_201_543, "is_bot": true, "first_name": "Hookyard", "username": "hookyard_bot",
        "can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
    }}))
}

fn wrong_chat(body: &Value) -> Option<Answer> {
    match body["chat_id"].as_i64() {
        Some(CHAT | SUPERGROUP) => None,
        Some(BLOCKED) => Some(failed(403, "Forbidden: bot was blocked by the user")),
        Some(MIGRATED) => {
            let mut answer = failed(400, "Bad Request: group chat was upgraded to a supergroup chat");
            answer.body["parameters"] = json!({"migrate_to_chat_id": SUPERGROUP});
            Some(answer)
        }
        _ => Some(failed(400, "Bad Request: chat not found")),
    }
}

fn with_text(messages: &mut Messages, body: &Value) -> Answer {
    match body["text"].as_str().map(|text| text.chars().count()) {
        None | Some(0) => failed(400, "Bad Request: message text is empty"),
        Some(length) if length > TEXT_LIMIT => failed(400, "Bad Request: message is too long"),
        Some(_) => sent(messages, body),
    }
}

fn with_file(messages: &mut Messages, body: &Value, member: &str) -> Answer {
    let caption = body["caption"].as_str().unwrap_or_default();
    if caption.chars().count() > CAPTION_LIMIT {
        return failed(400, "Bad Request: message caption is too long");
    }
    match body[member].as_str() {
        Some(file) if !file.is_empty() => sent(messages, body),
        _ => failed(400, &format!("Bad Request: there is no {member} in the request")),
    }
}

fn edited(messages: &mut Messages, body: &Value) -> Answer {
    match messages.present.contains(&id(body)) {
        true => Answer::ok(json!({"ok": true, "result": message(id(body), body)})),
        false => failed(400, "Bad Request: message to edit not found"),
    }
}

fn sent_if(messages: &mut Messages, body: &Value, is_whole: bool) -> Answer {
    if is_whole { sent(messages, body) } else { failed(400, "Bad Request: parameters are missing") }
}

fn sent(messages: &mut Messages, body: &Value) -> Answer {
    let message_id = FIRST_MESSAGE + messages.sent;
    messages.sent += 1;
    messages.present.insert(message_id);
    Answer::ok(json!({"ok": true, "result": {
        "message_id": message_id, "date": 1_767_323_046, "text": body["text"],
        "from": {"id": 110_201_543, "is_bot": true, "first_name": "Hookyard", "username": "hookyard_bot"},
        "chat": {"id": body["chat_id"], "type": "private", "first_name": "Ada"},
    }}))
}

fn done_if(is_done: bool, otherwise: &str) -> Answer {
    if is_done { Answer::ok(json!({"ok": true, "result": true})) } else { failed(400, otherwise) }
}

fn id(body: &Value) -> i64 {
    body["message_id"].as_i64().unwrap_or_default()
}

fn failed(status: u16, description: &str) -> Answer {
    Answer::status(status, json!({"ok": false, "error_code": status, "description": description}))
}
