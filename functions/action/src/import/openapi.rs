//! OpenAPI 3.0 and 3.1: servers become environments, operations become actions, security schemes become auths.

mod operation;
mod schema;
mod security;
mod server;

use serde_json::Value;

use super::names::Taken;
use super::{Imported, Invalid, Kind, Notes, add_action, app, app_tag, below};
use crate::store::app::ACTION_LIMIT;
use crate::tag::Tag;

/// How many references to references are followed.
const REFERENCE_LIMIT: usize = 16;

/// The most bytes of a reference.
const REFERENCE_LIMIT_BYTES: usize = 2_000;

/// The methods of a path that become actions.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// A document, and what has been noted about it.
struct Reader<'d> {
    document: &'d Value,
    notes: Notes,
    /// How many more schemas are looked at; what is left then takes any value.
    steps: usize,
    /// How many more bytes fields can take.
    room: usize,
}

/// Reads a document.
pub(super) fn read(document: &Value, tag: Option<&Tag>) -> Result<Imported, Invalid> {
    check_version(document)?;
    let info = &document["info"];
    if !info.is_object() {
        return Err(Invalid::at("/info", "must be an object"));
    }
    let title = info["title"].as_str().ok_or_else(|| Invalid::at("/info/title", "must be a string"))?;
    let mut app = app(app_tag(tag, title, "/info/title")?, title, info["description"].as_str().unwrap_or_default());
    let mut reader = Reader { document, notes: Notes::default(), steps: schema::STEP_LIMIT, room: schema::ROOM_BYTES };
    app.envs = reader.envs();
    app.auths = reader.auths();
    let mut actions = Vec::new();
    let mut taken = Taken::default();
    let none = serde_json::Map::new();
    let paths = match &document["paths"] {
        Value::Object(paths) => paths,
        // A document of version 3.1 can describe webhooks alone.
        Value::Null => &none,
        _ => return Err(Invalid::at("/paths", "must be an object")),
    };
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
        let pointer = below("/paths", path);
        if !path.starts_with('/') {
            return Err(Invalid::at(pointer, "must begin with `/`"));
        }
        let Some(item) = reader.resolved(item, &pointer) else { continue };
        if !item.is_object() {
            return Err(Invalid::at(pointer, "must be an object"));
        }
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let pointer = below(&pointer, method);
            if !operation.is_object() {
                return Err(Invalid::at(pointer, "must be an object"));
            }
            if actions.len() >= ACTION_LIMIT {
                return Err(Invalid::at(
                    "/paths",
                    format!("has more operations than the {ACTION_LIMIT} actions of an app"),
                ));
            }
            let place = operation::Place { path, method, item, operation, pointer: &pointer };
            if let Some(action) = reader.action(&place, &mut taken) {
                add_action(&mut actions, action, &pointer, &mut reader.notes);
            }
        }
        if item.get("trace").is_some() {
            reader.notes.add(&below(&pointer, "trace"), "is left out, as requests with this method are not sent");
        }
    }
    if actions.is_empty() {
        reader.notes.add("/paths", "has no operation");
    }
    Ok(Imported { kind: Kind::Openapi, app, actions, warnings: reader.notes.into_warnings() })
}

fn check_version(document: &Value) -> Result<(), Invalid> {
    let Some(version) = document["openapi"].as_str() else {
        return Err(Invalid::at("/openapi", "must be a string such as \"3.1.0\""));
    };
    match version.split('.').collect::<Vec<_>>().as_slice() {
        ["3", "0" | "1"] | ["3", "0" | "1", ..] => Ok(()),
        _ => Err(Invalid::at("/openapi", format!("is `{}`, but 3.0 and 3.1 are read", super::shortened(version, 20)))),
    }
}

impl<'d> Reader<'d> {
    /// Follows the references of a value within the document; `None`, and a note, if one leads nowhere.
    fn resolved(&mut self, value: &'d Value, pointer: &str) -> Option<&'d Value> {
        let mut found = value;
        for _ in 0..REFERENCE_LIMIT {
            let Some(reference) = found.get("$ref").and_then(Value::as_str) else { return Some(found) };
            match self.target(reference) {
                Some(target) => found = target,
                None => {
                    let shown = super::shortened(reference, 100);
                    let reason = if reference.starts_with('#') { "which is not there" } else { "another document" };
                    self.notes.add(pointer, format!("refers to `{shown}`, {reason}"));
                    return None;
                }
            }
        }
        self.notes.add(pointer, "refers to itself");
        None
    }

    /// Finds what a reference within the document names.
    fn target(&self, reference: &str) -> Option<&'d Value> {
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.len() <= REFERENCE_LIMIT_BYTES)?;
        let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8().ok()?;
        self.document.pointer(&decoded)
    }
}
