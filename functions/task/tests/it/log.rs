//! Logs of tasks and of functions.

use harness::server::{Answer, Reaction, Server};
use harness::until;
use serde_json::{Value, json};

use crate::support::World;

async fn created(world: &World, function: &str) -> String {
    let created = world.post("/tasks/v1/", json!({"functionName": function})).await;
    created.body["id"].as_str().unwrap_or_else(|| panic!("{}", created.body)).to_owned()
}

fn messages(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lines_are_there_while_the_script_runs() {
    let world = World::new().await;
    let server = Server::start(|_| Answer::ok(json!("answer"))).await;
    server.next(Reaction::Hang);
    let code = format!("exports.main = async () => {{ console.log('before'); await fetch('{}') }}", server.url());
    world.script("f", &code).await;
    let path = format!("/tasks/v1/{}", created(&world, "f").await);
    let logs = until("a line of the running task", async || {
        let logs = world.get(&format!("{path}/logs")).await;
        if logs.status == 200 { Ok(logs.body) } else { Err(logs.body) }
    })
    .await;
    assert_eq!(messages(&logs), ["before"]);
    assert_eq!(world.get(&path).await.body["status"], "inProgress");
    let record = world.record(path.rsplit('/').next().unwrap()).await;
    assert_eq!(record["claim"]["effect"], true, "what is shown does not undo the mark of the effect");
}

#[tokio::test]
async fn a_log_has_pages_of_100_lines() {
    let world = World::new().await;
    world.script("f", "exports.main = () => { for (let i = 0; i < 250; i++) console.log(`line ${i}`) }").await;
    let id = created(&world, "f").await;
    world.idle().await;
    let page = async |query: &str| world.get(&format!("/tasks/v1/{id}/logs{query}")).await.body;
    let check = |page: &Value, offset: usize, limit: usize, first: &str, lines: usize| {
        assert_eq!(page["page"], json!({"offset": offset, "limit": limit}));
        assert_eq!((messages(page).first().copied(), messages(page).len()), (Some(first), lines));
    };
    check(&page("").await, 0, 100, "line 0", 100);
    check(&page("?ge(timestamp,2026-01-02T03:04:05.678Z)").await, 0, 100, "line 0", 100);
    check(&page("?limit(100,200)").await, 200, 100, "line 200", 50);
    check(&page("?limit(1000,100)").await, 100, 100, "line 100", 100);
    check(&page("?limit(7)").await, 0, 7, "line 0", 7);
    assert_eq!(page("?ge(timestamp,2026-01-02T03:04:06Z)").await["data"], json!([]));
}

#[tokio::test]
async fn the_log_of_a_function_has_the_lines_of_its_newest_tasks() {
    let world = World::new().await;
    world.script("f", "exports.main = (task) => { console.log('a', task.id); console.log('b', task.id) }").await;
    world.script("g", "exports.main = () => { console.log('of another') }").await;
    let logs = async |query: &str| world.get(&format!("/tasks/v1/functions/f/logs{query}")).await;
    let none = logs("").await;
    assert_eq!((none.status, &none.body["code"]), (400, &json!(1408)));
    let mut ids = Vec::new();
    for function in ["f", "g", "f"] {
        ids.push(created(&world, function).await);
        world.idle().await;
        world.clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let all = logs("").await;
    assert_eq!((all.status, &all.body["page"]), (200, &json!({"offset": 0, "limit": 100})));
    let expected: Vec<String> =
        [("b", 2), ("a", 2), ("b", 0), ("a", 0)].iter().map(|(text, at)| format!("{text} {}", ids[*at])).collect();
    assert_eq!(messages(&all.body), expected);
    assert_eq!(all.body["data"][0]["eventTimestamp"], "2026-01-02T03:04:07.678Z");
    assert_eq!(messages(&logs("?limit(2,1)").await.body), expected[1..3]);
    assert_eq!(messages(&logs("?le(eventTimestamp,2026-01-02T03:04:06Z)").await.body), expected[2..]);
    assert_eq!(logs("?eq(timestamp,1)").await.body["code"], 19);
    let unknown = world.get("/tasks/v1/functions/nowhere/logs").await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!(16)));
    let other = world.token("other", &["*"]).await;
    let foreign = world.send("GET", "/tasks/v1/functions/f/logs", Value::Null, &other).await;
    assert_eq!((foreign.status, &foreign.body["code"]), (404, &json!(16)));
}
