//! Where scripts come from.

use harness::server::{Answer as Served, Reaction, Server};

use shared::table::{Expression, Query};

use super::*;
use crate::support::TASK;

async fn world() -> World {
    World::with(&[("BaseUrl", "https://hooks.example.com")]).await
}

async fn run(world: &World) -> Answer {
    world.post(&format!("{TASKS}/t/run"), Value::Null).await
}

fn script(n: u32) -> Served {
    Served::status(200, json!(format!("module.exports.main = () => {n}")))
}

#[tokio::test]
async fn an_edited_asset_is_what_the_next_run_uses() {
    let world = world().await;
    let path = asset(&world, "tasks/a%20b/script.js", "module.exports.main = () => 1").await;
    create(&world, task(&format!("https://hooks.example.com{path}"), json!({"id": "t"}))).await;
    assert_eq!(run(&world).await.body, 1);
    asset(&world, "tasks/a%20b/script.js", "module.exports.main = () => 2").await;
    assert_eq!(run(&world).await.body, 2);
    world.delete(&path).await;
    let gone = "Error running script: ScriptNotFound: no script /assets/public/director/tasks/a b/script.js exists";
    let answer = run(&world).await;
    let message = answer.body["message"].as_str().unwrap();
    assert!(answer.status == 500 && message.starts_with(&format!("{gone} (task ")), "{message}");
}

#[tokio::test]
async fn the_settings_beside_an_own_script_supply_what_a_task_does_not_say() {
    let world = world().await;
    let path = asset(&world, "a.js", "module.exports.main = () => 1").await;
    assert_eq!(world.post(TASKS, task(&path, json!({"interval": null}))).await.status, 400);
    let settings = r#"{"init": "2026-02-01T00:00:00Z", "end": "2026-03-01T00:00:00Z", "interval": 86400000}"#;
    asset(&world, "a.json", settings).await;
    let created = create(&world, task(&path, json!({"id": "t", "interval": null}))).await;
    assert_eq!((&created["interval"], &created["init"]), (&json!(86_400_000), &json!("2026-02-01T00:00:00.000Z")));
    assert_eq!(created["end"], "2026-03-01T00:00:00.000Z");
    let said = create(&world, task(&path, json!({"id": "u", "init": "2026-02-03"}))).await;
    assert_eq!((&said["interval"], &said["init"]), (&json!(60_000), &json!("2026-02-03")));
    let endless = create(&world, task(&path, json!({"id": "w", "init": "2026-04-01", "end": null}))).await;
    assert_eq!(endless["end"], json!(null), "what a body has is not looked up");
    let replaced =
        world.put(&format!("{TASKS}/t"), task(&path, json!({"init": "2026-02-04", "interval": 90_000}))).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    let replaced = world.get(&format!("{TASKS}/t")).await.body;
    assert_eq!((&replaced["interval"], &replaced["init"]), (&json!(90_000), &json!("2026-02-04")));
    assert_eq!(replaced["end"], "2026-03-01T00:00:00.000Z", "the body replaces the whole task");
    let late = world.post(TASKS, task(&path, json!({"id": "v", "init": "2026-04-01"}))).await;
    assert_eq!((late.status, late.body["message"].as_str().unwrap().contains("`end`")), (400, true));
}

#[tokio::test]
async fn a_script_is_fetched_for_each_run_and_revalidated() {
    let world = world().await;
    let server = Server::start(|request| match request.header("if-none-match") {
        "\"v1\"" => Served::status(304, json!("")),
        _ => script(1).header("etag", &"\"v1\""),
    })
    .await;
    create(&world, task(&format!("{}/s.js?token=planted", server.url()), json!({"id": "t"}))).await;
    for _ in 0..3 {
        assert_eq!(run(&world).await.body, 1);
    }
    let requests = server.requests();
    let tags: Vec<&str> = requests.iter().map(|request| request.header("if-none-match")).collect();
    assert_eq!(tags, ["", "\"v1\"", "\"v1\""]);
    assert!(requests.iter().all(|request| request.header("user-agent").starts_with("hookyard/")));
    server.answer_next(script(2).header("last-modified", &"Fri, 02 Jan 2026 00:00:00 GMT"));
    assert_eq!(run(&world).await.body, 2, "a changed script is used at once");
    server.answer_next(script(3));
    assert_eq!(run(&world).await.body, 3);
    assert_eq!(server.requests()[4].header("if-modified-since"), "Fri, 02 Jan 2026 00:00:00 GMT");
    server.answer_next(script(4));
    assert_eq!(run(&world).await.body, 4);
    assert_eq!(server.requests()[5].header("if-modified-since"), "", "nothing is known of it any more");
}

