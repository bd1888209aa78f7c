//! `kill -9` at any moment between the 2xx and the end of the run.

use std::time::{Duration, Instant};

use harness::server::{Answer, Server};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, is_over};

/// How many moments are tried, and how far apart they are: from right after the answer to past the end of the run.
const MOMENTS: u32 = 24;
const STEP: Duration = Duration::from_micros(700);

const SCRIPT: &str = "export async function main(task) {
  await new Promise((resolve) => setTimeout(resolve, 2));
  return { n: task.data.event.content.payload.n };
}";

#[tokio::test]
async fn a_run_finishes_once_wherever_the_process_is_killed() {
    let data = tempdir().unwrap();
    let mut hookyard = Hookyard::start(&data).await;
    let channel = hookyard.channel().await;
    hookyard.function("work", SCRIPT).await;
    let actions = json!([
        {"type": "task", "name": "first", "functionName": "work"},
        {"type": "task", "name": "second", "functionName": "work", "dependencies": ["first"],
         "data": {"before": "{{ steps.first.output.n }}"}},
    ]);
    hookyard.dispatcher("work", actions).await;

    let mut events = Vec::new();
    for moment in 0..MOMENTS {
        let body = json!({"n": moment}).to_string();
        events.push(hookyard.deliver(&channel, &format!("delivery {moment}"), &body).await);
        spin(STEP * moment);
        hookyard.kill().await;
        hookyard = Hookyard::start(&data).await;
    }
    for (moment, event) in events.iter().enumerate() {
        let run = hookyard.wait_for_run(event, is_over).await;
        assert_eq!(run["outcome"], "succeeded", "killed at moment {moment}: {run:#}");
        let [run] = run["runs"].as_array().unwrap().as_slice() else { panic!("one run: {run:#}") };
        for step in run["steps"].as_array().unwrap() {
            assert_eq!(step["output"], json!({"n": moment}), "{run:#}");
            assert_eq!(step["attempts"].as_array().unwrap().len(), 1, "{run:#}");
        }
    }
    let tasks = hookyard.get("/tasks/v1/?limit(50)").await;
    assert_eq!(tasks["page"]["total"], 2 * MOMENTS, "each task exactly once");
    let complete = |task: &Value| task["status"] == "complete";
    assert!(tasks["data"].as_array().unwrap().iter().all(complete), "{tasks:#}");
}

#[tokio::test]
async fn a_script_reaches_outside_once_at_most_wherever_the_process_is_killed() {
    let data = tempdir().unwrap();
    let sink = Server::start(|_| Answer::ok(json!("seen"))).await;
    let arguments = ["--allow-cidr", "127.0.0.0/8"];
    let mut hookyard = Hookyard::start_with(data.path(), &arguments).await;
    let channel = hookyard.channel().await;
    let code = format!(
        "export const main = async (task) =>
            (await fetch('{}/' + task.data.event.content.payload.n, {{ method: 'POST' }})).text();",
        sink.url()
    );
    hookyard.function("work", &code).await;
    hookyard.dispatcher("work", json!([{"type": "task", "name": "work", "functionName": "work"}])).await;

    let mut events = Vec::new();
    for moment in 0..MOMENTS {
        let body = json!({"n": moment}).to_string();
        events.push(hookyard.deliver(&channel, &format!("delivery {moment}"), &body).await);
        spin(STEP * moment);
        hookyard.kill().await;
        hookyard = Hookyard::start_with(data.path(), &arguments).await;
    }
    for (moment, event) in events.iter().enumerate() {
        let run = hookyard.wait_for_run(event, is_over).await;
        let step = &run["runs"][0]["steps"][0];
        let path = format!("/{moment}");
        let seen = sink.requests().iter().filter(|request| request.path == path).count();
        match &step["output"] {
            Value::String(output) => assert_eq!((output.as_str(), seen), ("seen", 1), "{run:#}"),
            _ => assert!(step["error"]["name"] == "OutcomeUnknown" && seen <= 1, "{seen} {run:#}"),
        }
    }
    let tasks = hookyard.get("/tasks/v1/?limit(50)").await;
    assert_eq!(tasks["page"]["total"], MOMENTS, "each task exactly once");
}

/// Lets a moment pass without giving the processor away, so that the moments of the kill differ by little.
fn spin(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

#[tokio::test]
async fn a_script_that_was_killed_before_it_reached_outside_runs_again() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let channel = hookyard.channel().await;
    hookyard
        .function(
            "slow",
            "export const main = () => new Promise((resolve) => setTimeout(() => resolve('done'), 1500));",
        )
        .await;
    hookyard.dispatcher("slow", json!([{"type": "task", "name": "slow", "functionName": "slow"}])).await;
    let event = hookyard.deliver(&channel, "one", "{}").await;
    let in_progress = |tasks: &Value| tasks["data"][0]["status"] == "inProgress";
    hookyard.wait_for("/tasks/v1/", in_progress).await;
    hookyard.kill().await;

    let hookyard = Hookyard::start(&data).await;
    let run = hookyard.wait_for_run(&event, is_over).await;
    assert_eq!(run["runs"][0]["steps"][0]["output"], "done", "{run:#}");
    assert_eq!(hookyard.get("/tasks/v1/").await["page"]["total"], 1);
}
