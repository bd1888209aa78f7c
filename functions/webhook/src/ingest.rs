//! From a webhook to events: verify, read, publish, and only then accept.

use std::borrow::Cow;
use std::collections::HashSet;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use platform::payload::Charset;
use platform::reading::{DedupKey, Inbound, Kind, Reading, Reply, UPDATE_LIMIT, Unreadable, Update};
use platform::signature::Delivery;
use platform::{header, payload};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use shared::bus::{Bus, ENTRY_LIMIT_BYTES, Entry, TooLarge};
use shared::clock::{self, Ids};
use shared::encoding;
use shared::event::fact::{
    MESSAGE_RECEIVED, MESSAGE_REJECTED, MESSAGE_STATUS, MessageReceived, MessageRejected, MessageStatus,
    WEBHOOK_RECEIVED, WEBHOOK_SOURCE, WebhookReceived,
};
use shared::event::{EventId, EventType};
use shared::json::{DEPTH_LIMIT, without_spaces};
use shared::{Error, Refusal};

use crate::api::webhooks::BODY_LIMIT_BYTES;
use crate::open_channel::{OpenChannel, OpenChannels};
use crate::rate_limit;
use crate::refusal::refusal;
use crate::store::counter::CounterStore;

/// The longest part of a webhook that is repeated where it could not be read.
const REJECTED_LIMIT_BYTES: usize = 64 * 1024;
/// The longest reason, in characters; those of the JSON reader quote the input.
const REASON_LIMIT: usize = 300;

/// What a webhook became.
pub(crate) enum Ingested {
    /// Nothing: the platform only verifies the URL and gets this answer.
    Handshake(Reply),
    /// Events, with the answer that the platform expects instead of the usual one.
    Published { events: Vec<EventId>, failed: usize, reply: Option<Reply> },
}

/// From what the ids of a delivery's events derive.
///
/// It is the channel, so that the same delivery is always the same events. Without a deduplication window it is drawn,
/// so that each delivery is events of its own, however many arrive at once.
struct Namespace(Vec<u8>);

impl Namespace {
    fn new(channel: &OpenChannel, ids: &Ids) -> Self {
        Self(match channel.settings.dedup_window_seconds {
            0 => ids.uuid().as_bytes().to_vec(),
            _ => channel.id.as_str().as_bytes().to_vec(),
        })
    }

    /// Derives the id of an event from the platform's id of the update, or else from the body.
    fn event_id(&self, key: &DedupKey<'_>, body: &[u8]) -> EventId {
        match key {
            DedupKey::Id(key) => self.derived(&[key]),
            DedupKey::Body => self.derived(&[&Sha256::digest(body)]),
        }
    }

    /// Derives the id of the fact that a part of a webhook could not be read.
    fn rejected_id(&self, text: &str) -> EventId {
        self.derived(&[b"rejected", &Sha256::digest(text)])
    }

    fn derived(&self, parts: &[&[u8]]) -> EventId {
        EventId::new(clock::derived_uuid(&[&[self.0.as_slice()], parts].concat()).to_string())
    }
}

