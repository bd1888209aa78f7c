//! From the values at paths to an event.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Field;

/// A path with more names becomes one dotted name, as events do not nest that deep.
const MAX_NAMES: usize = 32;

/// Builds the event that has these fields and no others.
pub(super) fn build(fields: &[(&str, Field)]) -> Value {
    let needed: BTreeSet<&str> = fields.iter().filter(|(_, field)| is_needed(field)).map(|(path, _)| *path).collect();
    let mut event = Map::new();
    for (path, field) in fields {
        match field {
            Field::Absent => {}
            // A value that may as well be absent does not take the place of an object.
            Field::Value(_, true) if leads_on(path, &needed) => {}
            Field::Value(value, _) => put(&mut event, path, value.clone()),
            Field::List(values) => put(&mut event, path, Value::Array(values.clone())),
        }
    }
    Value::Object(event)
}

fn is_needed(field: &Field) -> bool {
    matches!(field, Field::Value(_, false) | Field::List(_))
}

/// Whether one of the paths goes on below this one.
fn leads_on(path: &str, paths: &BTreeSet<&str>) -> bool {
    paths.iter().any(|other| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// Puts a value at a path: nested where its place is free, else under a name with dots.
fn put(event: &mut Map<String, Value>, path: &str, value: Value) {
    let names: Vec<&str> = path.split('.').collect();
    if names.len() > MAX_NAMES || !has_room(event, &names) {
        event.insert(path.to_owned(), value);
        return;
    }
    let mut at = event;
    let (last, before) = names.split_last().unwrap_or((&"", &[]));
    for name in before {
        let inner = at.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
        match inner {
            Value::Object(inner) => at = inner,
            _ => return,
        }
    }
    at.insert((*last).to_owned(), value);
}

/// Whether all on the way is an object or not there, and nothing is at the end.
fn has_room(event: &Map<String, Value>, names: &[&str]) -> bool {
    let Some((first, rest)) = names.split_first() else { return false };
    match event.get(*first) {
        None => true,
        Some(Value::Object(inner)) if !rest.is_empty() => has_room(inner, rest),
        Some(_) => false,
    }
}
