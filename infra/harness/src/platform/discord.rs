//! Discord: its API for one application and bot, and interactions as it posts and signs them.
//!
//! Source: docs.discord.com/developers, `Opcodes and Status Codes` for the codes and texts of errors.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use ed25519_dalek::{Signer as _, SigningKey};
use http::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Request, Server};

/// The id of the application, which is also that of its bot.
pub const APPLICATION_ID: &str = "775799577604522054";
/// The token of the bot.
pub const BOT_TOKEN: &str = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs";
/// A channel that the bot may write to.
pub const CHANNEL: &str = "645027906669510667";
/// A channel that the bot may not see.
pub const HIDDEN_CHANNEL: &str = "645027906669510668";
/// The token of the interactions that this module builds.
pub const INTERACTION_TOKEN: &str = "aW50ZXJhY3Rpb246Nzg2MDA4NzI5NzE1MjEyMzM4OnRva2Vu";
/// The id of the first message.
pub const FIRST_MESSAGE: u64 = 1_500_000_000_000_000_001;

const CONTENT_LIMIT: usize = 2_000;
const NONCE_LIMIT: usize = 25;
const MISSING_ACCESS: (u32, &str) = (50_001, "Missing Access");
const UNKNOWN_CHANNEL: (u32, &str) = (10_003, "Unknown Channel");
const UNKNOWN_MESSAGE: (u32, &str) = (10_008, "Unknown Message");
const UNKNOWN_WEBHOOK: (u32, &str) = (10_015, "Unknown Webhook");
const EMPTY_MESSAGE: (u32, &str) = (50_006, "Cannot send an empty message");

/// The key of the application.
pub struct Application(SigningKey);

/// The messages of the bot.
#[derive(Default)]
struct Messages {
    posted: u64,
    present: HashSet<String>,
    nonces: HashMap<String, String>,
}

/// Starts the API.
pub async fn server() -> Server {
    let messages = Mutex::<Messages>::default();
    Server::start(move |request| play(&mut messages.lock().unwrap_or_else(PoisonError::into_inner), request)).await
}

/// The answer to a bot that sends too often.
pub fn rate_limited(seconds: f64) -> Answer {
    let body = json!({"message": "You are being rate limited.", "retry_after": seconds, "global": false});
    Answer::status(429, body)
        .header("retry-after", &seconds.ceil())
        .header("x-ratelimit-limit", &5)
        .header("x-ratelimit-remaining", &0)
        .header("x-ratelimit-reset-after", &seconds)
        .header("x-ratelimit-scope", &"user")
}

impl Default for Application {
    fn default() -> Self {
        Self(SigningKey::from_bytes(&[42; 32]))
    }
}

impl Application {
    /// Returns the public key as the application's page shows it.
    pub fn public_key(&self) -> String {
        hex::encode(self.0.verifying_key().as_bytes())
    }

    /// The headers of a webhook that is sent at a time, in seconds since 1970.
    pub fn signed(&self, timestamp_s: i64, body: &[u8]) -> Vec<(&'static str, String)> {
        let timestamp = timestamp_s.to_string();
        let signature = self.0.sign(&[timestamp.as_bytes(), body].concat());
        vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "Discord-Interactions/1.0 (+https://discord.com)".to_owned()),
            ("x-signature-ed25519", hex::encode(signature.to_bytes())),
            ("x-signature-timestamp", timestamp),
        ]
    }
}

/// An interaction of a kind with its data, of the user Mason in a guild.
pub fn interaction(id: &str, kind: u8, data: &Value) -> Value {
    json!({
        "id": id, "application_id": APPLICATION_ID, "type": kind, "token": INTERACTION_TOKEN, "version": 1,
        "guild_id": "290926798626357999", "channel_id": CHANNEL, "channel": {"id": CHANNEL, "type": 0},
        "member": {
            "user": {"id": "53908232506183680", "username": "mason", "global_name": "Mason", "discriminator": "0"},
            "roles": [], "permissions": "2147483647", "nick": null, "joined_at": "2017-03-13T19:19:14.040000+00:00",
        },
        "locale": "en-US", "guild_locale": "en-US", "app_permissions": "442368", "entitlements": [], "context": 0,
        "authorizing_integration_owners": {"0": "290926798626357999"}, "attachment_size_limit": 10_485_760,
        "data": data,
    })
}

/// A slash command with one option of text.
pub fn command(id: &str, name: &str, option: &str, value: &str) -> Value {
    let options = json!([{"type": 3, "name": option, "value": value}]);
    interaction(id, 2, &json!({"id": "771825006014889984", "name": name, "type": 1, "options": options}))
}

/// A button below a message is pressed.
pub fn button(id: &str, custom_id: &str, label: &str, message_id: &str) -> Value {
    let mut interaction = interaction(id, 3, &json!({"custom_id": custom_id, "component_type": 2, "id": 2}));
    let button = json!({"type": 2, "style": 1, "label": label, "custom_id": custom_id});
    let components = json!([{"type": 1, "components": [button]}]);
    interaction["message"] = json!({"id": message_id, "channel_id": CHANNEL, "type": 0, "components": components});
    interaction
}

