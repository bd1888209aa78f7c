//! Retries and cancels a run: load, decide, write once, send.

use jiff::{SignedDuration, Timestamp};
use shared::Error;
use shared::bus::Bus;
use shared::event::DispatcherId;

use crate::outbox::{Outbox, RecentRun};
use crate::outcome;
use crate::run::{NotRetried, RetryRequest, Run, RunStatus};
use crate::store::{EventRecord, Store};

/// How often a write is tried when others get ahead of it.
const WRITE_ATTEMPTS: u32 = 20;
/// How long the records of a run are kept at least after it was retried.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What came of asking for a change of a run.
#[derive(Debug)]
pub(crate) enum Changed {
    /// It is changed, now or by the same request before.
    Run(Box<Run>),
    /// It cannot be retried.
    NotRetried(NotRetried),
    /// There is no such run.
    Unknown,
}

/// Retries a run, once for each id of a request.
pub(crate) async fn retry(
    store: &Store,
    outbox: &Outbox,
    now: Timestamp,
    record: &EventRecord,
    dispatcher_id: &DispatcherId,
    request: &RetryRequest,
) -> Result<Changed, Error> {
    let event_id = &record.event.envelope.id;
    for _ in 0..WRITE_ATTEMPTS {
        let Some(mut run) = store.runs.get(event_id, dispatcher_id).await? else { return Ok(Changed::Unknown) };
        let context = run.context(record.event.clone());
        if let Some(earlier) = run.retried(&request.id) {
            if earlier.from != request.from {
                return Ok(Changed::NotRetried(NotRetried::OtherRequest));
            }
            // The process may have died before it sent the commands.
            let commands = run.requested(&context, now, |_, _| true);
            outbox.send_missing(run.clone(), context, commands).await?;
            return Ok(Changed::Run(Box::new(run)));
        }
        let commands = match run.retry(request, &context, now) {
            Ok(commands) => commands,
            Err(why) => return Ok(Changed::NotRetried(why)),
        };
        run.expires_at = run.expires_at.max(keep(store, now, record).await?);
        if run.is_over() {
            outcome::decide(store, &mut run, Some(&record.event)).await?;
        }
        run.version += 1;
        if store.runs.save(&run).await? {
            tracing::info!(event = %event_id, dispatcher = %dispatcher_id, commands = commands.len(), "run retried");
            outbox.send(vec![(RecentRun::new(run.clone(), Some(context)), commands)]).await?;
            outcome::publish(store, outbox, vec![run.clone()], Some(&record.event)).await?;
            return Ok(Changed::Run(Box::new(run)));
        }
    }
    Err(Error::new("retry a run", "others keep changing it"))
}

/// Keeps the event of a run long enough for the steps that follow, and returns until when, in seconds since 1970.
async fn keep(store: &Store, now: Timestamp, record: &EventRecord) -> Result<i64, Error> {
    let is_short = now.checked_add(KEPT).is_ok_and(|time| record.expires_at < time.as_second());
    if !is_short {
        return Ok(record.expires_at);
    }
    let expires_at = store.events.expires_at(now, &record.event.envelope);
    store.events.keep_until(&record.event.envelope.id, expires_at).await?;
    Ok(expires_at.max(record.expires_at))
}

/// Cancels a run; one that is cancelled already stays so, and any other that is over is returned as it is.
pub(crate) async fn cancel(
    store: &Store,
    outbox: &Outbox,
    bus: &Bus,
    now: Timestamp,
    record: &EventRecord,
    dispatcher_id: &DispatcherId,
) -> Result<Changed, Error> {
    let event = &record.event.envelope;
    for _ in 0..WRITE_ATTEMPTS {
        let Some(mut run) = store.runs.get(&event.id, dispatcher_id).await? else { return Ok(Changed::Unknown) };
        if run.cancel(now) {
            run.version += 1;
            if !store.runs.save(&run).await? {
                continue;
            }
            tracing::info!(event = %event.id, dispatcher = %dispatcher_id, "run cancelled");
            outbox.send(vec![(RecentRun::new(run.clone(), None), Vec::new())]).await?;
        }
        // Also if it was cancelled before, as the process may have died before it got here.
        if run.status == RunStatus::Cancelled {
            bus.publish(run.task_cancellations(event, now)).await?;
        }
        return Ok(Changed::Run(Box::new(run)));
    }
    Err(Error::new("cancel a run", "others keep changing it"))
}
