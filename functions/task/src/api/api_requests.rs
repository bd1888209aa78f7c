//! What was asked of API functions: a list of the requests, and what their scripts printed.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::event::{StepError, TenantId};
use shared::http::List;
use shared::list::{self, Found, Source};
use shared::rql::Rql;
use shared::seal::Resealed;

use super::execute::bad;
use crate::direct;
use crate::sandbox::LogLine;
use crate::services::Services;
use crate::store::api_request::{ApiRequest, ApiRequests};

/// How many lines a response has at most.
const PAGE_LINES: usize = 100;
/// What the error of a request is called whose process ended before its script did, as that of a task is.
const INTERRUPTED: &str = "zombieTaskCleaned";

/// A request to an API function.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiRequestView {
    /// The id: 24 hex digits.
    id: String,
    /// The function.
    function_name: String,
    /// The method.
    method: String,
    /// The path after the name of the function, and the query.
    path: String,
    /// The client that asked, unless the function is public.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// The same client.
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<String>,
    /// The status of the answer; absent while the script runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// When it was received.
    #[serde(with = "shared::clock::iso")]
    timestamp: Timestamp,
    /// How long it took, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    /// Why the function did not answer: `invocation`, it could not run; `runtime`, it failed; `response`, what it returned is
    /// not an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

/// Lists the requests to API functions, newest first.
///
/// A query that would have to look at more than 200,000 requests is refused as a long query: `ge(timestamp,…)` makes it
/// shorter.
#[utoipa::path(
    get, path = "/tasks/v1/apiRequests", tag = "api functions",
    responses((status = 200, description = "A page of requests; the query string is RQL.", body = List<ApiRequestView>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<ApiRequestView>(query.as_deref())?;
    let (requests, tenant, now) = (&services.api_requests, caller.tenant_id(), services.clock.now());
    list::list(&query, &RequestSource { requests, tenant, now }).await.map(Json)
}

/// Where the requests of a tenant are.
struct RequestSource<'a> {
    requests: &'a ApiRequests,
    tenant: &'a TenantId,
    now: Timestamp,
}

impl Source for RequestSource<'_> {
    type Item = ApiRequestView;
    type Entry = ApiRequest;

    async fn find(&self, query: &Rql) -> Result<Found<'_, Self>, Refusal> {
        if let Some(ids) = query.texts("id") {
            let mut found = self.requests.of_ids(self.tenant, &ids).await?;
            found.sort_by(|one, other| other.id.cmp(&one.id));
            return Ok(Found::Entries(found));
        }
        Ok(Found::Index(Box::new(self.requests.index(self.tenant, self.now).span(query.span("timestamp")))))
    }

    fn partly(&self, request: &ApiRequest) -> ApiRequestView {
        view(request.clone(), self.now)
    }
}

/// Lists the lines that the script of a request printed.
#[utoipa::path(
    get, path = "/tasks/v1/apiRequests/{id}/logs", tag = "api functions",
    responses(
        (status = 200, description = "The first lines; `ge(timestamp,…)` selects later ones.", body = List<LogLine>),
    )
)]
pub(crate) async fn logs(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let parsed = Rql::parse::<LogLine>(query.as_deref())?;
    let query = query.unwrap_or_default();
    if !query.is_empty() && (!query.starts_with("ge(timestamp,") || query.contains('&')) {
        return Err(Refusal::invalid_rql("logs are selected by `ge(timestamp,…)` only"));
    }
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::id_format("the id of a request must be 24 hex digits"));
    }
    let (requests, tenant) = (&services.api_requests, caller.tenant_id());
    requests.get(tenant, &id).await?.ok_or_else(|| Refusal::unknown("request", &id))?;
    let lines = requests.logs(tenant, &id).await?;
    if lines.is_empty() {
        return Err(bad(1413, "NO_API_REQUEST_LOGS_FOUND_EXCEPTION", "the script of the request has printed nothing"));
    }
    Ok(Json(list::few(&parsed.pages_of(PAGE_LINES), &lines)?.without_total()))
}

/// Seals a batch of requests and logs with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/tasks/v1/apiRequests/rotate", tag = "api functions",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.api_requests.reseal().await?))
}

/// Shows a request; one that cannot be running any more was interrupted.
fn view(request: ApiRequest, now: Timestamp) -> ApiRequestView {
    let age = now.duration_since(request.timestamp);
    let is_interrupted =
        request.status_code.is_none() && age > SignedDuration::try_from(direct::PATIENCE * 2).unwrap_or_default();
    let interrupted = || {
        let message = "the process that ran the function ended after the script had begun to act";
        StepError::invocation(INTERRUPTED, message)
    };
    ApiRequestView {
        id: request.id,
        function_name: request.function_name,
        method: request.method,
        path: request.path,
        user_id: request.client_id.clone(),
        application_id: request.application_id.or(request.client_id),
        status_code: request.status_code,
        timestamp: request.timestamp,
        #[expect(clippy::cast_precision_loss, reason = "a request lasts for less than a minute")]
        duration: request.duration_ms.map(|ms| ms as f64 / 1_000.0),
        error: request.error.or_else(|| is_interrupted.then(interrupted)),
    }
}
