//! Messages out, and kind the answers to them mean.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::super::Slack;
use crate::chat::{Access, Answer, ApiRequest, Chat as _, Outgoing, Problem, Verdict};
use crate::credentials::Credentials;
use crate::error::Error;

fn access<T>(credentials: &Value, call: impl FnOnce(&Access<'_>) -> T) -> T {
    let credentials: Credentials = serde_json::from_value(credentials.clone()).unwrap();
    call(&Access { api_url: "https://slack.com/api", credentials: &credentials })
}

fn send_request(message: Value) -> Result<ApiRequest, Error> {
    let message: Outgoing = serde_json::from_value(message).unwrap();
    access(&json!({"signingSecret": "s", "botToken": "xoxb-hush"}), |access| Slack.send_request(access, &message))
}

/// Checks the method and the body of a message to `C1`, whose channel goes without saying.
#[track_caller]
fn check(message: Value, method: &str, body: Value) {
    let mut message = message;
    message["to"] = json!({"id": "C1"});
    let call = send_request(message.clone()).unwrap_or_else(|refusal| panic!("{message}: {}", refusal));
    assert_eq!((&call.method, call.url.as_str()), (&Method::POST, &*format!("https://slack.com/api/{method}")));
    assert_eq!(call.headers["authorization"], "Bearer xoxb-hush");
    assert_eq!(call.headers["content-type"], "application/json; charset=utf-8");
    assert!(!format!("{call:?}").contains("hush"), "{call:?}");
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    let mut expected = body;
    if expected["channel"].is_null() {
        expected["channel"] = "C1".into();
    }
    assert_eq!(sent, expected, "{message}");
}

fn content(content: Value) -> Value {
    Value::from_iter([("content", content)])
}

const TS: &str = "1503435956.000247";

#[test]
fn texts_are_posted() {
    let post = "chat.postMessage";
    check(content(json!({"text": "Hi *you*"})), post, json!({"text": "Hi *you*"}));
    let threaded = json!({"text": "Hi", "thread_ts": TS});
    check(json!({"content": {"text": "Hi"}, "threadId": TS}), post, threaded.clone());
    check(json!({"content": {"text": "Hi"}, "replyTo": {"messageId": TS}}), post, threaded.clone());
    let both = json!({"content": {"text": "Hi"}, "threadId": TS, "replyTo": {"messageId": "1503435999.000100"}});
    check(both, post, threaded);
    let native = json!({"text": "Hi", "native": {"unfurl_links": false, "text": "Ho", "channel": "C2"}});
    check(content(native), post, json!({"channel": "C2", "text": "Ho", "unfurl_links": false}));
    check(content(json!({"native": {"blocks": []}})), post, json!({"blocks": []}));
}

#[test]
fn buttons_and_lists_become_blocks_below_the_text() {
    let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": "Deploy?"}});
    let buttons = json!([{"id": "yes", "title": "Yes"}, {"title": "Docs", "url": "https://example.com"}]);
    let elements = json!([
        {"type": "button", "action_id": "button_0", "text": {"type": "plain_text", "text": "Yes"}, "value": "yes"},
        {
            "type": "button", "action_id": "button_1", "text": {"type": "plain_text", "text": "Docs"},
            "url": "https://example.com",
        },
    ]);
    let blocks = json!([section, {"type": "actions", "elements": elements}]);
    check(
        content(json!({"text": "Deploy?", "buttons": buttons})),
        "chat.postMessage",
        json!({"text": "Deploy?", "blocks": blocks}),
    );
    let rows = json!([{"id": "a", "title": "A", "description": "first"}, {"id": "b", "title": "B"}]);
    let select = json!({
        "type": "static_select", "action_id": "list", "placeholder": {"type": "plain_text", "text": "Where"},
        "options": [
            {
                "text": {"type": "plain_text", "text": "A"}, "value": "a",
                "description": {"type": "plain_text", "text": "first"},
            },
            {"text": {"type": "plain_text", "text": "B"}, "value": "b"},
        ],
    });
    let blocks = json!([section, {"type": "actions", "elements": [select]}]);
    check(
        content(json!({"text": "Deploy?", "list": {"title": "Where", "rows": rows}})),
        "chat.postMessage",
        json!({"text": "Deploy?", "blocks": blocks}),
    );
}

#[test]
fn pictures_are_shown_and_other_files_linked() {
    let post = "chat.postMessage";
    let image = json!({"url": "https://example.com/a.png", "mimeType": "image/png", "filename": "a.png"});
    let block = json!({"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a.png"});
    check(content(json!({"type": "FILE", "media": image})), post, json!({"text": "a.png", "blocks": [block]}));
    let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": "Look"}});
    let captioned = json!({"type": "FILE", "text": "Look", "media": image});
    check(content(captioned), post, json!({"text": "Look", "blocks": [section, block]}));
    let known = json!({"type": "FILE", "media": {"id": "F1", "kind": "image"}});
    let block = json!({"type": "image", "slack_file": {"id": "F1"}, "alt_text": "image"});
    check(content(known), post, json!({"text": "image", "blocks": [block]}));
    let link = json!({"type": "FILE", "text": "Look", "media": {"url": "https://example.com/a|b?c=<d>&e", "filename": "a<b>"}});
    check(content(link), post, json!({"text": "Look\n<https://example.com/a%7Cb?c=%3Cd%3E&e|a&lt;b&gt;>"}));
    let files = json!({"type": "FILE", "media": image, "attachments": [
        {"url": "https://example.com/1.pdf"}, {"url": "https://example.com/2.pdf", "filename": "two"},
    ]});
    check(content(files), post, json!({"text": "<https://example.com/1.pdf|file>\n<https://example.com/2.pdf|two>"}));
}

#[test]
fn places_and_people_become_text() {
    let post = "chat.postMessage";
    let place = json!({"latitude": 52.5, "longitude": -13.25, "name": "A & B", "address": "Road 1"});
    let map = "https://www.google.com/maps/search/?api=1&query=52.5,-13.25";
    let text = format!("Here\nA &amp; B\nRoad 1\n{map}");
    check(content(json!({"type": "LOCATION", "text": "Here", "location": place})), post, json!({"text": text}));
    let bare = json!({"type": "LOCATION", "location": {"latitude": 52.5, "longitude": -13.25}});
    check(content(bare), post, json!({"text": map}));
    let contacts = json!([
        {"name": {"formatted_name": "Ada L"}, "phones": [{"phone": "+1"}, {"phone": "+2"}], "emails": [{"email": "a@x"}]},
        {"first_name": "Bob", "last_name": "M", "phone_number": "+3"},
        {"name": "Eve", "email": "e@x"},
    ]);
    let text = "Ada L, +1, +2, a@x\nBob M, +3\nEve, e@x";
    check(content(json!({"type": "CONTACTS", "contacts": contacts})), post, json!({"text": text}));
}

#[test]
fn messages_are_changed_deleted_and_reacted_to() {
    let target = json!({"messageId": TS});
    check(
        content(json!({"type": "EDIT", "text": "New", "target": target})),
        "chat.update",
        json!({"text": "New", "ts": TS}),
    );
    check(content(json!({"type": "DELETE", "target": target})), "chat.delete", json!({"ts": TS}));
    let react = |emoji: &str, removed: bool, method: &str, name: &str| {
        let reaction = json!({"emoji": emoji, "removed": removed});
        let message = content(json!({"type": "REACTION", "reaction": reaction, "target": target}));
        check(message, method, json!({"timestamp": TS, "name": name}));
    };
    react("thumbsup", false, "reactions.add", "thumbsup");
    react(":wave::skin-tone-2:", false, "reactions.add", "wave::skin-tone-2");
    react("\u{1f44d}", false, "reactions.add", "thumbsup");
    react("\u{2764}\u{fe0f}", true, "reactions.remove", "heart");
    react("own_emoji", true, "reactions.remove", "own_emoji");
}

#[test]
fn what_slack_cannot_take_is_refused_by_field() {
    let refused = |message: Value, part: &str| {
        let mut message = message;
        message["to"] = message.get("to").cloned().unwrap_or_else(|| json!({"id": "C1"}));
        let refusal = send_request(message.clone()).expect_err(&message.to_string());
        assert!(refusal.to_string().contains(part), "{message}: {}", refusal);
    };
    let check = |fields: Value, field: &str| refused(content(fields), &format!("`{field}`"));
    refused(json!({"to": {"id": ""}, "content": {"text": "x"}}), "`to.id`");
    refused(json!({"content": {"text": "x"}, "threadId": "13345224609.738474920.8088930838d88f008e0"}), "`threadId`");
    refused(json!({"content": {"text": "x"}, "replyTo": {"messageId": "1767323044"}}), "`replyTo.messageId`");
    for kind in ["BUTTON", "LIST", "COMMAND", "TEMPLATE", "UNSUPPORTED"] {
        check(json!({"type": kind, "text": "x"}), "content.type");
    }
    check(json!({}), "content.text");
    check(json!({"text": ""}), "content.text");
    check(json!({"text": "x".repeat(40_001)}), "content.text");
    check(json!({"text": "x".repeat(3_001), "buttons": [{"id": "a", "title": "A"}]}), "content.text");
    check(json!({"text": "x", "buttons": [{"title": "A"}]}), "content.buttons[0].id");
    check(json!({"text": "x", "buttons": [{"id": "a", "title": "A".repeat(76)}]}), "content.buttons[0].title");
    check(json!({"text": "x", "buttons": [{"id": "a".repeat(2_001), "title": "A"}]}), "content.buttons[0].id");
    check(json!({"text": "x", "buttons": vec![json!({"id": "a", "title": "A"}); 26]}), "content.buttons");
    check(json!({"text": "x", "list": {"title": "x", "rows": []}}), "content.list.rows");
    let row = |fields: Value| json!({"text": "x", "list": {"title": "x", "rows": [fields]}});
    check(row(json!({"id": "a".repeat(151), "title": "A"})), "content.list.rows[0].id");
    check(row(json!({"id": "a", "title": "A".repeat(76)})), "content.list.rows[0].title");
    check(row(json!({"id": "a", "title": "A", "description": "A".repeat(76)})), "content.list.rows[0].description");
    check(json!({"type": "FILE"}), "content.media");
    check(json!({"type": "FILE", "media": {"id": "F1"}}), "content.media.url");
    check(json!({"type": "FILE", "media": {"url": "ftp://x"}}), "content.media.url");
    check(json!({"type": "FILE", "media": {"kind": "image", "url": "javascript:x"}}), "content.media.url");
    check(json!({"type": "FILE", "attachments": [{"url": "https://x"}, {}]}), "content.attachments[1].url");
    check(json!({"type": "LOCATION"}), "content.location");
    check(json!({"type": "CONTACTS"}), "content.contacts");
    check(json!({"type": "CONTACTS", "contacts": [{"x": 1}]}), "content.contacts[0]");
    check(json!({"type": "EDIT", "text": "x"}), "content.target");
    check(json!({"type": "EDIT", "target": {"messageId": TS}}), "content.text");
    check(json!({"type": "DELETE", "target": {"messageId": "x"}}), "content.target.messageId");
    check(json!({"type": "REACTION", "target": {"messageId": TS}}), "content.reaction");
    let empty = json!({"type": "REACTION", "target": {"messageId": TS}, "reaction": {"emoji": "::"}});
    check(empty, "content.reaction.emoji");
}

#[test]
fn the_bot_token_is_needed_and_never_repeated() {
    let message: Outgoing = serde_json::from_value(json!({"to": {"id": "C1"}, "content": {"text": "x"}})).unwrap();
    let check = |credentials: Value, part: &str| {
        let refusals = [
            access(&credentials, |access| Slack.send_request(access, &message)).unwrap_err(),
            access(&credentials, |access| Slack.health_request(access)).unwrap_err(),
        ];
        for refusal in refusals {
            assert!(
                refusal.to_string().contains(part) && !refusal.to_string().contains("hush"),
                "{}",
                refusal.to_string()
            );
        }
    };
    check(json!({"signingSecret": "s"}), "`credentials.botToken` is required");
    check(json!({"signingSecret": "s", "botToken": "hush\n"}), "`credentials.botToken` has characters");
}

fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
    Answer { status, headers: HeaderMap::from_iter(headers), body: body.to_owned().into() }
}

