//! Steps of the type `mail`.

use harness::{Event, Request, World};
use serde_json::{Value, json};

use crate::support::{FUNCTION, builder, only, open, outbox};

const SEND: &str = "sesv2.SendEmail";

/// Creates a template that shows what it sees of the event.
async fn template(world: &World, tenant: &str) -> Value {
    let token = world.token(tenant, &["CREATE_TEMPLATES"]).await;
    let content = json!({"type": "object", "properties": {"id": {"type": "string"}}});
    let event = json!({"type": "object", "properties": {"type": {"type": "string"}, "content": content}});
    let body = json!({
        "name": "goodbye",
        "inputs": {"event": event, "greeting": {"type": "string"}},
        "outputs": {"subject": "Goodbye {{@inputs.event.content.id}}", "body": "<p>{{@inputs.greeting}}, {{@inputs.event.type}}</p>"},
    });
    let created = world.send(Request::new("POST", "/templates/v2/").bearer(&token).json(body)).await;
    assert_eq!(created.status, 200, "{created:?}");
    created.body["id"].clone()
}

fn command(step: &str) -> Event {
    let action = json!({
        "recipients": {"to": ["a@example.com"]}, "templateName": "goodbye", "content": {"greeting": "Bye & <b>"},
        "replyTo": ["help@example.com"],
    });
    Event::command("mail", step, action)
}

#[tokio::test]
async fn a_step_sends_the_mail_of_a_template_that_sees_the_event() {
    let world = open().await;
    let id = template(&world, "default").await;
    world.publish(&command("s")).await;
    let kept = outbox(&world).await.remove(0);
    assert_eq!(
        (kept.subject.as_str(), kept.html.as_deref()),
        ("Goodbye u1", Some("<p>Bye &amp; &lt;b&gt;, user_deleted</p>"))
    );
    assert_eq!(
        (kept.to.as_slice(), kept.reply_to.as_slice()),
        (&["a@example.com".to_owned()][..], &["help@example.com".to_owned()][..])
    );
    let shown = only(&world).await;
    assert_eq!((&shown["template_id"], &shown["template_name"]), (&id, &json!("goodbye")));
    assert_eq!(shown["content"]["event"]["content"], json!({"id": "u1"}));
    let answer = world.answer("s").unwrap();
    assert_eq!(
        (&answer["status"], &answer["output"]),
        (&json!("succeeded"), &json!({"id": shown["id"], "messageId": kept.message_id}))
    );
    let delivered = &world.published("mail.delivered")[0];
    assert_eq!(delivered["trace"]["correlationId"], "e1");
    assert_eq!(delivered["trace"]["depth"], 1, "the fact goes on with the chain of its event");
}

#[tokio::test]
async fn a_command_that_is_delivered_again_sends_once() {
    let world = open().await;
    template(&world, "default").await;
    world.emulator.deliver_twice(true);
    world.publish(&command("s")).await;
    let again = command("s");
    let (one, two) = tokio::join!(world.deliver(FUNCTION, &again), world.deliver(FUNCTION, &again));
    assert!(one.is_ok() && two.is_ok());
    world.another(FUNCTION).invoke(world.sealed_payload(command("s").payload())).await.unwrap();
    assert_eq!(outbox(&world).await.len(), 1);
    let answers: Vec<_> = world.answers().into_iter().map(|answer| answer["output"].clone()).collect();
    assert!(answers.len() >= 3 && answers.iter().all(|output| *output == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_process_that_dies_while_it_sends_leaves_an_unknown_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let world = builder().directory(folder.path()).open().await;
    template(&world, "default").await;
    world.emulator.crash_before(SEND, 1);
    world.publish(&command("s")).await;
    let world = world.reopen().await;
    world.advance(120).await;
    let answer = world.answer("s").unwrap();
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("OutcomeUnknown")));
    assert_eq!(outbox(&world).await, []);
    assert_eq!(only(&world).await["status"], "unknown");
    assert_eq!(world.published("mail.failed")[0]["content"]["kind"], "unknown");
}

