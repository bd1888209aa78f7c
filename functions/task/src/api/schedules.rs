//! Schedules of functions over HTTP: created, listed, changed, stopped, and what became of their instants.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::Caller;
use shared::event::TenantId;
use shared::http::{Affected, ErrorBody, JsonBody, List};
use shared::json::whole_number;
use shared::list;
use shared::rql::{self, Rql};
use shared::seal::Resealed;
use url::form_urlencoded;

use crate::access::Creator;
use crate::schedule::body::ScheduleBody;
use crate::schedule::lifecycle;
use crate::schedule::timing::Timing;
use crate::schedule::view::{HistoryView, NextTimes, ScheduleView};
use crate::services::Services;
use crate::store::history;
use crate::store::schedule::{LIST_LIMIT, Misfire, Overlap, Program, Schedule};
use crate::store::task::TaskView;

/// How many times `next` returns unless it is told, and at most.
const NEXT_TIMES: (usize, i64) = (10, 100);

/// Creates a schedule, which starts a task of a function at each of its instants.
#[utoipa::path(
    post, path = "/tasks/v1/schedules", tag = "schedules", request_body = ScheduleBody,
    responses(
        (status = 200, description = "The schedule.", body = ScheduleView),
        (status = 404, description = "No such function exists in the client's tenant.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    JsonBody(body): JsonBody<ScheduleBody>,
) -> Result<Json<ScheduleView>, Refusal> {
    let now = services.clock.now();
    let mut schedule = blank(&services, caller.tenant_id(), now);
    schedule.creator = Creator::of(&caller);
    body.put_into(&mut schedule, now)?;
    check_function(&services, &schedule).await?;
    // Its id is drawn, so that no other has it.
    match lifecycle::create(&services, &mut schedule).await? {
        true => ScheduleView::of(&schedule).map(Json),
        false => Err(Refusal::internal()),
    }
}

/// Lists the schedules of functions, newest first.
#[utoipa::path(
    get, path = "/tasks/v1/schedules", tag = "schedules",
    responses((status = 200, description = "One page of schedules; the query string is RQL.", body = List<ScheduleView>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<ScheduleView>(query.as_deref())?;
    let (tenant, now) = (caller.tenant_id(), services.clock.now());
    let mut schedules = match query.eq("id") {
        Some(id) => services.schedules.get(tenant, id, now).await?.into_iter().collect(),
        None => rql::within(services.schedules.list(tenant, now).await?, LIST_LIMIT)?,
    };
    schedules.retain(is_of_function);
    schedules.sort_by(|a, b| {
        let order = b.creation_timestamp.cmp(&a.creation_timestamp);
        order.then_with(|| b.schedule_id.cmp(&a.schedule_id))
    });
    let views: Vec<ScheduleView> = schedules.iter().map(ScheduleView::of).collect::<Result<_, _>>()?;
    list::items(&query, views, LIST_LIMIT).map(Json)
}

/// Shows a schedule.
#[utoipa::path(
    get, path = "/tasks/v1/schedules/{id}", tag = "schedules",
    responses((status = 200, description = "The schedule.", body = ScheduleView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ScheduleView>, Refusal> {
    ScheduleView::of(&known(&services, &caller, &id).await?).map(Json)
}

/// Changes a schedule; absent fields stay as they are, and null removes one.
///
/// The instants that count are those after the change. Tasks that have been started stay as they are.
#[utoipa::path(
    put, path = "/tasks/v1/schedules/{id}", tag = "schedules", request_body = ScheduleBody,
    responses((status = 200, description = "The schedule as it is now.", body = ScheduleView))
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<ScheduleView>, Refusal> {
    let found = known(&services, &caller, &id).await?;
    let now = services.clock.now();
    let mut changed = found.clone();
    ScheduleBody::changed(&found, body.clone())?.put_into(&mut changed, now)?;
    check_function(&services, &changed).await?;
    let change =
        |schedule: &mut Schedule| ScheduleBody::changed(&schedule.clone(), body.clone())?.put_into(schedule, now);
    change_to(&services, &caller, &id, change).await
}

/// Lets a schedule run: its instants from now on start tasks.
#[utoipa::path(
    post, path = "/tasks/v1/schedules/{id}/start", tag = "schedules",
    responses((status = 200, description = "The schedule, which is running.", body = ScheduleView))
)]
pub(crate) async fn start(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ScheduleView>, Refusal> {
    run(&services, &caller, &id, true).await
}

/// Stops a schedule: its instants pass without a trace until it is started, and keep their phase.
#[utoipa::path(
    post, path = "/tasks/v1/schedules/{id}/stop", tag = "schedules",
    responses((status = 200, description = "The schedule, which is stopped.", body = ScheduleView))
)]
pub(crate) async fn stop(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ScheduleView>, Refusal> {
    run(&services, &caller, &id, false).await
}

/// Starts a task of a schedule out of turn, whether the schedule is running or stopped.
#[utoipa::path(
    post, path = "/tasks/v1/schedules/{id}/run", tag = "schedules",
    responses((status = 200, description = "The task.", body = TaskView))
)]
pub(crate) async fn run_now(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TaskView>, Refusal> {
    let schedule = known(&services, &caller, &id).await?;
    let task = lifecycle::run_now(&services, &schedule, &Creator::of(&caller)).await?;
    Ok(Json(TaskView::from(&task)))
}

/// Deletes a schedule; tasks that it has started run on.
#[utoipa::path(
    delete, path = "/tasks/v1/schedules/{id}", tag = "schedules",
    responses((status = 200, description = "The schedule was deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    known(&services, &caller, &id).await?;
    match lifecycle::delete(&services, caller.tenant_id(), &id).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(Refusal::unknown("schedule", &id)),
    }
}

/// Lists what became of the instants of a schedule, the newest first.
///
/// A query sees the newest 10,000 rows, and has no total if there are more; `le(timestamp,…)` and `ge(timestamp,…)` lead
/// to older ones.
#[utoipa::path(
    get, path = "/tasks/v1/schedules/{id}/history", tag = "schedules",
    responses((status = 200, description = "One page of rows; the query string is RQL.", body = List<HistoryView>))
)]
pub(crate) async fn history(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    history_of(&services, &known(&services, &caller, &id).await?, query.as_deref()).await.map(Json)
}

