//! A message in the log: where it came from or went to, and how far it has come.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{ChannelId, EventId};

use crate::fact::{MessageReceived, Origin};
use crate::send::SendResult;
use platform::message::{DeliveryStatus, StatusUpdate};

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The key: the event that brought it, or our id of what is sent.
    pub id: String,
    /// The channel, and the order in which the log shows its messages.
    pub channel_id: ChannelId,
    /// The time and the id, so that no two messages of a channel have the same.
    pub logged_at: String,
    /// The tenant of the channel.
    pub tenant_id: String,
    /// The platform of the channel.
    pub platform: String,
    /// Which way it goes.
    pub direction: Direction,
    /// How far it has come.
    pub status: MessageStatus,
    /// What was learnt of it when, the oldest first.
    pub history: Vec<Change>,
    /// The platform's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The event that brought it, or that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// The message as JSON text, which has numbers that DynamoDB's do not reach.
    pub message: String,
    /// What came of sending it, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Who is sending it, so that a write whose answer was lost is recognised as one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when it is taken to be under way, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<i64>,
    /// When it may be deleted, in seconds since 1970.
    pub expires_at: i64,
    /// Counts the changes.
    pub version: u64,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// It came in.
    Inbound,
    /// It goes out.
    Outbound,
}

/// How far a message has come; a later one wins whatever order they are learnt in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageStatus {
    /// It came in.
    Received,
    /// It is on its way to the platform.
    Sending,
    /// It was on its way, and nobody knows whether the platform has taken it.
    Unknown,
    /// The platform has taken it.
    Sent,
    /// It has reached the recipient's device.
    Delivered,
    /// It was read.
    Read,
    /// Its sound was played.
    Played,
    /// It will never arrive.
    Failed,
}

impl From<DeliveryStatus> for MessageStatus {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Sent => Self::Sent,
            DeliveryStatus::Delivered => Self::Delivered,
            DeliveryStatus::Read => Self::Read,
            DeliveryStatus::Played => Self::Played,
            DeliveryStatus::Failed => Self::Failed,
        }
    }
}

