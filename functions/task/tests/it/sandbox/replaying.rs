//! Scripts that run again from their journals.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use proptest::prelude::*;
use task::sandbox::{CallError, Calls, Log, Recording};

use super::*;

/// How often the server was asked.
type Count = Arc<AtomicU64>;

/// A server that answers every request with its number, the later ones before the earlier ones.
async fn server() -> (String, Count) {
    let count = Count::default();
    let answer = async |State(count): State<Count>, request: axum::extract::Request| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let pause = Duration::from_millis(12_u64.saturating_sub(number * 3));
        tokio::time::sleep(pause).await;
        let status = if number % 3 == 1 { 503 } else { 200 };
        let status = http::StatusCode::from_u16(status).unwrap();
        (status, [("set-cookie", format!("n={number}"))], format!("{number} {}", request.uri()))
    };
    let router = Router::new()
        .route("/never", any(std::future::pending::<()>))
        .route("/large", any(|| async { "x".repeat(1_100_000) }))
        .fallback(any(answer))
        .with_state(count.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, count)
}

fn recorded(source: &str) -> Script {
    Script { outside: Outside::Recorded, ..script(source) }
}

fn packed(report: &Report) -> Bytes {
    match &report.recording {
        Recording::Kept(packed) => packed.clone(),
        other => panic!("{other:?}: {report:?}"),
    }
}

/// A clock that gives the lines of a run the times that they had.
fn times(report: &Report) -> Clock {
    let times = Mutex::new(report.lines.clone().into_iter().map(|line| line.timestamp));
    Clock::from_fn(move || times.lock().unwrap().next().unwrap_or_default())
}

async fn replayed(sandbox: &Sandbox, script: &Script, first: &Report) -> Report {
    let outside = Outside::Replayed(packed(first));
    sandbox.replay(Script { outside, ..script.clone() }, &times(first)).await.unwrap()
}

/// Runs a script once and then so many times from its journal, and returns its report, which is always the same.
async fn same_again(script: Script, times: usize) -> Report {
    let sandbox = sandbox();
    let first = sandbox.run(script.clone(), no_effect()).await.unwrap();
    for _ in 0..times {
        let again = replayed(&sandbox, &script, &first).await;
        assert_eq!(again, first, "{}", script.source);
    }
    first
}

#[tokio::test]
async fn time_and_random_values_are_the_same_again() {
    let source = "exports.main = async () => {
        const seen = [Date(), new Date(), Date.now(), performance.now(), performance.timeOrigin, Math.random()];
        console.time('t');
        const end = Date.now() + 30;
        let spins = 0;
        while (Date.now() < end) spins++;
        console.log(spins, new Date().toISOString(), performance.now());
        console.timeEnd('t');
        for (let at = 0; at < 100; at++) seen.push(Math.random() + performance.now());
        seen.push(new Event('x').timeStamp, new Intl.DateTimeFormat('en-US').format());
        return seen;
    }";
    let first = same_again(recorded(source), 10).await;
    let other = sandbox().run(recorded(source), no_effect()).await.unwrap();
    assert_ne!(other.result, first.result, "another run is another run");
}

const RACES: &str = "exports.main = async () => {
    const log = [];
    const ticking = setInterval(() => { log.push(['tick', performance.now()]); console.log('tick', log.length) }, 2);
    const ask = async (n) => {
        for (let attempt = 0; ; attempt++) {
            const answer = await fetch(BASE + '/' + n + '?a=' + Math.random(), { method: 'POST', body: `${n}` });
            log.push([n, answer.status, await answer.text(), answer.headers.get('set-cookie'), Date.now()]);
            if (answer.ok || attempt === 3) return n;
            await new Promise((done) => setTimeout(done, 1 + Math.random() * 5));
        }
    };
    const first = await Promise.race([ask(1), ask(2), ask(3), new Promise((done) => setTimeout(done, 5, 'timer'))]);
    const all = await Promise.allSettled([ask(4), ask(5), fetch('http://10.0.0.1/'), fetch('http://127.0.0.1:1/')]);
    const stopped = await fetch(BASE + '/never', { signal: AbortSignal.timeout(8) }).catch((error) => error.name);
    clearInterval(ticking);
    for (const { reason } of all) log.push([reason?.name, reason?.message]);
    return [first, stopped, log];
}";

#[tokio::test]
async fn requests_that_race_with_timers_end_in_the_same_order_and_nothing_is_sent() {
    let (base, count) = server().await;
    let script = recorded(&format!("const BASE = '{base}';\n{RACES}"));
    let sandbox = sandbox();
    let first = sandbox.run(script.clone(), no_effect()).await.unwrap();
    assert!(first.result.is_ok(), "{first:?}");
    let sent = count.load(Ordering::Relaxed);
    assert!(sent >= 5, "{sent}");
    for _ in 0..10 {
        assert_eq!(replayed(&sandbox, &script, &first).await, first);
    }
    assert_eq!(count.load(Ordering::Relaxed), sent);
}

