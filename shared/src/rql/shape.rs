//! Which fields the items of a list have, from the description of their type.

use std::collections::BTreeSet;

use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};

use crate::nearest;

/// The fields of a type.
pub(super) struct Shape {
    root: RefOr<Schema>,
    named: Vec<(String, RefOr<Schema>)>,
}

/// What a name leads to from some places of a type.
struct Members<'a> {
    /// Fields of these types.
    known: Vec<&'a RefOr<Schema>>,
    /// Whether there may be fields of any name.
    is_open: bool,
}

/// Which values a field can have, as far as that is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Values {
    /// Any, or several of the others.
    Any,
    /// Times.
    Times,
    /// True and false.
    Booleans,
    /// One of these texts.
    OneOf(Vec<String>),
}

/// A field that there is.
pub(super) struct Found {
    /// Its path, with each name as the items have it.
    pub(super) path: Vec<String>,
    pub(super) values: Values,
}

impl Shape {
    /// Returns the fields of a type.
    pub(super) fn of<T: ToSchema>() -> Self {
        let mut named = Vec::new();
        T::schemas(&mut named);
        Self { root: T::schema(), named }
    }

    /// Returns the path with each name as the items have it, or says which name they do not have.
    ///
    /// Client libraries show the names of answers in camel case, and other languages know snake case, so that a name is
    /// understood in both.
    pub(super) fn find(&self, path: &[String]) -> Result<Found, String> {
        let mut places = vec![&self.root];
        let mut found = Vec::with_capacity(path.len());
        for (at, name) in path.iter().enumerate() {
            let mut known = Vec::new();
            let spelled = [name.clone(), in_snake_case(name), in_camel_case(name)];
            let members = spelled.map(|name| (self.members(&places, &name, &mut known), name));
            let is_open = members.iter().any(|(members, _)| members.is_open);
            match members.into_iter().find(|(members, _)| !members.known.is_empty()) {
                Some((members, name)) => {
                    found.push(name);
                    places = members.known;
                    if is_open {
                        found.extend_from_slice(&path[at + 1..]);
                        return Ok(Found { path: found, values: Values::Any });
                    }
                }
                None if is_open => {
                    found.extend_from_slice(&path[at..]);
                    return Ok(Found { path: found, values: Values::Any });
                }
                None => return Err(unknown(&path[..at], name, &known)),
            }
        }
        Ok(Found { path: found, values: self.values(&places) })
    }

    /// Returns which values there can be in some places of a type; an array has those of its elements.
    fn values(&self, places: &[&RefOr<Schema>]) -> Values {
        let (mut open, mut found): (Vec<&RefOr<Schema>>, Option<Values>) = (places.to_vec(), None);
        while let Some(place) = open.pop() {
            let values = match place {
                RefOr::Ref(other) => {
                    self.named(&other.ref_location).map(|schema| open.push(schema)).is_none().then_some(Values::Any)
                }
                RefOr::T(Schema::Object(object)) => values_of(object),
                RefOr::T(Schema::Array(array)) => {
                    if let ArrayItems::RefOrSchema(items) = &array.items {
                        open.push(items);
                    }
                    None
                }
                RefOr::T(Schema::OneOf(parts)) => {
                    open.extend(&parts.items);
                    None
                }
                RefOr::T(_) => Some(Values::Any),
            };
            found = match (found, values) {
                (Some(Values::OneOf(some)), Some(Values::OneOf(more))) => Some(Values::OneOf([some, more].concat())),
                (Some(some), Some(values)) if some != values => Some(Values::Any),
                (found, values) => values.or(found),
            };
        }
        found.unwrap_or(Values::Any)
    }

    /// Returns the schema that a reference means.
    fn named(&self, location: &str) -> Option<&RefOr<Schema>> {
        let is_meant = |(name, _): &&(String, _)| location.ends_with(&format!("/{name}"));
        self.named.iter().find(is_meant).map(|(_, schema)| schema)
    }

