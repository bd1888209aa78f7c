//! Compiles a script by itself, in a realm that is thrown away, and finds out from the engine what kind of script it is.
//!
//! A source that is put into a program could close what is around it. So its kind is settled before any of it can run:
//! the engine compiles it as a module, and as the body of functions that it cannot leave.

use std::sync::OnceLock;

use moka::sync::Cache;
use rquickjs::context::EvalOptions;
use rquickjs::{Array, Context, Ctx, Function, Module, WriteOptions};
use sha2::{Digest, Sha256};
use shared::event::StepError;

use super::bytecode::{self, Header};
use super::kept_code::KeptCode;
use super::position::{self, MODULE_START, Position};
use super::script::Script;
use super::{engine, entry, failure};

/// How many sources are remembered.
const REMEMBERED: u64 = 10_000;
/// The start of the function whose body a `CommonJS` script is; what follows it ends with a line of its own and `})`. It is as
/// long as [`STRICT_START`], so that the engine counts the same columns after both.
pub(super) const BODY_START: &str = "                (function (exports, require, module, __filename, __dirname) {";
/// The start of a module that exports that function, in a list so that it gets no name.
const STRICT_START: &str = "export default [(function (exports, require, module, __filename, __dirname) {";
/// Functions that a body must not leave, with what ends them.
///
/// Only a source that leaves neither is a body: what follows a method is `,` or `}`, and nothing that follows the
/// declaration of a function can begin so. The program ends with its first statement, before any other.
const METHOD: Around = Around("throw 0; ({ method(exports, require, module, __filename, __dirname) {", "\n}})");
const DECLARATION: Around =
    Around("throw 0; function declared(exports, require, module, __filename, __dirname) {", "\n}");

/// A method whose body ends with a statement that strict code must not have.
const WITH: Around = Around(METHOD.0, "\n;with (0);\n}})");
/// What the parser says of that statement in strict code.
const WITH_REFUSED: &str = "invalid keyword: with";
/// What begins a comment in scripts, but not in modules.
const COMMENTS_OF_SCRIPTS: [&str; 2] = ["<!--", "-->"];

/// What the parser of modules says of an `await` in a function that is not async.
const AWAIT_UNEXPECTED: &str = "unexpected 'await' keyword";

/// What kind of script a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ES module.
    Module,
    /// A `CommonJS` or plain script: the body of a function.
    Body,
}

/// What stands before and after a source that is compiled as the body of a function.
#[derive(Clone, Copy)]
struct Around(&'static str, &'static str);

/// What a source is compiled as.
#[derive(Clone, Copy)]
enum Shape {
    Module,
    Body(Around),
}

/// Why the engine does not take a source, and the line that it says.
struct Failed {
    error: StepError,
    line: usize,
    shape: Shape,
}

/// Why a script cannot be compiled, and what its log says about it.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) error: StepError,
    pub(super) log: Option<String>,
    /// Up to where the source made sense; line 0 if that is not known.
    pub(super) reached: Position,
}

impl Rejected {
    fn without_place(error: StepError) -> Self {
        Self { error, log: None, reached: Position::default() }
    }

    /// Whether the parser of modules has met an `await` where none may be, and another parser comes no further.
    fn is_await(&self, of_body: &Self) -> bool {
        self.error.message == AWAIT_UNEXPECTED && of_body.reached.line <= self.reached.line
    }

    /// Says in plain words that an `await` stands where none may.
    fn explained(self, script: &Script) -> Self {
        let message = format!("{} (line {})", failure::AWAIT_RULE, self.reached.line);
        Self::at(failure::runtime("SyntaxError", message), script, self.reached)
    }

    fn at(error: StepError, script: &Script, reached: Position) -> Self {
        let Position { line, column } = reached;
        let place = match line {
            0 => script.file_name.clone(),
            _ => format!("{}:{line}:{column}", script.file_name),
        };
        let log = format!("{}: {}\n    at {place}", error.name, error.message);
        Self { error, log: Some(log), reached }
    }
}

/// A script that was compiled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compiled {
    pub(super) kind: Kind,
    /// The bytecode of a module, or of one that exports the function of a strict body, if it is kept.
    pub(super) code: Option<KeptCode>,
}

