//! The function with its engines, and requests as an HTTP API sends them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emulator::{Clock, Emulator, Options, Template};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::clock::Ids;
use shared::{Environment, Function};

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) clock: Clock,
    pub(crate) function: Function,
}

/// An answer: the status, the headers, the JSON body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: Value,
    pub(crate) body: Value,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Clock::fixed("2026-01-02T03:04:05.678Z".parse().unwrap());
        let template = Template::parse(include_str!("../../../../template.yaml")).unwrap();
        let options = Options { clock: clock.clone(), ..Options::default() };
        let emulator = Emulator::open(template, options).await.unwrap();
        let now = clock.clone();
        let environment = Environment {
            aws: Aws::new(&emulator.sdk_config()),
            config: emulator.environment("AuthFunction").into_iter().collect(),
            clock: shared::clock::Clock::from_fn(move || now.now()),
            ids: Ids::seeded(1),
        };
        let function = auth::function(&environment).unwrap();
        Self { emulator, clock, function }
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    /// Sends a request; a body that is a string goes as a form.
    pub(crate) async fn send(&self, method: &str, path: &str, authorization: &str, body: Value) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (content_type, text) = match &body {
            Value::Null => ("application/json", None),
            Value::String(form) => ("application/x-www-form-urlencoded", Some(form.clone())),
            other => ("application/json", Some(other.to_string())),
        };
        let mut headers = json!({"content-type": content_type, "host": "api.example.com"});
        if !authorization.is_empty() {
            headers["authorization"] = authorization.into();
        }
        let payload = json!({
            "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": path, "rawQueryString": query,
            "headers": headers, "isBase64Encoded": false, "body": text,
            "requestContext": {
                "accountId": "000000000000", "apiId": "api", "domainName": "api.example.com", "stage": "$default",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
                "requestId": "id", "time": "02/Jan/2026:03:04:05 +0000", "timeEpoch": 1_767_323_045_678_i64,
            },
        });
        let answer = self.function.invoke(payload).await.unwrap();
        let text = answer["body"].as_str().unwrap();
        let status = answer["statusCode"].as_u64().unwrap();
        Answer { status, headers: answer["headers"].clone(), body: serde_json::from_str(text).unwrap_or(json!(text)) }
    }

    pub(crate) async fn token(&self, body: Value) -> Answer {
        self.send("POST", "/auth/v2/oauth2/tokens", "", body).await
    }

    pub(crate) fn administrator(&self) -> (String, String) {
        let secret: Value = serde_json::from_str(&self.emulator.secret("Administrator").unwrap()).unwrap();
        let text = |name: &str| secret[name].as_str().unwrap().to_owned();
        (text("client_id"), text("client_secret"))
    }

    /// Logs in and returns the Authorization header.
    pub(crate) async fn log_in(&self, id: &str, secret: &str) -> String {
        let answer = self.token(client_credentials(id, secret)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        format!("Bearer {}", answer.body["access_token"].as_str().unwrap())
    }

    pub(crate) async fn log_in_as_administrator(&self) -> String {
        let (id, secret) = self.administrator();
        self.log_in(&id, &secret).await
    }

    /// Creates a client as the administrator and returns its id and secret.
    pub(crate) async fn client(&self, permissions: &[&str]) -> (String, String) {
        let administrator = self.log_in_as_administrator().await;
        let new = json!({"name": "a client", "permissions": permissions});
        let answer = self.send("POST", "/clients", &administrator, new).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (text("clientId"), text("clientSecret"))
    }
}

pub(crate) fn client_credentials(id: &str, secret: &str) -> Value {
    json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret})
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}
