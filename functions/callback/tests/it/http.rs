use serde_json::json;

use crate::support::{World, nested};

#[tokio::test]
async fn a_callback_is_created_shown_and_waited_for_over_http() {
    let world = World::with_base("").await;
    let client = world.token("default", &["CREATE_CALLBACKS", "VIEW_CALLBACKS"]).await;
    let new = json!({"schema": {"type": "object"}, "expiresInSeconds": 60}).to_string();
    let created = world.send("POST", "/callbacks", &client, &new).await;
    let (id, token) = (created.body["id"].as_str().unwrap(), created.body["token"].as_str().unwrap());
    let url = format!("https://api.example.com/unsecured/callback/{id}?t={token}");
    let schema = json!({"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"});
    assert_eq!(created.body, json!({"id": id, "token": token, "url": url, "schema": schema}));

    let seen = world.send("GET", &format!("/callbacks/{id}"), &client, "").await;
    let expected = json!({
        "id": id, "state": "waiting", "creationTimestamp": "2026-01-02T03:04:05.678Z",
        "expiryTimestamp": "2026-01-02T03:05:05.678Z", "hasSchema": true, "waitingSteps": 0,
    });
    assert_eq!((seen.status, seen.body), (200, expected));
    let wait = format!("/callbacks/{id}/wait");
    let waited = world.send("GET", &wait, &client, "").await;
    assert_eq!((waited.status, waited.body), (200, json!({"id": id, "state": "waiting"})));

    let path = url.strip_prefix("https://api.example.com").unwrap();
    assert_eq!(world.call(path, r#"{"a": [1, 2.5, null]}"#).await.0, 200);
    let waited = world.send("GET", &wait, &client, "").await;
    let date = "2026-01-02T03:04:05.678Z";
    let expected = json!({"id": id, "state": "resolved", "date": date, "body": {"a": [1, 2.5, null]}});
    assert_eq!(waited.body, expected);
}

#[tokio::test]
async fn a_long_wait_ends_with_the_call() {
    let world = World::new().await;
    let callback = world.create(json!({})).await;
    let client = world.token("default", &["VIEW_CALLBACKS"]).await;
    let (path, wait) = (callback.path(), format!("/callbacks/{}/wait?timeoutSeconds=25", callback.id));
    let (waited, called) = tokio::join!(world.send("GET", &wait, &client, ""), world.call(&path, r#"{"a": 1}"#));
    assert_eq!((called.0, &waited.body["body"]), (200, &json!({"a": 1})));
    let wrong = wait.replace("25", "26");
    assert_eq!(world.send("GET", &wrong, &client, "").await.body["code"], 15);
}

#[tokio::test]
async fn every_route_needs_its_permission() {
    let world = World::new().await;
    let callback = world.create(json!({})).await;
    let path = format!("/callbacks/{}", callback.id);
    let nobody = world.token("default", &[]).await;
    for (method, path, permission) in [
        ("POST", "/callbacks".to_owned(), "CREATE_CALLBACKS"),
        ("GET", path.clone(), "VIEW_CALLBACKS"),
        ("GET", format!("{path}/wait"), "VIEW_CALLBACKS"),
        ("POST", "/callbacks/rotate".to_owned(), "ROTATE_KEYS"),
    ] {
        let refused = world.send(method, &path, &nobody, "{}").await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{method} {path}");
        assert!(refused.body["message"].as_str().unwrap().contains(permission));
    }
}

#[tokio::test]
async fn a_field_that_breaks_a_rule_is_named() {
    let world = World::new().await;
    let client = world.token("default", &["CREATE_CALLBACKS"]).await;
    for (body, field) in [
        (json!({"schema": "{"}), "`schema`"),
        (json!({"schema": {"$ref": "http://169.254.169.254/"}}), "`schema`"),
        (json!({"expiresInSeconds": 0}), "`expiresInSeconds`"),
        (json!({"expiresInSeconds": 40_000_000}), "`expiresInSeconds`"),
        (json!({"expiresInSeconds": 1.5}), "`expiresInSeconds`"),
        (json!({"surprise": 1}), "surprise"),
        (json!({"expireInSeconds": 1}), "did you mean `expiresInSeconds`?"),
        (json!([{"type": "object"}, 60]), "must be an object"),
        (json!({"schema": {"const": nested(64)}}), "64 levels"),
        (json!({"schema": json!({"const": nested(64)}).to_string()}), "64 levels"),
    ] {
        let refused = world.send("POST", "/callbacks", &client, &body.to_string()).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.body["message"].as_str().unwrap().contains(field), "{refused:?}");
    }
}

#[tokio::test]
async fn nothing_secret_is_readable_in_the_table() {
    let world = World::new().await;
    let callback = world.create(json!({"schema": {"description": "hush-schema"}})).await;
    assert_eq!(world.call(&callback.path(), r#"{"a": "hush-body"}"#).await.0, 200);
    let rows = world.items("CALLBACKS_TABLE").await;
    let text = serde_json::to_string(&rows).unwrap();
    assert!(text.contains(&callback.id) && !text.contains("hush") && !text.contains(&callback.token), "{text}");
    let heard = serde_json::to_string(&world.heard().await).unwrap();
    assert!(!heard.contains("hush") && !heard.contains(&callback.token), "{heard}");
}
