//! How long a trivial script takes: a fresh sandbox, compiling and running the script, and freeing everything.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use shared::clock::Clock;
use shared::outbound::Outbound;
use task::sandbox::{BeforeEffect, Limits, Outside, Sandbox, Script};

const SCRIPTS: [(&str, &str); 5] = [
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
    }
}

fn fresh_sandbox(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let sandbox = Sandbox::new(Outbound::new(&[]), Clock::system(), Some(env!("CARGO_BIN_EXE_task").into()));
    let no_effect: BeforeEffect = Arc::new(|| Box::pin(async { Ok(()) }));
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
    let no_effect: BeforeEffect = Arc::new(|| Box::pin(async { Ok(()) }));
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

criterion_group!(benches, fresh_sandbox, recording);
criterion_main!(benches);
