//! What an ES module exports, found out from the engine before any of it runs.
//!
//! The module is linked with everything that it imports, and what is evaluated first stops the evaluation of all others.

use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Module, Result};
use shared::event::StepError;

use super::loader::PackageLoader;
use super::modules::BuiltIn;
use super::position::MODULE_START;
use super::script::Script;
use super::{engine, failure};

/// The module that comes first, and what it imports: the one whose exports it looks at.
const FIRST: &str = "hookyard:first";
const LISTED: &str = "hookyard:listed";
/// A name may be there without a value yet, so that nothing is asked but the names.
const LIST: &str = "import * as listed from 'hookyard:listed';
    globalThis.listed = Reflect.ownKeys(listed).filter((name) => typeof name === 'string');
    throw 0;";

/// The names that a module exports, or why it cannot be linked.
pub(super) fn of_module(script: &Script, path: &str, source: &str) -> std::result::Result<Vec<String>, StepError> {
    let realm = engine::limited(script).and_then(|runtime| Ok((Context::full(&runtime)?, runtime)));
    let Ok((context, runtime)) = realm else { return Err(failure::broken()) };
    let package = (!script.files.is_empty()).then(|| PackageLoader::new(script));
    let linking = Linking { package, path: path.to_owned() };
    runtime.set_loader(linking.clone(), linking);
    context.with(|ctx| match names(&ctx, path, source) {
        Ok(Some(names)) => Ok(names),
        Ok(None) => Err(failure::thrown(&ctx, &rquickjs::Error::Exception).0),
        Err(error) => Err(failure::thrown(&ctx, &error).0),
    })
}

/// Links the module; without names, it could not be linked and the reason is pending.
fn names(ctx: &Ctx<'_>, path: &str, source: &str) -> Result<Option<Vec<String>>> {
    let text = format!("import '{FIRST}';{MODULE_START}{}", source.strip_prefix("#!").map_or(source, |_| rest(source)));
    let (_, evaluated) = Module::declare(ctx.clone(), path, text)?.eval()?;
    let error = match evaluated.finish::<()>() {
        Ok(()) => return Ok(Some(Vec::new())),
        Err(error) => error,
    };
    let listed: Option<Vec<String>> = {
        let thrown = ctx.catch();
        match thrown.as_int() {
            Some(0) => ctx.globals().get("listed")?,
            _ => {
                let _ = if error.is_exception() { ctx.throw(thrown) } else { error };
                None
            }
        }
    };
    Ok(listed)
}

/// What follows the first line.
fn rest(source: &str) -> &str {
    source.find('\n').map_or("", |end| &source[end..])
}

/// Finds what the module imports where its runs would find it.
#[derive(Clone)]
struct Linking {
    package: Option<PackageLoader>,
    path: String,
}

impl Resolver for Linking {
    fn resolve<'js>(&mut self, ctx: &Ctx<'js>, base: &str, name: &str) -> Result<String> {
        match (name, &mut self.package) {
            (FIRST, _) => Ok(FIRST.to_owned()),
            (LISTED, _) => Ok(self.path.clone()),
            (_, Some(package)) => package.resolve(ctx, base, name),
            (_, None) => BuiltIn.resolve(ctx, base, name),
        }
    }
}

impl Loader for Linking {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        match (name, &mut self.package) {
            (FIRST, _) => Module::declare(ctx.clone(), FIRST, LIST),
            (_, Some(package)) => package.load(ctx, name),
            (_, None) => BuiltIn.load(ctx, name),
        }
    }
}
