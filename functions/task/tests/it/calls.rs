//! What scripts publish and start through the module `hookyard`.

use serde_json::{Value, json};

use crate::support::{World, command, task_id};

const MODULE: &str = "const { publish, startTask } = require('hookyard'); exports.main = async (task) => ";

/// The published events of a type, with their envelopes.
fn events(world: &World, kind: &str) -> Vec<Value> {
    world.published(kind)
}

/// Runs a script as a task of its own and returns what it returned.
async fn result(world: &World, body: &str) -> Value {
    world.script("script", &format!("{MODULE}{body}")).await;
    let answer = world.post("/tasks/v1/functions/script/execute", json!({})).await;
    world.delete("/tasks/v1/functions/script").await;
    world.idle().await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    answer.body["result"].clone()
}

#[tokio::test]
async fn a_script_publishes_an_event_of_its_chain() {
    let world = World::new().await;
    world.script("f", &format!("{MODULE}publish('order.paid', {{ n: task.data.n }})")).await;
    let mut asked = command("s", json!({"functionName": "f", "data": {"n": 7}}));
    asked.detail["trace"] = json!({"correlationId": "root", "causationId": "e1", "depth": 3, "budget": 1600});
    world.publish(&asked).await;
    let published = events(&world, "order.paid").remove(0);
    assert_eq!(world.answer("s").await["output"], json!({"id": published["id"]}));
    assert_eq!((&published["content"], &published["tenantId"]), (&json!({"n": 7}), &json!("default")));
    let trace = json!({"correlationId": "root", "causationId": "s-requested", "depth": 3, "budget": 600});
    assert_eq!(published["trace"], trace);
    assert_eq!(world.record(&task_id("s")).await["claim"]["effect"], true);
}

#[tokio::test]
async fn the_same_work_publishes_the_same_events() {
    let world = World::new().await;
    let code = format!(
        "{MODULE}{{ await publish('a', {{}}); await publish('a', {{}}); if (!task.retryForTaskIds) throw new Error('x') }}"
    );
    let body = json!({"name": "f", "code": code, "retryPolicy": {"enabled": true}});
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    world.request("s", json!({"functionName": "f"})).await;
    world.advance(3).await;
    assert_eq!(world.answer("s").await["status"], "succeeded");
    let ids: Vec<_> = events(&world, "a").into_iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids.len(), 4);
    assert_ne!(ids[0], ids[1], "each call is an event of its own");
    assert_eq!(ids[..2], ids[2..], "a task in the place of another one publishes its events again");
    let budgets: Vec<_> = events(&world, "a").iter().map(|event| event["trace"]["budget"].as_u64().unwrap()).collect();
    assert!(budgets[0] > budgets[1] && budgets[0] > budgets[2], "{budgets:?}");
}

#[tokio::test]
async fn a_key_makes_an_event_of_two_tasks_one() {
    let world = World::new().await;
    let one = result(&world, "publish('a', { n: 1 }, { idempotencyKey: 'k' })").await;
    assert_eq!(one, result(&world, "publish('a', { n: 1 }, { idempotencyKey: 'k' })").await);
    assert_ne!(one, result(&world, "publish('a', { n: 1 }, { idempotencyKey: 'l' })").await);
    assert_ne!(one, result(&world, "publish('a', { n: 1 })").await);
}

