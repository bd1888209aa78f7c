//! The access tokens that scripts get.

use harness::server::{Answer, Server};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::support::{self, TASK, World};

const SCRIPT: &str = "exports.main = () => { console.log(process.env.HOOKYARD_TOKEN); return { ...process.env } }";

fn credentials(permissions: &[&str]) -> Value {
    json!({"permissions": permissions})
}

async fn environment_of(world: &World, name: &str) -> Value {
    let answer = world.post(&format!("/tasks/v1/functions/{name}/execute"), json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let logs = world.get(&format!("/tasks/v1/{}/logs", answer.body["id"].as_str().unwrap())).await.body;
    assert!(!logs.to_string().contains("eyJ"), "a token that was printed is not kept: {logs}");
    answer.body["result"].clone()
}

#[tokio::test]
async fn a_script_has_a_token_with_the_permissions_of_its_function() {
    let world = World::new().await;
    let body = json!({"name": "f", "code": SCRIPT, "timeLimit": 10, "executionCredentials": credentials(&["VIEW_TASKS", "EXECUTE_TASK_FUNCTION:g"])});
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    let environment = environment_of(&world, "f").await;
    let token = environment["HOOKYARD_TOKEN"].as_str().unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
    let tokens = world.environment(TASK).tokens().unwrap();
    let caller = tokens.check(&headers).await.unwrap();
    assert_eq!((caller.client_id(), caller.tenant_id().as_str()), ("function:f", "default"));
    assert_eq!(caller.permissions(), ["EXECUTE_TASK_FUNCTION:g", "VIEW_TASKS"]);
    world.clock.advance(jiff::SignedDuration::from_secs(40));
    assert_eq!(tokens.check(&headers).await.unwrap_err().code, 118, "it ends soon after the script");
    assert!(!world.items("FUNCTIONS_TABLE").await[0].to_string().contains("eyJ"));
    world.put("/tasks/v1/functions/f", json!({"executionCredentials": {"permissions": []}})).await;
    world.clock.advance(jiff::SignedDuration::from_secs(10));
    assert_eq!(world.get("/tasks/v1/functions/f").await.body.get("executionCredentials"), None);
    world.restart();
    assert_eq!(environment_of(&world, "f").await, json!({}));
}

#[tokio::test]
async fn a_script_knows_where_the_api_is() {
    let world = World::opened(support::builder().parameter("BaseUrl", "https://hooks.example.com")).await;
    let body = json!({"name": "f", "code": SCRIPT, "executionCredentials": credentials(&["VIEW_TASKS"])});
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    let environment = environment_of(&world, "f").await;
    assert_eq!(environment["HOOKYARD_URL"], "https://hooks.example.com");
    assert_eq!(environment["API_HOST"], "https://hooks.example.com/localhost");
}

#[tokio::test]
async fn a_script_with_a_token_reaches_the_api_of_this_machine_and_no_other_does() {
    let server = |name: &'static str| Server::start(move |_| Answer::ok(json!(name)));
    let (api, other) = (server("api").await, server("other").await);
    let port = api.url().rsplit(':').next().unwrap().to_owned();
    let builder = support::builder().parameter("BaseUrl", &api.url()).parameter("AllowedCidrs", "");
    let world = World::opened(builder.variable("OWN_PORTS", &port)).await;
    let code = "exports.main = (task) => fetch(task.data.url, { headers: { authorization: `Bearer ${process.env.HOOKYARD_TOKEN}` } })
        .then((answer) => answer.text(), (error) => error.name)";
    for (name, permissions) in [("with", vec!["VIEW_TASKS"]), ("without", vec![])] {
        let body = json!({"name": name, "code": code, "executionCredentials": credentials(&permissions)});
        assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    }
    for (name, url, expected) in [
        ("with", api.url(), "api"),
        ("with", other.url(), "FetchRefused"),
        ("with", format!("http://localhost:{port}"), "FetchRefused"),
        ("without", api.url(), "FetchRefused"),
    ] {
        let body = json!({"data": {"url": url}});
        let answer = world.post(&format!("/tasks/v1/functions/{name}/execute"), body).await;
        assert_eq!(answer.body["result"], expected, "{name} {url}: {}", answer.body);
    }
    assert!(api.requests()[0].header("authorization").starts_with("Bearer eyJ"));
}

#[tokio::test]
async fn only_those_who_hold_permissions_give_them_to_a_function_or_change_its_script() {
    let world = World::new().await;
    let weak = world.token("default", &["CREATE_TASK_FUNCTION", "UPDATE_TASK_FUNCTION", "VIEW_TASKS"]).await;
    let send = async |method: &str, path: &str, body: Value| {
        let answer = world.send(method, &format!("/tasks/v1/functions{path}"), body, &weak).await;
        answer.body["code"].as_u64().unwrap_or_default()
    };
    let function = |name: &str, permissions: &[&str]| json!({"name": name, "code": "exports.main = () => 1", "executionCredentials": credentials(permissions)});
    assert_eq!(send("POST", "", function("f", &["VIEW_TASKS"])).await, 0);
    assert_eq!(send("POST", "", function("g", &["VIEW_TASKS", "VIEW_RUNS"])).await, 10);
    assert_eq!(send("POST", "", function("g", &["*"])).await, 10);
    assert_eq!(send("POST", "", function("g", &["VIEW_TASK"])).await, 15);
    assert_eq!(send("POST", "", function("g", &["VIEW_TASKS:f"])).await, 15);
    assert_eq!(send("PUT", "/f", json!({"code": "exports.main = () => 2"})).await, 0);
    assert_eq!(send("PUT", "/f", json!({"executionCredentials": credentials(&["VIEW_RUNS"])})).await, 10);
    let strong = json!({"executionCredentials": credentials(&["VIEW_RUNS"])});
    assert_eq!(world.put("/tasks/v1/functions/f", strong).await.status, 200);
    assert_eq!(send("PUT", "/f", json!({"code": "exports.main = () => 3"})).await, 10);
    assert_eq!(send("PUT", "/f", json!({"executionCredentials": credentials(&[])})).await, 10);
    assert_eq!(send("POST", "/f/disable", json!({})).await, 0, "whoever is alarmed can stop it");
    let shown = world.get("/tasks/v1/functions/f").await.body;
    assert_eq!((&shown["code"], &shown["enabled"]), (&json!("exports.main = () => 2"), &json!(false)));
    assert_eq!(shown["executionCredentials"], credentials(&["VIEW_RUNS"]));
}
