//! Webhooks in, events out.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use harness::platform::whatsapp;
use serde_json::{Value, json};

use crate::setup::{BODY, Request, SECRET, Setup, github, log, signature, webhook};

#[tokio::test]
async fn a_signed_webhook_becomes_one_event() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let request = github(&id, SECRET, BODY)
        .header("x-github-event", "ping")
        .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
        .header("authorization", "Bearer hush");
    let mut request = request;
    request.payload["cookies"] = json!(["session=hush", "other=hush"]);
    let answer = setup.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let event_id = answer.body["events"][0].as_str().unwrap();
    assert_eq!(answer.body, json!({"success": true, "messages": 1, "failed": 0, "events": [event_id]}));
    assert_eq!(&event_id[14..15], "5", "a UUID of version 5");

    let events = setup.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["source"], &events[0]["detail-type"]), (&json!("hookyard.webhook"), &json!("github.ping")));
    let expected = json!({
        "id": event_id, "type": "github.ping", "tenantId": "mine", "time": "2026-01-02T03:04:05.678Z",
        "dedupWindowSeconds": 86400,
        "trace": {"correlationId": event_id, "depth": 0},
        "content": {
            "platform": "github",
            "channelId": id,
            "payload": {"zen": "Keep it logically awesome.", "hook_id": 1},
            "headers": {
                "accept": "*/*",
                "content-type": "application/json",
                "host": "abc123.execute-api.eu-central-1.amazonaws.com",
                "user-agent": "GitHub-Hookshot/044aadd",
                "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
                "x-forwarded-for": "192.0.2.1",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
                "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
                "x-github-event": "ping",
            },
        },
    });
    assert_eq!(events[0]["detail"], expected);
}

#[tokio::test]
async fn the_same_delivery_is_the_same_event_and_another_is_not() {
    let setup = Setup::new().await;
    let (one, two) = (setup.github_channel().await, setup.github_channel().await);
    let event = async |channel: &str, delivery: &str, body: &str| {
        let request = github(channel, SECRET, body).header("x-github-delivery", delivery);
        setup.send(request).await.body["events"][0].clone()
    };
    let first = event(&one, "d1", BODY).await;
    assert_eq!(event(&one, "d1", BODY).await, first);
    assert_ne!(event(&one, "d2", BODY).await, first);
    assert_ne!(event(&two, "d1", BODY).await, first);
    let unnamed = event(&one, "", BODY).await;
    assert_eq!(event(&one, "", BODY).await, unnamed);
    assert_ne!(event(&one, "", "{}").await, unnamed);
}

#[tokio::test]
async fn what_is_not_signed_is_refused() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let right = signature(SECRET, BODY.as_bytes());
    let check = async |request: Request, part: &str| {
        let answer = setup.send(request).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(106)), "{}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{}", answer.body);
    };
    check(webhook(&id, BODY), "x-hub-signature-256").await;
    check(webhook(&id, BODY).header("x-hub-signature-256", ""), "match").await;
    check(webhook(&id, BODY).header("x-hub-signature-256", "sha256="), "match").await;
    check(webhook(&id, BODY).header("x-hub-signature-256", &right[7..]), "match").await;
    check(webhook(&id, &BODY.replace('1', "2")).header("x-hub-signature-256", &right), "match").await;
    check(github(&id, "other", BODY), "match").await;
    // The body is not read before it is believed: neither its type nor its text matters.
    check(webhook(&id, "{").header("content-type", "text/plain"), "x-hub-signature-256").await;
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_recipe_is_followed() {
    let setup = Setup::new().await;
    let recipe = json!({
        "header": "X-Shop-Proof", "prefix": "v0=", "signedString": "v0:{timestamp}:{id}:{body}",
        "timestampHeader": "X-Shop-Time", "idHeader": "X-Shop-Id", "toleranceSeconds": 10, "secretEncoding": "hex",
    });
    let new = json!({"platform": "hmac", "credentials": {"secret": hex::encode("key")}, "recipe": recipe});
    let id = setup.channel(new).await;
    let send = async |time_s: i64, delivery: &str| {
        let proof = signature("key", format!("v0:{time_s}:{delivery}:{BODY}").as_bytes()).replace("sha256=", "v0=");
        let request = webhook(&id, BODY).header("x-shop-time", &time_s.to_string()).header("x-shop-id", delivery);
        setup.send(request.header("x-shop-proof", &proof)).await
    };
    let now_s = 1_767_323_045;
    let accepted = send(now_s, "d1").await;
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    assert_eq!(send(now_s + 10, "d1").await.body, accepted.body);
    assert_ne!(send(now_s - 10, "d2").await.body, accepted.body);
    for stale_s in [now_s - 11, now_s + 11] {
        let refused = send(stale_s, "d3").await;
        assert_eq!(refused.status, 401);
        assert!(refused.body["message"].as_str().unwrap().contains("10 seconds"), "{}", refused.body);
    }
    let events = setup.events().await;
    assert_eq!(events[0]["detail"]["content"]["headers"].get("x-shop-proof"), None);
    assert_eq!(events[0]["detail"]["content"]["headers"]["x-shop-id"], "d1");
}

