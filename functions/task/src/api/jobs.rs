//! Jobs over HTTP: actions of apps that run later or periodically, and what became of their runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Path, RawQuery, Request, State};
use http::header::CONTENT_TYPE;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::auth::Caller;
use shared::event::fact::JOB_SCHEDULED;
use shared::http::{Affected, JsonBody, List};
use shared::json::WholeNumber;
use shared::list;
use shared::rql::{self, Rql};
use shared::{Error, Refusal};

use super::schedules::blank;
use crate::access::Creator;
use crate::job::body::JobBody;
use crate::job::view::{JobRun, JobView};
use crate::job::{fact, lifecycle};
use crate::schedule::lifecycle as schedule_lifecycle;
use crate::schedule::timing::LONGEST_INTERVAL_MS;
use crate::services::Services;
use crate::store::schedule::{LIST_LIMIT, Program, Schedule};
use crate::store::task::Status;

/// How many rows of its history a job shows at most.
const RUNS: usize = 1_000;

/// When a job is run once more.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
pub(crate) struct RetryBody {
    /// In how many milliseconds; at once unless given.
    #[schema(value_type = Option<u64>)]
    delay: Option<WholeNumber<0, LONGEST_INTERVAL_MS>>,
}

/// Creates a job: an action of an app that runs at once, at a time, or periodically.
#[utoipa::path(
    post, path = "/actions/jobs", tag = "jobs", request_body = JobBody,
    responses((status = 200, description = "The job.", body = JobView))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(body): JsonBody<JobBody>,
) -> Result<Json<JobView>, Refusal> {
    let now = services.clock.now();
    let mut job = blank(&services, caller.tenant_id(), now);
    job.creator = Creator::of(&caller);
    body.put_into(&mut job, now)?;
    lifecycle::create(&services, &mut job).await?;
    JobView::of(&job, None, now).map(Json)
}

/// Lists the jobs, newest first.
#[utoipa::path(
    get, path = "/actions/jobs", tag = "jobs",
    responses((status = 200, description = "One page of jobs; the query string is RQL.", body = List<JobView>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<JobView>(query.as_deref())?;
    let (tenant, now) = (caller.tenant_id(), services.clock.now());
    let mut jobs = match query.eq("job_id") {
        Some(id) => services.schedules.get(tenant, id, now).await?.into_iter().collect(),
        None => rql::within(services.schedules.list(tenant, now).await?, LIST_LIMIT)?,
    };
    jobs.retain(is_job);
    jobs.sort_by(|a, b| {
        let order = b.creation_timestamp.cmp(&a.creation_timestamp);
        order.then_with(|| b.schedule_id.cmp(&a.schedule_id))
    });
    list::items(&query, shown(&services, &jobs, now).await?, LIST_LIMIT).map(Json)
}

/// Shows a job.
#[utoipa::path(
    get, path = "/actions/jobs/{id}", tag = "jobs", responses((status = 200, description = "The job.", body = JobView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Refusal> {
    let job = known(&services, &caller, &id).await?;
    one(&services, &job).await
}

/// Changes a job; absent fields stay as they are, and null removes one.
///
/// A `schedule` replaces the one before as a whole, and its runs are counted anew.
#[utoipa::path(
    put, path = "/actions/jobs/{id}", tag = "jobs", request_body = JobBody,
    responses((status = 200, description = "The job as it is now.", body = JobView))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<JobView>, Refusal> {
    known(&services, &caller, &id).await?;
    let change = |job: &mut Schedule, now: Timestamp| {
        if job.job.as_ref().is_some_and(|job| job.is_cancelled) {
            return Err(Refusal::illegal_state("the job is cancelled"));
        }
        JobBody::changed(&job.clone(), body.clone())?.put_into(job, now)
    };
    let changed = lifecycle::change(&services, caller.tenant_id(), &id, change).await?;
    let changed = changed.ok_or_else(|| Refusal::unknown("job", &id))?;
    fact::publish(&services, JOB_SCHEDULED, &changed).await?;
    one(&services, &changed).await
}

/// Pauses a job: its instants pass without a run until it is resumed, and keep their phase.
#[utoipa::path(
    post, path = "/actions/jobs/{id}/pause", tag = "jobs",
    responses((status = 200, description = "The job, which is paused.", body = JobView))
)]
pub(crate) async fn pause(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Refusal> {
    known(&services, &caller, &id).await?;
    let paused = lifecycle::pause(&services, caller.tenant_id(), &id).await?;
    one(&services, &paused.ok_or_else(|| Refusal::unknown("job", &id))?).await
}

/// Resumes a job; one that should have run once meanwhile runs now.
#[utoipa::path(
    post, path = "/actions/jobs/{id}/resume", tag = "jobs",
    responses((status = 200, description = "The job as it is now.", body = JobView))
)]
pub(crate) async fn resume(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Refusal> {
    known(&services, &caller, &id).await?;
    let resumed = lifecycle::resume(&services, caller.tenant_id(), &id).await?;
    one(&services, &resumed.ok_or_else(|| Refusal::unknown("job", &id))?).await
}

/// Cancels a job for good, with the run that has not started yet; one that is under way goes on.
#[utoipa::path(
    post, path = "/actions/jobs/{id}/cancel", tag = "jobs",
    responses((status = 200, description = "The job, which is cancelled.", body = JobView))
)]
pub(crate) async fn cancel(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Refusal> {
    known(&services, &caller, &id).await?;
    let cancelled = lifecycle::cancel(&services, caller.tenant_id(), &id).await?;
    one(&services, &cancelled.ok_or_else(|| Refusal::unknown("job", &id))?).await
}

/// Runs a job once more whose last run has ended, now or a while later.
#[utoipa::path(
    post, path = "/actions/jobs/{id}/retry", tag = "jobs", request_body = RetryBody,
    responses((status = 200, description = "The job, with the task of the run.", body = JobView))
)]
pub(crate) async fn retry(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<JobView>, Refusal> {
    let body = match request.headers().contains_key(CONTENT_TYPE) {
        true => JsonBody::<RetryBody>::from_request(request, &()).await?.0,
        false => RetryBody::default(),
    };
    let job = known(&services, &caller, &id).await?;
    let delay = SignedDuration::from_millis(body.delay.map_or(0, WholeNumber::get));
    one(&services, &lifecycle::retry(&services, &job, &Creator::of(&caller), delay).await?).await
}

/// Deletes a job; a run that has started goes on.
#[utoipa::path(
    delete, path = "/actions/jobs/{id}", tag = "jobs",
    responses((status = 200, description = "The job was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    known(&services, &caller, &id).await?;
    match schedule_lifecycle::delete(&services, caller.tenant_id(), &id).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("job", &id)),
    }
}

