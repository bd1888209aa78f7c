//! What a round of a bulk retry does: follow what was retried, find what failed next, retry it.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::Error;
use shared::event::TenantId;

use crate::bulk::{Bulk, BulkStatus, Followed};
use crate::outbox::Outbox;
use crate::retry::{Changed, retry};
use crate::run::{RetryRequest, Run};
use crate::store::{EventEntry, EventRecord, Store};

/// The time from the end of a round to the next.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// How many events of an index are read at once.
const PAGE: usize = 200;
/// How many events a round goes through.
const EVENTS_PER_ROUND: usize = 2_000;
/// How many runs or events are read or retried at once: few, as what happens now comes first.
const CONCURRENT: usize = 8;

/// The input of the schedule of a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoundDue {
    tenant_id: TenantId,
    id: String,
    round: u64,
}

/// A run to retry.
type Found = (EventRecord, Run);

/// Sees to it that the next round of a bulk retry begins.
pub(crate) async fn schedule(outbox: &Outbox, bulk: &Bulk, at: Timestamp) -> Result<(), Error> {
    let due = RoundDue { tenant_id: bulk.tenant_id.clone(), id: bulk.id.clone(), round: bulk.round };
    outbox.run_at(&format!("retry-{}-{}", bulk.id, bulk.round), at, &json!({ "bulkRetry": due })).await
}

/// Does a round of a bulk retry that is due.
pub(crate) async fn handle(store: &Store, outbox: &Outbox, now: Timestamp, due: &RoundDue) -> Result<(), Error> {
    let Some(bulk) = store.retries.get(&due.tenant_id, &due.id).await? else { return Ok(()) };
    match due.round == bulk.round {
        true => round(store, outbox, now, bulk).await,
        // The process died between the record and the schedule, or this is a repetition.
        false if !bulk.is_settled() => schedule(outbox, &bulk, now).await,
        false => Ok(()),
    }
}

/// Goes on with a bulk retry that nobody has touched for a while.
pub(crate) async fn resume(
    store: &Store,
    outbox: &Outbox,
    now: Timestamp,
    tenant: &TenantId,
    id: &str,
) -> Result<(), Error> {
    match store.retries.get(tenant, id).await? {
        Some(bulk) => round(store, outbox, now, bulk).await,
        None => Ok(()),
    }
}

async fn round(store: &Store, outbox: &Outbox, now: Timestamp, mut bulk: Bulk) -> Result<(), Error> {
    if bulk.is_settled() {
        return Ok(());
    }
    follow(store, now, &mut bulk).await?;
    if !bulk.is_over() {
        let found = find(store, &mut bulk).await?;
        retry_all(store, outbox, now, &mut bulk, found).await?;
    }
    if bulk.cursor.is_at_end && bulk.followed.is_empty() {
        bulk.end(BulkStatus::Done, now);
    }
    bulk.round += 1;
    if !save(store, now, &mut bulk).await? || bulk.is_settled() {
        return Ok(());
    }
    schedule(outbox, &bulk, now.checked_add(PAUSE).unwrap_or(now)).await
}

/// Writes what a round has done; returns `false` if the same round was done elsewhere.
async fn save(store: &Store, now: Timestamp, bulk: &mut Bulk) -> Result<bool, Error> {
    bulk.updated_at = now;
    loop {
        bulk.version += 1;
        if store.retries.save(bulk).await? {
            return Ok(true);
        }
        let Some(latest) = store.retries.get(&bulk.tenant_id, &bulk.id).await? else { return Ok(false) };
        // Our own write may have been done although its reply was lost.
        if latest == *bulk {
            return Ok(true);
        }
        if latest.round >= bulk.round {
            return Ok(false);
        }
        // It was cancelled meanwhile; what the round has done still counts.
        (bulk.version, bulk.status, bulk.finished_at) = (latest.version, latest.status, latest.finished_at);
    }
}

/// Counts what became of the runs that were retried.
async fn follow(store: &Store, now: Timestamp, bulk: &mut Bulk) -> Result<(), Error> {
    let followed = std::mem::take(&mut bulk.followed);
    let reads: Vec<_> = followed.iter().map(|run| store.runs.get(&run.event_id, &run.dispatcher_id)).collect();
    let runs: Vec<Option<Run>> = stream::iter(reads).buffered(CONCURRENT).try_collect().await?;
    for (followed, run) in followed.into_iter().zip(runs) {
        if bulk.follow(run.as_ref(), followed.since, now) {
            bulk.followed.push(followed);
        }
    }
    Ok(())
}

