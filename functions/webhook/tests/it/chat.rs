//! A channel of a chat platform, with the platform on this machine.

use counterpart::{Server, whatsapp};
use serde_json::{Value, json};
use shared::bus::Entry;
use shared::event::{DispatcherId, Envelope, EventId, StepId, StepRequested, Trace};

use crate::setup::{Answer as Received, NOW, Request, SECRET, Setup, webhook};

/// A channel of WhatsApp whose platform is a server of the test.
pub(crate) struct Chat {
    pub(crate) setup: Setup,
    pub(crate) platform: Server,
    pub(crate) id: String,
}

impl Chat {
    pub(crate) async fn new() -> Self {
        Self::with(json!({})).await
    }

    pub(crate) async fn with(fields: Value) -> Self {
        let (setup, platform) = (Setup::new().await, whatsapp::server().await);
        let mut new = json!({"platform": "whatsapp", "credentials": credentials(), "apiUrl": platform.url()});
        new.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let id = setup.channel(new).await;
        Self { setup, platform, id }
    }

    pub(crate) async fn post(&self, body: &Value, idempotency_key: Option<&str>) -> Received {
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

    pub(crate) async fn send(&self, text: &str) -> Value {
        let answer = self.post(&json!({"to": whatsapp::USER, "content": text}), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    pub(crate) async fn log(&self) -> Vec<Value> {
        self.setup.emulator.idle().await;
        let answer = self.setup.api("GET", &format!("/messages?channelId={}", self.id), Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["data"].as_array().unwrap().clone()
    }

    /// What the platform tells of a message, as a webhook.
    pub(crate) async fn tell(&self, change: Value) {
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
    pub(crate) async fn command(&self, action: Value) -> Result<Value, String> {
        let invoked = self.setup.function.invoke(command(action)).await;
        invoked.map_err(|error| error.chain())?;
        Ok(self.setup.facts("step.finished").await.pop().unwrap()["content"].clone())
    }
}

pub(crate) fn credentials() -> Value {
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