#[tokio::test]
async fn a_script_starts_a_task_now_or_later() {
    let world = World::new().await;
    world.script("child", "exports.main = (task) => { console.log(task.data.n) }").await;
    let started =
        result(&world, "startTask({ functionName: 'child', data: { n: 5 }, tags: ['t'], priority: 3 })").await;
    let child = world.get(&format!("/tasks/v1/{}", started["id"].as_str().unwrap())).await.body;
    assert_eq!(
        (&child["status"], &child["data"], &child["tags"]),
        (&json!("complete"), &json!({"n": 5}), &json!(["t"]))
    );
    assert_eq!((&child["priority"], &child["createdByApplicationId"]), (&json!(3), &json!("function:script")));
    let later = result(&world, "startTask({ functionName: 'child', startTimestamp: '2026-01-02T03:05:00Z' })").await;
    let path = format!("/tasks/v1/{}", later["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.body["status"], "new");
    world.advance(60).await;
    assert_eq!(world.get(&path).await.body["status"], "complete");
}

#[tokio::test]
async fn tasks_that_start_one_another_end() {
    let world = World::new().await;
    let code = format!("{MODULE}{{ const started = []; for (const n of [1, 2]) {{
        try {{ started.push((await startTask({{ functionName: 'f' }})).id) }} catch (error) {{ started.push(error.name) }} }}
        console.log(...started) }}");
    world.script("f", &code).await;
    world.post("/tasks/v1/", json!({"functionName": "f"})).await;
    world.idle().await;
    let tasks = world.items("TASKS_TABLE").await;
    assert!((10..=10_000).contains(&tasks.len()), "{}", tasks.len());
    assert!(tasks.iter().all(|task| task["status"] == "complete"));
    let logs: Vec<String> = tasks.iter().map(|task| task["logs"][0]["message"].to_string()).collect();
    assert!(logs.iter().any(|line| line.contains("BudgetExhausted")));
    let mut deep = command("deep", json!({"functionName": "f"}));
    deep.detail["trace"] = json!({"correlationId": "root", "depth": 16, "budget": 10_000});
    world.publish(&deep).await;
    let logs = world.record(&task_id("deep")).await["logs"].to_string();
    assert!(logs.contains("LoopDetected"), "{logs}");
}

#[tokio::test]
async fn the_fact_that_a_task_failed_has_what_its_script_had_no_share_in() {
    let world = World::new().await;
    world.script("f", &format!("{MODULE}{{ await publish('a'); throw new Error('x') }}")).await;
    world.script("g", "exports.main = () => { throw new Error('x') }").await;
    for (step, name) in [("s", "f"), ("t", "g")] {
        let mut asked = command(step, json!({"functionName": name}));
        asked.detail["trace"] = json!({"correlationId": "root", "depth": 1, "budget": 800});
        world.publish(&asked).await;
    }
    let budgets: Vec<_> = events(&world, "task_failed").iter().map(|event| event["trace"]["budget"].clone()).collect();
    assert_eq!(budgets, [json!(100), json!(800)]);
    assert_eq!(events(&world, "a")[0]["content"], json!({}));
}

#[tokio::test]
async fn what_cannot_be_published_or_started_is_an_error_of_the_script() {
    let world = World::new().await;
    world.script("off", "exports.main = () => 1").await;
    world.post("/tasks/v1/functions/off/disable", json!({})).await;
    let check = async |call: &str, name: &str, message: &str| {
        let body = format!("{call}.then(() => 'done', (error) => [error.name, error.message, error instanceof Error])");
        let error = result(&world, &body).await;
        assert_eq!((&error[0], &error[2]), (&json!(name), &json!(true)), "{call}: {error}");
        assert!(error[1].as_str().unwrap().contains(message), "{call}: {error}");
    };
    check("publish('task.requested', {})", "FieldFormat", "must not be the type of a command").await;
    check("publish('step.finished', {})", "FieldFormat", "must not be the type of a command").await;
    check("publish('a b', {})", "FieldFormat", "`type`").await;
    check("publish('', {})", "FieldFormat", "`type`").await;
    check("publish(5, {})", "TypeError", "type").await;
    check("publish('a', {}, 'k')", "TypeError", "options").await;
    check("publish('a', {}, { key: 'k' })", "FieldFormat", "unknown field `key`").await;
    check("publish('a', {}, { idempotencyKey: '' })", "FieldFormat", "1 to 255 bytes").await;
    check("publish('a', 'x'.repeat(300000))", "CallTooLarge", "262144 bytes").await;
    check("publish('a', '\u{e9}'.repeat(200000))", "CallTooLarge", "262144 bytes").await;
    check(
        "publish('a', (() => { let a = 1; for (let i = 0; i < 70; i++) a = [a]; return a })())",
        "BodyFormat",
        "64 levels",
    )
    .await;
    check("publish('a', 1n)", "TypeError", "").await;
    check("startTask()", "TypeError", "task").await;
    check("startTask({})", "MissingRequiredFields", "functionName").await;
    check("startTask({ functionName: 'nowhere' })", "ResourceUnknown", "nowhere").await;
    check("startTask({ functionName: 'off' })", "IllegalState", "disabled").await;
    check("startTask({ functionName: 'off', date: {} })", "FieldFormat", "unknown field `date`").await;
    assert_eq!(world.published("a").len() + world.heard("task.due").len(), 0);
}

