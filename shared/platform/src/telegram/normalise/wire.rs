//! The parts of updates that are read, as Telegram writes them.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::message::{Location, Party};

/// The members of any message besides its content, and older names of content, separated by spaces.
pub(super) const COMMON: &str = "\
    author_signature business_connection_id caption caption_entities chat date direct_messages_topic edit_date \
    effect_id entities external_reply forward_date forward_from forward_from_chat forward_from_message_id \
    forward_origin forward_sender_name forward_signature from has_media_spoiler has_protected_content \
    is_automatic_forward is_from_offline is_paid_post is_topic_message left_chat_participant \
    link_preview_options media_group_id message_id message_thread_id new_chat_member new_chat_participant \
    paid_star_count quote reply_markup reply_to_checklist_task_id reply_to_message reply_to_story \
    sender_boost_count sender_business_bot sender_chat sender_tag show_caption_above_media via_bot";

/// The members with what somebody wrote that has no counterpart on other platforms; all other members tell what has
/// happened to the chat.
pub(super) const OTHER_CONTENT: [&str; 9] =
    ["checklist", "dice", "game", "giveaway", "giveaway_winners", "invoice", "paid_media", "poll", "story"];

/// The names that Telegram fills in for those who do not want to be seen: an anonymous administrator of a group, and a
/// channel that writes in one.
const MASKS: [i64; 2] = [1_087_968_824, 136_817_688];

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) message_id: i64,
    pub(super) date: i64,
    pub(super) chat: Chat,
    pub(super) from: Option<User>,
    pub(super) sender_chat: Option<Chat>,
    sender_business_bot: Option<IgnoredAny>,
    message_thread_id: Option<i64>,
    #[serde(default)]
    is_topic_message: bool,
    pub(super) reply_to_message: Option<MessageId>,
    pub(super) media_group_id: Option<String>,
    pub(super) business_connection_id: Option<String>,
    pub(super) text: Option<String>,
    pub(super) caption: Option<String>,
    pub(super) photo: Option<Vec<PhotoSize>>,
    pub(super) animation: Option<File>,
    pub(super) document: Option<File>,
    pub(super) audio: Option<File>,
    pub(super) voice: Option<File>,
    pub(super) video: Option<File>,
    pub(super) video_note: Option<File>,
    pub(super) sticker: Option<File>,
    pub(super) location: Option<Location>,
    pub(super) venue: Option<Venue>,
    pub(super) contact: Option<Value>,
}

impl Message {
    /// Tells whether a program wrote it, such as this bot on behalf of a business.
    ///
    /// Those who speak for a chat, such as anonymous administrators, have the names of bots but are people.
    pub(super) fn is_by_bot(&self) -> bool {
        let is_bot = self.from.as_ref().is_some_and(|user| user.is_bot && !MASKS.contains(&user.id));
        self.sender_business_bot.is_some() || (is_bot && self.sender_chat.is_none())
    }
}

