//! Slack's webhooks in, and messages out to a server that plays Slack.

use harness::platform::slack;
use harness::server::Reaction;
use serde_json::{Value, json};

use crate::setup::{Answer, Request, Setup, log, webhook};

/// When all of this happens, in seconds since 1970.
const NOW_S: i64 = 1_767_323_045;
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "xoxb-17653672481-19874698323-hush";
const FORM: &str = "application/x-www-form-urlencoded";

async fn channel(setup: &Setup) -> String {
    setup.channel(json!({"platform": "slack", "credentials": {"signingSecret": SECRET}})).await
}

fn signed_at(id: &str, time_s: i64, body: &[u8]) -> Request {
    let headers = slack::signed(SECRET, time_s, body);
    headers.iter().fold(webhook(id, "").bytes(body), |request, (name, value)| request.header(name, value))
}

fn signed(id: &str, body: &Value) -> Request {
    signed_at(id, NOW_S, body.to_string().as_bytes())
}

fn form(id: &str, body: &str) -> Request {
    signed_at(id, NOW_S, body.as_bytes()).header("content-type", FORM)
}

fn click(actions: &[Value]) -> String {
    slack::form(&[("payload", &slack::interaction(actions).to_string())])
}

fn button(value: &str) -> Value {
    json!({
        "action_id": format!("button_{value}"), "block_id": "b1", "text": {"type": "plain_text", "text": "Yes"},
        "value": value, "type": "button", "action_ts": "1767323044.840180",
    })
}

fn without_token(payload: &Value) -> Value {
    let mut payload = payload.clone();
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("token");
    }
    payload
}

#[tokio::test]
async fn the_url_is_verified_by_its_challenge() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let question =
        json!({"token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWM", "type": "url_verification"});
    let answer = setup.send(signed(&id, &question)).await;
    assert_eq!((answer.status, &answer.body), (200, &json!("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWM")));
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(setup.send(webhook(&id, &question.to_string())).await.status, 401);
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_message_is_a_fact_and_its_repetition_the_same() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let payload = slack::event("Ev08MFMKH6", &slack::message("Hello", "1767323044.678900"));
    let answer = setup.send(signed(&id, &payload)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let again = signed_at(&id, NOW_S + 60, payload.to_string().as_bytes()).header("x-slack-retry-num", "2");
    assert_eq!(setup.send(again).await.body, answer.body);
    let event_id = &answer.body["events"][0];
    let facts = setup.facts("message.received").await;
    assert_eq!(facts[0]["id"], *event_id);
    let expected = json!({
        "tenantId": "mine",
        "channelId": id,
        "platform": "slack",
        "timestamp": 1_767_323_045_678_i64,
        "message": {
            "id": "1767323044.678900",
            "conversationId": slack::CHANNEL,
            "from": {"id": slack::USER},
            "to": {"id": slack::APP},
            "content": {"type": "TEXT", "text": "Hello"},
            "timestamp": 1_767_323_044_678_i64,
            "platform": "slack",
            "metadata": {"teamId": slack::TEAM, "channelType": "channel", "eventId": "Ev08MFMKH6"},
        },
        "payload": without_token(&payload),
    });
    assert_eq!(facts[0]["content"], expected);
    assert!(facts.iter().all(|fact| fact["id"] == *event_id), "{facts:?}");
}

