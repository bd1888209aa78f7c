//! `/channels/{channelId}/health` and `/validate`: health checks of channels and credentials, made at the platform.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use platform::chat::{Access, Chat, Problem};
use platform::credentials::Credentials;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::Caller;
use shared::http::RawBody;
use shared::json;
use shared::outbound::Outbound;
use tokio::time::Instant;

use crate::api::ChannelPath;
use crate::open_channel::{OpenChannel, unknown};
use crate::refusal::refusal;
use crate::send::{access, attempt};
use crate::services::Services;

const TIMEOUT: Duration = Duration::from_secs(8);

/// The health of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// Whether the platform answers and accepts the credentials.
    status: HealthStatus,
    /// The status in words.
    message: String,
    /// What the platform says about the account, or its error code.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
    /// How long the platform took to answer, in milliseconds.
    latency_ms: u64,
}

/// Whether a channel works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum HealthStatus {
    /// The platform answers and accepts the credentials.
    Healthy,
    /// It does not.
    Unhealthy,
}

/// Whether credentials are valid.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Validation {
    /// Whether the platform accepts them.
    valid: bool,
    /// The health check with them.
    #[serde(flatten)]
    health: Health,
}

/// The body of `POST /channels/{channelId}/validate`, which may be absent.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub(crate) struct Candidate {
    /// The credentials to check; the channel's own unless given.
    #[schema(value_type = Option<Object>)]
    credentials: Option<Value>,
}

/// Checks the health of a channel at its platform.
#[utoipa::path(
    get, path = "/channels/{channelId}/health", tag = "channels",
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses((status = 200, description = "The result of the health check, also if it fails", body = Health)),
)]
pub(crate) async fn check(
    State(services): State<Arc<Services>>,
    caller: Caller,
    ChannelPath(id): ChannelPath,
) -> Result<Json<Health>, Refusal> {
    let channel = services.open_channels.of_tenant(&id, caller.tenant_id(), services.clock.now()).await?;
    let channel = channel.ok_or_else(|| unknown(&id))?;
    let (chat, access) = access(&channel, None)?;
    ask(&services.outbound, chat, &access).await.map(Json)
}

/// Checks credentials at the platform, without storing them.
#[utoipa::path(
    post, path = "/channels/{channelId}/validate", tag = "channels",
    request_body(content = Option<Candidate>, description = "Credentials other than the channel's"),
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses((status = 200, description = "The result of the health check, also if it fails", body = Validation)),
)]
pub(crate) async fn validate(
    State(services): State<Arc<Services>>,
    caller: Caller,
    ChannelPath(id): ChannelPath,
    RawBody(body): RawBody,
) -> Result<Json<Validation>, Refusal> {
    let channel = services.open_channels.of_tenant(&id, caller.tenant_id(), services.clock.now()).await?;
    let channel = channel.ok_or_else(|| unknown(&id))?;
    let candidate = candidate(&channel, &body)?;
    let (chat, access) = access(&channel, candidate.as_ref())?;
    let health = ask(&services.outbound, chat, &access).await?;
    Ok(Json(Validation { valid: health.status == HealthStatus::Healthy, health }))
}

/// Reads credentials other than the channel's own, and checks them by the same rules.
fn candidate(channel: &OpenChannel, body: &Bytes) -> Result<Option<Credentials>, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let candidate: Candidate = json::read(body)?;
    let credentials = candidate.credentials.map(Credentials::parse).transpose().map_err(refusal)?;
    if let Some(credentials) = &credentials {
        channel.settings.verifier(credentials).map(|_| ())?;
    }
    Ok(credentials)
}

async fn ask(outbound: &Outbound, chat: &dyn Chat, access: &Access<'_>) -> Result<Health, Refusal> {
    let request = chat.health_request(access).map_err(refusal)?;
    let started = Instant::now();
    let answer = attempt::call(outbound, &request, TIMEOUT).await;
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = answer.map_err(|error| Problem::new("NO_ANSWER", error.to_string()));
    let (status, message, details) = match answer.and_then(|answer| chat.parse_health(&answer)) {
        Ok(details) => (HealthStatus::Healthy, "the platform accepts the credentials".to_owned(), details),
        Err(Problem { code, message }) => {
            (HealthStatus::Unhealthy, message, Map::from_iter([("code".to_owned(), code.into())]))
        }
    };
    Ok(Health { status, message, details, latency_ms })
}
