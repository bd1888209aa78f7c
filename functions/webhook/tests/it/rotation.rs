//! The rotation of keys: channels are sealed with the new key before the old one goes.

use serde_json::{Value, json};

use crate::setup::{BODY, FUNCTION, SECRET, Setup, github};

/// Changes the key ring, as an operator does, and starts every process again.
async fn change_ring(setup: &Setup, change: impl FnOnce(&mut Value)) {
    let mut ring: Value = serde_json::from_str(&setup.emulator.secret("KeyRing").unwrap()).unwrap();
    change(&mut ring);
    let client = aws_sdk_secretsmanager::Client::new(&setup.emulator.sdk_config());
    let secret = setup.environment(FUNCTION).config.required("KEY_RING_SECRET").unwrap();
    client.put_secret_value().secret_id(secret).secret_string(ring.to_string()).send().await.unwrap();
    setup.restart();
}

#[tokio::test]
async fn both_secrets_of_a_channel_outlive_the_key_that_sealed_them() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let unsigned = setup.channel(json!({"unsigned": true})).await;
    let path = format!("/channels/{id}");
    let rotation = json!({"credentials": {"secret": "second"}, "previousValidSeconds": 60});
    assert_eq!(setup.api("PUT", &path, rotation).await.status, 200);
    let old = setup.emulator.secret("KeyRing").unwrap();
    let old = serde_json::from_str::<Value>(&old).unwrap()["current"].as_str().unwrap().to_owned();
    change_ring(&setup, |ring| {
        ring["new"] = "another key material of sufficient length, 0123456789".into();
        ring["current"] = "new".into();
    })
    .await;

    // The channel is in memory when its record is sealed again.
    let status = async |secret: &str| setup.send(github(&id, secret, BODY)).await.status;
    assert_eq!((status(SECRET).await, status("second").await), (200, 200));
    let rotate = async || setup.api("POST", "/channels/rotate", Value::Null).await.body;
    assert_eq!(rotate().await, json!({"resealed": 1, "more": false}));
    assert_eq!(rotate().await, json!({"resealed": 0, "more": false}));
    assert_eq!((status(SECRET).await, status("second").await), (200, 200));
    let records = setup.records().await;
    let record = records.iter().find(|record| record["channelId"] == json!(id)).unwrap();
    for sealed in [&record["credentials"], &record["previous"]["credentials"]] {
        assert!(sealed.as_str().unwrap().starts_with("new."), "{record}");
    }

    change_ring(&setup, |ring| drop(ring.as_object_mut().unwrap().remove(&old))).await;
    assert_eq!((status(SECRET).await, status("second").await, status("third").await), (200, 200, 401));
    setup.advance(60).await;
    assert_eq!((status(SECRET).await, status("second").await), (401, 200));
    assert_eq!(setup.api("PUT", &path, json!({"name": "still changeable"})).await.status, 200);
    assert_eq!(setup.send(crate::setup::webhook(&unsigned, BODY)).await.status, 200);
}

#[tokio::test]
async fn a_channel_with_secrets_of_two_keys_is_sealed_again() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    change_ring(&setup, |ring| {
        ring["new"] = "another key material of sufficient length, 0123456789".into();
        ring["current"] = "new".into();
    })
    .await;
    let path = format!("/channels/{id}");
    assert_eq!(setup.api("PUT", &path, json!({"credentials": {"secret": "second"}})).await.status, 200);
    assert_eq!(setup.records().await[0]["keyVersion"], "several");
    let rotated = setup.api("POST", "/channels/rotate", Value::Null).await.body;
    assert_eq!(rotated, json!({"resealed": 1, "more": false}));
    assert_eq!(setup.records().await[0]["keyVersion"], "new");
}
