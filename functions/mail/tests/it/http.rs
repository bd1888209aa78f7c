use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use harness::{Request, World};
use serde_json::{Value, json};

use crate::support::{FUNCTION, builder, mail, newest_raw, only, open, outbox, post_with_key};

#[tokio::test]
async fn a_mail_is_sent_as_a_client_library_expects_it() {
    let world = open().await;
    let sent = world
        .post(
            "/mail/v1/",
            json!({
                "subject": "Grüße", "body": "<p>Tom &amp; Jerry</p>", "from": "Shop <no-reply@example.com>",
                "recipients": {"to": ["A <a@example.com>"], "cc": ["c@example.com"], "bcc": ["b@example.com"]},
                "reply_to": ["help@example.com"],
            }),
        )
        .await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let mail = &sent.body;
    let id = mail["id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let kept = outbox(&world).await.remove(0);
    let expected = json!({
        "id": id, "creator_id": "client", "aws_message_id": kept.message_id, "subject": "Grüße",
        "recipients": {"to": ["A <a@example.com>"], "cc": ["c@example.com"], "bcc": ["b@example.com"]},
        "reply_to": ["help@example.com"], "from": "Shop <no-reply@example.com>", "body": "<p>Tom &amp; Jerry</p>",
        "views": 0, "status": "sent", "creation_timestamp": 1_767_323_045_678_u64,
        "update_timestamp": 1_767_323_045_678_u64,
    });
    assert_eq!(*mail, expected);
    assert_eq!((kept.from.as_str(), kept.text.as_deref()), ("no-reply@example.com", Some("Tom & Jerry")));
    assert_eq!(kept.to, ["a@example.com"]);
    assert_eq!(kept.bcc, ["b@example.com"]);
    let raw = String::from_utf8(newest_raw(&world).await).unwrap();
    assert!(raw.contains("From: Shop <no-reply@example.com>\r\n") && !raw.contains("b@example.com"), "{raw}");
    assert!(raw.contains("Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n"), "{raw}");
    world.idle().await;
    let shown = only(&world).await;
    assert_eq!((&shown["id"], &shown["status"]), (&mail["id"], &json!("delivered")));
    assert_eq!(world.published("mail.delivered").len(), 3, "one for each recipient");
}

#[tokio::test]
async fn bad_input_is_refused_by_the_field_and_nothing_is_sent() {
    let world = open().await;
    let check = async |body: Value, status: u16, code: u32, told: &str| {
        let answer = world.post("/mail/v1/", body.clone()).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{body} {answer:?}");
        assert!(message.contains(told), "{body} {message}");
    };
    check(json!({}), 400, 14, "recipients").await;
    check(mail(&json!({"recipients": {"to": []}})), 400, 14, "`recipients.to`").await;
    check(mail(&json!({"recipients": {"to": vec!["a@example.com"; 51]}})), 400, 15, "at most 50").await;
    check(mail(&json!({"recipients": {"to": "a@example.com"}})), 400, 15, "recipients.to").await;
    check(mail(&json!({"recipients": {"too": ["a@example.com"]}})), 400, 15, "too").await;
    for hostile in [
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com, b@example.com",
        "a",
        "a@b@example.com",
        "a@[127.0.0.1]",
        "\"\r\n\" <a@example.com>",
        "a@example.com\u{0}",
        "å@example.com",
        "<script>@example.com",
        "",
    ] {
        check(mail(&json!({"recipients": {"to": [hostile]}})), 400, 15, "`recipients.to[0]`").await;
        check(mail(&json!({"recipients": {"to": ["a@example.com"], "bcc": [hostile]}})), 400, 15, "recipients.bcc[0]")
            .await;
        check(mail(&json!({"reply_to": [hostile]})), 400, 15, "`reply_to[0]`").await;
        check(mail(&json!({"from": hostile})), 400, 15, "`from`").await;
    }
    for hostile in ["s\r\nBcc: b@example.com", "s\n", "\r", "a\u{0}"] {
        check(mail(&json!({"subject": hostile})), 400, 15, "`subject`").await;
    }
    check(mail(&json!({"from": "boss@example.com"})), 400, 15, "must have the address no-reply@example.com").await;
    check(mail(&json!({"unknown": 1})), 400, 15, "unknown").await;
    check(mail(&json!({"template_name": "welcome"})), 400, 15, "`subject` is the template's").await;
    let of_template =
        |name: &str| json!({"template_name": name, "content": {}, "recipients": {"to": ["a@example.com"]}});
    check(of_template("nothing"), 404, 16, "no template `nothing` exists").await;
    assert_eq!(outbox(&world).await, []);
    assert_eq!(world.items("MAILS_TABLE").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_mail_has_up_to_ten_megabytes_and_not_one_byte_more() {
    let world = open().await;
    let limit = 10 * 1024 * 1024;
    let body = |bytes: usize| mail(&json!({"subject": "", "body": "x".repeat(bytes)}));
    let answer = world.post("/mail/v1/", body(limit)).await;
    assert_eq!((answer.status, answer.body.get("body")), (200, None), "a body of this size is not kept");
    let answer = world.post("/mail/v1/", body(limit + 1)).await;
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!(22)), "{answer:?}");
    let answer = world.post("/mail/v1/", body(16 * 1024 * 1024)).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(outbox(&world).await.len(), 1);
}

#[tokio::test]
async fn a_request_may_be_compressed_and_a_bomb_is_refused() {
    let world = open().await;
    let token = world.token("default", &["SEND_MAILS"]).await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let send = async |body: &[u8]| {
        let request = Request::new("POST", "/mail/v1/").bearer(&token).header("content-type", "application/json");
        world.send(request.header("content-encoding", "gzip").bytes(&gzip(body))).await.status
    };
    assert_eq!(send(mail(&json!({})).to_string().as_bytes()).await, 200);
    assert_eq!(send(&vec![b' '; 16 * 1024 * 1024]).await, 413);
}

#[tokio::test]
async fn each_route_needs_its_permission() {
    let world = open().await;
    let check = async |method: &str, path: &str, permission: &str| {
        let body = if path == "/mail/v1/" { mail(&json!({})) } else { json!({}) };
        let request = Request::new(method, path).json(body);
        let token = world.token("default", &["VIEW_EVENTS"]).await;
        let answer = world.send(request.clone().bearer(&token)).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(10)), "{path}");
        let token = world.token("default", &[permission]).await;
        assert_eq!(world.send(request.bearer(&token)).await.status, 200, "{path}");
    };
    check("POST", "/mail/v1/", "SEND_MAILS").await;
    check("GET", "/mail/v1/", "VIEW_MAILS").await;
    check("GET", "/mail/v1/queued", "VIEW_MAILS").await;
    check("POST", "/mail/v1/rotate", "ROTATE_KEYS").await;
    assert_eq!(world.send(Request::new("GET", "/mail/v1/health")).await.status, 200);
}

