//! Mails: what SES answers, what the outbox keeps, and what is published about them.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_sesv2::error::ProvideErrorMetadata as _;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag, RawMessage};
use emulator::{Emulator, Options, RecipientStatus, Template};
use serde_json::{Value, json};

use crate::support::{Calls, TEMPLATE, fixed};

/// A configuration set that publishes on the default bus, and a rule there.
const MAIL: &str = r#"
  Mails:
    Type: AWS::SES::ConfigurationSet
    Properties: {Name: mails}
  MailEvents:
    Type: AWS::SES::ConfigurationSetEventDestination
    Properties:
      ConfigurationSetName: !Ref Mails
      EventDestination:
        Enabled: true
        MatchingEventTypes: [bounce, COMPLAINT]
        EventBridgeDestination:
          EventBusArn: !Sub arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default
  OnMailEvent:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [aws.ses], detail: {mail: {tags: {"ses:configuration-set": [!Ref Mails]}}}}
      Targets:
        - {Id: action, Arn: !GetAtt ActionFunction.Arn}
"#;

async fn open(data: Option<&Path>) -> Emulator {
    let template = Template::parse(&format!("{TEMPLATE}{MAIL}")).unwrap();
    let options = Options { data: data.map(Path::to_owned), clock: fixed(), ..Options::default() };
    Emulator::open(template, options).await.unwrap()
}

fn client(emulator: &Emulator) -> aws_sdk_sesv2::Client {
    aws_sdk_sesv2::Client::new(&emulator.sdk_config())
}

fn raw(text: &str) -> EmailContent {
    EmailContent::builder().raw(RawMessage::builder().data(Blob::new(text)).build().unwrap()).build()
}

async fn send(emulator: &Emulator, to: &str) -> String {
    let sent = client(emulator)
        .send_email()
        .destination(Destination::builder().to_addresses(to).build())
        .content(raw("From: A <a@a.test>\r\nSubject: s\r\n\r\nbody"))
        .email_tags(MessageTag::builder().name("mail").value("m1").build().unwrap())
        .configuration_set_name("mails");
    sent.send().await.unwrap().message_id.unwrap()
}

#[tokio::test]
async fn a_mail_is_in_the_outbox_and_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = open(Some(folder.path())).await;
    let text = |data: &str| Content::builder().data(data).build().unwrap();
    let body = Body::builder().text(text("plain")).html(text("<p>rich</p>")).build();
    let message = Message::builder().subject(text("Grüße")).body(body).build();
    let sent = client(&emulator)
        .send_email()
        .from_email_address("Å <a@a.test>")
        .destination(Destination::builder().to_addresses("b@b.test").bcc_addresses("c@c.test").build())
        .reply_to_addresses("r@r.test")
        .content(EmailContent::builder().simple(message).build());
    let id = sent.send().await.unwrap().message_id.unwrap();
    drop(emulator);

    let emulator = open(Some(folder.path())).await;
    let mails = emulator.outbox(10).await;
    assert_eq!(mails.len(), 1);
    let shown = serde_json::to_value(&mails[0]).unwrap();
    let expected = json!({
        "messageId": id, "acceptedAt": "2030-01-01T00:00:00Z", "from": "Å <a@a.test>", "to": ["b@b.test"], "cc": [],
        "bcc": ["c@c.test"], "replyTo": ["r@r.test"], "subject": "Grüße", "text": "plain", "html": "<p>rich</p>",
        "attachments": [],
        "recipients": [
            {"address": "b@b.test", "status": "kept", "attempts": 0},
            {"address": "c@c.test", "status": "kept", "attempts": 0},
        ],
    });
    assert_eq!(shown, expected);
    let raw = String::from_utf8(emulator.mail(&id).await.unwrap()).unwrap();
    assert!(raw.starts_with(&format!("Message-ID: <{id}@a.test>\r\n")) && !raw.contains("c@c.test"), "{raw}");
    assert_eq!(emulator.mail("nothing").await, None);
    assert_eq!(emulator.aws_calls(), BTreeMap::new());
}

#[tokio::test]
async fn a_configuration_set_publishes_what_it_names() {
    let emulator = open(None).await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    for to in ["b@b.test", "bounce+x@simulator.amazonses.com", "complaint@simulator.amazonses.com"] {
        send(&emulator, to).await;
    }
    emulator.idle().await;
    let events: Vec<Value> = calls.of("ActionFunction");
    let told = |event: &Value| (event["detail-type"].clone(), event["detail"]["mail"]["destination"][0].clone());
    assert_eq!(
        events.iter().map(told).collect::<Vec<_>>(),
        [
            (json!("Email Bounced"), json!("bounce+x@simulator.amazonses.com")),
            (json!("Email Complaint Received"), json!("complaint@simulator.amazonses.com")),
        ],
        "deliveries are not among them"
    );
    let bounce = &events[0]["detail"];
    assert_eq!(bounce["eventType"], "Bounce");
    assert_eq!(bounce["mail"]["tags"], json!({"mail": ["m1"], "ses:configuration-set": ["mails"]}));
    assert_eq!(bounce["bounce"]["bouncedRecipients"][0]["emailAddress"], "bounce+x@simulator.amazonses.com");
    assert_eq!(emulator.outbox(10).await[0].recipients[0].status, RecipientStatus::Kept);
}

#[tokio::test]
async fn what_ses_refuses_is_refused_by_name() {
    let emulator = open(None).await;
    let email = client(&emulator).send_email().destination(Destination::builder().to_addresses("b@b.test").build());
    let email = email.content(raw("From: a@a.test\r\n\r\nx"));
    let error = email.clone().configuration_set_name("nothing").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NotFoundException"), "{error:?}");
    let template = EmailContent::builder().template(aws_sdk_sesv2::types::Template::builder().build()).build();
    let error = email.clone().content(template).send().await.unwrap_err();
    assert_eq!(error.code(), Some("BadRequestException"), "{error:?}");
    emulator.throttle("sesv2.SendEmail", 10);
    let error = email.send().await.unwrap_err();
    assert_eq!(error.code(), Some("TooManyRequestsException"), "{error:?}");
    assert_eq!(emulator.outbox(10).await, []);
    assert!(emulator.aws_calls()["sesv2.SendEmail"] > 3, "the SDK retries what is throttled");
}
