//! How much work a schema can make, bounded before it is done.
//!
//! References can make a small schema visit a body exponentially often: by a chain in which each definition names the
//! next one twice, or by a definition that names itself twice for each level of the body. So the visits are counted
//! here, from the schema and the depth of the body alone, without making them.

use std::collections::HashMap;

use serde_json::{Map, Value};
use shared::json;

/// The most schemas in a row that look at the same place of a body.
const CHAIN_LIMIT: usize = 24;
/// The most visits of a schema to a place of a body, all together.
const VISIT_LIMIT: u64 = 5_000_000;
/// How deep a body is taken to be when a schema alone is judged.
const USUAL_DEPTH: usize = 2;

/// Keywords whose schemas look at the same place as the schema that they are in.
const SAME_PLACE: [&str; 4] = ["not", "if", "then", "else"];
const SAME_PLACE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const SAME_PLACE_MAPS: [&str; 2] = ["dependencies", "dependentSchemas"];
const REFERENCES: [&str; 3] = ["$ref", "$recursiveRef", "$dynamicRef"];
/// Keywords whose schemas look at the places within.
const WITHIN: [&str; 7] = [
    "additionalProperties",
    "propertyNames",
    "additionalItems",
    "contains",
    "items",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Refuses a schema that loops, refers out of itself or is too much work for any body.
pub(super) fn check_schema(schema: &Value) -> Result<(), String> {
    let mut counter = Counter { root: schema, known: HashMap::new() };
    counter.visits(schema, json::DEPTH_LIMIT, &mut Vec::new())?;
    let visits = counter.visits(schema, USUAL_DEPTH, &mut Vec::new())?;
    if visits > VISIT_LIMIT {
        return Err("its references multiply, so that checking a body would take too long".to_owned());
    }
    Ok(())
}

/// Refuses a body that is too much work for this schema.
pub(super) fn check_body(schema: &Value, body: &Value) -> Result<(), String> {
    let (depth, places) = measure(body);
    let mut counter = Counter { root: schema, known: HashMap::new() };
    let visits = counter.visits(schema, depth, &mut Vec::new())?;
    if visits.saturating_mul(places) > VISIT_LIMIT {
        return Err("it is too large or too deeply nested for its schema".to_owned());
    }
    Ok(())
}

struct Counter<'a> {
    root: &'a Value,
    /// The visits of a schema, known by its address, to a place with so many levels within.
    known: HashMap<(*const Value, usize), u64>,
}

impl<'a> Counter<'a> {
    /// Counts the schemas that look at one place and at one place of each level within; `chain` is what led here.
    fn visits(&mut self, schema: &'a Value, depth: usize, chain: &mut Vec<*const Value>) -> Result<u64, String> {
        let Value::Object(keywords) = schema else { return Ok(1) };
        let address: *const Value = schema;
        if let Some(visits) = self.known.get(&(address, depth)) {
            return Ok(*visits);
        }
        if chain.contains(&address) {
            return Err("it refers to itself without going deeper into the body".to_owned());
        }
        if chain.len() >= CHAIN_LIMIT {
            return Err(format!("more than {CHAIN_LIMIT} of its references follow one another"));
        }
        if !chain.is_empty() || !std::ptr::eq(schema, self.root) {
            has_no_id(keywords)?;
        }
        chain.push(address);
        let mut here = 0u64;
        for inner in self.same_place(keywords)? {
            here = here.saturating_add(self.visits(inner, depth, chain)?);
        }
        chain.pop();
        // Finding out what is left for `unevaluated…` looks at the same place once more.
        let repeats = if keywords.keys().any(|keyword| keyword.starts_with("unevaluated")) { 2 } else { 1 };
        let within = if depth == 0 { 0 } else { self.within(keywords, depth - 1)? };
        let visits = here.saturating_mul(repeats).saturating_add(within).saturating_add(1);
        self.known.insert((address, depth), visits);
        Ok(visits)
    }

    fn same_place(&self, keywords: &'a Map<String, Value>) -> Result<Vec<&'a Value>, String> {
        let mut schemas: Vec<&Value> = SAME_PLACE.iter().filter_map(|keyword| keywords.get(*keyword)).collect();
        for keyword in SAME_PLACE_LISTS {
            schemas.extend(keywords.get(keyword).and_then(Value::as_array).into_iter().flatten());
        }
        for keyword in SAME_PLACE_MAPS {
            schemas.extend(keywords.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::values));
        }
        for reference in REFERENCES.iter().filter_map(|keyword| keywords.get(*keyword)?.as_str()) {
            schemas.push(self.resolve(reference)?);
        }
        Ok(schemas)
    }

    /// Counts what looks at one place within: of the named properties and positions only one, of everything else all.
    fn within(&mut self, keywords: &'a Map<String, Value>, depth: usize) -> Result<u64, String> {
        let list = |keyword| keywords.get(keyword).and_then(Value::as_array).into_iter().flatten();
        let map = |keyword| keywords.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::values);
        let mut sum = 0u64;
        for schema in WITHIN.iter().filter_map(|keyword| keywords.get(*keyword)).chain(map("patternProperties")) {
            sum = sum.saturating_add(self.visits(schema, depth, &mut Vec::new())?);
        }
        let mut most = 0;
        for schema in map("properties").chain(list("prefixItems")).chain(list("items")) {
            most = most.max(self.visits(schema, depth, &mut Vec::new())?);
        }
        Ok(sum.saturating_add(most))
    }

    /// Finds what a reference names; only places within the schema can be named.
    fn resolve(&self, reference: &str) -> Result<&'a Value, String> {
        let rule = || format!("`{reference}` is not a reference to a place within it, such as #/definitions/name");
        let pointer = reference.strip_prefix('#').ok_or_else(rule)?;
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8().map_err(|_| rule())?;
        self.root.pointer(&pointer).ok_or_else(rule)
    }
}

/// An identifier within a schema would change what its references mean.
fn has_no_id(keywords: &Map<String, Value>) -> Result<(), String> {
    let is_text = |keyword| keywords.get(keyword).is_some_and(Value::is_string);
    if is_text("$id") || is_text("id") {
        return Err("only the schema as a whole may have an `$id`".to_owned());
    }
    Ok(())
}

/// Returns how many levels a body has below its top, and how many places in all.
fn measure(body: &Value) -> (usize, u64) {
    let mut level: Vec<&Value> = vec![body];
    let (mut depth, mut places) = (0, 0);
    loop {
        places += level.len() as u64;
        let within: Vec<&Value> = level.into_iter().flat_map(children).collect();
        if within.is_empty() {
            return (depth, places);
        }
        depth += 1;
        level = within;
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}
