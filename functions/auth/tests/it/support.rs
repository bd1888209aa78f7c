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

    /// Opens a world in which only those who may create users do so.
    pub(crate) async fn closed() -> Self {
        let builder = harness::World::builder().parameter("OpenRegistration", "false");
        Self(builder.function("AuthFunction", auth::function).open().await)
    }

    /// Creates a user with the password `correct horse` and perhaps a role that permits this; returns its id.
    pub(crate) async fn user(&self, email: &str, permissions: &[&str]) -> String {
        let administrator = self.log_in_as_administrator().await;
        let new = json!({"email": email, "password": "correct horse", "first_name": "Ada", "last_name": "Lovelace"});
        let user = self.send("POST", "/users/v1/register", &administrator, new).await;
        assert_eq!(user.status, 200, "{user:?}");
        let id = user.body["id"].as_str().unwrap().to_owned();
        if permissions.is_empty() {
            return id;
        }
        let role = json!({"name": format!("role of {id}")});
        let role = self.send("POST", "/users/v1/roles", &administrator, role).await.body["id"].clone();
        let role = role.as_str().unwrap();
        let path = format!("/users/v1/roles/add_permissions?eq(id,{role})");
        let added = self.send("POST", &path, &administrator, json!({"permissions": permissions})).await;
        assert_eq!(added.status, 200, "{added:?}");
        let path = format!("/users/v1/add_roles?eq(id,{id})");
        let given = self.send("POST", &path, &administrator, json!({"roles": [role]})).await;
        assert_eq!(given.status, 200, "{given:?}");
        id
    }

    /// Replaces a secret that a variable of the function names, as an operator does.
    pub(crate) async fn put_secret(&self, variable: &str, text: &str) {
        let id = self.emulator.environment("AuthFunction")[variable].clone();
        let client = aws_sdk_secretsmanager::Client::new(&self.emulator.sdk_config());
        client.put_secret_value().secret_id(id).secret_string(text).send().await.unwrap();
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
