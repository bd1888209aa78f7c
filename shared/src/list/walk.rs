//! Pages inside an index.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;

use super::pass::{Pass, STEP};
use super::{Index, Source, Unlisted};
use crate::error::Refusal;
use crate::rql::{Span, text_of};
use crate::table::{Position, Query};

/// How long it is known how many records an index has, and where in it they are.
const LIFE: Duration = Duration::from_secs(60);
const LIFE_MS: i64 = 60_000;
/// How much later than its time a record may appear in an index; what is younger is counted anew each time.
const DELAY: SignedDuration = SignedDuration::from_secs(10);
/// About how much memory what is known of all indexes takes.
const SIZE_BYTES: u64 = 16 * 1024 * 1024;
/// How many of the last pages are known by where they ended.
const LAST_PAGES: usize = 64;
/// After how many records what has been counted is kept, so that a query that takes too long goes on when it is repeated.
const CHECKPOINT: usize = 5_000;
/// How many records are counted rather than read at least, where the server leaves some out.
const LEAST_COUNTED: usize = 500;
/// About how much memory one mark takes.
const MARK_BYTES: usize = 512;

/// What is known of the indexes of a table: how many records there are up to a while ago, and where they are.
///
/// It is good for a minute. A record that appears in an index long after its time must be announced with
/// [`Self::written`], so that the totals of this process are true at once; those of others are so within that minute.
#[derive(Debug, Clone)]
pub struct Walks(Cache<String, Arc<Walk>>);

impl Default for Walks {
    fn default() -> Self {
        let weigh = |place: &String, walk: &Arc<Walk>| {
            u32::try_from(place.len() + (walk.marks.len() + LAST_PAGES) * MARK_BYTES).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(SIZE_BYTES).weigher(weigh).time_to_live(LIFE).build())
    }
}

impl Walks {
    /// Takes note of a record of this time that is written now.
    pub fn written(&self, time: Timestamp, now: Timestamp) {
        if time <= settled(now) {
            self.0.invalidate_all();
        }
    }

    /// Takes note of a record that is deleted before its time.
    pub fn deleted(&self) {
        self.0.invalidate_all();
    }
}

/// What is known of one partition and the conditions of a query.
#[derive(Debug)]
struct Walk {
    /// When it began.
    since: i64,
    /// Up to which time it knows of everything.
    until: i64,
    /// How many records meet the conditions; so far, unless all are counted.
    total: usize,
    is_complete: bool,
    /// Places in the index, in order.
    marks: Vec<Mark>,
    /// The ends of the last pages, in the order in which they were read.
    ends: Mutex<VecDeque<Mark>>,
}

/// A place in an index, and how many records before it meet the conditions.
#[derive(Debug, Clone)]
struct Mark {
    matched: usize,
    position: Position,
}

impl Walk {
    fn new(since: i64, until: i64) -> Self {
        Self { since, until, total: 0, is_complete: false, marks: Vec::new(), ends: Mutex::default() }
    }

    /// Returns the last known place that has no more than so many records before it.
    fn before(&self, matched: usize) -> Option<Mark> {
        let at = self.marks.partition_point(|mark| mark.matched <= matched);
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = ends.iter().filter(|mark| mark.matched <= matched);
        ends.chain(at.checked_sub(1).map(|at| &self.marks[at])).max_by_key(|mark| mark.matched).cloned()
    }

    fn ended(&self, mark: Mark) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() == LAST_PAGES {
            ends.pop_front();
        }
        ends.push_back(mark);
    }
}

/// Which of the records of a stretch of an index are wanted: how many come before them, and how many they are at most.
#[derive(Debug, Clone, Copy)]
struct Window {
    skip: usize,
    take: usize,
    /// Whether to go on to the end to count all.
    counts: bool,
}

/// What was found in a stretch of an index.
struct Stretch<E> {
    matched: usize,
    entries: Vec<E>,
    marks: Vec<Mark>,
    /// Whether nothing follows.
    is_at_end: bool,
}

impl<E> Default for Stretch<E> {
    fn default() -> Self {
        Self { matched: 0, entries: Vec::new(), marks: Vec::new(), is_at_end: false }
    }
}

