//! RQL, the query language of lists: filter, sort, select and page.
//!
//! A query is the raw query string, `eq(status,failed)&sort(-creationTimestamp)&limit(50)`. Values may be unencoded,
//! percent-encoded once, or twice as client libraries send them; a value that needs an explicit type carries a cast such
//! as `string:5`. Lists are filtered in memory, by what the caller would see of each item.

mod filter;
mod key;
mod operand;
mod order;
mod parse;
mod print;
mod shape;
mod sugar;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::Refusal;
use crate::http::{List, Page};
pub(crate) use filter::Filter;
pub use filter::Span;
use order::Direction;
pub(crate) use print::text as text_of;
use shape::Shape;

/// How many items a page has unless the query says otherwise.
pub const DEFAULT_LIMIT: usize = 20;
/// The most items that a page can have; a larger limit is lowered to it.
pub const MAX_LIMIT: usize = 50;

/// Returns items that a list reads, unless they are more than it can read: totals are true or there is no answer.
pub fn within<T>(items: Vec<T>, limit: usize) -> Result<Vec<T>, Refusal> {
    if items.len() > limit {
        let rule = format!("the query would have to read more than {limit} records: ask for fewer of them");
        return Err(Refusal::long_query(rule));
    }
    Ok(items)
}

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub struct Rql {
    filters: Vec<Filter>,
    sort: Vec<(Field, Direction)>,
    select: Option<Vec<Field>>,
    limit: usize,
    /// The limit that the query asks for, however large.
    requested_limit: Option<usize>,
    offset: usize,
    counts: bool,
    /// The field whose texts are compared whatever their case.
    ignoring_case: Option<&'static str>,
}

/// The path of a field, split at its dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field(Vec<String>);

impl Default for Rql {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            sort: Vec::new(),
            select: None,
            limit: DEFAULT_LIMIT,
            requested_limit: None,
            offset: 0,
            counts: true,
            ignoring_case: None,
        }
    }
}

impl Rql {
    /// Parses the raw query string of a list of `T`; fields that `T` does not have are refused.
    pub fn parse<T: ToSchema>(raw_query: Option<&str>) -> Result<Self, Refusal> {
        parse::query(raw_query.unwrap_or_default(), &Shape::of::<T>())
    }

    /// Parses the raw query string of a request that changes all that it finds: it has conditions, and nothing else.
    pub fn parse_conditions<T: ToSchema>(raw_query: Option<&str>) -> Result<Self, Refusal> {
        let query = Self::parse::<T>(raw_query)?;
        let Self { filters, sort, select, requested_limit, counts, .. } = &query;
        if !sort.is_empty() || select.is_some() || requested_limit.is_some() || !counts {
            let rule = "a request that changes what it finds takes conditions alone, and all that it finds is changed";
            return Err(Refusal::invalid_rql(rule));
        }
        match filters.is_empty() {
            true => Err(Refusal::invalid_rql("the query needs a condition, such as `eq(id,…)`")),
            false => Ok(query.unlimited()),
        }
    }

    /// Applies it to a whole list.
    pub fn apply<T: Serialize>(&self, items: &[T]) -> Result<List<Value>, Refusal> {
        let List { query, page, data } = self.page(items)?;
        Ok(List { query, page, data: data.into_iter().map(|item| self.show(item)).collect::<Result<_, _>>()? })
    }

