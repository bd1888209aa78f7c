//! The question whether a URL is ours.

use serde_json::{Value, json};

use crate::setup::{Request, SECRET, Setup};

async fn channel(setup: &Setup) -> String {
    let credentials = json!({"secret": SECRET, "verifyToken": "a token of ours"});
    setup.channel(json!({"platform": "github", "credentials": credentials})).await
}

#[tokio::test]
async fn the_challenge_is_answered_as_it_is_in_each_form_of_the_question() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let check = async |query: &str, challenge: &str| {
        let answer = setup.send(Request::new("GET", &format!("/webhooks/{id}?{query}"))).await;
        assert_eq!((answer.status, answer.body.to_string()), (200, challenge.to_owned()), "{query}");
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    };
    check("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=a%20token+of%20ours", "1158201444").await;
    check("mode=subscribe&token=a+token+of+ours&challenge=c%2Fd", "\"c/d\"").await;
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_wrong_question_is_refused() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let without = setup.github_channel().await;
    let unsigned = setup.channel(json!({"unsigned": true})).await;
    let check = async |id: &str, query: &str, status: u16| {
        let answer = setup.send(Request::new("GET", &format!("/webhooks/{id}?{query}"))).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert!(!answer.body.to_string().contains("1158201444"));
    };
    let question = |token: &str| format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
    check(&id, &question("another"), 403).await;
    check(&id, &question(""), 403).await;
    check(&without, &question(""), 403).await;
    check(&without, &question(SECRET), 403).await;
    check(&unsigned, &question(""), 403).await;
    check(&id, "hub.mode=unsubscribe&hub.challenge=1158201444&hub.verify_token=a+token+of+ours", 403).await;
    check(&id, "", 400).await;
    check(&id, "hub.mode=subscribe&hub.verify_token=a+token+of+ours", 400).await;
    check(&id, "hub.mode=subscribe&mode=subscribe", 400).await;
    let long = format!("mode=subscribe&token=a+token+of+ours&challenge={}", "1158201444".repeat(103));
    check(&id, &long, 400).await;
}

#[tokio::test]
async fn both_tokens_are_good_during_a_rotation() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let credentials = json!({"secret": SECRET, "verifyToken": "new"});
    let rotation = json!({"credentials": credentials, "previousValidSeconds": 60});
    assert_eq!(setup.api("PUT", &format!("/channels/{id}"), rotation).await.status, 200);
    let status = async |token: &str| {
        let path = format!("/webhooks/{id}?mode=subscribe&challenge=c&token={token}");
        let answer = setup.send(Request::new("GET", &path)).await;
        (answer.status, answer.body)
    };
    let good = (200, Value::from("c"));
    assert_eq!((status("new").await, status("a+token+of+ours").await), (good.clone(), good.clone()));
    setup.clock.advance(jiff::SignedDuration::from_secs(60));
    assert_eq!((status("new").await, status("a+token+of+ours").await.0), (good, 403));
}
