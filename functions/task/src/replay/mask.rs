//! Masks secrets in what is shown of a journal and of a replay.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;
use shared::json;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::store::function::MASK;

/// Shorter values are no secrets, and would be found everywhere.
const MIN_BYTES: usize = 6;
/// What the names of headers, parameters and fields contain whose values are secret.
const NAMES: [&str; 10] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "apikey",
    "password",
    "signature",
    "credential",
    "accesskey",
    "privatekey",
];

/// How an access token begins: with `{"` in base64.
const TOKEN_START: &str = "eyJ";
/// Its header, its claims and its signature, which have dots between them.
const TOKEN_PARTS: usize = 3;

/// What is masked.
#[derive(Debug)]
pub(crate) enum Mask {
    /// These values.
    Values(Vec<String>),
    /// Everything, as it is not known any more what is secret.
    Everything,
}

impl Mask {
    /// Masks the values of environment variables, as they are, in base64 and in a URL.
    pub(crate) fn new(variables: &BTreeMap<String, String>) -> Self {
        let forms =
            |value: &String| [value.clone(), byte_serialize(value.as_bytes()).collect(), STANDARD_NO_PAD.encode(value)];
        let mut values: Vec<String> =
            variables.values().filter(|value| value.len() >= MIN_BYTES).flat_map(forms).collect();
        // A value within another one must not keep that from being found.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self::Values(values)
    }

    /// Masks a text.
    pub(crate) fn text(&self, text: &str) -> String {
        match self {
            Self::Everything => MASK.to_owned(),
            Self::Values(values) => {
                let masks =
                    |text: String, value: &String| if text.contains(value) { text.replace(value, MASK) } else { text };
                without_tokens(&values.iter().fold(text.to_owned(), masks))
            }
        }
    }

    /// Masks the texts in a value.
    pub(crate) fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(values) => values.iter().map(|value| self.json(value)).collect(),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (self.text(name), self.json(value))).collect())
            }
            other => other.clone(),
        }
    }

    /// Masks the value of a header.
    pub(crate) fn header(&self, name: &str, value: &str) -> String {
        if is_secret(name) { MASK.to_owned() } else { self.text(value) }
    }

    /// Masks a URL, with the parameters whose names say that they are secret.
    pub(crate) fn url(&self, url: &str) -> String {
        let Ok(mut parsed) = Url::parse(url) else { return self.text(url) };
        if parsed.query_pairs().any(|(name, _)| is_secret(&name)) {
            let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
            let masked = pairs.iter().map(|(name, value)| (name, if is_secret(name) { MASK } else { value }));
            parsed.query_pairs_mut().clear().extend_pairs(masked);
        }
        self.text(parsed.as_str())
    }

    /// Masks a body, with the fields whose names say that they are secret if it is JSON.
    pub(crate) fn body(&self, body: &str) -> String {
        let json = json::foreign(body.as_bytes()).ok();
        match json.map(|mut json| (mask_fields(&mut json), json)) {
            Some((true, json)) => self.text(&json.to_string()),
            _ => self.text(body),
        }
    }
}

/// Masks the access tokens in a text: a script may have had one, which is kept nowhere.
fn without_tokens(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(TOKEN_START) {
        let (before, found) = rest.split_at(at);
        let length = found.find(|character| !is_part(character) && character != '.').unwrap_or(found.len());
        let (word, after) = found.split_at(length);
        masked.push_str(before);
        masked.push_str(if word.split('.').filter(|part| !part.is_empty()).count() >= TOKEN_PARTS {
            MASK
        } else {
            word
        });
        rest = after;
    }
    masked + rest
}

/// Masks the texts in fields with secret names; returns whether there were any.
fn mask_fields(value: &mut Value) -> bool {
    match value {
        Value::Array(values) => values.iter_mut().map(mask_fields).filter(|masked| *masked).count() > 0,
        Value::Object(fields) => fields.iter_mut().map(mask_field).filter(|masked| *masked).count() > 0,
        _ => false,
    }
}

fn mask_field((name, value): (&String, &mut Value)) -> bool {
    if value.is_string() && is_secret(name) {
        *value = MASK.into();
        return true;
    }
    mask_fields(value)
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    plain == "sig" || plain == "key" || NAMES.iter().any(|secret| plain.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_every_form() {
        let variables = [("KEY", "s3cret/öne"), ("LONG", "s3cret/öne+more"), ("ON", "true"), ("NONE", "")];
        let mask = Mask::new(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let check = |text: &str, expected: &str| assert_eq!(mask.text(text), expected, "{text}");
        check("a s3cret/öne b true", "a ***** b true");
        check("s3cret/öne+more", "*****");
        check("x=s3cret%2F%C3%B6ne", "x=*****");
        check(&format!("Basic {}", STANDARD_NO_PAD.encode("s3cret/öne")), "Basic *****");
        let json = serde_json::json!({"a": ["s3cret/öne", 5, {"s3cret/öne": true}]});
        assert_eq!(mask.json(&json), serde_json::json!({"a": ["*****", 5, {"*****": true}]}));
    }

    #[test]
    fn access_tokens_are_masked_wherever_they_are() {
        let mask = Mask::new(&BTreeMap::new());
        let check = |text: &str, expected: &str| assert_eq!(mask.text(text), expected, "{text}");
        check("a eyJhbGci.eyJpc3M-_.c2ln, b", "a *****, b");
        check(r#"{"t":"eyJa.eyJb.c","u":"eyJa.eyJb.d"}"#, r#"{"t":"*****","u":"*****"}"#);
        for text in ["eyJ", "eyJhbGci", "eyJhbGci.eyJpc3M.", "ö eyJa eyJb.c"] {
            check(text, text);
        }
    }

    #[test]
    fn what_is_named_a_secret_is_masked() {
        let mask = Mask::new(&BTreeMap::new());
        for name in ["Authorization", "set-cookie", "X-Api-Key", "x-auth-token", "x-hub-signature-256"] {
            assert_eq!(mask.header(name, "v"), "*****", "{name}");
        }
        assert_eq!(mask.header("content-type", "v"), "v");
        let check = |url: &str, expected: &str| assert_eq!(mask.url(url), expected);
        check("http://a/b?x=1&access_token=2", "http://a/b?x=1&access_token=*****");
        check("http://a/b?x=1%202", "http://a/b?x=1%202");
        check("nonsense", "nonsense");
        assert_eq!(
            mask.body(r#"{"access_token": "a", "n": [{"password": "b"}]}"#),
            r#"{"access_token":"*****","n":[{"password":"*****"}]}"#
        );
        assert_eq!(mask.body(r#"{"n":  1}"#), r#"{"n":  1}"#);
    }
}
