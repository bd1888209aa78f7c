//! Compiles a script by itself, in a realm that is thrown away, and finds out from the engine what kind of script it is.
//!
//! A source that is put into a program could close what is around it. So its kind is settled before any of it can run:
//! the engine compiles it as a module, and as the body of functions that it cannot leave.

use std::sync::OnceLock;

use moka::sync::Cache;
use rquickjs::context::EvalOptions;
use rquickjs::{Context, Ctx, Module, WriteOptions};
use sha2::{Digest, Sha256};
use shared::event::StepError;

use super::bytecode::{self, Header};
use super::script::Script;
use super::{engine, failure};

/// How many sources are remembered.
const REMEMBERED: u64 = 10_000;
/// The parameters of the function whose body a `CommonJS` script is.
pub(super) const PARAMETERS: &str = "exports, require, module, __filename, __dirname";

/// What kind of script a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ES module.
    Module,
    /// A `CommonJS` or plain script: the body of a function.
    Body,
}

/// Why a script cannot be compiled, and what its log says about it.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) error: StepError,
    pub(super) log: Option<String>,
    /// The line and column up to which the source made sense.
    pub(super) reached: (usize, usize),
}

/// Compiles the script without running any of it.
pub(super) fn kind(script: &Script) -> Result<Kind, Rejected> {
    static KINDS: OnceLock<Cache<[u8; 32], Kind>> = OnceLock::new();
    let kinds = KINDS.get_or_init(|| Cache::new(REMEMBERED));
    let key = Sha256::digest(script.source.as_bytes()).into();
    if let Some(kind) = kinds.get(&key) {
        return Ok(kind);
    }
    let kind = compiled(script)?;
    kinds.insert(key, kind);
    Ok(kind)
}

fn compiled(script: &Script) -> Result<Kind, Rejected> {
    let realm = engine::limited(script).and_then(|runtime| Ok((Context::full(&runtime)?, runtime)));
    let Ok((context, _runtime)) = realm else {
        return Err(broken());
    };
    context.with(|ctx| told(&ctx, script))
}

/// Finds out from the text of a script what kind of script it is.
pub(super) fn told(ctx: &Ctx<'_>, script: &Script) -> Result<Kind, Rejected> {
    match as_module(ctx, script) {
        Ok(Header { awaits: true, links: true }) => Err(awaits_outside()),
        Ok(Header { awaits: false, links: true }) => Ok(Kind::Module),
        Ok(Header { awaits, links: false }) => match as_body(ctx, script) {
            Ok(()) => Ok(Kind::Body),
            Err(_) if awaits => Err(awaits_outside()),
            // Only a module has `import.meta`.
            Err(_) => Ok(Kind::Module),
        },
        Err(of_module) if of_module.error.name != "SyntaxError" => Err(of_module),
        Err(of_module) => match as_body(ctx, script) {
            Ok(()) => Ok(Kind::Body),
            // The parser that understood more of the source took it for what it is.
            Err(of_body) if of_body.reached > of_module.reached => Err(of_body),
            Err(_) => Err(of_module),
        },
    }
}

/// Compiles a script that must be a module.
pub(super) fn must_be_module(ctx: &Ctx<'_>, script: &Script) -> Result<Kind, Rejected> {
    match as_module(ctx, script)?.awaits {
        true => Err(awaits_outside()),
        false => Ok(Kind::Module),
    }
}

/// Compiles a script that must be `CommonJS`.
pub(super) fn must_be_body(ctx: &Ctx<'_>, script: &Script) -> Result<Kind, Rejected> {
    as_body(ctx, script).map(|()| Kind::Body)
}

fn as_module(ctx: &Ctx<'_>, script: &Script) -> Result<Header, Rejected> {
    let module = Module::declare(ctx.clone(), script.file_name.as_str(), &*script.source);
    let Ok(bytes) = module.and_then(|module| module.write(WriteOptions::default())) else {
        return Err(rejected(ctx, script, 0));
    };
    bytecode::header(&bytes).ok_or_else(broken)
}

/// Compiles the script as the body of a function.
///
/// Only a source that leaves neither function is a body: what follows a method is `,` or `}`, and nothing that follows
/// the declaration of a function can begin so.
fn as_body(ctx: &Ctx<'_>, script: &Script) -> Result<(), Rejected> {
    only_compile(ctx, script, ("({ method", "})"))?;
    only_compile(ctx, script, ("function declared", ""))
}

/// Compiles a program that ends with its first statement, before any other.
fn only_compile(ctx: &Ctx<'_>, script: &Script, (before, after): (&str, &str)) -> Result<(), Rejected> {
    let before = format!("throw 0; {before}({PARAMETERS}) {{");
    let program = format!("{before}{}\n}}{after}", body(&script.source));
    let Err(error) = ctx.eval_with_options::<(), _>(program, sloppy(&script.file_name)) else {
        return Ok(());
    };
    let thrown = ctx.catch();
    if thrown.as_int() == Some(0) {
        return Ok(());
    }
    let _ = if error.is_exception() { ctx.throw(thrown) } else { error };
    Err(rejected(ctx, script, before.len()))
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

/// The pending exception of a compilation whose source began in this column of its first line.
fn rejected(ctx: &Ctx<'_>, script: &Script, start: usize) -> Rejected {
    let (error, log) = failure::thrown(ctx, &rquickjs::Error::Exception);
    if error.message.starts_with("out of memory") || error.message == "null" {
        return Rejected { error: failure::out_of_memory(&script.limits), log: None, reached: (0, 0) };
    }
    let reached = log.as_deref().and_then(|log| position(log, &script.file_name));
    let reached = reached.map_or((0, 0), |(line, column)| match line {
        1 => (line, column.saturating_sub(start)),
        _ => (line, column),
    });
    Rejected { error, log, reached }
}

/// The first line and column that a stack names.
fn position(stack: &str, file_name: &str) -> Option<(usize, usize)> {
    let (_, place) = stack.split_once(&format!("{file_name}:"))?;
    let mut numbers = place.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn awaits_outside() -> Rejected {
    let error = failure::runtime("SyntaxError", "a script cannot await outside of its functions");
    Rejected { error, log: None, reached: (0, 0) }
}

pub(super) fn broken() -> Rejected {
    Rejected { error: failure::broken(), log: None, reached: (0, 0) }
}
