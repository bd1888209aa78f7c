//! The parts of interactions and webhook events that are read, as Discord writes them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Interaction<'a> {
    pub(super) application_id: String,
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
    pub(super) guild_id: Option<String>,
    pub(super) channel_id: Option<String>,
    /// Who it was, in a guild.
    pub(super) member: Option<Member>,
    /// Who it was, elsewhere.
    pub(super) user: Option<User>,
    pub(super) message: Option<Message>,
    pub(super) locale: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) user: User,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) username: Option<String>,
    pub(super) global_name: Option<String>,
}

/// The message with the component.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    #[serde(default)]
    pub(super) components: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommandData {
    pub(super) name: String,
    #[serde(default)]
    pub(super) options: Vec<CommandOption>,
    pub(super) target_id: Option<String>,
    #[serde(default)]
    pub(super) resolved: Resolved,
}

/// An option with its value, or a subcommand with its options.
#[derive(Debug, Deserialize)]
pub(super) struct CommandOption {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: u64,
    #[serde(default)]
    pub(super) value: Value,
    #[serde(default)]
    pub(super) options: Vec<Self>,
}

/// What the values of options stand for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Resolved {
    #[serde(default)]
    pub(super) attachments: BTreeMap<String, Attachment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Attachment {
    pub(super) id: String,
    pub(super) filename: String,
    pub(super) content_type: Option<String>,
    pub(super) size: u64,
    pub(super) url: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ComponentData {
    pub(super) custom_id: String,
    pub(super) component_type: u64,
    #[serde(default)]
    pub(super) values: Vec<String>,
}
