//! Postman collections 2.1: requests become actions, variables become variables, auth blocks become auths.
//!
//! Values of variables and of auth blocks are not taken over, as they are often secrets: they belong to the access tags.
//! Only a variable that URLs begin with is, as the base URL.

mod auth;
mod body;
mod url;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names::Taken;
use super::{Imported, Invalid, Kind, Notes, add_action, app, app_tag, below, has_placeholder, line, text};
use crate::app::rules::check_header_name;
use crate::app::{Action, AppEnv, Auth, Field, FieldType, PlainType, RequestType, Variable};
use crate::import::names;
use crate::store::app::ACTION_LIMIT;
use crate::tag::Tag;

/// The most bytes of a value that becomes a default or an example.
const VALUE_LIMIT_BYTES: usize = 1_000;
/// The most variables of an app.
const VARIABLE_LIMIT: usize = 200;

/// A collection, and what has been made of it so far.
struct Reader<'d> {
    app: Tag,
    /// The values of the collection's variables.
    values: BTreeMap<&'d str, &'d str>,
    /// The variables that requests use.
    used: BTreeMap<String, ()>,
    auths: Vec<Auth>,
    actions: Vec<Action>,
    /// The base URLs, and how many requests have each.
    bases: BTreeMap<String, usize>,
    scripts: usize,
    taken: Taken,
    notes: Notes,
}

/// What the folders around a request say.
#[derive(Clone, Copy)]
struct Folder<'d, 'p> {
    name: &'p str,
    auth: Option<&'d Value>,
}

/// Reads a collection.
pub(super) fn read(document: &Value, tag: Option<&Tag>) -> Result<Imported, Invalid> {
    let (collection, root) = match document.get("collection") {
        Some(collection) if document.get("item").is_none() => (collection, "/collection"),
        _ => (document, ""),
    };
    let info = &collection["info"];
    check_version(info, root)?;
    let title_pointer = format!("{root}/info/name");
    let title = info["name"].as_str().ok_or_else(|| Invalid::at(title_pointer.as_str(), "must be a string"))?;
    let Some(items) = collection["item"].as_array() else {
        return Err(Invalid::at(format!("{root}/item"), "must be an array"));
    };
    let tag = app_tag(tag, title, &title_pointer)?;
    let mut app = app(tag.clone(), title, described(&info["description"]));
    let mut reader = Reader {
        app: tag,
        values: values(&collection["variable"]),
        used: BTreeMap::new(),
        auths: Vec::new(),
        actions: Vec::new(),
        bases: BTreeMap::new(),
        scripts: events(collection),
        taken: Taken::default(),
        notes: Notes::default(),
    };
    let folder = Folder { name: "", auth: collection.get("auth") };
    if let Some(auth) = folder.auth {
        reader.auth(auth, &format!("{root}/auth"));
    }
    reader.items(items, &format!("{root}/item"), folder)?;
    app.envs = reader.envs();
    if reader.scripts > 0 {
        reader.notes.add(root, format!("scripts are not run; it has {}", reader.scripts));
    }
    if reader.actions.is_empty() {
        reader.notes.add(&format!("{root}/item"), "has no request");
    }
    let variable = |key: String| Variable { key, kind: string(), description: String::new() };
    app.variables = reader.used.into_keys().map(variable).collect();
    app.auths = reader.auths;
    Ok(Imported { kind: Kind::Postman, app, actions: reader.actions, warnings: reader.notes.into_warnings() })
}

fn check_version(info: &Value, root: &str) -> Result<(), Invalid> {
    let pointer = format!("{root}/info/schema");
    let Some(schema) = info["schema"].as_str() else {
        return Err(Invalid::at(pointer, "must be the schema of version 2.1 of collections"));
    };
    match schema.contains("/v2.1") {
        true => Ok(()),
        false => Err(Invalid::at(pointer, "is not that of version 2.1: export the collection as that")),
    }
}

