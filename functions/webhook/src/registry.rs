//! The routes that manage channels.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Uri};
use serde_json::Value;
use shared::auth::Caller;
use shared::clock;
use shared::event::{ChannelId, EventId};
use shared::http::{Affected, ErrorBody, JsonBody, List};
use shared::rql::Rql;
use shared::{Error, Refusal};
use uuid::Uuid;

use crate::Webhook;
use crate::channel::{Channel, ChannelChange, Definition, NewChannel, Previous, Record};
use crate::fact::{self, CHANNEL_REGISTERED, CHANNEL_UNREGISTERED, ChannelChanged, Origin};

/// How often a change is tried again when another one came first.
const ATTEMPTS: u32 = 5;

/// The id of a channel in the path; a text that cannot be one names no channel.
pub(crate) struct ChannelPath(pub ChannelId);

impl<S: Send + Sync> FromRequestParts<S> for ChannelPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let text = path.map(|Path(text)| text).unwrap_or_default();
        match Uuid::try_parse(&text) {
            Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(Self(ChannelId::new(id.to_string()))),
            _ => Err(Refusal::unknown("channel", &text)),
        }
    }
}

/// Creates a channel.
#[utoipa::path(
    post, path = "/channels", tag = "channels", request_body = NewChannel,
    responses(
        (status = 200, description = "The channel, with the URL for the platform's settings", body = Channel),
        (status = 400, description = "A field is missing or breaks a rule", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission CREATE_CHANNELS", body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(webhook): State<Arc<Webhook>>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewChannel>,
) -> Result<Json<Channel>, Refusal> {
    let (definition, credentials) = new.checked(caller.tenant_id())?;
    let channel_id = ChannelId::new(webhook.ids.uuid().to_string());
    let credentials = match credentials {
        Some(credentials) => Some(webhook.channels.sealed(&channel_id, &credentials).await?),
        None => None,
    };
    let now = webhook.clock.now();
    let record =
        Record { channel_id, definition, credentials, previous: None, created_at: now, updated_at: now, version: 1 };
    let Record { channel_id, definition, .. } = &record;
    // First the fact and then the deed: a channel that works was announced.
    webhook.announce(CHANNEL_REGISTERED, channel_id, definition).await?;
    if !webhook.store.create(&record).await? {
        return Err(Error::new("create a channel", "its id is taken").into());
    }
    tracing::info!(%channel_id, platform = definition.platform, "channel created");
    Ok(Json(record.shown(&webhook.base_url(&headers), now)))
}

/// Lists channels.
#[utoipa::path(
    get, path = "/channels", tag = "channels",
    description = "The query string is RQL, such as `eq(platform,github)&sort(-createdAt)&limit(20)`.",
    responses(
        (status = 200, description = "A page of channels", body = List<Channel>),
        (status = 400, description = "The query is no RQL", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission VIEW_CHANNELS", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(webhook): State<Arc<Webhook>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<List<Value>>, Refusal> {
    let rql = Rql::parse(query.as_deref())?;
    let (base_url, now) = (webhook.base_url(&headers), webhook.clock.now());
    let records = webhook.store.list().await?;
    let channels: Vec<Channel> = records.into_iter().map(|record| record.shown(&base_url, now)).collect();
    rql.apply(&channels).map(Json)
}

/// Shows a channel.
#[utoipa::path(
    get, path = "/channels/{channelId}", tag = "channels",
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses(
        (status = 200, description = "The channel", body = Channel),
        (status = 401, description = "No valid token, or no permission VIEW_CHANNELS", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
    ),
)]
pub(crate) async fn get(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
    headers: HeaderMap,
) -> Result<Json<Channel>, Refusal> {
    let record = webhook.store.get(&id).await?.ok_or_else(|| unknown(&id))?;
    Ok(Json(record.shown(&webhook.base_url(&headers), webhook.clock.now())))
}

/// Changes a channel; new credentials leave the present ones valid for a while.
#[utoipa::path(
    put, path = "/channels/{channelId}", tag = "channels", request_body = ChannelChange,
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses(
        (status = 200, description = "The channel is changed", body = Affected),
        (status = 400, description = "A field breaks a rule", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission UPDATE_CHANNELS", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
    ),
)]
pub(crate) async fn update(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
    JsonBody(change): JsonBody<ChannelChange>,
) -> Result<Json<Affected>, Refusal> {
    for _ in 0..ATTEMPTS {
        let record = webhook.store.get(&id).await?.ok_or_else(|| unknown(&id))?;
        let changed = webhook.changed(record, change.clone()).await?;
        let replaced = webhook.store.replace(&changed).await;
        webhook.channels.forget(&id).await;
        if replaced? {
            tracing::info!(channel_id = %id, version = changed.version, "channel changed");
            return Ok(Json(Affected { affected_records: 1 }));
        }
    }
    Err(Error::new("change a channel", "other changes came first each time").into())
}

