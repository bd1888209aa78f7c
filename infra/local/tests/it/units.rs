//! What a webhook costs: the units of `DynamoDB` that are written for it, as its tables count them, and the requests to AWS.

use futures::future::join_all;
use harness::server::{Answer, Server};
use harness::{Request, World};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::house::open;

const SECRET: &str = "a secret of the tests";

/// An issue as GitHub describes it, of 1 KB.
fn issue() -> String {
    let text = "The shop shows the prices of yesterday after midnight until somebody opens the page of an article. \
                To see it: change a price in the evening, wait for the next day and look at the list of all articles. \
                The page of the article is right at once, and so is the list after it was opened. It began with the \
                release of last week; the one before did not keep prices at all.";
    json!({
        "action": "opened",
        "issue": {
            "id": 73_464_126, "number": 1347, "title": "Old prices in the list of articles", "body": text,
            "state": "open", "locked": false, "comments": 0, "author_association": "MEMBER", "assignees": [],
            "milestone": {"id": 1_002_604, "number": 1, "title": "v1.0"}, "created_at": "2026-01-02T03:04:05Z",
            "user": {"login": "ada", "id": 1_024_025, "type": "User"},
            "labels": [{"id": 208_045, "name": "bug", "color": "f29513"}, {"id": 208_046, "name": "shop"}],
        },
        "repository": {
            "id": 35_129_377, "name": "shop", "full_name": "example/shop", "private": true,
            "owner": {"login": "example", "id": 6_752_317, "type": "Organization"}, "default_branch": "main",
        },
        "sender": {"login": "ada", "id": 1_024_025, "type": "User"},
    })
    .to_string()
}

/// Sends a webhook as GitHub does.
async fn deliver(world: &World, channel: &str, delivery: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let request = Request::new("POST", &format!("/webhooks/{channel}"))
        .header("content-type", "application/json")
        .header("x-github-event", "issues")
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", &format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    let answer = world.send(request.body(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["events"][0].as_str().unwrap().to_owned()
}

/// A world with a channel and a function that sends one request for each of its webhooks.
async fn announcing() -> (World, Server, String) {
    let world = open().await;
    let sink = Server::start(|_| Answer::ok(json!({"ok": true}))).await;
    let code = format!(
        "exports.main = async (task) => {{
            const {{ payload }} = task.data.event.content;
            const body = JSON.stringify({{ number: payload.issue.number, title: payload.issue.title }});
            const answer = await fetch('{}/', {{ method: 'POST', body }});
            return await answer.json();
        }};",
        sink.url()
    );
    world.post("/tasks/v1/functions/", json!({"name": "announce", "code": code})).await;
    let channel = json!({"platform": "github", "name": "issues", "credentials": {"secret": SECRET}});
    let channel = world.post("/channels", channel).await.body["channelId"].as_str().unwrap().to_owned();
    let actions = json!([{"type": "task", "name": "announce", "functionName": "announce"}]);
    let dispatcher = json!({"eventType": "github.issues", "name": "announce issues", "actions": actions});
    world.post("/dispatchers/v1/", dispatcher).await;
    (world, sink, channel)
}

#[tokio::test]
async fn a_webhook_among_fifty_at_once_costs_two_requests_to_aws_at_most() {
    let (world, sink, channel) = announcing().await;
    let body = issue();
    deliver(&world, &channel, "first", &body).await;
    world.idle().await;
    world.emulator.reset_aws_calls();
    let names: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    join_all(names.iter().map(|name| deliver(&world, &channel, name, &body))).await;
    world.idle().await;
    assert_eq!(sink.requests().len(), 51);
    let calls = world.emulator.aws_calls();
    let total: u64 = calls.values().sum();
    assert!(total <= 100, "{total} {calls:#?}");
}

#[tokio::test]
async fn a_webhook_that_runs_a_task_with_one_request_costs_eleven_write_units() {
    let (world, sink, channel) = announcing().await;
    let body = issue();
    assert!((1_000..1_100).contains(&body.len()), "{}", body.len());
    // Work that lasts for a second shows in its record, which costs more: the machine may be that slow once.
    let mut least = f64::INFINITY;
    for delivery in 1..=5 {
        world.emulator.reset_aws_calls();
        let event = deliver(&world, &channel, &delivery.to_string(), &body).await;
        world.idle().await;
        let run = world.get(&format!("/runs/{event}")).await.body;
        assert_eq!((&run["outcome"], sink.requests().len()), (&json!("succeeded"), delivery), "{run:#}");
        let units = world.emulator.capacity_units();
        least = least.min(units.values().flat_map(|tables| tables.values()).map(|used| used.write).sum());
        if least <= 11.0 {
            break;
        }
    }
    assert!(least <= 11.0, "{least}");
}
