//! The body, in the type of the request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use shared::media::{self, Media};

use super::{BODY_LIMIT_BYTES, Broken, Headers, multipart, xml};
use crate::app::{Action, RequestType};
use crate::form;

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// How a body is written.
#[derive(Clone, Copy, PartialEq)]
enum Writing {
    Json,
    Form,
    Multipart,
    Soap,
    /// As it is, if it is a text; a file as its content, and everything else as JSON.
    Plain,
    /// As it is: values in markup cannot be told from it.
    Markup,
}

/// What is wrong with a body, and where in it.
pub(super) struct Unwritable {
    /// The name of the field.
    pub(super) path: Vec<String>,
    /// The rule that it breaks.
    pub(super) rule: String,
}

/// A body and its content type.
struct Written {
    bytes: Bytes,
    content_type: HeaderValue,
}

impl Unwritable {
    /// What is wrong with the body as a whole.
    pub(super) fn whole(rule: impl Into<String>) -> Self {
        Self { path: Vec::new(), rule: rule.into() }
    }
}

/// Writes the body; `None` is none at all.
///
/// The content type of the caller decides how it is written, and else the type of the request.
pub(super) fn of(
    method: &Method,
    action: &Action,
    request_type: RequestType,
    body: &Value,
    headers: &mut Headers,
    broken: &mut Broken<'_>,
) -> Option<Bytes> {
    let given = headers.get(&CONTENT_TYPE).cloned();
    let writing = writing(request_type, given.as_ref());
    let body = match presence(method, action, writing, body) {
        Ok(body) => body?,
        Err(rule) => {
            broken.value("Body", &[], rule);
            return None;
        }
    };
    match written(writing, request_type, action, body, given.as_ref()) {
        Ok(written) if written.bytes.len() > BODY_LIMIT_BYTES => {
            broken.value("Body", &[], format!("is longer than {BODY_LIMIT_BYTES} bytes as it is sent"));
            None
        }
        Ok(written) => {
            if writing == Writing::Soap && headers.get(&SOAP_ACTION).is_none() && !is_soap_12(&written.content_type) {
                headers.set(SOAP_ACTION, HeaderValue::from_static("\"\""));
            }
            headers.set(CONTENT_TYPE, written.content_type);
            Some(written.bytes)
        }
        Err(Unwritable { path, rule }) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            broken.value("Body", &path, rule);
            None
        }
    }
}

/// Says which body is sent, if any.
fn presence<'b>(
    method: &Method,
    action: &Action,
    writing: Writing,
    body: &'b Value,
) -> Result<Option<&'b Value>, String> {
    static EMPTY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| Value::Object(serde_json::Map::new()));
    let is_empty = match body {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let takes_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    if is_empty {
        let is_object = body.is_object() || !action.body.is_empty();
        return Ok((takes_body && writing == Writing::Json && is_object).then_some(&EMPTY));
    }
    match *method {
        Method::HEAD => Err("cannot be sent with HEAD".to_owned()),
        Method::GET if action.body.is_empty() => {
            Err("cannot be sent with GET, unless the action declares a body".to_owned())
        }
        _ => Ok(Some(body)),
    }
}

fn writing(request_type: RequestType, given: Option<&HeaderValue>) -> Writing {
    let of_type = match request_type {
        RequestType::Json => Writing::Json,
        RequestType::Urlencoded => Writing::Form,
        RequestType::Formdata => Writing::Multipart,
        RequestType::Soap => Writing::Soap,
        RequestType::Html => Writing::Markup,
    };
    let Some(given) = given else { return of_type };
    match Media::of(&String::from_utf8_lossy(given.as_bytes())) {
        Media::Json => Writing::Json,
        Media::Form => Writing::Form,
        Media::Multipart => Writing::Multipart,
        Media::Markup if of_type == Writing::Soap => Writing::Soap,
        Media::Markup => Writing::Markup,
        Media::Other => Writing::Plain,
    }
}

fn written(
    writing: Writing,
    request_type: RequestType,
    action: &Action,
    body: &Value,
    given: Option<&HeaderValue>,
) -> Result<Written, Unwritable> {
    let or = |default: &'static str| given.cloned().unwrap_or_else(|| HeaderValue::from_static(default));
    match (writing, body) {
        (Writing::Json, body) => Ok(Written { bytes: body.to_string().into(), content_type: or("application/json") }),
        (Writing::Form, Value::Object(fields)) => {
            let form = form::encoded(fields).map_err(Unwritable::whole)?;
            Ok(Written { bytes: form.into(), content_type: or("application/x-www-form-urlencoded") })
        }
        (Writing::Multipart, Value::Object(fields)) => {
            let (bytes, content_type) = multipart::encoded(fields)?;
            Ok(Written { bytes, content_type })
        }
        (Writing::Soap, Value::Object(fields)) => {
            let content_type = or("text/xml; charset=utf-8");
            let text = xml::soap(fields, &action.body, is_soap_12(&content_type))?;
            in_charset(&text, content_type)
        }
        (Writing::Soap, Value::String(text)) => in_charset(text, or("text/xml; charset=utf-8")),
        (Writing::Markup, Value::String(text)) => {
            let is_html = request_type == RequestType::Html;
            in_charset(text, or(if is_html { "text/html; charset=utf-8" } else { "text/xml; charset=utf-8" }))
        }
        (Writing::Plain, Value::String(text)) => in_charset(text, or("text/plain; charset=utf-8")),
        (Writing::Plain, body) => {
            let bytes = match multipart::File::of(body) {
                Some(file) => file.bytes()?,
                None => body.to_string().into(),
            };
            Ok(Written { bytes, content_type: or("application/octet-stream") })
        }
        (Writing::Form, _) => Err(Unwritable::whole("must be an object to be sent as a form")),
        (Writing::Multipart, _) => Err(Unwritable::whole("must be an object to be sent as multipart/form-data")),
        (Writing::Soap, _) => Err(Unwritable::whole("must be a text or an object to be sent as SOAP")),
        (Writing::Markup, _) => Err(Unwritable::whole("must be a text to be sent as markup")),
    }
}

/// Writes a text in the charset that its type names.
fn in_charset(text: &str, content_type: HeaderValue) -> Result<Written, Unwritable> {
    let named = String::from_utf8_lossy(content_type.as_bytes()).into_owned();
    let bytes = media::encoded(&named, text)
        .ok_or_else(|| Unwritable::whole(format!("has characters that cannot be written as `{named}`")))?;
    Ok(Written { bytes: bytes.into(), content_type })
}

fn is_soap_12(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().to_ascii_lowercase().starts_with(b"application/soap+xml")
}

/// Decodes base64 as it is in a body.
pub(super) fn base64(text: &str) -> Option<Bytes> {
    STANDARD.decode(text).ok().map(Bytes::from)
}
