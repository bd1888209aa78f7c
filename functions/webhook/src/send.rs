//! Sending a message: it is recorded, handed to its platform, and the result is recorded.
//!
//! It is recorded before and after, so that no repetition of a command or request sends twice: a recorded result is
//! returned again, and a sending whose result was lost is `unknown`.

pub(crate) mod attempt;

use jiff::{SignedDuration, Timestamp};
use platform::chat::{Access, ApiRequest, Chat, Outgoing};
use platform::credentials::Credentials;
use serde_json::Value;
use shared::bus::Entry;
use shared::clock::{self, Clock, Ids};
use shared::event::{EventId, StepRequested, Trace};
use shared::outbound::Outbound;
use shared::{Error, Refusal};

use crate::fact::{self, ChannelOrigin, MESSAGE_FAILED, MESSAGE_SENT, MessageFailed, MessageSent};
use crate::message::{MessageStatus, SendResult};
use crate::open_channel::{OpenChannel, OpenChannels};
use crate::rate_limit;
use crate::refusal::refusal;
use crate::services::Services;
use crate::store::counter::CounterStore;
use crate::store::message::{MessageRecord, MessageStore};

/// How long sending may last before it counts as interrupted; all attempts together take less.
const LEASE: SignedDuration = SignedDuration::from_secs(35);

/// Who asks for a message to be sent.
pub(crate) enum Trigger<'a> {
    /// A request, whose id another one can have only with an idempotency key.
    Request {
        /// Whether it has such a key.
        has_key: bool,
    },
    /// A step of a run.
    Step(&'a StepRequested),
}

/// How sending a message ended.
pub(crate) enum SendAttempt {
    /// It was sent or failed, now or before.
    Finished(Box<MessageRecord>, SendResult),
    /// It cannot be sent as it is; nothing was tried.
    Refused(Refusal),
    /// Somebody else is sending it at this moment.
    InProgress,
}

/// Sends messages on one channel.
pub(crate) struct Sender<'a> {
    messages: &'a MessageStore,
    counters: &'a CounterStore,
    open_channels: &'a OpenChannels,
    outbound: &'a Outbound,
    clock: &'a Clock,
    ids: &'a Ids,
    channel: &'a OpenChannel,
}

impl<'a> Sender<'a> {
    /// Sends with these services on this channel.
    pub(crate) fn new(services: &'a Services, channel: &'a OpenChannel) -> Self {
        let Services { messages, counters, open_channels, outbound, clock, ids, .. } = services;
        Self { messages, counters, open_channels, outbound, clock, ids, channel }
    }

    /// Sends a message unless that was done before.
    pub(crate) async fn send(&self, mut outgoing: Outgoing, trigger: Trigger<'_>) -> Result<SendAttempt, Error> {
        let channel = self.channel;
        let now = self.clock.now();
        let is_new = matches!(trigger, Trigger::Request { has_key: false });
        if !is_new && let Some(earlier) = self.messages.get(&outgoing.id).await? {
            return self.resume(earlier, &outgoing, now).await;
        }
        outgoing.reply_token = self.reply_token(&outgoing, &trigger).await?;
        let (chat, request) = match request(channel, &outgoing) {
            Ok(request) => request,
            Err(refusal) => return Ok(SendAttempt::Refused(refusal)),
        };
        let refused = match channel.settings.rate_limits.send {
            Some(limit) if !self.counters.take("send", &channel.id, limit, now).await? => {
                Some(rate_limit::too_many("messages", limit, now))
            }
            _ => None,
        };
        if let (Some(refusal), Trigger::Request { .. }) = (&refused, &trigger) {
            return Ok(SendAttempt::Refused(refusal.clone()));
        }
        let origin = ChannelOrigin::new(&channel.id, &channel.settings, now);
        let mut record = MessageRecord::sending(&outgoing.id, origin, now, &outgoing);
        record.expires_at = self.messages.expires_at(now.as_second());
        record.lease_until = Some((now + LEASE).as_millisecond());
        if let Trigger::Step(request) = trigger {
            record.entry.event_id = Some(request.id.event_id.clone());
        }
        record.owner = Some(self.ids.secret());
        if !self.messages.create(&record).await? && !self.is_ours(&record).await? {
            return Ok(SendAttempt::InProgress);
        }
        // The refusal of a step is recorded like any other result, so that its command does not send when it is
        // delivered again in a later window.
        let result = match refused {
            Some(refusal) => SendResult::rate_limited(&outgoing.id, refusal.message, refusal.retry_after_s),
            None => attempt::send(self.outbound, self.ids, chat, &request, &outgoing.id).await,
        };
        self.finish(record, result).await
    }

    /// Returns the result of a message that was begun before.
    async fn resume(
        &self,
        mut record: MessageRecord,
        outgoing: &Outgoing,
        now: Timestamp,
    ) -> Result<SendAttempt, Error> {
        if record.message != serde_json::to_string(outgoing).unwrap_or_default() {
            let refusal = Refusal::field("Idempotency-Key", "was used for another message");
            return Ok(SendAttempt::Refused(refusal));
        }
        if let Some(result) = record.result() {
            return Ok(SendAttempt::Finished(Box::new(record), result));
        }
        if record.lease_until.is_some_and(|until| now.as_millisecond() < until) {
            return Ok(SendAttempt::InProgress);
        }
        let result = SendResult::interrupted(&record.entry.id);
        record.version += 1;
        record.finish(&result, now);
        match self.messages.replace(&record).await? {
            true => Ok(SendAttempt::Finished(Box::new(record), result)),
            false => Ok(SendAttempt::InProgress),
        }
    }

