//! How schedules are created, changed, stopped and deleted, and run out of turn.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::event::TenantId;
use shared::{Error, Refusal};

use crate::access::Creator;
use crate::on_task_due;
use crate::schedule::decide::{Outcome, Reason, is_woken, starts_at};
use crate::schedule::settle::settle;
use crate::schedule::task::task_of;
use crate::schedule::wake;
use crate::services::Services;
use crate::store::history::Row;
use crate::store::schedule::Schedule;
use crate::store::task::Task;

/// How often a change is tried again because somebody else has changed the schedule.
const ATTEMPTS: u64 = 32;
/// The longest pause before another attempt, in milliseconds for each one before.
const PAUSE_MS: u64 = 4;

/// Creates a schedule; false if one with its id exists.
pub(crate) async fn create(services: &Services, schedule: &mut Schedule) -> Result<bool, Refusal> {
    let now = services.clock.now();
    let instants = schedule.instants()?;
    wake::set_due(services, schedule, &instants, now);
    services.schedules.check_room(&schedule.tenant_id).await?;
    let mut is_created = services.schedules.create(schedule).await?;
    if !is_created && remove_over(services, &schedule.tenant_id, &schedule.schedule_id, now).await? {
        is_created = services.schedules.create(schedule).await?;
    }
    if !is_created {
        return Ok(false);
    }
    if let Err(error) = wake::arrange(services, schedule, false).await {
        // The caller is told that it does not exist.
        services.schedules.delete(schedule).await?;
        return Err(error.into());
    }
    Ok(true)
}

/// Removes a schedule whose time is over and that nobody has removed yet; false if there is none.
async fn remove_over(services: &Services, tenant: &TenantId, id: &str, now: Timestamp) -> Result<bool, Error> {
    match services.schedules.get(tenant, id, Timestamp::MIN).await?.filter(|schedule| schedule.is_over(now)) {
        Some(schedule) => wake::remove_over(services, &schedule, now).await.map(|()| true),
        None => Ok(false),
    }
}

/// Changes a schedule, whose instants count from now on; `None` if there is no such schedule.
///
/// What is due before is settled as the schedule was. `change` may be called several times.
pub(crate) async fn change(
    services: &Services,
    tenant: &TenantId,
    id: &str,
    mut change: impl FnMut(&mut Schedule) -> Result<(), Refusal>,
) -> Result<Option<Schedule>, Refusal> {
    for attempt in 0..ATTEMPTS {
        pause(services, attempt).await;
        let now = services.clock.now();
        let Some(found) = services.schedules.get(tenant, id, now).await? else { return Ok(None) };
        // A change that is refused settles nothing.
        change(&mut found.clone())?;
        settle_up_to(services, &found, now).await?;
        let Some(mut schedule) = services.schedules.get(tenant, id, now).await? else { return Ok(None) };
        let was_woken = is_woken(&schedule);
        change(&mut schedule)?;
        schedule.settled_until = schedule.settled_until.max(now);
        schedule.update_timestamp = now;
        let instants = schedule.instants()?;
        wake::set_due(services, &mut schedule, &instants, now);
        if schedule.sweeping_as_of.is_none() && services.schedules.replace(&mut schedule).await? {
            wake::arrange(services, &schedule, was_woken).await?;
            return Ok(Some(schedule));
        }
    }
    Err(busy(id).into())
}

/// Settles all instants up to a moment.
async fn settle_up_to(services: &Services, schedule: &Schedule, until: Timestamp) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let (settled, failed) = settle(services, &[schedule.key()]).await;
        if let Some(error) = failed {
            return Err(error);
        }
        if settled.iter().all(|settled| settled.is_through || settled.next.is_none_or(|next| next > until)) {
            return Ok(());
        }
    }
    Err(busy(&schedule.schedule_id))
}

/// Deletes a schedule; false if there was none.
pub(crate) async fn delete(services: &Services, tenant: &TenantId, id: &str) -> Result<bool, Refusal> {
    let mut was_there = false;
    for attempt in 0..ATTEMPTS {
        pause(services, attempt).await;
        let Some(schedule) = services.schedules.get(tenant, id, services.clock.now()).await? else {
            // Perhaps gone by the attempt before, whose reply was lost.
            return Ok(was_there);
        };
        was_there = true;
        // Before the record: nothing wakes a schedule that is gone.
        wake::cancel(services, &schedule).await?;
        if services.schedules.delete(&schedule).await? {
            return Ok(true);
        }
    }
    Err(busy(id).into())
}

/// Puts a schedule in the place of one of another id that was read before; false if that has changed or gone meanwhile,
/// or if the new id is taken.
pub(crate) async fn rename(services: &Services, former: &Schedule, renamed: &mut Schedule) -> Result<bool, Refusal> {
    let now = services.clock.now();
    let instants = renamed.instants()?;
    wake::set_due(services, renamed, &instants, now);
    remove_over(services, &renamed.tenant_id, &renamed.schedule_id, now).await?;
    // Before the record: nothing wakes a schedule that is gone.
    wake::cancel(services, former).await?;
    let is_renamed = services.schedules.rename(former, renamed).await?;
    wake::arrange(services, if is_renamed { renamed } else { former }, false).await?;
    Ok(is_renamed)
}

/// Creates a task of a schedule out of turn, whether it is running or stopped, for the caller to start at this time.
pub(crate) async fn requested(
    services: &Services,
    schedule: &Schedule,
    creator: &Creator,
    start: Option<Timestamp>,
) -> Result<Task, Error> {
    let now = services.clock.now();
    let task = task_of(services, schedule, None, services.ids.hex24(), now).await?;
    let Creator { created_by_application_id, created_by_user_id } = creator.clone();
    let task = Task { created_by_application_id, created_by_user_id, start_timestamp: start, ..task };
    let mut instant = now;
    loop {
        let row = services.history.row(&schedule.incarnation, instant, Outcome::Fired, now);
        let row = Row { task_id: Some(task.task_id.clone()), reason: Some(Reason::Requested), ..row };
        let writes = vec![services.history.firing(&row, false)?, services.tasks.store().creating(&task)?];
        if services.history.transact(writes).await? || services.history.is_there(&row).await? {
            return Ok(task);
        }
        // The history has one row for each moment.
        instant = instant.checked_add(SignedDuration::from_millis(1)).map_err(Error::cannot("find a free moment"))?;
    }
}

/// Creates and starts a task of a schedule out of turn, whether it is running or stopped.
pub(crate) async fn run_now(services: &Services, schedule: &Schedule, creator: &Creator) -> Result<Task, Error> {
    let task = requested(services, schedule, creator, None).await?;
    let command = on_task_due::command_for(&task.tenant_id, &task.task_id, task.creation_timestamp);
    services.bus.publish(command.into_iter().collect()).await?;
    Ok(task)
}

/// Returns when the next tasks of a schedule start, as if it was running.
pub(crate) fn next(schedule: &Schedule, after: Timestamp, count: usize) -> Result<Vec<Timestamp>, Refusal> {
    let after = after.max(schedule.settled_until);
    let instants = schedule.instants()?;
    Ok(instants.after(after).take(count).map(|instant| starts_at(schedule, instant)).collect())
}

/// Lets those go first who change the same schedule, each for a time of its own.
async fn pause(services: &Services, attempt: u64) {
    if attempt > 0 {
        let [spread] = services.ids.bytes::<1>();
        tokio::time::sleep(Duration::from_millis(attempt.min(8) * PAUSE_MS * u64::from(spread) / 256)).await;
    }
}

fn busy(id: &str) -> Error {
    Error::new("change a schedule", format!("schedule {id} is being changed by others all the time"))
}
