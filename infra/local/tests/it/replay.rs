//! `hookyard replay`, as a developer uses it.

use std::path::Path;
use std::process::Output;

use harness::server::{Answer, Server};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, PATIENCE, hookyard};

async fn replay(hookyard_: &Hookyard, data: &Path, arguments: &[&str]) -> Output {
    let mut command = hookyard();
    command.args(["replay", "--url", &hookyard_.url, "--data"]).arg(data).args(arguments);
    tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

/// Runs a task of a new function to its end, and returns its id.
async fn ran(hookyard: &Hookyard, code: &str) -> String {
    hookyard.function("f", code).await;
    let task = hookyard.post("/tasks/v1/", &json!({"functionName": "f"})).await;
    let id = task["id"].as_str().unwrap().to_owned();
    hookyard.wait_for(&format!("/tasks/v1/{id}"), |task| task["status"] == "complete").await;
    id
}

#[tokio::test]
async fn a_task_is_replayed_on_the_command_line_after_a_restart_without_sending_anything() {
    let (data, server) = (tempdir().unwrap(), Server::start(|_| Answer::ok(json!({"n": 7}))).await);
    let allowed = ["--allow-cidr", "127.0.0.0/8"];
    let running = Hookyard::start_with(data.path(), &allowed).await;
    let code = format!(
        "exports.main = async () => {{ const {{ n }} = await (await fetch('{}')).json();
            console.log('got', n, Math.random()); return Date.now() }}",
        server.url()
    );
    let id = ran(&running, &code).await;
    let logs = running.get(&format!("/tasks/v1/{id}/logs")).await;
    drop(running);
    let running = Hookyard::start_with(data.path(), &allowed).await;

    let output = replay(&running, data.path(), &[&id]).await;
    let line = &logs["data"][0];
    let expected = format!("{} {}\n", line["timestamp"].as_str().unwrap(), line["message"].as_str().unwrap());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("All was as it was"), "{said}");
    let output = replay(&running, data.path(), &[&id, "--json"]).await;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["identical"], &answer["logs"]), (&json!(true), &logs["data"]));

    let other = data.path().join("other.js");
    std::fs::write(&other, code.replace("'got'", "'GOT'")).unwrap();
    let output = replay(&running, data.path(), &[&id, "--code", other.to_str().unwrap()]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("did not do the same: line 1 was"), "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("GOT 7"));
    assert_eq!(server.requests().len(), 1);

    for (arguments, problem) in [
        (["0123456789abcdef01234567", "--json"], "no task `0123456789abcdef01234567` exists"),
        (["../functions/f", "--json"], "24 hex digits"),
        ([&id, "--tenant=other"], "no task"),
        ([&id, "--credentials=/nowhere"], "/nowhere: "),
    ] {
        let output = replay(&running, data.path(), &arguments).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(problem), "{arguments:?}: {said}");
    }
}
