//! Messages out: what is sent once, tried again, refused, and written down.

use counterpart::{Answer, Reaction, Server, whatsapp};
use serde_json::{Value, json};
use shared::bus::Entry;
use shared::event::{DispatcherId, Envelope, EventId, StepId, StepRequested, Trace};

use crate::setup::{Answer as Received, NOW, Request, SECRET, Setup, log, webhook};

/// A channel of WhatsApp whose platform is a server of the test.
struct Chat {
    setup: Setup,
    platform: Server,
    id: String,
}

impl Chat {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    async fn with(fields: Value) -> Self {
        let (setup, platform) = (Setup::new().await, whatsapp::server().await);
        let mut new = json!({"platform": "whatsapp", "credentials": credentials(), "apiUrl": platform.url()});
        new.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let id = setup.channel(new).await;
        Self { setup, platform, id }
    }

    async fn post(&self, body: &Value, idempotency_key: Option<&str>) -> Received {
        let token = self.setup.token(&["SEND_MESSAGES"]).await;
        let mut request = Request::new("POST", &format!("/channels/{}/send", self.id))
            .header("authorization", &format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body.to_string());
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.setup.send(request).await
    }

    async fn send(&self, text: &str) -> Value {
        let answer = self.post(&json!({"to": whatsapp::USER, "content": text}), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    async fn log(&self) -> Vec<Value> {
        self.setup.emulator.idle().await;
        let answer = self.setup.api("GET", &format!("/messages?channelId={}", self.id), Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["data"].as_array().unwrap().clone()
    }

    /// What the platform tells of a message, as a webhook.
    async fn tell(&self, change: Value) {
        let body = whatsapp::webhook(&[change]).to_string();
        let mut request = webhook(&self.id, &body);
        for (name, value) in whatsapp::signed(SECRET, body.as_bytes()) {
            request = request.header(name, &value);
        }
        let answer = self.setup.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.setup.emulator.idle().await;
    }

    /// Delivers a command as EventBridge does, and returns the answer to it.
    async fn command(&self, action: Value) -> Result<Value, String> {
        let invoked = self.setup.function.invoke(command(action)).await;
        invoked.map_err(|error| error.chain())?;
        Ok(self.setup.facts("step.finished").await.pop().unwrap()["content"].clone())
    }
}

fn credentials() -> Value {
    json!({
        "appSecret": SECRET, "verifyToken": "v", "accessToken": whatsapp::ACCESS_TOKEN,
        "phoneNumberId": whatsapp::PHONE_NUMBER_ID,
    })
}

/// A command of a run that an event of ours started.
fn command(action: Value) -> Value {
    let id = EventId::new("e1");
    let trace = Trace::start(&id);
    let (kind, tenant_id, time) = ("order.paid".to_owned(), "mine".to_owned(), NOW.parse().unwrap());
    let event = Envelope { id, kind, tenant_id, time, content: json!({}), trace, dedup_window_seconds: None };
    let dispatcher_id = DispatcherId::new("d1");
    let id = StepId { event_id: event.id.clone(), dispatcher_id, step: "tell".to_owned(), attempt: 1 };
    let entry = Entry::command("message", &StepRequested { id, action, event }).unwrap();
    let detail: Value = serde_json::from_str(entry.detail()).unwrap();
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "message.requested",
        "source": "hookyard.command", "account": "123456789012", "time": "2026-01-02T03:04:05Z",
        "region": "eu-central-1", "resources": [], "detail": detail,
    })
}

#[tokio::test]
async fn a_message_is_sent_told_and_logged() {
    let chat = Chat::new().await;
    let result = chat.send("hello").await;
    let id = result["id"].as_str().unwrap();
    let metadata = result["metadata"].clone();
    let expected = json!({
        "success": true, "id": id, "messageId": whatsapp::wamid(0), "status": "sent", "attempts": 1, "metadata": metadata,
    });
    assert_eq!(result, expected);
    let sent = chat.setup.facts("message.sent").await;
    let expected = json!({
        "tenantId": "mine", "channelId": chat.id, "platform": "whatsapp", "timestamp": 1_767_323_045_678_i64, "id": id,
        "messageId": whatsapp::wamid(0), "to": whatsapp::USER, "metadata": metadata,
    });
    assert_eq!((sent.len(), &sent[0]["content"]), (1, &expected));

    let log = chat.log().await;
    let expected = json!({
        "id": id, "channelId": chat.id, "tenantId": "mine", "platform": "whatsapp", "direction": "outbound",
        "status": "sent", "messageId": whatsapp::wamid(0), "result": result, "loggedAt": NOW,
        "expiresAt": "2026-02-01T03:04:05Z",
        "history": [
            {"status": "sending", "timestamp": 1_767_323_045_678_i64},
            {"status": "sent", "timestamp": 1_767_323_045_678_i64},
        ],
        "message": {"to": {"id": whatsapp::USER}, "content": {"type": "TEXT", "text": "hello"}},
    });
    assert_eq!(log, [expected]);
}

#[tokio::test]
async fn what_may_go_better_later_is_tried_three_times() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::unavailable());
    chat.platform.answer_next(whatsapp::rate_limited().header("retry-after", &1));
    let result = chat.send("hello").await;
    assert_eq!((&result["success"], &result["attempts"]), (&json!(true), &json!(3)));
    assert_eq!(chat.platform.requests().len(), 3);

    for _ in 0..3 {
        chat.platform.answer_next(whatsapp::unavailable());
    }
    let result = chat.send("hello").await;
    assert_eq!(
        (&result["success"], &result["status"], &result["attempts"]),
        (&json!(false), &json!("failed"), &json!(3))
    );
    assert_eq!(chat.platform.requests().len(), 6);
    let failed = chat.setup.facts("message.failed").await;
    let content = &failed[0]["content"];
    assert_eq!((failed.len(), &content["retryCount"], &content["status"]), (1, &json!(2), &json!("failed")));
    assert_eq!(content["error"], result["error"]["message"]);
    assert_eq!(content["message"]["content"]["text"], "hello");
}

