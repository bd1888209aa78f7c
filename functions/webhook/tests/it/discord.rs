//! A Discord application: interactions and events in, messages out.

use harness::platform::discord::{self, Application};
use harness::server::{Reaction, Server};
use http::Method;
use serde_json::{Value, json};
use shared::bus::Entry;
use shared::event::command::MESSAGE;
use shared::event::{DispatcherId, Envelope, StepId, StepRequested};

use crate::setup::{Answer, FUNCTION, Request, Setup, log, webhook};

/// The time of the tests, in seconds.
const NOW_S: i64 = 1_767_323_045;
const COMMAND: &str = "786008729715212338";

async fn channel(setup: &Setup) -> String {
    let credentials = json!({"publicKey": Application::default().public_key()});
    setup.channel(json!({"platform": "discord", "credentials": credentials})).await
}

/// A channel that talks to a server of this test.
async fn talking(setup: &Setup, server: &Server) -> String {
    let credentials = json!({"publicKey": Application::default().public_key(), "botToken": discord::BOT_TOKEN,
        "applicationId": discord::APPLICATION_ID});
    setup.channel(json!({"platform": "discord", "credentials": credentials, "apiUrl": server.url()})).await
}

/// A webhook as Discord posts it.
fn signed(channel_id: &str, body: &[u8]) -> Request {
    let headers = Application::default().signed(NOW_S, body);
    let request = webhook(channel_id, "").bytes(body);
    headers.into_iter().fold(request, |request, (name, value)| request.header(name, &value))
}

async fn post(setup: &Setup, channel_id: &str, body: &Value) -> Answer {
    setup.send(signed(channel_id, body.to_string().as_bytes())).await
}

#[tokio::test]
async fn discord_accepts_the_url_and_its_probes_are_refused() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let pong = post(&setup, &id, &json!({"type": 1})).await;
    assert_eq!((pong.status, &pong.body), (200, &json!({"type": 1})));
    assert_eq!(pong.headers["content-type"], "application/json");
    let whole = json!({"id": "1", "application_id": discord::APPLICATION_ID, "type": 1, "token": "t", "version": 1});
    assert_eq!(post(&setup, &id, &whole).await.body, json!({"type": 1}));
    let events = json!({"version": 1, "application_id": discord::APPLICATION_ID, "type": 0});
    assert_eq!(post(&setup, &id, &events).await.status, 204);
    let probe = signed(&id, br#"{"type":1}"#).header("x-signature-ed25519", &"0f".repeat(64));
    assert_eq!(setup.send(probe).await.status, 401);
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_command_becomes_a_message_without_its_token() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let body = discord::command(COMMAND, "tea", "sort", "green");
    let answer = post(&setup, &id, &body).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"type": 5})));
    let event_id = answer.headers["hookyard-events"].clone();
    let facts = setup.facts("message.received").await;
    assert_eq!(facts.len(), 1);
    let mut content = facts[0]["content"].clone();
    let sealed = content["message"]["metadata"].as_object_mut().unwrap().remove("replyToken").unwrap();
    let mut payload = body;
    payload.as_object_mut().unwrap().remove("token");
    let expected = json!({
        "tenantId": "mine", "channelId": id, "platform": "discord", "timestamp": 1_767_323_045_678_u64,
        "message": {
            "id": COMMAND, "conversationId": discord::CHANNEL, "from": {"id": "53908232506183680", "name": "Mason"},
            "to": {"id": discord::APPLICATION_ID},
            "content": {"type": "COMMAND", "text": "green", "command": {"name": "tea", "options": {"sort": "green"}}},
            "timestamp": 1_607_469_484_500_u64, "platform": "discord",
            "metadata": {"interactionId": COMMAND, "guildId": "290926798626357999", "locale": "en-US"},
        },
        "payload": payload,
    });
    assert_eq!(content, expected);
    assert_eq!(facts[0]["id"], event_id);
    assert!(!sealed.is_null() && !facts[0].to_string().contains(discord::INTERACTION_TOKEN));
}

#[tokio::test]
async fn the_same_interaction_is_the_same_event() {
    let setup = Setup::new().await;
    let (id, other) = (channel(&setup).await, channel(&setup).await);
    let event = async |channel_id: &str, interaction_id: &str| {
        let body = discord::command(interaction_id, "tea", "sort", "green");
        post(&setup, channel_id, &body).await.headers["hookyard-events"].clone()
    };
    let first = event(&id, COMMAND).await;
    assert!(first.is_string());
    assert_eq!(event(&id, COMMAND).await, first);
    assert_ne!(event(&id, "786008729715212339").await, first);
    assert_ne!(event(&other, COMMAND).await, first);
}

