//! The body of a message: a text and, where needed, blocks.

use serde_json::{Map, Value, json};

use crate::chat::{self, limited};
use crate::error::Error;
use crate::message::{Button, ChoiceList, Content, ContentKind, Location, Media, MediaKind};

const TEXT_LIMIT: usize = 40_000;
const SECTION_LIMIT: usize = 3_000;
const LABEL_LIMIT: usize = 75;
const BUTTON_ID_LIMIT: usize = 2_000;
const BUTTON_LIMIT: usize = 25;
const ALT_TEXT_LIMIT: usize = 2_000;
const PLACEHOLDER_LIMIT: usize = 150;
const ROW_ID_LIMIT: usize = 150;
const ROW_LIMIT: usize = 100;
const URL_LIMIT: usize = 3_000;

/// Returns the members of the body for a content.
pub(super) fn of(content: &Content) -> Result<Map<String, Value>, Error> {
    let lines = lines(content)?;
    let text = lines.join("\n");
    limited("content.text", &text, TEXT_LIMIT)?;
    let images = images(content)?;
    let elements = elements(content)?;
    let mut body = Map::new();
    if !images.is_empty() || !elements.is_empty() {
        limited("content.text", &text, SECTION_LIMIT)?;
        let section = (!text.is_empty()).then(|| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
        let actions = (!elements.is_empty()).then(|| json!({"type": "actions", "elements": elements}));
        body.insert("blocks".to_owned(), section.into_iter().chain(images).chain(actions).collect());
    }
    // What notifications show and what is there where blocks cannot be.
    let names: Vec<String> = files(content).map(|(_, file)| name(file)).collect();
    let fallback = if text.is_empty() { names.join(", ") } else { text };
    if !fallback.is_empty() {
        body.insert("text".to_owned(), fallback.into());
    }
    let says = |name: &str| content.native.contains_key(name);
    let is_empty = body.is_empty() && !says("text") && !says("blocks") && !says("attachments");
    if is_empty { Err(Error::missing_field("content.text")) } else { Ok(body) }
}

/// Everything that becomes text: the text itself, links to files, places and people.
fn lines(content: &Content) -> Result<Vec<String>, Error> {
    let mut lines: Vec<String> = content.text.iter().filter(|text| !text.is_empty()).cloned().collect();
    match content.kind {
        ContentKind::File => {
            if files(content).next().is_none() {
                return Err(Error::missing_field("content.media"));
            }
            for (field, file) in files(content).filter(|(_, file)| file.kind() != MediaKind::Image) {
                lines.push(format!("<{}|{}>", url(&field, file)?, escaped(&name(file))));
            }
        }
        ContentKind::Location => {
            let place = content.location.as_ref().ok_or_else(|| Error::missing_field("content.location"))?;
            lines.push(location(place));
        }
        ContentKind::Contacts if content.contacts.is_empty() => return Err(Error::missing_field("content.contacts")),
        ContentKind::Contacts => {
            let rule = "must have a name, a phone number or an email address";
            let line = |(at, card)| contact(card).ok_or_else(|| Error::field(&format!("content.contacts[{at}]"), rule));
            let cards: Vec<String> = content.contacts.iter().enumerate().map(line).collect::<Result<_, _>>()?;
            lines.extend(cards);
        }
        _ => {}
    }
    Ok(lines)
}

/// The files of a message that is one with files, each with its field.
fn files(content: &Content) -> impl Iterator<Item = (String, &Media)> {
    chat::files(content).filter(|_| content.kind == ContentKind::File)
}

fn name(file: &Media) -> String {
    file.filename.clone().unwrap_or_else(|| if file.kind() == MediaKind::Image { "image" } else { "file" }.to_owned())
}

/// Pictures are shown; those that Slack already has are referred to by their ids.
fn images(content: &Content) -> Result<Vec<Value>, Error> {
    let images = files(content).filter(|(_, file)| file.kind() == MediaKind::Image);
    let block = |(field, file): (String, &Media)| {
        let alt_text: String = name(file).chars().take(ALT_TEXT_LIMIT).collect();
        Ok(match (&file.url, &file.id) {
            (None, Some(id)) => json!({"type": "image", "slack_file": {"id": id}, "alt_text": alt_text}),
            _ => json!({"type": "image", "image_url": url(&field, file)?, "alt_text": alt_text}),
        })
    };
    images.map(block).collect()
}

/// Returns the URL of the file in this field.
fn url(field: &str, file: &Media) -> Result<String, Error> {
    let field = format!("{field}.url");
    let Some(url) = &file.url else {
        return Err(Error::field(&field, "is needed, as files are sent as links"));
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(Error::field(&field, "must begin with `https://` or `http://`"));
    }
    limited(&field, url, URL_LIMIT)?;
    // These characters would end the link.
    Ok(url.replace('<', "%3C").replace('>', "%3E").replace('|', "%7C"))
}

fn location(place: &Location) -> String {
    let Location { latitude, longitude, name, address } = place;
    let words = [name, address].into_iter().flatten().map(|words| escaped(words));
    let link = format!("https://www.google.com/maps/search/?api=1&query={latitude},{longitude}");
    words.chain([link]).collect::<Vec<_>>().join("\n")
}

/// Reads an address book entry as WhatsApp or Telegram writes it.
fn contact(card: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(escaped);
    let listed = |list: &str, item: &str| -> Vec<String> {
        let items = card[list].as_array().into_iter().flatten();
        items.filter_map(|entry| text(&entry[item])).collect()
    };
    let full = text(&card["name"]["formatted_name"]).or_else(|| text(&card["name"]));
    let names = [text(&card["first_name"]), text(&card["last_name"])].into_iter().flatten();
    let full = full.unwrap_or_else(|| names.collect::<Vec<_>>().join(" "));
    let single = ["phone_number", "phone", "email"].into_iter().filter_map(|field| text(&card[field]));
    let parts = [full].into_iter().filter(|name| !name.is_empty()).chain(single);
    let parts = parts.chain(listed("phones", "phone")).chain(listed("emails", "email"));
    Some(parts.collect::<Vec<_>>().join(", ")).filter(|line| !line.is_empty())
}

/// These three characters are markup to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn elements(content: &Content) -> Result<Vec<Value>, Error> {
    if content.buttons.len() > BUTTON_LIMIT {
        return Err(Error::field("content.buttons", format!("must have at most {BUTTON_LIMIT} items")));
    }
    let buttons = content.buttons.iter().enumerate().map(|(at, button)| self::button(at, button));
    buttons.chain(content.list.iter().map(list)).collect()
}

