//! A job runs its action, and the answer ends the run.

use serde_json::{Value, json};

use super::{JOBS, answer_to, failed, path, seconds, succeeded};
use crate::support::{TASK, World};

#[tokio::test]
async fn a_job_without_a_schedule_runs_at_once_and_ends_with_its_answer() {
    let world = World::new().await;
    let job = world.job(json!({})).await;
    assert_eq!((&job["status"], &job["recurring"]), (&json!("queued"), &json!(false)));
    assert_eq!(job["scheduled_at"], "2026-01-02T03:04:05.678Z");
    let asked = world.asked();
    let [command] = &asked[..] else { panic!("{asked:?}") };
    let task_id = command["content"]["eventId"].as_str().unwrap().to_owned();
    assert_eq!(command["id"], format!("task:{task_id}"));
    let fields = json!({
        "env": "prd", "product_tag": "shop", "app": "mailer", "event": "send",
        "input": {"body": {"to": "a@b.test"}}, "session": {"tag": "user", "token": "planted.token"}, "retries": 3,
    });
    assert_eq!(command["content"]["action"], fields);
    assert_eq!((&command["content"]["dispatcherId"], &command["content"]["attempt"]), (&json!("task"), &json!(1)));
    assert_eq!(command["content"]["event"]["content"]["jobId"], job["job_id"]);
    assert_eq!(world.job_now(&job).await["status"], "running");
    world.answer_action(command, succeeded()).await;
    let done = world.job_now(&job).await;
    assert_eq!(
        (&done["status"], &done["runs"], &done["last_task_id"]),
        (&json!("completed"), &json!(1), &json!(task_id))
    );
    let task = world.get(&format!("/tasks/v1/{task_id}")).await.body;
    assert_eq!((&task["status"], &task["result"]), (&json!("complete"), &json!({"status": 200})));
    let runs = world.runs(&job).await;
    assert_eq!(runs.len(), 1);
    assert_eq!((&runs[0]["status"], &runs[0]["task_id"]), (&json!("completed"), &json!(task_id)));
    assert_eq!((&runs[0]["started_at"], &runs[0]["ended_at"]), (&runs[0]["scheduled_at"], &runs[0]["scheduled_at"]));
    // Facts are delivered in any order.
    let mut facts = world.job_facts();
    facts.sort_unstable();
    assert_eq!(facts, ["completed", "scheduled", "started"]);
    // Nobody waits for it in the index of open tasks, and nobody but this function heard the answer.
    assert!(world.record(&task_id).await.get("open").is_none());
}

#[tokio::test]
async fn a_failed_action_fails_the_run_and_the_job_can_be_retried() {
    let world = World::new().await;
    let job = world.job(json!({"product": "shop", "action": "send", "product_tag": null, "event": null})).await;
    assert_eq!(world.post(&path(&job, "/retry"), json!({})).await.status, 400);
    world.answer_action(&world.asked()[0], failed()).await;
    assert_eq!(world.job_now(&job).await["status"], "failed");
    assert_eq!(world.runs(&job).await[0]["error"]["name"], "TIMEOUT");
    assert_eq!(world.heard("task_failed")[0]["scheduleId"], job["job_id"]);
    assert_eq!(world.heard("job.failed")[0]["error"]["name"], "TIMEOUT");
    let retried = world.post(&path(&job, "/retry"), json!({})).await;
    assert_eq!((retried.status, &retried.body["runs"]), (200, &json!(1)));
    world.idle().await;
    assert_eq!(world.asked().len(), 2);
    world.answer_action(&world.asked()[1], succeeded()).await;
    assert_eq!(world.job_now(&job).await["status"], "completed");
    // A run out of turn is none of its schedule.
    assert_eq!(world.job_now(&job).await["runs"], 1);
    // Later, once more.
    world.clock.advance(seconds(1));
    let retried = world.post(&path(&job, "/retry"), json!({"delay": 60_000})).await;
    assert_eq!(retried.status, 200, "{}", retried.body);
    assert_eq!(world.asked().len(), 2);
    world.advance(61).await;
    assert_eq!(world.asked().len(), 3);
    let wrong = world.post(&path(&job, "/retry"), json!({"dealy": 1})).await;
    assert_eq!(wrong.body["message"], "unknown field `dealy`: did you mean `delay`?");
}

#[tokio::test]
async fn an_answer_that_comes_again_or_is_not_one_changes_nothing() {
    let world = World::new().await;
    let job = world.job(json!({})).await;
    let command = world.asked().remove(0);
    world.answer_action(&command, json!({"status": "waiting"})).await;
    assert_eq!(world.job_now(&job).await["status"], "running");
    // Another tenant, and a task that is none of an action.
    let foreign = answer_to(&command, &succeeded()).tenant("other");
    world.publish(&foreign).await;
    assert_eq!(world.job_now(&job).await["status"], "running");
    world.answer_action(&command, succeeded()).await;
    let task_id = command["content"]["eventId"].as_str().unwrap();
    let ended = world.record(task_id).await;
    world.take_events();
    world.clock.advance(seconds(5));
    world.answer_action(&command, succeeded()).await;
    world.answer_action(&command, failed()).await;
    assert_eq!(world.record(task_id).await, ended);
    assert_eq!(world.job_facts(), Vec::<String>::new());
    // The command that started it comes again, too.
    let due = json!({"taskId": task_id, "requestedAt": "2026-01-02T03:04:05.678Z"});
    world.invoke(due).await.unwrap();
    assert_eq!((world.asked(), world.record(task_id).await), (Vec::new(), ended));
}

