//! The route that webhooks come in on: verify, parse, publish, and only then say yes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use shared::Refusal;
use shared::bus::{Entry, TooLarge};
use shared::clock;
use shared::event::{Envelope, EventId, Trace, WebhookReceived};
use shared::http::{ErrorBody, RawBody};

use crate::Webhook;
use crate::channel::open::OpenChannel;
use crate::registry::{ChannelPath, unknown};
use crate::signature::Delivery;
use crate::{header, payload};

/// The answer to an accepted webhook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Accepted {
    /// Always true.
    success: bool,
    /// How many events the webhook became.
    messages: usize,
    /// How many parts of the webhook could not become events.
    failed: usize,
    /// The ids of the events, the same for each repetition of the delivery.
    events: Vec<EventId>,
}

/// Takes a webhook.
#[utoipa::path(
    post, path = "/webhooks/{channelId}", tag = "webhooks",
    description = "Answers 200 only after the event is durable. The body is at most 1 MB and is verified byte for byte.",
    params(("channelId" = String, Path, description = "The id of the channel")),
    request_body(content = Object, description = "What the platform sends", content_type = "application/json"),
    responses(
        (status = 200, description = "The webhook is an event", body = Accepted),
        (status = 400, description = "The body is not what its content type says", body = ErrorBody),
        (status = 401, description = "The signature or the timestamp is missing or wrong", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
        (status = 413, description = "The body has over 1 MB, or its event over 256 KB", body = ErrorBody),
        (status = 415, description = "The content type is not the channel's", body = ErrorBody),
        (status = 503, description = "The bus did not take the event, try again", body = ErrorBody),
    ),
)]
pub(crate) async fn ingest(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Accepted>, Refusal> {
    let channel = webhook.channels.get(&id).await?.ok_or_else(|| unknown(&id))?;
    let delivery = Delivery { headers: &headers, body: &body, now: webhook.clock.now() };
    let (event_id, entry) = event(&channel, &delivery).inspect_err(|refusal| {
        tracing::info!(channel_id = %id, status = refusal.status.as_u16(), reason = refusal.message, "webhook refused");
    })?;
    webhook.bus.publish(vec![entry]).await?;
    tracing::debug!(channel_id = %id, %event_id, "webhook accepted");
    Ok(Json(Accepted { success: true, messages: 1, failed: 0, events: vec![event_id] }))
}

/// Turns a delivery into its event, or says what is wrong with it.
fn event(channel: &OpenChannel, delivery: &Delivery<'_>) -> Result<(EventId, Entry), Refusal> {
    let definition = &channel.definition;
    channel.verify(delivery)?;
    if !definition.content_type.is(delivery.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes)) {
        return Err(Refusal::unsupported_media_type(definition.content_type.as_str()));
    }
    let payload = payload::read(&definition.content_type, channel.platform, delivery.body)?;
    let id = event_id(channel, delivery);
    let signature = definition.recipe.as_ref().map(|recipe| recipe.header.as_str());
    let content = WebhookReceived {
        platform: definition.platform.clone(),
        channel_id: channel.id.clone(),
        headers: header::forwarded(delivery.headers, signature),
        payload,
    };
    let envelope = Envelope {
        id: id.clone(),
        kind: WebhookReceived::<()>::TYPE.to_owned(),
        tenant_id: definition.tenant_id.clone(),
        time: delivery.now,
        trace: Trace::start(&id),
        content,
    };
    Ok((id, Entry::fact(WebhookReceived::<()>::SOURCE, &envelope).map_err(too_large)?))
}

/// The same delivery is always the same event: known by the sender's name for it, or else by its body.
fn event_id(channel: &OpenChannel, delivery: &Delivery<'_>) -> EventId {
    let channel_id = channel.id.as_str().as_bytes();
    let id = match channel.platform.delivery_id(delivery.headers, channel.definition.recipe.as_ref()) {
        Some(delivery_id) => clock::derived_uuid(&[channel_id, delivery_id]),
        None => clock::derived_uuid(&[channel_id, &Sha256::digest(delivery.body)]),
    };
    EventId::new(id.to_string())
}

fn too_large(too_large: TooLarge) -> Refusal {
    Refusal::too_large(too_large.to_string())
}
