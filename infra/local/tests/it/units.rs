//! What a webhook costs: the units of `DynamoDB` that are written for it, as its tables count them.

use harness::server::{Answer, Server};
use harness::{Request, World};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::house::open;

const SECRET: &str = "a secret of the tests";

/// A push as GitHub describes it, of about 1 KB.
fn push() -> String {
    let commit = |n: u32| {
        json!({
            "id": format!("{:040x}", 0x9e37_79b9_7f4a_7c15_u128 * u128::from(n + 1)),
            "message": format!("orders: Keep the {n}th address"),
            "timestamp": "2026-01-02T03:04:05Z",
            "author": {"name": "Ada", "email": "ada@example.com"},
            "modified": [format!("src/order/{n}.rs"), "Cargo.lock"],
        })
    };
    json!({
        "ref": "refs/heads/main",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
        "repository": {"id": 35_129_377, "full_name": "example/orders", "private": true},
        "sender": {"login": "ada", "id": 1_024_025},
        "commits": [commit(1), commit(2), commit(3)],
    })
    .to_string()
}

/// Sends a webhook as GitHub does.
async fn deliver(world: &World, channel: &str, delivery: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let request = Request::new("POST", &format!("/webhooks/{channel}"))
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", &format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    let answer = world.send(request.body(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["events"][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_webhook_that_runs_a_task_with_one_request_costs_ten_write_units() {
    let world = open().await;
    let sink = Server::start(|_| Answer::ok(json!({"ok": true}))).await;
    let code = format!(
        "exports.main = async (task) => {{
            const {{ payload }} = task.data.event.content;
            const body = JSON.stringify({{ after: payload.after, commits: payload.commits.length }});
            const answer = await fetch('{}/', {{ method: 'POST', body }});
            return await answer.json();
        }};",
        sink.url()
    );
    world.post("/tasks/v1/functions/", json!({"name": "deploy", "code": code})).await;
    let channel = json!({"platform": "github", "name": "pushes", "credentials": {"secret": SECRET}});
    let channel = world.post("/channels", channel).await.body["channelId"].as_str().unwrap().to_owned();
    let actions = json!([{"type": "task", "name": "deploy", "functionName": "deploy"}]);
    let dispatcher = json!({"eventType": "github.push", "name": "deploy pushes", "actions": actions});
    world.post("/dispatchers/v1/", dispatcher).await;
    world.emulator.reset_aws_calls();

    let body = push();
    let event = deliver(&world, &channel, "one", &body).await;
    world.idle().await;
    let run = world.get(&format!("/runs/{event}")).await.body;
    assert_eq!((&run["outcome"], sink.requests().len()), (&json!("succeeded"), 1), "{run:#}");
    let units = world.emulator.capacity_units();
    let total: f64 = units.values().flat_map(|tables| tables.values()).map(|used| used.write).sum();
    assert!(total <= 10.0, "{total} {units:#?}");
}
