//! A pass over entries: which of them meet the conditions.

use std::cmp::Reverse;

use serde_json::Value;

use super::{Index, Source, Unlisted};
use crate::error::Refusal;
use crate::rql::{Filter, Rql, to_value};

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
    conditions: Vec<&'a Filter>,
    looked_at: usize,
    counted: usize,
    read: usize,
}

/// An entry, and what it is sorted by.
type Sortable<E> = (E, Vec<Value>);

impl<'a, S: Source> Pass<'a, S> {
    /// Looks at these conditions of the query.
    pub(super) fn new(query: &'a Rql, source: &'a S, conditions: Vec<&'a Filter>) -> Self {
        Self { query, source, conditions, looked_at: 0, counted: 0, read: 0 }
    }

    /// Returns the conditions.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &'a Filter> {
        self.conditions.iter().copied()
    }

    /// Tells whether every entry meets them.
    pub(super) fn takes_all(&self) -> bool {
        self.conditions.is_empty()
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
    pub(super) async fn whole(&mut self, index: &Index<'_, S::Entry>) -> Result<Vec<Sortable<S::Entry>>, Refusal> {
        let unlisted = self.unlisted(index).await?;
        let Some(query) = index.query(index.span, true) else { return Ok(Vec::new()) };
        let (mut found, mut position) = (Vec::new(), None);
        loop {
            let after = index.after(&query, position.as_ref());
            let part = index.table.query_part(&after, position.as_ref(), STEP).await?;
            let entries = (index.open)(index.table, part.found).await?;
            found.extend(self.sortable(entries).await?);
            position = part.next;
            if position.is_none() {
                break;
            }
        }
        if let Some(Unlisted { time_ms, is_same, .. }) = index.unlisted.as_ref().filter(|_| !unlisted.is_empty()) {
            let is_found = |(entry, _): &Sortable<S::Entry>| {
                let at = found.partition_point(|(other, _)| time_ms(other) > time_ms(entry));
                let same_time = found[at..].iter().take_while(|(other, _)| time_ms(other) == time_ms(entry));
                same_time.into_iter().any(|(other, _)| is_same(other, entry))
            };
            let missing: Vec<Sortable<S::Entry>> = unlisted.into_iter().filter(|entry| !is_found(entry)).collect();
            found.extend(missing);
            found.sort_by_key(|(entry, _)| Reverse(time_ms(entry)));
        }
        Ok(found)
    }

    /// Returns what belongs to an index, is not in it yet and meets the conditions, with what it is sorted by.
    pub(super) async fn unlisted(&mut self, index: &Index<'_, S::Entry>) -> Result<Vec<Sortable<S::Entry>>, Refusal> {
        let Some(Unlisted { entries, time_ms, .. }) = &index.unlisted else { return Ok(Vec::new()) };
        let (from, to) = index.span;
        let is_in_span = |time: i64| from.is_none_or(|from| time >= from) && to.is_none_or(|to| time <= to);
        self.sortable(entries.iter().filter(|entry| is_in_span(time_ms(entry))).cloned().collect()).await
    }

    /// Returns those of the entries that meet the conditions, with what they are sorted by.
    pub(super) async fn sortable(&mut self, entries: Vec<S::Entry>) -> Result<Vec<Sortable<S::Entry>>, Refusal> {
        self.looked_at += entries.len();
        within(self.looked_at, ENTRY_LIMIT, "look at", "conditions on ids, types and times make it shorter")?;
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let value = to_value(&self.source.partly(&entry))?;
            let unknown = self.source.unknown(&entry);
            if self.conditions.iter().all(|filter| asks_for(filter, unknown) || filter.holds(&value)) {
                let is_enough = !self.conditions.iter().any(|filter| asks_for(filter, unknown))
                    && !self.query.sorts_by(&|field| field.is_within(unknown));
                let keys = is_enough.then(|| self.query.sort_keys(&value));
                found.push((entry, keys));
            }
        }
        self.completed(found).await
    }

    /// Reads those records of which the entry is not enough, and leaves out those that do not meet the conditions.
    async fn completed(
        &mut self,
        found: Vec<(S::Entry, Option<Vec<Value>>)>,
    ) -> Result<Vec<Sortable<S::Entry>>, Refusal> {
        let candidates: Vec<S::Entry> =
            found.iter().filter(|(_, keys)| keys.is_none()).map(|(entry, _)| entry.clone()).collect();
        let mut completed = Vec::with_capacity(candidates.len());
        for candidates in candidates.chunks(CONTENT_STEP) {
            self.read += candidates.len();
            within(self.read, CONTENT_LIMIT, "read", "conditions on other fields make it shorter")?;
            for (entry, item) in candidates.iter().zip(self.source.read(candidates).await?) {
                completed.push(item.map(|item| self.completed_keys(entry, &item)).transpose()?.flatten());
            }
        }
        let mut completed = completed.into_iter();
        let sortable = found.into_iter().filter_map(|(entry, keys)| {
            let keys = keys.or_else(|| completed.next().flatten())?;
            Some((entry, keys))
        });
        Ok(sortable.collect())
    }

    /// Returns what a record is sorted by, unless it does not meet the conditions that its entry could not decide.
    fn completed_keys(&self, entry: &S::Entry, item: &S::Item) -> Result<Option<Vec<Value>>, Refusal> {
        let (value, unknown) = (to_value(item)?, self.source.unknown(entry));
        let mut late = self.conditions.iter().filter(|filter| asks_for(filter, unknown));
        Ok(late.all(|filter| filter.holds(&value)).then(|| self.query.sort_keys(&value)))
    }
}

/// Tells whether a condition cannot be decided without these fields.
fn asks_for(filter: &Filter, fields: &[&str]) -> bool {
    filter.any_field(&|field| field.is_within(fields))
}

fn within(count: usize, limit: usize, what: &str, advice: &str) -> Result<(), Refusal> {
    if count > limit {
        let rule = format!("the query would have to {what} more than {limit} records: {advice}");
        return Err(Refusal::long_query(rule));
    }
    Ok(())
}
