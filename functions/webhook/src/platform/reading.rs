//! What a platform makes of a webhook: news, and what it wants to hear.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::{NormalizedMessage, StatusUpdate};
use crate::signature::recipe::Recipe;

/// The most things that one webhook may tell; Meta puts up to 1,000 into one.
pub(crate) const NEWS_LIMIT: usize = 1_000;

/// A verified webhook.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inbound<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body as JSON: as it was sent, or made of a form.
    pub payload: &'a RawValue,
    /// The recipe of the channel.
    pub recipe: Option<&'a Recipe>,
    /// When it came.
    pub now: Timestamp,
}

/// What a webhook says.
pub(crate) enum Reading<'a> {
    /// The platform only checks that somebody is there: it gets its answer, and nothing has happened.
    Handshake(Reply),
    /// Something has happened, perhaps many things or none that matter.
    News {
        /// Each thing by itself; those that cannot be read keep none of the others back.
        news: Vec<Result<News<'a>, Unreadable<'a>>>,
        /// What the platform wants to hear instead of the usual answer.
        reply: Option<Reply>,
    },
}

/// One thing that has happened.
pub(crate) struct News<'a> {
    /// What the platform calls it, the same whenever it tells it again.
    pub key: Key<'a>,
    /// What it is.
    pub what: What,
    /// The part of the webhook that tells it.
    pub payload: Cow<'a, RawValue>,
}

/// What has happened.
pub(crate) enum What {
    /// An event with the platform's own name for its kind; without one it is a `webhook.received`.
    Event {
        /// The kind, such as `push`; the event's type is `<platform>.<kind>`.
        kind: Option<String>,
    },
    /// Somebody wrote a message.
    Message {
        /// The message.
        message: Box<NormalizedMessage>,
        /// A secret with which this very message can be answered; travels sealed as `metadata.replyToken`.
        reply_token: Option<String>,
    },
    /// A message of ours has come further.
    Status(StatusUpdate),
}

/// What the platform calls something that has happened.
pub(crate) enum Key<'a> {
    /// By an id.
    Id(Cow<'a, [u8]>),
    /// By nothing, so that only the same body is the same thing.
    Body,
}

/// A part of a webhook that is not what it should be.
pub(crate) struct Unreadable<'a> {
    /// What is wrong with it.
    pub reason: String,
    /// The part.
    pub payload: Cow<'a, RawValue>,
}

/// An answer in the platform's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The content type, of a body that is not empty.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

impl<'a> Reading<'a> {
    /// The webhook as a whole is one event.
    pub(crate) fn event(inbound: &Inbound<'a>, kind: Option<String>, key: Key<'a>) -> Self {
        Self::one(News { key, what: What::Event { kind }, payload: Cow::Borrowed(inbound.payload) })
    }

    /// The webhook tells one thing.
    pub(crate) fn one(news: News<'a>) -> Self {
        Self::News { news: vec![Ok(news)], reply: None }
    }

    /// Something else is to be answered than usual.
    #[must_use]
    pub(crate) fn answered(self, reply: Reply) -> Self {
        match self {
            Self::Handshake(_) => Self::Handshake(reply),
            Self::News { news, .. } => Self::News { news, reply: Some(reply) },
        }
    }
}

impl<'a> Key<'a> {
    /// An id that is part of the webhook, or made of several parts.
    pub(crate) fn id(id: impl Into<Cow<'a, str>>) -> Self {
        Self::Id(match id.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }
}

impl Reply {
    /// 200 without a body.
    pub(crate) fn empty() -> Self {
        Self { status: StatusCode::OK, content_type: "", body: Bytes::new() }
    }

    /// 200 with a text.
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type: "text/plain; charset=utf-8", body: text.into() }
    }

    /// 200 with JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body: value.to_string().into() }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        response.headers_mut().remove(CONTENT_TYPE);
        if !self.content_type.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            // What a sender made us say must not become a page of ours in somebody's browser.
            response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        response
    }
}

/// Reads those members of an object that matter; what is no such object has none of them.
pub(crate) fn members<'a, T: Deserialize<'a> + Default>(payload: &'a RawValue) -> T {
    // Without this look, a list would be taken for the members in their order.
    match payload.get().starts_with('{') {
        true => serde_json::from_str(payload.get()).unwrap_or_default(),
        false => T::default(),
    }
}

/// Returns a member that is a text; anything else is as good as nothing.
pub(crate) fn text(member: Option<&RawValue>) -> Option<String> {
    member.and_then(|member| serde_json::from_str(member.get()).ok())
}
