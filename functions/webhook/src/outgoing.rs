//! The message to send, as requests and actions describe it.

use std::fmt;

use platform::chat::Outgoing;
use platform::message::{Content, Party, Reference};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use shared::Refusal;
use shared::event::{ChannelId, StepRequested};
use uuid::Uuid;

/// A record of DynamoDB has at most 400 KB, and an event 256 KB, for the message and the result of sending it.
const MESSAGE_LIMIT_BYTES: usize = 128 * 1024;
/// Platforms' ids are far shorter.
const ID_LIMIT_BYTES: usize = 512;

/// The body of `POST /channels/{channelId}/send`, and the fields of an action of the type `message`.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SendBody {
    /// The channel; requests name it in the path instead.
    channel_id: Option<String>,
    /// The recipient or conversation: an id, or an object with one.
    to: Option<Recipient>,
    /// The content: a text, or an object with a `type`.
    content: Option<TextOrContent>,
    /// The message that it replies to.
    reply_to: Option<Reference>,
    /// The thread that it belongs to.
    thread_id: Option<String>,
    /// All of this in one object, such as a normalised message; used where the fields above are absent.
    #[schema(value_type = Option<Object>)]
    message: Option<Message>,
}

/// A normalised message, of which only what matters for sending is read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message {
    to: Option<Recipient>,
    content: Option<TextOrContent>,
    reply_to: Option<Reference>,
    thread_id: Option<String>,
}

/// An id, or an object with one.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum Recipient {
    Id(String),
    Party(Party),
}

/// A text, or an object with a `type`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum TextOrContent {
    Text(String),
    Content(Box<Content>),
}

impl From<Recipient> for Party {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Id(id) => Self::new(id),
            Recipient::Party(party) => party,
        }
    }
}

impl From<TextOrContent> for Content {
    fn from(written: TextOrContent) -> Self {
        match written {
            TextOrContent::Text(text) => Self::text(text),
            TextOrContent::Content(content) => *content,
        }
    }
}

impl SendBody {
    /// Checks the message and gives it our id.
    pub(crate) fn outgoing(self, id: String) -> Result<Outgoing, Refusal> {
        let message = self.message.unwrap_or_default();
        let to = Party::from(self.to.or(message.to).ok_or_else(|| Refusal::missing_field("to"))?);
        let content = self.content.or(message.content).ok_or_else(|| Refusal::missing_field("content"))?;
        let content = Content::from(content);
        let reply_to = self.reply_to.or(message.reply_to);
        let thread_id = self.thread_id.or(message.thread_id);
        check_id("to", Some(&to.id))?;
        check_id("replyTo.messageId", reply_to.as_ref().map(|reference| &reference.message_id))?;
        check_id("threadId", thread_id.as_ref())?;
        check_id("content.target.messageId", content.target.as_ref().map(|target| &target.message_id))?;
        let outgoing = Outgoing { id, to, content, reply_to, thread_id, reply_token: None };
        let size_bytes = serde_json::to_vec(&outgoing).map_or(usize::MAX, |json| json.len());
        match size_bytes <= MESSAGE_LIMIT_BYTES {
            true => Ok(outgoing),
            false => Err(Refusal::too_large(format!(
                "the message has {size_bytes} bytes, the limit is {MESSAGE_LIMIT_BYTES}"
            ))),
        }
    }
}

/// Reads the fields of an action of the type `message`.
pub(crate) fn of_action(request: &StepRequested) -> Result<(ChannelId, Outgoing), Refusal> {
    let body: SendBody = serde_path_to_error::deserialize(&request.action)
        .map_err(|error| Refusal::body_format(format!("`{}`: {}", error.path(), error.inner())))?;
    let channel_id = body.channel_id.as_deref().ok_or_else(|| Refusal::missing_field("channelId"))?;
    let channel_id =
        Uuid::try_parse(channel_id).map_err(|_| Refusal::field("channelId", "must be the id of a channel"))?;
    Ok((ChannelId::new(channel_id.to_string()), body.outgoing(request.id.record_id())?))
}

