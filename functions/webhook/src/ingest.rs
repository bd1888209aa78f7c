//! The route that webhooks come in on: verify, parse, read, publish, and only then say yes.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use shared::bus::{Entry, TooLarge};
use shared::clock;
use shared::event::{Envelope, EventId, Trace, WebhookReceived};
use shared::http::{ErrorBody, RawBody};
use shared::{Error, Refusal};

use crate::Webhook;
use crate::channel::open::OpenChannel;
use crate::fact::{self, MessageReceived, MessageRejected, MessageStatus, Origin};
use crate::refusal::refusal;
use crate::registry::{ChannelPath, unknown};
use platform::reading::{DedupKey, Inbound, Kind, Reading, Reply, UPDATE_LIMIT, Unreadable, Update};
use platform::signature::Delivery;
use platform::{header, payload};

/// The longest body of a webhook: what Meta sends at most, and safely below what Lambda takes as base64.
pub(crate) const BODY_LIMIT_BYTES: usize = 3 * 1024 * 1024;
/// The longest part of a webhook that is repeated where it could not be read.
const REJECTED_LIMIT_BYTES: usize = 64 * 1024;
/// The longest reason, in characters; those of the JSON reader repeat what was wrong.
const REASON_LIMIT: usize = 300;
/// Where the ids of the events are when the body of the answer is the platform's affair.
const EVENTS: HeaderName = HeaderName::from_static("hookyard-events");

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
    description = "Answers 200 only after every event is durable. The body is at most 3 MB and is verified byte for byte. \
        Platforms that want to hear something else than this answer get that, with the ids of the events in the header \
        `hookyard-events`.",
    params(("channelId" = String, Path, description = "The id of the channel")),
    request_body(content = Object, description = "What the platform sends", content_type = "application/json"),
    responses(
        (status = 200, description = "The webhook is one event or several", body = Accepted),
        (status = 204, description = "The same, for platforms that want an empty answer"),
        (status = 400, description = "The body is not what its content type or its platform says", body = ErrorBody),
        (status = 401, description = "The signature or the timestamp is missing or wrong", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
        (status = 413, description = "The body has over 3 MB or 1,000 parts, or its event over 256 KB", body = ErrorBody),
        (status = 415, description = "The content type is not the channel's", body = ErrorBody),
        (status = 429, description = "The channel takes no more for now, see `Retry-After`", body = ErrorBody),
        (status = 503, description = "The bus did not take the event, try again", body = ErrorBody),
    ),
)]
pub(crate) async fn ingest(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(id): ChannelPath,
    uri: Uri,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let channel = webhook.channels.get(&id).await?.ok_or_else(|| unknown(&id))?;
    let url = webhook.public_url(&headers, &uri);
    let delivery = Delivery { headers: &headers, body: &body, url: &url, now: webhook.clock.now() };
    let taken = webhook.take(&channel, &delivery).await;
    taken.inspect_err(|refusal| {
        tracing::info!(channel_id = %id, status = refusal.status.as_u16(), reason = refusal.message, "webhook refused");
    })
}

/// What is published of a webhook.
#[derive(Default)]
struct Published {
    entries: Vec<Entry>,
    events: Vec<EventId>,
    failed: usize,
}

impl Webhook {
    async fn take(&self, channel: &OpenChannel, delivery: &Delivery<'_>) -> Result<Response, Refusal> {
        channel.verify(delivery).map_err(|unverified| refusal(unverified.into()))?;
        let definition = &channel.definition;
        let content_type = delivery.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let content_type = definition.accepted(channel.platform, content_type)?;
        let payload =
            payload::read(&content_type, delivery.body, |form| channel.platform.form_payload(form)).map_err(refusal)?;
        let recipe = definition.recipe.as_ref();
        let inbound = Inbound { headers: delivery.headers, payload: &payload, recipe, now: delivery.now };
        let (updates, reply) = match channel.platform.read(&inbound).map_err(refusal)? {
            Reading::Handshake(reply) => return Ok(response(reply)),
            Reading::Updates { updates, reply } => (updates, reply),
        };
        if updates.len() > UPDATE_LIMIT {
            return Err(Refusal::too_large(format!(
                "the webhook has {} parts, at most {UPDATE_LIMIT} are taken",
                updates.len()
            )));
        }
        let published = self.entries(channel, delivery, updates).await?;
        self.limits.ingest(channel, delivery.now).await?;
        self.bus.publish(published.entries).await?;
        let (messages, failed) = (published.events.len(), published.failed);
        tracing::debug!(channel_id = %channel.id, messages, failed, "webhook accepted");
        Ok(answer(Accepted { success: true, messages, failed, events: published.events }, reply))
    }

    /// Makes the events of a webhook ready to be published; what cannot be read or is too large is rejected by itself.
    async fn entries(
        &self,
        channel: &OpenChannel,
        delivery: &Delivery<'_>,
        updates: Vec<Result<Update<'_>, Unreadable<'_>>>,
    ) -> Result<Published, Refusal> {
        let mut published = Published::default();
        let mut seen = HashSet::new();
        for (index, update) in updates.into_iter().enumerate() {
            let unreadable = match update {
                Ok(update) => {
                    let id = event_id(channel, &update.key, delivery.body);
                    if !seen.insert(id.clone()) {
                        continue;
                    }
                    let Update { kind, payload, .. } = update;
                    // A source tells one thing; what a chat platform tells must not keep the rest of its webhook back.
                    let is_source = channel.platform.chat().is_none();
                    match self.entry(channel, delivery, id.clone(), kind, &payload).await? {
                        Ok(entry) => {
                            published.entries.push(entry);
                            published.events.push(id);
                            continue;
                        }
                        Err(too_large) if is_source => return Err(Refusal::too_large(too_large.to_string())),
                        Err(too_large) => Unreadable { reason: too_large.to_string(), payload },
                    }
                }
                Err(unreadable) => unreadable,
            };
            published.entries.extend(rejected(channel, delivery, index, &unreadable));
            published.failed += 1;
        }
        Ok(published)
    }

