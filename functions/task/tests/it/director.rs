//! Director's tasks over HTTP, as its users use them.

mod refusals;
mod running;
mod scripts;

use harness::{Answer, Request};
use serde_json::{Value, json};

use crate::support::World;

const TASKS: &str = "/api/v1/tasks";
const ASSETS: &str = "/assets/public/director";

/// Keeps a script, and returns the path by which tasks name it.
async fn asset(world: &World, name: &str, content: &str) -> String {
    let token = world.token("default", &["*"]).await;
    let path = format!("{ASSETS}/{name}");
    let request = Request::new("PUT", &path).bearer(&token).header("content-type", "text/plain").body(content);
    let answer = harness::World::send(world, request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    path
}

/// A task that runs an own script every minute, with changes.
fn task(script: &str, changes: Value) -> Value {
    let mut task = json!({"script": script, "running": true, "config": {}, "interval": 60_000});
    if let (Some(task), Value::Object(changes)) = (task.as_object_mut(), changes) {
        task.extend(changes);
    }
    task
}

async fn create(world: &World, task: Value) -> Value {
    let answer = world.post(TASKS, task).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!((answer.status, &answer.body), (status, &json!({"code": status, "message": message})));
}

#[tokio::test]
async fn a_failed_run_leaves_a_fact_that_names_its_task() {
    let world = World::new().await;
    let script = asset(&world, "boom.js", "module.exports.main = () => Promise.reject('no')").await;
    create(&world, task(&script, json!({"id": "boom", "running": false}))).await;
    assert_eq!(world.post(&format!("{TASKS}/boom/run"), json!({})).await.status, 500);
    let facts = world.heard("task_failed");
    let said = |name: &str| facts[0].get(name).cloned();
    assert_eq!((said("scheduleId"), said("script")), (Some(json!("boom")), Some(json!(script))));
    assert_eq!((facts.len(), said("functionName")), (1, None));
}

#[tokio::test]
async fn an_id_is_a_switch() {
    let world = World::new().await;
    let script = asset(&world, "slack.js", "module.exports.main = async (config) => `told ${config.scopeId}`").await;
    let path = format!("{TASKS}/slack-project1");
    refused(&world.get(&path).await, 404, "Not Found");
    let seconds = 86_400;
    let end = 1_767_323_045_678_i64 + seconds * 1000 * 365;
    let body = json!({
        "id": "slack-project1", "script": script, "running": true, "config": {"scopeId": "project1"},
        "init": "2026-01-02T03:04:15.678Z", "end": end, "interval": seconds * 1000, "code": 200, "message": "OK",
        "more": {"deep": [1, null]},
    });
    let created = create(&world, body.clone()).await;
    assert_eq!(created, body, "nothing of it changes, nothing is lost");
    assert_eq!(world.get(&path).await.body, body);
    refused(&world.post(TASKS, body.clone()).await, 400, "Task already exists");
    let status = world.get(&format!("{path}/status")).await.body;
    assert_eq!(status, json!({"id": "slack-project1", "running": true, "nextExecution": "1767323055678"}));
    let deleted = world.delete(&path).await;
    assert_eq!((deleted.status, deleted.body), (202, json!({"code": 202, "message": "Deleted"})));
    refused(&world.get(&path).await, 404, "Not Found");
    refused(&world.delete(&path).await, 404, "Not Found");
    assert_eq!(create(&world, body.clone()).await, body, "the switch can be turned on again");
}

#[tokio::test]
async fn a_task_without_an_id_gets_one_and_is_found_by_its_properties() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    let first = create(&world, task(&script, json!({"interval": "5000", "label": "one"}))).await;
    let id = first["id"].as_str().unwrap();
    assert_eq!((id.len(), &first["interval"]), (36, &json!("5000")));
    assert_eq!(first["init"], "2026-01-02T03:04:05.678Z");
    refused(&world.post(TASKS, task(&script, json!({"interval": "5000"}))).await, 400, "Task already exists");
    let second = create(&world, task("https://example.org/b.js?x=1", json!({"running": false, "label": "two"}))).await;
    let check = async |query: &str, expected: &[&Value]| {
        let list = world.get(&format!("{TASKS}{query}")).await;
        let mut ids: Vec<&Value> = list.body.as_array().unwrap().iter().map(|task| &task["id"]).collect();
        let mut expected: Vec<&Value> = expected.iter().map(|task| &task["id"]).collect();
        ids.sort_by_key(|id| id.to_string());
        expected.sort_by_key(|id| id.to_string());
        assert_eq!((list.status, ids), (200, expected), "{query}");
    };
    check("", &[&first, &second]).await;
    check("/", &[&first, &second]).await;
    check(&format!("?id={id}"), &[&first]).await;
    check("?script=https%3A%2F%2Fexample.org%2Fb.js%3Fx%3D1", &[&second]).await;
    check("?label=one&running=true", &[&first]).await;
    check("?interval=5000", &[&first]).await;
    check("?interval=60000", &[&second]).await;
    check("?label=three", &[]).await;
    check("?frobnicate=1", &[]).await;
}

