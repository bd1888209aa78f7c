//! `kill -9` while an event fans out to a thousand dispatchers, while all that failed is retried, and while events are
//! replayed: nothing is lost, and nothing is done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::Request;
use futures::StreamExt as _;
use futures::stream;
use harness::server::{Answer, Server};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, is_over};

/// The dispatchers of the event that fans out, in three kinds.
const DISPATCHERS: usize = 1_000;
/// The events whose runs fail and are retried, or that are replayed.
const EVENTS: usize = 100;
/// How many requests are under way at a time.
const CONCURRENT: usize = 8;
/// How long anything may take: a call that was killed is made again after half a minute, and more on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked, so that looking takes little of the machine.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SCRIPT: &str = "export const main = (task) => task.data.event.content.n;";

/// Starts a process that may call the sink.
async fn start(data: &Path) -> Hookyard {
    Hookyard::start_with(data, &["--allow-cidr", "127.0.0.0/8"]).await
}

/// Kills the process each time that the sink has got so many requests, and starts it again.
async fn kill_at(mut hookyard: Hookyard, data: &Path, sink: &Server, moments: &[usize]) -> Hookyard {
    for moment in moments {
        wait_for("enough calls", async || Some(()).filter(|()| sink.requests().len() >= *moment)).await;
        hookyard.kill().await;
        hookyard = start(data).await;
    }
    hookyard
}

/// Waits for something, for as long as it takes that a step which was killed is done again several times.
async fn wait_for<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} never came");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until everything that an event has started is over, and returns its timeline.
async fn over(hookyard: &Hookyard, event: &str) -> Value {
    let path = format!("/runs/{event}");
    let look = async || {
        let answer = hookyard.api.exchange(&Request::get(&path)).await.unwrap().body;
        Some(answer).filter(is_over)
    };
    wait_for("the end of the runs", look).await
}

/// Publishes events of a type and returns their ids.
async fn publish(hookyard: &Hookyard, kind: &str) -> Vec<String> {
    let publish = |n: usize| async move {
        let event = hookyard.post("/events/v1", &json!({"type": kind, "content": {"n": n}})).await;
        event["id"].as_str().unwrap().to_owned()
    };
    let all: Vec<_> = (0..EVENTS).map(publish).collect();
    stream::iter(all).buffered(CONCURRENT).collect().await
}

/// Returns the idempotency keys with which each path of the sink was called, and how often.
fn calls(sink: &Server) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut calls = BTreeMap::<_, BTreeMap<_, _>>::new();
    for request in sink.requests() {
        let key = request.header("idempotency-key").to_owned();
        *calls.entry(request.path).or_default().entry(key).or_default() += 1;
    }
    calls
}