#[tokio::test]
async fn a_platform_that_wants_a_long_pause_is_left_alone() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::rate_limited().header("retry-after", &3600));
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(result["retryAfterSeconds"], 3600);
}

#[tokio::test]
async fn what_the_platform_refuses_is_not_tried_again() {
    let chat = Chat::new().await;
    let body = json!({"to": whatsapp::STRANGER, "content": "hello"});
    let answer = chat.post(&body, None).await;
    assert_eq!((answer.status, &answer.body["success"], &answer.body["attempts"]), (200, &json!(false), &json!(1)));
    assert_eq!(answer.body["error"]["code"], "131026");
    assert_eq!(chat.log().await[0]["status"], "failed");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_waited_for_no_longer() {
    let chat = Chat::new().await;
    chat.platform.next(Reaction::Hang);
    let result = chat.send("hello").await;
    assert_eq!((&result["success"], &result["attempts"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown() {
    let chat = Chat::new().await;
    chat.platform.next(Reaction::LoseAnswer);
    let result = chat.send("hello").await;
    assert_eq!(
        (&result["success"], &result["status"], &result["attempts"]),
        (&json!(false), &json!("unknown"), &json!(1))
    );
    assert_eq!(chat.platform.requests().len(), 1);
    assert_eq!(chat.log().await[0]["status"], "unknown");
    assert_eq!(chat.setup.facts("message.failed").await[0]["content"]["status"], "unknown");
}

#[tokio::test]
async fn a_platform_that_breaks_down_may_have_taken_the_message() {
    let chat = Chat::new().await;
    for _ in 0..3 {
        chat.platform.answer_next(Answer::status(502, Value::Null));
    }
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("unknown"), &json!(3)));
}

#[tokio::test]
async fn a_platform_that_is_not_there_has_certainly_taken_nothing() {
    let chat = Chat::new().await;
    let nowhere = json!({"credentials": credentials(), "apiUrl": "http://127.0.0.1:9"});
    let path = format!("/channels/{}", chat.id);
    assert_eq!(chat.setup.api("PUT", &path, nowhere).await.status, 200);
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["error"]["code"]), (&json!("failed"), &json!("CONNECTION")));
    assert_eq!(result["attempts"], 3);
}

#[tokio::test]
async fn private_addresses_are_not_platforms() {
    let chat = Chat::with(json!({"apiUrl": "http://169.254.169.254/latest"})).await;
    let result = chat.send("hello").await;
    assert_eq!((&result["error"]["code"], &result["attempts"]), (&json!("ADDRESS_REFUSED"), &json!(1)));
    let health = chat.setup.api("GET", &format!("/channels/{}/health", chat.id), Value::Null).await;
    assert_eq!(health.body["status"], "unhealthy");
}

#[tokio::test]
async fn the_same_request_sends_once() {
    let chat = Chat::new().await;
    let body = json!({"to": whatsapp::USER, "content": "hello"});
    let first = chat.post(&body, Some("order-1")).await;
    let again = chat.post(&body, Some("order-1")).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(chat.platform.requests().len(), 1);
    assert_ne!(chat.post(&body, Some("order-2")).await.body["id"], first.body["id"]);
    assert_ne!(chat.post(&body, None).await.body["id"], first.body["id"]);
    assert_eq!(chat.platform.requests().len(), 3);
    let other = chat.post(&json!({"to": whatsapp::USER, "content": "goodbye"}), Some("order-1")).await;
    assert_eq!((other.status, &other.body["code"]), (400, &json!(15)), "{}", other.body);
    let long = chat.post(&body, Some(&"x".repeat(256))).await;
    assert_eq!(long.status, 400);
    let large =
        chat.post(&json!({"to": whatsapp::USER, "content": {"native": {"x": "x".repeat(128 * 1024)}}}), None).await;
    assert_eq!((large.status, &large.body["code"]), (413, &json!(22)));
}

#[tokio::test]
async fn a_sending_that_was_interrupted_is_unknown_and_never_sent_again() {
    let chat = Chat::new().await;
    let body = json!({"to": whatsapp::USER, "content": "hello"});
    chat.setup.emulator.throttle("dynamodb.TransactWriteItems", 10);
    assert_eq!(chat.post(&body, Some("order-1")).await.status, 503);
    chat.setup.emulator.throttle("dynamodb.TransactWriteItems", 0);
    assert_eq!(chat.platform.requests().len(), 1);
    assert_eq!(chat.post(&body, Some("order-1")).await.status, 409);
    assert_eq!(chat.log().await[0]["status"], "sending");
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(chat.log().await[0]["status"], "unknown", "whether or not anybody asks again");
    let answer = chat.post(&body, Some("order-1")).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("unknown")), "{}", answer.body);
    assert_eq!(chat.post(&body, Some("order-1")).await.body, answer.body);
    assert_eq!(chat.platform.requests().len(), 1);
    assert_eq!(chat.setup.facts("message.failed").await[0]["content"]["status"], "unknown");
}

