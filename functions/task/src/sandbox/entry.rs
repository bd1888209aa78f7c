//! Finds the function to call in what a script exports or declares.

use rquickjs::{Ctx, Function, Module, Object, Value};

use shared::event::StepError;

use super::compile::{self, BODY_START, Compiled, Kind};
use super::event_loop::EventLoop;
use super::failure::{self, Fault};
use super::kept_code::KeptCode;
use super::package::{Format, Package};
use super::script::Script;
use super::{commonjs, examine, modules};

/// The names under which a script may export its function, in order of preference.
const KNOWN_NAMES: [&str; 3] = ["main", "handler", "doTask"];
/// How many of the exported names an error lists.
const SHOWN_NAMES: usize = 20;

/// Evaluates the script and returns its function.
pub(super) fn find<'js>(
    ctx: &Ctx<'js>,
    script: &Script,
    compiled: Compiled,
    event_loop: &EventLoop<'_, 'js>,
) -> Result<Function<'js>, Fault> {
    let entry_point = name_in_text(script.entry_point.as_deref());
    let (candidates, declared) = match compiled.kind {
        Kind::Module => (of_module(ctx, script, compiled.code, event_loop)?, None),
        Kind::Body => of_body(ctx, script, compiled.code).map(|(exported, declared)| (exported, Some(declared)))?,
    };
    let names: Vec<&str> = entry_point.map_or_else(|| KNOWN_NAMES.to_vec(), |name| vec![name]);
    for candidate in candidates.iter().chain(&declared) {
        if let Some(main) = function_of(candidate, &names, entry_point.is_none())? {
            return Ok(main);
        }
    }
    Err(Fault::Failed(missing("script", entry_point, &exported_names(ctx, &candidates))))
}

/// Checks what is known before a script runs: whether it can export what is called.
pub(super) fn check_names(what: &str, entry_point: Option<&str>, exported: &[String]) -> Result<(), StepError> {
    let has = |name: &str| exported.iter().any(|exported| exported == name);
    let is_there = match entry_point {
        _ if has("default") => true,
        Some(name) => has(name.split('.').next().unwrap_or(name)),
        None => KNOWN_NAMES.into_iter().any(has),
    };
    if is_there { Ok(()) } else { Err(missing(what, entry_point, exported)) }
}

/// Checks what can be told from the text of a `CommonJS` or plain script: one that never speaks of what it exports, nor of
/// the function, cannot have it.
pub(super) fn check_text(what: &str, source: &str, entry_point: Option<&str>) -> Result<(), StepError> {
    let names: Vec<&str> = entry_point.map_or_else(|| KNOWN_NAMES.to_vec(), |name| vec![name]);
    let could_have =
        ["exports", "module", "this", "eval", "\\"].into_iter().chain(names).any(|word| source.contains(word));
    if could_have { Ok(()) } else { Err(missing(what, entry_point, &[])) }
}

/// The name that an entry point says of a script without other files. Other systems expect `file.function`.
pub(super) fn name_in_text(entry_point: Option<&str>) -> Option<&str> {
    entry_point.map(|name| name.rsplit('.').next().unwrap_or(name))
}

/// Evaluates the file of a package that its entry point names, and returns the function.
pub(super) fn find_in_package<'js>(
    ctx: &Ctx<'js>,
    script: &Script,
    event_loop: &EventLoop<'_, 'js>,
) -> Result<Function<'js>, Fault> {
    let package = Package::new(script.files.clone());
    let entry = package.entry(script.entry_point.as_deref());
    let (path, names) = entry.map_err(|message| Fault::Failed(failure::entry_point_not_found(message)))?;
    let commonjs = commonjs::install(ctx, script)?;
    let kind = match package.format(&path) {
        Format::Json | Format::Native => Kind::Body,
        Format::Module | Format::CommonJs | Format::Script => examine::kind(&package, &path, script.limits)
            .map_err(|rejected| Fault::Failed(examine::error(&path, &rejected)))?,
    };
    let exported: Value<'js> = match kind {
        Kind::Module => event_loop.run_until(ctx, &Module::import(ctx, path.as_str())?)?,
        Kind::Body => commonjs.get::<_, Function<'js>>("load")?.call((path.as_str(),))?,
    };
    let default = exported.as_object().map(|exports| exports.get("default")).transpose()?;
    let candidates: Vec<Value<'js>> = match kind {
        Kind::Module => default.into_iter().chain([exported]).collect(),
        Kind::Body => [exported].into_iter().chain(default).collect(),
    };
    for candidate in candidates.clone() {
        let Some((last, objects)) = names.split_last() else {
            match function_of(&candidate, &KNOWN_NAMES, true)? {
                Some(main) => return Ok(main),
                None => continue,
            }
        };
        let holder = objects.iter().try_fold(Some(candidate), |value, name| {
            value.as_ref().and_then(Value::as_object).map(|object| object.get(name.as_str())).transpose()
        })?;
        if let Some(holder) = holder
            && let Some(main) = function_of(&holder, &[last.as_str()], false)?
        {
            return Ok(main);
        }
    }
    let name = Some(names.join(".")).filter(|name| !name.is_empty());
    let exported = exported_names(ctx, &candidates);
    Err(Fault::Failed(missing(&format!("file {path}"), name.as_deref(), &exported)))
}

