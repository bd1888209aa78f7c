//! From an update to a message or an event.

mod content;
mod wire;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use self::wire::{CallbackQuery, Message, MessageReaction, Origin, Pressed};
use super::SPEC;
use crate::error::Error;
use crate::message::{Choice, Content, ContentKind, NormalizedMessage, Reaction, Reference};
use crate::reading::{DedupKey, Inbound, Kind, Reading, Unreadable, Update};

/// One update: an id, and one member that is named after its kind.
struct BotUpdate<'a> {
    id: i64,
    member: Option<(String, &'a RawValue)>,
}

/// An update that cannot be read is accepted nevertheless: refused, it would hold up all that follows in its chat.
pub(super) fn read<'a>(inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
    let update = BotUpdate::parse(inbound.payload)?;
    let payload = Cow::Borrowed(inbound.payload);
    let update = match update.kind(inbound.now.as_millisecond()) {
        Ok(kind) => Ok(Update { key: DedupKey::id(update.key()), kind, payload }),
        Err(cause) => {
            let member = update.member.as_ref().map_or("", |(name, _)| name);
            Err(Unreadable { reason: format!("`{member}` is not what Telegram sends: {cause}"), payload })
        }
    };
    Ok(Reading::one(update))
}

impl<'a> BotUpdate<'a> {
    fn parse(payload: &'a RawValue) -> Result<Self, Error> {
        let no_update =
            || Error::Body("the body is not an update, which is an object with the number `update_id`".to_owned());
        let mut members: BTreeMap<String, &'a RawValue> =
            serde_json::from_str(payload.get()).map_err(|_| no_update())?;
        let id = members.remove("update_id").ok_or_else(no_update)?;
        let id = serde_json::from_str(id.get()).map_err(|_| no_update())?;
        Ok(Self { id, member: members.into_iter().next() })
    }

    /// The id of the update counts up for the bot and is the same for each repetition.
    fn key(&self) -> String {
        format!("update:{}", self.id)
    }

    fn kind(&self, now_ms: i64) -> Result<Kind, serde_json::Error> {
        let Some((name, raw)) = &self.member else {
            return Ok(Kind::Event { name: None });
        };
        Ok(match name.as_str() {
            "message"
            | "channel_post"
            | "business_message"
            | "edited_message"
            | "edited_channel_post"
            | "edited_business_message" => message_kind(name, raw)?,
            "callback_query" => message(pressed(parse(raw)?, now_ms)),
            "message_reaction" => message(reacted(parse(raw)?, self.key())),
            _ => named(name.clone()),
        })
    }
}

fn message(message: NormalizedMessage) -> Kind {
    Kind::Message { message: Box::new(message), reply_token: None }
}

fn named(name: String) -> Kind {
    Kind::Event { name: Some(name) }
}

