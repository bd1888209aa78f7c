//! The attempts at handing a message to its platform.

use std::time::Duration;

use platform::chat::{Answer, ApiRequest, Chat, Problem, Verdict};
use shared::clock::Ids;
use shared::event::FailedResponse;
use shared::outbound::{Outbound, OutboundError, Request};
use tokio::time::Instant;

use crate::message::{MessageStatus, SendResult};

const ATTEMPTS: u32 = 3;
/// The time for all attempts and the pauses between them; an HTTP API of API Gateway gives up after 30 s.
const BUDGET: Duration = Duration::from_secs(25);
/// The time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The longest pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// What stands in place of a secret.
const MASK: &str = "***";
/// What is shorter could not be told from other text.
const SECRET_BYTES: usize = 4;
const ANSWER_LIMIT_BYTES: usize = 256 * 1024;

/// Tries until the platform has accepted the message, will not, or the time is over.
pub(super) async fn send(
    outbound: &Outbound,
    ids: &Ids,
    chat: &dyn Chat,
    request: &ApiRequest,
    secrets: &[&str],
    id: &str,
) -> SendResult {
    let started = Instant::now();
    let mut may_have_arrived = false;
    let mut attempt = 1;
    loop {
        let time_left = BUDGET.saturating_sub(started.elapsed());
        let (verdict, response) = match call(outbound, request, TIMEOUT.min(time_left)).await {
            Ok(answer) => (chat.parse_send(&answer), Some(response(&answer, secrets))),
            Err(error) => (unanswered(&error), None),
        };
        let (problem, after, is_final) = match verdict {
            Verdict::Sent { message_id, metadata } => {
                return SendResult { message_id, metadata, ..SendResult::sent(id, attempt) };
            }
            Verdict::Retry { problem, after, may_have_arrived: arrived } => {
                may_have_arrived |= arrived;
                (problem, after, false)
            }
            Verdict::Unknown(problem) => {
                may_have_arrived = true;
                (problem, None, true)
            }
            Verdict::Refused(problem) => (problem, None, true),
        };
        let pause = after.unwrap_or_default().max(random_pause(ids, attempt));
        let in_time = pause < BUDGET.saturating_sub(started.elapsed());
        if is_final || attempt == ATTEMPTS || !in_time {
            let status = if may_have_arrived { MessageStatus::Unknown } else { MessageStatus::Failed };
            let retry_after_seconds = after.map(|after| after.as_secs_f64().ceil() as u64);
            return SendResult { retry_after_seconds, response, ..SendResult::failed(id, status, attempt, problem) };
        }
        tracing::info!(id, attempt, code = problem.code, pause_ms = pause.as_millis(), "retrying a message");
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// Makes one request; redirects are not followed, as they would carry the token elsewhere.
pub(crate) async fn call(
    outbound: &Outbound,
    request: &ApiRequest,
    timeout: Duration,
) -> Result<Answer, OutboundError> {
    let ApiRequest { method, url, headers, body } = request.clone();
    let request =
        Request { method, url, headers, body, timeout, max_response_bytes: ANSWER_LIMIT_BYTES, max_redirects: 0 };
    let response = outbound.send(request).await?;
    Ok(Answer { status: response.status, headers: response.headers, body: response.body })
}

/// Returns what is kept of an answer, without the secrets with which it was asked for.
fn response(answer: &Answer, secrets: &[&str]) -> FailedResponse {
    let secrets = secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    FailedResponse::new(answer.status, &secrets.fold(body, |body, secret| body.replace(secret, MASK)).into())
}

/// Full jitter: anything from nothing to the longest pause, so that many senders do not come back together.
fn random_pause(ids: &Ids, attempt: u32) -> Duration {
    let longest = FIRST_PAUSE * 2_u32.saturating_pow(attempt - 1);
    let random = f64::from(u32::from_be_bytes(ids.bytes())) / f64::from(u32::MAX);
    longest.mul_f64(random)
}

/// Judges a request without an answer, or with one that could not be read.
fn unanswered(error: &OutboundError) -> Verdict {
    let may_have_arrived = error.may_have_arrived();
    let (code, is_final) = match error {
        OutboundError::Timeout { .. } => ("TIMEOUT", false),
        OutboundError::Connect { .. } | OutboundError::Failed { .. } => ("CONNECTION", may_have_arrived),
        OutboundError::Refused { .. } => ("ADDRESS_REFUSED", true),
        _ => ("NO_ANSWER", true),
    };
    let problem = Problem::new(code, error.to_string());
    match (is_final, may_have_arrived) {
        (false, _) => Verdict::Retry { problem, after: None, may_have_arrived },
        (true, true) => Verdict::Unknown(problem),
        (true, false) => Verdict::Refused(problem),
    }
}
