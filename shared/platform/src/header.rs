//! What headers say, and which of them travel on with an event: all but those with which somebody could impersonate the sender.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::reading::DedupKey;

/// A header whose name contains one of these holds a secret or a signature.
const SECRET_WORDS: [&str; 10] =
    ["auth", "cookie", "signature", "secret", "token", "password", "credential", "api-key", "apikey", "hmac"];

/// Returns the headers by lower-case name without secrets and signatures; `signature` is the one that a recipe names.
pub fn forwarded(headers: &HeaderMap, signature: Option<&str>) -> Map<String, Value> {
    let is_public = |name: &&HeaderName| {
        let name = name.as_str();
        !signature.is_some_and(|signature| signature.eq_ignore_ascii_case(name))
            && !SECRET_WORDS.iter().any(|word| name.contains(word))
            && (!name.ends_with("-key") || name == "idempotency-key")
    };
    let named = headers.keys().filter(is_public);
    named.map(|name| (name.to_string(), Value::String(joined(headers, name)))).collect()
}

/// A repeated header means the same as one with its values in a list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(", ")
}

/// Returns the value of a header unless it is empty or not text.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

/// Returns what a header calls a delivery, or else its body.
pub(crate) fn delivery_key<'a>(headers: &'a HeaderMap, name: &str) -> DedupKey<'a> {
    let value = headers.get(name).map(HeaderValue::as_bytes).filter(|id| !id.is_empty());
    value.map_or(DedupKey::Body, |id| DedupKey::Id(id.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_and_signatures_stay_behind() {
        let pairs: [(&'static str, &[u8]); 16] = [
            ("content-type", b"application/json"),
            ("x-github-event", b"push"),
            ("x-repeated", b"a"),
            ("x-repeated", b"b"),
            ("x-latin", b"\xfc"),
            ("idempotency-key", b"k"),
            ("x-functions-key", b"hush"),
            ("x-auth", b"hush"),
            ("authorization", b"Bearer hush"),
            ("proxy-authorization", b"Basic hush"),
            ("cookie", b"session=hush"),
            ("x-hub-signature-256", b"sha256=hush"),
            ("x-gitlab-token", b"hush"),
            ("x-api-key", b"hush"),
            ("x-shopify-hmac-sha256", b"hush"),
            ("x-proof", b"hush"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        let expected = json!({
            "content-type": "application/json", "x-github-event": "push", "x-repeated": "a, b", "x-latin": "\u{fffd}",
            "idempotency-key": "k",
        });
        assert_eq!(Value::Object(forwarded(&headers, Some("X-Proof"))), expected);
    }
}
