//! Schemas: the declared fields of requests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Reader;
use crate::app::declaration::FIELD_DEPTH_LIMIT;
use crate::app::rules::VALUE_DEPTH_LIMIT;
use crate::app::{Field, FieldType, PlainType};
use crate::import::{below, has_placeholder, is_key, shortened, text};

/// How many schemas are looked at in one document.
pub(super) const STEP_LIMIT: usize = 400_000;
/// The most bytes that the fields of a document have, about.
pub(super) const ROOM_BYTES: usize = 48 * 1024 * 1024;
/// What a field takes beside its texts.
const FIELD_BYTES: usize = 200;
/// How many schemas are looked at in one operation, and the most fields that it gets.
const OPERATION_STEP_LIMIT: usize = 10_000;
const OPERATION_FIELD_LIMIT: usize = 800;
/// How deep `allOf` and references are followed in one place.
const MERGE_LIMIT: usize = 24;
/// The most bytes of an example, and of a default.
const SAMPLE_LIMIT_BYTES: usize = 1_000;
const DEFAULT_LIMIT_BYTES: usize = 4_000;
/// How many values of an enumeration a description names.
const ENUM_LIMIT: usize = 20;

/// What may still be made in one operation.
pub(super) struct Budget {
    steps: usize,
    fields: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: OPERATION_STEP_LIMIT, fields: OPERATION_FIELD_LIMIT }
    }
}

impl Budget {
    /// Whether no field can be made any more.
    pub(super) fn is_spent(&self) -> bool {
        self.fields == 0
    }

    /// Counts a field.
    pub(super) fn spend(&mut self) {
        self.fields = self.fields.saturating_sub(1);
    }
}

/// The keywords of a schema.
type Members<'d> = BTreeMap<&'static str, &'d Value>;

/// What a schema says, with its references followed and the parts of `allOf` joined.
#[derive(Default)]
pub(super) struct Merged<'d> {
    kinds: Vec<&'d str>,
    /// Each property with the place that describes it.
    pub(super) properties: Vec<(&'d str, &'d Value, String)>,
    pub(super) required: BTreeSet<&'d str>,
    members: Members<'d>,
    items: Option<(&'d Value, String)>,
    /// The references on the way here, which must not be followed again below.
    open: Vec<&'d str>,
    is_choice: bool,
}

/// The keywords that are taken as they are.
const KEYWORDS: [&str; 14] = [
    "format",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "default",
    "example",
    "examples",
    "enum",
    "const",
    "description",
    "readOnly",
    "title",
    "contentMediaType",
];

