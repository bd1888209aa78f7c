//! URLs of requests, written as texts or as objects.

use serde_json::Value;

use super::{Reader, VALUE_LIMIT_BYTES, described, string};
use crate::app::Field;
use crate::app::resource::check_base_url;
use crate::import::names::path_text;
use crate::import::{below, is_key, text};

/// How often a variable can stand for text with another one.
const VARIABLE_DEPTH: usize = 5;
/// The most bytes of a URL that is looked at.
const URL_LIMIT_BYTES: usize = 4_000;

/// A URL in its parts.
pub(super) struct Url<'d> {
    /// All before the query.
    before_query: String,
    /// The query as it stands in a text.
    query: Option<String>,
    /// The object, if it is one.
    object: Option<&'d Value>,
}

/// Takes a URL apart.
pub(super) fn parsed(url: &Value) -> Url<'_> {
    let raw = url.as_str().or_else(|| url["raw"].as_str()).map(str::to_owned);
    let raw = raw.unwrap_or_else(|| joined(url));
    let raw = raw.split('#').next().unwrap_or_default();
    let (before, query) = match raw.split_once('?') {
        Some((before, query)) => (before, Some(query.to_owned())),
        None => (raw, None),
    };
    Url { before_query: before.trim().to_owned(), query, object: url.is_object().then_some(url) }
}

/// Joins the parts of an object without `raw`.
fn joined(url: &Value) -> String {
    let list = |value: &Value, separator: &str| match value {
        Value::String(text) => text.clone(),
        value => {
            let parts = value.as_array().into_iter().flatten();
            let parts: Vec<&str> = parts.filter_map(|part| part.as_str().or_else(|| part["value"].as_str())).collect();
            parts.join(separator)
        }
    };
    let host = list(&url["host"], ".");
    let protocol = url["protocol"].as_str().map(|protocol| format!("{protocol}://")).unwrap_or_default();
    let port = url["port"].as_str().map(|port| format!(":{port}")).unwrap_or_default();
    let path = list(&url["path"], "/");
    format!("{protocol}{host}{port}/{}", path.trim_start_matches('/'))
}

impl<'d> Reader<'d> {
    /// Returns the base URL, if it can be called, the resource below it, and the parameters of the resource.
    pub(super) fn url(&mut self, url: &Url<'d>, pointer: &str) -> Option<(Option<String>, String, Vec<Field>)> {
        let pointer = below(pointer, "url");
        if url.before_query.is_empty() || url.before_query.len() > URL_LIMIT_BYTES {
            self.notes.add(&pointer, "is left out, as it is empty or too long");
            return None;
        }
        let (base, path) = split(&url.before_query);
        let base = self.base(base, &pointer);
        let (resource, params) = self.resource(path, url, &pointer)?;
        Some((base, resource, params))
    }

    /// Fills in the variables of the part before the path.
    fn base(&mut self, template: &str, pointer: &str) -> Option<String> {
        let mut base = template.to_owned();
        for _ in 0..VARIABLE_DEPTH {
            let Some((before, after)) = base.split_once("{{") else { break };
            let (name, after) = after.split_once("}}")?;
            let Some(value) = self.values.get(name.trim()) else {
                let name = crate::import::shortened(name, 60);
                self.notes.add("/variable", format!("has no value for `{name}`, with which URLs begin"));
                return None;
            };
            base = format!("{before}{value}{after}");
            if base.len() > URL_LIMIT_BYTES {
                return None;
            }
        }
        if !base.contains("://") {
            base = format!("http://{base}");
        }
        let base = base.trim_end_matches('/');
        match check_base_url(base) {
            Ok(()) => Some(base.to_owned()),
            Err(rule) => {
                self.notes.add(pointer, format!("has a base URL that {rule}"));
                None
            }
        }
    }

    fn resource(&mut self, path: &str, url: &Url<'d>, pointer: &str) -> Option<(String, Vec<Field>)> {
        let mut resource = String::with_capacity(path.len() + 1);
        let mut params: Vec<Field> = Vec::new();
        for segment in path.trim_start_matches('/').split('/') {
            resource.push('/');
            if let Some(name) = segment.strip_prefix(':').filter(|name| is_name(name)) {
                resource.push_str(segment);
                if !params.iter().any(|field| field.key == name) {
                    params.push(self.path_variable(name, url, pointer));
                }
                continue;
            }
            let (mut rest, mut after_parameter) = (segment, false);
            while let Some((before, after)) = rest.split_once("{{") {
                let (name, after) = after.split_once("}}")?;
                resource.push_str(&path_text(before, after_parameter, &[]));
                let name = name.trim();
                if !is_name(name) {
                    self.notes.add(pointer, "has a variable in its path whose name cannot be that of a parameter");
                    return None;
                }
                resource.push_str(&format!(":{name}"));
                if !params.iter().any(|field| field.key == name) {
                    let default = self.variable(name, pointer)?;
                    let default_value = default.into();
                    params.push(Field { required: true, kind: string(), default_value, ..Field::named(name) });
                }
                (rest, after_parameter) = (after, true);
            }
            resource.push_str(&path_text(rest, after_parameter, &[]));
        }
        Some((resource, params))
    }

    /// The parameter of a `:name` in a path.
    fn path_variable(&mut self, name: &str, url: &Url<'d>, pointer: &str) -> Field {
        let mut field = Field { required: true, kind: string(), ..Field::named(name) };
        let variables = url.object.and_then(|url| url["variable"].as_array()).into_iter().flatten();
        let Some(variable) = variables.into_iter().find(|variable| variable["key"] == name) else { return field };
        field.description = text(described(&variable["description"]));
        let value = variable["value"].as_str().filter(|value| !value.is_empty() && value.len() <= VALUE_LIMIT_BYTES);
        if let Some(value) = value {
            let is_variable = value.contains("{{");
            match self.with_variables(value, pointer) {
                Some(default) if is_variable => field.default_value = default.into(),
                Some(sample) => field.sample_value = sample.into(),
                None => {}
            }
        }
        field
    }

    /// Declares the fields of the query.
    pub(super) fn query(&mut self, url: &Url<'d>, pointer: &str) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        let pointer = below(&below(pointer, "url"), "query");
        if let Some(entries) = url.object.and_then(|url| url["query"].as_array()) {
            for (index, entry) in entries.iter().enumerate().take(300) {
                let Some(key) = entry["key"].as_str().filter(|key| is_key(key) && !key.contains("{{")) else {
                    continue;
                };
                if !fields.iter().any(|field| field.key == key) {
                    fields.push(self.entry(key, entry, &below(&pointer, &index.to_string()), true));
                }
            }
            return fields;
        }
        for (key, value) in form_urlencoded::parse(url.query.as_deref().unwrap_or_default().as_bytes()).take(300) {
            if !is_key(&key) || fields.iter().any(|field| field.key == key) {
                continue;
            }
            let mut field = Field { kind: string(), ..Field::named(key) };
            if !value.is_empty() && value.len() <= VALUE_LIMIT_BYTES {
                field.default_value = self.with_variables(&value, &pointer).map(Value::from).unwrap_or_default();
            }
            fields.push(field);
        }
        fields
    }
}

/// Splits a URL into what its path is appended to, and the path.
fn split(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |at| at + 3);
    match url[authority..].find('/') {
        Some(slash) => url.split_at(authority + slash),
        None => (url, ""),
    }
}

fn is_name(name: &str) -> bool {
    is_key(name) && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-'))
}
