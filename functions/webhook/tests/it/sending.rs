//! Messages out: what is sent once, tried again, and refused.

use harness::platform::whatsapp;
use harness::server::{Answer, Reaction};
use serde_json::{Value, json};

use crate::chat::{Chat, credentials};
use crate::setup::{NOW, log};

#[tokio::test]
async fn a_message_is_sent_told_and_logged() {
    let chat = Chat::new().await;
    let result = chat.send("hello").await;
    let id = result["id"].as_str().unwrap();
    let metadata = result["metadata"].clone();
    let expected = json!({
        "success": true, "id": id, "messageId": whatsapp::wamid(0), "status": "sent", "attempts": 1, "metadata": metadata,
    });
    assert_eq!(result, expected);
    let sent = chat.setup.facts("message.sent").await;
    let expected = json!({
        "tenantId": "mine", "channelId": chat.id, "platform": "whatsapp", "timestamp": 1_767_323_045_678_i64, "id": id,
        "messageId": whatsapp::wamid(0), "to": whatsapp::USER, "metadata": metadata,
    });
    assert_eq!((sent.len(), &sent[0]["content"]), (1, &expected));

    let log = chat.log().await;
    let expected = json!({
        "id": id, "channelId": chat.id, "tenantId": "mine", "platform": "whatsapp", "direction": "outbound",
        "status": "sent", "messageId": whatsapp::wamid(0), "result": result, "loggedAt": NOW,
        "expiresAt": "2026-02-01T03:04:05.000Z",
        "history": [
            {"status": "sending", "timestamp": 1_767_323_045_678_i64},
            {"status": "sent", "timestamp": 1_767_323_045_678_i64},
        ],
        "message": {"to": {"id": whatsapp::USER}, "content": {"type": "TEXT", "text": "hello"}},
    });
    assert_eq!(log, [expected]);
}

#[tokio::test]
async fn what_may_go_better_later_is_tried_three_times() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::unavailable());
    chat.platform.answer_next(whatsapp::rate_limited().header("retry-after", &1));
    let result = chat.send("hello").await;
    assert_eq!((&result["success"], &result["attempts"]), (&json!(true), &json!(3)));
    assert_eq!(chat.platform.requests().len(), 3);

    for _ in 0..3 {
        chat.platform.answer_next(whatsapp::unavailable());
    }
    let result = chat.send("hello").await;
    assert_eq!(
        (&result["success"], &result["status"], &result["attempts"]),
        (&json!(false), &json!("failed"), &json!(3))
    );
    assert_eq!(chat.platform.requests().len(), 6);
    let failed = chat.setup.facts("message.failed").await;
    let content = &failed[0]["content"];
    assert_eq!((failed.len(), &content["retryCount"], &content["status"]), (1, &json!(2), &json!("failed")));
    assert_eq!(content["error"], result["error"]["message"]);
    assert_eq!(content["message"]["content"]["text"], "hello");
}

#[tokio::test]
async fn a_platform_that_wants_a_long_pause_is_left_alone() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::rate_limited().header("retry-after", &3600));
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(result["retryAfterSeconds"], 3600);
}

