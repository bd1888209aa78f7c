//! Scripts that run where earlier tasks of their function have run.

use task::sandbox::Recording;

use super::*;

/// Counts its runs, and does what the input says.
const COUNTS: &str = "let runs = 0;
    exports.main = async ({ what }) => {
        runs += 1;
        console.log(what);
        if (what === 'throw') throw new Error('x');
        if (what === 'loop') for (;;) {}
        if (what === 'fill') { const all = []; for (;;) all.push('x'.repeat(1e6) + all.length); }
        if (what === 'hold') globalThis.held = Array.from({ length: 20 }, (_, n) => 'x'.repeat(1e6) + n);
        if (what === 'waste') { for (let n = 0; n < 20; n++) { const all = { text: 'x'.repeat(1e6) + n }; all.itself = all; } }
        if (what === 'reject') setTimeout(() => Promise.reject(1), 1);
        if (what === 'fetch') void fetch('http://127.0.0.1:1/').catch(() => {});
        if (what === 'later') setTimeout(() => { runs = 100; }, 1);
        if (what === 'jobs') void (async () => { for (let n = 0; n < 100; n++) await n; runs = 0; })();
        if (what === 'long') return 'x'.repeat(1e6);
        if (what === 'wait') await new Promise((done) => setTimeout(done, 3));
        return runs;
    }";

fn warm(source: &str, what: &str) -> Script {
    let limits = Limits { time: Duration::from_secs(3), ..script("").limits };
    let input = json!({ "what": what }).to_string();
    Script { isolation: Isolation::Warm("f#1".to_owned()), limits, input, ..script(source) }
}

async fn run(sandbox: &Sandbox, script: Script) -> Report {
    sandbox.run(script, no_effect()).await.unwrap()
}

async fn counted(sandbox: &Sandbox, what: &str) -> Value {
    run(sandbox, warm(COUNTS, what)).await.result.unwrap_or_else(|error| json!(error.name))
}

#[tokio::test]
async fn only_a_function_that_asks_for_it_finds_what_its_last_task_has_left() {
    let sandbox = sandbox();
    let sources = [
        COUNTS.to_owned(),
        "let runs = 0; export default () => ++runs".to_owned(),
        "globalThis.runs ??= 0; function main() { return ++runs }".to_owned(),
    ];
    for source in sources {
        let mut seen = Vec::new();
        for isolation in [Isolation::Fresh, Isolation::Warm(source.clone())] {
            for _ in 0..3 {
                let script = Script { isolation: isolation.clone(), ..warm(&source, "") };
                seen.push(run(&sandbox, script).await.result.unwrap());
            }
        }
        assert_eq!(seen, [1, 1, 1, 1, 2, 3], "{source}");
    }
}

#[tokio::test]
async fn a_package_is_loaded_once_for_all_tasks_in_a_realm() {
    let files = [
        ("package.json", "{}"),
        ("index.js", "const count = require('./count'); exports.main = () => count.next()"),
        ("count.js", "let runs = 0; exports.next = () => ++runs"),
    ];
    let files: task::sandbox::Files =
        files.into_iter().map(|(path, text)| (path.to_owned(), bytes::Bytes::from_static(text.as_bytes()))).collect();
    let (sandbox, files) = (sandbox(), Arc::new(files));
    for expected in 1..=3 {
        let script = Script { files: files.clone(), source: "".into(), ..warm("", "") };
        assert_eq!(run(&sandbox, script).await.result, Ok(json!(expected)));
    }
}

#[tokio::test]
async fn a_realm_belongs_to_one_version_of_one_function_of_one_tenant() {
    let sandbox = sandbox();
    let other = |tenant: &str, version: &str| Script {
        tenant: tenant.to_owned(),
        isolation: Isolation::Warm(version.to_owned()),
        ..warm(COUNTS, "")
    };
    for expected in 1..=2 {
        for (tenant, version) in [("a", "f#1"), ("b", "f#1"), ("a", "f#2"), ("a", "g#1")] {
            let result = run(&sandbox, other(tenant, version)).await.result;
            assert_eq!(result, Ok(json!(expected)), "{tenant} {version}");
        }
    }
}

#[tokio::test]
async fn a_realm_in_which_a_task_has_failed_is_thrown_away() {
    let sandbox = sandbox();
    for (what, ended) in
        [("throw", "Error"), ("loop", "TimeLimitExceeded"), ("fill", "MemoryLimitExceeded"), ("long", "OutputTooLarge")]
    {
        assert_eq!(counted(&sandbox, "").await, 1);
        assert_eq!(counted(&sandbox, "").await, 2);
        assert_eq!(counted(&sandbox, what).await, ended);
        assert_eq!(counted(&sandbox, "").await, 1, "after {what}");
        // The next case begins in a realm of its own.
        assert_eq!(counted(&sandbox, "throw").await, "Error");
    }
}

#[tokio::test]
async fn a_realm_that_still_waits_for_something_or_holds_too_much_is_thrown_away() {
    let sandbox = sandbox();
    for what in ["fetch", "hold"] {
        assert_eq!(counted(&sandbox, what).await, 1);
        assert_eq!(counted(&sandbox, "throw").await, "Error", "after {what}");
        assert_eq!(counted(&sandbox, what).await, 1);
        assert_eq!(counted(&sandbox, "").await, 1, "after {what}");
        assert_eq!(counted(&sandbox, "throw").await, "Error");
    }
    assert_eq!(counted(&sandbox, "waste").await, 1);
    assert_eq!(counted(&sandbox, "").await, 2, "what is garbage is not held");
}

