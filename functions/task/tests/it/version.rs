//! The versions of functions.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{World, package};

const PATH: &str = "/tasks/v1/functions/f";

async fn change(world: &World, body: Value) {
    let changed = world.put(PATH, body).await;
    assert_eq!((changed.status, changed.body), (200, json!({"affectedRecords": 1})));
}

/// The numbers of the versions that there are.
async fn numbers(world: &World, query: &str) -> Vec<u64> {
    let list = world.get(&format!("{PATH}/versions{query}")).await;
    assert_eq!(list.status, 200, "{}", list.body);
    list.body["data"].as_array().unwrap().iter().map(|version| version["version"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_change_of_what_runs_makes_a_version() {
    let world = World::new().await;
    let code = "exports.main = () => 1";
    world.post("/tasks/v1/functions/", json!({"name": "f", "code": code, "description": "first"})).await;
    let zip = package(&[("index.js", b"exports.main = () => 2")]);
    change(&world, json!({"code": zip, "description": "second"})).await;
    for body in [
        json!({"description": "d"}),
        json!({"enabled": true}),
        json!({"retryPolicy": {"enabled": true}}),
        json!({"code": zip}),
        json!({"timeLimit": 30}),
    ] {
        change(&world, body).await;
    }
    assert_eq!(numbers(&world, "").await, [2, 1]);
    for (number, body) in [
        (3, json!({"timeLimit": 5})),
        (4, json!({"memoryLimit": 256})),
        (5, json!({"entryPoint": "index.main"})),
        (6, json!({"environmentVariables": {"A": {"value": "planted"}}})),
        (7, json!({"runtime": "nodejs20.x"})),
        (8, json!({"isolation": "warm"})),
    ] {
        change(&world, body).await;
        assert_eq!(world.get(PATH).await.body["version"], number);
    }
    let list = world.get(&format!("{PATH}/versions?limit(2,2)")).await.body;
    assert_eq!(list["page"], json!({"total": 8, "offset": 2, "limit": 2}));
    let sixth = &list["data"][0];
    assert_eq!((&sixth["version"], &sixth["isCurrent"], &sixth["codeType"]), (&json!(6), &json!(false), &json!("zip")));
    assert_eq!(sixth["environmentVariables"], json!({"A": {"value": "*****"}}));
    assert_eq!(numbers(&world, "?eq(isCurrent,true)").await, [8]);
    let first = world.get(&format!("{PATH}/versions/1")).await.body;
    let by = first["createdByApplicationId"].as_str().unwrap().to_owned();
    let expected = json!({
        "version": 1, "isCurrent": false, "creationTimestamp": "2026-01-02T03:04:05.678Z", "description": "first",
        "createdByApplicationId": by, "createdByUserId": by, "codeType": "text", "codeSize": code.len(),
        "codeHash": first["codeHash"], "timeLimit": 30, "memoryLimit": 128, "isolation": "fresh", "environmentVariables": {}, "code": code,
    });
    assert_eq!(first, expected);
    assert_eq!(first["codeHash"].as_str().unwrap().len(), 64);
    assert_eq!(world.get(&format!("{PATH}/versions/2")).await.body["code"], zip);
    for wrong in ["9", "0"] {
        let answer = world.get(&format!("{PATH}/versions/{wrong}")).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!(16)), "{}", answer.body);
    }
    assert_eq!(world.get(&format!("{PATH}/versions/x")).await.status, 400);
    assert!(!json!(world.items("FUNCTION_VERSIONS_TABLE").await).to_string().contains("planted"));
}

#[tokio::test]
async fn a_rollback_makes_an_old_version_current_as_a_new_one() {
    let world = World::new().await;
    let zip = package(&[("index.js", b"exports.main = () => ['old', process.env]")]);
    let variables = json!({"KEY": {"value": "one"}});
    let body = json!({"name": "f", "code": zip, "environmentVariables": variables, "timeLimit": 10});
    world.post("/tasks/v1/functions/", body).await;
    let variables = json!({"KEY": {"value": "two"}});
    let body = json!({"code": "exports.main = () => 'new'", "environmentVariables": variables, "timeLimit": 20});
    change(&world, body).await;
    change(&world, json!({"description": "kept"})).await;
    assert_eq!(world.outcome("a", "f").await, json!("new"));
    let answer = world.post(&format!("{PATH}/rollback"), json!({"version": 1})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rolled = (&answer.body["version"], &answer.body["rollbackOf"], &answer.body["isCurrent"]);
    assert_eq!(rolled, (&json!(3), &json!(1), &json!(true)));
    assert_eq!(world.outcome("b", "f").await, json!(["old", {"KEY": "one"}]));
    let function = world.get(PATH).await.body;
    let shown = (&function["version"], &function["timeLimit"], &function["description"], &function["code"]);
    assert_eq!(shown, (&json!(3), &json!(10), &json!("kept"), &json!(zip)));
    let again = world.post(&format!("{PATH}/rollback"), json!({"version": 1})).await;
    assert_eq!((again.status, &again.body["version"]), (200, &json!(3)));
    assert_eq!(numbers(&world, "").await, [3, 2, 1]);
    let unknown = world.post(&format!("{PATH}/rollback"), json!({"version": 4})).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!(16)));
    for wrong in [json!({}), json!({"version": "one"}), json!({"version": -1}), json!({"number": 1})] {
        assert_eq!(world.post(&format!("{PATH}/rollback"), wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn what_is_shown_can_be_sent_back_and_changes_nothing() {
    let world = World::new().await;
    let zip = package(&[("index.js", b"exports.main = () => process.env.KEY")]);
    for (name, code) in [("text", "exports.main = () => process.env.KEY"), ("zip", zip.as_str())] {
        let path = format!("/tasks/v1/functions/{name}");
        let body = json!({
            "name": name, "code": code, "description": "d", "runtime": "nodejs20.x", "timeLimit": 9,
            "environmentVariables": {"KEY": {"value": "v"}}, "enabled": true, "retryPolicy": {"enabled": true},
            "executionOptions": {"permissionMode": "permissionRequired", "defaultPriority": 1},
        });
        world.post("/tasks/v1/functions/", body).await;
        let shown = world.get(&path).await.body;
        let sent = world.put(&path, shown.clone()).await;
        assert_eq!((sent.status, &sent.body), (200, &json!({"affectedRecords": 1})), "{}", sent.body);
        assert_eq!(world.get(&path).await.body, shown);
        assert_eq!(world.outcome(name, name).await, json!("v"));
        let unknown = world.put(&path, json!({"versoin": 1})).await;
        assert!(unknown.body["message"].as_str().unwrap().contains("did you mean `version`"), "{}", unknown.body);
    }
}

#[tokio::test]
async fn fifty_versions_are_kept_with_their_code() {
    let world = World::new().await;
    let text = |number: usize| format!("/* {} */ exports.main = () => {number}", "x".repeat(4_000));
    world.script("f", &text(1)).await;
    for number in 2..=51 {
        change(&world, json!({"code": text(number)})).await;
    }
    assert_eq!(numbers(&world, "?limit(50)").await, (2..=51).rev().collect::<Vec<u64>>());
    assert_eq!(world.parts().await.len(), 50);
    assert_eq!(world.get(&format!("{PATH}/versions/1")).await.status, 404);
    let rolled = world.post(&format!("{PATH}/rollback"), json!({"version": 2})).await;
    assert_eq!(rolled.body["version"], 52);
    // Version 2 is gone, but its code has another version now.
    assert_eq!(world.parts().await.len(), 50);
    world.restart();
    assert_eq!(world.outcome("a", "f").await, json!(2));
    assert_eq!(world.delete(PATH).await.status, 200);
    assert!(world.parts().await.is_empty() && world.items("FUNCTION_VERSIONS_TABLE").await.is_empty());
    world.script("f", "exports.main = () => 'anew'").await;
    assert_eq!(numbers(&world, "").await, [1]);
}

#[tokio::test]
async fn changes_at_the_same_time_all_count() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 0").await;
    let codes: Vec<String> = (1..=4).map(|number| format!("exports.main = () => {number}")).collect();
    let changes = codes.iter().map(|code| world.put(PATH, json!({"code": code})));
    let answers = join_all(changes).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{:?}",
        answers.iter().map(|answer| &answer.body).collect::<Vec<_>>()
    );
    assert_eq!(numbers(&world, "").await, [5, 4, 3, 2, 1]);
    let mut seen = Vec::new();
    for number in 2..=5 {
        seen.push(world.get(&format!("{PATH}/versions/{number}")).await.body["code"].as_str().unwrap().to_owned());
    }
    seen.sort_unstable();
    assert_eq!(seen, codes);
    let names = [(); 3].map(|()| world.post("/tasks/v1/functions/", json!({"name": "g", "code": codes[0]})));
    let mut statuses: Vec<u16> = join_all(names).await.into_iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400]);
}

