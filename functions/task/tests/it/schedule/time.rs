//! When the tasks of schedules start.

use jiff::Timestamp;
use serde_json::json;

use super::SCHEDULES;
use crate::support::World;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn seconds_are_waited_for_inside_the_minute() {
    let world = World::by_hand().await;
    world.function().await;
    world.schedule(json!({"interval": 7, "overlapPolicy": "allow"})).await;
    world.minute().await;
    let started = world.started().await;
    let expected: Vec<String> = (1..=9)
        .map(|k| format!("{:.3}", at("2026-01-02T03:04:05.678Z") + k * jiff::SignedDuration::from_secs(7)))
        .collect();
    assert_eq!(started, expected);
    assert_eq!(world.clock.now(), at("2026-01-02T03:05:08.678Z"));
    let due = world.heard("task.due");
    assert_eq!(due.len(), 9);
}

#[tokio::test]
async fn the_tasks_of_a_schedule_run_by_themselves() {
    let world = World::new().await;
    world.function().await;
    let second = world.schedule(json!({"interval": 2, "data": {"n": 1}, "tags": ["t"], "priority": 3})).await;
    assert_eq!(second["nextTimestamp"], "2026-01-02T03:04:07.678Z");
    for _ in 0..3 {
        world.advance(2).await;
    }
    let id = second["id"].as_str().unwrap();
    let path = format!("/tasks/v1/?eq(status,complete)&eq(scheduleId,{id})&sort(scheduledTimestamp)");
    let tasks = world.get(&path).await.body;
    assert_eq!(tasks["page"]["total"], 3, "{tasks}");
    let first = &tasks["data"][0];
    assert_eq!(first["scheduleId"], second["id"]);
    assert_eq!(first["scheduledTimestamp"], "2026-01-02T03:04:07.678Z");
    assert_eq!((&first["data"], &first["tags"], &first["priority"]), (&json!({"n": 1}), &json!(["t"]), &json!(3)));
    let shown = world.get(&format!("{SCHEDULES}/{}", second["id"].as_str().unwrap())).await.body;
    assert_eq!(shown["nextTimestamp"], "2026-01-02T03:04:13.678Z");
    assert_eq!(shown["lastTaskId"], tasks["data"][2]["id"]);
}

#[tokio::test]
async fn whole_minutes_are_rates_of_scheduler() {
    let world = World::new().await;
    world.function().await;
    world.emulator.deliver_twice(true);
    let end = "2026-01-02T03:35:00Z";
    let minutes =
        world.schedule(json!({"interval": 600, "startTimestamp": "2026-01-02T03:10:00Z", "endTimestamp": end})).await;
    for _ in 0..40 {
        world.advance(60).await;
    }
    let fired = ["2026-01-02T03:10:00.000Z", "2026-01-02T03:20:00.000Z", "2026-01-02T03:30:00.000Z"];
    assert_eq!(world.started().await, fired);
    let gone = world.get(&format!("{SCHEDULES}/{}", minutes["id"].as_str().unwrap())).await;
    assert_eq!((gone.status, &gone.body["code"]), (404, &json!(16)));
    assert_eq!(world.items("SCHEDULES_TABLE").await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_schedule_that_scheduler_forgets_is_looked_after_and_woken_anew() {
    let world = World::by_hand().await;
    world.function().await;
    let minutes = world.schedule(json!({"interval": 600})).await;
    world.clock.set(at("2026-01-02T03:16:05.678Z"));
    world.minute().await;
    assert_eq!(world.history(&minutes).await, ["2026-01-02T03:14:05.678Z missed late"]);
    let fact = json!({
        "scheduleId": minutes["id"], "from": "2026-01-02T03:14:05.678Z", "to": "2026-01-02T03:14:05.678Z", "count": 1,
        "reason": "late",
    });
    assert_eq!(world.heard("schedule.missed"), [fact]);
    assert_eq!(world.emulator.aws_calls()["scheduler.UpdateSchedule"], 1);
}

#[tokio::test]
async fn a_paused_schedule_keeps_its_phase_and_leaves_no_trace() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 20})).await;
    let path = format!("{SCHEDULES}/{}", schedule["id"].as_str().unwrap());
    let stopped = world.post(&format!("{path}/stop"), json!({})).await.body;
    assert_eq!((&stopped["running"], stopped.get("nextTimestamp")), (&json!(false), None));
    world.clock.set(at("2026-01-02T03:05:10Z"));
    world.minute().await;
    assert_eq!(world.history(&schedule).await, Vec::<String>::new());
    let started = world.post(&format!("{path}/start"), json!({})).await.body;
    assert_eq!(started["nextTimestamp"], "2026-01-02T03:05:25.678Z");
    world.minute().await;
    assert_eq!(world.history(&schedule).await[0], "2026-01-02T03:05:25.678Z fired");
}

