//! `hookyard demo`: the whole path once, over HTTP, as an outside user would take it.
//!
//! The runtime is the real one, on a temporary directory and a free port. Every request is printed as a shell command
//! that does the same against `cargo run`; what a command captures in a variable, the next ones use.

mod conversation;
mod report;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use crate::demo::conversation::{Conversation, Request};
use crate::failure::Failure;
use crate::runtime::{Options, Running};

/// How long the demo waits for a run before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

const SECRET: &str = "It is a secret of the demo";
const DELIVERY: &str = "0f6ab5f0-5d1e-11ef-8f2a-2b9d0c7a4e55";

/// Runs the whole path and prints what happens.
pub async fn run(json: bool) -> Result<(), Failure> {
    let directory = tempfile::tempdir().map_err(|cause| Failure::start("create a temporary directory", cause))?;
    let running = Running::start(Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        data: directory.path().join("data"),
        base_url: None,
        callback_path_prefix: None,
        allow_cidr: Vec::new(),
        cors_origins: Vec::new(),
        event_budget: None,
        access_token_seconds: None,
        open_registration: None,
        lambda_endpoint: None,
        mail_from: "hookyard@localhost".to_owned(),
        smtp: None,
        dynamodb_port: None,
        durability: emulator::Durability::Process,
        max_connections: None,
    });
    let running = running.await?;
    let outcome = walk(&running, json).await;
    running.stop().await;
    outcome
}

async fn walk(running: &Running, json: bool) -> Result<(), Failure> {
    let administrator = std::fs::read_to_string(running.admin_file())
        .map_err(|cause| Failure::start("read the administrator's credentials", cause))?;
    let mut demo = Conversation::start(&running.url(), json)?;
    prepare(&mut demo, &administrator).await?;
    deliver(&mut demo).await?;

    let until_waiting = show_run("See how far the run is: it waits for the callback").until("waiting");
    let waiting = demo.wait_for(&until_waiting, PATIENCE).await?;
    let callback = step(&waiting, "ask")["output"]["url"].as_str().unwrap_or_default().to_owned();
    demo.capture("CALLBACK", "url", callback);
    demo.send(&Request::post(
        "Let the outside world answer, with nothing but the URL",
        "$CALLBACK",
        json!({"approved": true}),
    ))
    .await?;

    let until_finished = show_run("Read the whole timeline").until("succeeded");
    let finished = demo.wait_for(&until_finished, PATIENCE).await?;
    report::show(&finished, json)
}

/// Gets a token and creates a channel, a function and a dispatcher.
async fn prepare(demo: &mut Conversation, administrator: &str) -> Result<(), Failure> {
    demo.sign_in(administrator).await?;
    let channel = json!({"platform": "github", "name": "demo", "credentials": {"secret": SECRET}});
    demo.send(
        &Request::post("Create a channel: a URL that takes signed webhooks", "/channels", channel)
            .captures("CHANNEL", "channelId"),
    )
    .await?;
    let code = "export async function main(task) {\n  const { issue, sender } = task.data.event.content.payload;\n  console.log(`${sender.login} opened ${issue.title}`);\n  return { greeting: `${task.data.greeting}, ${sender.login}!` };\n}\n";
    let function = json!({"name": "greet", "code": code});
    demo.send(&Request::post("Create a function: a small script", "/tasks/v1/functions/", function)).await?;
    demo.send(&Request::post(
        "Create a dispatcher: what happens when an issue is opened",
        "/dispatchers/v1/",
        dispatcher(),
    ))
    .await?;
    Ok(())
}

fn dispatcher() -> Value {
    let schema = json!({"type": "object", "required": ["approved"], "properties": {"approved": {"type": "boolean"}}});
    json!({
        "eventType": "github.issues",
        "name": "welcome",
        "filter": {"content": {"payload": {"action": ["opened"]}}},
        "actions": [
            {"type": "task", "name": "greet", "functionName": "greet", "data": {"greeting": "Hello"}},
            {"type": "callback", "name": "ask", "action": "create", "schema": schema, "dependencies": ["greet"]},
            {"type": "callback", "name": "approval", "action": "wait", "id": "{{ steps.ask.output.id }}", "dependencies": ["ask"]},
        ],
    })
}

/// Sends the webhook as GitHub does, signed over its exact bytes.
async fn deliver(demo: &mut Conversation) -> Result<(), Failure> {
    let body = json!({"action": "opened", "issue": {"number": 1, "title": "It works"}, "sender": {"login": "octocat"}});
    let request = Request::post("Send a signed webhook", "/webhooks/$CHANNEL", body)
        .public()
        .signed(SECRET)
        .header("x-github-event", "issues")
        .header("x-github-delivery", DELIVERY)
        .captures("EVENT", "events");
    demo.send(&request).await?;
    Ok(())
}

fn show_run(explanation: &'static str) -> Request {
    Request::get(explanation, "/runs/$EVENT")
}

/// Returns a step of the first run by its name.
fn step<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let steps = answer["runs"][0]["steps"].as_array();
    steps.and_then(|steps| steps.iter().find(|step| step["name"] == name)).unwrap_or(&Value::Null)
}
