//! A channel of a chat platform, with the platform on this machine.

use harness::Event;
use harness::platform::whatsapp;
use harness::server::Server;
use serde_json::{Value, json};

use crate::setup::{Answer as Received, FUNCTION, Request, SECRET, Setup, TENANT, webhook};

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
        let mut request =
            Request::new("POST", &format!("/channels/{}/send", self.id)).bearer(&token).json(body.clone());
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
        let request = webhook(&self.id, &body).headers(&whatsapp::signed(SECRET, body.as_bytes()));
        let answer = self.setup.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.setup.emulator.idle().await;
    }

    /// Delivers a command as EventBridge does, and returns the answer to it.
    pub(crate) async fn command(&self, action: Value) -> Result<Value, String> {
        self.setup.deliver(FUNCTION, &Event::command("message", "tell", action).tenant(TENANT)).await?;
        Ok(self.setup.answer("tell").unwrap())
    }
}

pub(crate) fn credentials() -> Value {
    json!({
        "appSecret": SECRET, "verifyToken": "v", "accessToken": whatsapp::ACCESS_TOKEN,
        "phoneNumberId": whatsapp::PHONE_NUMBER_ID,
    })
}