#[tokio::test]
async fn a_stopped_schedule_runs_out_of_turn() {
    let world = World::new().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 3_600, "running": false, "data": {"n": 1}, "tags": ["t"]})).await;
    let path = format!("{SCHEDULES}/{}", schedule["id"].as_str().unwrap());
    let task = world.post(&format!("{path}/run"), json!({})).await.body;
    assert_eq!((&task["scheduleId"], task.get("scheduledTimestamp")), (&schedule["id"], None));
    world.idle().await;
    let task = world.get(&format!("/tasks/v1/{}", task["id"].as_str().unwrap())).await.body;
    assert_eq!((&task["status"], &task["data"], &task["tags"]), (&json!("complete"), &json!({"n": 1}), &json!(["t"])));
    assert_eq!(world.history(&schedule).await, ["2026-01-02T03:04:05.678Z fired requested"]);
}

#[tokio::test]
async fn what_is_due_before_a_change_is_settled_as_the_schedule_was() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 20, "data": {"n": 1}})).await;
    let path = format!("{SCHEDULES}/{}", schedule["id"].as_str().unwrap());
    world.clock.set(at("2026-01-02T03:04:26Z"));
    let changed = world.put(&path, json!({"interval": 30, "data": {"n": 2}})).await.body;
    assert_eq!((&changed["interval"], &changed["nextTimestamp"]), (&json!(30), &json!("2026-01-02T03:04:35.678Z")));
    assert_eq!(changed["functionName"], "f");
    world.minute().await;
    let fired = ["2026-01-02T03:04:25.678Z fired", "2026-01-02T03:04:35.678Z skipped overlap"];
    assert_eq!(world.history(&schedule).await[..2], fired);
    let task = world.items("TASKS_TABLE").await.remove(0);
    assert_eq!(task["data"], r#"{"n":1}"#);
}

#[tokio::test]
async fn jitter_delays_each_instant_by_less_and_always_the_same() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 60, "jitterSeconds": 30, "overlapPolicy": "allow"})).await;
    let path = format!("{SCHEDULES}/{}/next?count=2", schedule["id"].as_str().unwrap());
    let next = world.get(&path).await.body["data"].as_array().unwrap().clone();
    let instant = at("2026-01-02T03:05:05.678Z");
    let first = at(next[0].as_str().unwrap());
    assert!(instant <= first && first < instant + jiff::SignedDuration::from_secs(30), "{first}");
    world.clock.set(at("2026-01-02T03:04:50Z"));
    world.pass_time(world.invoke(json!({"sweep": "schedules"}))).await.unwrap();
    assert_eq!(world.started().await, ["2026-01-02T03:05:05.678Z"]);
    let task = world.items("TASKS_TABLE").await.remove(0);
    assert_eq!(task["startTimestamp"], next[0]);
    assert_eq!(world.clock.now(), first);
}

#[tokio::test]
async fn after_long_downtime_the_rows_are_bounded() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 1, "misfirePolicy": "once"})).await;
    world.clock.set(at("2026-02-02T03:04:05.678Z"));
    world.invoke(json!({"scheduleId": schedule["id"], "tenantId": "default", "incarnation": "other"})).await.unwrap();
    world.minute().await;
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
    let missed: u64 =
        rows.iter().filter(|row| row["outcome"] == "missed").map(|row| row["count"].as_u64().unwrap()).sum();
    // A month of seconds, without the ten within the tolerance and the last one that was not.
    assert_eq!(missed, 31 * 24 * 3_600 - 11 - 1);
    assert_eq!(rows.iter().filter(|row| row["count"] != 1).count(), 1);
    let fact = &world.heard("schedule.missed")[0];
    assert_eq!((&fact["count"], &fact["from"]), (&json!(missed), &json!("2026-01-02T03:04:06.678Z")));
    let first_fired = world.started().await.remove(0);
    assert_eq!(first_fired, "2026-02-02T03:03:54.678Z");
}