/// Returns how many records meet the conditions, if they are counted, and those on the page.
pub(super) async fn page<S: Source>(
    pass: &mut Pass<'_, S>,
    index: &Index<'_, S::Entry>,
    descending: bool,
) -> Result<(Option<usize>, Vec<S::Entry>), Refusal> {
    let (skip, take, counts) = pass.query.part();
    let found = pass.unlisted(index).await?;
    let Some(Unlisted { time_ms, is_same, .. }) = index.unlisted.as_ref().filter(|_| !found.is_empty()) else {
        return listed(pass, index, descending, Window { skip, take, counts }).await;
    };
    let mut unlisted: Vec<S::Entry> = found.into_iter().map(|(entry, _)| entry).collect();
    match descending {
        true => unlisted.sort_by_key(|entry| Reverse(time_ms(entry))),
        false => unlisted.sort_by_key(time_ms),
    }
    let first = skip.saturating_sub(unlisted.len());
    let window = Window { skip: first, take: take.saturating_add(skip - first), counts };
    let (total, listed) = listed(pass, index, descending, window).await?;
    // The index may have got some of them since.
    let times: HashSet<i64> = listed.iter().map(time_ms).collect();
    let is_listed =
        |entry: &S::Entry| times.contains(&time_ms(entry)) && listed.iter().any(|other| is_same(other, entry));
    unlisted.retain(|entry| !is_listed(entry));
    let total = total.map(|total| total + unlisted.len());
    let is_before = |a: &S::Entry, b: &S::Entry| match descending {
        true => time_ms(a) > time_ms(b),
        false => time_ms(a) < time_ms(b),
    };
    let (merged, passed) = merged(listed, unlisted, first > 0, is_before);
    Ok((total, merged.into_iter().skip(skip - (first + passed).min(skip)).take(take).collect()))
}

/// Merges what is in an index with what is not, both in order; what is in it comes first where neither is before the other.
///
/// If the part of the index has something before it, so may what is not in it: that is left out, and how much it was is
/// returned as well.
fn merged<E>(
    listed: Vec<E>,
    unlisted: Vec<E>,
    is_later_part: bool,
    is_before: impl Fn(&E, &E) -> bool,
) -> (Vec<E>, usize) {
    let passed = match listed.first().filter(|_| is_later_part) {
        Some(first) => unlisted.partition_point(|entry| is_before(entry, first)),
        None => 0,
    };
    let mut unlisted = unlisted.into_iter().skip(passed).peekable();
    let mut merged = Vec::with_capacity(listed.len());
    for entry in listed {
        while let Some(earlier) = unlisted.next_if(|unlisted| is_before(unlisted, &entry)) {
            merged.push(earlier);
        }
        merged.push(entry);
    }
    merged.extend(unlisted);
    (merged, passed)
}

/// Returns how many records of an index meet the conditions, if they are counted, and those in the window.
async fn listed<S: Source>(
    pass: &mut Pass<'_, S>,
    index: &Index<'_, S::Entry>,
    descending: bool,
    window: Window,
) -> Result<(Option<usize>, Vec<S::Entry>), Refusal> {
    let Window { skip, take, counts } = window;
    let is_changing = |field: &&str| index.changing.contains(field);
    let is_lasting = !pass.conditions().any(|filter| filter.any_field(&|field| field.is_within(index.changing)))
        && !index.divided_by.iter().any(is_changing);
    if !counts || !is_lasting {
        let whole = match index.query(index.span, descending) {
            Some(query) => stretch(pass, index, &query, None, window).await?,
            None => Stretch::default(),
        };
        return Ok((counts.then_some(whole.matched), whole.entries));
    }
    let walk = known(pass, index, descending).await?;
    let fresh = index.query((later(index.span.0, walk.until), index.span.1), descending);
    let settled = index.query(up_to(index.span, walk.until), descending);
    // The younger part is first or last.
    let before = if descending { 0 } else { walk.total };
    let fresh_window = Window {
        skip: skip.saturating_sub(before),
        take: skip.saturating_add(take).saturating_sub(before.max(skip)),
        counts,
    };
    let fresh = match fresh {
        Some(query) => stretch(pass, index, &query, None, fresh_window).await?,
        None => Stretch::default(),
    };
    let before = if descending { fresh.matched } else { 0 };
    let skip_settled = skip.saturating_sub(before);
    let take = if descending { take - fresh.entries.len() } else { take };
    let mut entries = Vec::new();
    if let Some(query) = settled
        && take > 0
        && skip_settled < walk.total
    {
        entries = settled_page(pass, index, &query, &walk, (skip_settled, take)).await?;
    }
    let (first, second) = if descending { (fresh.entries, entries) } else { (entries, fresh.entries) };
    let found = first.into_iter().chain(second).take(window.take).collect();
    Ok((Some(walk.total + fresh.matched), found))
}

/// Reads a page of what is known, from the last known place before it.
async fn settled_page<S: Source>(
    pass: &mut Pass<'_, S>,
    index: &Index<'_, S::Entry>,
    query: &Query,
    walk: &Walk,
    (skip, take): (usize, usize),
) -> Result<Vec<S::Entry>, Refusal> {
    let mark = walk.before(skip);
    let matched = mark.as_ref().map_or(0, |mark| mark.matched);
    let window = Window { skip: skip - matched, take, counts: false };
    let found = stretch(pass, index, query, mark.map(|mark| mark.position), window).await?;
    if let Some(last) = found.marks.last()
        && found.entries.len() == take
    {
        walk.ended(Mark { matched: matched + last.matched, position: last.position.clone() });
    }
    Ok(found.entries)
}

