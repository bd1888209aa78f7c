//! Webhooks from outside: accepted or refused, and never run twice.

use std::collections::BTreeSet;

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
async fn without_a_window_twenty_copies_at_once_are_twenty_runs() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    with_echo(&hookyard).await;
    let channel = json!({"platform": "github", "credentials": {"secret": SECRET}, "dedupWindowSeconds": 0});
    let channel = hookyard.post("/channels", &channel).await;
    let channel = channel["channelId"].as_str().unwrap();
    let copies = (0..20).map(|_| hookyard.deliver(channel, "the same", r#"{"n": 4}"#));
    let events: BTreeSet<String> = join_all(copies).await.into_iter().collect();
    assert_eq!(events.len(), 20);
    for event in &events {
        let run = hookyard.wait_for_run(event, is_over).await;
        assert_eq!((&run["duplicates"], &run["runs"][0]["steps"][0]["output"]), (&json!(0), &json!({"got": 4})));
    }
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

/// Four dispatchers answer every failed task with a step that fails, so that each event causes four.
#[tokio::test]
async fn a_storm_of_events_ends_with_the_budget_of_its_first() {
    const BUDGET: u64 = 400;
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start_with(data.path(), &["--event-budget", &BUDGET.to_string()]).await;
    hookyard.function("boom", "export function main() { throw new Error('again') }").await;
    let action = json!({"type": "task", "name": "boom", "functionName": "boom"});
    for _ in 0..4 {
        hookyard.post("/dispatchers/v1/", &json!({"eventType": "task_failed", "actions": [action]})).await;
    }
    hookyard.post("/tasks/v1/", &json!({"functionName": "boom"})).await;
    // The levels have 400, 94, 20 and 2 left: 1, 4 and 16 events that start four steps each, and 64 that start none.
    hookyard.wait_for("/events/v1/?eq(type,task_failed)", |list| list["page"]["total"] == 85).await;
    hookyard.wait_for("/tasks/v1/?eq(status,failed)", |list| list["page"]["total"] == 85).await;
    let mut outcomes = std::collections::BTreeMap::<String, u64>::new();
    for offset in [0, 50] {
        let page = hookyard.get(&format!("/events/v1/?eq(type,task_failed)&limit(50,{offset})")).await;
        for event in page["data"].as_array().unwrap() {
            let path = format!("/runs/{}", event["id"].as_str().unwrap());
            let run = hookyard.wait_for(&path, |run| run["outcome"] != "running").await;
            *outcomes.entry(run["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(outcomes, [("budget_exhausted".to_owned(), 64), ("failed".to_owned(), 21)].into());
    let (events, steps) = (85, 84);
    assert!(events + steps <= BUDGET);
    assert_eq!(hookyard.get("/events/v1/?limit(1)").await["page"]["total"], 85);
}

#[tokio::test]
async fn deliveries_and_scripts_give_way_to_those_who_wait_for_an_answer() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let channel = with_echo(&hookyard).await;
    let event = hookyard.deliver(&channel, "one", r#"{"n": 1}"#).await;
    hookyard.wait_for_run(&event, is_over).await;
    let nicenesses = hookyard.nicenesses();
    let of = |kind: &str| -> BTreeSet<i32> {
        nicenesses.iter().filter(|(name, _)| name == kind).map(|(_, niceness)| *niceness).collect()
    };
    let answering = of("tokio-rt-worker");
    assert_eq!(answering.len(), 1, "{nicenesses:?}");
    // What is written for both does not wait for either, nor do requests that are about to leave.
    for kind in ["journal", "tables", "sending"] {
        assert_eq!(of(kind), answering, "{kind}: {nicenesses:?}");
    }
    let giving_way: BTreeSet<i32> = answering.iter().map(|niceness| niceness + 3).collect();
    assert_eq!([of("background"), of("worker")], [giving_way.clone(), giving_way], "{nicenesses:?}");
}
