//! Messages to calls, and answers to verdicts.

use std::time::Duration;

use http::{HeaderValue, Method};

use super::*;
use crate::chat::{Access, Answer, ApiRequest, Outgoing, Problem, Verdict};

const BOT: &str = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs";
const REPLY_TOKEN: &str = "aW50ZXJhY3Rpb246/token";

fn outgoing(mut message: Value) -> Outgoing {
    if message.get("to").is_none() {
        message["to"] = json!({"id": "645027906669510667"});
    }
    let id = "0123456789abcdef01234567-a-step".to_owned();
    Outgoing { id, ..serde_json::from_value(message).unwrap() }
}

fn send_request(message: &Outgoing, credentials: Value) -> Result<ApiRequest, Error> {
    let credentials: Credentials = serde_json::from_value(credentials).unwrap();
    Discord.send_request(&Access { api_url: "https://api.test", credentials: &credentials }, message)
}

fn all() -> Value {
    json!({"publicKey": PUBLIC_KEY, "botToken": BOT, "applicationId": "775799577604522054"})
}

/// Checks the call that a message becomes, made as the bot.
fn check(fields: Value, method: Method, path: &str, body: Option<Value>) {
    let call = send_request(&outgoing(fields), all()).unwrap();
    assert_eq!((call.method, call.url), (method, format!("https://api.test{path}")));
    assert_eq!(call.headers["authorization"], format!("Bot {BOT}"));
    assert!(call.headers["authorization"].is_sensitive());
    let agent = call.headers["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("DiscordBot (https://") && agent.ends_with(')'), "{agent}");
    let sent: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    assert_eq!(sent, body.unwrap_or_default(), "{path}");
}

/// Checks the body of a new message.
fn posts(fields: Value, body: Value) {
    let mut body = body;
    body["nonce"] = json!("0123456789abcdef01234567-");
    body["enforce_nonce"] = json!(true);
    check(fields, Method::POST, "/channels/645027906669510667/messages", Some(body));
}

fn refused(fields: Value, field: &str) {
    let message = send_request(&outgoing(fields), all()).unwrap_err().to_string();
    assert!(message.starts_with(&format!("`{field}` ")), "{message}");
}

#[test]
fn texts_are_posted_once_whatever_happens() {
    posts(json!({"content": {"text": "hi"}}), json!({"content": "hi"}));
    posts(
        json!({"content": {"text": "hi"}, "replyTo": {"messageId": "5"}}),
        json!({"content": "hi", "message_reference": {"message_id": "5"}}),
    );
    posts(
        json!({"content": {"text": "hi", "native": {"flags": 4096, "content": "ho"}}}),
        json!({"content": "ho", "flags": 4096}),
    );
    let body = json!({"content": "hi", "nonce": "0123456789abcdef01234567-", "enforce_nonce": true});
    check(json!({"content": {"text": "hi"}, "threadId": "12"}), Method::POST, "/channels/12/messages", Some(body));
}

#[test]
fn buttons_come_in_rows_of_five_and_a_list_below() {
    let buttons: Vec<Value> = (0..6).map(|n| json!({"id": format!("b{n}"), "title": format!("B{n}")})).collect();
    let row = |range: std::ops::Range<u8>| {
        let button = |n| json!({"type": 2, "style": 1, "label": format!("B{n}"), "custom_id": format!("b{n}")});
        json!({"type": 1, "components": range.map(button).collect::<Vec<_>>()})
    };
    posts(
        json!({"content": {"text": "which?", "buttons": buttons}}),
        json!({"content": "which?", "components": [row(0..5), row(5..6)]}),
    );
    let link = json!({"type": 2, "style": 5, "label": "More", "url": "https://tea.test"});
    let select = json!({"type": 3, "custom_id": "list", "placeholder": "Sorts", "options": [
        {"label": "Green", "value": "green", "description": "from Uji"}, {"label": "Black", "value": "black"}]});
    posts(
        json!({"content": {
            "text": "Tea?", "buttons": [{"title": "More", "url": "https://tea.test"}],
            "list": {"title": "Sorts", "rows": [{"id": "green", "title": "Green", "description": "from Uji"},
                {"id": "black", "title": "Black"}]},
        }}),
        json!({"content": "Tea?", "components": [{"type": 1, "components": [link]},
            {"type": 1, "components": [select]}]}),
    );
    refused(json!({"content": {"text": "x", "buttons": [{"title": "B"}]}}), "content.buttons[0].id");
}

#[test]
fn pictures_are_embedded_and_other_files_linked() {
    let cat = json!({"url": "https://files.test/cat.png", "mimeType": "image/png"});
    let pdf = json!({"url": "https://files.test/a.pdf"});
    posts(
        json!({"content": {"type": "FILE", "text": "a cat", "media": cat}}),
        json!({"content": "a cat", "embeds": [{"image": {"url": "https://files.test/cat.png"}}]}),
    );
    posts(
        json!({"content": {"type": "FILE", "text": "read", "media": pdf}}),
        json!({"content": "read\nhttps://files.test/a.pdf"}),
    );
    posts(
        json!({"content": {"type": "FILE", "media": cat, "attachments": [cat, pdf]}}),
        json!({"content": "https://files.test/a.pdf", "embeds": [{"image": {"url": "https://files.test/cat.png"}}]}),
    );
    refused(json!({"content": {"type": "FILE", "text": "x"}}), "content.media");
    refused(json!({"content": {"type": "FILE", "media": {"id": "9"}}}), "content.media.url");
    refused(json!({"content": {"type": "FILE", "attachments": [cat, {"id": "9"}]}}), "content.attachments[1].url");
}

#[test]
fn messages_are_changed_deleted_and_reacted_to() {
    let on = |content: Value| {
        let mut content = content;
        content["target"] = json!({"messageId": "5"});
        json!({"content": content})
    };
    let path = "/channels/645027906669510667/messages/5";
    check(on(json!({"type": "EDIT", "text": "hello"})), Method::PATCH, path, Some(json!({"content": "hello"})));
    check(on(json!({"type": "DELETE"})), Method::DELETE, path, None);
    let react = |reaction: Value| on(json!({"type": "REACTION", "reaction": reaction}));
    let at = |emoji: &str| format!("{path}/reactions/{emoji}/@me");
    check(react(json!({"emoji": "👍"})), Method::PUT, &at("%F0%9F%91%8D"), None);
    check(react(json!({"emoji": "👍", "removed": true})), Method::DELETE, &at("%F0%9F%91%8D"), None);
    check(react(json!({"emoji": "tea:41771983429993937"})), Method::PUT, &at("tea%3A41771983429993937"), None);
    for emoji in ["", "..", "thumbsup", "tea:", ":5", "a/b:5", "tea:x"] {
        refused(react(json!({"emoji": emoji})), "content.reaction.emoji");
    }
    refused(react(json!({})), "content.reaction.emoji");
    refused(on(json!({"type": "REACTION"})), "content.reaction");
    refused(on(json!({"type": "EDIT"})), "content.text");
    refused(json!({"content": {"type": "DELETE"}}), "content.target");
    refused(json!({"content": {"type": "DELETE", "target": {"messageId": "@me"}}}), "content.target.messageId");
}

#[test]
fn an_interaction_is_answered_with_its_token_alone() {
    let check = |content: Value, method: Method, path: &str, body: Option<Value>| {
        let mut message = outgoing(json!({"content": content, "replyTo": {"messageId": "786008729715212338"}}));
        message.reply_token = Some(REPLY_TOKEN.to_owned());
        // No bot is needed for that.
        let credentials = json!({"publicKey": PUBLIC_KEY, "applicationId": "775799577604522054"});
        let call = send_request(&message, credentials).unwrap();
        let url = format!("https://api.test/webhooks/775799577604522054/aW50ZXJhY3Rpb246%2Ftoken/messages/{path}");
        assert_eq!((call.method, call.url), (method, url));
        assert!(!call.headers.contains_key("authorization") && call.headers.contains_key("user-agent"));
        let sent = (!call.body.is_empty()).then(|| serde_json::from_slice::<Value>(&call.body).unwrap());
        assert_eq!(sent, body);
        let refusal = send_request(&message, json!({"publicKey": PUBLIC_KEY})).unwrap_err();
        assert!(
            refusal.to_string().starts_with("`credentials.applicationId` ") && !refusal.to_string().contains("aW50")
        );
    };
    check(json!({"text": "hi"}), Method::PATCH, "@original", Some(json!({"content": "hi"})));
    let edit = json!({"type": "EDIT", "text": "ho", "target": {"messageId": "5"}});
    check(edit, Method::PATCH, "5", Some(json!({"content": "ho"})));
    check(json!({"type": "DELETE", "target": {"messageId": "5"}}), Method::DELETE, "5", None);
}

#[test]
fn what_discord_cannot_take_is_refused_by_field() {
    for kind in ["LOCATION", "CONTACTS", "BUTTON", "LIST", "COMMAND", "TEMPLATE", "UNSUPPORTED"] {
        refused(json!({"content": {"type": kind, "text": "x"}}), "content.type");
    }
    refused(json!({"content": {}}), "content.text");
    for id in ["", "general", "1/../2", "123456789012345678901", "-1"] {
        refused(json!({"to": {"id": id}, "content": {"text": "x"}}), "to.id");
    }
    refused(json!({"content": {"text": "x"}, "threadId": "x"}), "threadId");
    refused(json!({"content": {"text": "x"}, "replyTo": {"messageId": "x"}}), "replyTo.messageId");
    let message = outgoing(json!({"content": {"text": "x"}}));
    let missing = send_request(&message, json!({"publicKey": PUBLIC_KEY})).unwrap_err();
    assert!(missing.to_string().starts_with("`credentials.botToken` "), "{}", missing.to_string());
    let unsendable = send_request(&message, json!({"publicKey": PUBLIC_KEY, "botToken": "hush\n"})).unwrap_err();
    assert!(unsendable.to_string().starts_with("`credentials.botToken` ") && !unsendable.to_string().contains("hush"));
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
    let check = |answer: Answer, expected: Verdict| assert_eq!(Discord.parse_send(&answer), expected);
    let metadata = json!({"channelId": "645027906669510667"}).as_object().unwrap().clone();
    let message = json!({"id": "6", "channel_id": "645027906669510667", "content": "hi", "nonce": "1"});
    check(answer(200, message), Verdict::Sent { message_id: Some("6".to_owned()), metadata });
    check(answer(204, ""), Verdict::Sent { message_id: None, metadata: serde_json::Map::new() });
    let refused = |code: u32, message: &str| Verdict::Refused(Problem::new(code, message));
    check(answer(404, json!({"message": "Unknown Channel", "code": 10003})), refused(10003, "Unknown Channel"));
    check(answer(401, json!({"message": "401: Unauthorized", "code": 0})), refused(401, "401: Unauthorized"));
    let invalid = json!({"code": 50035, "message": "Invalid Form Body", "errors": {
        "components": {"0": {"components": {"1": {"label": {"_errors": [
            {"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]}}}}},
        "content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}]},
    }});
    let expected = "Invalid Form Body; components.0.components.1.label: This field is required; \
        content: Must be 2000 or fewer in length.";
    check(answer(400, invalid), refused(50035, expected));
    let busy = json!({"message": "You are being rate limited.", "retry_after": 1.336, "global": false});
    let problem = Problem::new(429, "You are being rate limited.");
    check(
        answer(429, busy),
        Verdict::Retry { problem, after: Some(Duration::from_secs_f64(1.336)), may_have_arrived: false },
    );
    let mut blocked = answer(429, "<html>error 1015</html>");
    blocked.headers.insert("retry-after", HeaderValue::from_static("30"));
    let problem = Problem::new(429, "the answer with status 429 is not what Discord sends");
    check(blocked, Verdict::Retry { problem, after: Some(Duration::from_secs(30)), may_have_arrived: false });
    let problem = Problem::new(503, "the answer with status 503 is not what Discord sends");
    check(answer(503, ""), Verdict::Retry { problem, after: None, may_have_arrived: false });
    let unreadable = Problem::new(200, "the answer with status 200 is not what Discord sends");
    check(answer(200, "<html>"), Verdict::Unknown(unreadable));
    let endless = json!({"message": "x".repeat(5_000), "code": 1, "retry_after": -1.0});
    check(answer(400, endless), refused(1, &"x".repeat(1_000)));
}

#[test]
fn the_bot_tells_how_it_is() {
    let credentials = Credentials::parse(all()).unwrap();
    let call = Discord.health_request(&Access { api_url: "https://api.test", credentials: &credentials }).unwrap();
    assert_eq!((call.method, call.url.as_str()), (Method::GET, "https://api.test/users/@me"));
    assert_eq!(call.headers["authorization"], format!("Bot {BOT}"));
    let bot = json!({"id": "775799577604522054", "username": "hookyard", "bot": true, "mfa_enabled": true});
    let details = json!({"id": "775799577604522054", "username": "hookyard"});
    assert_eq!(Discord.parse_health(&answer(200, bot)), Ok(details.as_object().unwrap().clone()));
    let unauthorized = json!({"message": "401: Unauthorized", "code": 0});
    assert_eq!(Discord.parse_health(&answer(401, unauthorized)), Err(Problem::new(401, "401: Unauthorized")));
    assert!(Discord.parse_health(&answer(200, "[]")).is_err());
}
