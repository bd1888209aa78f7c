//! A conversation over WhatsApp, with the Cloud API played by a local server.

use harness::platform::whatsapp::{
    self, ACCESS_TOKEN, DISPLAY_PHONE_NUMBER, PHONE_NUMBER_ID, SILENT_USER, STRANGER, USER,
};
use harness::server::{Reaction, Server};
use serde_json::{Value, json};

use crate::setup::{Answer, Request, Setup, log, webhook};

const APP_SECRET: &str = "the app secret of these tests";
const VERIFY_TOKEN: &str = "the verify token of these tests";

async fn channel(setup: &Setup) -> String {
    let credentials = json!({"appSecret": APP_SECRET, "verifyToken": VERIFY_TOKEN});
    setup.channel(json!({"platform": "whatsapp", "credentials": credentials})).await
}

async fn sending_channel(setup: &Setup, server: &Server) -> String {
    let credentials = json!({
        "appSecret": APP_SECRET, "verifyToken": VERIFY_TOKEN,
        "accessToken": ACCESS_TOKEN, "phoneNumberId": PHONE_NUMBER_ID,
    });
    setup.channel(json!({"platform": "whatsapp", "credentials": credentials, "apiUrl": server.url()})).await
}

/// A webhook as Meta signs it.
fn signed(channel: &str, body: &[u8]) -> Request {
    let request = webhook(channel, "").bytes(body);
    whatsapp::signed(APP_SECRET, body).iter().fold(request, |request, (name, value)| request.header(name, value))
}

async fn deliver(setup: &Setup, channel: &str, changes: &[Value]) -> Answer {
    setup.send(signed(channel, whatsapp::webhook(changes).to_string().as_bytes())).await
}

async fn write(setup: &Setup, channel: &str, to: &str, content: Value) -> Value {
    let answer = setup.api("POST", &format!("/channels/{channel}/send"), json!({"to": to, "content": content})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn meta_verifies_the_url_with_the_token_and_with_no_other() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let ask = async |mode: &str, token: &str| {
        let token = token.replace(' ', "%20");
        let query = format!("hub.mode={mode}&hub.challenge=1158201444&hub.verify_token={token}");
        setup.send(Request::new("GET", &format!("/webhooks/{id}?{query}"))).await
    };
    let answer = ask("subscribe", VERIFY_TOKEN).await;
    assert_eq!((answer.status, &answer.body), (200, &json!(1_158_201_444)));
    assert_eq!(ask("subscribe", "another").await.status, 403);
    assert_eq!(ask("unsubscribe", VERIFY_TOKEN).await.status, 403);
    assert_eq!(setup.send(Request::new("GET", &format!("/webhooks/{id}?hub.mode=subscribe"))).await.status, 400);
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_channel_needs_both_secrets() {
    let setup = Setup::new().await;
    let check = async |credentials: Value, field: &str| {
        let new = json!({"platform": "whatsapp", "credentials": credentials});
        let answer = setup.api("POST", "/channels", new).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body["message"].as_str().unwrap().contains(field), "{}", answer.body);
    };
    check(json!({"appSecret": "x"}), "`credentials.verifyToken`").await;
    check(json!({"verifyToken": "x"}), "`credentials.appSecret`").await;
    let with_number = json!({"appSecret": "x", "verifyToken": "x", "phoneNumberId": "+1 555"});
    check(with_number, "`credentials.phoneNumberId`").await;
}

#[tokio::test]
async fn a_message_becomes_a_fact() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let text = whatsapp::text("wamid.1", "Does it come in gr\u{fc}n?");
    let answer = deliver(&setup, &id, &[whatsapp::messages(std::slice::from_ref(&text))]).await;
    assert_eq!((answer.status, &answer.body["messages"], &answer.body["failed"]), (200, &json!(1), &json!(0)));
    let facts = setup.facts("message.received").await;
    assert_eq!(facts.len(), 1);
    assert_eq!((&facts[0]["id"], &facts[0]["tenantId"]), (&answer.body["events"][0], &json!("mine")));
    let expected = json!({
        "tenantId": "mine",
        "channelId": id,
        "platform": "whatsapp",
        "timestamp": 1_767_323_045_678_i64,
        "message": {
            "id": "wamid.1",
            "conversationId": USER,
            "from": {"id": USER, "name": "Sheena Nelson"},
            "to": {"id": PHONE_NUMBER_ID},
            "content": {"type": "TEXT", "text": "Does it come in gr\u{fc}n?"},
            "timestamp": 1_749_416_383_000_i64,
            "platform": "whatsapp",
            "metadata": {"phoneNumberId": PHONE_NUMBER_ID, "displayPhoneNumber": DISPLAY_PHONE_NUMBER},
        },
        "payload": text,
    });
    assert_eq!(facts[0]["content"], expected);
}

