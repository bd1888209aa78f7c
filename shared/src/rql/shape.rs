//! Which fields the items of a list have, from the description of their type.

use std::collections::BTreeSet;

use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::nearest;

/// The fields of a type.
pub(super) struct Shape {
    root: RefOr<Schema>,
    named: Vec<(String, RefOr<Schema>)>,
}

/// What a name leads to from some places of a type.
enum Members<'a> {
    /// Anything.
    Any,
    /// Fields of these types.
    Known(Vec<&'a RefOr<Schema>>),
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
    /// Client libraries show the names of answers in camel case, so that a name is understood in that case as well.
    pub(super) fn find(&self, path: &[String]) -> Result<Vec<String>, String> {
        let mut places = vec![&self.root];
        let mut found = Vec::with_capacity(path.len());
        for (at, name) in path.iter().enumerate() {
            let mut known = Vec::new();
            let spelled = [name.clone(), in_snake_case(name)];
            let members = spelled.iter().find_map(|name| Some((name, self.members(&places, name, &mut known)?)));
            match members {
                Some((name, Members::Known(next))) => {
                    found.push(name.clone());
                    places = next;
                }
                Some((_, Members::Any)) => {
                    found.extend_from_slice(&path[at..]);
                    return Ok(found);
                }
                None => return Err(unknown(&path[..at], name, &known)),
            }
        }
        Ok(found)
    }

    /// Returns what a name leads to, `None` if there is no such field; adds the names that there are.
    fn members<'a>(
        &'a self,
        places: &[&'a RefOr<Schema>],
        name: &str,
        known: &mut Vec<&'a str>,
    ) -> Option<Members<'a>> {
        let mut found = Vec::new();
        let mut open: Vec<&'a RefOr<Schema>> = places.to_vec();
        while let Some(place) = open.pop() {
            match place {
                RefOr::Ref(other) => {
                    let is_named = |(name, _): &&(String, _)| other.ref_location.ends_with(&format!("/{name}"));
                    match self.named.iter().find(is_named) {
                        Some((_, schema)) => open.push(schema),
                        None => return Some(Members::Any),
                    }
                }
                RefOr::T(Schema::Object(object)) if is_open(object) => return Some(Members::Any),
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
                RefOr::T(_) => return Some(Members::Any),
            }
        }
        (!found.is_empty()).then_some(Members::Known(found))
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
