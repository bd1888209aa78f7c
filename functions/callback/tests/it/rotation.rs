use serde_json::{Value, json};

use crate::support::World;

/// Adds a version to the key ring and makes it the current one, as an operator does.
async fn rotate_ring(world: &World) {
    let mut ring: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    ring["current"] = "2".into();
    ring["2"] = "another key material of sufficient length, 0123456789".into();
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let secret = world.environment.config.required("KEY_RING_SECRET").unwrap();
    client.put_secret_value().secret_id(secret).secret_string(ring.to_string()).send().await.unwrap();
}

#[tokio::test]
async fn after_a_rotation_everything_is_sealed_again_and_urls_stay_good() {
    let mut world = World::new().await;
    let waiting = world.create(json!({"schema": {"type": "object"}})).await;
    let called = world.create(json!({})).await;
    assert_eq!(world.call(&called.path(), r#"{"a": 1}"#).await.status, 200);
    rotate_ring(&world).await;
    world.function = callback::function(&world.environment).unwrap();

    let client = world.client("default", &["ROTATE_KEYS", "VIEW_CALLBACKS"]).await;
    let rotated = world.send("POST", "/callbacks/rotate", &client, "").await;
    assert_eq!((rotated.status, rotated.body), (200, json!({"resealed": 2, "more": false})));
    let again = world.send("POST", "/callbacks/rotate", &client, "").await;
    assert_eq!(again.body, json!({"resealed": 0, "more": false}));

    let table = world.environment.table("CALLBACKS_TABLE").unwrap();
    let rows: Vec<Value> = table.scan(None, 10).await.unwrap();
    let sealed: Vec<&str> =
        rows.iter().flat_map(|row| ["token", "schema", "body"].map(|part| row[part].as_str())).flatten().collect();
    assert!(sealed.len() == 4 && sealed.iter().all(|value| value.starts_with("2.")), "{sealed:?}");
    assert_eq!(world.call(&waiting.path(), "{}").await.status, 200);
    let kept = world.send("GET", &format!("/callbacks/{}/wait", called.id), &client, "").await;
    assert_eq!(kept.body["body"], json!({"a": 1}));
}
