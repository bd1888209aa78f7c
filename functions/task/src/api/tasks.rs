//! Tasks over HTTP: created, listed, shown and canceled.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::{Affected, ErrorBody, JsonBody, List};
use shared::rql::Rql;
use shared::scheduler::Scheduler;

use crate::new_task::{NewTask, check_data};
use crate::store::Store;
use crate::store::task::Task;
use crate::task_view::TaskView;
use crate::{answer, start};

/// Creates a task, which starts at once or at its time.
#[utoipa::path(
    post, path = "/tasks/v1", tag = "tasks", request_body = NewTask,
    responses(
        (status = 200, description = "The task.", body = TaskView),
        (status = 400, description = "A field breaks a rule, or the function is disabled.", body = ErrorBody),
        (status = 404, description = "No such function.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(store): State<Store>,
    State(bus): State<Bus>,
    State(scheduler): State<Scheduler>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    caller: Caller,
    JsonBody(mut new): JsonBody<NewTask>,
) -> Result<Json<TaskView>, Refusal> {
    let now = clock.now();
    let name = &new.function_name;
    let function = store.functions.recent(name).await?.ok_or_else(|| Refusal::unknown("function", name))?;
    if !function.enabled {
        return Err(Refusal::illegal_state(format!("the function `{name}` is disabled")));
    }
    new.priority = new.priority.or(function.default_priority());
    let mut task = new.into_task(ids.hex24(), caller.tenant_id().to_owned(), now, store.tasks.expiry(now))?;
    check_data(&task)?;
    task.created_by_application_id = Some(caller.client_id().to_owned());
    let is_later = task.start_timestamp.is_some_and(|start| start > now);
    if is_later {
        // Before the record: a task that can be seen has its schedule.
        start::schedule(&scheduler, &task).await?;
    }
    store.tasks.create(&task).await?;
    if !is_later {
        let command = start::command(&task).map_err(|_| Refusal::internal())?;
        bus.publish(vec![command]).await?;
    }
    Ok(Json(TaskView::of(&task)))
}

/// Lists the most recent tasks, newest first.
#[utoipa::path(
    get, path = "/tasks/v1", tag = "tasks",
    responses(
        (status = 200, description = "One page of tasks; the query string is RQL.", body = List<TaskView>),
        (status = 400, description = "The query is not valid RQL.", body = ErrorBody),
    )
)]
pub(crate) async fn list(State(store): State<Store>, RawQuery(query): RawQuery) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse(query.as_deref())?;
    let found = match query.eq("id") {
        Some(id) => store.tasks.get(id).await?.into_iter().collect(),
        None => store.tasks.newest().await?,
    };
    let views: Vec<TaskView> = found.iter().map(TaskView::of).collect();
    query.apply(&views).map(Json)
}

/// Shows a task.
#[utoipa::path(
    get, path = "/tasks/v1/{id}", tag = "tasks", params(("id" = String, Path, description = "The task's id.")),
    responses(
        (status = 200, description = "The task.", body = TaskView),
        (status = 404, description = "No such task.", body = ErrorBody),
    )
)]
pub(crate) async fn get(State(store): State<Store>, Path(id): Path<String>) -> Result<Json<TaskView>, Refusal> {
    known(&store, &id).await.map(|task| Json(TaskView::of(&task)))
}

/// Cancels a task that has not started.
#[utoipa::path(
    post, path = "/tasks/v1/{id}/cancel", tag = "tasks", params(("id" = String, Path, description = "The task's id.")),
    responses(
        (status = 200, description = "The task is canceled.", body = Affected),
        (status = 400, description = "The task has started or ended.", body = ErrorBody),
        (status = 404, description = "No such task.", body = ErrorBody),
    )
)]
pub(crate) async fn cancel(
    State(store): State<Store>,
    State(bus): State<Bus>,
    State(scheduler): State<Scheduler>,
    State(clock): State<Clock>,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    check_id(&id)?;
    let now = clock.now();
    let Some(task) = store.tasks.cancel(&id, now).await? else {
        let task = known(&store, &id).await?;
        let message = format!("only a new task can be canceled, and this one is {}", task.status.as_str());
        return Err(Refusal::illegal_state(message));
    };
    bus.publish(answer::entries(&task, now)).await?;
    scheduler.cancel(&id).await?;
    Ok(Json(Affected { affected_records: 1 }))
}

/// Reads a task by the id that the caller sent.
pub(crate) async fn known(store: &Store, id: &str) -> Result<Task, Refusal> {
    check_id(id)?;
    store.tasks.get(id).await?.ok_or_else(|| Refusal::unknown("task", id))
}

fn check_id(id: &str) -> Result<(), Refusal> {
    match id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(Refusal::id_format("the id of a task must be 24 hex digits")),
    }
}
