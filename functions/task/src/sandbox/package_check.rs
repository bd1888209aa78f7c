//! Looks through code before it ever runs for what it cannot run without.
//!
//! Whatever runs is accepted: a static import and a `require` that a script begins with are certain, all others may be
//! in a branch that is never taken or in a `try`, and fail only when they are reached.

use std::collections::BTreeSet;

use shared::event::StepError;

use super::compile::Kind;
use super::leading_requires::leading_requires;
use super::package::{By, Format, Found, Package};
use super::script::Script;
use super::{entry, examine, exports, failure, modules};

/// Compiles the files of a package that are certain to be loaded, from its entry on.
pub(super) fn check(script: &Script) -> Result<(), StepError> {
    let package = Package::new(script.files.clone());
    let entry = package.entry(script.entry_point.as_deref());
    let (entry, names) = entry.map_err(failure::entry_point_not_found)?;
    let (mut seen, mut open) = (BTreeSet::new(), vec![entry.clone()]);
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        for (name, by) in needed(&package, &path, script)? {
            match package.resolve(&path, &name, by) {
                Ok(Found::File(file)) => open.push(file),
                Ok(Found::BuiltIn(_)) => {}
                Err(message) => return Err(failure::runtime("Error", message)),
            }
        }
    }
    check_entry(&package, &entry, &names, script)
}

/// Checks whether the file of the entry point can export what is called.
fn check_entry(package: &Package, path: &str, names: &[String], script: &Script) -> Result<(), StepError> {
    let what = format!("file {path}");
    let name = Some(names.join(".")).filter(|name| !name.is_empty());
    if matches!(package.format(path), Format::Json | Format::Native) {
        return Ok(());
    }
    let text = package.text(path).unwrap_or_default();
    match examine::kind(package, path, script.limits).map_err(|rejected| examine::error(path, &rejected))? {
        Kind::Module => {
            let exported = exports::of_module(script, path, &text)?;
            entry::check_names(&what, name.as_deref(), &exported)
        }
        // Other files may say what this one exports.
        Kind::Body if text.contains("require") => Ok(()),
        Kind::Body => entry::check_text(&what, &text, names.last().map(String::as_str)),
    }
}

/// What a file needs as soon as it is loaded.
fn needed(package: &Package, path: &str, script: &Script) -> Result<Vec<(String, By)>, StepError> {
    match package.format(path) {
        Format::Json => return Ok(Vec::new()),
        Format::Native => {
            let message = format!("{path} is machine code, which the sandbox cannot run");
            return Err(failure::runtime("Error", message));
        }
        Format::Module | Format::CommonJs | Format::Script => {}
    }
    let examined =
        examine::examined(package, path, script.limits).map_err(|rejected| examine::error(path, &rejected))?;
    Ok(match examined.kind {
        Kind::Module => examined.imports.into_iter().map(|name| (name, By::Import)).collect(),
        Kind::Body => {
            let text = package.text(path).unwrap_or_default();
            leading_requires(&text).into_iter().map(|name| (name.to_owned(), By::Require)).collect()
        }
    })
}

/// Looks for modules that a `CommonJS` script without other files begins with and that are not there.
pub(super) fn check_text(source: &str) -> Result<(), StepError> {
    let is_missing = |name: &&str| !modules::is_public(name.strip_prefix("node:").unwrap_or(name));
    match leading_requires(source).into_iter().find(is_missing) {
        Some(name) => Err(failure::runtime("Error", modules::missing(name, "the script"))),
        None => Ok(()),
    }
}
