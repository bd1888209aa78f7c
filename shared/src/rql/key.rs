//! What of a query a key or an index can answer.

use super::filter::{Filter, Span};
use super::order::Direction;
use super::{Field, Rql};

impl Rql {
    /// Returns the texts of which every item must have one in this field, each once; `None` if there is no such condition.
    ///
    /// Only for fields that are texts: a condition that something else could meet as well does not count.
    pub fn texts(&self, field: &str) -> Option<Vec<&str>> {
        let mut texts = self.filters.iter().find_map(|filter| filter.texts(field))?;
        texts.sort_unstable();
        texts.dedup();
        Some(texts)
    }

    /// Returns the text that every item must have in this field, if there is just one.
    pub fn only_text(&self, field: &str) -> Option<&str> {
        self.texts(field).filter(|texts| texts.len() == 1)?.pop()
    }

    /// Returns the milliseconds since 1970 between which every item must be in this field, both included.
    ///
    /// Only for fields that are whole milliseconds. In a span that begins after its end there is no item.
    pub fn span(&self, field: &str) -> Span {
        let spans = self.filters.iter().filter_map(|filter| filter.span(field));
        spans.fold((None, None), |(from, to), (first, last)| (from.max(first), [to, last].into_iter().flatten().min()))
    }

    /// Returns the conditions beyond those of [`Self::texts`] of some fields and of [`Self::span`] of another.
    pub(crate) fn rest(&self, texts: &[&str], time: Option<&str>) -> Vec<&Filter> {
        let position = |name: &&str| self.filters.iter().position(|filter| filter.texts(name).is_some());
        let keyed: Vec<usize> = texts.iter().filter_map(position).collect();
        let is_span = |filter: &Filter| time.is_some_and(|name| filter.span(name).is_some());
        let left = self.filters.iter().enumerate().filter(|(at, filter)| !keyed.contains(at) && !is_span(filter));
        left.map(|(_, filter)| filter).collect()
    }

    /// Tells whether the list runs from the latest time in this field to the earliest, or the other way; `None` if it is in
    /// another order. Without an order the latest is first.
    pub(crate) fn is_descending(&self, time: &str) -> Option<bool> {
        match self.sort.as_slice() {
            [] => Some(true),
            [(field, direction)] if field.is(time) => Some(*direction == Direction::Descending),
            _ => None,
        }
    }

    /// Tells whether the order of the list is decided by a field that passes the test.
    pub(crate) fn sorts_by(&self, test: &impl Fn(&Field) -> bool) -> bool {
        self.sort.iter().any(|(field, _)| test(field))
    }
}

impl Field {
    /// Tells whether the path begins with one of these names.
    pub(crate) fn is_within(&self, names: &[&str]) -> bool {
        self.0.first().is_some_and(|first| names.contains(&first.as_str()))
    }
}
