//! What headers say, and which of them travel on with an event: all but credentials and signatures.

use std::collections::HashSet;
use std::sync::LazyLock;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::payload::{ContentType, FORM};
use crate::reading::DedupKey;
use crate::registry;

/// Headers, in lower case, that hold a secret wherever they come from: of HTTP, of API gateways, and of proxies that log in
/// for what is behind them.
const CREDENTIALS: &[&str] = &[
    "api-key",
    "apikey",
    "auth-token",
    "authorization",
    "cf-access-client-secret",
    "cf-access-jwt-assertion",
    "cf-access-token",
    "cookie",
    "ocp-apim-subscription-key",
    "private-token",
    "proxy-authorization",
    "set-cookie",
    "x-access-token",
    "x-amz-security-token",
    "x-amzn-oidc-accesstoken",
    "x-amzn-oidc-data",
    "x-api-key",
    "x-api-secret",
    "x-api-token",
    "x-apikey",
    "x-app-secret",
    "x-auth",
    "x-auth-key",
    "x-auth-token",
    "x-authorization",
    "x-client-secret",
    "x-csrf-token",
    "x-forwarded-access-token",
    "x-functions-key",
    "x-gitlab-token",
    "x-goog-channel-token",
    "x-goog-iap-jwt-assertion",
    "x-hook-secret",
    "x-ms-token-aad-access-token",
    "x-ms-token-aad-id-token",
    "x-ms-token-aad-refresh-token",
    "x-password",
    "x-secret",
    "x-secret-key",
    "x-secret-token",
    "x-token",
    "x-vault-token",
    "x-webhook-secret",
    "x-webhook-token",
    "x-xsrf-token",
];

/// The headers above, and those that prove a webhook of one of the platforms.
static SECRET: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let proofs = registry::all().flat_map(|platform| platform.spec().proofs);
    CREDENTIALS.iter().chain(proofs).copied().collect()
});

/// Returns the headers by lower-case name without credentials and signatures; `signature` is the one that a recipe names.
pub fn forwarded(headers: &HeaderMap, signature: Option<&str>) -> Map<String, Value> {
    let is_public = |name: &&HeaderName| {
        let name = name.as_str();
        !signature.is_some_and(|signature| signature.eq_ignore_ascii_case(name)) && !SECRET.contains(name)
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

/// Tells whether a body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let sent = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).and_then(ContentType::from_header);
    sent.is_some_and(|sent| sent.as_str() == FORM)
}

/// Returns the spelling of a header that a webhook has, the first one where it has none.
pub(crate) fn present<const N: usize>(headers: &HeaderMap, spellings: [&'static str; N]) -> &'static str {
    spellings.into_iter().find(|name| header_text(headers, name).is_some()).unwrap_or(spellings[0])
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

    fn kept(pairs: &[(&'static str, &[u8])], signature: Option<&str>) -> Value {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        forwarded(&headers, signature).into()
    }

    #[test]
    fn credentials_and_signatures_stay_behind() {
        let pairs: [(&'static str, &[u8]); 14] = [
            ("content-type", b"application/json"),
            ("x-repeated", b"a"),
            ("x-repeated", b"b"),
            ("x-latin", b"\xfc"),
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
        let expected = json!({"content-type": "application/json", "x-repeated": "a, b", "x-latin": "\u{fffd}"});
        assert_eq!(kept(&pairs, Some("X-Proof")), expected);
    }

    #[test]
    fn the_proofs_of_every_platform_stay_behind_on_every_channel() {
        for platform in registry::all() {
            for name in platform.spec().proofs {
                assert_eq!(kept(&[(name, b"hush")], None), json!({}), "{name}");
            }
        }
    }

    #[test]
    fn a_name_that_only_sounds_like_a_secret_travels_on() {
        for name in [
            "x-event-key",
            "x-idempotency-key",
            "idempotency-key",
            "x-github-event",
            "x-signature-timestamp",
            "x-signature-version",
            "x-author",
            "x-authenticated-user",
            "x-hmac-algorithm",
            "x-token-count",
            "x-cookie-consent",
            "x-secretariat",
            "i-twilio-idempotency-token",
            "x-partition-key",
            "x-proof-of-delivery",
        ] {
            assert_eq!(kept(&[(name, b"v")], Some("x-proof")), json!({name: "v"}));
        }
    }
}