const CALLING: &str = "const { publish, startTask } = require('hookyard');
exports.main = async () => {
    const seen = [];
    const note = (name) => (answer) => seen.push([name, answer.id ?? answer.name, answer.message, Date.now()]);
    const ticking = setInterval(() => seen.push(performance.now()), 1);
    await Promise.all([
        publish('a', { at: Date.now() }).then(note('a')),
        fetch(BASE + '/1').then(note('fetch')),
        startTask({ functionName: 'f', data: { n: Math.random() } }).then(note('f')),
        publish('refused', {}).catch(note('refused')),
    ]);
    clearInterval(ticking);
    console.log(seen);
    return seen;
}";

#[tokio::test]
async fn calls_end_in_the_same_order_and_are_not_made_again() {
    let (base, count) = server().await;
    let source = format!("const BASE = '{base}';\n{CALLING}");
    let (script, sandbox) = (recorded(&source), sandbox());
    let made = Count::default();
    let calls: Calls = {
        let made = made.clone();
        Arc::new(move |call, number| {
            made.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(3)).await;
                match call.body.contains("refused") {
                    true => Err(CallError::new("NotPermitted", "not this one")),
                    false => Ok(json!({"id": format!("e{number}")}).to_string()),
                }
            })
        })
    };
    let place = sandbox.place(&script.tenant, &script.file_name, 0).await.unwrap();
    let first = sandbox.run_in(place, script.clone(), no_effect(), calls, &Log::default()).await.unwrap();
    let seen = first.result.as_ref().unwrap().to_string();
    assert!(["e0", "NotPermitted", "not this one"].iter().all(|part| seen.contains(part)), "{seen}");
    for _ in 0..5 {
        assert_eq!(replayed(&sandbox, &script, &first).await, first);
    }
    assert_eq!((made.load(Ordering::Relaxed), count.load(Ordering::Relaxed)), (3, 1));
    let other = Script {
        source: source
            .replace("publish('a', {", "startTask({ functionName: 'f', data: {")
            .replace("Date.now() }).then(note('a'))", "Date.now() } }).then(note('a'))")
            .into(),
        ..script
    };
    let error = replayed(&sandbox, &other, &first).await.result.unwrap_err();
    assert_eq!(error.name, "JournalMismatch");
    let (asked, known) = ("asked for the start of a task with a body", "the journal has the publication of an event");
    assert!(error.message.contains(asked) && error.message.contains(known), "{}", error.message);
}

#[tokio::test]
async fn what_cryptography_draws_is_the_same_again() {
    let source = "const { randomBytes, randomInt, randomUUID, webcrypto } = require('crypto');
    exports.main = () => {
        const values = [randomBytes(90_000).subarray(70_000).toString('base64'), randomInt(1_000_000), randomUUID()];
        return [...values, ...webcrypto.getRandomValues(new Uint8Array(9)), new FormData() + '', Math.random()];
    }";
    let first = same_again(recorded(source), 3).await;
    let other = sandbox().run(recorded(source), no_effect()).await.unwrap();
    assert_ne!(other.result, first.result);
}

#[tokio::test]
async fn a_package_runs_again() {
    let files = [
        ("index.js", "exports.main = async () => [require('./lib.js').draw(), (await import('./time.mjs')).default()]"),
        ("lib.js", "exports.draw = () => require('crypto').randomUUID()"),
        ("time.mjs", "export default () => performance.now()"),
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), Bytes::from(text)));
    let script = Script { source: "".into(), files: Arc::new(files.collect()), ..recorded("") };
    assert!(same_again(script, 3).await.result.is_ok());
}

#[tokio::test]
async fn failures_happen_again() {
    let (base, _) = server().await;
    for body in [
        "throw new RangeError(`${Math.random()}`)",
        "await new Promise((_, reject) => setTimeout(() => reject(new Error(`${Date.now()}`)), 3))",
        "setTimeout(() => { throw new TypeError('late') }, 2); await fetch(BASE + '/never')",
        "Promise.reject(new Error(`${performance.now()}`)); await new Promise((done) => setTimeout(done, 5))",
        "await new Promise(() => {})",
        "for (;;) console.log(Math.random(), 'x'.repeat(1000))",
        "return 'x'.repeat(300000)",
        "await fetch('nonsense')",
        "await fetch(BASE, { method: 'POST', body: 'x'.repeat(5 * 1024 * 1024) })",
        "(function f() { f() })()",
    ] {
        let source = format!("const BASE = '{base}'; exports.main = async () => {{ {body} }}");
        assert!(same_again(recorded(&source), 3).await.result.is_err(), "{body}");
    }
    for source in ["exports.main = (", "exports.other = 1", "import 'nothing'"] {
        assert!(same_again(recorded(source), 3).await.result.is_err(), "{source}");
    }
}