/// Compiles the script without running any of it, unless that is known already.
pub(super) fn compile(script: &Script) -> Result<Compiled, Rejected> {
    static COMPILED: OnceLock<Cache<[u8; 32], Compiled>> = OnceLock::new();
    let all = COMPILED.get_or_init(|| Cache::new(REMEMBERED));
    let Script { file_name, source, .. } = script;
    let end = entry::end_of_body(script.entry_point.as_deref());
    // The name is in the bytecode, too.
    let hash = Sha256::new().chain_update(file_name.len().to_le_bytes()).chain_update(file_name);
    let key = hash.chain_update(end.len().to_le_bytes()).chain_update(&end).chain_update(source.as_bytes());
    let key = key.finalize().into();
    if let Some(compiled) = all.get(&key) {
        return Ok(compiled);
    }
    let (kind, bytes) = compiled(script, &end)?;
    let code = bytes.and_then(|bytes| KeptCode::keep(file_name, bytes));
    let compiled = Compiled { kind, code };
    all.insert(key, compiled);
    Ok(compiled)
}

/// The bytecode of a module, as the engine has written it.
type Bytes = Option<Vec<u8>>;

fn compiled(script: &Script, end: &str) -> Result<(Kind, Bytes), Rejected> {
    let realm = engine::limited(script).and_then(|runtime| Ok((Context::full(&runtime)?, runtime)));
    let Ok((context, _runtime)) = realm else {
        return Err(broken());
    };
    context.with(|ctx| match told(&ctx, script)? {
        (Kind::Body, _) => Ok((Kind::Body, strict(&ctx, script, end))),
        module => Ok(module),
    })
}

/// Compiles a body that is strict by itself as the function of a module, whose bytecode the engine can write: in a module
/// it means the same. `end` is what follows it in the function.
pub(super) fn strict(ctx: &Ctx<'_>, script: &Script, end: &str) -> Bytes {
    let Script { file_name, source, .. } = script;
    // Whether it is strict says the engine, which need not be asked about most.
    if !source.contains("use strict") || COMMENTS_OF_SCRIPTS.iter().any(|sign| source.contains(sign)) {
        return None;
    }
    let is_refused = |failed: Failed| failed.error.message == WITH_REFUSED;
    let is_strict = attempt(ctx, script, source, Shape::Body(WITH)).is_err_and(is_refused);
    let declared = |before: &str, after: &str| {
        let program = format!("{before}{}{after}", body(source));
        Module::declare(ctx.clone(), file_name.as_str(), program).inspect_err(|_| drop(ctx.catch())).ok()
    };
    // A word that only modules reserve may make it another program, or none.
    let stays_inside =
        || [METHOD, DECLARATION].into_iter().all(|Around(before, after)| declared(before, after).is_some());
    let module = (is_strict && stays_inside()).then(|| declared(STRICT_START, &format!("{end}\n}})]")))??;
    module.write(WriteOptions::default()).inspect_err(|_| drop(ctx.catch())).ok()
}

/// Loads what [`strict`] has compiled, and returns its function.
pub(super) fn strict_function<'js>(ctx: &Ctx<'js>, code: KeptCode) -> rquickjs::Result<Function<'js>> {
    let (module, evaluated) = code.load(ctx)?.eval()?;
    evaluated.finish::<()>()?;
    module.namespace()?.get::<_, Array<'js>>("default")?.get(0)
}

/// Finds out from the text of a script what kind of script it is.
pub(super) fn told(ctx: &Ctx<'_>, script: &Script) -> Result<(Kind, Bytes), Rejected> {
    match as_module(ctx, script) {
        Ok((Header { awaits: true, links: true }, _)) => Err(awaits_outside()),
        Ok((Header { awaits: false, links: true }, bytes)) => Ok((Kind::Module, Some(bytes))),
        Ok((Header { awaits, links: false }, bytes)) => match as_body(ctx, script) {
            Ok(()) => Ok((Kind::Body, None)),
            Err(_) if awaits => Err(awaits_outside()),
            // Only a module has `import.meta`. Without that, what failed may be the memory: it makes the parser say anything.
            Err(_) if script.source.contains("import") && script.source.contains("meta") => {
                Ok((Kind::Module, Some(bytes)))
            }
            Err(of_body) => Err(of_body.located(ctx, script)),
        },
        Err(of_module) if of_module.error.name != "SyntaxError" => Err(of_module.located(ctx, script)),
        Err(of_module) => match as_body(ctx, script) {
            Ok(()) => Ok((Kind::Body, None)),
            Err(of_body) => Err(nearer(of_module.located(ctx, script), of_body.located(ctx, script), script)),
        },
    }
}

