//! What a `content-type` says about a body.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use serde_json::Value;

/// The syntax of a body, as far as anybody here writes or escapes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// JSON, and the types that are made of it, such as `application/problem+json` or `application/x-ndjson`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data` and its like.
    Multipart,
    /// XML and HTML, and the types that are made of them, such as `application/soap+xml`.
    Markup,
    /// Anything else.
    Other,
}

impl Media {
    /// Returns the syntax that a `content-type` names, whatever its parameters.
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.split_once('/') {
            Some(("application", "x-www-form-urlencoded")) => Self::Form,
            Some(("multipart", _)) => Self::Multipart,
            Some((_, subtype)) if subtype.contains("json") => Self::Json,
            Some((_, "html")) => Self::Markup,
            Some((_, subtype)) if subtype == "xml" || subtype.ends_with("+xml") => Self::Markup,
            _ => Self::Other,
        }
    }

    /// Says which rule a value breaks from which a body of this syntax is to be made.
    #[must_use]
    pub fn broken_by(self, value: &Value) -> Option<&'static str> {
        match self {
            Self::Json | Self::Other => None,
            Self::Form => (!value.is_object()).then_some("must be an object or a text to be sent as a form"),
            Self::Multipart | Self::Markup => Some(
                "must be a text for this content type: only JSON and application/x-www-form-urlencoded are made of values",
            ),
        }
    }
}

/// Decodes a text by its byte order mark, by the `charset` of its `content-type`, or else as UTF-8.
///
/// What cannot be decoded becomes the replacement character.
#[must_use]
pub fn text<'b>(content_type: &str, body: &'b [u8]) -> Cow<'b, str> {
    encoding(content_type).decode(body).0
}

/// Decodes a text as [`text`] does; `None` if something in it cannot be decoded.
#[must_use]
pub fn readable<'b>(content_type: &str, body: &'b [u8]) -> Option<Cow<'b, str>> {
    let (text, _, has_errors) = encoding(content_type).decode(body);
    (!has_errors).then_some(text)
}

/// Encodes a text by the `charset` of its `content-type`, or else as UTF-8; `None` if something in it cannot be encoded.
#[must_use]
pub fn encoded(content_type: &str, text: &str) -> Option<Vec<u8>> {
    let encoding = encoding(content_type);
    let (bytes, written_as, has_errors) = encoding.encode(text);
    // What is written as another encoding than it says, such as UTF-16, would not be read.
    (!has_errors && written_as == encoding).then(|| bytes.into_owned())
}

fn encoding(content_type: &str) -> &'static Encoding {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let label = charset.map(|(_, label)| label.trim().trim_matches(['"', '\'']));
    label.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syntax_is_in_the_name_and_not_in_the_parameters() {
        let check = |content_type: &str, expected| assert_eq!(Media::of(content_type), expected, "{content_type}");
        check("application/json", Media::Json);
        check(" Application/JSON ; charset=utf-8", Media::Json);
        check("application/vnd.api+json", Media::Json);
        check("application/x-ndjson", Media::Json);
        check("application/x-www-form-urlencoded;charset=UTF-8", Media::Form);
        check("multipart/form-data; boundary=json", Media::Multipart);
        check("text/xml", Media::Markup);
        check("application/soap+xml", Media::Markup);
        check("text/html", Media::Markup);
        check("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Media::Other);
        check("text/plain; x=application/json", Media::Other);
        check("json", Media::Other);
        check("", Media::Other);
    }

    #[test]
    fn a_text_is_decoded_by_its_mark_its_charset_or_as_utf_8() {
        let check = |content_type: &str, body: &[u8], expected: &str| {
            assert_eq!(text(content_type, body), expected, "{content_type} {body:x?}");
        };
        check("text/plain", "é".as_bytes(), "é");
        check("text/plain; charset=windows-1252", b"\x80 \xe9", "€ é");
        check("text/plain;CHARSET=\"ISO-8859-1\"", b"\xe9", "é");
        check("text/plain; format=flowed; charset=shift_jis", b"\x83\x65", "テ");
        check("application/json", b"\xef\xbb\xbf{}", "{}");
        check("application/json; charset=windows-1252", b"\xef\xbb\xbf\xc3\xa9", "é");
        check("application/json; charset=utf-16le", b"{\0}\0", "{}");
        check("", b"\xff\xfe{\0}\0", "{}");
        check("text/plain; charset=nothing", "é".as_bytes(), "é");
        check("text/plain; charset", b"\xe9", "\u{fffd}");
        assert_eq!(readable("text/plain; charset", b"\xe9"), None);
        assert_eq!(readable("text/plain; charset=latin1", b"\xe9").as_deref(), Some("é"));
        assert_eq!(encoded("text/xml; charset=ISO-8859-1", "é").as_deref(), Some(&b"\xe9"[..]));
        assert_eq!(encoded("text/xml", "é").as_deref(), Some("é".as_bytes()));
        assert_eq!((encoded("text/xml; charset=latin1", "テ"), encoded("text/xml; charset=utf-16", "a")), (None, None));
    }
}
