//! Functions of AWS Lambda as tasks, with a server in the place of Lambda's Invoke API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::server::{Answer, Reaction, Server};
use harness::until;
use serde_json::{Value, json};

use crate::support::{World, task_id};

/// Lambda, which answers every invocation with this.
async fn lambda(status: u16, body: Value, headers: &[(&'static str, &str)]) -> Server {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Server::start(move |_| {
        let answer = Answer::status(status, body.clone());
        headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value))
    })
    .await
}

/// A world whose function `f` is the Lambda function `other`.
async fn world(server: &Server, more: Value) -> World {
    let world = World::with_variable("LAMBDA_ENDPOINT", &server.url()).await;
    let mut body = json!({"name": "f", "runtime": "lambda", "lambda": {"functionName": "other", "qualifier": "live"}});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let created = world.post("/tasks/v1/functions/", body).await;
    assert_eq!(created.status, 200, "{}", created.body);
    world
}

async fn run(world: &World) -> Value {
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "data": {"n": 5}})).await;
    assert_eq!(created.status, 200, "{}", created.body);
    world.idle().await;
    world.get(&format!("/tasks/v1/{}", created.body["id"].as_str().unwrap())).await.body
}

#[tokio::test]
async fn a_lambda_function_gets_the_task_and_its_answer_is_the_result() {
    let tail = STANDARD.encode("START RequestId: 1\nhello\nEND RequestId: 1\n");
    let server = lambda(200, json!({"doubled": 10}), &[("x-amz-log-result", &tail)]).await;
    let world = world(&server, Value::Null).await;
    let task = run(&world).await;
    assert_eq!((&task["status"], &task["result"]), (&json!("complete"), &json!({"doubled": 10})), "{task}");
    let invoked = server.requests().remove(0);
    assert_eq!(
        (invoked.path.as_str(), invoked.query.as_str()),
        ("/2015-03-31/functions/other/invocations", "Qualifier=live")
    );
    assert_eq!((invoked.header("x-amz-log-type"), &invoked.body["data"]), ("Tail", &json!({"n": 5})));
    assert_eq!((&invoked.body["id"], &invoked.body["status"]), (&task["id"], &json!("inProgress")));
    assert!(invoked.header("authorization").starts_with("AWS4-HMAC-SHA256"), "{:?}", invoked.headers);
    let logs = world.get(&format!("/tasks/v1/{}/logs", task["id"].as_str().unwrap())).await.body;
    let messages: Vec<&str> =
        logs["data"].as_array().unwrap().iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(messages, ["START RequestId: 1", "hello", "END RequestId: 1"]);
}

#[tokio::test]
async fn a_step_has_the_answer_as_its_output() {
    let server = lambda(200, json!({"done": true}), &[]).await;
    let world = world(&server, Value::Null).await;
    world.request("s", json!({"functionName": "f"})).await;
    assert_eq!(world.answer("s").await["output"], json!({"done": true}));
    assert_eq!(server.requests()[0].body["data"]["event"]["content"]["id"], "u1");
    assert_eq!(world.record(&task_id("s")).await["status"], "complete");
}

#[tokio::test]
async fn an_error_of_the_function_is_a_runtime_error_with_its_name() {
    let error = json!({"errorType": "RangeError", "errorMessage": "too far", "trace": ["RangeError: too far"]});
    let server = lambda(200, error, &[("x-amz-function-error", "Unhandled")]).await;
    let world = world(&server, Value::Null).await;
    let task = run(&world).await;
    let expected = json!({"type": "runtime", "name": "RangeError", "message": "too far"});
    assert_eq!((&task["status"], &task["error"]), (&json!("failed"), &expected));
    assert_eq!(world.heard("task_failed").len(), 1);
}

#[tokio::test]
async fn what_lambda_refuses_is_an_invocation_error_that_the_policy_can_retry_and_the_client_does_not() {
    for (status, name) in
        [(429, "TooManyRequestsException"), (500, "ServiceException"), (404, "ResourceNotFoundException")]
    {
        let server = lambda(status, json!({"message": "not now"}), &[("x-amzn-errortype", name)]).await;
        let policy = json!({"retryPolicy": {"enabled": true, "errorsToRetry": [name]}});
        let world = world(&server, policy).await;
        let task = run(&world).await;
        assert_eq!((&task["status"], server.requests().len()), (&json!("retried"), 1), "{task}");
        assert_eq!((&task["error"]["type"], &task["error"]["name"]), (&json!("invocation"), &json!(name)));
        assert!(task["error"]["message"].as_str().unwrap().contains("not now"), "{task}");
        server.answer_next(Answer::ok(json!(7)));
        world.advance(3).await;
        let next = world.get(&format!("/tasks/v1/{}", task["retriedByTaskId"].as_str().unwrap())).await.body;
        assert_eq!((&next["status"], &next["result"]), (&json!("complete"), &json!(7)));
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown() {
    for (policy, expected) in [
        (json!({"enabled": false}), "failed"),
        (json!({"enabled": true}), "failed"),
        (json!({"enabled": true, "errorsToRetry": ["TypeError"]}), "failed"),
        (json!({"enabled": true, "errorsToRetry": ["TypeError", "zombieTaskCleaned"]}), "retried"),
    ] {
        let server = lambda(200, json!(1), &[]).await;
        server.next(Reaction::LoseAnswer);
        let world = world(&server, json!({"retryPolicy": policy})).await;
        let task = run(&world).await;
        let ended = (&task["status"], &task["error"]["name"]);
        assert_eq!(ended, (&json!(expected), &json!("zombieTaskCleaned")), "{task}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_function_that_does_not_answer_in_time_fails() {
    let server = lambda(200, json!(1), &[]).await;
    server.next(Reaction::Hang);
    let world = world(&server, json!({"timeLimit": 3})).await;
    let id = world.post("/tasks/v1/", json!({"functionName": "f"})).await.body["id"].as_str().unwrap().to_owned();
    until("the invocation", async || if server.requests().is_empty() { Err(()) } else { Ok(()) }).await;
    assert_eq!(world.record(&id).await["claim"]["effect"], true, "it is marked before the function is invoked");
    world.idle().await;
    let task = world.get(&format!("/tasks/v1/{id}")).await.body;
    assert_eq!((&task["error"]["type"], &task["error"]["name"]), (&json!("runtime"), &json!("TimeLimitExceeded")));
}

#[tokio::test]
async fn a_result_that_is_too_large_fails() {
    let server = lambda(200, json!("x".repeat(200_000)), &[]).await;
    assert_eq!(run(&world(&server, Value::Null).await).await["error"]["name"], "OutputTooLarge");
}

#[tokio::test]
async fn without_lambda_the_task_says_what_is_missing() {
    let world = World::new().await;
    let body = json!({"name": "f", "runtime": "lambda", "lambda": {"functionName": "other"}});
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    let error = run(&world).await["error"].take();
    assert_eq!(error["type"], "invocation");
    assert!(error["message"].as_str().unwrap().contains("--lambda-endpoint"), "{error}");
}

#[tokio::test]
async fn where_nothing_listens_the_outcome_is_known() {
    let server = lambda(200, json!(1), &[]).await;
    let world = world(&server, Value::Null).await;
    drop(server);
    assert_eq!(run(&world).await["error"]["name"], "ServiceUnreachable");
}
