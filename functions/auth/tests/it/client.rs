use serde_json::{Value, json};

use crate::support::{World, client_credentials};

#[tokio::test]
async fn a_client_lives_from_its_creation_to_its_deletion() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let new = json!({"name": "ci", "permissions": ["VIEW_TASKS", "CREATE_TASKS", "VIEW_TASKS"]});
    let created = world.send("POST", "/clients", &administrator, new).await;
    assert_eq!(created.status, 200, "{created:?}");
    assert_eq!(created.body["clientSecret"].as_str().map(str::len), Some(43));
    let id = created.body["clientId"].as_str().unwrap();
    let path = format!("/clients/{id}");

    let mut expected = created.body.clone();
    expected.as_object_mut().unwrap().remove("clientSecret");
    assert_eq!(expected["permissions"], json!(["CREATE_TASKS", "VIEW_TASKS"]));
    assert_eq!(expected["tenantId"], "default");
    let shown = world.send("GET", &path, &administrator, Value::Null).await;
    assert_eq!((shown.status, shown.body), (200, expected));

    let changed = world.send("PUT", &path, &administrator, json!({"name": "cd"})).await;
    assert_eq!((changed.status, changed.body), (200, json!({"affectedRecords": 1})));
    let shown = world.send("GET", &path, &administrator, Value::Null).await;
    assert_eq!((&shown.body["name"], &shown.body["permissions"][0]), (&json!("cd"), &json!("CREATE_TASKS")));

    let deleted = world.send("DELETE", &path, &administrator, Value::Null).await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"affectedRecords": 1})));
    for method in ["GET", "DELETE"] {
        let gone = world.send(method, &path, &administrator, Value::Null).await;
        assert_eq!((gone.status, &gone.body["code"]), (404, &json!(16)));
    }
    let secret = created.body["clientSecret"].as_str().unwrap();
    assert_eq!(world.token(client_credentials(id, secret)).await.status, 401);
}

#[tokio::test]
async fn clients_are_listed_with_a_query_and_without_secrets() {
    let world = World::new().await;
    world.client(&["VIEW_TASKS"]).await;
    world.advance(1).await;
    let (second, _) = world.client(&["VIEW_EVENTS"]).await;
    let administrator = world.log_in_as_administrator().await;
    let all = world.send("GET", "/clients", &administrator, Value::Null).await;
    assert_eq!(all.body["page"], json!({"total": 2, "offset": 0, "limit": 20}));
    assert_eq!(all.body["data"][1]["clientId"], json!(second));
    assert!(!all.body.to_string().to_lowercase().contains("secret"), "{all:?}");
    let one = world.send("GET", "/clients?eq(permissions,VIEW%255FEVENTS)&limit(1)", &administrator, Value::Null).await;
    assert_eq!((&one.body["page"]["total"], &one.body["data"][0]["clientId"]), (&json!(1), &json!(second)));
    let bad = world.send("GET", "/clients?name(x)", &administrator, Value::Null).await;
    assert_eq!((bad.status, &bad.body["code"]), (400, &json!(19)));
}

