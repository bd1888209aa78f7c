//! The question whether a URL is ours.

use serde_json::{Value, json};

use crate::setup::{Request, SECRET, Setup, webhook};

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
    check(&id, "mode=subscribe", 400).await;
    check(&id, "token=a+token+of+ours", 400).await;
    check(&id, "hub.challenge=1158201444", 400).await;
    check(&id, "hub.mode=subscribe&hub.challenge=1158201444", 400).await;
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

const FORM: &str = "application/x-www-form-urlencoded";

/// One channel of each kind: signed with and without a token, and unsigned.
async fn channels(setup: &Setup) -> Vec<String> {
    let recipe = json!({"header": "x-proof"});
    let mut ids = vec![channel(setup).await, setup.github_channel().await];
    for new in [
        json!({"unsigned": true}),
        json!({"platform": "slack", "credentials": {"signingSecret": SECRET}}),
        json!({"platform": "twilio", "credentials": {"authToken": SECRET}}),
        json!({"platform": "hmac", "credentials": {"secret": SECRET}, "recipe": recipe}),
    ] {
        ids.push(setup.channel(new).await);
    }
    ids
}

#[tokio::test]
async fn a_url_that_exists_says_so_and_no_more() {
    let setup = Setup::new().await;
    for id in channels(&setup).await {
        for path in [format!("/webhooks/{id}"), format!("/webhooks/{id}/"), format!("/webhooks/{id}?shop=1")] {
            for method in ["GET", "HEAD"] {
                let answer = setup.send(Request::new(method, &path)).await;
                assert_eq!((answer.status, &answer.body), (200, &json!("")), "{method} {path}");
            }
        }
    }
    for method in ["GET", "HEAD"] {
        let unknown = setup.send(Request::new(method, "/webhooks/0f6ab5f0-5d1e-41ef-8f2a-2b9d0c7a4e55")).await;
        assert_eq!(unknown.status, 404, "{method}");
    }
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_challenge_alone_is_repeated_as_text_that_no_browser_runs() {
    let setup = Setup::new().await;
    for id in channels(&setup).await {
        let ask = async |method: &str, challenge: &str| {
            setup.send(Request::new(method, &format!("/webhooks/{id}?challenge={challenge}"))).await
        };
        let answer = ask("GET", "%3Cscript%3Ealert(1)%3C/script%3E").await;
        assert_eq!((answer.status, &answer.body), (200, &json!("<script>alert(1)</script>")));
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!((ask("GET", "").await.status, ask("HEAD", "abc").await.body), (200, json!("")));
        assert_eq!(ask("GET", &"x".repeat(1024)).await.status, 200);
        assert_eq!(ask("GET", &"x".repeat(1025)).await.status, 400);
        // A challenge with anything about a token is answered to whoever knows the token.
        assert_ne!(ask("GET", "abc&verify_token=").await.status, 200);
        assert_ne!(ask("GET", "abc&mode=subscribe").await.status, 200);
        assert_ne!(ask("GET", "abc&challenge=def").await.status, 200);
        assert_ne!(ask("GET", "abc&hub.challenge=def").await.status, 200);
    }
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_webhook_that_is_sent_with_get_is_not_taken_for_a_check() {
    let setup = Setup::new().await;
    let ids = channels(&setup).await;
    for (id, header) in [(&ids[4], "x-twilio-signature"), (&ids[5], "x-proof")] {
        let path = format!("/webhooks/{id}?MessageSid=SM1&Body=hi");
        let answer = setup.send(Request::new("GET", &path).header(header, "abc")).await;
        assert_eq!((answer.status, &answer.headers["allow"]), (405, &json!("POST")), "{}", answer.body);
    }
}

#[tokio::test]
async fn slack_checks_a_certificate_without_a_signature() {
    let setup = Setup::new().await;
    let ids = channels(&setup).await;
    let post = async |id: &str, body: &str| setup.send(webhook(id, body).header("content-type", FORM)).await;
    let answer = post(&ids[3], "token=x&ssl_check=1").await;
    assert_eq!((answer.status, &answer.body), (200, &json!("")));
    for body in ["token=x&ssl_check=0", "token=x&ssl_check=1&ssl_check=1", "token=x&ssl_check=2", "token=x", ""] {
        assert_eq!(post(&ids[3], body).await.status, 401, "{body}");
    }
    for other in [&ids[0], &ids[4], &ids[5]] {
        assert_eq!(post(other, "token=x&ssl_check=1").await.status, 401);
    }
    assert!(setup.events().await.is_empty());
}
