//! What becomes of instants while the last task has not ended.

use serde_json::{Value, json};

use crate::support::World;

/// Ends the oldest task of a schedule that has not started.
async fn cancel_first(world: &World) {
    let tasks = world.get("/tasks/v1/?eq(status,new)&sort(startTimestamp)").await.body;
    let id = tasks["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.post(&format!("/tasks/v1/{id}/cancel"), json!({})).await.status, 200);
}

async fn world_with(fields: Value) -> (World, Value) {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(fields).await;
    (world, schedule)
}

#[tokio::test]
async fn an_instant_is_skipped_while_the_last_task_has_not_ended() {
    let (world, schedule) = world_with(json!({"interval": 30})).await;
    world.minute().await;
    let skipped = ["2026-01-02T03:04:35.678Z fired", "2026-01-02T03:05:05.678Z skipped overlap"];
    assert_eq!(world.history(&schedule).await, skipped);
    cancel_first(&world).await;
    world.minute().await;
    assert_eq!(
        world.history(&schedule).await[2..],
        ["2026-01-02T03:05:35.678Z fired", "2026-01-02T03:06:05.678Z skipped overlap"]
    );
}

#[tokio::test]
async fn instants_queue_up_and_the_end_of_a_task_starts_the_next_one() {
    let (world, schedule) = world_with(json!({"interval": 25, "overlapPolicy": "queue"})).await;
    world.minute().await;
    world.minute().await;
    assert_eq!(world.started().await, ["2026-01-02T03:04:30.678Z"]);
    let queued: Vec<String> = world.history(&schedule).await.split_off(1);
    assert!(queued.len() == 3 && queued.iter().all(|row| row.ends_with("queued")), "{queued:?}");
    for count in 2..=4 {
        cancel_first(&world).await;
        assert_eq!(world.started().await.len(), count);
    }
    assert!(world.history(&schedule).await.iter().all(|row| row.ends_with("fired")));
    // The queue is empty and the last task has not ended.
    world.minute().await;
    assert!(world.history(&schedule).await.last().unwrap().ends_with("queued"));
}

#[tokio::test]
async fn the_end_of_a_script_starts_the_next_task() {
    let world = World::new().await;
    world.function().await;
    let fields = json!({"interval": 5, "overlapPolicy": "skip", "misfirePolicy": "all"});
    world.schedule(fields).await;
    world.advance(25).await;
    world.advance(300).await;
    let tasks = world.get("/tasks/v1/?eq(status,complete)&limit(1)").await.body;
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
    let fired = rows.iter().filter(|row| row["outcome"] == "fired").count();
    assert_eq!(tasks["page"]["total"], fired);
    assert!(fired >= 50, "{fired}");
    assert_eq!(world.items("SCHEDULES_TABLE").await[0]["queue"], Value::Null);
}

#[tokio::test]
async fn what_the_end_of_a_task_did_not_start_is_started_by_the_minute_schedule() {
    let (world, schedule) = world_with(json!({"interval": 40, "overlapPolicy": "queue"})).await;
    world.minute().await;
    world.clock.advance(jiff::SignedDuration::from_secs(20));
    world.minute().await;
    assert_eq!(world.started().await.len(), 1);
    // The task ends without a word.
    let task_id = world.items("TASKS_TABLE").await[0]["taskId"].clone();
    let ended =
        shared::table::Expression::new("SET #status = :status").name("#status", "status").value(":status", "complete");
    world.table("TASKS_TABLE").update::<Value>(&json!({"taskId": task_id}), ended, None).await.unwrap();
    world.minute().await;
    assert!(world.started().await.len() >= 2, "{:?}", world.history(&schedule).await);
}

#[tokio::test]
async fn no_more_than_a_hundred_instants_wait() {
    let (world, schedule) = world_with(json!({"interval": 1, "overlapPolicy": "queue"})).await;
    world.minute().await;
    world.minute().await;
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
    let count = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((count("fired"), count("queued"), count("skipped")), (1, 100, 29));
    assert!(world.history(&schedule).await.last().unwrap().ends_with("skipped queueFull"));
}

#[tokio::test]
async fn the_end_of_a_schedule_empties_its_queue() {
    let fields = json!({"interval": 20, "overlapPolicy": "queue", "endTimestamp": "2026-01-02T03:04:50Z"});
    let (world, schedule) = world_with(fields).await;
    world.minute().await;
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
    let row = rows.iter().find(|row| row["reason"] == "ended").unwrap();
    assert_eq!((&row["outcome"], rows.len()), (&json!("skipped"), 2));
    assert_eq!(world.get(&format!("/tasks/v1/schedules/{}", schedule["id"].as_str().unwrap())).await.status, 404);
}

#[tokio::test]
async fn a_task_that_is_being_retried_has_not_ended() {
    let world = World::new().await;
    let policy = json!({"enabled": true});
    let function =
        json!({"name": "f", "code": "exports.main = () => { throw new Error('no') }", "retryPolicy": policy});
    assert_eq!(world.post("/tasks/v1/functions/", function).await.status, 200);
    let schedule = world.schedule(json!({"interval": 2})).await;
    for _ in 0..4 {
        world.advance(1).await;
    }
    let history = world.history(&schedule).await;
    assert_eq!(history, ["2026-01-02T03:04:07.678Z fired", "2026-01-02T03:04:09.678Z skipped overlap"]);
}
