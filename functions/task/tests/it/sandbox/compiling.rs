//! What the compiler makes of a source, before any of it runs.

use super::*;

async fn checked(source: &str) -> Result<(), (String, String)> {
    sandbox().check(script(source)).await.unwrap().map_err(|error| (error.name, error.message))
}

#[tokio::test]
async fn a_source_closes_nothing_that_is_around_it() {
    let escapes = [
        "}); for(;;){} ; (function(){",
        "}); throw new Error(6*7); (function(){",
        "}; for(;;){}; function f(){",
        "} for(;;){} {",
        "}, other() {",
        "} }); for(;;){} ({ m() {",
        "}\nfor(;;){}\nfunction g(){",
        "}}}) // ",
        "} /*",
        "}` ${",
        "*/ } for (;;) {} {",
        "return 1 } { for(;;){}",
        "})(), (() => { for(;;){} })(), (function () {",
        "});\n//# sourceMappingURL=x\nfor(;;){};(function(){",
        "#!/x\n}); for(;;){} ; (function(){",
        "\u{2028}}); for(;;){} ; (function(){",
        "<!-- }\n}); for(;;){} ; (function(){",
        "}); for(;;){} ; (function(){ export default 1",
        "super.x; function main() {}",
    ];
    for source in escapes {
        let (name, message) = checked(source).await.unwrap_err();
        assert_eq!(name, "SyntaxError", "{source}: {message}");
        assert!(!message.contains("42"), "{message}");
        assert_eq!(failure(source).await.1, "SyntaxError", "{source}");
    }
}

#[tokio::test]
async fn a_body_may_return_and_use_what_modules_forbid() {
    let bodies = [
        "return void (module.exports = () => 42)",
        "with ({ n: 42 }) { module.exports = () => n }",
        "exports.main = () => 042 + 8; var await = 1, yield = 2",
        "function main() { return 42 } // }",
        "function main() { return 42 } /* } */",
        "function main() { return `}`.length + 41 }",
        "function main() { return /}/.source.length + 41 } <!-- as pages once did",
        "const s = 'export default 1'; module.exports = () => 42",
        "// export default 1\nmodule.exports = () => 42",
        "const o = { export: 1, import: 2 }; o.export = 42; module.exports = () => o.export",
        "const r = /export default/; module.exports = () => 42",
        "module.exports = async () => { await import('url'); return 42 }",
        "var module; module.exports = () => 42",
    ];
    for source in bodies {
        assert_eq!(checked(source).await, Ok(()), "{source}");
        assert_eq!(value(source).await, json!(42), "{source}");
    }
}

#[tokio::test]
async fn a_strict_body_means_the_same_each_time_it_runs() {
    let (sandbox, frame) = (sandbox(), "new Error('x').stack.split('\\n')[1].trim()");
    let check = async |source: &str, expected: Value| {
        for run in 0..3 {
            let report = sandbox.run(script(source), no_effect()).await.unwrap();
            assert_eq!(report.result, Ok(expected.clone()), "{source} {run}: {:?}", report.lines);
        }
    };
    check("'use strict'; let n = 0; exports.main = () => ++n", json!(1)).await;
    check(
        "'use strict'; const t = this; function main() { return [t === undefined, this === undefined] }",
        json!([true, true]),
    )
    .await;
    check(
        "'use strict'; exports.main = () => { try { undeclared = 1 } catch (e) { return e.name } }",
        json!("ReferenceError"),
    )
    .await;
    check("exports.main = () => { undeclared = 1; return delete undeclared }", json!(true)).await;
    check(
        "'use strict'; const given = arguments.length; exports.main = () => [given, __filename]",
        json!([5, "/script.js"]),
    )
    .await;
    check("'use strict'; exports.main = async () => typeof (await import('url')).URL", json!("function")).await;
    check("'use strict'; exports.main = () => import('./other').catch((e) => e.code)", json!("ERR_MODULE_NOT_FOUND"))
        .await;
    check(
        "'use strict'; const own = new Error('x').stack; exports.main = () => /default|Array/.test(own)",
        json!(false),
    )
    .await;
    check(&format!("'use strict'; exports.main = () => {{ return {frame} }}"), json!("at script.js:1:49")).await;
    check(
        "'use strict'; function main() { return main.toString() }",
        json!("function main() { return main.toString() }"),
    )
    .await;
    check("'use strict'; const main = () => 'a <!-- b'.length + 34", json!(42)).await;
    check("'use strict'; var n = 42; exports.main = () => n\n--> a comment of scripts", json!(42)).await;
    check("'use strict'; const a = 1, b = 3; exports.main = () => { const c = a <!--b\n; return c }", json!(1)).await;
    for escape in ["'use strict'; }); for(;;){} ; (function(){", "'use strict'; })]; for(;;){} ; [(function(){"] {
        assert_eq!(failure(escape).await.1, "SyntaxError", "{escape}");
    }
}

#[tokio::test]
async fn a_module_is_told_by_what_it_imports_and_exports() {
    let modules = [
        "const r = /[/'\"]/; export { f as main }; function f() { return 42 }",
        "const t = `a${`b${1}`}c`; export default () => 42",
        "if (true) { }\nexport default () => 42",
        "a: b\n/c/g; var b, c, g; export default () => 42",
        "import 'url'; globalThis.main = 1; export default () => 42",
        "export default () => this === undefined ? 42 : 0",
    ];
    for source in modules {
        assert_eq!(value(source).await, json!(42), "{source}");
    }
    assert_eq!(value("globalThis.meta = import.meta; export const main = () => typeof meta").await, json!("object"));
}

