//! Requests to the function, and the logins that most of them need.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{Answer, Request};
use serde_json::{Value, json};

pub(crate) struct World(harness::World);

impl std::ops::Deref for World {
    type Target = harness::World;

    fn deref(&self) -> &harness::World {
        &self.0
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self(harness::World::builder().function("AuthFunction", auth::function).open().await)
    }

    /// Sends a request; a body that is a string goes as a form.
    pub(crate) async fn send(&self, method: &str, path: &str, authorization: &str, body: Value) -> Answer {
        let request = Request::new(method, path).header("content-type", "application/json");
        let request = match body {
            Value::Null => request,
            Value::String(form) => request.form(&form),
            other => request.json(other),
        };
        let request = if authorization.is_empty() { request } else { request.header("authorization", authorization) };
        self.0.send(request).await
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
