//! WhatsApp Cloud API: `POST /{phone number id}/messages`, `GET /{phone number id}`, and its webhooks.

use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::server::{Answer, Request, Server};

/// The id of the phone number that the server knows.
pub const PHONE_NUMBER_ID: &str = "106540352242922";
/// The phone number as it is shown.
pub const DISPLAY_PHONE_NUMBER: &str = "15550783881";
/// The token that the server accepts.
pub const ACCESS_TOKEN: &str = "EAAJB-a-token-of-the-system-user";
/// Somebody who writes and can be written to.
pub const USER: &str = "16505551234";
/// Somebody who has not written for a day, so that only templates reach them.
pub const SILENT_USER: &str = "16505550000";
/// A number that is not on WhatsApp.
pub const STRANGER: &str = "16505559999";

const TYPES: [&str; 12] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
    "order",
];

/// Starts the Graph API with one phone number.
pub async fn server() -> Server {
    let sent = AtomicU64::new(0);
    Server::start(move |request| play(request, &sent)).await
}

fn play(request: &Request, sent: &AtomicU64) -> Answer {
    if request.header("authorization") != format!("Bearer {ACCESS_TOKEN}") {
        return wrong_token();
    }
    let path: Vec<&str> = request.path.split('/').skip(1).collect();
    match (&request.method, path.as_slice()) {
        (&Method::GET, [PHONE_NUMBER_ID]) => phone_number(&request.query),
        (&Method::POST, [PHONE_NUMBER_ID, "messages"]) => match fault(&request.body) {
            Some(answer) => answer,
            None => taken(&request.body, sent.fetch_add(1, Ordering::Relaxed)),
        },
        _ => error(400, 100, "Unsupported request", "Object does not exist or cannot be loaded"),
    }
}

/// Answers with the requested fields, as the Graph API does.
fn phone_number(query: &str) -> Answer {
    let mut answer = json!({"id": PHONE_NUMBER_ID});
    let known = [
        ("display_phone_number", "+1 555-078-3881"),
        ("verified_name", "Jasper's Market"),
        ("quality_rating", "GREEN"),
    ];
    for (name, value) in known {
        if query.strip_prefix("fields=").unwrap_or_default().split(',').any(|field| field == name) {
            answer[name] = value.into();
        }
    }
    Answer::ok(answer)
}

/// Returns what is wrong with a message.
fn fault(body: &Value) -> Option<Answer> {
    let parameter = |details: &str| Some(error(400, 100, "(#100) Invalid parameter", details));
    if body["messaging_product"] != "whatsapp" {
        return parameter("The parameter messaging_product is required.");
    }
    let to = body["to"].as_str().or(body["recipient"].as_str()).unwrap_or_default();
    if to.is_empty() {
        return parameter("The parameter to is required.");
    }
    let kind = body["type"].as_str().unwrap_or("text");
    if !TYPES.contains(&kind) {
        return parameter("Param type must be one of the documented types");
    }
    if !body[kind].is_object() && !body[kind].is_array() {
        return parameter("The parameter of the type's name is required.");
    }
    if body["text"]["body"].as_str().is_some_and(|text| text.chars().count() > 4096) {
        return parameter("Param text['body'] must be at most 4096 characters long.");
    }
    match to {
        STRANGER => Some(error(400, 131_026, "(#131026) Message undeliverable", "Message Undeliverable.")),
        SILENT_USER if kind != "template" => {
            let details =
                "Message failed to send because more than 24 hours have passed since the customer last replied";
            Some(error(400, 131_047, "(#131047) Re-engagement message", details))
        }
        _ => None,
    }
}

fn taken(body: &Value, number: u64) -> Answer {
    let to = body["to"].as_str().or(body["recipient"].as_str()).unwrap_or_default();
    let mut message = json!({"id": wamid(number)});
    if body["type"] == "template" {
        message["message_status"] = "accepted".into();
    }
    Answer::ok(json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": to, "wa_id": to.trim_start_matches('+')}],
        "messages": [message],
    }))
}

/// The id of the message that the server accepted as its `number`th, from 0.
pub fn wamid(number: u64) -> String {
    format!("wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0{number:04}")
}

/// The answer to a token that is expired or wrong, which repeats it.
pub fn wrong_token() -> Answer {
    let mut answer = error(401, 190, &format!("Malformed access token {ACCESS_TOKEN}"), "");
    answer.body["error"]["type"] = "OAuthException".into();
    answer
}

/// The answer to too many messages of one phone number.
pub fn rate_limited() -> Answer {
    error(429, 130_429, "(#130429) Rate limit hit", "Message failed to send because there were too many messages")
}

/// The answer to too many messages to one person; it has the status 400.
pub fn pair_rate_limited() -> Answer {
    error(
        400,
        131_056,
        "(#131056) Pair rate limit hit",
        "Too many messages sent from this phone number to the same one",
    )
}

/// The answer of a service that is down.
pub fn unavailable() -> Answer {
    error(503, 131_016, "(#131016) Service unavailable", "A service is temporarily unavailable.")
}

fn error(status: u16, code: u32, message: &str, details: &str) -> Answer {
    Answer::status(
        status,
        json!({"error": {
            "message": message,
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details},
            "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
        }}),
    )
}

/// Signs a webhook with the app secret.
pub fn signed(app_secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("an HMAC takes keys of any length");
    let signature = hex::encode(mac.chain_update(body).finalize().into_bytes());
    vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", "facebookexternalua".to_owned()),
        ("x-hub-signature-256", format!("sha256={signature}")),
    ]
}

/// A webhook with changes of one account.
pub fn webhook(changes: &[Value]) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]})
}

/// A change with messages that came in.
pub fn messages(messages: &[Value]) -> Value {
    let contacts = json!([{"profile": {"name": "Sheena Nelson"}, "wa_id": USER}]);
    json!({"field": "messages", "value": {
        "messaging_product": "whatsapp", "metadata": metadata(), "contacts": contacts, "messages": messages,
    }})
}

/// A change with statuses of messages that were sent.
pub fn statuses(statuses: &[Value]) -> Value {
    json!({"field": "messages", "value": {
        "messaging_product": "whatsapp", "metadata": metadata(), "statuses": statuses,
    }})
}

fn metadata() -> Value {
    json!({"display_phone_number": DISPLAY_PHONE_NUMBER, "phone_number_id": PHONE_NUMBER_ID})
}

/// A message of some type, with the part that has the type's name.
pub fn message(id: &str, kind: &str, part: &Value) -> Value {
    json!({"from": USER, "id": id, "timestamp": "1749416383", "type": kind, kind: part})
}

/// A text message.
pub fn text(id: &str, body: &str) -> Value {
    message(id, "text", &json!({"body": body}))
}

/// A status of a message that was sent to [`USER`].
pub fn status(id: &str, status: &str) -> Value {
    json!({
        "id": id, "status": status, "timestamp": "1750263773", "recipient_id": USER,
        "conversation": {"id": "d9a7f2", "expiration_timestamp": "1750273773", "origin": {"type": "service"}},
        "pricing": {"billable": false, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"},
    })
}

/// The status of a message that did not arrive.
pub fn failed(id: &str) -> Value {
    json!({
        "id": id, "status": "failed", "timestamp": "1750263773", "recipient_id": USER,
        "errors": [{
            "code": 131_049,
            "title": "This message was not delivered to maintain healthy ecosystem engagement.",
            "message": "This message was not delivered to maintain healthy ecosystem engagement.",
            "error_data": {"details": "In order to maintain a healthy ecosystem engagement, the message failed."},
        }],
    })
}
