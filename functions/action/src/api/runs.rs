//! Runs over HTTP: run now, and look at runs.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use shared::auth::{Caller, Permission};
use shared::clock::derived_hex24;
use shared::event::TenantId;
use shared::http::{Api, ErrorBody, IdempotencyKey, JsonBody, List};
use shared::list::{Found, Source};
use shared::rql::Rql;
use shared::step::Once;
use shared::{Error, Refusal};
use utoipa_axum::routes;

use crate::failure::{Failure, FailureType};
use crate::run::ask::{Ask, RunBody};
use crate::run::view::{RunResult, RunSummary, RunView};
use crate::run::{self, Asker, REQUEST};
use crate::services::Services;
use crate::store::run::{RunEntry, RunRecord, Runs, Status};

/// Adds the routes.
pub(crate) fn routes(api: Api<Arc<Services>>) -> Api<Arc<Services>> {
    api.permission(Permission::RunActions, routes!(run))
        .permission(Permission::ViewActionRuns, routes!(list))
        .permission(Permission::ViewActionRuns, routes!(get))
}

/// Runs an action of an app and answers with its output.
///
/// The same `Idempotency-Key` from the same client is the same run: it is answered with what was recorded. A failed run is
/// answered with a `type` such as `RATE_LIMITED`, the `violations` of the input if it breaks rules, the HTTP `status` of the
/// app's answer, the `attempts` and the `run_id`. No answer has the status 401, which only says that your own access token
/// is not valid.
#[utoipa::path(
    post, path = "/actions/run", tag = "actions", request_body = RunBody,
    params(
        ("full" = Option<bool>, Query, description = "Whether the answer says more than the output."),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes."),
    ),
    responses(
        (status = 200, description = "The output of the action; with `full=true` all of this.", body = RunResult,
            headers(
                ("x-hookyard-run-id" = String, description = "The id of the run."),
                ("x-hookyard-status" = String, description = "`success` or `fail`."),
                ("x-hookyard-attempts" = u32, description = "How many requests were sent."),
                ("x-hookyard-duration-ms" = u64, description = "How long it took."),
                ("x-hookyard-cache" = String, description = "`none`, `miss`, `hit` or `joined`."),
            )),
        (status = 400, description = "The body or the input breaks rules, each of which is named.", body = ErrorBody),
        (status = 403, description = "The session is not valid, or a secret may not be used here.", body = ErrorBody),
        (status = 404, description = "No such product, environment, access tag, action or cache exists, or the app answered \
            404, which `status` says.", body = ErrorBody),
        (status = 409, description = "A run with this `Idempotency-Key` is in progress.", body = ErrorBody),
        (status = 429, description = "The app is called too often; see `Retry-After`.", body = ErrorBody),
        (status = 502, description = "The app refused the request, failed, or could not be reached.", body = ErrorBody),
        (status = 503, description = "The app is not available, or its circuit is open; see `Retry-After`.",
            body = ErrorBody),
        (status = 504, description = "The app did not answer in time; `OUTCOME_UNKNOWN` if it may have acted.",
            body = ErrorBody),
    ),
)]
pub(crate) async fn run(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
    key: IdempotencyKey,
    JsonBody(body): JsonBody<RunBody>,
) -> Result<Response, Refusal> {
    let is_full = is_full(query.as_deref())?;
    let ask = Ask::of(body)?;
    let id = match key.as_bytes() {
        None => services.ids.hex24(),
        Some(key) => {
            let of = [caller.tenant_id().as_str().as_bytes(), caller.client_id().as_bytes()];
            derived_hex24(&[b"action run", of[0], of[1], key])
        }
    };
    let asker = Asker::Client(caller.client_id().to_owned());
    let record = run::record(&services, id, caller.tenant_id(), asker, &ask);
    let fingerprint = record.fingerprint.clone();
    // On a task of its own, so that it ends properly when the client does not wait for the answer.
    let task = tokio::spawn(async move {
        let work = |record| Box::pin(run::go(&services, &ask, record, REQUEST));
        Box::pin(services.runs.once(record, REQUEST.policy(), work)).await
    });
    let record = match task.await.map_err(Error::cannot("run an action"))?? {
        Once::Done(record) => record,
        Once::NotDue(_) | Once::Here | Once::Elsewhere => return Err(in_progress()),
        Once::Missing => return Err(Error::new("run an action", "its record is gone").into()),
    };
    if record.fingerprint != fingerprint {
        return Err(Refusal::field("Idempotency-Key", "was used for another run"));
    }
    answer(&record, is_full)
}

