//! What bodies of apps and products have in common: fields that stay as they are, and those that only the server sets.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shared::Refusal;
use shared::json::{self, Problem};

use crate::store::catalog::Stored;
use crate::tag::Tag;

/// The fields that a client may send back with what it has read, and that only the server sets.
pub(super) const SERVER_FIELDS: [&str; 3] = ["created_at", "updated_at", "warnings"];

/// A record as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Shown<T> {
    #[serde(flatten)]
    #[schema(inline)]
    value: T,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    updated_at: Timestamp,
    /// What a run may miss.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl<T> Shown<T> {
    /// Shows a record.
    pub(super) fn new(stored: Stored<T>) -> Self {
        let Stored { value, created_at, updated_at, .. } = stored;
        Self { value, created_at, updated_at, warnings: Vec::new() }
    }

    /// Shows it with what a run may miss.
    pub(super) fn warning(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }
}

/// Reads the body of a new record.
pub(super) fn created<T: DeserializeOwned>(mut body: Map<String, Value>, ignored: &[&str]) -> Result<T, Refusal> {
    body.retain(|name, _| !SERVER_FIELDS.contains(&name.as_str()) && !ignored.contains(&name.as_str()));
    Ok(json::from_value(Value::Object(body))?)
}

/// Reads a record as it is after a change: absent fields stay as they are, null means as if it had never been given.
pub(super) fn changed<T: Serialize + DeserializeOwned>(
    former: &T,
    change: &Map<String, Value>,
    fixed: &[&str],
    ignored: &[&str],
) -> Result<T, Refusal> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(former) else { return Err(Refusal::internal()) };
    for (name, value) in change {
        let name = name.as_str();
        if SERVER_FIELDS.contains(&name) || ignored.contains(&name) {
            continue;
        }
        if fixed.contains(&name) && fields.get(name) != Some(value) {
            return Err(Problem::field(name, "cannot be changed").into());
        }
        match value {
            Value::Null => fields.remove(name),
            value => fields.insert(name.to_owned(), value.clone()),
        };
    }
    Ok(json::from_value(Value::Object(fields))?)
}

/// Reads a tag of a path: what cannot be one does not exist.
pub(super) fn tag(resource: &str, text: &str) -> Result<Tag, Refusal> {
    Tag::parse(text).map_err(|_| Refusal::unknown(resource, text))
}

/// How often a change is tried again that met another one.
pub(super) const ATTEMPTS: usize = 20;

/// What was changed by others all the time.
pub(super) fn busy(what: &str, tag: &Tag) -> Refusal {
    Refusal { message: format!("the {what} `{tag}` is being changed by others, try again"), ..Refusal::unavailable() }
}
