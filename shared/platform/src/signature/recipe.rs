//! The recipe of an HMAC scheme: which headers, which hash, and what exactly is signed.

use crate::error::{Error, Unverified};
use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::mac::Key;
pub use super::mac::{Algorithm, Encoding};
use super::{Delivery, Verifier};

/// How far a timestamp may be from now unless the recipe says otherwise, in seconds.
pub(crate) const DEFAULT_TOLERANCE_S: u32 = 300;
const TOLERANCE_LIMIT_S: u32 = 86_400;
const TEXT_LIMIT_BYTES: usize = 256;
/// No time is longer in any notation.
const TIME_LIMIT_BYTES: usize = 40;

/// How a sender signs its webhooks with a shared secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// The header with the signature, or with several separated by spaces or commas.
    pub header: String,
    /// The prefix of each signature, such as `sha256=`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The hash of the HMAC.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What is signed: text with `{timestamp}`, `{id}` and `{body}`, where `{body}` is the raw bytes; a brace is doubled.
    #[serde(default = "body_alone")]
    pub signed_string: String,
    /// The header with the time of the webhook, in seconds or milliseconds since 1970, in RFC 3339 or as an HTTP date; needs
    /// `{timestamp}` in the signed string, which stands for the text of the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<String>,
    /// The header with the id of the delivery, by which repeated deliveries are recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_header: Option<String>,
    /// How far the timestamp may be from now in either direction, in seconds; 300 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86_400)]
    pub tolerance_seconds: Option<u32>,
    /// How the secret among the credentials is written.
    #[serde(default)]
    pub secret_encoding: SecretEncoding,
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretEncoding {
    /// Its characters are the key.
    #[default]
    Utf8,
    /// Base64 of the key.
    Base64,
    /// Hex digits of the key.
    Hex,
}

/// A recipe that has been checked.
#[derive(Debug, Clone)]
pub struct Scheme {
    recipe: Recipe,
    signed: Vec<Piece>,
    tolerance_s: u32,
}

/// A piece of the signed string.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Timestamp,
    Id,
    Body,
}

fn body_alone() -> String {
    "{body}".to_owned()
}

impl Recipe {
    /// Returns the recipe that signs the body alone with HMAC-SHA-256 in hex.
    pub(crate) fn new(header: &str, prefix: &str) -> Self {
        Self {
            header: header.to_owned(),
            prefix: prefix.to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            signed_string: body_alone(),
            timestamp_header: None,
            id_header: None,
            tolerance_seconds: None,
            secret_encoding: SecretEncoding::Utf8,
        }
    }

    /// Checks that the recipe can work and that it protects the body; an error names the field and the rule.
    pub fn scheme(&self) -> Result<Scheme, Error> {
        let signed = pieces(&self.signed_string)?;
        self.check_signed(&signed)?;
        if self.prefix.len() > TEXT_LIMIT_BYTES || !self.prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::field("recipe.prefix", "must be at most 256 printable ASCII characters, no spaces"));
        }
        let tolerance_s = self.tolerance_seconds.unwrap_or(DEFAULT_TOLERANCE_S);
        if !(1..=TOLERANCE_LIMIT_S).contains(&tolerance_s) {
            return Err(Error::field("recipe.toleranceSeconds", "must be from 1 to 86400"));
        }
        if self.tolerance_seconds.is_some() && self.timestamp_header.is_none() {
            return Err(Error::field("recipe.toleranceSeconds", "needs a `timestampHeader`"));
        }
        let names = [
            ("recipe.header", Some(&self.header)),
            ("recipe.timestampHeader", self.timestamp_header.as_ref()),
            ("recipe.idHeader", self.id_header.as_ref()),
        ];
        for (field, name) in names {
            let is_name =
                |name: &String| name.len() <= TEXT_LIMIT_BYTES && HeaderName::from_bytes(name.as_bytes()).is_ok();
            if !name.is_none_or(is_name) {
                return Err(Error::field(field, "must be the name of a header"));
            }
        }
        Ok(Scheme { recipe: self.clone(), signed, tolerance_s })
    }

    /// Every placeholder needs its header, and neither the body nor a timestamp may go unsigned.
    fn check_signed(&self, signed: &[Piece]) -> Result<(), Error> {
        let refuse = |rule: &str| Err(Error::field("recipe.signedString", rule));
        let uses = |piece: Piece| signed.contains(&piece);
        if !uses(Piece::Body) {
            return refuse("must contain `{body}`, or anybody could change the body");
        }
        match (uses(Piece::Timestamp), &self.timestamp_header) {
            (true, None) => return refuse("contains `{timestamp}`, which needs a `timestampHeader`"),
            (false, Some(_)) => return refuse("must contain `{timestamp}`, or anybody could change the timestamp"),
            _ => {}
        }
        if uses(Piece::Id) && self.id_header.is_none() {
            return refuse("contains `{id}`, which needs an `idHeader`");
        }
        Ok(())
    }
}

