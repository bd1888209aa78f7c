//! RQL, the query language of lists: filter, sort, select and page.
//!
//! A query is the raw query string, `eq(status,failed)&sort(-creationTimestamp)&limit(50)`. Values may be unencoded,
//! percent-encoded once, or twice as client libraries send them; a value that needs an explicit type carries a cast such
//! as `string:5`. Lists are filtered in memory, by what the caller would see of each item.

mod filter;
mod operand;
mod order;
mod parse;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::error::Refusal;
use crate::http::{List, Page};
use filter::Filter;
use order::Direction;

/// How many items a page has unless the query says otherwise.
pub const DEFAULT_LIMIT: usize = 20;
/// The most items that a page can have; a larger limit is lowered to it.
pub const MAX_LIMIT: usize = 50;

/// A parsed query.
#[derive(Debug, Clone)]
pub struct Rql {
    filters: Vec<Filter>,
    sort: Vec<(Field, Direction)>,
    select: Option<Vec<Field>>,
    limit: usize,
    offset: usize,
    counts: bool,
}

/// The path of a field, split at its dots.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field(Vec<String>);

impl Default for Rql {
    fn default() -> Self {
        Self { filters: Vec::new(), sort: Vec::new(), select: None, limit: DEFAULT_LIMIT, offset: 0, counts: true }
    }
}

impl Rql {
    /// Parses the raw query string of a list of `T`; fields that `T` does not have are refused.
    pub fn parse<T: ToSchema>(raw_query: Option<&str>) -> Result<Self, Refusal> {
        let (mut fields, mut others) = (Vec::new(), Vec::new());
        T::schemas(&mut others);
        collect_fields(&T::schema(), &others, &mut fields);
        parse::query(raw_query.unwrap_or_default(), &fields)
    }

    /// Applies it to a whole list.
    pub fn apply<T: Serialize>(&self, items: &[T]) -> Result<List<Value>, Refusal> {
        let values: Result<Vec<Value>, _> = items.iter().map(serde_json::to_value).collect();
        let mut values = values.map_err(|_| Refusal::internal())?;
        values.retain(|value| self.filters.iter().all(|filter| filter.holds(value)));
        if !self.sort.is_empty() {
            values.sort_by(|left, right| order::by_fields(&self.sort, left, right));
        }
        let values_len = values.len();
        let total = self.counts.then_some(values_len);
        let page = values.into_iter().skip(self.offset).take(self.limit);
        let data = page.map(|value| self.selected(value)).collect();
        let limit = if self.limit == usize::MAX { values_len } else { self.limit };
        Ok(List { page: Page { total, offset: self.offset, limit }, data })
    }

    /// Returns the query without a limit of items, for lists that stay small.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { limit: usize::MAX, ..self }
    }

    /// Returns the text of a top-level `eq(field,text)`.
    pub fn eq(&self, field: &str) -> Option<&str> {
        self.filters.iter().find_map(|filter| filter.exact_text(field))
    }

    fn selected(&self, value: Value) -> Value {
        match &self.select {
            Some(fields) => {
                let paths: Vec<&[String]> = fields.iter().map(|field| field.0.as_slice()).collect();
                project(&value, &paths)
            }
            None => value,
        }
    }
}

/// Collects the names of a type's fields from its description; a type without any has fields of any name.
fn collect_fields(schema: &RefOr<Schema>, others: &[(String, RefOr<Schema>)], fields: &mut Vec<String>) {
    match schema {
        RefOr::T(Schema::Object(object)) => fields.extend(object.properties.keys().cloned()),
        RefOr::T(Schema::AllOf(parts)) => parts.items.iter().for_each(|part| collect_fields(part, others, fields)),
        RefOr::Ref(other) => {
            let named = others.iter().find(|(name, _)| other.ref_location.ends_with(&format!("/{name}")));
            named.iter().for_each(|(_, schema)| collect_fields(schema, &[], fields));
        }
        RefOr::T(_) => {}
    }
}

/// Keeps what the paths name; an array keeps it of each of its elements.
fn project(value: &Value, paths: &[&[String]]) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|element| project(element, paths)).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, member)| {
                let rests: Vec<&[String]> = paths.iter().filter_map(|path| rest(path, name)).collect();
                let whole = rests.iter().any(|rest| rest.is_empty());
                let kept = || if whole { member.clone() } else { project(member, &rests) };
                (!rests.is_empty()).then(|| (name.clone(), kept()))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        scalar => scalar.clone(),
    }
}

fn rest<'a>(path: &'a [String], name: &str) -> Option<&'a [String]> {
    path.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests;
