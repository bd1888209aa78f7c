//! When jobs run, how often, and what clients can do about it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{JOBS, action, path, seconds, succeeded};
use crate::support::World;

/// Answers whatever was asked and not answered, once more what was.
async fn answer_all(world: &World) {
    let mut seen = BTreeSet::new();
    for command in world.asked() {
        if seen.insert(command["id"].to_string()) {
            world.answer_action(&command, succeeded()).await;
        }
    }
}

/// Lets some seconds pass one by one, and answers every action at once.
async fn pass(world: &World, count: i64) {
    for _ in 0..count {
        world.advance(1).await;
        answer_all(world).await;
    }
}

#[tokio::test]
async fn a_job_runs_every_so_often_up_to_its_limit() {
    let world = World::new().await;
    let job = world.job(json!({"schedule": {"every": 5_000, "limit": 3}})).await;
    assert_eq!((&job["status"], &job["recurring"]), (&json!("scheduled"), &json!(true)));
    assert_eq!(job["next_run_at"], "2026-01-02T03:04:10.678Z");
    pass(&world, 7).await;
    let job_now = world.job_now(&job).await;
    assert_eq!((&job_now["status"], &job_now["runs"]), (&json!("scheduled"), &json!(1)));
    pass(&world, 30).await;
    let done = world.job_now(&job).await;
    assert_eq!((&done["status"], &done["runs"], done.get("next_run_at")), (&json!("completed"), &json!(3), None));
    assert_eq!(world.runs(&job).await.len(), 3);
    let record = world.items("SCHEDULES_TABLE").await.remove(0);
    assert!(record["expiresAt"].is_number() && record.get("dueAt").is_none(), "{record}");
}

#[tokio::test]
async fn the_limit_is_exact_whatever_restarts_pauses_and_doubles() {
    let world = World::by_hand().await;
    let job = world.job(json!({"schedule": {"every": 7_000, "limit": 8}})).await;
    let key = world.items("SCHEDULES_TABLE").await.remove(0);
    let due = json!({"tenantId": key["tenantId"], "scheduleId": job["job_id"], "incarnation": key["incarnation"]});
    let end = async |world: &World| {
        for due in world.heard("task.due") {
            world.invoke(due).await.unwrap();
        }
        for command in world.asked() {
            world.invoke(super::answer_to(&command, &succeeded()).payload()).await.unwrap();
        }
    };
    for round in 0..22 {
        let (one, two) = (world.another(), world.another());
        world.clock.advance(seconds(if round % 5 == 3 { 300 } else { 8 }));
        match round {
            2 => world.emulator.crash_after("dynamodb.TransactWriteItems", 1),
            4 => world.emulator.crash_before("dynamodb.PutItem", 1),
            5 => world.restart(),
            6 => assert_eq!(world.post(&path(&job, "/pause"), json!({})).await.status, 200),
            8 => assert_eq!(world.post(&path(&job, "/resume"), json!({})).await.status, 200),
            _ => {}
        }
        if matches!(round, 2 | 4) {
            // The process that crashes is this one.
            let _ = world.pass_time(world.invoke(due.clone())).await;
        } else {
            let calls =
                async { tokio::join!(one.invoke(due.clone()), two.invoke(due.clone()), world.invoke(due.clone())) };
            let (one, two, three) = Box::pin(world.pass_time(calls)).await;
            assert!(one.is_ok() && two.is_ok() && three.is_ok());
        }
        end(&world).await;
    }
    let rows = world.items("SCHEDULE_HISTORY_TABLE").await;
    let fired = rows.iter().filter(|row| row["outcome"] == "fired").count();
    assert_eq!((fired, world.items("TASKS_TABLE").await.len()), (8, 8), "{rows:?}");
    let done = world.job_now(&job).await;
    assert_eq!((&done["runs"], &done["status"]), (&json!(8), &json!("completed")));
}

#[tokio::test]
async fn a_job_at_a_time_runs_then_even_if_nobody_was_there() {
    let world = World::by_hand().await;
    let job = world.job(json!({"schedule": {"start_at": "2026-01-02T04:00:00Z"}})).await;
    assert_eq!((&job["status"], &job["next_run_at"]), (&json!("scheduled"), &json!("2026-01-02T04:00:00.000Z")));
    world.clock.advance(seconds(5 * 3_600));
    world.minutes(1).await;
    assert_eq!(world.heard("task.due").len(), 1);
    let past = world.job(json!({"schedule": {"start_at": 0}})).await;
    world.minutes(1).await;
    assert_eq!(world.heard("task.due").len(), 2);
    assert_eq!(world.job_now(&past).await["runs"], 1);
}

