//! Functions that are called over HTTP, and what their scripts cause.

use harness::until;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::Hookyard;
use crate::sealed::files_with;

#[tokio::test]
async fn a_loop_of_scripts_and_dispatchers_ends_and_says_why() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let code = "const { publish } = require('hookyard'); exports.main = () => publish('ping', { said: ['Only', 'Published'].join('') })";
    hookyard.function("pong", code).await;
    let dispatcher = json!({
        "eventType": "ping", "name": "loop", "actions": [{"type": "task", "name": "pong", "functionName": "pong"}],
    });
    hookyard.post("/dispatchers/v1/", &dispatcher).await;
    hookyard.post("/events/v1/", &json!({"type": "ping"})).await;
    let ends = async || {
        let events = hookyard.get("/events/v1/?eq(type,ping)&limit(50)").await;
        for event in events["data"].as_array().unwrap() {
            let run = hookyard.get(&format!("/runs/{}", event["id"].as_str().unwrap())).await;
            if ["loop_detected", "budget_exhausted"].iter().any(|end| run["timeline"].to_string().contains(end)) {
                return Ok((events, run));
            }
        }
        Err(events["page"]["total"].clone())
    };
    let (events, last) = until("the loop ends", ends).await;
    let depth = last["event"]["trace"]["depth"].as_u64().unwrap();
    assert!((7..=17).contains(&depth), "{last:#}");
    assert_eq!(events["page"]["total"], depth + 1, "one event for each round");
    let first = &events["data"].as_array().unwrap().last().unwrap()["id"];
    assert_eq!(&last["event"]["trace"]["correlationId"], first);
    assert_eq!(last["event"]["content"]["said"], "OnlyPublished");
    assert_eq!(files_with(data.path(), &["OnlyPublished"]), Vec::<String>::new());
}

#[tokio::test]
async fn an_execution_survives_no_kill_and_its_key_says_so() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    hookyard.function("slow", "exports.main = () => new Promise((r) => setTimeout(r, 20000))").await;
    hookyard.function("quick", "exports.main = (task) => task.data.n").await;
    let execute = |hookyard: &Hookyard, name: &str, key: &str| {
        let url = format!("{}/tasks/v1/functions/{name}/execute", hookyard.url);
        let request = hookyard.client.post(url).bearer_auth(&hookyard.token).header("idempotency-key", key);
        request.json(&json!({"data": {"n": 7}}))
    };
    let done: Value = execute(&hookyard, "quick", "k").send().await.unwrap().json().await.unwrap();
    assert_eq!(done["result"], 7, "{done}");
    let sent = tokio::spawn(execute(&hookyard, "slow", "k").send());
    let running = async || {
        let tasks = hookyard.get("/tasks/v1/?eq(status,inProgress)").await;
        if tasks["page"]["total"] == 1 { Ok(()) } else { Err(tasks) }
    };
    until("the task runs", running).await;
    hookyard.kill().await;
    assert!(sent.await.unwrap().is_err());
    let hookyard = Hookyard::start(&data).await;
    let again: Value = execute(&hookyard, "quick", "k").send().await.unwrap().json().await.unwrap();
    assert_eq!((&again["id"], &again["result"]), (&done["id"], &json!(7)));
    // Until the lease of the dead process is over, it may still be running.
    let ended = async || {
        let answer: Value = execute(&hookyard, "slow", "k").send().await.unwrap().json().await.unwrap();
        if answer["code"] == 1405 { Ok(answer) } else { Err(answer) }
    };
    let answer = until("the task is given up", ended).await;
    let task = hookyard.get(&format!("/tasks/v1/{}", answer["taskId"].as_str().unwrap())).await;
    assert_eq!((&task["status"], &task["error"]["name"]), (&json!("failed"), &json!("zombieTaskCleaned")));
    hookyard.terminate().await;
}

#[tokio::test]
async fn a_function_is_an_api_over_real_http() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let code = "exports.handler = (request) => ({
        statusCode: request.requestContext.http.method === 'DELETE' ? 204 : 207, isBase64Encoded: request.isBase64Encoded,
        headers: { 'Content-Type': 'application/octet-stream', 'x-path': request.rawPath + request.rawQueryString,
            'transfer-encoding': 'chunked', 'content-length': '5' }, body: request.body ?? 'none' })";
    let options = json!({"permissionMode": "public"});
    hookyard.post("/tasks/v1/functions/", &json!({"name": "mirror", "code": code, "executionOptions": options})).await;
    let send = async |method: Method, path: &str, body: Vec<u8>| {
        let request = hookyard.client.request(method, format!("{}{path}", hookyard.url)).body(body);
        let response = request.send().await.unwrap();
        let path = response.headers().get("x-path").map(|path| path.to_str().unwrap().to_owned());
        (response.status().as_u16(), path, response.bytes().await.unwrap().to_vec())
    };
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let all = "/tasks/v1/api/mirror/a/b/?x=%20y";
    assert_eq!(send(Method::PUT, all, bytes.clone()).await, (207, Some("/a/b/?x=%20y".to_owned()), bytes));
    assert_eq!(send(Method::PATCH, "/localhost/tasks/v1/api/mirror", b"e".to_vec()).await.2, b"e");
    let (status, path, body) = send(Method::HEAD, "/tasks/v1/api/mirror/x", Vec::new()).await;
    assert_eq!((status, path.as_deref(), body.len()), (207, Some("/x"), 0));
    assert_eq!(send(Method::DELETE, "/tasks/v1/api/mirror/", b"e".to_vec()).await, (204, Some("/".to_owned()), vec![]));
    assert_eq!(send(Method::OPTIONS, "/tasks/v1/api/mirror", Vec::new()).await.2, b"none");
    assert_eq!(send(Method::POST, "/tasks/v1/api/mirror", vec![b'x'; 6_500_000]).await.0, 413);
    let list = hookyard.get("/tasks/v1/apiRequests?eq(method,PUT)").await;
    assert_eq!(list["data"][0]["path"], "/a/b/?x=%20y");
}
