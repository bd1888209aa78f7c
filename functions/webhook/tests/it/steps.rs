//! Steps of the type `message`: commands in, one message and an answer out.

use harness::platform::whatsapp;
use serde_json::{Value, json};

use crate::chat::Chat;

#[tokio::test]
async fn a_step_sends_once_however_often_its_command_comes() {
    let chat = Chat::new().await;
    let action = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "hello"});
    let answer = chat.command(action.clone()).await.unwrap();
    assert_eq!((&answer["status"], &answer["output"]["messageId"]), (&json!("succeeded"), &json!(whatsapp::wamid(0))));
    assert_eq!((&answer["eventId"], &answer["step"]), (&json!("e1"), &json!("tell")));
    assert_eq!(answer["record"], json!({"kind": "message", "id": answer["output"]["id"]}));
    assert_eq!(chat.command(action).await.unwrap(), answer);
    assert_eq!(chat.platform.requests().len(), 1);
    let logged = &chat.log().await[0];
    assert_eq!((&logged["eventId"], &logged["id"]), (&json!("e1"), &answer["output"]["id"]));
    let sent = chat.setup.facts("message.sent").await;
    assert_eq!(sent[0]["trace"]["correlationId"], "e1");
    assert_eq!((sent.len(), &sent[0]["id"]), (2, &sent[1]["id"]));
}

#[tokio::test]
async fn a_message_that_the_platform_refuses_keeps_its_answer_without_the_token() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::wrong_token());
    let answer = chat.command(json!({"channelId": chat.id, "to": whatsapp::USER, "content": "hello"})).await.unwrap();
    assert_eq!((&answer["status"], &answer["response"]["status"]), (&json!("failed"), &json!(401)));
    let body = answer["response"]["body"].as_str().unwrap();
    assert!(body.contains("Malformed access token ***") && !body.contains(whatsapp::ACCESS_TOKEN), "{body}");
}

#[tokio::test]
async fn a_step_that_was_interrupted_fails_with_an_unknown_outcome() {
    let chat = Chat::new().await;
    let action = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "hello"});
    chat.setup.emulator.crash_before("dynamodb.TransactWriteItems", 1);
    assert!(chat.command(action.clone()).await.is_err());
    assert!(chat.command(action.clone()).await.unwrap_err().contains("another process"));
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(61));
    let answer = chat.command(action).await.unwrap();
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("OutcomeUnknown")));
    assert_eq!(chat.platform.requests().len(), 1);
}

#[tokio::test]
async fn a_result_that_cannot_be_recorded_is_recorded_later_without_another_message() {
    let chat = Chat::new().await;
    let action = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "hello"});
    chat.setup.emulator.throttle("dynamodb.TransactWriteItems", 3);
    assert!(chat.command(action.clone()).await.is_err());
    let answer = chat.command(action).await.unwrap();
    assert_eq!((&answer["status"], &answer["output"]["messageId"]), (&json!("succeeded"), &json!(whatsapp::wamid(0))));
    assert_eq!(chat.platform.requests().len(), 1);
}

#[tokio::test]
async fn a_message_costs_few_aws_requests() {
    let chat = Chat::new().await;
    chat.send("the one that opens the channel").await;
    let calls = async |asked: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| {
        chat.setup.idle().await;
        chat.setup.emulator.reset_aws_calls();
        asked.await;
        let mut calls = chat.setup.emulator.aws_calls();
        calls.remove("secretsmanager.GetSecretValue"); // for the token, which is issued here
        Value::from_iter(calls)
    };
    let sent = json!({"dynamodb.PutItem": 1, "dynamodb.TransactWriteItems": 1, "eventbridge.PutEvents": 1});
    let mut looked_up = sent.clone();
    looked_up["dynamodb.GetItem"] = 1.into();
    let body = json!({"to": whatsapp::USER, "content": "hello"});
    assert_eq!(calls(Box::pin(async { drop(chat.post(&body, None).await) })).await, sent);
    assert_eq!(calls(Box::pin(async { drop(chat.post(&body, Some("key")).await) })).await, looked_up);
    let action = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "hello"});
    assert_eq!(calls(Box::pin(async { drop(chat.command(action).await) })).await, looked_up);
}

#[tokio::test]
async fn a_step_that_cannot_be_done_fails_by_name() {
    let chat = Chat::with(json!({"rateLimits": {"send": {"count": 1, "seconds": 60}}})).await;
    let check = async |action: Value, name: &str| {
        let answer = chat.command(action.clone()).await.unwrap();
        let seen = (&answer["status"], &answer["error"]["name"]);
        assert_eq!(seen, (&json!("failed"), &json!(name)), "{action}: {answer}");
    };
    check(json!({"to": "1", "content": "x"}), "BadRequest").await;
    check(json!({"channelId": "x", "to": "1", "content": "x"}), "BadRequest").await;
    check(json!({"channelId": chat.id, "content": "x"}), "BadRequest").await;
    check(json!({"channelId": chat.id, "to": "1", "content": {"type": "EDIT"}}), "BadRequest").await;
    let nowhere = "6f0a4b5e-2c1d-4f7a-9b3e-68f00a7c4d21";
    check(json!({"channelId": nowhere, "to": "1", "content": "x"}), "UnknownChannel").await;
    let elsewhere = json!({"platform": "slack", "unsigned": true, "tenantId": "yours"});
    let administrator = chat.setup.administrator().await;
    let elsewhere = chat.setup.api_as(&administrator, "POST", "/channels", elsewhere).await.body["channelId"].clone();
    check(json!({"channelId": elsewhere, "to": "1", "content": "x"}), "UnknownChannel").await;
    let github = chat.setup.github_channel().await;
    check(json!({"channelId": github, "to": "1", "content": "x"}), "BadRequest").await;
    assert!(chat.platform.requests().is_empty());
    chat.send("the one that is allowed").await;
    let refused = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "x"});
    check(refused.clone(), "RateLimited").await;
    // What was answered stays so, also when the command comes again in a better time.
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(60));
    check(refused, "RateLimited").await;
    assert_eq!(chat.platform.requests().len(), 1);
}
