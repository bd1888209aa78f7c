//! `/messages` and `/channels/{channelId}/send`: the message log, and sending.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::clock;
use shared::event::{ChannelId, Trace};
use shared::http::{ErrorBody, JsonBody};
use shared::{Error, Refusal};
use uuid::Uuid;

use crate::api::ChannelPath;
use crate::message::{LoggedMessage, SendResult};
use crate::outgoing::SendBody;
use crate::send::{self, SendAttempt, Sender, Trigger};
use crate::services::Services;

const DEFAULT_PAGE: usize = 20;
const PAGE_LIMIT: usize = 100;
const ID_LIMIT_BYTES: usize = 128;
const IDEMPOTENCY_KEY_LIMIT_BYTES: usize = 255;

/// The query of the message log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// The channel.
    #[param(required = true)]
    channel_id: Option<String>,
    /// The page size; 20 unless given.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// The `next` of the previous page.
    before: Option<String>,
}

/// A page of the message log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessagePage {
    /// The messages, the newest first.
    data: Vec<LoggedMessage>,
    /// What to give as `before` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the messages of a channel.
#[utoipa::path(
    get, path = "/messages", tag = "messages", params(LogQuery),
    description = "The newest messages come first. Messages are in the log a moment after they are received, and for as \
        long as other records are kept.",
    responses(
        (status = 200, description = "A page of messages", body = MessagePage),
        (status = 400, description = "A parameter is missing or breaks a rule", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission VIEW_MESSAGES", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<MessagePage>, Refusal> {
    let Query(query) = query.map_err(|rejection| Refusal::illegal_argument(rejection.body_text()))?;
    let channel_id = query.channel_id.ok_or_else(|| Refusal::missing_field("channelId"))?;
    let channel_id =
        Uuid::try_parse(&channel_id).map_err(|_| Refusal::id_format("`channelId` must be the id of a channel"))?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=PAGE_LIMIT).contains(&limit) {
        return Err(Refusal::field("limit", format!("must be 1 to {PAGE_LIMIT}")));
    }
    let channel_id = ChannelId::new(channel_id.to_string());
    if query.before.as_deref().is_some_and(|before| !is_position(before)) {
        return Err(Refusal::field("before", "must be the `next` of a page"));
    }
    // One more than requested tells whether there is another page.
    let mut records = services.messages.page(&channel_id, query.before.as_deref(), limit + 1).await?;
    let is_last = records.len() <= limit;
    records.truncate(limit);
    let next = records.last().filter(|_| !is_last).map(|record| record.logged_at.clone());
    let now = services.clock.now();
    Ok(Json(MessagePage { data: records.into_iter().map(|record| record.shown(now)).collect(), next }))
}

/// Tells whether a text is a position in the log: a time and the id of a message.
fn is_position(text: &str) -> bool {
    let parts = text.split_once('~');
    parts.is_some_and(|(time, id)| time.parse::<Timestamp>().is_ok() && !id.is_empty() && id.len() <= ID_LIMIT_BYTES)
}

/// Sends a message.
#[utoipa::path(
    post, path = "/channels/{channelId}/send", tag = "messages", request_body = SendBody,
    description = "Makes up to three attempts on timeouts, 429 and 5xx. With an `Idempotency-Key` header the same request \
        sends once and gets the same answer.",
    params(
        ("channelId" = String, Path, description = "The id of the channel"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes"),
    ),
    responses(
        (status = 200, description = "The result, also where the platform refused the message", body = SendResult),
        (status = 400, description = "A field is missing or the platform would refuse it, or the key was used for \
            another message", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission SEND_MESSAGES", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
        (status = 409, description = "A request with the same `Idempotency-Key` is in progress", body = ErrorBody),
        (status = 413, description = "The message has over 128 KB", body = ErrorBody),
        (status = 429, description = "The rate limit of the channel is reached, see `Retry-After`", body = ErrorBody),
        (status = 503, description = "A service behind this one does not answer, try again", body = ErrorBody),
    ),
)]
pub(crate) async fn send(
    State(services): State<Arc<Services>>,
    ChannelPath(channel_id): ChannelPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SendBody>,
) -> Result<Json<SendResult>, Refusal> {
    let channel = services.open_channels.required(&channel_id, services.clock.now()).await?;
    let key = idempotency_key(&headers)?;
    let trigger = Trigger::Request { has_key: key.is_some() };
    let id = match key {
        Some(key) => clock::derived_hex24(&[channel_id.as_str().as_bytes(), b"send", key]),
        None => services.ids.hex24(),
    };
    let outgoing = body.outgoing(id)?;
    // A client that hangs up must not leave a message half sent.
    let task = tokio::spawn(async move {
        let attempt = Sender::new(&services, &channel).send(outgoing, trigger).await?;
        if let SendAttempt::Finished(record, result) = &attempt {
            let trace = Trace::start(&send::fact_id(record, result));
            let entry = send::fact(&channel, record, result, trace, services.clock.now());
            // The message is sent whether or not the fact is published.
            if let Err(error) = services.bus.publish(entry.into_iter().collect()).await {
                tracing::error!(
                    error = error.chain(),
                    id = record.entry.id,
                    "the result of a message is not published"
                );
            }
        }
        Ok::<_, Error>(attempt)
    });
    match task.await.map_err(Error::cannot("send a message"))?? {
        SendAttempt::Finished(_, result) => Ok(Json(result)),
        SendAttempt::Refused(refusal) => Err(refusal),
        SendAttempt::InProgress => {
            let message = "a request with this `Idempotency-Key` is in progress";
            let mut refusal = Refusal::new(StatusCode::CONFLICT, 27, "ILLEGAL_STATE_EXCEPTION", message);
            refusal.retry_after_s = Some(1);
            Err(refusal)
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    let key = headers.get("idempotency-key").map(http::HeaderValue::as_bytes);
    match key {
        Some(key) if key.is_empty() || key.len() > IDEMPOTENCY_KEY_LIMIT_BYTES => {
            let rule = format!("must have 1 to {IDEMPOTENCY_KEY_LIMIT_BYTES} bytes");
            Err(Refusal::field("Idempotency-Key", rule))
        }
        key => Ok(key),
    }
}
