//! The function on an emulator, and requests as API Gateway sends them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use emulator::{Emulator, Options, Template};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::aws::Aws;
use shared::clock::{Clock, Ids};
use shared::{Environment, Function};

pub(crate) const NOW: &str = "2026-01-02T03:04:05.678Z";
pub(crate) const SECRET: &str = "hush-hush-hush";
pub(crate) const BODY: &str = r#"{"zen": "Keep it logically awesome.", "hook_id": 1}"#;

/// One webhook function with what surrounds it.
pub(crate) struct Setup {
    pub(crate) emulator: Emulator,
    pub(crate) clock: emulator::Clock,
    pub(crate) function: Function,
    environment: Environment,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        keep_log();
        let clock = emulator::Clock::fixed(NOW.parse().unwrap());
        let template = Template::parse(include_str!("../../../../template.yaml")).unwrap();
        let options = Options { clock: clock.clone(), ..Options::default() };
        let emulator = Emulator::open(template, options).await.unwrap();
        let environment = environment(&emulator, &clock);
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let function = webhook::function(&environment).unwrap();
        let (seen, listener) = (events.clone(), function.clone());
        emulator.start(Arc::new(move |target, event| {
            if target == "WebhookFunction" {
                let listener = listener.clone();
                return Box::pin(async move { listener.invoke(event).await.map_err(|error| error.chain()) });
            }
            seen.lock().unwrap().push(event);
            Box::pin(async { Ok(Value::Null) })
        }));
        Self { function, emulator, clock, environment, events }
    }

    /// A second process with the same tables.
    pub(crate) fn another(&self) -> Function {
        webhook::function(&environment(&self.emulator, &self.clock)).unwrap()
    }

    pub(crate) async fn token(&self, permissions: &[&str]) -> String {
        let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
        self.environment.tokens().unwrap().issue("client", "mine", permissions, 3600).await.unwrap()
    }

    /// Calls a route of `/channels` as an administrator.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Value) -> Answer {
        let token = self.token(&["*"]).await;
        let request = Request::new(method, path).header("authorization", &format!("Bearer {token}"));
        let request = match body {
            Value::Null => request,
            body => request.header("content-type", "application/json").body(body.to_string()),
        };
        self.send(request).await
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

    pub(crate) async fn send(&self, request: Request) -> Answer {
        send(&self.function, request).await
    }

    /// The events of webhooks and messages that have reached the dispatcher.
    pub(crate) async fn events(&self) -> Vec<Value> {
        self.emulator.idle().await;
        let events = self.events.lock().unwrap().clone();
        let is_of_channel = |event: &Value| event["detail-type"].as_str().unwrap().starts_with("channel.");
        events.into_iter().filter(|event| !is_of_channel(event)).collect()
    }

    /// The details of the events of one type that have reached the dispatcher.
    pub(crate) async fn facts(&self, kind: &str) -> Vec<Value> {
        self.emulator.idle().await;
        let events = self.events.lock().unwrap().clone();
        events.into_iter().filter(|event| event["detail-type"] == kind).map(|event| event["detail"].clone()).collect()
    }

    /// The records of the channels, as they are kept.
    pub(crate) async fn records(&self) -> Vec<Value> {
        self.environment.table("CHANNELS_TABLE").unwrap().scan(None, 100).await.unwrap()
    }

    /// The AWS requests of one webhook.
    pub(crate) async fn calls_of(&self, request: Request) -> BTreeMap<String, u64> {
        self.emulator.reset_aws_calls();
        assert_eq!(self.send(request).await.status, 200);
        self.emulator.aws_calls()
    }
}

fn environment(emulator: &Emulator, clock: &emulator::Clock) -> Environment {
    let clock = clock.clone();
    Environment {
        aws: Aws::new(&emulator.sdk_config()),
        config: emulator.environment("WebhookFunction").into_iter().chain([loopback()]).collect(),
        clock: Clock::from_fn(move || clock.now()),
        ids: Ids::seeded(1),
    }
}

/// The platforms of the tests are servers on this machine.
fn loopback() -> (String, String) {
    ("ALLOWED_CIDRS".to_owned(), "127.0.0.0/8".to_owned())
}

/// An answer as a client sees it; a body that is no JSON is a text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: Value,
    pub(crate) body: Value,
}

pub(crate) async fn send(function: &Function, request: Request) -> Answer {
    let answer = function.invoke(request.0).await.unwrap();
    let text = answer["body"].as_str().unwrap_or_default();
    Answer {
        status: answer["statusCode"].as_u64().unwrap(),
        headers: answer["headers"].clone(),
        body: serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// A request in payload format 2.0 of API Gateway's HTTP APIs.
///
/// Source: Amazon API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
pub(crate) struct Request(pub(crate) Value);

impl Request {
    pub(crate) fn new(method: &str, path_and_query: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        Self(json!({
            "version": "2.0",
            "routeKey": "ANY /webhooks/{proxy+}",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {
                "accept": "*/*",
                "host": "abc123.execute-api.eu-central-1.amazonaws.com",
                "user-agent": "GitHub-Hookshot/044aadd",
                "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
                "x-forwarded-for": "192.0.2.1",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
            },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abc123",
                "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
                "domainPrefix": "abc123",
                "http": {
                    "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                    "userAgent": "GitHub-Hookshot/044aadd",
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": "ANY /webhooks/{proxy+}",
                "stage": "$default",
                "time": "02/Jan/2026:03:04:05 +0000",
                "timeEpoch": 1_767_323_045_678_u64,
            },
            "isBase64Encoded": false,
        }))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = value.into();
        self
    }

    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        self.0["body"] = body.into().into();
        self
    }

    pub(crate) fn bytes(mut self, body: &[u8]) -> Self {
        use base64::Engine as _;
        self.0["isBase64Encoded"] = true.into();
        self.body(base64::engine::general_purpose::STANDARD.encode(body))
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
