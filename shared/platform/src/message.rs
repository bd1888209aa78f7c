//! The one format of messages from and to all chat platforms.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A message as dispatchers see it, the same for all platforms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NormalizedMessage {
    /// The platform's id of the message, by which replies, reactions, edits and statuses name it.
    pub id: String,
    /// Where a reply goes: the chat, or the sender where the platform has no chats.
    pub conversation_id: String,
    /// The thread within the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// The sender.
    pub from: Party,
    /// The recipient.
    pub to: Party,
    /// The content.
    pub content: Content,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Reference>,
    /// When the platform received it, in milliseconds since 1970.
    pub timestamp: i64,
    /// The platform.
    pub platform: String,
    /// Details that only this platform has.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// A participant of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Party {
    /// The platform's id; empty where the platform names nobody.
    pub id: String,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Another message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The platform's id of the message.
    pub message_id: String,
}

/// The content of a message.
///
/// The type determines which of the other fields matter; most of them may come with a text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
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
    /// The address book entries of `CONTACTS`, in the platform's format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub contacts: Vec<Value>,
    /// The choice of a received `BUTTON` or `LIST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// The reaction of a `REACTION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reaction: Option<Reaction>,
    /// The message that a `REACTION`, an `EDIT` or a `DELETE` refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Reference>,
    /// The command of a `COMMAND`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// The buttons below a text to send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// The list to choose from below a text to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ChoiceList>,
    /// The template of a `TEMPLATE` to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// Further members of the request body in the platform's own format; they override everything else.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub native: Map<String, Value>,
}

/// The kinds of messages; lower case is accepted as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContentKind {
    /// A text.
    #[default]
    #[serde(alias = "text")]
    Text,
    /// An image, video, audio file, sticker or document.
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
    /// A reaction to another message, or its removal.
    #[serde(alias = "reaction")]
    Reaction,
    /// Another message was edited.
    #[serde(alias = "edit")]
    Edit,
    /// Another message was deleted.
    #[serde(alias = "delete")]
    Delete,
    /// A command of a bot or an app.
    #[serde(alias = "command")]
    Command,
    /// A message template that the platform has approved.
    #[serde(alias = "template")]
    Template,
    /// Something that the platform does not pass on.
    #[serde(alias = "unsupported")]
    Unsupported,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// What kind of file; derived from `mimeType` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    /// The platform's id, by which the file can be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The URL of the file, which may need the platform's token and may expire.
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
    /// The SHA-256 of the file in the platform's notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The kinds of files that platforms distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video.
    Video,
    /// An audio file.
    Audio,
    /// A voice message.
    Voice,
    /// A sticker.
    Sticker,
    /// Everything else.
    Document,
}

impl Media {
    /// Returns what kind of file this is.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
pub struct Reaction {
    /// The emoji, or the platform's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// Whether it was removed.
    #[serde(default)]
    pub removed: bool,
}

/// A command of a bot or an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Command {
    /// Its name, without a slash.
    pub name: String,
    /// Its options by name, where the platform separates them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

/// A button below a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Button {
    /// The id that is returned when it is pressed.
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
pub struct ChoiceList {
    /// The label of the button that opens the list.
    pub title: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Row {
    /// The id that is returned when it is chosen.
    pub id: String,
    /// The label.
    pub title: String,
    /// The second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A message template that the platform has approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The code of its language, such as `en_US`.
    pub language: String,
    /// The values of its placeholders, in the platform's format.
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
    /// A participant without a name.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), name: None }
    }
}

/// The delivery status of a sent message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// The platform has accepted it.
    Sent,
    /// It was delivered to the recipient's device.
    Delivered,
    /// It was read.
    Read,
    /// Its recording was played.
    Played,
    /// It could not be delivered.
    Failed,
}

/// A status report of a platform about a sent message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusUpdate {
    /// The platform's id of the message.
    pub message_id: String,
    /// The delivery status.
    pub status: DeliveryStatus,
    /// The recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<String>,
    /// When that happened, in milliseconds since 1970.
    pub timestamp: i64,
    /// Why it failed, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Details that only this platform has.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}
