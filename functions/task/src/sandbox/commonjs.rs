//! What the `CommonJS` modules of a package are made of: its files, found and compiled for the loader in the realm.

use rquickjs::{Ctx, Exception, Function, Object, Result, Value};
use serde::de::IgnoredAny;

use super::compile::{self, BODY_START, Kind};
use super::loader::native;
use super::package::{By, Format, Found, Package, parent};
use super::script::{Limits, Script};
use super::{examine, modules};

/// Installs the loader, which `load`s a file and returns what it exports.
pub(super) fn install<'js>(ctx: &Ctx<'js>, script: &Script) -> Result<Object<'js>> {
    let (package, limits) = (Package::new(script.files.clone()), script.limits);
    let functions = Object::new(ctx.clone())?;
    functions.set("parent", Function::new(ctx.clone(), |path: String| parent(&path).to_owned())?)?;
    functions.set("builtIn", Function::new(ctx.clone(), modules::require)?)?;
    functions.set("resolve", resolve(ctx, package.clone())?)?;
    functions.set("isJson", is_json(ctx, package.clone())?)?;
    functions.set("json", json(ctx, package.clone())?)?;
    functions.set("body", body(ctx, package, limits)?)?;
    let realm = modules::internal(ctx, "hookyard:commonjs")?;
    realm.get::<_, Function<'js>>("install")?.call((functions,))
}

fn resolve<'js>(ctx: &Ctx<'js>, package: Package) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, base: String, name: String| {
        match package.resolve(&base, &name, By::Require) {
            Ok(Found::BuiltIn(name) | Found::File(name)) => Ok(name),
            Err(message) => Err(modules::not_found(&ctx, "MODULE_NOT_FOUND", &message)),
        }
    })
}

fn is_json<'js>(ctx: &Ctx<'js>, package: Package) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |path: String| package.format(&path) == Format::Json)
}

fn json<'js>(ctx: &Ctx<'js>, package: Package) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, path: String| -> Result<Value<'js>> {
        let text = package.text(&path).unwrap_or_default();
        ctx.json_parse(text.as_str()).map_err(|error| match serde_json::from_str::<IgnoredAny>(&text) {
            // The engine tells no position.
            Err(invalid) if error.is_exception() => {
                ctx.catch();
                let reason = invalid.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                let message = format!("{path}:{}:{}: {reason}", invalid.line(), invalid.column());
                Exception::throw_syntax(&ctx, &message)
            }
            _ => error,
        })
    })
}

/// The function whose body a file is. Only what was compiled by itself before cannot close what is put around it.
fn body<'js>(ctx: &Ctx<'js>, package: Package, limits: Limits) -> Result<Function<'js>> {
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, path: String| -> Result<Function<'js>> {
        if package.format(&path) == Format::Native {
            return Err(native(&ctx, &path));
        }
        match examine::kind(&package, &path, limits) {
            Ok(Kind::Body) => {}
            Ok(Kind::Module) => {
                let message = format!("{path} is an ES module, which cannot be required but imported: `import('…')`");
                return Err(modules::not_found(&ctx, "ERR_REQUIRE_ESM", &message));
            }
            Err(rejected) => return Err(examine::throw(&ctx, &path, &rejected)),
        }
        if let Some(code) = examine::kept(&package, &path, limits) {
            return compile::strict_function(&ctx, code);
        }
        let text = package.text(&path).unwrap_or_default();
        let program = format!("{BODY_START}{}\n}})", compile::body(&text));
        ctx.eval_with_options(program, compile::sloppy(&path))
    })
}
