//! The parts of a translation's text: what stands there, `{{argument}}`, `{{argument, format}}` and `$t(key)`.

use serde_json::Value;
use shared::nearest;

use super::super::{Signature, signature};

/// The helpers by which an argument can be written.
const FORMATS: [&str; 4] = ["number", "currency", "datetime", "relativetime"];

/// A part of a text.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// It stands there as it is.
    Text(&'a str),
    /// The value of an argument, or of a member of it, `order.total`.
    Argument(&'a str, Option<Format<'a>>),
    /// The text of another key, with the same arguments.
    Nested(&'a str),
}

/// How an argument is written, `number(minimumFractionDigits: 2)` or `currency(EUR)`.
#[derive(Debug)]
pub(super) struct Format<'a> {
    /// The helper that writes it.
    pub(super) signature: &'static Signature,
    /// The helper's options.
    pub(super) options: Vec<(&'a str, Value)>,
}

/// Reads the parts of a text, or says what is wrong with it.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = [rest.find("{{"), rest.find("$t(")].into_iter().flatten().min() {
        let (before, found) = rest.split_at(at);
        parts.push(Part::Text(before));
        let (part, after) = match found.strip_prefix("{{") {
            Some(inside) => argument(inside)?,
            None => nested(found)?,
        };
        parts.push(part);
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Reads an argument after its opening braces; i18next's sign for one that is not escaped changes nothing, as the braces
/// around `t` decide that.
fn argument(text: &str) -> Result<(Part<'_>, &str), String> {
    let (inside, after) = text.split_once("}}").ok_or("has `{{` without `}}`")?;
    let (name, format) = match inside.split_once(',') {
        Some((name, format)) => (name, Some(Format::parse(format.trim())?)),
        None => (inside, None),
    };
    let name = name.trim();
    let name = name.strip_prefix('-').map_or(name, str::trim_start);
    if name.is_empty() {
        return Err("names no argument between its braces".to_owned());
    }
    Ok((Part::Argument(name, format), after))
}

fn nested(text: &str) -> Result<(Part<'_>, &str), String> {
    let inside = text.strip_prefix("$t(").and_then(|inside| inside.split_once(')'));
    let (key, after) = inside.ok_or("has `$t(` without `)`")?;
    match key.trim() {
        "" => Err("names no key in `$t()`".to_owned()),
        key if key.contains([',', '{']) => {
            Err(format!("must have a key alone in `$t({key})`: it gets the arguments of this text"))
        }
        key => Ok((Part::Nested(key), after)),
    }
}

impl<'a> Format<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let (name, options) = match text.split_once('(') {
            Some((name, options)) => (name.trim(), options.trim_end().trim_end_matches(')')),
            None => (text, ""),
        };
        let unknown = || format!("has the {}", nearest::unknown("format", name, FORMATS));
        let signature = signature(name).filter(|_| FORMATS.contains(&name)).ok_or_else(unknown)?;
        let default = match name {
            "currency" => "currency",
            "relativetime" => "range",
            _ => "style",
        };
        let options: Vec<(&str, Value)> = options
            .split(';')
            .filter(|option| !option.trim().is_empty())
            .map(|option| option.split_once(':').unwrap_or((default, option)))
            .map(|(name, value)| (name.trim(), Value::from(value.trim().trim_matches(['"', '\'']))))
            .collect();
        signature
            .check_options(options.iter().map(|(name, _)| *name))
            .map_err(|rule| format!("has a format whose {rule}"))?;
        Ok(Self { signature, options })
    }
}
