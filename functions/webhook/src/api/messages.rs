//! `/messages` and `/channels/{channelId}/send`: the message log, and sending.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::auth::Caller;
use shared::clock;
use shared::event::{ChannelId, TenantId};
use shared::http::{ErrorBody, IdempotencyKey, JsonBody, List};
use shared::json::from_value;
use shared::list::{self, Found, Source};
use shared::rql::Rql;
use shared::seal::Resealed;
use shared::step::Once;
use shared::{Error, Refusal};
use uuid::Uuid;

use crate::api::ChannelPath;
use crate::message::{LoggedMessage, SendResult};
use crate::open_channel::unknown;
use crate::outgoing::SendBody;
use crate::send::{self, Sender, Trigger};
use crate::services::Services;
use crate::store::message::{MessageRecord, MessageStore};

const DEFAULT_PAGE: usize = 20;
const PAGE_LIMIT: usize = 100;
const ID_LIMIT_BYTES: usize = 128;

/// The query of the message log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// The channel.
    #[param(required = true)]
    channel_id: Option<String>,
    /// The page size; 20 unless given.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<String>,
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

/// A page of the message log, in the form that its query asks for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum MessageLog {
    /// That of `channelId`, `limit` and `before`.
    Page(MessagePage),
    /// That of RQL.
    List(List<Value>),
}

/// Seals a batch of messages with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/messages/rotate", tag = "messages",
    responses((status = 200, description = "How far the rotation has come", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.messages.store().reseal().await?))
}

/// Lists the messages of a channel.
#[utoipa::path(
    get, path = "/messages", tag = "messages", params(LogQuery),
    description = "The newest messages come first. Messages are in the log a moment after they are received, and for as \
        long as other records are kept. The query string may be RQL instead, which names the channel as well: \
        `eq(channelId,…)&eq(status,failed)&limit(50)`.",
    responses((status = 200, description = "A page of messages", body = MessageLog)),
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(raw): RawQuery,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<MessageLog>, Refusal> {
    if raw.as_deref().is_some_and(|raw| raw.contains('(')) {
        let query = Rql::parse::<LoggedMessage>(raw.as_deref())?;
        let source =
            MessageSource { store: services.messages.store(), tenant: caller.tenant_id(), now: services.clock.now() };
        return Ok(Json(MessageLog::List(list::list(&query, &source).await?)));
    }
    let Query(pairs) = query.map_err(|_| Refusal::illegal_argument("the query cannot be read"))?;
    let mut fields = Map::new();
    for (name, value) in pairs {
        if fields.insert(name.clone(), value.into()).is_some() {
            return Err(Refusal::field(&name, "must occur once"));
        }
    }
    let query: LogQuery = from_value(Value::Object(fields))?;
    let channel_id = query.channel_id.ok_or_else(|| Refusal::missing_field("channelId"))?;
    let channel_id =
        Uuid::try_parse(&channel_id).map_err(|_| Refusal::id_format("`channelId` must be the id of a channel"))?;
    let limit = query.limit.map_or(Some(DEFAULT_PAGE), |limit| limit.parse().ok());
    let limit = limit.filter(|limit| (1..=PAGE_LIMIT).contains(limit));
    let limit = limit.ok_or_else(|| Refusal::field("limit", format!("must be 1 to {PAGE_LIMIT}")))?;
    let channel_id = ChannelId::new(channel_id.to_string());
    if query.before.as_deref().is_some_and(|before| !is_position(before)) {
        return Err(Refusal::field("before", "must be the `next` of a page"));
    }
    // One more than requested tells whether there is another page.
    let mut records = services.messages.store().page(&channel_id, query.before.as_deref(), limit + 1).await?;
    records.retain(|record| record.entry.tenant_id == *caller.tenant_id());
    let is_last = records.len() <= limit;
    records.truncate(limit);
    let next = records.last().filter(|_| !is_last).map(|record| record.logged_at.clone());
    let now = services.clock.now();
    let data = records.into_iter().map(|record| record.shown(now)).collect();
    Ok(Json(MessageLog::Page(MessagePage { data, next })))
}

/// Where the messages of the channels of a tenant are.
struct MessageSource<'a> {
    store: &'a MessageStore,
    tenant: &'a TenantId,
    now: Timestamp,
}

impl Source for MessageSource<'_> {
    type Item = LoggedMessage;
    type Entry = MessageRecord;

    async fn find(&self, query: &Rql) -> Result<Found<'_, Self>, Refusal> {
        let channel = query.only_text("channelId").ok_or_else(|| {
            Refusal::invalid_rql("a list of messages is that of a channel: `eq(channelId,…)` is missing")
        })?;
        let channel = ChannelId::new(channel);
        // The messages of a channel belong to one tenant all.
        let newest = self.store.page(&channel, None, 1).await?;
        if newest.iter().any(|record| record.entry.tenant_id != *self.tenant) {
            return Ok(Found::Items(Vec::new()));
        }
        Ok(Found::Index(Box::new(self.store.index(&channel, self.now).span(query.span("loggedAt")))))
    }

    fn partly(&self, record: &MessageRecord) -> LoggedMessage {
        record.clone().shown(self.now)
    }
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
        (status = 409, description = "A request with the same `Idempotency-Key` is in progress", body = ErrorBody),
        (status = 413, description = "The message has over 128 KB", body = ErrorBody),
        (status = 429, description = "The rate limit of the channel is reached, see `Retry-After`", body = ErrorBody),
    ),
)]
pub(crate) async fn send(
    State(services): State<Arc<Services>>,
    caller: Caller,
    ChannelPath(channel_id): ChannelPath,
    key: IdempotencyKey,
    JsonBody(body): JsonBody<SendBody>,
) -> Result<Json<SendResult>, Refusal> {
    let channel = services.open_channels.of_tenant(&channel_id, caller.tenant_id(), services.clock.now()).await?;
    let channel = channel.ok_or_else(|| unknown(&channel_id))?;
    if body.channel_id.as_ref().is_some_and(|named| !named.eq_ignore_ascii_case(channel_id.as_str())) {
        return Err(Refusal::field("channelId", "must be the one of the path"));
    }
    let trigger = Trigger::Request { has_key: key.as_bytes().is_some() };
    let id = match key.as_bytes() {
        Some(key) => clock::derived_hex24(&[channel_id.as_str().as_bytes(), b"send", key]),
        None => services.ids.hex24(),
    };
    let outgoing = body.outgoing(id)?;
    // A client that hangs up must not leave a message half sent.
    let task = tokio::spawn(async move {
        let once = Box::pin(Sender::new(&services, &channel).send(outgoing, trigger)).await?;
        if let Ok(Once::Done(record)) = &once {
            let fact = send::fact(&channel, record, None, services.clock.now());
            // The message is sent whether or not the fact is published.
            if let Err(error) = services.bus.publish(fact.into_iter().collect()).await {
                let (id, error) = (&record.entry.id, error.chain());
                tracing::error!(error, id, "the result of a message is not published");
            }
        }
        Ok::<_, Error>(once)
    });
    match task.await.map_err(Error::cannot("send a message"))??? {
        Once::Done(record) => record.result().map(Json).ok_or_else(Refusal::internal),
        _ => {
            let message = "a request with this `Idempotency-Key` is in progress";
            let mut refusal = Refusal::new(StatusCode::CONFLICT, 27, "ILLEGAL_STATE_EXCEPTION", message);
            refusal.retry_after_s = Some(1);
            Err(refusal)
        }
    }
}