/// Reads the page of the history of a schedule that a query asks for.
pub(crate) async fn history_of(
    services: &Services,
    schedule: &Schedule,
    query: Option<&str>,
) -> Result<List<Value>, Refusal> {
    let query = Rql::parse::<HistoryView>(query)?;
    let mut rows =
        services.history.newest(&schedule.incarnation, query.times("timestamp"), history::LIST_LIMIT + 1).await?;
    let has_more = rows.len() > history::LIST_LIMIT;
    rows.truncate(history::LIST_LIMIT);
    let views: Vec<HistoryView> = rows.into_iter().map(HistoryView::from).collect();
    let list = list::items(&query, views, history::LIST_LIMIT)?;
    Ok(if has_more { list.without_total() } else { list })
}

/// Shows when the next tasks of a schedule start, as if it was running.
#[utoipa::path(
    get, path = "/tasks/v1/schedules/{id}/next", tag = "schedules",
    params(("count" = Option<u8>, Query, description = "How many times, 1 to 100; 10 unless given.")),
    responses((status = 200, description = "The times.", body = NextTimes))
)]
pub(crate) async fn next(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<NextTimes>, Refusal> {
    next_of(&services, known(&services, &caller, &id).await, query.as_deref()).map(Json)
}

/// Tells when the next tasks of a schedule start, as often as a query asks for.
///
/// A query that cannot be understood is refused before a schedule that is not there.
pub(crate) fn next_of(
    services: &Services,
    schedule: Result<Schedule, Refusal>,
    query: Option<&str>,
) -> Result<NextTimes, Refusal> {
    let count = count(query)?;
    Ok(NextTimes { data: lifecycle::next(&schedule?, services.clock.now(), count)? })
}

/// Shows when the tasks of a schedule would start that does not exist.
#[utoipa::path(
    post, path = "/tasks/v1/schedules/next", tag = "schedules", request_body = ScheduleBody,
    params(("count" = Option<u8>, Query, description = "How many times, 1 to 100; 10 unless given.")),
    responses((status = 200, description = "The times.", body = NextTimes))
)]
pub(crate) async fn preview(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
    JsonBody(mut body): JsonBody<ScheduleBody>,
) -> Result<Json<NextTimes>, Refusal> {
    let (count, now) = (count(query.as_deref())?, services.clock.now());
    let mut schedule = blank(&services, caller.tenant_id(), now);
    // The times are the same for every function.
    body.function_name.get_or_insert_with(|| "preview".to_owned());
    body.put_into(&mut schedule, now)?;
    Ok(Json(NextTimes { data: lifecycle::next(&schedule, now, count)? }))
}

