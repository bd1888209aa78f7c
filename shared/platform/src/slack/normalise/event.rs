//! Events: messages, edits, deletions and reactions of people; everything else keeps Slack's own name.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{SPEC, Webhook, milliseconds, object};
use crate::error::Error;
use crate::message::{Content, ContentKind, Media, NormalizedMessage, Party, Reaction, Reference};
use crate::reading::{DedupKey, Kind, Reading, Unreadable, Update};

/// What surrounds an event.
#[derive(Deserialize)]
struct Envelope<'a> {
    team_id: Option<String>,
    api_app_id: Option<String>,
    event_id: Option<String>,
    authorizations: Option<Vec<Authorization>>,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// On whose behalf the app sees an event.
#[derive(Deserialize)]
struct Authorization {
    user_id: Option<String>,
    is_bot: Option<bool>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
}

/// Where a message is, and what has become of it.
#[derive(Deserialize)]
struct MessageEvent {
    subtype: Option<String>,
    channel: String,
    channel_type: Option<String>,
    ts: String,
    deleted_ts: Option<String>,
    message: Option<SlackMessage>,
    previous_message: Option<SlackMessage>,
}

/// The place and time of something that was done.
struct Position<'p> {
    channel: &'p str,
    channel_type: Option<&'p str>,
    ts: &'p str,
}

/// A message of Slack's.
#[derive(Deserialize)]
struct SlackMessage {
    subtype: Option<String>,
    user: Option<String>,
    bot_id: Option<String>,
    text: Option<String>,
    ts: Option<String>,
    thread_ts: Option<String>,
    files: Option<Vec<File>>,
}

/// A file; those that the app may not see have an id only.
#[derive(Deserialize)]
struct File {
    id: Option<String>,
    name: Option<String>,
    mimetype: Option<String>,
    size: Option<u64>,
    url_private: Option<String>,
}

#[derive(Deserialize)]
struct ReactionEvent {
    user: Option<String>,
    reaction: String,
    item: Item,
    event_ts: String,
}

/// What a reaction is about.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    channel: Option<String>,
    ts: Option<String>,
}

/// Reads the webhook of one event.
pub(super) fn read<'a>(webhook: &Webhook<'a>) -> Result<Reading<'a>, Error> {
    let envelope: Envelope<'a> = webhook.read()?;
    let key = envelope.event_id.clone().map_or(DedupKey::Body, DedupKey::id);
    let payload = webhook.payload();
    let update = match envelope.kind() {
        Ok(kind) => Ok(Update { key, kind, payload }),
        Err(reason) => Err(Unreadable { reason, payload }),
    };
    Ok(Reading::one(update))
}

