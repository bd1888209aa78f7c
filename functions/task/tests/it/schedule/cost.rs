//! What settling costs, in requests to AWS.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::World;

/// How many requests of these kinds there were.
fn count(world: &World, operations: &[&str]) -> u64 {
    let calls = world.emulator.aws_calls();
    operations.iter().filter_map(|operation| calls.get(*operation)).sum()
}

fn writes(world: &World) -> u64 {
    count(world, &["dynamodb.TransactWriteItems", "dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.DeleteItem"])
}

fn minute() -> Value {
    json!({"sweep": "schedules"})
}

/// What names each schedule, as commands and Scheduler send it.
async fn keys(world: &World) -> Vec<Value> {
    let key = |item: Value| json!({"tenantId": item["tenantId"], "scheduleId": item["scheduleId"], "incarnation": item["incarnation"]});
    world.items("SCHEDULES_TABLE").await.into_iter().map(key).collect()
}

#[tokio::test]
async fn whoever_settles_a_schedule_at_the_same_time_costs_nothing_more() {
    let world = World::by_hand().await;
    world.function().await;
    for _ in 0..3 {
        world.schedule(json!({"interval": 7, "overlapPolicy": "allow"})).await;
    }
    let keys = keys(&world).await;
    world.clock.advance(SignedDuration::from_secs(7 * 400 + 3));
    world.emulator.reset_aws_calls();
    let wakes = (0..12).flat_map(|_| keys.iter()).map(|key| world.invoke(key.clone()));
    let minutes = futures::future::join_all((0..3).map(|_| world.invoke(minute())));
    let (woken, minutes) = world.pass_time(futures::future::join(futures::future::join_all(wakes), minutes)).await;
    assert!(woken.iter().chain(&minutes).all(Result::is_ok));
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await.len() as u64;
    assert_eq!(rows, 3 * (400 + 9));
    let calls = world.emulator.aws_calls();
    // The missed rows go in bundles, and each of the ten moments of a minute costs a handful of writes.
    assert!(writes(&world) <= 60, "{calls:?}");
    assert!(count(&world, &["dynamodb.BatchGetItem", "dynamodb.GetItem"]) <= 90, "{calls:?}");
}

#[tokio::test]
async fn missed_instants_cost_writes_in_proportion_to_their_rows() {
    for (missed, bundles) in [(200_i64, 2_u64), (1_000, 10)] {
        let world = World::by_hand().await;
        world.function().await;
        world.schedule(json!({"interval": 11})).await;
        world.clock.advance(SignedDuration::from_secs(11 * (missed + 1) + 1));
        world.emulator.reset_aws_calls();
        let key = keys(&world).await.remove(0);
        world.invoke(key).await.unwrap();
        let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
        let found = rows.iter().filter(|row| row["outcome"] == "missed").count();
        assert_eq!(found, usize::try_from(missed).unwrap());
        let calls = world.emulator.aws_calls();
        assert!(writes(&world) <= bundles + 6, "{missed}: {calls:?}");
    }
}

#[tokio::test]
async fn schedules_that_are_due_at_once_are_settled_in_bundles() {
    let world = World::by_hand().await;
    world.function().await;
    for _ in 0..300 {
        world.schedule(json!({"interval": 3_601})).await;
    }
    world.clock.advance(SignedDuration::from_secs(3_601));
    world.emulator.reset_aws_calls();
    world.invoke(minute()).await.unwrap();
    assert_eq!(world.started().await.len(), 300);
    let calls = world.emulator.aws_calls();
    // Fifty instants each with its task in one request, and a hundred records.
    assert!(writes(&world) <= 300 / 50 + 300 / 100 + 4, "{calls:?}");
    assert!(count(&world, &["dynamodb.BatchGetItem", "dynamodb.GetItem", "dynamodb.Query"]) <= 30, "{calls:?}");
}

#[tokio::test]
async fn one_instant_that_somebody_else_has_settled_keeps_no_other_from_firing() {
    let world = World::by_hand().await;
    world.function().await;
    for _ in 0..30 {
        world.schedule(json!({"interval": 3_601})).await;
    }
    let keys = keys(&world).await;
    let instant = world.clock.now() + SignedDuration::from_secs(3_601);
    for key in &keys[..3] {
        let row = json!({
            "incarnation": key["incarnation"], "instant": instant.as_millisecond(), "outcome": "skipped",
            "reason": "overlap", "count": 1, "handledAt": "2026-01-02T04:04:06.678Z", "expiresAt": 4_000_000_000_i64,
        });
        world.table("SCHEDULE_HISTORY_TABLE").put(&row).await.unwrap();
    }
    world.clock.set(instant);
    world.invoke(minute()).await.unwrap();
    assert_eq!(world.started().await.len(), 27);
    assert_eq!(world.items("SCHEDULE_HISTORY_TABLE").await.len(), 30);
    let settled = world.items("SCHEDULES_TABLE").await;
    assert!(settled.iter().all(|schedule| schedule["settledUntil"] == "2026-01-02T04:04:06.678Z"), "{settled:?}");
}
