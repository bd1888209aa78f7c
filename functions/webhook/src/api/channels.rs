//! `/channels`: creating, listing, showing, changing and deleting channels.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;
use shared::auth::Caller;
use shared::bus::{Bus, Entry};
use shared::clock;
use shared::event::fact::{CHANNEL_REGISTERED, CHANNEL_UNREGISTERED, ChannelChanged, WEBHOOK_SOURCE};
use shared::event::{ChannelId, Envelope, EventId, EventType};
use shared::http::{Affected, JsonBody, List};
use shared::list;
use shared::rql::Rql;
use shared::seal::Resealed;
use shared::{Error, Refusal};

use crate::api::ChannelPath;
use crate::channel::{Channel, ChannelChange, ChannelSettings, NewChannel};
use crate::open_channel::{OpenChannels, unknown};
use crate::services::Services;
use crate::store::channel::{ChannelRecord, LIST_LIMIT, PreviousCredentials};

/// How often a change is attempted while others come first.
const ATTEMPTS: u32 = 5;

/// Creates a channel.
#[utoipa::path(
    post, path = "/channels", tag = "channels", request_body = NewChannel,
    responses(
        (status = 200, description = "The channel, with the webhook URL for the platform's settings", body = Channel),
    ),
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(mut new): JsonBody<NewChannel>,
) -> Result<Json<Channel>, Refusal> {
    let base_url = services.base_url.of(&headers)?;
    let tenant_id = caller.tenant_named(new.tenant_id.take())?;
    let (settings, credentials) = new.checked(tenant_id.clone())?;
    let channel_id = ChannelId::new(services.ids.uuid().to_string());
    let credentials = match credentials {
        Some(credentials) => Some(services.open_channels.sealed(&channel_id, &credentials).await?),
        None => None,
    };
    let now = services.clock.now();
    let mut record = ChannelRecord {
        channel_id,
        tenant_id,
        settings,
        credentials: None,
        previous: None,
        key_version: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    record.seal_with(credentials, None);
    let ChannelRecord { channel_id, settings, .. } = &record;
    // The fact comes first, so that every channel that works was announced.
    announce(&services.bus, now, CHANNEL_REGISTERED, channel_id, settings).await?;
    if !services.channels.create(&record).await? {
        return Err(Error::new("create a channel", "its id is taken").into());
    }
    tracing::info!(%channel_id, platform = settings.platform, "channel created");
    Ok(Json(record.shown(&base_url, now)))
}

/// Lists channels.
#[utoipa::path(
    get, path = "/channels", tag = "channels",
    description = "The query string is RQL, such as `eq(platform,github)&sort(-createdAt)&limit(20)`.",
    responses((status = 200, description = "A page of channels", body = List<Channel>)),
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<List<Value>>, Refusal> {
    let base_url = services.base_url.of(&headers)?;
    let query = Rql::parse::<Channel>(query.as_deref())?;
    let now = services.clock.now();
    let records = services.channels.list(caller.tenant_id()).await?;
    let channels: Vec<Channel> = records.into_iter().map(|record| record.shown(&base_url, now)).collect();
    list::items(&query, channels, LIST_LIMIT).map(Json)
}

/// Shows a channel.
#[utoipa::path(
    get, path = "/channels/{channelId}", tag = "channels",
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses((status = 200, description = "The channel", body = Channel)),
)]
pub(crate) async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    ChannelPath(id): ChannelPath,
    headers: HeaderMap,
) -> Result<Json<Channel>, Refusal> {
    let base_url = services.base_url.of(&headers)?;
    let record = services.channels.of_tenant(&id, caller.tenant_id()).await?.ok_or_else(|| unknown(&id))?;
    Ok(Json(record.shown(&base_url, services.clock.now())))
}

/// Changes a channel; new credentials leave the present ones valid for a while.
#[utoipa::path(
    put, path = "/channels/{channelId}", tag = "channels", request_body = ChannelChange,
    params(("channelId" = String, Path, description = "The id of the channel")),
    responses((status = 200, description = "The channel is changed", body = Affected)),
)]
pub(crate) async fn update(
    State(services): State<Arc<Services>>,
    caller: Caller,
    ChannelPath(id): ChannelPath,
    JsonBody(change): JsonBody<ChannelChange>,
) -> Result<Json<Affected>, Refusal> {
    for _ in 0..ATTEMPTS {
        let record = services.channels.of_tenant(&id, caller.tenant_id()).await?.ok_or_else(|| unknown(&id))?;
        let changed = changed(&services.open_channels, services.clock.now(), record, change.clone()).await?;
        let replaced = services.channels.replace(&changed).await;
        services.open_channels.forget(&id).await;
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
    responses((status = 200, description = "The channel is deleted", body = Affected)),
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    ChannelPath(id): ChannelPath,
) -> Result<Json<Affected>, Refusal> {
    let record = services.channels.of_tenant(&id, caller.tenant_id()).await?.ok_or_else(|| unknown(&id))?;
    // The fact comes first, so that a crash between the two loses neither: the client repeats the request.
    announce(&services.bus, services.clock.now(), CHANNEL_UNREGISTERED, &id, &record.settings).await?;
    let deleted = services.channels.delete(&id).await;
    services.open_channels.forget(&id).await;
    if !deleted? {
        return Err(unknown(&id));
    }
    tracing::info!(channel_id = %id, "channel deleted");
    Ok(Json(Affected { affected_records: 1 }))
}

/// Seals a batch of channels with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/channels/rotate", tag = "channels",
    responses((status = 200, description = "How far the rotation has come", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.open_channels.reseal().await?))
}

/// Applies a change to a record.
async fn changed(
    open_channels: &OpenChannels,
    now: Timestamp,
    mut record: ChannelRecord,
    change: ChannelChange,
) -> Result<ChannelRecord, Refusal> {
    let valid_until = change.previous_valid_until(now)?;
    let id = &record.channel_id;
    let present = match &record.credentials {
        Some(sealed) => Some(open_channels.credentials(id, sealed).await?),
        None => None,
    };
    let (settings, new) = change.apply(record.settings.clone(), present)?;
    match (new, settings.unsigned) {
        (_, true) => record.seal_with(None, None),
        (None, false) => {}
        (Some(new), false) => {
            let sealed = open_channels.sealed(id, &new).await?;
            let previous =
                record.credentials.take().map(|credentials| PreviousCredentials { credentials, valid_until });
            record.seal_with(Some(sealed), previous);
        }
    }
    let version = record.version + 1;
    Ok(ChannelRecord { settings, updated_at: now, version, ..record })
}

/// Publishes that a channel was created or deleted; each happens once to a channel, so that a repetition is the same
/// fact.
async fn announce(
    bus: &Bus,
    now: Timestamp,
    kind: EventType,
    id: &ChannelId,
    settings: &ChannelSettings,
) -> Result<(), Refusal> {
    let event_id = clock::derived_uuid(&[id.as_str().as_bytes(), kind.as_str().as_bytes()]).to_string();
    let config = (kind == CHANNEL_REGISTERED).then_some(settings);
    let content = ChannelChanged { origin: settings.origin(id, now), config };
    let event = Envelope::new(kind, EventId::new(event_id), settings.tenant_id.clone(), now, content);
    let entry = Entry::fact(WEBHOOK_SOURCE, &event).map_err(|too_large| Refusal::too_large(too_large.to_string()))?;
    Ok(bus.publish(vec![entry]).await?)
}
