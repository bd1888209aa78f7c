//! Tasks over HTTP: created, listed, shown and canceled.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde_json::Value;
use shared::auth::Caller;
use shared::clock::derived_hex24;
use shared::event::TenantId;
use shared::http::{Affected, ErrorBody, IdempotencyKey, JsonBody, List};
use shared::list::{Found, Source};
use shared::rql::Rql;
use shared::seal::Resealed;
use shared::{Error, Refusal};

use crate::function_body::check_name;
use crate::new_task::{NewTask, check_data};
use crate::services::Services;
use crate::store::task::{Status, Task, TaskEntry, TaskStore, TaskView, Tasks};
use crate::{answer, on_schedule, on_task_due};

/// Creates a task, which starts at once or at its time.
///
/// The same `Idempotency-Key` from the same client is the same task, which is not run again.
#[utoipa::path(
    post, path = "/tasks/v1", tag = "tasks", request_body = NewTask,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes.")),
    responses(
        (status = 200, description = "The task.", body = TaskView),
        (status = 404, description = "No such function exists in the client's tenant.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(mut new): JsonBody<NewTask>,
) -> Result<Json<TaskView>, Refusal> {
    let Services { tasks, functions, bus, scheduler, clock, ids, .. } = &*services;
    let (tenant, now) = (caller.tenant_id(), clock.now());
    let name = &new.function_name;
    check_name("functionName", name)?;
    let function = functions.recent(tenant, name).await?.ok_or_else(|| Refusal::unknown("function", name))?;
    if !function.enabled {
        return Err(Refusal::illegal_state(format!("the function `{name}` is disabled")));
    }
    let has_priority = new.priority.is_some();
    new.priority = new.priority.or(function.default_priority());
    let id = match key.as_bytes() {
        Some(key) => derived_hex24(&[b"task", tenant.as_str().as_bytes(), caller.client_id().as_bytes(), key]),
        None => ids.hex24(),
    };
    let mut task = new.into_task(id, tenant.clone(), now, tasks.store().expires_at(now))?;
    check_data(&task.data)?;
    task.created_by_application_id = Some(caller.application_id().to_owned());
    task.created_by_user_id = caller.is_user().then(|| caller.client_id().to_owned());
    let task = match key.as_bytes() {
        Some(_) => earlier(tasks, &task, has_priority).await?.unwrap_or(task),
        None => task,
    };
    if task.status == Status::New {
        // Also for a repetition: the process may have died in between.
        on_task_due::submit(tasks, bus, scheduler, clock, &task).await?;
    }
    // Of two requests at the same time one was first.
    let task = match key.as_bytes() {
        Some(_) => earlier(tasks, &task, has_priority).await?.unwrap_or(task),
        None => task,
    };
    Ok(Json(TaskView::from(&task)))
}

/// Returns the task of an earlier request with the same key; refuses if something else was asked for.
///
/// The priority of a function may have changed since, so that only one that was asked for counts.
async fn earlier(tasks: &Tasks, task: &Task, has_priority: bool) -> Result<Option<Task>, Refusal> {
    let asked = |task: &Task| {
        let start_ms = task.start_timestamp.map(Timestamp::as_millisecond);
        let priority = has_priority.then_some(task.priority);
        (task.function_name.clone(), task.data.clone(), start_ms, task.tags.clone(), priority)
    };
    match tasks.store().get(&task.tenant_id, &task.task_id).await? {
        Some(earlier) if asked(&earlier) == asked(task) => Ok(Some(earlier)),
        Some(_) => Err(Refusal::field("Idempotency-Key", "was used for another task")),
        None => Ok(None),
    }
}

/// Lists the tasks, newest first.
///
/// A query that would have to look at more than 200,000 tasks, or more than 10,000 as a whole because it asks for their `data`,
/// `error`, `functionVersion` or `result`, is refused as a long query.
#[utoipa::path(
    get, path = "/tasks/v1", tag = "tasks",
    responses((status = 200, description = "One page of tasks; the query string is RQL.", body = List<TaskView>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<TaskView>(query.as_deref())?;
    let (store, tenant, now) = (services.tasks.store(), caller.tenant_id(), services.clock.now());
    shared::list::list(&query, &TaskSource { store, tenant, now }).await.map(Json)
}

/// Where the tasks of a tenant are.
struct TaskSource<'a> {
    store: &'a TaskStore,
    tenant: &'a TenantId,
    now: Timestamp,
}

impl Source for TaskSource<'_> {
    type Item = TaskView;
    type Entry = TaskEntry;

    const CONTENT: &'static [&'static str] = TaskView::CONTENT;

    async fn find(&self, query: &Rql) -> Result<Found<'_, Self>, Refusal> {
        if let Some(ids) = query.texts("id") {
            let found = self.store.in_order(&ids).await?.into_iter().flatten();
            let mut found: Vec<Task> = found.filter(|task| task.tenant_id == *self.tenant).collect();
            found.sort_by_key(|task| Reverse(task.creation_timestamp));
            return Ok(Found::Items(found.iter().map(TaskView::from).collect()));
        }
        Ok(Found::Index(Box::new(self.store.index(self.tenant, self.now).span(query.span("creationTimestamp")))))
    }

    fn partly(&self, entry: &TaskEntry) -> TaskView {
        TaskView::from(entry.clone())
    }

    async fn read(&self, entries: &[TaskEntry]) -> Result<Vec<Option<TaskView>>, Refusal> {
        let ids: Vec<&str> = entries.iter().map(TaskEntry::id).collect();
        let tasks = self.store.in_order(&ids).await?;
        Ok(tasks.into_iter().map(|task| task.as_ref().map(TaskView::from)).collect())
    }
}

