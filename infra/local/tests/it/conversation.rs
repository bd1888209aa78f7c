//! Whole conversations: a platform's webhook in, a dispatcher's message out, and what the platform tells of it.

use harness::platform::{discord, slack, telegram, whatsapp};
use harness::server::Server;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, SECRET, is_over};

/// What a platform sends: headers and a body.
type Webhook = (Vec<(&'static str, String)>, String);

async fn start(data: &tempfile::TempDir) -> Hookyard {
    Hookyard::start_with(data.path(), &["--allow-cidr", "127.0.0.0/8"]).await
}

/// Creates a channel whose platform is a server of the test, and returns its id.
async fn channel(hookyard: &Hookyard, platform: &str, server: &Server, credentials: Value) -> String {
    let new = json!({"platform": platform, "credentials": credentials, "apiUrl": server.url()});
    hookyard.post("/channels", &new).await["channelId"].as_str().unwrap().to_owned()
}

/// Creates a dispatcher that answers every message of a channel with its own words.
async fn echo(hookyard: &Hookyard, channel: &str) {
    let dispatcher = json!({
        "eventType": "message.received", "name": "echo", "filter": {"content": {"channelId": [channel]}},
        "actions": [{
            "type": "message", "name": "answer", "channelId": "{{ event.content.channelId }}",
            "to": "{{ event.content.message.conversationId }}",
            "threadId": "{{ event.content.message.threadId | default(null) }}",
            "content": {"type": "TEXT", "text": "you said {{ event.content.message.content.text }}"},
        }],
    });
    hookyard.post("/dispatchers/v1/", &dispatcher).await;
}

/// Sends a webhook and returns the status and the answer.
async fn tell(hookyard: &Hookyard, channel: &str, (headers, body): Webhook) -> (u16, Value) {
    let mut request = hookyard.client.post(format!("{}/webhooks/{channel}", hookyard.url)).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// Tells something twice, and waits until it is answered once; returns what the platform got and the log.
async fn converse(hookyard: &Hookyard, server: &Server, channel: &str, said: Webhook) -> (Value, Vec<Value>) {
    let (status, first) = tell(hookyard, channel, said.clone()).await;
    assert_eq!((status, &first["messages"], &first["failed"]), (200, &json!(1), &json!(0)), "{first}");
    let (_, again) = tell(hookyard, channel, said).await;
    assert_eq!(again, first, "the same message is the same event");
    let event = first["events"][0].as_str().unwrap();
    let run = hookyard.wait_for_run(event, |run| is_over(run) && run["duplicates"] == 1).await;
    assert_eq!(run["outcome"], "succeeded", "{run:#}");
    let sent: Vec<_> =
        server.requests().into_iter().filter(|request| request.body.to_string().contains("you said")).collect();
    assert_eq!(sent.len(), 1, "the message is answered once");
    let path = format!("/messages?channelId={channel}");
    let is_complete = |log: &Value| log["data"].as_array().is_some_and(|log| log.len() == 2);
    let log = hookyard.wait_for(&path, is_complete).await;
    (sent[0].body.clone(), log["data"].as_array().unwrap().clone())
}

#[tokio::test]
async fn a_message_on_whatsapp_is_answered_and_its_delivery_is_tracked() {
    let data = tempdir().unwrap();
    let (hookyard, server) = (start(&data).await, whatsapp::server().await);
    let credentials = json!({
        "appSecret": SECRET, "verifyToken": "a token of ours", "accessToken": whatsapp::ACCESS_TOKEN,
        "phoneNumberId": whatsapp::PHONE_NUMBER_ID,
    });
    let channel = channel(&hookyard, "whatsapp", &server, credentials).await;
    let question = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=a+token+of+ours";
    let response = hookyard.client.get(format!("{}/webhooks/{channel}?{question}", hookyard.url)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (200, "1158201444"));

    echo(&hookyard, &channel).await;
    let signed = |change: Value| {
        let body = whatsapp::webhook(&[change]).to_string();
        (whatsapp::signed(SECRET, body.as_bytes()), body)
    };
    let said = signed(whatsapp::messages(&[whatsapp::text("wamid.1", "hello")]));
    let (answer, _) = converse(&hookyard, &server, &channel, said).await;
    assert_eq!((&answer["to"], &answer["text"]["body"]), (&json!(whatsapp::USER), &json!("you said hello")));

    for status in ["delivered", "read"] {
        let told = signed(whatsapp::statuses(&[whatsapp::status(&whatsapp::wamid(0), status)]));
        assert_eq!(tell(&hookyard, &channel, told).await.0, 200);
    }
    let path = format!("/messages?channelId={channel}");
    let is_read = |log: &Value| log["data"].as_array().unwrap().iter().any(|message| message["status"] == "read");
    let log = hookyard.wait_for(&path, is_read).await;
    let answer = log["data"].as_array().unwrap().iter().find(|message| message["direction"] == "outbound").unwrap();
    assert_eq!(answer["messageId"], whatsapp::wamid(0));
    let health = hookyard.get(&format!("/channels/{channel}/health")).await;
    assert_eq!(health["status"], "healthy");
}

#[tokio::test]
async fn a_message_on_slack_is_answered() {
    let data = tempdir().unwrap();
    let (hookyard, server) = (start(&data).await, slack::server("xoxb-of-the-tests").await);
    let credentials = json!({"signingSecret": SECRET, "botToken": "xoxb-of-the-tests"});
    let channel = channel(&hookyard, "slack", &server, credentials).await;
    let signed = |body: Value| {
        let body = body.to_string();
        let mut headers = slack::signed(SECRET, unix_time(), body.as_bytes());
        headers.push(("content-type", "application/json".to_owned()));
        (headers, body)
    };
    echo(&hookyard, &channel).await;
    let said = signed(slack::event("Ev1", &slack::message("hello", "1700000000.000100")));
    let (answer, log) = converse(&hookyard, &server, &channel, said).await;
    assert_eq!((&answer["channel"], &answer["text"]), (&json!(slack::CHANNEL), &json!("you said hello")));
    assert!(log.iter().any(|message| message["status"] == "sent"), "{log:?}");
}

/// Returns the time by the clock of the machine, as the process sees it.
#[expect(clippy::disallowed_methods, reason = "the process under test reads the machine's clock, and so must its peer")]
fn unix_time() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test]
async fn a_message_on_telegram_is_answered() {
    let data = tempdir().unwrap();
    let (hookyard, server) = (start(&data).await, telegram::server().await);
    let credentials = json!({"secretToken": "a-token-of-ours", "botToken": telegram::TOKEN});
    let channel = channel(&hookyard, "telegram", &server, credentials).await;
    echo(&hookyard, &channel).await;
    let update = telegram::update(1, "message", &telegram::message(5, &json!({"text": "hello"})));
    let said = (telegram::signed("a-token-of-ours"), update.to_string());
    let (answer, log) = converse(&hookyard, &server, &channel, said).await;
    assert_eq!((&answer["chat_id"], &answer["text"]), (&json!(telegram::CHAT), &json!("you said hello")));
    let sent = log.iter().find(|message| message["direction"] == "outbound").unwrap();
    assert_eq!(sent["messageId"], telegram::FIRST_MESSAGE.to_string());
}

#[tokio::test]
async fn a_command_on_discord_is_answered_in_its_own_place() {
    let data = tempdir().unwrap();
    let (hookyard, server) = (start(&data).await, discord::server().await);
    let application = discord::Application::default();
    let credentials = json!({
        "publicKey": application.public_key(), "botToken": discord::BOT_TOKEN,
        "applicationId": discord::APPLICATION_ID,
    });
    let channel = channel(&hookyard, "discord", &server, credentials).await;
    let dispatcher = json!({
        "eventType": "message.received", "name": "tea",
        "actions": [{
            "type": "message", "name": "answer", "channelId": channel,
            "to": "{{ event.content.message.conversationId }}", "content": "Here is your tea.",
            "replyTo": {"messageId": "{{ event.content.message.id }}"},
        }],
    });
    hookyard.post("/dispatchers/v1/", &dispatcher).await;
    let post = async |body: Value| {
        let body = body.to_string();
        let mut request = hookyard.client.post(format!("{}/webhooks/{channel}", hookyard.url));
        for (name, value) in application.signed(unix_time(), body.as_bytes()) {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.unwrap();
        let events = response.headers().get("hookyard-events").cloned();
        (events.map(|events| events.to_str().unwrap().to_owned()), response.json::<Value>().await.unwrap())
    };
    assert_eq!(post(json!({"type": 1})).await, (None, json!({"type": 1})));
    let (event, deferred) = post(discord::command("786008729715212338", "tea", "sort", "green")).await;
    assert_eq!(deferred, json!({"type": 5}));
    let run = hookyard.wait_for_run(&event.unwrap(), is_over).await;
    assert_eq!(run["outcome"], "succeeded", "{run:#}");
    assert!(!run.to_string().contains(discord::INTERACTION_TOKEN), "{run:#}");
    let requests = server.requests();
    let answer = requests.iter().find(|request| request.method == reqwest::Method::PATCH).unwrap();
    let place = format!("/webhooks/{}/{}/messages/@original", discord::APPLICATION_ID, discord::INTERACTION_TOKEN);
    assert_eq!((&answer.path, &answer.body["content"]), (&place, &json!("Here is your tea.")));
}