/// Who wrote something, and where.
pub(super) struct Origin {
    pub(super) user: Option<User>,
    pub(super) sender_chat: Option<Chat>,
    pub(super) chat: Option<Chat>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    id: i64,
    #[serde(default)]
    is_bot: bool,
    #[serde(default)]
    first_name: String,
    last_name: Option<String>,
    pub(super) username: Option<String>,
    pub(super) language_code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Chat {
    id: i64,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    title: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MessageId {
    message_id: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct PhotoSize {
    pub(super) file_id: String,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) file_size: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) file_id: String,
    pub(super) file_name: Option<String>,
    pub(super) mime_type: Option<String>,
    pub(super) file_size: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Venue {
    pub(super) location: Location,
    pub(super) title: String,
    pub(super) address: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CallbackQuery {
    pub(super) id: String,
    pub(super) from: User,
    pub(super) message: Option<Pressed>,
    pub(super) inline_message_id: Option<String>,
    pub(super) data: Option<String>,
    pub(super) game_short_name: Option<String>,
}

/// The message with the button, of which little is left when it is old.
#[derive(Debug, Deserialize)]
pub(super) struct Pressed {
    pub(super) message_id: i64,
    pub(super) chat: Chat,
    message_thread_id: Option<i64>,
    #[serde(default)]
    is_topic_message: bool,
    reply_markup: Option<Keyboard>,
}

#[derive(Debug, Default, Deserialize)]
struct Keyboard {
    #[serde(default)]
    inline_keyboard: Vec<Vec<KeyboardButton>>,
}

#[derive(Debug, Deserialize)]
struct KeyboardButton {
    text: String,
    callback_data: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MessageReaction {
    pub(super) chat: Chat,
    pub(super) message_id: i64,
    pub(super) user: Option<User>,
    pub(super) actor_chat: Option<Chat>,
    pub(super) date: i64,
    #[serde(default)]
    pub(super) old_reaction: Vec<ReactionType>,
    #[serde(default)]
    pub(super) new_reaction: Vec<ReactionType>,
}

/// An emoji, a custom emoji by its id, or a star that was paid for.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ReactionType {
    #[serde(rename = "type")]
    kind: String,
    emoji: Option<String>,
    custom_emoji_id: Option<String>,
}

impl Message {
    pub(super) fn origin(&self) -> Origin {
        Origin { user: self.from.clone(), sender_chat: self.sender_chat.clone(), chat: Some(self.chat.clone()) }
    }

    /// Returns the message that this one replies to.
    ///
    /// In a topic of a forum, a message that is not a reply seems to reply to the one that opened the topic.
    pub(super) fn reply_to(&self) -> Option<i64> {
        let id = self.reply_to_message.as_ref()?.message_id;
        let is_topic = self.is_topic_message && self.message_thread_id == Some(id);
        (!is_topic).then_some(id)
    }

    pub(super) fn thread_id(&self) -> Option<String> {
        topic_id(self.is_topic_message, self.message_thread_id)
    }
}

impl Pressed {
    pub(super) fn thread_id(&self) -> Option<String> {
        topic_id(self.is_topic_message, self.message_thread_id)
    }
}

/// Returns the topic of a forum; Telegram numbers the replies to a message as well, but nothing can be sent to those.
fn topic_id(is_topic_message: bool, message_thread_id: Option<i64>) -> Option<String> {
    message_thread_id.filter(|_| is_topic_message).map(|id| id.to_string())
}

impl Origin {
    /// A channel or a group may speak for itself; Telegram then fills in a user that means nothing.
    pub(super) fn from(&self) -> Party {
        let chat = self.sender_chat.as_ref().map(Chat::party);
        let user = || self.user.as_ref().map(User::party);
        chat.or_else(user).or_else(|| self.chat.as_ref().map(Chat::party)).unwrap_or_default()
    }
}

impl User {
    fn party(&self) -> Party {
        Party { id: self.id.to_string(), name: full_name(Some(&self.first_name), self.last_name.as_deref()) }
    }
}

impl Chat {
    pub(super) fn party(&self) -> Party {
        let name = || full_name(self.first_name.as_deref(), self.last_name.as_deref());
        Party { id: self.id.to_string(), name: self.title.clone().or_else(name) }
    }
}

fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let names: Vec<&str> = first.into_iter().chain(last).filter(|name| !name.is_empty()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

impl CallbackQuery {
    /// Returns the label of the button that was pressed.
    pub(super) fn title(&self) -> Option<String> {
        let data = self.data.as_ref()?;
        let keyboard = self.message.as_ref()?.reply_markup.as_ref()?;
        let mut buttons = keyboard.inline_keyboard.iter().flatten();
        buttons.find(|button| button.callback_data.as_ref() == Some(data)).map(|button| button.text.clone())
    }
}

impl ReactionType {
    pub(super) fn name(&self) -> &str {
        self.emoji.as_deref().or(self.custom_emoji_id.as_deref()).unwrap_or(&self.kind)
    }
}