/// Reads a message, or the event of one that has no content, as when somebody joins a group.
///
/// What has happened to a chat is no less true when a bot or an anonymous administrator did it. But if what a program
/// wrote were a message, two programs could talk for ever.
fn message_kind(name: &str, raw: &RawValue) -> Result<Kind, serde_json::Error> {
    let written: Message = parse(raw)?;
    let content = content::of(&written);
    let special = if content.is_none() { special(raw)? } else { None };
    let is_happening = special.as_deref().is_some_and(|special| !wire::OTHER_CONTENT.contains(&special));
    if !is_happening && written.is_by_bot() {
        return Ok(named("bot_message".to_owned()));
    }
    Ok(match (content, special) {
        (Some(content), _) if name.starts_with("edited_") => message(normalised(&written, edited(&written, content))),
        (Some(content), _) => message(normalised(&written, content)),
        (None, Some(special)) => named(format!("{name}.{special}")),
        (None, None) => named(name.to_owned()),
    })
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, serde_json::Error> {
    serde_json::from_str(raw.get())
}

/// Reads the content of an edited message, which is the whole message in its new form.
fn edited(message: &Message, content: Content) -> Content {
    let target = Some(Reference { message_id: message.message_id.to_string() });
    let content = match content.kind {
        // An edited command must not be carried out.
        ContentKind::Command => Content { text: message.text.clone(), ..Content::default() },
        _ => content,
    };
    Content { kind: ContentKind::Edit, target, ..content }
}

fn normalised(message: &Message, content: Content) -> NormalizedMessage {
    let origin = message.origin();
    let mut metadata = metadata(&origin);
    insert(&mut metadata, "mediaGroupId", message.media_group_id.clone());
    insert(&mut metadata, "businessConnectionId", message.business_connection_id.clone());
    if content.kind == ContentKind::Command {
        insert(&mut metadata, "commandBot", message.text.as_deref().and_then(content::command_bot).map(str::to_owned));
    }
    NormalizedMessage {
        content,
        reply_to: message.reply_to().map(|id| Reference { message_id: id.to_string() }),
        thread_id: message.thread_id(),
        metadata,
        ..base(message.message_id.to_string(), &origin, message.date.saturating_mul(1_000))
    }
}

/// A button below a message was pressed.
fn pressed(query: CallbackQuery, now_ms: i64) -> NormalizedMessage {
    let title = query.title();
    let choice = Choice { id: query.data.unwrap_or_default(), title, ..Choice::default() };
    let chat = query.message.as_ref().map(|message| message.chat.clone());
    let origin = Origin { user: Some(query.from), sender_chat: None, chat };
    let mut metadata = metadata(&origin);
    insert(&mut metadata, "inlineMessageId", query.inline_message_id);
    insert(&mut metadata, "gameShortName", query.game_short_name);
    metadata.insert("callbackQueryId".to_owned(), query.id.clone().into());
    let message = query.message.as_ref();
    NormalizedMessage {
        content: Content { text: choice.title.clone(), choice: Some(choice), ..Content::of(ContentKind::Button) },
        reply_to: message.map(|message| Reference { message_id: message.message_id.to_string() }),
        thread_id: message.and_then(Pressed::thread_id),
        metadata,
        ..base(query.id, &origin, now_ms)
    }
}

/// Reactions have no id of their own and get that of the update.
fn reacted(change: MessageReaction, id: String) -> NormalizedMessage {
    let origin = Origin { user: change.user, sender_chat: change.actor_chat, chat: Some(change.chat) };
    let added = change.new_reaction.iter().find(|reaction| !change.old_reaction.contains(reaction));
    let removed = change.old_reaction.iter().find(|reaction| !change.new_reaction.contains(reaction));
    let reaction = Reaction {
        emoji: added.or(removed).map(|reaction| reaction.name().to_owned()),
        removed: added.is_none() && removed.is_some(),
    };
    let target = Some(Reference { message_id: change.message_id.to_string() });
    NormalizedMessage {
        content: Content { reaction: Some(reaction), target, ..Content::of(ContentKind::Reaction) },
        metadata: metadata(&origin),
        ..base(id, &origin, change.date.saturating_mul(1_000))
    }
}

/// Telegram does not say which bot an update is for, so that the recipient is the chat.
fn base(id: String, origin: &Origin, timestamp: i64) -> NormalizedMessage {
    let from = origin.from();
    let to = origin.chat.as_ref().map_or_else(|| from.clone(), wire::Chat::party);
    NormalizedMessage {
        id,
        conversation_id: to.id.clone(),
        thread_id: None,
        from,
        to,
        content: Content::default(),
        reply_to: None,
        timestamp,
        platform: SPEC.name.to_owned(),
        metadata: Map::new(),
    }
}

fn metadata(origin: &Origin) -> Map<String, Value> {
    let mut metadata = Map::new();
    insert(&mut metadata, "chatType", origin.chat.as_ref().and_then(|chat| chat.kind.clone()));
    insert(&mut metadata, "username", origin.user.as_ref().and_then(|user| user.username.clone()));
    insert(&mut metadata, "languageCode", origin.user.as_ref().and_then(|user| user.language_code.clone()));
    metadata
}

fn insert(metadata: &mut Map<String, Value>, name: &str, value: Option<String>) {
    metadata.extend(value.map(|value| (name.to_owned(), Value::String(value))));
}

/// Returns the member that makes a message without the usual content what it is, such as `pinned_message`.
fn special(raw: &RawValue) -> Result<Option<String>, serde_json::Error> {
    let members: BTreeMap<String, serde::de::IgnoredAny> = parse(raw)?;
    Ok(members.into_keys().find(|member| !wire::COMMON.split(' ').any(|common| common == member)))
}
