//! How a channel is: its platform is really asked.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::http::{ErrorBody, RawBody, read_json};
use tokio::time::Instant;

use crate::Webhook;
use crate::channel::open::OpenChannel;
use crate::refusal::refusal;
use crate::registry::{ChannelPath, unknown};
use crate::send::{access, attempt};
use platform::chat::{Access, Chat, Problem};
use platform::credentials::Credentials;

const TIMEOUT: Duration = Duration::from_secs(8);

/// How a channel is.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// Whether the platform answers and takes the credentials.
    status: HealthStatus,
    /// The same in words.
    message: String,
    /// What the platform says about the account, or its code for what is wrong.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
    /// How long the platform took to answer, in milliseconds.
    latency_ms: u64,
}

/// Whether a channel works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum HealthStatus {
    /// The platform answers and takes the credentials.
    Healthy,
    /// It does not.
    Unhealthy,
}

/// Whether credentials are good.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Validation {
    /// Whether the platform takes them.
    valid: bool,
    /// What the platform says.
    #[serde(flatten)]
    health: Health,
}

/// The body of `POST /channels/{channelId}/validate`, which may be absent.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub(crate) struct Candidate {
    /// The credentials to ask about; the channel's own unless given.
    #[schema(value_type = Option<Object>)]
    credentials: Option<Value>,
}

/// Asks the platform how a channel is.
#[utoipa::path(
    get, path = "/channels/{channelId}/health", tag = "channels",
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses(
        (status = 200, description = "What the platform says, also if that is no good", body = Health),
        (status = 400, description = "The platform cannot be asked", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission VIEW_CHANNELS", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
    ),
)]
pub(crate) async fn health(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
) -> Result<Json<Health>, Refusal> {
    let channel = webhook.channels.get(&id).await?.ok_or_else(|| unknown(&id))?;
    let (chat, access) = access(&channel, None)?;
    webhook.ask(chat, &access).await.map(Json)
}

/// Asks the platform whether credentials are good, without keeping them.
#[utoipa::path(
    post, path = "/channels/{channelId}/validate", tag = "channels",
    request_body(content = Option<Candidate>, description = "Other credentials than the channel's"),
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses(
        (status = 200, description = "What the platform says, also if that is no good", body = Validation),
        (status = 400, description = "The platform cannot be asked, or a credential is missing", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission UPDATE_CHANNELS", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
    ),
)]
pub(crate) async fn validate(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
    RawBody(body): RawBody,
) -> Result<Json<Validation>, Refusal> {
    let channel = webhook.channels.get(&id).await?.ok_or_else(|| unknown(&id))?;
    let candidate = candidate(&channel, &body)?;
    let (chat, access) = access(&channel, candidate.as_ref())?;
    let health = webhook.ask(chat, &access).await?;
    Ok(Json(Validation { valid: health.status == HealthStatus::Healthy, health }))
}

/// Reads other credentials than the channel's own, and checks them as if they were to become these.
fn candidate(channel: &OpenChannel, body: &Bytes) -> Result<Option<Credentials>, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let candidate: Candidate = read_json(body)?;
    let credentials = candidate.credentials.map(Credentials::parse).transpose().map_err(refusal)?;
    if let Some(credentials) = &credentials {
        channel.definition.verifier(credentials).map(|_| ())?;
    }
    Ok(credentials)
}

impl Webhook {
    async fn ask(&self, chat: &dyn Chat, access: &Access<'_>) -> Result<Health, Refusal> {
        let call = chat.health_request(access).map_err(refusal)?;
        let started = Instant::now();
        let answer = self.outbound.send(attempt::request(&call, TIMEOUT)).await;
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let asked = match answer {
            Ok(answer) => chat.parse_health(&attempt::answer(answer)),
            Err(error) => Err(Problem::new("NO_ANSWER", error.to_string())),
        };
        Ok(match asked {
            Ok(details) => {
                let message = "the platform takes the credentials".to_owned();
                Health { status: HealthStatus::Healthy, message, details, latency_ms }
            }
            Err(Problem { code, message }) => {
                let details = Map::from_iter([("code".to_owned(), code.into())]);
                Health { status: HealthStatus::Unhealthy, message, details, latency_ms }
            }
        })
    }
}
