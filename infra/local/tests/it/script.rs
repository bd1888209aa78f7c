//! Scripts that misbehave end as failed tasks, and the process stays healthy.

use harness::server::{Answer, Server};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Hookyard, is_over};

#[tokio::test]
async fn a_script_that_misbehaves_ends_as_a_failed_task_and_the_process_stays_healthy() {
    let data = tempdir().unwrap();
    // Loopback is allowed, so that the redirect and nothing else is what is refused.
    let mut hookyard = Hookyard::start_with(data.path(), &["--allow-cidr", "127.0.0.0/8"]).await;
    let channel = hookyard.channel().await;
    let redirector =
        Server::start(|_| Answer::status(302, json!("")).header("location", &"http://169.254.169.254/")).await;
    let redirect = format!("export const main = () => fetch('{}/');", redirector.url());
    let cases = [
        ("loops", "export const main = () => { for (;;) {} };", "TimeLimitExceeded"),
        ("microtasks", "export const main = async () => { for (;;) await 0; };", "TimeLimitExceeded"),
        ("never-settles", "export const main = () => new Promise(() => {});", "PromiseNeverSettles"),
        (
            "allocates",
            "export const main = () => { const all = []; for (;;) all.push(new Array(1e5).fill(1)); };",
            "MemoryLimitExceeded",
        ),
        ("recurses", "export const main = () => { const f = (n) => f(n + 1) + 1; return f(0); };", "RangeError"),
        ("throws", "export const main = () => { throw new TypeError('no'); };", "TypeError"),
        ("rejects", "export const main = () => Promise.reject(new RangeError('no'));", "RangeError"),
        (
            "prints",
            "export const main = () => { for (let i = 0; i < 1024; i++) console.log('x'.repeat(1024)); };",
            "OutputTooLarge",
        ),
        ("metadata", "export const main = () => fetch('http://169.254.169.254/');", "FetchRefused"),
        ("redirected", &redirect, "FetchRefused"),
        ("disguised", "export const main = () => fetch('http://[::ffff:169.254.169.254]/');", "FetchRefused"),
    ];
    for (name, code, _) in cases {
        hookyard.post("/tasks/v1/functions/", &json!({"name": name, "code": code, "timeLimit": 3})).await;
    }
    let actions = cases.map(|(name, ..)| json!({"type": "task", "name": name, "functionName": name}));
    hookyard.dispatcher("all", Value::from(actions.to_vec())).await;
    let event = hookyard.deliver(&channel, "one", "{}").await;
    let run = hookyard.wait_for_run(&event, is_over).await;
    assert_eq!(run["outcome"], "failed");
    for (name, _, expected) in cases {
        let steps = run["runs"][0]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        assert_eq!(step["status"], "failed", "{name}: {step:#}");
        assert_eq!(step["error"]["name"], expected, "{name}: {step:#}");
        assert!(!step["error"]["message"].as_str().unwrap().is_empty(), "{name}: {step:#}");
    }
    assert!(hookyard.is_running());
    hookyard.function("after", "export const main = () => 1;").await;
    let task = hookyard.post("/tasks/v1/", &json!({"functionName": "after"})).await;
    let path = format!("/tasks/v1/{}", task["id"].as_str().unwrap());
    hookyard.wait_for(&path, |task| task["status"] == "complete").await;
}