#[tokio::test]
async fn every_route_needs_its_permission() {
    let world = World::new().await;
    let (id, secret) = world.client(&["VIEW_TASKS"]).await;
    let bearer = world.log_in(&id, &secret).await;
    let own = format!("/clients/{id}");
    for (method, path, permission) in [
        ("GET", "/clients".to_owned(), "VIEW_CLIENTS"),
        ("GET", own.clone(), "VIEW_CLIENTS"),
        ("POST", "/clients".to_owned(), "CREATE_CLIENTS"),
        ("PUT", own.clone(), "UPDATE_CLIENTS"),
        ("POST", format!("{own}/secret"), "UPDATE_CLIENTS"),
        ("DELETE", own, "DELETE_CLIENTS"),
    ] {
        let refused = world.send(method, &path, &bearer, json!({})).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{method} {path}");
        assert!(refused.body["message"].as_str().unwrap().contains(permission), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_grants_or_obtains_a_permission_that_they_do_not_hold() {
    let world = World::new().await;
    let (id, secret) = world.client(&["CREATE_CLIENTS", "UPDATE_CLIENTS", "EXECUTE_TASK_FUNCTION"]).await;
    let (strong, _) = world.client(&["DELETE_CLIENTS"]).await;
    let bearer = world.log_in(&id, &secret).await;
    for permissions in [json!(["*"]), json!(["VIEW_TASKS"]), json!(["CREATE_CLIENTS", "DELETE_CLIENTS"])] {
        let refused = world.send("POST", "/clients", &bearer, json!({"name": "n", "permissions": permissions})).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{permissions}");
    }
    let held = json!({"name": "n", "permissions": ["CREATE_CLIENTS", "EXECUTE_TASK_FUNCTION:one"]});
    assert_eq!(world.send("POST", "/clients", &bearer, held).await.status, 200);

    let strong = format!("/clients/{strong}");
    let added = json!({"permissions": ["DELETE_CLIENTS", "VIEW_TASKS"]});
    assert_eq!(world.send("PUT", &strong, &bearer, added).await.body["code"], 10);
    let secret_of_strong = world.send("POST", &format!("{strong}/secret"), &bearer, Value::Null).await;
    assert_eq!(secret_of_strong.body["code"], 10, "its secret would be its permissions");
    let renamed = json!({"name": "renamed", "permissions": ["DELETE_CLIENTS"]});
    assert_eq!(world.send("PUT", &strong, &bearer, renamed).await.status, 200, "nothing is added");
}

#[tokio::test]
async fn nobody_weakens_deletes_or_takes_over_a_client_that_may_do_more() {
    let world = World::new().await;
    let held =
        ["CREATE_CLIENTS", "UPDATE_CLIENTS", "DELETE_CLIENTS", "VIEW_CLIENTS", "VIEW_TASKS", "EXECUTE_TASK_FUNCTION"];
    let (id, secret) = world.client(&held).await;
    let bearer = world.log_in(&id, &secret).await;
    for more in [&["*"][..], &["VIEW_TASKS", "CREATE_TASKS"], &["EXECUTE_API_FUNCTION:one"]] {
        let (strong, strong_secret) = world.client(more).await;
        let path = format!("/clients/{strong}");
        for (method, path, body) in [
            ("DELETE", path.clone(), Value::Null),
            ("POST", format!("{path}/secret"), Value::Null),
            ("PUT", path.clone(), json!({"permissions": []})),
            ("PUT", path.clone(), json!({"permissions": ["VIEW_TASKS"]})),
            ("PUT", path.clone(), json!({"name": "taken", "permissions": ["CREATE_TASKS"]})),
            ("PUT", path.clone(), json!({"permissions": ["*", "VIEW_TASKS"]})),
        ] {
            let refused = world.send(method, &path, &bearer, body.clone()).await;
            assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{more:?} {method} {path} {body}");
        }
        let kept = world.send("GET", &path, &bearer, Value::Null).await.body;
        let permissions: Vec<&str> =
            kept["permissions"].as_array().unwrap().iter().map(|held| held.as_str().unwrap()).collect();
        let mut expected = more.to_vec();
        expected.sort_unstable();
        assert_eq!((permissions, kept["name"].as_str()), (expected, Some("a client")));
        assert_eq!(world.token(client_credentials(&strong, &strong_secret)).await.status, 200);
    }
    let (weak, _) = world.client(&["EXECUTE_TASK_FUNCTION:one"]).await;
    let weak = format!("/clients/{weak}");
    let raised = json!({"permissions": ["VIEW_TASKS", "VIEW_CLIENTS"]});
    assert_eq!(world.send("PUT", &weak, &bearer, raised).await.status, 200);
    assert_eq!(world.send("DELETE", &weak, &bearer, Value::Null).await.status, 200);
    assert_eq!(world.send("DELETE", &format!("/clients/{id}"), &bearer, Value::Null).await.status, 200, "itself");
}

#[tokio::test]
async fn a_new_secret_ends_the_old_one_and_its_refresh_tokens() {
    let world = World::new().await;
    let (id, secret) = world.client(&[]).await;
    let login = world.token(client_credentials(&id, &secret)).await;
    let administrator = world.log_in_as_administrator().await;
    let rotated = world.send("POST", &format!("/clients/{id}/secret"), &administrator, Value::Null).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let new = rotated.body["clientSecret"].as_str().unwrap();
    assert_eq!(world.token(client_credentials(&id, &secret)).await.status, 401);
    assert_eq!(world.token(client_credentials(&id, new)).await.status, 200);
    let refresh = json!({"grant_type": "refresh_token", "client_id": id, "refresh_token": login.body["refresh_token"]});
    assert_eq!(world.token(refresh).await.body["exh_error"]["code"], 119);
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let permissions = json!(["VIEW_CLIENTS", "CREATE_CLIENTS", "DELETE_CLIENTS"]);
    let new = json!({"name": "theirs", "tenantId": "other", "permissions": permissions});
    let theirs = world.send("POST", "/clients", &administrator, new).await.body;
    let (ours, _) = world.client(&[]).await;
    let text = |name: &str| theirs[name].as_str().unwrap();
    let bearer = world.log_in(text("clientId"), text("clientSecret")).await;

    let list = world.send("GET", "/clients", &bearer, Value::Null).await;
    assert_eq!((&list.body["page"]["total"], &list.body["data"][0]["name"]), (&json!(1), &json!("theirs")));
    for method in ["GET", "DELETE"] {
        assert_eq!(world.send(method, &format!("/clients/{ours}"), &bearer, Value::Null).await.status, 404);
    }
    let foreign = json!({"name": "n", "tenantId": "default"});
    assert_eq!(world.send("POST", "/clients", &bearer, foreign).await.body["code"], 10);
    assert_eq!(world.send("GET", "/clients", &administrator, Value::Null).await.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_field_that_breaks_a_rule_is_named() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": ""}), "`name`"),
        (json!({"name": "x".repeat(129)}), "`name`"),
        (json!({"name": "n", "tenantId": ""}), "`tenantId`"),
        (json!({"name": "n", "permissions": ["lower"]}), "`permissions[0]`"),
        (json!({"name": "n", "surprise": 1}), "surprise"),
    ] {
        let refused = world.send("POST", "/clients", &administrator, body.clone()).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.body["message"].as_str().unwrap().contains(field), "{refused:?}");
    }
    let long = world.send("GET", &format!("/clients/{}", "x".repeat(3000)), &administrator, Value::Null).await;
    assert_eq!(long.status, 404);
}