/// A webhook event.
pub fn event(kind: &str, data: &Value) -> Value {
    json!({"version": 1, "application_id": APPLICATION_ID, "type": 1,
        "event": {"type": kind, "timestamp": "2026-01-02T03:04:05.678901", "data": data}})
}

fn play(messages: &mut Messages, request: &Request) -> Answer {
    if !request.header("user-agent").starts_with("DiscordBot (") {
        return Answer::status(403, json!({"message": "You are blocked from accessing this resource", "code": 40_333}));
    }
    let path: Vec<&str> = request.path.split('/').skip(1).collect();
    // The token of an interaction is all that its messages need.
    if let ["webhooks", application_id, token, "messages", message_id] = path.as_slice() {
        return match (*application_id, *token) {
            (APPLICATION_ID, INTERACTION_TOKEN) => changed(messages, request, message_id),
            _ => failed(404, UNKNOWN_WEBHOOK),
        };
    }
    if request.header("authorization") != format!("Bot {BOT_TOKEN}") {
        return failed(401, (0, "401: Unauthorized"));
    }
    match (&request.method, path.as_slice()) {
        (&Method::GET, ["users", "@me"]) => {
            Answer::ok(json!({"id": APPLICATION_ID, "username": "hookyard", "discriminator": "0", "bot": true}))
        }
        (_, ["channels", HIDDEN_CHANNEL, ..]) => failed(403, MISSING_ACCESS),
        (&Method::POST, ["channels", CHANNEL, "messages"]) => posted(messages, &request.body),
        (_, ["channels", CHANNEL, "messages", message_id]) => changed(messages, request, message_id),
        (&Method::PUT | &Method::DELETE, ["channels", CHANNEL, "messages", message_id, "reactions", _, "@me"]) => {
            match messages.present.contains(*message_id) {
                true => no_content(),
                false => failed(404, UNKNOWN_MESSAGE),
            }
        }
        (_, ["channels", ..]) => failed(404, UNKNOWN_CHANNEL),
        _ => failed(404, (0, "404: Not Found")),
    }
}

/// A repeated nonce returns the same message.
fn posted(messages: &mut Messages, body: &Value) -> Answer {
    if let Some(fault) = fault(body) {
        return fault;
    }
    let is_known = |reference: &Value| messages.present.contains(reference.as_str().unwrap_or_default());
    if body["message_reference"].is_object() && !is_known(&body["message_reference"]["message_id"]) {
        let error = json!({"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"});
        return invalid(&json!({"message_reference": {"_errors": [error]}}));
    }
    let nonce = body["nonce"].as_str().filter(|_| body["enforce_nonce"] == true);
    if let Some(id) = nonce.and_then(|nonce| messages.nonces.get(nonce)) {
        return message(id, body);
    }
    let id = (FIRST_MESSAGE + messages.posted).to_string();
    messages.posted += 1;
    messages.present.insert(id.clone());
    messages.nonces.extend(nonce.map(|nonce| (nonce.to_owned(), id.clone())));
    message(&id, body)
}

fn changed(messages: &mut Messages, request: &Request, message_id: &str) -> Answer {
    // The provisional answer to an interaction is a message too.
    let is_original = message_id == "@original";
    match request.method {
        _ if !is_original && !messages.present.contains(message_id) => failed(404, UNKNOWN_MESSAGE),
        Method::PATCH => fault(&request.body).unwrap_or_else(|| {
            let first = FIRST_MESSAGE.to_string();
            let id = if is_original { &first } else { message_id };
            messages.present.insert(id.to_owned());
            message(id, &request.body)
        }),
        Method::DELETE => {
            messages.present.remove(message_id);
            no_content()
        }
        _ => failed(405, (0, "405: Method Not Allowed")),
    }
}

fn fault(body: &Value) -> Option<Answer> {
    let too_long = |name: &str, limit: usize| {
        let message = format!("Must be {limit} or fewer in length.");
        invalid(&json!({name: {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": message}]}}))
    };
    let length = |name: &str| body[name].as_str().unwrap_or_default().chars().count();
    if length("content") == 0 && body["embeds"].as_array().is_none_or(Vec::is_empty) {
        return Some(failed(400, EMPTY_MESSAGE));
    }
    if length("content") > CONTENT_LIMIT {
        return Some(too_long("content", CONTENT_LIMIT));
    }
    (length("nonce") > NONCE_LIMIT).then(|| too_long("nonce", NONCE_LIMIT))
}

fn message(id: &str, body: &Value) -> Answer {
    Answer::ok(json!({
        "id": id, "channel_id": CHANNEL, "content": body["content"], "type": 0, "embeds": [], "components": [],
        "author": {"id": APPLICATION_ID, "username": "hookyard", "bot": true},
        "timestamp": "2026-01-02T03:04:06.000000+00:00",
    }))
}

fn no_content() -> Answer {
    Answer::status(204, Value::Null)
}

fn invalid(errors: &Value) -> Answer {
    Answer::status(400, json!({"message": "Invalid Form Body", "code": 50_035, "errors": errors}))
}

fn failed(status: u16, (code, message): (u32, &str)) -> Answer {
    Answer::status(status, json!({"message": message, "code": code}))
}