#[tokio::test]
async fn a_running_task_keeps_its_version_and_says_which_it_was() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = (task) => new Promise((resolve) => setTimeout(resolve, 2500, 'first'))").await;
    let command = world.sealed_payload(crate::support::delivery("s", json!({"functionName": "f"})));
    let process = world.process();
    let first = tokio::spawn(async move { process.invoke(command).await });
    world.until_it_runs(&crate::support::task_id("s")).await;
    change(&world, json!({"code": "exports.main = () => 'second'"})).await;
    first.await.unwrap().unwrap();
    assert_eq!(world.answer("s").await["output"], "first");
    let path = format!("/tasks/v1/{}", crate::support::task_id("s"));
    assert_eq!(world.get(&path).await.body["functionVersion"], 1);
    assert_eq!(world.get("/tasks/v1/?eq(functionVersion,1)").await.body["page"]["total"], 1);
    assert_eq!(world.get("/tasks/v1/?eq(functionVersion,2)").await.body["page"]["total"], 0);
}

#[tokio::test]
async fn a_rollback_brings_the_isolation_of_the_version_back() {
    let world = World::new().await;
    world.script("f", "let runs = 0; exports.main = () => ++runs").await;
    change(&world, json!({"isolation": "warm"})).await;
    change(&world, json!({"isolation": "fresh"})).await;
    let answer = world.post(&format!("{PATH}/rollback"), json!({"version": 2})).await;
    assert_eq!((answer.status, &answer.body["isolation"]), (200, &json!("warm")), "{}", answer.body);
    assert_eq!(world.get(PATH).await.body["isolation"], "warm");
    assert_eq!([world.outcome("a", "f").await, world.outcome("b", "f").await], [1, 2]);
    // A version has no credentials of its own.
    change(&world, json!({"isolation": "fresh", "executionCredentials": {"permissions": ["VIEW_TASKS"]}})).await;
    let answer = world.post(&format!("{PATH}/rollback"), json!({"version": 2})).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!(15)), "{}", answer.body);
}