#[tokio::test]
async fn a_standard_webhook_is_taken_at_its_time() {
    let setup = Setup::new().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let id = setup.channel(json!({"platform": "standard-webhooks", "credentials": {"secret": secret}})).await;
    let request = || {
        webhook(&id, r#"{"test": 2432232314}"#)
            .header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
            .header("webhook-timestamp", "1614265330")
            .header("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    };
    assert_eq!(setup.send(request()).await.status, 401);
    setup.clock.set(jiff::Timestamp::from_second(1_614_265_330).unwrap());
    assert_eq!(setup.send(request()).await.status, 200);
}

#[tokio::test]
async fn an_unknown_channel_is_not_found() {
    let setup = Setup::new().await;
    for id in ["6f0a4b5e-2c1d-4f7a-9b3e-68f00a7c4d21", "x", "%ff", "6F0A4B5E2C1D4F7A9B3E68F00A7C4D21"] {
        let answer = setup.send(webhook(id, "{}")).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!(16)), "{id}");
    }
    let question = "hub.mode=subscribe&hub.verify_token=t&hub.challenge=c";
    let path = format!("/webhooks/6f0a4b5e-2c1d-4f7a-9b3e-68f00a7c4d21?{question}");
    assert_eq!(setup.send(Request::new("GET", &path)).await.status, 404);
}

#[tokio::test]
async fn a_webhook_without_a_kind_is_a_received_webhook() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    let strange = github(&id, SECRET, "{}").header("x-github-event", "two words");
    assert_eq!(setup.send(strange).await.status, 200);
    assert_eq!(setup.facts("webhook.received").await.len(), 2);
}

#[tokio::test]
async fn the_window_of_the_channel_travels_with_the_event() {
    let setup = Setup::new().await;
    let secret = json!({"secret": SECRET});
    let new = json!({"platform": "github", "credentials": secret, "dedupWindowSeconds": 60});
    let id = setup.channel(new).await;
    assert_eq!(setup.send(github(&id, SECRET, BODY)).await.status, 200);
    assert_eq!(setup.events().await[0]["detail"]["dedupWindowSeconds"], 60);
}

