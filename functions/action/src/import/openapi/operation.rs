//! Operations: the actions of an app.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Reader;
use super::schema::{Budget, fits};
use crate::app::rules::check_header_name;
use crate::app::{Action, Field, FieldType, PlainType, RequestType};
use crate::import::names::{Taken, path_text};
use crate::import::{below, is_key, line, text};

/// Where an operation stands.
pub(super) struct Place<'d, 'p> {
    pub(super) path: &'d str,
    pub(super) method: &'p str,
    pub(super) item: &'d Value,
    pub(super) operation: &'d Value,
    pub(super) pointer: &'p str,
}

/// The headers that say what bodies are, which the client writes itself (OpenAPI 3.1, Parameter Object).
const OWN_HEADERS: [&str; 3] = ["accept", "authorization", "content-type"];

/// The content types of bodies, the preferred first.
const CONTENT_TYPES: [(&str, RequestType); 9] = [
    ("application/json", RequestType::Json),
    ("+json", RequestType::Json),
    ("application/x-www-form-urlencoded", RequestType::Urlencoded),
    ("multipart/form-data", RequestType::Formdata),
    ("application/xml", RequestType::Soap),
    ("text/xml", RequestType::Soap),
    ("+xml", RequestType::Soap),
    ("text/html", RequestType::Html),
    ("*/*", RequestType::Json),
];

