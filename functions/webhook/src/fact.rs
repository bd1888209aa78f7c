//! The facts that this function publishes about channels and messages; `webhook.received` is in `shared`.

use jiff::Timestamp;
use platform::message::{NormalizedMessage, StatusUpdate};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use shared::bus::{Entry, TooLarge};
use shared::event::{ChannelId, Envelope, EventId, Trace, WebhookReceived};

use crate::channel::ChannelSettings;

/// The source of all of these facts.
pub(crate) const SOURCE: &str = WebhookReceived::<()>::SOURCE;
/// A message was received.
pub(crate) const MESSAGE_RECEIVED: &str = "message.received";
/// The platform accepted a message of ours.
pub(crate) const MESSAGE_SENT: &str = "message.sent";
/// The platform did not accept a message of ours, or it is not known whether it did.
pub(crate) const MESSAGE_FAILED: &str = "message.failed";
/// The delivery status of a message of ours has changed.
pub(crate) const MESSAGE_STATUS: &str = "message.status";
/// A part of a webhook could not be read.
pub(crate) const MESSAGE_REJECTED: &str = "message.rejected";
/// A channel was created.
pub(crate) const CHANNEL_REGISTERED: &str = "channel.registered";
/// A channel was deleted.
pub(crate) const CHANNEL_UNREGISTERED: &str = "channel.unregistered";

/// The channel that a fact is about, and when it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelOrigin {
    /// The tenant of the channel.
    pub tenant_id: String,
    /// The channel.
    pub channel_id: ChannelId,
    /// Its platform.
    pub platform: String,
    /// When the fact was published, in milliseconds since 1970.
    pub timestamp: i64,
}

/// The content of `message.received`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MessageReceived<P> {
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    pub message: NormalizedMessage,
    /// The message as the platform sent it.
    pub payload: P,
}

/// The content of `message.status`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MessageStatusChanged<P> {
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// What the platform reports.
    pub status: StatusUpdate,
    /// The status as the platform sent it.
    pub payload: P,
}

/// The content of `message.rejected`.
#[derive(Debug, Serialize)]
pub(crate) struct MessageRejected<'a> {
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// What is wrong with it.
    pub reason: &'a str,
    /// Its position in the webhook, from 0.
    pub index: usize,
    /// The part that could not be read, unless it is large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<&'a RawValue>,
}

/// The content of `message.sent`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageSent<'a> {
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// The id in the message log.
    pub id: &'a str,
    /// The platform's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<&'a str>,
    /// The recipient.
    pub to: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: &'a Map<String, Value>,
}

/// The content of `message.failed`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageFailed<'a> {
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// The id in the message log.
    pub id: &'a str,
    /// Why it failed, in one line.
    pub error: &'a str,
    /// `failed`, or `unknown` where the platform may have accepted it.
    pub status: &'a str,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a Value>,
    /// The number of retries.
    pub retry_count: u32,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: &'a Map<String, Value>,
}

/// The content of `channel.registered` and, without `config`, of `channel.unregistered`.
#[derive(Debug, Serialize)]
pub(crate) struct ChannelChanged<'a> {
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<&'a ChannelSettings>,
}

impl ChannelOrigin {
    /// Describes a channel at a time.
    pub(crate) fn new(channel_id: &ChannelId, settings: &ChannelSettings, now: Timestamp) -> Self {
        Self {
            tenant_id: settings.tenant_id.clone(),
            channel_id: channel_id.clone(),
            platform: settings.platform.clone(),
            timestamp: now.as_millisecond(),
        }
    }
}

/// Builds the entry of a fact about a channel with these settings.
pub(crate) fn entry<C: Serialize>(
    kind: &str,
    id: EventId,
    settings: &ChannelSettings,
    time: Timestamp,
    content: C,
    trace: Trace,
    dedup_window_seconds: Option<u32>,
) -> Result<Entry, TooLarge> {
    let (kind, tenant_id) = (kind.to_owned(), settings.tenant_id.clone());
    Entry::fact(SOURCE, &Envelope { id, kind, tenant_id, time, content, trace, dedup_window_seconds })
}
