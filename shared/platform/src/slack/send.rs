//! From a message to a request to the Web API, and its answers, which report failures with status 200.

mod body;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Slack;
use super::normalise::milliseconds;
use crate::chat::{
    self, Access, Answer, ApiRequest, Chat, Outgoing, Problem, TARGET, Verdict, failed_half_way, retry_after,
};
use crate::error::Error;
use crate::message::{Content, ContentKind};

/// Errors that mean the same call may succeed later.
const PASSING: [&str; 8] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "org_login_required",
];
/// Those of them after which the message may have been posted all the same.
const BROKEN: [&str; 3] = ["internal_error", "fatal_error", "request_timeout"];
/// Errors that mean that nothing was left to do.
const DONE: [&str; 2] = ["already_reacted", "no_reaction"];
/// Emoji that other platforms accept directly, by Slack's names.
const EMOJI: [(&str, &str); 16] = [
    ("👍", "thumbsup"),
    ("👎", "thumbsdown"),
    ("❤", "heart"),
    ("😂", "joy"),
    ("😮", "open_mouth"),
    ("😢", "cry"),
    ("🙏", "pray"),
    ("🎉", "tada"),
    ("🔥", "fire"),
    ("👀", "eyes"),
    ("✅", "white_check_mark"),
    ("❌", "x"),
    ("🚀", "rocket"),
    ("👏", "clap"),
    ("💯", "100"),
    ("🤔", "thinking_face"),
];
/// The longest part of an answer that is quoted.
const REPEATED_LIMIT_CHARACTERS: usize = 200;

/// The envelope of every answer.
#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    error: Option<String>,
    needed: Option<String>,
    channel: Option<Value>,
    ts: Option<String>,
    response_metadata: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    messages: Option<Vec<String>>,
}

impl Chat for Slack {
    fn api_url(&self) -> &'static str {
        "https://slack.com/api"
    }

    fn send_request(&self, access: &Access<'_>, message: &Outgoing) -> Result<ApiRequest, Error> {
        let (method, mut body) = request(message)?;
        body.extend(message.content.native.clone());
        api_request(access, method, &Value::Object(body))
    }

    fn parse_send(&self, answer: &Answer) -> Verdict {
        match read(answer) {
            Ok(taken) => {
                let channel = taken.channel.filter(Value::is_string);
                let metadata = channel.map(|channel| ("channel".to_owned(), channel)).into_iter().collect();
                Verdict::Sent { message_id: taken.ts, metadata }
            }
            Err(problem) if DONE.contains(&problem.code.as_str()) => {
                Verdict::Sent { message_id: None, metadata: Map::new() }
            }
            Err(problem) if PASSING.contains(&problem.code.as_str()) => {
                let may_have_arrived = BROKEN.contains(&problem.code.as_str()) || failed_half_way(answer);
                Verdict::Retry { problem, after: retry_after(&answer.headers), may_have_arrived }
            }
            Err(problem) => Verdict::failed(answer, problem, None),
        }
    }

    fn health_request(&self, access: &Access<'_>) -> Result<ApiRequest, Error> {
        api_request(access, "auth.test", &json!({}))
    }

    fn parse_health(&self, answer: &Answer) -> Result<Map<String, Value>, Problem> {
        read(answer)?;
        let Ok(Value::Object(envelope)) = serde_json::from_slice(&answer.body) else { return Ok(Map::new()) };
        let known =
            [("team", "team"), ("team_id", "teamId"), ("user", "user"), ("user_id", "userId"), ("bot_id", "botId")];
        let known = known.into_iter().chain([("url", "url")]);
        let mut details: Map<String, Value> = known
            .filter_map(|(theirs, ours)| Some((ours.to_owned(), envelope.get(theirs)?.clone())))
            .filter(|(_, value)| value.is_string())
            .collect();
        details.extend(scopes(&answer.headers).map(|scopes| ("scopes".to_owned(), scopes)));
        Ok(details)
    }
}

/// Returns the scopes of the token, which Slack sends in a header.
fn scopes(headers: &HeaderMap) -> Option<Value> {
    let scopes = headers.get("x-oauth-scopes")?.to_str().ok()?.split(',');
    Some(scopes.map(str::trim).filter(|scope| !scope.is_empty()).collect())
}

