use harness::{Answer, Request};
use serde_json::{Value, json};

use crate::support::{World, client_credentials};

/// Sends a request with the header `x-tenant-id`.
async fn send_for(world: &World, tenant: &str, method: &str, path: &str, bearer: &str, body: Value) -> Answer {
    let request = Request::new(method, path).header("authorization", bearer).header("x-tenant-id", tenant);
    harness::World::send(world, request.json(body)).await
}

/// Creates a client of another tenant and returns the answer.
async fn stranger(world: &World, administrator: &str, permissions: &[&str]) -> Value {
    let new = json!({"name": "theirs", "tenantId": "other", "permissions": permissions});
    let created = world.send("POST", "/clients", administrator, new).await;
    assert_eq!((created.status, &created.body["tenantId"]), (200, &json!("other")), "{created:?}");
    created.body
}

/// Every route of one client.
fn routes(id: &str) -> [(&'static str, String, Value); 4] {
    let path = format!("/clients/{id}");
    [
        ("GET", path.clone(), Value::Null),
        ("PUT", path.clone(), json!({"name": "ours now", "permissions": []})),
        ("POST", format!("{path}/secret"), Value::Null),
        ("DELETE", path, Value::Null),
    ]
}

#[tokio::test]
async fn two_tenants_find_no_way_to_each_others_clients() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let theirs = stranger(&world, &administrator, &["*"]).await;
    let text = |name: &str| theirs[name].as_str().unwrap();
    let (their_id, their_secret) = (text("clientId"), text("clientSecret"));
    let (our_id, our_secret) = world.client(&["*"]).await;
    let (we, they) = (world.log_in(&our_id, &our_secret).await, world.log_in(their_id, their_secret).await);

    for (bearer, foreign) in [(&we, their_id), (&administrator, their_id), (&they, &*our_id)] {
        for ((method, path, body), (_, unknown, _)) in routes(foreign).into_iter().zip(routes("nobody")) {
            let refused = world.send(method, &path, bearer, body.clone()).await;
            let unknown = world.send(method, &unknown, bearer, body).await;
            assert_eq!((refused.status, &refused.body["code"]), (404, &json!(16)), "{method} {path}");
            let told = refused.body.to_string().replace(foreign, "nobody");
            assert_eq!(told, unknown.body.to_string(), "{method} {path}");
        }
        let list = world.send("GET", "/clients", bearer, Value::Null).await;
        assert_eq!(list.body["page"]["total"], 1, "{list:?}");
        assert_ne!(list.body["data"][0]["clientId"], foreign);
        let named = world.send("GET", &format!("/clients?eq(clientId,{foreign})"), bearer, Value::Null).await;
        assert_eq!(named.body["page"]["total"], 0, "{named:?}");
    }
    for (bearer, tenant) in [(&we, "other"), (&they, "default")] {
        let planted = world.send("POST", "/clients", bearer, json!({"name": "n", "tenantId": tenant})).await;
        assert_eq!((planted.status, &planted.body["code"]), (401, &json!(10)), "{planted:?}");
        let acting = send_for(&world, tenant, "GET", "/clients", bearer, Value::Null).await;
        assert_eq!((acting.status, &acting.body["code"]), (401, &json!(10)), "`*` is not the administrator");
    }
    assert_eq!(world.token(client_credentials(their_id, their_secret)).await.status, 200);
    assert_eq!(world.token(client_credentials(&our_id, &our_secret)).await.status, 200);
}

#[tokio::test]
async fn the_administrator_acts_for_the_tenant_that_it_names() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let send = |method: &'static str, path: String, body: Value| {
        let (world, administrator) = (&world, &administrator);
        async move { send_for(world, "other", method, &path, administrator, body).await }
    };
    let me = send("GET", "/users/v1/me".to_owned(), Value::Null).await;
    assert_eq!(me.body["tenantId"], "other");
    let created = send("POST", "/clients".to_owned(), json!({"name": "theirs"})).await;
    assert_eq!((created.status, &created.body["tenantId"]), (200, &json!("other")), "{created:?}");
    let id = created.body["clientId"].as_str().unwrap();

    let list = send("GET", "/clients".to_owned(), Value::Null).await;
    assert_eq!((&list.body["page"]["total"], &list.body["data"][0]["clientId"]), (&json!(1), &json!(id)));
    let ours = world.send("GET", "/clients", &administrator, Value::Null).await;
    assert_eq!(ours.body["page"]["total"], 0);
    for (method, path, body) in routes(id) {
        let done = send(method, path.clone(), body.clone()).await;
        assert_eq!(done.status, 200, "{method} {path} {done:?}");
    }
    let invalid = send_for(&world, "a#b", "GET", "/clients", &administrator, Value::Null).await;
    assert_eq!((invalid.status, &invalid.body["code"]), (400, &json!(15)), "{invalid:?}");
}

#[tokio::test]
async fn a_token_carries_the_tenant_of_its_client() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let theirs = stranger(&world, &administrator, &["CREATE_CLIENTS"]).await;
    let text = |name: &str| theirs[name].as_str().unwrap();
    let login = world.token(client_credentials(text("clientId"), text("clientSecret"))).await;
    let refresh = json!({
        "grant_type": "refresh_token", "client_id": text("clientId"), "refresh_token": login.body["refresh_token"],
    });
    for answer in [login, world.token(refresh).await] {
        let bearer = format!("Bearer {}", answer.body["access_token"].as_str().unwrap());
        let me = world.send("GET", "/users/v1/me", &bearer, Value::Null).await;
        assert_eq!(me.body["tenantId"], "other");
        let created = world.send("POST", "/clients", &bearer, json!({"name": "n"})).await;
        assert_eq!((created.status, &created.body["tenantId"]), (200, &json!("other")), "{created:?}");
        let own = world.send("POST", "/clients", &bearer, json!({"name": "n", "tenantId": "other"})).await;
        assert_eq!(own.status, 200, "{own:?}");
    }
}

#[tokio::test]
async fn nobody_changes_rotates_or_deletes_the_administrator() {
    let world = World::new().await;
    let (id, secret) = world.administrator();
    let (client, client_secret) = world.client(&["*"]).await;
    for bearer in [world.log_in(&client, &client_secret).await, world.log_in_as_administrator().await] {
        for (method, path, body) in routes(&id) {
            let refused = world.send(method, &path, &bearer, body).await;
            assert_eq!((refused.status, &refused.body["code"]), (404, &json!(16)), "{method} {path}");
        }
    }
    assert_eq!(world.token(client_credentials(&id, &secret)).await.status, 200);
}
