//! The facts: what happened, as dispatchers and their filters see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{ChannelId, DispatcherId, EventId, EventType, StepError, TenantId};
use crate::error::Refusal;

/// The source of events that a client published through the API.
pub const CUSTOM_SOURCE: &str = "hookyard.custom";
/// The source of facts about channels, webhooks and messages.
pub const WEBHOOK_SOURCE: &str = "hookyard.webhook";
/// The source of facts about tasks.
pub const TASK_SOURCE: &str = "hookyard.task";
/// The source of facts about apps.
pub const ACTION_SOURCE: &str = "hookyard.action";
/// The source of facts about callbacks.
pub const CALLBACK_SOURCE: &str = "hookyard.callback";
/// The source of facts about mails.
pub const MAIL_SOURCE: &str = "hookyard.mail";

/// The source of facts about runs.
pub const DISPATCHER_SOURCE: &str = "hookyard.dispatcher";

/// The type of [`WebhookReceived`] where the platform does not name the kind of event.
pub const WEBHOOK_RECEIVED: EventType = EventType::known("webhook.received");
/// The type of [`MessageReceived`].
pub const MESSAGE_RECEIVED: EventType = EventType::known("message.received");
/// The type of [`MessageStatus`].
pub const MESSAGE_STATUS: EventType = EventType::known("message.status");
/// The type of [`MessageRejected`].
pub const MESSAGE_REJECTED: EventType = EventType::known("message.rejected");
/// The type of [`MessageSent`].
pub const MESSAGE_SENT: EventType = EventType::known("message.sent");
/// The type of [`MessageFailed`].
pub const MESSAGE_FAILED: EventType = EventType::known("message.failed");
/// The type of [`ChannelChanged`] when a channel was created.
pub const CHANNEL_REGISTERED: EventType = EventType::known("channel.registered");
/// The type of [`ChannelChanged`] when a channel was deleted.
pub const CHANNEL_UNREGISTERED: EventType = EventType::known("channel.unregistered");
/// The type of [`TaskFailed`].
pub const TASK_FAILED: EventType = EventType::known("task_failed");
/// The type of [`ScheduleMissed`].
pub const SCHEDULE_MISSED: EventType = EventType::known("schedule.missed");
/// The type of [`JobChanged`] when a job was created or got another schedule.
pub const JOB_SCHEDULED: EventType = EventType::known("job.scheduled");
/// The type of [`JobChanged`] when a run of a job started.
pub const JOB_STARTED: EventType = EventType::known("job.started");
/// The type of [`JobChanged`] when a run of a job succeeded.
pub const JOB_COMPLETED: EventType = EventType::known("job.completed");
/// The type of [`JobChanged`] when a run of a job failed.
pub const JOB_FAILED: EventType = EventType::known("job.failed");
/// The type of [`JobChanged`] when a job was cancelled.
pub const JOB_CANCELLED: EventType = EventType::known("job.cancelled");
/// The type of [`JobChanged`] when a job was paused.
pub const JOB_PAUSED: EventType = EventType::known("job.paused");
/// The type of [`JobChanged`] when a job was resumed.
pub const JOB_RESUMED: EventType = EventType::known("job.resumed");
/// The type of [`CallbackEnded`] when a callback was called.
pub const CALLBACK_RESOLVED: EventType = EventType::known("callback.resolved");
/// The type of [`CallbackEnded`] when nobody called a callback in time.
pub const CALLBACK_EXPIRED: EventType = EventType::known("callback.expired");

/// The type of [`AppHealthChanged`] when the probes of an app get through again.
pub const APP_AVAILABLE: EventType = EventType::known("app.available");
/// The type of [`AppHealthChanged`] when the probes of an app do not get through.
pub const APP_UNAVAILABLE: EventType = EventType::known("app.unavailable");

/// The source of facts about users.
pub const AUTH_SOURCE: &str = "hookyard.auth";
/// The type of [`UserChanged`] when a user was created.
pub const USER_CREATED: EventType = EventType::known("user_created");
/// The type of [`UserChanged`] when a user was deleted.
pub const USER_DELETED: EventType = EventType::known("user_deleted");
/// The type of [`UserCompleted`] when a user got another password.
pub const PASSWORD_UPDATE_COMPLETED: EventType = EventType::known("password_update_completed");
/// The type of [`UserCompleted`] when a user was activated.
pub const USER_ACTIVATION_COMPLETED: EventType = EventType::known("user_activation_completed");
/// The type of [`MailChanged`] when the server of a recipient took a mail.
pub const MAIL_DELIVERED: EventType = EventType::known("mail.delivered");
/// The type of [`MailChanged`] when a mail cannot be delivered to a recipient.
pub const MAIL_BOUNCED: EventType = EventType::known("mail.bounced");
/// The type of [`MailChanged`] when a recipient marked a mail as spam.
pub const MAIL_COMPLAINED: EventType = EventType::known("mail.complained");
/// The type of [`MailChanged`] when a mail was not sent, or nobody knows whether it was.
pub const MAIL_FAILED: EventType = EventType::known("mail.failed");
/// The type of [`RunEnded`] when a run succeeded.
pub const RUN_SUCCEEDED: EventType = EventType::known("run.succeeded");
/// The type of [`RunEnded`] when a run failed.
pub const RUN_FAILED: EventType = EventType::known("run.failed");