fn api_request(access: &Access<'_>, method: &str, body: &Value) -> Result<ApiRequest, Error> {
    ApiRequest::post(format!("{}/{method}", access.api_url), body).authorized("Bearer", access, "botToken")
}

/// Returns the method and the body that send a message.
fn request(message: &Outgoing) -> Result<(&'static str, Map<String, Value>), Error> {
    if message.to.id.is_empty() {
        return Err(Error::field("to.id", "must be the id of a channel, a conversation or a user"));
    }
    let content = &message.content;
    let mut body = Map::from_iter([("channel".to_owned(), message.to.id.clone().into())]);
    let method = match content.kind {
        ContentKind::Text | ContentKind::File | ContentKind::Location | ContentKind::Contacts => {
            body.extend(body::of(content)?);
            body.extend(thread(message)?.map(|ts| ("thread_ts".to_owned(), ts.into())));
            "chat.postMessage"
        }
        ContentKind::Edit => {
            body.extend(body::of(content)?);
            body.insert("ts".to_owned(), target(content)?.into());
            "chat.update"
        }
        ContentKind::Delete => {
            body.insert("ts".to_owned(), target(content)?.into());
            "chat.delete"
        }
        ContentKind::Reaction => {
            let (method, name) = reaction(content)?;
            body.insert("timestamp".to_owned(), target(content)?.into());
            body.insert("name".to_owned(), name.into());
            method
        }
        ContentKind::Button
        | ContentKind::List
        | ContentKind::Command
        | ContentKind::Template
        | ContentKind::Unsupported => {
            let rule = "must be TEXT, FILE, LOCATION, CONTACTS, REACTION, EDIT or DELETE; buttons and lists are part of a TEXT";
            return Err(Error::field("content.type", rule));
        }
    };
    Ok((method, body))
}

/// A reply goes to the thread that the message is in or starts.
fn thread(message: &Outgoing) -> Result<Option<&str>, Error> {
    match (&message.thread_id, &message.reply_to) {
        (Some(thread), _) => time("threadId", thread).map(Some),
        (None, Some(reference)) => time("replyTo.messageId", &reference.message_id).map(Some),
        (None, None) => Ok(None),
    }
}

fn target(content: &Content) -> Result<&str, Error> {
    time(TARGET, chat::target(content)?)
}

/// The id of a message is its time.
fn time<'a>(field: &str, ts: &'a str) -> Result<&'a str, Error> {
    let is_time = ts.contains('.') && milliseconds(ts).is_some();
    let rule = "must be the id of a message, such as `1531420618.000200`";
    if is_time { Ok(ts) } else { Err(Error::field(field, rule)) }
}

fn reaction(content: &Content) -> Result<(&'static str, &str), Error> {
    let reaction = chat::reaction(content)?;
    let emoji = reaction.emoji.as_deref().ok_or_else(|| Error::missing_field("content.reaction.emoji"))?;
    // The same emoji is written with and without the mark that asks for its colourful form.
    let plain = emoji.trim_matches(':').trim_end_matches('\u{fe0f}');
    if plain.is_empty() {
        return Err(Error::field("content.reaction.emoji", "must be the name of an emoji, such as `thumbsup`"));
    }
    let name = EMOJI.iter().find(|(emoji, _)| *emoji == plain).map_or(plain, |(_, name)| name);
    Ok((if reaction.removed { "reactions.remove" } else { "reactions.add" }, name))
}

/// Reads an answer: the result, or what was wrong.
fn read(answer: &Answer) -> Result<Envelope, Problem> {
    let status = answer.status;
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&answer.body) else {
        return Err(Problem::unreadable(answer, "Slack"));
    };
    if envelope.ok && status == 200 {
        return Ok(envelope);
    }
    let unnamed = || if status == 200 { "not_ok".to_owned() } else { status.to_string() };
    let code = envelope.error.map_or_else(unnamed, |error| short(&error));
    let needed = envelope.needed.map(|scope| format!("needs the scope {}", short(&scope)));
    let details = envelope.response_metadata.and_then(|details| details.messages);
    let details = needed.into_iter().chain(details.into_iter().flatten().take(3).map(|detail| short(&detail)));
    let message = std::iter::once(code.clone()).chain(details).collect::<Vec<_>>().join("; ");
    Err(Problem::new(code, message))
}

fn short(text: &str) -> String {
    text.chars().take(REPEATED_LIMIT_CHARACTERS).collect()
}
