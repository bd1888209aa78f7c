//! What a script may look like, what it finds and what it may return.

use super::*;

#[tokio::test]
async fn every_shape_of_script_is_called_with_the_task() {
    let shapes = [
        "export default function (task) { return task.data.event.n + 1 }",
        "export default async (task) => task.data.event.n + 1",
        "export const main = (task) => task.data.event.n + 1",
        "export async function handler(task) { return task.data.event.n + 1 }",
        "function doTask(task) { return task.data.event.n + 1 }\nexport { doTask }",
        "export default { handler(task) { return task.data.event.n + 1 } }",
        "import { URL } from 'url'; export const main = async (task) => (await task).data.event.n + 1",
        "module.exports = (task) => task.data.event.n + 1",
        "module.exports = { main: (task) => task.data.event.n + 1 }",
        "exports.handler = async function (task) { return task.data.event.n + 1 }",
        "exports.doTask = (task) => task.data.event.n + 1",
        "exports.default = (task) => task.data.event.n + 1",
        "function main(task) { return task.data.event.n + 1 }",
        "const handler = async (task) => task.data.event.n + 1",
        "globalThis.doTask = (task) => task.data.event.n + 1",
        "#!/usr/bin/env node\nmodule.exports = (task) => task.data.event.n + 1 // the end",
    ];
    for source in shapes {
        assert_eq!(value(source).await, json!(42), "{source}");
    }
}

#[tokio::test]
async fn an_entry_point_names_the_function() {
    for source in [
        "export const other = () => 1; export default () => 2",
        "exports.other = () => 1",
        "function other() { return 1 }",
    ] {
        for name in ["other", "index.other"] {
            let script = Script { entry_point: Some(name.to_owned()), ..script(source) };
            assert_eq!(report(script).await.result, Ok(json!(1)), "{source}");
        }
    }
    let script = Script { entry_point: Some("missing".to_owned()), ..script("export const main = () => 1") };
    let (kind, name, message) = failure_of(script).await;
    assert_eq!((kind.as_str(), name.as_str()), ("invocation", "EntryPointNotFound"));
    assert_eq!(message, "the script exports no function `missing`; it exports `main`");
    for (source, exported) in [("exports.mian = () => 5", "`mian`"), ("var a; this.b = 1; exports", "nothing")] {
        let (_, _, message) = failure(source).await;
        let no_function = "the script has no default export and exports no function main, handler or doTask";
        assert_eq!(message, format!("{no_function}; it exports {exported}"), "{source}");
    }
}

#[tokio::test]
async fn a_script_without_a_function_fails() {
    for source in ["", "export const x = 1", "module.exports = 5", "const main = 1"] {
        assert_eq!(failure(source).await.1, "EntryPointNotFound", "{source}");
    }
}

#[tokio::test]
async fn results_are_what_json_makes_of_them() {
    let check = async |returned: &str, expected: Value| {
        assert_eq!(value(&format!("module.exports = () => ({returned})")).await, expected, "{returned}");
    };
    check("undefined", Value::Null).await;
    check("() => 1", Value::Null).await;
    check(
        "{a: [1, 'é', null, true, undefined], b: new Date(0)}",
        json!({"a": [1, "é", null, true, null], "b": "1970-01-01T00:00:00.000Z"}),
    )
    .await;
    check("Promise.resolve('x')", json!("x")).await;
    check("{ then(resolve) { resolve(1) } }", json!(1)).await;
    check("Buffer.from('hi').toString('base64')", json!("aGk=")).await;
    check("'a\\0b'", json!("a\0b")).await;
    check(
        "Buffer.alloc(5, 'ab').toString() + Buffer.concat([Buffer.from('a'), Buffer.from('YmM=', 'base64')], 2)",
        json!("ababaab"),
    )
    .await;
    check("new URL('/x?a=1', new URL('https://h.example')).searchParams.get('a')", json!("1")).await;
    check("new URL('https://h.example') instanceof URL && Buffer.from([1]) instanceof Buffer", json!(true)).await;
    check("new URLSearchParams([['a', 1], ['b', '&']]).toString()", json!("a=1&b=%26")).await;
    check("new TextEncoder().encodeInto('aé', new Uint8Array(2))", json!({"read": 1, "written": 1})).await;
}

#[tokio::test]
async fn results_that_json_cannot_carry_fail() {
    assert_eq!(failure("module.exports = () => 10n").await.1, "TypeError");
    assert_eq!(failure("module.exports = () => { const a = {}; a.a = a; return a }").await.1, "TypeError");
    assert_eq!(failure("module.exports = () => '\\ud800'").await.1, "InvalidResult");
    let reserved = "module.exports = () => [{ '$serde_json::private::RawValue': '[1]' }]";
    assert_eq!(failure(reserved).await.1, "InvalidResult");
    for levels in [64, 1000] {
        let deep =
            format!("module.exports = () => {{ let a = []; for (let i = 0; i < {levels}; i++) a = [a]; return a }}");
        assert_eq!(failure(&deep).await.1, "OutputTooLarge");
    }
    assert_eq!(failure("module.exports = () => 'x'.repeat(131071)").await.1, "OutputTooLarge");
}