    /// Makes one event ready.
    async fn entry(
        &self,
        channel: &OpenChannel,
        delivery: &Delivery<'_>,
        id: EventId,
        kind: Kind,
        payload: &RawValue,
    ) -> Result<Result<Entry, TooLarge>, Error> {
        let origin = || Origin::new(&channel.id, &channel.definition, delivery.now);
        Ok(match kind {
            Kind::Event { name } => {
                let definition = &channel.definition;
                let signature = definition.recipe.as_ref().map(|recipe| recipe.header.as_str());
                let content = WebhookReceived {
                    platform: definition.platform.clone(),
                    channel_id: channel.id.clone(),
                    headers: header::forwarded(delivery.headers, signature),
                    payload,
                };
                let kind = event_type(&definition.platform, name.as_deref());
                fact(channel, delivery, id, kind, content)
            }
            Kind::Message { mut message, reply_token } => {
                if let Some(token) = reply_token {
                    let sealed = self.channels.sealed_token(&channel.id, &token).await?;
                    message.metadata.insert("replyToken".to_owned(), sealed);
                }
                let content = MessageReceived { origin: origin(), message: *message, payload };
                fact(channel, delivery, id, fact::MESSAGE_RECEIVED.to_owned(), content)
            }
            Kind::Status(status) => {
                let content = MessageStatus { origin: origin(), status, payload };
                fact(channel, delivery, id, fact::MESSAGE_STATUS.to_owned(), content)
            }
        })
    }
}

fn fact<C: Serialize>(
    channel: &OpenChannel,
    delivery: &Delivery<'_>,
    id: EventId,
    kind: String,
    content: C,
) -> Result<Entry, TooLarge> {
    let trace = Trace::start(&id);
    let tenant_id = channel.definition.tenant_id.clone();
    let dedup_window_seconds = Some(channel.definition.dedup_window_seconds);
    let envelope = Envelope { id, kind, tenant_id, time: delivery.now, content, trace, dedup_window_seconds };
    Entry::fact(fact::SOURCE, &envelope)
}

/// Makes the fact that a part of a webhook could not be read ready; the same part is always the same fact.
fn rejected(
    channel: &OpenChannel,
    delivery: &Delivery<'_>,
    index: usize,
    unreadable: &Unreadable<'_>,
) -> Option<Entry> {
    let text = unreadable.payload.get();
    let id = clock::derived_uuid(&[channel.id.as_str().as_bytes(), b"rejected", &Sha256::digest(text)]);
    let content = MessageRejected {
        origin: Origin::new(&channel.id, &channel.definition, delivery.now),
        reason: &unreadable.reason.chars().take(REASON_LIMIT).collect::<String>(),
        index,
        payload: Some(&*unreadable.payload).filter(|payload| payload.get().len() <= REJECTED_LIMIT_BYTES),
    };
    tracing::info!(channel_id = %channel.id, index, "a part of a webhook is rejected");
    fact(channel, delivery, EventId::new(id.to_string()), fact::MESSAGE_REJECTED.to_owned(), content).ok()
}

/// The same thing is always the same event: known by the platform's name for it, or else by the body.
fn event_id(channel: &OpenChannel, key: &DedupKey<'_>, body: &[u8]) -> EventId {
    let channel_id = channel.id.as_str().as_bytes();
    let id = match key {
        DedupKey::Id(key) => clock::derived_uuid(&[channel_id, key]),
        DedupKey::Body => clock::derived_uuid(&[channel_id, &Sha256::digest(body)]),
    };
    EventId::new(id.to_string())
}

/// Returns the type of an event with the platform's own name for its kind, if a dispatcher can name that.
fn event_type(platform: &str, kind: Option<&str>) -> String {
    /// The bus takes 128 bytes, and the platform's name comes before.
    const KIND_LIMIT_BYTES: usize = 100;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    match kind {
        Some(kind) if !kind.is_empty() && kind.len() <= KIND_LIMIT_BYTES && kind.bytes().all(is_part) => {
            format!("{platform}.{kind}")
        }
        _ => WebhookReceived::<()>::TYPE.to_owned(),
    }
}

/// Answers in the platform's words, or else in ours.
fn answer(accepted: Accepted, reply: Option<Reply>) -> Response {
    let Some(reply) = reply else {
        return Json(accepted).into_response();
    };
    let ids: Vec<&str> = accepted.events.iter().map(EventId::as_str).collect();
    let mut response = response(reply);
    if let Ok(ids) = HeaderValue::from_str(&ids.join(",")) {
        response.headers_mut().insert(EVENTS, ids);
    }
    response
}

/// Answers in the platform's own format.
pub(crate) fn response(reply: Reply) -> Response {
    let mut response = (reply.status, reply.body).into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    if !reply.content_type.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        // A browser must not take what a sender made us repeat for a page of ours.
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_a_dispatcher_cannot_name_is_a_received_webhook() {
        let check = |kind: Option<&str>, expected: &str| assert_eq!(event_type("github", kind), expected, "{kind:?}");
        check(Some("push"), "github.push");
        check(Some("orders/create"), "github.orders/create");
        check(None, "webhook.received");
        check(Some(""), "webhook.received");
        check(Some("two words"), "webhook.received");
        check(Some("ü"), "webhook.received");
        check(Some(&"x".repeat(100)), &format!("github.{}", "x".repeat(100)));
        check(Some(&"x".repeat(101)), "webhook.received");
    }
}
