//! The key ring, and values sealed (encrypted and bound to their record) with it.

pub(crate) mod pack;
mod reseal;

pub use reseal::{Resealed, SealedAttribute, reseal};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::aws::Aws;
use crate::clock::Ids;
use crate::error::Error;
use crate::secret::Secret;

/// The longest version of a key, so that it is known beforehand how long a sealed value becomes.
const VERSION_LIMIT_BYTES: usize = 64;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The versions of the master key, read from Secrets Manager when first needed.
///
/// The secret is `{"current": "<version>", "<version>": "<key material>", …}`. Rotation adds a version and makes it the
/// current one; old versions stay as long as anything is sealed with them.
#[derive(Clone, Debug)]
pub struct KeyRing(Secret<Keys>);

/// The keys of a ring as they were when read.
#[derive(Deserialize)]
#[serde(from = "Texts")]
pub struct Keys {
    current: String,
    /// Each is extracted once, which takes more time than to expand it for a record.
    versions: BTreeMap<String, Hkdf<Sha256>>,
}

/// The secret of a ring.
#[derive(Deserialize)]
struct Texts {
    current: String,
    #[serde(flatten)]
    versions: BTreeMap<String, String>,
}

impl From<Texts> for Keys {
    fn from(Texts { current, versions }: Texts) -> Self {
        let extracted = |(version, material): (String, String)| (version, Hkdf::new(None, material.as_bytes()));
        Self { current, versions: versions.into_iter().map(extracted).collect() }
    }
}

impl KeyRing {
    /// Returns the ring that the secret with this name or ARN holds.
    pub fn new(aws: &Aws, secret_id: &str) -> Self {
        Self(Secret::new(aws, secret_id, Keys::parse))
    }

    /// Returns the keys, at most five minutes old.
    pub async fn keys(&self) -> Result<Arc<Keys>, Error> {
        self.0.get().await
    }

    /// Returns the keys with this version among them if there is one at all.
    pub async fn keys_with(&self, version: &str) -> Result<Arc<Keys>, Error> {
        self.0.get_if(|keys| keys.versions.contains_key(version)).await
    }
}

impl Keys {
    /// Reads the text of the secret.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // The text of a serde error can quote the input, so that it must not become a cause here.
        let keys: Self = serde_json::from_str(text)
            .map_err(|_| Error::new("read the key ring", "it is not the JSON object that it has to be"))?;
        if keys.current.len() > VERSION_LIMIT_BYTES || keys.current.contains('.') {
            let rule = format!("a version is named by at most {VERSION_LIMIT_BYTES} bytes without a full stop");
            return Err(Error::new("read the key ring", rule));
        }
        match keys.versions.contains_key(&keys.current) {
            true => Ok(keys),
            false => Err(Error::new("read the key ring", "its current version is missing")),
        }
    }

    /// Returns the version that new values are sealed with.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// Derives a key of 256 bits for one purpose from a version of the master key.
    pub fn derive(&self, version: &str, purpose: &str) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        self.versions.get(version)?.expand(purpose.as_bytes(), &mut key).ok()?;
        Some(key)
    }
}

/// A value that only its record's owner can read: `<key version>.<base64 of nonce and ciphertext>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Takes a text for a sealed value; whether it is one shows when it is opened.
    pub(crate) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the version of the key that this is sealed with.
    pub fn key_version(&self) -> &str {
        self.0.split_once('.').map_or("", |(version, _)| version)
    }

    /// Returns the version of the key that all of these are sealed with, for the attribute `keyVersion` of their record.
    ///
    /// Values of several versions have a version that is never the current one, so that they are sealed again.
    pub fn common_version<'a>(sealed: impl IntoIterator<Item = &'a Self>) -> Option<&'a str> {
        let mut versions = sealed.into_iter().map(Self::key_version);
        let first = versions.next()?;
        Some(if versions.all(|version| version == first) { first } else { "several" })
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(key {})", self.key_version())
    }
}

/// A sealed value that cannot be opened: another record's, damaged, or its key is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open")]
pub struct Unopenable;

/// Seals and opens values with a key ring.
#[derive(Clone, Debug)]
pub struct Seal {
    ring: KeyRing,
    ids: Ids,
}

