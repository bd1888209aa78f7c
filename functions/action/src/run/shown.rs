//! Requests and answers as runs show them: without secrets, and no longer than somebody reads.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::media;
use shared::outbound::{Request, Response};

use crate::mask::Masks;

/// The most bytes that are shown of a URL, of all headers together, and of a body.
const SHOWN_BYTES: usize = 4 * 1024;
/// What is shown in place of a secret.
const MASK: &str = "***";
/// Headers whose values nobody is shown, wherever they came from.
const SECRET_HEADERS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
];

/// A request as it was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Sent {
    /// The method.
    pub(crate) method: String,
    /// The URL.
    pub(crate) url: String,
    /// The headers.
    #[schema(value_type = Object)]
    pub(crate) headers: Map<String, Value>,
    /// The first 4 KB of the body.
    pub(crate) body: String,
    /// Whether anything was left out.
    pub(crate) is_cut: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Received {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The headers.
    #[schema(value_type = Object)]
    pub(crate) headers: Map<String, Value>,
    /// The first 4 KB of the body.
    pub(crate) body: String,
    /// Whether anything was left out.
    pub(crate) is_cut: bool,
}

impl Sent {
    /// Shows a request.
    pub(crate) fn of(request: &Request, masks: &Masks) -> Self {
        let (url, is_url_cut) = cut(masks.text(&request.url));
        let (headers, are_headers_cut) = headers(&request.headers, masks);
        let (body, is_body_cut) = cut(masks.text(&String::from_utf8_lossy(&request.body)));
        let is_cut = is_url_cut || are_headers_cut || is_body_cut;
        Self { method: request.method.to_string(), url, headers, body, is_cut }
    }
}

impl Received {
    /// Shows an answer.
    pub(crate) fn of(response: &Response, masks: &Masks) -> Self {
        let (headers, are_headers_cut) = headers(&response.headers, masks);
        let (body, is_body_cut) = cut(masks.text(&text(response)));
        Self { status: response.status, headers, body, is_cut: are_headers_cut || is_body_cut }
    }
}

/// Returns the body of an answer as text; of what is not text, only how much there is of it.
fn text(response: &Response) -> String {
    let content_type = response.headers.get(http::header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let text = media::text(&String::from_utf8_lossy(content_type), &response.body);
    match text.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        true => format!("{} bytes that are not text", response.body.len()),
        false => text.into(),
    }
}

fn headers(headers: &HeaderMap, masks: &Masks) -> (Map<String, Value>, bool) {
    let (mut shown, mut bytes, mut is_cut) = (Map::new(), 0, false);
    for (name, value) in headers {
        let is_secret = value.is_sensitive() || SECRET_HEADERS.contains(&name.as_str());
        let value = if is_secret { MASK.to_owned() } else { masks.text(&String::from_utf8_lossy(value.as_bytes())) };
        bytes += name.as_str().len() + value.len();
        if bytes > SHOWN_BYTES {
            is_cut = true;
            continue;
        }
        match shown.get_mut(name.as_str()) {
            Some(Value::String(former)) => *former = format!("{former}, {value}"),
            _ => {
                shown.insert(name.to_string(), value.into());
            }
        }
    }
    (shown, is_cut)
}

/// Cuts a text to what is shown, between two characters; tells whether anything was left out.
fn cut(mut text: String) -> (String, bool) {
    let is_long = text.len() > SHOWN_BYTES;
    if is_long {
        text.truncate(text.floor_char_boundary(SHOWN_BYTES));
    }
    (text, is_long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Method};

    #[test]
    fn a_request_is_shown_without_what_proves_who_sent_it_and_cut() {
        let mut request = Request::new(Method::POST, "https://a.test/?q=1");
        for (name, value) in [("authorization", "Bearer s3cret"), ("cookie", "a=b"), ("x-plain", "yes")] {
            request.headers.insert(name, HeaderValue::from_static(value));
        }
        request.body = "é".repeat(3_000).into();
        let shown = Sent::of(&request, &Masks::default());
        let expected = serde_json::json!({"authorization": "***", "cookie": "***", "x-plain": "yes"});
        assert_eq!(Value::Object(shown.headers), expected);
        assert_eq!((shown.body.len(), shown.is_cut, shown.method.as_str()), (4_096, true, "POST"));
        request.body = "short".into();
        assert!(!Sent::of(&request, &Masks::default()).is_cut);
    }

    #[test]
    fn headers_are_bounded_as_a_whole() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        headers.insert("x-long", HeaderValue::from_str(&"v".repeat(5_000)).unwrap());
        let response = Response { status: 200, headers, body: "ok".into(), url: String::new() };
        let shown = Received::of(&response, &Masks::default());
        assert_eq!((Value::Object(shown.headers), shown.is_cut), (serde_json::json!({"x-a": "1, 2"}), true));
    }
}
