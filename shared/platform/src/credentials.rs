//! The secrets of a channel, which are never shown again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

const VALUE_LIMIT_BYTES: usize = 4096;
const COUNT_LIMIT: usize = 16;
/// What web pages put around a text and nobody sees: zero-width spaces and joiners, marks of direction and of byte order.
const INVISIBLE: [char; 7] = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}'];

/// Secrets by name, as the client gave them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(BTreeMap<String, String>);

impl Credentials {
    /// Reads an object of texts; a refusal never repeats what was in it.
    pub fn parse(value: Value) -> Result<Self, Error> {
        let Value::Object(fields) = value else {
            return Err(Error::field("credentials", "must be an object"));
        };
        if fields.len() > COUNT_LIMIT {
            return Err(Error::field("credentials", format!("must have at most {COUNT_LIMIT} fields")));
        }
        let text = |(name, value)| match value {
            Value::String(text) if text.len() <= VALUE_LIMIT_BYTES => match stray(&text) {
                Some(rule) => Err(Error::field(&format!("credentials.{name}"), rule)),
                None => Ok((name, text)),
            },
            _ => Err(Error::field(
                &format!("credentials.{name}"),
                format!("must be a string of at most {VALUE_LIMIT_BYTES} bytes"),
            )),
        };
        fields.into_iter().map(text).collect::<Result<_, _>>().map(Self)
    }

    /// Returns a secret that may be absent but not empty.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.0.get(name).map(String::as_str) {
            Some("") => Err(Error::field(&format!("credentials.{name}"), "must not be empty")),
            text => Ok(text),
        }
    }

    /// Returns the secrets.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// Returns a required secret.
    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.text(name)?.ok_or_else(|| Error::missing_field(&format!("credentials.{name}")))
    }

    /// Refuses unknown names, which are most often misspelt.
    pub(crate) fn only(&self, known: &[&'static str]) -> Result<(), Error> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Error::UnknownCredential { name: name.clone(), known: known.to_vec() }),
            None => Ok(()),
        }
    }
}

/// Tells what in a text is not part of any secret but came along when it was copied.
///
/// No platform issues a secret of several lines, and no request of a platform's can carry a control character.
fn stray(text: &str) -> Option<&'static str> {
    let is_blank = |character: char| character.is_whitespace() || INVISIBLE.contains(&character);
    if text.starts_with(is_blank) || text.ends_with(is_blank) {
        return Some("must not begin or end with white space");
    }
    text.contains(char::is_control).then_some("must not have control characters, such as line breaks")
}

/// Names only.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_refusal_and_no_debug_text_repeats_a_secret() {
        let check = |value: Value, field: &str| {
            let refusal = Credentials::parse(value).unwrap_err();
            assert!(
                refusal.to_string().contains(field) && !refusal.to_string().contains("hush"),
                "{}",
                refusal.to_string()
            );
        };
        check(json!("hush"), "`credentials`");
        check(json!({"secret": ["hush"]}), "`credentials.secret`");
        check(json!({"secret": "hush".repeat(2000)}), "`credentials.secret`");
        check(Value::Object((0..17).map(|n| (n.to_string(), json!("hush"))).collect()), "`credentials`");
        let credentials = Credentials::parse(json!({"secret": "hush"})).unwrap();
        assert_eq!(format!("{credentials:?}"), r#"{"secret"}"#);
        assert!(credentials.only(&["token"]).unwrap_err().to_string().contains("`credentials.secret` is unknown"));
    }

    #[test]
    fn what_came_along_when_a_secret_was_copied_is_refused_with_the_name_of_the_field() {
        for text in [
            "hush\n",
            "hush\r\n",
            "\nhush",
            " hush",
            "hush ",
            "\thush",
            "hush\u{a0}",
            "hush\u{200b}",
            "\u{feff}hush",
            "hu\nsh",
            "hu\0sh",
            "hu\u{7f}sh",
            "hush\u{85}",
            "\n",
        ] {
            let refusal = Credentials::parse(json!({"other": "x", "appSecret": text})).unwrap_err().to_string();
            assert!(refusal.contains("`credentials.appSecret` must not"), "{text:?}: {refusal}");
        }
        for text in ["a token of ours", "It's a Secret to Everybody", "d\u{e9}j\u{e0} vu", "+/=_-.:"] {
            assert!(Credentials::parse(json!({"appSecret": text})).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_there_and_not_empty() {
        let credentials = Credentials::parse(json!({"a": "x", "b": ""})).unwrap();
        assert_eq!(credentials.required("a"), Ok("x"));
        assert!(credentials.required("b").unwrap_err().to_string().contains("must not be empty"));
        assert!(credentials.required("c").unwrap_err().to_string().contains("`credentials.c` is required"));
        assert_eq!(credentials.text("c"), Ok(None));
    }
}