fn check_id(field: &str, id: Option<&String>) -> Result<(), Refusal> {
    match id {
        Some(id) if id.trim().is_empty() || id.len() > ID_LIMIT_BYTES => {
            Err(Refusal::field(field, format!("must have 1 to {ID_LIMIT_BYTES} bytes")))
        }
        _ => Ok(()),
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecipientVisitor;

        impl<'de> Visitor<'de> for RecipientVisitor {
            type Value = Recipient;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id or an object with an `id`")
            }

            fn visit_str<E: Error>(self, id: &str) -> Result<Recipient, E> {
                Ok(Recipient::Id(id.to_owned()))
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<Recipient, E> {
                Ok(Recipient::Id(id.to_string()))
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<Recipient, E> {
                Ok(Recipient::Id(id.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Recipient, A::Error> {
                Party::deserialize(MapAccessDeserializer::new(map)).map(Recipient::Party)
            }
        }

        deserializer.deserialize_any(RecipientVisitor)
    }
}

impl<'de> Deserialize<'de> for TextOrContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = TextOrContent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an object with a `type`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TextOrContent, E> {
                Ok(TextOrContent::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextOrContent, A::Error> {
                Content::deserialize(MapAccessDeserializer::new(map))
                    .map(|content| TextOrContent::Content(Box::new(content)))
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::message::ContentKind;
    use serde_json::{Value, json};

    fn outgoing(body: &Value) -> Result<Outgoing, Refusal> {
        shared::http::read_json::<SendBody>(body.to_string().as_bytes())?.outgoing("id".to_owned())
    }

    #[test]
    fn a_message_is_said_in_short_and_at_length() {
        let check = |body: Value| {
            let outgoing = outgoing(&body).unwrap_or_else(|refusal| panic!("{body}: {}", refusal.message));
            assert_eq!((outgoing.to.id.as_str(), outgoing.content), ("42", Content::text("hello")), "{body}");
        };
        check(json!({"to": "42", "content": "hello"}));
        check(json!({"to": 42, "content": {"text": "hello"}}));
        check(json!({"to": {"id": "42"}, "content": {"type": "TEXT", "text": "hello"}}));
        check(json!({"to": {"id": "42", "name": null}, "content": {"type": "text", "text": "hello"}}));
        let message = json!({
            "id": "", "conversationId": "c", "from": {"id": "us"}, "to": {"id": "42"}, "timestamp": 1,
            "platform": "slack", "content": {"type": "TEXT", "text": "hello"},
        });
        check(json!({"channelId": "c", "message": message}));
    }

    #[test]
    fn replies_and_threads_are_named() {
        let body = json!({
            "to": "42", "content": {"type": "REACTION", "reaction": {"emoji": "x"}, "target": {"messageId": "m"}},
            "replyTo": {"messageId": "r"}, "threadId": "t",
        });
        let outgoing = outgoing(&body).unwrap();
        assert_eq!(outgoing.content.kind, ContentKind::Reaction);
        assert_eq!(outgoing.reply_to.map(|reply_to| reply_to.message_id).as_deref(), Some("r"));
        assert_eq!(outgoing.thread_id.as_deref(), Some("t"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let check = |body: Value, field: &str| {
            let refusal = outgoing(&body).unwrap_err();
            assert!(refusal.status == 400 && refusal.message.contains(field), "{body}: {}", refusal.message);
        };
        check(json!({}), "`to`");
        check(json!({"to": "42"}), "`content`");
        check(json!({"to": " ", "content": "hello"}), "`to`");
        check(json!({"to": "x".repeat(513), "content": "hello"}), "`to`");
        check(json!({"to": [], "content": "hello"}), "`to`");
        check(json!({"to": "42", "content": 5}), "`content`");
        check(json!({"to": "42", "content": {"type": "SONG"}}), "`content.type`");
        check(json!({"to": "42", "content": {"txt": "hello"}}), "`content.txt`");
        check(json!({"to": "42", "content": "hello", "replyTo": "m"}), "`replyTo`");
        check(json!({"to": "42", "content": "hello", "replyTo": {"messageId": ""}}), "`replyTo.messageId`");
    }
}
