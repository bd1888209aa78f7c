//! The message to send, as requests and actions describe it.

use platform::chat::Outgoing;
use platform::message::{Content, Party, Reference};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::event::{ChannelId, StepRequested};
use shared::json::{Problem, from_value, size_bytes};
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
    pub channel_id: Option<String>,
    /// The recipient or conversation: an id, or an object with one.
    #[schema(value_type = Option<Recipient>)]
    to: Option<Value>,
    /// The content: a text, or an object with a `type`.
    #[schema(value_type = Option<TextOrContent>)]
    content: Option<Value>,
    /// The message that it replies to.
    reply_to: Option<Reference>,
    /// The thread that it belongs to.
    thread_id: Option<String>,
    /// All of this in one object, such as a normalised message; used where the fields above are absent.
    #[schema(value_type = Option<Object>)]
    message: Option<Message>,
}

/// A normalised message: what matters for sending, and what is known and left aside.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message {
    to: Option<Value>,
    content: Option<Value>,
    reply_to: Option<Reference>,
    thread_id: Option<String>,
    id: IgnoredAny,
    conversation_id: IgnoredAny,
    from: IgnoredAny,
    timestamp: IgnoredAny,
    platform: IgnoredAny,
    metadata: IgnoredAny,
}

/// An id, or an object with one.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what `party` reads")]
enum Recipient {
    Id(String),
    Party(Party),
}

/// A text, or an object with a `type`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what `content` reads")]
enum TextOrContent {
    Text(String),
    Content(Box<Content>),
}

impl SendBody {
    /// Checks the message and gives it our id.
    pub(crate) fn outgoing(self, id: String) -> Result<Outgoing, Refusal> {
        let message = self.message.unwrap_or_default();
        let to = self.to.or(message.to).ok_or_else(|| Refusal::missing_field("to"))?;
        let content = self.content.or(message.content).ok_or_else(|| Refusal::missing_field("content"))?;
        let to = party(to).map_err(|problem| problem.within("to"))?;
        let content = self::content(content).map_err(|problem| problem.within("content"))?;
        let reply_to = self.reply_to.or(message.reply_to);
        let thread_id = self.thread_id.or(message.thread_id);
        check_id("to", Some(&to.id))?;
        check_id("replyTo.messageId", reply_to.as_ref().map(|reference| &reference.message_id))?;
        check_id("threadId", thread_id.as_ref())?;
        check_id("content.target.messageId", content.target.as_ref().map(|target| &target.message_id))?;
        let outgoing = Outgoing { id, to, content, reply_to, thread_id, reply_token: None };
        match size_bytes(&outgoing) {
            size if size > MESSAGE_LIMIT_BYTES => {
                Err(Refusal::too_large(format!("the message has {size} bytes, the limit is {MESSAGE_LIMIT_BYTES}")))
            }
            _ => Ok(outgoing),
        }
    }
}

fn party(value: Value) -> Result<Party, Problem> {
    match value {
        Value::String(id) => Ok(Party::new(id)),
        Value::Number(id) if !id.is_f64() => Ok(Party::new(id.to_string())),
        Value::Object(_) => from_value(value),
        _ => Err(Problem::field("", "must be an id or an object with an `id`")),
    }
}

fn content(value: Value) -> Result<Content, Problem> {
    match value {
        Value::String(text) => Ok(Content::text(text)),
        Value::Object(_) => from_value(value),
        _ => Err(Problem::field("", "must be a text or an object with a `type`")),
    }
}

/// Reads the fields of an action of the type `message`.
pub(crate) fn of_action(request: &StepRequested) -> Result<(ChannelId, Outgoing), Refusal> {
    let body: SendBody = from_value(request.action.clone())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use platform::message::ContentKind;
    use serde_json::{Value, json};
    use shared::event::command::MESSAGE_KINDS;

    fn outgoing(body: &Value) -> Result<Outgoing, Refusal> {
        shared::json::read::<SendBody>(body.to_string().as_bytes())?.outgoing("id".to_owned())
    }

    #[test]
    fn the_kinds_of_content_are_those_that_a_step_can_name() {
        for kind in MESSAGE_KINDS {
            for written in [kind.to_owned(), kind.to_ascii_lowercase()] {
                let content = content(json!({"type": written})).unwrap();
                assert_eq!(serde_json::to_value(content.kind).unwrap(), kind);
            }
        }
        let unknown = content(json!({"type": "?"})).unwrap_err().to_string();
        let named: Vec<&str> = unknown.split('`').filter(|name| name.chars().all(|c| c.is_ascii_uppercase())).collect();
        assert_eq!(named.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>(), MESSAGE_KINDS, "{unknown}");
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
        check(json!({"to": "42", "content": {"txt": "hello"}}), "`content`: unknown field `txt`: did you mean `text`?");
        check(
            json!({"to": {"id": "42", "nme": "x"}, "content": "hello"}),
            "`to`: unknown field `nme`: did you mean `name`?",
        );
        check(json!({"to": "42", "contnt": "hello"}), "unknown field `contnt`: did you mean `content`?");
        check(json!({"message": {"to": "42", "contnt": "hello"}}), "`message`: unknown field `contnt`");
        let file = json!({"type": "FILE", "media": {"mimetype": "image/png"}});
        check(
            json!({"to": "42", "content": file}),
            "`content.media`: unknown field `mimetype`: did you mean `mimeType`?",
        );
        check(json!({"to": "42", "content": "hello", "replyTo": "m"}), "`replyTo`");
        check(json!({"to": "42", "content": "hello", "replyTo": {"messageId": ""}}), "`replyTo.messageId`");
    }
}