/// Finds the next runs to retry, as many as there is room for, and moves the cursor past them.
async fn find(store: &Store, bulk: &mut Bulk) -> Result<Vec<Found>, Error> {
    let (mut found, mut events) = (Vec::new(), 0);
    while !bulk.cursor.is_at_end && found.len() < bulk.room() && events < EVENTS_PER_ROUND {
        let from = bulk.filter.since.map(Timestamp::as_millisecond);
        let limit = PAGE + bulk.cursor.seen.len();
        let page = store.events.newest(&bulk.tenant_id, None, (from, Some(bulk.cursor.to)), limit).await?;
        bulk.cursor.is_at_end = page.len() < limit;
        let page: Vec<EventEntry> = page.into_iter().filter(|entry| !bulk.cursor.has_passed(&entry.event_id)).collect();
        events += page.len();
        if !search(store, bulk, page, &mut found).await? {
            bulk.cursor.is_at_end = false;
        }
    }
    Ok(found)
}

/// Looks for runs to retry in events; returns `false` if there was no room for all of them.
async fn search(store: &Store, bulk: &mut Bulk, page: Vec<EventEntry>, found: &mut Vec<Found>) -> Result<bool, Error> {
    // Of other types nothing is read; going through them in pages keeps a round short, however rare the type is.
    let is_meant = |entry: &EventEntry| bulk.filter.event_type.as_ref().is_none_or(|kind| *kind == entry.kind);
    let meant: Vec<bool> = page.iter().map(is_meant).collect();
    let ids: Vec<_> =
        page.iter().zip(&meant).filter(|(_, is_meant)| **is_meant).map(|(entry, _)| entry.event_id.clone()).collect();
    let reads: Vec<_> = ids.iter().map(|id| store.events.with_runs(id)).collect();
    let mut read = stream::iter(reads).buffered(CONCURRENT);
    for (EventEntry { event_id, occurred_at, .. }, is_meant) in page.into_iter().zip(meant) {
        if !is_meant {
            bulk.cursor.pass(event_id, occurred_at);
            continue;
        }
        if found.len() >= bulk.room() {
            return Ok(false);
        }
        let Some(event) = read.try_next().await? else { return Ok(true) };
        if let Some((record, runs)) = event {
            let is_taken = |run: &Run| !bulk.cursor.has_passed_run(run) && bulk.takes(run);
            let mut taken: Vec<Run> = runs.into_iter().filter(is_taken).collect();
            let room = bulk.room() - found.len();
            let is_all = taken.len() <= room;
            taken.truncate(room);
            found.extend(taken.into_iter().map(|run| (record.clone(), run)));
            if !is_all {
                bulk.cursor.partial = found.last().map(|(_, run)| (event_id, run.dispatcher_id.clone()));
                return Ok(false);
            }
        }
        bulk.cursor.pass(event_id, occurred_at);
        bulk.progress.events += 1;
    }
    Ok(true)
}

async fn retry_all(
    store: &Store,
    outbox: &Outbox,
    now: Timestamp,
    bulk: &mut Bulk,
    found: Vec<Found>,
) -> Result<(), Error> {
    let request = RetryRequest { id: bulk.id.clone(), from: None, bulk_id: Some(bulk.id.clone()) };
    let request = &request;
    let retries: Vec<_> =
        found.iter().map(|(record, run)| retry(store, outbox, now, record, &run.dispatcher_id, request)).collect();
    let retried: Vec<Changed> = stream::iter(retries).buffered(CONCURRENT).try_collect().await?;
    for ((_, run), changed) in found.iter().zip(retried) {
        bulk.progress.found += 1;
        match changed {
            Changed::Run(_) => {
                bulk.progress.retried += 1;
                let (event_id, dispatcher_id) = (run.event_id.clone(), run.dispatcher_id.clone());
                bulk.followed.push(Followed { event_id, dispatcher_id, since: now });
            }
            Changed::NotRetried(why) => bulk.refuse(why.name()),
            Changed::Unknown => bulk.refuse("Expired"),
        }
    }
    Ok(())
}
