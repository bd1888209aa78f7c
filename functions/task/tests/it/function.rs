//! Functions over HTTP.

use serde_json::{Value, json};

use crate::support::World;

#[tokio::test]
async fn a_function_is_created_shown_changed_and_deleted() {
    let world = World::new().await;
    let created = world
        .post(
            "/tasks/v1/functions/",
            json!({
                "name": "wipe", "code": "exports.main = () => process.env.KEY", "description": "d", "timeLimit": 10,
                "environmentVariables": {"KEY": {"value": "v"}}, "executionOptions": {"defaultPriority": 3},
            }),
        )
        .await;
    let expected = json!({
        "name": "wipe", "code": "exports.main = () => process.env.KEY", "description": "d", "timeLimit": 10,
        "memoryLimit": 128, "environmentVariables": {"KEY": {"value": "v"}},
        "executionOptions": {"defaultPriority": 3}, "enabled": true,
        "creationTimestamp": "2026-01-02T03:04:05.678Z", "updateTimestamp": "2026-01-02T03:04:05.678Z",
    });
    assert_eq!((created.status, &created.body), (200, &expected));
    assert_eq!(world.get("/tasks/v1/functions/wipe").await.body, expected);
    let summary = json!({"name": "wipe", "description": "d", "updateTimestamp": "2026-01-02T03:04:05.678Z"});
    let list = json!({"page": {"total": 1, "offset": 0, "limit": 1}, "data": [summary]});
    assert_eq!(world.get("/tasks/v1/functions/").await.body, list);
    let changed = world.put("/tasks/v1/functions/wipe", json!({"timeLimit": 20})).await;
    assert_eq!((changed.status, changed.body), (200, json!({"affectedRecords": 1})));
    assert_eq!(world.get("/tasks/v1/functions/wipe").await.body["timeLimit"], 20);
    assert_eq!(world.post("/tasks/v1/", json!({"functionName": "wipe"})).await.body["priority"], 3);
    let deleted = world.delete("/tasks/v1/functions/wipe").await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"affectedRecords": 1})));
    assert_eq!(world.delete("/tasks/v1/functions/wipe").await.status, 404);
    assert_eq!(world.get("/tasks/v1/functions/wipe").await.status, 404);
}

#[tokio::test]
async fn a_change_holds_for_the_next_task() {
    let world = World::new().await;
    let result = async |step: &str| -> Value {
        world.request(step, json!({"functionName": "f"})).await;
        let answer = world.answer(step).await;
        answer.get("output").or(answer.get("error")).cloned().unwrap()
    };
    world.script("f", "exports.main = () => 1").await;
    assert_eq!(result("a").await, json!(1));
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => 2"})).await;
    assert_eq!(result("b").await, json!(2));
    world.post("/tasks/v1/functions/f/disable", json!({})).await;
    assert_eq!(result("c").await["name"], "FunctionDisabled");
    world.post("/tasks/v1/functions/f/enable", json!({})).await;
    assert_eq!(result("d").await, json!(2));
    world.delete("/tasks/v1/functions/f").await;
    assert_eq!(result("e").await["name"], "FunctionNotFound");
}

#[tokio::test]
async fn wrong_functions_are_refused_with_their_codes() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let check = async |body: Value, code: u64| {
        let answer = world.post("/tasks/v1/functions/", body.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(code)), "{body}: {}", answer.body);
    };
    check(json!({"name": "f", "code": "exports.main = () => 1"}), 17).await;
    check(json!({"name": "a b", "code": "exports.main = () => 1"}), 1407).await;
    check(json!({"name": "g", "code": "exports.main = ("}), 1401).await;
    check(json!({"name": "g", "code": "exports.main = () => 1", "timeLimit": 301}), 1402).await;
    check(json!({"name": "g"}), 14).await;
    check(json!({"name": "g", "code": 5}), 15).await;
    assert_eq!(world.put("/tasks/v1/functions/nowhere", json!({})).await.status, 404);
    assert_eq!(world.put("/tasks/v1/functions/f", json!({"code": ""})).await.body["code"], 1401);
    assert_eq!(world.post("/tasks/v1/functions/nowhere/enable", json!({})).await.status, 404);
}
