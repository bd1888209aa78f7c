//! Tenants, who know nothing of each other.

use harness::Answer;
use serde_json::{Value, json};

use crate::support::{World, command, task_id};

/// A client of one tenant with all permissions.
struct Client<'a> {
    world: &'a World,
    token: String,
}

impl<'a> Client<'a> {
    async fn of(world: &'a World, tenant: &str) -> Self {
        Self { world, token: world.token(tenant, &["*"]).await }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        let answer = self.world.send(method, path, body, &self.token).await;
        self.world.idle().await;
        answer
    }

    /// The answer to a request about something that does not exist, without its id.
    async fn refused(&self, method: &str, path: &str, id: &str) -> (u16, String) {
        let answer = self.send(method, path, json!({})).await;
        (answer.status, answer.body.to_string().replace(id, "ID"))
    }
}

#[tokio::test]
async fn functions_of_one_name_live_side_by_side() {
    let world = World::new().await;
    for tenant in ["default", "other"] {
        let client = Client::of(&world, tenant).await;
        let body = json!({"name": "f", "code": format!("exports.main = () => '{tenant}'"), "description": tenant});
        assert_eq!(client.send("POST", "/tasks/v1/functions/", body).await.status, 200);
    }
    for tenant in ["default", "other", "default"] {
        let step = format!("{tenant}-{}", world.answers().len());
        world.publish(&command(&step, json!({"functionName": "f"})).tenant(tenant)).await;
        assert_eq!(world.answer(&step).await["output"], tenant, "also from the cache");
        let client = Client::of(&world, tenant).await;
        assert_eq!(client.send("GET", "/tasks/v1/functions/f", Value::Null).await.body["description"], tenant);
        let list = client.send("GET", "/tasks/v1/functions/", Value::Null).await.body;
        assert_eq!((&list["page"]["total"], &list["data"][0]["description"]), (&json!(1), &json!(tenant)));
        let task = client.send("GET", &format!("/tasks/v1/{}", task_id(&step)), Value::Null).await.body;
        assert_eq!(task["data"]["event"]["tenantId"], tenant);
    }
    let other = Client::of(&world, "other").await;
    assert_eq!(other.send("DELETE", "/tasks/v1/functions/f", Value::Null).await.status, 200);
    assert_eq!(world.get("/tasks/v1/functions/f").await.status, 200);
    world.publish(&command("gone", json!({"functionName": "f"})).tenant("other")).await;
    assert_eq!(world.answer("gone").await["error"]["name"], "FunctionNotFound");
    let fact = world.published("task_failed").pop().unwrap();
    assert_eq!(fact["tenantId"], "other");
}

#[tokio::test]
async fn no_route_leads_to_what_another_tenant_has() {
    let world = World::new().await;
    world.script("f", "exports.main = () => { console.log('secret') }").await;
    let later = json!({"functionName": "f", "startTimestamp": "2027-01-01T00:00:00Z"});
    let waiting = world.post("/tasks/v1/", later).await.body["id"].as_str().unwrap().to_owned();
    let done = world.post("/tasks/v1/", json!({"functionName": "f"})).await.body["id"].as_str().unwrap().to_owned();
    world.idle().await;
    let before = (world.items("TASKS_TABLE").await, world.items("FUNCTIONS_TABLE").await);
    let (other, unknown) = (Client::of(&world, "other").await, "0123456789abcdef01234567");
    for id in [&waiting, &done] {
        for (method, path) in [("GET", ""), ("GET", "/logs"), ("POST", "/cancel")] {
            let found = other.refused(method, &format!("/tasks/v1/{id}{path}"), id).await;
            assert_eq!(found, other.refused(method, &format!("/tasks/v1/{unknown}{path}"), unknown).await, "{path}");
            assert_eq!(found.0, 404);
        }
        let list = other.send("GET", &format!("/tasks/v1/?eq(id,{id})"), Value::Null).await.body;
        assert_eq!(list["data"], json!([]));
    }
    assert_eq!(other.send("GET", "/tasks/v1/", Value::Null).await.body["page"]["total"], 0);
    assert_eq!(other.send("GET", "/tasks/v1/functions/", Value::Null).await.body["data"], json!([]));
    for (method, path) in [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/enable"),
        ("POST", "/disable"),
        ("GET", "/versions"),
        ("GET", "/versions/1"),
    ] {
        let found = other.refused(method, &format!("/tasks/v1/functions/f{path}"), "`f`").await;
        let unknown = other.refused(method, &format!("/tasks/v1/functions/g{path}"), "`g`").await;
        assert_eq!((found.0, &found), (404, &unknown), "{method} {path}");
    }
    let created = other.send("POST", "/tasks/v1/", json!({"functionName": "f"})).await;
    assert_eq!((created.status, &created.body["code"]), (404, &json!(16)));
    world.publish(&command("s", json!({"functionName": "f"})).tenant("other")).await;
    assert_eq!(world.answer("s").await["error"]["name"], "FunctionNotFound");
    let mut tasks = world.items("TASKS_TABLE").await;
    tasks.retain(|task| task["tenantId"] == "default");
    assert_eq!((tasks, world.items("FUNCTIONS_TABLE").await), before);
}

#[tokio::test]
async fn the_administrator_names_the_tenant_of_a_request() {
    let world = World::new().await;
    let administrator = shared::auth::Client {
        id: "admin".to_owned(),
        tenant_id: shared::event::TenantId::new("default"),
        permissions: vec!["*".to_owned()],
        is_administrator: true,
    };
    let token = world.issue(administrator, 3600).await;
    let request = harness::Request::new("POST", "/tasks/v1/functions/").bearer(&token).header("x-tenant-id", "other");
    let request = request.json(json!({"name": "f", "code": "exports.main = () => 1"}));
    assert_eq!(harness::World::send(&world, request).await.status, 200);
    assert_eq!(world.items("FUNCTIONS_TABLE").await[0]["tenantId"], "other");
    assert_eq!(world.get("/tasks/v1/functions/f").await.status, 404);
}
