//! Messages in the log: their direction, their delivery status, and the result of sending one.

use jiff::Timestamp;
use platform::chat::Problem;
use platform::message::{DeliveryStatus, StatusUpdate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::event::{Answer, ChannelId, EventId, FailedResponse, RecordKind, StepError, TenantId};

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// It was received.
    Inbound,
    /// It is sent.
    Outbound,
}

/// The delivery status of a message; the furthest one wins, in whatever order they are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageStatus {
    /// It was received.
    Received,
    /// It is being sent to the platform.
    Sending,
    /// It is not known whether the platform has accepted it.
    Unknown,
    /// The platform has accepted it.
    Sent,
    /// It was delivered to the recipient's device.
    Delivered,
    /// It was read.
    Read,
    /// Its recording was played.
    Played,
    /// It could not be delivered.
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

/// A change of the status of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct StatusChange {
    /// The delivery status.
    pub status: MessageStatus,
    /// When, in milliseconds since 1970.
    pub timestamp: i64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The result of sending a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendResult {
    /// Whether the platform has accepted it.
    pub success: bool,
    /// The id of the message in the log.
    pub id: String,
    /// The platform's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// `sent`, `failed`, or `unknown` where the platform may have accepted it.
    pub status: MessageStatus,
    /// Why the platform has not accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// The number of attempts.
    pub attempts: u32,
    /// After how many seconds the platform accepts another attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// What else the platform says.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// What the platform has answered last, if it has not accepted the message.
    #[serde(skip)]
    pub response: Option<FailedResponse>,
}

/// What the log says about a message, as it is stored and as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEntry {
    /// Its id in the log; of a received one, the id of its event.
    pub id: String,
    /// The channel.
    pub channel_id: ChannelId,
    /// The tenant of the channel.
    pub tenant_id: TenantId,
    /// The platform of the channel.
    pub platform: String,
    /// The direction.
    pub direction: Direction,
    /// The delivery status.
    pub status: MessageStatus,
    /// Its status changes, the oldest first.
    pub history: Vec<StatusChange>,
    /// The platform's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The event of a received message, or the one that led to sending it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
}

/// A message as the log shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedMessage {
    #[serde(flatten)]
    pub entry: LogEntry,
    /// The message that was received or sent.
    #[schema(value_type = Object)]
    pub message: Value,
    /// The result of sending it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<SendResult>,
    /// When it was logged.
    #[serde(with = "shared::clock::iso")]
    pub logged_at: Timestamp,
    /// When it may be deleted.
    #[serde(with = "shared::clock::iso")]
    pub expires_at: Timestamp,
}

impl StatusChange {
    /// A change at a time in milliseconds since 1970.
    pub(crate) fn new(status: MessageStatus, timestamp: i64) -> Self {
        Self { status, timestamp, error: None }
    }
}

impl From<StatusUpdate> for StatusChange {
    fn from(update: StatusUpdate) -> Self {
        Self { status: update.status.into(), timestamp: update.timestamp, error: update.error }
    }
}

impl SendResult {
    /// The platform has accepted it.
    pub(crate) fn sent(id: &str, attempts: u32) -> Self {
        Self {
            success: true,
            id: id.to_owned(),
            message_id: None,
            status: MessageStatus::Sent,
            error: None,
            attempts,
            retry_after_seconds: None,
            metadata: Map::new(),
            response: None,
        }
    }

    /// The platform has not accepted it, or may have.
    pub(crate) fn failed(id: &str, status: MessageStatus, attempts: u32, problem: Problem) -> Self {
        Self { success: false, status, error: Some(problem), ..Self::sent(id, attempts) }
    }

    /// The process that was sending it stopped half-way.
    pub(crate) fn interrupted(id: &str) -> Self {
        let message = "sending was interrupted; it is not known whether the platform has accepted the message";
        Self::failed(id, MessageStatus::Unknown, 1, Problem::new("INTERRUPTED", message))
    }

    /// The rate limit of the channel is reached.
    pub(crate) fn rate_limited(id: &str, message: String, retry_after_s: Option<u32>) -> Self {
        let failed = Self::failed(id, MessageStatus::Failed, 0, Problem::new("RATE_LIMITED", message));
        Self { retry_after_seconds: retry_after_s.map(u64::from), ..failed }
    }

    /// Returns the answer to the step that the message was sent for, with this result as the output.
    ///
    /// What the platform says beyond what an event can carry is left out: the message is sent all the same.
    pub(crate) fn answer(&self) -> Answer {
        let mut output = serde_json::to_value(self).unwrap_or_default();
        if StepError::of_output(&output).is_some() {
            let kept = Self { metadata: Map::new(), message_id: None, ..self.clone() };
            output = serde_json::to_value(kept).unwrap_or_default();
        }
        let named = |answer: Answer| answer.with_record(RecordKind::Message, &self.id);
        if self.success {
            return named(Answer::succeeded(output));
        }
        let name = match (self.status, self.retry_after_seconds) {
            (MessageStatus::Unknown, _) => StepError::OUTCOME_UNKNOWN,
            (_, Some(_)) => "RateLimited",
            _ => "PlatformRefused",
        };
        let problem = self.error.as_ref().map(|problem| format!("{}: {}", problem.code, problem.message));
        let failed = Answer::failed(StepError::invocation(name, problem.unwrap_or_default()));
        named(failed.with_output(output).with_response(self.response.clone()))
    }
}
