//! Sending: which request sends a message or checks a channel's health, and what the answer means.
//!
//! A platform only builds requests and reads answers. Making the requests, retrying them and recording the result is
//! the same for all of them.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::credentials::Credentials;
use crate::error::Error;
use crate::message::{Content, Media, Party, Reaction, Reference};
use crate::time;

/// The longest description of a problem that is passed on, in characters.
const PROBLEM_LIMIT: usize = 1_000;

/// A platform that messages can be sent to.
pub trait Chat: Send + Sync {
    /// Returns the base URL of the platform's API unless the channel has an `apiUrl`, without a trailing slash.
    fn api_url(&self) -> &'static str;

    /// Builds the request that sends a message; an error names the field that the platform would refuse.
    fn send_request(&self, access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error>;

    /// Reads the answer to that request.
    fn parse_send(&self, answer: &Answer) -> Verdict;

    /// Tells whether messages come with a secret with which they can be answered.
    fn gives_reply_tokens(&self) -> bool {
        false
    }

    /// Builds the request that checks whether the credentials are valid and the channel works.
    fn health_request(&self, access: &Access<'_>) -> Result<ApiRequest, Error>;

    /// Reads the answer to that request: details about the channel, or why it does not work.
    fn parse_health(&self, answer: &Answer) -> Result<Map<String, Value>, Problem>;
}

/// How to reach a platform's API.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The base URL, without a trailing slash.
    pub api_url: &'a str,
    /// The credentials.
    pub credentials: &'a Credentials,
}

/// A message to send, as `POST /channels/{channelId}/send` and actions of the type `message` describe it.
#[derive(Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// Our id of the message; a platform that recognises repetitions can be given it.
    #[serde(skip)]
    pub id: String,
    /// The recipient or conversation.
    pub to: Party,
    /// The content.
    pub content: Content,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Reference>,
    /// The thread that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// The secret with which the message that it replies to can be answered, see
    /// [`Kind::Message`](crate::reading::Kind::Message).
    #[serde(skip)]
    pub reply_token: Option<String>,
}

/// One request to a platform's API.
///
/// The URL, the headers and the body can contain secrets, so that none of these is ever shown.
#[derive(Clone)]
pub struct ApiRequest {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The answer to a request.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What the answer to a message means.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The platform has accepted it.
    Sent {
        /// The platform's id of the message, where it gives one.
        message_id: Option<String>,
        /// What else the platform says.
        metadata: Map<String, Value>,
    },
    /// The platform has not accepted it, and might later.
    Retry {
        /// Why.
        problem: Problem,
        /// How long to wait before the next attempt.
        after: Option<Duration>,
        /// Whether it may have accepted it all the same, as when it failed half-way.
        may_have_arrived: bool,
    },
    /// The platform has not accepted it and will not.
    Refused(Problem),
    /// The platform reports success, but its answer cannot be read: it may have accepted the message.
    Unknown(Problem),
}

/// Why a platform did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// The platform's code, or else the HTTP status.
    pub code: String,
    /// What went wrong, without any secret.
    pub message: String,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, to, content, reply_to, thread_id, reply_token: _ } = self;
        let mut shown = f.debug_struct("Outgoing");
        shown.field("id", id).field("to", to).field("content", content);
        shown.field("reply_to", reply_to).field("thread_id", thread_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&HeaderName> = self.headers.keys().collect();
        f.debug_struct("ApiRequest").field("method", &self.method).field("headers", &names).finish_non_exhaustive()
    }
}

