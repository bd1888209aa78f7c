//! From a body to the payload of an event: checked, but not parsed into a value.
//!
//! The payload stays the text that the sender wrote. It is checked as strictly as if it were parsed into a value,
//! because everything downstream does that: what passes here can be read there.

mod check;

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use serde::de::DeserializeSeed as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Value};

use self::check::Check;
use crate::error::Error;

const CONTENT_TYPE_LIMIT_BYTES: usize = 128;

/// A content type that can be parsed, without its parameters and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentType(String);

/// The format of a body.
enum Format {
    Json,
    Form,
    Text,
}

impl ContentType {
    /// Reads the content type that a channel declares.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let declared = Self(essence(text));
        match declared.format() {
            Some(_) if declared.0.len() <= CONTENT_TYPE_LIMIT_BYTES => Ok(declared),
            _ => {
                let rule = "must be JSON, `application/x-www-form-urlencoded`, XML or text";
                Err(Error::field("contentType", rule))
            }
        }
    }

    /// Reads the `Content-Type` of a request.
    pub fn from_header(header: &[u8]) -> Option<Self> {
        std::str::from_utf8(header).ok().map(|header| Self(essence(header)))
    }

    /// Returns the content type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn format(&self) -> Option<Format> {
        let (kind, subtype) = self.0.split_once('/')?;
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        match (kind, subtype) {
            _ if !is_token(kind) || !is_token(subtype) => None,
            ("application", "json") => Some(Format::Json),
            ("application", subtype) if subtype.ends_with("+json") => Some(Format::Json),
            ("application", "x-www-form-urlencoded") => Some(Format::Form),
            ("application", subtype) if subtype == "xml" || subtype.ends_with("+xml") => Some(Format::Text),
            ("text", _) => Some(Format::Text),
            _ => None,
        }
    }
}

fn essence(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Turns the body of a verified delivery into the payload of its event, a form by `form_payload`.
///
/// JSON may nest `depth_limit` levels, also inside a form.
pub fn read<'a>(
    content_type: &ContentType,
    body: &'a [u8],
    depth_limit: usize,
    form_payload: impl FnOnce(Form, usize) -> Result<Value, Error>,
) -> Result<Cow<'a, RawValue>, Error> {
    match content_type.format() {
        Some(Format::Form) => raw(&form_payload(Form::parse(body)?, depth_limit)?),
        Some(Format::Text) => raw(&utf8(body)?),
        Some(Format::Json) | None => json(body, depth_limit).map(Cow::Borrowed),
    }
}

/// Checks JSON and returns it unchanged.
fn json(body: &[u8], depth_limit: usize) -> Result<&RawValue, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::EmptyBody);
    }
    let check = Check { levels_left: depth_limit, depth_limit };
    check.deserialize(&mut Deserializer::from_slice(body)).map_err(|cause| invalid_json(&cause))?;
    serde_json::from_slice(body).map_err(|cause| invalid_json(&cause))
}

fn invalid_json(cause: &serde_json::Error) -> Error {
    Error::Body(match cause.is_data() {
        true => cause.to_string(),
        false => format!("the body is not valid JSON: {cause}"),
    })
}

fn raw<'a>(value: &impl Serialize) -> Result<Cow<'a, RawValue>, Error> {
    serde_json::value::to_raw_value(value).map(Cow::Owned).map_err(|cause| invalid_json(&cause))
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Body("the body is not valid UTF-8".to_owned()))
}

/// The fields of a form, each with its values in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// Reads a form, each name and value decoded once.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = equals.map_or((pair, [].as_slice()), |at| (&pair[..at], &pair[at + 1..]));
            fields.entry(form_text(name)?).or_default().push(form_text(value)?);
        }
        if fields.is_empty() { Err(Error::EmptyBody) } else { Ok(Self(fields)) }
    }

    /// Returns the value of a field that occurs once.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)?.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Reads a field that occurs once and holds JSON.
    pub(crate) fn json(&self, name: &str, depth_limit: usize) -> Option<Result<Value, Error>> {
        let json = json(self.text(name)?.as_bytes(), depth_limit);
        Some(json.and_then(|json| serde_json::from_str(json.get()).map_err(|cause| invalid_json(&cause))))
    }

    /// Returns the fields in the order of their names' bytes.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Returns an object with a text for each field, or a list of texts for a repeated one.
    pub(crate) fn into_object(self) -> Value {
        let value = |mut values: Vec<String>| match values.len() {
            1 => Value::String(values.remove(0)),
            _ => values.into(),
        };
        Value::Object(self.0.into_iter().map(|(name, values)| (name, value(values))).collect())
    }
}

fn form_text(encoded: &[u8]) -> Result<String, Error> {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded = percent_decode(&spaced).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| Error::Body("the form is not valid UTF-8".to_owned()))
}

#[cfg(test)]
mod tests;