#[tokio::test]
async fn statuses_and_other_changes_become_facts_of_their_own() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let account = json!({"field": "account_update", "value": {"event": "VERIFIED_ACCOUNT"}});
    let statuses = whatsapp::statuses(&[whatsapp::status("wamid.S", "delivered"), whatsapp::failed("wamid.F")]);
    let answer = deliver(&setup, &id, &[statuses, account.clone()]).await;
    assert_eq!((answer.status, &answer.body["messages"]), (200, &json!(3)), "{}", answer.body);
    let facts = setup.facts("message.status").await;
    let status =
        |id: &str| facts.iter().map(|fact| &fact["content"]).find(|fact| fact["status"]["messageId"] == id).unwrap();
    let delivered = whatsapp::status("wamid.S", "delivered");
    assert_eq!(status("wamid.S")["payload"], delivered);
    let expected = json!({
        "messageId": "wamid.S", "status": "delivered", "recipientId": USER, "timestamp": 1_750_263_773_000_i64,
        "metadata": {
            "phoneNumberId": PHONE_NUMBER_ID, "conversation": delivered["conversation"], "pricing": delivered["pricing"],
        },
    });
    assert_eq!(status("wamid.S")["status"], expected);
    let error = status("wamid.F")["status"]["error"].as_str().unwrap();
    assert!(error.starts_with("131049: This message was not delivered"), "{error}");
    let events = setup.facts("whatsapp.account_update").await;
    assert_eq!((events.len(), &events[0]["content"]["payload"]), (1, &account));
}

#[tokio::test]
async fn what_is_delivered_again_is_the_same_events() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let text = |id| whatsapp::text(id, "hello");
    let first = deliver(&setup, &id, &[whatsapp::messages(&[text("wamid.1"), text("wamid.2")])]).await;
    let again = deliver(&setup, &id, &[whatsapp::messages(&[text("wamid.1"), text("wamid.2")])]).await;
    assert_eq!(again.body, first.body);
    // In another company, a message is still itself.
    let other = deliver(&setup, &id, &[whatsapp::messages(&[text("wamid.3"), text("wamid.2"), text("wamid.2")])]).await;
    assert_eq!((&other.body["messages"], &other.body["events"][1]), (&json!(2), &first.body["events"][1]));
    let status = async |word: &str| {
        let statuses = whatsapp::statuses(&[whatsapp::status("wamid.9", word)]);
        deliver(&setup, &id, &[statuses]).await.body["events"][0].clone()
    };
    assert_eq!(status("sent").await, status("sent").await);
    assert_ne!(status("sent").await, status("read").await);
}

