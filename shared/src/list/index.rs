//! An index whose order is that of time.

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Walks;
use crate::error::Error;
use crate::rql::Span;
use crate::table::{Expression, Position, Query, Row, Table};

/// Opens rows as entries.
type Open<E> = for<'a> fn(&'a Table, Vec<Row>) -> BoxFuture<'a, Result<Vec<E>, Error>>;

/// Returns the least and the greatest value of a sort key in a span of time.
pub type Bounds = fn(Span) -> (Value, Value);

/// One partition of an index, or of a table, that is ordered by time.
pub struct Index<'a, E> {
    /// The table.
    pub(super) table: &'a Table,
    /// What is known of earlier pages.
    pub(super) walks: &'a Walks,
    pub(super) open: Open<E>,
    name: Option<&'static str>,
    partition: (&'static str, String),
    sort: (&'static str, Bounds),
    /// An attribute, and the only text of it that is asked for.
    only: Option<Box<(&'static str, String)>>,
    /// The field of items that is the time.
    pub(super) time: &'static str,
    pub(super) span: Span,
    /// The field of items of which the partition has one value alone.
    pub(super) divided_by: Option<&'static str>,
    /// The fields of items that change.
    pub(super) changing: &'static [&'static str],
    pub(super) now: Timestamp,
}

impl<'a, E: DeserializeOwned + Send + 'static> Index<'a, E> {
    /// Starts with a partition of the table itself: the attributes of its key, the value of the first of them, and what
    /// values the second one has in a span of time. `time` is the field of items that shows that time, in whole
    /// milliseconds.
    pub fn new(
        table: &'a Table,
        walks: &'a Walks,
        partition: (&'static str, String),
        sort: (&'static str, Bounds),
        time: &'static str,
        now: Timestamp,
    ) -> Self {
        let open: Open<E> = |table, rows| Box::pin(table.open_rows(rows));
        let (name, only, span, divided_by, changing) = (None, None, (None, None), None, &[]);
        Self { table, walks, open, name, partition, sort, only, time, span, divided_by, changing, now }
    }
}

impl<E> Index<'_, E> {
    /// Asks an index of the table.
    #[must_use]
    pub fn index(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Asks for the entries alone that have a text in this attribute; all others are read, but not sent.
    #[must_use]
    pub fn only(self, attribute: &'static str, text: &str) -> Self {
        Self { only: Some(Box::new((attribute, text.to_owned()))), ..self }
    }

    /// Asks for a span of time alone, the one of [`Rql::span`](crate::rql::Rql::span).
    #[must_use]
    pub fn span(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// Says that everything that is asked for has the text of [`Rql::only_text`](crate::rql::Rql::only_text) in this field.
    #[must_use]
    pub fn divided_by(self, field: &'static str) -> Self {
        Self { divided_by: Some(field), ..self }
    }

    /// Says which fields change after a record is written.
    #[must_use]
    pub fn changing(self, fields: &'static [&'static str]) -> Self {
        Self { changing: fields, ..self }
    }

    /// Returns the query of a span of time; `None` if there is no time in it.
    pub(super) fn query(&self, span: Span, descending: bool) -> Option<Query> {
        if let (Some(from), Some(to)) = span
            && from > to
        {
            return None;
        }
        let (from, to) = self.sort.1(span);
        let key = Expression::new("#partition = :partition AND #sort BETWEEN :from AND :to")
            .name("#partition", self.partition.0)
            .name("#sort", self.sort.0)
            .value(":partition", &self.partition.1)
            .value(":from", from)
            .value(":to", to);
        let filter = self
            .only
            .as_deref()
            .map(|(attribute, text)| Expression::new("#only = :only").name("#only", *attribute).value(":only", text));
        Some(Query { index: self.name, filter, descending, ..Query::new(key) })
    }

    /// Returns the query of what comes after a position.
    pub(super) fn after(&self, query: &Query, position: Option<&Position>) -> Query {
        let bound = if query.descending { ":to" } else { ":from" };
        match position {
            Some(position) => query.clone().narrowed(bound, self.sort.0, position),
            None => query.clone(),
        }
    }

    /// Names the partition among those of all indexes of the table.
    pub(super) fn place(&self) -> String {
        let only = self.only.as_deref().map_or("", |(_, text)| text.as_str());
        format!("{} {} {only}", self.name.unwrap_or_default(), self.partition.1)
    }
}

/// The bounds of a sort key that is a number of milliseconds.
pub fn milliseconds((from, to): Span) -> (Value, Value) {
    (from.unwrap_or(i64::MIN).into(), to.unwrap_or(i64::MAX).into())
}

/// The bounds of a sort key that is a time as text with three digits of milliseconds, in UTC.
pub fn texts((from, to): Span) -> (Value, Value) {
    let text = |ms: i64| Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"));
    let from = from.filter(|from| *from > 0).map_or_else(|| Some("0".to_owned()), text);
    let to = to.map_or_else(|| Some("~".to_owned()), |to| if to < 0 { Some("-".to_owned()) } else { text(to) });
    // Of what is later than the latest time there is nothing.
    (from.unwrap_or_else(|| "~".to_owned()).into(), to.unwrap_or_else(|| "~".to_owned()).into())
}