impl<'d> Reader<'d> {
    /// Makes the action of an operation.
    pub(super) fn action(&mut self, place: &Place<'d, '_>, taken: &mut Taken) -> Option<Action> {
        let Place { path, method, operation, pointer, .. } = *place;
        let operation_id = operation["operationId"].as_str().unwrap_or_default();
        let fallback = format!("{method} {path}");
        let tag = taken.tag(&[if operation_id.is_empty() { fallback.as_str() } else { operation_id }]);
        let tag = tag.or_else(|| taken.tag(&[fallback.as_str()]))?;
        // Without a summary it gets a name when it is saved, unless it has one there already.
        let summary = operation["summary"].as_str().filter(|summary| !summary.trim().is_empty());
        let mut action = Action {
            name: line(summary.unwrap_or_default()),
            tag,
            description: text(operation["description"].as_str().unwrap_or_default()),
            resource: String::new(),
            method: method.to_ascii_uppercase(),
            request_type: None,
            base_url: self.own_server(place),
            params: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let mut budget = Budget::default();
        self.parameters(place, &mut action, &mut budget);
        self.security(place);
        action.resource = self.resource(path, &mut action.params, pointer);
        self.body(place, &mut action, &mut budget);
        Some(action)
    }

    /// Warns of an operation that asks for no credentials, as the auth of the access tag goes with every request.
    fn security(&mut self, place: &Place<'d, '_>) {
        let own = place.operation["security"].as_array();
        let is_public =
            |own: &&Vec<Value>| own.iter().all(|choice| choice.as_object().is_some_and(serde_json::Map::is_empty));
        if own.filter(is_public).is_some() {
            let note = "asks for no credentials, and is sent with those of the access tag all the same";
            self.notes.add(&below(place.pointer, "security"), note);
        }
    }

    fn own_server(&mut self, place: &Place<'d, '_>) -> Option<String> {
        let servers = [&place.operation["servers"], &place.item["servers"]].into_iter().find_map(Value::as_array)?;
        let pointer = below(place.pointer, "servers");
        self.notes.add(&pointer, "are used only where the environment of the app has no base URL");
        self.base_url(servers.first()?, &pointer)
    }

    /// Declares the parameters of the path and of the operation, whose own come first.
    fn parameters(&mut self, place: &Place<'d, '_>, action: &mut Action, budget: &mut Budget) {
        let lists = [(&place.operation["parameters"], place.pointer), (&place.item["parameters"], place.pointer)];
        let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (list, pointer) in lists {
            for (index, parameter) in list.as_array().into_iter().flatten().enumerate() {
                let pointer = below(&below(pointer, "parameters"), &index.to_string());
                let Some(parameter) = self.resolved(parameter, &pointer) else { continue };
                let (name, place) = (parameter["name"].as_str(), parameter["in"].as_str());
                let (Some(name), Some(place)) = (name, place) else {
                    self.notes.add(&pointer, "is left out, as it has no `name` or no `in`");
                    continue;
                };
                if budget.is_spent() {
                    self.notes.add(&pointer, "and those that follow are left out, as there are too many");
                    return;
                }
                if seen.insert((name, place)) {
                    self.parameter((name, place), parameter, &pointer, action, budget);
                }
            }
        }
    }

    fn parameter(
        &mut self,
        (name, place): (&str, &str),
        parameter: &'d Value,
        pointer: &str,
        action: &mut Action,
        budget: &mut Budget,
    ) {
        let is_own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let problem = match place {
            "cookie" => Some("cookies are not sent"),
            "header" if is_own => return,
            "header" if check_header_name("name", name).is_err() => Some("its name is not that of a header"),
            "header" | "query" | "path" if !is_key(name) => Some("its name cannot be that of a field"),
            "header" | "query" | "path" => None,
            _ => Some("`in` must be `path`, `query`, `header` or `cookie`"),
        };
        if let Some(problem) = problem {
            self.notes.add(pointer, format!("is left out, as {problem}"));
            return;
        }
        let mut field = match parameter.get("schema") {
            Some(schema) => self.field(name, schema, &below(pointer, "schema"), (budget, &[], 1)),
            None => Field::named(name),
        };
        if let Some(description) = parameter["description"].as_str() {
            field.description = text(&format!("{description}\n{}", field.description));
        }
        if let Some(example) = parameter.get("example").filter(|example| fits(example, 1_000)) {
            field.sample_value = example.clone();
        }
        budget.spend();
        field.required = place == "path" || parameter["required"] == true;
        if place != "query" && (field.kind.plain == PlainType::Object || !field.fields.is_empty()) {
            field =
                Field { kind: FieldType::default(), fields: Vec::new(), min_length: None, max_length: None, ..field };
        }
        let fields = match place {
            "path" => &mut action.params,
            "query" => &mut action.query,
            _ => &mut action.headers,
        };
        if !fields.iter().any(|other| other.key.eq_ignore_ascii_case(name) && (place == "header" || other.key == name))
        {
            fields.push(field);
        }
    }

    /// Writes a path template as a resource, and leaves only the parameters that it has.
    fn resource(&mut self, path: &str, params: &mut Vec<Field>, pointer: &str) -> String {
        let mut resource = String::with_capacity(path.len());
        let named = path.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name));
        let names: Vec<&str> = named.collect();
        let (mut rest, mut after_parameter) = (path, false);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            resource.push_str(&path_text(before, after_parameter, &names));
            resource.push(':');
            resource.push_str(name);
            (rest, after_parameter) = (after, true);
        }
        resource.push_str(&path_text(rest, after_parameter, &names));
        let count = params.len();
        params.retain(|field| names.contains(&field.key.as_str()));
        if params.len() < count {
            self.notes.add(pointer, "declares parameters that its path does not have");
        }
        for name in names {
            if !params.iter().any(|field| field.key == name) {
                params.push(Field { required: true, kind: string(), ..Field::named(name) });
            }
        }
        resource
    }

    /// Declares the fields of the body.
    fn body(&mut self, place: &Place<'d, '_>, action: &mut Action, budget: &mut Budget) {
        let Some(body) = place.operation.get("requestBody") else { return };
        let pointer = below(place.pointer, "requestBody");
        let Some(body) = self.resolved(body, &pointer) else { return };
        let Some(content) = body["content"].as_object().filter(|content| !content.is_empty()) else { return };
        let is_of = |name: &str, known: &str| {
            let name = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if known.starts_with('+') { name.ends_with(known) } else { name == known }
        };
        let found = CONTENT_TYPES.iter().find_map(|(known, request_type)| {
            let (name, media) = content.iter().find(|(name, _)| is_of(name, known))?;
            Some((name, media, *request_type))
        });
        let Some((name, media, request_type)) = found else {
            let names: Vec<&str> = content.keys().map(String::as_str).take(5).collect();
            let names = crate::import::shortened(&names.join("`, `"), 200);
            self.notes.add(&pointer, format!("is left out, as bodies of `{names}` are not written"));
            return;
        };
        action.request_type = Some(request_type);
        let Some(schema) = media.get("schema") else { return };
        let pointer = below(&below(&below(&pointer, "content"), name), "schema");
        let merged = self.merged(schema, &pointer, budget, &[]);
        match self.kind(&merged, &pointer) {
            PlainType::Object => {
                action.body = self.fields(&merged, (budget, 1));
                if body["required"] != true {
                    // Without a body all of them may be missing.
                    action.body.iter_mut().for_each(|field| field.required = false);
                }
            }
            PlainType::Any => {}
            _ if matches!(request_type, RequestType::Soap | RequestType::Html) => {}
            _ => self.notes.add(&pointer, "is not an object: its body is not declared"),
        }
    }
}

fn string() -> FieldType {
    FieldType { is_array: false, plain: PlainType::String }
}