    /// Returns the page of a whole list: those of the items that it has room for, in the order of the query.
    pub fn page<'a, T: Serialize>(&self, items: &'a [T]) -> Result<List<&'a T>, Refusal> {
        let mut found: Vec<(&T, Vec<Value>)> = Vec::with_capacity(items.len());
        for item in items {
            if self.filters.is_empty() && self.sort.is_empty() {
                found.push((item, Vec::new()));
                continue;
            }
            let value = to_value(item)?;
            let keys = self.sort_keys(&value);
            let value = self.compared(value);
            if self.filters.iter().all(|filter| filter.holds(&value)) {
                found.push((item, keys));
            }
        }
        let unlimited = if found.is_empty() { DEFAULT_LIMIT } else { found.len() };
        let limit = if self.limit == usize::MAX { unlimited } else { self.limit };
        let (total, data) = self.window(found);
        Ok(List { query: self.echo(), page: Page { total, offset: self.offset, limit }, data })
    }

    /// Returns the query as it was understood, if there was one.
    pub(crate) fn echo(&self) -> Option<String> {
        Some(self.to_string()).filter(|query| !query.is_empty())
    }

    /// Sorts what was found, and returns how many there are, if they are counted, with those on the page.
    pub(crate) fn window<T>(&self, mut found: Vec<(T, Vec<Value>)>) -> (Option<usize>, Vec<T>) {
        order::sort(&mut found, &self.sort);
        let total = self.counts.then_some(found.len());
        (total, found.into_iter().map(|(item, _)| item).skip(self.offset).take(self.limit).collect())
    }

    /// Returns what an item is sorted by.
    ///
    /// What has no order of its own among others of its kind is not kept.
    pub(crate) fn sort_keys(&self, item: &Value) -> Vec<Value> {
        let key = |value: &Value| match value {
            Value::Array(_) | Value::Object(_) => Value::Array(Vec::new()),
            other => other.clone(),
        };
        self.sort.iter().map(|(field, _)| key(field.first_in(item))).collect()
    }

    /// Returns which part of the list is asked for: how many items come before it, how many it has at most, and whether all
    /// are to be counted.
    pub(crate) fn part(&self) -> (usize, usize, bool) {
        (self.offset, self.limit, self.counts)
    }

    /// Returns what the query selects of an item.
    pub fn show(&self, item: &impl Serialize) -> Result<Value, Refusal> {
        to_value(item).map(|value| self.selected(value))
    }

    /// Tells whether an item must be known in this field to find its place in the list.
    pub fn decides_by(&self, field: &str) -> bool {
        let is_by = |by: &Field| by.0.first().is_some_and(|first| first == field);
        self.sort.iter().any(|(by, _)| is_by(by)) || self.filters.iter().any(|filter| filter.any_field(&is_by))
    }

    /// Tells whether these fields of an item are enough to find its place in the list.
    pub fn decides_by_no_other_than(&self, fields: &[&str]) -> bool {
        let is_other = |by: &Field| by.0.first().is_some_and(|first| !fields.contains(&first.as_str()));
        !self.sort.iter().any(|(by, _)| is_other(by)) && !self.filters.iter().any(|filter| filter.any_field(&is_other))
    }

    /// Returns the times, in milliseconds since 1970, between which every item must be in this field.
    pub fn times(&self, field: &str) -> (Option<i64>, Option<i64>) {
        let bounds = self.filters.iter().filter_map(|filter| filter.time_bounds(field));
        bounds.fold((None, None), |(from, to), (low, high)| (from.max(low), [to, high].into_iter().flatten().min()))
    }

    /// Compares the texts of this field whatever their case, in a list that is read as a whole.
    #[must_use]
    pub fn ignoring_case(self, field: &'static str) -> Self {
        let filters = self.filters.into_iter().map(|filter| filter.lowered(field)).collect();
        Self { filters, ignoring_case: Some(field), ..self }
    }

    /// Returns an item as its fields are compared.
    fn compared(&self, mut item: Value) -> Value {
        if let Some(Value::String(text)) = self.ignoring_case.and_then(|field| item.get_mut(field)) {
            *text = text.to_lowercase();
        }
        item
    }

    /// Returns the query without a limit of items, for lists that stay small.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { limit: usize::MAX, ..self }
    }

    /// Returns the query for a list whose pages have this many items, unless it asks for fewer.
    #[must_use]
    pub fn pages_of(self, limit: usize) -> Self {
        Self { limit: self.requested_limit.unwrap_or(limit).min(limit), ..self }
    }

    /// Returns the text of a top-level `eq(field,text)`.
    pub fn eq(&self, field: &str) -> Option<&str> {
        self.filters.iter().find_map(|filter| filter.exact_text(field))
    }

    /// Returns what the query selects of a value.
    pub(crate) fn selected(&self, value: Value) -> Value {
        match &self.select {
            Some(fields) => {
                let paths: Vec<&[String]> = fields.iter().map(|field| field.0.as_slice()).collect();
                project(&value, &paths)
            }
            None => value,
        }
    }
}

pub(crate) fn to_value(item: &impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(item).map_err(|_| Refusal::internal())
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
mod model;
#[cfg(test)]
mod tests;
