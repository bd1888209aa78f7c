//! Tasks over HTTP.

use serde_json::{Value, json};

use crate::world::{World, task_id};

#[tokio::test]
async fn a_created_task_runs_at_once() {
    let world = World::new().await;
    world.script("f", "exports.main = (task) => { console.log('n is', task.data.n) }").await;
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "data": {"n": 5}, "tags": ["x"]})).await;
    assert_eq!(created.status, 200);
    assert_eq!((&created.body["status"], &created.body["createdByApplicationId"]), (&json!("new"), &json!("client")));
    world.emulator.idle().await;
    let path = format!("/tasks/v1/{}", created.body["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.body["status"], "complete");
    let logs = world.get(&format!("{path}/logs")).await.body;
    let line = json!({"message": "n is 5", "timestamp": "2026-01-02T03:04:05.678Z"});
    assert_eq!(logs, json!({"page": {"offset": 0, "limit": 100}, "data": [line]}));
    assert_eq!(world.get(&format!("{path}/logs?ge(timestamp,2026-01-03T00:00:00Z)")).await.body["data"], json!([]));
    assert_eq!(world.heard("step.finished"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_task_of_the_future_starts_at_its_time() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let start = "2026-01-02T03:05:00Z";
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "startTimestamp": start})).await.body;
    let path = format!("/tasks/v1/{}", created["id"].as_str().unwrap());
    world.emulator.idle().await;
    assert_eq!(world.get(&path).await.body["status"], "new");
    world.clock.set(start.parse().unwrap());
    world.emulator.idle().await;
    assert_eq!(world.get(&path).await.body["status"], "complete");
}

#[tokio::test]
async fn a_failed_task_leaves_a_fact() {
    let world = World::new().await;
    world.script("boom", "exports.main = () => Promise.reject('no')").await;
    let created = world.post("/tasks/v1/", json!({"functionName": "boom"})).await.body;
    world.emulator.idle().await;
    let error = json!({"type": "runtime", "name": "Error", "message": "no"});
    assert_eq!(world.heard("task_failed"), [json!({"id": created["id"], "functionName": "boom", "error": error})]);
}

#[tokio::test]
async fn only_a_new_task_can_be_canceled() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let start = "2026-01-02T03:05:00Z";
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "startTimestamp": start})).await.body;
    let path = format!("/tasks/v1/{}", created["id"].as_str().unwrap());
    let canceled = world.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((canceled.status, canceled.body), (200, json!({"affectedRecords": 1})));
    let again = world.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((again.status, &again.body["code"]), (400, &json!(27)));
    world.clock.set(start.parse().unwrap());
    world.emulator.idle().await;
    assert_eq!(world.get(&path).await.body["status"], "canceled");
    let logs = world.get(&format!("{path}/logs")).await;
    assert_eq!((logs.status, &logs.body["code"]), (400, &json!(27)));
}

#[tokio::test]
async fn a_canceled_step_is_answered_as_failed() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    world.request("s", json!({"functionName": "f", "startTimestamp": "2026-01-02T03:05:00Z"})).await;
    assert_eq!(world.post(&format!("/tasks/v1/{}/cancel", task_id("s")), json!({})).await.status, 200);
    let answer = world.answer("s").await;
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("TaskCanceled")));
}

