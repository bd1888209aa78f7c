//! Tenants are separate: nothing of one is found, changed, matched or run by another.

use harness::{Request, World};
use serde_json::{Value, json};

use crate::house::{Client, Records, filled, open, routes, valid_body};

/// A function that hands on which tenant it runs for.
const CODE: &str = "exports.main = (task) => ({ tenant: task.data?.event ? task.data.event.tenantId : 'none' })";

/// Records of the same forms that nobody has.
fn unknown() -> Records {
    Records::from([
        ("/channels/{channelId}", "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned()),
        ("/tasks/v1/functions/{name}", "nothing".to_owned()),
        ("/versions/{version}", "1".to_owned()),
        ("/tasks/v1/api/{name}", "nothing".to_owned()),
        ("/{path}", "a/b".to_owned()),
        ("/tasks/v1/apiRequests/{id}", "00000000000000000000000f".to_owned()),
        ("/tasks/v1/{id}", "00000000000000000000000a".to_owned()),
        ("/tasks/v1/schedules/{id}", "00000000000000000000000e".to_owned()),
        ("/actions/jobs/{id}", "000000000000000000000010".to_owned()),
        ("/callbacks/{id}", "1f8fad5b-d9cb-469f-a165-70867728950e".to_owned()),
        ("/clients/{id}", "00000000000000000000000b".to_owned()),
        ("/users/v1/{id}", "00000000000000000000001b".to_owned()),
        ("/users/v1/roles/{id}", "00000000000000000000001c".to_owned()),
        ("/oauth1/tokens/{id}", "00000000000000000000001d".to_owned()),
        ("/refreshTokens/{id}", "e".repeat(64)),
        ("/dispatchers/v1/{id}", "00000000000000000000000c".to_owned()),
        ("/actions/{actionId}", "00000000000000000000000d".to_owned()),
        ("/events/v1/subscriptions/{id}", "00000000000000000000001e".to_owned()),
        ("/runs/{eventId}", "2f8fad5b-d9cb-469f-a165-70867728950e".to_owned()),
        ("/{dispatcherId}", "00000000000000000000000c".to_owned()),
        ("/events/v1/{id}", "2f8fad5b-d9cb-469f-a165-70867728950e".to_owned()),
        ("/templates/v2/{idOrName}", "000000000000000000000020".to_owned()),
        ("/runs/retries/{id}", "00000000000000000000001f".to_owned()),
        ("/credentials/{env}/{auth_tag}", "prd/key".to_owned()),
        ("/health/{env}", "prd".to_owned()),
        ("/secrets/{key}", "NOBODYS_SECRET".to_owned()),
        ("/actions/runs/{id}", "00000000000000000000001a".to_owned()),
        ("/assets/public/director/{name}", "nobodys/own.js".to_owned()),
        ("/api/v1/tasks/{id}", "slack-nobody1".to_owned()),
        ("/status/{action}", "switch".to_owned()),
        // The same tag, which answers name, of a product that nobody has.
        ("/sessions/{product}/{tag}", "nothing/rates".to_owned()),
        ("/caches/{product}/{tag}", "nothing/rates".to_owned()),
        ("/values/{key}", "eur".to_owned()),
        ("/apps/{tag}", "nobodys_app".to_owned()),
        ("/actions/{action}", "nobodys_call".to_owned()),
        ("/products/{tag}", "nobodys_product".to_owned()),
        ("/apps/{access_tag}", "nobodys_access".to_owned()),
    ])
}

async fn document(world: &World) -> Value {
    let mut document = json!({"paths": {}});
    for (id, _) in local::FUNCTIONS {
        let described = serde_json::to_value(world.function(id).openapi()).unwrap();
        document["paths"].as_object_mut().unwrap().extend(described["paths"].as_object().unwrap().clone());
    }
    document
}

/// Returns everything that a client sees of its records.
async fn seen(client: &Client<'_>, records: &Records) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in records.keys().filter(|path| !path.starts_with("/actions/{")) {
        let mut body = client.get(&filled(path, records)).await;
        if let Some(members) = body.as_object_mut() {
            // Each request of an API function has an id of its own.
            members.remove("requestId");
        }
        seen.push(body);
    }
    seen
}