#[tokio::test]
async fn one_bad_message_is_rejected_and_the_others_are_not() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let bad = json!({"id": "wamid.2", "from": USER, "timestamp": "soon", "type": "text", "text": {"body": "x"}});
    let messages = [whatsapp::text("wamid.1", "a"), bad.clone(), whatsapp::text("wamid.3", "b")];
    let answer = deliver(&setup, &id, &[whatsapp::messages(&messages)]).await;
    assert_eq!((&answer.body["messages"], &answer.body["failed"]), (&json!(2), &json!(1)), "{}", answer.body);
    assert_eq!(setup.facts("message.received").await.len(), 2);
    let rejected = setup.facts("message.rejected").await;
    let content = &rejected[0]["content"];
    assert_eq!((rejected.len(), &content["index"], &content["payload"]), (1, &json!(1), &bad));
    assert!(content["reason"].as_str().unwrap().contains("`timestamp`"), "{content}");
}

#[tokio::test]
async fn a_hundred_messages_are_a_hundred_events_in_at_most_ten_calls() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let messages: Vec<Value> = (0..100).map(|n| whatsapp::text(&format!("wamid.{n}"), "hello")).collect();
    let body =
        whatsapp::webhook(&[whatsapp::messages(&messages[..40]), whatsapp::messages(&messages[40..])]).to_string();
    assert_eq!(deliver(&setup, &id, &[whatsapp::messages(&[])]).await.status, 200);
    let calls = setup.calls_of(signed(&id, body.as_bytes())).await;
    assert!(calls["eventbridge.PutEvents"] <= 10, "{calls:?}");
    assert_eq!(setup.facts("message.received").await.len(), 100);
}

