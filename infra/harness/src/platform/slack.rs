//! Slack: its Web API, and webhooks as it writes and signs them.
//!
//! Sources: docs.slack.dev, "Verifying requests from Slack", "Events API", "Handling user interaction", "Slash
//! commands", and the pages of the methods.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::server::{Answer, Request, Server};

/// A channel that the app is in.
pub const CHANNEL: &str = "C061EG9SL";
/// A channel that the app is not in.
pub const FOREIGN_CHANNEL: &str = "C0FOREIGN";
/// A channel that is archived.
pub const ARCHIVED_CHANNEL: &str = "C0ARCHIVED";
/// The workspace.
pub const TEAM: &str = "T061EG9R6";
/// The app.
pub const APP: &str = "A0MDYCDME";
/// The user of the app.
pub const BOT_USER: &str = "U0LAN0Z89";
/// A person.
pub const USER: &str = "U061F7AUR";
/// The deprecated token that is still in every webhook.
pub const VERIFICATION_TOKEN: &str = "Jhj5dZrVaK7ZwHHjRyZWjbDl";

/// The longest text of a message, in characters.
const TEXT_LIMIT: usize = 40_000;

/// The reactions of each message, by the time of the message.
type Posted = BTreeMap<String, Vec<String>>;

/// Starts Slack's Web API for an app with this bot token.
///
/// It knows three channels, keeps the times and reactions of messages, and refuses what Slack refuses with Slack's errors.
pub async fn server(token: &str) -> Server {
    let authorization = format!("Bearer {token}");
    let posted = Mutex::<Posted>::default();
    Server::start(move |request| {
        let mut posted = posted.lock().unwrap_or_else(PoisonError::into_inner);
        let done = authorized(request, &authorization).and_then(|()| method(request, &mut posted));
        match done {
            Ok(mut body) => {
                body["ok"] = true.into();
                Answer::ok(body).header("x-oauth-scopes", &"chat:write,reactions:write")
            }
            Err(error) => refused(error),
        }
    })
    .await
}

/// The answer to an app that calls too often.
pub fn rate_limited(seconds: u32) -> Answer {
    Answer::status(429, json!({"ok": false, "error": "ratelimited"})).header("retry-after", &seconds)
}

/// An error of Slack, which always has the status 200.
pub fn refused(error: &str) -> Answer {
    Answer::ok(json!({"ok": false, "error": error}))
}

/// The error for a token without the scope.
pub fn missing_scope(needed: &str) -> Answer {
    Answer::ok(json!({"ok": false, "error": "missing_scope", "needed": needed, "provided": "reactions:write"}))
}

/// The headers of a webhook that Slack sends at this time, in seconds since 1970.
pub fn signed(secret: &str, time_s: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("an HMAC takes a key of any length");
    let mac = mac.chain_update(format!("v0:{time_s}:")).chain_update(body);
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    vec![("x-slack-request-timestamp", time_s.to_string()), ("x-slack-signature", signature)]
}

/// The webhook of one event.
pub fn event(event_id: &str, event: &Value) -> Value {
    json!({
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM,
        "context_team_id": TEAM,
        "context_enterprise_id": null,
        "api_app_id": APP,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": 1_767_323_044,
        "authorizations": [
            {"enterprise_id": null, "team_id": TEAM, "user_id": BOT_USER, "is_bot": true, "is_enterprise_install": false},
        ],
        "is_ext_shared_channel": false,
        "event_context": "4-eyJldCI6Im1lc3NhZ2UifQ",
    })
}

/// The event of a person's message.
pub fn message(text: &str, ts: &str) -> Value {
    json!({
        "user": USER,
        "type": "message",
        "ts": ts,
        "client_msg_id": "28736ed3-9f4e-4a3e-8b9b-4a3b5b0a9d3c",
        "text": text,
        "team": TEAM,
        "channel": CHANNEL,
        "event_ts": ts,
        "channel_type": "channel",
    })
}

/// The field `payload` in the form of a click.
pub fn interaction(actions: &[Value]) -> Value {
    json!({
        "type": "block_actions",
        "user": {"id": USER, "username": "ada", "name": "ada", "team_id": TEAM},
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "container": {
            "type": "message", "message_ts": "1767323000.000100", "channel_id": CHANNEL, "is_ephemeral": false,
        },
        "trigger_id": "12466734323.1395872398.803a0bc887a14d10d2c447fce8b6703c",
        "team": {"id": TEAM, "domain": "example"},
        "enterprise": null,
        "is_enterprise_install": false,
        "channel": {"id": CHANNEL, "name": "general"},
        "message": {"type": "message", "bot_id": "B0LAN0Z8A", "text": "Deploy?", "user": BOT_USER, "ts": "1767323000.000100"},
        "state": {"values": {}},
        "response_url": "https://hooks.slack.com/actions/T061EG9R6/1/hush",
        "actions": actions,
    })
}

