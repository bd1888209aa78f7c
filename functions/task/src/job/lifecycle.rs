//! How jobs are paused, resumed, cancelled and run once more.

use jiff::{SignedDuration, Timestamp};
use shared::event::TenantId;
use shared::event::fact::{JOB_CANCELLED, JOB_PAUSED, JOB_RESUMED, JOB_SCHEDULED};
use shared::{Error, Refusal};

use crate::access::Creator;
use crate::api::tasks::cancel_new;
use crate::job::body::soon;
use crate::job::fact;
use crate::on_task_due;
use crate::schedule::decide::next_start;
use crate::schedule::lifecycle::{self, requested};
use crate::services::Services;
use crate::store::schedule::{Job, Schedule};
use crate::store::task::{Status, Task};

/// How often a change is tried again because somebody else has changed the job.
const ATTEMPTS: usize = 8;

/// Creates a job, whose id is drawn.
pub(crate) async fn create(services: &Services, job: &mut Schedule) -> Result<(), Refusal> {
    if !lifecycle::create(services, job).await? {
        return Err(Refusal::internal());
    }
    if let Err(error) = fact::publish(services, JOB_SCHEDULED, job).await {
        // The caller is told that it does not exist.
        lifecycle::delete(services, &job.tenant_id, &job.schedule_id).await?;
        return Err(error.into());
    }
    Ok(())
}

/// Pauses a job: its instants pass until it is resumed.
pub(crate) async fn pause(services: &Services, tenant: &TenantId, id: &str) -> Result<Option<Schedule>, Refusal> {
    let paused = change(services, tenant, id, |job, _| {
        check_open(job)?;
        if !job.running {
            return Err(Refusal::illegal_state("the job is paused"));
        }
        job.running = false;
        Ok(())
    });
    let Some(paused) = paused.await? else { return Ok(None) };
    fact::publish(services, JOB_PAUSED, &paused).await?;
    Ok(Some(paused))
}

/// Resumes a job; one that should have run once meanwhile runs now.
pub(crate) async fn resume(services: &Services, tenant: &TenantId, id: &str) -> Result<Option<Schedule>, Refusal> {
    let resumed = change(services, tenant, id, |job, now| {
        check_open(job)?;
        if job.running {
            return Err(Refusal::illegal_state("the job is not paused"));
        }
        job.running = true;
        let Schedule { job: Some(Job { is_single: true, .. }), init, .. } = job else { return Ok(()) };
        *init = soon(now).max(*init);
        Ok(())
    });
    let Some(resumed) = resumed.await? else { return Ok(None) };
    fact::publish(services, JOB_RESUMED, &resumed).await?;
    Ok(Some(resumed))
}

/// Cancels a job for good, with the run that has not started yet; one that is under way goes on.
pub(crate) async fn cancel(services: &Services, tenant: &TenantId, id: &str) -> Result<Option<Schedule>, Refusal> {
    let cancelled = change(services, tenant, id, |job, _| {
        check_open(job)?;
        job.running = false;
        job.job.get_or_insert_default().is_cancelled = true;
        Ok(())
    });
    let Some(cancelled) = cancelled.await? else { return Ok(None) };
    if let Some(task_id) = &cancelled.last_task_id {
        cancel_new(services, tenant, task_id).await?;
    }
    fact::publish(services, JOB_CANCELLED, &cancelled).await?;
    Ok(Some(cancelled))
}

/// Runs a job once more, now or a while later, whatever its schedule says.
pub(crate) async fn retry(
    services: &Services,
    job: &Schedule,
    creator: &Creator,
    delay: SignedDuration,
) -> Result<Schedule, Refusal> {
    if job.job.as_ref().is_some_and(|job| job.is_cancelled) {
        return Err(Refusal::illegal_state("the job is cancelled"));
    }
    let Services { tasks, bus, scheduler, clock, .. } = services;
    let last = match &job.last_task_id {
        Some(id) => tasks.store().get(&job.tenant_id, id).await?,
        None => None,
    };
    if last.is_none_or(|task| matches!(task.status, Status::New | Status::InProgress)) {
        return Err(Refusal::illegal_state("the job has no run that has ended"));
    }
    let start = (delay > SignedDuration::ZERO).then(|| clock.now().checked_add(delay).unwrap_or(Timestamp::MAX));
    let task: Task = requested(services, job, creator, start).await?;
    match start {
        Some(_) => on_task_due::schedule(scheduler, &task).await?,
        None => {
            let command = on_task_due::command_for(&task.tenant_id, &task.task_id, task.creation_timestamp);
            bus.publish(command.into_iter().collect()).await?;
        }
    }
    for _ in 0..ATTEMPTS {
        let found = services.schedules.get(&job.tenant_id, &job.schedule_id, clock.now()).await?;
        let mut found = found.ok_or_else(|| Refusal::unknown("job", &job.schedule_id))?;
        found.last_task_id = Some(task.task_id.clone());
        if services.schedules.replace(&mut found).await? {
            return Ok(found);
        }
    }
    Err(Error::new("run a job", format!("job {} is being changed by others all the time", job.schedule_id)).into())
}

/// Changes a job as it is at that moment.
pub(crate) async fn change(
    services: &Services,
    tenant: &TenantId,
    id: &str,
    mut change: impl FnMut(&mut Schedule, Timestamp) -> Result<(), Refusal>,
) -> Result<Option<Schedule>, Refusal> {
    lifecycle::change(services, tenant, id, |job| change(job, services.clock.now())).await
}

/// Refuses what can only be done with a job that may still start a run.
fn check_open(job: &Schedule) -> Result<(), Refusal> {
    if job.job.as_ref().is_some_and(|job| job.is_cancelled) {
        return Err(Refusal::illegal_state("the job is cancelled"));
    }
    let instants = job.instants()?;
    // A paused one may go on.
    let running = Schedule { running: true, ..job.clone() };
    let is_single = job.job.as_ref().is_some_and(|job| job.is_single && job.runs == 0);
    match next_start(&running, &instants) {
        None if !is_single => Err(Refusal::illegal_state("the job has started all its runs")),
        _ => Ok(()),
    }
}