#[tokio::test]
async fn a_paused_job_that_should_have_run_once_runs_when_it_is_resumed() {
    let world = World::by_hand().await;
    let job = world.job(json!({"schedule": {"start_at": "2026-01-02T03:30:00Z"}})).await;
    assert_eq!(world.post(&path(&job, "/resume"), json!({})).await.status, 400);
    let paused = world.post(&path(&job, "/pause"), json!({})).await;
    assert_eq!((paused.status, &paused.body["status"]), (200, &json!("paused")));
    assert_eq!(world.post(&path(&job, "/pause"), json!({})).await.status, 400);
    world.clock.advance(seconds(3_600));
    world.minutes(1).await;
    assert_eq!(world.heard("task.due"), Vec::<Value>::new());
    let resumed = world.post(&path(&job, "/resume"), json!({})).await;
    assert_eq!(resumed.status, 200, "{}", resumed.body);
    world.minutes(1).await;
    assert_eq!(world.heard("task.due").len(), 1);
    assert_eq!(world.job_facts(), ["scheduled", "paused", "resumed"]);
}

#[tokio::test]
async fn a_cancelled_job_is_final_and_takes_the_run_with_it_that_has_not_started() {
    let world = World::by_hand().await;
    let job = world.job(json!({})).await;
    world.minutes(1).await;
    assert_eq!(world.job_now(&job).await["status"], "queued");
    let periodic = world.job(json!({"schedule": {"every": 10_000}})).await;
    world.clock.advance(seconds(11));
    world.minutes(1).await;
    let cancelled = world.post(&path(&periodic, "/cancel"), json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")));
    let runs = world.runs(&periodic).await;
    assert!(runs.iter().any(|run| run["status"] == "cancelled"), "{runs:?}");
    for (action, body) in [("/pause", json!({})), ("/resume", json!({})), ("/cancel", json!({})), ("/retry", json!({}))]
    {
        let refused = world.post(&path(&periodic, action), body).await;
        assert_eq!((refused.status, &refused.body["message"]), (400, &json!("the job is cancelled")), "{action}");
    }
    assert_eq!(world.put(&path(&periodic, ""), json!({"retries": 1})).await.status, 400);
    assert_eq!(world.job_facts(), ["scheduled", "scheduled", "cancelled"]);
    assert!(world.items("SCHEDULES_TABLE").await.iter().any(|job| job["expiresAt"].is_number()));
    let deleted = world.delete(&path(&periodic, "")).await;
    assert_eq!(deleted.body, json!({"affectedRecords": 1}));
    assert_eq!(world.get(&path(&periodic, "")).await.status, 404);
}

#[tokio::test]
async fn a_job_stays_when_its_end_has_passed_and_can_be_rescheduled() {
    let world = World::new().await;
    let schedule = json!({"every": 4_000, "endDate": "2026-01-02T03:04:15Z"});
    let job = world.job(json!({"schedule": schedule})).await;
    pass(&world, 100).await;
    let done = world.job_now(&job).await;
    assert_eq!((&done["status"], &done["runs"]), (&json!("completed"), &json!(2)));
    let schedule = json!({"cron": "0 5 * * *", "tz": "Europe/Berlin", "limit": 2});
    let changed = world.put(&path(&job, ""), json!({"retries": null, "schedule": schedule})).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let changed = changed.body;
    assert_eq!((&changed["status"], &changed["runs"]), (&json!("scheduled"), &json!(0)));
    assert_eq!(changed["next_run_at"], "2026-01-02T04:00:00.000Z");
    assert_eq!((changed.get("retries"), &changed["session"]), (None, &json!("user")));
    assert_eq!(changed["schedule"]["tz"], "Europe/Berlin");
    let renamed = world.put(&path(&job, ""), json!({"action": "other", "app": "pager"})).await.body;
    assert_eq!(
        (&renamed["event"], &renamed["app"], &renamed["schedule"]),
        (&json!("other"), &json!("pager"), &changed["schedule"])
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_job_names_the_field() {
    let world = World::by_hand().await;
    let long = "x".repeat(110_000);
    for (fields, message) in [
        (json!({"env": null}), "`env` is required"),
        (json!({"event": null}), "`event` is required"),
        (json!({"action": "other"}), "`action` cannot be given beside `event`"),
        (json!({"app": ""}), "`app` must have 1 to 256 characters"),
        (json!({"inptu": {}}), "unknown field `inptu`: did you mean `input`?"),
        (json!({"input": []}), "`input` must be an object"),
        (json!({"session": "user"}), "`session` must be an object with `tag` and `token`, or a text `tag:token`"),
        (
            json!({"session": {"tag": 1, "token": "t"}}),
            "`session` must be an object with `tag` and `token`, or a text `tag:token`",
        ),
        (json!({"retries": -1}), "`retries` must be a whole number from 0 to 20"),
        (json!({"schedule": {"every": 999}}), "`schedule.every` must be a whole number from 1000 to 316223999999"),
        (json!({"schedule": {"every": 1_000, "cron": "* * * * *"}}), "`schedule.cron` cannot be given beside `every`"),
        (json!({"schedule": {"every": 1_000, "tz": "UTC"}}), "`schedule.tz` needs `cron`"),
        (json!({"schedule": {"cron": "* * * * *", "tz": "Mars"}}), "`schedule.tz` "),
        (json!({"schedule": {"cron": "* *"}}), "`schedule.cron` "),
        (json!({"schedule": {"limit": 3}}), "`schedule.limit` needs `every` or `cron`"),
        (
            json!({"schedule": {"every": 1_000, "limit": 0}}),
            "`schedule.limit` must be a whole number from 1 to 1000000000",
        ),
        (
            json!({"schedule": {"every": 1_000, "endDate": "2026-01-01T00:00:00Z"}}),
            "`schedule.endDate` must be in the future",
        ),
        (json!({"schedule": {"start_at": "soon"}}), "`schedule.start_at` must be a time"),
        (json!({"schedule": {"strat_at": 1}}), "`schedule`: unknown field `strat_at`: did you mean `start_at`?"),
        (
            json!({"input": {"body": long}}),
            "`input` must have, with the other fields of the action, at most 102400 bytes of JSON",
        ),
    ] {
        let mut body = action();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let refused = world.post(JOBS, body).await;
        assert_eq!(refused.status, 400, "{fields}");
        let found = refused.body["message"].as_str().unwrap();
        assert!(found.starts_with(message), "{fields}: {found}");
    }
    assert_eq!(world.items("SCHEDULES_TABLE").await, Vec::<Value>::new());
}

#[tokio::test]
async fn every_list_shows_its_own_kind() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    let schedule = world.post("/tasks/v1/schedules", json!({"functionName": "f", "interval": 60})).await.body;
    let script = json!({"id": "toggle", "script": "https://a.test/s.js", "interval": 60_000, "config": {}});
    let created = world.post("/api/v1/tasks", script).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let job = world.job(json!({"schedule": {"every": 60_000}})).await;
    let other = world.job(json!({"env": "dev", "schedule": {"every": 60_000}})).await;
    assert_eq!(world.get("/tasks/v1/schedules").await.body["page"]["total"], 1);
    assert_eq!(world.get("/api/v1/tasks").await.body.as_array().unwrap().len(), 1);
    let jobs = world.get(JOBS).await.body;
    assert_eq!(jobs["page"]["total"], 2);
    let found = world.get(&format!("{JOBS}?eq(env,dev)&eq(status,scheduled)")).await.body;
    assert_eq!((&found["page"]["total"], &found["data"][0]["job_id"]), (&json!(1), &other["job_id"]));
    let id = job["job_id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/tasks/v1/schedules/{id}")).await.status, 404);
    assert_eq!(world.get(&format!("/api/v1/tasks/{id}")).await.status, 404);
    assert_eq!(world.get(&format!("{JOBS}/{}", schedule["id"].as_str().unwrap())).await.status, 404);
    let stranger = world.token("other", &["*"]).await;
    for rest in ["", "/history"] {
        assert_eq!(world.send("GET", &path(&job, rest), Value::Null, &stranger).await.status, 404);
    }
    let nobody = world.token("default", &["VIEW_TASKS"]).await;
    assert_eq!(world.send("GET", JOBS, Value::Null, &nobody).await.status, 401);
}
