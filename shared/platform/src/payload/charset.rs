//! The charset of a body: by its byte order mark, as declared, or else UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use crate::error::Error;

/// The longest name of a charset that is repeated, in characters.
const LABEL_LIMIT: usize = 40;
/// How far into a document its XML declaration may go.
const XML_DECLARATION_LIMIT_BYTES: usize = 256;

/// The charset that a request declares, if it declares one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charset(Option<&'static Encoding>);

impl Charset {
    /// Reads the `charset` of a `Content-Type`; refuses one that is not known.
    pub fn declared(content_type: &[u8]) -> Result<Self, Error> {
        let Some(label) = std::str::from_utf8(content_type).ok().and_then(parameter) else {
            return Ok(Self(None));
        };
        let unknown = || Error::Charset(label.chars().take(LABEL_LIMIT).collect());
        Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(unknown).map(|found| Self(Some(found)))
    }

    /// Returns the charset that was declared, or else the one of this name, or else UTF-8.
    pub(super) fn or_named(self, label: Option<&[u8]>) -> &'static Encoding {
        self.0.or_else(|| Encoding::for_label_no_replacement(label?)).unwrap_or(UTF_8)
    }

    /// Returns the charset of a body and where its text begins: a byte order mark counts more than what is declared.
    pub(super) fn of<'a>(self, body: &'a [u8], label: Option<&[u8]>) -> (&'static Encoding, &'a [u8]) {
        match Encoding::for_bom(body) {
            Some((encoding, mark_bytes)) if body.len() > mark_bytes => (encoding, &body[mark_bytes..]),
            _ => (self.or_named(label), body),
        }
    }
}

/// Decodes text; what the charset does not have is refused.
pub(super) fn text<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Result<Cow<'a, str>, Error> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.ok_or_else(|| Error::Body(format!("the body is not valid {}", encoding.name())))
}

/// Returns the encoding that an XML declaration names.
pub(super) fn of_xml(document: &[u8]) -> Option<&[u8]> {
    let document = document.strip_prefix(b"<?xml")?;
    let document = &document[..document.len().min(XML_DECLARATION_LIMIT_BYTES)];
    let declaration = std::str::from_utf8(document.split(|byte| *byte == b'?').next()?).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next().map(str::as_bytes)
}

/// Returns the parameter `charset` of a content type, without its quotes.
fn parameter(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    let value = value.trim().trim_matches(['"', '\'']).trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_charset_is_a_parameter_of_the_content_type() {
        let check = |content_type: &str, expected: Option<&str>| {
            let charset = Charset::declared(content_type.as_bytes()).unwrap();
            assert_eq!(charset.0.map(Encoding::name), expected, "{content_type}");
        };
        check("text/plain", None);
        check("text/plain; charset=", None);
        check("text/plain; charset=utf-8", Some("UTF-8"));
        check("text/plain;CHARSET=\"Windows-1252\"", Some("windows-1252"));
        check("text/plain; boundary=x; charset = 'latin1' ", Some("windows-1252"));
        check("text/plain; charset=Shift_JIS; a=b", Some("Shift_JIS"));
        check("text/plain; xcharset=utf-16", None);
        for unknown in ["text/plain; charset=utf-7", "text/plain; charset=iso-2022-kr", "text/plain; charset=x"] {
            let refusal = Charset::declared(unknown.as_bytes()).unwrap_err().to_string();
            assert!(refusal.contains("charset"), "{refusal}");
        }
    }

    #[test]
    fn an_xml_document_names_its_encoding() {
        let check = |document: &str, expected: Option<&str>| {
            assert_eq!(of_xml(document.as_bytes()), expected.map(str::as_bytes), "{document}");
        };
        check("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>", Some("ISO-8859-1"));
        check("<?xml version='1.0' encoding = 'utf-8' standalone='yes'?>", Some("utf-8"));
        check("<?xml version='1.0'?><a encoding='x'/>", None);
        check("<a encoding='x'/>", None);
        check("<?xml encoding=x?>", None);
        check("<?xml encoding", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_header_and_any_document_are_read(header in ".{0,40}", document in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Charset::declared(format!("a/b;{header}").as_bytes());
            let _ = of_xml(&[b"<?xml".as_slice(), &document].concat());
        }
    }
}
