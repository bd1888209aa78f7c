//! JSON Schemas of callbacks: how they are given, normalised and checked.

mod cost;

use std::borrow::Cow;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};
use shared::{Error, json};

/// The largest schema, as compact JSON; with the largest body it still fits into one DynamoDB item.
pub(crate) const SCHEMA_LIMIT_BYTES: usize = 32 * 1024;
/// How much memory one compiled pattern may take.
const PATTERN_LIMIT_BYTES: usize = 256 * 1024;
/// The stack for the deepest body against the longest chain of references.
const STACK_BYTES: usize = 32 * 1024 * 1024;
/// How much of a validation error is quoted.
const ERROR_LIMIT_CHARACTERS: usize = 400;

/// What `http://json-schema.org/schema#` stands for: the newest draft that the original service knew.
const LATEST: Draft = Draft::Draft7;

/// Takes a schema as JSON or as text with JSON in it, and returns it normalised; `None` where there is none.
///
/// A schema without `$schema` gets one: that of its numeric `version` (4, 6 or 7), which is removed, else draft 7.
pub(crate) fn normalised(given: &Value) -> Result<Option<Value>, String> {
    let text = match given {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    };
    if text.len() > 2 * SCHEMA_LIMIT_BYTES {
        return Err(too_large());
    }
    json::check_depth(text.as_bytes()).map_err(unparsable)?;
    let parsed = serde_json::from_str(&text).map_err(unparsable)?;
    let Value::Object(mut schema) = parsed else { return Err(unparsable("it has to be a JSON object")) };
    if !schema.contains_key("$schema") {
        let draft = versioned(&mut schema).unwrap_or(LATEST);
        schema.insert("$schema".to_owned(), uri(draft).into());
    }
    let schema = Value::Object(schema);
    if schema.to_string().len() > SCHEMA_LIMIT_BYTES {
        return Err(too_large());
    }
    cost::check_schema(&schema).map_err(unparsable)?;
    compile(&schema)?;
    Ok(Some(schema))
}

/// Checks a body against a normalised schema; the inner error says what is wrong with it.
///
/// A thread of its own does it, with a stack for the deepest body that is taken.
pub(crate) async fn check(schema: Value, body: Value) -> Result<Result<(), String>, Error> {
    let (sender, outcome) = tokio::sync::oneshot::channel();
    let work = move || {
        // The receiver is gone only when nobody waits any more.
        let _ = sender.send(check_here(&schema, &body));
    };
    let thread = std::thread::Builder::new().name("schema".to_owned()).stack_size(STACK_BYTES);
    thread.spawn(work).map_err(Error::cannot("start a thread"))?;
    outcome.await.map_err(Error::cannot("check a body against its schema"))
}

fn check_here(schema: &Value, body: &Value) -> Result<(), String> {
    cost::check_body(schema, body).map_err(|rule| format!("unable to validate body: {rule}"))?;
    compile(schema)?.validate(body).map_err(|error| {
        let place = error.instance_path().to_string();
        let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
        let rule: String = error.to_string().chars().take(ERROR_LIMIT_CHARACTERS).collect();
        format!("unable to validate body: {rule}{place}")
    })
}

/// Compiles a schema without ever following a reference out of it, with patterns whose time is linear.
fn compile(schema: &Value) -> Result<Validator, String> {
    let draft = draft(schema)?;
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), uri(draft).into());
    }
    let patterns = PatternOptions::regex().size_limit(PATTERN_LIMIT_BYTES).dfa_size_limit(PATTERN_LIMIT_BYTES);
    jsonschema::options().with_draft(draft).with_pattern_options(patterns).build(&schema).map_err(unparsable)
}

fn draft(schema: &Value) -> Result<Draft, String> {
    let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let named = named.trim_end_matches('#').trim_start_matches("http://").trim_start_matches("https://");
    match named {
        "json-schema.org/schema" => Ok(LATEST),
        "json-schema.org/draft-04/schema" => Ok(Draft::Draft4),
        "json-schema.org/draft-06/schema" => Ok(Draft::Draft6),
        "json-schema.org/draft-07/schema" => Ok(Draft::Draft7),
        "json-schema.org/draft/2019-09/schema" => Ok(Draft::Draft201909),
        "json-schema.org/draft/2020-12/schema" => Ok(Draft::Draft202012),
        _ => Err(unparsable("`$schema` names none of the drafts 4, 6, 7, 2019-09 and 2020-12")),
    }
}

fn versioned(schema: &mut Map<String, Value>) -> Option<Draft> {
    let draft = match schema.get("version")?.as_f64()? {
        4.0 => Draft::Draft4,
        6.0 => Draft::Draft6,
        7.0 => Draft::Draft7,
        _ => return None,
    };
    schema.remove("version");
    Some(draft)
}

fn uri(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "http://json-schema.org/draft-04/schema#",
        Draft::Draft6 => "http://json-schema.org/draft-06/schema#",
        Draft::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
        Draft::Draft202012 => "https://json-schema.org/draft/2020-12/schema",
        _ => "http://json-schema.org/draft-07/schema#",
    }
}

fn unparsable(cause: impl std::fmt::Display) -> String {
    let cause: String = cause.to_string().chars().take(ERROR_LIMIT_CHARACTERS).collect();
    format!("unable to parse provided schema: {cause}")
}

fn too_large() -> String {
    unparsable(format!("it is larger than {SCHEMA_LIMIT_BYTES} bytes"))
}

#[cfg(test)]
mod tests;
