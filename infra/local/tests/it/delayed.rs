//! Tasks with a start time.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::Hookyard;

#[expect(clippy::disallowed_methods, reason = "the process under test has the machine's clock")]
fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn a_delayed_task_fires_after_a_restart_and_a_past_one_at_once() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    hookyard.function("work", "export const main = () => 'done';").await;
    let start = in_seconds(3);
    let later =
        hookyard.post("/tasks/v1/", &json!({"functionName": "work", "startTimestamp": start.to_string()})).await;
    assert_eq!(later["status"], "new");
    let past = in_seconds(-3600).to_string();
    let past = hookyard.post("/tasks/v1/", &json!({"functionName": "work", "startTimestamp": past})).await;
    let is_complete = |task: &Value| task["status"] == "complete";
    hookyard.wait_for(&format!("/tasks/v1/{}", past["id"].as_str().unwrap()), is_complete).await;
    hookyard.kill().await;

    let hookyard = Hookyard::start(&data).await;
    let path = format!("/tasks/v1/{}", later["id"].as_str().unwrap());
    let later = hookyard.wait_for(&path, is_complete).await;
    let finished: Timestamp = later["statusChangedTimestamp"].as_str().unwrap().parse().unwrap();
    assert!(finished >= start, "it ran {finished}, before its time {start}");
}