#[tokio::test]
async fn what_is_thrown_is_the_error() {
    let check = async |thrown: &str, name: &str, message: &str| {
        for source in [
            format!("module.exports = () => {{ throw {thrown} }}"),
            format!("module.exports = async () => {{ throw {thrown} }}"),
            format!("module.exports = () => Promise.reject({thrown})"),
            format!("module.exports = () => new Promise(() => setTimeout(() => {{ throw {thrown} }}, 1))"),
            format!("throw {thrown}"),
            format!("throw {thrown}; export default 1"),
        ] {
            let failure = failure(&source).await;
            assert_eq!(failure, ("runtime".to_owned(), name.to_owned(), message.to_owned()), "{source}");
        }
    };
    check("new Error('boom')", "Error", "boom").await;
    check("new RangeError('far')", "RangeError", "far").await;
    check("Object.assign(new Error('x'), { name: 'Mine' })", "Mine", "x").await;
    check("new (class Own extends Error { name = 'Own' })('y')", "Own", "y").await;
    check("'text'", "Error", "text").await;
    check("42", "Error", "42").await;
    check("{ code: 7 }", "Error", "{\"code\":7}").await;
    check("undefined", "Error", "undefined").await;
    check("new Error('half \\ud800 of it')", "Error", "half \u{fffd} of it").await;
    check("'\\udfff'", "Error", "\u{fffd}").await;
    check("{ code: '\\ud800' }", "Error", r#"{"code":"\ud800"}"#).await;
    check("Symbol('s')", "Error", "something without a text was thrown").await;
    let revoked = "(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()";
    check(revoked, "Error", "something without a text was thrown").await;
    check("new Proxy({ message: 'm' }, { getPrototypeOf() { throw 1 } })", "Error", "m").await;
    check("{ get name() { throw 1 }, get message() { throw 2 } }", "Error", "[object Object]").await;
}

#[tokio::test]
async fn a_syntax_error_says_where() {
    let report = report(script("export default function () {\n  return 1 +;\n}")).await;
    assert_eq!(report.result.as_ref().unwrap_err().name, "SyntaxError");
    assert!(messages(&report)[0].contains("script.js:2"), "{:?}", report.lines);
    let report = super::report(script("function main() {\n  return 1 +;\n}")).await;
    assert!(messages(&report)[0].contains("script.js:2"), "{:?}", report.lines);
}

#[tokio::test]
async fn a_module_must_not_await_outside_functions() {
    for source in ["await null; export default () => 1", "export default await new Promise(() => {})"] {
        let expected = ("runtime", "SyntaxError", "a script cannot await outside of its functions");
        let (kind, name, message) = failure(source).await;
        assert_eq!((kind.as_str(), name.as_str(), message.as_str()), expected, "{source}");
    }
}

#[tokio::test]
async fn what_is_printed_becomes_lines() {
    let report = report(script(
        "module.exports = () => { console.log('a', 1, {b: [2]}); console.error('%s is %d', 'x', 5); console.assert(false, 'no'); }",
    ))
    .await;
    assert_eq!(messages(&report), ["a 1 { b: [ 2 ] }", "x is 5", "Assertion failed: no"]);
}

#[tokio::test]
async fn a_thrown_error_leaves_its_stack_in_the_lines() {
    let report = report(script("function main() {\n  throw new Error('boom');\n}")).await;
    assert!(messages(&report)[0].starts_with("Error: boom\n"));
    assert!(messages(&report)[0].contains("script.js:2"), "{:?}", report.lines);
}

#[tokio::test]
async fn timers_run_in_order() {
    let source = "const out = []; const { setTimeout: sleep } = require('timers/promises');
        module.exports = async () => {
            const never = setTimeout(() => out.push('never'), 1);
            setTimeout((x) => out.push(x), 1, 'soon');
            setImmediate(() => out.push('immediate'));
            queueMicrotask(() => out.push('first'));
            clearTimeout(never);
            out.push(await sleep(5, 'slept'));
            await new Promise((resolve) => {
                const interval = setInterval(() => { if (out.push('tick') === 6) { clearInterval(interval); resolve() } }, 1);
            });
            await sleep(5);
            return out;
        }";
    assert_eq!(value(source).await, json!(["first", "soon", "immediate", "slept", "tick", "tick"]));
}

#[tokio::test]
async fn the_usual_globals_and_modules_are_there() {
    let source = "import { URL as U } from 'node:url'; import { Buffer as B } from 'buffer'; import { EventEmitter } from 'events';
        import util from 'util'; import { setTimeout as s } from 'timers';
        export default async () => {
            const signal = AbortSignal.timeout(1);
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            const emitter = new EventEmitter(); let got; emitter.on('x', (v) => { got = v }); emitter.emit('x', 3);
            return [new URL('a', 'https://b.example/').href, U === URL, B.from('a').toString('hex'), atob('YQ=='),
                new URLSearchParams({ a: 'b c' }).toString(), new TextDecoder().decode(new TextEncoder().encode('é')),
                signal.reason.name, got, typeof util.format, s === setTimeout, process.env.KEY, Object.keys(process.env)];
        }";
    let expected = json!([
        "https://b.example/a",
        true,
        "61",
        "a",
        "a=b+c",
        "é",
        "TimeoutError",
        3,
        "function",
        true,
        "value",
        ["KEY"]
    ]);
    assert_eq!(value(source).await, expected);
}

#[tokio::test]
async fn nothing_of_the_machine_is_there() {
    let source = "module.exports = () => [typeof require('url'), typeof globalThis.std, typeof globalThis.os,
        typeof globalThis.Deno, [process.argv, process.cwd(), process.pid, process.versions], typeof globalThis.__bootstrap, typeof module.constructor.constructor('return this')().fs]";
    assert_eq!(
        value(source).await,
        json!(["object", "undefined", "undefined", "undefined", [["node", "/script"], "/", 1, {"node": "20.20.2"}], "undefined", "undefined"])
    );
    for name in
        ["fs", "node:fs", "child_process", "os", "./x.js", "/etc/passwd", "hookyard:prelude", "https://x.example/y.js"]
    {
        for source in [
            format!("import x from '{name}'; export default () => 1"),
            format!("export default () => import('{name}')"),
            format!("module.exports = () => require('{name}')"),
        ] {
            let message = failure(&source).await.2;
            assert!(message.contains("a script can import"), "{source}: {message}");
        }
    }
}

