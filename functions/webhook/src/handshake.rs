//! The question of a platform whether a URL is ours, asked with GET before it sends anything there.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use shared::Refusal;
use shared::http::ErrorBody;
use subtle::ConstantTimeEq as _;

use crate::Webhook;
use crate::ingest::response;
use crate::registry::{ChannelPath, unknown};
use platform::reading::Reply;
use platform::spec::VERIFY_TOKEN;

/// Senders repeat a short random text; this is ample.
const CHALLENGE_LIMIT_BYTES: usize = 1024;

/// The question: `hub.mode`, `hub.verify_token` and `hub.challenge` as Meta writes them, or `mode`, `token`, `challenge`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// Has to be `subscribe`.
    #[serde(rename = "hub.mode", alias = "mode")]
    mode: Option<String>,
    /// Has to be the channel's `verifyToken`.
    #[serde(rename = "hub.verify_token", alias = "token", alias = "verify_token")]
    token: Option<String>,
    /// Is answered as it is.
    #[serde(rename = "hub.challenge", alias = "challenge")]
    challenge: Option<String>,
}

/// Answers the question whether the URL is ours.
#[utoipa::path(
    get, path = "/webhooks/{channelId}", tag = "webhooks",
    description = "All three parameters are needed; `mode`, `token` or `verify_token`, and `challenge` are other names of \
        theirs.",
    params(("channelId" = String, Path, description = "The id of the channel"), Question),
    responses(
        (status = 200, description = "The challenge", body = String, content_type = "text/plain"),
        (status = 400, description = "The question is incomplete", body = ErrorBody),
        (status = 403, description = "The token is not the channel's", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
    ),
)]
pub(crate) async fn handshake(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
    question: Result<Query<Question>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(question) = question.map_err(|_| Refusal::illegal_argument("the query cannot be read"))?;
    let channel = webhook.channels.get(&id).await?.ok_or_else(|| unknown(&id))?;
    let required = |value: Option<String>, name: &str| value.ok_or_else(|| Refusal::missing_field(name));
    let mode = required(question.mode, "hub.mode")?;
    let token = required(question.token, "hub.verify_token")?;
    let challenge = required(question.challenge, "hub.challenge")?;
    if challenge.len() > CHALLENGE_LIMIT_BYTES {
        return Err(Refusal::field("hub.challenge", format!("must have at most {CHALLENGE_LIMIT_BYTES} bytes")));
    }
    let is_ours = |expected: &str| bool::from(expected.as_bytes().ct_eq(token.as_bytes()));
    let credentials = channel.valid_credentials(webhook.clock.now());
    let mut tokens = credentials.filter_map(|credentials| credentials.text(VERIFY_TOKEN.name).ok().flatten());
    if mode != "subscribe" || !tokens.any(is_ours) {
        tracing::info!(channel_id = %id, "handshake refused");
        let message = "the mode must be `subscribe` and the token the channel's `verifyToken`";
        return Err(Refusal::new(StatusCode::FORBIDDEN, 106, "AUTHENTICATION_EXCEPTION", message));
    }
    tracing::info!(channel_id = %id, "handshake answered");
    Ok(response(Reply::text(challenge)))
}
