//! Values as `multipart/form-data` (RFC 7578).

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value};
use shared::clock::derived_hex24;

use super::BODY_LIMIT_BYTES;
use super::body::{Unwritable, base64};
use crate::form;

/// The members by which an object is a file.
const OF_FILES: [&str; 4] = ["filename", "content_type", "content", "base64"];

/// A file: `{filename, content_type, content | base64}`, with a filename or a content type.
pub(super) struct File<'v> {
    filename: Option<&'v str>,
    content_type: Option<&'v str>,
    /// The value of `content`, or of `base64`.
    content: &'v Value,
    is_base64: bool,
}

struct Part {
    head: String,
    content: Bytes,
}

/// Writes an object as the fields and files of a form; returns its content type as well.
///
/// The boundary follows from the content, so that every attempt at a request sends the same bytes.
pub(super) fn encoded(fields: &Map<String, Value>) -> Result<(Bytes, HeaderValue), Unwritable> {
    let mut parts = Vec::new();
    let mut total_bytes = 0;
    let mut add = |name: &str, value: &Value| {
        let Some(part) = Part::of(name, value)? else { return Ok(()) };
        total_bytes += part.head.len() + part.content.len();
        parts.push(part);
        match total_bytes > BODY_LIMIT_BYTES {
            true => Err(Unwritable::whole(format!("is longer than {BODY_LIMIT_BYTES} bytes as it is sent"))),
            false => Ok(()),
        }
    };
    let is_file = |value: &Value| File::of(value).is_some();
    for (name, value) in fields {
        match value {
            // Several files, or values, of one name are several parts of that name.
            Value::Array(items) if items.iter().all(|item| !is_nested(item)) => {
                items.iter().try_for_each(|item| add(name, item))?;
            }
            value => form::each(name, value, &is_file, &mut add)?,
        }
    }
    let boundary = boundary(&parts);
    let mut bytes = Vec::with_capacity(total_bytes + parts.len() * (boundary.len() + 8));
    for part in parts {
        bytes.extend_from_slice(format!("--{boundary}\r\n{}\r\n", part.head).as_bytes());
        bytes.extend_from_slice(&part.content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
    Ok((bytes.into(), content_type.map_err(|problem| Unwritable::whole(problem.to_string()))?))
}

/// Tells whether a value has fields of its own.
fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_)) && File::of(value).is_none()
}

impl<'v> File<'v> {
    /// Reads a file, if that is what a value is.
    pub(super) fn of(value: &'v Value) -> Option<Self> {
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).filter(|value| !value.is_null()).map(Value::as_str);
        let is_file = members.keys().all(|name| OF_FILES.contains(&name.as_str()));
        let (content, is_base64) = match (members.get("content"), members.get("base64")) {
            (Some(content), None) => (content, false),
            (None, Some(content)) => (content, true),
            _ => return None,
        };
        // A member that is not a text makes it a plain object.
        let (filename, content_type) = (text("filename"), text("content_type"));
        if !is_file || filename == Some(None) || content_type == Some(None) || filename.or(content_type).is_none() {
            return None;
        }
        Some(Self { filename: filename.flatten(), content_type: content_type.flatten(), content, is_base64 })
    }

    /// Returns the content: a text as it is, base64 decoded, anything else as JSON.
    pub(super) fn bytes(&self) -> Result<Bytes, Unwritable> {
        match (self.content, self.is_base64) {
            (Value::String(text), true) => {
                let broken = || Unwritable { path: vec!["base64".to_owned()], rule: "is not base64".to_owned() };
                base64(text).ok_or_else(broken)
            }
            (_, true) => Err(Unwritable { path: vec!["base64".to_owned()], rule: "must be a text".to_owned() }),
            (Value::String(text), false) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            (Value::Null, false) => Ok(Bytes::new()),
            (other, false) => Ok(other.to_string().into()),
        }
    }

    fn content_type(&self) -> &'v str {
        self.content_type.unwrap_or(match (self.is_base64, self.content) {
            (true, _) => "application/octet-stream",
            (false, Value::String(_)) => "text/plain; charset=utf-8",
            (false, _) => "application/json",
        })
    }
}

impl Part {
    fn of(name: &str, value: &Value) -> Result<Option<Self>, Unwritable> {
        let named = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
        let content = match value {
            Value::Null => return Ok(None),
            Value::String(text) => Bytes::copy_from_slice(text.as_bytes()),
            Value::Object(_) if File::of(value).is_some() => return Self::of_file(name, &named, value).map(Some),
            other => other.to_string().into(),
        };
        Ok(Some(Self { head: named + "\r\n", content }))
    }

    fn of_file(name: &str, named: &str, value: &Value) -> Result<Self, Unwritable> {
        let at = |unwritable: Unwritable| Unwritable {
            path: std::iter::once(name.to_owned()).chain(unwritable.path).collect(),
            rule: unwritable.rule,
        };
        let broken = |member: &str, rule: &str| Unwritable {
            path: vec![name.to_owned(), member.to_owned()],
            rule: rule.to_owned(),
        };
        let file = File::of(value).ok_or_else(|| broken("content", "is required"))?;
        let content_type = file.content_type();
        if HeaderValue::from_str(content_type).is_err() {
            return Err(broken("content_type", "is not a content type"));
        }
        let filename = file.filename.map(|filename| format!("; filename=\"{}\"", quoted(filename)));
        let head = format!("{named}{}\r\nContent-Type: {content_type}\r\n", filename.unwrap_or_default());
        Ok(Self { head, content: file.bytes().map_err(at)? })
    }
}

/// Writes a name as browsers do (HTML, "multipart/form-data encoding algorithm"), so that it cannot end its quotes or
/// its line.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A boundary that is in none of the contents.
fn boundary(parts: &[Part]) -> String {
    let mut boundary = String::new();
    for attempt in 0_u64.. {
        let salt = attempt.to_be_bytes();
        let hashed: Vec<&[u8]> = std::iter::once(&salt[..])
            .chain(parts.iter().flat_map(|part| [part.head.as_bytes(), &part.content]))
            .collect();
        boundary = format!("form-{}", derived_hex24(&hashed));
        let is_in = |part: &Part| part.content.windows(boundary.len()).any(|window| window == boundary.as_bytes());
        if !parts.iter().any(is_in) {
            break;
        }
    }
    boundary
}