#[tokio::test]
async fn each_kind_gets_the_answer_that_discord_waits_for() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let check = async |body: Value, status: u16, answer: Value, kind: &str| {
        let before = setup.facts(kind).await.len();
        let answered = post(&setup, &id, &body).await;
        assert_eq!((answered.status, answered.body), (status, answer), "{body}");
        let facts = setup.facts(kind).await;
        assert_eq!(facts.len(), before + 1, "{kind}");
        let told = facts[before].to_string();
        assert!(!told.contains(discord::INTERACTION_TOKEN), "{told}");
    };
    let form = json!({"custom_id": "form", "components": []});
    let choices = json!({"type": 8, "data": {"choices": []}});
    check(discord::button("1", "yes", "Yes", "5"), 200, json!({"type": 6}), "message.received").await;
    check(discord::interaction("2", 4, &json!({"name": "tea"})), 200, choices, "discord.autocomplete").await;
    check(discord::interaction("3", 5, &form), 200, json!({"type": 5}), "discord.modal_submit").await;
    let authorized = discord::event("APPLICATION_AUTHORIZED", &json!({"scopes": ["applications.commands"]}));
    check(authorized, 204, Value::String(String::new()), "discord.application_authorized").await;
    let other = post(&setup, &id, &discord::interaction("4", 9, &json!({}))).await;
    assert_eq!((other.status, &other.body["messages"]), (200, &json!(1)));
    assert_eq!(setup.facts("discord.interaction").await.len(), 1);
    let message = &setup.facts("message.received").await[0]["content"]["message"];
    assert_eq!(message["content"], json!({"type": "BUTTON", "text": "Yes", "choice": {"id": "yes", "title": "Yes"}}));
    assert_eq!(message["replyTo"], json!({"messageId": "5"}));
}

#[tokio::test]
async fn an_interaction_that_cannot_be_read_is_rejected_by_itself() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let body = discord::interaction(COMMAND, 2, &json!({"name": 5}));
    let answer = post(&setup, &id, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"success": true, "messages": 0, "failed": 1, "events": []}));
    let rejected = setup.facts("message.rejected").await;
    assert_eq!(rejected.len(), 1);
    assert!(!rejected[0].to_string().contains(discord::INTERACTION_TOKEN), "{rejected:?}");
    assert!(setup.facts("message.received").await.is_empty());
}