#[tokio::test]
async fn a_step_sends_once_however_often_its_command_comes() {
    let chat = Chat::new().await;
    let action = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "hello"});
    let answer = chat.command(action.clone()).await.unwrap();
    assert_eq!((&answer["status"], &answer["output"]["messageId"]), (&json!("succeeded"), &json!(whatsapp::wamid(0))));
    assert_eq!((&answer["eventId"], &answer["step"]), (&json!("e1"), &json!("tell")));
    assert_eq!(chat.command(action).await.unwrap(), answer);
    assert_eq!(chat.platform.requests().len(), 1);
    let logged = &chat.log().await[0];
    assert_eq!((&logged["eventId"], &logged["id"]), (&json!("e1"), &answer["output"]["id"]));
    let sent = chat.setup.facts("message.sent").await;
    assert_eq!(sent[0]["trace"]["correlationId"], "e1");
    assert_eq!((sent.len(), &sent[0]["id"]), (2, &sent[1]["id"]));
}

#[tokio::test]
async fn a_step_that_was_interrupted_fails_with_an_unknown_outcome() {
    let chat = Chat::new().await;
    let action = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "hello"});
    chat.setup.emulator.throttle("dynamodb.TransactWriteItems", 10);
    assert!(chat.command(action.clone()).await.is_err());
    chat.setup.emulator.throttle("dynamodb.TransactWriteItems", 0);
    assert!(chat.command(action.clone()).await.unwrap_err().contains("another delivery"));
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(61));
    let answer = chat.command(action).await.unwrap();
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("OutcomeUnknown")));
    assert_eq!(chat.platform.requests().len(), 1);
}