#[tokio::test]
async fn tasks_are_listed_from_the_newest_and_filtered_by_rql() {
    let world = World::new().await;
    world.script("even", "exports.main = () => 1").await;
    world.script("odd", "exports.main = () => { throw new Error('odd') }").await;
    let mut ids = Vec::new();
    for (index, name) in ["even", "odd", "even"].into_iter().enumerate() {
        let body = json!({"functionName": name, "tags": [format!("t{index}")]});
        ids.push(world.post("/tasks/v1/", body).await.body["id"].clone());
        world.emulator.idle().await;
        world.clock.advance(jiff::SignedDuration::from_millis(322));
    }
    let listed = async |query: &str| -> (Value, Vec<Value>) {
        let list = world.get(&format!("/tasks/v1/{query}")).await.body;
        (list["page"].clone(), list["data"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect())
    };
    let page = |total: u64, limit: u64| json!({"total": total, "offset": 0, "limit": limit});
    assert_eq!(listed("").await, (page(3, 20), vec![ids[2].clone(), ids[1].clone(), ids[0].clone()]));
    assert_eq!(listed("?eq(status,failed)").await, (page(1, 20), vec![ids[1].clone()]));
    assert_eq!(listed("?eq(functionName,even)&limit(1)").await, (page(2, 1), vec![ids[2].clone()]));
    assert_eq!(listed("?eq(tags,t0)").await, (page(1, 20), vec![ids[0].clone()]));
    let id = ids[1].as_str().unwrap();
    assert_eq!(listed(&format!("?eq(id,{id})")).await, (page(1, 20), vec![ids[1].clone()]));
    assert_eq!(world.get("/tasks/v1/?eq(status").await.body["code"], 19);
}

#[tokio::test]
async fn wrong_requests_are_refused_with_their_codes() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    world.script("off", "exports.main = () => 1").await;
    world.post("/tasks/v1/functions/off/disable", json!({})).await;
    let unknown = "0123456789abcdef01234567";
    let check = async |method: &str, path: &str, body: Value, status: u64, code: u64| {
        let token = world.token(&["*"]).await;
        let answer = world.send(method, path, body, &token).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{method} {path}: {}", answer.body);
    };
    check("GET", &format!("/tasks/v1/{unknown}"), Value::Null, 404, 16).await;
    check("GET", "/tasks/v1/nonsense", Value::Null, 400, 12).await;
    check("POST", &format!("/tasks/v1/{unknown}/cancel"), json!({}), 404, 16).await;
    check("GET", &format!("/tasks/v1/{unknown}/logs"), Value::Null, 404, 16).await;
    check("POST", "/tasks/v1/", json!({}), 400, 14).await;
    check("POST", "/tasks/v1/", json!({"functionName": "nowhere"}), 404, 16).await;
    check("POST", "/tasks/v1/", json!({"functionName": "off"}), 400, 27).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "data": 5}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "data": {"x": "y".repeat(256_000)}}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "startTimestamp": "soon"}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "priority": 9_007_199_254_740_992_u64}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "tags": vec!["x"; 51]}), 400, 15).await;
    check("POST", "/tasks/v1/", Value::Null, 400, 13).await;
}

#[tokio::test]
async fn a_task_without_output_has_no_logs() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    world.request("s", json!({"functionName": "f"})).await;
    let logs = world.get(&format!("/tasks/v1/{}/logs", task_id("s"))).await;
    assert_eq!((logs.status, &logs.body["code"]), (400, &json!(1408)));
}

#[tokio::test]
async fn every_route_requires_its_permission() {
    let world = World::new().await;
    let id = "0123456789abcdef01234567";
    let routes = [
        ("GET", "/tasks/v1/".to_owned(), "VIEW_TASKS"),
        ("POST", "/tasks/v1/".to_owned(), "CREATE_TASKS"),
        ("GET", format!("/tasks/v1/{id}"), "VIEW_TASKS"),
        ("POST", format!("/tasks/v1/{id}/cancel"), "CANCEL_TASKS"),
        ("GET", format!("/tasks/v1/{id}/logs"), "VIEW_TASK_LOGS"),
        ("GET", "/tasks/v1/functions/".to_owned(), "VIEW_TASK_FUNCTIONS"),
        ("POST", "/tasks/v1/functions/".to_owned(), "CREATE_TASK_FUNCTION"),
        ("GET", "/tasks/v1/functions/f".to_owned(), "VIEW_TASK_FUNCTION_DETAILS"),
        ("PUT", "/tasks/v1/functions/f".to_owned(), "UPDATE_TASK_FUNCTION"),
        ("DELETE", "/tasks/v1/functions/f".to_owned(), "DELETE_TASK_FUNCTION"),
        ("POST", "/tasks/v1/functions/f/enable".to_owned(), "UPDATE_TASK_FUNCTION"),
        ("POST", "/tasks/v1/functions/f/disable".to_owned(), "UPDATE_TASK_FUNCTION"),
    ];
    let (without, mut described) = (world.token(&["OTHER"]).await, 0);
    for (method, path, permission) in routes {
        let answer = world.send(method, &path, json!({}), &without).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(10)), "{method} {path}");
        let with = world.token(&[permission]).await;
        let answer = world.send(method, &path, json!({}), &with).await;
        assert_ne!(answer.body["code"], 10, "{method} {path}");
        described += 1;
    }
    let openapi = serde_json::to_value(world.function.openapi()).unwrap();
    let operations: usize =
        openapi["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(operations, described);
}
