//! What happens on a schedule: the sweep for runs without progress, and attempts whose time has come.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use shared::Error;
use shared::event::StepId;

use crate::on_bulk_retry::{self, RoundDue};
use crate::outbox::{Outbox, RecentRun};
use crate::run::{Run, Step};
use crate::store::{OPEN_PARTITIONS, OpenRow, Store};
use crate::{on_fact, outcome};

/// How long a row must be untouched.
const MIN_AGE: SignedDuration = SignedDuration::from_mins(1);
/// The most rows of one partition in one sweep; what is left comes first in the next.
const ROWS_PER_PARTITION: usize = 32;
/// How many rows are processed at once.
const CONCURRENT_ROWS: usize = 8;

/// The input of a schedule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Input {
    /// From the template's schedule of the sweeper.
    Sweep(Swept),
    /// From the schedule of another attempt at a step.
    Retry(StepId),
    /// From the schedule of a round of a bulk retry.
    BulkRetry(RoundDue),
    /// From the schedule of the timeout of an attempt at a step.
    Timeout(StepId),
}

/// What is swept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Swept {
    /// Runs without progress.
    Runs,
}

/// Handles a schedule that has fired.
pub(crate) async fn handle(
    store: &Store,
    outbox: &Outbox,
    event_budget: u64,
    now: Timestamp,
    input: Value,
) -> Result<(), Error> {
    match Input::deserialize(input).map_err(Error::cannot("read the input of a schedule"))? {
        Input::Sweep(Swept::Runs) => sweep(store, outbox, event_budget, now).await,
        Input::Retry(id) => retry(store, outbox, now, &id).await,
        Input::BulkRetry(due) => on_bulk_retry::handle(store, outbox, now, &due).await,
        Input::Timeout(id) => time_out(store, outbox, now, &id).await,
    }
}

/// Checks the rows that nothing has touched for a minute.
async fn sweep(store: &Store, outbox: &Outbox, event_budget: u64, now: Timestamp) -> Result<(), Error> {
    let before = now.checked_sub(MIN_AGE).unwrap_or(now);
    let rows: Vec<Vec<OpenRow>> = stream::iter(0..OPEN_PARTITIONS)
        .map(|partition| store.runs.open(partition, before, ROWS_PER_PARTITION))
        .buffer_unordered(CONCURRENT_ROWS)
        .try_collect()
        .await?;
    // One row that fails must not keep the others from being checked.
    let failed: Vec<Error> = stream::iter(rows.into_iter().flatten())
        .map(|row| sweep_row(store, outbox, event_budget, now, row))
        .buffer_unordered(CONCURRENT_ROWS)
        .filter_map(|swept| async { swept.err() })
        .collect()
        .await;
    failed.into_iter().next().map_or(Ok(()), Err)
}

async fn sweep_row(
    store: &Store,
    outbox: &Outbox,
    event_budget: u64,
    now: Timestamp,
    row: OpenRow,
) -> Result<(), Error> {
    let (event_id, dispatcher_id) = match row {
        OpenRow::Run(event_id, dispatcher_id) => (event_id, dispatcher_id),
        OpenRow::Bulk(tenant_id, id) => {
            return on_bulk_retry::resume(store, outbox, now, &tenant_id, &id).await;
        }
        OpenRow::Event(event_id) => {
            return match store.events.get(&event_id).await? {
                Some(record) if !record.planned => on_fact::complete(store, outbox, event_budget, now, record).await,
                _ => Ok(()),
            };
        }
    };
    let Some(run) = store.runs.get(&event_id, &dispatcher_id).await? else { return Ok(()) };
    if run.is_over() {
        return outcome::publish(store, outbox, vec![run], None).await;
    }
    // If it made progress just now, there is nothing to do.
    sweep_run(store, outbox, now, run).await.map(drop)
}

/// Does what is due in a run; returns `false` if somebody else changed it meanwhile.
async fn sweep_run(store: &Store, outbox: &Outbox, now: Timestamp, mut run: Run) -> Result<bool, Error> {
    let (event_id, dispatcher_id) = (run.event_id.clone(), run.dispatcher_id.clone());
    let Some(event) = store.events.event(&event_id).await? else { return Ok(true) };
    let context = run.context(event);
    let Some(commands) = run.sweep(&context, now) else { return Ok(true) };
    if run.is_over() {
        outcome::decide(store, &mut run, Some(&context.event)).await?;
    }
    run.version += 1;
    if !store.runs.save(&run).await? {
        return Ok(false);
    }
    tracing::warn!(event = %event_id, dispatcher = %dispatcher_id, commands = commands.len(), "run made no progress");
    let (event, ended) = (context.event.clone(), run.is_outcome_due.then(|| run.clone()));
    outbox.send(vec![(RecentRun::new(run, Some(context)), commands)]).await?;
    outcome::publish(store, outbox, ended.into_iter().collect(), Some(&event)).await?;
    Ok(true)
}

/// Fails an attempt that has no outcome in time, if it is still the current one.
async fn time_out(store: &Store, outbox: &Outbox, now: Timestamp, id: &StepId) -> Result<(), Error> {
    loop {
        let Some(run) = store.runs.get(&id.event_id, &id.dispatcher_id).await? else { return Ok(()) };
        let Some(due) = run.times_out_at(id) else { return Ok(()) };
        // Scheduler fires on the full second, which is before the deadline only where the clocks differ.
        if sweep_run(store, outbox, now.max(due), run).await? {
            return Ok(());
        }
    }
}

/// Sends the command of an attempt whose time has come, if it is still the current one.
async fn retry(store: &Store, outbox: &Outbox, now: Timestamp, id: &StepId) -> Result<(), Error> {
    let Some(run) = store.runs.get(&id.event_id, &id.dispatcher_id).await? else { return Ok(()) };
    let Some(event) = store.events.event(&id.event_id).await? else { return Ok(()) };
    let is_current = |step: &Step| step.name() == id.step && step.attempt() == id.attempt;
    // Scheduler fires on the full second, which is before the attempt is due only where the clocks differ.
    let now = now.max(run.due_at(id).unwrap_or_default());
    outbox.publish(run.requested(&run.context(event), now, |_, step| is_current(step))).await
}
