//! API functions: the script of a function answers an HTTP request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest as _, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use shared::auth::{Caller, Permission};
use shared::event::StepError;
use shared::http::{Called, ErrorBody, RawBody, SourceAddress};
use shared::step::Marked;
use shared::{Error, Refusal};
use tokio::time::timeout;

use super::execute::{bad, failure, shown, timed_out};
use crate::access::{Granted, grant};
use crate::api_function::event::{ApiCall, path_below};
use crate::api_function::result::{self, ApiResult};
use crate::direct::{self, Place};
use crate::runner::emitter::Origin;
use crate::sandbox::{BeforeEffect, Log, LogLine, Report};
use crate::services::Services;
use crate::store::api_request::ApiRequest;
use crate::{lambda, run};

/// Lets an API function answer a request for its root.
///
/// The script gets the request as an event of API Gateway and returns `{statusCode, headers, body, isBase64Encoded}`. Needs
/// the permission `EXECUTE_API_FUNCTION` or `EXECUTE_API_FUNCTION:<name>`, unless the `permissionMode` of the function says
/// otherwise.
#[utoipa::path(
    method(get, post, put, patch, delete, head, options), path = "/tasks/v1/api/{name}", tag = "api functions",
    params(("name" = String, Path, description = "The name of the function.")),
    responses(
        (status = 200, description = "Whatever the function answers, with a status of 200 to 499."),
        (status = 400, description = "The script failed (1405, 1406, 1409) or could not run (1411, 1412).", body = ErrorBody),
    )
)]
pub(crate) async fn call_root(
    State(services): State<Arc<Services>>,
    Path(name): Path<String>,
    caller: Option<Caller>,
    called: Called,
    source: SourceAddress,
    request: Request,
) -> Result<Response, Refusal> {
    answer(services, name, caller, called, source, request).await
}

/// Lets an API function answer a request for a path of its own.
#[utoipa::path(
    method(get, post, put, patch, delete, head, options), path = "/tasks/v1/api/{name}/{*path}", tag = "api functions",
    params(
        ("name" = String, Path, description = "The name of the function."),
        ("path" = String, Path, description = "The path that the function sees."),
    ),
    responses(
        (status = 200, description = "Whatever the function answers, with a status of 200 to 499."),
        (status = 400, description = "The script failed (1405, 1406, 1409) or could not run (1411, 1412).", body = ErrorBody),
    )
)]
pub(crate) async fn call(
    State(services): State<Arc<Services>>,
    Path(names): Path<(String, String)>,
    caller: Option<Caller>,
    called: Called,
    source: SourceAddress,
    request: Request,
) -> Result<Response, Refusal> {
    answer(services, names.0, caller, called, source, request).await
}

async fn answer(
    services: Arc<Services>,
    name: String,
    caller: Option<Caller>,
    called: Called,
    source: SourceAddress,
    request: Request,
) -> Result<Response, Refusal> {
    let permission = Permission::ExecuteApiFunction;
    let granted = grant(&services.functions, permission, &name, caller, request.headers(), called.query()).await?;
    if granted.function.time_limit > direct::TIME_LIMIT_S {
        let message = format!(
            "the time limit of the function is {} seconds, and an API function takes at most {}",
            granted.function.time_limit,
            direct::TIME_LIMIT_S
        );
        return Err(bad(1411, "TIME_LIMIT_EXCEEDS_API_FUNCTION_MAXIMUM_EXCEPTION", message));
    }
    let place = services.places.take(&granted.tenant, &name).ok_or_else(|| {
        let message = "too many requests to this function or to those of its tenant are being answered";
        Refusal { retry_after_s: Some(1), ..bad(1412, "CONCURRENT_API_FUNCTION_LIMIT_EXCEPTION", message) }
    })?;
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let RawBody(body) = RawBody::from_request(request, &()).await?;
    let path = path_below(called.path());
    let query = called.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut record = services.api_requests.begin(&granted.tenant, &name, services.clock.now());
    record.method = method.to_string();
    record.path = format!("{path}{query}");
    record.client_id.clone_from(&granted.client_id);
    record.application_id.clone_from(&granted.application_id);
    let event = ApiCall {
        id: &record.id,
        method: method.as_str(),
        path,
        query: called.query(),
        headers: &headers,
        body: &body,
        client_id: granted.client_id.as_deref(),
        source: source.get(),
        time: record.timestamp,
    };
    let event = event.event()?;
    // On a task of its own, so that it ends properly when the client does not wait for the answer.
    let performed = tokio::spawn(perform(services, granted, record, event, method, place));
    performed.await.map_err(Error::cannot("let an API function answer"))?
}

