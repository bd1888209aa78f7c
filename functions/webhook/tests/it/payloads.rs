//! Bodies of every kind, as API Gateway passes them on.

use harness::platform::whatsapp;
use serde_json::{Value, json};

use crate::setup::{BODY, Request, SECRET, Setup, github, signature, webhook};

fn signed_bytes(id: &str, body: &[u8]) -> Request {
    webhook(id, "").header("x-hub-signature-256", &signature(SECRET, body)).bytes(body)
}

fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

#[tokio::test]
async fn json_nests_64_levels_at_most_in_a_body_and_in_a_form() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let slack = setup.channel(json!({"platform": "slack", "unsigned": true})).await;
    let form = "application/x-www-form-urlencoded";
    for levels in [64, 65] {
        let (json, payload) = (nested(levels), format!("payload={}", nested(levels)));
        let requests = [
            github(&id, SECRET, &json),
            github(&id, SECRET, &payload).header("content-type", form),
            webhook(&slack, &json),
            webhook(&slack, &payload).header("content-type", form),
        ];
        for (number, request) in requests.into_iter().enumerate() {
            let answer = setup.send(request).await;
            let is_too_deep = answer.body.to_string().contains("the JSON nests more than 64 levels deep");
            assert_eq!(is_too_deep, levels > 64, "{number}: {}", answer.body);
            // What Slack does not send is refused for that.
            let is_accepted = levels == 64 && number < 2;
            assert_eq!(answer.status, if is_accepted { 200 } else { 400 }, "{number}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_refused_with_its_status() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let check = async |body: &[u8], status: u16, code: u32| {
        let answer = setup.send(signed_bytes(&id, body)).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{shown}: {}", answer.body);
    };
    check(b"", 400, 13).await;
    check(b"{", 400, 22).await;
    check(b"{} {}", 400, 22).await;
    check(b"\xff\xfe", 400, 22).await;
    check(b"\"\xff\"", 400, 22).await;
    check(b"1e999", 400, 22).await;
    check(&b"[".repeat(500_000), 400, 22).await;
    check(nested(65).as_bytes(), 400, 22).await;
    check(format!("\"{}\"", "x".repeat(1024 * 1024 - 2)).as_bytes(), 413, 22).await;
    check(format!("\"{}\"", "x".repeat(3 * 1024 * 1024 - 1)).as_bytes(), 413, 22).await;
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn white_space_makes_no_event_too_large() {
    let setup = Setup::new().await;
    let id = setup.channel(json!({"unsigned": true})).await;
    let (space, text) = (" \n".repeat(200 * 1024), "two  spaces".repeat(15_000));
    let answer = setup.send(webhook(&id, &format!("{{{space}\"a\" :{space}[1,{space}\"{text}\"]}}"))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let events = setup.events().await;
    assert_eq!(events[0]["detail"]["content"]["payload"], json!({"a": [1, text]}));
}

#[tokio::test]
async fn an_event_of_the_largest_size_is_published_and_one_byte_more_is_not() {
    let setup = Setup::new().await;
    let id = setup.channel(json!({"unsigned": true})).await;
    let status = async |size: usize| setup.send(webhook(&id, &format!("\"{}\"", "x".repeat(size)))).await.status;
    let (mut fits, mut exceeds) = (200 * 1024, 256 * 1024);
    assert_eq!((status(fits).await, status(exceeds).await), (200, 413));
    while exceeds - fits > 1 {
        let middle = fits.midpoint(exceeds);
        match status(middle).await {
            200 => fits = middle,
            413 => exceeds = middle,
            other => panic!("{middle} bytes: {other}"),
        }
    }
    let last = setup.events().await.into_iter().map(|event| event["detail"].to_string().len()).max().unwrap();
    assert!(last > 250 * 1024, "{last}");
}

#[tokio::test]
async fn the_content_type_must_be_the_declared_one() {
    let setup = Setup::new().await;
    let new = json!({"platform": "github", "credentials": {"secret": SECRET}, "contentType": "application/json"});
    let id = setup.channel(new).await;
    let check = async |content_type: &str, status: u16| {
        let answer = setup.send(github(&id, SECRET, BODY).header("content-type", content_type)).await;
        assert_eq!(answer.status, status, "{content_type}: {}", answer.body);
    };
    check("application/json", 200).await;
    check("Application/JSON; charset=utf-8", 200).await;
    check("text/plain", 415).await;
    check("multipart/form-data", 415).await;
    check("", 415).await;
    // One of GitHub's own two, and so a form that is none.
    check("application/x-www-form-urlencoded", 415).await;
    let mut without = github(&id, SECRET, BODY);
    without.payload["headers"].as_object_mut().unwrap().remove("content-type");
    let answer = setup.send(without).await;
    assert_eq!(answer.status, 415);
    assert!(answer.body["message"].as_str().unwrap().contains("application/json"));

    let any = setup.github_channel().await;
    let answer = setup.send(github(&any, SECRET, BODY).header("content-type", "text/plain")).await;
    assert_eq!(answer.status, 415);
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains("application/json or application/x-www-form-urlencoded"), "{message}");
}

#[tokio::test]
async fn a_form_of_github_holds_its_payload() {
    let setup = Setup::new().await;
    let form = "application/x-www-form-urlencoded";
    let id = setup.github_channel().await;
    let body = "payload=%7B%22zen%22%3A+%22%C3%BC%22%7D";
    assert_eq!(setup.send(github(&id, SECRET, body).header("content-type", form)).await.status, 200);
    assert_eq!(setup.events().await[0]["detail"]["content"]["payload"], json!({"zen": "\u{fc}"}));
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    let new = json!({"platform": "github", "credentials": {"secret": SECRET}, "contentType": form});
    let id = setup.channel(new).await;
    assert_eq!(setup.send(github(&id, SECRET, body).header("content-type", form)).await.status, 200);
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 415);
}

#[tokio::test]
async fn the_signature_is_checked_over_the_bytes_that_were_sent() {
    let setup = Setup::new().await;
    let recipe = json!({"header": "x-hub-signature-256", "prefix": "sha256="});
    let new = json!({
        "platform": "hmac", "credentials": {"secret": SECRET}, "recipe": recipe, "contentType": "text/plain",
    });
    let id = setup.channel(new).await;
    let send = async |body: &[u8]| setup.send(signed_bytes(&id, body).header("content-type", "text/plain")).await;
    assert_eq!(send("\u{e9}\r\n {\"a\":1}".as_bytes()).await.status, 200);
    let refused = send(b"\xff\x00").await;
    assert_eq!(refused.status, 400, "believed, and only then found unreadable");
    assert_eq!(setup.events().await[0]["detail"]["content"]["payload"], "\u{e9}\r\n {\"a\":1}");
}

#[tokio::test]
async fn a_stage_a_local_prefix_and_a_slash_lead_to_the_same_channel() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let send = async |path: String, stage: &str| {
        let mut request = github(&id, SECRET, BODY);
        request.payload["rawPath"] = path.clone().into();
        request.payload["requestContext"]["http"]["path"] = path.into();
        request.payload["requestContext"]["stage"] = stage.into();
        setup.send(request).await.status
    };
    assert_eq!(send(format!("/prod/webhooks/{id}"), "prod").await, 200);
    assert_eq!(send(format!("/localhost/webhooks/{id}/"), "$default").await, 200);
    assert_eq!(send(format!("/webhooks/{}", id.to_uppercase()), "$default").await, 200);
    assert_eq!(send(format!("/prod/webhooks/{id}"), "$default").await, 404);
}

