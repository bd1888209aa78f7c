//! The modules that a script can import or require: some of Node's, and nothing from a disk.

use std::sync::OnceLock;

use rquickjs::loader::bundle::{Bundle, ScaBundleData};
use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Error, Module, Object, Result, Runtime, Value, WriteOptions};

/// What scripts can import.
const NAMES: [&str; 6] = ["buffer", "events", "timers", "timers/promises", "url", "util"];

/// The modules that are written in JavaScript. Scripts cannot import the first three.
const SOURCES: [(&str, &str); 5] = [
    ("hookyard:prelude", include_str!("prelude.js")),
    ("hookyard:fetch", include_str!("fetch.js")),
    ("hookyard:counted", include_str!("counted.js")),
    ("timers/promises", include_str!("timers_promises.js")),
    ("timers", include_str!("timers.js")),
];

type ByteCode = ScaBundleData<&'static [u8]>;

/// Resolves and loads the modules that are built in.
#[derive(Clone, Copy, Debug)]
pub(super) struct BuiltIn;

impl Resolver for BuiltIn {
    fn resolve<'js>(&mut self, _ctx: &Ctx<'js>, base: &str, name: &str) -> Result<String> {
        let plain = name.strip_prefix("node:").unwrap_or(name);
        if NAMES.contains(&plain) {
            return Ok(plain.to_owned());
        }
        let message = format!("a script can import {} only", NAMES.join(", "));
        Err(Error::new_resolving_message(base, name, message))
    }
}

impl Loader for BuiltIn {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        match name {
            "buffer" => Module::declare_def::<llrt_modules::buffer::BufferModule, _>(ctx.clone(), name),
            "events" => Module::declare_def::<llrt_modules::events::EventsModule, _>(ctx.clone(), name),
            "url" => Module::declare_def::<llrt_modules::url::UrlModule, _>(ctx.clone(), name),
            "util" => Module::declare_def::<llrt_modules::util::UtilModule, _>(ctx.clone(), name),
            _ => compiled()?.load(ctx, name),
        }
    }
}

/// Evaluates one of our own modules and returns its exports.
pub(super) fn internal<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Object<'js>> {
    let (module, evaluated) = compiled()?.load(ctx, name)?.eval()?;
    evaluated.finish::<()>()?;
    module.namespace()
}

/// The `require` of `CommonJS` scripts.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
pub(super) fn require<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    let exports: Object<'js> = Module::import(&ctx, name)?.finish()?;
    let default: Value<'js> = exports.get("default")?;
    Ok(if default.is_undefined() { exports.into_value() } else { default })
}

/// Our own modules as bytecode, compiled once per process.
fn compiled() -> Result<Bundle<ByteCode>> {
    static COMPILED: OnceLock<ByteCode> = OnceLock::new();
    if let Some(compiled) = COMPILED.get() {
        return Ok(Bundle(*compiled));
    }
    let runtime = Runtime::new()?;
    let modules = Context::full(&runtime)?.with(|ctx| {
        let compile = |(name, source): (&'static str, &str)| {
            let bytes = Module::declare(ctx.clone(), name, source)?.write(WriteOptions::default())?;
            // Kept for as long as the process lives, as the engine refers to the bytes.
            Ok((name, &*bytes.leak()))
        };
        SOURCES.into_iter().map(compile).collect::<Result<Vec<(&'static str, &'static [u8])>>>()
    })?;
    Ok(Bundle(*COMPILED.get_or_init(|| modules.leak())))
}
