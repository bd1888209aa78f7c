use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::server::{Answer, Server};
use mail_parser::{MessageParser, MimeHeaders as _};
use serde_json::{Value, json};

use crate::support::{builder, mail, newest_raw, open, outbox};

/// Name, type and content of each file of the newest mail.
async fn files(world: &harness::World) -> Vec<(String, String, Vec<u8>)> {
    let raw = newest_raw(world).await;
    let parsed = MessageParser::default().parse(&raw).unwrap();
    let read = |part: &mail_parser::MessagePart<'_>| {
        let kind = part.content_type().unwrap();
        let kind = format!("{}/{}", kind.ctype(), kind.subtype().unwrap());
        (part.attachment_name().unwrap().to_owned(), kind, part.contents().to_vec())
    };
    parsed.attachments().map(read).collect()
}

#[tokio::test]
async fn files_come_with_the_request_or_from_elsewhere() {
    let world = open().await;
    let server = Server::start(|_| Answer::ok(json!({"total": 1}))).await;
    let binary: Vec<u8> = (0..=255).collect();
    let attachments = json!([
        {"name": "Rechnung März.pdf", "content": STANDARD.encode(&binary), "type": "application/pdf"},
        {"name": "a.bin", "content": "aGk="},
        {"url": format!("{}/files/total.json?x=1", server.url())},
    ]);
    let sent = world.post("/mail/v1/", mail(&json!({"attachments": attachments}))).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(sent.body["attachments"], json!(["Rechnung März.pdf", "a.bin", "total.json"]));
    let expected = [
        ("Rechnung März.pdf", "application/pdf", binary.as_slice()),
        ("a.bin", "application/octet-stream", b"hi"),
        ("total.json", "application/json", br#"{"total":1}"#),
    ];
    let expected = expected.map(|(name, kind, content)| (name.to_owned(), kind.to_owned(), content.to_vec()));
    assert_eq!(files(&world).await, expected);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_fetched_stops_the_mail() {
    let world = builder().parameter("AllowedCidrs", "").open().await;
    let check = async |url: &str, status: u16, told: &str| {
        let answer = world.post("/mail/v1/", mail(&json!({"attachments": [{"url": url}]}))).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.status == status && message.contains(told), "{url}: {answer:?}");
    };
    for private in [
        "http://127.0.0.1:1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x",
        "http://10.0.0.1/x",
        "http://localhost/x",
        "http://0x7f000001/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[64:ff9b::7f00:1]/x",
    ] {
        check(private, 400, "`attachments[0].url`").await;
    }
    for wrong in ["file:///etc/passwd", "ftp://example.com/x", "x", "", "http://me:secret@example.com/x"] {
        check(wrong, 400, "`attachments[0].url`").await;
    }
    assert_eq!(outbox(&world).await, []);

    let world = open().await;
    let server = Server::start(|_| Answer::ok(json!(1))).await;
    let send = async || {
        let url = format!("{}/secret-path", server.url());
        world.post("/mail/v1/", mail(&json!({"attachments": [{"url": url}]}))).await
    };
    server.answer_next(Answer::status(404, json!("no")));
    let answer = send().await;
    assert_eq!((answer.status, &answer.body["message"]), (400, &json!("`attachments[0].url` answered 404")));
    server.answer_next(Answer::status(503, json!("no")));
    assert_eq!(send().await.status, 503);
    assert_eq!(outbox(&world).await, []);
    assert_eq!(world.items("MAILS_TABLE").await, Vec::<Value>::new());
}

#[tokio::test]
async fn files_and_text_share_the_limit() {
    let world = open().await;
    let server = Server::start(|_| Answer::ok(json!("x".repeat(6 * 1024 * 1024)))).await;
    let fetched = json!({"url": format!("{}/big", server.url())});
    let answer = world.post("/mail/v1/", mail(&json!({"attachments": [fetched]}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = world.post("/mail/v1/", mail(&json!({"attachments": [fetched, fetched]}))).await;
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!(22)), "{answer:?}");
    let content = STANDARD.encode(vec![0; 5 * 1024 * 1024]);
    let answer =
        world.post("/mail/v1/", mail(&json!({"attachments": [fetched, {"name": "a", "content": content}]}))).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(outbox(&world).await.len(), 1);
}
