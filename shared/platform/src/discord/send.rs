//! From a message to a request to Discord's API, and what its answers mean.

mod body;

use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{Discord, snowflake};
use crate::chat::{self, Access, Answer, ApiRequest, Chat, Outgoing, Problem, TARGET, Verdict};
use crate::error::Error;
use crate::message::{Content, ContentKind};

const API_URL: &str = "https://discord.com/api/v10";
/// Discord blocks callers that do not say who they are in this form.
const AGENT: &str = concat!("DiscordBot (https://hookyard.dev, ", env!("CARGO_PKG_VERSION"), ")");
const NONCE_LIMIT: usize = 25;
/// The characters that need no escaping in a path.
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
                Err(Error::field("content.type", "is only received; send a `TEXT` with `buttons` or a `list`"))
            }
            _ => Err(Error::field("content.type", "must be TEXT, FILE, REACTION, EDIT or DELETE on Discord")),
        }
    }

    /// Success is any 2xx, with the message where there is one.
    fn parse_send(&self, answer: &Answer) -> Verdict {
        let body = answer.json();
        if !is_success(answer) {
            let after = body["retry_after"].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            return Verdict::failed(answer, problem(answer, &body), after);
        }
        if !answer.body.is_empty() && !body.is_object() {
            return Verdict::Unknown(problem(answer, &body));
        }
        let message_id = body["id"].as_str().map(str::to_owned);
        let channel_id = body["channel_id"].as_str().map(|id| ("channelId".to_owned(), json!(id)));
        Verdict::Sent { message_id, metadata: channel_id.into_iter().collect() }
    }

    fn gives_reply_tokens(&self) -> bool {
        true
    }

    fn health_request(&self, access: &Access<'_>) -> Result<ApiRequest, Error> {
        as_bot(access, ApiRequest::get(format!("{}/users/@me", access.api_url)))
    }

    /// The bot's user, if the token is valid.
    fn parse_health(&self, answer: &Answer) -> Result<Map<String, Value>, Problem> {
        let body = answer.json();
        if !is_success(answer) || !body["id"].is_string() {
            return Err(problem(answer, &body));
        }
        let details = ["id", "username"].into_iter().filter(|name| body[*name].is_string());
        Ok(details.map(|name| (name.to_owned(), body[name].clone())).collect())
    }
}

/// An interaction already has a provisional answer, which the message replaces.
fn posting(access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
    let mut body = body::of(&message.content)?;
    let messages = messages_url(access, message)?;
    if message.reply_token.is_some() {
        let request = ApiRequest::post(format!("{messages}/@original"), &with_native(body, &message.content));
        return signed(access, message, ApiRequest { method: Method::PATCH, ..request });
    }
    // A nonce that is repeated within some minutes is the same message.
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
/// It contains the token of the interaction and must not be logged.
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
fn signed(access: &Access<'_>, message: &Outgoing, request: ApiRequest) -> Result<ApiRequest, Error> {
    match message.reply_token {
        Some(_) => Ok(introduced(request)),
        None => as_bot(access, request),
    }
}

fn as_bot(access: &Access<'_>, request: ApiRequest) -> Result<ApiRequest, Error> {
    introduced(request).authorized("Bot", access, "botToken")
}

fn introduced(request: ApiRequest) -> ApiRequest {
    request.header(USER_AGENT, HeaderValue::from_static(AGENT))
}

fn target(content: &Content) -> Result<&str, Error> {
    snowflake(TARGET, chat::target(content)?)
}

fn with_native(mut body: Map<String, Value>, content: &Content) -> Value {
    body.extend(content.native.clone());
    Value::Object(body)
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

/// Describes a failure with Discord's own code where there is one, and every field that it rejects.
fn problem(answer: &Answer, body: &Value) -> Problem {
    let code = body["code"].as_i64().filter(|code| *code != 0).unwrap_or_else(|| answer.status.into());
    let Some(message) = body["message"].as_str() else {
        return Problem { code: code.to_string(), ..Problem::unreadable(answer, "Discord") };
    };
    let mut explanation = message.to_owned();
    explain(&body["errors"], "", &mut explanation);
    Problem::new(code, explanation)
}

/// Adds the errors of each field: they are lists named `_errors` in a tree of the request's shape.
fn explain(errors: &Value, path: &str, explanation: &mut String) {
    let Value::Object(members) = errors else { return };
    for (name, inner) in members {
        if name == "_errors" {
            let messages = inner.as_array().into_iter().flatten().filter_map(|error| error["message"].as_str());
            messages.for_each(|message| explanation.push_str(&format!("; {path}: {message}")));
        } else {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            explain(inner, &path, explanation);
        }
    }
}