#[tokio::test]
async fn clicks_and_commands_are_answered_with_nothing() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let check = async |answer: Answer, count: usize| {
        assert_eq!((answer.status, &answer.body), (200, &json!("")));
        let events = answer.headers["hookyard-events"].as_str().unwrap();
        assert_eq!(events.split(',').count(), count, "{events}");
    };
    check(setup.send(form(&id, &slack::command("/deploy", "now & \u{fc}ber"))).await, 1).await;
    check(setup.send(form(&id, &click(&[button("yes"), button("no")]))).await, 2).await;
    let view = json!({"type": "view_closed", "token": slack::VERIFICATION_TOKEN, "view": {"id": "V1"}});
    check(setup.send(form(&id, &slack::form(&[("payload", &view.to_string())]))).await, 1).await;

    let facts = setup.facts("message.received").await;
    let of = |kind: &str| -> Vec<&Value> {
        let messages = facts.iter().map(|fact| &fact["content"]["message"]);
        messages.filter(|message| message["content"]["type"] == kind).collect()
    };
    let command = of("COMMAND")[0];
    let expected = json!({"type": "COMMAND", "text": "now & \u{fc}ber", "command": {"name": "deploy"}});
    assert_eq!((&command["content"], &command["timestamp"]), (&expected, &json!(NOW_S * 1_000)));
    let mut chosen: Vec<&Value> = of("BUTTON").iter().map(|message| &message["content"]["choice"]["id"]).collect();
    chosen.sort_by_key(|id| id.to_string());
    assert_eq!(chosen, [&json!("no"), &json!("yes")]);
    assert_eq!(setup.facts("slack.view_closed").await.len(), 1);
    let events = setup.events().await;
    assert_eq!(events.len(), 4);
    assert!(!json!(events).to_string().contains(slack::VERIFICATION_TOKEN));
}

#[tokio::test]
async fn what_bots_write_is_an_event_of_its_own() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let mut message = slack::message("Deployed", "1767323044.000100");
    message["bot_id"] = "B0LAN0Z8A".into();
    let payload = slack::event("Ev1", &message);
    assert_eq!(setup.send(signed(&id, &payload)).await.status, 200);
    let events = setup.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["detail-type"], "slack.bot_message");
    assert_eq!(events[0]["detail"]["content"]["payload"], without_token(&payload));
}

#[tokio::test]
async fn what_cannot_be_read_is_rejected_alone() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let mut broken = button("no");
    broken["action_ts"] = json!(1_767_323_044.84);
    let answer = setup.send(form(&id, &click(&[button("yes"), broken, button("maybe")]))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(setup.facts("message.received").await.len(), 2);
    let rejected = setup.facts("message.rejected").await;
    assert_eq!((rejected.len(), &rejected[0]["content"]["index"]), (1, &json!(1)));
    assert!(!rejected[0].to_string().contains(slack::VERIFICATION_TOKEN));
    let mut message = slack::message("Hello", "soon");
    message["user"] = json!({"id": 5});
    let answer = setup.send(signed(&id, &slack::event("Ev2", &message))).await;
    assert_eq!((answer.status, &answer.body["messages"], &answer.body["failed"]), (200, &json!(0), &json!(1)));
}

#[tokio::test]
async fn bad_input_gets_its_status_and_leaves_nothing() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let body = slack::event("Ev1", &slack::message("Hello", "1767323044.678900")).to_string();
    let check = async |request: Request, status: u16, what: &str| {
        let answer = setup.send(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    };
    check(webhook(&id, &body), 401, "unsigned").await;
    check(signed_at(&id, NOW_S - 301, body.as_bytes()), 401, "old").await;
    check(signed_at(&id, NOW_S + 301, body.as_bytes()), 401, "of the future").await;
    let replayed = signed_at(&id, NOW_S - 1_000, body.as_bytes());
    check(replayed.header("x-slack-request-timestamp", &NOW_S.to_string()), 401, "replayed").await;
    check(signed_at(&id, NOW_S, body.as_bytes()).bytes(body.replace("Hello", "Hullo").as_bytes()), 401, "changed")
        .await;
    check(signed_at(&id, NOW_S, body.as_bytes()).header("x-slack-signature", "v0="), 401, "no signature").await;
    check(signed_at(&id, NOW_S, body.as_bytes()).header("content-type", "text/plain"), 415, "text").await;
    for text in ["", "{", &body[..body.len() - 1], "null", "[]", "{}", "\"x\"", "1e999", "{\"type\":1e400}"] {
        check(signed_at(&id, NOW_S, text.as_bytes()), 400, text).await;
    }
    check(signed_at(&id, NOW_S, b"{\"type\":\"\xff\"}"), 400, "no UTF-8").await;
    let deep = format!("{{\"type\":\"event_callback\",\"event\":{}{}}}", "[".repeat(100), "]".repeat(100));
    check(signed_at(&id, NOW_S, deep.as_bytes()), 400, "101 levels").await;
    check(signed(&id, &json!({"type": "event_callback", "event": 1, "event_id": 5})), 400, "an id that is a number")
        .await;
    let many = vec![json!({}); 10_000];
    check(form(&id, &click(&many)), 413, "10,000 actions").await;
    for text in ["x=1", "payload=", "payload=%7B", "payload=%ff", "payload=[]", "command=%2Fx&command=%2Fy"] {
        check(form(&id, text), 400, text).await;
    }
    assert!(setup.events().await.is_empty());
}