/// The form of a command.
pub fn command(command: &str, text: &str) -> String {
    form(&[
        ("token", VERIFICATION_TOKEN),
        ("team_id", TEAM),
        ("team_domain", "example"),
        ("channel_id", CHANNEL),
        ("channel_name", "general"),
        ("user_id", USER),
        ("user_name", "ada"),
        ("command", command),
        ("text", text),
        ("api_app_id", APP),
        ("is_enterprise_install", "false"),
        ("response_url", "https://hooks.slack.com/commands/T061EG9R6/1/hush"),
        ("trigger_id", "13345224609.738474920.8088930838d88f008e0"),
    ])
}

/// Writes fields as a form.
pub fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn authorized(request: &Request, authorization: &str) -> Result<(), &'static str> {
    match request.header("authorization") {
        "" => Err("not_authed"),
        sent if sent != authorization => Err("invalid_auth"),
        _ => Ok(()),
    }
}

fn method(request: &Request, posted: &mut Posted) -> Result<Value, &'static str> {
    let body = &request.body;
    if request.method != Method::POST || !request.header("content-type").starts_with("application/json") {
        return Err("invalid_post_type");
    }
    if !body.is_object() {
        return Err("json_not_object");
    }
    match request.path.as_str() {
        "/auth.test" => Ok(json!({
            "url": "https://example.slack.com/", "team": "Example", "user": "helper", "team_id": TEAM,
            "user_id": BOT_USER, "bot_id": "B0LAN0Z8A", "is_enterprise_install": false,
        })),
        "/chat.postMessage" => post(body, posted),
        "/chat.update" => {
            message_of(body, "ts", posted, "cant_update_message")?;
            checked(body)?;
            Ok(json!({"channel": body["channel"], "ts": body["ts"], "text": body["text"]}))
        }
        "/chat.delete" => {
            let ts = message_of(body, "ts", posted, "message_not_found")?;
            posted.remove(&ts);
            Ok(json!({"channel": body["channel"], "ts": ts}))
        }
        "/reactions.add" | "/reactions.remove" => react(body, posted, request.path == "/reactions.add"),
        _ => Err("unknown_method"),
    }
}

fn channel(body: &Value) -> Result<(), &'static str> {
    match body["channel"].as_str() {
        Some(CHANNEL | USER) => Ok(()),
        Some(FOREIGN_CHANNEL) => Err("not_in_channel"),
        Some(ARCHIVED_CHANNEL) => Err("is_archived"),
        _ => Err("channel_not_found"),
    }
}

fn checked(body: &Value) -> Result<(), &'static str> {
    let text = body["text"].as_str().unwrap_or_default();
    if text.is_empty() && !body["blocks"].is_array() && !body["attachments"].is_array() {
        return Err("no_text");
    }
    if text.chars().count() > TEXT_LIMIT {
        return Err("msg_too_long");
    }
    let blocks = body["blocks"].as_array().into_iter().flatten();
    let are_blocks = blocks.into_iter().all(|block| match block["type"].as_str() {
        Some("section") => block["text"]["text"].is_string(),
        Some("image") => {
            block["alt_text"].is_string() && (block["image_url"].is_string() || block["slack_file"].is_object())
        }
        Some("actions") => are_elements(&block["elements"]),
        _ => false,
    });
    if are_blocks { Ok(()) } else { Err("invalid_blocks") }
}

fn are_elements(elements: &Value) -> bool {
    let Some(elements) = elements.as_array().filter(|elements| (1..=25).contains(&elements.len())) else {
        return false;
    };
    let mut ids: Vec<&str> = elements.iter().filter_map(|element| element["action_id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == elements.len()
        && elements.iter().all(|element| match element["type"].as_str() {
            Some("button") => element["text"]["type"] == "plain_text",
            Some("static_select") => element["options"].as_array().is_some_and(|options| !options.is_empty()),
            _ => false,
        })
}

fn post(body: &Value, posted: &mut Posted) -> Result<Value, &'static str> {
    channel(body)?;
    checked(body)?;
    let ts = format!("1767323046.{:06}", posted.len() + 100);
    posted.insert(ts.clone(), Vec::new());
    let message = json!({"type": "message", "text": body["text"], "user": BOT_USER, "bot_id": "B0LAN0Z8A", "ts": ts});
    Ok(json!({"channel": body["channel"], "ts": ts, "message": message}))
}

fn message_of(body: &Value, field: &str, posted: &Posted, unknown: &'static str) -> Result<String, &'static str> {
    channel(body)?;
    let ts = body[field].as_str().unwrap_or_default();
    if posted.contains_key(ts) { Ok(ts.to_owned()) } else { Err(unknown) }
}

fn react(body: &Value, posted: &mut Posted, is_added: bool) -> Result<Value, &'static str> {
    let ts = message_of(body, "timestamp", posted, "message_not_found")?;
    let name = body["name"].as_str().filter(|name| name.is_ascii()).ok_or("invalid_name")?;
    let reactions = posted.entry(ts).or_default();
    let at = reactions.iter().position(|reaction| reaction == name);
    match (is_added, at) {
        (true, Some(_)) => Err("already_reacted"),
        (true, None) => {
            reactions.push(name.to_owned());
            Ok(json!({}))
        }
        (false, None) => Err("no_reaction"),
        (false, Some(at)) => {
            reactions.remove(at);
            Ok(json!({}))
        }
    }
}
