//! `/webhooks/{channelId}`: what platforms send, and the request with which they verify the URL.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use platform::reading::Reply;
use platform::signature::Delivery;
use platform::spec::VERIFY_TOKEN;
use serde::{Deserialize, Serialize};
use shared::Refusal;
use shared::event::EventId;
use shared::http::{Called, ErrorBody, RawBody};
use subtle::ConstantTimeEq as _;

use crate::api::ChannelPath;
use crate::ingest::{self, Ingested};
use crate::open_channel::unknown;
use crate::services::Services;

/// The longest body of a webhook: what Meta sends at most, and safely below what Lambda accepts as base64.
pub(crate) const BODY_LIMIT_BYTES: usize = 3 * 1024 * 1024;
/// Where the ids of the events are when the platform expects a body of its own.
const EVENTS: HeaderName = HeaderName::from_static("hookyard-events");
/// Senders repeat a short random text; this is ample.
const CHALLENGE_LIMIT_BYTES: usize = 1024;

/// The answer to an accepted webhook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Accepted {
    /// Always true.
    success: bool,
    /// How many events the webhook became.
    messages: usize,
    /// How many parts of the webhook could not become events.
    failed: usize,
    /// The ids of the events, the same for each repetition of the delivery, also for one after the deduplication window,
    /// which `laterEvents` in `GET /runs/{eventId}` lists. With a window of 0 each delivery has ids of its own.
    events: Vec<EventId>,
}

/// Accepts a webhook.
#[utoipa::path(
    post, path = "/webhooks/{channelId}", tag = "webhooks",
    description = "Answers 200 only after every event is durable. The body is at most 3 MB, also when it is decoded, and is \
        verified byte for byte as it was sent, with its content encoding (`gzip`, `deflate`, `br` or `zstd`). \
        Platforms that expect another answer get that, with the ids of the events in the header `hookyard-events`.",
    params(("channelId" = String, Path, description = "The id of the channel")),
    request_body(content = Value, description = "What the platform sends", content_type = "application/json"),
    responses(
        (status = 200, description = "The webhook became one event or several", body = Accepted),
        (status = 204, description = "The same, for platforms that expect an empty answer"),
        (status = 400, description = "The body is not what its content type or its platform says", body = ErrorBody),
        (status = 401, description = "The signature or the timestamp is missing or wrong", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
        (status = 413, description = "The body has over 3 MB or 1,000 parts, or its event over 256 KB", body = ErrorBody),
        (status = 415, description = "The content type is not the channel's, or its charset or the content encoding is not \
            understood", body = ErrorBody),
        (status = 429, description = "The rate limit of the channel is reached, see `Retry-After`", body = ErrorBody),
        (status = 503, description = "The bus did not accept the event, try again", body = ErrorBody),
    ),
)]
pub(crate) async fn ingest(
    State(services): State<Arc<Services>>,
    ChannelPath(id): ChannelPath,
    called: Called,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = services.clock.now();
    let channel = services.open_channels.get(&id, now).await?.ok_or_else(|| unknown(&id))?;
    let url = services.base_url.called(&headers, &called);
    let delivery = Delivery { headers: &headers, body: &body, url: &url, now };
    let Services { counters, open_channels, bus, ids, .. } = &*services;
    match ingest::ingest(counters, open_channels, bus, ids, &channel, &delivery).await {
        Ok(Ingested::Handshake(reply)) => Ok(response(reply)),
        Ok(Ingested::Published { events, failed, reply }) => Ok(accepted(events, failed, reply)),
        Err(refusal) => {
            let status = refusal.status.as_u16();
            tracing::info!(channel_id = %id, status, reason = refusal.message, "webhook refused");
            Err(refusal)
        }
    }
}

/// Answers in the platform's own format, or else in ours.
fn accepted(events: Vec<EventId>, failed: usize, reply: Option<Reply>) -> Response {
    let Some(reply) = reply else {
        return Json(Accepted { success: true, messages: events.len(), failed, events }).into_response();
    };
    let ids: Vec<&str> = events.iter().map(EventId::as_str).collect();
    let mut response = response(reply);
    if let Ok(ids) = HeaderValue::from_str(&ids.join(",")) {
        response.headers_mut().insert(EVENTS, ids);
    }
    response
}

