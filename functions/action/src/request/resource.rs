//! The URL: the base URL, the resource with its parameters, and the query.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::{Broken, URL_LIMIT_BYTES, plain, query};
use crate::app::{Action, Field};
use crate::input::Input;

/// What is encoded of a parameter: all but what no part of a URL takes for syntax (RFC 3986, 2.3).
const IN_VALUES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is encoded of the resource itself; what is encoded already stays so.
const IN_RESOURCES: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

enum Part<'r> {
    Literal(&'r str),
    Parameter(&'r str),
}

/// Builds the URL.
pub(super) fn url(base_url: &str, action: &Action, input: &Input, broken: &mut Broken<'_>) -> Option<Url> {
    let base = base(base_url).map_err(|rule| broken.rule("base_url", rule)).ok();
    let (resource, static_query) = action.resource.split_once('?').unwrap_or((&action.resource, ""));
    if let Err(rule) = check(&action.resource) {
        broken.rule("resource", rule);
        return None;
    }
    let path = path(resource, action, input, broken);
    let mut url = base?;
    if !resource.is_empty() {
        let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
    }
    let given = [url.query().unwrap_or_default(), static_query];
    let query = query::joined(given, &input.query, broken);
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    if url.as_str().len() > URL_LIMIT_BYTES {
        broken.value("Query", &[], format!("makes the URL longer than {URL_LIMIT_BYTES} bytes"));
    }
    Some(url)
}

fn base(text: &str) -> Result<Url, String> {
    if text.is_empty() {
        return Err("is required: neither the environment nor the action has one".to_owned());
    }
    // A parser of URLs leaves tabs and line breaks out, and so would ask for something else.
    if text.chars().any(char::is_control) {
        return Err("has a line break or another control character".to_owned());
    }
    let url = Url::parse(text).map_err(|problem| format!("is not a URL: {problem}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have credentials".to_owned());
    }
    match url.fragment() {
        Some(_) => Err("must not have a fragment".to_owned()),
        None => Ok(url),
    }
}

fn check(resource: &str) -> Result<(), &'static str> {
    if resource.chars().any(char::is_control) {
        return Err("has a line break or another control character");
    }
    if resource.contains('#') {
        return Err("must not have a fragment");
    }
    match resource.contains("://") {
        true => Err("must be a path below the base URL"),
        false => Ok(()),
    }
}

fn path(resource: &str, action: &Action, input: &Input, broken: &mut Broken<'_>) -> String {
    let segments = resource.strip_prefix('/').unwrap_or(resource).split('/');
    let segments: Vec<String> = segments.map(|written| segment(written, action, input, broken)).collect();
    segments.join("/")
}

/// Fills in the parameters of one segment, so that it stays one.
fn segment(written: &str, action: &Action, input: &Input, broken: &mut Broken<'_>) -> String {
    let mut filled = String::with_capacity(written.len());
    let mut last_parameter = None;
    for part in parts(written, &action.params, input) {
        match part {
            Part::Literal(text) => filled.extend(utf8_percent_encode(text, IN_RESOURCES)),
            Part::Parameter(name) => {
                last_parameter = Some(name);
                match value(name, input) {
                    Ok(text) => filled.extend(utf8_percent_encode(&text, IN_VALUES)),
                    Err(rule) => {
                        broken.value("Params", &[name], rule);
                        return String::new();
                    }
                }
            }
        }
    }
    if is_dots(&filled) {
        let rule = "makes a segment of `.` or `..`, which leads to another resource";
        match last_parameter {
            Some(name) => broken.value("Params", &[name], rule),
            None => broken.rule("resource", rule),
        }
    }
    filled
}

fn value(name: &str, input: &Input) -> Result<String, &'static str> {
    let value = input.params.get(name).filter(|value| !value.is_null()).ok_or("is required")?;
    let text = plain(value).ok_or("must be a string, a number or a boolean")?;
    if text.is_empty() { Err("must not be empty") } else { Ok(text) }
}

/// Tells whether a segment says "here" or "up", as parsers of URLs understand it.
fn is_dots(segment: &str) -> bool {
    matches!(&*percent_decode_str(segment).collect::<Vec<u8>>(), b"." | b"..")
}

/// Splits a segment at its parameters.
///
/// A parameter is the longest declared name after a colon. At the beginning of a segment it need not be declared; later
/// on an undeclared one is text, as in `/operations/:id:cancel`.
fn parts<'r>(segment: &'r str, declared: &[Field], input: &Input) -> Vec<Part<'r>> {
    let mut parts = Vec::new();
    let (mut literal_start, mut from) = (0, 0);
    while let Some(offset) = segment[from..].find(':') {
        let colon = from + offset;
        let rest = &segment[colon + 1..];
        let declared = longest(rest, declared.iter().map(|field| field.key.as_str()));
        let undeclared = || longest(rest, input.params.keys().map(String::as_str)).or_else(|| word(rest));
        let found = declared.or_else(|| if colon == 0 { undeclared() } else { None });
        from = colon + 1;
        if let Some(bytes) = found {
            parts.push(Part::Literal(&segment[literal_start..colon]));
            parts.push(Part::Parameter(&rest[..bytes]));
            from += bytes;
            literal_start = from;
        }
    }
    parts.push(Part::Literal(&segment[literal_start..]));
    parts
}

/// The bytes of the longest of these names that a text begins with as a whole word.
fn longest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<usize> {
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let found = names.filter(|name| !name.is_empty() && text.strip_prefix(*name).is_some_and(ends));
    found.map(str::len).max()
}

/// The bytes of the word that a text begins with.
fn word(text: &str) -> Option<usize> {
    let end = text.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(text.len());
    (end > 0).then_some(end)
}
