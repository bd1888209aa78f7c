//! How long lists take in one process: `cargo bench -p local --bench lists`.
//!
//! Fills the tables with 100,000 events of one type and 10,000 dispatchers through the API, on disk, and prints one line
//! per measurement: a first page, pages deep in the list, and the whole list in pages of 50.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const EVENTS: usize = 100_000;
const DISPATCHERS: usize = 10_000;
const CONNECTIONS: usize = 32;
const PAGE: usize = 50;
/// How many times a page is asked for.
const REPEATS: usize = 11;

#[tokio::main]
async fn main() {
    // `cargo test --benches` passes `--test`: then there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let data = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(data.path()).await;
    server.fill(EVENTS, "/events/v1/", |n| json!({"type": "bench.happened", "content": {"n": n}})).await;
    server
        .fill(DISPATCHERS, "/dispatchers/v1/", |n| {
            let action =
                json!({"type": "task", "name": "go", "functionName": "work", "data": {"text": "x".repeat(500)}});
            json!({"eventType": format!("bench.{}", n % 100), "name": format!("dispatcher {n}"), "actions": [action],
                "tags": [format!("tag{}", n % 200)]})
        })
        .await;
    server.recorded("/events/v1/?limit(1)", EVENTS).await;
    // What is younger than that is counted for each page.
    tokio::time::sleep(Duration::from_secs(11)).await;

    server.page("events, first page, as the process first counts them", "/events/v1/?eq(type,bench.happened)", 1).await;
    server.page("events, first page", "/events/v1/?eq(type,bench.happened)", REPEATS).await;
    server.page("events of all types, first page", "/events/v1/", REPEATS).await;
    server.page("events, page at 90,000", "/events/v1/?limit(50,90000)", REPEATS).await;
    server.page("events, the earliest first", "/events/v1/?sort(creationTimestamp)&limit(50)", REPEATS).await;
    server.page("events by another order", "/events/v1/?sort(-update_timestamp)&limit(50)", REPEATS).await;
    server.page("events without a total", "/events/v1/?limit(50)&skipCount()", REPEATS).await;
    server.whole("/events/v1/?", EVENTS).await;

    server.page("dispatchers, first page", "/dispatchers/v1/", REPEATS).await;
    server.page("dispatchers, page at 9,000", "/dispatchers/v1/?limit(50,9000)", REPEATS).await;
    let ids = server.get("/dispatchers/v1/?eq(name,dispatcher%209000)").await;
    let id = ids["data"][0]["id"].as_str().expect("an id").to_owned();
    server.page("dispatchers by id", &format!("/dispatchers/v1/?eq(id,{id})"), REPEATS).await;
    server.page("dispatchers by name", "/dispatchers/v1/?eq(name,dispatcher%209000)", REPEATS).await;
    server.page("dispatchers by event type", "/dispatchers/v1/?eq(eventType,bench.7)", REPEATS).await;
    server.page("dispatchers by tag", "/dispatchers/v1/?eq(tags,tag7)", REPEATS).await;
    server.page("dispatchers by an action", "/dispatchers/v1/?eq(actions.functionName,work)", 3).await;
    server.whole("/dispatchers/v1/?", DISPATCHERS).await;
}

/// The process with the lists.
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
        let url = announced["url"].as_str().expect("a URL").to_owned();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut server = Self { child, url, token: String::new(), client };
        let admin = std::fs::read_to_string(data.join("admin.json")).expect("credentials");
        let mut body: Value = serde_json::from_str(&admin).expect("credentials as JSON");
        body["grant_type"] = "client_credentials".into();
        let token = server.post("/auth/v2/oauth2/tokens", &body).await;
        server.token = token["access_token"].as_str().expect("a token").to_owned();
        server
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    async fn fill(&self, count: usize, path: &str, body: impl Fn(usize) -> Value) {
        let begun = Instant::now();
        let sent = stream::iter(0..count).map(|n| {
            let body = body(n);
            async move { self.post(path, &body).await }
        });
        sent.buffer_unordered(CONNECTIONS).for_each(async |_| {}).await;
        report(&format!("{count} sent to {path}"), &format!("{:.1} s", begun.elapsed().as_secs_f64()));
    }

    /// Waits until a list has so many items.
    async fn recorded(&self, path: &str, count: usize) {
        let begun = Instant::now();
        while self.get(path).await["page"]["total"].as_u64() < Some(count as u64) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        report("until all are recorded", &format!("{:.1} s", begun.elapsed().as_secs_f64()));
    }

    async fn page(&self, name: &str, path: &str, times: usize) {
        let mut took = Vec::new();
        for _ in 0..times {
            let begun = Instant::now();
            self.get(path).await;
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        report(name, &format!("{:.1} ms", took[took.len() / 2].as_secs_f64() * 1_000.0));
    }

    /// Reads a whole list in pages, as client libraries do.
    async fn whole(&self, path: &str, count: usize) {
        let (begun, mut offset) = (Instant::now(), 0);
        let mut ids = std::collections::HashSet::new();
        loop {
            let list = self.get(&format!("{path}limit({PAGE},{offset})")).await;
            let items = list["data"].as_array().expect("items");
            ids.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
            offset += PAGE;
            if offset as u64 >= list["page"]["total"].as_u64().expect("a total") {
                break;
            }
        }
        assert!(ids.len() >= count, "{} of {count}", ids.len());
        let (pages, took) = (offset / PAGE, begun.elapsed().as_secs_f64());
        let each = took * 1_000.0 / pages as f64;
        report(&format!("{path} in {pages} pages"), &format!("{took:.1} s, {each:.1} ms each"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to stop if it has ended.
        drop(self.child.start_kill());
    }
}

fn report(name: &str, figure: &str) {
    use std::io::Write as _;

    let mut out = std::io::stdout().lock();
    writeln!(out, "{name:<60} {figure}").expect("standard output is open");
}
