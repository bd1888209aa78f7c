//! Scripts that exceed their limits.

use std::time::Instant;

use super::*;

fn short(source: &str) -> Script {
    let limits = Limits { time: Duration::from_millis(300), ..script("").limits };
    Script { limits, ..script(source) }
}

/// Time enough for a busy machine.
fn patient(source: &str) -> Script {
    let limits = Limits { time: Duration::from_secs(120), ..script("").limits };
    Script { limits, ..script(source) }
}

#[tokio::test]
async fn whatever_goes_on_for_ever_ends_at_the_time_limit() {
    let endless = [
        "module.exports = () => { for (;;) {} }",
        "for (;;) {}",
        "for (;;) {}; export default 1",
        "module.exports = async () => { for (;;) await null }",
        "const again = () => { Promise.resolve().then(again) }; module.exports = () => new Promise(again)",
        "module.exports = () => { for (;;) { try { for (;;) {} } catch {} finally { continue } } }",
        "module.exports = () => new Promise(() => setInterval(() => {}, 1))",
        "module.exports = () => new Promise((resolve) => setTimeout(resolve, 1e6))",
        "export default async () => { await new Promise((resolve) => setTimeout(resolve, 1e6)) }",
        "module.exports = () => /^(a+)+$/.test('a'.repeat(40) + 'b')",
        "module.exports = () => ({ toJSON() { for (;;) {} } })",
        "module.exports = () => { throw { get message() { for (;;) {} } } }",
        "module.exports = () => { console.log({ get a() { return 1 }, toString() { for (;;) {} } } + '') }",
        "module.exports = () => [3, 2, 1].sort(() => { for (;;) {} })",
        "module.exports = () => new Promise(() => { (function again() { setTimeout(again, 0) })() })",
    ];
    for source in endless {
        let start = Instant::now();
        let (kind, name, message) = failure_of(short(source)).await;
        assert_eq!((kind.as_str(), name.as_str()), ("runtime", "TimeLimitExceeded"), "{source}");
        assert_eq!(message, "the script did not end within 0.3 seconds");
        assert!(start.elapsed() < Duration::from_secs(3), "{source}");
    }
}

