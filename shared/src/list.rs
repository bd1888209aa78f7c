//! Lists: the one way from a query to a page of records.
//!
//! A list of few and small records is read as a whole: [`items`] and [`few`]. Any other list has a [`Source`], which says what of the
//! records an index knows, and [`list`] reads no more of them than the query needs. To make one:
//!
//! 1. Promote the fields that people ask for into attributes, and project them into an index that is ordered by time.
//! 2. `Entry` is what the index knows of a record, `Item` what the list shows; [`Source::partly`] shows an entry as an item,
//!    in which the fields named in [`Source::CONTENT`] are missing.
//! 3. [`Source::find`] looks at the query: ids lead to [`Found::Items`], everything else to [`Found::Index`], narrowed by
//!    [`Rql::only_text`] and [`Rql::span`]; records whose entries fit in a few requests are [`Found::Entries`].
//! 4. [`Source::read`] reads whole records, with [`Table::get_all`](crate::table::Table::get_all).
//!
//! Where an index gets a record only long after its time, so that it is written into it once, [`Unlisted`] adds those that are not in it yet.
//!
//! Where the order of the list is that of the index, pages are read inside it and what nobody asks for is counted, not read.
//! How far into the index a page is, and how many records there are, is kept for a while: see [`Walks`]. Anything else is
//! filtered and sorted by what the entries know; whole records are read only for a page, or where the query asks for what
//! entries do not know. What would take too long is refused as a long query: a total is true, or there is no answer.

mod index;
mod pass;
mod walk;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::error::Refusal;
use crate::http::{List, Page};
use crate::rql::{self, Rql, to_value};
pub use index::{Bounds, Index, Unlisted, milliseconds, texts};
use pass::Pass;
pub use walk::Walks;

/// How long a list may take; a gateway in front of the function waits little longer.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Where the records of a list are.
pub trait Source: Sync {
    /// A record as the list shows it.
    type Item: Serialize + Send;
    /// What is known of a record without reading it.
    type Entry: Clone + Send + Sync;

    /// The fields of items of which entries know nothing.
    const CONTENT: &'static [&'static str] = &[];

    /// Finds what the query may be about.
    fn find(&self, query: &Rql) -> impl Future<Output = Result<Found<'_, Self>, Refusal>> + Send;

    /// Returns the fields of items of which this entry knows nothing, which are some of [`Self::CONTENT`].
    fn unknown(&self, _entry: &Self::Entry) -> &'static [&'static str] {
        Self::CONTENT
    }

    /// Shows what an entry knows.
    fn partly(&self, entry: &Self::Entry) -> Self::Item;

    /// Reads records in this order; `None` for one that is gone or cannot be read.
    ///
    /// Where entries know all that the list shows, they are shown.
    fn read(&self, entries: &[Self::Entry]) -> impl Future<Output = Result<Vec<Option<Self::Item>>, Refusal>> + Send {
        let items = entries.iter().map(|entry| Some(self.partly(entry))).collect();
        std::future::ready(Ok(items))
    }
}

/// What a query may be about; the list looks which of them meet its conditions.
pub enum Found<'a, S: Source + ?Sized> {
    /// Whole records, in the order of the list.
    Items(Vec<S::Item>),
    /// What is known of records, in the order of the list.
    Entries(Vec<S::Entry>),
    /// An index in the order of time.
    Index(Box<Index<'a, S::Entry>>),
}

/// Returns the page of a list of records that are read as a whole, unless they are more than `limit`.
pub fn items<T: Serialize>(query: &Rql, items: Vec<T>, limit: usize) -> Result<List<Value>, Refusal> {
    few(query, &rql::within(items, limit)?)
}

/// Returns the page of a list of records that are read as a whole, and that are limited where they are created.
pub fn few<T: Serialize>(query: &Rql, items: &[T]) -> Result<List<Value>, Refusal> {
    query.apply(items)
}

/// Returns the page of a list.
pub async fn list<S: Source>(query: &Rql, source: &S) -> Result<List<Value>, Refusal> {
    let answer = tokio::time::timeout(TIME_LIMIT, Box::pin(answer(query, source))).await;
    answer.unwrap_or_else(|_| {
        let rule = format!("the query takes longer than {} seconds: ask for fewer records", TIME_LIMIT.as_secs());
        Err(Refusal::long_query(rule))
    })
}

async fn answer<S: Source>(query: &Rql, source: &S) -> Result<List<Value>, Refusal> {
    let (offset, limit, _) = query.part();
    let (total, found) = match source.find(query).await? {
        Found::Items(items) => return query.apply(&items),
        Found::Entries(entries) => {
            let mut pass = Pass::new(query, source, query.rest(&[], None));
            let found = pass.sortable(entries).await?;
            query.window(found)
        }
        Found::Index(index) => {
            let rest = query.rest(&index.divided_by, Some(index.time));
            let mut pass = Pass::new(query, source, rest);
            match query.is_descending(index.time) {
                Some(descending) => walk::page(&mut pass, &index, descending).await?,
                None => query.window(pass.whole(&index).await?),
            }
        }
    };
    let shown = source.read(&found).await?.into_iter().flatten().map(|item| Ok(query.selected(to_value(&item)?)));
    let data = shown.collect::<Result<_, Refusal>>()?;
    Ok(List { query: query.echo(), page: Page { total, offset, limit }, data })
}