fn button(at: usize, button: &Button) -> Result<Value, Error> {
    let field = |name: &str| format!("content.buttons[{at}].{name}");
    limited(&field("title"), &button.title, LABEL_LIMIT)?;
    let label = json!({"type": "plain_text", "text": button.title});
    // The elements of a block must differ by their ids, which two buttons with the same meaning would not.
    let mut element = json!({"type": "button", "action_id": format!("button_{at}"), "text": label});
    if let Some(id) = &button.id {
        limited(&field("id"), id, BUTTON_ID_LIMIT)?;
        element["value"] = id.clone().into();
    }
    if let Some(url) = &button.url {
        limited(&field("url"), url, URL_LIMIT)?;
        element["url"] = url.clone().into();
    }
    match (&button.id, &button.url) {
        (None, None) => Err(Error::missing_field(&field("id"))),
        _ => Ok(element),
    }
}

fn list(list: &ChoiceList) -> Result<Value, Error> {
    limited("content.list.title", &list.title, PLACEHOLDER_LIMIT)?;
    if !(1..=ROW_LIMIT).contains(&list.rows.len()) {
        return Err(Error::field("content.list.rows", format!("must have from 1 to {ROW_LIMIT} items")));
    }
    let mut options = Vec::new();
    for (at, row) in list.rows.iter().enumerate() {
        let field = |name: &str| format!("content.list.rows[{at}].{name}");
        limited(&field("id"), &row.id, ROW_ID_LIMIT)?;
        limited(&field("title"), &row.title, LABEL_LIMIT)?;
        let mut option = json!({"text": {"type": "plain_text", "text": row.title}, "value": row.id});
        if let Some(description) = &row.description {
            limited(&field("description"), description, LABEL_LIMIT)?;
            option["description"] = json!({"type": "plain_text", "text": description});
        }
        options.push(option);
    }
    let title = json!({"type": "plain_text", "text": list.title});
    Ok(json!({"type": "static_select", "action_id": "list", "placeholder": title, "options": options}))
}