/// Shows a task.
#[utoipa::path(
    get, path = "/tasks/v1/{id}", tag = "tasks", responses((status = 200, description = "The task.", body = TaskView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TaskView>, Refusal> {
    known(&services.tasks, &caller, &id).await.map(|task| Json(TaskView::from(&task)))
}

/// Cancels a task that has not started.
#[utoipa::path(
    post, path = "/tasks/v1/{id}/cancel", tag = "tasks",
    responses((status = 200, description = "The task is canceled.", body = Affected))
)]
pub(crate) async fn cancel(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    check_id(&id)?;
    if !cancel_new(&services, caller.tenant_id(), &id).await? {
        let task = known(&services.tasks, &caller, &id).await?;
        let message = format!("only a new task can be canceled, and this one is {}", task.status.as_str());
        return Err(Refusal::illegal_state(message));
    }
    Ok(Json(Affected { affected_records: 1 }))
}

/// Cancels a task that has not started; false if it has.
pub(crate) async fn cancel_new(services: &Services, tenant: &TenantId, id: &str) -> Result<bool, Error> {
    let Services { tasks, bus, scheduler, clock, .. } = services;
    let now = clock.now();
    let Some(task) = tasks.store().cancel(tenant, id, now).await? else { return Ok(false) };
    answer::publish(bus, &task, now).await?;
    tasks.store().close(&task).await?;
    scheduler.cancel(id).await?;
    if let Some(schedule) = task.schedule.filter(|schedule| schedule.has_queue) {
        on_schedule::settle_one(services, schedule.key).await?;
    }
    Ok(true)
}

/// Seals a batch of tasks with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/tasks/v1/rotate", tag = "tasks",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.tasks.store().reseal().await?))
}

/// Reads a task of the caller's tenant by the id that was sent.
pub(crate) async fn known(tasks: &Tasks, caller: &Caller, id: &str) -> Result<Task, Refusal> {
    check_id(id)?;
    tasks.store().get(caller.tenant_id(), id).await?.ok_or_else(|| Refusal::unknown("task", id))
}

fn check_id(id: &str) -> Result<(), Refusal> {
    match id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(Refusal::id_format("the id of a task must be 24 hex digits")),
    }
}