#[tokio::test]
async fn a_promise_that_nothing_settles_ends_at_once() {
    let start = Instant::now();
    for source in
        ["module.exports = () => new Promise(() => {})", "export default async () => { await new Promise(() => {}) }"]
    {
        assert_eq!(failure(source).await.1, "PromiseNeverSettles");
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn whatever_allocates_without_end_ends_at_the_memory_limit() {
    let greedy = [
        "const again = () => { queueMicrotask(again); queueMicrotask(again) }; module.exports = () => new Promise(() => again())",
        "module.exports = () => { const a = []; for (;;) a.push({}) }",
        "module.exports = () => { let s = 'x'; for (;;) s += s }",
        "module.exports = () => { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length) }",
        "module.exports = () => { const a = []; for (;;) a.push(new Uint8Array(1e6)) }",
        "module.exports = () => { const a = []; for (;;) a.push(Buffer.alloc(1e6)) }",
        "module.exports = () => { const a = []; for (;;) a.push(Buffer.from('x'.repeat(1e6))) }",
        "module.exports = () => { const a = []; for (;;) a.push(Buffer.concat([Buffer.alloc(1e6), Buffer.alloc(1e6)])) }",
        "module.exports = () => Buffer.alloc(1e9)",
        "module.exports = () => { const a = []; for (;;) a.push(new TextEncoder().encode('x'.repeat(1e6))) }",
        "module.exports = () => { const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new URL('http://x.example/' + x)) }",
        "module.exports = () => { const p = new URLSearchParams(), x = 'x'.repeat(1e6); for (;;) p.append('a', x) }",
        "module.exports = () => { const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new URLSearchParams({ x })) }",
        "module.exports = () => { const m = new Map(); for (let i = 0;; i++) m.set(i, [i]) }",
        "module.exports = () => { const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new CustomEvent(x + a.length, { detail: x })) }",
        "module.exports = () => { const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new Event(x + a.length)) }",
        "module.exports = () => { const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new DOMException(x + a.length)) }",
        "module.exports = () => { const a = [], x = 'x'.repeat(1e6); Array.prototype.map = () => []; for (;;) a.push(new URL('http://x.example/' + x)) }",
        "module.exports = () => { const u = new URL('http://x.example/'), x = 'x'.repeat(1e6); for (;;) u.searchParams.append('a', x) }",
        "module.exports = () => { const h = new Headers(), x = 'x'.repeat(1e6); for (let i = 0;; i++) h.append('a', x + i) }",
        "module.exports = () => { const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new Response(x + a.length)) }",
        "module.exports = () => { const a = [], b = new Uint8Array(1e6); for (;;) a.push(structuredClone(b)) }",
        "module.exports = () => { const a = [], b = new Uint8Array(1e6); for (;;) a.push(new TextDecoder().decode(b)) }",
        "module.exports = () => { const a = [], b = Buffer.alloc(1e6); for (;;) a.push(b.toString('hex')) }",
        "module.exports = () => { const a = [], x = 'YWJj'.repeat(1e5); for (;;) a.push(atob(x), btoa(x)) }",
        "module.exports = () => { const a = [], x = ['x'.repeat(9000)]; for (;;) a.push(require('util').inspect(x)) }",
        "module.exports = () => new Array(1e8).fill('x')",
        "module.exports = async () => { const a = []; for (;;) { a.push(new Array(1000).fill(0)); await null } }",
        "const a = []; for (;;) a.push([]); export default 1",
        "module.exports = () => { const a = []; try { for (;;) a.push({}) } catch (e) { throw e } }",
        "module.exports = () => JSON.stringify(new Array(1e7).fill('x'))",
    ];
    for source in greedy {
        let (kind, name, message) = failure_of(patient(source)).await;
        assert_eq!((kind.as_str(), name.as_str()), ("runtime", "MemoryLimitExceeded"), "{source}: {message}");
        assert_eq!(message, "the script needed more than 32 MB of memory");
    }
}

#[tokio::test]
async fn deep_recursion_is_an_error_that_a_script_can_catch() {
    let check = async |source: &str| {
        let (_, name, message) = failure(source).await;
        assert_eq!((name.as_str(), message.as_str()), ("RangeError", "Maximum call stack size exceeded"), "{source}");
    };
    check("module.exports = function f() { return f() + 1 }").await;
    check("const o = { get a() { return this.a } }; module.exports = () => o.a").await;
    check("module.exports = function f() { return [1].map(f) }").await;
    check("const p = new Proxy({}, { get(t, k, r) { return r[k] } }); module.exports = () => p.x").await;
    check("module.exports = () => JSON.parse('['.repeat(1e6))").await;
    let caught = "const f = () => f() + 1; module.exports = () => { try { f() } catch (e) { return e.name } }";
    assert_eq!(value(caught).await, json!("RangeError"));
}

#[tokio::test]
async fn printing_a_megabyte_fails_the_script() {
    let printers = [
        "module.exports = () => { for (let i = 0; i < 16384; i++) console.log('x'.repeat(63)) }",
        "module.exports = () => console.log('x'.repeat(1e6))",
        "module.exports = () => { for (;;) { try { console.log('x'.repeat(1000)) } catch {} } }",
    ];
    for source in printers {
        let report = report(script(source)).await;
        let error = report.result.unwrap_err();
        assert_eq!(error.name, "OutputTooLarge", "{source}");
        assert_eq!(error.message, "the script printed more than 262144 bytes");
        assert!(report.lines.iter().map(|line| line.message.len()).sum::<usize>() < 70_000);
        assert!(report.lines.last().unwrap().message.starts_with("[truncated"));
    }
}

#[tokio::test]
async fn what_was_printed_before_the_time_limit_is_kept() {
    let report = report(short("module.exports = () => { console.log('here'); for (;;) {} }")).await;
    assert_eq!(messages(&report), ["here"]);
}

#[tokio::test]
async fn what_a_script_replaces_makes_nothing_panic() {
    let sources = [
        "module.exports = async () => { Math.max = () => NaN; await new Promise((resolve) => setTimeout(resolve, 1)); return 1 }",
        "module.exports = () => { try { new EventTarget().dispatchEvent({}) } catch { return 1 } }",
        "Array.prototype.map = () => { throw 1 }; module.exports = () => Buffer.from([1, 2]).length - 1",
        "Map.prototype.get = Map.prototype.set = null; module.exports = () => new Promise((r) => setTimeout(r, 1, 1))",
        "Promise.prototype.then = () => { throw 1 }; module.exports = () => new Promise((r) => queueMicrotask(() => r(1)))",
        "const m = new Map([[1, 2]]); Array.prototype[Symbol.iterator] = null; module.exports = () => { console.log(m, { a: [1] }, '%s', 1); return 1 }",
        "Array.prototype.push = Array.prototype.join = String.prototype.slice = RegExp.prototype.exec = Map.prototype.forEach = null; module.exports = () => Number(require('util').inspect({ a: [1, new Map([[1, 2]])] }) === '{ a: [ 1, Map(1) { 1 => 2 } ] }')",
        "module.exports = () => { console.log(new (class { get href() { throw 1 } })()); return 1 }",
        "let d = {}; for (let i = 0; i < 1e5; i++) d = { d }; module.exports = () => { require('util').inspect(d, { depth: null }); return 1 }",
        "Object.defineProperty(Object.prototype, 'get', { get() { throw 1 } }); module.exports = () => Number(new URL('a:1').pathname)",
        "Object.getPrototypeOf = Object.defineProperty = Reflect.apply = null; module.exports = () => new URL('a:1').href.length - 2",
    ];
    for source in sources {
        assert_eq!(value(source).await, json!(1), "{source}");
    }
}

#[tokio::test]
async fn a_script_that_cannot_be_stopped_is_abandoned() {
    let sandbox = sandbox();
    let endless =
        "module.exports = () => { console.log('here'); Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1) }";
    let report = sandbox.run(short(endless), no_effect()).await.unwrap();
    assert_eq!(report.result.as_ref().unwrap_err().name, "TimeLimitExceeded");
    assert_eq!(messages(&report), ["here"]);
    let next = sandbox.run(script("module.exports = () => 1"), no_effect()).await.unwrap();
    assert_eq!(next.result, Ok(json!(1)));
}

#[tokio::test]
async fn cycles_through_the_host_do_not_break_the_engine() {
    let source = "module.exports = () => {
        for (let i = 0; i < 100; i++) {
            const a = new AbortController(); const both = AbortSignal.any([a.signal]);
            both.addEventListener('abort', () => a); a.signal.owner = both;
            setTimeout(() => both, 1e6);
        }
        return 1;
    }";
    assert_eq!(value(source).await, json!(1));
}

#[tokio::test]
async fn many_scripts_run_at_once() {
    let sandbox = sandbox();
    let source = "module.exports = async () => { await new Promise((resolve) => setTimeout(resolve, 50)); return 1 }";
    let runs = (0..200).map(|_| sandbox.run(script(source), no_effect()));
    for report in futures::future::join_all(runs).await {
        assert_eq!(report.unwrap().result, Ok(json!(1)));
    }
}

#[tokio::test]
async fn heavy_work_of_the_host_stops_at_the_time_limit() {
    let sandbox = sandbox();
    let heavy = [
        "const z = require('zlib'); let t = ''; for (let i = 0; i < 60000; i++) t += Math.random().toString(36); const go = () => z.brotliCompressSync(t); module.exports = () => { for (;;) go() }",
        "const z = require('zlib'), t = require('crypto').randomBytes(2e6); module.exports = () => { for (;;) z.gzipSync(t, { level: 9 }) }",
        "const c = require('crypto'); module.exports = () => c.pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512')",
        "const c = require('crypto'); module.exports = () => { for (;;) c.scryptSync('a', 'b', 64, { N: 2 ** 14 }) }",
        "const c = require('crypto'), b = Buffer.alloc(4e6); module.exports = () => { for (;;) c.createHash('sha512').update(b).digest() }",
        "const b = Buffer.alloc(1e6); module.exports = () => { for (;;) structuredClone([b, b.toString('hex')]) }",
        "const a = Array.from({ length: 1e5 }, (_, i) => -i); module.exports = () => { for (;;) JSON.parse(JSON.stringify([...a].sort())) }",
    ];
    sandbox.run(script("module.exports = () => 1"), no_effect()).await.unwrap().result.unwrap();
    let worker = sandbox.worker_id();
    for source in heavy {
        let error = sandbox.run(short(source), no_effect()).await.unwrap().result.unwrap_err();
        assert_eq!(error.name, "TimeLimitExceeded", "{source}: {}", error.message);
        // A script that does not stop is given up with the worker.
        let next = sandbox.run(script("module.exports = () => 1"), no_effect()).await.unwrap();
        assert_eq!((next.result, sandbox.worker_id()), (Ok(json!(1)), worker), "{source}");
    }
}

#[tokio::test]
async fn keys_that_take_too_long_to_make_are_refused() {
    let (_, name, message) =
        failure("module.exports = () => require('crypto').generateKeyPairSync('rsa', { modulusLength: 8192 })").await;
    assert_eq!((name.as_str(), message.contains("8192")), ("NotSupported", true), "{message}");
}