impl Envelope<'_> {
    fn kind(&self) -> Result<Kind, String> {
        let head: Head = self.parse()?;
        match head.kind.as_str() {
            "message" => self.message(),
            "reaction_added" => self.reaction(&head.kind, false),
            "reaction_removed" => self.reaction(&head.kind, true),
            _ => Ok(named(head.kind)),
        }
    }

    fn parse<'b, T: Deserialize<'b>>(&'b self) -> Result<T, String> {
        object(self.event).map_err(|cause| format!("the event cannot be read: {cause}"))
    }

    /// What has happened is asked first and who did it second: a bot that joins or sets a topic writes nothing.
    fn message(&self) -> Result<Kind, String> {
        let event: MessageEvent = self.parse()?;
        let message: SlackMessage = self.parse()?;
        let parts = [Some(&message), event.message.as_ref(), event.previous_message.as_ref()];
        let is_by_bot = parts.into_iter().flatten().any(|part| self.is_by_bot(part));
        let kind = match event.subtype.as_deref() {
            None
            | Some(
                "file_share" | "thread_broadcast" | "me_message" | "bot_message" | "message_changed"
                | "message_deleted",
            ) if is_by_bot => Some(named("bot_message")),
            None | Some("file_share" | "thread_broadcast" | "me_message") => self.posted(&event, message)?,
            Some("message_changed") => self.changed(&event)?,
            Some("message_deleted") => self.deleted(&event)?,
            Some(_) => None,
        };
        Ok(kind.unwrap_or_else(|| match &event.subtype {
            Some(subtype) => named(format!("message.{subtype}")),
            None => named("message"),
        }))
    }

    /// Our own messages must never look like somebody else's, or two actions could talk to each other for ever.
    fn is_by_bot(&self, message: &SlackMessage) -> bool {
        let is_bot = message.bot_id.is_some() || message.subtype.as_deref() == Some("bot_message");
        is_bot || message.user.as_deref().is_some_and(|user| self.is_us(user))
    }

    fn is_us(&self, user: &str) -> bool {
        let bots = self.authorizations.iter().flatten().filter(|authorization| authorization.is_bot == Some(true));
        bots.filter_map(|bot| bot.user_id.as_deref()).any(|bot| bot == user)
    }

    fn posted(&self, event: &MessageEvent, message: SlackMessage) -> Result<Option<Kind>, String> {
        let Some(user) = &message.user else { return Ok(None) };
        let thread = Thread::of(&message);
        let text = message.text.unwrap_or_default();
        let content = match message.files {
            Some(files) if !files.is_empty() => {
                let files = files.into_iter().map(Media::from).collect();
                Content::files(files, Some(text).filter(|text| !text.is_empty()))
            }
            _ => Content::text(text),
        };
        self.normalised(&event.position(), user, thread, content).map(Some)
    }

    /// A message also changes when a link gets its preview or a thread its first reply: that is not an edit.
    fn changed(&self, event: &MessageEvent) -> Result<Option<Kind>, String> {
        let before = event.previous_message.as_ref();
        let Some(after) = &event.message else { return Ok(None) };
        if after.is_tombstone() {
            return self.deleted(event);
        }
        let is_edit = before.is_none_or(|before| before.text != after.text);
        let (true, Some(user), Some(ts)) = (is_edit, &after.user, &after.ts) else { return Ok(None) };
        let content = Content { target: Some(reference(ts)), ..Content::text(after.text.clone().unwrap_or_default()) };
        let content = Content { kind: ContentKind::Edit, ..content };
        self.normalised(&event.position(), user, Thread::of(after), content).map(Some)
    }

    /// A deleted first message of a thread leaves a tombstone, which is deleted with the last reply: that is nothing new.
    fn deleted(&self, event: &MessageEvent) -> Result<Option<Kind>, String> {
        let Some(before) = event.previous_message.as_ref().filter(|before| !before.is_tombstone()) else {
            return Ok(None);
        };
        let ts = event.deleted_ts.as_ref().or(before.ts.as_ref());
        let (Some(user), Some(ts)) = (&before.user, ts) else { return Ok(None) };
        let content = Content { target: Some(reference(ts)), ..Content::of(ContentKind::Delete) };
        self.normalised(&event.position(), user, Thread::of(before), content).map(Some)
    }

    fn reaction(&self, kind: &str, removed: bool) -> Result<Kind, String> {
        let reacted: ReactionEvent = self.parse()?;
        let (Some(user), Some(channel), Some(ts)) = (reacted.user, reacted.item.channel, reacted.item.ts) else {
            return Ok(named(kind));
        };
        if reacted.item.kind != "message" || self.is_us(&user) {
            return Ok(named(kind));
        }
        let content = Content {
            reaction: Some(Reaction { emoji: Some(reacted.reaction), removed }),
            target: Some(reference(&ts)),
            ..Content::of(ContentKind::Reaction)
        };
        let position = Position { channel: &channel, channel_type: None, ts: &reacted.event_ts };
        self.normalised(&position, &user, Thread::default(), content)
    }

    fn normalised(
        &self,
        position: &Position<'_>,
        user: &str,
        thread: Thread,
        content: Content,
    ) -> Result<Kind, String> {
        let Position { channel, channel_type, ts } = *position;
        let timestamp = milliseconds(ts).ok_or_else(|| format!("`{ts}` is not a Slack timestamp"))?;
        let (team_id, event_id) = (self.team_id.as_deref(), self.event_id.as_deref());
        let message = NormalizedMessage {
            id: ts.to_owned(),
            conversation_id: channel.to_owned(),
            thread_id: thread.id,
            from: Party::new(user),
            to: Party::new(self.api_app_id.clone().unwrap_or_default()),
            content,
            reply_to: thread.reply_to,
            timestamp,
            platform: SPEC.name.to_owned(),
            metadata: metadata([("teamId", team_id), ("channelType", channel_type), ("eventId", event_id)]),
        };
        Ok(Kind::Message { message: Box::new(message), reply_token: None })
    }
}

/// The thread of a message, and the message that began it if that is another.
#[derive(Default)]
struct Thread {
    id: Option<String>,
    reply_to: Option<Reference>,
}

impl Thread {
    fn of(message: &SlackMessage) -> Self {
        let id = message.thread_ts.clone();
        let first = id.as_deref().filter(|first| message.ts.as_deref() != Some(*first));
        Self { reply_to: first.map(reference), id }
    }
}

impl MessageEvent {
    fn position(&self) -> Position<'_> {
        Position { channel: &self.channel, channel_type: self.channel_type.as_deref(), ts: &self.ts }
    }
}

impl SlackMessage {
    fn is_tombstone(&self) -> bool {
        self.subtype.as_deref() == Some("tombstone")
    }
}

impl From<File> for Media {
    fn from(file: File) -> Self {
        let media = Self {
            id: file.id,
            url: file.url_private,
            mime_type: file.mimetype.filter(|mime_type| !mime_type.is_empty()),
            filename: file.name,
            size_bytes: file.size,
            ..Self::default()
        };
        let kind = media.mime_type.is_some().then(|| media.kind());
        Self { kind, ..media }
    }
}

fn named(name: impl Into<String>) -> Kind {
    Kind::Event { name: Some(name.into()) }
}

pub(super) fn reference(ts: &str) -> Reference {
    Reference { message_id: ts.to_owned() }
}

/// Returns the values that are present, by name.
pub(super) fn metadata<const N: usize>(values: [(&str, Option<&str>); N]) -> Map<String, Value> {
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}
