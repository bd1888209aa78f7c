//! Sending: a message is written down, handed to its platform, and what came of it is written down and published.
//!
//! It is written down before and after, so that no repetition of a command or request sends twice: a recorded outcome is
//! answered again, and a sending whose outcome was lost is `unknown`.

pub(crate) mod attempt;
pub(crate) mod body;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::bus::Entry;
use shared::clock;
use shared::event::{Envelope, EventId, StepError, StepFinished, StepRequested, Trace};
use shared::http::{ErrorBody, JsonBody};
use shared::{Error, Refusal};

use self::body::SendBody;
use crate::Webhook;
use crate::channel::open::OpenChannel;
use crate::fact::{self, MESSAGE_FAILED, MESSAGE_SENT, MessageFailed, MessageSent, Origin};
use crate::record::{Change, MessageStatus, Record};
use crate::refusal::refusal;
use crate::registry::{ChannelPath, unknown};
use platform::chat::{Access, ApiRequest, Chat, Outgoing, Problem};
use platform::credentials::Credentials;

/// The command that asks for a message.
pub(crate) const COMMAND: &str = "message.requested";
/// After this long without an outcome nobody is sending the message any more; all attempts together take less.
const LEASE: SignedDuration = SignedDuration::from_secs(35);
const IDEMPOTENCY_KEY_LIMIT_BYTES: usize = 255;

/// What came of sending a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendResult {
    /// Whether the platform has taken it.
    pub success: bool,
    /// Our id of it, under which the log has it.
    pub id: String,
    /// The platform's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// `sent`, `failed`, or `unknown` where the platform may have taken it.
    pub status: MessageStatus,
    /// Why the platform has not taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// How often it was tried.
    pub attempts: u32,
    /// After how many seconds the platform wants to hear of us again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// What else the platform says.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// Where the wish to send came from.
enum Cause<'a> {
    /// A request, whose id another one can have only with an idempotency key.
    Request {
        /// Whether it has such a key.
        has_key: bool,
    },
    /// A step of a run.
    Step(&'a StepRequested),
}

/// What became of the wish to send.
enum Sending {
    /// It was sent, or tried, now or before.
    Done(Box<Record>, SendResult),
    /// It cannot be sent as it is; nothing was tried.
    Refused(Refusal),
    /// Somebody else is sending it at this moment.
    UnderWay,
}

