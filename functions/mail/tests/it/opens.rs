use harness::{Request, World};
use mail_parser::MessageParser;
use serde_json::json;

use crate::support::{builder, mail, newest_raw, only};

/// Sends a mail whose openings are counted, and returns the path of its image.
async fn tracked(world: &World) -> String {
    let sent = world.post("/mail/v1/", mail(&json!({"track_opens": true}))).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let raw = newest_raw(world).await;
    let html = MessageParser::default().parse(&raw).unwrap().body_html(0).unwrap().into_owned();
    let (_, rest) = html.split_once("<img src=\"https://api.example.com").unwrap_or_else(|| panic!("{html}"));
    rest.split_once('"').unwrap().0.to_owned()
}

async fn open() -> World {
    builder().parameter("BaseUrl", "https://api.example.com").open().await
}

#[tokio::test]
async fn opening_a_mail_is_counted_by_an_image() {
    let world = open().await;
    let path = tracked(&world).await;
    let answer = world.send(Request::new("GET", &path).header("accept", "image/avif,image/*,*/*;q=0.8")).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (200, &json!("image/gif")));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let answer = world.send(Request::new("GET", &path).header("accept", "application/json, text/plain, */*")).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"affectedRecords": 1})));
    world.idle().await;
    let shown = only(&world).await;
    assert_eq!((&shown["views"], &shown["status"]), (&json!(2), &json!("delivered")), "{shown}");
    assert!(!shown["body"].as_str().unwrap().contains("<img"), "the image is not a part of the body");
    assert_eq!(world.get("/mail/v1/?gt(views,1)").await.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_hash_cannot_be_guessed() {
    let world = open().await;
    let path = tracked(&world).await;
    let id = only(&world).await["id"].as_str().unwrap().to_owned();
    let secret = path.strip_prefix(&format!("/mail/v1/{id}")).unwrap().strip_suffix("/open").unwrap();
    assert_eq!(secret.len(), 43, "256 bits");
    let other = format!("{}{}", if secret.starts_with('A') { "B" } else { "A" }, &secret[1..]);
    for wrong in [
        id.clone(),
        format!("{id}{other}"),
        format!("{id}{}", &secret[..42]),
        "é".repeat(20),
        "x".to_owned(),
        "y".repeat(2000),
    ] {
        let path = format!("/mail/v1/{wrong}/open");
        let answer = world.send(Request::new("GET", &path).header("accept", "application/json")).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!(16)), "{wrong}");
        let answer = world.send(Request::new("GET", &path)).await;
        assert_eq!((answer.status, &answer.headers["content-type"]), (404, &json!("image/gif")), "{wrong}");
    }
    assert_eq!(only(&world).await["views"], 0);
}

#[tokio::test]
async fn nothing_is_counted_that_was_not_asked_for() {
    let world = open().await;
    world.post("/mail/v1/", mail(&json!({}))).await;
    let raw = newest_raw(&world).await;
    let html = MessageParser::default().parse(&raw).unwrap().body_html(0).unwrap().into_owned();
    assert!(!html.contains("<img"), "{html}");
}