impl SecretEncoding {
    /// Decodes a secret into a key.
    pub(crate) fn key(self, secret: &str) -> Result<Vec<u8>, Error> {
        let refuse = |rule| Error::field("credentials.secret", rule);
        let key = match self {
            Self::Utf8 => secret.as_bytes().to_vec(),
            Self::Hex => hex::decode(secret).map_err(|_| refuse("must be hex digits"))?,
            Self::Base64 => decode_base64(secret).ok_or_else(|| refuse("must be base64"))?,
        };
        if key.is_empty() { Err(refuse("must not be empty")) } else { Ok(key) }
    }
}

/// Decodes base64 of either alphabet, padded or not.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

    let text = text.trim_end_matches('=');
    STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}

impl Scheme {
    /// Returns what checks deliveries with a key.
    pub(crate) fn verifier(self, key: &[u8]) -> Verifier {
        let key = Key::new(self.recipe.algorithm, key);
        Box::new(move |delivery| self.verify(&key, delivery))
    }

    fn verify(&self, key: &Key, delivery: &Delivery<'_>) -> Result<(), Unverified> {
        let Recipe { header, prefix, timestamp_header, id_header, encoding, .. } = &self.recipe;
        let mut candidates = delivery.signatures(header, prefix)?.peekable();
        let timestamp = match timestamp_header {
            Some(name) => delivery.fresh_timestamp(name, self.tolerance_s)?,
            None => &[],
        };
        let id = match id_header {
            Some(name) if self.signed.contains(&Piece::Id) => delivery.header(name)?,
            _ => &[],
        };
        if candidates.peek().is_none() {
            return Err(Unverified::Mismatch);
        }
        let parts = self.signed.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Timestamp => timestamp,
            Piece::Id => id,
            Piece::Body => delivery.body,
        });
        let parts: Vec<&[u8]> = parts.collect();
        if self.has_longer_timestamp(delivery, &parts) {
            return Err(Unverified::Mismatch);
        }
        let signature = key.sign(parts.into_iter());
        Unverified::unless(candidates.fold(false, |found, candidate| found | encoding.is(&signature, candidate)))
    }
}

impl Scheme {
    /// Tells whether the timestamp may have been cut off: what follows it in the signed string continues it.
    ///
    /// A signature does not say where the timestamp ends. Where two ends are possible, somebody who has seen a delivery could
    /// move the beginning of the body, or of the id, into the timestamp or out of it.
    fn has_longer_timestamp(&self, delivery: &Delivery<'_>, parts: &[&[u8]]) -> bool {
        let Some(at) = self.signed.iter().position(|piece| *piece == Piece::Timestamp) else {
            return false;
        };
        let (timestamp, after) = (parts[at], &parts[at + 1..]);
        let separator = match self.signed.get(at + 1) {
            Some(Piece::Text(text)) => text.as_bytes(),
            _ => &[],
        };
        let limit = TIME_LIMIT_BYTES + separator.len();
        let after: Vec<u8> = after.iter().copied().flatten().copied().take(limit).collect();
        let is_of_time = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.,: ".contains(byte);
        let longest = after.iter().take_while(is_of_time).count().min(TIME_LIMIT_BYTES);
        (1..=longest).any(|end| {
            let longer = [timestamp, &after[..end]].concat();
            after[end..].starts_with(separator) && delivery.fresh("", &longer, self.tolerance_s).is_ok()
        })
    }
}

/// Reads the signed string; `{{` and `}}` stand for braces.
fn pieces(template: &str) -> Result<Vec<Piece>, Error> {
    let refuse = |rule: String| Error::field("recipe.signedString", rule);
    if template.len() > TEXT_LIMIT_BYTES {
        return Err(refuse(format!("must have at most {TEXT_LIMIT_BYTES} bytes")));
    }
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            text.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let placeholder = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (name, after) = placeholder.ok_or_else(|| refuse("has a brace without its partner".to_owned()))?;
        let piece = match name {
            "timestamp" => Piece::Timestamp,
            "id" => Piece::Id,
            "body" => Piece::Body,
            _ => return Err(refuse(format!("can contain `{{timestamp}}`, `{{id}}` and `{{body}}`, not `{{{name}}}`"))),
        };
        pieces.extend((!text.is_empty()).then(|| Piece::Text(std::mem::take(&mut text))));
        pieces.push(piece);
        rest = after;
    }
    text.push_str(rest);
    pieces.extend((!text.is_empty()).then_some(Piece::Text(text)));
    Ok(pieces)
}

#[cfg(test)]
mod tests;