/// What is wrong with a source that is neither: the parser that understood more of it took it for what it is.
fn nearer(of_module: Rejected, of_body: Rejected, script: &Script) -> Rejected {
    match of_module.is_await(&of_body) {
        true => of_module.explained(script),
        false if of_body.reached > of_module.reached => of_body,
        false => of_module,
    }
}

/// Compiles a script that must be a module.
pub(super) fn must_be_module(ctx: &Ctx<'_>, script: &Script) -> Result<Kind, Rejected> {
    match as_module(ctx, script).map_err(|failed| failed.located(ctx, script))?.0.awaits {
        true => Err(awaits_outside()),
        false => Ok(Kind::Module),
    }
}

/// Compiles a script that must be `CommonJS`.
pub(super) fn must_be_body(ctx: &Ctx<'_>, script: &Script) -> Result<Kind, Rejected> {
    as_body(ctx, script).map(|()| Kind::Body).map_err(|failed| failed.located(ctx, script))
}

fn as_module(ctx: &Ctx<'_>, script: &Script) -> Result<(Header, Vec<u8>), Failed> {
    let bytes = attempt(ctx, script, &script.source, Shape::Module)?;
    let failed = || Failed { error: failure::broken(), line: 0, shape: Shape::Module };
    bytecode::header(&bytes).ok_or_else(failed).map(|header| (header, bytes))
}

fn as_body(ctx: &Ctx<'_>, script: &Script) -> Result<(), Failed> {
    attempt(ctx, script, &script.source, Shape::Body(METHOD))?;
    attempt(ctx, script, &script.source, Shape::Body(DECLARATION)).map(drop)
}

/// Compiles a source, of which a module's bytecode is returned.
fn attempt(ctx: &Ctx<'_>, script: &Script, source: &str, shape: Shape) -> Result<Vec<u8>, Failed> {
    match shape {
        Shape::Module => {
            let module = Module::declare(ctx.clone(), script.file_name.as_str(), module(source));
            let bytes = module.and_then(|module| module.write(WriteOptions::default()));
            bytes.map_err(|_| failed(ctx, script, shape))
        }
        Shape::Body(Around(before, after)) => {
            let program = format!("{before}{}{after}", body(source));
            let Err(error) = ctx.eval_with_options::<(), _>(program, sloppy(&script.file_name)) else {
                return Ok(Vec::new());
            };
            let thrown = ctx.catch();
            if thrown.as_int() == Some(0) {
                return Ok(Vec::new());
            }
            let _ = if error.is_exception() { ctx.throw(thrown) } else { error };
            Err(failed(ctx, script, shape))
        }
    }
}

/// Turns the pending exception of a compilation into its failure.
fn failed(ctx: &Ctx<'_>, script: &Script, shape: Shape) -> Failed {
    let (error, log) = failure::thrown(ctx, &rquickjs::Error::Exception);
    if error.message.starts_with("out of memory") || error.message == "null" {
        return Failed { error: failure::out_of_memory(&script.limits), line: 0, shape };
    }
    let line = log.as_deref().and_then(|log| line(log, &script.file_name)).unwrap_or(0);
    Failed { error, line, shape }
}

impl Failed {
    fn located(self, ctx: &Ctx<'_>, script: &Script) -> Rejected {
        let Self { error, line, shape } = self;
        if error.name == "MemoryLimitExceeded" || error.name == "SandboxError" {
            return Rejected::without_place(error);
        }
        if line == 0 || error.name != "SyntaxError" {
            return Rejected::at(error, script, Position::default());
        }
        let complaint = |part: &str| {
            let Self { error, line, .. } = attempt(ctx, script, part, shape).err()?;
            Some((line, error.message))
        };
        let reached = position::of_syntax_error(&script.source, line, &error.message, complaint);
        Rejected::at(error, script, reached)
    }
}

