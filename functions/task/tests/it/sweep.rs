//! The sweep: tasks that an interruption left.

use futures::FutureExt as _;
use harness::{Request, until};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{Function, Incoming};

use crate::support::{TASK, World, delivery, task_id};

/// More than the SDK tries by itself.
const TOO_OFTEN: u32 = 3;
const HANGING: &str = "exports.main = () => new Promise((resolve) => setTimeout(resolve, 20000))";

async fn sweep(world: &World) {
    world.invoke(json!({"sweep": "tasks"})).await.unwrap();
    world.idle().await;
}

/// The last command to start a task.
fn started(world: &World) -> Option<Incoming> {
    let command = world.take_events().into_iter().rfind(|event| event["detail-type"] == "task.due")?;
    let envelope = serde_json::from_value(command["detail"].clone()).expect("a command is an envelope");
    Some(Incoming::Event { source: "hookyard.command".to_owned(), envelope: Box::new(envelope) })
}

async fn created(world: &World, body: Value) -> String {
    let created = world.post("/tasks/v1/", body).await;
    created.body["id"].as_str().unwrap_or_else(|| panic!("{}", created.body)).to_owned()
}

/// Lets a process begin with the task, and kills it.
async fn killed(world: &World, process: &Function, command: Incoming, id: &str, is_there: impl Fn(&Value) -> bool) {
    let run = process.on_event(command);
    tokio::pin!(run);
    until("the task has begun", async || {
        assert!(run.as_mut().now_or_never().is_none(), "the task has ended");
        let record = world.record(id).await;
        if is_there(&record) { Ok(()) } else { Err(record) }
    })
    .await;
}

#[tokio::test]
async fn a_task_whose_start_was_never_published_runs_after_a_minute() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 'ran'").await;
    world.emulator.throttle("eventbridge.PutEvents", TOO_OFTEN);
    assert_eq!(world.post("/tasks/v1/", json!({"functionName": "f"})).await.status, 503);
    world.advance(59).await;
    assert_eq!(world.get("/tasks/v1/").await.body["data"][0]["status"], "new");
    world.advance(120).await;
    let task = world.get("/tasks/v1/").await.body["data"][0].take();
    assert_eq!((&task["status"], &task["result"]), (&json!("complete"), &json!("ran")));
}

#[tokio::test]
async fn a_delayed_task_whose_schedule_is_gone_is_started_once() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 'ran'").await;
    let start = "2026-01-02T04:00:00Z";
    let id = created(&world, json!({"functionName": "f", "startTimestamp": start})).await;
    sweep(&world).await;
    assert!(started(&world).is_none(), "it is not due");
    // The schedule fires, and nobody gets it.
    world.clock.set(start.parse().unwrap());
    world.advance(30).await;
    sweep(&world).await;
    assert!(started(&world).is_none(), "it may still come");
    world.advance(31).await;
    let (first, second) = (world.another(), world.another());
    let sweeps = [&first, &second].map(|process| process.on_event(Incoming::Schedule(json!({"sweep": "tasks"}))));
    for swept in futures::future::join_all(sweeps).await {
        swept.unwrap();
    }
    world.idle().await;
    assert_eq!(world.published("task.due").len(), 1, "two sweeps at once start it once");
    world.process().on_event(started(&world).unwrap()).await.unwrap();
    assert_eq!(world.get(&format!("/tasks/v1/{id}")).await.body["result"], "ran");
    world.advance(3_600).await;
    sweep(&world).await;
    assert!(started(&world).is_none());
}

#[tokio::test]
async fn a_task_whose_process_died_runs_again_or_is_cleaned() {
    let server = harness::server::Server::start(|_| harness::server::Answer::ok(json!(1))).await;
    server.next(harness::server::Reaction::Hang);
    let fetching = format!("exports.main = () => fetch('{}')", server.url());
    let again = json!({"enabled": true, "errorsToRetry": ["zombieTaskCleaned"]});
    for (code, has_acted, policy) in [
        (HANGING, false, again.clone()),
        (fetching.as_str(), true, json!({"enabled": true})),
        (fetching.as_str(), true, again),
    ] {
        let world = World::by_hand().await;
        world.script("f", code).await;
        let is_tried_again = policy["errorsToRetry"].is_array();
        world.put("/tasks/v1/functions/f", json!({"retryPolicy": policy})).await;
        let id = created(&world, json!({"functionName": "f"})).await;
        let command = started(&world).unwrap();
        let is_there = |record: &Value| record["claim"]["effect"] == json!(has_acted);
        killed(&world, &world.another(), command, &id, is_there).await;
        world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => 'again'"})).await;
        world.advance(120).await;
        sweep(&world).await;
        world.another().on_event(started(&world).unwrap()).await.unwrap();
        let task = world.get(&format!("/tasks/v1/{id}")).await.body;
        match has_acted {
            false => assert_eq!((&task["status"], &task["result"]), (&json!("complete"), &json!("again"))),
            true => {
                let expected = if is_tried_again { "retried" } else { "failed" };
                assert_eq!((&task["status"], &task["error"]["name"]), (&json!(expected), &json!("zombieTaskCleaned")));
                assert_eq!(world.heard("task_failed").len(), usize::from(!is_tried_again));
            }
        }
    }
}

#[tokio::test]
async fn a_task_that_still_runs_is_left_alone() {
    let world = World::by_hand().await;
    world.script("f", HANGING).await;
    let id = created(&world, json!({"functionName": "f"})).await;
    let command = started(&world).unwrap();
    world.advance(120).await;
    let process = world.another();
    let run = process.on_event(command);
    tokio::select! {
        ended = run => panic!("the task has ended: {ended:?}"),
        () = world.until_it_runs(&id) => {}
    }
    sweep(&world).await;
    assert!(started(&world).is_none());
}

