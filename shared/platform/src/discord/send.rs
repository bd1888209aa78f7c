//! From a message to a call of Discord's API, and what its answers mean.

mod answer;
mod body;

use crate::chat::Answer;
use crate::error::Error;
use http::header::USER_AGENT;
use http::{HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Discord;
use crate::chat::{self, Access, ApiRequest, Chat, Outgoing, Problem, TARGET, Verdict};
use crate::message::{Content, ContentKind};

const API_URL: &str = "https://discord.com/api/v10";
/// Discord blocks callers that do not say who they are in this form.
const AGENT: &str = concat!("DiscordBot (https://hookyard.dev, ", env!("CARGO_PKG_VERSION"), ")");
const NONCE_LIMIT: usize = 25;
/// The longest id of a Discord object, which is a number of 64 bits.
const SNOWFLAKE_LIMIT: usize = 20;
/// What may stand in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Chat for Discord {
    fn api_url(&self) -> &'static str {
        API_URL
    }

    fn send_request(&self, access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
        let content = &message.content;
        match content.kind {
            ContentKind::Text | ContentKind::File => posting(access, message),
            ContentKind::Edit => {
                let body = with_native(body::of(content)?, content);
                let url = format!("{}/{}", messages_url(access, message)?, target(content)?);
                signed(access, message, ApiRequest { method: Method::PATCH, ..ApiRequest::post(url, &body) })
            }
            ContentKind::Delete => {
                let url = format!("{}/{}", messages_url(access, message)?, target(content)?);
                signed(access, message, ApiRequest { method: Method::DELETE, ..ApiRequest::get(url) })
            }
            ContentKind::Reaction => reacting(access, message),
            ContentKind::Button | ContentKind::List => {
                Err(Error::field("content.type", "only comes in; send a `TEXT` with `buttons` or a `list`"))
            }
            _ => Err(Error::field("content.type", "must be TEXT, FILE, REACTION, EDIT or DELETE on Discord")),
        }
    }

    fn parse_send(&self, answer: &Answer) -> Verdict {
        answer::parse_send(answer)
    }

    fn gives_reply_tokens(&self) -> bool {
        true
    }

    fn health_request(&self, access: &Access<'_>) -> Result<ApiRequest, Error> {
        as_bot(access, ApiRequest::get(format!("{}/users/@me", access.api_url)))
    }

    fn parse_health(&self, answer: &Answer) -> Result<Map<String, Value>, Problem> {
        answer::parse_health(answer)
    }
}

/// An interaction has an answer already, a provisional one, which the message takes the place of.
fn posting(access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
    let mut body = body::of(&message.content)?;
    let messages = messages_url(access, message)?;
    if message.reply_token.is_some() {
        let call = ApiRequest::post(format!("{messages}/@original"), &with_native(body, &message.content));
        return signed(access, message, ApiRequest { method: Method::PATCH, ..call });
    }
    // The same nonce again within some minutes is the same message again.
    let nonce: String = message.id.chars().take(NONCE_LIMIT).collect();
    body.extend([("nonce".to_owned(), nonce.into()), ("enforce_nonce".to_owned(), true.into())]);
    if let Some(reply_to) = &message.reply_to {
        let message_id = snowflake("replyTo.messageId", &reply_to.message_id)?;
        body.insert("message_reference".to_owned(), json!({"message_id": message_id}));
    }
    signed(access, message, ApiRequest::post(messages, &with_native(body, &message.content)))
}

fn reacting(access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
    let content = &message.content;
    let reaction = chat::reaction(content)?;
    let emoji = reaction.emoji.as_deref().ok_or_else(|| Error::missing_field("content.reaction.emoji"))?;
    if emoji.is_ascii() && !is_custom_emoji(emoji) {
        return Err(Error::field("content.reaction.emoji", "must be an emoji, or `name:id` of a custom one"));
    }
    let (messages, target) = (channel_url(access, message)?, target(content)?);
    let url = format!("{messages}/{target}/reactions/{}/@me", utf8_percent_encode(emoji, PATH));
    let method = if reaction.removed { Method::DELETE } else { Method::PUT };
    as_bot(access, ApiRequest { method, ..ApiRequest::get(url) })
}

fn is_custom_emoji(emoji: &str) -> bool {
    emoji.split_once(':').is_some_and(|(name, id)| {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name && snowflake("", id).is_ok()
    })
}

/// Returns the URL of the messages that answer an interaction, or else of those of a channel.
///
/// The token of the interaction is in it, so that nobody may log it.
fn messages_url(access: &Access<'_>, message: &Outgoing) -> Result<String, Error> {
    let Some(token) = &message.reply_token else {
        return channel_url(access, message);
    };
    let field = "credentials.applicationId";
    let application_id = snowflake(field, access.credentials.required("applicationId")?)?;
    let token = utf8_percent_encode(token, PATH);
    Ok(format!("{}/webhooks/{application_id}/{token}/messages", access.api_url))
}

/// A thread is a channel of its own.
fn channel_url(access: &Access<'_>, message: &Outgoing) -> Result<String, Error> {
    let channel_id = match &message.thread_id {
        Some(thread_id) => snowflake("threadId", thread_id)?,
        None => snowflake("to.id", &message.to.id)?,
    };
    Ok(format!("{}/channels/{channel_id}/messages", access.api_url))
}

/// The token of an interaction is proof enough; anything else is done by the bot.
fn signed(access: &Access<'_>, message: &Outgoing, call: ApiRequest) -> Result<ApiRequest, Error> {
    match message.reply_token {
        Some(_) => Ok(introduced(call)),
        None => as_bot(access, call),
    }
}

fn as_bot(access: &Access<'_>, call: ApiRequest) -> Result<ApiRequest, Error> {
    introduced(call).authorized("Bot", access, "botToken")
}

fn introduced(call: ApiRequest) -> ApiRequest {
    call.header(USER_AGENT, HeaderValue::from_static(AGENT))
}

fn target(content: &Content) -> Result<&str, Error> {
    snowflake(TARGET, chat::target(content)?)
}

/// Checks an id of Discord, which then can stand in a path.
pub(super) fn snowflake<'a>(field: &str, id: &'a str) -> Result<&'a str, Error> {
    match (1..=SNOWFLAKE_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(id),
        false => Err(Error::field(field, "must be an id of Discord, which is a number")),
    }
}

fn with_native(mut body: Map<String, Value>, content: &Content) -> Value {
    body.extend(content.native.clone());
    Value::Object(body)
}
