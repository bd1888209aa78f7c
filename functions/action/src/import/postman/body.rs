//! Bodies of requests.

use serde_json::Value;

use super::{Reader, VALUE_LIMIT_BYTES, string};
use crate::app::declaration::FIELD_DEPTH_LIMIT;
use crate::app::{Action, Field, FieldType, PlainType, RequestType};
use crate::import::{below, has_placeholder, is_key};

/// The most fields of a body.
const FIELD_LIMIT: usize = 500;

impl<'d> Reader<'d> {
    /// Declares the body of a request.
    pub(super) fn body(&mut self, body: &'d Value, pointer: &str, action: &mut Action) {
        let Some(mode) = body["mode"].as_str().filter(|_| body["disabled"] != true) else { return };
        let pointer = below(&below(pointer, "body"), mode);
        match mode {
            "raw" => self.raw(body, &pointer, action),
            "urlencoded" | "formdata" => {
                let is_form = mode == "formdata";
                action.request_type = Some(if is_form { RequestType::Formdata } else { RequestType::Urlencoded });
                action.body = self.form(&body[mode], &pointer);
            }
            "graphql" => {
                action.request_type = Some(RequestType::Json);
                let query = body["graphql"]["query"].as_str().unwrap_or_default();
                let mut field = Field { kind: string(), required: true, ..Field::named("query") };
                if query.len() <= 10 * VALUE_LIMIT_BYTES && !query.contains("{{") && !has_placeholder(&query.into()) {
                    field.default_value = query.into();
                } else {
                    self.notes.add(&pointer, "is left without its query: the input gives it");
                }
                let kind = FieldType { is_array: false, plain: PlainType::Object };
                action.body = vec![field, Field { kind, ..Field::named("variables") }];
            }
            "file" => self.notes.add(&pointer, "is a file, which is not sent"),
            _ => self.notes.add(&pointer, "is left out, as bodies of this mode are not known"),
        }
    }

    fn form(&mut self, entries: &'d Value, pointer: &str) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        for (index, entry) in entries.as_array().into_iter().flatten().enumerate().take(FIELD_LIMIT) {
            let pointer = below(pointer, &index.to_string());
            let Some(key) = entry["key"].as_str().filter(|key| is_key(key)) else { continue };
            if fields.iter().any(|field| field.key == key) {
                continue;
            }
            if entry["type"] == "file" {
                self.notes.add(&pointer, "is a file: its content is sent as the input gives it");
                fields.push(Field::named(key));
                continue;
            }
            fields.push(self.entry(key, entry, &pointer, false));
        }
        fields
    }

    fn raw(&mut self, body: &'d Value, pointer: &str, action: &mut Action) {
        let raw = body["raw"].as_str().unwrap_or_default();
        let language = body["options"]["raw"]["language"].as_str().unwrap_or_default();
        match language {
            "xml" => action.request_type = Some(RequestType::Soap),
            "html" => action.request_type = Some(RequestType::Html),
            _ if raw.trim().is_empty() => {}
            _ => match json_of(raw) {
                Some(value @ Value::Object(_)) => {
                    action.request_type = Some(RequestType::Json);
                    let mut count = 0;
                    action.body = self.fields(&value, pointer, 1, &mut count);
                }
                Some(_) => {
                    action.request_type = Some(RequestType::Json);
                    self.notes.add(pointer, "is not an object: its body is not declared");
                }
                None => self.notes.add(pointer, "is not valid JSON: its body is not declared"),
            },
        }
    }

    /// Declares the members of an example.
    fn fields(&mut self, example: &Value, pointer: &str, depth: usize, count: &mut usize) -> Vec<Field> {
        let mut fields = Vec::new();
        for (key, value) in example.as_object().into_iter().flatten() {
            if !is_key(key) {
                self.notes.add(pointer, "has a field whose name cannot be that of one");
                continue;
            }
            *count += 1;
            if *count > FIELD_LIMIT {
                self.notes.add(pointer, "has more fields than are declared");
                break;
            }
            fields.push(self.example(key, value, &below(pointer, key), depth, count));
        }
        fields
    }

    fn example(&mut self, key: &str, value: &Value, pointer: &str, depth: usize, count: &mut usize) -> Field {
        let mut field = Field::named(key);
        field.kind = kind(value);
        match value {
            Value::Object(_) if depth < FIELD_DEPTH_LIMIT => {
                field.fields = self.fields(value, pointer, depth + 1, count);
            }
            Value::Array(elements) if depth < FIELD_DEPTH_LIMIT => {
                if let Some(first) = elements.first().filter(|first| first.is_object()) {
                    field.fields = self.fields(first, pointer, depth + 1, count);
                }
            }
            Value::String(text) if text.contains("{{") => {
                field.kind = FieldType::default();
                let is_short = text.len() <= VALUE_LIMIT_BYTES;
                let default = if is_short { self.with_variables(text, pointer) } else { None };
                field.default_value = default.map(Value::from).unwrap_or_default();
            }
            Value::String(text) if text.len() > VALUE_LIMIT_BYTES => {}
            Value::Object(_) | Value::Array(_) | Value::Null => {}
            scalar => field.sample_value = scalar.clone(),
        }
        field
    }
}

/// The type of an example.
fn kind(value: &Value) -> FieldType {
    let plain = |value: &Value| match value {
        Value::Null => PlainType::Any,
        Value::Bool(_) => PlainType::Boolean,
        Value::Number(_) => PlainType::Number,
        Value::String(_) => PlainType::String,
        Value::Array(_) => PlainType::Array,
        Value::Object(_) => PlainType::Object,
    };
    match value.as_array().and_then(|elements| elements.first()) {
        Some(first) if !first.is_array() => FieldType { is_array: true, plain: plain(first) },
        _ => FieldType { is_array: false, plain: plain(value) },
    }
}

/// Reads the text of a body as JSON; variables may stand where values do, without quotes.
fn json_of(raw: &str) -> Option<Value> {
    if let Ok(value) = shared::json::parse(raw.as_bytes()) {
        return Some(value);
    }
    let (mut quoted, mut rest, mut is_text, mut is_escaped) =
        (String::with_capacity(raw.len() + 64), raw, false, false);
    while let Some(char) = rest.chars().next() {
        if !is_text
            && let Some((name, after)) = rest.strip_prefix("{{").and_then(|after| after.split_once("}}"))
            && !name.contains(['"', '\n', '{'])
        {
            quoted.push_str(&format!("\"{{{{{}}}}}\"", name.trim()));
            rest = after;
            continue;
        }
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ => {}
        }
        quoted.push(char);
        rest = &rest[char.len_utf8()..];
    }
    shared::json::parse(quoted.as_bytes()).ok()
}
