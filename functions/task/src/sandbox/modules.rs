//! The modules that a script can import or require: some of Node's, and nothing from a disk.

use std::sync::OnceLock;

use rquickjs::loader::bundle::Bundle;
use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Error, Exception, Module, Object, Result, Runtime, Value, WriteOptions};

/// What scripts can import.
const NAMES: [&str; 7] = ["buffer", "events", "querystring", "timers", "timers/promises", "url", "util"];
/// What the sources of Node.js are called with.
const NODE_PARAMETERS: &str = "exports, require, module, process, internalBinding, primordials";
/// How the names of the modules begin that scripts cannot import.
const OWN: &str = "hookyard:";

/// The modules that scripts can import.
static PUBLIC: [Source; 7] = [
    Source::new("buffer", include_str!("module/buffer.js")),
    Source::new("events", include_str!("module/events.js")),
    Source::new("querystring", include_str!("module/querystring.js")),
    Source::new("timers", include_str!("module/timers.js")),
    Source::new("timers/promises", include_str!("module/timers_promises.js")),
    Source::new("url", include_str!("module/url.js")),
    Source::new("util", include_str!("module/util.js")),
];

/// Our own modules behind them and behind the globals.
static REALM: [Source; 19] = [
    Source::new("hookyard:buffer", include_str!("realm/buffer.js")),
    Source::new("hookyard:bytes", include_str!("realm/bytes.js")),
    Source::new("hookyard:console", include_str!("realm/console.js")),
    Source::new("hookyard:constants", include_str!("realm/constants.js")),
    Source::new("hookyard:dom_exception", include_str!("realm/dom_exception.js")),
    Source::new("hookyard:encoding", include_str!("realm/encoding.js")),
    Source::new("hookyard:errors", include_str!("realm/errors.js")),
    Source::new("hookyard:fetch", include_str!("realm/fetch.js")),
    Source::new("hookyard:intrinsics", include_str!("realm/intrinsics.js")),
    Source::new("hookyard:loader", include_str!("realm/loader.js")),
    Source::new("hookyard:locale", include_str!("realm/locale.js")),
    Source::new("hookyard:numbers", include_str!("realm/numbers.js")),
    Source::new("hookyard:paths", include_str!("realm/paths.js")),
    Source::new("hookyard:prelude", include_str!("realm/prelude.js")),
    Source::new("hookyard:registry", include_str!("realm/registry.js")),
    Source::new("hookyard:stacks", include_str!("realm/stacks.js")),
    Source::new("hookyard:structured_clone", include_str!("realm/structured_clone.js")),
    Source::new("hookyard:types", include_str!("realm/types.js")),
    Source::new("hookyard:urls", include_str!("realm/urls.js")),
];

/// The sources of Node.js that they use.
static NODE: [Source; 18] = [
    Source::new("hookyard:node/abort_controller", include_str!("node/abort_controller.js")),
    Source::new("hookyard:node/abort_listener", include_str!("node/abort_listener.js")),
    Source::new("hookyard:node/cli_table", include_str!("node/cli_table.js")),
    Source::new("hookyard:node/comparisons", include_str!("node/comparisons.js")),
    Source::new("hookyard:node/errors", include_str!("node/errors.js")),
    Source::new("hookyard:node/event_target", include_str!("node/event_target.js")),
    Source::new("hookyard:node/events", include_str!("node/events.js")),
    Source::new("hookyard:node/fixed_queue", include_str!("node/fixed_queue.js")),
    Source::new("hookyard:node/inspect", include_str!("node/inspect.js")),
    Source::new("hookyard:node/internal_querystring", include_str!("node/internal_querystring.js")),
    Source::new("hookyard:node/internal_url", include_str!("node/internal_url.js")),
    Source::new("hookyard:node/internal_util", include_str!("node/internal_util.js")),
    Source::new("hookyard:node/querystring", include_str!("node/querystring.js")),
    Source::new("hookyard:node/types", include_str!("node/types.js")),
    Source::new("hookyard:node/url", include_str!("node/url.js")),
    Source::new("hookyard:node/util", include_str!("node/util.js")),
    Source::new("hookyard:node/validators", include_str!("node/validators.js")),
    Source::new("hookyard:node/webidl", include_str!("node/webidl.js")),
];

