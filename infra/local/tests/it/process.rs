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
    /// The tenant of what is sent from now on.
    pub(crate) tenant: &'static str,
    pub(crate) token: String,
    administrator: Credentials,
    pub(crate) api: Client,
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
        let api = Client::new(&url).unwrap();
        let administrator = std::fs::read_to_string(announced["admin"].as_str().unwrap()).unwrap();
        let dynamodb = announced["dynamodb"].as_str().map(str::to_owned);
        let administrator = serde_json::from_str(&administrator).unwrap();
        let (tenant, token) = ("default", String::new());
        let mut hookyard = Self { child, url, dynamodb, client, tenant, token, administrator, api };
        hookyard.sign_in().await;
        hookyard
    }

    /// Starts on this data directory.
    pub(crate) async fn start(data: &TempDir) -> Self {
        Self::start_with(data.path(), &[]).await
    }

    /// Signs in as the administrator, again in a test that lasts longer than a token.
    pub(crate) async fn sign_in(&mut self) {
        let signed_in = self.api.sign_in(&self.administrator).await.unwrap();
        signed_in["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    /// Posts JSON and expects success.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path, body).header("x-tenant-id", self.tenant);
        self.api.send(&request).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Gets a path and expects success.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = Request::get(path).header("x-tenant-id", self.tenant);
        self.api.send(&request).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
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
            let request = Request::get(path).header("x-tenant-id", self.tenant);
            let answer = self.api.exchange(&request).await.unwrap().body;
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
        self.signal("-TERM").await;
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it stops").unwrap();
        assert!(status.success(), "{status}");
    }

    /// Sends a signal to the process, and lets it be.
    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// The process and the workers of its scripts.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let pid = self.child.id().expect("it runs");
        // A child belongs to the thread that started it.
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let of_threads =
            threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default());
        let children: Vec<String> = of_threads.collect();
        let mut pids: Vec<u32> = children.join(" ").split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        pids.push(pid);
        pids
    }

    /// The memory that the process and its workers hold.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let of = |pid: &u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
            line.split_whitespace().nth(1).map_or(0, |kilobytes| kilobytes.parse::<u64>().unwrap()) * 1024
        };
        self.processes().iter().map(of).sum()
    }

    /// The niceness of each thread of the process by the thread's name, and that of each worker.
    pub(crate) fn nicenesses(&self) -> Vec<(String, i32)> {
        let pid = self.child.id().expect("it runs");
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
        let named = threads.filter_map(|thread| {
            // A thread may have ended since.
            let name = std::fs::read_to_string(thread.join("comm")).ok()?;
            Some((name.trim_end().to_owned(), niceness(&thread)?))
        });
        let workers = self.processes().into_iter().filter(|process| *process != pid);
        let workers = workers.filter_map(|worker| {
            let path = format!("/proc/{worker}");
            Some(("worker".to_owned(), niceness(Path::new(&path))?))
        });
        named.chain(workers).collect()
    }

    /// Runs a function once and returns its task when that has ended.
    pub(crate) async fn run(&self, function: &str) -> Value {
        let task = self.post("/tasks/v1/", &json!({"functionName": function})).await;
        let path = format!("/tasks/v1/{}", task["id"].as_str().unwrap());
        let has_ended = |task: &Value| ["complete", "failed"].iter().any(|status| task["status"] == *status);
        self.wait_for(&path, has_ended).await
    }

    /// Tells whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

fn niceness(of: &Path) -> Option<i32> {
    let stat = std::fs::read_to_string(of.join("stat")).ok()?;
    // The name before it is in parentheses, and may have spaces.
    stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok()
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
