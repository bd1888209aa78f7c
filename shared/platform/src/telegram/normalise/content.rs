//! The content of a message.

use serde_json::Map;

use super::wire::{File, Message, PhotoSize};
use crate::message::{Command, Content, ContentKind, Location, Media, MediaKind};

/// The longest name of a command, in bytes.
const COMMAND_LIMIT_BYTES: usize = 32;

/// Returns the content of a message, if it has any that other platforms have too.
pub(super) fn of(message: &Message) -> Option<Content> {
    if let Some(text) = &message.text {
        return Some(command(text).unwrap_or_else(|| Content::text(text)));
    }
    if let Some(media) = media(message) {
        return Some(Content::files(vec![media], message.caption.clone()));
    }
    if let Some(location) = location(message) {
        return Some(Content { location: Some(location), ..Content::of(ContentKind::Location) });
    }
    let contact = message.contact.clone()?;
    Some(Content { contacts: vec![contact], ..Content::of(ContentKind::Contacts) })
}

/// Reads `/name`, `/name@bot` or either of them with text behind it.
fn command(text: &str) -> Option<Content> {
    let (command, arguments) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let name = command.strip_prefix('/')?.split('@').next().unwrap_or_default();
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !(1..=COMMAND_LIMIT_BYTES).contains(&name.len()) || !name.bytes().all(is_part) {
        return None;
    }
    let arguments = Some(arguments.trim()).filter(|arguments| !arguments.is_empty());
    let command = Command { name: name.to_owned(), options: Map::new() };
    let text = arguments.map(str::to_owned);
    Some(Content { text, command: Some(command), ..Content::of(ContentKind::Command) })
}

/// Returns the bot that a command is for, where it names one: `tea_bot` of `/order@tea_bot two`.
pub(super) fn command_bot(text: &str) -> Option<&str> {
    let command = text.split_whitespace().next()?;
    command.split_once('@').map(|(_, bot)| bot).filter(|bot| !bot.is_empty())
}

/// Returns the file of a message; an animation is repeated as a document, for old bots.
fn media(message: &Message) -> Option<Media> {
    let largest = message.photo.iter().flatten().max_by_key(|size| size.width.saturating_mul(size.height));
    let files = [
        (&message.animation, MediaKind::Video),
        (&message.video, MediaKind::Video),
        (&message.video_note, MediaKind::Video),
        (&message.audio, MediaKind::Audio),
        (&message.voice, MediaKind::Voice),
        (&message.sticker, MediaKind::Sticker),
        (&message.document, MediaKind::Document),
    ];
    let file = || files.into_iter().find_map(|(file, kind)| file.as_ref().map(|file| (file, kind)));
    largest.map(photo).or_else(|| file().map(|(file, kind)| described(file, kind)))
}

fn photo(size: &PhotoSize) -> Media {
    let (id, size_bytes) = (Some(size.file_id.clone()), size.file_size);
    Media { kind: Some(MediaKind::Image), id, size_bytes, ..Media::default() }
}

fn described(file: &File, kind: MediaKind) -> Media {
    Media {
        kind: Some(kind),
        id: Some(file.file_id.clone()),
        mime_type: file.mime_type.clone(),
        filename: file.file_name.clone(),
        size_bytes: file.file_size,
        ..Media::default()
    }
}

/// Returns the place of a message; the place of a venue is repeated, for old bots.
fn location(message: &Message) -> Option<Location> {
    if let Some(venue) = &message.venue {
        let (latitude, longitude) = (venue.location.latitude, venue.location.longitude);
        let (name, address) = (Some(venue.title.clone()), Some(venue.address.clone()));
        return Some(Location { latitude, longitude, name, address });
    }
    let point = message.location?;
    Some(Location { latitude: point.latitude, longitude: point.longitude, name: None, address: None })
}