/// Verifies and reads a webhook, and publishes an event for each of its updates.
///
/// What is verified are the bytes as they were sent; they are decoded after that.
pub(crate) async fn ingest(
    counters: &CounterStore,
    open_channels: &OpenChannels,
    bus: &Bus,
    ids: &Ids,
    channel: &OpenChannel,
    delivery: &Delivery<'_>,
) -> Result<Ingested, Refusal> {
    if let Some(reply) = channel.platform.handshake(delivery) {
        return Ok(Ingested::Handshake(reply));
    }
    channel.verify(delivery).map_err(|unverified| refusal(unverified.into()))?;
    let header = delivery.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let content_type = channel.settings.accepted(channel.platform, header)?;
    let charset = Charset::declared(header.unwrap_or_default()).map_err(refusal)?;
    let body = decoded(delivery)?;
    let delivery = &Delivery { body: &body, ..*delivery };
    let form = |form, depth_limit| channel.platform.form_payload(form, depth_limit);
    let payload = payload::read(&content_type, charset, &body, DEPTH_LIMIT, form).map_err(refusal)?;
    let recipe = channel.settings.recipe.as_ref();
    let inbound = Inbound { headers: delivery.headers, payload: &payload, recipe, now: delivery.now };
    let (updates, reply) = match channel.platform.read(&inbound).map_err(refusal)? {
        Reading::Handshake(reply) => return Ok(Ingested::Handshake(reply)),
        Reading::Updates { updates, reply } => (updates, reply),
    };
    if updates.len() > UPDATE_LIMIT {
        let message = format!("the webhook has {} parts, the limit is {UPDATE_LIMIT}", updates.len());
        return Err(Refusal::too_large(message));
    }
    let (entries, events, failed) = publication(open_channels, channel, ids, delivery, updates).await?;
    if let Some(limit) = channel.settings.rate_limits.ingest
        && !counters.take("ingest", &channel.id, limit, delivery.now).await?
    {
        return Err(rate_limit::too_many("webhooks", limit, delivery.now));
    }
    bus.publish(entries).await?;
    tracing::debug!(channel_id = %channel.id, events = events.len(), failed, "webhook accepted");
    Ok(Ingested::Published { events, failed, reply })
}

/// Undoes the content encoding of a body.
fn decoded<'a>(delivery: &Delivery<'a>) -> Result<Cow<'a, [u8]>, Refusal> {
    let encoding = encoding::declared(delivery.headers);
    if encoding.is_empty() {
        return Ok(Cow::Borrowed(delivery.body));
    }
    let body = encoding::decoded(&encoding, delivery.body, BODY_LIMIT_BYTES)?;
    Ok(Cow::Owned(body.into()))
}

/// Builds the events of a webhook and counts what is rejected: an update that cannot be read or is too large.
async fn publication(
    open_channels: &OpenChannels,
    channel: &OpenChannel,
    ids: &Ids,
    delivery: &Delivery<'_>,
    updates: Vec<Result<Update<'_>, Unreadable<'_>>>,
) -> Result<(Vec<Entry>, Vec<EventId>, usize), Refusal> {
    let (mut entries, mut events, mut failed) = (Vec::new(), Vec::new(), 0);
    let (namespace, mut seen) = (Namespace::new(channel, ids), HashSet::new());
    for (index, update) in updates.into_iter().enumerate() {
        let unreadable = match update {
            Ok(update) => {
                let id = namespace.event_id(&update.key, delivery.body);
                if !seen.insert(id.clone()) {
                    continue;
                }
                let Update { kind, payload, .. } = update;
                let payload = spared(payload);
                // A source reports one event; an update of a chat platform must not hold back the rest of its webhook.
                let is_source = channel.platform.chat().is_none();
                match entry(open_channels, channel, delivery, id.clone(), kind, &payload).await? {
                    Ok(entry) => {
                        entries.push(entry);
                        events.push(id);
                        continue;
                    }
                    Err(too_large) if is_source => return Err(Refusal::too_large(too_large.to_string())),
                    Err(too_large) => Unreadable { reason: too_large.to_string(), payload },
                }
            }
            Err(unreadable) => unreadable,
        };
        entries.extend(rejected(channel, &namespace, delivery, index, &unreadable));
        failed += 1;
    }
    Ok((entries, events, failed))
}