#[tokio::test]
async fn a_script_that_ran_out_of_memory_does_so_again() {
    let sandbox = sandbox();
    let script =
        recorded("exports.main = () => { const all = []; for (;;) all.push(new Array(1000).fill(Date.now())) }");
    let first = sandbox.run(script.clone(), no_effect()).await.unwrap();
    assert_eq!(first.result.as_ref().unwrap_err().name, "MemoryLimitExceeded");
    // Where exactly depends on how the allocator rounds.
    assert_eq!(replayed(&sandbox, &script, &first).await.result, first.result);
}

#[tokio::test]
async fn a_script_that_was_stopped_at_its_time_limit_stops_at_the_same_place() {
    let (base, _) = server().await;
    for body in [
        "for (let n = 0; ; n++) if (n % 100000 === 0) console.log(n, performance.now())",
        "for (let n = 0; ; n++) { await null; if (n % 1000 === 0) console.log(n) }",
        "for (let n = 0; ; n++) { await new Promise((done) => setTimeout(done, 20)); console.log(n) }",
        "console.log(Date.now()); await fetch(BASE + '/never')",
        "console.log(/^(a+)+$/.test('a'.repeat(60) + 'b'))",
    ] {
        let source = format!("const BASE = '{base}'; exports.main = async () => {{ {body} }}");
        let mut script = recorded(&source);
        script.limits.time = Duration::from_millis(300);
        let first = same_again(script, 3).await;
        assert_eq!(first.result.unwrap_err().name, "TimeLimitExceeded", "{body}");
    }
}

#[tokio::test]
async fn a_script_that_reads_something_else_is_told_so() {
    let (base, count) = server().await;
    let sandbox = sandbox();
    let first = recorded(&format!("exports.main = async () => (await fetch('{base}/x')).status"));
    let report = sandbox.run(first, no_effect()).await.unwrap();
    let check = async |body: &str, message: &str| {
        let source = format!("exports.main = async () => {{ try {{ {body} }} finally {{ console.log('on') }} }}");
        let again = replayed(&sandbox, &script(&source), &report).await;
        let error = again.result.clone().unwrap_err();
        assert_eq!((error.name.as_str(), error.message.as_str()), ("JournalMismatch", message), "{body}");
        assert_eq!(again.lines, [], "{body}");
    };
    let (x, y) = (format!("'{base}/x'"), format!("'{base}/y'"));
    check(
        &format!("await fetch({y}).catch(() => 1)"),
        &format!("the script asked for GET {base}/y, the journal has GET {base}/x"),
    )
    .await;
    check(
        &format!("await fetch({x}, {{ method: 'POST', body: 'b' }})"),
        &format!("the script asked for POST {base}/x with a body of 1 bytes, the journal has GET {base}/x"),
    )
    .await;
    check(
        &format!("await Promise.all([fetch({x}), fetch({y})])"),
        &format!("the script asked for GET {base}/y, the journal has nothing further"),
    )
    .await;
    let waits = "the script waits for something else than it did when its journal was written";
    check("await new Promise((done) => setTimeout(done, 1))", waits).await;
    check(&format!("await fetch({x}); await new Promise((done) => setTimeout(done, 1))"), waits).await;
    assert_eq!(count.load(Ordering::Relaxed), 1);
    // What it reads less does not matter, and the clock goes on where the journal ends.
    let source =
        "exports.main = () => { const end = Date.now() + 100; while (Date.now() < end); return Math.random() }";
    let other = script(source);
    let (one, two) = (replayed(&sandbox, &other, &report).await, replayed(&sandbox, &other, &report).await);
    assert!(one.result.is_ok() && one == two, "{one:?}");
}