#[tokio::test]
async fn the_environment_cannot_be_changed() {
    assert_eq!(failure("'use strict'; module.exports = () => { process.env.KEY = 'x' }").await.1, "TypeError");
    let source = "module.exports = () => { process.env.KEY = 'x'; process.env.NEW = 'y'; return process.env }";
    assert_eq!(value(source).await, json!({"KEY": "value"}));
}

#[tokio::test]
async fn a_script_sees_nothing_of_another_one() {
    let sandbox = sandbox();
    let source = "module.exports = () => { globalThis.seen = (globalThis.seen ?? 0) + 1; Array.prototype.x = 1; return [seen, Object.keys(Array.prototype)] }";
    for _ in 0..3 {
        let report = sandbox.run(script(source), no_effect()).await.unwrap();
        assert_eq!(report.result, Ok(json!([1, ["x"]])));
    }
}

#[tokio::test]
async fn a_stack_names_the_places_that_the_author_sees() {
    let check = async |source: &str, frames: &[&str]| {
        let report = report(script(source)).await;
        let lines = messages(&report);
        let stack: Vec<&str> = lines.last().unwrap().lines().skip(1).map(str::trim).collect();
        assert_eq!(stack[..frames.len().min(stack.len())], *frames, "{source}: {lines:?}");
    };
    check("exports.main = () => { throw new Error('x') }", &["at script.js:1:34"]).await;
    check("export const main = () => { throw new Error('x') }", &["at main (script.js:1:39)"]).await;
    check("throw new Error('x')", &["at script.js:1:11"]).await;
    check("export const main = 1; throw new Error('x')", &["at script.js:1:34"]).await;
    check("exports.main = () => { const s = 'ä😀'; throw new Error(s) }", &["at script.js:1:51"]).await;
    check("exports.main = () => {\n  const s = 'ä😀'; throw new Error(s)\n}", &["at script.js:2:30"]).await;
    check("exports.main = async () => { await null; throw new Error('x') }", &["at script.js:1:52"]).await;
    check(
        "exports.main = () => new Promise(() => setTimeout(() => { throw new Error('x') }, 1))",
        &["at script.js:1:69"],
    )
    .await;
    check("exports.main = async () => { Promise.reject(new Error('x')); await 1 }", &["at script.js:1:49"]).await;
    check("exports.main = () => { JSON.parse('{') }", &["at parse (<anonymous>)", "at script.js:1:29"]).await;
}

#[tokio::test]
async fn a_script_that_formats_stacks_itself_gets_the_same_places() {
    let source = "exports.main = () => { Error.prepareStackTrace = (error, sites) => sites.map((site) => [site.getLineNumber(), site.getColumnNumber()]); return new Error('x').stack[0] }";
    assert_eq!(value(source).await, json!([1, 148]));
}