type ByteCode = [(&'static str, &'static [u8]); 1];

/// A module in JavaScript, and its bytecode once it was needed.
struct Source {
    name: &'static str,
    text: &'static str,
    bytecode: OnceLock<ByteCode>,
}

impl Source {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, bytecode: OnceLock::new() }
    }

    /// The bytecode, compiled once per process.
    fn compiled(&'static self, compile: impl FnOnce(&'static Self) -> Result<Vec<u8>>) -> Result<&'static ByteCode> {
        if let Some(compiled) = self.bytecode.get() {
            return Ok(compiled);
        }
        // Kept for as long as the process lives, as the engine refers to the bytes.
        let bytes: &'static [u8] = compile(self)?.leak();
        Ok(self.bytecode.get_or_init(|| [(self.name, bytes)]))
    }

    fn load<'js>(
        &'static self,
        ctx: &Ctx<'js>,
        compile: fn(&'static Self) -> Result<Vec<u8>>,
    ) -> Result<Module<'js, Declared>> {
        let compiled: &'static [(&'static str, &'static [u8])] = self.compiled(compile)?;
        Bundle(compiled).load(ctx, self.name)
    }
}

/// Resolves and loads the modules that are built in.
#[derive(Clone, Copy, Debug)]
pub(super) struct BuiltIn;

impl Resolver for BuiltIn {
    fn resolve<'js>(&mut self, _ctx: &Ctx<'js>, base: &str, name: &str) -> Result<String> {
        let plain = name.strip_prefix("node:").unwrap_or(name);
        let own = name.starts_with(OWN) && (base.starts_with(OWN) || NAMES.contains(&base));
        if own || NAMES.contains(&plain) {
            return Ok(plain.to_owned());
        }
        Err(Error::new_resolving_message(base, name, only()))
    }
}

impl Loader for BuiltIn {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        match PUBLIC.iter().find(|source| source.name == name) {
            Some(source) => source.load(ctx, compile),
            None => own(ctx, name),
        }
    }
}

fn only() -> String {
    format!("a script can import {} only", NAMES.join(", "))
}

/// Loads one of our own modules or of those of Node.js.
fn own<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    if let Some(source) = REALM.iter().find(|source| source.name == name) {
        return source.load(ctx, compile);
    }
    match NODE.iter().find(|source| source.name == name) {
        Some(source) => source.load(ctx, compile_node),
        None => Err(Error::new_loading(name)),
    }
}

/// Evaluates one of our own modules and returns its exports.
pub(super) fn internal<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Object<'js>> {
    let (module, evaluated) = own(ctx, name)?.eval()?;
    evaluated.finish::<()>()?;
    module.namespace()
}

/// The `require` of `CommonJS` scripts.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
pub(super) fn require<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    let plain = name.strip_prefix("node:").unwrap_or(&name);
    if !NAMES.contains(&plain) {
        return Err(Exception::throw_message(&ctx, &format!("cannot find the module '{name}': {}", only())));
    }
    let exports: Object<'js> = Module::import(&ctx, name)?.finish()?;
    let default: Value<'js> = exports.get("default")?;
    Ok(if default.is_undefined() { exports.into_value() } else { default })
}

/// Loads one of our own modules for another one.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
pub(super) fn load<'js>(ctx: Ctx<'js>, name: String) -> Result<Object<'js>> {
    internal(&ctx, &format!("{OWN}{name}"))
}

fn compile(source: &'static Source) -> Result<Vec<u8>> {
    bytecode(source.name, source.text)
}

/// Compiles a source of Node.js, which is the body of a function, as a module that exports this function.
fn compile_node(source: &'static Source) -> Result<Vec<u8>> {
    let text = source.text;
    bytecode(source.name, &format!("export default function ({NODE_PARAMETERS}) {{{text}}}"))
}

fn bytecode(name: &str, text: &str) -> Result<Vec<u8>> {
    let runtime = Runtime::new()?;
    runtime.set_loader(BuiltIn, BuiltIn);
    Context::full(&runtime)?.with(|ctx| Module::declare(ctx, name, text)?.write(WriteOptions::default()))
}
