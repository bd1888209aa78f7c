//! Scripts that misbehave end as failed tasks, and the process stays healthy.

use std::time::Duration;

use futures::future::join_all;
use harness::server::{Answer, Server};
use harness::until;
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::process::Command;

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
    for (name, code, expected) in cases {
        // Only what is to reach it has a short one, however busy the machine is.
        let time_limit = if expected == "TimeLimitExceeded" { 3 } else { 300 };
        hookyard.post("/tasks/v1/functions/", &json!({"name": name, "code": code, "timeLimit": time_limit})).await;
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

/// Scripts that misuse memory, time, stack and output, each in its own way.
const HOSTILE: [&str; 40] = [
    "const a = []; for (;;) a.push({})",
    "const a = []; for (;;) a.push('x'.repeat(1e6) + a.length)",
    "let s = 'x'; for (;;) s += s",
    "const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))",
    "const a = []; for (;;) a.push(Buffer.alloc(1e6, 1))",
    "const a = []; for (;;) a.push(Buffer.from('x'.repeat(1e6)))",
    "return Buffer.alloc(1e9, 1)",
    "const m = new Map(); for (let i = 0;; i++) m.set(i, [i])",
    "const s = new Set(); for (let i = 0;; i++) s.add('k' + i)",
    "return new Array(1e8).fill('x')",
    "return JSON.stringify(new Array(1e7).fill('x'))",
    "const a = []; for (;;) a.push(() => a)",
    "const a = []; for (;;) a.push(new Promise(() => {}))",
    "const a = []; for (;;) a.push(/x/g)",
    "const a = []; for (;;) a.push(new Error('x'))",
    "const a = []; for (;;) a.push(Symbol('x'))",
    "const a = []; for (;;) a.push(10n ** 10000n + BigInt(a.length))",
    "const x = 'x'.repeat(1e6), a = []; for (;;) a.push(new URL('http://x.example/' + x))",
    "const x = 'x'.repeat(1e6), p = new URLSearchParams(); for (;;) p.append('a', x)",
    "const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new TextEncoder().encode(x))",
    "const a = []; for (;;) a.push(new CustomEvent('x'.repeat(1e6)))",
    "const a = []; for (;;) a.push(new DOMException('x'.repeat(1e6)))",
    "const a = []; for (;;) a.push(new Event('x'.repeat(1e6)))",
    "const a = []; for (;;) a.push(structuredClone({ x: 'x'.repeat(1e6) }))",
    "const { EventEmitter } = require('events'); const e = new EventEmitter(); for (let i = 0;; i++) e.on('x' + i, () => {})",
    "console.log(...Array(64).fill('x'.repeat(3e7)))",
    "for (;;) console.log('x'.repeat(1000))",
    "for (;;) { try { console.log('x'.repeat(1e5)) } catch {} }",
    "return 'x'.repeat(1e8)",
    "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a",
    "const f = () => f() + 1; return f()",
    "return JSON.parse('['.repeat(1e7))",
    "for (let i = 0;; i++) setTimeout(() => {}, 1e6)",
    "for (;;) fetch('http://192.0.2.1/', { method: 'POST', body: 'x'.repeat(1e6) }).catch(() => {})",
    "for (;;) queueMicrotask(() => {})",
    "Math.max = () => NaN; setTimeout(() => {}, 1); return new Promise(() => {})",
    "Array.prototype.map = () => { throw 1 }; return Buffer.concat([Buffer.alloc(1e8, 1), Buffer.alloc(1e8, 1)])",
    "for (;;) {}",
    "const kept = new Uint8Array(5e7).fill(1); return [].indexOf.call({ length: 2 ** 53 - 1 }, kept)",
    "const kept = new Uint8Array(5e7).fill(1); for (;;) await null",
];

#[tokio::test]
async fn memory_is_where_it_was_after_each_hostile_script() {
    let data = tempdir().unwrap();
    let mut hookyard = Hookyard::start(&data).await;
    hookyard.function("warm", "exports.main = () => [URL, Buffer, TextEncoder, AbortController, Headers].length").await;
    for _ in 0..20 {
        assert_eq!(hookyard.run("warm").await["status"], "complete");
    }
    let before = hookyard.resident_bytes();
    for (number, hostile) in HOSTILE.iter().enumerate() {
        hookyard.sign_in().await;
        let (name, code) = (format!("hostile-{number}"), format!("exports.main = async () => {{ {hostile} }}"));
        hookyard.post("/tasks/v1/functions/", &json!({"name": name, "code": code, "timeLimit": 3})).await;
        let task = hookyard.run(&name).await;
        assert_eq!(task["status"], "failed", "{hostile}: {task}");
        let returns = async || match hookyard.resident_bytes() {
            now if now < before + 20 * 1024 * 1024 => Ok(()),
            now => Err(format!("{} MB more", (now - before) / (1024 * 1024))),
        };
        until(hostile, returns).await;
    }
    assert_eq!(hookyard.run("warm").await["status"], "complete");
    hookyard.terminate().await;
}

#[tokio::test]
async fn however_many_tasks_of_one_tenant_are_stuck_another_ones_run() {
    let data = tempdir().unwrap();
    let mut hookyard = Hookyard::start(&data).await;
    let stalls = [
        ("sleeps", 60, "exports.main = () => new Promise((resolve) => setTimeout(resolve, 1e6))"),
        ("loops", 10, "exports.main = () => { for (;;) {} }"),
        ("stalls", 10, "exports.main = () => [].indexOf.call({ length: 2 ** 53 - 1 }, 1)"),
    ];
    for (name, count, code) in stalls {
        hookyard.post("/tasks/v1/functions/", &json!({"name": name, "code": code, "timeLimit": 300})).await;
        let task = json!({"functionName": name});
        join_all((0..count).map(|_| hookyard.post("/tasks/v1/", &task))).await;
    }
    hookyard.tenant = "other";
    hookyard.function("quick", "exports.main = () => 1").await;
    for _ in 0..3 {
        assert_eq!(hookyard.run("quick").await["status"], "complete");
    }
    hookyard.terminate().await;
}

#[tokio::test]
async fn a_task_survives_the_worker_that_ran_it() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    hookyard.function("slow", "exports.main = () => new Promise((r) => setTimeout(r, 1000, 1))").await;
    let task = hookyard.post("/tasks/v1/", &json!({"functionName": "slow"})).await;
    let path = format!("/tasks/v1/{}", task["id"].as_str().unwrap());
    hookyard.wait_for(&path, |task| task["status"] == "inProgress").await;
    let worker = async || hookyard.processes().first().copied().filter(|_| hookyard.processes().len() == 2).ok_or(());
    let worker = until("a worker runs", worker).await;
    assert!(Command::new("kill").args(["-9", &worker.to_string()]).status().await.unwrap().success());
    hookyard.wait_for(&path, |task| task["status"] == "complete").await;
    assert!(!hookyard.processes().contains(&worker));
}

#[tokio::test]
async fn code_that_breaks_out_of_its_function_is_answered_and_delays_no_stop() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    for code in ["}); for(;;){} ; (function(){", "}); [].indexOf.call({ length: 2 ** 53 - 1 }, 1); (function(){"] {
        let body = json!({"name": "x", "code": code});
        let request = || {
            let request = hookyard.client.post(format!("{}/tasks/v1/functions/", hookyard.url));
            request.bearer_auth(&hookyard.token).json(&body)
        };
        let response = request().send().await.unwrap();
        assert_eq!(response.status(), 400, "{code}");
        // A client that does not wait for the answer.
        let _ = request().timeout(Duration::from_millis(100)).send().await;
    }
    hookyard.terminate().await;
}