/// The platforms whose events have types that begin with their names, as `github.push`.
pub const PLATFORMS: [&str; 11] = [
    "discord",
    "github",
    "hmac",
    "shopify",
    "slack",
    "standard-webhooks",
    "stripe",
    "telegram",
    "twilio",
    "unsigned",
    "whatsapp",
];

/// The types of the facts that only Hookyard itself publishes, beside those of the [`PLATFORMS`].
///
/// Those about users are not among them, as they may as well be users of somebody else's service.
pub const OWN: [EventType; 27] = [
    WEBHOOK_RECEIVED,
    MESSAGE_RECEIVED,
    MESSAGE_STATUS,
    MESSAGE_REJECTED,
    MESSAGE_SENT,
    MESSAGE_FAILED,
    CHANNEL_REGISTERED,
    CHANNEL_UNREGISTERED,
    TASK_FAILED,
    SCHEDULE_MISSED,
    JOB_SCHEDULED,
    JOB_STARTED,
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_PAUSED,
    JOB_RESUMED,
    CALLBACK_RESOLVED,
    CALLBACK_EXPIRED,
    APP_AVAILABLE,
    APP_UNAVAILABLE,
    MAIL_DELIVERED,
    MAIL_BOUNCED,
    MAIL_COMPLAINED,
    MAIL_FAILED,
    RUN_SUCCEEDED,
    RUN_FAILED,
];

/// Refuses an event that a client or a script would publish as if it came from Hookyard: with the type of a command, of an
/// answer to one, or of a fact of our own.
pub fn check_published(kind: &EventType) -> Result<(), Refusal> {
    if kind.is_reserved() {
        return Err(Refusal::field("type", "must not be the type of a command or of an answer to one"));
    }
    let of_platform = kind.as_str().split_once('.').is_some_and(|(name, _)| PLATFORMS.contains(&name));
    match of_platform || OWN.contains(kind) {
        true => {
            let rule = format!("must not be `{}`, which only Hookyard itself publishes", kind.as_str());
            Err(Refusal::field("type", rule))
        }
        false => Ok(()),
    }
}

/// The fact `webhook.received`: a channel accepted a webhook.
///
/// Events of platforms that name their kinds have the type `<platform>.<kind>` and the same content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookReceived<P = Value> {
    /// The platform of the channel.
    pub platform: String,
    /// The channel that received it.
    pub channel_id: ChannelId,
    /// The request's headers by lower-case name, without credentials and signatures.
    pub headers: Map<String, Value>,
    /// The request's body.
    pub payload: P,
}

/// What every fact about a message says of its channel, and when it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelOrigin {
    /// The tenant of the channel, whatever the sender says.
    pub tenant_id: TenantId,
    /// The channel.
    pub channel_id: ChannelId,
    /// Its platform.
    pub platform: String,
    /// When the fact was published, in milliseconds since 1970.
    pub timestamp: i64,
}

/// The fact `message.received`: a message came in.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageReceived<M, P> {
    /// Where it came in.
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// The message in the form that all platforms share.
    pub message: M,
    /// The message as the platform wrote it.
    pub payload: P,
}

/// The fact `message.status`: a message of ours has come further, or never will.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageStatus<S, P> {
    /// Where it was sent.
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// What the platform says; the status of the message has the time of the status.
    pub status: S,
    /// The status as the platform wrote it.
    pub payload: P,
}

/// The fact `message.rejected`: a part of a webhook could not be read.
#[derive(Debug, Serialize)]
pub struct MessageRejected<'a> {
    /// Where it came in.
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// What was wrong with it.
    pub reason: &'a str,
    /// Its place in the webhook, from 0.
    pub index: usize,
    /// The part that could not be read, unless it is large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<&'a RawValue>,
}

