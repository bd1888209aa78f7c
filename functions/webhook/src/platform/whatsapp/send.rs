//! From a message to the body that the Cloud API takes, and what its answers mean.

mod interactive;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::Refusal;
use shared::outbound::Response;

use crate::message::{Content, ContentKind, Location, Media, MediaKind, Reference, Template};
use crate::platform::chat::{Outgoing, Problem, Verdict, retry_after};

const TEXT_LIMIT: usize = 4096;
const CAPTION_LIMIT: usize = 1024;
/// One person can be written to about this often; an earlier attempt fails again.
const PAIR_INTERVAL: Duration = Duration::from_secs(6);
/// The access token is not valid; what the platform says then may repeat the token.
const TOKEN_CODE: i64 = 190;
/// Too many messages to one person.
const PAIR_CODE: i64 = 131_056;
/// Too many calls or messages: of the app, of the account, of the phone number, or reported as spam.
const LATER_CODES: [i64; 5] = [4, 80_007, 130_429, 131_048, PAIR_CODE];
const MESSAGE_LIMIT: usize = 500;

/// Builds the body of a message; a refusal names the field that WhatsApp could not take.
pub(super) fn body(message: &Outgoing) -> Result<Value, Refusal> {
    if message.thread_id.is_some() {
        return Err(Refusal::field("threadId", "must be absent, WhatsApp has no threads"));
    }
    let content = &message.content;
    let mut body = envelope(message)?;
    // A type among the native members means that they say what the message is, and not the rest.
    if !content.native.contains_key("type") {
        let (kind, part) = part(content)?;
        body.insert("type".to_owned(), kind.into());
        body.insert(kind.to_owned(), part);
    }
    body.extend(content.native.clone());
    Ok(body.into())
}

fn envelope(message: &Outgoing) -> Result<Map<String, Value>, Refusal> {
    let to = message.to.id.trim();
    if to.is_empty() {
        return Err(Refusal::missing_field("to.id"));
    }
    let recipient = if is_user_id(to) { "recipient" } else { "to" };
    let mut body = Map::from_iter([
        ("messaging_product".to_owned(), "whatsapp".into()),
        ("recipient_type".to_owned(), "individual".into()),
        (recipient.to_owned(), to.into()),
    ]);
    if let Some(reply_to) = &message.reply_to {
        let id = message_id("replyTo.messageId", reply_to)?;
        body.insert("context".to_owned(), json!({"message_id": id}));
    }
    Ok(body)
}

/// Tells the ids of people who hide their phone number: two letters of their country, a dot, and more.
fn is_user_id(id: &str) -> bool {
    matches!(id.as_bytes(), [first, second, b'.', ..] if first.is_ascii_uppercase() && second.is_ascii_uppercase())
}

fn message_id<'a>(field: &str, reference: &'a Reference) -> Result<&'a str, Refusal> {
    match reference.message_id.as_str() {
        "" => Err(Refusal::field(field, "must not be empty")),
        id => Ok(id),
    }
}

/// Returns the type of a message and the part of the body that has its name.
fn part(content: &Content) -> Result<(&'static str, Value), Refusal> {
    let has_choices = !content.buttons.is_empty() || content.list.is_some();
    if has_choices && content.kind != ContentKind::Text {
        return Err(Refusal::field("content.type", "must be TEXT with `buttons` or a `list`"));
    }
    let has_files = content.media.is_some() || !content.attachments.is_empty();
    if has_files && content.kind != ContentKind::File {
        return Err(Refusal::field("content.type", "must be FILE with `media` or `attachments`"));
    }
    match content.kind {
        ContentKind::Text if has_choices => Ok(("interactive", interactive::part(content)?)),
        ContentKind::Text => Ok(("text", json!({"body": text(content, TEXT_LIMIT)?, "preview_url": false}))),
        ContentKind::File => file(content),
        ContentKind::Location => location(content.location.as_ref()).map(|part| ("location", part)),
        ContentKind::Contacts => match content.contacts.as_slice() {
            [] => Err(Refusal::missing_field("content.contacts")),
            contacts => Ok(("contacts", contacts.into())),
        },
        ContentKind::Reaction => reaction(content).map(|part| ("reaction", part)),
        ContentKind::Template => template(content.template.as_ref()).map(|part| ("template", part)),
        ContentKind::Button | ContentKind::List => {
            Err(Refusal::field("content.type", "must be TEXT to ask for a choice, with `buttons` or a `list`"))
        }
        ContentKind::Edit | ContentKind::Delete | ContentKind::Command | ContentKind::Unsupported => {
            Err(Refusal::field("content.type", "is none that WhatsApp can send"))
        }
    }
}