/// Seals a batch of schedules with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/tasks/v1/schedules/rotate", tag = "schedules",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.schedules.reseal().await?))
}

async fn run(services: &Services, caller: &Caller, id: &str, running: bool) -> Result<Json<ScheduleView>, Refusal> {
    known(services, caller, id).await?;
    let change = |schedule: &mut Schedule| {
        schedule.running = running;
        Ok(())
    };
    change_to(services, caller, id, change).await
}

async fn change_to(
    services: &Services,
    caller: &Caller,
    id: &str,
    change: impl FnMut(&mut Schedule) -> Result<(), Refusal>,
) -> Result<Json<ScheduleView>, Refusal> {
    match lifecycle::change(services, caller.tenant_id(), id, change).await? {
        Some(schedule) => ScheduleView::of(&schedule).map(Json),
        None => Err(Refusal::unknown("schedule", id)),
    }
}

/// Reads a schedule of a function of the caller's tenant by the id that was sent.
async fn known(services: &Services, caller: &Caller, id: &str) -> Result<Schedule, Refusal> {
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::id_format("the id of a schedule must be 24 hex digits"));
    }
    let schedule = services.schedules.get(caller.tenant_id(), id, services.clock.now()).await?;
    schedule.filter(is_of_function).ok_or_else(|| Refusal::unknown("schedule", id))
}

fn is_of_function(schedule: &Schedule) -> bool {
    matches!(schedule.program, Program::Function { .. })
}

/// Refuses a schedule whose tasks would all fail.
async fn check_function(services: &Services, schedule: &Schedule) -> Result<(), Refusal> {
    let Program::Function { function_name, .. } = &schedule.program else { return Ok(()) };
    match services.functions.recent(&schedule.tenant_id, function_name).await? {
        None => Err(Refusal::unknown("function", function_name)),
        Some(_) => Ok(()),
    }
}

/// A schedule of which only the ids and times are known.
pub(crate) fn blank(services: &Services, tenant: &TenantId, now: Timestamp) -> Schedule {
    Schedule {
        tenant_id: tenant.clone(),
        schedule_id: services.ids.hex24(),
        incarnation: services.ids.hex24(),
        program: Program::Function {
            function_name: String::new(),
            data: String::new(),
            priority: None,
            tags: Vec::new(),
        },
        timing: Timing::Interval { interval_ms: 0 },
        init: now,
        end: None,
        running: true,
        overlap: Overlap::default(),
        misfire: Misfire::default(),
        jitter_ms: 0,
        settled_until: now,
        sweeping_as_of: None,
        queue: Vec::new(),
        last_task_id: None,
        last_fired: None,
        extra: None,
        creation_timestamp: now,
        update_timestamp: now,
        creator: Creator::default(),
        job: None,
        expires_at: None,
        version: 0,
        due_shard: None,
        due_at: None,
    }
}

/// Reads how many times are asked for.
fn count(query: Option<&str>) -> Result<usize, Refusal> {
    let (default, most) = NEXT_TIMES;
    let mut count = default;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "count" {
            return Err(Refusal::illegal_argument(format!("unknown parameter `{name}`: only `count` is known")));
        }
        let number = whole_number(&Value::String(value.into_owned()), 1, most);
        let number = number.map_err(|rule| Refusal::illegal_argument(format!("`count` {rule}")))?;
        count = usize::try_from(number).unwrap_or(default);
    }
    Ok(count)
}
