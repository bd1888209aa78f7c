//! Callbacks over HTTP, for clients: create one, look at it, wait for it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State as AppState};
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::auth::{ALL_PERMISSIONS, Caller};
use shared::http::{ErrorBody, JsonBody};
use tokio::time::{Instant, sleep};

use crate::Callbacks;
use crate::create::{Created, EXPIRY_LIMIT_S, Wish, parsed};
use crate::schema;
use crate::store::{Callback, State};
use crate::url::base_of;

/// The longest wait; an HTTP API gives up after 30 seconds.
const WAIT_LIMIT_S: u64 = 25;
/// How often a wait looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A new callback.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewCallback {
    /// A JSON Schema that the caller's body must satisfy, as JSON or as text with JSON in it.
    #[serde(default)]
    schema: Value,
    /// After how many seconds it expires; never unless given.
    expires_in_seconds: Option<i64>,
}

/// A callback, without its secrets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallbackView {
    /// The callback's id.
    id: String,
    /// Where it is in its life.
    state: State,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    creation_timestamp: Timestamp,
    /// When it expires if nobody calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expiry_timestamp: Option<Timestamp>,
    /// When it was called or expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    date: Option<Timestamp>,
    /// Whether a schema guards it.
    has_schema: bool,
    /// How many steps wait for it, or did when it ended.
    waiting_steps: usize,
}

/// What a wait found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Waited {
    /// The callback's id.
    id: String,
    /// Where it is in its life.
    state: State,
    /// When it was called or expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    date: Option<Timestamp>,
    /// What the caller sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

/// Creates a callback; the answer alone shows its URL and token.
#[utoipa::path(
    post, path = "/callbacks", tag = "callbacks", request_body = NewCallback,
    responses(
        (status = 200, description = "The callback.", body = Created),
        (status = 400, description = "A field breaks a rule.", body = ErrorBody),
        (status = 401, description = "A permission is missing.", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    AppState(callbacks): AppState<Arc<Callbacks>>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewCallback>,
) -> Result<Json<Created>, Refusal> {
    let schema = schema::normalised(&new.schema).map_err(|rule| Refusal::field("schema", format!(": {rule}")))?;
    if new.expires_in_seconds.is_some_and(|seconds| !(1..=EXPIRY_LIMIT_S).contains(&seconds)) {
        return Err(Refusal::field("expiresInSeconds", format!("must be from 1 to {EXPIRY_LIMIT_S}")));
    }
    let no_host = || Refusal::illegal_argument("the request has no usable Host header and no base URL is configured");
    let base = callbacks.base.clone().or_else(|| base_of(&headers)).ok_or_else(no_host)?;
    let wish = Wish {
        id: callbacks.ids.uuid().to_string(),
        tenant_id: caller.tenant_id().to_owned(),
        schema,
        expires_in_s: new.expires_in_seconds,
        origin: None,
    };
    Ok(Json(callbacks.create(wish, &base).await?))
}

/// Shows a callback, without its token, schema and body.
#[utoipa::path(
    get, path = "/callbacks/{id}", tag = "callbacks", params(("id" = String, Path, description = "The callback's id.")),
    responses(
        (status = 200, description = "The callback.", body = CallbackView),
        (status = 404, description = "No such callback.", body = ErrorBody),
    )
)]
pub(crate) async fn get(
    AppState(callbacks): AppState<Arc<Callbacks>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<CallbackView>, Refusal> {
    let callback = callbacks.seen(&caller, &id).await?;
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
    responses(
        (status = 200, description = "What was found.", body = Waited),
        (status = 404, description = "No such callback.", body = ErrorBody),
    )
)]
pub(crate) async fn wait(
    AppState(callbacks): AppState<Arc<Callbacks>>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Waited>, Refusal> {
    let until = Instant::now() + timeout(query.as_deref())?;
    loop {
        let callback = callbacks.seen(&caller, &id).await?;
        if callback.state != State::Waiting || Instant::now() >= until {
            return callbacks.waited(callback).await.map(Json);
        }
        sleep(LOOK_EVERY.min(until - Instant::now())).await;
    }
}

impl Callbacks {
    /// Returns a callback that the caller may know of.
    async fn seen(&self, caller: &Caller, id: &str) -> Result<Callback, Refusal> {
        let unknown = || Refusal::unknown("callback", id.get(..64).unwrap_or(id));
        let id = uuid::Uuid::parse_str(id).map_err(|_| unknown())?.to_string();
        let sees =
            |callback: &Callback| callback.tenant_id == caller.tenant_id() || caller.require(ALL_PERMISSIONS).is_ok();
        self.current(&id).await?.filter(sees).ok_or_else(unknown)
    }

    async fn waited(&self, callback: Callback) -> Result<Waited, Refusal> {
        let body = match &callback.body {
            Some(body) => Some(parsed(&self.open(&callback, "body", body).await?)?),
            None => None,
        };
        Ok(Waited { id: callback.callback_id, state: callback.state, date: callback.ended_at, body })
    }
}

fn timeout(query: Option<&str>) -> Result<Duration, Refusal> {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, value)) = parameters.find(|(name, _)| name == "timeoutSeconds") else { return Ok(Duration::ZERO) };
    let seconds = value.parse().ok().filter(|seconds| *seconds <= WAIT_LIMIT_S);
    let rule = || Refusal::field("timeoutSeconds", format!("must be a whole number from 0 to {WAIT_LIMIT_S}"));
    seconds.map(Duration::from_secs).ok_or_else(rule)
}
