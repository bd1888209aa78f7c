//! Logs over HTTP: the lines that the script of a task printed, also while it runs, and those of a function.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::http::{ErrorBody, List};
use shared::list;
use shared::rql::Rql;

use crate::api::tasks::known;
use crate::function_body::check_name;
use crate::sandbox::LogLine;
use crate::services::Services;
use crate::store::task::{Status, TaskEntry};

/// How many lines a page has at most.
const PAGE_LINES: usize = 100;
/// Among how many of the newest tasks of a tenant those of a function are looked for.
const NEWEST_TASKS: usize = 5_000;
/// Of how many tasks the log of a function has lines.
const TASKS_OF_FUNCTION: usize = 100;

/// One line of console output, as the log of a function shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionLogLine {
    /// What was printed, which may contain line breaks.
    message: String,
    /// When it was printed.
    #[serde(with = "shared::clock::iso")]
    event_timestamp: Timestamp,
}

/// Lists the lines that the script of a task printed; of one that runs, those up to one or two seconds ago.
#[utoipa::path(
    get, path = "/tasks/v1/{id}/logs", tag = "tasks",
    responses(
        (status = 200, description = "The first lines; `ge(timestamp,…)` and `limit(100,100)` select later ones.",
            body = List<LogLine>),
        (status = 400, description = "The task has not run, or printed nothing (1408).", body = ErrorBody),
    )
)]
pub(crate) async fn of_task(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<LogLine>(query.as_deref())?;
    let task = known(&services.tasks, &caller, &id).await?;
    if matches!(task.status, Status::New | Status::Canceled) {
        return Err(Refusal::illegal_state("the task has not run"));
    }
    if task.logs.is_empty() {
        return Err(no_logs("the task has printed nothing"));
    }
    page(query, &task.logs)
}

/// Lists the lines that the newest tasks of a function printed, the newest first.
#[utoipa::path(
    get, path = "/tasks/v1/functions/{name}/logs", tag = "functions",
    responses(
        (status = 200, description = "The newest lines; `limit(100,100)` and `le(eventTimestamp,…)` select older ones.",
            body = List<FunctionLogLine>),
        (status = 400, description = "Its tasks printed nothing (1408).", body = ErrorBody),
        (status = 404, description = "No such function exists in the client's tenant.", body = ErrorBody),
    )
)]
pub(crate) async fn of_function(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let Services { tasks, functions, .. } = &*services;
    let query = Rql::parse::<FunctionLogLine>(query.as_deref())?;
    check_name("name", &name)?;
    let tenant = caller.tenant_id();
    if functions.recent(tenant, &name).await?.is_none() {
        return Err(Refusal::unknown("function", &name));
    }
    let entries = tasks.store().newest(tenant, NEWEST_TASKS).await?;
    let ids = entries.into_iter().filter(|entry| entry.has_run(&name)).take(TASKS_OF_FUNCTION).map(TaskEntry::into_id);
    let lines = tasks.store().read(ids.collect()).await?.into_iter().flat_map(|task| task.logs);
    let mut lines: Vec<FunctionLogLine> =
        lines.map(|LogLine { message, timestamp }| FunctionLogLine { message, event_timestamp: timestamp }).collect();
    if lines.is_empty() {
        return Err(no_logs("the newest tasks of the function have printed nothing"));
    }
    // Lines of the same time stay in their order when the whole is turned round.
    lines.sort_by_key(|line| line.event_timestamp);
    lines.reverse();
    page(query, &lines)
}

/// One page of lines, whose total nobody counts.
fn page(query: Rql, lines: &[impl Serialize]) -> Result<Json<List<Value>>, Refusal> {
    Ok(Json(list::few(&query.pages_of(PAGE_LINES), lines)?.without_total()))
}

fn no_logs(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, 1408, "NO_TASK_LOGS_FOUND_EXCEPTION", message)
}