/// Sends a message.
#[utoipa::path(
    post, path = "/channels/{channelId}/send", tag = "messages", request_body = SendBody,
    description = "Tries up to three times on timeouts, 429 and 5xx. With an `Idempotency-Key` header the same request \
        sends once and gets the same answer.",
    params(
        ("channelId" = String, Path, description = "The id of the channel"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes"),
    ),
    responses(
        (status = 200, description = "What came of it, also where the platform refused it", body = SendResult),
        (status = 400, description = "A field is missing or nothing that the platform takes, or the key was used for \
            another message", body = ErrorBody),
        (status = 401, description = "No valid token, or no permission SEND_MESSAGES", body = ErrorBody),
        (status = 404, description = "There is no such channel", body = ErrorBody),
        (status = 409, description = "A request with the same `Idempotency-Key` is being served", body = ErrorBody),
        (status = 413, description = "The message has over 128 KB", body = ErrorBody),
        (status = 429, description = "The channel sends no more for now, see `Retry-After`", body = ErrorBody),
        (status = 503, description = "A service behind this one does not answer, try again", body = ErrorBody),
    ),
)]
pub(crate) async fn send(
    State(webhook): State<Arc<Webhook>>,
    ChannelPath(channel_id): ChannelPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SendBody>,
) -> Result<Json<SendResult>, Refusal> {
    let channel = webhook.channels.get(&channel_id).await?.ok_or_else(|| unknown(&channel_id))?;
    let key = idempotency_key(&headers)?;
    let cause = Cause::Request { has_key: key.is_some() };
    let id = match key {
        Some(key) => clock::derived_hex24(&[channel_id.as_str().as_bytes(), b"send", key]),
        None => webhook.ids.hex24(),
    };
    let outgoing = body.outgoing(id)?;
    // A client that hangs up must not leave a sending half done.
    let task = tokio::spawn(async move {
        let sending = webhook.deliver(&channel, outgoing, cause).await?;
        if let Sending::Done(record, result) = &sending {
            let id = EventId::new(format!("{}-{}", record.id, result.kind()));
            let entry = published(&channel, record, result, Trace::start(&id), webhook.clock.now());
            // The message is sent whether or not anybody hears of it.
            if let Err(error) = webhook.bus.publish(entry.into_iter().collect()).await {
                tracing::error!(error = error.chain(), id = record.id, "a message's outcome is not published");
            }
        }
        Ok::<_, Error>(sending)
    });
    match task.await.map_err(Error::cannot("send a message"))?? {
        Sending::Done(_, result) => Ok(Json(result)),
        Sending::Refused(refusal) => Err(refusal),
        Sending::UnderWay => {
            let message = "a request with this `Idempotency-Key` is being served";
            let mut refusal = Refusal::new(StatusCode::CONFLICT, 27, "ILLEGAL_STATE_EXCEPTION", message);
            refusal.retry_after_s = Some(1);
            Err(refusal)
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    let key = headers.get("idempotency-key").map(http::HeaderValue::as_bytes);
    match key {
        Some(key) if key.is_empty() || key.len() > IDEMPOTENCY_KEY_LIMIT_BYTES => {
            let rule = format!("must have 1 to {IDEMPOTENCY_KEY_LIMIT_BYTES} bytes");
            Err(Refusal::field("Idempotency-Key", rule))
        }
        key => Ok(key),
    }
}

impl Webhook {
    /// Does a step of the type `message`, and answers it.
    pub(crate) async fn on_command(&self, command: &Envelope) -> Result<(), Error> {
        let request: StepRequested = command.content()?;
        let (fact, answer) = match self.step(&request, command).await? {
            Ok((fact, answer)) => (fact, answer),
            Err(error) => (None, StepFinished::failed(request.id, error)),
        };
        let answer = Entry::step_finished(&answer, command, self.clock.now());
        let answer = answer.map_err(Error::cannot("answer a command"))?;
        self.bus.publish(fact.into_iter().chain([answer]).collect()).await
    }

    /// Sends the message of a step; returns the fact and the answer, or why it cannot be sent.
    async fn step(
        &self,
        request: &StepRequested,
        command: &Envelope,
    ) -> Result<Result<(Option<Entry>, StepFinished), StepError>, Error> {
        let (channel_id, outgoing) = match body::of_action(request) {
            Ok(action) => action,
            Err(refusal) => return Ok(Err(StepError::invocation("InvalidAction", refusal.message))),
        };
        let Some(channel) = self.channels.get(&channel_id).await? else {
            return Ok(Err(StepError::invocation("UnknownChannel", unknown(&channel_id).message)));
        };
        match self.deliver(&channel, outgoing, Cause::Step(request)).await? {
            Sending::Done(record, result) => {
                let trace = Trace::caused_by(command);
                let fact = published(&channel, &record, &result, trace, self.clock.now());
                Ok(Ok((fact, result.answer(request))))
            }
            Sending::Refused(refusal) => Ok(Err(StepError::invocation("InvalidAction", refusal.message))),
            Sending::UnderWay => Err(Error::new("send a message", "another delivery of its command is sending it")),
        }
    }

    /// Sends a message unless that was done before.
    async fn deliver(&self, channel: &OpenChannel, mut outgoing: Outgoing, cause: Cause<'_>) -> Result<Sending, Error> {
        let now = self.clock.now();
        let is_new = matches!(cause, Cause::Request { has_key: false });
        if !is_new && let Some(earlier) = self.messages.get(&outgoing.id).await? {
            return self.again(earlier, &outgoing, now).await;
        }
        outgoing.reply_token = self.reply_token(channel, &outgoing, &cause).await?;
        let (chat, call) = match prepared(channel, &outgoing) {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Sending::Refused(refusal)),
        };
        let refused = self.limits.send(channel, now).await?.err();
        if let (Some(refusal), Cause::Request { .. }) = (&refused, &cause) {
            return Ok(Sending::Refused(refusal.clone()));
        }
        let origin = Origin::new(&channel.id, &channel.definition, now);
        let mut record = Record::sending(&outgoing.id, origin, now, &outgoing);
        record.expires_at = self.messages.expires_at(now.as_second());
        record.lease_until = Some((now + LEASE).as_millisecond());
        if let Cause::Step(request) = cause {
            record.event_id = Some(request.id.event_id.clone());
        }
        record.owner = Some(self.ids.secret());
        if !self.messages.create(&record).await? && !self.is_ours(&record).await? {
            return Ok(Sending::UnderWay);
        }
        // The refusal of a step is written down like any other outcome, so that its command does not send when it
        // comes again in a better time.
        let result = match refused {
            Some(refusal) => SendResult::limited(&outgoing.id, refusal),
            None => self.attempts(chat, &call, &outgoing.id).await,
        };
        self.finish(channel, record, result).await
    }

    /// Answers for a message that was begun before.
    async fn again(&self, mut record: Record, outgoing: &Outgoing, now: Timestamp) -> Result<Sending, Error> {
        if record.message != serde_json::to_string(outgoing).unwrap_or_default() {
            let refusal = Refusal::field("Idempotency-Key", "was used for another message");
            return Ok(Sending::Refused(refusal));
        }
        if let Some(result) = record.result() {
            return Ok(Sending::Done(Box::new(record), result));
        }
        if record.lease_until.is_some_and(|until| now.as_millisecond() < until) {
            return Ok(Sending::UnderWay);
        }
        let result = SendResult::interrupted(&record.id);
        record.version += 1;
        record.conclude(&result, now);
        match self.messages.replace(&record).await? {
            true => Ok(Sending::Done(Box::new(record), result)),
            false => Ok(Sending::UnderWay),
        }
    }

    /// Writes down what came of it.
    async fn finish(&self, channel: &OpenChannel, mut record: Record, result: SendResult) -> Result<Sending, Error> {
        record.version += 1;
        record.conclude(&result, self.clock.now());
        let written = match &result.message_id {
            Some(message_id) if channel.platform.spec().tells_status() => {
                self.messages.replace_with_receipt(&record, message_id).await?
            }
            _ => self.messages.replace(&record).await?,
        };
        let (id, status, attempts) = (&record.id, result.status, result.attempts);
        tracing::info!(channel_id = %channel.id, id, ?status, attempts, "message sent");
        match written || self.is_ours(&record).await? {
            true => Ok(Sending::Done(Box::new(record), result)),
            false => Err(Error::new("write down a sent message", "its record was taken over")),
        }
    }

    /// Tells whether a record is there just as we wanted to write it: the answer to a write can be lost, and when the
    /// write is then made again its condition does not hold any more.
    async fn is_ours(&self, record: &Record) -> Result<bool, Error> {
        let written = self.messages.get(&record.id).await?;
        Ok(written.is_some_and(|written| written.owner == record.owner && written.result == record.result))
    }

    /// Finds the secret with which the message that is answered can be answered, on platforms that give one.
    async fn reply_token(
        &self,
        channel: &OpenChannel,
        outgoing: &Outgoing,
        cause: &Cause<'_>,
    ) -> Result<Option<String>, Error> {
        let Some(reply_to) = &outgoing.reply_to else { return Ok(None) };
        if !channel.platform.chat().is_some_and(Chat::gives_reply_tokens) {
            return Ok(None);
        }
        let of_event = match cause {
            // Only what came in on this very channel is answered with what came with it.
            Cause::Step(request) if request.event.content["channelId"] == channel.id.as_str() => {
                Some(&request.event.content["message"])
            }
            _ => None,
        };
        let of_event = of_event.filter(|message| message["id"].as_str() == Some(&reply_to.message_id));
        let sealed = match of_event {
            Some(message) => Some(message["metadata"]["replyToken"].clone()),
            None => self.logged_reply_token(channel, &reply_to.message_id).await?,
        };
        match sealed {
            Some(sealed) => self.channels.opened_token(&channel.id, &sealed).await,
            None => Ok(None),
        }
    }

    async fn logged_reply_token(&self, channel: &OpenChannel, message_id: &str) -> Result<Option<Value>, Error> {
        let id = clock::derived_uuid(&[channel.id.as_str().as_bytes(), message_id.as_bytes()]).to_string();
        let record = self.messages.get(&id).await?;
        let message = record.and_then(|record| serde_json::from_str::<Value>(&record.message).ok());
        Ok(message.map(|message| message["metadata"]["replyToken"].clone()))
    }
}

/// Builds the call, or says what is wrong with the channel or the message.
fn prepared(channel: &OpenChannel, outgoing: &Outgoing) -> Result<(&'static dyn Chat, ApiRequest), Refusal> {
    let (chat, access) = access(channel, None)?;
    let call = chat.send_request(&access, outgoing).map_err(refusal)?;
    Ok((chat, call))
}

/// Returns how to talk to the platform of a channel, with its own credentials or with others.
pub(crate) fn access<'a>(
    channel: &'a OpenChannel,
    others: Option<&'a Credentials>,
) -> Result<(&'static dyn Chat, Access<'a>), Refusal> {
    let platform = channel.platform.spec().name;
    let chat = channel.platform.chat();
    let chat = chat.ok_or_else(|| Refusal::illegal_argument(format!("the platform `{platform}` takes no messages")))?;
    let credentials = others.or_else(|| channel.credentials());
    let credentials = credentials.ok_or_else(|| Refusal::illegal_state("the channel has no credentials"))?;
    let api_url = channel.definition.api_url.as_deref().unwrap_or_else(|| chat.api_url());
    Ok((chat, Access { api_url, credentials }))
}