#[tokio::test]
async fn what_the_platform_refuses_is_not_tried_again() {
    let chat = Chat::new().await;
    let body = json!({"to": whatsapp::STRANGER, "content": "hello"});
    let answer = chat.post(&body, None).await;
    assert_eq!((answer.status, &answer.body["success"], &answer.body["attempts"]), (200, &json!(false), &json!(1)));
    assert_eq!(answer.body["error"]["code"], "131026");
    assert_eq!(chat.log().await[0]["status"], "failed");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_waited_for_no_longer() {
    let chat = Chat::new().await;
    chat.platform.next(Reaction::Hang);
    let result = chat.send("hello").await;
    assert_eq!((&result["success"], &result["attempts"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown() {
    let chat = Chat::new().await;
    chat.platform.next(Reaction::LoseAnswer);
    let result = chat.send("hello").await;
    assert_eq!(
        (&result["success"], &result["status"], &result["attempts"]),
        (&json!(false), &json!("unknown"), &json!(1))
    );
    assert_eq!(chat.platform.requests().len(), 1);
    assert_eq!(chat.log().await[0]["status"], "unknown");
    assert_eq!(chat.setup.facts("message.failed").await[0]["content"]["status"], "unknown");
}

#[tokio::test]
async fn a_platform_that_breaks_down_may_have_taken_the_message() {
    let chat = Chat::new().await;
    for _ in 0..3 {
        chat.platform.answer_next(Answer::status(502, Value::Null));
    }
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("unknown"), &json!(3)));
}

#[tokio::test]
async fn a_platform_that_is_not_there_has_certainly_taken_nothing() {
    let chat = Chat::new().await;
    let nowhere = json!({"credentials": credentials(), "apiUrl": "http://127.0.0.1:9"});
    let path = format!("/channels/{}", chat.id);
    assert_eq!(chat.setup.api("PUT", &path, nowhere).await.status, 200);
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["error"]["code"]), (&json!("failed"), &json!("CONNECTION")));
    assert_eq!(result["attempts"], 3);
}

#[tokio::test]
async fn private_addresses_are_not_platforms() {
    let chat = Chat::with(json!({"apiUrl": "http://169.254.169.254/latest"})).await;
    let result = chat.send("hello").await;
    assert_eq!((&result["error"]["code"], &result["attempts"]), (&json!("ADDRESS_REFUSED"), &json!(1)));
    let health = chat.setup.api("GET", &format!("/channels/{}/health", chat.id), Value::Null).await;
    assert_eq!(health.body["status"], "unhealthy");
}

#[tokio::test]
async fn the_same_request_sends_once() {
    let chat = Chat::new().await;
    let body = json!({"to": whatsapp::USER, "content": "hello"});
    let first = chat.post(&body, Some("order-1")).await;
    let again = chat.post(&body, Some("order-1")).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(chat.platform.requests().len(), 1);
    assert_ne!(chat.post(&body, Some("order-2")).await.body["id"], first.body["id"]);
    assert_ne!(chat.post(&body, None).await.body["id"], first.body["id"]);
    assert_eq!(chat.platform.requests().len(), 3);
    let other = chat.post(&json!({"to": whatsapp::USER, "content": "goodbye"}), Some("order-1")).await;
    assert_eq!((other.status, &other.body["code"]), (400, &json!(15)), "{}", other.body);
    let long = chat.post(&body, Some(&"x".repeat(256))).await;
    assert_eq!(long.status, 400);
    let large =
        chat.post(&json!({"to": whatsapp::USER, "content": {"native": {"x": "x".repeat(128 * 1024)}}}), None).await;
    assert_eq!((large.status, &large.body["code"]), (413, &json!(22)));
}

#[tokio::test]
async fn a_sending_that_was_interrupted_is_unknown_and_never_sent_again() {
    let chat = Chat::new().await;
    let body = json!({"to": whatsapp::USER, "content": "hello"});
    chat.setup.emulator.throttle("dynamodb.TransactWriteItems", 3);
    assert_eq!(chat.post(&body, Some("order-1")).await.status, 503);
    chat.setup.restart();
    assert_eq!(chat.platform.requests().len(), 1);
    assert_eq!(chat.post(&body, Some("order-1")).await.status, 409);
    assert_eq!(chat.log().await[0]["status"], "sending");
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(chat.log().await[0]["status"], "unknown", "whether or not anybody asks again");
    let answer = chat.post(&body, Some("order-1")).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("unknown")), "{}", answer.body);
    assert_eq!(chat.post(&body, Some("order-1")).await.body, answer.body);
    assert_eq!(chat.platform.requests().len(), 1);
    assert_eq!(chat.setup.facts("message.failed").await[0]["content"]["status"], "unknown");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_recognised() {
    let chat = Chat::new().await;
    for operation in ["dynamodb.PutItem", "dynamodb.TransactWriteItems"] {
        chat.setup.emulator.lose_reply(operation, 1);
        assert_eq!(chat.send("hello").await["success"], true, "{operation}");
    }
    assert_eq!(chat.platform.requests().len(), 2);
    assert_eq!(chat.setup.facts("message.sent").await.len(), 2);
}

