//! The modules that a script can import or require: some of Node's, and nothing from a disk.

use std::sync::OnceLock;

use rquickjs::loader::bundle::Bundle;
use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Error, Exception, Module, Object, Result, Runtime, Value, WriteOptions};

/// What scripts can import.
const NAMES: [&str; 7] = ["buffer", "events", "querystring", "timers", "timers/promises", "url", "util"];
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
static REALM: [Source; 38] = [
    Source::new("hookyard:abort_controller", include_str!("realm/abort_controller.js")),
    Source::new("hookyard:buffer", include_str!("realm/buffer.js")),
    Source::new("hookyard:bytes", include_str!("realm/bytes.js")),
    Source::new("hookyard:calls", include_str!("realm/calls.js")),
    Source::new("hookyard:clock", include_str!("realm/clock.js")),
    Source::new("hookyard:comparisons", include_str!("realm/comparisons.js")),
    Source::new("hookyard:console", include_str!("realm/console.js")),
    Source::new("hookyard:constants", include_str!("realm/constants.js")),
    Source::new("hookyard:dom_exception", include_str!("realm/dom_exception.js")),
    Source::new("hookyard:encoding", include_str!("realm/encoding.js")),
    Source::new("hookyard:errors", include_str!("realm/errors.js")),
    Source::new("hookyard:event_target", include_str!("realm/event_target.js")),
    Source::new("hookyard:events", include_str!("realm/events.js")),
    Source::new("hookyard:fetch", include_str!("realm/fetch.js")),
    Source::new("hookyard:format", include_str!("realm/format.js")),
    Source::new("hookyard:inspect", include_str!("realm/inspect.js")),
    Source::new("hookyard:inspect_errors", include_str!("realm/inspect_errors.js")),
    Source::new("hookyard:inspect_layout", include_str!("realm/inspect_layout.js")),
    Source::new("hookyard:inspect_primitives", include_str!("realm/inspect_primitives.js")),
    Source::new("hookyard:inspect_styles", include_str!("realm/inspect_styles.js")),
    Source::new("hookyard:intrinsics", include_str!("realm/intrinsics.js")),
    Source::new("hookyard:loader", include_str!("realm/loader.js")),
    Source::new("hookyard:locale", include_str!("realm/locale.js")),
    Source::new("hookyard:numbers", include_str!("realm/numbers.js")),
    Source::new("hookyard:percent", include_str!("realm/percent.js")),
    Source::new("hookyard:prelude", include_str!("realm/prelude.js")),
    Source::new("hookyard:querystring", include_str!("realm/querystring.js")),
    Source::new("hookyard:registry", include_str!("realm/registry.js")),
    Source::new("hookyard:search_params", include_str!("realm/search_params.js")),
    Source::new("hookyard:stacks", include_str!("realm/stacks.js")),
    Source::new("hookyard:structured_clone", include_str!("realm/structured_clone.js")),
    Source::new("hookyard:table", include_str!("realm/table.js")),
    Source::new("hookyard:types", include_str!("realm/types.js")),
    Source::new("hookyard:url", include_str!("realm/url.js")),
    Source::new("hookyard:util", include_str!("realm/util.js")),
    Source::new("hookyard:web_classes", include_str!("realm/web_classes.js")),
    Source::new("hookyard:whatwg_url", include_str!("realm/whatwg_url.js")),
    Source::new("hookyard:width", include_str!("realm/width.js")),
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
    fn compiled(&'static self) -> Result<&'static ByteCode> {
        if let Some(compiled) = self.bytecode.get() {
            return Ok(compiled);
        }
        // Kept for as long as the process lives, as the engine refers to the bytes.
        let bytes: &'static [u8] = compile(self.name, self.text)?.leak();
        Ok(self.bytecode.get_or_init(|| [(self.name, bytes)]))
    }

    fn load<'js>(&'static self, ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
        let compiled: &'static [(&'static str, &'static [u8])] = self.compiled()?;
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
            Some(source) => source.load(ctx),
            None => own(ctx, name),
        }
    }
}

fn only() -> String {
    format!("a script can import {} only", NAMES.join(", "))
}

/// Loads one of our own modules.
fn own<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    match REALM.iter().find(|source| source.name == name) {
        Some(source) => source.load(ctx),
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

fn compile(name: &str, text: &str) -> Result<Vec<u8>> {
    let runtime = Runtime::new()?;
    runtime.set_loader(BuiltIn, BuiltIn);
    Context::full(&runtime)?.with(|ctx| Module::declare(ctx, name, text)?.write(WriteOptions::default()))
}
