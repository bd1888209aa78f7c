//! The body of a message for Discord.

use serde_json::{Map, Value, json};

use crate::chat;
use crate::error::Error;
use crate::message::{Button, ChoiceList, Content, ContentKind, MediaKind, Row};

/// The most buttons of one row.
const ROW_LIMIT: usize = 5;
/// The id of our list; a message has at most one.
const LIST_ID: &str = "list";
/// The kinds of components.
const ROW: u8 = 1;
const BUTTON: u8 = 2;
const STRING_SELECT: u8 = 3;
/// The styles of buttons.
const PRIMARY: u8 = 1;
const LINK: u8 = 5;

/// Returns the body with the text, the pictures and what can be chosen.
pub(super) fn of(content: &Content) -> Result<Map<String, Value>, Error> {
    let (links, embeds) = files(content)?;
    let lines: Vec<&str> = content.text.as_deref().into_iter().filter(|text| !text.is_empty()).chain(links).collect();
    if lines.is_empty() && embeds.is_empty() {
        return Err(Error::missing_field("content.text"));
    }
    let mut body = Map::new();
    if !lines.is_empty() {
        body.insert("content".to_owned(), lines.join("\n").into());
    }
    if !embeds.is_empty() {
        body.insert("embeds".to_owned(), embeds.into());
    }
    let rows = rows(content)?;
    if !rows.is_empty() {
        body.insert("components".to_owned(), rows.into());
    }
    Ok(body)
}

/// Discord shows pictures from any URL; other files are sent as links.
fn files(content: &Content) -> Result<(Vec<&str>, Vec<Value>), Error> {
    let is_file = content.kind == ContentKind::File;
    let (mut links, mut embeds) = (Vec::new(), Vec::new());
    for (field, file) in chat::files(content) {
        let url = file.url.as_deref().ok_or_else(|| Error::missing_field(&format!("{field}.url")))?;
        match file.kind() {
            MediaKind::Image => embeds.push(json!({"image": {"url": url}})),
            _ => links.push(url),
        }
    }
    if is_file && links.is_empty() && embeds.is_empty() {
        return Err(Error::missing_field("content.media"));
    }
    Ok((links, embeds))
}

fn rows(content: &Content) -> Result<Vec<Value>, Error> {
    let buttons = content.buttons.iter().enumerate().map(|(at, button)| pressable(at, button));
    let buttons = buttons.collect::<Result<Vec<Value>, Error>>()?;
    let rows = buttons.chunks(ROW_LIMIT).map(|row| json!({"type": ROW, "components": row}));
    Ok(rows.chain(content.list.as_ref().map(select)).collect())
}

fn pressable(at: usize, button: &Button) -> Result<Value, Error> {
    let title = &button.title;
    match (&button.url, &button.id) {
        (Some(url), _) => Ok(json!({"type": BUTTON, "style": LINK, "label": title, "url": url})),
        (None, Some(id)) => Ok(json!({"type": BUTTON, "style": PRIMARY, "label": title, "custom_id": id})),
        (None, None) => Err(Error::missing_field(&format!("content.buttons[{at}].id"))),
    }
}

fn select(list: &ChoiceList) -> Value {
    let option = |row: &Row| {
        let mut option = json!({"label": row.title, "value": row.id});
        if let Some(description) = &row.description {
            option["description"] = json!(description);
        }
        option
    };
    let options: Vec<Value> = list.rows.iter().map(option).collect();
    let select = json!({"type": STRING_SELECT, "custom_id": LIST_ID, "placeholder": list.title, "options": options});
    json!({"type": ROW, "components": [select]})
}
