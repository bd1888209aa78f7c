//! Which method sends a message, with which parameters.

use serde_json::{Map, Value, json};

use crate::chat::{self, Outgoing, TARGET};
use crate::error::Error;
use crate::message::{Button, Content, ContentKind, Location, Media, MediaKind};

/// The longest id that is returned when a button is pressed, in bytes.
const CALLBACK_LIMIT_BYTES: usize = 64;
const CHOOSE_BUTTONS: &str = "is only received; send a `TEXT` with `buttons` or a `list`";

type Method = (&'static str, Map<String, Value>);

/// Returns the method and its parameters besides the chat.
pub(super) fn of(message: &Outgoing) -> Result<Method, Error> {
    let content = &message.content;
    let refuse = |rule: &str| Err(Error::field("content.type", rule));
    let (method, body) = match content.kind {
        ContentKind::Text => text(content)?,
        ContentKind::File => file(content)?,
        ContentKind::Location => location(content)?,
        ContentKind::Contacts => contact(content)?,
        ContentKind::Reaction => return reaction(content),
        ContentKind::Edit => return edit(content),
        ContentKind::Delete => return on_target("deleteMessage", content, json!({})),
        ContentKind::Button | ContentKind::List => return refuse(CHOOSE_BUTTONS),
        ContentKind::Command | ContentKind::Template | ContentKind::Unsupported => {
            return refuse("must be TEXT, FILE, LOCATION, CONTACTS, REACTION, EDIT or DELETE on Telegram");
        }
    };
    Ok((method, placed(body, message)?))
}

/// Adds the message that is replied to, the thread and the buttons.
fn placed(mut body: Map<String, Value>, message: &Outgoing) -> Result<Map<String, Value>, Error> {
    if let Some(reply_to) = &message.reply_to {
        let message_id = number("replyTo.messageId", &reply_to.message_id)?;
        body.insert("reply_parameters".to_owned(), json!({"message_id": message_id}));
    }
    if let Some(thread_id) = &message.thread_id {
        body.insert("message_thread_id".to_owned(), number("threadId", thread_id)?.into());
    }
    body.extend(keyboard(&message.content)?.map(|keyboard| ("reply_markup".to_owned(), keyboard)));
    Ok(body)
}

fn text(content: &Content) -> Result<Method, Error> {
    Ok(("sendMessage", object(json!({"text": required_text(content)?}))))
}

fn file(content: &Content) -> Result<Method, Error> {
    if content.attachments.len() > 1 {
        return Err(Error::field("content.attachments", "must be sent separately, each as `media` of a message"));
    }
    let media = content.media.as_ref().or_else(|| content.attachments.first());
    let media = media.ok_or_else(|| Error::missing_field("content.media"))?;
    let (method, member) = match media.kind() {
        MediaKind::Image => ("sendPhoto", "photo"),
        MediaKind::Video => ("sendVideo", "video"),
        MediaKind::Audio => ("sendAudio", "audio"),
        MediaKind::Voice => ("sendVoice", "voice"),
        MediaKind::Sticker if content.text.is_some() => {
            return Err(Error::field("content.text", "must be absent, a sticker has no caption"));
        }
        MediaKind::Sticker => ("sendSticker", "sticker"),
        MediaKind::Document => ("sendDocument", "document"),
    };
    let mut body = Map::new();
    body.insert(member.to_owned(), source(media)?.into());
    body.extend(content.text.as_ref().map(|caption| ("caption".to_owned(), json!(caption))));
    Ok((method, body))
}

/// Telegram has the file already, or fetches it itself.
fn source(media: &Media) -> Result<&str, Error> {
    let source = media.id.as_deref().or(media.url.as_deref());
    source.ok_or_else(|| Error::missing_field("content.media.url"))
}

/// A place with a name or an address is a venue, which must have both.
fn location(content: &Content) -> Result<Method, Error> {
    let location = content.location.as_ref().ok_or_else(|| Error::missing_field("content.location"))?;
    let Location { latitude, longitude, name, address } = location;
    let mut body = object(json!({"latitude": latitude, "longitude": longitude}));
    let (Some(title), Some(address)) = (name.as_ref().or(address.as_ref()), address.as_ref().or(name.as_ref())) else {
        return Ok(("sendLocation", body));
    };
    body.extend([("title".to_owned(), json!(title)), ("address".to_owned(), json!(address))]);
    Ok(("sendVenue", body))
}

/// An entry has the members with which it is received.
fn contact(content: &Content) -> Result<Method, Error> {
    let [contact] = content.contacts.as_slice() else {
        return Err(Error::field("content.contacts", "must be one entry, as Telegram accepts them one by one"));
    };
    let mut body = Map::new();
    for (name, is_required) in [("phone_number", true), ("first_name", true), ("last_name", false), ("vcard", false)] {
        match contact.get(name) {
            Some(value) => body.extend([(name.to_owned(), value.clone())]),
            None if is_required => return Err(Error::missing_field(&format!("content.contacts[0].{name}"))),
            None => {}
        }
    }
    Ok(("sendContact", body))
}

/// The bot's reactions to a message are set as a whole; custom emoji have a number.
fn reaction(content: &Content) -> Result<Method, Error> {
    let reaction = chat::reaction(content)?;
    let reactions = match (&reaction.emoji, reaction.removed) {
        (_, true) => json!([]),
        (None, false) => return Err(Error::missing_field("content.reaction.emoji")),
        (Some(id), false) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
            json!([{"type": "custom_emoji", "custom_emoji_id": id}])
        }
        (Some(emoji), false) => json!([{"type": "emoji", "emoji": emoji}]),
    };
    on_target("setMessageReaction", content, json!({"reaction": reactions}))
}

