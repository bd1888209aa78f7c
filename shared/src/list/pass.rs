//! A pass over entries: which of them meet the conditions.

use serde_json::Value;

use super::{Index, Source};
use crate::error::Refusal;
use crate::rql::{Field, Filter, Rql, to_value};

/// How many entries are read at once.
pub(super) const STEP: usize = 2_500;
/// How many entries a list looks at.
const ENTRY_LIMIT: usize = 200_000;
/// How many entries a list counts; nothing of them is sent.
const COUNT_LIMIT: usize = 1_000_000;
/// How many records a list reads as a whole to look at what no entry knows.
const CONTENT_LIMIT: usize = 10_000;
/// How many records are read at once.
const CONTENT_STEP: usize = 100;

/// The conditions of a query as they are looked at, and how much has been read for it.
pub(super) struct Pass<'a, S> {
    pub(super) query: &'a Rql,
    source: &'a S,
    /// The conditions that entries decide, which are looked at first.
    early: Vec<&'a Filter>,
    /// The conditions that only whole records decide.
    late: Vec<&'a Filter>,
    /// Whether whole records decide the order.
    sorts_content: bool,
    looked_at: usize,
    counted: usize,
    read: usize,
}

impl<'a, S: Source> Pass<'a, S> {
    /// Looks at these conditions of the query.
    pub(super) fn new(query: &'a Rql, source: &'a S, conditions: Vec<&'a Filter>) -> Self {
        let is_content = |field: &Field| field.is_within(S::CONTENT);
        let (late, early) = conditions.into_iter().partition(|filter| filter.any_field(&is_content));
        let sorts_content = query.sorts_by(&is_content);
        Self { query, source, early, late, sorts_content, looked_at: 0, counted: 0, read: 0 }
    }

    /// Returns the conditions.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &'a Filter> {
        self.early.iter().chain(&self.late).copied()
    }

    /// Tells whether every entry meets them.
    pub(super) fn takes_all(&self) -> bool {
        self.early.is_empty() && self.late.is_empty()
    }

    /// Adds to what has been counted.
    pub(super) fn count(&mut self, count: usize) -> Result<(), Refusal> {
        self.counted += count;
        within(self.counted, COUNT_LIMIT, "count", "`skipCount()` leaves the total out, and a span of time has fewer")
    }

    /// Returns those of the entries that meet the conditions, in their order.
    pub(super) async fn matching(&mut self, entries: Vec<S::Entry>) -> Result<Vec<S::Entry>, Refusal> {
        if self.takes_all() {
            self.looked_at += entries.len();
            return Ok(entries);
        }
        Ok(self.sortable(entries).await?.into_iter().map(|(entry, _)| entry).collect())
    }

    /// Returns all of an index that meets the conditions, the latest first, with what it is sorted by.
    pub(super) async fn whole(&mut self, index: &Index<'_, S::Entry>) -> Result<Vec<(S::Entry, Vec<Value>)>, Refusal> {
        let Some(query) = index.query(index.span, true) else { return Ok(Vec::new()) };
        let (mut found, mut position) = (Vec::new(), None);
        loop {
            let after = index.after(&query, position.as_ref());
            let part = index.table.query_part(&after, position.as_ref(), STEP).await?;
            let entries = (index.open)(index.table, part.found).await?;
            found.extend(self.sortable(entries).await?);
            position = part.next;
            if position.is_none() {
                return Ok(found);
            }
        }
    }

    /// Returns those of the entries that meet the conditions, with what they are sorted by.
    pub(super) async fn sortable(&mut self, entries: Vec<S::Entry>) -> Result<Vec<(S::Entry, Vec<Value>)>, Refusal> {
        self.looked_at += entries.len();
        within(self.looked_at, ENTRY_LIMIT, "look at", "conditions on ids, types and times make it shorter")?;
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let value = to_value(&self.source.partly(&entry))?;
            if self.early.iter().all(|filter| filter.holds(&value)) {
                found.push((entry, self.query.sort_keys(&value)));
            }
        }
        if self.late.is_empty() && !self.sorts_content {
            return Ok(found);
        }
        let candidates: Vec<S::Entry> = found.into_iter().map(|(entry, _)| entry).collect();
        let mut found = Vec::new();
        for candidates in candidates.chunks(CONTENT_STEP) {
            self.read += candidates.len();
            within(self.read, CONTENT_LIMIT, "read", "conditions on other fields make it shorter")?;
            for (entry, item) in candidates.iter().zip(self.source.read(candidates).await?) {
                let Some(item) = item else { continue };
                let value = to_value(&item)?;
                if self.late.iter().all(|filter| filter.holds(&value)) {
                    found.push((entry.clone(), self.query.sort_keys(&value)));
                }
            }
        }
        Ok(found)
    }
}

fn within(count: usize, limit: usize, what: &str, advice: &str) -> Result<(), Refusal> {
    if count > limit {
        let rule = format!("the query would have to {what} more than {limit} records: {advice}");
        return Err(Refusal::long_query(rule));
    }
    Ok(())
}
