//! What happens on a schedule: instants are waited for and settled, and tasks start.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize as _;
use serde_json::Value;
use shared::Error;
use shared::event::command::{ScheduleDue, TaskDue};

use crate::schedule::settle::{Settled, settle};
use crate::schedule::wake::{self, WINDOW};
use crate::services::Services;
use crate::store::schedule::DUE_SHARDS;

/// The most schedules of one partition in one minute; those behind them come first in the next.
const DUE_LIMIT: usize = 10_000;
/// How many schedules are settled together, and how many such batches at once.
const BATCH: usize = 100;
const CONCURRENT_BATCHES: usize = 4;
/// After how long what has failed is tried again.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// By how much Scheduler may be early.
const EARLY: SignedDuration = SignedDuration::from_secs(5);

/// The input of a schedule.
#[derive(Debug)]
pub(crate) enum Input {
    /// From the template's minute schedule.
    Minute,
    /// From Scheduler, at an instant of this schedule.
    Schedule(ScheduleDue),
    /// From the schedule of a task.
    Task(TaskDue),
}

impl Input {
    pub(crate) fn read(input: &Value) -> Result<Self, Error> {
        let read = match input {
            _ if input["sweep"] == "schedules" => Ok(Self::Minute),
            _ if input.get("scheduleId").is_some() => ScheduleDue::deserialize(input).map(Self::Schedule),
            _ => TaskDue::deserialize(input).map(Self::Task),
        };
        read.map_err(Error::cannot("read the input of a schedule"))
    }
}

/// Settles all instants of the next minute, each at its time.
pub(crate) async fn watch_minute(services: &Services) -> Result<(), Error> {
    let until = after(services.clock.now(), WINDOW);
    let due: Vec<_> = (0..DUE_SHARDS).map(|shard| services.schedules.due(shard, until, DUE_LIMIT)).collect();
    let due = futures::future::try_join_all(due).await?;
    watch(services, due.into_iter().flatten().collect(), until, false).await
}

/// Settles the instants of one schedule until the minute schedule has noticed it.
pub(crate) async fn watch_one(services: &Services, due: ScheduleDue) -> Result<(), Error> {
    let now = services.clock.now();
    watch(services, [(now, due)].into(), after(now, WINDOW), true).await
}

/// Settles the instants of one schedule that have come; a schedule that is gone is not woken again.
pub(crate) async fn wake(services: &Services, due: ScheduleDue) -> Result<(), Error> {
    let now = services.clock.now();
    if services.schedules.find(&due).await?.is_none() {
        return services.scheduler.cancel(&wake::name(&due.incarnation)).await;
    }
    watch(services, [(now, due)].into(), after(now, EARLY), true).await
}

/// Settles what is due of one schedule, such as an instant that waited for the end of a task.
pub(crate) async fn settle_one(services: &Services, due: ScheduleDue) -> Result<(), Error> {
    settle(services, &[due]).await.1.map_or(Ok(()), Err)
}

/// Settles schedules whenever they are due, up to a moment; those that Scheduler wakes only once unless all are followed.
async fn watch(
    services: &Services,
    mut due: BTreeSet<(Timestamp, ScheduleDue)>,
    until: Timestamp,
    follows_all: bool,
) -> Result<(), Error> {
    let mut failed = None;
    while let Some((at, _)) = due.first() {
        services.clock.sleep_until(*at).await;
        let now = services.clock.now();
        let later = due.split_off(&(after(now, SignedDuration::from_millis(1)), nobody()));
        let ready: Vec<ScheduleDue> = std::mem::replace(&mut due, later).into_iter().map(|(_, key)| key).collect();
        let batches: Vec<_> = ready.chunks(BATCH).map(|batch| settle(services, batch)).collect();
        let settled: Vec<_> = stream::iter(batches).buffered(CONCURRENT_BATCHES).collect().await;
        for (batch, (settled, error)) in ready.chunks(BATCH).zip(settled) {
            let again = after(now, PAUSE);
            match error {
                Some(_) if again < until => due.extend(left_of(batch, &settled).map(|key| (again, key))),
                error => failed = failed.or(error),
            }
            for schedule in settled {
                failed = failed.or(rearrange(services, &schedule, follows_all).await.err());
                due.extend(follow_up(schedule, now, until, follows_all));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The schedules of a batch that were not settled.
fn left_of(batch: &[ScheduleDue], settled: &[Settled]) -> impl Iterator<Item = ScheduleDue> {
    let settled: BTreeSet<&ScheduleDue> = settled.iter().map(|settled| &settled.key).collect();
    batch.iter().filter(move |key| !settled.contains(key)).cloned().collect::<Vec<_>>().into_iter()
}

/// When a schedule is to be settled next; never before now, so that one that makes no progress is left to the next minute.
fn follow_up(
    settled: Settled,
    now: Timestamp,
    until: Timestamp,
    follows_all: bool,
) -> Option<(Timestamp, ScheduleDue)> {
    let Settled { key, next, is_woken, is_through, .. } = settled;
    let next = next.filter(|next| *next <= until && (follows_all || !is_woken))?;
    (next > now || !is_through).then_some((next, key))
}

/// Lets Scheduler wake a schedule anew that it should have woken.
async fn rearrange(services: &Services, settled: &Settled, follows_all: bool) -> Result<(), Error> {
    if follows_all || !settled.is_woken || !settled.has_missed {
        return Ok(());
    }
    match services.schedules.find(&settled.key).await? {
        Some(schedule) => wake::arrange(services, &schedule, false).await,
        None => Ok(()),
    }
}

fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(time)
}

/// What comes before every schedule.
fn nobody() -> ScheduleDue {
    ScheduleDue { tenant_id: shared::event::TenantId::new(""), schedule_id: String::new(), incarnation: String::new() }
}
