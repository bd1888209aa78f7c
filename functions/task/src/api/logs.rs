//! The logs of tasks over HTTP: the lines that a script printed.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use serde_json::Value;
use shared::Refusal;
use shared::http::{ErrorBody, List, Page};
use shared::rql::Rql;

use super::tasks::known;
use crate::sandbox::LogLine;
use crate::store::Store;
use crate::store::task::Status;

/// How many lines a response has at most.
const PAGE_LINES: usize = 100;

/// Lists the lines that the script of a task printed.
#[utoipa::path(
    get, path = "/tasks/v1/{id}/logs", tag = "tasks", params(("id" = String, Path, description = "The task's id.")),
    responses(
        (status = 200, description = "The first lines; `ge(timestamp,…)` selects later ones.", body = List<LogLine>),
        (status = 400, description = "The task has not run yet, or printed nothing.", body = ErrorBody),
        (status = 404, description = "No such task.", body = ErrorBody),
    )
)]
pub(crate) async fn list(
    State(store): State<Store>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse(query.as_deref())?;
    let task = known(&store, &id).await?;
    if matches!(task.status, Status::New | Status::Canceled) {
        return Err(Refusal::illegal_state("the task has not run"));
    }
    if task.logs.is_empty() {
        let message = "the task has printed nothing";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, 1408, "NO_TASK_LOGS_FOUND_EXCEPTION", message));
    }
    let mut data = Vec::new();
    for line in &task.logs {
        // One line at a time, as a query has shorter pages than a log.
        data.extend(query.apply(std::slice::from_ref(line))?.data);
        if data.len() == PAGE_LINES {
            break;
        }
    }
    Ok(Json(List { page: Page { total: None, offset: 0, limit: PAGE_LINES }, data }))
}