/// Returns the text, which has to be there and short enough.
fn text(content: &Content, limit: usize) -> Result<&str, Refusal> {
    let text = content.text.as_deref().filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Refusal::missing_field("content.text"))?;
    short("content.text", text, limit)
}

/// Checks that a text has at most so many characters.
fn short<'a>(field: &str, text: &'a str, limit: usize) -> Result<&'a str, Refusal> {
    match text.chars().count() <= limit {
        true => Ok(text),
        false => Err(Refusal::field(field, format!("must have at most {limit} characters"))),
    }
}

fn file(content: &Content) -> Result<(&'static str, Value), Refusal> {
    let media = match (&content.media, content.attachments.as_slice()) {
        (_, [_, _, ..]) => return Err(Refusal::field("content.attachments", "must be one file for each message")),
        (Some(media), _) | (None, [media]) => media,
        (None, []) => return Err(Refusal::missing_field("content.media")),
    };
    let mut part = source(media)?;
    let kind = match media.kind() {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio | MediaKind::Voice => "audio",
        MediaKind::Sticker => "sticker",
        MediaKind::Document => "document",
    };
    if media.kind() == MediaKind::Voice {
        part.insert("voice".to_owned(), true.into());
    }
    if let Some(caption) = content.text.as_deref().filter(|text| !text.is_empty()) {
        if matches!(kind, "audio" | "sticker") {
            return Err(Refusal::field("content.text", "must be absent, sounds and stickers have no caption"));
        }
        part.insert("caption".to_owned(), short("content.text", caption, CAPTION_LIMIT)?.into());
    }
    if let Some(filename) = media.filename.as_deref().filter(|_| kind == "document") {
        part.insert("filename".to_owned(), filename.into());
    }
    Ok((kind, part.into()))
}

/// Says where a file is: at the platform by its id, or on the web.
fn source(media: &Media) -> Result<Map<String, Value>, Refusal> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (name, value) = match (given(&media.id), given(&media.url)) {
        (Some(id), _) => ("id", id),
        (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => ("link", url),
        (None, Some(_)) => return Err(Refusal::field("content.media.url", "must begin with `https://` or `http://`")),
        (None, None) => return Err(Refusal::field("content.media", "needs an `id` or a `url`")),
    };
    Ok(Map::from_iter([(name.to_owned(), value.into())]))
}

fn location(location: Option<&Location>) -> Result<Value, Refusal> {
    let location = location.ok_or_else(|| Refusal::missing_field("content.location"))?;
    let Location { latitude, longitude, name, address } = location;
    if !(-90.0..=90.0).contains(latitude) {
        return Err(Refusal::field("content.location.latitude", "must be from -90 to 90"));
    }
    if !(-180.0..=180.0).contains(longitude) {
        return Err(Refusal::field("content.location.longitude", "must be from -180 to 180"));
    }
    let mut part = json!({"latitude": latitude, "longitude": longitude});
    for (member, text) in [("name", name), ("address", address)] {
        if let Some(text) = text {
            part[member] = text.as_str().into();
        }
    }
    Ok(part)
}

/// An empty emoji takes the reaction back.
fn reaction(content: &Content) -> Result<Value, Refusal> {
    let target = content.target.as_ref().ok_or_else(|| Refusal::missing_field("content.target"))?;
    let target = message_id("content.target.messageId", target)?;
    let reaction = content.reaction.as_ref().ok_or_else(|| Refusal::missing_field("content.reaction"))?;
    let emoji = reaction.emoji.as_deref().filter(|emoji| !emoji.is_empty());
    match (reaction.removed, emoji) {
        (true, _) => Ok(json!({"message_id": target, "emoji": ""})),
        (false, Some(emoji)) => Ok(json!({"message_id": target, "emoji": emoji})),
        (false, None) => Err(Refusal::missing_field("content.reaction.emoji")),
    }
}