#[tokio::test]
async fn what_is_not_signed_by_meta_is_refused() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let body = whatsapp::webhook(&[whatsapp::messages(&[whatsapp::text("wamid.1", "hello")])]).to_string();
    let check = async |request: Request| assert_eq!(setup.send(request).await.status, 401);
    let signed_as = |signed: &str, sent: &str| {
        let (_, signature) = whatsapp::signed(APP_SECRET, signed.as_bytes()).remove(2);
        webhook(&id, sent).header("x-hub-signature-256", &signature)
    };
    let with = |secret: &str, body: &str| {
        let headers = whatsapp::signed(secret, body.as_bytes());
        headers.iter().fold(webhook(&id, body), |request, (name, value)| request.header(name, value))
    };
    check(webhook(&id, &body)).await;
    check(signed_as(&body, &body.replace("hello", "hullo"))).await;
    check(with("another", &body)).await;
    check(with(VERIFY_TOKEN, &body)).await;
    // The signature covers the time of each message, so that nothing can be replayed under another one.
    check(signed_as(&body, &body.replace("1749416383", "1767323045"))).await;
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn bad_bodies_get_their_status_and_leave_nothing() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let check = async |body: &[u8], status: u16| {
        let answer = setup.send(signed(&id, body)).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
    };
    let proper = whatsapp::webhook(&[whatsapp::messages(&[whatsapp::text("wamid.1", "hello")])]).to_string();
    check(b"", 400).await;
    check(&proper.as_bytes()[..proper.len() - 1], 400).await;
    check(b"{}", 400).await;
    check(b"[]", 400).await;
    check(br#"{"object": "page", "entry": []}"#, 400).await;
    check(br#"{"object": "whatsapp_business_account", "entry": 5}"#, 400).await;
    check(proper.replace("1749416383\"", "\", \"x\": 1e999, \"y\": \"").as_bytes(), 400).await;
    let nested = format!("{}{}", "[".repeat(101), "]".repeat(101));
    check(proper.replace("\"hello\"", &nested).as_bytes(), 400).await;
    check(proper.replace("hello", "\\ud800").as_bytes(), 400).await;
    let mut invalid = proper.clone().into_bytes();
    let at = proper.find("hello").unwrap();
    invalid[at] = 0xff;
    check(&invalid, 400).await;
    let many = (0..10_000).map(|n| whatsapp::text(&n.to_string(), "")).collect::<Vec<_>>();
    check(whatsapp::webhook(&[whatsapp::messages(&many[..1_001])]).to_string().as_bytes(), 413).await;
    let entries = format!(r#"{{"object": "whatsapp_business_account", "entry": [{}]}}"#, ["{}"; 10_000].join(","));
    check(entries.as_bytes(), 413).await;
    check(whatsapp::webhook(&[whatsapp::messages(&many)]).to_string().as_bytes(), 413).await;
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn wrong_types_inside_are_counted_as_failed() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let text = whatsapp::text("wamid.1", "hello");
    for (name, value) in [
        ("timestamp", json!(1e300)),
        ("timestamp", json!(u64::MAX)),
        ("from", json!(16_505_551_234_u64)),
        ("text", json!([])),
        ("id", json!("")),
        // What is wrong is told in short, however long it is.
        ("text", json!("x".repeat(200_000))),
    ] {
        let mut bad = text.clone();
        bad[name] = value;
        let answer = deliver(&setup, &id, &[whatsapp::messages(&[bad])]).await;
        let counts = (answer.status, &answer.body["messages"], &answer.body["failed"]);
        assert_eq!(counts, (200, &json!(0), &json!(1)), "{name}: {}", answer.body);
    }
    assert!(setup.facts("message.received").await.is_empty());
    assert_eq!(setup.facts("message.rejected").await.len(), 6);
}

#[tokio::test]
async fn somebody_writes_gets_an_answer_and_reads_it() {
    let setup = Setup::new().await;
    let server = whatsapp::server().await;
    let id = sending_channel(&setup, &server).await;
    deliver(&setup, &id, &[whatsapp::messages(&[whatsapp::text("wamid.Q", "Does it come in green?")])]).await;
    let facts = setup.facts("message.received").await;
    let asked = &facts[0]["content"]["message"];

    let answer = json!({
        "to": {"id": asked["conversationId"]}, "content": "It does.", "replyTo": {"messageId": asked["id"]},
    });
    let sent = setup.api("POST", &format!("/channels/{id}/send"), answer).await.body;
    let message_id = whatsapp::wamid(0);
    assert_eq!(
        (&sent["success"], &sent["status"], &sent["messageId"]),
        (&json!(true), &json!("sent"), &json!(message_id))
    );
    assert_eq!(sent["metadata"], json!({"waId": USER}));
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].path.as_str()), (1, "/106540352242922/messages"));
    let expected = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": USER, "context": {"message_id": "wamid.Q"},
        "type": "text", "text": {"body": "It does.", "preview_url": false},
    });
    assert_eq!(requests[0].body, expected);

    let statuses = ["read", "delivered", "sent"].map(|word| whatsapp::status(&message_id, word));
    assert_eq!(deliver(&setup, &id, &[whatsapp::statuses(&statuses)]).await.body["messages"], 3);
    setup.emulator.idle().await;
    let log = setup.api("GET", &format!("/messages?channelId={id}"), Value::Null).await.body;
    let messages = log["data"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "{log}");
    let ours = messages.iter().find(|message| message["messageId"] == json!(message_id)).unwrap();
    assert_eq!(ours["status"], "read", "{ours}");
    let theirs = messages.iter().find(|message| message["id"] != ours["id"]).unwrap();
    assert_eq!(theirs["status"], "received", "{theirs}");
    assert_eq!(setup.facts("message.sent").await.len(), 1);
}