/// A channel that talks to a server that plays Slack.
async fn conversation(setup: &Setup, server: &harness::server::Server) -> String {
    let credentials = json!({"signingSecret": SECRET, "botToken": TOKEN});
    setup.channel(json!({"platform": "slack", "credentials": credentials, "apiUrl": server.url()})).await
}

#[tokio::test]
async fn a_conversation_goes_both_ways() {
    let setup = Setup::new().await;
    let server = slack::server(TOKEN).await;
    let id = conversation(&setup, &server).await;
    let payload = slack::event("Ev1", &slack::message("Deploy?", "1767323044.678900"));
    assert_eq!(setup.send(signed(&id, &payload)).await.status, 200);
    let message = setup.facts("message.received").await[0]["content"]["message"].clone();
    let path = format!("/channels/{id}/send");
    let send = async |content: Value| {
        let reply_to = json!({"messageId": message["id"]});
        let body = json!({"to": message["conversationId"], "content": content, "replyTo": reply_to});
        setup.api("POST", &path, body).await.body
    };
    let sent =
        send(json!({"text": "Sure?", "buttons": [{"id": "yes", "title": "Yes"}, {"id": "yes", "title": "Ja"}]})).await;
    assert_eq!(
        (&sent["success"], &sent["status"], &sent["metadata"]),
        (&json!(true), &json!("sent"), &json!({"channel": slack::CHANNEL}))
    );
    let request = &server.requests()[0];
    assert_eq!((request.path.as_str(), &request.body["thread_ts"]), ("/chat.postMessage", &message["id"]));
    let target = json!({"messageId": sent["messageId"]});
    let thumb = json!({"emoji": "\u{1f44d}"});
    for content in [
        json!({"type": "EDIT", "text": "Really sure?", "target": target}),
        json!({"type": "REACTION", "reaction": thumb, "target": target}),
        json!({"type": "REACTION", "reaction": thumb, "target": target}),
        json!({"type": "REACTION", "reaction": {"emoji": ":thumbsup:", "removed": true}, "target": target}),
        json!({"type": "FILE", "media": {"url": "https://example.com/a.png", "mimeType": "image/png"}}),
        json!({"type": "DELETE", "target": target}),
    ] {
        let done = send(content.clone()).await;
        assert_eq!(done["success"], true, "{content}: {done}");
    }
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    let expected = [
        "/chat.postMessage",
        "/chat.update",
        "/reactions.add",
        "/reactions.add",
        "/reactions.remove",
        "/chat.postMessage",
        "/chat.delete",
    ];
    assert_eq!(paths, expected);
    assert_eq!(setup.facts("message.sent").await.len(), 7);
    let log = setup.api("GET", &format!("/messages?channelId={id}"), Value::Null).await.body;
    assert_eq!(log["data"].as_array().map(Vec::len), Some(8), "{log}");
}