fn response(reply: Reply) -> Response {
    let mut response = (reply.status, reply.body).into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    if !reply.content_type.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        // A browser must not take what a sender made us repeat for a page of ours.
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// The parameters: `hub.mode`, `hub.verify_token` and `hub.challenge` as Meta names them, or `mode`, `token`, `challenge`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Verification {
    /// Must be `subscribe`.
    #[serde(rename = "hub.mode", alias = "mode")]
    mode: Option<String>,
    /// Must be the channel's `verifyToken`.
    #[serde(rename = "hub.verify_token", alias = "token", alias = "verify_token")]
    token: Option<String>,
    /// Is returned as it is.
    #[serde(rename = "hub.challenge")]
    hub_challenge: Option<String>,
    /// The same; alone it is returned without a token.
    challenge: Option<String>,
}

/// What a GET request asks.
enum Check {
    /// Whether somebody is there.
    Reachable,
    /// To repeat a text, which proves nothing but that a program of ours is there.
    Echo(String),
    /// Whether we know the token.
    Token { mode: String, token: String, challenge: String },
}

/// Answers the verification request that a platform sends before it uses a URL.
#[utoipa::path(
    get, path = "/webhooks/{channelId}", tag = "webhooks",
    description = "With a mode and a token, all three parameters are needed, also as `mode`, `token` or `verify_token`, and \
        `challenge`. `challenge` alone is returned as it is. Without parameters, GET and HEAD tell that the URL exists.",
    params(("channelId" = String, Path, description = "The id of the channel"), Verification),
    responses(
        (status = 200, description = "The challenge, or nothing if there is none", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter is missing or too long", body = ErrorBody),
        (status = 403, description = "The token is not the channel's", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
        (status = 405, description = "The request is signed as a webhook, which has to be sent with POST", body = ErrorBody),
        (status = 503, description = "A service behind this one does not answer", body = ErrorBody),
    ),
)]
pub(crate) async fn verify(
    State(services): State<Arc<Services>>,
    ChannelPath(id): ChannelPath,
    headers: HeaderMap,
    verification: Result<Query<Verification>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(verification) = verification.map_err(|_| Refusal::illegal_argument("the query cannot be read"))?;
    let now = services.clock.now();
    let channel = services.open_channels.get(&id, now).await?.ok_or_else(|| unknown(&id))?;
    let (mode, token, challenge) = match verification.check()? {
        // Accepted as a check, a webhook that is sent with GET would be lost.
        Check::Reachable if channel.is_signed(&headers) => return Ok(only_post()),
        Check::Reachable => return Ok(response(Reply::empty())),
        Check::Echo(challenge) => return Ok(response(Reply::text(challenge))),
        Check::Token { mode, token, challenge } => (mode, token, challenge),
    };
    let is_ours = |expected: &str| bool::from(expected.as_bytes().ct_eq(token.as_bytes()));
    let credentials = channel.valid_credentials(now);
    let mut tokens = credentials.filter_map(|credentials| credentials.text(VERIFY_TOKEN.name).ok().flatten());
    if mode != "subscribe" || !tokens.any(is_ours) {
        tracing::info!(channel_id = %id, "verification request refused");
        let message = "the mode must be `subscribe` and the token the channel's `verifyToken`";
        return Err(Refusal::new(StatusCode::FORBIDDEN, 106, "AUTHENTICATION_EXCEPTION", message));
    }
    tracing::info!(channel_id = %id, "verification request answered");
    Ok(response(Reply::text(challenge)))
}

impl Verification {
    fn check(self) -> Result<Check, Refusal> {
        let Self { mode, token, hub_challenge, challenge } = self;
        if hub_challenge.is_some() && challenge.is_some() {
            return Err(Refusal::field("challenge", "must be given once"));
        }
        let is_long = |challenge: &String| challenge.len() > CHALLENGE_LIMIT_BYTES;
        if hub_challenge.as_ref().or(challenge.as_ref()).is_some_and(is_long) {
            return Err(Refusal::field("hub.challenge", format!("must have at most {CHALLENGE_LIMIT_BYTES} bytes")));
        }
        if mode.is_none() && token.is_none() && hub_challenge.is_none() {
            return Ok(challenge.map_or(Check::Reachable, Check::Echo));
        }
        let required = |value: Option<String>, name: &str| value.ok_or_else(|| Refusal::missing_field(name));
        Ok(Check::Token {
            mode: required(mode, "hub.mode")?,
            token: required(token, "hub.verify_token")?,
            challenge: required(hub_challenge.or(challenge), "hub.challenge")?,
        })
    }
}

fn only_post() -> Response {
    let (status, message) = (StatusCode::METHOD_NOT_ALLOWED, "webhooks must be sent with POST");
    let refusal = Refusal::new(status, 26, "METHOD_NOT_ALLOWED_EXCEPTION", message);
    ([(ALLOW, "POST")], refusal).into_response()
}
