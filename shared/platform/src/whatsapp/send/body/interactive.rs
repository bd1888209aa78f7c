//! Texts with something to choose below.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{TEXT_LIMIT, text};
use crate::chat::limited;
use crate::error::Error;
use crate::message::{Button, ChoiceList, Content, Row};

const BUTTON_LIMIT: usize = 3;
const ROW_LIMIT: usize = 10;
/// The longest text above buttons; above a list it may be as long as any.
const BUTTONS_TEXT_LIMIT: usize = 1024;
const BUTTON_TITLE_LIMIT: usize = 20;
const BUTTON_ID_LIMIT: usize = 256;
const ROW_TITLE_LIMIT: usize = 24;
const ROW_ID_LIMIT: usize = 200;
const ROW_DESCRIPTION_LIMIT: usize = 72;

/// Builds the part `interactive`: up to three buttons, one button that opens a page, or a list.
pub(super) fn part(content: &Content) -> Result<Value, Error> {
    match (&content.list, content.buttons.as_slice()) {
        (Some(_), [_, ..]) => Err(Error::field("content.list", "must be absent where there are `buttons`")),
        (Some(list), []) => {
            let action = json!({"button": title("content.list.title", &list.title, BUTTON_TITLE_LIMIT)?,
                "sections": [{"rows": rows(list)?}]});
            Ok(json!({"type": "list", "body": {"text": text(content, TEXT_LIMIT)?}, "action": action}))
        }
        (None, [Button { title: label, url: Some(url), .. }]) => {
            let label = title("content.buttons[0].title", label, BUTTON_TITLE_LIMIT)?;
            let action = json!({"name": "cta_url", "parameters": {"display_text": label, "url": url}});
            let text = text(content, BUTTONS_TEXT_LIMIT)?;
            Ok(json!({"type": "cta_url", "body": {"text": text}, "action": action}))
        }
        (None, buttons) => {
            let text = text(content, BUTTONS_TEXT_LIMIT)?;
            Ok(json!({"type": "button", "body": {"text": text}, "action": {"buttons": replies(buttons)?}}))
        }
    }
}

fn replies(buttons: &[Button]) -> Result<Vec<Value>, Error> {
    if buttons.len() > BUTTON_LIMIT {
        return Err(Error::field("content.buttons", format!("must be at most {BUTTON_LIMIT}, or a `list`")));
    }
    let mut ids = HashSet::new();
    let reply = |(at, button): (usize, &Button)| {
        let field = format!("content.buttons[{at}]");
        if button.url.is_some() {
            return Err(Error::field(&format!("{field}.url"), "must be absent unless it is the only button"));
        }
        let title = title(&format!("{field}.title"), &button.title, BUTTON_TITLE_LIMIT)?;
        let id = button.id.as_deref().unwrap_or(title);
        let id = own_id(&format!("{field}.id"), id, BUTTON_ID_LIMIT, &mut ids)?;
        Ok(json!({"type": "reply", "reply": {"id": id, "title": title}}))
    };
    buttons.iter().enumerate().map(reply).collect()
}

fn rows(list: &ChoiceList) -> Result<Vec<Value>, Error> {
    if !(1..=ROW_LIMIT).contains(&list.rows.len()) {
        return Err(Error::field("content.list.rows", format!("must be from 1 to {ROW_LIMIT}")));
    }
    let mut ids = HashSet::new();
    let row = |(at, row): (usize, &Row)| {
        let field = |name: &str| format!("content.list.rows[{at}].{name}");
        let id = own_id(&field("id"), &row.id, ROW_ID_LIMIT, &mut ids)?;
        let mut part = json!({"id": id, "title": title(&field("title"), &row.title, ROW_TITLE_LIMIT)?});
        if let Some(description) = row.description.as_deref().filter(|text| !text.is_empty()) {
            part["description"] = limited(&field("description"), description, ROW_DESCRIPTION_LIMIT)?.into();
        }
        Ok(part)
    };
    list.rows.iter().enumerate().map(row).collect()
}

fn title<'a>(field: &str, title: &'a str, limit: usize) -> Result<&'a str, Error> {
    match title.trim().is_empty() {
        true => Err(Error::field(field, "must not be empty")),
        false => limited(field, title, limit),
    }
}

/// Checks the id of a button or row, which must be unique.
fn own_id(field: &str, id: &str, limit: usize, ids: &mut HashSet<String>) -> Result<String, Error> {
    let id = title(field, id, limit)?;
    match ids.insert(id.to_owned()) {
        true => Ok(id.to_owned()),
        false => Err(Error::field(field, "must be unique")),
    }
}
