//! The message log: what comes in, what goes out, and how far it has come.

use harness::platform::whatsapp;
use serde_json::{Value, json};

use crate::chat::Chat;
use crate::setup::NOW;

#[tokio::test]
async fn an_id_of_any_length_finds_its_place_in_the_log() {
    let chat = Chat::new().await;
    chat.tell(whatsapp::statuses(&[whatsapp::status(&"x".repeat(512), "read")])).await;
    assert!(chat.setup.emulator.dead_letters().is_empty());
    chat.tell(whatsapp::statuses(&[whatsapp::status(&"x".repeat(513), "read")])).await;
    assert_eq!(chat.setup.facts("message.rejected").await.len(), 1);
}

#[tokio::test]
async fn what_the_platform_tells_finds_the_message_in_any_order() {
    let chat = Chat::new().await;
    // The platform may tell before we have read its answer.
    chat.tell(whatsapp::statuses(&[whatsapp::status(&whatsapp::wamid(0), "read")])).await;
    chat.send("hello").await;
    chat.tell(whatsapp::statuses(&[whatsapp::status(&whatsapp::wamid(0), "delivered")])).await;
    chat.tell(whatsapp::statuses(&[whatsapp::status(&whatsapp::wamid(0), "delivered")])).await;
    let logged = &chat.log().await[0];
    let steps: Vec<&Value> = logged["history"].as_array().unwrap().iter().map(|change| &change["status"]).collect();
    assert_eq!(logged["status"], "read");
    assert_eq!(steps.len(), 4, "{steps:?}");
    for step in ["sending", "sent", "delivered", "read"] {
        assert!(steps.contains(&&json!(step)), "{steps:?}");
    }

    chat.send("goodbye").await;
    chat.tell(whatsapp::statuses(&[whatsapp::failed(&whatsapp::wamid(1))])).await;
    let logged = &chat.log().await;
    let goodbye = logged.iter().find(|logged| logged["messageId"] == whatsapp::wamid(1)).unwrap();
    assert_eq!(goodbye["status"], "failed");
    let failed = goodbye["history"].as_array().unwrap().iter().find(|change| change["status"] == "failed").unwrap();
    assert!(failed["error"].as_str().unwrap().contains("131049"), "{goodbye}");
}

#[tokio::test]
async fn the_log_shows_the_newest_first_page_by_page() {
    let chat = Chat::new().await;
    for number in 0..5 {
        chat.setup.clock.advance(jiff::SignedDuration::from_millis(322 * number));
        chat.tell(whatsapp::messages(&[whatsapp::text(&format!("m{number}"), "hello")])).await;
    }
    let page = async |query: &str| {
        let path = format!("/messages?channelId={}&{query}", chat.id);
        let answer = chat.setup.api("GET", &path, Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let ids = answer.body["data"].as_array().unwrap().iter().map(|logged| logged["messageId"].clone());
        (ids.collect::<Vec<_>>(), answer.body["next"].as_str().map(str::to_owned))
    };
    let (first, next) = page("limit=2").await;
    let (second, last) = page(&format!("limit=2&before={}", next.unwrap())).await;
    let (third, none) = page(&format!("limit=2&before={}", last.unwrap())).await;
    assert_eq!((first, second), (vec![json!("m4"), json!("m3")], vec![json!("m2"), json!("m1")]));
    assert_eq!((third, none), (vec![json!("m0")], None));
    let logged = &chat.log().await[0];
    assert_eq!((&logged["direction"], &logged["status"]), (&json!("inbound"), &json!("received")));
    assert_eq!((&logged["eventId"], &logged["message"]["content"]["text"]), (&logged["id"], &json!("hello")));

    let listed = async |query: &str| {
        let path = format!("/messages?eq(channelId,{})&{query}", chat.id);
        let answer = chat.setup.api("GET", &path, Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let ids: Vec<Value> =
            answer.body["data"].as_array().unwrap().iter().map(|logged| logged["messageId"].clone()).collect();
        (answer.body["page"]["total"].as_u64(), ids)
    };
    assert_eq!(listed("limit(2,1)").await, (Some(5), vec![json!("m3"), json!("m2")]));
    assert_eq!(listed("sort(loggedAt)&limit(1)").await, (Some(5), vec![json!("m0")]));
    assert_eq!(listed("like(message.content.text,hell)&eq(messageId,m2)").await, (Some(1), vec![json!("m2")]));
    let newest = chat.log().await[0]["loggedAt"].as_str().unwrap().to_owned();
    assert_eq!(listed(&format!("lt(loggedAt,{newest})&eq(status,received)")).await.0, Some(4));
    assert_eq!(listed(&format!("ge(loggedAt,{newest})")).await, (Some(1), vec![json!("m4")]));
    let all = chat.setup.api("GET", "/messages?eq(status,received)", Value::Null).await;
    assert_eq!((all.status, &all.body["code"]), (400, &json!(19)), "{}", all.body);
    let none = "/messages?eq(channelId,00000000-0000-4000-8000-000000000000)";
    assert_eq!(chat.setup.api("GET", none, Value::Null).await.body["page"]["total"], 0);

    for query in ["", "channelId=x", "channelId=&limit=0", "limit=2"] {
        assert_eq!(chat.setup.api("GET", &format!("/messages?{query}"), Value::Null).await.status, 400, "{query}");
    }
    for before in
        ["", "x", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z~", "~m", &format!("{NOW}~{}", "x".repeat(200))]
    {
        let path = format!("/messages?channelId={}&before={before}", chat.id);
        assert_eq!(chat.setup.api("GET", &path, Value::Null).await.status, 400, "{before}");
    }
    for (query, part) in [
        (format!("chanelId={}", chat.id), "unknown field `chanelId`: did you mean `channelId`?"),
        (format!("channelId={}&limt=5", chat.id), "unknown field `limt`: did you mean `limit`?"),
        (format!("channelId={}&limit=5&limit=6", chat.id), "`limit` must occur once"),
    ] {
        let refused = chat.setup.api("GET", &format!("/messages?{query}"), Value::Null).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.body["message"].as_str().unwrap().contains(part), "{query}: {}", refused.body);
    }
    for limit in ["0", "101", "x"] {
        let path = format!("/messages?channelId={}&limit={limit}", chat.id);
        assert_eq!(chat.setup.api("GET", &path, Value::Null).await.status, 400, "{limit}");
    }
}

#[tokio::test]
async fn a_message_that_is_told_again_is_logged_once() {
    let chat = Chat::new().await;
    chat.setup.emulator.deliver_twice(true);
    for _ in 0..2 {
        chat.tell(whatsapp::messages(&[whatsapp::text("m1", "hello")])).await;
    }
    assert_eq!(chat.log().await.len(), 1);
}