#[tokio::test]
async fn one_tenants_text_is_not_anothers() {
    let world = world().await;
    let server = Server::start(|_| script(1).header("etag", &"\"v1\"")).await;
    let body = task(&format!("{}/s.js", server.url()), json!({"id": "t"}));
    for tenant in ["default", "other"] {
        let token = world.token(tenant, &["*"]).await;
        assert_eq!(world.send("POST", TASKS, body.clone(), &token).await.status, 200);
        assert_eq!(world.send("POST", &format!("{TASKS}/t/run"), Value::Null, &token).await.body, 1);
    }
    assert!(server.requests().iter().all(|request| request.header("if-none-match").is_empty()));
}

#[tokio::test]
async fn a_script_that_cannot_be_fetched_fails_the_run_and_names_the_url() {
    let world = world().await;
    let server = Server::start(|_| script(1)).await;
    let url = format!("{}/folder/s.js", server.url());
    create(&world, task(&format!("{url}?token=planted"), json!({"id": "t"}))).await;
    let check = async |served: Served, name: &str, why: &str| {
        server.answer_next(served);
        let answer = run(&world).await;
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert!(message.contains(&format!("{name}: the script {url} cannot be fetched: ")), "{message}");
        assert!(message.contains(why) && !message.contains("planted"), "{message}");
    };
    check(Served::status(404, json!("no")), "ScriptNotFound", "404").await;
    check(Served::status(503, json!("no")), "ScriptNotReachable", "503").await;
    check(Served::status(401, json!("no")), "ScriptNotReachable", "401").await;
    check(Served::status(200, json!("<!doctype html><p>sign in</p>")), "InvalidScript", "HTML").await;
    check(Served::status(200, json!("")), "InvalidScript", "empty").await;
    check(Served::status(200, json!("a\0b")), "InvalidScript", "text").await;
    check(Served::status(200, json!("x".repeat(1_100_000))), "ScriptNotReachable", "longer than 1048576 bytes").await;
    let away = Served::status(302, json!("")).header("location", &"http://10.0.0.1/s.js");
    check(away, "ScriptNotReachable", "private address").await;
    server.next(Reaction::LoseAnswer);
    assert_eq!(run(&world).await.status, 500);
    assert_eq!(server.requests().len(), 9, "nothing is tried again");
    server.answer_next(Served::status(200, json!("module.exports.main = (")));
    let message = run(&world).await.body["message"].as_str().unwrap().to_owned();
    assert!(message.contains("SyntaxError"), "{message}");
}

#[tokio::test]
async fn what_may_not_be_reached_is_not_fetched() {
    let world = World::with(&[("AllowedCidrs", "")]).await;
    let server = Server::start(|_| script(1)).await;
    create(&world, task(&format!("{}/s.js", server.url()), json!({"id": "t"}))).await;
    let message = run(&world).await.body["message"].as_str().unwrap().to_owned();
    assert!(message.contains("ScriptNotReachable") && message.contains("loopback"), "{message}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn the_secrets_of_a_task_are_sealed_at_rest() {
    let world = world().await;
    let server = Server::start(|_| Served::status(200, json!("module.exports.main = (c) => c.key"))).await;
    let url = format!("{}/s.js?token=planted-url", server.url());
    let body = task(&url, json!({"id": "t", "config": {"key": "planted-config"}, "note": "planted-extra"}));
    create(&world, body).await;
    assert_eq!(run(&world).await.body, "planted-config");
    world.idle().await;
    let environment = world.environment(TASK);
    let tables = [("SCHEDULES_TABLE", None, "tenantId"), ("TASKS_TABLE", Some("byTime"), "listedTenant")];
    for (name, index, key) in tables {
        let of_tenant = Expression::new("#key = :tenant").name("#key", key).value(":tenant", "default");
        let rows = environment.table(name).unwrap().query_rows(Query { index, ..Query::new(of_tenant) }).await.unwrap();
        let shown = format!("{rows:?}");
        assert!(shown.contains("Blob") && !shown.contains("planted"), "{name}: {shown}");
    }
}
