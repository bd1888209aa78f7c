use harness::Answer;
use serde_json::{Value, json};

use crate::support::{FUNCTION, Known, World, request};

/// Changes the key ring, as an operator does.
async fn change_ring(world: &World, change: impl FnOnce(&mut Value)) {
    let mut ring: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    change(&mut ring);
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let secret = world.environment(FUNCTION).config.required("KEY_RING_SECRET").unwrap();
    client.put_secret_value().secret_id(secret).secret_string(ring.to_string()).send().await.unwrap();
}

fn add_key(ring: &mut Value) {
    ring["2"] = "another key material of sufficient length, 0123456789".into();
}

fn switch_to_added_key(ring: &mut Value) {
    ring["current"] = "2".into();
}

async fn rotate(world: &World) -> Value {
    let rotated = world.post("/callbacks/rotate", json!({})).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    rotated.body
}

/// Returns everything that is sealed.
async fn sealed(world: &World) -> Vec<String> {
    let rows = world.items("CALLBACKS_TABLE").await;
    let parts = rows.iter().flat_map(|row| ["token", "schema", "body"].map(|part| row[part].as_str()));
    parts.flatten().map(str::to_owned).collect()
}

#[tokio::test]
async fn after_a_rotation_everything_is_sealed_again_and_urls_stay_good() {
    let world = World::new().await;
    let waiting = world.create(json!({"schema": {"type": "object"}})).await;
    let called = world.create(json!({})).await;
    assert_eq!(world.call(&called.path(), r#"{"a": 1}"#).await.0, 200);
    change_ring(&world, add_key).await;
    change_ring(&world, switch_to_added_key).await;
    world.restart();

    let client = world.token("default", &["ROTATE_KEYS"]).await;
    let rotated = world.send("POST", "/callbacks/rotate", &client, "").await;
    assert_eq!((rotated.status, rotated.body), (200, json!({"resealed": 2, "more": false})));
    assert_eq!(rotate(&world).await, json!({"resealed": 0, "more": false}));

    let sealed = sealed(&world).await;
    assert!(sealed.len() == 4 && sealed.iter().all(|value| value.starts_with("2.")), "{sealed:?}");
    assert_eq!(world.call(&waiting.path(), "{}").await.0, 200);
    assert_eq!(world.body(&called).await, json!({"a": 1}));
}

#[tokio::test]
async fn what_two_keys_seal_in_one_record_is_sealed_again() {
    let world = World::new().await;
    change_ring(&world, add_key).await;
    // A process that has read the ring before the switch seals with the old key, although it has both.
    let behind = world.another(FUNCTION);
    let post = async |path: &str| {
        let token = world.token("default", &["CREATE_CALLBACKS"]).await;
        Answer::read(&behind.invoke(request("POST", path).bearer(&token).body("{}").payload).await.unwrap())
    };
    let early = Known::of(&post("/callbacks").await.body);
    change_ring(&world, switch_to_added_key).await;
    world.restart();
    let late = world.create(json!({})).await;
    assert_eq!(world.call(&early.path(), "{}").await.0, 200);
    assert_eq!(post(&late.path()).await.status, 200);
    let versions = |sealed: &[String]| sealed.iter().filter(|value| value.starts_with("2.")).count();
    let mixed = sealed(&world).await;
    assert_eq!((mixed.len(), versions(&mixed)), (4, 2), "each has a part of each key");

    assert_eq!(rotate(&world).await, json!({"resealed": 2, "more": false}));
    assert_eq!(rotate(&world).await, json!({"resealed": 0, "more": false}));
    assert_eq!(versions(&sealed(&world).await), 4);
    for callback in [early, late] {
        assert_eq!(world.body(&callback).await, json!({}));
    }
}