/// The first line that a stack names.
fn line(stack: &str, file_name: &str) -> Option<usize> {
    let (_, place) = stack.split_once(&format!("at {file_name}:"))?;
    place.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// The source as a module, on the lines where it stood.
pub(super) fn module(source: &str) -> String {
    let start = if source.starts_with("#!") { "//" } else { MODULE_START };
    format!("{start}{source}")
}

/// The source as the body of a function, on the lines where it stood.
pub(super) fn body(source: &str) -> String {
    let comment = if source.starts_with("#!") { "//" } else { "" };
    format!("{comment}{source}")
}

/// How a `CommonJS` or plain script is evaluated.
pub(super) fn sloppy(file_name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(file_name.to_owned());
    options
}

fn awaits_outside() -> Rejected {
    Rejected::without_place(failure::runtime("SyntaxError", "a script cannot await outside of its functions"))
}

pub(super) fn broken() -> Rejected {
    Rejected::without_place(failure::broken())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Isolation, Limits, Outside};

    fn script(source: &str, entry_point: Option<&str>) -> Script {
        Script {
            tenant: String::new(),
            source: source.into(),
            files: Default::default(),
            file_name: "script.js".to_owned(),
            entry_point: entry_point.map(str::to_owned),
            input: String::new(),
            variables: Default::default(),
            limits: Limits::default(),
            outside: Outside::Live,
            isolation: Isolation::Fresh,
        }
    }

    #[test]
    fn a_body_is_compiled_once_if_it_is_strict_and_means_the_same_in_a_module() {
        let check = |source: &str, expected: bool| {
            let compiled = compile(&script(source, None)).unwrap();
            assert_eq!((compiled.kind, compiled.code.is_some()), (Kind::Body, expected), "{source}");
        };
        check("'use strict'; exports.main = () => 1", true);
        check("// a comment\n\"use strict\"\nexports.main = () => { return `}` }", true);
        check("#!/usr/bin/env node\n'one'; 'use strict'; exports.main = async () => await import('url')", true);
        check("'use strict'; return void (module.exports = () => 1)", true);
        check("exports.main = () => 1", false);
        check("exports.main = () => { 'use strict'; return 1 }", false);
        check("('use strict'); exports.main = () => 1", false);
        check("exports.main = () => 1; 'use strict'", false);
        check("'use\\x20strict'; exports.main = () => 1", false);
        check("'use strict'; exports.main = () => { var await = 1; return await }", false);
        check("'use strict'; exports.main = (n) => n <!-- n", false);
        check("'use strict'; exports.main = () => 1\n--> and nothing else", false);
        check("'use strict'; exports.main = () => '<!--'", false);
    }

    #[test]
    fn what_is_compiled_once_returns_the_function_of_each_name() {
        let source = "'use strict'; function one() {} function two() {}";
        let returned = |entry_point: &str| {
            let code = compile(&script(source, Some(entry_point))).unwrap().code.unwrap();
            let runtime = rquickjs::Runtime::new().unwrap();
            Context::full(&runtime).unwrap().with(|ctx| {
                let body = strict_function(&ctx, code).unwrap();
                let all: std::collections::BTreeMap<String, rquickjs::Value<'_>> = body.call(()).unwrap();
                all.into_iter().filter(|(_, value)| value.is_function()).map(|(name, _)| name).collect::<Vec<_>>()
            })
        };
        assert_eq!(
            (returned("one"), returned("two"), returned("file.two")),
            (vec!["one".to_owned()], vec!["two".to_owned()], vec!["two".to_owned()])
        );
        assert!(compile(&script(source, Some("await"))).unwrap().code.is_none());
    }

    #[test]
    fn a_body_that_finds_no_memory_is_not_taken_for_something_else() {
        let functions: String = (0..200).map(|number| format!("exports.f{number} = () => {number};\n")).collect();
        let mut compiled = 0;
        for kilobytes in (100..1_000).step_by(2) {
            let limits = Limits { memory_bytes: kilobytes * 1024, ..Limits::default() };
            // Another text each time, as what is known of one is remembered.
            let script = Script { limits, ..script(&format!("{functions}// {kilobytes}"), None) };
            if let Ok(Compiled { kind, code }) = compile(&script) {
                assert_eq!((kind, code.is_some()), (Kind::Body, false), "{kilobytes} KB");
                compiled += 1;
            }
        }
        assert!((1..450).contains(&compiled), "{compiled}");
    }

    #[test]
    fn the_engine_counts_the_same_columns_after_both_starts() {
        assert_eq!(BODY_START.len(), STRICT_START.len());
    }
}
