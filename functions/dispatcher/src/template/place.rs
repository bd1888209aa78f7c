//! Where the text of a template ends up, and how values are written into it.
//!
//! A value that is filled in stays what it is: it cannot end the part of a URL, the field of a form, the string of a JSON
//! text or the element of a markup text in which its placeholder stands. Which part that is follows from the text before
//! it, which is the author's own.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::IgnoredAny;
use serde_json::Value;
use shared::json::size_bytes;

use super::budget::{Allowance, Budget};
use super::multipart::Delimiter;
use super::{Failure, Part, Placeholder, Template, text_of};

/// What means something in no part of a URL.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What a whole authority may have, which is a host with perhaps a port.
const OF_AN_AUTHORITY: &AsciiSet = &UNRESERVED.remove(b':').remove(b'[').remove(b']');

/// Where the text of a template ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where nothing but the text as a whole means something: a name, a message, the value of a JSON field.
    Plain,
    /// A URL.
    Url,
    /// A body of the type `application/x-www-form-urlencoded`.
    Form,
    /// A JSON text.
    Json,
    /// An XML or HTML text.
    Markup,
    /// A body of the type `multipart/form-data` or its like.
    Multipart,
    /// A body without a type: a JSON text if it looks like one apart from its placeholders.
    Unknown,
}

/// A text as it is put together.
pub(super) struct Writer<'b> {
    template: &'b Template,
    place: Place,
    delimiter: Option<Delimiter>,
    budget: &'b mut Budget,
    text: String,
    json: JsonText,
    in_cdata: bool,
    /// The values in a URL: where each begins, and the path of its placeholder.
    values: Vec<(usize, String)>,
}

impl<'b> Writer<'b> {
    pub(super) fn new(template: &'b Template, place: Place, budget: &'b mut Budget) -> Self {
        let place = match place {
            Place::Unknown if is_json(template) => Place::Json,
            place => place,
        };
        let delimiter = (place == Place::Multipart).then(|| Delimiter::of(template)).flatten();
        let (text, json, values) = (String::new(), JsonText::default(), Vec::new());
        Self { template, place, delimiter, budget, text, json, in_cdata: false, values }
    }

