//! Whether a task of Director runs, since when and until when, and its switch.

use shared::http::List;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::event::StepError;

use super::{bad, known, shown, unknown};
use crate::api::schedules::{history_of, next_of};
use crate::director::badge;
use crate::director::document::Answered;
use crate::schedule::lifecycle;
use crate::schedule::view::{HistoryView, NextTimes};
use crate::services::Services;
use crate::store::schedule::Schedule;
use crate::store::task::Status;

/// Among how many rows of the history the newest run is looked for.
const ROWS: usize = 100;

/// Whether a task runs, and when.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskStatus {
    /// The task.
    id: String,
    /// Whether it runs periodically.
    running: bool,
    /// When it runs next, in milliseconds since 1970 as text; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_execution: Option<String>,
    /// The newest run.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_execution: Option<LastExecution>,
}

/// The newest run of a task.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LastExecution {
    /// The instant it is for; when it was started, if somebody started it.
    #[serde(with = "shared::clock::iso")]
    instant: Timestamp,
    /// `new`, `inProgress`, `complete`, `failed`, `retried` or `canceled`.
    outcome: Status,
    /// The task of `/tasks/v1` that it is.
    task: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

/// Shows whether a task runs, when it runs next, and how its newest run ended.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/status", tag = "director",
    responses((status = 200, description = "The status.", body = TaskStatus))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TaskStatus>, Refusal> {
    let schedule = known(&services, &caller, &id).await?;
    let next = lifecycle::next(&schedule, services.clock.now(), 1)?.into_iter().next().filter(|_| schedule.running);
    Ok(Json(TaskStatus {
        running: schedule.running,
        next_execution: next.map(|next| next.as_millisecond().to_string()),
        last_execution: last(&services, &schedule).await?,
        id,
    }))
}

/// Starts a task, stops it, or does the one that changes it (`switch`).
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/status/{action}", tag = "director",
    params(
        ("id" = String, Path, description = "The task."),
        ("action" = String, Path, description = "`start`, `stop` or `switch`."),
    ),
    responses((status = 200, description = "The changed task.", body = super::DirectorTask))
)]
pub(crate) async fn change(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path((id, action)): Path<(String, String)>,
) -> Result<Json<Answered>, Refusal> {
    known(&services, &caller, &id).await?;
    let change = |schedule: &mut Schedule| {
        schedule.running = match (action.as_str(), schedule.running) {
            ("start", true) => return Err(bad("Task already running")),
            ("stop", false) => return Err(bad("Task is not running")),
            ("start", false) => true,
            ("stop", true) => false,
            ("switch", running) => !running,
            _ => return Err(bad("Action not permitted")),
        };
        Ok(())
    };
    let changed = lifecycle::change(&services, caller.tenant_id(), &id, change).await?;
    shown(&changed.ok_or_else(unknown)?)
}

/// Draws whether a task runs.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/badge", tag = "director",
    responses((status = 200, description = "A badge.", body = String, content_type = "image/svg+xml"))
)]
pub(crate) async fn badge(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let schedule = known(&services, &caller, &id).await?;
    let headers = [
        (CONTENT_TYPE, "image/svg+xml"),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "sandbox"),
    ];
    Ok((headers, badge::svg(&id, schedule.running)).into_response())
}

/// Shows when the next runs of a task are, as if it was running.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/next", tag = "director",
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

/// Lists what became of the instants of a task and of the runs on demand, the newest first.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/history", tag = "director",
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

/// Finds the newest run and how it ended.
async fn last(services: &Services, schedule: &Schedule) -> Result<Option<LastExecution>, Refusal> {
    let rows = services.history.last(&schedule.incarnation, ROWS).await?;
    let of_rows = rows.into_iter().find_map(|row| row.task_id);
    let Some(id) = of_rows.or_else(|| schedule.last_task_id.clone()) else { return Ok(None) };
    let Some(task) = services.tasks.store().get(&schedule.tenant_id, &id).await? else { return Ok(None) };
    let instant = task.schedule.as_ref().and_then(|of| of.instant).unwrap_or(task.creation_timestamp);
    Ok(Some(LastExecution { instant, outcome: task.status, error: task.error(), task: task.task_id }))
}