#[tokio::test]
async fn a_known_id_with_other_properties_is_replaced() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    create(&world, task(&script, json!({"id": "t", "label": "one"}))).await;
    let replaced = create(&world, task(&script, json!({"id": "t", "interval": 120_000}))).await;
    assert_eq!((&replaced["interval"], replaced.get("label")), (&json!(120_000), None));
    assert_eq!(world.get(TASKS).await.body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_replaces_the_whole_task_and_another_id_renames_it() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    create(&world, task(&script, json!({"id": "t", "label": "one"}))).await;
    create(&world, task(&script, json!({"id": "other", "label": "two"}))).await;
    let changed = world.put(&format!("{TASKS}/t"), task(&script, json!({"interval": 120_000, "running": false}))).await;
    assert_eq!((changed.status, changed.body), (200, json!({"code": 201, "message": "Updated"})));
    let shown = world.get(&format!("{TASKS}/t")).await.body;
    assert_eq!((&shown["id"], &shown["running"], shown.get("label")), (&json!("t"), &json!(false), None));
    let renamed = world.put(&format!("{TASKS}/t"), task(&script, json!({"id": "new"}))).await;
    assert_eq!((renamed.status, renamed.body), (200, json!({"code": 201, "message": "Updated"})));
    assert_eq!(world.get(&format!("{TASKS}/t")).await.status, 404);
    assert_eq!(world.get(&format!("{TASKS}/new")).await.status, 200);
    let taken = world.put(&format!("{TASKS}/new"), task(&script, json!({"id": "other"}))).await;
    refused(&taken, 400, "Task already exists");
    assert_eq!(world.get(&format!("{TASKS}/other")).await.body["label"], "two");
    refused(&world.put(&format!("{TASKS}/t"), task(&script, json!({}))).await, 404, "Not Found");
}

#[tokio::test]
async fn any_text_without_a_slash_is_an_id() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    for (id, path) in [
        ("test", "test"),
        ("a b", "a%20b"),
        ("é#?&%", "%C3%A9%23%3F%26%25"),
        ("info", "info"),
        ("status", "status"),
        ("0123456789abcdef01234567", "0123456789abcdef01234567"),
        ("<b>", "%3Cb%3E"),
    ] {
        create(&world, task(&script, json!({"id": id}))).await;
        assert_eq!(world.get(&format!("{TASKS}/{path}")).await.body["id"], id);
        assert_eq!(world.get(&format!("{TASKS}/{path}/status")).await.body["id"], id);
        assert_eq!(world.post(&format!("{TASKS}/{path}/run"), Value::Null).await.body, 1, "{id}");
        assert_eq!(world.delete(&format!("{TASKS}/{path}")).await.status, 202);
    }
}

#[tokio::test]
async fn two_tenants_have_tasks_of_one_id() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 'ours'").await;
    create(&world, task(&script, json!({"id": "t"}))).await;
    let other = world.token("other", &["*"]).await;
    let path = format!("{TASKS}/t");
    for (method, suffix) in [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("GET", "/status"),
        ("POST", "/status/stop"),
        ("POST", "/run"),
        ("GET", "/badge"),
        ("GET", "/next"),
    ] {
        let body = task(&script, json!({}));
        let answer = world.send(method, &format!("{path}{suffix}"), body, &other).await;
        refused(&answer, 404, "Not Found");
    }
    assert_eq!(world.send("GET", TASKS, Value::Null, &other).await.body, json!([]));
    let theirs = task(&script, json!({"id": "t", "interval": 120_000}));
    assert_eq!(world.send("POST", TASKS, theirs, &other).await.status, 200);
    assert_eq!(world.get(&path).await.body["interval"], 60_000);
    let ran = world.send("POST", &format!("{path}/run"), Value::Null, &other).await;
    assert_eq!((ran.status, ran.body["message"].as_str().unwrap().contains("ScriptNotFound")), (500, true));
    assert_eq!(world.send("DELETE", &path, Value::Null, &other).await.status, 202);
    assert_eq!(world.get(&path).await.status, 200);
}

#[tokio::test]
async fn two_who_create_one_task_at_once_create_it_once() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    let body = task(&script, json!({"id": "t", "init": "2026-02-01"}));
    let (one, two) = tokio::join!(world.post(TASKS, body.clone()), world.post(TASKS, body.clone()));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{} {}", one.body, two.body);
    assert_eq!(world.get(TASKS).await.body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_own_change_whose_reply_was_lost_is_not_anothers() {
    let world = World::by_hand().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    world.emulator.lose_reply("dynamodb.PutItem", 1);
    assert_eq!(create(&world, task(&script, json!({"id": "t"}))).await["id"], "t");
    world.emulator.lose_reply("dynamodb.PutItem", 1);
    assert_eq!(world.post(&format!("{TASKS}/t/status/stop"), Value::Null).await.status, 200);
    assert_eq!(world.get(&format!("{TASKS}/t")).await.body["running"], false);
    world.emulator.lose_reply("dynamodb.DeleteItem", 1);
    assert_eq!(world.delete(&format!("{TASKS}/t")).await.status, 202);
    assert_eq!(world.get(&format!("{TASKS}/t")).await.status, 404);
}