#[tokio::test]
async fn what_slack_refuses_is_told_in_its_words() {
    let setup = Setup::new().await;
    let server = slack::server(TOKEN).await;
    let id = conversation(&setup, &server).await;
    let path = format!("/channels/{id}/send");
    let send = async |body: Value| setup.api("POST", &path, body).await.body;
    let check = async |body: Value, code: &str| {
        let result = send(body.clone()).await;
        assert_eq!(
            (&result["success"], &result["status"], &result["error"]["code"], &result["attempts"]),
            (&json!(false), &json!("failed"), &json!(code), &json!(1)),
            "{body}"
        );
    };
    check(json!({"to": "C0", "content": "x"}), "channel_not_found").await;
    check(json!({"to": slack::FOREIGN_CHANNEL, "content": "x"}), "not_in_channel").await;
    check(json!({"to": slack::ARCHIVED_CHANNEL, "content": "x"}), "is_archived").await;
    let native = json!({"text": "x", "native": {"text": "x".repeat(40_001)}});
    check(json!({"to": slack::CHANNEL, "content": native}), "msg_too_long").await;
    let blocks = json!({"native": {"blocks": [{"type": "sektion"}]}});
    check(json!({"to": slack::CHANNEL, "content": blocks}), "invalid_blocks").await;
    let unknown = json!({"type": "DELETE", "target": {"messageId": "1.2"}});
    check(json!({"to": slack::CHANNEL, "content": unknown}), "message_not_found").await;
    server.answer_next(slack::missing_scope("chat:write"));
    check(json!({"to": slack::CHANNEL, "content": "x"}), "missing_scope").await;
    let failed = setup.facts("message.failed").await;
    assert_eq!(failed.len(), 7);
    let last = failed.iter().find(|fact| fact.to_string().contains("missing_scope")).unwrap();
    assert_eq!(last["content"]["error"], "missing_scope; needs the scope chat:write");
    assert!(!json!(failed).to_string().contains(TOKEN) && !log().contains(TOKEN));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_unless_it_is_long() {
    let setup = Setup::new().await;
    let server = slack::server(TOKEN).await;
    let id = conversation(&setup, &server).await;
    let path = format!("/channels/{id}/send");
    let send = async || setup.api("POST", &path, json!({"to": slack::CHANNEL, "content": "x"})).await.body;
    server.answer_next(slack::rate_limited(0));
    server.answer_next(slack::refused("internal_error"));
    let sent = send().await;
    assert_eq!((&sent["success"], &sent["attempts"]), (&json!(true), &json!(3)), "{sent}");
    server.answer_next(slack::rate_limited(3_600));
    let limited = send().await;
    assert_eq!(
        (&limited["status"], &limited["error"]["code"], &limited["retryAfterSeconds"], &limited["attempts"]),
        (&json!("failed"), &json!("ratelimited"), &json!(3_600), &json!(1))
    );
    server.next(Reaction::LoseAnswer);
    assert_eq!(send().await["status"], "unknown");
}

#[tokio::test]
async fn health_and_credentials_are_asked_of_slack() {
    let setup = Setup::new().await;
    let server = slack::server(TOKEN).await;
    let id = conversation(&setup, &server).await;
    let health = setup.api("GET", &format!("/channels/{id}/health"), Value::Null).await.body;
    let details = json!({
        "url": "https://example.slack.com/", "team": "Example", "user": "helper", "teamId": slack::TEAM,
        "userId": slack::BOT_USER, "botId": "B0LAN0Z8A", "scopes": ["chat:write", "reactions:write"],
    });
    assert_eq!((&health["status"], &health["details"]), (&json!("healthy"), &details));
    let wrong = json!({"credentials": {"signingSecret": SECRET, "botToken": "xoxb-wrong"}});
    let verdict = setup.api("POST", &format!("/channels/{id}/validate"), wrong).await.body;
    assert_eq!(
        (&verdict["valid"], &verdict["status"], &verdict["details"]["code"]),
        (&json!(false), &json!("unhealthy"), &json!("invalid_auth"))
    );
    assert!(!verdict.to_string().contains("xoxb-"));
}