/// Returns what is known of an index and these conditions, or finds it out.
async fn known<S: Source>(
    pass: &mut Pass<'_, S>,
    index: &Index<'_, S::Entry>,
    descending: bool,
) -> Result<Arc<Walk>, Refusal> {
    let mut place = format!("{} {descending} {:?}", index.place(), index.span);
    for filter in pass.conditions() {
        place.push('&');
        place.push_str(&text_of(filter));
    }
    let now = index.now.as_millisecond();
    let earlier = index.walks.0.get(&place).filter(|walk| walk.since >= now.saturating_sub(LIFE_MS));
    let mut walk = match earlier {
        Some(walk) if walk.is_complete => return Ok(walk),
        Some(walk) => Walk { marks: walk.marks.clone(), ends: Mutex::default(), ..*walk },
        None => {
            let settled = settled(index.now).as_millisecond();
            Walk::new(now, index.complete_until().map_or(settled, |until| until.min(settled)))
        }
    };
    let Some(query) = index.query(up_to(index.span, walk.until), descending) else {
        return Ok(Arc::new(Walk { is_complete: true, ..walk }));
    };
    pass.count(walk.total)?;
    let window = Window { skip: CHECKPOINT, take: 0, counts: false };
    loop {
        let position = walk.marks.last().map(|mark| mark.position.clone());
        let found = stretch(pass, index, &query, position, window).await?;
        let before = walk.total;
        let marks = found.marks.into_iter();
        walk.marks.extend(marks.map(|mark| Mark { matched: before + mark.matched, ..mark }));
        (walk.total, walk.is_complete) = (before + found.matched, found.is_at_end);
        let known = Arc::new(Walk { marks: walk.marks.clone(), ends: Mutex::default(), ..walk });
        index.walks.0.insert(place.clone(), known.clone());
        if known.is_complete {
            return Ok(known);
        }
    }
}

/// Walks through an index until it has what is wanted of it.
async fn stretch<S: Source>(
    pass: &mut Pass<'_, S>,
    index: &Index<'_, S::Entry>,
    query: &Query,
    mut position: Option<Position>,
    window: Window,
) -> Result<Stretch<S::Entry>, Refusal> {
    let mut found = Stretch::default();
    // Where the server leaves some out, what is looked at may have little that is wanted, so that ever more is looked at.
    let (least_counted, mut least_read) = if index.is_filtered() { (LEAST_COUNTED, 0) } else { (1, 0) };
    loop {
        let missing = window.take - found.entries.len();
        let to_skip = window.skip.saturating_sub(found.matched);
        if to_skip == 0 && missing == 0 && !window.counts {
            return Ok(found);
        }
        let query = index.after(query, position.as_ref());
        // Beyond what is wanted all may be counted, before it no more than is certain to be before it.
        let is_beyond = window.take == 0 || (to_skip == 0 && missing == 0);
        let next = if pass.takes_all() && (is_beyond || to_skip >= least_counted) {
            let limit = if is_beyond { STEP } else { to_skip.min(STEP) };
            let part = index.table.count_part(&query, position.as_ref(), limit).await?;
            pass.count(part.found)?;
            found.matched += part.found;
            part.next
        } else {
            let wanted = to_skip.saturating_add(missing);
            let limit = if pass.takes_all() { wanted.max(least_read).min(STEP) } else { STEP };
            least_read = limit.saturating_mul(4);
            let part = index.table.query_part(&query, position.as_ref(), limit).await?;
            let entries = (index.open)(index.table, part.found).await?;
            let matching = pass.matching(entries).await?;
            let to_skip = to_skip.min(matching.len());
            found.matched += matching.len();
            found.entries.extend(matching.into_iter().skip(to_skip).take(missing));
            part.next
        };
        let Some(next) = next else {
            found.is_at_end = true;
            return Ok(found);
        };
        found.marks.push(Mark { matched: found.matched, position: next.clone() });
        position = Some(next);
    }
}

/// The time up to which an index has everything.
fn settled(now: Timestamp) -> Timestamp {
    now.checked_sub(DELAY).unwrap_or(now)
}

fn later(from: Option<i64>, until: i64) -> Option<i64> {
    Some(from.unwrap_or(i64::MIN).max(until.saturating_add(1)))
}

fn up_to((from, to): Span, until: i64) -> Span {
    (from, Some(to.unwrap_or(i64::MAX).min(until)))
}
