//! The one shape that the messages of all chat platforms become, and that messages to them are written in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A message as dispatchers see it, whatever platform it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NormalizedMessage {
    /// The platform's id of the message, by which replies, reactions, edits and statuses name it.
    pub id: String,
    /// Where an answer goes: the chat, or the sender where the platform has no chats.
    pub conversation_id: String,
    /// The thread within the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// Who wrote it.
    pub from: Party,
    /// Who it was written to.
    pub to: Party,
    /// What it says.
    pub content: Content,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Reference>,
    /// When the platform got it, in milliseconds since 1970.
    pub timestamp: i64,
    /// The platform.
    pub platform: String,
    /// What is particular about the platform.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// Somebody or something that takes part in a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// The platform's id.
    pub id: String,
    /// The name that the platform shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Another message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// The platform's id of the message.
    pub message_id: String,
}

/// What a message says.
///
/// The type tells which of the other fields matter; a text may come with most of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Content {
    /// What kind of message this is; `TEXT` unless given.
    #[serde(rename = "type", default)]
    pub kind: ContentKind,
    /// The text, the caption of a file, the new text of an edit, or the title of a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The file of a `FILE`, the first one where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// All files, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Media>,
    /// The place of a `LOCATION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The address book entries of `CONTACTS`, as the platform writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub contacts: Vec<Value>,
    /// What was chosen, in a `BUTTON` or `LIST` that comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// The reaction of a `REACTION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reaction: Option<Reaction>,
    /// The message that a `REACTION`, an `EDIT` or a `DELETE` is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Reference>,
    /// The command of a `COMMAND`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// The buttons below a text that goes out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// The list to choose from below a text that goes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ChoiceList>,
    /// The template of a `TEMPLATE` that goes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// Further members of the body that goes out, in the platform's own words; they win over what the rest says.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub native: Map<String, Value>,
}

/// The kinds of messages; those that are written may also be spelt in lower case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContentKind {
    /// A text.
    #[default]
    #[serde(alias = "text")]
    Text,
    /// An image, video, sound, sticker or document.
    #[serde(alias = "file")]
    File,
    /// A place.
    #[serde(alias = "location")]
    Location,
    /// Address book entries.
    #[serde(alias = "contacts")]
    Contacts,
    /// A button was pressed.
    #[serde(alias = "button")]
    Button,
    /// A row of a list was chosen.
    #[serde(alias = "list")]
    List,
    /// A reaction to another message, or the end of one.
    #[serde(alias = "reaction")]
    Reaction,
    /// Another message has a new text.
    #[serde(alias = "edit")]
    Edit,
    /// Another message is gone.
    #[serde(alias = "delete")]
    Delete,
    /// A command of a bot or an app.
    #[serde(alias = "command")]
    Command,
    /// A message that the platform has approved beforehand.
    #[serde(alias = "template")]
    Template,
    /// Something that the platform itself does not hand on.
    #[serde(alias = "unsupported")]
    Unsupported,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Media {
    /// What kind of file; told by `mimeType` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    /// The platform's id, with which the platform hands out the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where the file is, possibly only for holders of the platform's token and for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The name of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// The size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The SHA-256 of the file as the platform writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The kinds of files that platforms tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A sound.
    Audio,
    /// A spoken message.
    Voice,
    /// A sticker.
    Sticker,
    /// Everything else.
    Document,
}

impl Media {
    /// Returns what kind of file this is, as far as it says.
    pub fn kind(&self) -> MediaKind {
        let family = self.mime_type.as_deref().and_then(|mime_type| mime_type.split('/').next());
        self.kind.unwrap_or(match family {
            Some("image") => MediaKind::Image,
            Some("video") => MediaKind::Video,
            Some("audio") => MediaKind::Audio,
            _ => MediaKind::Document,
        })
    }
}

/// A place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The name of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What somebody chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Choice {
    /// The id that the button or row was sent with.
    pub id: String,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All ids, where several were chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

/// A reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reaction {
    /// The emoji, or the platform's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// Whether it was taken back.
    #[serde(default)]
    pub removed: bool,
}

/// A command of a bot or an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// Its name, without a slash.
    pub name: String,
    /// Its options by name, where the platform takes them apart.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

/// A button below a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Button {
    /// The id that comes back when it is pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The label.
    pub title: String,
    /// The page that it opens instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A list to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChoiceList {
    /// The label of what opens the list.
    pub title: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// The id that comes back when it is chosen.
    pub id: String,
    /// The label.
    pub title: String,
    /// The second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A message that the platform has approved beforehand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The code of its language, such as `en_US`.
    pub language: String,
    /// What its placeholders stand for, as the platform writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub components: Vec<Value>,
}

impl Content {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// A message of a kind, to be filled in.
    pub fn of(kind: ContentKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// One or more files with a caption.
    pub fn files(mut files: Vec<Media>, caption: Option<String>) -> Self {
        let media = files.first().cloned();
        if files.len() < 2 {
            files.clear();
        }
        Self { text: caption, media, attachments: files, ..Self::of(ContentKind::File) }
    }
}

impl Party {
    /// Somebody without a name.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), name: None }
    }
}

/// How far a message that was sent has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// The platform has taken it.
    Sent,
    /// It has reached the recipient's device.
    Delivered,
    /// It was read.
    Read,
    /// Its sound was played.
    Played,
    /// It will never arrive.
    Failed,
}

/// What a platform says about a message that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusUpdate {
    /// The platform's id of the message.
    pub message_id: String,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// Who it was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<String>,
    /// When that happened, in milliseconds since 1970.
    pub timestamp: i64,
    /// Why it failed, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is particular about the platform.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}
