//! A published payload: how it is sent, and what must come of it.

use std::fmt;

use harness::platform::slack;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::source::Source;
use crate::setup::Request;

const FORM: &str = "application/x-www-form-urlencoded";
/// What an app receives as a form.
const INTERACTIONS: [&str; 7] = [
    "block_actions",
    "block_suggestion",
    "interactive_message",
    "message_action",
    "shortcut",
    "view_closed",
    "view_submission",
];

/// A payload, as its package has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Payload {
    pub(super) source: Source,
    /// The package that publishes it.
    pub(super) package: String,
    /// What the package calls the event, on platforms whose payloads do not say it.
    pub(super) name: String,
    pub(super) body: String,
}

/// What must become one event.
pub(super) struct Part {
    pub(super) kind: Kind,
    /// The payload of the event.
    pub(super) content: Value,
    /// What the message says, where it is one with words.
    pub(super) text: Option<String>,
}

/// The type that an event must have.
#[derive(Debug)]
pub(super) enum Kind {
    Exactly(String),
    /// A message, or an event with the platform's own name.
    MessageOr(&'static str),
}

impl fmt::Display for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, package, name, .. } = self;
        write!(formatter, "{source:?} {name} of {package}")
    }
}

impl Kind {
    /// Tells whether an event of this type is right.
    pub(super) fn is(&self, kind: &str) -> bool {
        match self {
            Self::Exactly(expected) => kind == expected,
            Self::MessageOr(platform) => {
                kind == "message.received" || kind.strip_prefix(platform).is_some_and(|rest| rest.len() > 1)
            }
        }
    }
}

impl Payload {
    /// Builds the webhook in each form in which the platform sends it.
    pub(super) fn requests(&self, channel: &str) -> Vec<Request> {
        let form = || slack::form(&[("payload", &self.body)]);
        let delivery = hex::encode(Sha256::digest(&self.body));
        let signed = |body: &str| self.source.signed(channel, &self.name, &delivery, body);
        match self.source {
            Source::GitHub => vec![signed(&self.body), signed(&form()).header("content-type", FORM)],
            Source::Slack if self.is_interaction() => vec![signed(&form()).header("content-type", FORM)],
            _ => vec![signed(&self.body)],
        }
    }

    /// Returns what must become events.
    pub(super) fn parts(&self) -> Vec<Part> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let own = |name: &str| Kind::Exactly(format!("{}.{name}", self.source.platform()));
        let kind = match self.source {
            Source::WhatsApp => return whatsapp(&body),
            Source::Slack if body["type"] == "url_verification" => return Vec::new(),
            Source::GitHub | Source::Shopify => own(&self.name),
            Source::GitLab => body["type"].as_str().map_or(Kind::Exactly("webhook.received".to_owned()), own),
            Source::Stripe => own(body["type"].as_str().unwrap_or_default()),
            Source::Slack if is_words(&body["event"]) => Kind::Exactly("message.received".to_owned()),
            Source::Telegram if is_text(&body["message"]) => Kind::Exactly("message.received".to_owned()),
            Source::Slack | Source::Telegram => Kind::MessageOr(self.source.platform()),
        };
        let text = match self.source {
            Source::Slack if is_words(&body["event"]) => owned(&body["event"]["text"]),
            // A command is no words.
            Source::Telegram if is_text(&body["message"]) => {
                owned(&body["message"]["text"]).filter(|text| !text.starts_with('/'))
            }
            _ => None,
        };
        let mut content = body;
        if self.source == Source::Slack {
            // The token with which Slack proved itself before it signed.
            content.as_object_mut().unwrap().remove("token");
        }
        vec![Part { kind, content, text }]
    }

    fn is_interaction(&self) -> bool {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["type"].as_str().is_some_and(|kind| INTERACTIONS.contains(&kind))
    }
}

/// Tells whether this is what a person has written in Slack.
fn is_words(event: &Value) -> bool {
    event["type"] == "message" && event["user"].is_string() && event["bot_id"].is_null() && event["subtype"].is_null()
}

/// Tells whether this is a text that a person has written in Telegram.
fn is_text(message: &Value) -> bool {
    message["text"].is_string() && message["from"]["is_bot"] != true
}

fn owned(text: &Value) -> Option<String> {
    text.as_str().map(str::to_owned)
}

/// Messages, statuses, and changes of any other kind.
fn whatsapp(body: &Value) -> Vec<Part> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut parts = Vec::new();
    for change in list(&body["entry"]).iter().flat_map(|entry| list(&entry["changes"])) {
        let (field, value) = (change["field"].as_str().unwrap_or_default(), &change["value"]);
        let (messages, statuses) = (list(&value["messages"]), list(&value["statuses"]));
        if field != "messages" || (messages.is_empty() && statuses.is_empty()) {
            let name = if value["errors"].is_array() { "errors" } else { field };
            parts.push(Part { kind: Kind::Exactly(format!("whatsapp.{name}")), content: change, text: None });
            continue;
        }
        let part = |kind: &str, content: Value| {
            let text = owned(&content["text"]["body"]);
            Part { kind: Kind::Exactly(kind.to_owned()), content, text }
        };
        parts.extend(messages.into_iter().map(|content| part("message.received", content)));
        parts.extend(statuses.into_iter().map(|content| part("message.status", content)));
    }
    parts
}
