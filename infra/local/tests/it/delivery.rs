//! Webhooks from outside: accepted or refused, and never run twice.

use futures::future::join_all;
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::process::Command;

use crate::process::{Hookyard, SECRET, is_over, signature};

const ECHO: &str = "export function main(task) { return { got: task.data.event.content.payload.n }; }";

async fn with_echo(hookyard: &Hookyard) -> String {
    hookyard.function("echo", ECHO).await;
    hookyard.dispatcher("echo", json!([{"type": "task", "name": "echo", "functionName": "echo"}])).await;
    hookyard.channel().await
}

/// Signs with a program that shares nothing with ours.
async fn independent_signature(body: &str) -> String {
    let script = "import hashlib, hmac, sys; print(hmac.new(sys.argv[1].encode(), sys.argv[2].encode(), hashlib.sha256).hexdigest())";
    let output = Command::new("python3").args(["-c", script, SECRET, body]).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_webhook_signed_by_another_program_is_accepted_and_one_flipped_byte_is_not() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let channel = with_echo(&hookyard).await;
    let body = r#"{"n": 1}"#;
    let send = async |body: &'static str, signature: &str| {
        let request = hookyard.client.post(format!("{}/webhooks/{channel}", hookyard.url));
        let request = request.header("content-type", "application/json").header("x-github-event", "push");
        let request = request.header("x-hub-signature-256", format!("sha256={signature}"));
        request.body(body).send().await.unwrap()
    };
    let signature = independent_signature(body).await;
    let accepted = send(body, &signature).await;
    assert_eq!(accepted.status(), 200);
    let answer: Value = accepted.json().await.unwrap();
    let run = hookyard.wait_for_run(answer["events"][0].as_str().unwrap(), is_over).await;
    assert_eq!(run["runs"][0]["steps"][0]["output"], json!({"got": 1}));

    let refused = send(r#"{"n": 2}"#, &signature).await;
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn two_hundred_copies_of_a_delivery_are_one_run() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let channel = with_echo(&hookyard).await;
    let copies = (0..200).map(|_| hookyard.deliver(&channel, "the same", r#"{"n": 3}"#));
    let events = join_all(copies).await;
    assert!(events.iter().all(|event| *event == events[0]));

    let run = hookyard.wait_for_run(&events[0], |run| is_over(run) && run["duplicates"] == 199).await;
    assert_eq!(run["runs"].as_array().unwrap().len(), 1);
    assert_eq!(run["runs"][0]["steps"][0]["attempts"].as_array().unwrap().len(), 1);
    let tasks = hookyard.get("/tasks/v1/").await;
    assert_eq!(tasks["page"]["total"], 1, "{tasks}");
}

#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_its_status() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let channel = hookyard.channel().await;
    let check = async |request: reqwest::RequestBuilder, expected: u16| {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(status, expected, "{}", response.text().await.unwrap());
    };
    check(hookyard.webhook(&channel, "a", "{}"), 200).await;
    check(hookyard.webhook("unknown", "b", "{}"), 404).await;
    check(hookyard.webhook(&channel, "c", "{not json"), 400).await;
    check(hookyard.webhook(&channel, "d", &"x".repeat(3 * 1024 * 1024 + 1)), 413).await;
    let large = json!({"text": "x".repeat(300 * 1024)}).to_string();
    check(hookyard.webhook(&channel, "e", &large), 413).await;
    let url = format!("{}/webhooks/{channel}", hookyard.url);
    let text = hookyard.client.post(&url).header("content-type", "text/plain");
    check(text.header("x-hub-signature-256", format!("sha256={}", signature("{}"))).body("{}"), 415).await;
    let unsigned = hookyard.client.post(&url).header("content-type", "application/json");
    check(unsigned.body("{}"), 401).await;
}