#[tokio::test]
async fn a_lost_command_is_published_again_and_a_lost_answer_ends_the_run_after_a_day() {
    let world = World::by_hand().await;
    let job = world.job(json!({})).await;
    world.minutes(1).await;
    let due = world.heard("task.due").remove(0);
    world.invoke(due.clone()).await.unwrap();
    let first = world.asked();
    assert_eq!(first.len(), 1);
    world.take_events();
    for (wait_s, asked) in [(30, 0), (60, 1), (30, 1), (90, 2)] {
        world.clock.advance(seconds(wait_s));
        world.invoke(json!({"sweep": "tasks"})).await.unwrap();
        let dues = world.heard("task.due").len();
        assert_eq!(dues, asked);
    }
    // The command is the same one, so that the action function knows it.
    world.invoke(due).await.unwrap();
    assert_eq!(world.asked(), first);
    world.clock.advance(seconds(23 * 3_600));
    world.invoke(json!({"sweep": "tasks"})).await.unwrap();
    assert_eq!(world.job_now(&job).await["status"], "running");
    world.clock.advance(seconds(2 * 3_600));
    world.invoke(json!({"sweep": "tasks"})).await.unwrap();
    assert_eq!(world.job_now(&job).await["status"], "failed");
    assert_eq!(world.runs(&job).await[0]["error"]["name"], "OutcomeUnknown");
    assert_eq!(world.heard("job.failed").len(), 1);
}

#[tokio::test]
async fn a_crash_at_any_call_loses_and_doubles_no_run() {
    for operation in ["dynamodb.UpdateItem", "dynamodb.PutItem", "eventbridge.PutEvents"] {
        for is_before in [true, false] {
            let world = World::by_hand().await;
            let job = world.job(json!({})).await;
            world.minutes(1).await;
            let due = world.heard("task.due").remove(0);
            let case = format!("{operation} {is_before}");
            let crash = |world: &World| match is_before {
                true => world.emulator.crash_before(operation, 1),
                false => world.emulator.crash_after(operation, 1),
            };
            if operation != "dynamodb.PutItem" {
                crash(&world);
                let crashed = world.invoke(due.clone()).await;
                assert_eq!(crashed, Err("the process crashed".to_owned()), "{case}");
            }
            world.invoke(due).await.unwrap();
            let asked = world.asked();
            assert!(asked.iter().all(|command| *command == asked[0]), "{case}");
            if operation != "dynamodb.UpdateItem" {
                crash(&world);
            }
            let payload = answer_to(&asked[0], &succeeded()).payload();
            let crashed = world.invoke(payload.clone()).await;
            assert_eq!(crashed.is_err(), operation != "dynamodb.UpdateItem", "{case}");
            world.invoke(payload).await.unwrap();
            assert_eq!(world.job_now(&job).await["status"], "completed", "{case}");
            assert!(!world.heard("job.completed").is_empty(), "{case}");
            assert_eq!(world.runs(&job).await.len(), 1, "{case}");
            let record = world.items("TASKS_TABLE").await.remove(0);
            assert!(record.get("open").is_none(), "{case}");
        }
    }
}

#[tokio::test]
async fn nothing_shows_the_token_of_a_session() {
    let world = World::new().await;
    let job = world.job(json!({"session": "user:planted.token"})).await;
    assert_eq!(job["session"], "user");
    let shown = [
        world.get(JOBS).await.body,
        world.job_now(&job).await,
        world.get("/tasks/v1/").await.body,
        json!(world.events_on_bus()),
        json!(world.runs(&job).await),
    ];
    for text in shown.iter().map(Value::to_string) {
        assert!(!text.contains("planted"), "{text}");
    }
    for table in ["SCHEDULES_TABLE", "TASKS_TABLE", "SCHEDULE_HISTORY_TABLE"] {
        let name = world.environment(TASK).config.required(table).unwrap().to_owned();
        let raw = aws_sdk_dynamodb_scan(&world, &name).await;
        assert!(!raw.contains("planted"), "{raw}");
    }
}

/// Everything of a table as it is stored.
async fn aws_sdk_dynamodb_scan(world: &World, name: &str) -> String {
    let table = shared::table::Table::new(&world.environment(TASK).aws, name);
    json!(table.scan::<Value>(None, 1_000).await.unwrap()).to_string()
}
