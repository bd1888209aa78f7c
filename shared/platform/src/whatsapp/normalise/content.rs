//! What a message says, by its type.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::message::{Choice, Content, ContentKind, Media, MediaKind, Reaction, Reference};

#[derive(Deserialize)]
struct Text {
    body: Option<String>,
}

#[derive(Deserialize)]
struct File {
    id: String,
    url: Option<String>,
    mime_type: Option<String>,
    sha256: Option<String>,
    caption: Option<String>,
    filename: Option<String>,
    voice: Option<bool>,
}

/// A button of a template, which may have no other id than its label.
#[derive(Deserialize)]
struct QuickReply {
    payload: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct Reacted {
    message_id: String,
    emoji: Option<String>,
}

#[derive(Deserialize)]
struct Changed<'a> {
    original_message_id: String,
    /// What the message says now, with a type like a message.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

/// What a message can be; its content is in the member of the same name.
const KINDS: [&str; 15] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "button",
    "interactive",
    "reaction",
    "order",
    "edit",
    "revoke",
    "system",
];
/// WhatsApp's own word for what it does not name.
const UNKNOWN: &str = "unknown";

/// Returns the type of a message; one that does not say it, as some locations and contacts do not, is what it has.
pub(super) fn message_kind(fields: &Fields<'_>) -> Result<String, String> {
    kind_among(fields, &KINDS)
}

fn kind_among(fields: &Fields<'_>, kinds: &[&str]) -> Result<String, String> {
    if fields.text("type")?.is_some() {
        return fields.id("type");
    }
    let present = kinds.iter().find(|kind| fields.raw(kind).is_some());
    Ok(present.copied().unwrap_or(UNKNOWN).to_owned())
}

/// Reads the content of a message; what does not fit into it goes into the metadata.
pub(super) fn read(kind: &str, fields: &Fields<'_>, metadata: &mut Map<String, Value>) -> Result<Content, String> {
    match kind {
        _ if fields.raw(kind).is_none() => unsupported(kind, fields, metadata),
        "edit" => {
            let changed: Changed<'_> = fields.required(kind)?;
            let content = match changed.message.map(Fields::of).transpose()? {
                Some(message) => new(&message_kind(&message)?, &message, metadata)?,
                None => Content::default(),
            };
            let target = Some(Reference { message_id: changed.original_message_id });
            Ok(Content { kind: ContentKind::Edit, target, ..content })
        }
        "revoke" => {
            let changed: Changed<'_> = fields.required(kind)?;
            let target = Some(Reference { message_id: changed.original_message_id });
            Ok(Content { target, ..Content::of(ContentKind::Delete) })
        }
        _ => new(kind, fields, metadata),
    }
}

/// Reads the content of a message that is not about another one's content.
fn new(kind: &str, fields: &Fields<'_>, metadata: &mut Map<String, Value>) -> Result<Content, String> {
    if fields.raw(kind).is_none() {
        return unsupported(kind, fields, metadata);
    }
    match kind {
        "text" => Ok(Content { text: fields.required::<Text>(kind)?.body, ..Content::default() }),
        "image" => file(MediaKind::Image, fields.required(kind)?),
        "video" => file(MediaKind::Video, fields.required(kind)?),
        "audio" => file(MediaKind::Audio, fields.required(kind)?),
        "document" => file(MediaKind::Document, fields.required(kind)?),
        "sticker" => file(MediaKind::Sticker, fields.required(kind)?),
        "location" => Ok(Content { location: fields.required(kind)?, ..Content::of(ContentKind::Location) }),
        "contacts" => Ok(Content { contacts: fields.required(kind)?, ..Content::of(ContentKind::Contacts) }),
        "button" => quick_reply(fields.required(kind)?),
        "interactive" => interactive(fields, metadata),
        "reaction" => Ok(reaction(fields.required(kind)?)),
        "order" => order(fields, metadata),
        _ => unsupported(kind, fields, metadata),
    }
}

fn file(kind: MediaKind, file: File) -> Result<Content, String> {
    if file.id.is_empty() {
        return Err("the id of the file is empty".to_owned());
    }
    let kind = if file.voice == Some(true) { MediaKind::Voice } else { kind };
    let media = Media {
        kind: Some(kind),
        id: Some(file.id),
        url: file.url,
        mime_type: file.mime_type,
        filename: file.filename,
        size_bytes: None,
        sha256: file.sha256,
    };
    Ok(Content::files(vec![media], file.caption))
}

fn quick_reply(pressed: QuickReply) -> Result<Content, String> {
    let id = pressed.payload.or_else(|| pressed.text.clone()).ok_or("`button` has neither `payload` nor `text`")?;
    Ok(choice(ContentKind::Button, Choice { id, title: pressed.text, ..Choice::default() }))
}

fn choice(kind: ContentKind, choice: Choice) -> Content {
    Content { text: choice.title.clone(), choice: Some(choice), ..Content::of(kind) }
}

fn interactive(fields: &Fields<'_>, metadata: &mut Map<String, Value>) -> Result<Content, String> {
    let answer = Fields::of(fields.required("interactive")?)?;
    match kind_among(&answer, &["button_reply", "list_reply"])?.as_str() {
        kind @ "button_reply" => Ok(choice(ContentKind::Button, answer.required(kind)?)),
        kind @ "list_reply" => Ok(choice(ContentKind::List, answer.required(kind)?)),
        _ => unsupported("interactive", fields, metadata),
    }
}

/// A reaction without an emoji removes the previous one.
fn reaction(reacted: Reacted) -> Content {
    let emoji = reacted.emoji.filter(|emoji| !emoji.is_empty());
    let reaction = Some(Reaction { removed: emoji.is_none(), emoji });
    let target = Some(Reference { message_id: reacted.message_id });
    Content { reaction, target, ..Content::of(ContentKind::Reaction) }
}

/// The content of an order is the customer's text; the goods are in the metadata.
fn order(fields: &Fields<'_>, metadata: &mut Map<String, Value>) -> Result<Content, String> {
    let text = Fields::of(fields.required("order")?)?.text("text")?;
    metadata.extend(fields.value("order")?.map(|order| ("order".to_owned(), order)));
    Ok(Content { text, ..Content::default() })
}

/// Everything else keeps its type and details, and the reason why WhatsApp does not pass it on.
fn unsupported(kind: &str, fields: &Fields<'_>, metadata: &mut Map<String, Value>) -> Result<Content, String> {
    let details = fields.value(kind)?;
    let text = details.as_ref().filter(|_| kind == "system").and_then(|system| system["body"].as_str());
    let content = Content { text: text.map(str::to_owned), ..Content::of(ContentKind::Unsupported) };
    let members = [("type", Some(kind.into())), ("details", details), ("errors", fields.value("errors")?)];
    metadata.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(content)
}