#[tokio::test]
async fn nothing_of_a_task_goes_on_after_it() {
    let sandbox = sandbox();
    assert_eq!(counted(&sandbox, "later").await, 1);
    assert_eq!(counted(&sandbox, "wait").await, 2, "its timers end with it");
    assert_eq!(counted(&sandbox, "jobs").await, 3);
    assert_eq!(counted(&sandbox, "").await, 1, "its jobs run before its end");
    assert_eq!(counted(&sandbox, "reject").await, 2);
    assert_eq!(counted(&sandbox, "wait").await, 3, "nothing rejects later");
}

#[tokio::test]
async fn each_task_in_a_realm_has_its_own_input_log_and_time() {
    let sandbox = sandbox();
    for what in ["first", "second"] {
        let report = run(&sandbox, warm(COUNTS, what)).await;
        assert_eq!(messages(&report), [what]);
    }
    // Together they take longer than one may.
    let source = "exports.main = () => { const end = Date.now() + 900; while (Date.now() < end); return 1 }";
    let slow = || Script { isolation: Isolation::Warm("slow#1".to_owned()), ..warm(source, "") };
    for _ in 0..4 {
        assert_eq!(run(&sandbox, slow()).await.result, Ok(json!(1)));
    }
    let limits = Limits { time: Duration::from_millis(100), ..script("").limits };
    let late = run(&sandbox, Script { limits, ..slow() }).await;
    assert_eq!(late.result.unwrap_err().name, "TimeLimitExceeded");
}

#[tokio::test]
async fn clocks_go_on_from_one_task_to_the_next() {
    let sandbox = sandbox();
    let source = "exports.main = () => {
        const start = performance.now();
        while (performance.now() < start + 5);
        return [performance.timeOrigin, performance.now(), Date.now(), Math.random()] }";
    let mut seen: Vec<Vec<f64>> = Vec::new();
    for _ in 0..5 {
        let result = run(&sandbox, warm(source, "")).await.result.unwrap();
        seen.push(serde_json::from_value(result).unwrap());
    }
    for pair in seen.windows(2) {
        let ([origin, now, date, random], [origin_2, now_2, date_2, random_2]) =
            (<[f64; 4]>::try_from(&*pair[0]).unwrap(), <[f64; 4]>::try_from(&*pair[1]).unwrap());
        assert!(origin == origin_2 && now + 5.0 <= now_2 && date + 4.0 <= date_2, "{pair:?}");
        assert_ne!(random, random_2);
    }
    let machine = Clock::system().now().as_millisecond() as f64;
    let last = seen.last().unwrap();
    assert!((machine - last[2]).abs() < 60_000.0 && (last[0] + last[1] - last[2]).abs() < 5.0, "{seen:?}");
}

#[tokio::test]
async fn tasks_at_the_same_time_run_in_different_realms() {
    let sandbox = sandbox();
    let source = "let busy = false; exports.main = async () => {
        if (busy) throw new Error('another one is here');
        busy = true; await new Promise((done) => setTimeout(done, 5)); busy = false; return true }";
    for _ in 0..3 {
        let all = futures::future::join_all((0..20).map(|_| run(&sandbox, warm(source, "")))).await;
        assert!(all.iter().all(|report| report.result == Ok(json!(true))), "{all:?}");
    }
}

#[tokio::test]
async fn a_realm_is_used_for_so_many_tasks_and_no_more() {
    let sandbox = sandbox();
    let source = "let runs = 0; exports.main = () => ++runs";
    let mut most = 0;
    for _ in 0..205 {
        let runs = run(&sandbox, warm(source, "")).await.result.unwrap().as_u64().unwrap();
        if runs == 1 && most > 0 {
            break;
        }
        most = runs;
    }
    assert_eq!(most, 200);
}

#[tokio::test]
async fn only_the_first_task_in_a_realm_has_a_journal_and_replays_start_afresh() {
    let sandbox = sandbox();
    let recorded = || Script { outside: Outside::Recorded, ..warm(COUNTS, "jobs") };
    let first = run(&sandbox, recorded()).await;
    let Recording::Kept(packed) = &first.recording else { panic!("{first:?}") };
    let second = run(&sandbox, recorded()).await;
    assert_eq!(second.recording, Recording::Warm);
    for _ in 0..2 {
        let replayed = Script { outside: Outside::Replayed(packed.clone()), ..recorded() };
        let again = sandbox.replay(replayed, &Clock::system()).await.unwrap();
        assert_eq!((&again.result, &again.recording), (&Ok(json!(1)), &first.recording));
    }
    assert_eq!(counted(&sandbox, "").await, 1, "the jobs of the last live task have set it back");
}

#[tokio::test]
async fn what_a_task_breaks_in_its_realm_breaks_no_other_function() {
    let sandbox = sandbox();
    let breaks = "for (const name of Object.getOwnPropertyNames(Object.prototype)) {
            if (name !== '__proto__') Object.prototype[name] = () => { throw 1 };
        }
        Object.defineProperty(Object.prototype, 'fetch', { set(value) { globalThis.stolen = value } });
        Array.prototype.push = Map.prototype.get = Function.prototype.call = () => { throw 2 };
        Promise.prototype.then = () => { throw 3 };
        let runs = 0;
        exports.main = () => [++runs, typeof fetch, typeof stolen]";
    assert_eq!(run(&sandbox, warm(breaks, "")).await.result, Ok(json!([1, "function", "undefined"])));
    assert_eq!(run(&sandbox, warm(breaks, "")).await.result, Ok(json!([2, "function", "undefined"])));
    let other = Script { isolation: Isolation::Warm("g#1".to_owned()), ..warm(COUNTS, "") };
    assert_eq!(run(&sandbox, other).await.result, Ok(json!(1)));
}
