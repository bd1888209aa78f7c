//! What a sender is told when AWS fails.

use futures::FutureExt as _;
use harness::platform::whatsapp::USER;
use harness::server::Answer;
use harness::steps::Owner;
use serde_json::{Value, json};

use crate::chat::credentials;
use crate::setup::{BODY, FUNCTION, SECRET, Setup, github};

#[tokio::test]
async fn a_bus_that_is_down_is_503_and_the_retry_is_the_same_event() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let first = setup.send(github(&id, SECRET, BODY)).await;
    assert_eq!(first.status, 200);
    setup.emulator.throttle("eventbridge.PutEvents", 10);
    let mut answer = setup.send(github(&id, SECRET, BODY)).await;
    assert_eq!(answer.status, 503);
    while answer.status != 200 {
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!(4)));
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(!answer.body.to_string().contains("PutEvents"));
        answer = setup.send(github(&id, SECRET, BODY)).await;
    }
    assert_eq!(answer.body, first.body);
}

#[tokio::test]
async fn an_entry_that_is_not_taken_is_put_again() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    setup.emulator.fail_entries(2);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    assert_eq!(setup.events().await.len(), 1);
    setup.emulator.fail_entries(100);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 503);
    assert_eq!(setup.events().await.len(), 1);
}

#[tokio::test]
async fn a_lost_reply_of_the_bus_doubles_the_event_under_one_id() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    setup.emulator.lose_reply("eventbridge.PutEvents", 1);
    let answer = setup.send(github(&id, SECRET, BODY)).await;
    assert_eq!(answer.status, 200);
    let ids: Vec<Value> = setup.events().await.iter().map(|event| event["detail"]["id"].clone()).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == answer.body["events"][0]), "{ids:?}");
}

#[tokio::test]
async fn a_table_that_is_down_is_503_and_never_404() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    setup.emulator.throttle("dynamodb.GetItem", 100);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 503);
    assert_eq!(setup.api("GET", &format!("/channels/{id}"), Value::Null).await.status, 503);
    setup.emulator.throttle("dynamodb.PutItem", 100);
    assert_eq!(setup.api("POST", "/channels", json!({"unsigned": true})).await.status, 503);
}

#[tokio::test]
async fn a_delete_with_a_lost_reply_is_honoured_at_once() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    setup.emulator.lose_reply("dynamodb.DeleteItem", 100);
    assert_ne!(setup.api("DELETE", &format!("/channels/{id}"), Value::Null).await.status, 200);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 404);
}

harness::step_faults! {
    slack: slack();
    whatsapp: whatsapp();
}

/// A platform that reports no status: the end is one write.
fn slack() -> Owner {
    Owner {
        function: FUNCTION,
        constructor: webhook::function,
        action_type: "message",
        action: |world, server| {
            async move {
                let credentials = json!({"signingSecret": SECRET, "botToken": "xoxb-1"});
                let new = json!({"platform": "slack", "credentials": credentials, "apiUrl": server.url()});
                let channel = world.post("/channels", new).await.body["channelId"].clone();
                json!({"channelId": channel, "to": "C061EG9SL", "content": "hello"})
            }
            .boxed()
        },
        effects: |_, server| async move { server.requests().len() }.boxed(),
        invalid: || json!({"channelId": 5}),
        hands_on: false,
        is_repeatable: false,
    }
}

/// A platform that reports the status: the end is a transaction with a receipt.
fn whatsapp() -> Owner {
    Owner {
        action: |world, server| {
            async move {
                server.answer_next(Answer::ok(json!({"messages": [{"id": "wamid.1"}]})));
                let new = json!({"platform": "whatsapp", "credentials": credentials(), "apiUrl": server.url()});
                let channel = world.post("/channels", new).await.body["channelId"].clone();
                json!({"channelId": channel, "to": USER, "content": "hello"})
            }
            .boxed()
        },
        ..slack()
    }
}
