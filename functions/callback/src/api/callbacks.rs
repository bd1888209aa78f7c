//! Callbacks for clients: create one, look at it, wait for it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::auth::Caller;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::event::TenantId;
use shared::http::JsonBody;
use tokio::time::{Instant, sleep};

use crate::Services;
use crate::creation::{self, Created};
use crate::ending;
use crate::expiry::{self, Lifetime};
use crate::schema;
use crate::store::{Callback, CallbackSpec, CallbackState, Store};

/// The longest wait; an HTTP API gives up after 30 seconds.
const WAIT_LIMIT_S: u64 = 25;
/// How often a wait reads the record.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// A new callback.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewCallback {
    /// A JSON Schema that the caller's body must satisfy, as JSON or as text with JSON in it.
    #[serde(default)]
    schema: Value,
    /// After how many seconds it expires; never unless given.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<Lifetime>,
}

/// A callback, without its secrets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallbackView {
    /// The callback's id.
    id: String,
    /// Where it is in its life.
    state: CallbackState,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    creation_timestamp: Timestamp,
    /// When it expires if nobody calls it.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    expiry_timestamp: Option<Timestamp>,
    /// When it was called or expired.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    date: Option<Timestamp>,
    /// Whether a schema guards it.
    has_schema: bool,
    /// How many steps wait for it, or did when it ended.
    waiting_steps: usize,
}

/// A callback at the end of a wait.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WaitResult {
    /// The callback's id.
    id: String,
    /// Where it is in its life.
    state: CallbackState,
    /// When it was called or expired.
    #[serde(with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    date: Option<Timestamp>,
    /// What the caller sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

/// Creates a callback; the answer alone shows its URL and token.
#[utoipa::path(
    post, path = "/callbacks", tag = "callbacks", request_body = NewCallback,
    responses((status = 200, description = "The callback.", body = Created))
)]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewCallback>,
) -> Result<Json<Created>, Refusal> {
    let Services { store, scheduler, urls, checks, clock, .. } = &services;
    let invalid = |rule: String| Refusal::field("schema", format!("is invalid: {rule}"));
    let schema = schema::normalised(&new.schema).map_err(invalid)?;
    if let Some(schema) = &schema {
        checks.check_schema(schema).await?.map_err(invalid)?;
    }
    let now = clock.now();
    let spec = CallbackSpec {
        id: store.draw_id(),
        tenant_id: caller.tenant_id().clone(),
        schema,
        deadline: new.expires_in_seconds.map(|lifetime| expiry::deadline(lifetime, now)),
        created_by: None,
    };
    Ok(Json(creation::create(store, scheduler, &urls.of(&headers)?, now, spec).await?))
}

/// Shows a callback, without its token, schema and body.
#[utoipa::path(
    get, path = "/callbacks/{id}", tag = "callbacks",
    responses((status = 200, description = "The callback.", body = CallbackView))
)]
pub(crate) async fn get(
    State(store): State<Store>,
    State(bus): State<Bus>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<CallbackView>, Refusal> {
    let callback = find(&store, &bus, clock.now(), caller.tenant_id(), &id).await?;
    Ok(Json(CallbackView {
        id: callback.callback_id,
        state: callback.state,
        creation_timestamp: callback.created_at,
        expiry_timestamp: callback.deadline_ms.and_then(|deadline_ms| Timestamp::from_millisecond(deadline_ms).ok()),
        date: callback.ended_at,
        has_schema: callback.schema.is_some(),
        waiting_steps: callback.waiters.len(),
    }))
}

/// Waits for a callback for some seconds and returns what the caller sent, or that it still waits.
#[utoipa::path(
    get, path = "/callbacks/{id}/wait", tag = "callbacks",
    params(
        ("id" = String, Path, description = "The callback's id."),
        ("timeoutSeconds" = Option<u64>, Query, description = "How long to wait, 0 to 25 seconds; 0 unless given."),
    ),
    responses((status = 200, description = "The callback after the wait.", body = WaitResult))
)]
pub(crate) async fn wait(
    State(store): State<Store>,
    State(bus): State<Bus>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<WaitResult>, Refusal> {
    let until = Instant::now() + timeout(query.as_deref())?;
    loop {
        let callback = find(&store, &bus, clock.now(), caller.tenant_id(), &id).await?;
        if callback.state != CallbackState::Waiting || Instant::now() >= until {
            let body = store.body(&callback).await?;
            let Callback { callback_id: id, state, ended_at: date, .. } = callback;
            return Ok(Json(WaitResult { id, state, date, body }));
        }
        sleep(POLL_INTERVAL.min(until - Instant::now())).await;
    }
}

/// Returns a callback of a tenant.
async fn find(store: &Store, bus: &Bus, now: Timestamp, tenant: &TenantId, id: &str) -> Result<Callback, Refusal> {
    let callback = ending::current(store, bus, now, id).await?.filter(|callback| callback.tenant_id == *tenant);
    callback.ok_or_else(|| Refusal::unknown("callback", id.get(..64).unwrap_or(id)))
}

fn timeout(query: Option<&str>) -> Result<Duration, Refusal> {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, value)) = parameters.find(|(name, _)| name == "timeoutSeconds") else { return Ok(Duration::ZERO) };
    let seconds = value.parse().ok().filter(|seconds| *seconds <= WAIT_LIMIT_S);
    let rule = || Refusal::field("timeoutSeconds", format!("must be a whole number from 0 to {WAIT_LIMIT_S}"));
    seconds.map(Duration::from_secs).ok_or_else(rule)
}
