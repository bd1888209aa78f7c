//! Direct execution: a task that the request waits for, and whose result is the answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::auth::{Caller, Permission};
use shared::clock::derived_hex24;
use shared::event::StepError;
use shared::http::{ErrorBody, IdempotencyKey, JsonBody};
use shared::step::Once;
use shared::{Error, Refusal};
use tokio::time::timeout;

use crate::access::{Granted, grant};
use crate::direct::{self, Place};
use crate::new_task::{NewTask, check_data};
use crate::sandbox::Report;
use crate::services::Services;
use crate::store::open_task::watched;
use crate::store::task::{Status, Task, TaskView};
use crate::{answer, run};

/// What a function is executed with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct Execution {
    /// The input of the task.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// Executes a function and answers with the task and its result.
///
/// Needs the permission `EXECUTE_TASK_FUNCTION` or `EXECUTE_TASK_FUNCTION:<name>`, unless the `permissionMode` of the
/// function says otherwise. A script that fails is answered with code 1406 and `runtimeError`, one that could not run with
/// code 1405. The same `Idempotency-Key` from the same client is the same execution.
#[utoipa::path(
    post, path = "/tasks/v1/functions/{name}/execute", tag = "functions", request_body = Execution,
    params(
        ("name" = String, Path, description = "The name of the function."),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes; needs an access token."),
        ("x-tenant-id" = Option<String>, Header, description = "The tenant of a public function, without a token."),
    ),
    responses(
        (status = 200, description = "The task and its result.", body = TaskView),
        (status = 400, description = "The script failed (1406) or could not run (1403, 1404, 1405).", body = ErrorBody),
    )
)]
pub(crate) async fn execute(
    State(services): State<Arc<Services>>,
    Path(name): Path<String>,
    caller: Option<Caller>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    key: IdempotencyKey,
    JsonBody(Execution { data }): JsonBody<Execution>,
) -> Result<Json<TaskView>, Refusal> {
    let permission = Permission::ExecuteTaskFunction;
    let granted = grant(&services.functions, permission, &name, caller, &headers, query.as_deref()).await?;
    if granted.function.time_limit > direct::TIME_LIMIT_S {
        let message = format!(
            "the time limit of the function is {} seconds, and a direct execution takes at most {}",
            granted.function.time_limit,
            direct::TIME_LIMIT_S
        );
        return Err(bad(1404, "TIME_LIMIT_EXCEEDS_DIRECT_EXECUTION_MAXIMUM_EXCEPTION", message));
    }
    let task = task(&services, &granted, data, &key)?;
    let is_known = granted.client_id.is_some();
    let place = services.places.take(&granted.tenant, &name).ok_or_else(|| {
        let message = "too many direct executions of this function or its tenant are running";
        Refusal { retry_after_s: Some(1), ..bad(1403, "CONCURRENT_EXECUTION_LIMIT_EXCEPTION", message) }
    })?;
    // On a task of its own, so that it ends properly when the client does not wait for the answer.
    let performed = tokio::spawn(perform(services, task, place)).await;
    let task = performed.map_err(Error::cannot("execute a function"))??;
    match task.error() {
        Some(error) => Err(failed(&task.task_id, &error, is_known)),
        None => Ok(Json(TaskView::from(&task))),
    }
}

/// The task of a request, which is running.
fn task(
    services: &Services,
    granted: &Granted,
    data: Option<Map<String, Value>>,
    key: &IdempotencyKey,
) -> Result<Task, Refusal> {
    let Granted { tenant, function, client_id, application_id } = granted;
    let id = match (key.as_bytes(), client_id) {
        (None, _) => services.ids.hex24(),
        // Nobody else can ask for the result of one who has no token, but whoever guesses the key could.
        (Some(_), None) => return Err(Refusal::field("Idempotency-Key", "needs an access token")),
        (Some(key), Some(client)) => {
            let parts = [b"execution", tenant.as_str().as_bytes(), client.as_bytes(), function.name.as_bytes(), key];
            derived_hex24(&parts)
        }
    };
    let now = services.clock.now();
    let new = NewTask::of(&function.name, data, function.default_priority());
    let mut task = new.into_task(id, tenant.clone(), now, services.tasks.store().expires_at(now))?;
    check_data(&task.data)?;
    task.created_by_application_id = application_id.clone().or_else(|| client_id.clone());
    task.created_by_user_id = application_id.is_some().then(|| client_id.clone()).flatten();
    task.direct = true;
    task.set_status(Status::InProgress, now);
    // No command comes again for it, so that only the sweep notices if its process dies.
    Ok(watched(task))
}

/// Runs the task, unless that was done before, and returns it with its end.
async fn perform(services: Arc<Services>, task: Task, _place: Place) -> Result<Task, Refusal> {
    let Services { tasks, bus, clock, .. } = &*services;
    let (requested, id) = ((task.function_name.clone(), task.data.clone()), task.task_id.clone());
    let work =
        async |task: Task| match timeout(direct::PATIENCE, Box::pin(run::run(&services, task.clone(), None))).await {
            Ok(ended) => ended,
            Err(_) => Ok(run::ended(task, timed_out(), clock.now())),
        };
    let task = match Box::pin(tasks.once(task, run::DIRECT, work)).await? {
        Once::Done(task) | Once::NotDue(task) => task,
        Once::Here | Once::Elsewhere => {
            let refusal = Refusal::illegal_state("the execution with this `Idempotency-Key` is still running");
            return Err(Refusal { retry_after_s: Some(1), ..refusal });
        }
        Once::Missing => return Err(Error::new("execute a function", format!("task {id} is gone")).into()),
    };
    if (&task.function_name, &task.data) != (&requested.0, &requested.1) {
        return Err(Refusal::field("Idempotency-Key", "was used for another execution"));
    }
    let published = async {
        answer::publish(bus, &task, clock.now()).await?;
        tasks.store().close(&task).await
    };
    if let Err(error) = published.await {
        // The task has ended, which its client has to be told; the sweep publishes it again.
        tracing::error!(task = id, error = error.chain(), "the end of a task was not published");
    }
    Ok(task)
}

/// The end of a script that had to wait too long for its turn, or did not stop.
pub(crate) fn timed_out() -> Report {
    let message = format!("the script did not end within {} seconds", direct::PATIENCE.as_secs());
    let error = StepError { kind: Some("runtime".to_owned()), name: "TimeLimitExceeded".to_owned(), message };
    Report::failed(error)
}

/// The answer to an execution that failed. Whoever needs no token to execute a public function is not told how.
fn failed(task_id: &str, error: &StepError, is_known: bool) -> Refusal {
    let failure = failure(error).with("taskId", task_id);
    if is_known { failure.with("runtimeError", shown(error)) } else { failure }
}

/// The refusal that says that a script failed or could not run, without its error.
pub(crate) fn failure(error: &StepError) -> Refusal {
    match error.kind.as_deref() {
        Some("invocation") => {
            bad(1405, "LAMBDA_INVOCATION_EXCEPTION", format!("the function could not be run: {}", error.message))
        }
        _ => bad(1406, "LAMBDA_RUNTIME_EXCEPTION", "running the function resulted in a runtime error"),
    }
}

/// An error as it is shown to those who may see it.
pub(crate) fn shown(error: &StepError) -> Value {
    json!({"name": error.name, "message": error.message})
}

/// Builds one of the refusals that only functions have.
pub(crate) fn bad(code: u32, name: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, name, message)
}
