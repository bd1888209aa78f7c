//! The worker: what ends it, what it gives back, and who waits for whom.

use std::fs;
use std::process::Command;

use futures::future::join_all;
use harness::until;

use super::*;

/// A script of a tenant that runs for up to this long.
fn of(tenant: &str, seconds: u64, source: &str) -> Script {
    let limits = Limits { time: Duration::from_secs(seconds), ..script("").limits };
    Script { tenant: tenant.to_owned(), limits, ..script(source) }
}

/// Starts scripts without waiting for their ends.
fn start(sandbox: &Sandbox, script: &Script) -> tokio::task::JoinHandle<Result<Report, Error>> {
    let (sandbox, script) = (sandbox.clone(), script.clone());
    tokio::spawn(async move { sandbox.run(script, no_effect()).await })
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

fn is_alive(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

/// The resident memory of a process.
fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).map_or(0, |kilobytes| kilobytes.parse::<u64>().unwrap()) * 1024
}

async fn one(sandbox: &Sandbox, script: Script) -> Result<Value, String> {
    sandbox.run(script, no_effect()).await.unwrap().result.map_err(|error| error.name)
}

const SLEEPS: &str = "module.exports = () => new Promise((resolve) => setTimeout(resolve, 1e6, 'slept'))";
const LOOPS: &str = "module.exports = () => { for (;;) {} }";
const STALLS: &str = "module.exports = () => [].indexOf.call({ length: 2 ** 53 - 1 }, 1)";
const QUICK: &str = "module.exports = () => 1";

#[tokio::test]
async fn however_many_scripts_one_tenant_has_another_ones_run() {
    let sandbox = sandbox();
    for hostile in [SLEEPS, LOOPS, STALLS] {
        let stuck: Vec<_> = (0..150).map(|_| start(&sandbox, &of("hostile", 600, hostile))).collect();
        for _ in 0..5 {
            let other = one(&sandbox, of("other", 20, QUICK)).await;
            assert_eq!(other, Ok(json!(1)), "{hostile}");
        }
        let awaits = "module.exports = async () => { for (let i = 0; i < 5; i++) await new Promise((r) => setTimeout(r, 1)); return 2 }";
        assert_eq!(one(&sandbox, of("other", 20, awaits)).await, Ok(json!(2)), "{hostile}");
        assert!(stuck.iter().all(|stuck| !stuck.is_finished()), "{hostile}");
        stuck.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test]
async fn the_endless_scripts_of_one_function_leave_room_for_the_others_of_its_tenant() {
    let sandbox = sandbox();
    let stuck: Vec<_> = (0..150).map(|_| start(&sandbox, &of("default", 600, LOOPS))).collect();
    let other = Script { file_name: "other.js".to_owned(), ..of("default", 20, QUICK) };
    assert_eq!(one(&sandbox, other).await, Ok(json!(1)));
    assert!(stuck.iter().all(|stuck| !stuck.is_finished()));
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_script_that_nobody_waits_for_gives_its_place_back() {
    let sandbox = sandbox();
    for source in [LOOPS, SLEEPS, STALLS] {
        // Many more than there are places, most of which would wait for ever.
        let runs: Vec<_> = (0..300).map(|_| start(&sandbox, &of("default", 600, source))).collect();
        one(&sandbox, of("other", 20, QUICK)).await.unwrap();
        runs.iter().for_each(tokio::task::JoinHandle::abort);
        let after = (0..100).map(|_| one(&sandbox, of("default", 20, QUICK)));
        assert!(join_all(after).await.into_iter().all(|result| result == Ok(json!(1))), "{source}");
    }
}

#[tokio::test]
async fn a_script_without_an_effect_runs_again_when_the_worker_is_killed() {
    let sandbox = sandbox();
    one(&sandbox, of("default", 5, QUICK)).await.unwrap();
    let sleeps = "module.exports = () => new Promise((resolve) => setTimeout(resolve, 1500, 'slept'))";
    let runs: Vec<_> = (0..4).map(|_| start(&sandbox, &of("default", 60, sleeps))).collect();
    let printing = "module.exports = () => { console.log('here'); return new Promise((r) => setTimeout(r, 300, 2)) }";
    let printing = start(&sandbox, &of("default", 60, printing));
    let worker = sandbox.worker_id().unwrap();
    one(&sandbox, of("default", 5, QUICK)).await.unwrap();
    kill(worker);
    for run in runs {
        assert_eq!(run.await.unwrap().unwrap().result, Ok(json!("slept")));
    }
    let report = printing.await.unwrap().unwrap();
    assert_eq!((&report.result, messages(&report).as_slice()), (&Ok(json!(2)), ["here"].as_slice()));
    assert_eq!(one(&sandbox, of("default", 5, QUICK)).await, Ok(json!(1)));
    assert_ne!(sandbox.worker_id().unwrap(), worker);
    assert!(!is_alive(worker));
}

#[tokio::test]
async fn the_outcome_of_a_script_that_had_begun_to_send_is_unknown_when_the_worker_is_killed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let sandbox = sandbox();
    let run = start(&sandbox, &of("default", 60, &format!("module.exports = () => fetch('{url}')")));
    let _never_answered = listener.accept().await.unwrap();
    kill(sandbox.worker_id().unwrap());
    let error = run.await.unwrap().unwrap().result.unwrap_err();
    assert_eq!((error.kind.as_deref(), error.name.as_str()), (Some("invocation"), "OutcomeUnknown"));
}

#[tokio::test]
async fn a_worker_ends_with_its_sandbox() {
    let sandbox = sandbox();
    one(&sandbox, of("default", 5, QUICK)).await.unwrap();
    let stuck = start(&sandbox, &of("default", 600, STALLS));
    one(&sandbox, of("other", 20, QUICK)).await.unwrap();
    let worker = sandbox.worker_id().unwrap();
    assert!(is_alive(worker));
    stuck.abort();
    let _ = stuck.await;
    drop(sandbox);
    until("the worker is gone", async || if is_alive(worker) { Err(worker) } else { Ok(()) }).await;
}

#[tokio::test]
async fn a_worker_has_nothing_of_our_environment_and_ignores_what_a_terminal_or_a_service_manager_sends() {
    let sandbox = sandbox();
    one(&sandbox, of("default", 5, QUICK)).await.unwrap();
    let worker = sandbox.worker_id().unwrap();
    assert_eq!(
        fs::read_to_string(format!("/proc/{worker}/environ")).unwrap(),
        "TZ=UTC\0",
        "the time zone, and nothing of ours"
    );
    for signal in ["-INT", "-TERM", "-HUP"] {
        assert!(Command::new("kill").args([signal, &worker.to_string()]).status().unwrap().success());
    }
    assert_eq!(one(&sandbox, of("default", 5, QUICK)).await, Ok(json!(1)));
    assert_eq!(sandbox.worker_id(), Some(worker));
    let group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().split(' ').nth(2).unwrap().to_owned()
    };
    assert_ne!(group(worker), group(std::process::id()));
}