/// The fact `message.sent`: the platform took a message of ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageSent<'a> {
    /// Where it was sent.
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// The id in the message log.
    pub id: &'a str,
    /// The platform's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<&'a str>,
    /// Who it was sent to.
    pub to: &'a str,
    /// What else the platform says.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: &'a Map<String, Value>,
}

/// The fact `message.failed`: the platform did not take a message of ours, or nobody knows whether it did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageFailed<'a> {
    /// Where it was to be sent.
    #[serde(flatten)]
    pub origin: ChannelOrigin,
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
    /// What else the platform says.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: &'a Map<String, Value>,
}

/// The facts `channel.registered` and, without `config`, `channel.unregistered`.
#[derive(Debug, Serialize)]
pub struct ChannelChanged<C> {
    /// The channel.
    #[serde(flatten)]
    pub origin: ChannelOrigin,
    /// What a client decided about it, without its credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<C>,
}

/// The fact `task_failed`: a task ended without success.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskFailed {
    /// The task.
    pub id: String,
    /// The function that it ran; absent for a script.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub function_name: String,
    /// The script that it ran in place of a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// The schedule that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<String>,
    /// Why it failed.
    pub error: StepError,
}

/// The fact `schedule.missed`: instants of a schedule passed without a task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleMissed {
    /// The schedule.
    pub schedule_id: String,
    /// The first instant.
    #[serde(with = "crate::clock::iso")]
    pub from: Timestamp,
    /// The last instant.
    #[serde(with = "crate::clock::iso")]
    pub to: Timestamp,
    /// How many there are.
    pub count: u64,
    /// Whether there are more than were counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// Why.
    pub reason: String,
}

/// The facts about jobs, from `job.scheduled` to `job.resumed`, which say nothing of what was sent or returned.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobChanged {
    /// The job.
    pub job_id: String,
    /// The task of the run that started or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Why the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// The facts `callback.resolved` and `callback.expired`, which say nothing of what was sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackEnded {
    /// The callback.
    pub callback_id: String,
    /// When it was called or its time ran out.
    #[serde(default, with = "crate::clock::iso::optional")]
    pub date: Option<Timestamp>,
}

/// The facts `app.available` and `app.unavailable`: the health of an app has changed for an access tag.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppHealthChanged {
    /// The app.
    pub app: String,
    /// Its environment.
    pub app_env: String,
    /// The product.
    pub product: String,
    /// The environment of the product.
    pub env: String,
    /// The access tag.
    pub access_tag: String,
    /// When it changed.
    #[serde(with = "crate::clock::iso")]
    pub since: Timestamp,
    /// When a probe last got through.
    #[serde(default, with = "crate::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub last_available: Option<Timestamp>,
    /// The type of the last failure, such as `TIMEOUT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Value>,
}

/// The facts `user_created` and `user_deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserChanged {
    /// The user.
    pub id: String,
}

/// The facts `password_update_completed` and `user_activation_completed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserCompleted {
    /// The user.
    pub user_id: String,
}

/// The facts `mail.delivered`, `mail.bounced`, `mail.complained` and `mail.failed`, without subject and body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailChanged {
    /// The mail.
    pub mail_id: String,
    /// The template that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// The addresses that it is about.
    pub recipients: Vec<String>,
    /// `permanent`, `transient` or `undetermined` for a bounce, `failed` or `unknown` for a mail that was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Why, in the words of the one who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it happened.
    #[serde(with = "crate::clock::iso")]
    pub time: Timestamp,
}

/// The facts `run.succeeded` and `run.failed`: a dispatcher is done with an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEnded {
    /// The event that started the run.
    pub event_id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// The dispatcher that ran.
    pub dispatcher_id: DispatcherId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatcher_name: Option<String>,
    /// The steps that failed; also those whose failure did not fail the run.
    pub failed_steps: Vec<FailedStep>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedStep {
    /// Its name.
    pub name: String,
    /// The type of its action.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_cannot_be_forged() {
        let check = |kind: &str, expected: bool| {
            let is_published = EventType::parse(kind).is_ok_and(|kind| check_published(&kind).is_ok());
            assert_eq!(is_published, expected, "{kind}");
        };
        check("user_deleted", true);
        check("order.paid", true);
        check("task.requested", false);
        check("task.due", false);
        check("step.finished", false);
        check("#id", false);
        check("", false);
        check("task.failed", true);
        check("github", true);
        check("githubs.push", true);
        check("order.github.push", true);
        for platform in PLATFORMS {
            check(&format!("{platform}.push"), false);
        }
        for kind in &OWN {
            check(kind.as_str(), false);
        }
    }
}
