//! From an interaction or a webhook event to a message or an event.

mod command;
mod component;
mod wire;

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use self::wire::{Event, Interaction};
use super::SPEC;
use crate::error::Error;
use crate::message::{Content, NormalizedMessage, Party, Reference};
use crate::reading::{DedupKey, Inbound, Kind, Reading, Reply, Unreadable, Update};

/// When Discord's ids began to count, in milliseconds since 1970.
const EPOCH_MS: i64 = 1_420_070_400_000;

/// The body's members by name.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The content of a command or a component.
struct Said {
    content: Content,
    /// The message with the component.
    reply_to: Option<Reference>,
    metadata: Vec<(&'static str, String)>,
}

/// The same URL may receive both interactions and webhook events.
pub(super) fn read<'a>(inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
    let refuse = |rule: &str| Error::Body(format!("the body is not a Discord webhook: {rule}"));
    let members: Members<'a> =
        serde_json::from_str(inbound.payload.get()).map_err(|_| refuse("it is not an object"))?;
    let kind: Option<u64> = member(&members, "type").map_err(|_| refuse("`type` is not a number"))?;
    match kind {
        None => Err(refuse("it has no `type`")),
        Some(0) => Ok(Reading::Handshake(no_content())),
        Some(_) if members.contains_key("event") => Ok(event(inbound.payload, &members)),
        Some(1) => Ok(Reading::Handshake(Reply::json(&json!({"type": 1})))),
        Some(kind) => {
            let id: Option<String> = member(&members, "id").map_err(|_| refuse("`id` is not a string"))?;
            let token: Option<String> = member(&members, "token").map_err(|_| refuse("`token` is not a string"))?;
            let id = id.ok_or_else(|| refuse("it has no `id`"))?;
            let token = token.ok_or_else(|| refuse("it has no `token`"))?;
            Ok(interaction(members, kind, id, token))
        }
    }
}

fn member<'a, T: Deserialize<'a>>(members: &Members<'a>, name: &str) -> Result<Option<T>, serde_json::Error> {
    members.get(name).map(|raw| serde_json::from_str(raw.get())).transpose()
}

fn no_content() -> Reply {
    Reply { status: StatusCode::NO_CONTENT, content_type: "", body: Bytes::new() }
}

/// A webhook event has no id, so that it is recognised by its content.
fn event<'a>(payload: &'a RawValue, members: &Members<'a>) -> Reading<'a> {
    let raw = members.get("event").map_or("", |raw| raw.get());
    let payload = Cow::Borrowed(payload);
    let update = match serde_json::from_str::<Event>(raw) {
        Ok(event) => Ok(Update {
            key: DedupKey::id(format!("event:{}", hex::encode(Sha256::digest(raw)))),
            kind: Kind::Event { name: Some(event.kind.to_ascii_lowercase()) },
            payload,
        }),
        Err(cause) => Err(unreadable("`event`", &cause, payload)),
    };
    Reading::one(update).answered(no_content())
}

/// An interaction gets a provisional answer at once, as Discord waits for three seconds only: 5 promises a message, 6 says
/// that nothing changes for now, 8 lists no suggestions.
///
/// One that cannot be read gets none, which its user sees as a failure of the application.
fn interaction(mut members: Members<'_>, kind: u64, id: String, token: String) -> Reading<'_> {
    // Whoever has the token can answer as the application.
    members.remove("token");
    let payload = to_raw_value(&members).expect("names with JSON are JSON");
    let said = |said: fn(&Interaction<'_>) -> Result<Said, serde_json::Error>| {
        let interaction: Interaction<'_> = serde_json::from_str(payload.get())?;
        let message = normalised(&id, &interaction, said(&interaction)?)?;
        Ok(Kind::Message { message: Box::new(message), reply_token: Some(token) })
    };
    let event = |kind: &str| Ok(Kind::Event { name: Some(kind.to_owned()) });
    let (read, reply) = match kind {
        2 => (said(command::said), Some(json!({"type": 5}))),
        3 => (said(component::said), Some(json!({"type": 6}))),
        4 => (event("autocomplete"), Some(json!({"type": 8, "data": {"choices": []}}))),
        5 => (event("modal_submit"), Some(json!({"type": 5}))),
        _ => (event("interaction"), None),
    };
    let reply = reply.filter(|_| read.is_ok()).map(|reply| Reply::json(&reply));
    let payload = Cow::Owned(payload);
    let update = match read {
        Ok(kind) => Ok(Update { key: DedupKey::id(id), kind, payload }),
        Err(cause) => Err(unreadable("the interaction", &cause, payload)),
    };
    Reading::Updates { updates: vec![update], reply }
}

fn unreadable<'a>(part: &str, cause: &serde_json::Error, payload: Cow<'a, RawValue>) -> Unreadable<'a> {
    Unreadable { reason: format!("{part} is not what Discord sends: {cause}"), payload }
}

fn normalised(id: &str, interaction: &Interaction<'_>, said: Said) -> Result<NormalizedMessage, serde_json::Error> {
    let timestamp = created_ms(id).ok_or_else(|| serde_json::Error::custom("`id` is not a snowflake"))?;
    let user = interaction.member.as_ref().map(|member| &member.user).or(interaction.user.as_ref());
    let user = user.ok_or_else(|| serde_json::Error::custom("it has neither `member` nor `user`"))?;
    let from = Party { id: user.id.clone(), name: user.global_name.as_ref().or(user.username.as_ref()).cloned() };
    let guild_id = interaction.guild_id.as_ref().map(|id| ("guildId", id.clone()));
    let locale = interaction.locale.as_ref().map(|locale| ("locale", locale.clone()));
    let metadata = [("interactionId", id.to_owned())].into_iter().chain(guild_id).chain(locale).chain(said.metadata);
    Ok(NormalizedMessage {
        id: id.to_owned(),
        conversation_id: interaction.channel_id.clone().unwrap_or_else(|| from.id.clone()),
        thread_id: None,
        from,
        to: Party::new(&interaction.application_id),
        content: said.content,
        reply_to: said.reply_to,
        timestamp,
        platform: SPEC.name.to_owned(),
        metadata: metadata.map(|(name, value)| (name.to_owned(), Value::String(value))).collect(),
    })
}

/// Discord's ids begin with the time of their creation.
fn created_ms(id: &str) -> Option<i64> {
    let ms = id.parse::<u64>().ok()? >> 22;
    Some(EPOCH_MS + i64::try_from(ms).ok()?)
}
