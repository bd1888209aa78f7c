//! Compiles one file of a package by itself: what kind of script it is, and which modules it imports.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use moka::sync::Cache;
use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Exception, Module, Result as JsResult, Runtime};
use sha2::{Digest as _, Sha256};
use shared::event::StepError;

use super::compile::{self, Kind, Rejected};
use super::kept_code::KeptCode;
use super::package::{Format, Package};
use super::position::Position;
use super::script::{Isolation, Limits, Outside, Script};

/// How many files are remembered.
const REMEMBERED: u64 = 20_000;
/// The name under which every import of a file that is only compiled is found.
const STAND_IN: &str = "hookyard:stand-in";

/// What a file is.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) kind: Kind,
    /// The names of the modules that it imports statically.
    pub(super) imports: Vec<String>,
}

/// The kind of a file that holds a script, which is compiled at first; without running any of it.
pub(super) fn kind(package: &Package, path: &str, limits: Limits) -> Result<Kind, Rejected> {
    static KINDS: OnceLock<Cache<[u8; 32], Kind>> = OnceLock::new();
    let kinds = KINDS.get_or_init(|| Cache::new(REMEMBERED));
    let (format, text) = (package.format(path), package.text(path).unwrap_or_default());
    let key = Sha256::new().chain_update(format!("{format:?}#")).chain_update(&text).finalize().into();
    if let Some(kind) = kinds.get(&key) {
        return Ok(kind);
    }
    let kind = compiled(format, path, text, limits)?.kind;
    kinds.insert(key, kind);
    Ok(kind)
}

/// The function whose body a `CommonJS` file is, if it is strict by itself and its bytecode is kept; it is compiled at first.
pub(super) fn kept(package: &Package, path: &str, limits: Limits) -> Option<KeptCode> {
    static KEPT: OnceLock<Cache<[u8; 32], Option<KeptCode>>> = OnceLock::new();
    let all = KEPT.get_or_init(|| Cache::new(REMEMBERED));
    let text = package.text(path).unwrap_or_default();
    // The path is in the bytecode, too.
    let hash = Sha256::new().chain_update(path.len().to_le_bytes()).chain_update(path);
    let key = hash.chain_update(&text).finalize().into();
    all.get(&key).unwrap_or_else(|| {
        let script = alone(path, text, limits);
        let (context, _runtime) = realm(&script, &Rc::default()).ok()?;
        let code = context.with(|ctx| compile::strict(&ctx, &script, "")).and_then(|bytes| KeptCode::keep(path, bytes));
        all.insert(key, code);
        code
    })
}

/// Compiles a file that holds a script.
pub(super) fn examined(package: &Package, path: &str, limits: Limits) -> Result<Examined, Rejected> {
    compiled(package.format(path), path, package.text(path).unwrap_or_default(), limits)
}

/// A file as a script of its own.
fn alone(path: &str, text: String, limits: Limits) -> Script {
    Script {
        tenant: String::new(),
        source: text.into(),
        files: Arc::default(),
        file_name: path.to_owned(),
        entry_point: None,
        input: String::new(),
        variables: BTreeMap::new(),
        limits,
        outside: Outside::Live,
        isolation: Isolation::Fresh,
    }
}

fn compiled(format: Format, path: &str, text: String, limits: Limits) -> Result<Examined, Rejected> {
    let script = alone(path, text, limits);
    let imports: Rc<RefCell<Vec<String>>> = Rc::default();
    let Ok((context, _runtime)) = realm(&script, &imports) else {
        return Err(compile::broken());
    };
    let kind = context.with(|ctx| match format {
        Format::Module => compile::must_be_module(&ctx, &script),
        Format::CommonJs => compile::must_be_body(&ctx, &script),
        Format::Script => compile::told(&ctx, &script).map(|(kind, _)| kind),
        Format::Json | Format::Native => Err(compile::broken()),
    })?;
    Ok(Examined { kind, imports: imports.take() })
}

fn realm(script: &Script, imports: &Rc<RefCell<Vec<String>>>) -> JsResult<(Context, Runtime)> {
    let runtime = super::engine::limited(script)?;
    runtime.set_loader(Anything(imports.clone()), Anything(imports.clone()));
    Ok((Context::full(&runtime)?, runtime))
}

/// Notes what is imported, and finds an empty module.
struct Anything(Rc<RefCell<Vec<String>>>);

impl Resolver for Anything {
    fn resolve<'js>(&mut self, _: &Ctx<'js>, _: &str, name: &str) -> JsResult<String> {
        self.0.borrow_mut().push(name.to_owned());
        Ok(STAND_IN.to_owned())
    }
}

impl Loader for Anything {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str) -> JsResult<Module<'js, Declared>> {
        Module::declare(ctx.clone(), name, "")
    }
}

/// Says of a rejected file where it is wrong.
pub(super) fn described(path: &str, rejected: &Rejected) -> String {
    let message = &rejected.error.message;
    match rejected.reached {
        Position { line: 0, .. } => format!("{path}: {message}"),
        Position { line, column } => format!("{path}:{line}:{column}: {message}"),
    }
}

/// The error of a package whose file is rejected.
pub(super) fn error(path: &str, rejected: &Rejected) -> StepError {
    StepError { message: described(path, rejected), ..rejected.error.clone() }
}

/// Throws what is wrong with a file.
pub(super) fn throw(ctx: &Ctx<'_>, path: &str, rejected: &Rejected) -> rquickjs::Error {
    let StepError { name, message, .. } = error(path, rejected);
    if name == "SyntaxError" {
        return Exception::throw_syntax(ctx, &message);
    }
    let thrown = Exception::from_message(ctx.clone(), &message).and_then(|error| {
        error.as_object().set("name", name)?;
        Ok(error.throw())
    });
    thrown.unwrap_or_else(|error| error)
}
