//! Failures that nobody handles, and those that look like exhausted memory.

use super::*;

async fn check(source: &str, expected: (&str, &str)) {
    let (kind, name, message) = failure(source).await;
    assert_eq!((kind.as_str(), name.as_str(), message.as_str()), ("runtime", expected.0, expected.1), "{source}");
}

#[tokio::test]
async fn a_rejection_that_nothing_handles_fails_the_script() {
    let lost = ("UnhandledRejection", "a promise was rejected and nothing handles it: Error: lost");
    let sources = [
        "function main() { (async () => { throw new Error('lost') })(); return 1 }",
        "export default () => { Promise.reject(new Error('lost')); return 1 }",
        "export default () => { new Promise((_, reject) => reject(new Error('lost'))); return new Promise((r) => setTimeout(r, 1e6)) }",
        "export default async () => { const p = Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1)); await p.catch(() => 1) }",
        "export default () => { Promise.resolve().then(() => { throw new Error('lost') }); return 1 }",
        "export default () => { Promise.reject(1).catch(() => { throw new Error('lost') }); return 1 }",
        "export default () => { Promise.reject(new Error('lost')).finally(() => {}); return 1 }",
        "export default async () => { setTimeout(async () => { throw new Error('lost') }, 1); await new Promise((r) => setTimeout(r, 1e6)) }",
        "export default async () => { await null; Promise.reject(new Error('lost')); return 1 }",
        "Promise.reject(new Error('lost')); export default () => 1",
        "Promise.reject(new Error('lost')); module.exports = () => 1",
        "export default () => { Promise.all([Promise.reject(new Error('lost'))]); return 1 }",
        "Map.prototype.set = () => {}; export default () => { Promise.reject(new Error('lost')); return 1 }",
    ];
    for source in sources {
        check(source, lost).await;
    }
    let shown = |reason: &str| format!("a promise was rejected and nothing handles it: {reason}");
    for (thrown, reason) in [("'text'", "'text'"), ("undefined", "undefined"), ("{ a: [1] }", "{ a: [ 1 ] }")] {
        let source = format!("export default () => {{ Promise.reject({thrown}); return 1 }}");
        check(&source, ("UnhandledRejection", &shown(reason))).await;
    }
    let report = report(script("export default () => {\n  Promise.reject(new Error('lost')); return 1 }")).await;
    assert!(messages(&report)[0].contains("script.js:2"), "{:?}", report.lines);
}

#[tokio::test]
async fn a_rejection_that_is_handled_in_time_is_fine() {
    let sources = [
        "export default () => { Promise.reject(new Error('x')).catch(() => {}); return 1 }",
        "export default () => { const p = Promise.reject(new Error('x')); Promise.resolve().then(() => p.catch(() => {})); return 1 }",
        "export default async () => { const p = (async () => { throw 1 })(); await null; await null; try { await p } catch { return 1 } }",
        "export default () => Promise.allSettled([Promise.reject(1)]).then(() => 1)",
        "export default () => Promise.race([Promise.resolve(1), Promise.reject(2)])",
        "export default () => Promise.any([Promise.reject(2), Promise.resolve(1)])",
        "export default async () => { for await (const x of (async function* () { yield 1 })()) return x }",
        "export default () => new Promise((resolve, reject) => { resolve(1); reject(new Error('x')) })",
    ];
    for source in sources {
        assert_eq!(value(source).await, json!(1), "{source}");
    }
}

#[tokio::test]
async fn the_scripts_own_failure_comes_first() {
    check(
        "export default async () => { Promise.reject(new Error('lost')); throw new Error('mine') }",
        ("Error", "mine"),
    )
    .await;
}

#[tokio::test]
async fn what_a_callback_throws_is_the_failure() {
    for start in ["setTimeout(f, 1)", "setInterval(f, 1)", "setImmediate(f)", "queueMicrotask(f)"] {
        let source = format!(
            "export default () => {{ const f = () => {{ throw new RangeError('far') }}; {start}; return new Promise(() => setTimeout(() => {{}}, 1e6)) }}"
        );
        check(&source, ("RangeError", "far")).await;
    }
    let listener = "export default async () => { const t = new EventTarget(); t.addEventListener('x', () => { throw new RangeError('far') });
        t.dispatchEvent(new Event('x')); await null; return 1 }";
    check(listener, ("RangeError", "far")).await;
}