impl Seal {
    /// Uses this ring.
    pub fn new(ring: KeyRing, ids: Ids) -> Self {
        Self { ring, ids }
    }

    /// Returns the version of the key that new values are sealed with.
    pub async fn current_version(&self) -> Result<String, Error> {
        Ok(self.ring.keys().await?.current().to_owned())
    }

    /// Seals a value for the record with this id.
    pub async fn seal(&self, record_id: &str, value: &[u8]) -> Result<Sealed, Error> {
        let keys = self.ring.keys().await?;
        seal(&keys, self.ids.bytes(), record_id, value).map_err(Error::cannot("seal a value"))
    }

    /// Returns the keys, at most five minutes old.
    pub(crate) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        self.ring.keys().await
    }

    /// Returns the keys with this version among them if there is one at all.
    pub(crate) async fn keys_with(&self, version: &str) -> Result<Arc<Keys>, Error> {
        self.ring.keys_with(version).await
    }

    /// Seals a value for the record with this id as text.
    pub(crate) fn seal_with(&self, keys: &Keys, record_id: &str, value: &[u8]) -> Result<Sealed, Error> {
        seal(keys, self.ids.bytes(), record_id, value).map_err(Error::cannot("seal a value"))
    }

    /// Seals a value for the record with this id as bytes, which take less room than text.
    pub(crate) fn seal_bytes_with(&self, keys: &Keys, record_id: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
        let ciphertext = encrypt(keys, self.ids.bytes(), record_id, value).map_err(Error::cannot("seal a value"))?;
        Ok([keys.current().as_bytes(), b".", &ciphertext].concat())
    }

    /// Opens a value that somebody else hands in; `None` if it was not sealed for the record with this id.
    pub async fn open_if_ours(&self, record_id: &str, sealed: &Sealed) -> Result<Option<Vec<u8>>, Error> {
        let keys = self.ring.keys_with(sealed.key_version()).await?;
        Ok(open(&keys, record_id, sealed).ok())
    }

    /// Opens a value that was sealed for the record with this id.
    pub async fn open(&self, record_id: &str, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        let keys = self.ring.keys_with(sealed.key_version()).await?;
        open(&keys, record_id, sealed).map_err(Error::cannot("open a value"))
    }
}

/// Returns how many bytes a value takes in a sealed attribute, at most.
pub fn sealed_attribute_bytes(value: &[u8]) -> usize {
    VERSION_LIMIT_BYTES + 1 + NONCE_BYTES + 1 + pack::pack(value, pack::OF_ITEMS).len() + TAG_BYTES
}

/// Returns how long the text of a sealed value of so many bytes is at most.
pub(crate) fn sealed_text_bytes(value_bytes: usize) -> usize {
    VERSION_LIMIT_BYTES + 1 + (NONCE_BYTES + value_bytes + TAG_BYTES).div_ceil(3) * 4
}

/// Returns the version of the key that bytes are sealed with.
pub(crate) fn key_version_of(sealed: &[u8]) -> &str {
    sealed.split(|byte| *byte == b'.').next().and_then(|version| std::str::from_utf8(version).ok()).unwrap_or_default()
}

/// Opens bytes that were sealed for the record with this id.
pub(crate) fn open_bytes(keys: &Keys, record_id: &str, sealed: &[u8]) -> Result<Vec<u8>, Unopenable> {
    let version = key_version_of(sealed);
    let envelope = sealed.get(version.len() + 1..).ok_or(Unopenable)?;
    decrypt(keys, version, record_id, envelope)
}

/// Seals a value as text.
pub(crate) fn seal(keys: &Keys, nonce: [u8; NONCE_BYTES], record_id: &str, value: &[u8]) -> Result<Sealed, Unopenable> {
    let envelope = STANDARD_NO_PAD.encode(encrypt(keys, nonce, record_id, value)?);
    Ok(Sealed(format!("{}.{envelope}", keys.current())))
}

pub(crate) fn open(keys: &Keys, record_id: &str, sealed: &Sealed) -> Result<Vec<u8>, Unopenable> {
    let (version, envelope) = sealed.0.split_once('.').ok_or(Unopenable)?;
    decrypt(keys, version, record_id, &STANDARD_NO_PAD.decode(envelope).map_err(|_| Unopenable)?)
}

