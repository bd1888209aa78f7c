//! The code of a function as clients send it: the text of a script, or a package as a zip archive in base64.

pub(crate) mod package;

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::code::package::unpack;
use crate::sandbox::Files;

/// The most bytes of a text or an archive. Lambda takes requests of 6 MB, which an archive in base64 has to fit into.
pub(crate) const LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// The largest body of a request that brings code along.
pub(crate) const BODY_LIMIT_BYTES: usize = 6_000_000;
/// How archives begin in base64: with a file, or empty.
const ARCHIVES: [&str; 2] = ["UEsDB", "UEsFB"];
/// How many characters of base64 tell an archive from a script: no name in one is that long.
const HEAD_CHARACTERS: usize = 28;
/// Takes archives with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the bytes of code are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Form {
    /// The text of a script.
    #[default]
    Text,
    /// A zip archive.
    Zip,
}

/// Code as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) form: Form,
    pub(crate) bytes: Bytes,
}

/// Code as it is run. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Runnable {
    Text(Arc<str>),
    Package(Arc<Files>),
}

impl Code {
    /// Reads what was sent, or says what is wrong with it.
    pub(crate) fn read(sent: String) -> Result<Self, String> {
        if sent.trim().is_empty() {
            return Err("`code` must not be empty".to_owned());
        }
        if is_archive(&sent) {
            return archive(&sent);
        }
        if sent.len() > LIMIT_BYTES {
            return Err(format!("`code` must have at most {LIMIT_BYTES} bytes"));
        }
        if sent.starts_with("PK\u{3}\u{4}") {
            return Err("`code` must be a script, or a zip archive in base64".to_owned());
        }
        match sent.contains('\0') {
            true => Err("`code` must not contain a NUL character".to_owned()),
            false => Ok(Self { form: Form::Text, bytes: sent.into() }),
        }
    }

    /// The code as clients send and get it.
    pub(crate) fn as_sent(&self) -> String {
        match self.form {
            Form::Text => String::from_utf8_lossy(&self.bytes).into_owned(),
            Form::Zip => general_purpose::STANDARD.encode(&self.bytes),
        }
    }

    /// The SHA-256 of the bytes, in hex.
    pub(crate) fn hash(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Unpacks the code, or says what is wrong with its archive.
    pub(crate) fn program(&self) -> Result<Runnable, String> {
        match self.form {
            Form::Text => Ok(Runnable::Text(String::from_utf8_lossy(&self.bytes).into())),
            Form::Zip => unpack(&self.bytes).map(|files| Runnable::Package(Arc::new(files))),
        }
    }
}

impl Runnable {
    /// The text and the files, of which one is empty, as a script has them.
    pub(crate) fn into_parts(self) -> (Arc<str>, Arc<Files>) {
        match self {
            Self::Text(text) => (text, Arc::default()),
            Self::Package(files) => ("".into(), files),
        }
    }

    /// How much memory it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Package(files) => files.iter().map(|(path, content)| path.len() + content.len()).sum(),
        }
    }
}

fn is_archive(sent: &str) -> bool {
    let sent = sent.trim_start();
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    ARCHIVES.iter().any(|archive| sent.starts_with(archive)) && sent.bytes().take(HEAD_CHARACTERS).all(is_base64)
}

fn archive(sent: &str) -> Result<Code, String> {
    let packed: Vec<u8> = sent.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if packed.len() > LIMIT_BYTES.div_ceil(3) * 4 {
        return Err(format!("`code` must be an archive of at most {LIMIT_BYTES} bytes"));
    }
    let bytes = BASE64.decode(packed).map_err(|error| format!("`code` is not valid base64: {error}"))?;
    match bytes.len() <= LIMIT_BYTES {
        true => Ok(Code { form: Form::Zip, bytes: bytes.into() }),
        false => Err(format!("`code` must be an archive of at most {LIMIT_BYTES} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_scripts() {
        let check = |sent: &str, expected: Result<Form, &str>| match (Code::read(sent.to_owned()), expected) {
            (Ok(code), Ok(form)) => {
                assert_eq!(code.form, form, "{sent}");
                assert_eq!(code.as_sent().trim_end_matches('='), sent.trim_end_matches('='));
            }
            (Err(message), Err(expected)) => assert!(message.contains(expected), "{message}"),
            (result, _) => panic!("{sent}: {result:?}"),
        };
        check("exports.main = () => 1", Ok(Form::Text));
        check("UEsDBA = 1; exports.main = () => UEsDBA", Ok(Form::Text));
        check("UEsDBBQAAAAIAAAAIQAAAAAAAAAAAAAAAAA", Ok(Form::Zip));
        check("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==", Ok(Form::Zip));
        check("UEsDBBQAAAAIAAAAIQAAAAAAAAAAA!", Err("base64"));
        check("", Err("empty"));
        check(" \n", Err("empty"));
        check("a\0", Err("NUL"));
        check("PK\u{3}\u{4}", Err("base64"));
        check(&"x".repeat(LIMIT_BYTES + 1), Err("at most"));
        check(&format!("UEsDB{}", "A".repeat(LIMIT_BYTES * 4 / 3 + 8)), Err("at most"));
    }

    #[test]
    fn line_breaks_in_base64_change_nothing() {
        let plain = Code::read("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==".to_owned()).unwrap();
        assert_eq!(Code::read("UEsFBgAAAAAAAAAAAAAAAAAAAAAA\n AA==\r\n".to_owned()).unwrap(), plain);
    }
}
