//! Steps: a command comes, a script runs, an answer goes.

use serde_json::{Value, json};

use crate::support::{World, event, task_id};

#[tokio::test]
async fn a_command_runs_the_script_and_answers_with_its_result() {
    let world = World::new().await;
    world
        .script("double", "exports.main = (task) => ({ doubled: task.data.n * 2, for: task.data.event.content.id })")
        .await;
    world.request("wipe", json!({"functionName": "double", "data": {"n": 21}, "tags": ["a"]})).await;
    let expected = json!({
        "eventId": "e1", "dispatcherId": "d1", "step": "wipe", "attempt": 1,
        "status": "succeeded", "startedAt": "2026-01-02T03:04:05.678Z", "output": {"doubled": 42, "for": "u1"},
        "record": {"kind": "task", "id": task_id("wipe")},
    });
    assert_eq!(world.heard("step.finished"), [expected]);
    let task = world.get(&format!("/tasks/v1/{}", task_id("wipe"))).await.body;
    assert_eq!(task["status"], "complete");
    assert_eq!(task["functionName"], "double");
    assert_eq!(task["tags"], json!(["a"]));
    assert_eq!(task["data"], json!({"n": 21, "event": event()}));
}

#[tokio::test]
async fn the_event_wins_over_one_of_the_users_own() {
    let world = World::new().await;
    world.script("show", "exports.main = (task) => task").await;
    world.request("show", json!({"functionName": "show", "data": {"event": "mine", "other": 1}, "priority": 7})).await;
    let task = world.answer("show").await["output"].clone();
    assert_eq!(task["data"], json!({"event": event(), "other": 1}));
    assert_eq!(
        (&task["id"], &task["status"], &task["priority"]),
        (&json!(task_id("show")), &json!("inProgress"), &json!(7))
    );
    assert!(!task.as_object().unwrap().contains_key("claim"));
}

#[tokio::test]
async fn a_warm_step_without_an_effect_costs_one_write_and_one_event() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    world.request("first", json!({"functionName": "f"})).await;
    world.emulator.reset_aws_calls();
    world.request("second", json!({"functionName": "f"})).await;
    let calls: Vec<(String, u64)> = world.emulator.aws_calls().into_iter().collect();
    let expected = [("dynamodb.PutItem", 1), ("eventbridge.PutEvents", 2)];
    assert_eq!(calls, expected.map(|(name, count)| (name.to_owned(), count)), "one of the events is the command");
}

#[tokio::test]
async fn a_failing_script_answers_with_its_error_and_leaves_a_fact() {
    let world = World::new().await;
    world.script("boom", "exports.main = () => { throw new RangeError('too far') }").await;
    world.request("s", json!({"functionName": "boom"})).await;
    let error = json!({"type": "runtime", "name": "RangeError", "message": "too far"});
    let answer = world.answer("s").await;
    assert_eq!((&answer["status"], &answer["error"]), (&json!("failed"), &error));
    let fact = json!({"id": task_id("s"), "functionName": "boom", "error": error});
    assert_eq!(world.heard("task_failed"), [fact]);
    let task = world.get(&format!("/tasks/v1/{}", task_id("s"))).await.body;
    assert_eq!((&task["status"], &task["error"]), (&json!("failed"), &error));
}

#[tokio::test]
async fn a_step_that_can_never_run_fails() {
    let world = World::new().await;
    world.script("off", "exports.main = () => 1").await;
    world.post("/tasks/v1/functions/off/disable", json!({})).await;
    let check = async |step: &str, action: Value, name: &str| {
        world.request(step, action).await;
        let answer = world.answer(step).await;
        assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!(name)), "{answer}");
        assert_eq!(answer["error"]["type"], "invocation");
    };
    check("unknown", json!({"functionName": "nowhere"}), "FunctionNotFound").await;
    check("disabled", json!({"functionName": "off"}), "FunctionDisabled").await;
    check("nameless", json!({"data": {}}), "BadRequest").await;
    check("misnamed", json!({"functionName": "a b"}), "BadRequest").await;
    check("untimely", json!({"functionName": "off", "startTimestamp": "tomorrow"}), "BadRequest").await;
    check("shapeless", json!({"functionName": "off", "data": [1]}), "BadRequest").await;
    check("nothing", json!("text"), "BadRequest").await;
    check("unknown field", json!({"functionName": "off", "function": "f"}), "BadRequest").await;
}