impl<'d> Reader<'d> {
    /// Makes the field of a schema.
    pub(super) fn field(
        &mut self,
        key: &str,
        schema: &'d Value,
        pointer: &str,
        (budget, open, depth): (&mut Budget, &[&'d str], usize),
    ) -> Field {
        let merged = self.merged(schema, pointer, budget, open);
        let mut field = Field::named(key);
        field.description = described(&merged.members);
        let kind = self.kind(&merged, pointer);
        let (mut plain, mut inner, mut inner_pointer) = (kind, merged, pointer.to_owned());
        if plain == PlainType::Array
            && let Some((items, items_pointer)) = inner.items.take()
        {
            let element = self.merged(items, &items_pointer, budget, &inner.open);
            let element_kind = self.kind(&element, &items_pointer);
            (field.min_length, field.max_length) = lengths(&inner.members, "minItems", "maxItems");
            self.values(&mut field, &inner.members, FieldType { is_array: true, plain: element_kind }, pointer);
            field.kind = FieldType { is_array: true, plain: element_kind };
            (plain, inner, inner_pointer) = (element_kind, element, items_pointer);
        } else {
            let names = if plain == PlainType::Array { ("minItems", "maxItems") } else { ("minLength", "maxLength") };
            if !matches!(plain, PlainType::Object | PlainType::Boolean) {
                (field.min_length, field.max_length) = lengths(&inner.members, names.0, names.1);
            }
            field.kind = FieldType { is_array: false, plain };
            let kind = field.kind;
            self.values(&mut field, &inner.members, kind, pointer);
        }
        if plain == PlainType::Object && !inner.properties.is_empty() {
            if depth >= FIELD_DEPTH_LIMIT {
                self.notes.add(&inner_pointer, "nests deeper than fields can: what is in it is not declared");
            } else {
                field.fields = self.fields(&inner, (budget, depth + 1));
            }
        }
        field
    }

    /// Makes the fields of an object's properties.
    pub(super) fn fields(&mut self, merged: &Merged<'d>, (budget, depth): (&mut Budget, usize)) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        for (key, schema, pointer) in &merged.properties {
            if !is_key(key) {
                self.notes.add(pointer, "is left out, as its name cannot be that of a field");
                continue;
            }
            if budget.fields == 0 || self.room == 0 {
                self.notes.add(pointer, "is left out, as its operation has too many fields");
                break;
            }
            if self.is_read_only(schema) || fields.iter().any(|field| field.key == **key) {
                continue;
            }
            budget.fields -= 1;
            let mut field = self.field(key, schema, pointer, (budget, &merged.open, depth));
            field.required = merged.required.contains(key);
            self.room = self.room.saturating_sub(FIELD_BYTES + field.key.len() + field.description.len());
            fields.push(field);
        }
        fields
    }

    fn is_read_only(&mut self, schema: &'d Value) -> bool {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| self.target(reference));
        schema["readOnly"] == true || target.is_some_and(|target| target["readOnly"] == true)
    }

    /// Follows references and joins the parts of `allOf`.
    pub(super) fn merged(
        &mut self,
        schema: &'d Value,
        pointer: &str,
        budget: &mut Budget,
        open: &[&'d str],
    ) -> Merged<'d> {
        let mut merged = Merged { open: open.to_vec(), ..Merged::default() };
        self.merge(schema, pointer, budget, &mut merged, 0);
        merged
    }

    fn merge(&mut self, schema: &'d Value, pointer: &str, budget: &mut Budget, merged: &mut Merged<'d>, level: usize) {
        if self.steps == 0 || budget.steps == 0 || level > MERGE_LIMIT {
            self.notes.add(pointer, "is more than is looked at: what it says is not declared");
            return;
        }
        let length = |name: &str| match &schema[name] {
            Value::Array(elements) => elements.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        let lists = ["properties", "required", "allOf", "oneOf", "anyOf"];
        let cost = 1 + lists.into_iter().map(length).sum::<usize>();
        self.steps = self.steps.saturating_sub(cost);
        budget.steps = budget.steps.saturating_sub(cost);
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if merged.open.contains(&reference) {
                self.notes
                    .add(reference.trim_start_matches('#'), "refers to itself: inside it, it is not declared again");
            } else if let Some(target) = self.target(reference) {
                merged.open.push(reference);
                self.merge(target, reference.trim_start_matches('#'), budget, merged, level + 1);
            } else {
                self.notes.add(pointer, format!("refers to `{}`, which is not there", shortened(reference, 100)));
            }
        }
        for name in KEYWORDS {
            if let Some(value) = schema.get(name) {
                merged.members.insert(name, value);
            }
        }
        match &schema["type"] {
            Value::String(kind) => merged.kinds = vec![kind],
            Value::Array(kinds) => merged.kinds = kinds.iter().filter_map(Value::as_str).take(10).collect(),
            _ => {}
        }
        if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            merged.items = Some((items, below(pointer, "items")));
        }
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            merged.properties.push((key, property, below(&below(pointer, "properties"), key)));
        }
        merged.required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        for (index, part) in schema["allOf"].as_array().into_iter().flatten().enumerate() {
            let pointer = below(&below(pointer, "allOf"), &index.to_string());
            self.merge(part, &pointer, budget, merged, level + 1);
        }
        for choice in ["oneOf", "anyOf"] {
            self.choose(schema, choice, pointer, budget, merged, level);
        }
    }

    /// Takes over the one alternative that is not null; of several, none is known to be meant.
    fn choose(
        &mut self,
        schema: &'d Value,
        choice: &str,
        pointer: &str,
        budget: &mut Budget,
        merged: &mut Merged<'d>,
        level: usize,
    ) {
        let Some(alternatives) = schema[choice].as_array() else { return };
        let is_value = |schema: &&Value| schema["type"] != "null";
        let values: Vec<&Value> = alternatives.iter().filter(is_value).collect();
        match values.as_slice() {
            [] => {}
            [one] => self.merge(one, &below(pointer, choice), budget, merged, level + 1),
            several => {
                let kind = |schema: &&'d Value| schema["type"].as_str();
                let first = several.first().and_then(kind).filter(|kind| !matches!(*kind, "object" | "array"));
                match first.filter(|first| several.iter().all(|other| kind(other) == Some(*first))) {
                    Some(same) => merged.kinds = vec![same],
                    None => {
                        merged.is_choice = true;
                        self.notes.add(&below(pointer, choice), "has several forms: any value is taken");
                    }
                }
            }
        }
    }

    /// The type that a schema stands for.
    pub(super) fn kind(&mut self, merged: &Merged<'_>, pointer: &str) -> PlainType {
        let mut kinds = merged.kinds.iter().filter(|kind| **kind != "null");
        let kind = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => *kind,
            (Some(_), Some(_)) => return PlainType::Any,
            _ if merged.is_choice => return PlainType::Any,
            _ if !merged.properties.is_empty() => "object",
            _ if merged.items.is_some() => "array",
            _ => return PlainType::Any,
        };
        let format = merged.members.get("format").and_then(|format| format.as_str()).unwrap_or_default();
        match (kind, format) {
            _ if merged.is_choice => PlainType::Any,
            ("string", "email") => PlainType::EmailString,
            ("string", "uuid") => PlainType::Uuid,
            ("string", "binary") => {
                self.notes.add(pointer, "is a file: its content is sent as the text that the input gives");
                PlainType::Any
            }
            ("string", _) => PlainType::String,
            ("number", "float") => PlainType::Float,
            ("number", "double") => PlainType::Double,
            ("number" | "integer", _) => PlainType::Number,
            ("boolean", _) => PlainType::Boolean,
            ("array", _) => PlainType::Array,
            ("object", _) => PlainType::Object,
            _ => PlainType::Any,
        }
    }

    /// Takes over the default and the example of a schema.
    fn values(&mut self, field: &mut Field, members: &Members<'_>, kind: FieldType, pointer: &str) {
        let member = |name: &str| members.get(name).copied();
        if let Some(default) = member("default").or(member("const")).filter(|default| !default.is_null()) {
            if !fits(default, DEFAULT_LIMIT_BYTES) || kind.check(default).is_err() {
                self.notes.add(pointer, "has a default that its type does not take, and is left without");
            } else if has_placeholder(default) {
                self.notes.add(pointer, "has a default that could be read as a placeholder, and is left without");
            } else {
                field.default_value = default.clone();
                self.room = self.room.saturating_sub(DEFAULT_LIMIT_BYTES);
            }
        }
        let first = |name: &str| member(name)?.as_array()?.first();
        let example = member("example").or_else(|| first("examples")).or_else(|| first("enum"));
        if let Some(example) = example.filter(|example| fits(example, SAMPLE_LIMIT_BYTES)) {
            field.sample_value = example.clone();
            self.room = self.room.saturating_sub(SAMPLE_LIMIT_BYTES);
        }
    }
}