#[tokio::test]
async fn repeated_headers_arrive_in_one_and_still_verify() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let right = signature(SECRET, BODY.as_bytes());
    let wrong = signature("wrong", BODY.as_bytes());
    let request = webhook(&id, BODY).header("x-hub-signature-256", &format!("{wrong},{right}")).header("x-note", "a,b");
    assert_eq!(setup.send(request).await.status, 200);
    assert_eq!(setup.events().await[0]["detail"]["content"]["headers"]["x-note"], Value::from("a,b"));
}

#[tokio::test]
async fn one_large_part_keeps_nothing_else_back() {
    let setup = Setup::new().await;
    let id = setup.channel(json!({"platform": "whatsapp", "unsigned": true})).await;
    let large = json!({"field": "history", "value": "x".repeat(300 * 1024)});
    let body = whatsapp::webhook(&[large, whatsapp::messages(&[whatsapp::text("m1", "hello")])]).to_string();
    let answer = setup.send(webhook(&id, &body)).await;
    let expected = (200, &json!(1), &json!(1));
    assert_eq!((answer.status, &answer.body["messages"], &answer.body["failed"]), expected, "{}", answer.body);
    assert_eq!(setup.facts("message.received").await.len(), 1);
    assert_eq!(setup.facts("message.rejected").await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_short() {
    let setup = Setup::new().await;
    let id = setup.channel(json!({"platform": "telegram", "unsigned": true})).await;
    let message = json!({"message_id": "x".repeat(300 * 1024), "date": 1, "chat": {"id": 1}});
    let answer = setup.send(webhook(&id, &json!({"update_id": 1, "message": message}).to_string())).await;
    assert_eq!((answer.status, &answer.body["failed"]), (200, &json!(1)), "{}", answer.body);
    let rejected = setup.facts("message.rejected").await;
    let reason = rejected[0]["content"]["reason"].as_str().unwrap();
    assert!(reason.contains("`message`") && reason.len() <= 300, "{reason}");
}

#[tokio::test]
async fn a_batch_may_be_as_large_as_a_platform_makes_it() {
    let setup = Setup::new().await;
    let id = setup.channel(json!({"platform": "whatsapp", "unsigned": true})).await;
    let batch = |count: usize| {
        let message = |number| whatsapp::text(&format!("m{number}"), &"x".repeat(100_000));
        let messages: Vec<Value> = (0..count).map(message).collect();
        whatsapp::webhook(&[whatsapp::messages(&messages)]).to_string()
    };
    let taken = setup.send(webhook(&id, &batch(31))).await;
    assert_eq!((taken.status, &taken.body["messages"]), (200, &json!(31)), "{}", taken.body);
    let refused = setup.send(webhook(&id, &batch(32))).await;
    assert_eq!((refused.status, &refused.body["code"]), (413, &json!(22)));
    assert_eq!(setup.facts("message.received").await.len(), 31);
}