#[tokio::test]
async fn without_a_sender_nothing_is_sent() {
    let world = builder().parameter("MailFrom", "").open().await;
    let answer = world.post("/mail/v1/", mail(&json!({}))).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!(27)), "{answer:?}");
    assert!(answer.body["message"].as_str().unwrap().contains("MailFrom"), "{answer:?}");
}

#[tokio::test]
async fn the_same_key_sends_once_and_another_mail_with_it_is_refused() {
    let world = open().await;
    let first = post_with_key(&world, "k", mail(&json!({}))).await;
    let again = post_with_key(&world, "k", mail(&json!({}))).await;
    assert_eq!((first.status, again.status, &first.body["id"]), (200, 200, &again.body["id"]));
    let other = post_with_key(&world, "k", mail(&json!({"subject": "t"}))).await;
    assert_eq!((other.status, &other.body["code"]), (400, &json!(15)), "{other:?}");
    assert_eq!(outbox(&world).await.len(), 1);
    let (one, two) =
        tokio::join!(post_with_key(&world, "l", mail(&json!({}))), post_with_key(&world, "l", mail(&json!({}))));
    assert!([one.status, two.status].contains(&200), "{one:?} {two:?}");
    assert_eq!(outbox(&world).await.len(), 2);
}

#[tokio::test]
async fn what_is_stored_of_a_mail_is_sealed_and_can_be_sealed_again() {
    let world = open().await;
    let private = ["Jane <jane@private.example>", "the subject", "the body"];
    let body = mail(&json!({"recipients": {"to": [private[0]]}, "subject": private[1], "body": private[2]}));
    assert_eq!(world.post("/mail/v1/", body).await.status, 200);
    world.idle().await;
    let stored = async || {
        let table = world.environment(FUNCTION).table("MAILS_TABLE").unwrap();
        format!("{:?}", table.get_rows(&[json!({"mailId": only(&world).await["id"]})]).await.unwrap())
    };
    let row = stored().await;
    for secret in ["private.example", private[1], private[2]] {
        assert!(!row.contains(secret), "{row}");
        assert!(!format!("{:?}", world.events_on_bus()).contains(secret));
    }
    assert_eq!(world.published("mail.delivered")[0]["content"]["recipients"], json!(["jane@private.example"]));

    let mut ring: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    ring["2"] = "another key material of sufficient length, 0123456789".into();
    ring["current"] = "2".into();
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let secret = world.environment(FUNCTION).config.required("KEY_RING_SECRET").unwrap();
    client.put_secret_value().secret_id(secret).secret_string(ring.to_string()).send().await.unwrap();
    world.restart();
    assert_eq!(world.post("/mail/v1/rotate", json!({})).await.body, json!({"resealed": 1, "more": false}));
    assert_eq!(world.post("/mail/v1/rotate", json!({})).await.body, json!({"resealed": 0, "more": false}));
    assert_ne!(stored().await, row);
    assert_eq!(only(&world).await["subject"], private[1]);
}

#[tokio::test]
async fn another_tenant_sees_nothing_of_a_mail() {
    let world = open().await;
    let sent = world.post("/mail/v1/", mail(&json!({}))).await;
    let token = world.token("other", &["*"]).await;
    for query in [String::new(), format!("?eq(id,{})", sent.body["id"].as_str().unwrap())] {
        let list = world.send(Request::new("GET", &format!("/mail/v1/{query}")).bearer(&token)).await;
        assert_eq!(
            (list.status, &list.body["page"]["total"], &list.body["data"]),
            (200, &json!(0), &json!([])),
            "{query}"
        );
    }
    let keyed = async |tenant: &str| {
        let token = World::token(&world, tenant, &["SEND_MAILS"]).await;
        let request = Request::new("POST", "/mail/v1/").bearer(&token).header("idempotency-key", "k");
        world.send(request.json(mail(&json!({})))).await.body["id"].clone()
    };
    assert_ne!(keyed("default").await, keyed("other").await);
}
