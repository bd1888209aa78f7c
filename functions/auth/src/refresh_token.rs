//! Refresh tokens: how they are written and read, and what the use of one means.
//!
//! A token names its family (one login) and its generation in it, and carries a keyed hash of both that takes the key ring
//! to compute. So no token needs to be kept, the successor of a token is the same however often it is requested, and an
//! old token is recognised as one of ours when it comes back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use shared::rotation::{Rotation, Use};
use shared::seal::Keys;
use subtle::ConstantTimeEq as _;

use crate::store::token_family::TokenFamily;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) family: [u8; 16],
    pub(crate) generation: u32,
}

impl RefreshToken {
    /// Writes the token with the current key; `None` if the ring lacks it.
    pub(crate) fn write(self, keys: &Keys) -> Option<String> {
        let version = keys.current();
        let proof = self.proof(keys, version)?;
        Some(format!("{version}.{}.{}", URL_SAFE_NO_PAD.encode(self.name()), URL_SAFE_NO_PAD.encode(proof)))
    }

    /// Returns the version of the key that a token claims to be written with.
    pub(crate) fn key_version(token: &str) -> Option<&str> {
        token.rsplitn(3, '.').nth(2)
    }

    /// Reads a token; `None` if it is not one of ours.
    pub(crate) fn read(keys: &Keys, token: &str) -> Option<Self> {
        let mut parts = token.rsplitn(3, '.');
        let proof = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let name: [u8; 20] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let (family, generation) = name.split_first_chunk::<16>()?;
        let read = Self { family: *family, generation: u32::from_be_bytes(generation.try_into().ok()?) };
        let expected = read.proof(keys, parts.next()?)?;
        bool::from(expected.ct_eq(&proof)).then_some(read)
    }

    /// Returns the key of the family's record.
    pub(crate) fn hash(self) -> String {
        hex::encode(Sha256::digest(self.family))
    }

    fn name(self) -> Vec<u8> {
        [self.family.as_slice(), &self.generation.to_be_bytes()].concat()
    }

    /// The keyed hash: a key derived for this one token, which nobody else can derive.
    fn proof(self, keys: &Keys, version: &str) -> Option<[u8; 32]> {
        keys.derive(version, &format!("refresh token {}", hex::encode(self.name())))
    }
}

/// Decides what the use of a generation of a family means.
pub(crate) fn judge(family: &TokenFamily, generation: u32, now: Timestamp) -> Use {
    let TokenFamily { generation: valid, rotated_at_ms, expires_at, .. } = *family;
    match family.revoked {
        true => Use::Unknown,
        false => Rotation { generation: valid, rotated_at_ms, ends_at_s: expires_at }.judge(generation, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(current: &str) -> Keys {
        let json = format!(r#"{{"current": "{current}", "1": "first key material", "2": "second key material"}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn no_token_of_a_family_that_was_revoked_is_known() {
        let family = TokenFamily {
            token_hash: String::new(),
            client_id: String::new(),
            application_id: String::new(),
            tenant_id: shared::event::TenantId::new("t"),
            is_user: false,
            creation_timestamp: Timestamp::UNIX_EPOCH,
            secret_hash: String::new(),
            generation: 5,
            rotated_at_ms: 1_000_000,
            revoked: false,
            expires_at: 5_000,
        };
        assert_eq!(judge(&family, 5, Timestamp::UNIX_EPOCH), Use::Rotate);
        let revoked = TokenFamily { revoked: true, ..family };
        assert_eq!(judge(&revoked, 5, Timestamp::UNIX_EPOCH), Use::Unknown);
    }

    #[test]
    fn a_token_of_an_older_key_is_still_ours() {
        let token = RefreshToken { family: [7; 16], generation: 3 };
        let text = token.write(&keys("1")).unwrap();
        assert_eq!(RefreshToken::key_version(&text), Some("1"));
        assert_eq!(RefreshToken::read(&keys("2"), &text), Some(token));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(family: [u8; 16], generation: u32) {
            let token = RefreshToken { family, generation };
            prop_assert_eq!(RefreshToken::read(&keys("2"), &token.write(&keys("2")).unwrap()), Some(token));
        }

        #[test]
        fn a_changed_token_is_not_ours(family: [u8; 16], generation: u32, at in any::<prop::sample::Index>(), to in "[A-Za-z0-9._-]") {
            let text = RefreshToken { family, generation }.write(&keys("2")).unwrap();
            let at = at.index(text.len());
            let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
            prop_assume!(changed != text);
            prop_assert_eq!(RefreshToken::read(&keys("2"), &changed), None);
        }

        #[test]
        fn arbitrary_text_is_not_ours(text in "\\PC{0,60}") {
            prop_assert_eq!(RefreshToken::read(&keys("1"), &text), None);
        }
    }
}