#[tokio::test]
async fn no_route_leads_to_a_record_of_another_tenant() {
    let world = open().await;
    let (acme, other) = (Client::of(&world, "acme").await, Client::of(&world, "other").await);
    let records = acme.furnish(CODE).await;
    let before = seen(&acme, &records).await;
    let unknown = unknown();
    for route in routes(&document(&world).await).iter().filter(|route| !route.is_public) {
        let path = filled(&route.path, &records);
        let answer = other.send(&route.method, &path, valid_body(route)).await;
        let told = answer.body.to_string();
        if path == route.path {
            let chosen = ["{name}", "{version}", "{path}", "{action}", "{tag}", "{key}", "{env}"];
            let ids = records.iter().filter(|(place, _)| !chosen.iter().any(|name| place.ends_with(name)));
            for (place, id) in ids {
                assert!(!told.contains(id), "{} {path} shows {place}: {told}", route.method);
            }
            continue;
        }
        let nobody = other.send(&route.method, &filled(&route.path, &unknown), valid_body(route)).await;
        let mut expected = nobody.body.to_string();
        for (place, id) in &unknown {
            expected = expected.replace(&format!("`{id}`"), &format!("`{}`", records[place]));
        }
        assert_eq!((answer.status, told), (nobody.status, expected), "{} {path}", route.method);
        assert_eq!(answer.status, 404, "{} {path}", route.method);
    }
    assert_eq!(seen(&acme, &records).await, before, "nothing has changed");
}

#[tokio::test]
async fn lists_and_queries_show_the_own_tenant_alone() {
    let world = open().await;
    let (acme, other) = (Client::of(&world, "acme").await, Client::of(&world, "other").await);
    let records = acme.furnish(CODE).await;
    let channel = &records["/channels/{channelId}"];
    for (path, id) in [
        ("/tasks/v1", &records["/tasks/v1/{id}"]),
        ("/clients", &records["/clients/{id}"]),
        ("/users/v1", &records["/users/v1/{id}"]),
        ("/users/v1/roles", &records["/users/v1/roles/{id}"]),
        ("/auth/v2/oauth1/tokens", &records["/oauth1/tokens/{id}"]),
        ("/auth/v2/oauth2/refreshTokens", &records["/refreshTokens/{id}"]),
        ("/dispatchers/v1", &records["/dispatchers/v1/{id}"]),
        ("/channels", channel),
    ] {
        let name = match path {
            "/clients" => "clientId",
            "/channels" => "channelId",
            _ => "id",
        };
        for query in [String::new(), format!("?eq({name},{id})")] {
            let list = other.get(&format!("{path}{query}")).await;
            assert_eq!(list["page"]["total"], 0, "{path}{query}: {list}");
            let own = acme.get(&format!("{path}{query}")).await;
            assert!(own.to_string().contains(id.as_str()), "{path}{query}: {own}");
        }
    }
    let events = "/events/v1?eq(type,thing.happened)";
    assert_eq!(other.get(events).await["data"], json!([]));
    assert_eq!(acme.get(events).await["data"].as_array().unwrap().len(), 1);
    assert_eq!(other.get("/tasks/v1/functions").await["page"]["total"], 0);
    let messages = other.get(&format!("/messages?channelId={channel}")).await;
    let nobody = other.get("/messages?channelId=0f8fad5b-d9cb-469f-a165-70867728950e").await;
    assert_eq!(
        messages.to_string().replace(channel.as_str(), ""),
        nobody.to_string().replace("0f8fad5b-d9cb-469f-a165-70867728950e", "")
    );
}

#[tokio::test]
async fn an_event_starts_the_dispatchers_of_its_tenant_alone_and_they_run_its_functions() {
    let world = open().await;
    let (acme, other) = (Client::of(&world, "acme").await, Client::of(&world, "other").await);
    // The same names in both tenants.
    let records = acme.furnish(CODE).await;
    let others = other.furnish("exports.main = () => 'the other function'").await;
    let run = acme.get(&filled("/runs/{eventId}", &records)).await;
    assert_eq!(run["runs"].as_array().unwrap().len(), 1, "{run}");
    assert_eq!(run["runs"][0]["dispatcherId"], json!(records["/dispatchers/v1/{id}"]));
    assert_eq!(run["runs"][0]["steps"][0]["output"], json!({"tenant": "acme"}), "{run}");
    let run = other.get(&filled("/runs/{eventId}", &others)).await;
    assert_eq!(run["runs"][0]["steps"][0]["output"], "the other function", "{run}");
    assert_eq!(run["event"]["tenantId"], "other");
}