#[tokio::test]
async fn a_script_publishes_a_hundred_events_in_their_order_and_no_more() {
    let world = World::new().await;
    let body = "{ const all = []; for (let n = 0; n < 102; n++) all.push(publish('a', { n }));
        const ended = await Promise.allSettled(all); return ended.filter((one) => one.status === 'rejected').map((one) => one.reason.name) }";
    assert_eq!(result(&world, body).await, json!(["CallLimitExceeded", "CallLimitExceeded"]));
    let numbers: Vec<_> = world.heard("a").into_iter().map(|content| content["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_module_imports_it_and_replaced_globals_change_nothing() {
    let world = World::new().await;
    let code = "import hookyard, { publish } from 'hookyard';
        export const main = async () => {
            JSON.stringify = () => 'x'; JSON.parse = () => 'x'; Array.prototype.push = () => 0; globalThis.Promise = null;
            Object.prototype.then = undefined;
            await hookyard.publish('a', { n: 1 });
            return (await publish('a', { n: 2 })).id;
        }";
    world.script("f", code).await;
    let answer = world.post("/tasks/v1/functions/f/execute", json!({})).await;
    assert_eq!(answer.body["result"].as_str().map(str::len), Some(36), "{}", answer.body);
    assert_eq!(world.heard("a"), [json!({"n": 1}), json!({"n": 2})]);
}

#[tokio::test]
async fn what_a_script_publishes_belongs_to_its_tenant() {
    let world = World::new().await;
    let token = world.token("acme", &["*"]).await;
    let body = json!({"name": "f", "code": format!("{MODULE}publish('a', {{ n: 1 }})")});
    world.send("POST", "/tasks/v1/functions/", body, &token).await;
    let request = harness::Request::new("POST", "/tasks/v1/functions/f/execute").bearer(&token).json(json!({}));
    assert_eq!(harness::World::send(&world, request).await.status, 200);
    let published = events(&world, "a").remove(0);
    assert_eq!((&published["tenantId"], &published["content"]), (&json!("acme"), &json!({"n": 1})));
}

#[tokio::test]
async fn a_bus_that_fails_is_an_error_that_a_script_can_catch() {
    let world = World::by_hand().await;
    world.script("f", &format!("{MODULE}publish('a').catch((error) => error.name)")).await;
    world.emulator.fail_entries(100);
    let answer = world.post("/tasks/v1/functions/f/execute", json!({})).await;
    assert_eq!(answer.body["result"], "ServiceUnreachable", "{}", answer.body);
}

#[tokio::test]
async fn a_script_publishes_no_facts_of_our_own() {
    let world = World::new().await;
    let own = serde_json::to_string(&shared::event::fact::OWN).unwrap();
    let body = format!(
        "{{ const refused = []; for (const type of [...{own}, 'github.push', 'step.finished']) {{
            try {{ await publish(type, {{}}) }} catch (error) {{ refused.push(error.message) }} }} return refused }}"
    );
    let refused = result(&world, &body).await;
    let refused = refused.as_array().unwrap();
    assert_eq!(refused.len(), shared::event::fact::OWN.len() + 2);
    assert!(refused.iter().all(|message| message.as_str().unwrap().starts_with("`type` must not be")), "{refused:?}");
    assert_eq!(refused[8], "`type` must not be `task_failed`, which only Hookyard itself publishes");
    assert!(events(&world, "task_failed").is_empty());
}
