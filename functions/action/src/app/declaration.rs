//! What an action must keep to be saved.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::json::Problem;

use super::resource::{self, check_base_url, check_resource};
use super::rules::{
    check_description, check_header_name, check_key, check_name_and_description, check_placeholders, check_size,
    check_value, within,
};
use super::{Action, Field, FieldType, PlainType};
use crate::placeholder;

/// How deep fields may nest.
pub(crate) const FIELD_DEPTH_LIMIT: usize = 10;
/// The most fields of an action, all levels taken together.
pub(crate) const FIELD_LIMIT: usize = 1_000;
/// The most characters of a decorator.
const DECORATOR_LIMIT_CHARACTERS: usize = 200;

/// The methods of HTTP that an action can have.
pub(crate) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Where a declared field is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Params,
    Query,
    Headers,
    Body,
}

/// Brings an action into the form in which it is kept, or says which rule it breaks, and where.
///
/// Methods are written in upper case, and parameters of the resource that are not declared are declared as required.
pub(crate) fn checked(mut action: Action) -> Result<Action, Problem> {
    check_name_and_description(&action.name, &action.description)?;
    check_resource(&action.resource).map_err(|rule| Problem::field("resource", rule))?;
    action.method = action.method.to_ascii_uppercase();
    if !METHODS.contains(&action.method.as_str()) {
        let hint = shared::nearest::unknown("value", &action.method, METHODS);
        return Err(Problem::field("method", format!("has the {hint}")));
    }
    if let Some(base_url) = &action.base_url {
        check_base_url(base_url).map_err(|rule| Problem::field("base_url", rule))?;
    }
    declare_params(&mut action)?;
    let mut count = 0;
    let parts = [
        ("params", &action.params, Part::Params),
        ("query", &action.query, Part::Query),
        ("headers", &action.headers, Part::Headers),
        ("body", &action.body, Part::Body),
    ];
    for (name, fields, part) in parts {
        check_fields(fields, part, 1, &mut count).map_err(|problem| at(problem, name))?;
    }
    check_size(&action)?;
    Ok(action)
}

/// Declares what the resource has and the declaration has not.
fn declare_params(action: &mut Action) -> Result<(), Problem> {
    let declared: Vec<&str> = action.params.iter().map(|field| field.key.as_str()).collect();
    let names = resource::params(&action.resource, &declared).into_iter().map(str::to_owned);
    let names: Vec<String> = names.collect();
    let stray = action.params.iter().position(|field| !names.contains(&field.key));
    if let Some(index) = stray {
        let rule = format!("is `{}`, but the resource has no `:{0}`", action.params[index].key);
        return Err(Problem::field(&format!("params[{index}].key"), rule));
    }
    for name in names {
        if !action.params.iter().any(|field| field.key == name) {
            action.params.push(Field { required: true, ..Field::named(name) });
        }
    }
    Ok(())
}

fn check_fields(fields: &[Field], part: Part, depth: usize, count: &mut usize) -> Result<(), Problem> {
    if depth > FIELD_DEPTH_LIMIT && !fields.is_empty() {
        return Err(Problem::field("", format!("must nest at most {FIELD_DEPTH_LIMIT} levels of fields")));
    }
    let mut keys = BTreeSet::new();
    for (index, field) in fields.iter().enumerate() {
        *count += 1;
        if *count > FIELD_LIMIT {
            return Err(Problem::field("", format!("makes more than {FIELD_LIMIT} fields of the action")));
        }
        let place = format!("[{index}]");
        check_field(field, part).map_err(within(&place))?;
        let key = if part == Part::Headers { field.key.to_ascii_lowercase() } else { field.key.clone() };
        if !keys.insert(key) {
            let rule = format!("is `{}`, which stands there twice", field.key);
            return Err(Problem::field(&format!("{place}.key"), rule));
        }
        let inner = check_fields(&field.fields, part, depth + 1, count);
        inner.map_err(|problem| at(problem, "fields").within(&place))?;
    }
    Ok(())
}

/// Moves a problem of a list into the field that holds the list.
fn at(problem: Problem, name: &str) -> Problem {
    problem.within(name)
}

fn check_field(field: &Field, part: Part) -> Result<(), Problem> {
    match part {
        Part::Headers => check_header_name("key", &field.key)?,
        _ => check_key("key", &field.key)?,
    }
    check_description(&field.description)?;
    let FieldType { is_array, plain } = field.kind;
    if matches!(part, Part::Params | Part::Headers) && (plain == PlainType::Object || !field.fields.is_empty()) {
        return Err(Problem::field("type", "must not be an object here"));
    }
    if !field.fields.is_empty() && !matches!(plain, PlainType::Object | PlainType::Array | PlainType::Any) {
        return Err(Problem::field("fields", format!("are those of objects, but the type is `{}`", field.kind)));
    }
    let has_length = is_array || !matches!(plain, PlainType::Boolean | PlainType::Object);
    if !has_length && (field.min_length.is_some() || field.max_length.is_some()) {
        let name = if field.min_length.is_some() { "minLength" } else { "maxLength" };
        return Err(Problem::field(name, format!("must not be given, as the type `{}` has no length", field.kind)));
    }
    if let (Some(min), Some(max)) = (field.min_length, field.max_length)
        && min > max
    {
        return Err(Problem::field("minLength", "must not be more than `maxLength`"));
    }
    if field.decorator.chars().count() > DECORATOR_LIMIT_CHARACTERS || field.decorator.chars().any(char::is_control) {
        let rule =
            format!("must have at most {DECORATOR_LIMIT_CHARACTERS} characters, none of them control characters");
        return Err(Problem::field("decorator", rule));
    }
    check_default(field)
}

fn check_default(field: &Field) -> Result<(), Problem> {
    check_value("sampleValue", FieldType::default(), &field.sample_value)?;
    if field.default_value == Value::Null {
        return Ok(());
    }
    check_placeholders("defaultValue", &field.default_value)?;
    let kind = if placeholder::is_open(&field.default_value) { FieldType::default() } else { field.kind };
    check_value("defaultValue", kind, &field.default_value)
}
