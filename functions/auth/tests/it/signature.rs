//! Signs requests as the client library of Extra Horizon does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::Request;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha1::Sha1;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Where the client reaches the API.
pub(crate) const HOST: &str = "hooks.example.com";

/// Who signs, when, and for which host.
#[derive(Clone)]
pub(crate) struct Signature {
    pub(crate) consumer: (String, String),
    pub(crate) token: Option<(String, String)>,
    pub(crate) timestamp_s: i64,
    pub(crate) nonce: String,
    pub(crate) base: String,
}

impl Signature {
    pub(crate) fn new(consumer: &(String, String), nonce: &str) -> Self {
        let (consumer, nonce, base) = (consumer.clone(), nonce.to_owned(), format!("https://{HOST}"));
        Self { consumer, token: None, timestamp_s: 1_767_323_045, nonce, base }
    }

    pub(crate) fn token(self, answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { token: Some((text("token"), text("tokenSecret"))), ..self }
    }

    /// Returns the value of the Authorization header.
    pub(crate) fn header(&self, method: &str, path_and_query: &str) -> String {
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut parameters = vec![
            ("oauth_consumer_key".to_owned(), self.consumer.0.clone()),
            ("oauth_nonce".to_owned(), self.nonce.clone()),
            ("oauth_signature_method".to_owned(), "HMAC-SHA1".to_owned()),
            ("oauth_timestamp".to_owned(), self.timestamp_s.to_string()),
            ("oauth_version".to_owned(), "1.0".to_owned()),
        ];
        parameters.extend(self.token.iter().map(|(token, _)| ("oauth_token".to_owned(), token.clone())));
        let of_query = form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(name, _)| !name.is_empty());
        let signed = parameters.iter().cloned().chain(of_query);
        let mut signed: Vec<(String, String)> = signed.map(|(name, value)| (encode(&name), encode(&value))).collect();
        signed.sort();
        let signed: Vec<String> = signed.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let base = format!("{method}&{}&{}", encode(&format!("{}{path}", self.base)), encode(&signed.join("&")));
        let token_secret = self.token.as_ref().map_or("", |(_, secret)| secret);
        let key = format!("{}&{}", encode(&self.consumer.1), encode(token_secret));
        let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(base.as_bytes());
        parameters.push(("oauth_signature".to_owned(), STANDARD.encode(mac.finalize().into_bytes())));
        let list: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{}=\"{}\"", encode(name), encode(value))).collect();
        format!("OAuth {}", list.join(", "))
    }

    /// Returns a signed request.
    pub(crate) fn request(&self, method: &str, path_and_query: &str) -> Request {
        let header = self.header(method, path_and_query);
        Request::new(method, path_and_query).header("host", HOST).header("authorization", &header)
    }
}
