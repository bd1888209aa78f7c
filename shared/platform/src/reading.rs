//! What a platform reads from a webhook: updates, and the answer that it expects.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::{NormalizedMessage, StatusUpdate};
use crate::signature::recipe::Recipe;

/// The most updates in one webhook; Meta puts up to 1,000 into one.
pub const UPDATE_LIMIT: usize = 1_000;

/// A verified webhook.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body as JSON: as it was sent, or converted from a form.
    pub payload: &'a RawValue,
    /// The recipe of the channel.
    pub recipe: Option<&'a Recipe>,
    /// When it arrived.
    pub now: Timestamp,
}

/// What a webhook says.
pub enum Reading<'a> {
    /// The platform only verifies the URL: it gets its answer, and nothing has happened.
    Handshake(Reply),
    /// Something has happened, perhaps many things or none that matter.
    Updates {
        /// Each update by itself; one that cannot be read does not hold back the others.
        updates: Vec<Result<Update<'a>, Unreadable<'a>>>,
        /// What the platform expects instead of the usual answer.
        reply: Option<Reply>,
    },
}

/// One thing that has happened.
pub struct Update<'a> {
    /// What the platform calls it, the same in each repetition.
    pub key: DedupKey<'a>,
    /// What it is.
    pub kind: Kind,
    /// The part of the webhook that reports it.
    pub payload: Cow<'a, RawValue>,
}

/// What has happened.
pub enum Kind {
    /// An event with the platform's own name for it; without one it is a `webhook.received`.
    Event {
        /// The name, such as `push`; the event's type is `<platform>.<name>`.
        name: Option<String>,
    },
    /// Somebody wrote a message.
    Message {
        /// The message.
        message: Box<NormalizedMessage>,
        /// A secret with which this very message can be answered; travels sealed as `metadata.replyToken`.
        reply_token: Option<String>,
    },
    /// The delivery status of a message of ours has changed.
    Status(StatusUpdate),
}

/// What an update is recognised by when it arrives again.
pub enum DedupKey<'a> {
    /// The platform's id of it.
    Id(Cow<'a, [u8]>),
    /// The platform gives no id, so that only the same body is the same update.
    Body,
}

/// A part of a webhook that is not what it should be.
pub struct Unreadable<'a> {
    /// What is wrong with it.
    pub reason: String,
    /// The part.
    pub payload: Cow<'a, RawValue>,
}

/// An answer in the platform's own format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The content type; empty where the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

impl<'a> Reading<'a> {
    /// The webhook as a whole is one event.
    pub(crate) fn event(inbound: &Inbound<'a>, name: Option<String>, key: DedupKey<'a>) -> Self {
        Self::one(Ok(Update { key, kind: Kind::Event { name }, payload: Cow::Borrowed(inbound.payload) }))
    }

    /// The webhook has one update.
    pub(crate) fn one(update: Result<Update<'a>, Unreadable<'a>>) -> Self {
        Self::Updates { updates: vec![update], reply: None }
    }

    /// Replaces the usual answer.
    #[must_use]
    pub(crate) fn answered(self, reply: Reply) -> Self {
        match self {
            Self::Handshake(_) => Self::Handshake(reply),
            Self::Updates { updates, .. } => Self::Updates { updates, reply: Some(reply) },
        }
    }
}

impl<'a> DedupKey<'a> {
    /// An id that is part of the webhook, or joined from several parts.
    pub(crate) fn id(id: impl Into<Cow<'a, str>>) -> Self {
        Self::Id(match id.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }
}

impl Reply {
    /// 200 without a body.
    pub fn empty() -> Self {
        Self { status: StatusCode::OK, content_type: "", body: Bytes::new() }
    }

    /// 200 with text.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type: "text/plain; charset=utf-8", body: text.into() }
    }

    /// 200 with JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body: value.to_string().into() }
    }
}
