//! Buttons that were pressed and list rows that were chosen.

use serde_json::Value;

use super::Said;
use super::wire::{ComponentData, Interaction};
use crate::message::{Choice, Content, ContentKind, Reference};

const BUTTON: u64 = 2;

pub(super) fn said(interaction: &Interaction<'_>) -> Result<Said, serde_json::Error> {
    let data: ComponentData = serde_json::from_str(interaction.data.get())?;
    let message = interaction.message.as_ref();
    let component = message.and_then(|message| find(&message.components, "custom_id", &data.custom_id));
    let (kind, choice) = match data.component_type {
        BUTTON => (ContentKind::Button, choice(data.custom_id.clone(), component, Vec::new())),
        _ => {
            let id = data.values.first().cloned().unwrap_or_default();
            let row = component.and_then(|component| find(&component["options"], "value", &id));
            (ContentKind::List, choice(id, row, data.values))
        }
    };
    let content = Content { text: choice.title.clone(), choice: Some(choice), ..Content::of(kind) };
    let reply_to = message.map(|message| Reference { message_id: message.id.clone() });
    Ok(Said { content, reply_to, metadata: vec![("customId", data.custom_id)] })
}

/// Describes a choice with the label of its button or row; `ids` is filled only where there are several.
fn choice(id: String, described: Option<&Value>, mut ids: Vec<String>) -> Choice {
    if ids.len() < 2 {
        ids.clear();
    }
    let text = |name: &str| described.and_then(|described| described[name].as_str()).map(str::to_owned);
    Choice { id, title: text("label"), description: text("description"), ids }
}

/// Finds an object whose member of this name is this text; components contain each other.
fn find<'v>(value: &'v Value, name: &str, text: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) if members.get(name).and_then(Value::as_str) == Some(text) => Some(value),
        Value::Object(members) => members.values().find_map(|member| find(member, name, text)),
        Value::Array(items) => items.iter().find_map(|item| find(item, name, text)),
        _ => None,
    }
}
