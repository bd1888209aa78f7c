//! Requests that are signed as OAuth 1.0 has it: how they are read, and what their signature must be.
//!
//! Source: RFC 5849, sections 3.3 to 3.6, with HMAC-SHA1. The parameters of a query are read as the client library of
//! Extra Horizon reads them, for which RQL is parameters without values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha1::Sha1;

use crate::error::Refusal;

/// What a client that is refused may sign with.
const CHALLENGE: &str = r#"OAuth realm="hookyard""#;
/// What is not encoded beside letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How far the time of a request may be from ours, in seconds.
pub(super) const WINDOW_S: i64 = 300;
/// The longest parameter, and the most parameters of a header.
const PARAMETER_LIMIT_BYTES: usize = 512;
const PARAMETERS: usize = 20;

/// A signed request, whose signature has still to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    /// The client that signs.
    pub(super) consumer_key: String,
    /// The token with which it signs, unless it asks for one.
    pub(super) token: Option<String>,
    pub(super) timestamp_s: i64,
    pub(super) nonce: String,
    signature: Vec<u8>,
    /// Everything in the header that is signed.
    parameters: Vec<(String, String)>,
}

/// Tells whether the credentials of a request are a signature.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    let is_oauth = |value: &str| value.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("oauth"));
    headers.get_all(AUTHORIZATION).iter().any(|value| value.to_str().is_ok_and(is_oauth))
}

impl Signed {
    /// Reads the header of a signed request.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::no_token("the request needs one `Authorization: OAuth` header"));
        };
        let unreadable = || invalid_signature("the `Authorization: OAuth` header cannot be read");
        let (scheme, list) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(unreadable)?;
        if !scheme.eq_ignore_ascii_case("oauth") {
            return Err(Refusal::no_token("the request needs an `Authorization: OAuth` header"));
        }
        let mut parameters = parameters(list).ok_or_else(unreadable)?;
        let take = |name: &str| {
            let at = parameters.iter().position(|(known, _)| known == name);
            at.map(|at| parameters[at].1.clone()).filter(|value| !value.is_empty())
        };
        let missing = |name: &str| invalid_signature(format!("the `Authorization: OAuth` header has no `{name}`"));
        let required = |name: &str| take(name).ok_or_else(|| missing(name));
        let consumer_key = required("oauth_consumer_key")?;
        let (nonce, timestamp) = (required("oauth_nonce")?, required("oauth_timestamp")?);
        let (method, signature) = (required("oauth_signature_method")?, required("oauth_signature")?);
        let (token, version) = (take("oauth_token"), take("oauth_version"));
        if method != "HMAC-SHA1" || version.is_some_and(|version| version != "1.0") {
            return Err(invalid_signature("requests must be signed with HMAC-SHA1 of OAuth 1.0"));
        }
        let is_number = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let timestamp_s = timestamp.parse().ok().filter(|_| is_number);
        let timestamp_s = timestamp_s.ok_or_else(|| invalid_signature("`oauth_timestamp` must be in seconds"))?;
        let signature =
            STANDARD.decode(signature).map_err(|_| invalid_signature("`oauth_signature` must be base64"))?;
        parameters.retain(|(name, _)| name != "oauth_signature" && name != "realm");
        Ok(Self { consumer_key, token, timestamp_s, nonce, signature, parameters })
    }

    /// Tells whether a request for a URL, as the client has called it, was signed with these secrets.
    pub(super) fn is_signed_with(&self, method: &Method, url: &str, consumer_secret: &str, token_secret: &str) -> bool {
        let key = format!("{}&{}", encode(consumer_secret), encode(token_secret));
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key.as_bytes()) else { return false };
        mac.update(self.base(method, url).as_bytes());
        // Compares in constant time.
        mac.verify_slice(&self.signature).is_ok()
    }

    /// The text that is signed.
    fn base(&self, method: &Method, url: &str) -> String {
        let (url, query) = url.split_once('?').unwrap_or((url, ""));
        let parameters = self.parameters.iter().map(|(name, value)| (encode(name), encode(value)));
        let mut parameters: Vec<_> = parameters.chain(query_parameters(query)).collect();
        parameters.sort_unstable();
        let pairs: Vec<String> = parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}&{}&{}", method.as_str().to_ascii_uppercase(), encode(&base_url(url)), encode(&pairs.join("&")))
    }
}

/// Names are lower-case, and a port that the scheme implies is not named.
fn base_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (scheme, at) = (scheme.to_ascii_lowercase(), rest.find('/').unwrap_or(rest.len()));
    let (host, path) = rest.split_at(at);
    let host = host.to_ascii_lowercase();
    let implied = if scheme == "http" { ":80" } else { ":443" };
    let host = host.strip_suffix(implied).unwrap_or(&host);
    format!("{scheme}://{host}{}", if path.is_empty() { "/" } else { path })
}

/// Splits `name="value", …`; `None` if it is anything else, or names something twice.
fn parameters(list: &str) -> Option<Vec<(String, String)>> {
    let mut read: Vec<(String, String)> = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, value) = item.split_once('=')?;
        let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        let (name, value) = (decode(name.trim())?, decode(value)?);
        let is_twice = read.iter().any(|(known, _)| *known == name);
        if is_twice || read.len() == PARAMETERS || value.len() > PARAMETER_LIMIT_BYTES {
            return None;
        }
        read.push((name, value));
    }
    Some(read)
}

/// The parameters of a query, decoded once and encoded again.
fn query_parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    let parts = query.split('&').map(|part| part.split_once('=').unwrap_or((part, "")));
    let parts = parts.filter(|(name, _)| !name.is_empty());
    parts.map(|(name, value)| (encode(&decode(name)), encode(&decode(value))))
}

/// Decodes a name or a value of a query; one that is not encoded text throughout is left as it is.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let escapes = || text.split('%').skip(1).map(|rest| rest.as_bytes().get(..2));
    let is_encoded = escapes().all(|hex| hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)));
    let decoded = is_encoded.then(|| percent_decode_str(&text).decode_utf8().ok()).flatten();
    decoded.map_or_else(|| text.clone(), |decoded| decoded.into_owned())
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn refused(code: u32, name: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, code, name, message).challenging(CHALLENGE)
}

/// The consumer key is no client's: 401, code 107.
pub(super) fn unknown_consumer() -> Refusal {
    refused(107, "OAUTH_KEY_EXCEPTION", "the consumer key is unknown")
}

/// The token is unknown or was deleted: 401, code 108.
pub(super) fn unknown_token() -> Refusal {
    refused(108, "OAUTH_TOKEN_EXCEPTION", "the token is unknown or no longer valid")
}

/// The signature is not the one that it has to be: 401, code 109.
pub(super) fn invalid_signature(message: impl Into<String>) -> Refusal {
    refused(109, "OAUTH_SIGNATURE_EXCEPTION", message)
}

/// The request came before: 401, code 110.
pub(super) fn duplicate() -> Refusal {
    refused(110, "DUPLICATE_REQUEST_EXCEPTION", "the nonce of the request was used before")
}

#[cfg(test)]
mod tests;