#[tokio::test]
async fn a_step_reaches_nothing_of_another_tenant() {
    let world = open().await;
    let (acme, other) = (Client::of(&world, "acme").await, Client::of(&world, "other").await);
    let records = acme.furnish(CODE).await;
    let channel = json!(records["/channels/{channelId}"]);
    let actions = json!([
        {"type": "task", "name": "task", "functionName": "f"},
        {"type": "message", "name": "message", "channelId": channel, "to": "C1", "content": "x"},
        {"type": "callback", "name": "callback", "action": "wait", "id": records["/callbacks/{id}"]},
        {"type": "message", "name": "templated", "channelId": "{{ event.content.channel }}", "to": "C1", "content": "x"},
    ]);
    let created = other.post("/dispatchers/v1", json!({"eventType": "a.b", "actions": actions})).await;
    assert!(created["warnings"].to_string().contains("no channel"), "another tenant's channel is unknown: {created}");
    let event = other.post("/events/v1", json!({"type": "a.b", "content": {"channel": channel}})).await;
    world.idle().await;
    let run = other.get(&format!("/runs/{}", event["id"].as_str().unwrap())).await;
    let names: Vec<&Value> =
        run["runs"][0]["steps"].as_array().unwrap().iter().map(|step| &step["error"]["name"]).collect();
    assert_eq!(names, ["FunctionNotFound", "UnknownChannel", "CallbackUnknown", "UnknownChannel"], "{run}");
    assert_eq!(acme.get(&filled("/callbacks/{id}", &records)).await["waitingSteps"], 0);
}

#[tokio::test]
async fn an_idempotency_key_of_one_tenant_is_nothing_to_another() {
    let world = open().await;
    let token = |tenant: &'static str| world.token(tenant, &["*"]);
    let publish = async |tenant: &'static str| {
        let request = Request::new("POST", "/events/v1").bearer(&token(tenant).await).header("idempotency-key", "k");
        world.send(request.json(json!({"type": "a.b", "content": {"of": tenant}}))).await.body
    };
    let (one, again, two) = (publish("acme").await, publish("acme").await, publish("other").await);
    assert_eq!(one["id"], again["id"]);
    assert_ne!(one["id"], two["id"]);
}

#[tokio::test]
async fn the_administrator_names_the_tenant_and_nobody_else_does() {
    let world = open().await;
    let secret: Value = serde_json::from_str(&world.emulator.secret("Administrator").unwrap()).unwrap();
    let sign_in = async |id: &Value, secret: &Value| {
        let body = json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
        let answer = world.send(Request::new("POST", "/auth/v2/oauth2/tokens").json(body)).await;
        answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
    };
    let administrator = sign_in(&secret["client_id"], &secret["client_secret"]).await;
    let send = async |token: &str, tenant: &str, method: &str, path: &str, body: Value| {
        let request = Request::new(method, path).bearer(token).header("x-tenant-id", tenant);
        world.send(if body.is_null() { request } else { request.json(body) }).await
    };
    let body = json!({"name": "c", "permissions": ["*"]});
    let client = send(&administrator, "acme", "POST", "/clients", body).await.body;
    assert_eq!(client["tenantId"], "acme");
    let token = sign_in(&client["clientId"], &client["clientSecret"]).await;
    assert_eq!(send(&token, "acme", "GET", "/users/v1/me", Value::Null).await.body["tenantId"], "acme");
    let refused = send(&token, "other", "GET", "/users/v1/me", Value::Null).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{}", refused.body);
    let body = json!({"name": "d", "tenantId": "other"});
    assert_eq!(send(&token, "acme", "POST", "/clients", body.clone()).await.status, 401);
    assert_eq!(send(&administrator, "acme", "POST", "/clients", body).await.body["tenantId"], "other");
    let own =
        filled("/clients/{id}", &Records::from([("/clients/{id}", client["clientId"].as_str().unwrap().to_owned())]));
    assert_eq!(send(&administrator, "acme", "GET", &own, Value::Null).await.status, 200);
    assert_eq!(send(&administrator, "other", "GET", &own, Value::Null).await.status, 404);
    assert_eq!(send(&administrator, "a#b", "GET", &own, Value::Null).await.status, 400);
}
