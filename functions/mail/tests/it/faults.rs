use harness::{Request, World};
use serde_json::json;

use crate::support::{FUNCTION, mail, only, open, outbox, post_with_key};

const SEND: &str = "sesv2.SendEmail";

#[tokio::test]
async fn a_busy_service_is_asked_again_for_a_mail_with_a_key() {
    let world = open().await;
    world.emulator.throttle(SEND, 1);
    let busy = post_with_key(&world, "k", mail(&json!({}))).await;
    assert_eq!((busy.status, &busy.headers["retry-after"]), (503, &json!("1")), "{busy:?}");
    let queued = world.get("/mail/v1/queued").await;
    assert_eq!(queued.body["data"][0]["status"], "queued", "{queued:?}");
    assert_eq!(queued.body["data"][0]["to"], json!(["a@example.com"]));
    // Another process goes on at once: the first one has given the record back.
    let token = world.token("default", &["SEND_MAILS"]).await;
    let request =
        Request::new("POST", "/mail/v1/").bearer(&token).header("idempotency-key", "k").json(mail(&json!({})));
    let sent = request.send_to(&world.another(FUNCTION)).await;
    assert_eq!((sent.status, &sent.body["status"]), (200, &json!("sent")), "{sent:?}");
    assert_eq!(outbox(&world).await.len(), 1);
}

#[tokio::test]
async fn a_mail_without_a_key_fails_visibly_when_the_service_is_busy() {
    let world = open().await;
    world.emulator.throttle(SEND, 1);
    let busy = world.post("/mail/v1/", mail(&json!({}))).await;
    assert_eq!((busy.status, &busy.body["code"]), (503, &json!(4)), "{busy:?}");
    let shown = only(&world).await;
    assert_eq!((&shown["status"], &shown["id"]), (&json!("failed"), &busy.body["mailId"]));
    let queued = world.get("/mail/v1/queued").await;
    assert_eq!(queued.body["data"][0]["status"], "failed", "{queued:?}");
    let failed = &world.published("mail.failed")[0]["content"];
    assert_eq!((&failed["mailId"], &failed["kind"]), (&shown["id"], &json!("failed")));
    assert!(failed["reason"].as_str().unwrap().contains("TooManyRequestsException"), "{failed}");
}

#[tokio::test]
async fn what_the_service_refuses_is_told_and_recorded() {
    let world = crate::support::builder().variable("MAIL_CONFIGURATION_SET", "nothing").open().await;
    let refused = world.post("/mail/v1/", mail(&json!({}))).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!(27)), "{refused:?}");
    assert!(refused.body["message"].as_str().unwrap().contains("NotFoundException"), "{refused:?}");
    let shown = only(&world).await;
    assert_eq!((&shown["status"], &shown["error"]), (&json!("failed"), &refused.body["message"]));
    assert_eq!(world.published("mail.failed").len(), 1);
}

#[tokio::test]
async fn a_lost_reply_leaves_a_mail_that_nobody_knows_of_until_the_service_speaks() {
    let world = open().await;
    world.emulator.lose_reply(SEND, 1);
    let unknown = post_with_key(&world, "k", mail(&json!({}))).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (502, &json!(4)), "{unknown:?}");
    assert_eq!(world.emulator.aws_calls()[SEND], 1, "it is not sent again");
    assert_eq!(world.published("mail.failed")[0]["content"]["kind"], "unknown");
    let again = post_with_key(&world, "k", mail(&json!({}))).await;
    assert!([200, 502].contains(&again.status), "{again:?}");
    assert_eq!(outbox(&world).await.len(), 1);
    // The event names the mail by its tag, as nobody has the id of the service.
    world.idle().await;
    let shown = only(&world).await;
    assert_eq!(
        (&shown["status"], &shown["aws_message_id"]),
        (&json!("delivered"), &json!(outbox(&world).await[0].message_id))
    );
}

#[tokio::test]
async fn a_process_that_dies_while_it_sends_leaves_a_mail_that_nobody_knows_of() {
    let folder = tempfile::tempdir().unwrap();
    let world = crate::support::builder().directory(folder.path()).open().await;
    world.emulator.crash_before(SEND, 1);
    let token = world.token("default", &["SEND_MAILS"]).await;
    let request =
        Request::new("POST", "/mail/v1/").bearer(&token).header("idempotency-key", "k").json(mail(&json!({})));
    let crashed = world.invoke(FUNCTION, request.payload.clone()).await;
    assert!(crashed.is_err(), "{crashed:?}");
    let world = world.reopen().await;
    assert_eq!(only(&world).await["status"], "sending");
    let with =
        async |status: &str| world.get(&format!("/mail/v1/?eq(status,{status})")).await.body["page"]["total"].clone();
    assert_eq!([with("sending").await, with("queued").await, with("unknown").await], [1, 0, 0]);
    let other = world.another(FUNCTION);
    let elsewhere = request.clone().send_to(&other).await;
    assert_eq!(elsewhere.status, 409, "another process may still be sending it: {elsewhere:?}");
    world.advance(31).await;
    assert_eq!(only(&world).await["status"], "unknown");
    assert_eq!([with("sending").await, with("queued").await, with("unknown").await], [0, 0, 1]);
    let unknown = request.send_to(&other).await;
    assert_eq!(unknown.status, 502, "{unknown:?}");
    assert_eq!(outbox(&world).await, []);
    assert!(unknown.body["message"].as_str().unwrap().contains("nobody knows"), "{unknown:?}");
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_sends_nothing_twice() {
    let world: World = open().await;
    for skipped in 0..2 {
        world.emulator.pass("dynamodb.PutItem", skipped);
        world.emulator.lose_reply("dynamodb.PutItem", 1);
        let sent = world.post("/mail/v1/", mail(&json!({}))).await;
        assert_eq!(sent.status, 200, "{sent:?}");
    }
    assert_eq!(outbox(&world).await.len(), 2);
}
