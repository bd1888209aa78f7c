//! Functions of AWS Lambda as tasks of the real binary.

use harness::server::{Answer, Server};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::Hookyard;

#[tokio::test]
async fn a_function_of_lambda_is_invoked_where_the_command_line_says() {
    let lambda = Server::start(|request| Answer::ok(json!({"got": request.body["data"]["n"]}))).await;
    let (with, without) = (tempdir().unwrap(), tempdir().unwrap());
    let with = Hookyard::start_with(with.path(), &["--lambda-endpoint", &lambda.url()]).await;
    let without = Hookyard::start(&without).await;
    let run = async |hookyard: &Hookyard| {
        let function = json!({"name": "f", "runtime": "lambda", "lambda": {"functionName": "other"}});
        hookyard.post("/tasks/v1/functions/", &function).await;
        let task = hookyard.post("/tasks/v1/", &json!({"functionName": "f", "data": {"n": 5}})).await;
        let is_over = |task: &Value| task["status"] == "complete" || task["status"] == "failed";
        hookyard.wait_for(&format!("/tasks/v1/{}", task["id"].as_str().unwrap()), is_over).await
    };
    assert_eq!(run(&with).await["result"], json!({"got": 5}));
    assert_eq!(lambda.requests()[0].path, "/2015-03-31/functions/other/invocations");
    let error = run(&without).await["error"].take();
    assert_eq!(error["type"], "invocation");
    assert!(error["message"].as_str().unwrap().contains("--lambda-endpoint"), "{error}");
    assert_eq!(lambda.requests().len(), 1);
}
