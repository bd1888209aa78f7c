//! The answer of an app: its output, or why it is a failure.

mod retry_after;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::parse;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use shared::media::{self, Media};
use shared::outbound::{OutboundError, Response};

use crate::failure::{Failure, FailureType};

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Json,
    Form,
    Text,
    Binary,
    /// There is no content type.
    Unknown,
}

/// Reads an answer by its content type: any 2xx is the output of the run.
///
/// JSON is a value, a form an object, other text is text, and what is not text is `{content_type, base64, size}`.
pub(crate) fn read(response: &Response, now: Timestamp) -> Result<Value, Failure> {
    let broken = |message: String| {
        let failure = Failure::new(FailureType::InvalidResponse, message);
        Failure { status: Some(response.status), ..failure }
    };
    if !(200..300).contains(&response.status) {
        return Err(refused(response, now));
    }
    if response.body.is_empty() {
        return Ok(Value::Null);
    }
    if let Some(encoding) = response.headers.get(CONTENT_ENCODING) {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        return Err(broken(format!("the app answered in the encoding `{encoding}`, which is not understood")));
    }
    let content_type = header(response, &CONTENT_TYPE);
    match kind(&content_type) {
        Kind::Json => match media::readable(&content_type, &response.body) {
            Some(text) if text.trim().is_empty() => Ok(Value::Null),
            Some(text) => json(&text),
            None => Err("it cannot be decoded".to_owned()),
        }
        .map_err(|problem| broken(format!("the answer is not the JSON it says: {problem}"))),
        Kind::Form => {
            let text = text(response);
            Ok(form(&text).unwrap_or_else(|| text.into()))
        }
        Kind::Text => Ok(text(response).into()),
        Kind::Binary => Ok(binary(response)),
        Kind::Unknown if is_text(&response.body) => {
            let text = text(response);
            Ok(json(&text).ok().filter(|value| value.is_object() || value.is_array()).unwrap_or_else(|| text.into()))
        }
        Kind::Unknown => Ok(binary(response)),
    }
}

/// Says what a request without an answer means.
///
/// Where an app may have acted on a request that must not be repeated, the outcome is unknown; the guard's refusal of an
/// address is `FORBIDDEN`, as no further attempt would change it.
pub(crate) fn failure(error: &OutboundError, is_idempotent: bool) -> Failure {
    let kind = match error {
        OutboundError::InvalidUrl { .. } | OutboundError::InvalidMethod { .. } => FailureType::ValidationError,
        OutboundError::Refused { .. } => FailureType::Forbidden,
        OutboundError::TooLarge { .. }
        | OutboundError::TooManyRedirects { .. }
        | OutboundError::InvalidRedirect { .. }
        | OutboundError::Failed { code: Some(UNDECODABLE), .. } => FailureType::InvalidResponse,
        _ if error.may_have_arrived() && !is_idempotent => FailureType::OutcomeUnknown,
        OutboundError::Timeout { .. } => FailureType::Timeout,
        OutboundError::Connect { .. } | OutboundError::Failed { .. } => FailureType::ConnectionError,
    };
    let message = match kind {
        FailureType::OutcomeUnknown => format!("{error}; whether the app got the request is not known"),
        _ => error.to_string(),
    };
    Failure::new(kind, message)
}

/// The name that the client gives to a body which is not in its own encoding.
const UNDECODABLE: &str = "Z_DATA_ERROR";

/// Parses JSON that can be handed on as an output; what nests too deep for that or has a reserved name stays text.
fn json(text: &str) -> Result<Value, String> {
    if shared::json::check_depth(text.as_bytes()).is_err() {
        return Ok(text.into());
    }
    match shared::json::foreign(text.as_bytes()) {
        Err(problem) if problem.is_data() => Ok(text.into()),
        read => read.map_err(|problem| problem.to_string()),
    }
}

