//! What the log holds, and what it never does.

use std::fs::{self, File};
use std::process::Stdio;

use harness::server::{Answer, Server};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, SECRET, hookyard, is_over, signature};

/// Secrets that travel through as many places as there are.
const ENVIRONMENT: &str = "planted-in-an-environment";
const STEP_AUTHORIZATION: &str = "planted-in-a-step";
const FETCH_HEADER: &str = "planted-in-a-fetch";
const BOT_TOKEN: &str = "xoxb-planted-in-a-channel";
const VERIFY_TOKEN: &str = "planted-as-a-verify-token";
const ANSWER_HEADER: &str = "planted-in-an-answer";
const CALLBACK_BODY: &str = "planted-in-the-body-of-a-callback";

const SCRIPT: &str = "export const main = async (task) => {
  const answer = await fetch(task.data.url, { headers: { 'x-api-key': task.data.key, 'x-warehouse': process.env.KEY } });
  return answer.status;
}";

#[tokio::test]
async fn no_secret_is_in_the_log_at_any_level() {
    let data = tempdir().unwrap();
    let path = data.path().join("log");
    let sink = Server::start(|_| Answer::ok(json!({})).header("set-cookie", &ANSWER_HEADER)).await;
    let mut command = hookyard();
    command.stderr(Stdio::from(File::create(&path).unwrap()));
    let log = "trace,aws_smithy_runtime=trace,hyper_util=trace,reqwest=trace,h2=trace,rustls=trace,axum=trace";
    let arguments = ["--allow-cidr", "127.0.0.0/8", "--dynamodb-port", "0", "--log", log];
    let directory = data.path().join("data");
    let hookyard = Hookyard::start_by(command, &directory, &arguments).await;

    let mut secrets: Vec<String> =
        [ENVIRONMENT, STEP_AUTHORIZATION, FETCH_HEADER, BOT_TOKEN, VERIFY_TOKEN, ANSWER_HEADER, CALLBACK_BODY, SECRET]
            .map(str::to_owned)
            .into();
    secrets.extend(kept(&fs::read_to_string(directory.join("secrets.json")).unwrap()));
    secrets.extend(tokens(&hookyard).await);
    secrets.push(signature("{}"));
    secrets.push(use_everything(&hookyard, &sink).await);
    hookyard.terminate().await;

    let log = fs::read_to_string(&path).unwrap();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "our own messages are there: {log}");
    assert!(secrets.len() >= 14, "{}", secrets.len());
    for secret in secrets {
        assert!(secret.len() > 10, "{secret}");
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
}

/// The longest texts inside each value of the file of secrets: the keys and the administrator's secret.
fn kept(file: &str) -> Vec<String> {
    let file: Value = serde_json::from_str(file).unwrap();
    let secrets = file.as_object().unwrap().values();
    let versions = secrets.flat_map(|secret| secret["versions"].as_object().unwrap().values());
    let texts = versions.filter_map(|version| serde_json::from_str::<Value>(version["text"].as_str()?).ok());
    texts
        .filter_map(|text| {
            text.as_object()?.values().filter_map(Value::as_str).map(str::to_owned).max_by_key(String::len)
        })
        .collect()
}

/// A client's secret, and the tokens that it gets.
async fn tokens(hookyard: &Hookyard) -> Vec<String> {
    let client = hookyard.post("/clients", &json!({"name": "c", "permissions": ["*"]})).await;
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let (id, secret) = (text(&client, "clientId"), text(&client, "clientSecret"));
    let grant = json!({"grant_type": "password", "username": id, "password": secret, "client_id": id});
    let answer = hookyard.post("/auth/v2/oauth2/tokens", &grant).await;
    let (access, refresh) = (text(&answer, "access_token"), text(&answer, "refresh_token"));
    let grant =
        json!({"grant_type": "refresh_token", "refresh_token": refresh, "client_id": id, "client_secret": secret});
    let next = text(&hookyard.post("/auth/v2/oauth2/tokens", &grant).await, "refresh_token");
    vec![secret, access, refresh, next]
}

/// Sends a webhook through a script, an HTTP step, a message and a callback; returns the callback's token.
async fn use_everything(hookyard: &Hookyard, sink: &Server) -> String {
    let channel = json!({"platform": "github", "credentials": {"secret": SECRET, "verifyToken": VERIFY_TOKEN}});
    let channel = hookyard.post("/channels", &channel).await["channelId"].as_str().unwrap().to_owned();
    let slack = json!({"platform": "slack", "apiUrl": sink.url(),
        "credentials": {"signingSecret": SECRET, "botToken": BOT_TOKEN}});
    let slack = hookyard.post("/channels", &slack).await["channelId"].clone();
    let variables = json!({"KEY": {"value": ENVIRONMENT}});
    let function = json!({"name": "fetch", "code": SCRIPT, "environmentVariables": variables});
    hookyard.post("/tasks/v1/functions", &function).await;
    let actions = json!([
        {"type": "task", "name": "fetch", "functionName": "fetch", "data": {"url": sink.url(), "key": FETCH_HEADER}},
        {"type": "http", "name": "call", "method": "GET", "url": sink.url(),
         "headers": {"authorization": format!("Bearer {STEP_AUTHORIZATION}")}},
        {"type": "message", "name": "send", "channelId": slack, "to": "C1", "content": "x", "onFailure": "continue"},
        {"type": "callback", "name": "ask", "action": "create"},
        {"type": "callback", "name": "wait", "action": "wait", "id": "{{ steps.ask.output.id }}", "dependencies": ["ask"]},
    ]);
    hookyard.dispatcher("everything", actions).await;
    let verification =
        format!("/webhooks/{channel}?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}&hub.challenge=1");
    assert_eq!(hookyard.client.get(format!("{}{verification}", hookyard.url)).send().await.unwrap().status(), 200);
    let event = hookyard.deliver(&channel, "one", "{}").await;
    let step = |run: &Value, name: &str| {
        let steps = run["runs"][0]["steps"].as_array().into_iter().flatten();
        steps.filter(|step| step["name"] == name).map(Clone::clone).next().unwrap_or_default()
    };
    // What a callback hands on may only be readable once; the URL is there when the step is.
    let run = hookyard.wait_for_run(&event, |run| step(run, "wait")["status"] == "waiting").await;
    let url = step(&run, "ask")["output"]["url"].as_str().unwrap_or_default().to_owned();
    let (_, token) = url.split_once("?t=").unwrap_or_else(|| panic!("{run:#}"));
    let body = json!({"secret": CALLBACK_BODY});
    let called = hookyard.client.post(&url).json(&body).send().await.unwrap();
    assert_eq!(called.status(), 200);
    hookyard.wait_for_run(&event, is_over).await;
    let authorized = sink.requests().into_iter().filter(|request| {
        request.header("authorization").contains(STEP_AUTHORIZATION) || request.header("x-api-key") == FETCH_HEADER
    });
    assert_eq!(authorized.count(), 2);
    token.to_owned()
}
