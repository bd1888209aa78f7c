//! Platforms that are asked: what they need, and whether a channel works.

use harness::platform::whatsapp;
use serde_json::{Value, json};

use crate::chat::{Chat, credentials};
use crate::setup::{Request, Setup};

#[tokio::test]
async fn a_channel_is_as_healthy_as_its_platform_says() {
    let chat = Chat::new().await;
    let path = format!("/channels/{}/health", chat.id);
    let health = chat.setup.api("GET", &path, Value::Null).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("healthy")), "{}", health.body);
    assert!(health.body["latencyMs"].is_u64() && health.body["message"].is_string(), "{}", health.body);
    assert_eq!(health.body["details"]["verifiedName"], "Jasper's Market");
    chat.platform.answer_next(whatsapp::wrong_token());
    let health = chat.setup.api("GET", &path, Value::Null).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("unhealthy")));
    assert_eq!(health.body["details"]["code"], "190");
    let github = chat.setup.github_channel().await;
    assert_eq!(chat.setup.api("GET", &format!("/channels/{github}/health"), Value::Null).await.status, 400);
}

#[tokio::test]
async fn credentials_are_tried_before_they_are_kept() {
    let chat = Chat::new().await;
    let validate = async |body: Value| chat.setup.api("POST", &format!("/channels/{}/validate", chat.id), body).await;
    let mut other = credentials();
    assert_eq!(validate(Value::Null).await.body["valid"], true);
    assert_eq!(validate(json!({"credentials": other})).await.body["valid"], true);
    other["accessToken"] = "another".into();
    let invalid = validate(json!({"credentials": other})).await;
    assert_eq!((invalid.status, &invalid.body["valid"]), (200, &json!(false)));
    other["accessTokn"] = "x".into();
    let refused = validate(json!({"credentials": other})).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.body["message"].as_str().unwrap().contains("unknown field `accessTokn`: did you mean `accessToken`?")
    );
    assert_eq!(validate(Value::Null).await.body["valid"], true, "the channel keeps its own");
}

#[tokio::test]
async fn credentials_can_be_tried_on_a_channel_that_has_none() {
    let chat = Chat::new().await;
    let new = json!({"platform": "whatsapp", "unsigned": true, "apiUrl": chat.platform.url()});
    let id = chat.setup.channel(new).await;
    let path = format!("/channels/{id}/validate");
    let answer = chat.setup.api("POST", &path, json!({"credentials": credentials()})).await;
    assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(true)), "{}", answer.body);
    assert_eq!(chat.setup.api("POST", &path, Value::Null).await.status, 400);
}

#[tokio::test]
async fn platforms_tell_what_they_need() {
    let setup = Setup::new().await;
    let answer = setup.api("GET", "/platforms", Value::Null).await;
    let platforms = answer.body.as_array().unwrap();
    let whatsapp = platforms.iter().find(|platform| platform["id"] == "whatsapp").unwrap();
    assert_eq!((&whatsapp["platform"], &whatsapp["status"]), (&json!("whatsapp"), &json!("ACTIVE")));
    let capabilities = whatsapp["capabilities"].as_array().unwrap();
    for capability in ["SEND_MESSAGE", "RECEIVE_MESSAGE", "WEBHOOK_VALIDATION"] {
        assert!(capabilities.contains(&json!(capability)), "{capability}");
    }
    assert_eq!(whatsapp["credentials"][0]["name"], "appSecret");
    assert_eq!(whatsapp["credentials"][0]["needed"], "always");
    assert_eq!(setup.send(Request::new("GET", "/platforms")).await.status, 401);
}
