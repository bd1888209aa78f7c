//! What a round of a bulk retry does: follow what was retried, retry what was chosen, choose what comes next.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::Error;
use shared::event::{EventId, TenantId};

use crate::bulk::{Bulk, BulkStatus, Followed};
use crate::outbox::Outbox;
use crate::retry::{Changed, retry};
use crate::run::{RetryRequest, Run};
use crate::store::{EventRecord, RunEntry, RunPlace, Store};

/// The time from the end of a round to the next.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// How many runs of an index are read at once.
const PAGE: usize = 200;
/// How many runs a round goes through.
const RUNS_PER_ROUND: u64 = 2_000;
/// How many runs are read or retried at once: few, as what happens now comes first.
const CONCURRENT: usize = 8;

/// The input of the schedule of a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoundDue {
    tenant_id: TenantId,
    id: String,
    round: u64,
}

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
        retry_chosen(store, outbox, now, &mut bulk).await?;
        choose(store, &mut bulk).await?;
    }
    if bulk.cursor.is_at_end && bulk.chosen.is_empty() && bulk.followed.is_empty() {
        bulk.end(BulkStatus::Done, now);
    }
    bulk.round += 1;
    if !save(store, now, &mut bulk).await? || bulk.is_settled() {
        return Ok(());
    }
    let pause = if bulk.followed.is_empty() && !bulk.chosen.is_empty() { SignedDuration::ZERO } else { PAUSE };
    schedule(outbox, &bulk, now.checked_add(pause).unwrap_or(now)).await
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

/// Chooses the runs to retry next, and moves the cursor past them.
async fn choose(store: &Store, bulk: &mut Bulk) -> Result<(), Error> {
    let last = bulk.progress.examined + RUNS_PER_ROUND;
    while !bulk.has_chosen() && bulk.progress.examined < last {
        let span = (bulk.filter.since.map_or(0, Timestamp::as_millisecond), bulk.cursor.to);
        let (page, is_last) = store.runs.failed(&bulk.tenant_id, span, bulk.cursor.after.as_ref(), PAGE).await?;
        let is_taken = taken(store, bulk, &page).await?;
        bulk.cursor.is_at_end = is_last;
        for (entry, is_taken) in page.iter().zip(is_taken) {
            if bulk.chosen.len() >= bulk.max_in_progress {
                bulk.cursor.is_at_end = false;
                break;
            }
            if is_taken {
                bulk.chosen.push(entry.into());
            }
            bulk.cursor.after = Some(entry.into());
            bulk.progress.examined += 1;
        }
    }
    Ok(())
}

/// Tells of each run whether the filter takes it; reads those of which an index does not know enough.
async fn taken(store: &Store, bulk: &Bulk, page: &[RunEntry]) -> Result<Vec<bool>, Error> {
    let mut is_taken: Vec<bool> = page.iter().map(|entry| bulk.may_take(entry)).collect();
    if bulk.filter.error_name.is_none() {
        return Ok(is_taken);
    }
    let read: Vec<usize> = (0..page.len()).filter(|at| is_taken[*at]).collect();
    let ids: Vec<_> = read.iter().map(|at| (&page[*at].event_id, &page[*at].dispatcher_id)).collect();
    for (at, run) in read.into_iter().zip(store.runs.read(&ids).await?) {
        is_taken[at] = run.is_some_and(|run| bulk.takes(&run));
    }
    Ok(is_taken)
}

/// Retries as many of the chosen runs as there is room for.
async fn retry_chosen(store: &Store, outbox: &Outbox, now: Timestamp, bulk: &mut Bulk) -> Result<(), Error> {
    let runs = bulk.next();
    let request = RetryRequest { id: bulk.id.clone(), from: None, bulk_id: Some(bulk.id.clone()) };
    let events = events_of(store, &runs).await?;
    let retries: Vec<_> = runs.iter().map(|run| retry_one(store, outbox, now, &events, run, &request)).collect();
    let retried: Vec<Changed> = stream::iter(retries).buffered(CONCURRENT).try_collect().await?;
    for (RunPlace { event_id, dispatcher_id, .. }, changed) in runs.into_iter().zip(retried) {
        bulk.progress.found += 1;
        match changed {
            Changed::Run(_) => {
                bulk.progress.retried += 1;
                bulk.followed.push(Followed { event_id, dispatcher_id, since: now });
            }
            Changed::NotRetried(why) => bulk.refuse(why.name()),
            Changed::Unknown => bulk.refuse("Expired"),
        }
    }
    Ok(())
}

async fn events_of(store: &Store, runs: &[RunPlace]) -> Result<HashMap<EventId, EventRecord>, Error> {
    let ids: BTreeSet<&EventId> = runs.iter().map(|run| &run.event_id).collect();
    let records = store.events.read(&ids.into_iter().collect::<Vec<_>>()).await?;
    Ok(records.into_iter().flatten().map(|record| (record.event.envelope.id.clone(), record)).collect())
}

async fn retry_one(
    store: &Store,
    outbox: &Outbox,
    now: Timestamp,
    events: &HashMap<EventId, EventRecord>,
    run: &RunPlace,
    request: &RetryRequest,
) -> Result<Changed, Error> {
    match events.get(&run.event_id) {
        Some(record) => retry(store, outbox, now, record, &run.dispatcher_id, request).await,
        None => Ok(Changed::Unknown),
    }
}
