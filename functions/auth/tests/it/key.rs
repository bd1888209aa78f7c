//! The keys of access tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::Request;
use serde_json::{Value, json};
use shared::auth::{Client, Identity, Issuer, Signer};
use shared::event::TenantId;

use crate::support::World;

fn header_of(bearer: &str) -> Value {
    let header = bearer.trim_start_matches("Bearer ").split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

async fn keys(world: &World) -> Vec<Value> {
    let answer = harness::World::send(world, Request::new("GET", "/.well-known/jwks.json")).await;
    answer.body["keys"].as_array().unwrap().clone()
}

#[tokio::test]
async fn tokens_are_signed_with_a_key_that_is_published() {
    let world = World::new().await;
    let bearer = world.log_in_as_administrator().await;
    let (header, keys) = (header_of(&bearer), keys(&world).await);
    assert_eq!((keys.len(), &header["alg"]), (1, &json!("EdDSA")));
    assert_eq!((&keys[0]["kid"], &keys[0]["crv"]), (&header["kid"], &json!("Ed25519")));
    assert!(keys[0].get("d").is_none(), "the private half stays with us");
}

#[tokio::test]
async fn a_new_key_takes_over_and_the_old_one_ends_within_the_hour() {
    let world = World::new().await;
    let old = world.log_in_as_administrator().await;
    let secret: Value = serde_json::from_str(&world.emulator.secret("TokenKeys").unwrap()).unwrap();
    let mut rotated = secret.clone();
    rotated["2"] = json!("another secret of the keys of tokens");
    rotated["current"] = json!("2");
    world.put_secret("TOKEN_KEYS_SECRET", &rotated.to_string()).await;
    world.restart();
    let new = world.log_in_as_administrator().await;
    assert_ne!(header_of(&new)["kid"], header_of(&old)["kid"]);
    for bearer in [&old, &new] {
        assert_eq!(world.send("GET", "/users/v1/me", bearer, Value::Null).await.status, 200);
    }
    assert_eq!(keys(&world).await.len(), 2);
    world.advance(3601).await;
    assert_eq!(keys(&world).await.len(), 1);
    world.restart();
    let ended = world.send("GET", "/users/v1/me", &old, Value::Null).await;
    assert_eq!((ended.status, &ended.body["code"]), (401, &json!(117)));
}

#[tokio::test]
async fn the_key_of_scripts_signs_for_scripts_alone() {
    let world = World::new().await;
    let mut environment = world.environment("AuthFunction").clone();
    environment.config = world.emulator.environment("TaskFunction").into_iter().collect();
    let signer = Signer::new(&environment, Issuer::Task).unwrap();
    let issue = async |id: &str, is_administrator: bool, is_user: bool| {
        let (id, tenant_id, permissions) = (id.to_owned(), TenantId::new("default"), vec!["*".to_owned()]);
        let identity = Identity {
            application_id: id.clone(),
            client: Client { id, tenant_id, permissions, is_administrator },
            is_user,
        };
        let bearer = format!("Bearer {}", signer.issue(identity, 60).await.unwrap());
        world.send("GET", "/clients", &bearer, Value::Null).await.status
    };
    assert_eq!(issue("function:f", false, false).await, 200);
    assert_eq!(issue("client", false, false).await, 401);
    assert_eq!(issue("administrator", true, false).await, 401);
    assert_eq!(issue("function:f", true, false).await, 401);
    assert_eq!(issue("function:f", false, true).await, 401);
}

#[tokio::test]
async fn what_nobody_signed_is_refused_and_unknown_keys_are_looked_for_once() {
    let world = World::new().await;
    let bearer = world.log_in_as_administrator().await;
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = bearer.split('.').nth(1).unwrap().to_owned();
    let kid = header_of(&bearer)["kid"].as_str().unwrap().to_owned();
    let check = async |header: String| {
        let token = format!("Bearer {}.{claims}.{}", part(&header), part(&"x".repeat(64)));
        let answer = world.send("GET", "/users/v1/me", &token, Value::Null).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(117)), "{header}");
    };
    for header in [
        json!({"alg": "EdDSA", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "EdDSA"}),
        json!({"alg": "EdDSA", "kid": "1"}),
        json!({"alg": "EdDSA", "kid": "auth.#"}),
    ] {
        check(header.to_string()).await;
    }
    world.emulator.reset_aws_calls();
    for _ in 0..5 {
        check(json!({"alg": "EdDSA", "kid": format!("auth.{}", "a".repeat(43))}).to_string()).await;
    }
    assert_eq!(world.emulator.aws_calls().get("dynamodb.GetItem"), Some(&1));
}