#[tokio::test]
async fn a_task_that_ends_its_process_every_time_ends_itself() {
    let world = World::by_hand().await;
    world.script("f", HANGING).await;
    let id = created(&world, json!({"functionName": "f"})).await;
    let mut command = started(&world);
    let mut runs = 0;
    while let Some(next) = command.take() {
        runs += 1;
        let former = world.record(&id).await["claim"]["owner"].clone();
        let is_there = |record: &Value| record["claim"]["owner"] != former;
        killed(&world, &world.another(), next, &id, is_there).await;
        world.advance(2 * 3_600).await;
        let failed = world.heard("task_failed");
        sweep(&world).await;
        assert!(failed.is_empty());
        let facts = world.heard("task_failed").len();
        command = started(&world);
        assert_eq!(facts, usize::from(command.is_none()));
    }
    assert_eq!(runs, 6, "it is started once, and five times again");
    let task = world.get(&format!("/tasks/v1/{id}")).await.body;
    assert_eq!((&task["status"], &task["error"]["name"]), (&json!("failed"), &json!("zombieTaskCleaned")));
    assert!(world.record(&id).await["open"].is_null());
}

#[tokio::test]
async fn an_end_that_was_never_announced_is_announced() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => { throw new TypeError('no') }").await;
    let id = created(&world, json!({"functionName": "f"})).await;
    world.emulator.throttle("eventbridge.PutEvents", TOO_OFTEN);
    let command = started(&world).unwrap();
    world.process().on_event(command).await.unwrap_err();
    assert_eq!((&world.record(&id).await["status"], world.heard("task_failed").len()), (&json!("failed"), 0));
    world.advance(61).await;
    sweep(&world).await;
    assert_eq!(world.heard("task_failed").len(), 1);
    assert!(world.record(&id).await["open"].is_null());
    world.advance(3_600).await;
    sweep(&world).await;
    assert_eq!(world.heard("task_failed").len(), 1);
}

#[tokio::test]
async fn a_canceled_step_whose_answer_was_lost_is_answered() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    world.invoke(delivery("s", json!({"functionName": "f", "startTimestamp": "2026-01-02T03:05:00Z"}))).await.unwrap();
    world.emulator.throttle("eventbridge.PutEvents", TOO_OFTEN);
    assert_eq!(world.post(&format!("/tasks/v1/{}/cancel", task_id("s")), json!({})).await.status, 503);
    world.advance(180).await;
    sweep(&world).await;
    assert_eq!(world.answer("s").await["error"]["name"], "TaskCanceled");
    assert!(world.record(&task_id("s")).await["open"].is_null());
}

#[tokio::test]
async fn a_task_is_in_the_index_of_the_sweep_only_as_long_as_it_must_be() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let open = async |id: &str| !world.record(id).await["open"].is_null();
    world.request("at once", json!({"functionName": "f"})).await;
    assert!(!open(&task_id("at once")).await);
    world.emulator.reset_aws_calls();
    let id = created(&world, json!({"functionName": "f"})).await;
    world.idle().await;
    let calls: Vec<(String, u64)> = world.emulator.aws_calls().into_iter().collect();
    let expected = [("dynamodb.PutItem", 2), ("dynamodb.UpdateItem", 1), ("eventbridge.PutEvents", 1)];
    assert_eq!(calls, expected.map(|(name, count)| (name.to_owned(), count)), "the index costs no request");
    assert!(!open(&id).await);
    let later = json!({"functionName": "f", "startTimestamp": "2026-01-02T03:05:00Z"});
    world.request("later", later.clone()).await;
    let (waiting, canceled) = (task_id("later"), created(&world, later).await);
    assert!(open(&waiting).await && open(&canceled).await);
    world.post(&format!("/tasks/v1/{canceled}/cancel"), json!({})).await;
    world.clock.advance(SignedDuration::from_secs(60));
    world.idle().await;
    let answer = world.answer("later").await;
    assert_eq!((&answer["status"], &answer["record"]), (&json!("succeeded"), &json!({"kind": "task", "id": waiting})));
    assert!(!open(&waiting).await && !open(&canceled).await);
}

#[tokio::test]
async fn an_input_of_another_sweep_is_refused() {
    let world = World::by_hand().await;
    assert!(world.0.invoke(TASK, json!({"sweep": "nothing"})).await.is_err());
}

#[tokio::test]
async fn an_execution_whose_process_died_is_given_up() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    let token = world.token("default", &["*"]).await;
    let send = || Request::new("POST", "/tasks/v1/functions/f/execute").bearer(&token).json(json!({}));
    assert_eq!(harness::World::send(&world, send()).await.body["result"], 1);
    world.emulator.crash_after("dynamodb.PutItem", 1);
    assert!(world.invoke(send().payload).await.is_err());
    world.advance(120).await;
    sweep(&world).await;
    world.another().on_event(started(&world).unwrap()).await.unwrap();
    let tasks = world.get("/tasks/v1/?eq(status,failed)").await.body;
    assert_eq!((&tasks["page"]["total"], &tasks["data"][0]["error"]["name"]), (&json!(1), &json!("zombieTaskCleaned")));
    assert_eq!(world.heard("task_failed").len(), 1);
    world.advance(2 * 3_600).await;
    sweep(&world).await;
    assert!(started(&world).is_none());
    assert!(world.items("TASKS_TABLE").await.iter().all(|record| record["open"].is_null()));
}