fn edit(content: &Content) -> Result<Method, Error> {
    if content.media.is_some() {
        return Err(Error::field("content.media", "must be absent, only the text of a message can be edited"));
    }
    let mut body = object(json!({"text": required_text(content)?}));
    body.extend(keyboard(content)?.map(|keyboard| ("reply_markup".to_owned(), keyboard)));
    on_target("editMessageText", content, Value::Object(body))
}

fn on_target(method: &'static str, content: &Content, body: Value) -> Result<Method, Error> {
    let mut body = object(body);
    body.insert("message_id".to_owned(), number(TARGET, chat::target(content)?)?.into());
    Ok((method, body))
}

/// One button per row, so that no label is cut off.
fn keyboard(content: &Content) -> Result<Option<Value>, Error> {
    let buttons = content.buttons.iter().enumerate().map(|(at, button)| pressable(at, button));
    let rows = content.list.iter().flat_map(|list| &list.rows).enumerate().map(|(at, row)| {
        let data = callback(&format!("content.list.rows[{at}].id"), &row.id)?;
        Ok(json!([{"text": row.title, "callback_data": data}]))
    });
    let keyboard = buttons.chain(rows).collect::<Result<Vec<Value>, Error>>()?;
    Ok((!keyboard.is_empty()).then(|| json!({"inline_keyboard": keyboard})))
}

fn pressable(at: usize, button: &Button) -> Result<Value, Error> {
    let field = format!("content.buttons[{at}].id");
    match (&button.url, &button.id) {
        (Some(url), _) => Ok(json!([{"text": button.title, "url": url}])),
        (None, Some(id)) => Ok(json!([{"text": button.title, "callback_data": callback(&field, id)?}])),
        (None, None) => Err(Error::missing_field(&field)),
    }
}

fn callback<'a>(field: &str, id: &'a str) -> Result<&'a str, Error> {
    match (1..=CALLBACK_LIMIT_BYTES).contains(&id.len()) {
        true => Ok(id),
        false => Err(Error::field(field, "must have 1 to 64 bytes")),
    }
}

fn required_text(content: &Content) -> Result<&str, Error> {
    let text = content.text.as_deref().filter(|text| !text.is_empty());
    text.ok_or_else(|| Error::missing_field("content.text"))
}

fn number(field: &str, text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::field(field, "must be a number"))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