#[tokio::test]
async fn what_the_platform_refuses_is_told_and_not_tried_again() {
    let setup = Setup::new().await;
    let server = whatsapp::server().await;
    let id = sending_channel(&setup, &server).await;
    let check = async |to: &str, code: &str, part: &str| {
        let before = server.requests().len();
        let result = write(&setup, &id, to, json!("hello")).await;
        assert_eq!((&result["success"], &result["status"]), (&json!(false), &json!("failed")), "{result}");
        assert_eq!(result["error"]["code"], code);
        assert!(result["error"]["message"].as_str().unwrap().contains(part), "{result}");
        assert_eq!(server.requests().len(), before + 1);
    };
    check(STRANGER, "131026", "undeliverable").await;
    check(SILENT_USER, "131047", "more than 24 hours").await;
    let template = json!({"type": "TEMPLATE", "template": {"name": "hello_world", "language": "en_US"}});
    let result = write(&setup, &id, SILENT_USER, template).await;
    assert_eq!(result["metadata"]["messageStatus"], "accepted", "{result}");
    let refused = json!({"to": USER, "content": {"text": "x".repeat(4097)}});
    assert_eq!(setup.api("POST", &format!("/channels/{id}/send"), refused).await.status, 400);
    assert_eq!(setup.facts("message.failed").await.len(), 2);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn limits_and_outages_are_tried_again() {
    let setup = Setup::new().await;
    let server = whatsapp::server().await;
    let id = sending_channel(&setup, &server).await;
    server.answer_next(whatsapp::rate_limited());
    server.answer_next(whatsapp::unavailable());
    let result = write(&setup, &id, USER, json!("hello")).await;
    assert_eq!((&result["success"], server.requests().len()), (&json!(true), 3), "{result}");
    for _ in 0..3 {
        server.answer_next(whatsapp::rate_limited());
    }
    let result = write(&setup, &id, USER, json!("hello again")).await;
    assert_eq!((&result["success"], &result["error"]["code"]), (&json!(false), &json!("130429")), "{result}");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown() {
    let setup = Setup::new().await;
    let server = whatsapp::server().await;
    let id = sending_channel(&setup, &server).await;
    server.next(Reaction::LoseAnswer);
    let result = write(&setup, &id, USER, json!("hello")).await;
    assert_eq!((&result["success"], &result["status"]), (&json!(false), &json!("unknown")), "{result}");
    assert_eq!(server.requests().len(), 1, "WhatsApp does not recognise a repetition");
}

#[tokio::test]
async fn every_content_is_taken() {
    let setup = Setup::new().await;
    let server = whatsapp::server().await;
    let id = sending_channel(&setup, &server).await;
    for content in [
        json!({"type": "FILE", "text": "c", "media": {"mimeType": "image/png", "url": "https://example.com/a.png"}}),
        json!({"type": "FILE", "media": {"kind": "voice", "id": "1"}}),
        json!({"type": "LOCATION", "location": {"latitude": 1, "longitude": 2}}),
        json!({"type": "CONTACTS", "contacts": [{"name": {"formatted_name": "B", "first_name": "B"}}]}),
        json!({"type": "REACTION", "reaction": {"emoji": "\u{1f44d}"}, "target": {"messageId": "wamid.1"}}),
        json!({"text": "t", "buttons": [{"id": "y", "title": "Yes"}]}),
        json!({"text": "t", "list": {"title": "Choose", "rows": [{"id": "a", "title": "A"}]}}),
    ] {
        let result = write(&setup, &id, USER, content).await;
        assert_eq!(result["success"], true, "{result}");
    }
}

#[tokio::test]
async fn the_platform_is_asked_how_the_channel_is_and_no_answer_has_the_token() {
    let setup = Setup::new().await;
    let server = whatsapp::server().await;
    let id = sending_channel(&setup, &server).await;
    let health = setup.api("GET", &format!("/channels/{id}/health"), Value::Null).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("healthy")), "{}", health.body);
    let details =
        json!({"displayPhoneNumber": "+1 555-078-3881", "verifiedName": "Jasper's Market", "qualityRating": "GREEN"});
    assert_eq!(health.body["details"], details);
    let wrong = json!({"credentials": {
        "appSecret": APP_SECRET, "verifyToken": VERIFY_TOKEN, "accessToken": "EAAJB-wrong", "phoneNumberId": PHONE_NUMBER_ID,
    }});
    let invalid = setup.api("POST", &format!("/channels/{id}/validate"), wrong).await;
    assert_eq!((invalid.status, &invalid.body["valid"]), (200, &json!(false)), "{}", invalid.body);
    server.answer_next(whatsapp::wrong_token());
    let refused = write(&setup, &id, USER, json!("hello")).await;
    assert_eq!(refused["error"]["code"], "190");
    let seen = format!("{}{}{refused}{}", health.body, invalid.body, log());
    for secret in [ACCESS_TOKEN, "EAAJB-wrong", APP_SECRET, VERIFY_TOKEN] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

#[tokio::test]
async fn a_channel_that_only_listens_cannot_send() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let answer = setup.api("POST", &format!("/channels/{id}/send"), json!({"to": USER, "content": "hello"})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body["message"].as_str().unwrap().contains("`credentials."), "{}", answer.body);
}