#[tokio::test]
async fn without_a_window_each_delivery_is_an_event_of_its_own() {
    let setup = Setup::new().await;
    let check = async |channel: Value, body: &str, kind: &str| {
        let before = setup.facts(kind).await.len();
        let id = setup.api("POST", "/channels", channel).await.body["channelId"].as_str().unwrap().to_owned();
        // The clock of these tests stands still, so that all of them arrive in the same millisecond.
        let request = || github(&id, SECRET, body).header("x-github-delivery", "d1");
        let answers = join_all((0..20).map(|_| setup.send(request()))).await;
        let answered: BTreeSet<String> = answers
            .iter()
            .flat_map(|answer| answer.body["events"].as_array().unwrap())
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        let facts = setup.facts(kind).await.split_off(before);
        let published: BTreeSet<String> = facts.iter().map(|fact| fact["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!((facts.len(), published.len()), (20, 20), "{body}");
        if kind != "message.rejected" {
            assert_eq!(answered, published, "{body}");
        }
        if kind == "message.received" {
            let log = setup.api("GET", &format!("/messages?channelId={id}"), Value::Null).await.body;
            assert_eq!(log["data"].as_array().unwrap().len(), 20, "{log}");
        }
    };
    let unsigned = |platform: &str| json!({"platform": platform, "unsigned": true, "dedupWindowSeconds": 0});
    check(unsigned("unsigned"), BODY, "webhook.received").await;
    check(unsigned("github"), BODY, "webhook.received").await;
    let recipe = json!({"header": "x-hub-signature-256", "prefix": "sha256=", "signedString": "{body}"});
    let mut signed = json!({"platform": "hmac", "credentials": {"secret": SECRET}, "recipe": recipe});
    signed["dedupWindowSeconds"] = json!(0);
    check(signed, BODY, "webhook.received").await;
    // A part that the platform repeats within one delivery is still one event.
    let message = || whatsapp::messages(&[whatsapp::text("m1", "hello")]);
    let twice = whatsapp::webhook(&[message(), message()]).to_string();
    check(unsigned("whatsapp"), &twice, "message.received").await;
    let unreadable = json!({"update_id": 1, "message": {"message_id": "x"}}).to_string();
    check(unsigned("telegram"), &unreadable, "message.rejected").await;
}

#[tokio::test]
async fn a_warm_webhook_costs_one_aws_request() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let calls = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let cold = setup.calls_of(github(&id, SECRET, BODY)).await;
    assert_eq!(cold, calls(&[("dynamodb.GetItem", 1), ("eventbridge.PutEvents", 1)]));
    assert_eq!(setup.calls_of(github(&id, SECRET, BODY)).await, calls(&[("eventbridge.PutEvents", 1)]));
    setup.clock.advance(jiff::SignedDuration::from_secs(5));
    assert_eq!(setup.calls_of(github(&id, SECRET, BODY)).await, cold);
}

#[tokio::test]
async fn credentials_are_in_no_answer_no_record_no_event_and_no_log() {
    let setup = Setup::new().await;
    let secret = "a secret of this test alone";
    let new = json!({"platform": "github", "credentials": {"secret": secret}});
    let created = setup.api("POST", "/channels", new).await;
    let id = created.body["channelId"].as_str().unwrap();
    let path = format!("/channels/{id}");
    let mut seen = vec![created.body.clone()];
    for body in [json!({"credentials": {"secret": format!("{secret}-2")}}), json!({"credentials": secret})] {
        seen.push(setup.api("PUT", &path, body).await.body);
    }
    for path in ["/channels", &path] {
        seen.push(setup.api("GET", path, Value::Null).await.body);
    }
    seen.push(setup.send(github(id, secret, BODY)).await.body);
    seen.push(setup.send(github(id, "wrong", BODY)).await.body);
    seen.extend(setup.events().await);
    let records = setup.records().await;
    assert!(records[0]["credentials"].is_string() && records[0]["previous"]["credentials"].is_string(), "{records:?}");
    seen.extend(records);
    let log = log();
    for line in ["channel created", "channel changed", "webhook refused"] {
        assert!(log.lines().any(|logged| logged.contains(line) && logged.contains(id)), "{line}: {log}");
    }
    let seen = format!("{}\n{log}", Value::from(seen));
    assert!(!seen.contains(secret), "{seen}");
    assert!(!seen.contains(&signature(secret, BODY.as_bytes())), "{seen}");
}

#[tokio::test]
async fn the_description_knows_every_route() {
    let setup = Setup::new().await;
    let description = serde_json::to_value(setup.function().openapi()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let methods = |path: &str| paths[path].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(methods("/webhooks/{channelId}"), ["get", "post"]);
    assert_eq!(methods("/channels"), ["get", "post"]);
    assert_eq!(methods("/channels/{channelId}"), ["delete", "get", "put"]);
    assert_eq!(methods("/channels/{channelId}/send"), ["post"]);
    assert_eq!(methods("/channels/{channelId}/health"), ["get"]);
    assert_eq!(methods("/channels/{channelId}/validate"), ["post"]);
    assert_eq!(methods("/channels/rotate"), ["post"]);
    assert_eq!(methods("/messages"), ["get"]);
    assert_eq!(methods("/platforms"), ["get"]);
    assert_eq!(description["openapi"], "3.1.0");
    let schemas = &description["components"]["schemas"];
    for schema in
        ["Channel", "NewChannel", "ChannelChange", "Recipe", "Accepted", "ErrorBody", "SendBody", "SendResult"]
    {
        assert!(schemas[schema].is_object(), "{schema}");
    }
}