fn missing(what: &str, entry_point: Option<&str>, exported: &[String]) -> StepError {
    let message = match entry_point {
        Some(name) => format!("the {what} exports no function `{name}`"),
        None => format!("the {what} has no default export and exports no function main, handler or doTask"),
    };
    let shown: Vec<String> = exported.iter().take(SHOWN_NAMES).map(|name| format!("`{name}`")).collect();
    let more = if exported.len() > SHOWN_NAMES { " and more" } else { "" };
    failure::entry_point_not_found(match shown.is_empty() {
        true => format!("{message}; it exports nothing"),
        false => format!("{message}; it exports {}{more}", shown.join(", ")),
    })
}

/// The names of what a script that has run exports.
fn exported_names<'js>(ctx: &Ctx<'js>, candidates: &[Value<'js>]) -> Vec<String> {
    let mut names = Vec::new();
    for object in candidates.iter().filter_map(Value::as_object) {
        for name in object.keys::<String>().take(SHOWN_NAMES + 1) {
            match name {
                Ok(name) if !names.contains(&name) => names.push(name),
                Ok(_) => {}
                // A proxy can fail to tell.
                Err(_) => drop(ctx.catch()),
            }
        }
    }
    names
}

/// The exports of an ES module, once it is evaluated.
fn of_module<'js>(
    ctx: &Ctx<'js>,
    script: &Script,
    code: Option<KeptCode>,
    event_loop: &EventLoop<'_, 'js>,
) -> Result<Vec<Value<'js>>, Fault> {
    let module = match code {
        Some(code) => code.load(ctx)?,
        None => Module::declare(ctx.clone(), script.file_name.as_str(), compile::module(&script.source))?,
    };
    let (module, evaluated) = module.eval()?;
    event_loop.run_until(ctx, &evaluated)?;
    let exports = module.namespace()?;
    let default: Value<'js> = exports.get("default")?;
    Ok(vec![default, exports.into_value()])
}

/// What a `CommonJS` script exports, and an object with what a plain script declares.
fn of_body<'js>(
    ctx: &Ctx<'js>,
    script: &Script,
    code: Option<KeptCode>,
) -> Result<(Vec<Value<'js>>, Value<'js>), Fault> {
    let wrapper: Function<'js> = match code {
        Some(code) => compile::strict_function(ctx, code)?,
        None => ctx.eval_with_options(wrapped(script), compile::sloppy(&script.file_name))?,
    };
    let module = Object::new(ctx.clone())?;
    let exports = Object::new(ctx.clone())?;
    module.set("exports", exports.clone())?;
    let require = Function::new(ctx.clone(), modules::require)?;
    let file_name = format!("/{}", script.file_name);
    let declared: Value<'js> = wrapper.call((exports, require, module.clone(), file_name, "/"))?;
    let exported: Value<'js> = module.get("exports")?;
    let default = exported.as_object().map(|exports| exports.get("default")).transpose()?;
    Ok(([Some(exported), default].into_iter().flatten().collect(), declared))
}

/// The script as the body of a function, on the lines where it stood.
fn wrapped(script: &Script) -> String {
    let (body, end) = (compile::body(&script.source), end_of_body(script.entry_point.as_deref()));
    format!("{BODY_START}{body}{end}\n}})")
}

/// What follows a `CommonJS` or plain script in its function: it returns the functions of known names.
pub(super) fn end_of_body(entry_point: Option<&str>) -> String {
    let entry_point = name_in_text(entry_point).filter(|name| is_identifier(name) && !KNOWN_NAMES.contains(name));
    let names = KNOWN_NAMES.into_iter().chain(entry_point);
    let functions: Vec<String> =
        names.map(|name| format!("{name}: typeof {name} === 'function' ? {name} : undefined")).collect();
    format!("\n;return {{{}}};", functions.join(", "))
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '$'))
}

/// The function that a value is, or has under one of the names.
fn function_of<'js>(value: &Value<'js>, names: &[&str], itself: bool) -> rquickjs::Result<Option<Function<'js>>> {
    if let Some(function) = value.as_function().filter(|_| itself) {
        return Ok(Some(function.clone()));
    }
    let Some(object) = value.as_object() else {
        return Ok(None);
    };
    for name in names {
        if let Some(function) = object.get::<_, Value<'js>>(*name)?.into_function() {
            return Ok(Some(function));
        }
    }
    Ok(None)
}