#[tokio::test]
async fn a_script_that_reads_too_much_ends_as_it_would_and_has_no_journal() {
    let (base, _) = server().await;
    for body in [
        "for (let n = 0; n < 2; n++) await (await fetch(BASE + '/large')).text()",
        "for (let n = 0; n < 9; n++) await fetch(BASE + '/' + n + 'x'.repeat(200000)).catch(() => 1)",
        "for (let n = 0; n < 20; n++) { const all = []; for (let m = 0; m < 500; m++) all.push(fetch('http://10.0.0.1/' + 'y'.repeat(200) + m).catch(() => 1)); await Promise.all(all) }",
    ] {
        let source = format!("const BASE = '{base}'; exports.main = async () => {{ {body}; return 'done' }}");
        let mut script = recorded(&source);
        script.limits.time = Duration::from_secs(60);
        let report = sandbox().run(script, no_effect()).await.unwrap();
        assert_eq!((report.result, report.recording), (Ok(json!("done")), Recording::TooLarge), "{body}");
    }
    // However often the clock is read, and however exactly.
    let source = "exports.main = () => { const end = performance.now() + 300; let n = 0; while (performance.now() < end) n++; return n }";
    let report = same_again(recorded(source), 1).await;
    assert!(packed(&report).len() < 64 * 1024, "{}", packed(&report).len());
    let quiet = same_again(recorded("exports.main = () => 1"), 1).await;
    assert!(packed(&quiet).len() < 64, "{}", packed(&quiet).len());
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_runs_nothing() {
    for bytes in [&b""[..], b"nonsense", &[0; 5000]] {
        let outside = Outside::Replayed(Bytes::copy_from_slice(bytes));
        let script = Script { outside, ..script("exports.main = () => console.log('on')") };
        let report = sandbox().replay(script, &Clock::system()).await.unwrap();
        assert_eq!(report.result.unwrap_err().message, "the journal cannot be read");
        assert_eq!(report.lines, []);
    }
    let live = report(script("exports.main = () => Math.random()")).await;
    assert_eq!(live.recording, Recording::Off);
}

#[tokio::test]
async fn dates_are_those_of_the_language() {
    let source = "exports.main = () => {
        class Later extends Date { year() { return this.getUTCFullYear() } }
        const plain = new Date(0);
        const near = (date) => Math.abs(date - Date.now()) < 60000;
        return [
            typeof Date(), new Date(2020, 0, 2).toISOString(), new Later(0).year(), new Later() instanceof Later, near(new Later()),
            near(new Date()), plain.constructor === Date, Date.length, Date.name, Date.prototype === Object.getPrototypeOf(plain),
            Object.keys(Date).length, Date.now.name, Math.random.length, near(Date.parse(Date())), near(performance.timeOrigin),
            `${new Date(new Date(5))} ${new Date('x')}`, Reflect.construct(Date, [7], Array) instanceof Array,
        ];
    }";
    let expected = json!([
        "string",
        "2020-01-02T00:00:00.000Z",
        1970,
        true,
        true,
        true,
        true,
        7,
        "Date",
        true,
        0,
        "now",
        0,
        true,
        true,
        "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time) Invalid Date",
        true
    ]);
    assert_eq!(value(source).await, expected);
}

/// A step of a random script, which may wait.
fn step() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("log(Date.now())".to_owned()),
        Just("log(new Date().toISOString())".to_owned()),
        Just("log(performance.now())".to_owned()),
        Just("log(Math.random())".to_owned()),
        Just("await null".to_owned()),
        (0..6_u32).prop_map(|ms| format!("await sleep({ms})")),
        (0..9_u32).prop_map(|n| format!("log(await (await fetch(BASE + '/{n}')).text())")),
        (0..9_u32).prop_map(|n| format!("later.push(fetch(BASE + '/{n}').then((answer) => log(answer.status, {n})))")),
        (0..9_u32).prop_map(|ms| format!("later.push(sleep({ms}).then(() => log('slept', {ms})))")),
        (1..9_u32).prop_map(|ms| format!(
            "later.push(fetch(BASE + '/never', {{ signal: AbortSignal.timeout({ms}) }}).catch((error) => log(error.name)))"
        )),
        Just("clearInterval(every); every = setInterval(() => log('every', performance.now()), 2)".to_owned()),
        Just("queueMicrotask(() => log('microtask'))".to_owned()),
        Just("setImmediate(() => log('immediate'))".to_owned()),
        Just("if (Math.random() < 0.05) throw new Error(`${Math.random()}`)".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_a_script_reads_it_reads_again(steps in prop::collection::vec(step(), 1..20)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let first = runtime.block_on(async {
            let (base, _) = server().await;
            let source = format!("const BASE = '{base}';
                exports.main = async () => {{
                    const seen = [], later = []; let every;
                    const log = (...values) => {{ seen.push(values); console.log(...values) }};
                    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
                    try {{ {}; await Promise.all(later) }} finally {{ clearInterval(every) }}
                    return seen;
                }}", steps.join(";\n"));
            same_again(recorded(&source), 2).await
        });
        prop_assert!(first.result.is_ok() || first.result.is_err_and(|error| error.name == "Error"));
    }
}
