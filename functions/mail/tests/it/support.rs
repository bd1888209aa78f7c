//! A world with the mail function.

use emulator::Mail;
use harness::{Answer, Builder, Request, World};
use serde_json::{Value, json};

pub(crate) const FUNCTION: &str = "MailFunction";
pub(crate) const SENDER: &str = "no-reply@example.com";

pub(crate) fn builder() -> Builder {
    World::builder().function(FUNCTION, mail::function).parameter("MailFrom", SENDER)
}

pub(crate) async fn open() -> World {
    builder().open().await
}

/// A mail to one address, with other fields in place of its own.
pub(crate) fn mail(others: &Value) -> Value {
    let mut mail = json!({"subject": "s", "body": "<p>b</p>", "recipients": {"to": ["a@example.com"]}});
    mail.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    mail
}

/// Posts a mail with an idempotency key.
pub(crate) async fn post_with_key(world: &World, key: &str, mail: Value) -> Answer {
    let token = world.token("default", &["SEND_MAILS"]).await;
    world.send(Request::new("POST", "/mail/v1/").bearer(&token).header("idempotency-key", key).json(mail)).await
}

pub(crate) async fn outbox(world: &World) -> Vec<Mail> {
    world.emulator.outbox(1000).await
}

/// The mail that was sent last, with its headers.
pub(crate) async fn newest_raw(world: &World) -> Vec<u8> {
    let newest = outbox(world).await.remove(0);
    world.emulator.mail(&newest.message_id).await.unwrap()
}

/// The only mail of the list.
pub(crate) async fn only(world: &World) -> Value {
    let list = world.get("/mail/v1/").await;
    assert_eq!(list.body["page"]["total"], 1, "{list:?}");
    list.body["data"][0].clone()
}
