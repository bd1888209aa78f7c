//! A Telegram bot: updates in, messages out.

use harness::platform::telegram;
use harness::server::{Reaction, Server};
use serde_json::{Value, json};

use crate::setup::{Request, Setup, log, webhook};

const SECRET: &str = "a_long-secret_of_the_bot";

async fn channel(setup: &Setup) -> String {
    setup.channel(json!({"platform": "telegram", "credentials": {"secretToken": SECRET}})).await
}

/// An update as Telegram posts it.
fn update(channel_id: &str, body: &str) -> Request {
    signed(webhook(channel_id, body), SECRET)
}

fn signed(request: Request, secret: &str) -> Request {
    telegram::signed(secret).into_iter().fold(request, |request, (name, value)| request.header(name, &value))
}

#[tokio::test]
async fn an_update_becomes_a_message() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let body = telegram::update(900, "message", &telegram::message(365, &json!({"text": "hello"})));
    let answer = setup.send(update(&id, &body.to_string())).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let event_id = answer.body["events"][0].clone();
    assert_eq!(answer.body, json!({"success": true, "messages": 1, "failed": 0, "events": [event_id]}));
    let facts = setup.facts("message.received").await;
    let expected = json!({
        "id": event_id, "type": "message.received", "tenantId": "mine", "time": "2026-01-02T03:04:05.678Z",
        "trace": {"correlationId": event_id, "depth": 0}, "dedupWindowSeconds": 86_400,
        "content": {
            "tenantId": "mine", "channelId": id, "platform": "telegram", "timestamp": 1_767_323_045_678_u64,
            "message": {
                "id": "365", "conversationId": "7", "from": {"id": "7", "name": "Ada"},
                "to": {"id": "7", "name": "Ada"}, "content": {"type": "TEXT", "text": "hello"},
                "timestamp": 1_767_323_045_000_u64, "platform": "telegram",
                "metadata": {"chatType": "private", "username": "ada", "languageCode": "en"},
            },
            "payload": body,
        },
    });
    assert_eq!(facts, [expected]);
}

#[tokio::test]
async fn the_same_update_is_the_same_event() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let body = telegram::update(900, "message", &telegram::message(365, &json!({"text": "hello"}))).to_string();
    let first = setup.send(update(&id, &body)).await.body;
    assert_eq!(setup.send(update(&id, &body)).await.body, first);
    // The id of the update counts, not how its text is written.
    assert_eq!(setup.send(update(&id, &body.replace(',', ", "))).await.body, first);
    let next = setup.send(update(&id, &body.replace("900", "901"))).await.body;
    assert_ne!(next["events"], first["events"]);
    let other = channel(&setup).await;
    assert_ne!(setup.send(update(&other, &body)).await.body["events"], first["events"]);
}

#[tokio::test]
async fn a_pressed_button_and_what_is_no_message_arrive() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let keyboard = json!({"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]});
    let below = telegram::message(366, &json!({"text": "Tea?", "reply_markup": keyboard}));
    let pressed = telegram::update(1, "callback_query", &telegram::callback_query("q1", "yes", &below));
    assert_eq!(setup.send(update(&id, &pressed.to_string())).await.body["messages"], 1);
    let member = telegram::update(2, "my_chat_member", &json!({"chat": {"id": 7}, "date": 1}));
    assert_eq!(setup.send(update(&id, &member.to_string())).await.body["messages"], 1);

    let messages = setup.facts("message.received").await;
    let message = &messages[0]["content"]["message"];
    assert_eq!(message["content"], json!({"type": "BUTTON", "text": "Yes", "choice": {"id": "yes", "title": "Yes"}}));
    assert_eq!((&message["replyTo"]["messageId"], &message["conversationId"]), (&json!("366"), &json!("7")));
    let events = setup.facts("telegram.my_chat_member").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["content"]["payload"], member);
    let headers = events[0]["content"]["headers"].to_string();
    assert!(headers.contains("content-type") && !headers.contains(SECRET), "{headers}");
}