    /// Returns what the next placeholder may use.
    pub(super) fn allowance(&mut self) -> Allowance<'_> {
        self.budget.placeholder()
    }

    /// Adds text of the author.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.json.read(text);
        if let edges @ ((Some(_), _) | (_, Some(_))) = (text.rfind("<![CDATA["), text.rfind("]]>")) {
            self.in_cdata = edges.0 > edges.1;
        }
        self.push(text)
    }

    /// Adds the value of a placeholder; `next` is the text after it.
    pub(super) fn value(&mut self, placeholder: &Placeholder, value: &Value, next: &str) -> Result<(), Failure> {
        if self.place == Place::Url && !placeholder.is_raw() {
            self.values.push((self.text.len(), placeholder.path.to_string()));
        }
        let is_value_of_json = self.place == Place::Json && !self.json.in_string && !placeholder.writes_json();
        self.budget.room_for(match value {
            Value::String(text) if !is_value_of_json => text.len(),
            value => size_bytes(value),
        })?;
        let text = if is_value_of_json { Cow::Owned(value.to_string()) } else { text_of(value) };
        match self.place {
            _ if placeholder.is_raw() => self.push(&text),
            Place::Url => match self.part_of_url(next) {
                None => self.push(&text),
                Some(set) => utf8_percent_encode(&text, set).try_for_each(|piece| self.push(piece)),
            },
            Place::Form => form_urlencoded::byte_serialize(text.as_bytes()).try_for_each(|piece| self.push(piece)),
            Place::Json if self.json.in_string => self.json_string(&text),
            Place::Markup => self.markup(&text),
            Place::Multipart => self.multipart(placeholder, &text),
            Place::Plain | Place::Json | Place::Unknown => self.push(&text),
        }
    }

    /// Returns the whole text, or says which value would change the meaning of a URL although it is escaped.
    pub(super) fn finish(self) -> Result<String, Failure> {
        if self.delimiter.is_some_and(|delimiter| delimiter.is_made_in(&self.text, self.template)) {
            return Err(Failure::Template("the values together would begin another part of the body".to_owned()));
        }
        let authority = self.text.find("://").map_or(0, |at| at + 3);
        let path_end = self.text[authority..].find(['?', '#']).map_or(self.text.len(), |at| authority + at);
        let mut start = authority;
        for segment in self.text[authority..path_end].split('/') {
            let end = start + segment.len();
            let first = self.values.partition_point(|(at, _)| *at < start);
            if let Some((at, path)) = self.values.get(first)
                && *at <= end
                && is_dots(segment)
            {
                let why = "would make a part of the path `.` or `..`, which stands for another path";
                return Err(Failure::Template(format!("`{path}` {why}")));
            }
            start = end + 1;
        }
        Ok(self.text)
    }

    fn push(&mut self, piece: &str) -> Result<(), Failure> {
        self.budget.output(piece.len())?;
        self.text.push_str(piece);
        Ok(())
    }

    /// What must be escaped at the end of a URL so far; nothing where the URL begins, for there a value gives its base.
    fn part_of_url(&self, next: &str) -> Option<&'static AsciiSet> {
        let is_base = self.text.trim().is_empty() && !next.starts_with(':');
        let is_authority = self.text.ends_with("://") && !self.text[..self.text.len() - 3].contains(['/', '?', '#']);
        match () {
            () if is_base => None,
            () if is_authority && (next.is_empty() || next.starts_with(['/', '?', '#'])) => Some(OF_AN_AUTHORITY),
            () => Some(UNRESERVED),
        }
    }

    fn json_string(&mut self, text: &str) -> Result<(), Failure> {
        let quoted_bytes = size_bytes(&text);
        self.budget.room_for(quoted_bytes)?;
        let quoted = Value::from(text).to_string();
        self.push(&quoted[1..quoted.len() - 1])
    }

    /// Keeps a value in its part of the body, or says that it would begin another one.
    fn multipart(&mut self, placeholder: &Placeholder, text: &str) -> Result<(), Failure> {
        let Some(delimiter) = &self.delimiter else { return self.push(text) };
        let Some(written) = delimiter.written(&self.text, text) else {
            let why = "would begin another part of the body";
            return Err(Failure::Template(format!("`{}` {why}", placeholder.path)));
        };
        self.push(&written)
    }

    /// Writes references for what means something, and within a CDATA section keeps it from ending.
    fn markup(&mut self, text: &str) -> Result<(), Failure> {
        if self.in_cdata {
            // Brackets beside the value must not end the section together with it.
            let edges = [self.text.ends_with(']') && text.starts_with([']', '>']), text.ends_with(']')];
            let [before, after] = edges.map(|is_open| if is_open { "]]><![CDATA[" } else { "" });
            self.push(before)?;
            text.split("]]>").enumerate().try_for_each(|(at, piece)| {
                self.push(if at == 0 { "" } else { "]]]]><![CDATA[>" })?;
                self.push(piece)
            })?;
            return self.push(after);
        }
        text.split_inclusive(['&', '<', '>', '"', '\'']).try_for_each(|piece| {
            let reference = match piece.chars().next_back() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                Some('\'') => "&#39;",
                _ => return self.push(piece),
            };
            self.push(&piece[..piece.len() - 1])?;
            self.push(reference)
        })
    }
}

/// How far a JSON text has come.
#[derive(Debug, Default)]
struct JsonText {
    in_string: bool,
    after_backslash: bool,
}

impl JsonText {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.after_backslash => self.after_backslash = false,
                b'\\' => self.after_backslash = self.in_string,
                b'"' => self.in_string = !self.in_string,
                _ => {}
            }
        }
    }
}

/// Whether a text is a JSON object or array apart from its placeholders.
fn is_json(template: &Template) -> bool {
    let (mut text, mut json) = (String::new(), JsonText::default());
    for part in &template.parts {
        match part {
            Part::Text(part) => {
                json.read(part);
                text.push_str(part);
            }
            Part::Placeholder(_) if json.in_string => {}
            Part::Placeholder(_) => text.push_str("null"),
        }
    }
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(&text).is_ok()
}

/// Whether a URL's parser takes a part of the path for the current or the parent directory.
fn is_dots(segment: &str) -> bool {
    segment.len() <= "%2e%2e".len() && matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}
