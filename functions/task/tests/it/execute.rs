//! Functions that are executed while the client waits.

use harness::{Answer, Request, until};
use serde_json::{Value, json};

use crate::support::World;

async fn function(world: &World, name: &str, code: &str, more: Value) {
    let mut body = json!({"name": name, "code": code});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = world.post("/tasks/v1/functions/", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn execute(world: &World, name: &str, body: Value, token: Option<&str>) -> Answer {
    let request = Request::new("POST", &format!("/tasks/v1/functions/{name}/execute")).json(body);
    harness::World::send(world, token.into_iter().fold(request, Request::bearer)).await
}

#[tokio::test]
async fn an_execution_answers_with_the_task_and_its_result() {
    let world = World::new().await;
    world.script("f", "exports.main = (task) => { console.log('hi'); return { got: task.data, id: task.id } }").await;
    let answer = world.post("/tasks/v1/functions/f/execute", json!({"data": {"n": 5}})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = answer.body["id"].as_str().unwrap();
    assert_eq!(answer.body["result"], json!({"got": {"n": 5}, "id": id}));
    assert_eq!((&answer.body["status"], &answer.body["functionName"]), (&json!("complete"), &json!("f")));
    assert_eq!(answer.body["createdByApplicationId"], "client");
    world.idle().await;
    let task = world.get(&format!("/tasks/v1/{id}")).await.body;
    assert_eq!((&task["status"], &task["data"]), (&json!("complete"), &json!({"n": 5})));
    let logs = world.get(&format!("/tasks/v1/{id}/logs")).await.body;
    assert_eq!(logs["data"][0]["message"], "hi");
    let empty = world.post("/tasks/v1/functions/f/execute", json!({})).await;
    assert_eq!(empty.body["result"]["got"], json!({}));
    assert_eq!(world.get("/tasks/v1/").await.body["page"]["total"], 2);
}

#[tokio::test]
async fn an_execution_that_fails_says_how() {
    let world = World::new().await;
    let retried = json!({"retryPolicy": {"enabled": true}});
    function(&world, "boom", "exports.main = () => { throw new RangeError('no') }", retried).await;
    let failed = world.post("/tasks/v1/functions/boom/execute", json!({})).await;
    assert_eq!((failed.status, &failed.body["code"]), (400, &json!(1406)), "{}", failed.body);
    assert_eq!(failed.body["name"], "LAMBDA_RUNTIME_EXCEPTION");
    assert_eq!(failed.body["runtimeError"], json!({"name": "RangeError", "message": "no"}));
    world.idle().await;
    let id = failed.body["taskId"].as_str().unwrap();
    let task = world.get(&format!("/tasks/v1/{id}")).await.body;
    assert_eq!((&task["status"], &task["error"]["name"]), (&json!("failed"), &json!("RangeError")), "not retried");
    assert_eq!(world.heard("task_failed").len(), 1);
    function(&world, "nothing", "exports.other = () => 1", json!({})).await;
    let failed = world.post("/tasks/v1/functions/nothing/execute", json!({})).await;
    assert_eq!((failed.status, &failed.body["code"]), (400, &json!(1405)), "{}", failed.body);
    assert_eq!(failed.body["name"], "LAMBDA_INVOCATION_EXCEPTION");
}

#[tokio::test]
async fn wrong_executions_are_refused() {
    let world = World::new().await;
    function(&world, "slow", "exports.main = () => 1", json!({"timeLimit": 31})).await;
    function(&world, "f", "exports.main = () => 1", json!({"timeLimit": 30})).await;
    let check = async |name: &str, body: Value, status: u16, code: u32| {
        let answer = world.post(&format!("/tasks/v1/functions/{name}/execute"), body.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{name} {body}: {}", answer.body);
    };
    check("slow", json!({}), 400, 1404).await;
    check("f", json!({"data": [1]}), 400, 15).await;
    check("f", json!({"date": {}}), 400, 15).await;
    check("f", json!({"data": {"x": "y".repeat(256_000)}}), 400, 15).await;
    check("f", json!({"data": {"x": "y".repeat(1_100_000)}}), 413, 22).await;
    check("a_b", json!({}), 400, 15).await;
    check("nowhere", json!({}), 404, 16).await;
    world.post("/tasks/v1/functions/f/disable", json!({})).await;
    check("f", json!({}), 400, 27).await;
    assert_eq!(world.items("TASKS_TABLE").await.len(), 0);
}

#[tokio::test]
async fn each_permission_mode_lets_in_whom_it_says() {
    let world = World::new().await;
    for (name, mode) in
        [("required", "permissionRequired"), ("all", "allUsers"), ("public", "public"), ("other", "permissionRequired")]
    {
        function(&world, name, "exports.main = () => 1", json!({"executionOptions": {"permissionMode": mode}})).await;
    }
    world.script("plain", "exports.main = () => 1").await;
    let tokens = [
        (None, [104, 104, 0, 104, 104, 104]),
        (Some(world.token("default", &[]).await), [10, 0, 0, 10, 10, 10]),
        (Some(world.token("default", &["EXECUTE_API_FUNCTION"]).await), [10, 0, 0, 10, 10, 10]),
        (Some(world.token("default", &["EXECUTE_TASK_FUNCTION:required"]).await), [0, 0, 0, 10, 10, 10]),
        (Some(world.token("default", &["EXECUTE_TASK_FUNCTION"]).await), [0, 0, 0, 0, 0, 16]),
        (Some(world.token("default", &["*"]).await), [0, 0, 0, 0, 0, 16]),
        (Some("forged".to_owned()), [117; 6]),
    ];
    for (token, codes) in &tokens {
        for (name, code) in ["required", "all", "public", "other", "plain", "nowhere"].into_iter().zip(codes) {
            let answer = execute(&world, name, json!({}), token.as_deref()).await;
            let found = answer.body["code"].as_u64().unwrap_or_default();
            assert_eq!(found, *code, "{name} with {token:?}: {}", answer.body);
        }
    }
    let boom = "exports.main = () => { throw new RangeError('secret') }";
    function(&world, "boom", boom, json!({"executionOptions": {"permissionMode": "public"}})).await;
    let failed = execute(&world, "boom", json!({}), None).await;
    assert_eq!(failed.body["code"], 1406);
    assert!(!failed.body.to_string().contains("secret"), "who is not known is not told how it failed");
    let basic = Request::new("POST", "/tasks/v1/functions/public/execute").header("authorization", "Basic YTpi");
    assert_eq!(harness::World::send(&world, basic.json(json!({}))).await.status, 200);
}

#[tokio::test]
async fn without_a_token_the_request_names_the_tenant() {
    let world = World::new().await;
    let token = world.token("acme", &["*"]).await;
    let public = json!({"executionOptions": {"permissionMode": "public"}});
    let body =
        json!({"name": "f", "code": "exports.main = () => 'acme'", "executionOptions": public["executionOptions"]});
    assert_eq!(world.send("POST", "/tasks/v1/functions/", body, &token).await.status, 200);
    let path = "/tasks/v1/functions/f/execute";
    let send = async |request: Request| harness::World::send(&world, request.json(json!({}))).await;
    assert_eq!(send(Request::new("POST", path)).await.body["code"], 104, "another tenant's function is unknown");
    let unknown = send(Request::new("POST", "/tasks/v1/functions/g/execute")).await;
    assert_eq!(send(Request::new("POST", path)).await.body, unknown.body);
    let by_header = send(Request::new("POST", path).header("x-tenant-id", "acme")).await;
    assert_eq!(by_header.body["result"], "acme", "{}", by_header.body);
    assert_eq!(by_header.body.get("createdByApplicationId"), None);
    let by_query = send(Request::new("POST", &format!("{path}?x-tenant-id=acme"))).await;
    assert_eq!(by_query.body["result"], "acme");
    let own = world.token("default", &["*"]).await;
    assert_eq!(send(Request::new("POST", path).bearer(&own)).await.body["code"], 16);
    let forbidden = send(Request::new("POST", path).bearer(&own).header("x-tenant-id", "acme")).await;
    assert_eq!(forbidden.body["code"], 10);
    assert!(world.items("TASKS_TABLE").await.iter().all(|task| task["tenantId"] == "acme"));
}

#[tokio::test]
async fn the_same_key_is_the_same_execution() {
    let world = World::new().await;
    world.script("f", "exports.main = (task) => Math.random()").await;
    world.script("g", "exports.main = () => 1").await;
    let token = world.token("default", &["*"]).await;
    let send = async |name: &str, key: &str, data: Value| {
        let path = format!("/tasks/v1/functions/{name}/execute");
        let request = Request::new("POST", &path).bearer(&token).header("idempotency-key", key);
        harness::World::send(&world, request.json(json!({"data": data}))).await
    };
    let first = send("f", "k", json!({"n": 1})).await;
    world.restart();
    let again = send("f", "k", json!({"n": 1})).await;
    assert_eq!((&again.body["id"], &again.body["result"]), (&first.body["id"], &first.body["result"]));
    assert_ne!(send("f", "other", json!({"n": 1})).await.body["result"], first.body["result"]);
    let different = send("f", "k", json!({"n": 2})).await;
    assert_eq!((different.status, &different.body["code"]), (400, &json!(15)), "{}", different.body);
    assert_eq!(send("g", "k", json!({})).await.status, 200, "of another function it is another execution");
    world.put("/tasks/v1/functions/g", json!({"executionOptions": {"permissionMode": "public"}})).await;
    let anonymous = Request::new("POST", "/tasks/v1/functions/g/execute").header("idempotency-key", "k");
    assert_eq!(harness::World::send(&world, anonymous.json(json!({}))).await.body["code"], 15);
}

#[tokio::test]
async fn two_requests_with_one_key_at_once_run_once() {
    let world = World::new().await;
    world.script("f", "exports.main = () => new Promise((resolve) => setTimeout(resolve, 300, 'done'))").await;
    let token = world.token("default", &["*"]).await;
    let send = || {
        let request = Request::new("POST", "/tasks/v1/functions/f/execute").bearer(&token);
        harness::World::send(&world, request.header("idempotency-key", "k").json(json!({})))
    };
    let (one, two) = tokio::join!(send(), send());
    let (done, refused) = if one.status == 200 { (one, two) } else { (two, one) };
    assert_eq!(done.body["result"], "done");
    assert_eq!((&refused.body["code"], &refused.headers["retry-after"]), (&json!(27), &json!("1")));
    assert_eq!(world.items("TASKS_TABLE").await.len(), 1);
}

#[tokio::test]
async fn a_task_ends_properly_when_its_client_goes_away() {
    let world = World::new().await;
    world.script("f", "exports.main = () => new Promise((resolve) => setTimeout(resolve, 100, 'done'))").await;
    {
        let sent = world.post("/tasks/v1/functions/f/execute", json!({}));
        let written = async || if world.items("TASKS_TABLE").await.is_empty() { Err(()) } else { Ok(()) };
        tokio::select! {
            answer = sent => panic!("the task has ended: {answer:?}"),
            () = until("the task is written", written) => {}
        }
    }
    let status = async || match world.items("TASKS_TABLE").await[0]["status"].clone() {
        status if status == "complete" => Ok(()),
        status => Err(status),
    };
    until("the task ends", status).await;
}

#[tokio::test]
async fn an_execution_that_is_killed_is_not_run_again() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    let token = world.token("default", &["*"]).await;
    let send = || {
        let request = Request::new("POST", "/tasks/v1/functions/f/execute").bearer(&token);
        request.header("idempotency-key", "k").json(json!({}))
    };
    world.emulator.crash_after("dynamodb.PutItem", 1);
    assert!(world.invoke(send().payload).await.is_err());
    let record = world.items("TASKS_TABLE").await.remove(0);
    assert_eq!(record["status"], "inProgress");
    world.clock.advance(jiff::SignedDuration::from_secs(6));
    let again = harness::World::send(&world, send()).await;
    assert_eq!((again.status, &again.body["code"]), (400, &json!(1405)), "{}", again.body);
    let task = world.get(&format!("/tasks/v1/{}", record["taskId"].as_str().unwrap())).await.body;
    assert_eq!((&task["status"], &task["error"]["name"]), (&json!("failed"), &json!("zombieTaskCleaned")));
}

#[tokio::test]
async fn a_killed_execution_ends_when_its_task_is_due_again() {
    let world = World::by_hand().await;
    world.script("f", "exports.main = () => 1").await;
    world.emulator.crash_after("dynamodb.PutItem", 1);
    let token = world.token("default", &["*"]).await;
    let request = Request::new("POST", "/tasks/v1/functions/f/execute").bearer(&token).json(json!({}));
    assert!(world.invoke(request.payload).await.is_err());
    let id = world.items("TASKS_TABLE").await[0]["taskId"].as_str().unwrap().to_owned();
    world.clock.advance(jiff::SignedDuration::from_secs(6));
    world.invoke(json!({"taskId": id, "requestedAt": harness::NOW})).await.unwrap();
    let error = &world.get(&format!("/tasks/v1/{id}")).await.body["error"];
    let message = "the process that ran the task ended, and whoever waited for its result is gone";
    assert_eq!((&error["name"], &error["message"]), (&json!("zombieTaskCleaned"), &json!(message)));
    world.idle().await;
    assert_eq!(world.heard("task_failed").len(), 1);
}

#[tokio::test]
async fn no_more_than_twenty_executions_of_a_function_run_at_once() {
    let world = World::new().await;
    world.script("f", "exports.main = () => new Promise((resolve) => setTimeout(resolve, 1500))").await;
    world.script("g", "exports.main = () => 1").await;
    let waiting = futures::future::join_all((0..21).map(|_| world.post("/tasks/v1/functions/f/execute", json!({}))));
    let (answers, other) = tokio::join!(waiting, world.post("/tasks/v1/functions/g/execute", json!({})));
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!((refused.len(), &refused[0].body["code"]), (1, &json!(1403)));
    assert_eq!((refused[0].status, &refused[0].headers["retry-after"]), (400, &json!("1")));
    assert_eq!(other.status, 200);
    assert_eq!(world.post("/tasks/v1/functions/g/execute", json!({})).await.status, 200);
}