#[tokio::test]
async fn an_update_that_cannot_be_read_does_not_hold_up_its_chat() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let wrong = telegram::update(1, "message", &telegram::message(1, &json!({"text": {"of": "a new kind"}})));
    let answer = setup.send(update(&id, &wrong.to_string())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"success": true, "messages": 0, "failed": 1, "events": []}));
    let rejected = setup.facts("message.rejected").await;
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["content"]["payload"], wrong);
    assert!(rejected[0]["content"]["reason"].as_str().unwrap().starts_with("`message` "), "{rejected:?}");
    let huge = wrong.to_string().replace("1767323045", "123456789012345678901234567890");
    assert_eq!(setup.send(update(&id, &huge)).await.body["failed"], 1);
    assert!(setup.facts("message.received").await.is_empty());
}

#[tokio::test]
async fn what_telegram_did_not_send_leaves_nothing_behind() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let body = telegram::update(900, "message", &telegram::message(365, &json!({"text": "hello"}))).to_string();
    let check = async |request: Request, status: u16| {
        let answer = setup.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    check(webhook(&id, &body), 401).await;
    check(signed(webhook(&id, &body), ""), 401).await;
    check(signed(webhook(&id, &body), "a_long-secret_of_the_boT"), 401).await;
    check(signed(webhook(&id, &body), &format!("{SECRET},{SECRET}")), 401).await;
    check(update(&id, &body).header("content-type", "text/plain"), 415).await;
    check(update(&id, &body[..body.len() - 1]), 400).await;
    check(update(&id, ""), 400).await;
    check(update(&id, "[]"), 400).await;
    check(update(&id, &format!("[{body}]")), 400).await;
    check(update(&id, &body.replace("900", "\"900\"")), 400).await;
    check(update(&id, &body.replace("900", "1e400")), 400).await;
    check(update(&id, &body.replace("\"hello\"", &nested(100))), 400).await;
    check(signed(webhook(&id, "").bytes(b"{\"update_id\": 1, \"message\": \"\xff\"}"), SECRET), 400).await;
    check(update(&id, &body.replace("hello", &"x".repeat(3 * 1024 * 1024))), 413).await;
    assert!(setup.events().await.is_empty());
}