#[tokio::test]
async fn nothing_that_is_thrown_looks_like_exhausted_memory() {
    for thrown in ["null", "undefined", "0", "''", "{ name: 'InternalError', message: 'out of memory' }"] {
        for source in [
            format!("module.exports = () => {{ throw {thrown} }}"),
            format!("module.exports = () => Promise.reject({thrown})"),
            format!("module.exports = async () => {{ await null; throw {thrown} }}"),
            format!("throw {thrown}"),
            format!("throw {thrown}; export default 1"),
            format!("module.exports = () => new Promise(() => setTimeout(() => {{ throw {thrown} }}, 1))"),
        ] {
            assert_ne!(failure(&source).await.1, "MemoryLimitExceeded", "{source}");
        }
    }
    check("module.exports = () => { throw null }", ("Error", "null")).await;
    check("module.exports = () => { throw new Error('out of memory') }", ("Error", "out of memory")).await;
    check("module.exports = () => { throw new SyntaxError('out of memory') }", ("SyntaxError", "out of memory")).await;
    assert_eq!(value("module.exports = () => typeof InternalError").await, json!("undefined"));
}

#[tokio::test]
async fn exhausted_memory_is_the_failure_even_if_the_script_goes_on() {
    let sources = [
        "module.exports = () => { try { 'x'.repeat(2 ** 27).concat('x'.repeat(2 ** 27)) } catch {} return 1 }",
        "module.exports = () => { try { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length) } catch {} return 1 }",
        "module.exports = () => { try { new Uint8Array(1e9) } catch {} return 1 }",
        "module.exports = () => { try { Buffer.alloc(1e9) } catch {} return 1 }",
        "module.exports = async () => { try { await (async () => new Array(1e8).fill(0))() } catch {} return 1 }",
        "module.exports = () => { try { [...Array(1e7).keys()].map(String).join() } catch {} for (;;) {} }",
        "module.exports = () => { Promise.resolve().then(() => new Uint8Array(1e9)).catch(() => {}); return new Promise((r) => setTimeout(r, 5)) }",
        "module.exports = () => { let list; for (;;) list = { list } }",
        "module.exports = () => { const s = new Set(); for (let i = 0;; i++) s.add('' + i) }",
        "let list; module.exports = async () => { for (;;) { list = { list }; await null } }",
        "module.exports = () => { try { new Uint8Array(1e9) } catch (e) { throw null } }",
    ];
    for source in sources {
        let limits = Limits { time: Duration::from_secs(120), ..script("").limits };
        let (_, name, message) = failure_of(Script { limits, ..script(source) }).await;
        assert_eq!(
            (name.as_str(), message.as_str()),
            ("MemoryLimitExceeded", "the script needed more than 32 MB of memory"),
            "{source}"
        );
    }
}

#[tokio::test]
async fn printing_stops_while_the_text_is_made() {
    let printers = [
        "const x = 'x'.repeat(1e6); module.exports = () => console.log(...Array(64).fill(x))",
        "const x = 'x'.repeat(1e6); module.exports = () => console.log('%s'.repeat(64), ...Array(64).fill(x))",
        "const x = 'x'.repeat(1e6); module.exports = () => console.log({ a: Array(64).fill(x.slice(0, 9000)) })",
        "const x = 'x'.repeat(1e6); module.exports = () => console.log(Object.fromEntries(Array.from({ length: 64 }, (_, i) => [x.slice(0, 9000) + i, 1])))",
        "const x = 'x'.repeat(1e6); module.exports = () => console.error(new Error(x))",
        "const x = 'x'.repeat(1e6); module.exports = () => console.log(Symbol(x), [Symbol(x)])",
        "module.exports = () => console.log(Object.fromEntries(Array.from({ length: 5e4 }, (_, i) => ['key' + i, i])))",
        "let a = 'x'; for (let i = 0; i < 16; i++) a = [a, a, a, a]; module.exports = () => console.dir(a, { depth: null })",
        "module.exports = () => console.table(Array(2000).fill({ a: 'x'.repeat(500) }))",
    ];
    for source in printers {
        let limits = Limits { time: Duration::from_secs(120), ..script("").limits };
        let report = report(Script { limits, ..script(source) }).await;
        assert_eq!(report.result.unwrap_err().name, "OutputTooLarge", "{source}");
        assert!(report.lines.iter().map(|line| line.message.len()).sum::<usize>() < 70_000, "{source}");
    }
}