#[tokio::test]
async fn a_busy_service_is_asked_again_until_it_takes_the_mail() {
    let world = open().await;
    template(&world, "default").await;
    world.emulator.throttle(SEND, 3);
    world.publish(&command("s")).await;
    assert_eq!((world.answer("s"), outbox(&world).await.len()), (None, 0));
    assert_eq!(world.get("/mail/v1/queued").await.body["data"][0]["status"], "queued");
    for _ in 0..3 {
        world.advance(600).await;
    }
    assert_eq!(world.answer("s").unwrap()["status"], "succeeded");
    assert_eq!(outbox(&world).await.len(), 1);
}

#[tokio::test]
async fn what_can_never_be_sent_fails_the_step_by_name() {
    let world = open().await;
    let check = async |step: &str, action: Value, name: &str| {
        world.publish(&Event::command("mail", step, action)).await;
        let answer = world.answer(step).unwrap();
        assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!(name)), "{answer}");
    };
    let to = |address: &str| json!({"to": [address]});
    check("unknown", json!({"recipients": to("a@example.com"), "templateName": "nothing"}), "TemplateUnknown").await;
    template(&world, "other").await;
    check("foreign", json!({"recipients": to("a@example.com"), "templateName": "goodbye"}), "TemplateUnknown").await;
    template(&world, "default").await;
    let hostile = "a@example.com\r\nBcc: b@example.com";
    check("hostile", json!({"recipients": to(hostile), "templateName": "goodbye"}), "BadRequest").await;
    let unfilled = json!({"recipients": to("a@example.com"), "templateName": "goodbye"});
    check("unfilled", unfilled, "TemplateFailed").await;
    check("nobody", json!({"recipients": {"to": []}, "templateName": "goodbye"}), "BadRequest").await;
    check("more", json!({"recipients": to("a@example.com"), "templateName": "goodbye", "more": 1}), "BadRequest").await;
    check("none", json!({"recipients": to("a@example.com")}), "BadRequest").await;
    assert_eq!(outbox(&world).await, []);
}

#[tokio::test]
async fn a_line_break_in_an_event_is_no_line_break_in_a_subject() {
    let world = open().await;
    template(&world, "default").await;
    let mut command = command("s");
    command.detail["content"]["event"]["content"]["id"] = json!("u1\r\nBcc: b@example.com\r\n\r\n{{@inputs.greeting}}");
    world.publish(&command).await;
    let kept = outbox(&world).await.remove(0);
    assert_eq!(kept.subject, "Goodbye u1 Bcc: b@example.com {{@inputs.greeting}}");
    assert_eq!(kept.recipients.len(), 1);
}

#[tokio::test]
async fn a_client_sends_a_template_by_its_name() {
    let world = open().await;
    let id = template(&world, "default").await;
    let body = |key: &str, value: Value| {
        let mut body = json!({
            "recipients": {"to": ["a@example.com"]}, "language": "NL", "time_zone": "Europe/Brussels",
            "content": {"greeting": "Hoi", "event": {"content": {"id": "7"}, "type": "x"}},
        });
        body[key] = value;
        body
    };
    for (key, value) in [("template_name", json!("goodbye")), ("template_id", id.clone())] {
        let sent = world.post("/mail/v1/", body(key, value)).await;
        assert_eq!(
            (sent.status, &sent.body["template_name"], &sent.body["template_id"]),
            (200, &json!("goodbye"), &id),
            "{sent:?}"
        );
        assert_eq!((&sent.body["subject"], &sent.body["language"]), (&json!("Goodbye 7"), &json!("NL")));
    }
    world.idle().await;
    assert_eq!(world.get("/mail/v1/?eq(template_name,goodbye)").await.body["page"]["total"], 2);
}
