//! How many webhooks a channel takes.

use serde_json::{Value, json};

use crate::setup::{BODY, SECRET, Setup, github};

async fn limited(setup: &Setup) -> String {
    let limits = json!({"ingest": {"count": 2, "seconds": 10}});
    setup.channel(json!({"platform": "github", "credentials": {"secret": SECRET}, "rateLimits": limits})).await
}

#[tokio::test]
async fn a_full_window_answers_when_to_come_back() {
    let setup = Setup::new().await;
    let id = limited(&setup).await;
    let status = async || setup.send(github(&id, SECRET, BODY)).await.status;
    assert_eq!((status().await, status().await), (200, 200));
    let refused = setup.send(github(&id, SECRET, BODY)).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!(9)), "{}", refused.body);
    // It is five seconds past a multiple of ten.
    assert_eq!(refused.headers["retry-after"], "5");
    setup.clock.advance(jiff::SignedDuration::from_secs(4));
    assert_eq!(status().await, 429);
    setup.clock.advance(jiff::SignedDuration::from_secs(1));
    assert_eq!((status().await, status().await, status().await), (200, 200, 429));
    assert_eq!(setup.events().await.len(), 4);
}

#[tokio::test]
async fn a_raised_limit_is_honoured_at_once() {
    let setup = Setup::new().await;
    let id = limited(&setup).await;
    let status = async || setup.send(github(&id, SECRET, BODY)).await.status;
    assert_eq!((status().await, status().await, status().await), (200, 200, 429));
    let raised = json!({"rateLimits": {"ingest": {"count": 3, "seconds": 10}}});
    assert_eq!(setup.api("PUT", &format!("/channels/{id}"), raised).await.status, 200);
    assert_eq!((status().await, status().await), (200, 429));
}

#[tokio::test]
async fn all_instances_count_together() {
    let setup = Setup::new().await;
    let id = limited(&setup).await;
    let elsewhere = setup.another();
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    assert_eq!(github(&id, SECRET, BODY).send_to(&elsewhere).await.status, 200);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 429);
    assert_eq!(github(&id, SECRET, BODY).send_to(&elsewhere).await.status, 429);
}

#[tokio::test]
async fn a_full_channel_costs_no_aws_request_and_what_is_not_signed_does_not_count() {
    let setup = Setup::new().await;
    let id = limited(&setup).await;
    for _ in 0..3 {
        assert_eq!(setup.send(github(&id, "wrong", BODY)).await.status, 401);
    }
    let taken = setup.calls_of(github(&id, SECRET, BODY)).await;
    assert_eq!(Value::from_iter(taken), json!({"dynamodb.UpdateItem": 1, "eventbridge.PutEvents": 1}));
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 429);
    setup.emulator.reset_aws_calls();
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 429);
    assert!(setup.emulator.aws_calls().is_empty());
}