impl<'d> Reader<'d> {
    fn items(&mut self, items: &'d [Value], pointer: &str, folder: Folder<'d, '_>) -> Result<(), Invalid> {
        for (index, item) in items.iter().enumerate() {
            let pointer = below(pointer, &index.to_string());
            if !item.is_object() {
                return Err(Invalid::at(pointer, "must be an object"));
            }
            self.scripts += events(item);
            let name = item["name"].as_str().unwrap_or_default();
            let own_auth = item.get("auth").or_else(|| item["request"].get("auth")).filter(|auth| auth.is_object());
            let auth = own_auth.or(folder.auth);
            if let Some(items) = item.get("item") {
                let Some(items) = items.as_array() else {
                    return Err(Invalid::at(below(&pointer, "item"), "must be an array"));
                };
                self.items(items, &below(&pointer, "item"), Folder { name, auth })?;
                continue;
            }
            let request = &item["request"];
            if !request.is_object() && !request.is_string() {
                return Err(Invalid::at(below(&pointer, "request"), "must be an object or a URL"));
            }
            if self.actions.len() >= ACTION_LIMIT {
                return Err(Invalid::at(pointer, format!("is more than the {ACTION_LIMIT} actions of an app")));
            }
            if let (Some(auth), true) = (auth, own_auth.is_some()) {
                self.auth(auth, &below(&pointer, "request/auth"));
            }
            self.request(item, name, &below(&pointer, "request"), folder);
        }
        Ok(())
    }

    fn request(&mut self, item: &'d Value, name: &str, pointer: &str, folder: Folder<'d, '_>) {
        let request = &item["request"];
        let method = request["method"].as_str().unwrap_or("GET");
        let url = url::parsed(if request.is_string() { request } else { &request["url"] });
        let Some((base, resource, params)) = self.url(&url, pointer) else { return };
        let fallback = format!("{method} {resource}");
        let name = if name.trim().is_empty() { fallback.as_str() } else { name };
        let in_folder = format!("{}.{name}", folder.name);
        let texts = [name, if folder.name.is_empty() { name } else { &in_folder }];
        let Some(tag) = self.taken.tag(&texts).or_else(|| self.taken.tag(&[fallback.as_str()])) else {
            self.notes.add(pointer, "is left out, as its name makes no tag");
            return;
        };
        let mut action = Action {
            tag,
            name: line(name),
            description: text(described(&request["description"])),
            resource,
            method: method.to_ascii_uppercase(),
            request_type: None,
            base_url: base.clone(),
            params,
            query: self.query(&url, pointer),
            headers: self.headers(&request["header"], pointer),
            body: Vec::new(),
        };
        self.body(&request["body"], pointer, &mut action);
        let count = self.actions.len();
        add_action(&mut self.actions, action, pointer, &mut self.notes);
        if let (Some(base), true) = (base, self.actions.len() > count) {
            *self.bases.entry(base).or_default() += 1;
        }
    }

    /// Makes the environment of the base URL that most requests have; it leaves the others theirs.
    fn envs(&mut self) -> Vec<AppEnv> {
        let most = self.bases.iter().max_by_key(|(_, count)| **count).map(|(base, _)| base.clone());
        let Some(base_url) = most else {
            let note = "names no base URL that can be called: add an environment with its `base_url` to the app";
            self.notes.add("/item", note);
            return Vec::new();
        };
        for action in &mut self.actions {
            if action.base_url.as_ref() == Some(&base_url) {
                action.base_url = None;
            }
        }
        if self.bases.len() > 1 {
            let others: Vec<&str> = self.bases.keys().filter(|other| **other != base_url).map(String::as_str).collect();
            let others = super::shortened(&others.join("`, `"), 300);
            let note =
                format!("has requests to `{others}` as well: the base URL of the environment is used for them too");
            self.notes.add("/item", note);
        }
        let Some(slug) = names::env_slug("", &[]) else { return Vec::new() };
        let env_name = "production".to_owned();
        vec![AppEnv { env_name, slug, base_url, active: true, request_type: RequestType::Json }]
    }

