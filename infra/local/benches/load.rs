//! What one process does under load: `cargo bench -p local --bench load`.
//!
//! The load comes from the same machine over loopback; the figures are those of the `bench` profile's binary. Prints
//! one line per measurement: accepts per second, webhooks to finished scripts per second, one webhook alone and one beside
//! a queue, the time to start, idle memory, and the AWS requests of one webhook.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const CONNECTIONS: usize = 32;
const ACCEPTS: usize = 40_000;
const RUNS: usize = 5_000;
const SINGLES: usize = 200;
/// How long one who sends webhooks beside a queue pauses between two.
const PAUSE: Duration = Duration::from_millis(25);
const SECRET: &str = "a secret of the benchmark";

#[tokio::main]
async fn main() {
    // `cargo test --benches` passes `--test`: then there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let data = tempfile::tempdir().expect("a temporary directory");
    let start = Instant::now();
    let server = Server::start(data.path()).await;
    report("start to first accepted request", format!("{:.0} ms", millis(start.elapsed())));
    report("idle memory", format!("{} MB", server.resident_mb()));

    let idle = server.channel("idle").await;
    let busy = server.channel("busy").await;
    server.prepare(&busy).await;

    let mut latencies = Vec::new();
    for number in 0..SINGLES {
        let sent = Instant::now();
        let event = server.deliver(&busy, &format!("single-{number}")).await;
        server.finished(&event, Duration::from_millis(1)).await;
        latencies.push(sent.elapsed());
    }
    report("one webhook alone, to its run's end", quantiles(&mut latencies));

    server.reset_calls().await;
    let event = server.deliver(&busy, "counted").await;
    server.finished(&event, Duration::from_secs(1)).await;
    report("AWS requests of one webhook with one task", server.calls().await);

    let begun = Instant::now();
    let (elapsed, mut latencies, events) = server.load(&idle, "accept", ACCEPTS).await;
    report("signed 1 KB webhooks accepted", format!("{}, {}", rate(ACCEPTS, elapsed), quantiles(&mut latencies)));
    server.outcomes(&events, "unmatched").await;
    report("webhooks accepted and looked at by the dispatcher", rate(ACCEPTS, begun.elapsed()));

    let begun = Instant::now();
    let (_, _, events) = server.load(&busy, "run", RUNS).await;
    server.outcomes(&events, "succeeded").await;
    report("webhooks to finished scripts", rate(RUNS, begun.elapsed()));

    let (_, _, queued) = server.load(&busy, "queue", RUNS).await;
    let mut latencies = Vec::new();
    for number in 0..SINGLES {
        let sent = Instant::now();
        server.deliver(&idle, &format!("beside-{number}")).await;
        latencies.push(sent.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    report("one webhook beside a queue, accepted", quantiles(&mut latencies));
    for event in events.iter().chain(&queued) {
        server.finished(event, Duration::from_millis(50)).await;
    }
}

/// The process under load.
struct Server {
    child: Child,
    url: String,
    token: String,
    client: reqwest::Client,
}

impl Server {
    async fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hookyard"))
            .args(["--listen", "127.0.0.1:0", "--json", "--log", "error", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).await.expect("a line");
        let announced: Value = serde_json::from_str(&line).expect("the address as JSON");
        let client =
            reqwest::Client::builder().no_proxy().pool_max_idle_per_host(CONNECTIONS).build().expect("a client");
        let url = announced["url"].as_str().expect("a URL").to_owned();
        let mut server = Self { child, url, token: String::new(), client };
        let admin = std::fs::read_to_string(data.join("admin.json")).expect("credentials");
        let mut body: Value = serde_json::from_str(&admin).expect("credentials as JSON");
        body["grant_type"] = "client_credentials".into();
        server.token =
            server.post("/auth/v2/oauth2/tokens", &body).await["access_token"].as_str().expect("a token").to_owned();
        server
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.send().await.expect("an answer").json().await.unwrap_or_default()
    }

    async fn channel(&self, name: &str) -> String {
        let channel = json!({"platform": "github", "name": name, "credentials": {"secret": SECRET}});
        self.post("/channels", &channel).await["channelId"].as_str().expect("an id").to_owned()
    }

    async fn prepare(&self, channel: &str) {
        let code = "export function main(task) { return task.data.event.content.payload.number; }";
        self.post("/tasks/v1/functions/", &json!({"name": "work", "code": code})).await;
        let actions = json!([{"type": "task", "name": "work", "functionName": "work"}]);
        let filter = json!({"content": {"channelId": [channel]}});
        let dispatcher = json!({"eventType": "github.push", "name": "work", "filter": filter, "actions": actions});
        self.post("/dispatchers/v1/", &dispatcher).await;
    }

    async fn deliver(&self, channel: &str, delivery: &str) -> String {
        let body = json!({"number": 1, "padding": "x".repeat(990)}).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
        mac.update(body.as_bytes());
        let request = self
            .client
            .post(format!("{}/webhooks/{channel}", self.url))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", delivery)
            .header("x-hub-signature-256", format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
            .body(body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "the webhook is accepted");
        let answer: Value = response.json().await.expect("JSON");
        answer["events"][0].as_str().expect("an event").to_owned()
    }

    /// Sends `count` webhooks over all connections; returns the time, every latency and every event.
    async fn load(&self, channel: &str, label: &str, count: usize) -> (Duration, Vec<Duration>, Vec<String>) {
        let begun = Instant::now();
        let label = Arc::new(label.to_owned());
        let workers = (0..CONNECTIONS).map(|worker| {
            let label = label.clone();
            async move {
                let mut done = Vec::new();
                for number in (worker..count).step_by(CONNECTIONS) {
                    let sent = Instant::now();
                    let event = self.deliver(channel, &format!("{label}-{number}")).await;
                    done.push((sent.elapsed(), event));
                }
                done
            }
        });
        let done: Vec<(Duration, String)> = join_all(workers).await.into_iter().flatten().collect();
        let elapsed = begun.elapsed();
        let (latencies, events) = done.into_iter().unzip();
        (elapsed, latencies, events)
    }

    /// Waits for the end of a run and asks rarely, as asking is work for the process under load too.
    async fn finished(&self, event: &str, pause: Duration) {
        let path = format!("/runs/{event}");
        while self.get(&path).await["outcome"] != "succeeded" {
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until the latest events of each connection have come to this outcome; those before them have by then.
    async fn outcomes(&self, events: &[String], outcome: &str) {
        for event in events.iter().skip(events.len() / CONNECTIONS - 1).step_by(events.len() / CONNECTIONS) {
            while self.get(&format!("/runs/{event}")).await["outcome"] != outcome {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn reset_calls(&self) {
        let request = self.client.delete(format!("{}/_local/aws-calls", self.url)).bearer_auth(&self.token);
        request.send().await.expect("an answer");
    }

    /// The calls so far, less those that watching the run made.
    async fn calls(&self) -> String {
        self.get("/_local/aws-calls").await.to_string()
    }

    fn resident_mb(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() / 1024
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn rate(count: usize, elapsed: Duration) -> String {
    format!("{count} in {:.2} s, {:.0} per second", elapsed.as_secs_f64(), count as f64 / elapsed.as_secs_f64())
}

fn quantiles(latencies: &mut [Duration]) -> String {
    latencies.sort_unstable();
    let at = |share: usize| millis(latencies[(latencies.len() * share / 100).min(latencies.len() - 1)]);
    format!("p50 {:.2} ms, p99 {:.2} ms", at(50), at(99))
}

#[expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
fn report(what: &str, figure: impl std::fmt::Display) {
    println!("{what}: {figure}");
}