/// Whether a value has at most so many bytes, and not too many levels; no more of it is looked at.
pub(super) fn fits(value: &Value, limit: usize) -> bool {
    let mut room = vec![0; limit];
    serde_json::to_writer(room.as_mut_slice(), value).is_ok() && shared::json::depth(value) <= VALUE_DEPTH_LIMIT
}

fn lengths(members: &Members<'_>, low: &str, high: &str) -> (Option<u64>, Option<u64>) {
    let number = |name: &str| members.get(name).and_then(|value| value.as_u64());
    match (number(low), number(high)) {
        (Some(low), Some(high)) if low > high => (None, None),
        lengths => lengths,
    }
}

/// The description of a field, with the values that it is limited to.
fn described(members: &Members<'_>) -> String {
    let member = |name: &str| members.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let mut description = text(member("description"));
    if description.is_empty() {
        description = text(member("title"));
    }
    let values = members.get("enum").and_then(|values| values.as_array()).map(Vec::as_slice).unwrap_or_default();
    if !values.is_empty() {
        let shown = values.iter().take(ENUM_LIMIT).map(|value| match value {
            Value::String(text) => format!("`{}`", shortened(text, 60)),
            value if fits(value, 60) => format!("`{value}`"),
            _ => "…".to_owned(),
        });
        let more = if values.len() > ENUM_LIMIT { ", …" } else { "" };
        let list = shown.collect::<Vec<_>>().join(", ");
        description = text(format!("{description}\nOne of {list}{more}.").trim());
    }
    description
}
