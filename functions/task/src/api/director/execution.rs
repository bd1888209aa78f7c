//! Runs on demand: of a task, and of a text.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use serde_json::Value;
use shared::auth::Caller;
use shared::event::StepError;
use shared::http::method_not_allowed;
use shared::step::Claimable as _;
use shared::{Error, Refusal};

use super::body::Verbatim;
use super::{TestBody, known};
use crate::on_task_due;
use crate::sandbox::{Limits, Outside, Script};
use crate::schedule::lifecycle;
use crate::services::Services;
use crate::store::task::{Status, Task};

/// The id that stands for a text to be run.
const TEST: &str = "test";
/// The longest text.
const TEXT_LIMIT_BYTES: usize = 256 * 1024;
/// How long a text may run, so that its end is answered before a gateway gives up waiting.
const TEST_TIME: Duration = Duration::from_secs(25);

/// Runs a task once now, whether it is running or not, and answers what its script returns.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}/run", tag = "director",
    responses(
        (status = 200, description = "What the script returned; a string as HTML, anything else as JSON.", body = Value),
        (status = 500, description = "The script failed.", body = shared::http::PlainErrorBody),
    )
)]
pub(crate) async fn run(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let schedule = known(&services, &caller, &id).await?;
    let task = lifecycle::requested(&services, &schedule, caller.client_id(), None).await?;
    // A client that goes away does not stop what it has started.
    let ended = tokio::spawn(async move { end_of(&services, &task).await }).await;
    let ended = ended.map_err(|cause| Refusal::from(Error::new("run a task", cause)))??;
    let output = ended.answer().and_then(|answer| answer.output.clone());
    match (ended.error(), ended.status) {
        (None, Status::Complete) => Ok(returned(output.unwrap_or_default())),
        (Some(error), _) => Err(failed(&error)),
        (None, status) => {
            let message = format!("the task {} is {}", ended.task_id, status.as_str());
            Err(failed(&StepError::invocation("TaskNotEnded", message)))
        }
    }
}

/// The same as a `PUT`.
#[utoipa::path(
    put, path = "/api/v1/tasks/{id}/run", tag = "director",
    responses(
        (status = 200, description = "What the script returned; a string as HTML, anything else as JSON.", body = Value),
        (status = 500, description = "The script failed.", body = shared::http::PlainErrorBody),
    )
)]
pub(crate) async fn run_by_put(
    services: State<Arc<Services>>,
    caller: Caller,
    id: Path<String>,
) -> Result<Response, Refusal> {
    run(services, caller, id).await
}

/// Runs the text of a script once now, and answers what it returns: `POST /api/v1/tasks/test`.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}", tag = "director", request_body = TestBody,
    params(("id" = String, Path, description = "Always `test`.")),
    responses(
        (status = 200, description = "What the script returned; a string as HTML, anything else as JSON.", body = Value),
        (status = 405, description = "No task takes this method.", body = shared::http::PlainErrorBody),
        (status = 500, description = "The script failed.", body = shared::http::PlainErrorBody),
    )
)]
pub(crate) async fn test(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    Verbatim { fields, mut texts }: Verbatim,
) -> Result<Response, Refusal> {
    // The other methods of this path are those of a task, whose id may be this one.
    if id != TEST {
        return Err(method_not_allowed().await);
    }
    let text = match fields.get("scriptText") {
        None | Some(Value::Null) => return Err(Refusal::missing_field("scriptText")),
        Some(Value::String(text)) if !text.trim().is_empty() && text.len() <= TEXT_LIMIT_BYTES => text,
        Some(_) => {
            let rule = format!("must be the text of a script, of at most {TEXT_LIMIT_BYTES} bytes");
            return Err(Refusal::field("scriptText", rule));
        }
    };
    let script = Script {
        tenant: caller.tenant_id().as_str().to_owned(),
        source: text.as_str().into(),
        files: Arc::default(),
        file_name: "script.js".to_owned(),
        entry_point: None,
        input: texts.remove("scriptConfig").unwrap_or_else(|| "{}".to_owned()),
        variables: BTreeMap::new(),
        limits: Limits { time: TEST_TIME, ..Limits::default() },
        outside: Outside::Live,
    };
    let report = services.sandbox.run(script, Arc::new(|| Box::pin(async { Ok(()) }))).await?;
    report.result.map(returned).map_err(|error| failed(&error))
}

/// Runs a task to its end.
async fn end_of(services: &Services, task: &Task) -> Result<Task, Error> {
    crate::start(services, &on_task_due::due(task)).await?;
    let ended = services.tasks.store().get(&task.tenant_id, &task.task_id).await?;
    ended.ok_or_else(|| Error::new("run a task", "its record is gone"))
}

/// Answers what a script returned. A page of a script's own must not act in the name of who looks at it.
fn returned(value: Value) -> Response {
    let headers = [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (CONTENT_SECURITY_POLICY, "sandbox")];
    match value {
        Value::String(text) => (headers, Html(text)).into_response(),
        value => (headers, Json(value)).into_response(),
    }
}

fn failed(error: &StepError) -> Refusal {
    let message = format!("Error running script: {}: {}", error.name, error.message);
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, 1, "SERVER_EXCEPTION", message)
}
