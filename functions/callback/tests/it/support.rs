//! The function with its engines, requests as an HTTP API sends them, and an ear on the bus.

use std::sync::{Arc, Mutex};

use emulator::{Clock, Emulator, Options, Template};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::Tokens;
use shared::aws::Aws;
use shared::clock::Ids;
use shared::{Environment, Function};

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) environment: Environment,
    pub(crate) function: Function,
    clock: Clock,
    heard: Arc<Mutex<Vec<Value>>>,
}

/// An answer: the status and the JSON body.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) body: Value,
}

/// A callback as its creator knows it.
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Known {
    pub(crate) fn of(created: &Value) -> Self {
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        Self { id: text("id"), token: text("token") }
    }

    pub(crate) fn path(&self) -> String {
        format!("/unsecured/callback/{}?t={}", self.id, self.token)
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_base("https://foo.bar/").await
    }

    pub(crate) async fn with_base(base: &str) -> Self {
        let clock = Clock::fixed("2026-01-02T03:04:05.678Z".parse().unwrap());
        let template = Template::parse(include_str!("../../../../template.yaml")).unwrap();
        let parameters = [("BaseUrl".to_owned(), base.to_owned())].into();
        let options = Options { clock: clock.clone(), parameters, ..Options::default() };
        let emulator = Emulator::open(template, options).await.unwrap();
        let now = clock.clone();
        let environment = Environment {
            aws: Aws::new(&emulator.sdk_config()),
            config: emulator.environment("CallbackFunction").into_iter().collect(),
            clock: shared::clock::Clock::from_fn(move || now.now()),
            ids: Ids::seeded(1),
        };
        let function = callback::function(&environment).unwrap();
        let world = Self { emulator, environment, function, clock, heard: Arc::default() };
        world.listen();
        world
    }

    /// Delivers to the function what is its own, and remembers what the dispatcher is sent.
    fn listen(&self) {
        let (function, heard) = (self.function.clone(), self.heard.clone());
        self.emulator.start(Arc::new(move |id: String, event: Value| {
            let (function, heard) = (function.clone(), heard.clone());
            Box::pin(async move {
                if id == "CallbackFunction" {
                    return function.invoke(event).await.map_err(|error| error.chain());
                }
                // The sweep of the dispatcher has no detail.
                heard.lock().unwrap().extend(event.get("detail").is_some().then_some(event));
                Ok(Value::Null)
            })
        }));
    }

    /// Returns what the dispatcher was sent since the last time: the events' details.
    pub(crate) async fn heard(&self) -> Vec<Value> {
        self.emulator.idle().await;
        let mut events: Vec<Value> =
            self.heard.lock().unwrap().drain(..).map(|event| event["detail"].clone()).collect();
        events.sort_by_key(|event| (event["type"].to_string(), event["content"].to_string()));
        events
    }

    /// Returns the contents of the answers among what was heard.
    pub(crate) async fn answers(&self) -> Vec<Value> {
        let events = self.heard().await.into_iter().filter(|event| event["type"] == "step.finished");
        events.map(|event| event["content"].clone()).collect()
    }

    pub(crate) async fn wait(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
        self.emulator.idle().await;
    }

    pub(crate) async fn send(&self, method: &str, path: &str, authorization: &str, body: &str) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut headers = json!({"content-type": "application/json", "host": "api.example.com"});
        if !authorization.is_empty() {
            headers["authorization"] = authorization.into();
        }
        let payload = json!({
            "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": path, "rawQueryString": query,
            "headers": headers, "isBase64Encoded": false, "body": body,
            "requestContext": {
                "accountId": "000000000000", "apiId": "api", "domainName": "api.example.com", "stage": "$default",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
                "requestId": "id", "time": "02/Jan/2026:03:04:05 +0000", "timeEpoch": 1_767_323_045_678_i64,
            },
        });
        let answer = self.function.invoke(payload).await.unwrap();
        let text = answer["body"].as_str().unwrap();
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            body: serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        }
    }

    /// Calls a public URL.
    pub(crate) async fn call(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "", body).await
    }

    /// Returns the Authorization header of a client of the tenant.
    pub(crate) async fn client(&self, tenant: &str, permissions: &[&str]) -> String {
        let ring = self.environment.key_ring().unwrap();
        let tokens = Tokens::new(ring, self.environment.clock.clone());
        let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
        format!("Bearer {}", tokens.issue("client", tenant, permissions, 300).await.unwrap())
    }

    /// Creates a callback over HTTP.
    pub(crate) async fn create(&self, new: Value) -> Known {
        let client = self.client("default", &["CREATE_CALLBACKS"]).await;
        let answer = self.send("POST", "/callbacks", &client, &new.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Known::of(&answer.body)
    }

    /// Delivers a command for a step of the run of one event, as EventBridge does.
    pub(crate) async fn command(&self, step: &str, action: Value) {
        let event = json!({
            "id": "e1", "type": "user_deleted", "tenantId": "default", "time": "2026-01-02T03:04:05Z", "content": {},
            "trace": {"correlationId": "e1", "depth": 0},
        });
        let detail = json!({
            "id": format!("{step}-requested"), "type": "callback.requested", "tenantId": "default",
            "time": "2026-01-02T03:04:05Z", "trace": {"correlationId": "e1", "causationId": "e1", "depth": 1},
            "content": {"eventId": "e1", "dispatcherId": "d1", "step": step, "attempt": 1, "action": action, "event": event},
        });
        let payload = json!({
            "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "callback.requested",
            "source": "hookyard.command", "account": "000000000000", "time": "2026-01-02T03:04:05Z",
            "region": "us-east-1", "resources": [], "detail": detail,
        });
        self.function.invoke(payload).await.unwrap();
    }

    /// Lets a step create a callback and returns its output.
    pub(crate) async fn create_by_step(&self, mut action: Value) -> Value {
        action["action"] = "create".into();
        self.command("create", action).await;
        let answers = self.answers().await;
        assert_eq!((answers.len(), &answers[0]["status"]), (1, &json!("succeeded")), "{answers:?}");
        answers[0]["output"].clone()
    }
}
