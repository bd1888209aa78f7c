//! Texts, arrays and objects: `length`, `includes`, `join`, `lookup`, `toJsonString`.

use handlebars::JsonRender as _;
use serde_json::Value;

use super::super::input::kind_of;
use super::super::render::{Scene, VALUE_LIMIT_BYTES};
use super::Arguments;
use super::logic::are_equal;

const SEPARATOR: &str = ", ";

/// Counts the characters of a text or the items of an array; what is not given has none.
pub(super) fn length(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    match arguments.first() {
        Value::Null => Ok(0.into()),
        Value::String(text) => Ok(text.chars().count().into()),
        Value::Array(items) => Ok(items.len().into()),
        value => Err(format!("takes a text or an array, not {}", kind_of(value))),
    }
}

/// Tells whether an array has an item, or a text a part.
pub(super) fn includes(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    match (arguments.first(), arguments.second()) {
        (Value::Null, _) => Ok(false.into()),
        (Value::Array(items), item) => Ok(items.iter().any(|known| are_equal(known, item)).into()),
        (Value::String(text), Value::String(part)) => Ok(text.contains(part.as_str()).into()),
        (Value::String(_), part) => Err(format!("takes a text to look for in a text, not {}", kind_of(part))),
        (value, _) => Err(format!("takes an array or a text, not {}", kind_of(value))),
    }
}

/// Joins the items of arrays, or its parameters, with a separator between them.
pub(super) fn join(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let separator = arguments.text("sep")?.unwrap_or(SEPARATOR);
    let items = arguments.parameters.iter().flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        value => std::slice::from_ref(*value),
    });
    let mut joined = String::new();
    for (index, item) in items.enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        match item {
            Value::Array(_) | Value::Object(_) => joined.push_str(&item.to_string()),
            item => joined.push_str(&item.render()),
        }
        within_limit(&joined)?;
    }
    Ok(joined.into())
}

/// Returns a text in which nothing is markup, for `{{{ }}}`.
pub(super) fn escape(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let escaped = match arguments.first() {
        value @ (Value::Array(_) | Value::Object(_)) => return Err(format!("takes a text, not {}", kind_of(value))),
        value => handlebars::html_escape(&value.render()),
    };
    within_limit(&escaped)?;
    Ok(escaped.into())
}

/// Tries a call of `lookup` without looking for what is in the object or the array.
pub(super) fn lookup_tried(scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    match arguments.first() {
        Value::Array(_) | Value::Object(_) => Ok(Value::Null),
        _ => lookup(scene, arguments),
    }
}

/// Returns a property of an object or an item of an array.
pub(super) fn lookup(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let found = match (arguments.first(), arguments.second()) {
        (Value::Null, _) => Some(&Value::Null),
        (Value::Object(properties), Value::String(name)) => properties.get(name),
        (Value::Array(items), at) => {
            let at = at.as_u64().or_else(|| at.as_str()?.parse().ok());
            at.and_then(|at| usize::try_from(at).ok()).and_then(|at| items.get(at))
        }
        (value, _) => return Err(format!("takes an object or an array, not {}", kind_of(value))),
    };
    found.cloned().ok_or_else(|| format!("finds no `{}`", arguments.second().render()))
}

/// Returns a value as JSON that cannot end the `<script>` that it stands in.
pub(super) fn to_json_string(_: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
    let json = arguments.first().to_string();
    within_limit(&json)?;
    // A slash can stand in JSON only within a text, where it may be escaped.
    let mut safe = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some((before, after)) = rest.split_once("</") {
        safe.push_str(before);
        let is_script = after.get(..6).is_some_and(|name| name.eq_ignore_ascii_case("script"));
        safe.push_str(if is_script { "<\\/" } else { "</" });
        rest = after;
    }
    safe.push_str(rest);
    Ok(safe.into())
}

fn within_limit(text: &str) -> Result<(), String> {
    if text.len() > VALUE_LIMIT_BYTES {
        return Err(format!("makes a text of more than {VALUE_LIMIT_BYTES} bytes"));
    }
    Ok(())
}