    /// Records the result.
    async fn finish(&self, mut record: MessageRecord, result: SendResult) -> Result<SendAttempt, Error> {
        let messages = self.messages;
        record.version += 1;
        record.finish(&result, self.clock.now());
        let written = match &result.message_id {
            Some(message_id) if self.channel.platform.spec().reports_status() => {
                messages.replace_with_receipt(&record, message_id).await?
            }
            _ => messages.replace(&record).await?,
        };
        let (id, status, attempts) = (&record.entry.id, result.status, result.attempts);
        tracing::info!(channel_id = %self.channel.id, id, ?status, attempts, "message sent");
        match written || self.is_ours(&record).await? {
            true => Ok(SendAttempt::Finished(Box::new(record), result)),
            false => Err(Error::new("record a sent message", "its record was taken over")),
        }
    }

    /// Tells whether the stored record is the one that we wrote: the reply to a write can be lost, and when the write
    /// is repeated its condition does not hold any more.
    async fn is_ours(&self, record: &MessageRecord) -> Result<bool, Error> {
        let written = self.messages.get(&record.entry.id).await?;
        Ok(written.is_some_and(|written| written.owner == record.owner && written.result == record.result))
    }

    /// Finds the secret with which the message that is replied to can be answered, on platforms that give one.
    async fn reply_token(&self, outgoing: &Outgoing, trigger: &Trigger<'_>) -> Result<Option<String>, Error> {
        let channel = self.channel;
        let Some(reply_to) = &outgoing.reply_to else { return Ok(None) };
        if !channel.platform.chat().is_some_and(Chat::gives_reply_tokens) {
            return Ok(None);
        }
        let of_event = match trigger {
            // Only a message that was received on this very channel is answered with its token.
            Trigger::Step(request) if request.event.content["channelId"] == channel.id.as_str() => {
                Some(&request.event.content["message"])
            }
            _ => None,
        };
        let of_event = of_event.filter(|message| message["id"].as_str() == Some(&reply_to.message_id));
        let sealed = match of_event {
            Some(message) => Some(message["metadata"]["replyToken"].clone()),
            None => self.logged_reply_token(&reply_to.message_id).await?,
        };
        match sealed {
            Some(sealed) => self.open_channels.opened_token(&channel.id, &sealed).await,
            None => Ok(None),
        }
    }

    async fn logged_reply_token(&self, message_id: &str) -> Result<Option<Value>, Error> {
        let id = clock::derived_uuid(&[self.channel.id.as_str().as_bytes(), message_id.as_bytes()]).to_string();
        let record = self.messages.get(&id).await?;
        let message = record.and_then(|record| serde_json::from_str::<Value>(&record.message).ok());
        Ok(message.map(|message| message["metadata"]["replyToken"].clone()))
    }
}

/// Builds the request, or says what is wrong with the channel or the message.
fn request(channel: &OpenChannel, outgoing: &Outgoing) -> Result<(&'static dyn Chat, ApiRequest), Refusal> {
    let (chat, access) = access(channel, None)?;
    Ok((chat, chat.send_request(&access, outgoing).map_err(refusal)?))
}

/// Returns how to reach the platform of a channel, with the channel's own credentials or with others.
pub(crate) fn access<'a>(
    channel: &'a OpenChannel,
    others: Option<&'a Credentials>,
) -> Result<(&'static dyn Chat, Access<'a>), Refusal> {
    let platform = channel.platform.spec().name;
    let chat = channel.platform.chat();
    let no_chat = || Refusal::illegal_argument(format!("messages cannot be sent to the platform `{platform}`"));
    let chat = chat.ok_or_else(no_chat)?;
    let credentials = others.or_else(|| channel.credentials());
    let credentials = credentials.ok_or_else(|| Refusal::illegal_state("the channel has no credentials"))?;
    let api_url = channel.settings.api_url.as_deref().unwrap_or_else(|| chat.api_url());
    Ok((chat, Access { api_url, credentials }))
}

/// Returns the id of the fact about a result.
pub(crate) fn fact_id(record: &MessageRecord, result: &SendResult) -> EventId {
    let kind = if result.success { MESSAGE_SENT } else { MESSAGE_FAILED };
    EventId::new(format!("{}-{kind}", record.entry.id))
}

/// Builds the fact about a result, without the message where it would be too large.
pub(crate) fn fact(
    channel: &OpenChannel,
    record: &MessageRecord,
    result: &SendResult,
    trace: Trace,
    now: Timestamp,
) -> Option<Entry> {
    let origin = ChannelOrigin::new(&channel.id, &channel.settings, now);
    let message: Value = serde_json::from_str(&record.message).unwrap_or_default();
    let event_id = fact_id(record, result);
    let (id, metadata, settings) = (&*record.entry.id, &result.metadata, &channel.settings);
    if result.success {
        let to = message["to"]["id"].as_str().unwrap_or_default();
        let content = MessageSent { origin, id, message_id: result.message_id.as_deref(), to, metadata };
        return fact::entry(MESSAGE_SENT, event_id, settings, now, content, trace, None).ok();
    }
    let error = result.error.as_ref().map_or("the result is unknown", |problem| problem.message.as_str());
    let status = if result.status == MessageStatus::Unknown { "unknown" } else { "failed" };
    let retry_count = result.attempts.saturating_sub(1);
    let failed = |message| {
        let content = MessageFailed { origin: origin.clone(), id, error, status, message, retry_count, metadata };
        fact::entry(MESSAGE_FAILED, event_id.clone(), settings, now, content, trace.clone(), None)
    };
    failed(Some(&message)).or_else(|_| failed(None)).ok()
}
