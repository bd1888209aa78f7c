//! Failures of AWS.

use futures::FutureExt as _;
use harness::steps::Owner;
use serde_json::{Value, json};

use crate::support::{self, TASK, World, delivery, task_id};

/// More than the SDK tries by itself.
const TOO_OFTEN: u32 = 3;

#[tokio::test]
async fn a_start_whose_reply_is_lost_still_runs_once() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => Math.random()").await;
    world.emulator.lose_reply("dynamodb.PutItem", 1);
    world.invoke(delivery("s", json!({"functionName": "f"}))).await.unwrap();
    assert_eq!(world.answer("s").await["status"], "succeeded");
    assert_eq!(world.heard("step.finished").len(), 1);
}

#[tokio::test]
async fn a_created_task_whose_start_gets_no_reply_still_runs_once() {
    let world = World::new().await;
    world.script("f", "exports.main = () => { console.log('ran') }").await;
    world.emulator.lose_reply("dynamodb.UpdateItem", 1);
    let id = world.post("/tasks/v1/", json!({"functionName": "f"})).await.body["id"].as_str().unwrap().to_owned();
    world.idle().await;
    let record = world.record(&id).await;
    assert_eq!((&record["status"], record["logs"].as_array().map(Vec::len)), (&json!("complete"), Some(1)));
}

#[tokio::test]
async fn an_end_whose_reply_is_lost_is_published_once() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => Math.random()").await;
    world.emulator.lose_reply("dynamodb.PutItem", 1);
    world.invoke(delivery("s", json!({"functionName": "f"}))).await.unwrap();
    let answer = world.answer("s").await;
    let recorded = world.record(&task_id("s")).await["claim"]["answer"].clone();
    let recorded: Value = serde_json::from_str(recorded.as_str().unwrap()).unwrap();
    assert_eq!(answer["output"], recorded["output"]);
    assert_eq!(world.heard("step.finished").len(), 1);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_is_recorded_later_without_another_run() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => Math.random()").await;
    let command = delivery("s", json!({"functionName": "f"}));
    world.emulator.throttle("dynamodb.PutItem", TOO_OFTEN);
    world.invoke(command.clone()).await.unwrap_err();
    assert!(world.items("TASKS_TABLE").await.is_empty());
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => 'again'"})).await;
    world.invoke(command).await.unwrap();
    let answer = world.answer("s").await;
    assert_eq!(answer["status"], "succeeded");
    assert_ne!(answer["output"], "again");
}

#[tokio::test]
async fn an_answer_that_the_bus_refuses_is_published_when_the_command_comes_again() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    let command = delivery("s", json!({"functionName": "f"}));
    world.emulator.throttle("eventbridge.PutEvents", TOO_OFTEN);
    world.invoke(command.clone()).await.unwrap_err();
    assert_eq!(world.record(&task_id("s")).await["status"], "complete");
    world.invoke(command).await.unwrap();
    assert_eq!(world.answer("s").await["output"], 1);
}

#[tokio::test]
async fn a_request_during_an_outage_of_the_table_can_be_repeated() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    world.emulator.throttle("dynamodb.PutItem", TOO_OFTEN);
    let answer = world.post("/tasks/v1/", json!({"functionName": "f"})).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!(4)));
    assert_eq!(world.post("/tasks/v1/", json!({"functionName": "f"})).await.status, 200);
}

harness::step_faults! {
    fetching: fetching();
}

/// Its effect is a request of its script, whose answer it hands on.
fn fetching() -> Owner {
    Owner {
        function: TASK,
        constructor: support::function,
        action_type: "task",
        action: |world, server| {
            async move {
                let code = format!("exports.main = async () => (await fetch('{}')).json()", server.url());
                let created = world.post("/tasks/v1/functions", json!({"name": "f", "code": code})).await;
                assert_eq!(created.status, 200, "{}", created.body);
                json!({"functionName": "f"})
            }
            .boxed()
        },
        effects: |_, server| async move { server.requests().len() }.boxed(),
        invalid: || json!({"functionName": 5}),
        hands_on: true,
        is_repeatable: false,
    }
}