/// Runs the script and writes down what came of it.
async fn perform(
    services: Arc<Services>,
    granted: Granted,
    mut record: ApiRequest,
    event: String,
    method: Method,
    _place: Place,
) -> Result<Response, Refusal> {
    let Services { functions, runner, sandbox, invoker, clock, .. } = &*services;
    let Granted { tenant, function, client_id, .. } = &granted;
    let log = Log::default();
    let before_effect = marks_effect(&services, &record);
    let run = async {
        if let Some(target) = &function.lambda {
            let time_limit = Duration::from_secs(function.time_limit.into()).min(direct::TIME);
            return lambda::run(invoker, target, event, time_limit, before_effect, clock).await;
        }
        let program = functions.program(tenant, function).await?;
        let mut script = run::script(tenant, function, program, event, direct::TIME);
        script.limits.result_bytes = result::LIMIT_BYTES;
        let origin = Origin::of_request(tenant, &function.name, &record.id);
        let place = sandbox.place(&script.tenant, &script.file_name, 0).await?;
        runner.run(Some(function), script, origin, before_effect, place, &log).await
    };
    let report = timeout(direct::PATIENCE, Box::pin(run)).await;
    let now = clock.now();
    let (outcome, lines) = match report.unwrap_or_else(|_| Ok(timed_out())) {
        Ok(Report { result, mut lines, .. }) => {
            let outcome = result.and_then(|result| ApiResult::read(result).map_err(invalid));
            if let Ok(result) = &outcome {
                let note = |name: &String| format!("the header {name} was left out, as a function cannot set it");
                lines.extend(result.left_out.iter().map(|name| LogLine { message: note(name), timestamp: now }));
            }
            (outcome.map_err(|error| (refusal(&error, &record.id, client_id.is_some()), error)), lines)
        }
        Err(error) => {
            let unavailable =
                StepError::invocation("ServiceUnreachable", "a service behind the function does not answer");
            (Err((Refusal::from(error), unavailable)), Vec::new())
        }
    };
    record.duration_ms = Some(now.as_millisecond() - record.timestamp.as_millisecond());
    record.status_code =
        Some(outcome.as_ref().map_or_else(|(refusal, _)| refusal.status, |result| result.status).as_u16());
    record.error = outcome.as_ref().err().map(|(_, error)| error.clone());
    if let Err(error) = services.api_requests.end(tenant, &record, lines).await {
        // What the script did cannot be undone, so that its answer is what the client has to get.
        tracing::error!(request = record.id, error = error.chain(), "a request to an API function was not recorded");
    }
    match outcome {
        Ok(result) => Ok(result.into_response(&method)),
        Err((refusal, _)) if method == Method::HEAD => Ok(refusal.status.into_response()),
        Err((refusal, _)) => Err(refusal),
    }
}

/// Writes the record of a request before its script acts for the first time.
fn marks_effect(services: &Arc<Services>, record: &ApiRequest) -> BeforeEffect {
    let (services, record) = (services.clone(), record.clone());
    Arc::new(move || {
        let (services, record) = (services.clone(), record.clone());
        Box::pin(async move { services.api_requests.put(&record).await.map(|()| Marked::default()) })
    })
}

fn invalid(message: String) -> StepError {
    StepError { kind: Some("response".to_owned()), name: result::INVALID.to_owned(), message }
}

/// The answer to a request whose script failed. Whoever needs no token to call a public function is not told how, but which
/// request its owner can look up.
fn refusal(error: &StepError, request_id: &str, is_known: bool) -> Refusal {
    let refusal = match error.kind.as_deref() {
        Some("response") if is_known => bad(1409, "INVALID_API_FUNCTION_RESULT_EXCEPTION", &*error.message),
        Some("response") => {
            let message = format!(
                "what the function returned is not an answer: the record of the request {request_id} in \
                 /tasks/v1/apiRequests, or the same request with an access token, says why"
            );
            bad(1409, "INVALID_API_FUNCTION_RESULT_EXCEPTION", message)
        }
        _ => failure(error),
    };
    let is_runtime = refusal.code == 1406;
    let refusal = refusal.with("requestId", request_id);
    if is_runtime && is_known { refusal.with("runtimeError", shown(error)) } else { refusal }
}
