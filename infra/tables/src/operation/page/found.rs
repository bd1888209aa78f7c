//! What a page has found so far.

use super::super::meter::{Axis, Meter, read_units};
use super::super::read::{Answer, to_text};
use super::{Page, Shown};
use crate::error::Error;
use crate::store::rows::Row;
use crate::value::{Item, size_bytes};

/// The most bytes of items in one page.
const PAGE_LIMIT_BYTES: usize = 1 << 20;

/// What a page has found so far.
pub(super) struct Found<'p> {
    page: &'p Page,
    items: Vec<String>,
    count: usize,
    scanned: usize,
    size_bytes: usize,
    last: Option<Row>,
    has_more: bool,
    failure: Option<Error>,
}

impl<'p> Found<'p> {
    pub(super) fn new(page: &'p Page) -> Self {
        Self {
            page,
            items: Vec::new(),
            count: 0,
            scanned: 0,
            size_bytes: 0,
            last: None,
            has_more: false,
            failure: None,
        }
    }

    /// Takes an item; returns whether there is room for another.
    pub(super) fn take(&mut self, row: Row) -> bool {
        let (item, size) = match self.look_at(&row) {
            Ok(seen) => seen,
            Err(error) => {
                self.failure = Some(error);
                return false;
            }
        };
        if self.scanned > 0 && self.size_bytes + size > PAGE_LIMIT_BYTES {
            self.has_more = true;
            return false;
        }
        if let Err(error) = self.add(&row, item) {
            self.failure = Some(error);
            return false;
        }
        self.scanned += 1;
        self.size_bytes += size;
        self.last = Some(row);
        // Whether there is another one is not looked at, as DynamoDB does not either.
        self.has_more = self.page.limit == Some(self.scanned);
        !self.has_more
    }

    /// Reads what has to be known of an item, and its size in the table or index.
    fn look_at(&self, row: &Row) -> Result<(Option<Item>, usize), Error> {
        Ok(match &self.page.shown {
            Shown::Whole => (None, row.size_bytes),
            Shown::Some(names) => (Some(row.some(names)?), row.size_bytes),
            Shown::Projected(names) => {
                let item = row.some(names)?;
                let size = size_bytes(&item);
                (Some(item), size)
            }
            Shown::Keys => {
                let item = self.key(row);
                let size = size_bytes(&item);
                (Some(item), size)
            }
        })
    }

    fn add(&mut self, row: &Row, item: Option<Item>) -> Result<(), Error> {
        let Page { shown, filter, projection, only_counts, .. } = self.page;
        if let (Some(filter), Some(item)) = (filter, &item)
            && !filter.holds(item)
        {
            return Ok(());
        }
        self.count += 1;
        if *only_counts {
            return Ok(());
        }
        self.items.push(match (projection, item, shown) {
            (Some(projection), Some(item), _) => to_text(&projection.apply(&item))?,
            (None, Some(item), Shown::Keys | Shown::Projected(_)) => to_text(&item)?,
            _ => row.text.clone(),
        });
        Ok(())
    }

    /// Returns the attributes of an item's keys.
    fn key(&self, row: &Row) -> Item {
        let Page { table, index, .. } = self.page;
        let mut key = table.key.item(&row.key);
        if let (Some(index), Some(place)) = (index, &row.place) {
            key.extend(table.indexes[*index].key.item(place));
        }
        key
    }

    /// Returns the body of the answer.
    pub(super) fn answer(self, meter: &mut Meter) -> Result<Vec<u8>, Error> {
        let Page { table, index, is_consistent, only_counts, capacity, .. } = self.page;
        let mut answer = Answer::new();
        if !only_counts {
            answer.field("Items", &format!("[{}]", self.items.join(",")));
        }
        answer.field("Count", &self.count.to_string());
        answer.field("ScannedCount", &self.scanned.to_string());
        if let Some(last) = self.last.as_ref().filter(|_| self.has_more) {
            answer.field("LastEvaluatedKey", &to_text(&self.key(last))?);
        }
        meter.read(table, *index, read_units(self.size_bytes, *is_consistent));
        answer.cost(meter.answer(*capacity, Axis::None).pop());
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(answer.end()),
        }
    }
}
