//! Events as SES publishes them on the default bus.
//!
//! Source: Amazon SES developer guide, "SES events schema reference" and "Examples of event data"; ids and addresses are
//! those of the test.

use harness::{Request, World};
use serde_json::{Value, json};

use crate::support::{FUNCTION, builder, mail, only};

/// An event of SES about a mail, as EventBridge hands it to a function.
fn event(kind: (&str, &str), mail: &Value, what: (&str, Value)) -> Value {
    let mut event = json!({
        "version": "0", "id": "12a18625-3fdc-4c5a-9ab8-7ac7a5e3d01e", "detail-type": kind.0, "source": "aws.ses",
        "account": "123456789012", "time": "2026-01-02T03:05:00Z", "region": "eu-central-1",
        "resources": ["arn:aws:ses:eu-central-1:123456789012:configuration-set/hookyard"],
        "detail": {
            "eventType": kind.1,
            "mail": {
                "timestamp": "2026-01-02T03:04:06.012Z", "source": "no-reply@example.com",
                "sourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/example.com",
                "sendingAccountId": "123456789012", "messageId": mail["aws_message_id"],
                "destination": ["a@example.com"], "headersTruncated": false,
                "headers": [{"name": "From", "value": "no-reply@example.com"}],
                "commonHeaders": {"from": ["no-reply@example.com"], "to": ["a@example.com"], "subject": "s"},
                "tags": {
                    "ses:operation": ["SendEmail"], "ses:configuration-set": ["hookyard"],
                    "ses:source-ip": ["192.0.2.0"], "ses:from-domain": ["example.com"],
                    "ses:caller-identity": ["hookyard-mail"], "hookyard-mail": [mail["id"]],
                },
            },
        },
    });
    event["detail"][what.0] = what.1;
    event
}