/// A step that a message has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    /// How far it has come.
    pub status: MessageStatus,
    /// When, in milliseconds since 1970.
    pub timestamp: i64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A message as the log shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedMessage {
    /// Our id of it; of one that came in, the id of its event.
    pub id: String,
    /// The channel.
    pub channel_id: ChannelId,
    /// The tenant of the channel.
    pub tenant_id: String,
    /// The platform of the channel.
    pub platform: String,
    /// Which way it goes.
    pub direction: Direction,
    /// How far it has come.
    pub status: MessageStatus,
    /// What was learnt of it when, the oldest first.
    pub history: Vec<Change>,
    /// The platform's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The event that brought it, or that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// What came in, or what was to be sent.
    #[schema(value_type = Object)]
    pub message: Value,
    /// What came of sending it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<SendResult>,
    /// When it was logged.
    #[schema(value_type = String, format = DateTime)]
    pub logged_at: Timestamp,
    /// When it may be deleted.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl Record {
    /// Logs a message that came in.
    pub(crate) fn received(event_id: &EventId, time: Timestamp, received: MessageReceived<IgnoredAny>) -> Self {
        let MessageReceived { origin, message, .. } = received;
        let history = vec![Change::new(MessageStatus::Received, message.timestamp)];
        let record = Self::new(event_id.as_str(), origin, Direction::Inbound, time, history);
        Self {
            event_id: Some(event_id.clone()),
            message: serde_json::to_string(&message).unwrap_or_default(),
            message_id: Some(message.id),
            ..record
        }
    }

    /// Starts the record of a message that is about to be sent.
    pub(crate) fn sending(id: &str, origin: Origin, now: Timestamp, message: &impl Serialize) -> Self {
        let history = vec![Change::new(MessageStatus::Sending, now.as_millisecond())];
        let record = Self::new(id, origin, Direction::Outbound, now, history);
        Self { message: serde_json::to_string(message).unwrap_or_default(), ..record }
    }

    fn new(id: &str, origin: Origin, direction: Direction, time: Timestamp, history: Vec<Change>) -> Self {
        Self {
            id: id.to_owned(),
            channel_id: origin.channel_id,
            // Always three decimals, so that the texts have the order of the times.
            logged_at: format!("{time:.3}~{id}"),
            tenant_id: origin.tenant_id,
            platform: origin.platform,
            direction,
            status: history.first().map_or(MessageStatus::Received, |change| change.status),
            history,
            message_id: None,
            event_id: None,
            message: String::new(),
            result: None,
            owner: None,
            lease_until: None,
            expires_at: 0,
            version: 1,
        }
    }

    /// Takes a step; returns whether it was a new one.
    ///
    /// Steps are learnt in any order and more than once. The status is the furthest of them, and one that failed stays so.
    pub(crate) fn change(&mut self, change: Change) -> bool {
        if self.history.iter().any(|known| known.status == change.status) {
            return false;
        }
        self.status = self.status.max(change.status);
        self.history.push(change);
        self.history.sort_by_key(|change| change.timestamp);
        true
    }

    /// Returns what came of sending it, once that is known.
    pub(crate) fn result(&self) -> Option<SendResult> {
        serde_json::from_str(self.result.as_deref()?).ok()
    }

    /// Returns the message as the log shows it at `now`; a sending that was interrupted is shown as what it is.
    pub(crate) fn shown(self, now: Timestamp) -> LoggedMessage {
        let is_interrupted = self.lease_until.is_some_and(|until| until <= now.as_millisecond());
        let (time, _) = self.logged_at.split_once('~').unwrap_or_default();
        LoggedMessage {
            result: self.result(),
            logged_at: time.parse().unwrap_or_default(),
            expires_at: Timestamp::from_second(self.expires_at).unwrap_or_default(),
            message: serde_json::from_str(&self.message).unwrap_or_default(),
            id: self.id,
            channel_id: self.channel_id,
            tenant_id: self.tenant_id,
            platform: self.platform,
            direction: self.direction,
            status: if is_interrupted { MessageStatus::Unknown } else { self.status },
            history: self.history,
            message_id: self.message_id,
            event_id: self.event_id,
        }
    }
}

impl Change {
    /// A step at a time in milliseconds since 1970.
    pub(crate) fn new(status: MessageStatus, timestamp: i64) -> Self {
        Self { status, timestamp, error: None }
    }
}

impl From<StatusUpdate> for Change {
    fn from(update: StatusUpdate) -> Self {
        Self { status: update.status.into(), timestamp: update.timestamp, error: update.error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let origin = Origin {
            tenant_id: "t".to_owned(),
            channel_id: ChannelId::new("c"),
            platform: "whatsapp".to_owned(),
            timestamp: 0,
        };
        Record::sending("id", origin, Timestamp::from_millisecond(1_000).unwrap(), &"hello")
    }

    #[test]
    fn steps_are_kept_once_in_the_order_of_their_times_and_the_furthest_is_the_status() {
        let mut record = record();
        let steps = [(MessageStatus::Read, 4_000), (MessageStatus::Sent, 2_000), (MessageStatus::Delivered, 3_000)];
        for (status, timestamp) in steps {
            assert!(record.change(Change::new(status, timestamp)));
            assert!(!record.change(Change::new(status, timestamp + 1)));
        }
        assert_eq!(record.status, MessageStatus::Read);
        let history: Vec<_> = record.history.iter().map(|change| (change.status, change.timestamp)).collect();
        let sending = (MessageStatus::Sending, 1_000);
        assert_eq!(history, [sending, steps[1], steps[2], steps[0]]);
    }

    #[test]
    fn what_failed_stays_failed() {
        let mut record = record();
        record.change(Change::new(MessageStatus::Failed, 2_000));
        record.change(Change::new(MessageStatus::Delivered, 3_000));
        assert_eq!(record.status, MessageStatus::Failed);
    }

    #[test]
    fn a_record_shows_when_it_was_logged() {
        let shown = record().shown(Timestamp::UNIX_EPOCH);
        assert_eq!((shown.logged_at.to_string(), shown.message), ("1970-01-01T00:00:01Z".to_owned(), "hello".into()));
    }
}
