//! Scripts of several files.

use super::*;

fn package(files: &[(&str, &str)]) -> Script {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.to_string().into()));
    Script { source: "".into(), files: Arc::new(files.collect()), ..script("") }
}

async fn returned(files: &[(&str, &str)]) -> Value {
    let report = report(package(files)).await;
    report.result.unwrap_or_else(|error| panic!("{error:?} {:?}", report.lines))
}

async fn failed(files: &[(&str, &str)]) -> (String, String, String) {
    failure_of(package(files)).await
}

/// What is wrong with a package before it ever runs.
async fn checked(files: &[(&str, &str)]) -> Result<(), String> {
    sandbox().check(package(files)).await.unwrap().map_err(|error| error.message)
}

#[tokio::test]
async fn files_require_each_other_and_vendored_packages() {
    let value = returned(&[
        (
            "index.js",
            "const { add } = require('./lib/math'); const data = require('./data.json'); const v = require('vendored');
            const scoped = require('@s/pkg/sub'); const url = require('url');
            exports.handler = async (task) => [add(task.data.event.n, 1), data.list[1], v.name, scoped, typeof url.parse,
                __filename, __dirname, require.resolve('./lib/math'), module.id, this === undefined, require.main === module]",
        ),
        ("lib/math.js", "const one = require('.'); exports.add = (a, b) => a + b * one; exports.here = __dirname"),
        ("lib/index.js", "module.exports = 1"),
        ("data.json", "\u{feff}{\"list\": [1, 2]}"),
        ("node_modules/vendored/package.json", "{\"main\": \"./dist\"}"),
        ("node_modules/vendored/dist/index.js", "exports.name = require('nested') + __filename"),
        ("node_modules/vendored/node_modules/nested/index.js", "module.exports = 'nested in '"),
        ("node_modules/@s/pkg/package.json", "{\"exports\": {\"./sub\": \"./s.cjs\"}}"),
        ("node_modules/@s/pkg/s.cjs", "module.exports = 'scoped'"),
    ])
    .await;
    let expected = json!([
        42,
        2,
        "nested in /node_modules/vendored/dist/index.js",
        "scoped",
        "function",
        "/index.js",
        "/",
        "/lib/math.js",
        "/index.js",
        false,
        false
    ]);
    assert_eq!(value, expected);
}

#[tokio::test]
async fn modules_import_each_other_and_what_commonjs_exports() {
    let value = returned(&[
        ("package.json", "{\"type\": \"module\"}"),
        (
            "index.js",
            "import { add } from './lib/math.js'; import vendored, { name, gone } from 'vendored'; import * as all from './old.cjs';
            import data from './data.json'; import { Buffer } from 'node:buffer';
            export const handler = async (task) => {
                const { late } = await import('./late.mjs');
                return [add(task.data.event.n, 1), vendored.name, name, gone, Object.keys(all).sort(), data.x, late,
                    import.meta.url, Buffer.from('a').toString('hex')];
            }",
        ),
        ("lib/math.js", "export const add = (a, b) => a + b"),
        ("late.mjs", "export const late = 'late'"),
        ("old.cjs", "exports.a = 1; exports['b'] = 2; module.exports.c = 3"),
        ("data.json", "{\"x\": \"json\"}"),
        ("node_modules/vendored/index.js", "module.exports = { name: 'v', gone: undefined }"),
    ])
    .await;
    let keys = json!(["a", "b", "c", "default"]);
    assert_eq!(value, json!([42, "v", "v", null, keys, "json", "late", "file:///index.js", "61"]));
}

