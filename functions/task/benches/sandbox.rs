//! What a trivial script takes: a fresh sandbox, compiling and running the script, and freeing everything.
//!
//! Besides how long it takes, the CPU time of this process and of its worker is measured, which other load on the machine
//! hardly changes.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use shared::clock::Clock;
use shared::outbound::Outbound;
use shared::step::Marked;
use task::sandbox::{BeforeEffect, Isolation, Limits, Outside, Sandbox, Script};

const SCRIPTS: [(&str, &str); 8] = [
    ("empty", "exports.main = () => {}"),
    (
        "require",
        "const { createHash } = require('crypto'); exports.main = () => createHash('sha256').update('a').digest('hex')",
    ),
    ("fetch touched", "exports.main = () => typeof fetch + new Request('https://example.com').method"),
    ("commonjs", "exports.main = (task) => task.data.n + 1"),
    ("module", "export default async (task) => task.data.n + 1"),
    ("console", "export default (task) => { console.log('n', task.data) }"),
    ("url", "export default (task) => new URL('https://example.com/?n=' + task.data.n).searchParams.get('n')"),
    ("every class", "export default () => [URL, Buffer, TextEncoder, AbortController, EventTarget, Headers].length"),
];

fn script(source: &str) -> Script {
    Script {
        tenant: "default".to_owned(),
        source: source.into(),
        files: Arc::default(),
        file_name: "script.js".to_owned(),
        entry_point: None,
        input: json!({"id": "t", "data": {"n": 1, "event": {"content": "x".repeat(1_000)}}}).to_string(),
        variables: BTreeMap::new(),
        limits: Limits::default(),
        outside: Outside::Live,
        isolation: Isolation::Fresh,
    }
}

/// A script that sends one plain request and reads the answer.
fn fetching(server: SocketAddr) -> String {
    let headers = "{ 'content-type': 'application/json', 'x-task': task.id }";
    format!(
        "exports.main = async (task) => {{
            const request = {{ method: 'POST', headers: {headers}, body: JSON.stringify(task.data) }};
            const answer = await fetch('http://{server}/hook', request);
            return answer.ok && (await answer.json()).n }}"
    )
}

/// Serves a short JSON text at this address.
fn serve(runtime: &tokio::runtime::Runtime) -> SocketAddr {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = axum::Router::new().fallback(|| async { axum::Json(json!({"n": 1})) });
    runtime.spawn(async move { axum::serve(listener, server).await });
    address
}

/// A script of about 100 KB of which little runs.
fn large(start: &str, end: &str) -> String {
    let functions = (0..1_000).map(|number| {
        format!("function f{number}(a, b) {{ const sum = a + b * {number}; return sum > 10 ? [sum, 'text {number}'] : {{ sum }}; }}\n")
    });
    [start.to_owned()].into_iter().chain(functions).chain([end.to_owned()]).collect()
}

/// The CPU time of this process and of the worker so far.
fn cpu_time(sandbox: &Sandbox) -> Duration {
    let of = |pid: u32| {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let times = threads.filter_map(|thread| {
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(times.sum()))
    };
    let own = of(std::process::id()).unwrap_or_default();
    own + sandbox.worker_id().and_then(of).unwrap_or_default()
}

/// The CPU time that running scripts takes, one after the other.
async fn cpu_time_of(sandbox: &Sandbox, iterations: u64, script: &impl Fn() -> Script) -> Duration {
    loop {
        let (worker, before) = (sandbox.worker_id(), cpu_time(sandbox));
        for _ in 0..iterations {
            run(sandbox, script()).await;
        }
        // The time of a former worker is not known any more.
        if sandbox.worker_id() == worker && worker.is_some() {
            return cpu_time(sandbox).saturating_sub(before);
        }
    }
}

async fn run(sandbox: &Sandbox, script: Script) {
    let no_effect: BeforeEffect = Arc::new(|| Box::pin(async { Ok(Marked::default()) }));
    let report = sandbox.run(script, no_effect).await;
    black_box(report).expect("a sandbox can be created").result.expect("the script succeeds");
}

/// Measures the CPU time of scripts instead of how long they take.
fn cpu(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let local = Outbound::new(&["127.0.0.0/8".parse().expect("a network")]);
    let sandbox = Sandbox::new(local, Clock::system(), Some(env!("CARGO_BIN_EXE_task").into()));
    let mut measure = |group: &str, name: &str, next: &dyn Fn() -> Script| {
        criterion.benchmark_group(format!("CPU time, {group}")).bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter_custom(|iterations| cpu_time_of(&sandbox, iterations, &next));
        });
    };
    for (name, source) in SCRIPTS {
        let fresh = script(source);
        measure("fresh realm", name, &|| fresh.clone());
        let warm = Script { isolation: Isolation::Warm(name.to_owned()), ..script(source) };
        measure("warm realm", name, &|| warm.clone());
    }
    let fetches = script(&fetching(serve(&runtime)));
    measure("fresh realm", "fetch", &|| fetches.clone());
    let count = AtomicU64::new(0);
    for (kind, start, end) in [
        ("commonjs", "", "exports.main = () => {}"),
        ("strict commonjs", "'use strict';\n", "exports.main = () => {}"),
        ("module", "", "export default () => {}"),
    ] {
        let (source, same) = (large(start, end), script(&large(start, end)));
        measure("100 KB again", kind, &|| same.clone());
        measure("another 100 KB each time", kind, &|| {
            script(&format!("{source}\n// {}", count.fetch_add(1, Ordering::Relaxed)))
        });
    }
}

fn fresh_sandbox(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let sandbox = Sandbox::new(Outbound::new(&[]), Clock::system(), Some(env!("CARGO_BIN_EXE_task").into()));
    let no_effect: BeforeEffect = Arc::new(|| Box::pin(async { Ok(Marked::default()) }));
    let mut group = criterion.benchmark_group("fresh sandbox");
    for (name, source) in SCRIPTS {
        let script = script(source);
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let report = sandbox.run(script.clone(), no_effect.clone()).await;
                black_box(report).expect("a sandbox can be created").result.expect("the script succeeds")
            });
        });
    }
}

/// What it costs to record what a script reads.
fn recording(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let sandbox = Sandbox::new(Outbound::new(&[]), Clock::system(), Some(env!("CARGO_BIN_EXE_task").into()));
    let no_effect: BeforeEffect = Arc::new(|| Box::pin(async { Ok(Marked::default()) }));
    let mut group = criterion.benchmark_group("recording");
    let reads =
        "exports.main = () => { let n = 0; for (let i = 0; i < 1000; i++) n += Date.now() * Math.random(); return n }";
    for (name, source) in [("nothing", SCRIPTS[0].1), ("1000 times and random values", reads)] {
        for (how, outside) in [("live", Outside::Live), ("recorded", Outside::Recorded)] {
            let script = Script { outside, ..script(source) };
            group.bench_function(format!("{name}, {how}"), |bencher| {
                bencher.to_async(&runtime).iter(|| async {
                    let report = sandbox.run(script.clone(), no_effect.clone()).await;
                    black_box(report).expect("a sandbox can be created").result.expect("the script succeeds")
                });
            });
        }
    }
}

criterion_group!(benches, cpu, fresh_sandbox, recording);
criterion_main!(benches);
