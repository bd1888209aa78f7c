//! Scripts as users write them, run for real.

mod axios_module;
mod compiling;
mod fetch_options;
mod fetching;
mod hostile_requests;
mod http_module;
mod isolation;
mod late_parts;
mod limits;
mod modules;
mod node;
mod packages;
mod rejections;
mod replaying;
mod shapes;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shared::Error;
use shared::clock::Clock;
use shared::outbound::Outbound;
use shared::step::Marked;
use task::sandbox::{BeforeEffect, Isolation, Limits, Outside, Report, Sandbox, Script};

/// A script with little time and memory.
fn script(source: &str) -> Script {
    let limits = Limits { time: Duration::from_secs(5), memory_bytes: 32 * 1024 * 1024, ..Limits::default() };
    Script {
        tenant: "default".to_owned(),
        source: source.into(),
        files: Arc::default(),
        file_name: "script.js".to_owned(),
        entry_point: None,
        input: json!({"id": "t1", "data": {"event": {"n": 41}}}).to_string(),
        variables: BTreeMap::from([("KEY".to_owned(), "value".to_owned())]),
        limits,
        outside: Outside::Live,
        isolation: Isolation::Fresh,
    }
}

fn sandbox() -> Sandbox {
    with_outbound(Outbound::new(&["127.0.0.0/8".parse().unwrap()]))
}

fn with_outbound(outbound: Outbound) -> Sandbox {
    Sandbox::new(outbound, Clock::system(), Some(env!("CARGO_BIN_EXE_task").into()))
}

fn no_effect() -> BeforeEffect {
    Arc::new(|| Box::pin(async { Ok(Marked::default()) }))
}

async fn report(script: Script) -> Report {
    sandbox().run(script, no_effect()).await.unwrap()
}

/// The result of a script that must succeed.
async fn value(source: &str) -> Value {
    let report = report(script(source)).await;
    report.result.unwrap_or_else(|error| panic!("{source}: {error:?}"))
}

/// The error of a script that must fail, as `(type, name, message)`.
async fn failure_of(script: Script) -> (String, String, String) {
    let error = report(script).await.result.unwrap_err();
    (error.kind.unwrap(), error.name, error.message)
}

async fn failure(source: &str) -> (String, String, String) {
    failure_of(script(source)).await
}

fn messages(report: &Report) -> Vec<&str> {
    report.lines.iter().map(|line| line.message.as_str()).collect()
}