#[tokio::test]
async fn code_that_runs_while_it_is_compiled_or_never_ends_to_compile_is_refused_in_time() {
    let sandbox = sandbox();
    let limits = Limits { time: Duration::from_millis(200), ..Limits::default() };
    for source in ["}); for(;;){} ; (function(){", "}); [].indexOf.call({ length: 2 ** 53 - 1 }, 1); (function(){"] {
        let script = Script { limits, ..of("default", 1, source) };
        sandbox.check(script).await.unwrap().unwrap_err();
    }
    assert_eq!(sandbox.check(of("default", 5, QUICK)).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn what_a_script_has_used_is_given_back_by_its_worker() {
    let sandbox = sandbox();
    let warm = "module.exports = () => { new URL('http://a.example'); return Buffer.from('a').toString('hex') }";
    for _ in 0..20 {
        one(&sandbox, of("default", 20, warm)).await.unwrap();
    }
    let before = resident_bytes(sandbox.worker_id().unwrap());
    let greedy = [
        "module.exports = () => { const a = []; for (;;) a.push({}) }",
        "module.exports = () => { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length) }",
        "module.exports = () => { const a = []; for (;;) a.push(new Uint8Array(1e6)) }",
        "module.exports = async () => { const a = []; for (;;) { a.push(new Array(1000).fill(0)); await null } }",
        "module.exports = () => { globalThis.kept = new Uint8Array(2e7).fill(1); return [].indexOf.call({ length: 2 ** 53 - 1 }, 1) }",
    ];
    for source in greedy {
        one(&sandbox, of("default", 3, source)).await.unwrap_err();
        let returns = async || match sandbox.worker_id().map(resident_bytes) {
            Some(now) if now > 0 && now < before + 20 * 1024 * 1024 => Ok(()),
            now => Err(now),
        };
        until(source, returns).await;
    }
}
