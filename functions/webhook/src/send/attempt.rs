//! The attempts at handing a message to its platform.

use std::time::Duration;

use serde_json::Map;
use shared::outbound::{OutboundError, Request, Response};
use tokio::time::Instant;

use super::SendResult;
use crate::Webhook;
use crate::record::MessageStatus;
use platform::chat::{Answer, ApiRequest, Chat, Problem, Verdict};

const ATTEMPTS: u32 = 3;
/// The time for all attempts and the pauses between them; an HTTP API of API Gateway gives up after 30 s.
const BUDGET: Duration = Duration::from_secs(25);
/// The time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The longest pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const ANSWER_LIMIT_BYTES: usize = 256 * 1024;

/// How an attempt without success ended.
struct Missed {
    problem: Problem,
    /// For how long the platform wants to be left alone.
    after: Option<Duration>,
    /// Whether another attempt may go better.
    again: bool,
    /// Whether the platform may have taken the message all the same.
    may_have_arrived: bool,
}

impl Webhook {
    /// Tries until the platform has taken the message, will not, or the time is over.
    pub(super) async fn attempts(&self, chat: &dyn Chat, call: &ApiRequest, id: &str) -> SendResult {
        let started = Instant::now();
        let mut may_have_arrived = false;
        let mut attempt = 1;
        loop {
            let time_left = BUDGET.saturating_sub(started.elapsed());
            let missed = match self.attempt(chat, call, TIMEOUT.min(time_left)).await {
                Ok((message_id, metadata)) => {
                    return SendResult { metadata, message_id, ..SendResult::taken(id, attempt) };
                }
                Err(missed) => missed,
            };
            may_have_arrived |= missed.may_have_arrived;
            let pause = missed.after.unwrap_or_default().max(self.pause(attempt));
            let in_time = pause < BUDGET.saturating_sub(started.elapsed());
            if !missed.again || attempt == ATTEMPTS || !in_time {
                return missed.result(id, attempt, may_have_arrived);
            }
            tracing::info!(id, attempt, code = missed.problem.code, pause_ms = pause.as_millis(), "trying again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        chat: &dyn Chat,
        call: &ApiRequest,
        timeout: Duration,
    ) -> Result<(Option<String>, Map<String, serde_json::Value>), Missed> {
        let response = self.outbound.send(request(call, timeout)).await.map_err(|error| Missed::unanswered(&error))?;
        match chat.parse_send(&answer(response)) {
            Verdict::Sent { message_id, metadata } => Ok((message_id, metadata)),
            Verdict::Retry { problem, after, may_have_arrived } => {
                Err(Missed { problem, after, again: true, may_have_arrived })
            }
            Verdict::Unknown(problem) => Err(Missed { problem, after: None, again: false, may_have_arrived: true }),
            Verdict::Refused(problem) => Err(Missed { problem, after: None, again: false, may_have_arrived: false }),
        }
    }

    /// Full jitter: anything from nothing to the longest pause, so that many senders do not come back together.
    fn pause(&self, attempt: u32) -> Duration {
        let longest = FIRST_PAUSE * 2_u32.saturating_pow(attempt - 1);
        let random = f64::from(u32::from_be_bytes(self.ids.bytes())) / f64::from(u32::MAX);
        longest.mul_f64(random)
    }
}

/// Makes a request of a call; its redirects are not followed, as they would carry the token elsewhere.
pub(crate) fn request(call: &ApiRequest, timeout: Duration) -> Request {
    let mut request = Request::new(call.method.clone(), call.url.clone());
    request.headers = call.headers.clone();
    request.body = call.body.clone();
    request.timeout = timeout;
    request.max_response_bytes = ANSWER_LIMIT_BYTES;
    request.max_redirects = 0;
    request
}

/// Leaves out the URL, which the platforms do not need.
pub(crate) fn answer(response: Response) -> Answer {
    Answer { status: response.status, headers: response.headers, body: response.body }
}

impl Missed {
    /// No answer, or none that could be read.
    fn unanswered(error: &OutboundError) -> Self {
        let may_have_arrived = error.may_have_arrived();
        let (code, again) = match error {
            OutboundError::Timeout { .. } => ("TIMEOUT", true),
            OutboundError::Connect { .. } | OutboundError::Failed { .. } => ("CONNECTION", !may_have_arrived),
            OutboundError::Refused { .. } => ("ADDRESS_REFUSED", false),
            _ => ("NO_ANSWER", false),
        };
        Self { problem: Problem::new(code, error.to_string()), after: None, again, may_have_arrived }
    }

    fn result(self, id: &str, attempts: u32, may_have_arrived: bool) -> SendResult {
        let status = if may_have_arrived { MessageStatus::Unknown } else { MessageStatus::Failed };
        let retry_after_seconds = self.after.map(|after| after.as_secs_f64().ceil() as u64);
        let failed = SendResult { success: false, status, ..SendResult::taken(id, attempts) };
        SendResult { error: Some(self.problem), retry_after_seconds, ..failed }
    }
}

impl SendResult {
    /// The platform has taken it.
    fn taken(id: &str, attempts: u32) -> Self {
        Self {
            success: true,
            id: id.to_owned(),
            message_id: None,
            status: MessageStatus::Sent,
            error: None,
            attempts,
            retry_after_seconds: None,
            metadata: Map::new(),
        }
    }
}