#[tokio::test]
async fn a_status_of_a_payment_is_not_that_of_a_message() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let status = |members: Value| {
        let mut status = json!({"id": "wamid.P", "timestamp": "1767323044", "recipient_id": USER});
        status.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        status
    };
    let payment = |word: &str| status(json!({"type": "payment", "status": word, "payment": {"reference_id": "r"}}));
    let mut events = Vec::new();
    for part in [payment("captured"), payment("failed"), status(json!({"status": "failed"}))] {
        let answer = deliver(&setup, &id, &[whatsapp::statuses(&[part])]).await;
        let expected = (200, &json!(1), &json!(0));
        assert_eq!((answer.status, &answer.body["messages"], &answer.body["failed"]), expected, "{}", answer.body);
        events.push(answer.body["events"][0].to_string());
    }
    events.sort();
    events.dedup();
    assert_eq!(events.len(), 3);
    assert_eq!(setup.facts("message.status").await.len(), 1);
    let captured = setup.facts("whatsapp.payment.captured").await;
    assert_eq!(captured[0]["content"]["payload"]["payment"]["reference_id"], "r");
    assert_eq!(setup.facts("whatsapp.payment.failed").await.len(), 1);
}

#[tokio::test]
async fn what_is_set_removed_and_set_again_is_three_events() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let label = |action: &str| json!({"field": "labels", "value": {"action": action, "label": {"id": "7"}}});
    let send = async |time: i64, changes: Value| {
        let entry = json!({"id": "1", "time": time, "changes": changes});
        let body = json!({"object": "whatsapp_business_account", "entry": [entry]});
        setup.send(signed(&id, body.to_string().as_bytes())).await.body["events"].as_array().unwrap().clone()
    };
    let mut events = Vec::new();
    for (time, action) in [(1, "add"), (2, "remove"), (3, "add"), (3, "add")] {
        events.extend(send(time, json!([label(action)])).await);
    }
    assert_eq!(events[2], events[3], "what is sent again is the same event");
    events.extend(send(4, json!([label("add"), label("remove"), label("add")])).await);
    let distinct: std::collections::BTreeSet<String> = events.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), 6);
}

#[tokio::test]
async fn a_message_from_nobody_is_received_and_logged() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let mut system = whatsapp::message("wamid.N", "system", &json!({"body": "Sheena has a new number", "wa_id": "1"}));
    system.as_object_mut().unwrap().remove("from");
    let answer = deliver(&setup, &id, &[whatsapp::messages(&[system])]).await;
    assert_eq!((answer.status, &answer.body["failed"]), (200, &json!(0)), "{}", answer.body);
    let message = &setup.facts("message.received").await[0]["content"]["message"];
    assert_eq!((&message["content"]["type"], &message["from"]["id"]), (&json!("UNSUPPORTED"), &json!("")));
    assert_eq!(message["metadata"]["details"]["wa_id"], "1");
    let log = setup.api("GET", &format!("/messages?channelId={id}"), Value::Null).await;
    assert_eq!(log.body["data"][0]["messageId"], "wamid.N", "{}", log.body);
}