/// Arrays in each other.
fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[tokio::test]
async fn a_rotated_token_is_taken_beside_the_new_one() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let change = json!({"credentials": {"secretToken": "new_secret"}, "previousValidSeconds": 60});
    assert_eq!(setup.api("PUT", &format!("/channels/{id}"), change).await.status, 200);
    let send = async |secret: &str| setup.send(signed(webhook(&id, r#"{"update_id": 1}"#), secret)).await.status;
    assert_eq!((send(SECRET).await, send("new_secret").await), (200, 200));
    setup.clock.advance(jiff::SignedDuration::from_secs(60));
    assert_eq!((send(SECRET).await, send("new_secret").await), (401, 200));
}

#[tokio::test]
async fn a_channel_with_a_token_that_telegram_would_not_take_is_refused() {
    let setup = Setup::new().await;
    let check = async |credentials: Value, field: &str| {
        let answer = setup.api("POST", "/channels", json!({"platform": "telegram", "credentials": credentials})).await;
        let message = answer.body["message"].as_str().unwrap();
        assert!(answer.status == 400 && message.contains(field) && !message.contains("hush"), "{message}");
    };
    check(json!({"secretToken": "hush hush"}), "`credentials.secretToken`").await;
    check(json!({"secretToken": SECRET, "botToken": "hush"}), "`credentials.botToken`").await;
    check(json!({"botToken": telegram::TOKEN}), "`credentials.secretToken`").await;
}

/// A channel that talks to a server of this test.
async fn talking(setup: &Setup, server: &Server, bot_token: &str) -> String {
    let credentials = json!({"secretToken": SECRET, "botToken": bot_token});
    setup.channel(json!({"platform": "telegram", "credentials": credentials, "apiUrl": server.url()})).await
}

#[tokio::test]
async fn a_conversation_goes_both_ways() {
    let setup = Setup::new().await;
    let server = telegram::server().await;
    let id = talking(&setup, &server, telegram::TOKEN).await;
    let send = async |body: Value| setup.api("POST", &format!("/channels/{id}/send"), body).await;
    let update_body = telegram::update(900, "message", &telegram::message(365, &json!({"text": "/tea"}))).to_string();
    assert_eq!(setup.send(update(&id, &update_body)).await.status, 200);
    let message = setup.facts("message.received").await[0]["content"]["message"].clone();
    assert_eq!(message["content"]["command"], json!({"name": "tea"}));

    let answer = send(json!({
        "to": message["conversationId"], "replyTo": {"messageId": message["id"]},
        "content": {"text": "Which?", "buttons": [{"id": "green", "title": "Green"}]},
    }))
    .await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("sent")), "{}", answer.body);
    assert_eq!(answer.body["messageId"], telegram::FIRST_MESSAGE.to_string());
    assert_eq!(answer.body["metadata"], json!({"chatId": "7"}));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, format!("/bot{}/sendMessage", telegram::TOKEN));
    let keyboard = json!({"inline_keyboard": [[{"text": "Green", "callback_data": "green"}]]});
    let expected = json!({"chat_id": 7, "text": "Which?", "reply_parameters": {"message_id": 365},
        "reply_markup": keyboard});
    assert_eq!(requests[0].body, expected);
    assert_eq!(setup.facts("message.sent").await[0]["content"]["messageId"], answer.body["messageId"]);

    let target = json!({"messageId": answer.body["messageId"]});
    for content in [
        json!({"type": "EDIT", "text": "Which one?", "target": target}),
        json!({"type": "REACTION", "reaction": {"emoji": "👍"}, "target": {"messageId": "365"}}),
        json!({"type": "FILE", "text": "a leaf", "media": {"kind": "image", "url": "https://tea.test/leaf.png"}}),
        json!({"type": "LOCATION", "location": {"latitude": 34.88, "longitude": 135.8, "name": "Uji"}}),
        json!({"type": "CONTACTS", "contacts": [{"phone_number": "+81774", "first_name": "Tea"}]}),
        json!({"type": "DELETE", "target": target}),
    ] {
        let answer = send(json!({"to": 7, "content": content})).await;
        assert_eq!(answer.body["status"], "sent", "{}", answer.body);
    }
}

#[tokio::test]
async fn what_telegram_refuses_is_told_and_not_tried_again() {
    let setup = Setup::new().await;
    let server = telegram::server().await;
    let id = talking(&setup, &server, telegram::TOKEN).await;
    let check = async |body: Value, code: &str, message: &str| {
        let before = server.requests().len();
        let answer = setup.api("POST", &format!("/channels/{id}/send"), body).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("failed")), "{}", answer.body);
        assert_eq!(answer.body["error"], json!({"code": code, "message": message}));
        assert_eq!(server.requests().len(), before + 1);
    };
    check(json!({"to": "99", "content": "hi"}), "400", "Bad Request: chat not found").await;
    check(json!({"to": "@nobody", "content": "hi"}), "400", "Bad Request: chat not found").await;
    check(json!({"to": telegram::BLOCKED, "content": "hi"}), "403", "Forbidden: bot was blocked by the user").await;
    let migrated = "Bad Request: group chat was upgraded to a supergroup chat; the chat is -10042 now";
    check(json!({"to": telegram::MIGRATED, "content": "hi"}), "400", migrated).await;
    check(json!({"to": 7, "content": "x".repeat(4097)}), "400", "Bad Request: message is too long").await;
    let gone = json!({"type": "DELETE", "target": {"messageId": "5"}});
    check(json!({"to": 7, "content": gone}), "400", "Bad Request: message to delete not found").await;
    assert_eq!(setup.facts("message.failed").await.len(), 6);

    let other = talking(&setup, &server, "1:of_another_bot").await;
    let answer = setup.api("POST", &format!("/channels/{other}/send"), json!({"to": 7, "content": "hi"})).await;
    assert_eq!(answer.body["error"], json!({"code": "401", "message": "Unauthorized"}));
}

