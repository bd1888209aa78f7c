//! The function on an emulator, with channels.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Mutex;

pub(crate) use harness::{Answer, NOW, Request};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::Function;
use shared::auth::Client;
use shared::event::TenantId;

pub(crate) const FUNCTION: &str = "WebhookFunction";
/// The tenant of everything that does not say otherwise.
pub(crate) const TENANT: &str = "mine";
pub(crate) const SECRET: &str = "hush-hush-hush";
pub(crate) const BODY: &str = r#"{"zen": "Keep it logically awesome.", "hook_id": 1}"#;

/// The world of one webhook function.
pub(crate) struct Setup(pub(crate) harness::World);

impl Deref for Setup {
    type Target = harness::World;

    fn deref(&self) -> &harness::World {
        &self.0
    }
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::with_base("").await
    }

    /// The world of a function that is told where clients reach it.
    pub(crate) async fn with_base(base_url: &str) -> Self {
        keep_log();
        let builder = harness::World::builder().function(FUNCTION, webhook::function).tenant(TENANT);
        Self(builder.parameter("BaseUrl", base_url).open().await)
    }

    pub(crate) fn function(&self) -> Function {
        self.0.function(FUNCTION)
    }

    /// A second process with the same tables.
    pub(crate) fn another(&self) -> Function {
        self.0.another(FUNCTION)
    }

    pub(crate) async fn token(&self, permissions: &[&str]) -> String {
        self.0.token(TENANT, permissions).await
    }

    /// Calls a route as a client of our tenant that may do everything in it.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Value) -> Answer {
        self.api_as(&self.token(&["*"]).await, method, path, body).await
    }

    /// Calls a route with an access token.
    pub(crate) async fn api_as(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::new(method, path).bearer(token);
        let request = if body.is_null() { request } else { request.json(body) };
        self.send(request).await
    }

    /// Issues a token of the administrator, who may act for any tenant.
    pub(crate) async fn administrator(&self) -> String {
        let (tenant_id, permissions) = (TenantId::new(TENANT), vec!["*".to_owned()]);
        let client = Client { id: "administrator".to_owned(), tenant_id, permissions, is_administrator: true };
        self.issue(client, 300).await
    }

    /// Creates a channel and returns its id.
    pub(crate) async fn channel(&self, fields: Value) -> String {
        let answer = self.api("POST", "/channels", fields).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["channelId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn github_channel(&self) -> String {
        self.channel(json!({"platform": "github", "credentials": {"secret": SECRET}})).await
    }

    /// The events of webhooks and messages that were published.
    pub(crate) async fn events(&self) -> Vec<Value> {
        self.idle().await;
        let is_of_channel = |event: &Value| event["detail-type"].as_str().unwrap().starts_with("channel.");
        self.0.events().into_iter().filter(|event| !is_of_channel(event)).collect()
    }

    /// The details of the events of one type that were published.
    pub(crate) async fn facts(&self, kind: &str) -> Vec<Value> {
        self.idle().await;
        self.published(kind)
    }

    /// The records of the channels, as they are kept.
    pub(crate) async fn records(&self) -> Vec<Value> {
        self.items("CHANNELS_TABLE").await
    }

    /// The AWS requests of one webhook.
    pub(crate) async fn calls_of(&self, request: Request) -> BTreeMap<String, u64> {
        self.emulator.reset_aws_calls();
        assert_eq!(self.send(request).await.status, 200);
        self.emulator.aws_calls()
    }
}

/// A JSON webhook to a channel, not signed.
pub(crate) fn webhook(channel_id: &str, body: &str) -> Request {
    Request::new("POST", &format!("/webhooks/{channel_id}")).header("content-type", "application/json").body(body)
}

/// A webhook as GitHub signs it.
pub(crate) fn github(channel_id: &str, secret: &str, body: &str) -> Request {
    webhook(channel_id, body).header("x-hub-signature-256", &signature(secret, body.as_bytes()))
}

pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// What all tests of this process have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Returns what was logged since the process began.
pub(crate) fn log() -> String {
    String::from_utf8(LOG.lock().unwrap().clone()).unwrap()
}

/// Logs into memory, everything that the function and what it is made of say.
fn keep_log() {
    let subscriber = tracing_subscriber::fmt().with_env_filter("webhook=trace,shared=trace").with_ansi(false);
    // Only the first test of the process can install it, and it is there for all.
    let _ = subscriber.with_writer(|| Log).try_init();
}

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