#[tokio::test]
async fn a_step_of_the_future_waits_for_its_time() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 'done'").await;
    let action = json!({"functionName": "f", "startTimestamp": "2026-01-02T03:04:08Z"});
    world.request("later", action.clone()).await;
    assert_eq!(world.answer("later").await["status"], "waiting");
    let path = format!("/tasks/v1/{}", task_id("later"));
    assert_eq!(world.get(&path).await.body["status"], "new");
    world.request("later", action).await;
    assert_eq!(world.answer("later").await["status"], "waiting");
    world.clock.set("2026-01-02T03:04:08Z".parse().unwrap());
    let answer = world.answer("later").await;
    assert_eq!((&answer["status"], &answer["output"]), (&json!("succeeded"), &json!("done")));
    assert_eq!(world.get(&path).await.body["status"], "complete");
    world.clock.advance(jiff::SignedDuration::from_hours(1));
    world.idle().await;
    assert_eq!(world.heard("step.finished").len(), 3);
}

#[tokio::test]
async fn a_result_that_no_event_can_carry_fails_the_step() {
    let world = World::new().await;
    let check = async |step: &str, result: &str, expected: Value| {
        world.script(step, &format!("exports.main = () => {{ {result} }}")).await;
        world.request(step, json!({"functionName": step})).await;
        assert_eq!(world.answer(step).await["error"]["name"], expected, "{result}");
    };
    let deep = |levels: u32| format!("let a = 1; for (let i = 0; i < {levels}; i++) a = [a]; return a");
    check("deep", &deep(64), Value::Null).await;
    check("deeper", &deep(65), json!("OutputTooLarge")).await;
    check("deepest", &deep(1000), json!("OutputTooLarge")).await;
    check("long", "return 'x'.repeat(131071)", json!("OutputTooLarge")).await;
}

#[tokio::test]
async fn a_canceled_step_stays_canceled_when_its_command_comes_again() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let action = json!({"functionName": "f", "startTimestamp": "2026-01-02T03:05:00Z"});
    world.request("s", action.clone()).await;
    assert_eq!(world.post(&format!("/tasks/v1/{}/cancel", task_id("s")), json!({})).await.status, 200);
    world.request("s", action.clone()).await;
    assert_eq!(world.answer("s").await["error"]["name"], "TaskCanceled");
    world.advance(60).await;
    world.request("s", action).await;
    assert_eq!(world.answer("s").await["error"]["name"], "TaskCanceled");
    assert_eq!(world.record(&task_id("s")).await["status"], "canceled");
}

#[tokio::test]
async fn a_step_of_the_past_runs_at_once() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    for (step, start) in
        [("text", json!("2020-01-01T00:00:00Z")), ("number", json!(0)), ("now", json!("2026-01-02T03:04:05.678Z"))]
    {
        world.request(step, json!({"functionName": "f", "startTimestamp": start})).await;
        assert_eq!(world.answer(step).await["status"], "succeeded");
    }
}

#[tokio::test]
async fn what_a_script_prints_and_returns_fits_into_its_record() {
    let world = World::new().await;
    let code =
        "exports.main = () => { for (let i = 0; i < 900; i++) console.log('x'.repeat(70)); return 'y'.repeat(131000) }";
    world.script("wordy", code).await;
    world.request("s", json!({"functionName": "wordy", "data": {"big": "z".repeat(250_000)}})).await;
    assert_eq!(world.answer("s").await["status"], "succeeded");
    let logs = world.record(&task_id("s")).await["logs"].as_array().unwrap().len();
    assert!(logs < 100, "{logs} lines are kept of 900 when there is no room for more");
}
