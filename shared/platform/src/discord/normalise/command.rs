//! Commands of users: with a slash and options, or from the menu of a user or a message.

use super::Said;
use super::wire::{Attachment, CommandData, Interaction};
use crate::message::{Command, Content, ContentKind, Media};

/// The kinds of options that are read in a particular way.
const SUBCOMMAND: u64 = 1;
const SUBCOMMAND_GROUP: u64 = 2;
const STRING: u64 = 3;

pub(super) fn said(interaction: &Interaction<'_>) -> Result<Said, serde_json::Error> {
    let data: CommandData = serde_json::from_str(interaction.data.get())?;
    let mut name = data.name;
    let mut options = data.options;
    while let [option] = options.as_mut_slice()
        && matches!(option.kind, SUBCOMMAND | SUBCOMMAND_GROUP)
    {
        name = format!("{name} {}", option.name);
        options = std::mem::take(&mut option.options);
    }
    let texts = options.iter().filter(|option| option.kind == STRING).filter_map(|option| option.value.as_str());
    let text = Some(texts.collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty());
    let files = data.resolved.attachments.into_values().map(media).collect();
    let options = options.into_iter().map(|option| (option.name, option.value)).collect();
    let command = Some(Command { name, options });
    let content = Content { kind: ContentKind::Command, command, ..Content::files(files, text) };
    let metadata = data.target_id.map(|id| ("targetId", id)).into_iter().collect();
    Ok(Said { content, reply_to: None, metadata })
}

fn media(attachment: Attachment) -> Media {
    Media {
        id: Some(attachment.id),
        url: Some(attachment.url),
        mime_type: attachment.content_type,
        filename: Some(attachment.filename),
        size_bytes: Some(attachment.size),
        ..Media::default()
    }
}