fn in_progress() -> Refusal {
    let message = "a run with this `Idempotency-Key` is in progress";
    let refusal = Refusal::new(StatusCode::CONFLICT, 27, "ILLEGAL_STATE_EXCEPTION", message);
    Refusal { retry_after_s: Some(1), ..refusal }
}

/// Reads the query, which has `full` at most.
fn is_full(query: Option<&str>) -> Result<bool, Refusal> {
    let mut is_full = false;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        is_full = match (&*name, &*value) {
            ("full", "true" | "1" | "") => true,
            ("full", "false" | "0") => false,
            ("full", _) => return Err(Refusal::field("full", "must be true or false")),
            _ => return Err(Refusal::illegal_argument(shared::nearest::unknown("parameter", &name, ["full"]))),
        };
    }
    Ok(is_full)
}

/// The answer to a run that has ended.
fn answer(record: &RunRecord, is_full: bool) -> Result<Response, Refusal> {
    let mut response = match &record.detail.failure {
        Some(failure) => refusal(record, failure).into_response(),
        None if is_full => Json(RunResult::of(record)).into_response(),
        None => Json(output(record)?).into_response(),
    };
    let view = RunSummary::from(record);
    let headers: [(&str, String); 5] = [
        ("x-hookyard-run-id", record.action_run_id.clone()),
        ("x-hookyard-status", if record.status == Status::Success { "success" } else { "fail" }.to_owned()),
        ("x-hookyard-attempts", record.detail.attempts.len().to_string()),
        ("x-hookyard-duration-ms", view.duration_ms.unwrap_or_default().to_string()),
        ("x-hookyard-cache", record.summary.cache.name().to_owned()),
    ];
    let headers = headers
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?)));
    response.headers_mut().extend(headers.collect::<HeaderMap>());
    Ok(response)
}

/// Returns the output of a run that has succeeded, as long as somebody has it.
fn output(record: &RunRecord) -> Result<Value, Refusal> {
    match (&record.output, record.detail.is_output_dropped) {
        (Some(output), _) => Ok(output.clone()),
        (None, true) => {
            let message = "the run has succeeded, and its output was too large to be kept";
            Err(Refusal::new(StatusCode::GONE, 27, "ILLEGAL_STATE_EXCEPTION", message)
                .with("run_id", record.action_run_id.clone()))
        }
        (None, false) => Ok(RunResult::of(record).output),
    }
}

