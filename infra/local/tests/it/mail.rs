//! Mails of a running process: the outbox, and a real SMTP server.

use std::fs;
use std::path::Path;

use harness::smtp::SmtpServer;
use harness::until;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, hookyard};

fn mail(to: &[&str]) -> Value {
    json!({"subject": "Grüße", "body": "<p>Hello.</p>", "recipients": {"to": to}})
}

async fn start(data: &Path, smtp: &SmtpServer) -> Hookyard {
    Hookyard::start_with(data, &["--smtp", &format!("smtp://127.0.0.1:{}", smtp.port())]).await
}

/// Waits until the newest mail has this status, and returns it.
async fn newest(hookyard: &Hookyard, status: &str) -> Value {
    let found = hookyard.wait_for("/mail/v1/", |list| list["data"][0]["status"] == status).await;
    found["data"][0].clone()
}

#[tokio::test]
async fn a_mail_is_in_the_outbox_also_after_the_process_was_killed() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let sent = hookyard.post("/mail/v1/", &mail(&["a@example.com"])).await;
    assert_eq!((&sent["status"], &sent["views"]), (&json!("sent"), &json!(0)), "{sent}");
    hookyard.kill().await;

    let hookyard = Hookyard::start(&data).await;
    let outbox = hookyard.get("/_local/outbox").await;
    assert_eq!(outbox.as_array().unwrap().len(), 1);
    let kept = &outbox[0];
    assert_eq!(kept["messageId"], sent["aws_message_id"]);
    assert_eq!(
        (&kept["subject"], &kept["text"], &kept["html"]),
        (&json!("Grüße"), &json!("Hello."), &json!("<p>Hello.</p>"))
    );
    assert_eq!(kept["recipients"], json!([{"address": "a@example.com", "status": "kept", "attempts": 0}]));
    let path = format!("{}/_local/outbox/{}", hookyard.url, kept["messageId"].as_str().unwrap());
    let raw = hookyard.client.get(path).bearer_auth(&hookyard.token).send().await.unwrap();
    assert_eq!(raw.headers()["content-type"], "message/rfc822");
    assert!(raw.text().await.unwrap().contains("\r\nTo: a@example.com\r\n"));
    newest(&hookyard, "delivered").await;
    let events = "/events/v1/?eq(type,mail.delivered)";
    let events = hookyard.wait_for(events, |events| events["page"]["total"] == 1).await;
    assert_eq!(events["data"][0]["content"]["recipients"], json!(["a@example.com"]), "{events}");
}

#[tokio::test]
async fn an_smtp_server_gets_the_mail_for_each_recipient() {
    let (data, smtp) = (tempdir().unwrap(), SmtpServer::start().await);
    smtp.refuse("nobody@example.com");
    let hookyard = start(data.path(), &smtp).await;
    hookyard.post("/mail/v1/", &mail(&["A <a@example.com>", "nobody@example.com"])).await;
    let bounced = newest(&hookyard, "bounced").await;
    let received = smtp.received();
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(
        (received[0].from.as_str(), received[0].to.as_slice()),
        ("hookyard@localhost", &["a@example.com".to_owned()][..])
    );
    assert!(received[0].message.contains("To: A <a@example.com>, nobody@example.com\r\n"), "{received:?}");
    let history = bounced["history"].as_array().unwrap();
    let bounce = history.iter().find(|occurrence| occurrence["type"] == "bounced").unwrap();
    assert_eq!((&bounce["recipients"], &bounce["bounce"]), (&json!(["nobody@example.com"]), &json!("permanent")));
    assert!(bounce["reason"].as_str().unwrap().contains("user unknown"), "{bounce}");
    let outbox = hookyard.get("/_local/outbox").await;
    let statuses: Vec<_> =
        outbox[0]["recipients"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, ["relayed", "failed"]);
    hookyard.wait_for("/events/v1/?eq(type,mail.bounced)", |events| events["page"]["total"] == 1).await;
}

#[tokio::test]
async fn what_an_smtp_server_cannot_take_now_is_sent_later_also_by_the_next_process() {
    let (data, smtp) = (tempdir().unwrap(), SmtpServer::start().await);
    smtp.answer_next("451 4.3.0 try again later");
    let hookyard = start(data.path(), &smtp).await;
    hookyard.post("/mail/v1/", &mail(&["a@example.com"])).await;
    let outbox = hookyard.wait_for("/_local/outbox", |outbox| outbox[0]["recipients"][0]["attempts"] == 1).await;
    let waiting = &outbox[0]["recipients"][0];
    assert_eq!(waiting["status"], "waiting");
    assert!(waiting["error"].as_str().unwrap().contains("try again later"), "{waiting}");
    hookyard.kill().await;

    let hookyard = start(data.path(), &smtp).await;
    newest(&hookyard, "delivered").await;
    assert_eq!((smtp.received().len(), smtp.attempts()), (1, 2));
}

#[tokio::test]
async fn a_password_reaches_the_server_and_nobody_else() {
    let (data, smtp) = (tempdir().unwrap(), SmtpServer::start().await);
    smtp.answer_next("451 4.3.0 not now");
    let log = data.path().join("log");
    let mut command = hookyard();
    command.env("HOOKYARD_SMTP", format!("smtp://me:s%C3%A9cret-pw@127.0.0.1:{}", smtp.port()));
    command.env("HOOKYARD_LOG", "trace").stderr(fs::File::create(&log).unwrap());
    let hookyard = Hookyard::start_by(command, data.path(), &[]).await;
    hookyard.post("/mail/v1/", &mail(&["a@example.com"])).await;
    let attempted = async || if smtp.attempts() > 0 { Ok(()) } else { Err(smtp.attempts()) };
    until("an attempt", attempted).await;
    assert_eq!(smtp.credentials()[0], ("me".to_owned(), "sécret-pw".to_owned()));
    newest(&hookyard, "delivered").await;
    hookyard.kill().await;
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("could not be relayed"), "the log has the attempt");
    // As it is, as it is written in the URL, and as it is sent.
    for secret in ["cret-pw", "AG1lAHPDqWNyZXQtcHc"] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}

#[tokio::test]
async fn an_unusable_smtp_url_is_refused_without_its_password() {
    let data = tempdir().unwrap();
    for url in ["smtp://me:secret-pw@mail.example.com", "http://me:secret-pw@mail.example.com", "me:secret-pw"] {
        let output = hookyard().args(["--data"]).arg(data.path()).args(["--smtp", url]).output().await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains("--smtp") && !told.contains("secret-pw"), "{told}");
    }
}