fn answered(answer: &harness::server::Answer) -> Answer {
    let headers: Vec<(&'static str, &str)> =
        answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    response(answer.status, &headers, &answer.body.to_string())
}

#[test]
fn success_is_what_slack_calls_ok() {
    let sent = |body: Value| Slack.parse_send(&response(200, &[], &body.to_string()));
    let check = |body: Value, message_id: Option<&str>, metadata: Value| {
        let Value::Object(metadata) = metadata else { unreachable!() };
        let expected = Verdict::Sent { message_id: message_id.map(str::to_owned), metadata };
        assert_eq!(sent(body.clone()), expected, "{body}");
    };
    check(json!({"ok": true, "channel": "C1", "ts": TS, "message": {"text": "x"}}), Some(TS), json!({"channel": "C1"}));
    check(json!({"ok": true}), None, json!({}));
    check(json!({"ok": false, "error": "already_reacted"}), None, json!({}));
    check(json!({"ok": false, "error": "no_reaction"}), None, json!({}));
    let refused = |body: Value, code: &str, message: &str| {
        assert_eq!(sent(body.clone()), Verdict::Refused(Problem::new(code, message)), "{body}");
    };
    refused(json!({"ok": false, "error": "channel_not_found"}), "channel_not_found", "channel_not_found");
    refused(
        json!({"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "x"}),
        "missing_scope",
        "missing_scope; needs the scope chat:write",
    );
    refused(
        json!({"ok": false, "error": "invalid_blocks", "response_metadata": {"messages": ["[ERROR] no text"]}}),
        "invalid_blocks",
        "invalid_blocks; [ERROR] no text",
    );
    refused(json!({"ok": false}), "not_ok", "not_ok");
    let long = "x".repeat(10_000);
    refused(json!({"ok": false, "error": long}), &long[..200], &long[..200]);
    for body in ["", "<html>", "[]", "{}", r#"{"ok": 1}"#] {
        let problem = Problem::new(200, "the answer with status 200 is not what Slack sends");
        assert_eq!(Slack.parse_send(&response(200, &[], body)), Verdict::Unknown(problem), "{body}");
    }
}

#[test]
fn what_passes_may_be_tried_again() {
    let later = |answer: Answer, code: &str, after_s: Option<u64>| match Slack.parse_send(&answer) {
        Verdict::Retry { problem, after, may_have_arrived } => {
            assert_eq!((problem.code.as_str(), after), (code, after_s.map(Duration::from_secs)));
            let broken = ["internal_error", "fatal_error", "request_timeout", "500"];
            assert_eq!(may_have_arrived, broken.contains(&code), "{code}");
        }
        other => panic!("{code}: {other:?}"),
    };
    later(answered(&harness::platform::slack::rate_limited(30)), "ratelimited", Some(30));
    for error in
        ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"]
    {
        later(answered(&harness::platform::slack::refused(error)), error, None);
    }
    later(response(429, &[("retry-after", "3")], ""), "429", Some(3));
    later(response(503, &[], "<html>"), "503", None);
    later(response(500, &[], r#"{"ok": true}"#), "500", None);
}

#[test]
fn health_tells_who_the_app_is() {
    let call =
        access(&json!({"signingSecret": "s", "botToken": "xoxb-hush"}), |access| Slack.health_request(access)).unwrap();
    assert_eq!((call.method, call.url.as_str()), (Method::POST, "https://slack.com/api/auth.test"));
    let told = json!({
        "ok": true, "url": "https://example.slack.com/", "team": "Example", "user": "helper", "team_id": "T1",
        "user_id": "U1", "bot_id": "B1", "is_enterprise_install": false,
    });
    let answer = response(200, &[("x-oauth-scopes", "chat:write, reactions:write")], &told.to_string());
    let Value::Object(expected) = json!({
        "url": "https://example.slack.com/", "team": "Example", "user": "helper", "teamId": "T1", "userId": "U1",
        "botId": "B1", "scopes": ["chat:write", "reactions:write"],
    }) else {
        unreachable!()
    };
    assert_eq!(Slack.parse_health(&answer), Ok(expected));
    assert_eq!(Slack.parse_health(&response(200, &[], r#"{"ok": true}"#)), Ok(Map::new()));
    let refused = answered(&harness::platform::slack::refused("invalid_auth"));
    assert_eq!(Slack.parse_health(&refused), Err(Problem::new("invalid_auth", "invalid_auth")));
    assert_eq!(Slack.parse_health(&response(502, &[], "")).unwrap_err().code, "502");
}
