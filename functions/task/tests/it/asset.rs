//! Assets over HTTP.

use harness::{Answer, Request};
use serde_json::json;

use crate::support::World;

const ROOT: &str = "/assets/public/director";
const SCRIPT: &str = "module.exports.main = (config) => config.n";

async fn put(world: &World, name: &str, content_type: &str, content: &str) -> Answer {
    let token = world.token("default", &["*"]).await;
    put_as(world, &token, name, content_type, content).await
}

async fn put_as(world: &World, token: &str, name: &str, content_type: &str, content: &str) -> Answer {
    let request = Request::new("PUT", &format!("{ROOT}/{name}")).bearer(token).header("content-type", content_type);
    harness::World::send(world, request.body(content)).await
}

async fn get_if(world: &World, name: &str, etag: &str) -> Answer {
    let token = world.token("default", &["*"]).await;
    let request = Request::new("GET", &format!("{ROOT}/{name}")).bearer(&token).header("if-none-match", etag);
    harness::World::send(world, request).await
}

#[tokio::test]
async fn an_asset_is_written_listed_read_and_deleted() {
    let world = World::new().await;
    let name = "tasks/slack/Notify%20team/script.js";
    let written = put(&world, name, "text/javascript", SCRIPT).await;
    let etag = written.body["etag"].as_str().unwrap().to_owned();
    let head = json!({
        "name": "tasks/slack/Notify team/script.js", "etag": etag, "sizeBytes": SCRIPT.len(),
        "updateTimestamp": "2026-01-02T03:04:05.678Z",
    });
    assert_eq!((written.status, &written.body, &written.headers["etag"]), (200, &head, &json!(etag)));
    let read = world.get(&format!("{ROOT}/{name}")).await;
    assert_eq!((read.status, &read.body), (200, &json!(SCRIPT)));
    assert_eq!(read.headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(read.headers["last-modified"], "Fri, 02 Jan 2026 03:04:05 GMT");
    assert_eq!(get_if(&world, name, &etag).await.status, 304);
    assert_eq!(get_if(&world, name, "\"other\"").await.status, 200);
    put(&world, "a.json", "application/json", r#"{"interval": 5000}"#).await;
    let list = world.get(&format!("{ROOT}?sort(name)&select(name)")).await.body;
    assert_eq!(list["data"], json!([{"name": "a.json"}, {"name": "tasks/slack/Notify team/script.js"}]));
    let changed = put(&world, name, "text/javascript", "module.exports.main = () => 2").await.body;
    assert_ne!(changed["etag"], json!(etag));
    assert_eq!(get_if(&world, name, &etag).await.body, "module.exports.main = () => 2");
    assert_eq!(world.delete(&format!("{ROOT}/{name}")).await.body, json!({"affectedRecords": 1}));
    assert_eq!(world.delete(&format!("{ROOT}/{name}")).await.status, 404);
    assert_eq!(world.get(&format!("{ROOT}/{name}")).await.status, 404);
    assert_eq!(world.get(ROOT).await.body["page"]["total"], 1);
}

#[tokio::test]
async fn what_no_task_could_use_is_refused_and_says_why() {
    let world = World::new().await;
    let check = async |name: &str, content_type: &str, content: &str, status: u16, message: &str| {
        let answer = put(&world, name, content_type, content).await;
        let said = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.status == status && said.contains(message), "{name}: {} {}", answer.status, answer.body);
    };
    check("a.js", "text/javascript", "module.exports.main = () => {\n  return 1 +;\n}", 400, "a.js:2").await;
    check("a.js", "text/javascript", &"x".repeat(400_000), 413, "358400 bytes").await;
    check("a.js", "application/x-www-form-urlencoded", SCRIPT, 415, "text/javascript").await;
    check("a.js", "text/javascript", "", 400, "body").await;
    check("a.json", "application/json", r#"{"interval": 0}"#, 400, "`interval`").await;
    check("a.json", "application/json", r#"{"init": "24/06/2022"}"#, 400, "`init`").await;
    check("a.json", "application/json", r#"{"init": "2026-01-02", "end": "2026-01-01"}"#, 400, "`end`").await;
    check("a.json", "application/json", "[1]", 400, "object").await;
    for name in ["a.txt", "a", "..%2fa.js", "a/%2e%2e/b.js", "a//b.js", ".a.js"] {
        check(name, "text/javascript", SCRIPT, 400, "`name`").await;
    }
    assert_eq!(world.get(ROOT).await.body["page"]["total"], 0);
}

#[tokio::test]
async fn an_asset_has_one_name() {
    let world = World::new().await;
    assert_eq!(put(&world, "x/a.js", "text/javascript", SCRIPT).await.status, 200);
    for name in [
        "x/a.js/",
        "x/a.js//",
        "x%2Fa.js",
        "x%2fa.js",
        "x//a.js",
        "/x/a.js",
        "x/a.js%20",
        "%20x/a.js",
        "x/a.js%2F",
        "x%5Ca.js",
        "x/a%00.js",
        "x/%FF.js",
    ] {
        let path = format!("{ROOT}/{name}");
        let written = put(&world, name, "text/javascript", "module.exports.main = () => 0").await;
        for answer in [written, world.get(&path).await, world.delete(&path).await] {
            let message = answer.body["message"].as_str().unwrap().to_owned();
            assert!(
                answer.status == 400 && message.starts_with("`name` must be folders and a file"),
                "{name}: {message}"
            );
        }
    }
    assert_eq!(world.get(&format!("{ROOT}/x/%61.js")).await.body, SCRIPT, "what clients encode means the same");
    assert_eq!(world.get(&format!("/localhost{ROOT}/x/a.js")).await.body, SCRIPT);
    assert_eq!(world.get(ROOT).await.body["page"]["total"], 1);
}

#[tokio::test]
async fn of_many_who_delete_an_asset_one_has_done_it() {
    let world = World::new().await;
    for round in 0..5 {
        put(&world, "a.js", "text/javascript", SCRIPT).await;
        let path = format!("{ROOT}/a.js");
        let answers = futures::future::join_all((0..20).map(|_| world.delete(&path))).await;
        let done = answers.iter().filter(|answer| answer.status == 200).count();
        let gone = answers.iter().filter(|answer| answer.status == 404).count();
        assert_eq!((done, gone), (1, 19), "round {round}");
    }
}

#[tokio::test]
async fn the_await_of_the_documented_example_is_explained_with_its_line() {
    let world = World::new().await;
    let example = "\"use strict\";\nconst axios = require(\"axios\");\nmodule.exports.main = (config) => {\n  \
        const requestURL = 'someURL';\n  return JSON.stringify(await axios.get(requestURL));\n}\n";
    let message = put(&world, "example.js", "text/javascript", example).await.body["message"].clone();
    let message = message.as_str().unwrap().to_owned();
    assert!(message.contains("`await` is only allowed in async functions"), "{message}");
    assert!(message.contains("`async (config) =>`") && message.contains("example.js:5"), "{message}");
}

#[tokio::test]
async fn assets_belong_to_their_tenant_and_need_permissions() {
    let world = World::new().await;
    put(&world, "a.js", "text/javascript", SCRIPT).await;
    let other = world.token("other", &["*"]).await;
    let path = format!("{ROOT}/a.js");
    for method in ["GET", "DELETE"] {
        assert_eq!(world.send(method, &path, json!(null), &other).await.status, 404);
    }
    assert_eq!(world.send("GET", ROOT, json!(null), &other).await.body["data"], json!([]));
    assert_eq!(put_as(&world, &other, "a.js", "text/javascript", "module.exports = () => 0").await.status, 200);
    assert_eq!(world.get(&path).await.body, SCRIPT);
    let reader = world.token("default", &["VIEW_ASSETS"]).await;
    let writer = world.token("default", &["UPDATE_ASSETS"]).await;
    assert_eq!(world.send("GET", &path, json!(null), &reader).await.status, 200);
    assert_eq!(put_as(&world, &reader, "a.js", "text/javascript", SCRIPT).await.status, 401);
    assert_eq!(world.send("DELETE", &path, json!(null), &reader).await.status, 401);
    assert_eq!(world.send("GET", &path, json!(null), &writer).await.status, 401);
    assert_eq!(world.send("GET", &format!("/localhost{path}"), json!(null), "none").await.status, 401);
}
