//! From a message to a request to the Bot API, and what its answers mean.

mod method;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Telegram, check_bot_token};
use crate::chat::{Access, Answer, ApiRequest, Chat, Outgoing, Problem, Verdict};
use crate::error::Error;

impl Chat for Telegram {
    fn api_url(&self) -> &'static str {
        "https://api.telegram.org"
    }

    fn send_request(&self, access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
        let (method, mut body) = method::of(message)?;
        body.insert("chat_id".to_owned(), chat_id(&message.to.id)?);
        body.extend(message.content.native.clone());
        Ok(ApiRequest::post(url(access, method)?, &Value::Object(body)))
    }

    fn parse_send(&self, answer: &Answer) -> Verdict {
        match read(answer) {
            Ok(result) => {
                let mut metadata = Map::new();
                metadata.extend(result["chat"]["id"].as_i64().map(|id| ("chatId".to_owned(), json!(id.to_string()))));
                let message_id = result["message_id"].as_i64().map(|id| id.to_string());
                Verdict::Sent { message_id, metadata }
            }
            Err((problem, after)) => Verdict::failed(answer, problem, after),
        }
    }

    fn health_request(&self, access: &Access<'_>) -> Result<ApiRequest, Error> {
        Ok(ApiRequest::get(url(access, "getMe")?))
    }

    fn parse_health(&self, answer: &Answer) -> Result<Map<String, Value>, Problem> {
        let bot = read(answer).map_err(|(problem, _)| problem)?;
        let mut details = Map::new();
        details.extend(bot["id"].as_i64().map(|id| ("id".to_owned(), json!(id.to_string()))));
        for (name, member) in [("username", "username"), ("canJoinGroups", "can_join_groups")] {
            details.extend(bot.get(member).map(|value| (name.to_owned(), value.clone())));
        }
        Ok(details)
    }
}

/// Returns the URL of a method; it contains the token and must not be logged.
fn url(access: &Access<'_>, method: &str) -> Result<String, Error> {
    let token = access.credentials.required("botToken")?;
    check_bot_token(token)?;
    Ok(format!("{}/bot{token}/{method}", access.api_url))
}

/// Chats have a number; public groups and channels have a name as well.
fn chat_id(id: &str) -> Result<Value, Error> {
    let number = || id.parse::<i64>().ok().map(Value::from);
    let name = || id.strip_prefix('@').filter(|name| !name.is_empty()).map(|_| Value::from(id));
    let rule = "must be the number of a chat, or the name of a public one after an `@`";
    number().or_else(name).ok_or_else(|| Error::field("to.id", rule))
}

/// The envelope of every answer.
#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    #[serde(default)]
    result: Value,
    error_code: Option<i64>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

/// Returns the result of a request, or what was wrong and how long to wait.
fn read(answer: &Answer) -> Result<Value, (Problem, Option<Duration>)> {
    let Ok(read) = serde_json::from_slice::<Envelope>(&answer.body) else {
        return Err((Problem::unreadable(answer, "Telegram"), None));
    };
    if read.ok {
        return Ok(read.result);
    }
    let mut message = read.description;
    if let Some(id) = read.parameters.migrate_to_chat_id {
        message.push_str(&format!("; the chat is {id} now"));
    }
    let code = read.error_code.unwrap_or_else(|| answer.status.into());
    Err((Problem::new(code, message), read.parameters.retry_after.map(Duration::from_secs)))
}
