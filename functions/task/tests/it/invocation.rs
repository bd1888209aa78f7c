//! The JSON that Lambda passes in.

use harness::{Event, NOW};
use serde_json::{Value, json};

use crate::support::{World, delivery, task_id};

#[tokio::test]
async fn the_event_of_a_rule_runs_a_step() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    assert_eq!(world.invoke(delivery("s", json!({"functionName": "f"}))).await.unwrap(), Value::Null);
    assert_eq!(world.answer("s").await["output"], 1);
}

#[tokio::test]
async fn the_input_of_a_schedule_starts_its_task() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    let action = json!({"functionName": "f", "startTimestamp": "2026-01-02T03:05:00Z"});
    world.invoke(delivery("s", action)).await.unwrap();
    let input = json!({"taskId": task_id("s"), "requestedAt": "2026-01-02T03:04:05.678Z"});
    world.invoke(input.clone()).await.unwrap();
    assert_eq!(world.record(&task_id("s")).await["status"], "complete");
    world.invoke(input).await.unwrap();
    assert_eq!(world.answer("s").await["output"], 1);
}

#[tokio::test]
async fn a_created_task_is_started_by_the_command_task_due() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    let id = world.post("/tasks/v1/", json!({"functionName": "f"})).await.body["id"].clone();
    world.idle().await;
    let content = &json!({"taskId": id, "requestedAt": NOW});
    assert_eq!(world.heard("task.due"), std::slice::from_ref(content));
    assert_eq!(world.heard("task.requested"), Vec::<Value>::new());
    let command = |kind: &str| Event::fact(kind, content.clone()).source("hookyard.command").payload();
    let id = id.as_str().unwrap();
    world.invoke(command("task.requested")).await.unwrap_err();
    assert_eq!(world.record(id).await["status"], "new");
    world.invoke(command("task.due")).await.unwrap();
    assert_eq!(world.record(id).await["status"], "complete");
}

#[tokio::test]
async fn a_schedule_may_come_before_the_record_of_its_task() {
    let world = World::by_hand().await;
    let input = json!({"taskId": "0123456789abcdef01234567", "requestedAt": "2026-01-02T03:04:05.678Z"});
    let error = world.invoke(input.clone()).await.unwrap_err();
    assert!(error.contains("is not there yet"));
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    assert_eq!(world.invoke(input).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn an_event_for_another_function_is_an_error() {
    let world = World::by_hand().await;
    let mut event = delivery("s", json!({"functionName": "f"}));
    event["detail"]["type"] = "http.requested".into();
    event["detail-type"] = "http.requested".into();
    assert!(world.invoke(event).await.is_err());
    assert!(world.invoke(json!({"sweep": "runs"})).await.is_err());
}