#[tokio::test]
async fn success_that_cannot_be_read_is_unknown_and_not_tried_again() {
    let chat = Chat::new().await;
    chat.platform.answer_next(Answer::ok(json!("done")));
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("unknown"), &json!(1)), "{result}");
}

#[tokio::test]
async fn a_pause_beyond_all_time_is_a_refusal() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::rate_limited().header("retry-after", &"1e19"));
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("failed"), &json!(1)), "{result}");
}

#[tokio::test]
async fn a_channel_sends_so_many_in_a_time() {
    let chat = Chat::with(json!({"rateLimits": {"send": {"count": 1, "seconds": 60}}})).await;
    chat.send("one").await;
    let body = json!({"to": whatsapp::USER, "content": "two"});
    let refused = chat.post(&body, None).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!(9)), "{}", refused.body);
    // It is five seconds past a full minute.
    assert_eq!(refused.headers["retry-after"], "55");
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(55));
    assert_eq!(chat.post(&body, None).await.status, 200);
    assert_eq!(chat.platform.requests().len(), 2);
}

#[tokio::test]
async fn a_message_is_understood_or_refused_by_field() {
    let chat = Chat::new().await;
    let check = async |body: Value, message: &str| {
        let refused = chat.post(&body, None).await;
        assert_eq!((refused.status, refused.body["message"].as_str()), (400, Some(message)), "{body}");
    };
    let nobody = "6f0a4b5e-2c1d-4f7a-9b3e-68f00a7c4d21";
    let named = json!({"channelId": nobody, "to": "1", "content": "x"});
    check(named, "`channelId` must be the one of the path").await;
    check(json!({"to": "1", "contnet": "x"}), "unknown field `contnet`: did you mean `content`?").await;
    let inner = json!({"to": "1", "content": {"type": "TEXT", "txt": "x"}});
    check(inner, "`content`: unknown field `txt`: did you mean `text`?").await;
    check(json!({"to": ["1"], "content": "x"}), "`to` must be an id or an object with an `id`").await;
    check(json!({"to": "1", "content": 5}), "`content` must be a text or an object with a `type`").await;
    let kind = json!({"to": "1", "content": {"type": "TXET"}});
    check(kind, "`content.type` has the unknown value `TXET`: did you mean `TEXT`?").await;
    assert!(chat.platform.requests().is_empty());
    let own = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "x"});
    assert_eq!(chat.post(&own, None).await.status, 200);
}

#[tokio::test]
async fn credentials_do_not_follow_a_channel_to_another_address() {
    let chat = Chat::new().await;
    let thief = whatsapp::server().await;
    let path = format!("/channels/{}", chat.id);
    let refused = chat.setup.api("PUT", &path, json!({"apiUrl": thief.url()})).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!(15)), "{}", refused.body);
    chat.send("hello").await;
    assert!(thief.requests().is_empty());
    let both = json!({"apiUrl": thief.url(), "credentials": credentials()});
    assert_eq!(chat.setup.api("PUT", &path, both).await.status, 200);
    chat.send("hello").await;
    assert_eq!(thief.requests().len(), 1);
}

#[tokio::test]
async fn no_token_is_in_an_answer_a_fact_a_record_or_the_log() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::wrong_token());
    chat.platform.answer_next(Answer::status(500, json!(format!("you sent {}", whatsapp::ACCESS_TOKEN))));
    let mut seen = vec![chat.send("hello").await, chat.send("hello").await];
    chat.platform.answer_next(whatsapp::wrong_token());
    seen.push(chat.setup.api("GET", &format!("/channels/{}/health", chat.id), Value::Null).await.body);
    seen.extend(chat.log().await);
    seen.extend(chat.setup.facts("message.failed").await);
    seen.extend(chat.setup.facts("message.sent").await);
    let seen = format!("{}\n{}", Value::from(seen), log());
    assert!(seen.contains("retrying a message"), "{seen}");
    assert!(!seen.contains(whatsapp::ACCESS_TOKEN), "{seen}");
}
