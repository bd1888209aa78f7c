use harness::{Request, TENANT};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_custom_event_is_published_and_listed() {
    let world = World::new().await;
    let created = world.post("/events/v1/", json!({"type": "user_deleted", "content": {"id": "u1"}})).await;
    assert_eq!(created.status, 200, "{}", created.body);
    world.idle().await;
    let id = created.body["id"].as_str().unwrap();
    let timeline = world.timeline(id).await;
    assert_eq!((&timeline["source"], &timeline["event"]["tenantId"]), (&json!("hookyard.custom"), &json!(TENANT)));
    let listed = world.get("/events/v1/?eq(type,user%255Fdeleted)").await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    assert_eq!(listed.body["data"], json!([created.body]));
    assert_eq!(created.body["creation_timestamp"], 1_767_323_045_678_i64);
    assert_eq!(world.get(&format!("/events/v1/?eq(id,{id})")).await.body["data"][0]["id"], id);
    assert_eq!(world.get("/events/v1/").await.body["code"], 19);
}

#[tokio::test]
async fn the_same_idempotency_key_makes_the_same_event() {
    let world = World::new().await;
    let send = async |key: &str| {
        let body = json!({"type": "paid"});
        let request = Request::new("POST", "/events/v1").bearer(&world.token(TENANT, &["*"]).await);
        let answer = world.send(request.header("idempotency-key", key).json(body)).await;
        (answer.status, answer.body["id"].clone())
    };
    let first = send("k1").await;
    assert_eq!(send("k1").await, first);
    assert_ne!(send("k2").await, first);
    assert_eq!(send(&"k".repeat(256)).await.0, 400);
    world.idle().await;
    let timeline = world.timeline(first.1.as_str().unwrap()).await;
    assert_eq!((&timeline["duplicates"], &timeline["event"]["content"]), (&json!(1), &json!({})));
}

#[tokio::test]
async fn an_event_that_cannot_be_is_refused() {
    let world = World::new().await;
    let check = async |body: serde_json::Value, status: u16, code: u32| {
        let answer = world.post("/events/v1", body).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{}", answer.body);
    };
    check(json!({}), 400, 14).await;
    check(json!({"type": "task.requested"}), 400, 15).await;
    check(json!({"type": "step.finished"}), 400, 15).await;
    check(json!({"type": "no spaces"}), 400, 15).await;
    check(json!({"type": "large", "content": "x".repeat(260 * 1024)}), 413, 22).await;
    world.emulator.throttle("eventbridge.PutEvents", 3);
    check(json!({"type": "paid"}), 503, 4).await;
}