#[tokio::test]
async fn a_step_that_cannot_be_done_fails_by_name() {
    let chat = Chat::with(json!({"rateLimits": {"send": {"count": 1, "seconds": 60}}})).await;
    let check = async |action: Value, name: &str| {
        let answer = chat.command(action.clone()).await.unwrap();
        let seen = (&answer["status"], &answer["error"]["name"]);
        assert_eq!(seen, (&json!("failed"), &json!(name)), "{action}: {answer}");
    };
    check(json!({"to": "1", "content": "x"}), "InvalidAction").await;
    check(json!({"channelId": "x", "to": "1", "content": "x"}), "InvalidAction").await;
    check(json!({"channelId": chat.id, "content": "x"}), "InvalidAction").await;
    check(json!({"channelId": chat.id, "to": "1", "content": {"type": "EDIT"}}), "InvalidAction").await;
    let nowhere = "6f0a4b5e-2c1d-4f7a-9b3e-68f00a7c4d21";
    check(json!({"channelId": nowhere, "to": "1", "content": "x"}), "UnknownChannel").await;
    let github = chat.setup.github_channel().await;
    check(json!({"channelId": github, "to": "1", "content": "x"}), "InvalidAction").await;
    assert!(chat.platform.requests().is_empty());
    chat.send("the one that is allowed").await;
    let refused = json!({"channelId": chat.id, "to": whatsapp::USER, "content": "x"});
    check(refused.clone(), "RateLimited").await;
    // What was answered stays so, also when the command comes again in a better time.
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(60));
    check(refused, "RateLimited").await;
    assert_eq!(chat.platform.requests().len(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_recognised() {
    let chat = Chat::new().await;
    for operation in ["dynamodb.PutItem", "dynamodb.TransactWriteItems"] {
        chat.setup.emulator.lose_reply(operation, 1);
        assert_eq!(chat.send("hello").await["success"], true, "{operation}");
    }
    assert_eq!(chat.platform.requests().len(), 2);
    assert_eq!(chat.setup.facts("message.sent").await.len(), 2);
}

#[tokio::test]
async fn success_that_cannot_be_read_is_unknown_and_not_tried_again() {
    let chat = Chat::new().await;
    chat.platform.answer_next(Answer::ok(json!("done")));
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("unknown"), &json!(1)), "{result}");
}

#[tokio::test]
async fn a_pause_beyond_all_time_is_a_refusal() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::rate_limited().header("retry-after", &"1e19"));
    let result = chat.send("hello").await;
    assert_eq!((&result["status"], &result["attempts"]), (&json!("failed"), &json!(1)), "{result}");
}

#[tokio::test]
async fn an_id_of_any_length_finds_its_place_in_the_log() {
    let chat = Chat::new().await;
    chat.tell(whatsapp::statuses(&[whatsapp::status(&"x".repeat(512), "read")])).await;
    assert!(chat.setup.emulator.dead_letters().is_empty());
    chat.tell(whatsapp::statuses(&[whatsapp::status(&"x".repeat(513), "read")])).await;
    assert_eq!(chat.setup.facts("message.rejected").await.len(), 1);
}

#[tokio::test]
async fn a_channel_sends_so_many_in_a_time() {
    let chat = Chat::with(json!({"rateLimits": {"send": {"count": 1, "seconds": 60}}})).await;
    chat.send("one").await;
    let body = json!({"to": whatsapp::USER, "content": "two"});
    let refused = chat.post(&body, None).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!(9)), "{}", refused.body);
    // It is five seconds past a full minute.
    assert_eq!(refused.headers["retry-after"], "55");
    chat.setup.clock.advance(jiff::SignedDuration::from_secs(55));
    assert_eq!(chat.post(&body, None).await.status, 200);
    assert_eq!(chat.platform.requests().len(), 2);
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

    for query in ["", "channelId=x", "channelId=&limit=0", "limit=2"] {
        assert_eq!(chat.setup.api("GET", &format!("/messages?{query}"), Value::Null).await.status, 400, "{query}");
    }
    for before in
        ["", "x", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z~", "~m", &format!("{NOW}~{}", "x".repeat(200))]
    {
        let path = format!("/messages?channelId={}&before={before}", chat.id);
        assert_eq!(chat.setup.api("GET", &path, Value::Null).await.status, 400, "{before}");
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

#[tokio::test]
async fn a_channel_is_as_healthy_as_its_platform_says() {
    let chat = Chat::new().await;
    let path = format!("/channels/{}/health", chat.id);
    let health = chat.setup.api("GET", &path, Value::Null).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("healthy")), "{}", health.body);
    assert!(health.body["latencyMs"].is_u64() && health.body["message"].is_string(), "{}", health.body);
    assert_eq!(health.body["details"]["verifiedName"], "Jasper's Market");
    chat.platform.answer_next(whatsapp::wrong_token());
    let health = chat.setup.api("GET", &path, Value::Null).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("unhealthy")));
    assert_eq!(health.body["details"]["code"], "190");
    let github = chat.setup.github_channel().await;
    assert_eq!(chat.setup.api("GET", &format!("/channels/{github}/health"), Value::Null).await.status, 400);
}

