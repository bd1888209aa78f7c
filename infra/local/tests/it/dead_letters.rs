//! Dead letters of the real binary: listed, redriven over HTTP and on the command line.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use emulator::{Clock, Emulator, Options, Template};
use futures::FutureExt as _;
use harness::Event;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, PATIENCE, hookyard};

/// Leaves facts of these ids in a data directory that no function has taken.
async fn leave_dead(data: &Path, ids: &[&str]) {
    let clock = Clock::fixed(Clock::system().now());
    let options = Options { data: Some(data.to_owned()), clock: clock.clone(), ..Options::default() };
    let emulator = Emulator::open(Template::parse(local::TEMPLATE).unwrap(), options).await.unwrap();
    emulator.start(Arc::new(|_, event| {
        let result = if event.contains("hookyard.custom") { Err("not yet".to_owned()) } else { Ok(()) };
        async { result }.boxed()
    }));
    let client = aws_sdk_eventbridge::Client::new(&emulator.sdk_config());
    for id in ids {
        let mut event = Event::fact("left.behind", json!({})).id(id);
        // Its record is removed some days after it happened.
        event.detail["time"] = clock.now().to_string().into();
        let entry = PutEventsRequestEntry::builder().event_bus_name("hookyard").source(&event.source);
        let entry = entry.detail_type(event.kind()).detail(event.detail.to_string()).build();
        client.put_events().entries(entry).send().await.unwrap();
        emulator.idle().await;
        for _ in 0..50 {
            clock.advance(Duration::from_secs(60));
            emulator.idle().await;
        }
    }
    assert_eq!(emulator.dead_letters().len(), ids.len());
    emulator.stop().await;
}

async fn redrive(running: &Hookyard, data: &Path, arguments: &[&str]) -> Output {
    let mut command = hookyard();
    command.args(["redrive", "--url", &running.url, "--data"]).arg(data).args(arguments);
    tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_a_function_has_failed_to_take_is_listed_and_redriven() {
    let data = tempdir().unwrap();
    leave_dead(data.path(), &["e1", "e2", "e3", "e4"]).await;
    let running = Hookyard::start(&data).await;
    let letters = running.get("/_local/dead-letters").await;
    let letters = letters.as_array().unwrap().clone();
    assert_eq!(letters.len(), 4);
    let id = letters[0]["id"].clone();
    let expected = json!({
        "id": id, "queue": "FactQueue", "target": "DispatcherFunction", "error": "not yet", "attempts": 50,
    });
    assert_eq!(letters[0], expected);

    let one = running.post(&format!("/_local/dead-letters/{id}/redrive"), &Value::Null).await;
    assert_eq!(one, json!({"redriven": 1}));
    running.wait_for("/runs/e1", |run| run["outcome"] == "unmatched").await;
    let output = redrive(&running, data.path(), &[&letters[1]["id"].to_string()]).await;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1 event waits in its queue again\n");
    assert!(output.status.success());
    running.wait_for("/runs/e2", |run| run["outcome"] == "unmatched").await;
    let output = redrive(&running, data.path(), &["--json"]).await;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!({"redriven": 2}));
    for event in ["e3", "e4"] {
        running.wait_for(&format!("/runs/{event}"), |run| run["outcome"] == "unmatched").await;
    }
    assert_eq!(running.get("/_local/dead-letters").await, json!([]));
    let output = redrive(&running, data.path(), &[&id.to_string()]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains(&format!("no dead letter of a queue `{id}` exists")), "{said}");
    for unknown in ["0", "-1", "x", "99999999999999999999"] {
        let path = format!("{}/_local/dead-letters/{unknown}/redrive", running.url);
        let answer = running.client.post(path).bearer_auth(&running.token).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{unknown}");
    }
}
