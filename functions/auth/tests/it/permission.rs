use serde_json::{Value, json};

use crate::support::{World, client_credentials};

#[tokio::test]
async fn a_permission_that_does_not_exist_is_refused_with_the_nearest_one() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let (id, _) = world.client(&["VIEW_TASKS"]).await;
    let path = format!("/clients/{id}");
    for (unknown, nearest) in [
        ("VIEW_EVENT", "VIEW_EVENTS"),
        ("EXECUTE_TASK_FUNCTIONS:one", "EXECUTE_TASK_FUNCTION"),
        ("view_runs", "VIEW_RUNS"),
    ] {
        let body = json!({"name": "n", "permissions": ["VIEW_TASKS", unknown]});
        for (method, path) in [("POST", "/clients"), ("PUT", path.as_str())] {
            let refused = world.send(method, path, &administrator, body.clone()).await;
            assert_eq!((refused.status, &refused.body["code"]), (400, &json!(15)), "{method} {unknown}");
            let name = unknown.split(':').next().unwrap();
            let expected = format!("`permissions[1]` has the unknown permission `{name}`: did you mean `{nearest}`?");
            assert_eq!(refused.body["message"], expected);
        }
    }
    let list = world.send("GET", "/clients", &administrator, Value::Null).await;
    assert_eq!((&list.body["page"]["total"], &list.body["data"][0]["name"]), (&json!(1), &json!("a client")));
}

#[tokio::test]
async fn a_permission_for_one_object_grants_that_object_only() {
    let world = World::new().await;
    let (id, secret) = world.client(&["CREATE_CLIENTS", "UPDATE_CLIENTS", "EXECUTE_TASK_FUNCTION:one"]).await;
    let bearer = world.log_in(&id, &secret).await;
    let (weak, _) = world.client(&["EXECUTE_TASK_FUNCTION:one"]).await;
    let (strong, strong_secret) = world.client(&["EXECUTE_TASK_FUNCTION"]).await;
    for (permission, code) in [
        ("EXECUTE_TASK_FUNCTION:one", Value::Null),
        ("EXECUTE_TASK_FUNCTION:two", json!(10)),
        ("EXECUTE_TASK_FUNCTION", json!(10)),
    ] {
        let body = json!({"name": "n", "permissions": [permission]});
        let created = world.send("POST", "/clients", &bearer, body.clone()).await;
        assert_eq!(created.body["code"], code, "{permission}");
        let changed = world.send("PUT", &format!("/clients/{weak}"), &bearer, body).await;
        assert_eq!(changed.body["code"], code, "{permission}");
    }
    let refused = world.send("POST", &format!("/clients/{strong}/secret"), &bearer, Value::Null).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)));
    assert_eq!(world.token(client_credentials(&strong, &strong_secret)).await.status, 200);
    let rotated = world.send("POST", &format!("/clients/{weak}/secret"), &bearer, Value::Null).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let narrower = json!({"permissions": ["EXECUTE_TASK_FUNCTION:two"]});
    let narrowed = world.send("PUT", &format!("/clients/{strong}"), &bearer, narrower).await;
    assert_eq!(narrowed.status, 401, "who is made weak can be taken over and made strong again: {narrowed:?}");
}

#[tokio::test]
async fn nothing_is_accepted_that_is_not_understood() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let (id, _) = world.client(&[]).await;
    let path = format!("/clients/{id}");
    let deep = (0..64).fold(json!([]), |inner, _| json!([inner]));
    for (method, path, body, code, message) in [
        ("POST", "/clients", json!({"name": "n", "permission": []}), 15, "did you mean `permissions`?"),
        ("PUT", &*path, json!({"tenantId": "other"}), 15, "unknown field `tenantId`"),
        ("PUT", &*path, json!(["renamed"]), 15, "must be an object"),
        ("POST", "/clients", json!({"name": "n", "permissions": deep}), 22, "64 levels"),
        ("GET", "/clients?eq(tenant,other)", Value::Null, 19, "tenantId"),
    ] {
        let refused = world.send(method, path, &administrator, body).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!(code)), "{refused:?}");
        assert!(refused.body["message"].as_str().unwrap().contains(message), "{refused:?}");
    }
}