/// Makes the fact ready; an outcome that is too large with its message goes without it.
fn published(
    channel: &OpenChannel,
    record: &Record,
    result: &SendResult,
    trace: Trace,
    now: Timestamp,
) -> Option<Entry> {
    let origin = Origin::new(&channel.id, &channel.definition, now);
    let message: Value = serde_json::from_str(&record.message).unwrap_or_default();
    let id = EventId::new(format!("{}-{}", record.id, result.kind()));
    let SendResult { metadata, message_id, .. } = result;
    let to = message["to"]["id"].as_str().unwrap_or_default();
    if result.success {
        let content = MessageSent { origin, id: &record.id, message_id: message_id.as_deref(), to, metadata };
        return fact::caused(MESSAGE_SENT, id, &channel.definition.tenant_id, now, content, trace).ok();
    }
    let error = result.error.as_ref().map_or("the outcome is unknown", |problem| problem.message.as_str());
    let status = if result.status == MessageStatus::Unknown { "unknown" } else { "failed" };
    let retry_count = result.attempts.saturating_sub(1);
    let failed = |message| {
        let (origin, trace, id) = (origin.clone(), trace.clone(), id.clone());
        let content = MessageFailed { origin, id: &record.id, error, status, message, retry_count, metadata };
        fact::caused(MESSAGE_FAILED, id, &channel.definition.tenant_id, now, content, trace)
    };
    failed(Some(&message)).or_else(|_| failed(None)).ok()
}

