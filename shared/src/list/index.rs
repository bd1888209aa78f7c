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
    /// Attributes, and for each the only text that is asked for, or that it must not be there.
    only: Vec<(&'static str, Option<String>)>,
    /// The field of items that is the time.
    pub(super) time: &'static str,
    pub(super) span: Span,
    /// The fields of items of which only one value is asked for here.
    pub(super) divided_by: Vec<&'static str>,
    /// The fields of items that change.
    pub(super) changing: &'static [&'static str],
    pub(super) unlisted: Option<Unlisted<E>>,
    pub(super) now: Timestamp,
}

/// Records that come into the index long after their time, and are found elsewhere until then.
///
/// They are read before the index is, so that one that comes into it meanwhile is found twice rather than never.
pub struct Unlisted<E> {
    /// What is known of them, in no particular order.
    pub entries: Vec<E>,
    /// Returns the time of an entry, in milliseconds since 1970.
    pub time_ms: fn(&E) -> i64,
    /// Tells whether two entries are about the same record.
    pub is_same: fn(&E, &E) -> bool,
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
        let (name, span, changing, unlisted) = (None, (None, None), &[], None);
        let (only, divided_by) = (Vec::new(), Vec::new());
        Self { table, walks, open, name, partition, sort, only, time, span, divided_by, changing, unlisted, now }
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
    pub fn only(mut self, attribute: &'static str, text: &str) -> Self {
        self.only.push((attribute, Some(text.to_owned())));
        self
    }

    /// Asks for the entries alone that do not have this attribute.
    #[must_use]
    pub fn without(mut self, attribute: &'static str) -> Self {
        self.only.push((attribute, None));
        self
    }

    /// Asks for a span of time alone, the one of [`Rql::span`](crate::rql::Rql::span).
    #[must_use]
    pub fn span(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// Says that everything that is asked for has the text of [`Rql::only_text`](crate::rql::Rql::only_text) in this field.
    #[must_use]
    pub fn divided_by(mut self, field: &'static str) -> Self {
        self.divided_by.push(field);
        self
    }

    /// Says which fields change after a record is written.
    #[must_use]
    pub fn changing(self, fields: &'static [&'static str]) -> Self {
        Self { changing: fields, ..self }
    }

    /// Adds records that belong to the list and are not in the index yet; those outside the span are left out.
    #[must_use]
    pub fn unlisted(self, unlisted: Unlisted<E>) -> Self {
        Self { unlisted: Some(unlisted), ..self }
    }

    /// Tells whether the server leaves out some of what it looks at.
    pub(super) fn is_filtered(&self) -> bool {
        !self.only.is_empty()
    }

    /// Returns the time up to which the index has everything, as far as that is known of the records that are not in it.
    pub(super) fn complete_until(&self) -> Option<i64> {
        let unlisted = self.unlisted.as_ref()?;
        unlisted.entries.iter().map(unlisted.time_ms).min().map(|oldest| oldest.saturating_sub(1))
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
        Some(Query { index: self.name, filter: self.filter(), descending, ..Query::new(key) })
    }

    /// Returns the condition under which the server sends what it looks at.
    fn filter(&self) -> Option<Expression> {
        let conditions = self.only.iter().enumerate().map(|(at, (_, text))| match text {
            Some(_) => format!("#only{at} = :only{at}"),
            None => format!("attribute_not_exists(#only{at})"),
        });
        let text = conditions.collect::<Vec<_>>().join(" AND ");
        let named = self.only.iter().enumerate().fold(Expression::new(text), |filter, (at, (attribute, text))| {
            let filter = filter.name(&format!("#only{at}"), *attribute);
            match text {
                Some(text) => filter.value(&format!(":only{at}"), text),
                None => filter,
            }
        });
        self.is_filtered().then_some(named)
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
        format!("{} {} {:?}", self.name.unwrap_or_default(), self.partition.1, self.only)
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
