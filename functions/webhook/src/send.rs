//! Sending a message: it is recorded, handed to its platform, and the result is recorded.
//!
//! It is recorded before and after, so that no repetition of a command or request sends twice: a recorded result is
//! returned again, and a sending whose result was lost is `unknown`.

pub(crate) mod attempt;

use jiff::{SignedDuration, Timestamp};
use platform::chat::{Access, ApiRequest, Chat, Outgoing};
use platform::credentials::Credentials;
use serde::Serialize;
use serde_json::Value;
use shared::bus::{Entry, TooLarge};
use shared::clock::{self, Clock, Ids};
use shared::event::fact::{MESSAGE_FAILED, MESSAGE_SENT, MessageFailed, MessageSent, WEBHOOK_SOURCE};
use shared::event::{EventId, EventType, Received, StepRequested, Trace};
use shared::outbound::Outbound;
use shared::step::{Claimable as _, Claims, Once, Policy};
use shared::{Error, Refusal};

use crate::message::{MessageStatus, SendResult};
use crate::open_channel::{OpenChannel, OpenChannels};
use crate::rate_limit;
use crate::refusal::refusal;
use crate::services::Services;
use crate::store::counter::CounterStore;
use crate::store::message::{MessageRecord, MessageStore};

/// Sending counts as interrupted after longer than all attempts together take, and may have happened as soon as it began.
const POLICY: Policy = Policy { lease: SignedDuration::from_secs(35), acts_at_once: true };

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

/// Sends messages on one channel.
pub(crate) struct Sender<'a> {
    messages: &'a Claims<MessageStore>,
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

    /// Sends a message unless that was done before; refuses one that cannot be sent as it is.
    pub(crate) async fn send(
        &self,
        mut outgoing: Outgoing,
        trigger: Trigger<'_>,
    ) -> Result<Result<Once<MessageRecord>, Refusal>, Error> {
        let Self { messages, channel, clock, .. } = self;
        let text = serde_json::to_string(&outgoing).unwrap_or_default();
        let earlier = match trigger {
            Trigger::Request { has_key: false } => None,
            _ => messages.find(&outgoing.id).await?,
        };
        let is_new = earlier.is_none();
        if let Some(earlier) = earlier.filter(|earlier| earlier.message != text || earlier.answer().is_some()) {
            return Ok(same(Once::Done(earlier), &text));
        }
        outgoing.reply_token = self.reply_token(&outgoing, &trigger).await?;
        let (chat, request) = match request(channel, &outgoing) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let now = clock.now();
        let refused = match channel.settings.rate_limits.send {
            Some(limit) if is_new && !self.counters.take("send", &channel.id, limit, now).await? => {
                Some(rate_limit::too_many("messages", limit, now))
            }
            _ => None,
        };
        if let (Some(refusal), Trigger::Request { .. }) = (&refused, &trigger) {
            return Ok(Err(refusal.clone()));
        }
        let mut record = MessageRecord::sending(&outgoing.id, channel.origin(now), now, text.clone());
        record.expires_at = messages.store().expires_at(now);
        if let Trigger::Step(request) = trigger {
            record.entry.event_id = Some(request.id.event_id.clone());
        }
        let secrets = channel.credentials().into_iter().flat_map(Credentials::values);
        let secrets: Vec<&str> = secrets.chain(outgoing.reply_token.as_deref()).collect();
        let once = messages.once(record, POLICY, async |mut record: MessageRecord| {
            let id = &*record.entry.id;
            // The refusal of a step is recorded like any other result, so that its command does not send when it is
            // delivered again in a later window.
            let result = match refused {
                Some(refusal) => SendResult::rate_limited(id, refusal.message, refusal.retry_after_s),
                None => attempt::send(self.outbound, self.ids, chat, &request, &secrets, id).await,
            };
            let (status, attempts) = (result.status, result.attempts);
            tracing::info!(channel_id = %channel.id, id, ?status, attempts, "message sent");
            record.finish(&result, clock.now());
            Ok(record)
        });
        Ok(same(once.await?, &text))
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
        let record = self.messages.find(&id).await?;
        let message = record.and_then(|record| serde_json::from_str::<Value>(&record.message).ok());
        Ok(message.map(|message| message["metadata"]["replyToken"].clone()))
    }
}

/// Refuses an idempotency key that was used for another message.
fn same(once: Once<MessageRecord>, text: &str) -> Result<Once<MessageRecord>, Refusal> {
    match once {
        Once::Done(record) if record.message != text => {
            Err(Refusal::field("Idempotency-Key", "was used for another message"))
        }
        once => Ok(once),
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

/// Builds the fact about how sending ended, without the message where it would be too large.
pub(crate) fn fact(
    channel: &OpenChannel,
    record: &MessageRecord,
    cause: Option<&Received>,
    now: Timestamp,
) -> Option<Entry> {
    let result = record.result()?;
    let (origin, id, metadata) = (channel.origin(now), &*record.entry.id, &result.metadata);
    let message: Value = serde_json::from_str(&record.message).unwrap_or_default();
    if result.success {
        let to = message["to"]["id"].as_str().unwrap_or_default();
        let content = MessageSent { origin, id, message_id: result.message_id.as_deref(), to, metadata };
        return entry(channel, MESSAGE_SENT, id, cause, now, content).ok();
    }
    let error = result.error.as_ref().map_or("the result is unknown", |problem| problem.message.as_str());
    let status = if result.status == MessageStatus::Unknown { "unknown" } else { "failed" };
    let retry_count = result.attempts.saturating_sub(1);
    let failed = |message| {
        let content = MessageFailed { origin: origin.clone(), id, error, status, message, retry_count, metadata };
        entry(channel, MESSAGE_FAILED, id, cause, now, content)
    };
    failed(Some(&message)).or_else(|_| failed(None)).ok()
}

fn entry<C: Serialize>(
    channel: &OpenChannel,
    kind: EventType,
    id: &str,
    cause: Option<&Received>,
    now: Timestamp,
    content: C,
) -> Result<Entry, TooLarge> {
    let id = EventId::new(format!("{id}-{kind}"));
    let event = channel.event(kind, id, now, content);
    let trace = cause.map_or_else(|| event.trace.clone(), Trace::caused_by);
    // The message is what a step may have handed on.
    Entry::sealed(WEBHOOK_SOURCE, &event.with_trace(trace))
}
