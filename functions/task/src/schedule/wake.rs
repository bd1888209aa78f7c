//! What makes a schedule be looked at in time: Scheduler, or a command on the bus, until the minute schedule sees it.

use jiff::{SignedDuration, Timestamp};
use shared::Error;
use shared::bus::Entry;
use shared::event::command::{COMMAND_SOURCE, SCHEDULE_DUE};
use shared::event::{Envelope, EventId};
use shared::scheduler::Rate;

use crate::schedule::decide::{Outcome, Reason, due_at, is_woken, next_start};
use crate::schedule::timing::Instants;
use crate::services::Services;
use crate::store::history::Row;
use crate::store::schedule::Schedule;

/// How far ahead instants are waited for: a minute, and a little for the next minute schedule to be late.
pub(crate) const WINDOW: SignedDuration = SignedDuration::from_secs(65);
/// How long after its end Scheduler may still wake a schedule, to no effect.
const AFTER_END: SignedDuration = SignedDuration::from_secs(60);

/// Lets the instants of a schedule be noticed that was just written.
pub(crate) async fn arrange(services: &Services, schedule: &Schedule, was_woken: bool) -> Result<(), Error> {
    let Services { scheduler, bus, clock, .. } = services;
    let instants = schedule.instants().map_err(Error::cannot("read the instants of a schedule"))?;
    let next = next_start(schedule, &instants);
    match (next, schedule.timing.whole_minutes().filter(|_| is_woken(schedule))) {
        (Some(start), Some(minutes)) => {
            let end = schedule.end.and_then(|end| end.checked_add(AFTER_END).ok());
            scheduler.repeat(&name(&schedule.incarnation), &Rate { minutes, start, end }, &schedule.key()).await?;
        }
        _ if was_woken => scheduler.cancel(&name(&schedule.incarnation)).await?,
        _ => {}
    }
    let now = clock.now();
    if next.is_some_and(|next| next <= now.checked_add(WINDOW).unwrap_or(now)) {
        bus.publish(command(schedule, now).into_iter().collect()).await?;
    }
    Ok(())
}

/// Sets when a schedule must be looked at, and when a job that starts no more runs is removed.
pub(crate) fn set_due(services: &Services, schedule: &mut Schedule, instants: &Instants, now: Timestamp) {
    schedule.set_due(due_at(schedule, instants, now));
    let state = schedule.job.as_ref();
    let is_done = state.is_some_and(|job| job.is_cancelled || (schedule.running && schedule.due_at.is_none()));
    let expires_at = schedule.expires_at.unwrap_or_else(|| services.history.expires_at(now));
    schedule.expires_at = is_done.then_some(expires_at);
}

/// Keeps Scheduler from waking a schedule.
pub(crate) async fn cancel(services: &Services, schedule: &Schedule) -> Result<(), Error> {
    match is_woken(schedule) {
        true => services.scheduler.cancel(&name(&schedule.incarnation)).await,
        false => Ok(()),
    }
}

/// Removes a schedule whose time is over, with all that belongs to it.
pub(crate) async fn remove_over(services: &Services, schedule: &Schedule, now: Timestamp) -> Result<(), Error> {
    cancel(services, schedule).await?;
    for instant in schedule.queue.iter().filter_map(|instant| Timestamp::from_millisecond(*instant).ok()) {
        let row = services.history.row(&schedule.incarnation, instant, Outcome::Skipped, now);
        services.history.end_wait(&Row { reason: Some(Reason::Ended), ..row }).await?;
    }
    // Whoever has changed it meanwhile sees to its end.
    services.schedules.delete(schedule).await.map(drop)
}

/// The name of its schedule in Scheduler, which no other one has or will have.
pub(crate) fn name(incarnation: &str) -> String {
    format!("schedule-{incarnation}")
}

fn command(schedule: &Schedule, now: Timestamp) -> Option<Entry> {
    let id = EventId::new(format!("{}-{}-due", schedule.incarnation, schedule.version));
    let envelope = Envelope::new(SCHEDULE_DUE, id, schedule.tenant_id.clone(), now, schedule.key());
    // It is far smaller than the bus takes.
    Entry::fact(COMMAND_SOURCE, &envelope).ok()
}
