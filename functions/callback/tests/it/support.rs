//! Callbacks in a world of the function alone.

use harness::{Answer, Event, Request, TENANT};
use serde_json::{Value, json};
use shared::auth::Client;
use shared::event::TenantId;

pub(crate) const FUNCTION: &str = "CallbackFunction";

/// The world, with what a callback's creator and caller do in it.
pub(crate) struct World(harness::World);

impl std::ops::Deref for World {
    type Target = harness::World;

    fn deref(&self) -> &harness::World {
        &self.0
    }
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

/// The status and the body of an answer.
pub(crate) fn plain(answer: Answer) -> (u16, Value) {
    (answer.status, answer.body)
}

/// An object of so many levels.
pub(crate) fn nested(levels: usize) -> Value {
    json!({"a": (1..levels).fold(json!(1), |inner, _| json!([inner]))})
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_base("https://foo.bar/").await
    }

    pub(crate) async fn with_base(base: &str) -> Self {
        let builder = harness::World::builder().function(FUNCTION, callback::function);
        Self(builder.parameter("BaseUrl", base).open().await)
    }

    /// Returns what was published since the last time: the events' details.
    pub(crate) async fn heard(&self) -> Vec<Value> {
        self.idle().await;
        let mut events: Vec<Value> = self.take_events().into_iter().map(|mut event| event["detail"].take()).collect();
        events.sort_by_key(|event| (event["type"].to_string(), event["content"].to_string()));
        events
    }

    /// Returns the contents of the answers among what was heard.
    pub(crate) async fn answers(&self) -> Vec<Value> {
        let events = self.heard().await.into_iter().filter(|event| event["type"] == "step.finished");
        events.map(|event| event["content"].clone()).collect()
    }

    /// Sends a request with an access token.
    pub(crate) async fn send(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        self.0.send(request(method, path).bearer(token).body(body)).await
    }

    /// Issues an access token of the administrator, who may act for any tenant.
    pub(crate) async fn administrator(&self) -> String {
        let (tenant_id, permissions) = (TenantId::new(TENANT), vec!["*".to_owned()]);
        let client = Client { id: "administrator".to_owned(), tenant_id, permissions, is_administrator: true };
        self.issue(client, 300).await
    }

    /// Calls a public URL.
    pub(crate) async fn call(&self, path: &str, body: &str) -> (u16, Value) {
        plain(self.0.send(request("POST", path).body(body)).await)
    }

    /// Creates a callback over HTTP.
    pub(crate) async fn create(&self, new: Value) -> Known {
        let answer = self.post("/callbacks", new).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Known::of(&answer.body)
    }

    /// Returns what the caller of a callback sent.
    pub(crate) async fn body(&self, callback: &Known) -> Value {
        self.get(&format!("/callbacks/{}/wait", callback.id)).await.body["body"].take()
    }

    /// Delivers a command for a step of the run of one event, as EventBridge does.
    pub(crate) async fn command(&self, step: &str, action: Value) {
        self.deliver(FUNCTION, &Event::command("callback", step, action)).await.unwrap();
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

/// Builds a request with a type but without a body.
pub(crate) fn request(method: &str, path: &str) -> Request {
    Request::new(method, path).header("content-type", "application/json").header("host", "api.example.com")
}