/// Lists what became of the instants of a job, and of its runs out of turn, the newest first.
///
/// A query sees the newest 1,000; `le(scheduled_at,…)` and `ge(scheduled_at,…)` lead to older ones.
#[utoipa::path(
    get, path = "/actions/jobs/{id}/history", tag = "jobs",
    responses((status = 200, description = "One page of runs; the query string is RQL.", body = List<JobRun>))
)]
pub(crate) async fn history(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<JobRun>(query.as_deref())?;
    let job = known(&services, &caller, &id).await?;
    let mut rows = services.history.newest(&job.incarnation, query.times("scheduled_at"), RUNS + 1).await?;
    let has_more = rows.len() > RUNS;
    rows.truncate(RUNS);
    let ids: Vec<&str> = rows.iter().filter_map(|row| row.task_id.as_deref()).collect();
    let tasks = services.tasks.store().all(&ids).await?;
    let tasks: BTreeMap<String, _> = tasks.into_iter().map(|task| (task.task_id.clone(), task)).collect();
    let runs = rows.into_iter().map(|row| {
        let task = row.task_id.as_ref().and_then(|id| tasks.get(id));
        JobRun::of(row, task)
    });
    let list = list::items(&query, runs.collect(), RUNS)?;
    Ok(Json(if has_more { list.without_total() } else { list }))
}

async fn one(services: &Services, job: &Schedule) -> Result<Json<JobView>, Refusal> {
    let view = shown(services, std::slice::from_ref(job), services.clock.now()).await?.pop();
    view.map(Json).ok_or_else(Refusal::internal)
}

/// Shows jobs with the states of their newest runs.
async fn shown(services: &Services, jobs: &[Schedule], now: Timestamp) -> Result<Vec<JobView>, Refusal> {
    let ids: Vec<&str> = jobs.iter().filter_map(|job| job.last_task_id.as_deref()).collect();
    let rows = services.tasks.store().rows(&ids).await?;
    let status = |row: &shared::table::Row| Some((row.attribute::<String>("taskId")?, row.attribute("status")?));
    let statuses: BTreeMap<String, Status> = rows.iter().filter_map(status).collect();
    let view = |job: &Schedule| {
        let last = job.last_task_id.as_ref().and_then(|id| statuses.get(id)).copied();
        JobView::of(job, last, now)
    };
    jobs.iter().map(view).collect()
}

/// Reads a job of the caller's tenant by the id that was sent.
async fn known(services: &Services, caller: &Caller, id: &str) -> Result<Schedule, Refusal> {
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::id_format("the id of a job must be 24 hex digits"));
    }
    let job: Result<Option<Schedule>, Error> =
        services.schedules.get(caller.tenant_id(), id, services.clock.now()).await;
    job?.filter(is_job).ok_or_else(|| Refusal::unknown("job", id))
}

fn is_job(schedule: &Schedule) -> bool {
    matches!(schedule.program, Program::Action { .. })
}
