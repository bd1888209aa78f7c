//! The facts that this function publishes about channels and messages; `webhook.received` is in the shared vocabulary.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use shared::bus::{Entry, TooLarge};
use shared::event::{ChannelId, Envelope, EventId, Trace, WebhookReceived};

use crate::channel::Definition;
use platform::message::{NormalizedMessage, StatusUpdate};

/// The source of all of these facts.
pub(crate) const SOURCE: &str = WebhookReceived::<()>::SOURCE;
/// A message came in.
pub(crate) const MESSAGE_RECEIVED: &str = "message.received";
/// The platform took a message of ours.
pub(crate) const MESSAGE_SENT: &str = "message.sent";
/// The platform did not take a message of ours, or nobody knows whether it did.
pub(crate) const MESSAGE_FAILED: &str = "message.failed";
/// A message of ours has come further, or never will.
pub(crate) const MESSAGE_STATUS: &str = "message.status";
/// A part of a webhook could not be read.
pub(crate) const MESSAGE_REJECTED: &str = "message.rejected";
/// A channel was created.
pub(crate) const CHANNEL_REGISTERED: &str = "channel.registered";
/// A channel was deleted.
pub(crate) const CHANNEL_UNREGISTERED: &str = "channel.unregistered";

/// What every fact says about its channel, and when it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Origin {
    /// The tenant of the channel, whatever the sender says.
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
    pub origin: Origin,
    pub message: NormalizedMessage,
    /// The message as the platform wrote it.
    pub payload: P,
}

/// The content of `message.status`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MessageStatus<P> {
    #[serde(flatten)]
    pub origin: Origin,
    /// What the platform says; the status of the message has the time of the status.
    pub status: StatusUpdate,
    /// The status as the platform wrote it.
    pub payload: P,
}

/// The content of `message.rejected`.
#[derive(Debug, Serialize)]
pub(crate) struct MessageRejected<'a> {
    #[serde(flatten)]
    pub origin: Origin,
    /// What was wrong with it.
    pub reason: &'a str,
    /// Its place in the webhook, from 0.
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
    pub origin: Origin,
    /// The id in the message log.
    pub id: &'a str,
    /// The platform's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<&'a str>,
    /// Who it was sent to.
    pub to: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: &'a Map<String, Value>,
}

/// The content of `message.failed`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageFailed<'a> {
    #[serde(flatten)]
    pub origin: Origin,
    /// The id in the message log.
    pub id: &'a str,
    /// Why, in one line.
    pub error: &'a str,
    /// `failed`, or `unknown` where the platform may have taken it.
    pub status: &'a str,
    /// What was to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a Value>,
    /// How often it was tried again.
    pub retry_count: u32,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: &'a Map<String, Value>,
}

/// The content of `channel.registered` and, without `config`, of `channel.unregistered`.
#[derive(Debug, Serialize)]
pub(crate) struct ChannelChanged<'a> {
    #[serde(flatten)]
    pub origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<&'a Definition>,
}

impl Origin {
    /// Describes a channel at a time.
    pub(crate) fn new(channel_id: &ChannelId, definition: &Definition, now: Timestamp) -> Self {
        Self {
            tenant_id: definition.tenant_id.clone(),
            channel_id: channel_id.clone(),
            platform: definition.platform.clone(),
            timestamp: now.as_millisecond(),
        }
    }
}

/// Makes a fact that starts a chain of its own ready.
pub(crate) fn first<C: Serialize>(
    kind: &str,
    id: EventId,
    tenant_id: &str,
    time: Timestamp,
    content: C,
) -> Result<Entry, TooLarge> {
    let trace = Trace::start(&id);
    caused(kind, id, tenant_id, time, content, trace)
}

/// Makes a fact of a chain ready.
pub(crate) fn caused<C: Serialize>(
    kind: &str,
    id: EventId,
    tenant_id: &str,
    time: Timestamp,
    content: C,
    trace: Trace,
) -> Result<Entry, TooLarge> {
    let tenant_id = tenant_id.to_owned();
    let envelope = Envelope { id, kind: kind.to_owned(), tenant_id, time, content, trace, dedup_window_seconds: None };
    Entry::fact(SOURCE, &envelope)
}