    /// Returns what a name leads to; adds the names that there are.
    fn members<'a>(&'a self, places: &[&'a RefOr<Schema>], name: &str, known: &mut Vec<&'a str>) -> Members<'a> {
        let (mut found, mut is_any) = (Vec::new(), false);
        let mut open: Vec<&'a RefOr<Schema>> = places.to_vec();
        while let Some(place) = open.pop() {
            match place {
                RefOr::Ref(other) => match self.named(&other.ref_location) {
                    Some(schema) => open.push(schema),
                    None => is_any = true,
                },
                RefOr::T(Schema::Object(object)) if is_open(object) => is_any = true,
                RefOr::T(Schema::Object(object)) => {
                    known.extend(object.properties.keys().map(String::as_str));
                    found.extend(object.properties.get(name));
                    if let Some(AdditionalProperties::RefOr(value)) = object.additional_properties.as_deref() {
                        found.push(value);
                    }
                }
                // A number is the place of an element; any other name is a field of all elements.
                RefOr::T(Schema::Array(array)) => match &array.items {
                    ArrayItems::RefOrSchema(items) if name.parse::<usize>().is_ok() => found.push(items),
                    ArrayItems::RefOrSchema(items) => open.push(items),
                    ArrayItems::False => {}
                },
                RefOr::T(Schema::AllOf(parts)) => open.extend(&parts.items),
                RefOr::T(Schema::OneOf(parts)) => open.extend(&parts.items),
                RefOr::T(Schema::AnyOf(parts)) => open.extend(&parts.items),
                RefOr::T(_) => is_any = true,
            }
        }
        Members { known: found, is_open: is_any }
    }
}

/// Returns which values an object of a description stands for; `None` for null alone.
fn values_of(object: &Object) -> Option<Values> {
    let kinds = match &object.schema_type {
        SchemaType::AnyValue => return Some(Values::Any),
        SchemaType::Type(kind) => vec![kind],
        SchemaType::Array(kinds) => kinds.iter().collect(),
    };
    let kinds: Vec<&Type> = kinds.into_iter().filter(|kind| **kind != Type::Null).collect();
    let is_time = object.format == Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let texts = || object.enum_values.as_ref()?.iter().map(text).collect::<Option<Vec<_>>>();
    match kinds.as_slice() {
        [] => None,
        [Type::Boolean] => Some(Values::Booleans),
        [Type::String] if is_time => Some(Values::Times),
        [Type::String] => Some(texts().map_or(Values::Any, Values::OneOf)),
        _ => Some(Values::Any),
    }
}

/// Whether the description of an object leaves open which fields it has.
fn is_open(object: &Object) -> bool {
    let is_object = match &object.schema_type {
        SchemaType::AnyValue => return true,
        SchemaType::Type(kind) => *kind == Type::Object,
        SchemaType::Array(kinds) => kinds.contains(&Type::Object),
    };
    match object.additional_properties.as_deref() {
        Some(AdditionalProperties::FreeForm(is_free)) => *is_free,
        Some(AdditionalProperties::RefOr(RefOr::T(Schema::Object(value)))) => is_open(value),
        Some(AdditionalProperties::RefOr(_)) => false,
        None => is_object && object.properties.is_empty(),
    }
}

fn unknown(within: &[String], name: &str, known: &[&str]) -> String {
    // Records in several forms share most of their fields.
    let known: Vec<&str> = BTreeSet::from_iter(known.iter().copied()).into_iter().collect();
    let outer = within.join(".");
    match (outer.as_str(), known.as_slice()) {
        ("", known) => nearest::unknown("field", name, known.iter().copied()),
        (outer, []) => format!("`{outer}` has no fields, so that `{outer}.{name}` never exists"),
        (outer, known) => {
            let known: Vec<String> = known.iter().map(|known| format!("{outer}.{known}")).collect();
            nearest::unknown("field", &format!("{outer}.{name}"), known.iter().map(String::as_str))
        }
    }
}

fn in_snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

fn in_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut camel, word| {
        let mut characters = word.chars();
        camel.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
        camel
    })
}