fn bounce(mail: &Value) -> Value {
    let bounce = json!({
        "feedbackId": "010701c2c4d6-2a5a1b32-0000", "bounceType": "Permanent", "bounceSubType": "General",
        "bouncedRecipients": [{
            "emailAddress": "a@example.com", "action": "failed", "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        }],
        "timestamp": "2026-01-02T03:04:59.000Z", "reportingMTA": "dsn; mta.example.com",
    });
    event(("Email Bounced", "Bounce"), mail, ("bounce", bounce))
}

fn delivery(mail: &Value) -> Value {
    let delivery = json!({
        "timestamp": "2026-01-02T03:04:58.000Z", "processingTimeMillis": 3977, "recipients": ["a@example.com"],
        "smtpResponse": "250 2.6.0 Message received", "reportingMTA": "a8-50.smtp-out.amazonses.com",
    });
    event(("Email Delivered", "Delivery"), mail, ("delivery", delivery))
}

fn complaint(mail: &Value) -> Value {
    let complaint = json!({
        "complainedRecipients": [{"emailAddress": "a@example.com"}], "timestamp": "2026-01-02T04:00:00.000Z",
        "feedbackId": "01000157c44f053b-61b59c11-000000", "userAgent": "ExampleCorp Feedback Loop (V0.01)",
        "complaintFeedbackType": "abuse", "arrivalDate": "2026-01-02T03:05:00.000Z",
    });
    event(("Email Complaint Received", "Complaint"), mail, ("complaint", complaint))
}

/// A world to whose function nothing is delivered but by the test, and a mail that was sent.
async fn sent() -> (World, Value) {
    let world = builder().by_hand().open().await;
    let mail = world.post("/mail/v1/", mail(&json!({}))).await.body;
    world.take_events();
    (world, mail)
}

#[tokio::test]
async fn a_bounce_is_recorded_and_published_once_however_often_it_is_delivered() {
    let (world, mail) = sent().await;
    for _ in 0..2 {
        world.invoke(FUNCTION, bounce(&mail)).await.unwrap();
    }
    let shown = only(&world).await;
    let bounced = json!({
        "type": "bounced", "recipients": ["a@example.com"], "timestamp": 1_767_323_099_000_u64, "bounce": "permanent",
        "reason": "smtp; 550 5.1.1 user unknown",
    });
    assert_eq!((&shown["status"], &shown["history"]), (&json!("bounced"), &json!([bounced])));
    let facts = world.published("mail.bounced");
    assert_eq!(facts[0]["id"], facts[1]["id"], "the dispatcher takes the second one for the first");
    assert_eq!(
        facts[0]["content"],
        json!({
            "mailId": mail["id"], "recipients": ["a@example.com"], "kind": "permanent",
            "reason": "smtp; 550 5.1.1 user unknown", "time": "2026-01-02T03:04:59.000Z",
        })
    );
    assert_eq!(facts[0]["tenantId"], "default");
}

#[tokio::test]
async fn events_come_in_any_order() {
    let (world, mail) = sent().await;
    for event in [complaint(&mail), bounce(&mail), delivery(&mail)] {
        world.invoke(FUNCTION, event).await.unwrap();
    }
    let shown = only(&world).await;
    assert_eq!(shown["status"], "complained");
    let kinds: Vec<_> = shown["history"].as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
    assert_eq!(kinds, ["delivered", "bounced", "complained"]);
    for kind in ["mail.delivered", "mail.bounced", "mail.complained"] {
        assert_eq!(world.published(kind).len(), 1, "{kind}");
    }
    assert_eq!(world.published("mail.complained")[0]["content"]["reason"], "abuse");
}

#[tokio::test]
async fn a_rejected_mail_has_failed() {
    let (world, mail) = sent().await;
    let event = event(("Email Rejected", "Reject"), &mail, ("reject", json!({"reason": "Bad content"})));
    world.invoke(FUNCTION, event).await.unwrap();
    assert_eq!(only(&world).await["status"], "failed");
    assert_eq!(world.published("mail.failed")[0]["content"]["reason"], "Bad content");
}

#[tokio::test]
async fn an_event_about_no_mail_of_ours_is_taken_and_forgotten() {
    let (world, mail) = sent().await;
    let mut unknown = bounce(&mail);
    unknown["detail"]["mail"]["tags"]["hookyard-mail"] = json!(["0123456789abcdef01234567"]);
    let mut other = bounce(&mail);
    other["detail"]["mail"]["messageId"] = json!("another");
    let mut untagged = bounce(&mail);
    untagged["detail"]["mail"]["tags"] = json!({});
    let opened = event(("Email Opened", "Open"), &mail, ("open", json!({"ipAddress": "192.0.2.1"})));
    for event in [unknown, other, untagged, opened] {
        world.invoke(FUNCTION, event).await.unwrap();
    }
    assert_eq!((only(&world).await["status"].clone(), world.events().len()), (json!("sent"), 0));
    let broken = json!({"detail-type": "Email Bounced", "source": "aws.ses", "detail": {}});
    assert!(world.invoke(FUNCTION, broken).await.is_err(), "it is kept as a dead letter");
    let foreign = json!({"detail-type": "x", "source": "aws.s3", "detail": {}});
    assert!(world.invoke(FUNCTION, foreign).await.is_err());
}

#[tokio::test]
async fn a_fact_that_was_not_published_is_published_by_the_next_delivery() {
    let (world, mail) = sent().await;
    world.emulator.crash_before("eventbridge.PutEvents", 1);
    assert!(world.invoke(FUNCTION, bounce(&mail)).await.is_err());
    assert_eq!((only(&world).await["status"].clone(), world.published("mail.bounced").len()), (json!("bounced"), 0));
    world.invoke(FUNCTION, bounce(&mail)).await.unwrap();
    assert_eq!(world.published("mail.bounced").len(), 1);
}

#[tokio::test]
async fn the_simulators_addresses_bounce_and_complain_over_the_bus() {
    let world = builder().open().await;
    let token = world.token("acme", &["SEND_MAILS", "VIEW_MAILS"]).await;
    let to = ["bounce@simulator.amazonses.com", "complaint@simulator.amazonses.com"];
    for address in to {
        let body = mail(&json!({"recipients": {"to": [address]}}));
        assert_eq!(world.send(Request::new("POST", "/mail/v1/").bearer(&token).json(body)).await.status, 200);
    }
    world.idle().await;
    let list = world.send(Request::new("GET", "/mail/v1/?sort(subject)").bearer(&token)).await;
    let mut statuses: Vec<_> =
        list.body["data"].as_array().unwrap().iter().map(|mail| mail["status"].to_string()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["\"bounced\"", "\"complained\""]);
    assert_eq!(world.published("mail.bounced")[0]["tenantId"], "acme");
    assert_eq!(world.published("mail.complained")[0]["content"]["recipients"], json!([to[1]]));
}
