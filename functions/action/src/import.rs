//! Imports: apps made of descriptions that others have written, OpenAPI documents and Postman collections.
//!
//! Reading is pure and bounded: a document becomes an app, its actions and warnings about what could not be taken over, in
//! time and memory that its size bounds.

pub(crate) mod document;
mod names;
mod openapi;
mod postman;
pub(crate) mod saving;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::rules::{self, DESCRIPTION_LIMIT_CHARACTERS, KEY_LIMIT_CHARACTERS, NAME_LIMIT_CHARACTERS};
use crate::app::{Action, App, declaration};
use crate::circuit::CircuitSettings;
use crate::tag::Tag;

/// The most warnings of an import; what more there are is counted.
const WARNING_LIMIT: usize = 100;

/// What kind of description a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// OpenAPI 3.0 or 3.1.
    Openapi,
    /// A collection of Postman 2.1.
    Postman,
}

/// What a document describes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Imported {
    /// What the document is.
    pub(crate) kind: Kind,
    /// The app.
    pub(crate) app: App,
    /// Its actions.
    pub(crate) actions: Vec<Action>,
    /// What could not be taken over.
    pub(crate) warnings: Vec<String>,
}

/// Why a document cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// Where, as a JSON pointer.
    pub(crate) pointer: String,
    /// The rule that is broken, as in "must be a string".
    pub(crate) rule: String,
}

impl Invalid {
    /// A rule that is broken at a place of the document.
    pub(crate) fn at(pointer: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), rule: rule.into() }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => write!(f, "the document {}", self.rule),
            pointer => write!(f, "`{}` {}", shortened(pointer, 300), self.rule),
        }
    }
}

/// What could not be taken over, each thing once.
#[derive(Debug, Default)]
struct Notes {
    notes: Vec<String>,
    seen: BTreeSet<String>,
    more: usize,
}

impl Notes {
    /// Notes something about a place of the document.
    fn add(&mut self, pointer: &str, note: impl std::fmt::Display) {
        let place =
            if pointer.is_empty() { "the document".to_owned() } else { format!("`{}`", shortened(pointer, 300)) };
        let note = format!("{place}: {note}");
        if self.notes.len() >= WARNING_LIMIT {
            self.more += 1;
        } else if self.seen.insert(note.clone()) {
            self.notes.push(note);
        }
    }

    fn into_warnings(mut self) -> Vec<String> {
        if self.more > 0 {
            self.notes.push(format!("and {} more", self.more));
        }
        self.notes
    }
}

/// Reads a document; its kind is recognised unless it is given, and the tag is made of its title unless it is given.
pub(crate) fn read(document: &Value, kind: Option<Kind>, tag: Option<&Tag>) -> Result<Imported, Invalid> {
    let Some(members) = document.as_object() else { return Err(Invalid::at("", "must be an object")) };
    let kind = match kind.or_else(|| recognised(document)) {
        Some(kind) => kind,
        None if members.contains_key("swagger") => {
            return Err(Invalid::at("/swagger", "is a version that is not read: convert the document to OpenAPI 3"));
        }
        None => {
            let fields: Vec<String> = members.keys().take(5).map(|name| format!("`{}`", shortened(name, 60))).collect();
            let has = if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") };
            let rule = format!(
                "is neither an OpenAPI document, which has `openapi`, nor a Postman collection, which has `info` and `item`: it has {has}"
            );
            return Err(Invalid::at("", rule));
        }
    };
    let mut imported = match kind {
        Kind::Openapi => openapi::read(document, tag)?,
        Kind::Postman => postman::read(document, tag)?,
    };
    if let Err(problem) = rules::check(&imported.app) {
        return Err(Invalid::at("", format!("cannot become an app: {problem}")));
    }
    imported.warnings.extend(rules::warnings(&imported.app, |tag| imported.actions.iter().any(|has| has.tag == *tag)));
    Ok(imported)
}

fn recognised(document: &Value) -> Option<Kind> {
    if document.get("openapi").is_some() {
        return Some(Kind::Openapi);
    }
    let collection = document.get("collection").unwrap_or(document);
    (collection.get("info").is_some() && collection.get("item").is_some()).then_some(Kind::Postman)
}

/// Adds an action if it can be saved, and notes why it cannot.
fn add_action(actions: &mut Vec<Action>, action: Action, pointer: &str, notes: &mut Notes) {
    match declaration::checked(action) {
        Ok(action) => actions.push(action),
        Err(problem) => notes.add(pointer, format!("is left out, as {problem}")),
    }
}

/// An app without parts.
fn app(tag: Tag, name: &str, description: &str) -> App {
    App {
        tag,
        name: line(name),
        description: text(description),
        envs: Vec::new(),
        auths: Vec::new(),
        constants: Vec::new(),
        variables: Vec::new(),
        retries: None,
        health: None,
        idempotency_key: false,
        circuit: CircuitSettings::default(),
    }
}

/// The tag of an app: the given one, or one that is made of the title.
fn app_tag(given: Option<&Tag>, title: &str, pointer: &str) -> Result<Tag, Invalid> {
    let made = || Tag::parse(&names::slug(title)).ok();
    given.cloned().or_else(made).ok_or_else(|| Invalid::at(pointer, "makes no tag: give one"))
}

/// A name for people: one line of at most so many characters.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split(|char: char| char.is_whitespace() || char.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    shortened(&words.join(" "), NAME_LIMIT_CHARACTERS)
}

/// A description of at most so many characters.
fn text(text: &str) -> String {
    let is_kept = |char: &char| !char.is_control() || matches!(char, '\n' | '\r' | '\t');
    let kept: String = text.chars().filter(is_kept).take(DESCRIPTION_LIMIT_CHARACTERS + 1).collect();
    shortened(kept.trim(), DESCRIPTION_LIMIT_CHARACTERS)
}

/// Shortens a text to so many characters.
fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Whether a key can be that of a field.
fn is_key(key: &str) -> bool {
    let is_long = key.chars().count() > KEY_LIMIT_CHARACTERS;
    !key.is_empty() && !is_long && !key.chars().any(|char| char.is_control() || matches!(char, '{' | '}'))
}

/// Whether a value has a text that could be read as a placeholder: what others have written must not name our secrets.
fn has_placeholder(value: &Value) -> bool {
    match value {
        Value::String(text) => text.as_bytes().windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_alphabetic()),
        Value::Array(elements) => elements.iter().any(has_placeholder),
        Value::Object(members) => {
            members.iter().any(|(name, value)| has_placeholder(&Value::String(name.clone())) || has_placeholder(value))
        }
        _ => false,
    }
}

/// The most bytes of a JSON pointer; what is longer is cut, as it is only shown.
const POINTER_LIMIT_BYTES: usize = 600;

/// Adds a name to a JSON pointer.
fn below(pointer: &str, name: &str) -> String {
    if pointer.len() + name.len() <= POINTER_LIMIT_BYTES {
        return format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    }
    match pointer.ends_with('…') {
        true => pointer.to_owned(),
        false => format!("{}/{}…", shortened(pointer, 300), shortened(name, 60)),
    }
}
#[cfg(test)]
mod tests;
