use harness::{Answer, Request, World as Harness};
use serde_json::{Value, json};
use shared::event::{Envelope, TenantId};

use crate::world::{World, event, states, task};

/// A client of one tenant that may do everything there.
struct Client<'a> {
    world: &'a Harness,
    token: String,
}

impl<'a> Client<'a> {
    async fn of(world: &'a World, tenant: &str) -> Self {
        Self { world, token: world.token(tenant, &["*"]).await }
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::new(method, path).bearer(&self.token);
        self.world.send(if let Some(body) = body { request.json(body) } else { request }).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send("GET", path, None).await.body
    }

    async fn create(&self, path: &str, body: Value) -> String {
        let answer = self.send("POST", path, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }
}

fn of(tenant: &str, event: Envelope) -> Envelope {
    Envelope { tenant_id: TenantId::new(tenant), ..event }
}

#[tokio::test]
async fn an_event_starts_the_dispatchers_of_its_own_tenant_alone() {
    let world = World::new().await;
    let (acme, other) = (Client::of(&world, "acme").await, Client::of(&world, "other").await);
    let body = |step: &str| json!({"eventType": "paid", "name": "same", "actions": [task(step, &[])]});
    acme.create("/dispatchers/v1", body("ours")).await;
    other.create("/dispatchers/v1", body("theirs")).await;
    for (id, tenant, expected) in [
        ("e1", "acme", "succeeded [ours:succeeded]"),
        ("e2", "other", "succeeded [theirs:succeeded]"),
        ("e3", "third", "unmatched "),
    ] {
        world.publish(&of(tenant, event(id, "paid", json!({})))).await;
        let client = Client::of(&world, tenant).await;
        assert_eq!(states(&client.get(&format!("/runs/{id}")).await), expected, "{tenant}");
    }
    let command = world.command("ours").unwrap();
    assert_eq!(command.event.tenant_id, TenantId::new("acme"));
    // No tenant and type lead to the partition of another tenant.
    world.publish(&of("acme", event("e4", "other/paid", json!({})))).await;
    assert_eq!(acme.get("/runs/e4").await["outcome"], "unmatched");
}

#[tokio::test]
async fn a_name_is_unique_within_its_tenant() {
    let world = World::new().await;
    let (acme, other) = (Client::of(&world, "acme").await, Client::of(&world, "other").await);
    let body = |name: &str| json!({"eventType": "paid", "name": name, "actions": [task("a", &[])]});
    let (first, second) =
        (acme.create("/dispatchers/v1", body("n")).await, other.create("/dispatchers/v1", body("n")).await);
    assert_eq!(acme.send("POST", "/dispatchers/v1", Some(body("n"))).await.body["code"], 17);
    let renamed = acme.send("PUT", &format!("/dispatchers/v1/{first}"), Some(json!({"name": "m"}))).await;
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    assert_eq!(other.get(&format!("/dispatchers/v1/{second}")).await["name"], "n");
    assert_eq!(other.send("DELETE", &format!("/dispatchers/v1/{second}"), None).await.status, 200);
    let list = acme.get("/dispatchers/v1").await;
    assert_eq!((&list["page"]["total"], &list["data"][0]["name"]), (&json!(1), &json!("m")));
    acme.create("/dispatchers/v1", body("n")).await;
}

#[tokio::test]
async fn what_another_tenant_has_is_unknown() {
    let world = World::new().await;
    let (acme, other) = (Client::of(&world, "acme").await, Client::of(&world, "other").await);
    let mut ids = Vec::new();
    for kind in ["paid", "lost", "paid"] {
        ids.push(acme.create("/dispatchers/v1", json!({"eventType": kind, "actions": [task("a", &[])]})).await);
    }
    let id = ids[0].clone();
    let before = acme.get(&format!("/dispatchers/v1/{id}")).await;
    let action = before["actions"][0]["id"].as_str().unwrap();
    let nobody = "00000000000000000000000a";
    let check = async |method: &str, path: &str, body: Option<Value>| {
        let answer = other.send(method, &format!("/dispatchers/v1/{id}{path}"), body.clone()).await;
        let unknown = other.send(method, &format!("/dispatchers/v1/{nobody}{path}"), body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
        assert_eq!(answer.body.to_string().replace(&id, nobody), unknown.body.to_string(), "{method} {path}");
    };
    check("GET", "", None).await;
    check("PUT", "", Some(json!({"enabled": false}))).await;
    check("DELETE", "", None).await;
    check("POST", "/explain", Some(json!({"type": "paid"}))).await;
    check("POST", "/actions", Some(task("b", &[]))).await;
    check("PUT", &format!("/actions/{action}"), Some(json!({"functionName": "g"}))).await;
    check("DELETE", &format!("/actions/{action}"), None).await;
    assert_eq!(acme.get(&format!("/dispatchers/v1/{id}")).await, before);
    for query in [String::new(), format!("?eq(id,{id})"), "?eq(eventType,paid)".to_owned()] {
        assert_eq!(other.get(&format!("/dispatchers/v1{query}")).await["page"]["total"], 0, "{query}");
    }
    let listed = acme.get("/dispatchers/v1").await;
    let listed: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    ids.sort();
    assert_eq!(listed, ids, "all types, in the order of their creation and ids");

    let event = acme.create("/events/v1", json!({"type": "paid"})).await;
    world.idle().await;
    let run = other.send("GET", &format!("/runs/{event}"), None).await;
    let unknown = other.send("GET", "/runs/nothing", None).await;
    assert_eq!((run.status, run.body.to_string().replace(&event, "nothing")), (404, unknown.body.to_string()));
    assert_eq!(acme.get(&format!("/runs/{event}")).await["event"]["tenantId"], "acme");
    for query in ["eq(type,paid)".to_owned(), format!("eq(id,{event})")] {
        assert_eq!(other.get(&format!("/events/v1?{query}")).await["data"], json!([]), "{query}");
        assert_eq!(acme.get(&format!("/events/v1?{query}")).await["data"][0]["id"], event, "{query}");
    }
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_tenant() {
    let world = World::new().await;
    let publish = async |tenant: &str| {
        // Both tokens are of a client of the same id.
        let request = Request::new("POST", "/events/v1").bearer(&world.token(tenant, &["*"]).await);
        world.send(request.header("idempotency-key", "k").json(json!({"type": "paid"}))).await.body["id"].clone()
    };
    let (one, again, two) = (publish("acme").await, publish("acme").await, publish("other").await);
    assert_eq!(one, again);
    assert_ne!(one, two);
}

#[tokio::test]
async fn an_event_of_another_tenant_is_explained_as_such() {
    let world = World::new().await;
    let acme = Client::of(&world, "acme").await;
    let filter = json!({"tenantId": ["acme"]});
    let body = json!({"eventType": "paid", "filter": filter, "actions": [task("a", &[])]});
    let path = format!("/dispatchers/v1/{}/explain", acme.create("/dispatchers/v1", body).await);
    let explain = async |event: Value| acme.send("POST", &path, Some(event)).await.body;
    assert_eq!(explain(json!({"type": "paid"})).await["matches"], true);
    let other = explain(json!({"type": "paid", "tenantId": "other"})).await;
    assert_eq!(other["matches"], false);
    assert!(other["message"].as_str().unwrap().contains("other tenants"), "{other}");
}
