//! The body of a message for WhatsApp.

mod interactive;

use serde_json::{Map, Value, json};

use crate::chat::{self, Outgoing, TARGET, limited};
use crate::error::Error;
use crate::message::{Content, ContentKind, Location, Media, MediaKind, Template};

const TEXT_LIMIT: usize = 4096;
const CAPTION_LIMIT: usize = 1024;

/// Builds the body of a message; an error names the field that WhatsApp would refuse.
pub(super) fn of(message: &Outgoing) -> Result<Value, Error> {
    if message.thread_id.is_some() {
        return Err(Error::field("threadId", "must be absent, WhatsApp has no threads"));
    }
    let content = &message.content;
    let mut body = envelope(message)?;
    // A type among the native members means that they replace the content.
    if !content.native.contains_key("type") {
        let (kind, part) = part(content)?;
        body.insert("type".to_owned(), kind.into());
        body.insert(kind.to_owned(), part);
    }
    body.extend(content.native.clone());
    Ok(body.into())
}

fn envelope(message: &Outgoing) -> Result<Map<String, Value>, Error> {
    let to = message.to.id.trim();
    if to.is_empty() {
        return Err(Error::missing_field("to.id"));
    }
    let recipient = if is_user_id(to) { "recipient" } else { "to" };
    let mut body = Map::from_iter([
        ("messaging_product".to_owned(), "whatsapp".into()),
        ("recipient_type".to_owned(), "individual".into()),
        (recipient.to_owned(), to.into()),
    ]);
    if let Some(reply_to) = &message.reply_to {
        let id = message_id("replyTo.messageId", &reply_to.message_id)?;
        body.insert("context".to_owned(), json!({"message_id": id}));
    }
    Ok(body)
}

/// Recognises the ids of people who hide their phone number: two letters of their country, a dot, and more.
fn is_user_id(id: &str) -> bool {
    matches!(id.as_bytes(), [first, second, b'.', ..] if first.is_ascii_uppercase() && second.is_ascii_uppercase())
}

fn message_id<'a>(field: &str, id: &'a str) -> Result<&'a str, Error> {
    match id {
        "" => Err(Error::field(field, "must not be empty")),
        id => Ok(id),
    }
}

/// Returns the type of a message and the part of the body that has its name.
fn part(content: &Content) -> Result<(&'static str, Value), Error> {
    let has_choices = !content.buttons.is_empty() || content.list.is_some();
    if has_choices && content.kind != ContentKind::Text {
        return Err(Error::field("content.type", "must be TEXT with `buttons` or a `list`"));
    }
    let has_files = content.media.is_some() || !content.attachments.is_empty();
    if has_files && content.kind != ContentKind::File {
        return Err(Error::field("content.type", "must be FILE with `media` or `attachments`"));
    }
    match content.kind {
        ContentKind::Text if has_choices => Ok(("interactive", interactive::part(content)?)),
        ContentKind::Text => Ok(("text", json!({"body": text(content, TEXT_LIMIT)?, "preview_url": false}))),
        ContentKind::File => file(content),
        ContentKind::Location => location(content.location.as_ref()).map(|part| ("location", part)),
        ContentKind::Contacts => match content.contacts.as_slice() {
            [] => Err(Error::missing_field("content.contacts")),
            contacts => Ok(("contacts", contacts.into())),
        },
        ContentKind::Reaction => reaction(content).map(|part| ("reaction", part)),
        ContentKind::Template => template(content.template.as_ref()).map(|part| ("template", part)),
        ContentKind::Button | ContentKind::List => {
            Err(Error::field("content.type", "must be TEXT to ask for a choice, with `buttons` or a `list`"))
        }
        ContentKind::Edit | ContentKind::Delete | ContentKind::Command | ContentKind::Unsupported => {
            Err(Error::field("content.type", "cannot be sent on WhatsApp"))
        }
    }
}

/// Returns the text, which is required and limited.
fn text(content: &Content, limit: usize) -> Result<&str, Error> {
    let text = content.text.as_deref().filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Error::missing_field("content.text"))?;
    limited("content.text", text, limit)
}

fn file(content: &Content) -> Result<(&'static str, Value), Error> {
    let media = match (&content.media, content.attachments.as_slice()) {
        (_, [_, _, ..]) => return Err(Error::field("content.attachments", "must be one file for each message")),
        (Some(media), _) | (None, [media]) => media,
        (None, []) => return Err(Error::missing_field("content.media")),
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
            return Err(Error::field("content.text", "must be absent, audio files and stickers have no caption"));
        }
        part.insert("caption".to_owned(), limited("content.text", caption, CAPTION_LIMIT)?.into());
    }
    if let Some(filename) = media.filename.as_deref().filter(|_| kind == "document") {
        part.insert("filename".to_owned(), filename.into());
    }
    Ok((kind, part.into()))
}

/// Returns where a file is: at the platform by its id, or on the web.
fn source(media: &Media) -> Result<Map<String, Value>, Error> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (name, value) = match (given(&media.id), given(&media.url)) {
        (Some(id), _) => ("id", id),
        (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => ("link", url),
        (None, Some(_)) => return Err(Error::field("content.media.url", "must begin with `https://` or `http://`")),
        (None, None) => return Err(Error::field("content.media", "needs an `id` or a `url`")),
    };
    Ok(Map::from_iter([(name.to_owned(), value.into())]))
}

fn location(location: Option<&Location>) -> Result<Value, Error> {
    let location = location.ok_or_else(|| Error::missing_field("content.location"))?;
    let Location { latitude, longitude, name, address } = location;
    if !(-90.0..=90.0).contains(latitude) {
        return Err(Error::field("content.location.latitude", "must be from -90 to 90"));
    }
    if !(-180.0..=180.0).contains(longitude) {
        return Err(Error::field("content.location.longitude", "must be from -180 to 180"));
    }
    let mut part = json!({"latitude": latitude, "longitude": longitude});
    for (member, text) in [("name", name), ("address", address)] {
        if let Some(text) = text {
            part[member] = text.as_str().into();
        }
    }
    Ok(part)
}

/// An empty emoji removes the reaction.
fn reaction(content: &Content) -> Result<Value, Error> {
    let target = message_id(TARGET, chat::target(content)?)?;
    let reaction = chat::reaction(content)?;
    let emoji = reaction.emoji.as_deref().filter(|emoji| !emoji.is_empty());
    match (reaction.removed, emoji) {
        (true, _) => Ok(json!({"message_id": target, "emoji": ""})),
        (false, Some(emoji)) => Ok(json!({"message_id": target, "emoji": emoji})),
        (false, None) => Err(Error::missing_field("content.reaction.emoji")),
    }
}

fn template(template: Option<&Template>) -> Result<Value, Error> {
    let template = template.ok_or_else(|| Error::missing_field("content.template"))?;
    for (field, text) in [("name", &template.name), ("language", &template.language)] {
        if text.is_empty() {
            return Err(Error::field(&format!("content.template.{field}"), "must not be empty"));
        }
    }
    let mut part = json!({"name": template.name, "language": {"code": template.language}});
    if !template.components.is_empty() {
        part["components"] = template.components.clone().into();
    }
    Ok(part)
}
