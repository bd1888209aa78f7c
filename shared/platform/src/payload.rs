//! From a body to the payload of an event: checked, but not parsed into a value.
//!
//! The payload stays the text that the sender wrote. It is checked as strictly as if it were parsed into a value,
//! because everything downstream does that: what passes here can be read there.

mod charset;
mod check;

use std::borrow::Cow;
use std::collections::BTreeMap;

use encoding_rs::UTF_8;
use percent_encoding::percent_decode;
use serde::de::DeserializeSeed as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Value};

pub use self::charset::Charset;
use self::check::Check;
use crate::error::Error;

/// The content type of a form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
const CONTENT_TYPE_LIMIT_BYTES: usize = 128;

/// A content type that can be parsed, without its parameters and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentType(String);

/// The format of a body.
enum Format {
    Json,
    Form,
    Xml,
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
            ("application", subtype) if subtype == "xml" || subtype.ends_with("+xml") => Some(Format::Xml),
            ("text", "xml") => Some(Format::Xml),
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
/// JSON may nest `depth_limit` levels, also inside a form. A byte order mark is left out.
pub fn read<'a>(
    content_type: &ContentType,
    charset: Charset,
    body: &'a [u8],
    depth_limit: usize,
    form_payload: impl FnOnce(Form, usize) -> Result<Value, Error>,
) -> Result<Cow<'a, RawValue>, Error> {
    match content_type.format() {
        Some(Format::Form) => raw(&form_payload(Form::parse(body, charset)?, depth_limit)?),
        Some(Format::Xml) => {
            let (encoding, body) = charset.of(body, charset::of_xml(body));
            raw(&charset::text(body, encoding)?)
        }
        Some(Format::Text) => {
            let (encoding, body) = charset.of(body, None);
            raw(&charset::text(body, encoding)?)
        }
        Some(Format::Json) | None => match charset.of(body, None) {
            (encoding, body) if encoding == UTF_8 => json(body, depth_limit).map(Cow::Borrowed),
            (encoding, body) => {
                let text = charset::text(body, encoding)?;
                json(text.as_bytes(), depth_limit).map(|json| Cow::Owned(json.to_owned()))
            }
        },
    }
}

/// Checks JSON and returns it unchanged.
fn json(body: &[u8], depth_limit: usize) -> Result<&RawValue, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::EmptyBody);
    }
    let check = Check { levels_left: depth_limit, depth_limit, is_key: false };
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

/// The fields of a form, each with its values in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// Reads a form, each name and value decoded once.
    ///
    /// A form may declare its charset itself: browsers do in a field `_charset_`, payment services in
    /// a field `charset`.
    pub(crate) fn parse(body: &[u8], charset: Charset) -> Result<Self, Error> {
        let (encoding, body) = charset.of(body, None);
        if !encoding.is_ascii_compatible() {
            return Self::parse(charset::text(body, encoding)?.as_bytes(), Charset::default());
        }
        let named = |name: &[u8]| pairs(body).find(|pair| pair.0 == name).map(|(_, value)| decoded(value));
        let label = named(b"_charset_").or_else(|| named(b"charset"));
        let encoding = charset.or_named(label.as_deref());
        let text = |encoded| charset::text(&decoded(encoded), encoding).map(Cow::into_owned);
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs(body) {
            let name = text(name)?;
            if check::is_reserved(&name) {
                return Err(Error::Body("a field has a reserved name".to_owned()));
            }
            fields.entry(name).or_default().push(text(value)?);
        }
        if fields.is_empty() { Err(Error::EmptyBody) } else { Ok(Self(fields)) }
    }

    /// Returns the value of a field that occurs once.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let [text] = self.0.get(name)?.as_slice() else { return None };
        Some(text)
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

/// Splits a form into names and values, still encoded.
fn pairs(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=');
        equals.map_or((pair, [].as_slice()), |at| (&pair[..at], &pair[at + 1..]))
    })
}

fn decoded(encoded: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests;
