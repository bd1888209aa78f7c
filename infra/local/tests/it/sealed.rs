//! What a run hands on from step to step is readable through the API only: not in any file, and not in any log.

use std::fs::{self, File};
use std::path::Path;

use harness::platform::telegram;
use harness::server::{Answer, Server};
use serde_json::json;
use tempfile::tempdir;

use crate::process::{Hookyard, hookyard, is_over};

/// A member that the schema of the callback names.
const SCHEMA_WORD: &str = "OnlyInTheSchema";
/// A text in the body of the call.
const BODY_WORD: &str = "OnlyInTheBody";

/// Returns the files that have one of these texts in them.
pub(crate) fn files_with(directory: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, texts));
            continue;
        }
        let content = fs::read(&path).unwrap_or_default();
        let has = |text: &&&str| content.windows(text.len()).any(|window| window == text.as_bytes());
        found.extend(texts.iter().find(has).map(|text| format!("{} has {text}", path.display())));
    }
    found
}

/// The actions that hand the callback's URL, and then its body, to every other kind of step.
fn actions(sink: &str, channel: &str, broken: &str) -> serde_json::Value {
    let (url, text) = ("{{ steps.create.output.url }}", "{{ steps.wait.output.body.text }}");
    let message = |name: &str, channel: &str, text: &str, after: &str| {
        json!({
            "type": "message", "name": name, "channelId": channel, "to": telegram::CHAT.to_string(), "dependencies": [after],
            "content": {"type": "TEXT", "text": text}, "onFailure": "continue",
        })
    };
    json!([
        {"type": "callback", "name": "create", "action": "create", "schema": {"properties": {SCHEMA_WORD: {"type": "null"}}}},
        {"type": "http", "name": "post", "url": sink, "body": {"said": url}, "dependencies": ["create"]},
        {"type": "task", "name": "run", "functionName": "tell", "data": {"said": url}, "tags": [url],
            "dependencies": ["create"]},
        {"type": "task", "name": "fail", "functionName": "fail", "data": {"said": url}, "dependencies": ["create"],
            "onFailure": "continue"},
        message("send", channel, url, "create"),
        message("lose", broken, url, "create"),
        {"type": "callback", "name": "wait", "action": "wait", "id": "{{ steps.create.output.id }}",
            "dependencies": ["create"]},
        {"type": "http", "name": "post-body", "url": sink, "body": {"said": text}, "dependencies": ["wait"]},
        {"type": "task", "name": "run-body", "functionName": "tell", "data": {"said": text}, "dependencies": ["wait"]},
        message("send-body", channel, text, "wait"),
    ])
}

#[tokio::test]
async fn what_a_run_hands_on_is_in_no_file_and_in_no_log() {
    let (data, logs) = (tempdir().unwrap(), tempdir().unwrap());
    let log = File::create(logs.path().join("log")).unwrap();
    let arguments = ["--allow-cidr", "127.0.0.0/8", "--log", "trace"];
    let mut command = hookyard();
    command.stderr(log);
    let hookyard = Hookyard::start_by(command, data.path(), &arguments).await;
    let sink = Server::start(|request| Answer::ok(request.body.clone())).await;
    let platform = telegram::server().await;
    let broken = Server::start(|request| Answer::status(400, json!({"ok": false, "description": request.body}))).await;
    let credentials = json!({"secretToken": "a-token-of-ours", "botToken": telegram::TOKEN});
    let telegram = async |server: &Server| {
        let new = json!({"platform": "telegram", "credentials": credentials, "apiUrl": server.url()});
        hookyard.post("/channels", &new).await["channelId"].as_str().unwrap().to_owned()
    };
    let (channel, broken_channel) = (telegram(&platform).await, telegram(&broken).await);
    hookyard.function("tell", "exports.main = async task => { console.log(task.data.said); return task.data }").await;
    hookyard.function("fail", "exports.main = async task => { throw new Error(task.data.said) }").await;
    // The facts about what failed and what was sent are recorded as events of their own.
    for kind in ["task_failed", "message.failed", "message.sent", "callback.resolved"] {
        let dispatcher =
            json!({"eventType": kind, "name": kind, "actions": [{"type": "task", "functionName": "tell"}]});
        hookyard.post("/dispatchers/v1/", &dispatcher).await;
    }
    hookyard.dispatcher("hands-on", actions(&sink.url(), &channel, &broken_channel)).await;
    let github = hookyard.channel().await;
    let event = hookyard.deliver(&github, "delivery-1", "{}").await;

    let status = |run: &serde_json::Value, name: &str| {
        let steps = run["runs"][0]["steps"].as_array().cloned().unwrap_or_default();
        steps.iter().find(|step| step["name"] == name).map(|step| step["status"].clone()).unwrap_or_default()
    };
    let waits = |run: &serde_json::Value| {
        let ended = ["post", "run", "fail", "send", "lose"];
        status(run, "wait") == "waiting"
            && ended
                .iter()
                .all(|name| ["succeeded", "failed"].contains(&status(run, name).as_str().unwrap_or_default()))
    };
    let run = hookyard.wait_for_run(&event, waits).await;
    let created = &run["runs"][0]["steps"][0]["output"];
    let (token, url) = (created["token"].as_str().unwrap().to_owned(), created["url"].as_str().unwrap().to_owned());
    assert_eq!(run["runs"][0]["steps"][1]["output"]["body"]["said"], json!(url), "the API shows what was handed on");
    assert_eq!(sink.requests().len(), 1);
    let texts = [token.as_str(), SCHEMA_WORD, BODY_WORD];
    assert_eq!(files_with(data.path(), &texts), Vec::<String>::new(), "while the run waits");

    let called = hookyard.client.post(&url).json(&json!({"text": BODY_WORD})).send().await.unwrap();
    assert_eq!(called.status(), 200);
    let run = hookyard.wait_for_run(&event, is_over).await;
    assert_eq!(status(&run, "send-body"), "succeeded", "{run:#}");
    let log = hookyard.get(&format!("/messages?channelId={channel}")).await;
    assert!(log.to_string().contains(BODY_WORD), "the API shows what was sent");
    assert_eq!(files_with(data.path(), &texts), Vec::<String>::new(), "when the run is over");
    hookyard.terminate().await;
    assert_eq!(files_with(data.path(), &texts), Vec::<String>::new(), "after the end");
    assert_eq!(files_with(logs.path(), &texts), Vec::<String>::new(), "in the log");
    assert!(fs::metadata(logs.path().join("log")).unwrap().len() > 0, "something is logged");
}