#[tokio::test]
async fn credentials_are_tried_before_they_are_kept() {
    let chat = Chat::new().await;
    let validate = async |body: Value| chat.setup.api("POST", &format!("/channels/{}/validate", chat.id), body).await;
    let mut other = credentials();
    assert_eq!(validate(Value::Null).await.body["valid"], true);
    assert_eq!(validate(json!({"credentials": other})).await.body["valid"], true);
    other["accessToken"] = "another".into();
    let invalid = validate(json!({"credentials": other})).await;
    assert_eq!((invalid.status, &invalid.body["valid"]), (200, &json!(false)));
    other["accessTokn"] = "x".into();
    let refused = validate(json!({"credentials": other})).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body["message"].as_str().unwrap().contains("`credentials.accessTokn`"));
    assert_eq!(validate(Value::Null).await.body["valid"], true, "the channel keeps its own");
}

#[tokio::test]
async fn credentials_can_be_tried_on_a_channel_that_has_none() {
    let chat = Chat::new().await;
    let new = json!({"platform": "whatsapp", "unsigned": true, "apiUrl": chat.platform.url()});
    let id = chat.setup.channel(new).await;
    let path = format!("/channels/{id}/validate");
    let answer = chat.setup.api("POST", &path, json!({"credentials": credentials()})).await;
    assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(true)), "{}", answer.body);
    assert_eq!(chat.setup.api("POST", &path, Value::Null).await.status, 400);
}

#[tokio::test]
async fn credentials_do_not_follow_a_channel_to_another_address() {
    let chat = Chat::new().await;
    let thief = whatsapp::server().await;
    let path = format!("/channels/{}", chat.id);
    let refused = chat.setup.api("PUT", &path, json!({"apiUrl": thief.url()})).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!(15)), "{}", refused.body);
    chat.send("hello").await;
    assert!(thief.requests().is_empty());
    let both = json!({"apiUrl": thief.url(), "credentials": credentials()});
    assert_eq!(chat.setup.api("PUT", &path, both).await.status, 200);
    chat.send("hello").await;
    assert_eq!(thief.requests().len(), 1);
}

#[tokio::test]
async fn no_token_is_in_an_answer_a_fact_a_record_or_the_log() {
    let chat = Chat::new().await;
    chat.platform.answer_next(whatsapp::wrong_token());
    chat.platform.answer_next(Answer::status(500, json!(format!("you sent {}", whatsapp::ACCESS_TOKEN))));
    let mut seen = vec![chat.send("hello").await, chat.send("hello").await];
    chat.platform.answer_next(whatsapp::wrong_token());
    seen.push(chat.setup.api("GET", &format!("/channels/{}/health", chat.id), Value::Null).await.body);
    seen.extend(chat.log().await);
    seen.extend(chat.setup.facts("message.failed").await);
    seen.extend(chat.setup.facts("message.sent").await);
    let seen = format!("{}\n{}", Value::from(seen), log());
    assert!(seen.contains("trying again"), "{seen}");
    assert!(!seen.contains(whatsapp::ACCESS_TOKEN), "{seen}");
}

#[tokio::test]
async fn platforms_tell_what_they_need() {
    let setup = Setup::new().await;
    let answer = setup.api("GET", "/platforms", Value::Null).await;
    let platforms = answer.body.as_array().unwrap();
    let whatsapp = platforms.iter().find(|platform| platform["id"] == "whatsapp").unwrap();
    assert_eq!((&whatsapp["platform"], &whatsapp["status"]), (&json!("whatsapp"), &json!("ACTIVE")));
    let capabilities = whatsapp["capabilities"].as_array().unwrap();
    for capability in ["SEND_MESSAGE", "RECEIVE_MESSAGE", "WEBHOOK_VALIDATION"] {
        assert!(capabilities.contains(&json!(capability)), "{capability}");
    }
    assert_eq!(whatsapp["credentials"][0]["name"], "appSecret");
    assert_eq!(whatsapp["credentials"][0]["needed"], "always");
    assert_eq!(setup.send(Request::new("GET", "/platforms")).await.status, 401);
}