/// The answer to a run that has failed. It never has the status with which our own tokens are refused.
fn refusal(record: &RunRecord, failure: &Failure) -> Refusal {
    let is_of_app = failure.status.is_some();
    let (status, code, name) = match failure.kind {
        FailureType::ValidationError => (StatusCode::BAD_REQUEST, 15, "FIELD_FORMAT_EXCEPTION"),
        FailureType::NotFound => (StatusCode::NOT_FOUND, 16, "RESOURCE_UNKNOWN_EXCEPTION"),
        FailureType::Unauthorized | FailureType::Forbidden if !is_of_app => {
            (StatusCode::FORBIDDEN, 26, "ILLEGAL_ARGUMENT_EXCEPTION")
        }
        FailureType::RateLimited => (StatusCode::TOO_MANY_REQUESTS, 4, "SERVICE_UNREACHABLE_EXCEPTION"),
        FailureType::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, 4, "SERVICE_UNREACHABLE_EXCEPTION"),
        FailureType::Timeout | FailureType::OutcomeUnknown => {
            (StatusCode::GATEWAY_TIMEOUT, 4, "SERVICE_UNREACHABLE_EXCEPTION")
        }
        FailureType::Unauthorized
        | FailureType::Forbidden
        | FailureType::ConnectionError
        | FailureType::RequestFailed
        | FailureType::InvalidResponse => (StatusCode::BAD_GATEWAY, 4, "SERVICE_UNREACHABLE_EXCEPTION"),
    };
    let mut refusal = Refusal::new(status, code, name, failure.message.clone());
    let seconds = failure.retry_after_ms.map(|ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1));
    refusal.retry_after_s = seconds.filter(|_| [429, 503].contains(&status.as_u16()));
    let refusal = refusal.with("type", failure.kind.name()).with("run_id", record.action_run_id.clone());
    let refusal = match failure.status {
        Some(status) => refusal.with("status", status),
        None => refusal,
    };
    let refusal = match record.detail.response.as_ref().map(serde_json::to_value) {
        Some(Ok(response)) => refusal.with("response", response),
        _ => refusal,
    };
    let to_value = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
    refusal
        .with("violations", to_value(serde_json::to_value(&failure.violations)))
        .with("attempts", to_value(serde_json::to_value(&record.detail.attempts)))
}

/// Lists the runs of actions, newest first, without what they sent and got.
///
/// `ge(start,…)` and `le(start,…)` narrow what has to be read. A query that would have to look at more than 200,000 runs is
/// refused as a long query.
#[utoipa::path(
    get, path = "/actions/runs", tag = "actions",
    responses((status = 200, description = "One page of runs; the query string is RQL.", body = List<RunSummary>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<RunSummary>(query.as_deref())?;
    let (runs, tenant, now) = (services.runs.store(), caller.tenant_id(), services.clock.now());
    shared::list::list(&query, &RunSource { runs, tenant, now }).await.map(Json)
}

/// Where the runs of a tenant are.
struct RunSource<'a> {
    runs: &'a Runs,
    tenant: &'a TenantId,
    now: Timestamp,
}

impl Source for RunSource<'_> {
    type Item = RunSummary;
    type Entry = RunEntry;

    async fn find(&self, query: &Rql) -> Result<Found<'_, Self>, Refusal> {
        if let Some(ids) = query.texts("run_id") {
            let found = self.runs.of_ids(self.tenant, &ids).await?;
            let mut found: Vec<RunEntry> = found.iter().map(RunEntry::from).collect();
            found.sort_by_key(|entry| Reverse(entry.started_at));
            return Ok(Found::Entries(found));
        }
        Ok(Found::Index(Box::new(self.runs.index(self.tenant, self.now).span(query.span("start")))))
    }

    fn partly(&self, entry: &RunEntry) -> RunSummary {
        RunSummary::at(entry.clone(), self.now)
    }
}

/// Shows a run: every attempt, the last request as it was sent and the answer to it, with secrets masked.
#[utoipa::path(
    get, path = "/actions/runs/{id}", tag = "actions",
    params(("id" = String, Path, description = "The id of the run: 24 hex digits.")),
    responses((status = 200, description = "The run.", body = RunView))
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RunView>, Refusal> {
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::id_format("the id of a run must be 24 hex digits"));
    }
    let record = services.runs.store().get(caller.tenant_id(), &id).await?;
    let record = record.ok_or_else(|| Refusal::unknown("run", &id))?;
    Ok(Json(RunView::at(&record, services.clock.now())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_a_run_has_full_at_most() {
        let check = |query: &str, expected: Result<bool, &str>| {
            let read = is_full(Some(query)).map_err(|refusal| refusal.message);
            assert_eq!(read.as_ref().map_err(String::as_str).copied(), expected, "{query}");
        };
        check("", Ok(false));
        check("full", Ok(true));
        check("full=true", Ok(true));
        check("full=false", Ok(false));
        check("full=yes", Err("`full` must be true or false"));
        check("ful=true", Err("unknown parameter `ful`: did you mean `full`?"));
    }
}
