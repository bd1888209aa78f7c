//! A `hookyard` process and a client of it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use client::{Client, Credentials, Request};
use harness::until;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long anything may take on a slow machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The secret of the channels that tests create.
pub(crate) const SECRET: &str = "a secret of the tests";

/// A running process on its own data directory; dropped, it is killed.
pub(crate) struct Hookyard {
    child: Child,
    pub(crate) url: String,
    /// Where the tables are served, if they are.
    pub(crate) dynamodb: Option<String>,
    pub(crate) client: reqwest::Client,
    pub(crate) api: Client,
    token: String,
}

/// Returns the command without arguments.
pub(crate) fn hookyard() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookyard"));
    command.kill_on_drop(true).env_clear();
    command
}

/// Returns the command for a process with so many file descriptors.
pub(crate) fn hookyard_with_descriptors(descriptors: u32) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_hookyard")]).kill_on_drop(true).env_clear();
    command
}

impl Hookyard {
    /// Starts on this data directory, on a free port, with further arguments, and signs in as the administrator.
    pub(crate) async fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::start_by(hookyard(), data, arguments).await
    }

    /// Starts as a command says.
    pub(crate) async fn start_by(mut command: Command, data: &Path, arguments: &[&str]) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await.expect("the address is said").unwrap();
        let announced: Value = serde_json::from_str(&line).expect("the address is said as JSON");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = announced["url"].as_str().unwrap().to_owned();
        let mut api = Client::new(&url).unwrap();
        let administrator = std::fs::read_to_string(announced["admin"].as_str().unwrap()).unwrap();
        let administrator: Credentials = serde_json::from_str(&administrator).unwrap();
        let signed_in = api.sign_in(&administrator).await.unwrap();
        let token = signed_in["access_token"].as_str().expect("a token").to_owned();
        let dynamodb = announced["dynamodb"].as_str().map(str::to_owned);
        Self { child, url, dynamodb, client, api, token }
    }

    /// Starts on this data directory.
    pub(crate) async fn start(data: &TempDir) -> Self {
        Self::start_with(data.path(), &[]).await
    }

    /// Returns the administrator's access token, for requests that no client would send.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Posts JSON and expects success.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.api.send(&Request::post(path, body)).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Gets a path and expects success.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.api.send(&Request::get(path)).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Creates a GitHub channel and returns its id.
    pub(crate) async fn channel(&self) -> String {
        let channel = json!({"platform": "github", "name": "tests", "credentials": {"secret": SECRET}});
        self.post("/channels", &channel).await["channelId"].as_str().expect("a channel id").to_owned()
    }

    /// Creates a function of this name.
    pub(crate) async fn function(&self, name: &str, code: &str) {
        self.post("/tasks/v1/functions/", &json!({"name": name, "code": code})).await;
    }

    /// Creates a dispatcher of GitHub's pushes with these actions.
    pub(crate) async fn dispatcher(&self, name: &str, actions: Value) -> Value {
        let dispatcher = json!({"eventType": "github.push", "name": name, "actions": actions});
        self.post("/dispatchers/v1/", &dispatcher).await
    }

    /// Builds a webhook signed as GitHub does.
    pub(crate) fn webhook(&self, channel: &str, delivery: &str, body: &str) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/webhooks/{channel}", self.url))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", delivery)
            .header("x-hub-signature-256", format!("sha256={}", signature(body)))
            .body(body.to_owned())
    }

    /// Sends a webhook and returns the id of its event.
    pub(crate) async fn deliver(&self, channel: &str, delivery: &str, body: &str) -> String {
        let response = self.webhook(channel, delivery, body).send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        assert_eq!((status, &answer["success"], &answer["failed"]), (200, &json!(true), &json!(0)), "{answer}");
        answer["events"][0].as_str().unwrap().to_owned()
    }

    /// Waits until the record of an event is what is expected, and returns it.
    pub(crate) async fn wait_for_run(&self, event: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(&format!("/runs/{event}"), is_there).await
    }

    /// Asks a path until its answer is what is expected, and returns it.
    pub(crate) async fn wait_for(&self, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let look = async || {
            let answer = self.api.exchange(&Request::get(path)).await.unwrap().body;
            if is_there(&answer) { Ok(answer) } else { Err(answer) }
        };
        until(path, look).await
    }

    /// Kills the process as `kill -9` does and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks the process to stop as a service manager does and expects success.
    pub(crate) async fn terminate(mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(sent.success());
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it stops").unwrap();
        assert!(status.success(), "{status}");
    }

    /// Tells whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// Tells whether a run is over.
pub(crate) fn is_over(run: &Value) -> bool {
    ["succeeded", "failed"].iter().any(|outcome| run["outcome"] == *outcome)
}

/// Signs a body with the secret of the tests' channels.
pub(crate) fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