/// Deletes a channel; its webhooks are refused from then on.
#[utoipa::path(
    delete, path = "/channels/{channelId}", tag = "channels",
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses(
        (status = 200, description = "The channel is deleted", body = Affected),
        (status = 401, description = "No valid token, or no permission DELETE_CHANNELS", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
    ),
)]
pub(crate) async fn delete(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
) -> Result<Json<Affected>, Refusal> {
    let record = webhook.store.get(&id).await?.ok_or_else(|| unknown(&id))?;
    // First the fact and then the deed, so that a crash between the two loses neither: the client asks again.
    webhook.announce(CHANNEL_UNREGISTERED, &id, &record.definition).await?;
    let deleted = webhook.store.delete(&id).await;
    webhook.channels.forget(&id).await;
    if !deleted? {
        return Err(unknown(&id));
    }
    tracing::info!(channel_id = %id, "channel deleted");
    Ok(Json(Affected { affected_records: 1 }))
}

pub(crate) fn unknown(id: &ChannelId) -> Refusal {
    Refusal::unknown("channel", id.as_str())
}

impl Webhook {
    /// Returns the record that a change makes of another.
    async fn changed(&self, record: Record, change: ChannelChange) -> Result<Record, Refusal> {
        let now = self.clock.now();
        let valid_until = change.previous_valid_until(now)?;
        let id = record.channel_id;
        let present = match &record.credentials {
            Some(sealed) => Some(self.channels.credentials(&id, sealed).await?),
            None => None,
        };
        let (definition, new) = change.apply(record.definition, present)?;
        let (credentials, previous) = match (new, definition.unsigned) {
            (_, true) => (None, None),
            (None, false) => (record.credentials, record.previous),
            (Some(new), false) => {
                let previous = record.credentials.map(|credentials| Previous { credentials, valid_until });
                (Some(self.channels.sealed(&id, &new).await?), previous)
            }
        };
        let version = record.version + 1;
        Ok(Record { channel_id: id, definition, credentials, previous, updated_at: now, version, ..record })
    }

    /// Publishes that a channel came or went; each happens once to a channel, so that asking again changes nothing.
    async fn announce(&self, kind: &str, id: &ChannelId, definition: &Definition) -> Result<(), Refusal> {
        let now = self.clock.now();
        let event_id = clock::derived_uuid(&[id.as_str().as_bytes(), kind.as_bytes()]).to_string();
        let config = (kind == CHANNEL_REGISTERED).then_some(definition);
        let content = ChannelChanged { origin: Origin::new(id, definition, now), config };
        let entry = fact::first(kind, EventId::new(event_id), &definition.tenant_id, now, content);
        let entry = entry.map_err(|too_large| Refusal::too_large(too_large.to_string()))?;
        Ok(self.bus.publish(vec![entry]).await?)
    }

    /// Returns the URL that a webhook was sent to, as its sender knows it.
    pub(crate) fn public_url(&self, headers: &HeaderMap, uri: &Uri) -> String {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{query}", self.base_url(headers), uri.path())
    }

    /// Returns the public base URL: the configured one, or the one that the request was sent to.
    fn base_url(&self, headers: &HeaderMap) -> String {
        if let Some(base_url) = &self.base_url {
            return base_url.clone();
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = text("x-forwarded-proto").unwrap_or("http");
        format!("{scheme}://{}", text(HOST.as_str()).unwrap_or("localhost"))
    }
}