fn template(template: Option<&Template>) -> Result<Value, Refusal> {
    let template = template.ok_or_else(|| Refusal::missing_field("content.template"))?;
    for (field, text) in [("name", &template.name), ("language", &template.language)] {
        if text.is_empty() {
            return Err(Refusal::field(&format!("content.template.{field}"), "must not be empty"));
        }
    }
    let mut part = json!({"name": template.name, "language": {"code": template.language}});
    if !template.components.is_empty() {
        part["components"] = template.components.clone().into();
    }
    Ok(part)
}

#[derive(Deserialize)]
struct Taken {
    messages: Vec<TakenMessage>,
    #[serde(default)]
    contacts: Vec<TakenContact>,
}

#[derive(Deserialize)]
struct TakenMessage {
    id: String,
    message_status: Option<String>,
}

#[derive(Deserialize)]
struct TakenContact {
    wa_id: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    code: Option<i64>,
    message: Option<String>,
    error_data: Option<Value>,
    #[serde(default)]
    is_transient: Option<bool>,
}

#[derive(Deserialize)]
struct PhoneNumber {
    display_phone_number: String,
    verified_name: Option<String>,
    quality_rating: Option<String>,
}

/// Says what the answer to a message means: only an id of the message says that it was taken.
pub(super) fn verdict(answer: &Response) -> Verdict {
    let taken = (answer.status == 200).then(|| serde_json::from_slice::<Taken>(&answer.body).ok()).flatten();
    let id = taken.as_ref().and_then(|taken| taken.messages.first()).filter(|message| !message.id.is_empty());
    let Some(message) = id else {
        return refused(answer);
    };
    let wa_id = taken.as_ref().and_then(|taken| taken.contacts.first()).and_then(|contact| contact.wa_id.as_ref());
    let told = [("messageStatus", message.message_status.as_ref()), ("waId", wa_id)];
    let metadata = told.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.as_str().into())));
    Verdict::Sent { message_id: Some(message.id.clone()), metadata: metadata.collect() }
}

fn refused(answer: &Response) -> Verdict {
    let fault = fault(answer);
    let code = fault.as_ref().and_then(|fault| fault.code);
    let is_transient = fault.as_ref().is_some_and(|fault| fault.is_transient == Some(true));
    let problem = problem(answer, fault);
    let after = retry_after(&answer.headers).or((code == Some(PAIR_CODE)).then_some(PAIR_INTERVAL));
    match is_transient || code.is_some_and(|code| LATER_CODES.contains(&code)) {
        true => Verdict::Later { problem, after },
        false => Verdict::failed(answer, problem, after),
    }
}

/// Returns what the platform tells about the phone number.
pub(super) fn details(answer: &Response) -> Result<Map<String, Value>, Problem> {
    let number = (answer.status == 200).then(|| serde_json::from_slice::<PhoneNumber>(&answer.body).ok()).flatten();
    let number = number.ok_or_else(|| problem(answer, fault(answer)))?;
    let told = [
        ("displayPhoneNumber", Some(number.display_phone_number)),
        ("verifiedName", number.verified_name),
        ("qualityRating", number.quality_rating),
    ];
    Ok(told.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect())
}

fn fault(answer: &Response) -> Option<Fault> {
    serde_json::from_slice::<Failure>(&answer.body).ok().map(|failure| failure.error)
}

/// Describes a failure in the platform's words, or by the status where it has none.
fn problem(answer: &Response, fault: Option<Fault>) -> Problem {
    let Some(Fault { code: Some(code), message, error_data, .. }) = fault else {
        return Problem::new(
            answer.status,
            format!("the answer with the status {} is none of WhatsApp", answer.status),
        );
    };
    if code == TOKEN_CODE {
        return Problem::new(code, "the access token has expired or is not valid");
    }
    let details = error_data.as_ref().and_then(|data| data["details"].as_str()).map(str::to_owned);
    let parts: Vec<String> = [message, details].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    Problem::new(code, parts.join(": ").chars().take(MESSAGE_LIMIT).collect::<String>())
}