#[tokio::test]
async fn what_discord_did_not_send_leaves_nothing_behind() {
    let setup = Setup::new().await;
    let id = channel(&setup).await;
    let whole = discord::command(COMMAND, "tea", "sort", "green");
    let body = whole.to_string();
    let check = async |request: Request, status: u16| {
        let answer = setup.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    let right = || signed(&id, body.as_bytes());
    check(webhook(&id, &body), 401).await;
    check(right().header("x-signature-ed25519", ""), 401).await;
    check(right().header("x-signature-ed25519", &"00".repeat(64)), 401).await;
    check(right().body("").bytes(body.replace("green", "black").as_bytes()), 401).await;
    // What was signed at one time is not what is signed at another.
    check(right().header("x-signature-timestamp", &(NOW_S + 1).to_string()), 401).await;
    check(right().header("x-signature-timestamp", &format!("{NOW_S}{{")), 401).await;
    check(right().header("x-signature-timestamp", ""), 401).await;
    check(right().header("content-type", "text/plain"), 415).await;
    let wrong = async |body: &str, status: u16| check(signed(&id, body.as_bytes()), status).await;
    wrong("", 400).await;
    wrong(&body[..body.len() - 1], 400).await;
    wrong("[]", 400).await;
    wrong(&format!("[{body}]"), 400).await;
    wrong(r#"{"type": "2"}"#, 400).await;
    wrong(r#"{"type": 1e400}"#, 400).await;
    wrong(r#"{"type": 123456789012345678901234567890}"#, 400).await;
    wrong(r#"{"type": 2, "id": "1"}"#, 400).await;
    let nested = format!("{}{}", "[".repeat(101), "]".repeat(101));
    wrong(&format!(r#"{{"type": 2, "id": "1", "token": "t", "data": {nested}}}"#), 400).await;
    check(signed(&id, b"{\"type\": 2, \"id\": \"\xff\"}"), 400).await;
    wrong(&body.replace("green", &"x".repeat(3 * 1024 * 1024)), 413).await;
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn an_interaction_is_answered_in_its_place() {
    let setup = Setup::new().await;
    let server = discord::server().await;
    let id = talking(&setup, &server).await;
    assert_eq!(post(&setup, &id, &discord::command(COMMAND, "tea", "sort", "green")).await.status, 200);
    let message = setup.facts("message.received").await[0]["content"]["message"].clone();
    let body = json!({"to": message["conversationId"], "replyTo": {"messageId": message["id"]}, "content": "At once."});
    let answer = setup.api("POST", &format!("/channels/{id}/send"), body).await.body;
    assert_eq!(answer["status"], "sent", "{answer}");
    assert_eq!(answer["messageId"], discord::FIRST_MESSAGE.to_string());
    let request = &server.requests()[0];
    let path = format!("/webhooks/{}/{}/messages/@original", discord::APPLICATION_ID, discord::INTERACTION_TOKEN);
    assert_eq!((&request.method, &request.path), (&Method::PATCH, &path));
    assert_eq!((request.header("authorization"), &request.body), ("", &json!({"content": "At once."})));
    let said = format!("{answer}{}{:?}", log(), setup.events().await);
    assert!(!said.contains(discord::INTERACTION_TOKEN), "{said}");
}

#[tokio::test]
async fn the_secret_of_another_channel_s_interaction_is_of_no_use() {
    let setup = Setup::new().await;
    let server = discord::server().await;
    let (one, two) = (talking(&setup, &server).await, talking(&setup, &server).await);
    assert_eq!(post(&setup, &one, &discord::command(COMMAND, "tea", "sort", "green")).await.status, 200);
    let received = setup.facts("message.received").await.remove(0);
    let mut forged = received.clone();
    forged["content"]["message"]["metadata"]["replyToken"] = "1.AAAA".into();
    forged["content"]["channelId"] = two.as_str().into();
    for (number, event) in [received, forged].into_iter().enumerate() {
        let event: Envelope = serde_json::from_value(event).unwrap();
        let dispatcher_id = DispatcherId::new(number.to_string());
        let id = StepId { event_id: event.id.clone(), dispatcher_id, step: "answer".to_owned(), attempt: 1 };
        let action = json!({
            "channelId": two, "to": discord::CHANNEL, "content": "For you.", "replyTo": {"messageId": COMMAND},
        });
        let command = Entry::command(MESSAGE.event_type(), &StepRequested { id, action, event: &event }, 1).unwrap();
        let detail: Value = serde_json::from_str(&command.detail()).unwrap();
        let command = json!({"detail-type": "message.requested", "source": "hookyard.command", "detail": detail});
        setup.invoke(FUNCTION, command).await.unwrap();
    }
    assert_eq!(setup.facts("step.finished").await.len(), 2);
    assert!(server.requests().iter().all(|request| !request.path.contains(discord::INTERACTION_TOKEN)));
}

#[tokio::test]
async fn the_bot_writes_changes_reacts_and_deletes() {
    let setup = Setup::new().await;
    let server = discord::server().await;
    let id = talking(&setup, &server).await;
    let send = async |content: Value| {
        let body = json!({"to": discord::CHANNEL, "content": content});
        let answer = setup.api("POST", &format!("/channels/{id}/send"), body).await.body;
        assert_eq!(answer["status"], "sent", "{answer}");
        answer
    };
    let first = send(json!({"text": "Tea?", "buttons": [{"id": "yes", "title": "Yes"}]})).await;
    assert_eq!(first["messageId"], discord::FIRST_MESSAGE.to_string());
    assert_eq!(first["metadata"], json!({"channelId": discord::CHANNEL}));
    assert_eq!(setup.facts("message.sent").await[0]["content"]["messageId"], first["messageId"]);
    let pressed = discord::button("7", "yes", "Yes", first["messageId"].as_str().unwrap());
    assert_eq!(post(&setup, &id, &pressed).await.body, json!({"type": 6}));
    assert_eq!(
        setup.facts("message.received").await[0]["content"]["message"]["replyTo"]["messageId"],
        first["messageId"]
    );
    let target = json!({"messageId": first["messageId"]});
    send(json!({"type": "EDIT", "text": "Tea!", "target": target})).await;
    send(json!({"type": "REACTION", "reaction": {"emoji": "🍵"}, "target": target})).await;
    send(json!({"type": "FILE", "media": {"kind": "image", "url": "https://tea.test/leaf.png"}})).await;
    send(json!({"type": "DELETE", "target": target})).await;
    let methods: Vec<String> = server.requests().iter().map(|request| request.method.to_string()).collect();
    assert_eq!(methods, ["POST", "PATCH", "PUT", "POST", "DELETE"]);
}

#[tokio::test]
async fn what_discord_refuses_is_told_and_not_tried_again() {
    let setup = Setup::new().await;
    let server = discord::server().await;
    let id = talking(&setup, &server).await;
    let check = async |body: Value, code: &str, message: &str| {
        let before = server.requests().len();
        let answer = setup.api("POST", &format!("/channels/{id}/send"), body).await.body;
        assert_eq!((&answer["status"], &answer["attempts"]), (&json!("failed"), &json!(1)), "{answer}");
        assert_eq!(answer["error"], json!({"code": code, "message": message}));
        assert_eq!(server.requests().len(), before + 1);
    };
    check(json!({"to": "1", "content": "hi"}), "10003", "Unknown Channel").await;
    check(json!({"to": discord::HIDDEN_CHANNEL, "content": "hi"}), "50001", "Missing Access").await;
    let to = discord::CHANNEL;
    let too_long = "Invalid Form Body; content: Must be 2000 or fewer in length.";
    check(json!({"to": to, "content": "x".repeat(2001)}), "50035", too_long).await;
    let unknown = "Invalid Form Body; message_reference: Unknown message";
    check(json!({"to": to, "content": "hi", "replyTo": {"messageId": "5"}}), "50035", unknown).await;
    let gone = json!({"type": "DELETE", "target": {"messageId": "5"}});
    check(json!({"to": to, "content": gone}), "10008", "Unknown Message").await;
    assert_eq!(setup.facts("message.failed").await.len(), 5);
}

#[tokio::test]
async fn a_busy_discord_gets_the_same_message_again_and_shows_it_once() {
    let setup = Setup::new().await;
    let server = discord::server().await;
    let id = talking(&setup, &server).await;
    let send = async || {
        let body = json!({"to": discord::CHANNEL, "content": "hi"});
        setup.api("POST", &format!("/channels/{id}/send"), body).await.body
    };
    server.answer_next(discord::rate_limited(0.001));
    let answer = send().await;
    assert_eq!((&answer["status"], &answer["attempts"]), (&json!("sent"), &json!(2)), "{answer}");
    let requests = server.requests();
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!((&requests[0].body["enforce_nonce"], requests[0].body["nonce"].is_string()), (&json!(true), true));
    server.answer_next(discord::rate_limited(64.57));
    let answer = send().await;
    assert_eq!((&answer["status"], &answer["retryAfterSeconds"]), (&json!("failed"), &json!(65)), "{answer}");
}

#[tokio::test]
async fn the_bot_is_asked_for_its_health_and_its_token_stays_hidden() {
    let setup = Setup::new().await;
    let server = discord::server().await;
    let id = talking(&setup, &server).await;
    let healthy = setup.api("GET", &format!("/channels/{id}/health"), Value::Null).await.body;
    let details = json!({"id": discord::APPLICATION_ID, "username": "hookyard"});
    assert_eq!((&healthy["status"], &healthy["details"]), (&json!("healthy"), &details), "{healthy}");
    let wrong = "a.wrong-token.of_this_test";
    let credentials = json!({"publicKey": Application::default().public_key(), "botToken": wrong});
    let body = json!({"credentials": credentials});
    let invalid = setup.api("POST", &format!("/channels/{id}/validate"), body).await.body;
    assert_eq!((&invalid["valid"], &invalid["details"]["code"]), (&json!(false), &json!("401")), "{invalid}");
    server.next(Reaction::LoseAnswer);
    let body = json!({"to": discord::CHANNEL, "content": "hi"});
    let lost = setup.api("POST", &format!("/channels/{id}/send"), body).await.body;
    assert_eq!(lost["status"], "unknown", "{lost}");
    let said = format!("{healthy}{invalid}{lost}{}{:?}", log(), setup.events().await);
    assert!(!said.contains(discord::BOT_TOKEN) && !said.contains(wrong), "{said}");
}