impl SendResult {
    /// Nobody knows what came of a sending that was interrupted.
    fn interrupted(id: &str) -> Self {
        let message = "the sending was interrupted; whether the platform has taken the message is not known";
        Self {
            success: false,
            id: id.to_owned(),
            message_id: None,
            status: MessageStatus::Unknown,
            error: Some(Problem::new("INTERRUPTED", message)),
            attempts: 1,
            retry_after_seconds: None,
            metadata: Map::new(),
        }
    }

    /// The channel sends no more for now.
    fn limited(id: &str, refusal: Refusal) -> Self {
        Self {
            status: MessageStatus::Failed,
            error: Some(Problem::new("RATE_LIMITED", refusal.message)),
            attempts: 0,
            retry_after_seconds: refusal.retry_after_s.map(u64::from),
            ..Self::interrupted(id)
        }
    }

    fn kind(&self) -> &'static str {
        if self.success { MESSAGE_SENT } else { MESSAGE_FAILED }
    }

    /// Answers the step that asked for it.
    fn answer(&self, request: &StepRequested) -> StepFinished {
        let output = serde_json::to_value(self).unwrap_or_default();
        let id = request.id.clone();
        if self.success {
            return StepFinished::succeeded(id, output);
        }
        let name = match (self.status, self.retry_after_seconds) {
            (MessageStatus::Unknown, _) => StepError::OUTCOME_UNKNOWN,
            (_, Some(_)) => "RateLimited",
            _ => "PlatformRefused",
        };
        let problem = self.error.as_ref().map(|problem| format!("{}: {}", problem.code, problem.message));
        let error = StepError::invocation(name, problem.unwrap_or_default());
        StepFinished { output: Some(output), ..StepFinished::failed(id, error) }
    }
}

impl Record {
    /// Writes down what came of sending it.
    fn conclude(&mut self, result: &SendResult, now: Timestamp) {
        let error = result.error.as_ref().map(|problem| problem.message.clone());
        self.change(Change { status: result.status, timestamp: now.as_millisecond(), error });
        self.message_id.clone_from(&result.message_id);
        self.result = serde_json::to_string(result).ok();
        self.lease_until = None;
    }
}