impl ApiRequest {
    /// A request without a body.
    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self { method: Method::GET, url: url.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A request with a JSON body.
    pub(crate) fn post(url: impl Into<String>, body: &Value) -> Self {
        let mut request = Self { method: Method::POST, body: body.to_string().into(), ..Self::get(url) };
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        request
    }

    /// Adds the header `authorization`: a scheme and the credential of this name.
    pub(crate) fn authorized(self, scheme: &str, access: &Access<'_>, name: &str) -> Result<Self, Error> {
        let value = HeaderValue::from_str(&format!("{scheme} {}", access.credentials.required(name)?));
        let rule = "has characters that cannot be sent in a header";
        let mut value = value.map_err(|_| Error::field(&format!("credentials.{name}"), rule))?;
        value.set_sensitive(true);
        Ok(self.header(AUTHORIZATION, value))
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl Answer {
    /// Returns the body; null unless it is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Problem {
    /// The answer is not in the platform's format.
    pub(crate) fn unreadable(answer: &Answer, platform: &str) -> Self {
        let message = format!("the answer with status {} is not what {platform} sends", answer.status);
        Self::new(answer.status, message)
    }

    /// Describes a problem; a long message is cut off.
    #[expect(clippy::needless_pass_by_value, reason = "codes are numbers and short texts")]
    pub fn new(code: impl ToString, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if let Some((end, _)) = message.char_indices().nth(PROBLEM_LIMIT) {
            message.truncate(end);
        }
        Self { code: code.to_string(), message }
    }
}

impl Verdict {
    /// Reads a failure by its status alone: 429 and 5xx may succeed later, anything else will not.
    pub(crate) fn failed(answer: &Answer, problem: Problem, after: Option<Duration>) -> Self {
        match answer.status {
            // The platform's own word for the failure would be the code.
            200..=299 if problem.code == answer.status.to_string() => Self::Unknown(problem),
            429 | 500..=599 => {
                let after = after.or_else(|| retry_after(&answer.headers));
                Self::Retry { problem, after, may_have_arrived: failed_half_way(answer) }
            }
            _ => Self::Refused(problem),
        }
    }
}

/// The field with the message that a message refers to, such as the one that it edits.
pub(crate) const TARGET: &str = "content.target.messageId";

/// Returns the id of the message that a message refers to, see [`TARGET`].
pub(crate) fn target(content: &Content) -> Result<&str, Error> {
    let target = content.target.as_ref().ok_or_else(|| Error::missing_field("content.target"))?;
    Ok(&target.message_id)
}

/// Returns the reaction that a message is.
pub(crate) fn reaction(content: &Content) -> Result<&Reaction, Error> {
    content.reaction.as_ref().ok_or_else(|| Error::missing_field("content.reaction"))
}

/// Returns the files of a message, each with the field that it is in: the attachments, or else the one.
pub(crate) fn files(content: &Content) -> impl Iterator<Item = (String, &Media)> {
    let one = content.media.iter().filter(|_| content.attachments.is_empty());
    let one = one.map(|file| ("content.media".to_owned(), file));
    let several = content.attachments.iter().enumerate();
    several.map(|(at, file)| (format!("content.attachments[{at}]"), file)).chain(one)
}

/// Checks that a text has at most so many characters.
pub(crate) fn limited<'a>(field: &str, text: &'a str, limit: usize) -> Result<&'a str, Error> {
    match text.chars().count() <= limit {
        true => Ok(text),
        false => Err(Error::field(field, format!("must have at most {limit} characters"))),
    }
}

/// Tells whether the platform may have done its work before it failed; 503 and 429 say that it has not begun.
pub(crate) fn failed_half_way(answer: &Answer) -> bool {
    matches!(answer.status, 500 | 502 | 504)
}

/// Reads `Retry-After`: seconds, or a date, which counts from the `Date` of the answer.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let retry_after = text(RETRY_AFTER)?;
    match retry_after.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => {
            let wait = time::parse(retry_after)?.duration_since(time::parse(text(DATE)?)?);
            Duration::try_from(wait).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_shows_its_method_and_the_names_of_its_headers_alone() {
        let call = ApiRequest::post("https://api.test/bot1:hush/sendMessage", &json!({"password": "hush"}));
        let credentials = Credentials::parse(json!({"token": "hush"})).unwrap();
        let access = Access { api_url: "https://api.test", credentials: &credentials };
        let call = call.authorized("Bearer", &access, "token").unwrap();
        let call = call.header(HeaderName::from_static("x-key"), HeaderValue::from_static("hush"));
        assert!(call.headers[AUTHORIZATION].is_sensitive());
        let shown = format!("{call:?} {call:#?}");
        assert!(["POST", "authorization", "x-key"].iter().all(|part| shown.contains(part)), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_until_a_date() {
        let check = |value: &str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([
                (RETRY_AFTER, value.parse().unwrap()),
                (DATE, "Fri, 02 Jan 2026 03:04:05 GMT".parse().unwrap()),
            ]);
            assert_eq!(retry_after(&headers).map(|wait| wait.as_millis()), expected.map(u128::from), "{value}");
        };
        check("5", Some(5_000));
        check(" 0.5 ", Some(500));
        check("Fri, 02 Jan 2026 03:05:05 GMT", Some(60_000));
        check("Fri, 02 Jan 2026 03:04:00 GMT", None);
        check("-1", None);
        check("soon", None);
    }

    #[test]
    fn a_problem_is_told_in_so_many_characters() {
        let check = |message: &str, expected: &str| assert_eq!(Problem::new(1, message).message, expected);
        check("short", "short");
        check(&"\u{e9}".repeat(PROBLEM_LIMIT), &"\u{e9}".repeat(PROBLEM_LIMIT));
        check(&"\u{e9}".repeat(PROBLEM_LIMIT + 1), &"\u{e9}".repeat(PROBLEM_LIMIT));
    }

    #[test]
    fn a_message_does_not_show_the_secret_that_it_is_answered_with() {
        let message = json!({"to": {"id": "42"}, "content": {"text": "hello"}, "threadId": "t"});
        let message: Outgoing = serde_json::from_value(message).unwrap();
        let shown = format!("{:?}", Outgoing { reply_token: Some("hush".to_owned()), ..message });
        assert!(["42", "hello", "\"t\""].iter().all(|part| shown.contains(part)), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
