//! The rotation of keys: what is sealed with the old key is sealed again, and is readable all the while.

use serde_json::{Value, json};

use crate::world::{FUNCTION, World, event, task};

#[tokio::test]
async fn events_runs_and_dispatchers_are_sealed_again() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "e", "actions": [task("a", &[])]})).await;
    world.publish(&event("e1", "e", json!({"n": 1}))).await;
    let before = world.timeline("e1").await;
    let old: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    let mut ring = old.clone();
    ring["new"] = "another key material of sufficient length, 0123456789".into();
    ring["current"] = "new".into();
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let secret = world.environment(FUNCTION).config.required("KEY_RING_SECRET").unwrap().to_owned();
    let put = async |ring: &Value| {
        let put = client.put_secret_value().secret_id(&secret).secret_string(ring.to_string());
        put.send().await.unwrap();
        world.restart();
    };
    put(&ring).await;

    let rotate = async |path: &str| world.post(path, json!({})).await.body;
    assert_eq!(rotate("/runs/rotate").await, json!({"resealed": 2, "more": false}));
    assert_eq!(rotate("/runs/rotate").await, json!({"resealed": 0, "more": false}));
    assert_eq!(rotate("/dispatchers/v1/rotate").await, json!({"resealed": 1, "more": false}));

    ring.as_object_mut().unwrap().remove(old["current"].as_str().unwrap());
    put(&ring).await;
    let token = world.token("default", &["*"]).await;
    let timeline = world.send(harness::Request::new("GET", "/runs/e1").bearer(&token)).await;
    assert_eq!(timeline.body, before);
    let dispatchers = world.send(harness::Request::new("GET", "/dispatchers/v1/").bearer(&token)).await;
    assert_eq!(dispatchers.body["data"][0]["eventType"], "e", "{dispatchers:?}");
}