/// Encrypts with AES-256-GCM; the associated data is the record's id, so that a value is useless in another record.
fn encrypt(keys: &Keys, nonce: [u8; NONCE_BYTES], record_id: &str, value: &[u8]) -> Result<Vec<u8>, Unopenable> {
    let payload = Payload { msg: value, aad: record_id.as_bytes() };
    let ciphertext = cipher(keys, keys.current(), record_id)?.encrypt(&Nonce::from(nonce), payload);
    Ok([nonce.as_slice(), &ciphertext.map_err(|_| Unopenable)?].concat())
}

fn decrypt(keys: &Keys, version: &str, record_id: &str, envelope: &[u8]) -> Result<Vec<u8>, Unopenable> {
    let (nonce, ciphertext) = envelope.split_first_chunk::<NONCE_BYTES>().ok_or(Unopenable)?;
    let payload = Payload { msg: ciphertext, aad: record_id.as_bytes() };
    cipher(keys, version, record_id)?.decrypt(&Nonce::from(*nonce), payload).map_err(|_| Unopenable)
}

/// Every record has a key of its own: random nonces of 96 bits are safe for some billion values of one key only, and all
/// events together are more.
fn cipher(keys: &Keys, version: &str, record_id: &str) -> Result<Aes256Gcm, Unopenable> {
    let key = keys.derive(version, &format!("seal {record_id}")).ok_or(Unopenable)?;
    Ok(Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)))
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(current {})", self.current)
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
    fn a_value_sealed_with_an_old_key_opens_after_rotation() {
        let sealed = seal(&keys("1"), [7; 12], "record", b"secret").unwrap();
        assert_eq!(sealed.key_version(), "1");
        assert_eq!(open(&keys("2"), "record", &sealed).unwrap(), b"secret");
    }

    #[test]
    fn nothing_that_prints_shows_a_key_or_a_value() {
        let sealed = seal(&keys("1"), [7; 12], "record", b"secret").unwrap();
        assert_eq!(format!("{sealed:?} {:?}", keys("1")), "Sealed(key 1) Keys(current 1)");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_for_its_record_only(
            value in prop::collection::vec(any::<u8>(), 0..200), record in ".{0,20}", other in ".{0,20}", nonce: [u8; 12],
        ) {
            let sealed = seal(&keys("2"), nonce, &record, &value).unwrap();
            prop_assert_eq!(open(&keys("2"), &record, &sealed), Ok(value));
            if other != record {
                prop_assert_eq!(open(&keys("2"), &other, &sealed), Err(Unopenable));
            }
        }

        #[test]
        fn bytes_open_for_their_record_only_and_text_is_as_long_as_foretold(
            value in prop::collection::vec(any::<u8>(), 0..200), record in ".{0,20}", other in ".{0,20}", nonce: [u8; 12],
        ) {
            let ciphertext = encrypt(&keys("2"), nonce, &record, &value).unwrap();
            let sealed = [b"2.".as_slice(), &ciphertext].concat();
            prop_assert_eq!((key_version_of(&sealed), open_bytes(&keys("1"), &record, &sealed)), ("2", Ok(value.clone())));
            if other != record {
                prop_assert_eq!(open_bytes(&keys("1"), &other, &sealed), Err(Unopenable));
            }
            prop_assert!(seal(&keys("2"), nonce, &record, &value).unwrap().0.len() <= sealed_text_bytes(value.len()));
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(open_bytes(&keys("1"), "r", &bytes), Err(Unopenable));
        }

        #[test]
        fn a_changed_byte_never_opens(value in prop::collection::vec(any::<u8>(), 0..50), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let sealed = seal(&keys("1"), [1; 12], "r", &value).unwrap();
            let (version, envelope) = sealed.0.split_once('.').unwrap();
            let mut bytes = STANDARD_NO_PAD.decode(envelope).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let changed = Sealed(format!("{version}.{}", STANDARD_NO_PAD.encode(bytes)));
            prop_assert_eq!(open(&keys("1"), "r", &changed), Err(Unopenable));
        }

        #[test]
        fn arbitrary_text_is_refused_without_a_panic(text in ".{0,80}") {
            prop_assert_eq!(open(&keys("1"), "r", &Sealed(text)), Err(Unopenable));
        }
    }
}