    fn headers(&mut self, headers: &'d Value, pointer: &str) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        for (index, header) in headers.as_array().into_iter().flatten().enumerate().take(200) {
            let pointer = below(&below(pointer, "header"), &index.to_string());
            let Some(key) = header["key"].as_str().filter(|key| !key.is_empty()) else { continue };
            if key.eq_ignore_ascii_case("content-type") || key.eq_ignore_ascii_case("content-length") {
                continue;
            }
            if check_header_name("key", key).is_err() {
                self.notes.add(&pointer, "is left out, as it cannot be sent");
                continue;
            }
            if fields.iter().any(|field| field.key.eq_ignore_ascii_case(key)) {
                continue;
            }
            let value = header["value"].as_str().unwrap_or_default();
            let mut field = self.entry(key, header, &pointer, true);
            if is_secret(key) && !value.is_empty() && !value.contains("{{") {
                self.notes.add(&pointer, "is left without its value, which belongs to an auth or an input");
                field.default_value = Value::Null;
            }
            fields.push(field);
        }
        fields
    }

    /// Makes the field of an entry of a list: its value is a default or an example, and what is disabled has neither.
    fn entry(&mut self, key: &str, entry: &'d Value, pointer: &str, is_default: bool) -> Field {
        let mut field = Field { kind: string(), ..Field::named(key) };
        field.description = text(described(&entry["description"]));
        let value = match &entry["value"] {
            Value::String(value) => value.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        if value.is_empty() || value.len() > VALUE_LIMIT_BYTES || entry["disabled"] == true {
            return field;
        }
        let is_variable = value.contains("{{");
        match self.with_variables(&value, pointer) {
            Some(default) if is_default || is_variable => field.default_value = default.into(),
            Some(sample) => field.sample_value = sample.into(),
            None => {}
        }
        field
    }

    /// Writes `{{name}}` as a placeholder over the variables of the access tag; `None`, and a note, if the text has
    /// something else that could be read as a placeholder.
    fn with_variables(&mut self, text: &str, pointer: &str) -> Option<String> {
        if has_placeholder(&Value::String(text.to_owned())) {
            self.notes.add(pointer, "has a value that could be read as a placeholder, and is left without");
            return None;
        }
        let (mut written, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            written.push_str(before);
            written.push_str(&self.variable(name.trim(), pointer)?);
            rest = after;
        }
        written.push_str(rest);
        Some(written)
    }

    /// Returns the placeholder of a variable, which the app then declares.
    fn variable(&mut self, name: &str, pointer: &str) -> Option<String> {
        if name.starts_with('$') {
            self.notes
                .add(pointer, format!("uses `{}`, which is made up anew for each request", super::shortened(name, 60)));
            return None;
        }
        if !super::is_key(name) || has_placeholder(&Value::String(name.to_owned())) {
            self.notes.add(pointer, "uses a variable whose name cannot be that of one");
            return None;
        }
        if !self.used.contains_key(name) {
            if self.used.len() >= VARIABLE_LIMIT {
                self.notes.add(pointer, "uses more variables than an app can have");
                return None;
            }
            self.used.insert(name.to_owned(), ());
        }
        Some(format!("$Variable{{{}}}{{{name}}}", self.app))
    }
}

/// Counts the scripts of an item.
fn events(item: &Value) -> usize {
    item["event"].as_array().map_or(0, Vec::len)
}

/// The values of variables that are not disabled.
fn values(variables: &Value) -> BTreeMap<&str, &str> {
    let variables = variables.as_array().into_iter().flatten().filter(|variable| variable["disabled"] != true);
    let pair = |variable| {
        let variable: &Value = variable;
        let key = variable["key"].as_str().or_else(|| variable["id"].as_str())?;
        Some((key, variable["value"].as_str().filter(|value| !value.is_empty())?))
    };
    variables.filter_map(pair).collect()
}

/// A description, which is a text or an object with one.
fn described(description: &Value) -> &str {
    description.as_str().or_else(|| description["content"].as_str()).unwrap_or_default()
}

/// Whether a header is usually a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = ["authorization", "cookie", "token", "secret", "api-key", "apikey", "api_key", "password"];
    parts.iter().any(|part| name.contains(part))
}

fn string() -> FieldType {
    FieldType { is_array: false, plain: PlainType::String }
}

/// The members of a list of `{key, value}`, as auth blocks have them.
fn pairs(list: &Value) -> Map<String, Value> {
    let pair = |entry: &Value| Some((entry["key"].as_str()?.to_owned(), entry["value"].clone()));
    list.as_array().into_iter().flatten().take(100).filter_map(pair).collect()
}