/// Says why an answer that is not 2xx is a failure.
fn refused(response: &Response, now: Timestamp) -> Failure {
    let kind = match response.status {
        401 => FailureType::Unauthorized,
        403 => FailureType::Forbidden,
        404 | 410 => FailureType::NotFound,
        408 => FailureType::Timeout,
        429 => FailureType::RateLimited,
        502..=504 => FailureType::ServiceUnavailable,
        _ => FailureType::RequestFailed,
    };
    Failure {
        status: Some(response.status),
        retry_after_ms: retry_after::ms(&response.headers, now),
        ..Failure::new(kind, format!("the app answered {}", response.status))
    }
}

fn header<'r>(response: &'r Response, name: &HeaderName) -> Cow<'r, str> {
    String::from_utf8_lossy(response.headers.get(name).map_or(&b""[..], |value| value.as_bytes()))
}

fn kind(content_type: &str) -> Kind {
    let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((class, subtype)) = name.split_once('/') else {
        return Kind::Unknown;
    };
    let has_charset = content_type.to_ascii_lowercase().contains("charset=");
    match Media::of(content_type) {
        Media::Json if LINES_OF_JSON.contains(&subtype) => Kind::Text,
        Media::Json => Kind::Json,
        Media::Form => Kind::Form,
        Media::Markup => Kind::Text,
        Media::Multipart => Kind::Binary,
        Media::Other if class == "text" || has_charset || TEXT_SUBTYPES.contains(&subtype) => Kind::Text,
        Media::Other => Kind::Binary,
    }
}

/// Types that are made of JSON texts and are not one themselves.
const LINES_OF_JSON: [&str; 6] = ["x-ndjson", "ndjson", "jsonlines", "x-jsonlines", "json-seq", "jsonl"];

/// Types that are text though they do not say so.
const TEXT_SUBTYPES: [&str; 11] = [
    "javascript",
    "x-javascript",
    "ecmascript",
    "yaml",
    "x-yaml",
    "toml",
    "graphql",
    "sql",
    "jwt",
    "jose",
    "pem-certificate-chain",
];

/// Decodes a body by its charset; markup can name it itself.
fn text(response: &Response) -> String {
    let content_type = header(response, &CONTENT_TYPE);
    let own = match Media::of(&content_type) {
        Media::Markup if !content_type.to_ascii_lowercase().contains("charset=") => declared_charset(&response.body),
        _ => None,
    };
    match own {
        Some(charset) => media::text(&format!("text/plain; charset={charset}"), &response.body).into_owned(),
        None => media::text(&content_type, &response.body).into_owned(),
    }
}

/// The charset in `<?xml … encoding="…"?>` or `<meta charset="…">`, where browsers look for it: within 1,024 bytes.
fn declared_charset(body: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&body[..body.len().min(1024)]).to_ascii_lowercase();
    let after = |part: &str, name: &str| part.split_once(name).map(|(_, value)| value.to_owned());
    let xml = head.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map(|(declaration, _)| declaration);
    let value = xml.and_then(|declaration| after(declaration, "encoding=")).or_else(|| {
        let metas = head.split("<meta").skip(1).filter_map(|rest| rest.split_once('>'));
        metas.filter_map(|(meta, _)| after(meta, "charset=")).next()
    })?;
    let label: String = value
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || "-_:.".contains(*character))
        .collect();
    (!label.is_empty()).then_some(label)
}

/// Tells whether a body without a type can be taken for text.
fn is_text(body: &[u8]) -> bool {
    media::readable("", body).is_some_and(|text| !text.contains('\0'))
}

/// Reads a form; a name that comes several times has an array. `None` if a name is a reserved one.
fn form(text: &str) -> Option<Value> {
    let mut fields: Map<String, Value> = Map::new();
    for (name, value) in parse(text.as_bytes()) {
        if shared::json::is_reserved(&name) {
            return None;
        }
        let value = Value::from(value.into_owned());
        match fields.get_mut(&*name) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Some(fields.into())
}

fn binary(response: &Response) -> Value {
    json!({
        "content_type": header(response, &CONTENT_TYPE),
        "base64": STANDARD.encode(&response.body),
        "size": response.body.len(),
    })
}

#[cfg(test)]
mod exchange;
#[cfg(test)]
mod tests;
