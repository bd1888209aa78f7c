//! `kill -9` at any moment between the 2xx and the end of the run.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::server::{Answer, Reaction, Server};
use harness::until;
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

/// With what a process starts whose scripts reach this machine.
const REACHING: [&str; 2] = ["--allow-cidr", "127.0.0.0/8"];

/// A process whose function tells the sink of each webhook, and its channel.
async fn reaching(sink: &Server, data: &Path, retry_policy: Value) -> (Hookyard, String) {
    let hookyard = Hookyard::start_with(data, &REACHING).await;
    let channel = hookyard.channel().await;
    let code = format!(
        "export const main = async (task) =>
            (await fetch('{}/' + task.data.event.content.payload.n, {{ method: 'POST' }})).text();",
        sink.url()
    );
    let function = json!({"name": "work", "code": code, "retryPolicy": retry_policy});
    hookyard.post("/tasks/v1/functions/", &function).await;
    hookyard.dispatcher("work", json!([{"type": "task", "name": "work", "functionName": "work"}])).await;
    (hookyard, channel)
}

#[tokio::test]
async fn a_script_reaches_outside_once_at_most_wherever_the_process_is_killed() {
    let data = tempdir().unwrap();
    let sink = Server::start(|_| Answer::ok(json!("seen"))).await;
    let (mut hookyard, channel) = reaching(&sink, data.path(), json!({"enabled": true})).await;

    let mut events = Vec::new();
    for moment in 0..MOMENTS {
        let body = json!({"n": moment}).to_string();
        events.push(hookyard.deliver(&channel, &format!("delivery {moment}"), &body).await);
        spin(STEP * moment);
        hookyard.kill().await;
        hookyard = Hookyard::start_with(data.path(), &REACHING).await;
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

/// How many send webhooks at once while the process is killed.
const SENDERS: usize = 6;

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_process_is_killed_under_load() {
    killed_under_load(12, false).await;
}

#[tokio::test]
async fn everything_arrives_if_an_interruption_is_tried_again() {
    killed_under_load(6, true).await;
}

#[tokio::test]
#[ignore = "takes ten minutes, see CONTRIBUTING.md"]
async fn nothing_is_lost_or_doubled_when_the_process_is_killed_two_hundred_times() {
    killed_under_load(200, false).await;
}

#[tokio::test]
#[ignore = "takes ten minutes, see CONTRIBUTING.md"]
async fn everything_arrives_when_the_process_is_killed_two_hundred_times() {
    killed_under_load(200, true).await;
}

/// Sends webhooks all the time, kills the process again and again, and looks at what has become of all that it accepted.
///
/// Outside, each is seen once at most; or, with a policy that tries an interruption again, once at least.
async fn killed_under_load(kills: u32, tries_again: bool) {
    let data = tempdir().unwrap();
    let sink = Server::start(|_| Answer::ok(json!("seen"))).await;
    let errors = if tries_again { json!(["zombieTaskCleaned"]) } else { json!([]) };
    let policy = json!({"enabled": true, "errorsToRetry": errors});
    let (mut hookyard, channel) = reaching(&sink, data.path(), policy).await;

    // In the order in which they were accepted, which is about that in which they are worked off.
    let mut accepted = Vec::new();
    for kill in 0..kills {
        let answered = Mutex::new(Vec::new());
        // From the first webhooks after a start to many of them under way.
        let enough = usize::try_from(1 + kill * 7 % 60).unwrap();
        let senders =
            (0..SENDERS).map(|sender| send_until_gone(&hookyard, &channel, format!("{kill}-{sender}"), &answered));
        let killer = async {
            until("so many answers", async || {
                let count = answered.lock().unwrap().len();
                if count >= enough { Ok(()) } else { Err(count) }
            })
            .await;
            spin(STEP * (kill * 5 % MOMENTS));
            hookyard.signal("-KILL").await;
        };
        tokio::join!(join_all(senders), killer);
        accepted.extend(answered.into_inner().unwrap());
        hookyard.kill().await;
        hookyard = Hookyard::start_with(data.path(), &REACHING).await;
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, event) in &accepted {
        let run = hookyard.wait_for_run(event, is_over).await;
        assert_eq!(run["runs"].as_array().unwrap().len(), 1, "{name}: {run:#}");
        let step = &run["runs"][0]["steps"][0];
        let is_unknown = !tries_again && step["error"]["name"] == "OutcomeUnknown";
        assert!(step["output"] == "seen" || is_unknown, "{name}: {run:#}");
        seen.insert(format!("/{name}"), usize::from(!is_unknown));
    }
    let mut requests: BTreeMap<String, usize> = BTreeMap::new();
    sink.requests().into_iter().for_each(|request| *requests.entry(request.path).or_default() += 1);
    assert!(tries_again || requests.values().all(|count| *count == 1), "{requests:#?}");
    assert!(
        seen.iter().all(|(path, least)| requests.get(path).copied().unwrap_or(0) >= *least),
        "{seen:#?} {requests:#?}"
    );
    let tasks = hookyard.get("/tasks/v1/?limit(1)").await;
    assert!(tasks["page"]["total"].as_u64() >= u64::try_from(accepted.len()).ok(), "each task has a record: {tasks:#}");
}

/// Sends webhooks one after the other until nobody answers; notes the events of those that were accepted.
async fn send_until_gone(hookyard: &Hookyard, channel: &str, sender: String, answered: &Mutex<Vec<(String, String)>>) {
    for number in 0.. {
        let name = format!("{sender}-{number}");
        let request = hookyard.webhook(channel, &name, &json!({"n": name}).to_string());
        let Ok(response) = request.send().await else { return };
        let status = response.status();
        let Ok(answer) = response.json::<Value>().await else { return };
        assert!(status.is_success(), "{status} {answer:#}");
        answered.lock().unwrap().push((name, answer["events"][0].as_str().unwrap().to_owned()));
    }
}

/// Lets a moment pass without giving the processor away, so that the moments of the kill differ by little.
fn spin(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

/// Kills the process while its script waits for an answer, and returns the script's step after the next start.
async fn killed_in_mid_request(takes_notes_away: bool) -> (Value, usize) {
    let data = tempdir().unwrap();
    let sink = Server::start(|_| Answer::ok(json!("seen"))).await;
    sink.next(Reaction::Hang);
    let (hookyard, channel) = reaching(&sink, data.path(), json!({"enabled": false})).await;
    let event = hookyard.deliver(&channel, "one", r#"{"n": 1}"#).await;
    until("the request arrives", async || if sink.requests().is_empty() { Err("none") } else { Ok(()) }).await;
    hookyard.kill().await;
    if takes_notes_away {
        for notes in std::fs::read_dir(data.path().join("effects")).unwrap() {
            File::options().write(true).open(notes.unwrap().path()).unwrap().set_len(64).unwrap();
        }
    }
    let hookyard = Hookyard::start_with(data.path(), &REACHING).await;
    let mut run = hookyard.wait_for_run(&event, is_over).await;
    (run["runs"][0]["steps"][0].take(), sink.requests().len())
}

#[tokio::test]
async fn what_was_marked_is_done_after_a_kill_if_no_note_says_that_it_has_begun() {
    let (step, requests) = killed_in_mid_request(false).await;
    assert_eq!((&step["error"]["name"], requests), (&json!("OutcomeUnknown"), 1), "{step:#}");
    let (step, requests) = killed_in_mid_request(true).await;
    assert_eq!((&step["output"], requests), (&json!("seen"), 2), "{step:#}");
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