fn attempts(step: &Value) -> usize {
    step["attempts"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_event_with_a_thousand_dispatchers_reaches_each_once_wherever_the_process_is_killed() {
    let (data, sink) = (tempdir().unwrap(), Server::start(|_| Answer::ok(json!({}))).await);
    let hookyard = start(data.path()).await;
    hookyard.function("work", SCRIPT).await;
    let url = sink.url();
    let create = |n: usize| {
        let action = match n % 3 {
            0 => json!({"type": "task", "name": "a", "functionName": "work"}),
            1 => {
                json!({"type": "http", "name": "a", "method": "PUT", "url": format!("{url}/{n}")})
            }
            _ => json!({"type": "callback", "name": "a", "action": "create"}),
        };
        let dispatcher = json!({"eventType": "many", "name": format!("d{n}"), "actions": [action]});
        let hookyard = &hookyard;
        async move { hookyard.post("/dispatchers/v1/", &dispatcher).await }
    };
    let all: Vec<_> = (0..DISPATCHERS).map(create).collect();
    stream::iter(all).buffer_unordered(CONCURRENT).collect::<Vec<_>>().await;

    let event = hookyard.post("/events/v1", &json!({"type": "many", "content": {"n": 7}})).await;
    let moments = [1, 40, 80];
    let hookyard = kill_at(hookyard, data.path(), &sink, &moments).await;
    let event = event["id"].as_str().unwrap();
    wait_for("every call", async || Some(()).filter(|()| calls(&sink).len() == DISPATCHERS / 3)).await;
    let timeline = over(&hookyard, event).await;
    assert_eq!(timeline["outcome"], "succeeded", "{timeline:#}");
    let runs = timeline["runs"].as_array().unwrap();
    let dispatchers: BTreeSet<&str> = runs.iter().map(|run| run["dispatcherName"].as_str().unwrap()).collect();
    assert_eq!((runs.len(), dispatchers.len()), (DISPATCHERS, DISPATCHERS));
    assert!(runs.iter().all(|run| attempts(&run["steps"][0]) == 1));
    let callbacks: BTreeSet<String> =
        runs.iter().filter_map(|run| run["steps"][0]["output"]["id"].as_str()).map(str::to_owned).collect();
    assert_eq!(callbacks.len(), DISPATCHERS / 3, "each made a callback of its own");
    assert_eq!(hookyard.get("/tasks/v1/?limit(1)").await["page"]["total"], DISPATCHERS.div_ceil(3));
    let calls = calls(&sink);
    assert_eq!(calls.len(), DISPATCHERS / 3);
    for (path, keys) in calls {
        let [times] = keys.values().collect::<Vec<_>>()[..] else { panic!("{path} was called for {keys:?}") };
        assert!(*times <= 1 + moments.len(), "{path} was called {times} times");
    }
}

#[tokio::test]
async fn all_that_failed_is_retried_once_wherever_the_process_is_killed() {
    let is_well = Arc::new(AtomicBool::new(false));
    let health = is_well.clone();
    let answer = move |_: &_| Answer::status(if health.load(Ordering::SeqCst) { 200 } else { 500 }, json!({}));
    let (data, sink) = (tempdir().unwrap(), Server::start(answer).await);
    let hookyard = start(data.path()).await;
    hookyard.function("work", SCRIPT).await;
    let url = format!("{}/{{{{ event.content.n }}}}", sink.url());
    let actions = json!([
        {"type": "http", "name": "call", "method": "PUT", "url": url},
        {"type": "task", "name": "work", "functionName": "work", "dependencies": ["call"]},
    ]);
    hookyard.post("/dispatchers/v1/", &json!({"eventType": "shaky", "actions": actions})).await;
    let events = publish(&hookyard, "shaky").await;
    for event in &events {
        assert_eq!(over(&hookyard, event).await["outcome"], "failed");
    }
    is_well.store(true, Ordering::SeqCst);
    let bulk = json!({"filter": {"eventType": "shaky", "errorName": "HttpStatus"}, "maxInProgress": 20});
    let bulk = hookyard.post("/runs/retry", &bulk).await;
    let path = format!("/runs/retries/{}", bulk["id"].as_str().unwrap());
    let moments = [EVENTS + 1, EVENTS + 30, EVENTS + 70];
    let hookyard = kill_at(hookyard, data.path(), &sink, &moments).await;
    let is_done = |bulk: &Value| bulk["status"] == "done";
    let bulk = wait_for("the end", async || Some(hookyard.get(&path).await).filter(is_done)).await;
    let counts = ["found", "retried", "done", "succeeded"].map(|name| bulk[name].as_u64().unwrap());
    assert_eq!(counts, [EVENTS as u64; 4], "{bulk:#}");
    for event in &events {
        let run = &over(&hookyard, event).await["runs"][0];
        assert_eq!((&run["status"], run["retries"].as_array().unwrap().len()), (&json!("succeeded"), 1), "{run:#}");
        assert_eq!((attempts(&run["steps"][0]), attempts(&run["steps"][1])), (2, 1), "{run:#}");
    }
    assert_eq!(hookyard.get("/tasks/v1/?limit(1)").await["page"]["total"], EVENTS);
    for (path, keys) in calls(&sink) {
        let [times] = keys.values().collect::<Vec<_>>()[..] else { panic!("{path} was called for {keys:?}") };
        assert!(*times <= 2 + moments.len(), "{path} was called {times} times");
    }
}

#[tokio::test]
async fn events_are_replayed_once_wherever_the_process_is_killed() {
    let (data, sink) = (tempdir().unwrap(), Server::start(|_| Answer::ok(json!({}))).await);
    let mut hookyard = start(data.path()).await;
    hookyard.function("work", SCRIPT).await;
    let url = format!("{}/{{{{ event.content.n }}}}", sink.url());
    let actions = json!([
        {"type": "task", "name": "work", "functionName": "work"},
        {"type": "http", "name": "call", "method": "PUT", "url": url, "dependencies": ["work"]},
    ]);
    hookyard.post("/dispatchers/v1/", &json!({"eventType": "plain", "actions": actions})).await;
    let events = publish(&hookyard, "plain").await;
    for event in &events {
        assert_eq!(over(&hookyard, event).await["outcome"], "succeeded");
    }
    // A client that gets no answer asks again with the same key.
    let moments = [EVENTS + 1, EVENTS + 20, EVENTS + 60];
    for moment in moments {
        let enough = wait_for("enough calls", async || Some(()).filter(|()| sink.requests().len() >= moment));
        tokio::select! {
            _ = replay_all(&hookyard, &events) => {}
            () = enough => {}
        }
        hookyard.kill().await;
        hookyard = start(data.path()).await;
    }
    let replays = replay_all(&hookyard, &events).await;
    let ids: BTreeSet<&str> = replays.iter().map(|replay| replay["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), EVENTS);
    for (event, replay) in events.iter().zip(&replays) {
        let id = replay["id"].as_str().unwrap();
        let run = over(&hookyard, id).await;
        assert_eq!((&run["outcome"], run["runs"].as_array().unwrap().len()), (&json!("succeeded"), 1), "{run:#}");
        assert!(run["runs"][0]["steps"].as_array().unwrap().iter().all(|step| attempts(step) == 1), "{run:#}");
        let original = hookyard.get(&format!("/runs/{event}")).await;
        assert_eq!(
            (&original["replays"][0]["eventId"], original["replays"].as_array().unwrap().len()),
            (&json!(id), 1)
        );
    }
    assert_eq!(hookyard.get("/tasks/v1/?limit(1)").await["page"]["total"], 2 * EVENTS);
    for (path, keys) in calls(&sink) {
        assert_eq!(keys.len(), 2, "{path} was called for {keys:?}");
    }
}

/// Asks for a replay of each event with a key of its own, and returns the answers.
async fn replay_all(hookyard: &Hookyard, events: &[String]) -> Vec<Value> {
    let replay = |event: &String| {
        let request = Request::post(&format!("/events/v1/{event}/replay"), &json!({})).header("idempotency-key", event);
        async move { hookyard.api.send(&request).await.unwrap_or_default() }
    };
    let all: Vec<_> = events.iter().map(replay).collect();
    stream::iter(all).buffered(CONCURRENT).collect().await
}