/// Leaves the white space out of a payload that could be too large for the bus with it.
fn spared(payload: Cow<'_, RawValue>) -> Cow<'_, RawValue> {
    if payload.get().len() <= ENTRY_LIMIT_BYTES / 2 {
        return payload;
    }
    RawValue::from_string(without_spaces(payload.get())).map_or(payload, Cow::Owned)
}

/// Builds the event of an update.
async fn entry(
    open_channels: &OpenChannels,
    channel: &OpenChannel,
    delivery: &Delivery<'_>,
    id: EventId,
    kind: Kind,
    payload: &RawValue,
) -> Result<Result<Entry, TooLarge>, Error> {
    let origin = || channel.origin(delivery.now);
    Ok(match kind {
        Kind::Event { name } => {
            let settings = &channel.settings;
            let signature = settings.recipe.as_ref().map(|recipe| recipe.header.as_str());
            let content = WebhookReceived {
                platform: settings.platform.clone(),
                channel_id: channel.id.clone(),
                headers: header::forwarded(delivery.headers, signature),
                payload,
            };
            fact(channel, delivery, id, event_type(&settings.platform, name.as_deref()), content)
        }
        Kind::Message { mut message, reply_token } => {
            if let Some(token) = reply_token {
                let sealed = open_channels.sealed_token(&channel.id, &token).await?;
                message.metadata.insert("replyToken".to_owned(), sealed);
            }
            let content = MessageReceived { origin: origin(), message: *message, payload };
            fact(channel, delivery, id, MESSAGE_RECEIVED, content)
        }
        Kind::Status(status) => {
            let content = MessageStatus { origin: origin(), status, payload };
            fact(channel, delivery, id, MESSAGE_STATUS, content)
        }
    })
}

fn fact<C: Serialize>(
    channel: &OpenChannel,
    delivery: &Delivery<'_>,
    id: EventId,
    kind: EventType,
    content: C,
) -> Result<Entry, TooLarge> {
    let mut event = channel.event(kind, id, delivery.now, content);
    event.dedup_window_seconds = Some(channel.settings.dedup_window_seconds);
    Entry::fact(WEBHOOK_SOURCE, &event)
}

/// Builds the fact that a part of a webhook could not be read.
fn rejected(
    channel: &OpenChannel,
    namespace: &Namespace,
    delivery: &Delivery<'_>,
    index: usize,
    unreadable: &Unreadable<'_>,
) -> Option<Entry> {
    let id = namespace.rejected_id(unreadable.payload.get());
    let content = MessageRejected {
        origin: channel.origin(delivery.now),
        reason: &unreadable.reason.chars().take(REASON_LIMIT).collect::<String>(),
        index,
        payload: Some(&*unreadable.payload).filter(|payload| payload.get().len() <= REJECTED_LIMIT_BYTES),
    };
    tracing::info!(channel_id = %channel.id, index, "a part of a webhook is rejected");
    fact(channel, delivery, id, MESSAGE_REJECTED, content).ok()
}

/// Returns the type of an event with the platform's own name for it, if a dispatcher can use that name.
fn event_type(platform: &str, name: Option<&str>) -> EventType {
    let name = name.filter(|name| !name.is_empty());
    let named = name.and_then(|name| EventType::parse(format!("{platform}.{name}")).ok());
    named.unwrap_or(WEBHOOK_RECEIVED)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_events_of_every_platform_are_ours_alone() {
        let names: BTreeSet<&str> = platform::registry::all().map(|platform| platform.spec().name).collect();
        assert_eq!(names, BTreeSet::from(shared::event::fact::PLATFORMS));
    }

    #[test]
    fn a_kind_that_a_dispatcher_cannot_name_is_a_received_webhook() {
        let check =
            |kind: Option<&str>, expected: &str| assert_eq!(event_type("github", kind).as_str(), expected, "{kind:?}");
        check(Some("push"), "github.push");
        check(Some("orders/create"), "github.orders/create");
        check(None, "webhook.received");
        check(Some(""), "webhook.received");
        check(Some("two words"), "webhook.received");
        check(Some("ü"), "webhook.received");
        check(Some(&"x".repeat(121)), &format!("github.{}", "x".repeat(121)));
        check(Some(&"x".repeat(122)), "webhook.received");
    }
}
