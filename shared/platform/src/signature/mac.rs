//! Keyed hashes, and the text formats in which senders write them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// HMAC-SHA-1, for old senders.
    Sha1,
    /// HMAC-SHA-256.
    #[default]
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hex digits, all lower-case or all upper-case.
    #[default]
    Hex,
    /// Base64 with `+` and `/`, padded or not.
    Base64,
    /// Base64 with `-` and `_`, padded or not.
    Base64url,
}

/// A key of one of the algorithms.
pub(crate) enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

const ANY_LENGTH: &str = "HMAC accepts keys of any length";

impl Key {
    /// Builds the key of a secret.
    pub(crate) fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
            Algorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
            Algorithm::Sha512 => Self::Sha512(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
        }
    }

    /// Signs the parts as if they were one piece.
    pub(crate) fn sign<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        match self {
            Self::Sha1(mac) => parts.fold(mac.clone(), Hmac::chain_update).finalize().into_bytes().to_vec(),
            Self::Sha256(mac) => parts.fold(mac.clone(), Hmac::chain_update).finalize().into_bytes().to_vec(),
            Self::Sha512(mac) => parts.fold(mac.clone(), Hmac::chain_update).finalize().into_bytes().to_vec(),
        }
    }
}

impl Encoding {
    /// Tells, in constant time, whether a text is the written form of a signature.
    ///
    /// The texts are compared, not what a text decodes to, so that exactly one text (or one per case of hex) is right.
    pub(crate) fn is(self, signature: &[u8], text: &str) -> bool {
        match self {
            Self::Hex => {
                let expected = hex::encode(signature);
                equal(&expected, text) | equal(&expected.to_ascii_uppercase(), text)
            }
            Self::Base64 => equal(&STANDARD_NO_PAD.encode(signature), text.trim_end_matches('=')),
            Self::Base64url => equal(&URL_SAFE_NO_PAD.encode(signature), text.trim_end_matches('=')),
        }
    }
}

fn equal(expected: &str, text: &str) -> bool {
    expected.as_bytes().ct_eq(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_recognised_in_each_of_its_forms() {
        let check = |encoding: Encoding, text: &str, expected| {
            assert_eq!(encoding.is(&[0xfb, 0xef, 0xaa, 0x01], text), expected, "{text}");
        };
        check(Encoding::Hex, "fbefaa01", true);
        check(Encoding::Hex, "FBEFAA01", true);
        check(Encoding::Hex, "fbeFaa01", false);
        check(Encoding::Hex, "fbefaa0", false);
        check(Encoding::Hex, "", false);
        check(Encoding::Base64, "+++qAQ==", true);
        check(Encoding::Base64, "+++qAQ", true);
        check(Encoding::Base64, "---qAQ==", false);
        check(Encoding::Base64, "+++qAR==", false);
        check(Encoding::Base64url, "---qAQ", true);
        check(Encoding::Base64url, "---qAQ==", true);
        check(Encoding::Base64url, "+++qAQ==", false);
    }

    #[test]
    fn the_parts_are_signed_as_one_piece() {
        // RFC 4231 and RFC 2202, test case 2.
        let check = |algorithm, expected: &str| {
            let parts: [&[u8]; 3] = [b"what do ya want ", b"", b"for nothing?"];
            let signature = Key::new(algorithm, b"Jefe").sign(parts.into_iter());
            assert_eq!(hex::encode(signature), expected);
        };
        check(Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        check(Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        check(
            Algorithm::Sha512,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        );
    }
}