#[tokio::test]
async fn the_error_is_that_of_the_kind_which_the_source_nearly_is() {
    let check = async |source: &str, expected: &str| {
        let (_, message) = checked(source).await.unwrap_err();
        assert!(message.contains(expected), "{source}: {message}");
    };
    check("import u from 'url'\nexport default () => {\n  return 1 +;\n}", "script.js:3").await;
    check("with ({}) {}\nmodule.exports = () => {\n  return 1 +;\n}", "script.js:3").await;
    check("const x = await 1; module.exports = () => x", "cannot await outside of its functions").await;
    check("import x from 'fs'", "a script can import").await;
    check("export default () => missing.export = 1; }", "script.js:1").await;
}

#[tokio::test]
async fn what_nests_without_end_is_refused() {
    let pieces = [
        "x=[",
        "/[,",
        "[",
        "(",
        "{",
        "`${",
        "a=>",
        "({a:",
        "((a,",
        "async(",
        "x?",
        "!",
        "-",
        "new ",
        "if(1)",
        "/(",
        "/*",
        "'",
        "function f(){",
        "class A{[",
        "a?.[",
        "a**",
        "a??",
        "for(",
        "async a=>",
        "[...",
        "({...",
        "export ",
        "a.b?.",
    ];
    for piece in pieces {
        let Err((name, message)) = checked(&piece.repeat(32_000)).await else { panic!("{piece} can be compiled") };
        assert!(
            ["SyntaxError", "RangeError", "MemoryLimitExceeded"].contains(&name.as_str()),
            "{piece}: {name} {message}"
        );
    }
}

#[tokio::test]
async fn compiling_takes_no_more_memory_than_its_limit() {
    let greedy =
        [format!("/{}/iu", "\\p{L}".repeat(50_000)), format!("x = [{}]", "[1,2,3,4,5,6,7,8,9],".repeat(100_000))];
    for source in greedy {
        let limits = Limits { memory_bytes: 2 * 1024 * 1024, ..Limits::default() };
        let error = sandbox().check(Script { limits, ..script(&source) }).await.unwrap().unwrap_err();
        assert_eq!(error.name, "MemoryLimitExceeded", "{}: {}", &source[..20], error.message);
    }
}

#[tokio::test]
async fn an_await_outside_of_an_async_function_is_explained() {
    let rule = "`await` is only allowed in async functions: write `async (config) =>`";
    for (source, line) in [
        ("module.exports.main = (config) => {\n  return JSON.stringify(await fetch(config.url));\n}", " (line 2)"),
        (
            "'use strict';\nmodule.exports.main = (config) => {\n  const a = await config.b;\n  return a;\n}",
            " (line 3)",
        ),
        ("module.exports.main = (config) => {\n\n  await config.b;\n}", " (line 3)"),
        ("function main(config) { for (const a of await config.b) return a }", " (line 1)"),
        ("export function main(config) { return await config.b }", " (line 1)"),
        ("module.exports.main = (config) => { return await (config.b) }", ""),
    ] {
        let (kind, _, message) = failure(source).await;
        assert_eq!((kind.as_str(), message), ("runtime", format!("{rule}{line}")), "{source}");
    }
    for fine in [
        "module.exports.main = async () => await 1",
        "module.exports.main = () => { const wait = (n) => n; return wait (1) }",
    ] {
        assert_eq!(value(fine).await, json!(1), "{fine}");
    }
    assert_eq!(failure("module.exports.main = () => { await: }").await.1, "SyntaxError");
}

#[tokio::test]
async fn an_error_of_syntax_is_where_its_author_sees_it() {
    let check = async |source: &str, place: &str| {
        let (name, message) = checked(source).await.unwrap_err();
        assert_eq!(
            (name.as_str(), message.lines().last()),
            ("SyntaxError", Some(format!("    at script.js:{place}").as_str())),
            "{source}: {message}"
        );
    };
    check("module.exports = () => 1 +;", "1:27").await;
    check("export default () => 1 +;", "1:25").await;
    check(";;; exports.main = () => 'ä😀' + ;", "1:34").await;
    check("exports.main = () => {\n  const a = [1, 2;\n}", "2:18").await;
    check("exports.main = () => {\r\n\tlet a b c\r\n}", "2:8").await;
    check("import u from 'url'\nexport default () => {\n  return u u;\n}", "3:12").await;
    check("exports.main = () => {\n  call('a', 'b c' 'd e');\n}", "2:19").await;
    check("exports.main = () => {\n  if (a instanceof B) { x => } }", "2:30").await;
    check("exports.main = () => {\n  const s = 'never ends;\n}", "2:13").await;
    check("exports.main = () => {\n  f(", "2:5").await;
    check("exports.main = () => {\n  return 1;\n", "3:1").await;
    check("#!/usr/bin/env node\nexports.main = () => 1 +;", "2:25").await;
    check("with ({}) {}\nmodule.exports = () => { return 1 + }", "2:37").await;
}
