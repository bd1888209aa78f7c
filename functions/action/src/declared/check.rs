//! Checks an input, and collects every rule that it breaks.

use serde_json::{Map, Value};

use super::{Part, value};
use crate::app::{Action, Field, PlainType, RequestType};
use crate::failure::Violation;
use crate::input::Input;
use crate::placeholder;

/// The most violations that are listed.
pub(super) const MAX_VIOLATIONS: usize = 100;
/// The longest name within a selector, in characters.
const NAME_CHARACTERS: usize = 100;

/// The check of one input.
pub(super) struct Check<'a> {
    action: &'a Action,
    /// Whether placeholders are resolved, so that every text is a value.
    is_resolved: bool,
    violations: Vec<Violation>,
}

impl<'a> Check<'a> {
    pub(super) fn new(action: &'a Action, is_resolved: bool) -> Self {
        Self { action, is_resolved, violations: Vec::new() }
    }

    /// Returns the input with its defaults, or every rule that it breaks.
    pub(super) fn input(mut self, input: Input) -> Result<Input, Vec<Violation>> {
        let Input { mut query, mut params, body, mut headers } = input;
        for (part, values) in [(Part::Params, &mut params), (Part::Query, &mut query), (Part::Header, &mut headers)] {
            self.part(part, values);
        }
        let body = self.body(body);
        if self.violations.is_empty() { Ok(Input { query, params, body, headers }) } else { Err(self.violations) }
    }

    fn part(&mut self, part: Part, values: &mut Map<String, Value>) {
        self.fields(part, part.fields(self.action), values, &mut Vec::new());
    }

    /// Checks a body: an object where fields of it are declared, and a text where the request type is one of texts.
    fn body(&mut self, body: Value) -> Value {
        let is_text_type = matches!(self.action.request_type, Some(RequestType::Soap | RequestType::Html));
        match body {
            body if self.action.body.is_empty() || (body.is_string() && self.is_open(&body)) => body,
            Value::String(_) if is_text_type => body,
            Value::Object(mut members) => {
                self.part(Part::Body, &mut members);
                Value::Object(members)
            }
            Value::Null => {
                let mut members = Map::new();
                self.part(Part::Body, &mut members);
                if members.is_empty() { Value::Null } else { Value::Object(members) }
            }
            other => {
                self.broken(Part::Body, &[], "must be an object");
                other
            }
        }
    }

    fn fields(&mut self, part: Part, fields: &[Field], values: &mut Map<String, Value>, path: &mut Vec<String>) {
        for field in fields {
            if self.violations.len() > MAX_VIOLATIONS {
                return;
            }
            path.push(field.key.clone());
            self.field(part, field, values, path);
            path.pop();
        }
    }

    fn field(&mut self, part: Part, field: &Field, values: &mut Map<String, Value>, path: &mut Vec<String>) {
        let mut given = values.iter_mut().filter(|(name, _)| part.is_same(name, &field.key));
        match (given.next(), given.next()) {
            (Some(_), Some(_)) => self.broken(part, path, "is given more than once"),
            (Some((_, value)), None) => self.given(part, field, value, path),
            (None, _) if !self.is_resolved && !field.default_value.is_null() => {
                let mut value = field.default_value.clone();
                self.default(part, field, path);
                self.given(part, field, &mut value, path);
                values.insert(field.key.clone(), value);
            }
            (None, _) if field.required => self.broken(part, path, "is required"),
            (None, _) => {}
        }
    }

    fn given(&mut self, part: Part, field: &Field, value: &mut Value, path: &mut Vec<String>) {
        if !self.is_resolved && !field.default_value.is_null() {
            match placeholder::with_default(value, &field.default_value) {
                Ok(true) => self.default(part, field, path),
                Ok(false) => {}
                Err(violation) => self.add(violation),
            }
        }
        if value.is_null() {
            if field.required {
                self.broken(part, path, "is required");
            }
            return;
        }
        if value.is_string() && self.is_open(value) {
            return;
        }
        if field.kind.is_array {
            match value {
                Value::Array(items) => self.items(part, field, items, path),
                _ => self.broken(part, path, "must be an array"),
            }
        } else {
            self.plain(part, field, value, path);
        }
        if let Some(rule) = value::length_rule(field, value) {
            self.broken(part, path, &rule);
        }
    }

    /// Refuses a default with the placeholder of an event's value, which only the input of a step can have.
    fn default(&mut self, part: Part, field: &Field, path: &[String]) {
        match placeholder::references(&field.default_value) {
            Ok(references) if references.values => self.broken(part, path, "has `$Value{n}` in its default"),
            Ok(_) => {}
            Err(violation) => self.add(violation),
        }
    }

    fn items(&mut self, part: Part, field: &Field, items: &mut [Value], path: &mut Vec<String>) {
        for (index, item) in items.iter_mut().enumerate() {
            if self.violations.len() > MAX_VIOLATIONS {
                return;
            }
            path.push(format!("[{index}]"));
            if !(item.is_string() && self.is_open(item)) {
                self.plain(part, field, item, path);
            }
            path.pop();
        }
    }

    /// Checks a value against the plain type of a field, and what is declared within it.
    fn plain(&mut self, part: Part, field: &Field, value: &mut Value, path: &mut Vec<String>) {
        if let Some(rule) = value::type_rule(field.kind.plain, value, part.is_text()) {
            return self.broken(part, path, rule);
        }
        match value {
            Value::Object(members) => self.fields(part, &field.fields, members, path),
            Value::Array(items) if !field.fields.is_empty() && field.kind.plain == PlainType::Array => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(format!("[{index}]"));
                    match item {
                        Value::Object(members) => self.fields(part, &field.fields, members, path),
                        item if item.is_string() && self.is_open(item) => {}
                        _ => self.broken(part, path, "must be an object"),
                    }
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn is_open(&self, value: &Value) -> bool {
        !self.is_resolved && placeholder::is_open(value)
    }

    fn broken(&mut self, part: Part, path: &[String], rule: &str) {
        let stages: String = path.iter().map(|stage| format!("{{{}}}", shown(stage))).collect();
        let selector = format!("{}{{{}}}{stages}", part.selector(), self.action.tag);
        self.add(Violation { selector, rule: rule.to_owned() });
    }

    fn add(&mut self, violation: Violation) {
        match self.violations.len() {
            ..MAX_VIOLATIONS => self.violations.push(violation),
            MAX_VIOLATIONS => {
                let rule = format!("breaks more rules than the {MAX_VIOLATIONS} that are listed");
                self.violations.push(Violation { selector: "$Input".to_owned(), rule });
            }
            _ => {}
        }
    }
}

/// As much of a name as a selector repeats.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(NAME_CHARACTERS).collect()
}
