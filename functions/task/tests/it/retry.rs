//! The retry policy of a function.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{World, task_id};

const FAILING: &str = "exports.main = () => { throw new TypeError('no') }";

async fn function(world: &World, policy: Value) {
    // Schedules fire on full seconds.
    world.clock.set("2026-01-02T03:05:00Z".parse().expect("a constant time"));
    let body = json!({"name": "f", "code": FAILING, "retryPolicy": policy});
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
}

async fn task(world: &World, id: &Value) -> Value {
    world.get(&format!("/tasks/v1/{}", id.as_str().expect("the id of a task"))).await.body
}

async fn advance(world: &World, seconds: i64) {
    world.clock.advance(SignedDuration::from_secs(seconds));
    world.idle().await;
}

#[tokio::test]
async fn a_failed_task_is_tried_again_after_2_5_and_10_seconds() {
    let world = World::new().await;
    function(&world, json!({"enabled": true})).await;
    let body = json!({"functionName": "f", "data": {"n": 1}, "tags": ["a"], "priority": 7});
    let mut current = world.post("/tasks/v1/", body).await.body["id"].clone();
    world.idle().await;
    let mut before = Vec::new();
    for delay_s in [2, 5, 10] {
        let failed = task(&world, &current).await;
        assert_eq!((&failed["status"], &failed["error"]["name"]), (&json!("retried"), &json!("TypeError")));
        let next = failed["retriedByTaskId"].clone();
        before.push(current);
        let waiting = task(&world, &next).await;
        assert_eq!((&waiting["status"], &waiting["retryForTaskIds"]), (&json!("new"), &json!(before)));
        for field in ["data", "tags", "priority", "functionName", "createdByApplicationId"] {
            assert_eq!(waiting[field], failed[field], "{field}");
        }
        advance(&world, delay_s - 1).await;
        assert_eq!(task(&world, &next).await["status"], "new");
        assert_eq!(world.heard("task_failed"), Vec::<Value>::new());
        advance(&world, 1).await;
        current = next;
    }
    let last = task(&world, &current).await;
    assert_eq!((&last["status"], &last["retriedByTaskId"]), (&json!("failed"), &Value::Null));
    assert_eq!(world.heard("task_failed").len(), 1);
    assert_eq!(world.heard("task_failed")[0]["id"], current);
    let retried = world.get("/tasks/v1/?eq(status,retried)").await.body;
    assert_eq!(retried["page"]["total"], 3);
}

#[tokio::test]
async fn only_the_errors_that_are_named_are_tried_again_and_only_if_it_is_on() {
    for (policy, expected) in [
        (json!({"enabled": true, "errorsToRetry": ["RangeError", "TypeError"]}), "retried"),
        (json!({"enabled": true, "errorsToRetry": ["RangeError"]}), "failed"),
        (json!({"enabled": false}), "failed"),
        (json!({}), "failed"),
    ] {
        let world = World::new().await;
        function(&world, policy.clone()).await;
        let created = world.post("/tasks/v1/", json!({"functionName": "f"})).await.body;
        world.idle().await;
        assert_eq!(task(&world, &created["id"]).await["status"], expected, "{policy}");
    }
}

#[tokio::test]
async fn a_step_waits_for_the_task_that_is_tried_again() {
    let world = World::new().await;
    function(&world, json!({"enabled": true})).await;
    world.request("s", json!({"functionName": "f"})).await;
    assert_eq!(world.answer("s").await["status"], "waiting");
    world.process().on_event(redelivered(&world)).await.unwrap();
    assert_eq!(world.answer("s").await["status"], "waiting");
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = (task) => task.retryForTaskIds"})).await;
    advance(&world, 2).await;
    let answer = world.answer("s").await;
    assert_eq!((&answer["status"], &answer["output"]), (&json!("succeeded"), &json!([task_id("s")])));
    assert_eq!(world.heard("task_failed"), Vec::<Value>::new());
}

/// The command of the step, as it comes again.
fn redelivered(world: &World) -> shared::Incoming {
    let command = world.published("task.requested").remove(0);
    let envelope = serde_json::from_value(command).expect("a command is an envelope");
    shared::Incoming::Event { source: "hookyard.command".to_owned(), envelope: Box::new(envelope) }
}
