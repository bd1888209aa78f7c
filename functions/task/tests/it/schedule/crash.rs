//! Instants fire once each, whatever happens to those who settle them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::World;

/// Checks that each instant has one row, one task, and a command that starts it.
async fn check(world: &World, case: &str, at_least: usize) {
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
    let fired: BTreeSet<i64> =
        rows.iter().filter(|row| row["outcome"] == "fired").map(|row| row["instant"].as_i64().unwrap()).collect();
    let instants: Vec<i64> = fired.iter().copied().collect();
    assert!(instants.len() >= at_least, "{case}: {instants:?}");
    assert!(instants.windows(2).all(|pair| pair[1] - pair[0] == 9_000), "{case}: {instants:?}");
    let tasks: BTreeSet<String> =
        rows.iter().map(|row| row["taskId"].as_str().unwrap_or_default().to_owned()).collect();
    let items = world.items("TASKS_TABLE").await;
    let kept: BTreeSet<String> = items.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(tasks, kept, "{case}");
    let due: BTreeSet<String> =
        world.heard("task.due").iter().map(|due| due["taskId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(tasks, due, "{case}");
}

fn minute() -> Value {
    json!({"sweep": "schedules"})
}

#[tokio::test]
async fn a_crash_at_any_call_loses_and_doubles_nothing() {
    for operation in
        ["dynamodb.TransactWriteItems", "eventbridge.PutEvents", "dynamodb.PutItem", "dynamodb.BatchGetItem"]
    {
        for (number, is_before) in [(0, true), (0, false), (2, true), (2, false)] {
            let world = World::by_hand().await;
            world.function().await;
            world.schedule(json!({"interval": 9, "overlapPolicy": "allow"})).await;
            world.take_events();
            world.emulator.pass(operation, number);
            match is_before {
                true => world.emulator.crash_before(operation, 1),
                false => world.emulator.crash_after(operation, 1),
            }
            let case = format!("{operation} {number} {is_before}");
            let crashed = world.pass_time(world.invoke(minute())).await;
            assert_eq!(crashed, Err("the process crashed".to_owned()), "{case}");
            world.minute().await;
            check(&world, &case, 7).await;
        }
    }
}

#[tokio::test]
async fn many_at_once_fire_each_instant_once() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 9, "overlapPolicy": "allow"})).await;
    let key = &world.items("SCHEDULES_TABLE").await[0];
    let due = json!({"tenantId": key["tenantId"], "scheduleId": schedule["id"], "incarnation": key["incarnation"]});
    let (one, two) = (world.another(), world.another());
    let work = async { tokio::join!(world.invoke(minute()), one.invoke(minute()), two.invoke(minute())) };
    let (first, second, third) = Box::pin(world.pass_time(work)).await;
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    // Scheduler delivers late, and again.
    for _ in 0..2 {
        world.pass_time(world.invoke(due.clone())).await.unwrap();
    }
    check(&world, "at once", 7).await;
}

#[tokio::test]
async fn many_at_once_after_downtime_come_to_the_same_result() {
    let world = World::by_hand().await;
    world.function().await;
    let fields = json!({"interval": 9, "overlapPolicy": "allow", "misfirePolicy": "all"});
    world.schedule(fields).await;
    world.clock.advance(jiff::SignedDuration::from_secs(9 * 150 + 5));
    let processes: Vec<_> = (0..6).map(|_| world.another()).collect();
    world.pass_time(futures::future::join_all(processes.iter().map(|process| process.invoke(minute())))).await;
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
    let count = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((count("missed"), count("fired"), rows.len()), (49, 108, 157), "{rows:?}");
    let record = world.items("SCHEDULES_TABLE").await.remove(0);
    assert_eq!((record.get("sweepingAsOf"), &record["settledUntil"]), (None, &json!("2026-01-02T03:27:38.678Z")));
    let missed: BTreeSet<String> = world.published("schedule.missed").iter().map(ToString::to_string).collect();
    assert_eq!(missed.len(), 1, "{missed:?}");
}

#[tokio::test]
async fn a_failing_service_only_delays() {
    let world = World::by_hand().await;
    world.function().await;
    world.schedule(json!({"interval": 9, "overlapPolicy": "allow"})).await;
    world.emulator.fail_entries(4);
    world.emulator.throttle("dynamodb.TransactWriteItems", 3);
    world.emulator.throttle("dynamodb.BatchGetItem", 3);
    world.minute().await;
    check(&world, "failing", 7).await;
}

#[tokio::test]
async fn a_task_whose_command_was_lost_is_started_when_the_next_instant_comes() {
    let world = World::by_hand().await;
    world.function().await;
    world.schedule(json!({"interval": 70})).await;
    for (seconds, left) in [(65, 1), (70, 2)] {
        world.clock.advance(jiff::SignedDuration::from_secs(seconds));
        world.minute().await;
        assert_eq!(world.items("SCHEDULE_HISTORY_TABLE").await.len(), left);
        if left == 1 {
            world.take_events();
        }
    }
    let due = world.heard("task.due");
    let task = &world.items("TASKS_TABLE").await[0];
    assert_eq!(due, [json!({"taskId": task["taskId"], "requestedAt": task["creationTimestamp"]})]);
}

#[tokio::test]
async fn a_schedule_that_was_deleted_is_not_woken_again() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 3_600})).await;
    let key = world.items("SCHEDULES_TABLE").await.remove(0);
    let deleted = world.delete(&format!("/tasks/v1/schedules/{}", schedule["id"].as_str().unwrap())).await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"affectedRecords": 1})));
    assert_eq!(world.emulator.aws_calls()["scheduler.DeleteSchedule"], 1);
    let due = json!({"tenantId": key["tenantId"], "scheduleId": schedule["id"], "incarnation": key["incarnation"]});
    world.clock.advance(jiff::SignedDuration::from_secs(3_600));
    world.invoke(due).await.unwrap();
    assert_eq!(world.emulator.aws_calls()["scheduler.DeleteSchedule"], 2);
    assert_eq!(world.started().await, Vec::<String>::new());
}