#[tokio::test]
async fn each_file_runs_once_and_in_order() {
    let files = [
        (
            "index.mjs",
            "import './a.mjs'; import './b.cjs'; import { order } from './c.cjs'; export default () => order",
        ),
        ("a.mjs", "import c from './c.cjs'; c.order.push('a')"),
        ("b.cjs", "require('./c').order.push('b')"),
        ("c.cjs", "exports.order = ['c']"),
    ];
    assert_eq!(returned(&files).await, json!(["c", "a", "b"]));
    let files = [
        ("index.js", "const first = require('./count'); delete require.cache[require.resolve('./count')];
            module.exports = () => [first === require('./count'), require('./count') === require('./count'), Object.keys(require.cache)]"),
        ("count.js", "module.exports = {}"),
    ];
    assert_eq!(returned(&files).await, json!([false, true, ["/index.js", "/count.js"]]));
}

#[tokio::test]
async fn files_in_a_circle_see_each_other_half_made() {
    let files = [
        ("index.js", "const a = require('./a'); exports.main = () => [a.done, a.seen, require('./b').seen]"),
        ("a.js", "exports.done = false; const b = require('./b'); exports.seen = b.done; exports.done = true"),
        ("b.js", "exports.done = false; const a = require('./a'); exports.seen = a.done; exports.done = true"),
    ];
    assert_eq!(returned(&files).await, json!([true, true, false]));
    let files = [
        (
            "index.mjs",
            "import { odd } from './odd.mjs'; export const even = (n) => n === 0 || odd(n - 1); export default () => even(10)",
        ),
        ("odd.mjs", "import { even } from './index.mjs'; export const odd = (n) => n !== 0 && even(n - 1)"),
    ];
    assert_eq!(returned(&files).await, json!(true));
}

#[tokio::test]
async fn an_entry_point_names_file_and_function() {
    let files = [
        ("src/app.js", "exports.api = { run: () => 'run' }; exports.handler = () => 'handler'"),
        ("src/module.mjs", "export function handler() { return 'module' }"),
    ];
    for (entry_point, expected) in
        [("src/app.handler", "handler"), ("src/app.api.run", "run"), ("src/module.handler", "module")]
    {
        let script = Script { entry_point: Some(entry_point.to_owned()), ..package(&files) };
        assert_eq!(report(script).await.result, Ok(json!(expected)), "{entry_point}");
    }
    let check = async |entry_point: Option<&str>, expected: &str| {
        let script = Script { entry_point: entry_point.map(str::to_owned), ..package(&files) };
        let (kind, name, message) = failure_of(script).await;
        assert_eq!((kind.as_str(), name.as_str(), message.as_str()), ("invocation", "EntryPointNotFound", expected));
    };
    check(Some("src/app.gone"), "the file /src/app.js exports no function `gone`; it exports `api`, `handler`").await;
    check(Some("app.handler"), "the package has no file `app.js`, but a file `src/app.js`").await;
    check(None, "the package has no file `index.js`").await;
}

#[tokio::test]
async fn errors_name_the_file_inside_of_the_package() {
    let files = [
        ("index.js", "exports.main = () => require('./lib/a')()"),
        ("lib/a.js", "module.exports = () => {\n  throw new Error('boom')\n}"),
    ];
    let report = report(package(&files)).await;
    assert!(messages(&report)[0].contains("/lib/a.js:2"), "{:?}", report.lines);
    assert!(messages(&report)[0].contains("/index.js:1"), "{:?}", report.lines);
    for files in [
        [("index.js", "require('./a')"), ("a.js", "const x = 1\nconst y = ;")],
        [("index.mjs", "import './a.js'"), ("a.js", "const x = 1\nconst y = ;")],
    ] {
        let (_, name, message) = failed(&files).await;
        assert_eq!(name, "SyntaxError");
        assert!(message.starts_with("/a.js:2:"), "{message}");
        let message = checked(&files).await.unwrap_err();
        assert!(message.starts_with("/a.js:2:"), "{message}");
    }
    let (_, name, message) = failed(&[("index.js", "require('./a.json')"), ("a.json", "{")]).await;
    assert_eq!(name, "SyntaxError");
    assert!(message.starts_with("/a.json:1:1: EOF"), "{message}");
}

#[tokio::test]
async fn a_missing_module_can_be_caught_and_is_named() {
    let files = [(
        "index.js",
        "const codes = []; for (const name of ['./gone', 'gone', 'fs', 'node:fs']) { try { require(name) } catch (error) { codes.push(error.code) } }
        exports.main = async () => { try { await import('gone') } catch (error) { codes.push(error.code) } return codes }",
    )];
    let missing = "MODULE_NOT_FOUND";
    assert_eq!(returned(&files).await, json!([missing, missing, missing, missing, "ERR_MODULE_NOT_FOUND"]));
    assert_eq!(checked(&files).await, Ok(()));
    let (_, _, message) = failed(&[("index.js", "require('left-pad')")]).await;
    assert!(
        message.starts_with("cannot find the module 'left-pad' that /index.js needs: a script can import assert, "),
        "{message}"
    );
}

#[tokio::test]
async fn what_cannot_run_is_refused_before_it_runs_and_nothing_else() {
    let check = async |files: &[(&str, &str)], expected: Option<&str>| match (checked(files).await, expected) {
        (Ok(()), None) => {}
        (Err(message), Some(expected)) => assert!(message.contains(expected), "{message}"),
        (result, _) => panic!("{files:?}: {result:?}"),
    };
    check(
        &[("index.mjs", "import x from 'left-pad'; export default () => x")],
        Some("'left-pad' that /index.mjs needs"),
    )
    .await;
    check(
        &[("index.mjs", "import './a.mjs'"), ("a.mjs", "export { x } from './gone.mjs'")],
        Some("'./gone.mjs' that /a.mjs"),
    )
    .await;
    check(&[("index.js", "const x = require('left-pad')\nexports.main = () => 1")], Some("'left-pad'")).await;
    check(&[("index.js", "require('./a')"), ("a.js", "'use strict';\nrequire('gone')")], Some("'gone' that /a.js"))
        .await;
    check(
        &[("index.js", "require('v')"), ("node_modules/v/index.js", "require('w')")],
        Some("'w' that /node_modules/v/index.js"),
    )
    .await;
    check(&[("index.mjs", "export default await 1")], Some("/index.mjs: a script cannot await outside")).await;
    check(&[("index.mjs", "await (1)")], Some("await")).await;
    check(&[("index.js", "}); (function () {")], Some("/index.js")).await;
    check(&[("lib.js", "")], Some("no file `index.js`")).await;
    check(&[("index.js", "require('./x.node')"), ("x.node", "\u{7f}ELF")], Some("/x.node is machine code")).await;
    check(&[("index.js", "try { require('left-pad') } catch {}"), ("broken.js", "(")], None).await;
    check(&[("index.js", "if (false) require('left-pad')\nexports.main = () => import('left-pad')")], None).await;
    check(&[("index.mjs", "import { a } from './a.js'; export default () => a"), ("a.js", "exports.a = 1")], None)
        .await;
}

#[tokio::test]
async fn a_text_without_its_modules_is_refused_before_it_runs() {
    let check = async |source: &str, expected: Option<&str>| {
        let result = sandbox().check(script(source)).await.unwrap().map_err(|error| error.message);
        match (result, expected) {
            (Ok(()), None) => {}
            (Err(message), Some(expected)) => {
                assert!(message.contains(expected) && message.contains("a script can import assert, "), "{message}");
            }
            (result, _) => panic!("{source}: {result:?}"),
        }
    };
    check("const x = require('left-pad');\nexports.main = () => 1", Some("'left-pad'")).await;
    check("import x from 'left-pad'; export default () => 1", Some("left-pad")).await;
    check("const { URL } = require('url'); const x = require('node:util')\nexports.main = () => 1", None).await;
    check("let x; try { x = require('left-pad') } catch {}\nexports.main = () => 1", None).await;
    check("exports.main = () => require('left-pad')", None).await;
}

#[tokio::test]
async fn a_package_cannot_reach_what_is_not_its_own() {
    for name in
        ["hookyard:prelude", "hookyard:commonjs/index.js", "file:///etc/passwd", "/etc/passwd", "../../etc/passwd"]
    {
        for source in
            [format!("export default () => import('{name}')"), format!("module.exports = () => require('{name}')")]
        {
            let message = failed(&[("index.js", &source)]).await.2;
            assert!(message.starts_with("cannot find the"), "{source}: {message}");
        }
    }
    let files = [("index.js", "require('./a.mjs')"), ("a.mjs", "export default 1")];
    assert!(failed(&files).await.2.starts_with("/a.mjs is an ES module, which cannot be required"));
    let escaped = [
        ("index.js", "try { require('./a') } catch (error) { exports.main = () => error.name }"),
        ("a.js", "}); globalThis.out = 1; (function () {"),
    ];
    assert_eq!(returned(&escaped).await, json!("SyntaxError"));
}

#[tokio::test]
async fn a_replaced_global_changes_nothing_for_the_loader() {
    let files = [
        (
            "index.js",
            "Array.prototype.push = String.prototype.startsWith = Object.create = Reflect.apply = () => { throw 1 };
            Object.defineProperty(Object.prototype, '/a.js', { value: { exports: 'planted' } });
            for (const name of ['0', 'then', 'length']) {
              for (const holder of [Object.prototype, Array.prototype, Promise.prototype]) {
                const planted = { get() { throw 2 }, set() {}, configurable: true };
                try { Object.defineProperty(holder, name, planted) } catch (cannot) {}
              }
            }
            exports.main = () => [require('./a'), require('./b')].join()",
        ),
        ("a.js", "module.exports = 'own'"),
        ("b.js", "'use strict'; module.exports = 'strict'"),
    ];
    assert_eq!(returned(&files).await, json!("own,strict"));
}

#[tokio::test]
async fn a_strict_file_that_finds_no_memory_ends_nothing_but_its_script() {
    let functions: String =
        (0..300).map(|number| format!("exports.f{number} = (a) => [a, 'text {number}'];\n")).collect();
    let strict = format!("'use strict';\n{functions}");
    let sandbox = sandbox();
    for left_bytes in (0..400_000).step_by(20_000) {
        let index = format!(
            "const held = []; let size = 4 * 1024 * 1024;
            while (size > 64) {{ try {{ held.push(new ArrayBuffer(size)) }} catch (full) {{ size >>= 1 }} }}
            held.sort((a, b) => a.byteLength - b.byteLength);
            for (let freed = 0; freed < {left_bytes}; freed += held.pop().byteLength);
            for (let again = 0; again < 3; again++) {{ try {{ require('./strict') }} catch (full) {{}} }}
            held.length = 0; exports.main = () => Object.keys(require('./strict')).length"
        );
        let report = sandbox.run(package(&[("index.js", &index), ("strict.js", &strict)]), no_effect()).await.unwrap();
        match report.result {
            Ok(value) => assert_eq!(value, json!(300), "{left_bytes}"),
            Err(error) => assert_eq!(error.name, "MemoryLimitExceeded", "{left_bytes}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn the_files_count_towards_the_memory_of_a_script() {
    let big = " ".repeat(4 * 1024 * 1024);
    let files =
        [("index.js", "exports.main = () => new ArrayBuffer(29 * 1024 * 1024).byteLength"), ("big.txt", big.as_str())];
    assert_eq!(failed(&files).await.1, "MemoryLimitExceeded");
    assert_eq!(returned(&files[..1]).await, json!(29 * 1024 * 1024));
}

#[tokio::test]
async fn long_chains_of_files_end_in_an_error_at_worst() {
    const LENGTH: usize = 1_900;
    for (ending, link) in [
        ("cjs", "module.exports = require('NEXT')"),
        ("cjs", "'use strict'; module.exports = require('NEXT')"),
        ("mjs", "export { default } from 'NEXT'"),
    ] {
        let path = |number: usize| format!("a{number}.{ending}");
        let mut files: Vec<(String, String)> = (0..LENGTH)
            .map(|number| (path(number), link.replace("NEXT", &format!("./{}", path(number + 1)))))
            .collect();
        files.push((
            path(LENGTH),
            if ending == "cjs" { "module.exports = () => 1" } else { "export default () => 1" }.to_owned(),
        ));
        files.push(("package.json".to_owned(), format!("{{\"main\": \"./{}\"}}", path(0))));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        match report(package(&files)).await.result {
            Ok(value) => assert_eq!(value, json!(1)),
            Err(error) => assert!(!matches!(error.name.as_str(), "WorkerLost" | "SandboxError"), "{ending}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn the_stack_of_a_package_names_the_places_that_its_author_sees() {
    let check = async |files: &[(&str, &str)], frames: &[&str]| {
        let report = report(package(files)).await;
        let lines = messages(&report);
        let stack: Vec<&str> = lines.last().unwrap().lines().skip(1).map(str::trim).collect();
        assert_eq!(stack, frames, "{lines:?}");
    };
    let main = ("index.js", "exports.main = () => require('./b').run()");
    check(
        &[main, ("b.js", "'ä'; exports.run = () => { throw new Error('x') }")],
        &["at /b.js:1:38", "at /index.js:1:37"],
    )
    .await;
    let main = ("index.mjs", "import { run } from './b.mjs'; export const main = () => run()");
    let of_module = ("b.mjs", "\u{feff}export const run = () => { throw new Error('x') }");
    check(&[main, of_module], &["at run (/b.mjs:1:38)", "at main (/index.mjs:1:58)"]).await;
}

#[tokio::test]
async fn an_export_that_cannot_be_there_is_missed_before_anything_runs() {
    let check = async |entry_point: Option<&str>, files: &[(&str, &str)], expected: Result<(), &str>| {
        let entry_point = entry_point.map(str::to_owned);
        let found = sandbox().check(Script { entry_point, ..package(files) }).await.unwrap();
        let found = found.map_err(|error| error.message);
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|expected| *expected),
            "{files:?}"
        );
    };
    let module = [("index.mjs", "import './b.mjs'; export const a = 1, b = 2; throw 1"), ("b.mjs", "throw 2")];
    check(Some("index.a"), &module, Ok(())).await;
    check(Some("index.gone"), &module, Err("the file /index.mjs exports no function `gone`; it exports `a`, `b`"))
        .await;
    check(None, &module, Err("the file /index.mjs has no default export and exports no function main, handler or doTask; it exports `a`, `b`")).await;
    check(None, &[("index.mjs", "export * from './b.mjs'"), ("b.mjs", "export function handler() {}")], Ok(())).await;
    check(
        Some("index.x"),
        &[("index.mjs", "export { default } from './b.js'"), ("b.js", "module.exports = { x: () => 1 }")],
        Ok(()),
    )
    .await;
    check(
        None,
        &[("index.mjs", "import { gone } from './b.mjs'; export const main = gone"), ("b.mjs", "export const a = 1")],
        Err("Could not find export 'gone' in module '/b.mjs'"),
    )
    .await;
    check(
        Some("index.run"),
        &[("index.js", "const handler = () => 1")],
        Err("the file /index.js exports no function `run`; it exports nothing"),
    )
    .await;
    check(Some("index.run"), &[("index.js", "module.exports = build()")], Ok(())).await;
    check(
        Some("index.run"),
        &[("index.js", "module.exports = require('./b')"), ("b.js", "exports.run = () => 1")],
        Ok(()),
    )
    .await;
}

#[tokio::test]
async fn strict_files_of_a_package_mean_the_same_each_time_they_run() {
    let files = [
        (
            "index.js",
            "'use strict'; const { run } = require('./a'); exports.main = () => [run(), this === exports, require.resolve('./a')]",
        ),
        ("a.js", "\"use strict\";\nlet n = 0; exports.run = () => [++n, __filename, module.id, typeof require('./b')]"),
        ("b.js", "'use strict'; module.exports = () => import('./c.mjs')"),
        ("c.mjs", "export default 1"),
    ];
    let sandbox = sandbox();
    for run in 0..3 {
        let report = sandbox.run(package(&files), no_effect()).await.unwrap();
        let expected = json!([[1, "/a.js", "/a.js", "function"], true, "/a.js"]);
        assert_eq!(report.result, Ok(expected), "{run}: {:?}", report.lines);
    }
    let imports = [
        ("index.js", "'use strict'; const b = require('./lib/b'); exports.main = async () => (await b()).default"),
        ("lib/b.js", "'use strict'; module.exports = () => import('./c.mjs')"),
        ("lib/c.mjs", "export default 42"),
    ];
    let stack = [
        ("index.js", "'use strict'; exports.main = () => require('./b').run()"),
        ("b.js", "'use strict'; exports.run = () => { throw new Error('x') }"),
    ];
    for run in 0..2 {
        assert_eq!(sandbox.run(package(&imports), no_effect()).await.unwrap().result, Ok(json!(42)), "{run}");
        let report = sandbox.run(package(&stack), no_effect()).await.unwrap();
        let frames: Vec<&str> = messages(&report).last().unwrap().lines().skip(1).map(str::trim).collect();
        assert_eq!(frames, ["at /b.js:1:47", "at /index.js:1:51"], "{run}");
    }
}