#[tokio::test]
async fn a_busy_telegram_is_asked_again_when_it_says() {
    let setup = Setup::new().await;
    let server = telegram::server().await;
    let id = talking(&setup, &server, telegram::TOKEN).await;
    let send = async || setup.api("POST", &format!("/channels/{id}/send"), json!({"to": 7, "content": "hi"})).await;
    server.answer_next(telegram::rate_limited(0));
    let answer = send().await;
    assert_eq!((&answer.body["status"], &answer.body["attempts"]), (&json!("sent"), &json!(2)), "{}", answer.body);
    server.answer_next(telegram::rate_limited(60));
    let answer = send().await;
    assert_eq!((&answer.body["status"], &answer.body["attempts"]), (&json!("failed"), &json!(1)), "{}", answer.body);
    assert_eq!(answer.body["retryAfterSeconds"], 60);
    assert_eq!(answer.body["error"]["code"], "429");
}

#[tokio::test]
async fn the_bot_is_asked_for_its_health_and_its_token_stays_hidden() {
    let setup = Setup::new().await;
    let server = telegram::server().await;
    let id = talking(&setup, &server, telegram::TOKEN).await;
    let healthy = setup.api("GET", &format!("/channels/{id}/health"), Value::Null).await.body;
    assert_eq!(healthy["status"], "healthy", "{healthy}");
    let details = json!({"id": "110201543", "username": "hookyard_bot", "canJoinGroups": true});
    assert_eq!(healthy["details"], details);
    let wrong = "4242:this_token_is_wrong";
    let validate = async |token: &str| {
        let body = json!({"credentials": {"secretToken": SECRET, "botToken": token}});
        setup.api("POST", &format!("/channels/{id}/validate"), body).await.body
    };
    assert_eq!(validate(telegram::TOKEN).await["valid"], true);
    let invalid = validate(wrong).await;
    assert_eq!((&invalid["valid"], &invalid["details"]["code"]), (&json!(false), &json!("401")), "{invalid}");

    server.next(Reaction::LoseAnswer);
    let lost = setup.api("POST", &format!("/channels/{id}/send"), json!({"to": 7, "content": "hi"})).await.body;
    assert_eq!(lost["status"], "unknown", "{lost}");
    let url = server.url();
    drop(server);
    let dead = setup.api("POST", &format!("/channels/{id}/send"), json!({"to": 7, "content": "hi"})).await.body;
    assert_eq!(dead["status"], "failed", "{dead} {url}");
    let said = format!("{healthy}{invalid}{lost}{dead}{}{:?}", log(), setup.events().await);
    assert!(!said.contains(telegram::TOKEN) && !said.contains(wrong), "{said}");
}

#[tokio::test]
async fn what_has_happened_to_a_group_is_told_whoever_did_it() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let mask = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group"});
    let changes = [
        ("migrate_from_chat_id", json!(-22)),
        ("new_chat_title", json!("Tea")),
        ("pinned_message", json!({"message_id": 1, "date": 1, "chat": {"id": -1}})),
        ("left_chat_member", json!({"id": 8, "is_bot": true, "first_name": "Echo"})),
    ];
    for (number, (member, value)) in (900..).zip(changes) {
        let mut message = telegram::message(365, &json!({member: value}));
        message["from"] = mask.clone();
        let answer = setup.send(update(&id, &telegram::update(number, "message", &message).to_string())).await;
        assert_eq!((answer.status, &answer.body["failed"]), (200, &json!(0)));
        assert_eq!(setup.facts(&format!("telegram.message.{member}")).await.len(), 1, "{member}");
    }
    assert!(setup.facts("telegram.bot_message").await.is_empty());
}
