//! The keys of access tokens: an issuer signs with a secret of its own, and everybody checks with what it has published.
//!
//! A key is published in a table before anything is signed with it, under an id that is the hash of the key itself
//! (RFC 7638), so that nobody can put another key in its place.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use jsonwebtoken::{DecodingKey, EncodingKey};
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::table::{Expression, Query, Table};

/// For how long a key is taken from memory, and so how soon one that was withdrawn is refused everywhere.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// For how long a key that does not exist is not looked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
const KNOWN_KEYS: u64 = 64;
const UNKNOWN_KEYS: u64 = 1_000;
/// How many keys are looked for at once, whatever ids tokens name.
const CONCURRENT_LOOKUPS: usize = 4;
/// How long the key before the present one is still good, in seconds: longer than any token and than any key in memory.
const RETIRED_FOR_S: i64 = 3_600;
/// What comes before the 32 bytes of a private key of Ed25519 in PKCS #8.
///
/// Source: RFC 8410, section 7.
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Who signs access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The auth function, for clients and users.
    Auth,
    /// The task function, for its scripts alone.
    Task,
}

impl Issuer {
    /// All issuers.
    pub const ALL: [Self; 2] = [Self::Auth, Self::Task];

    /// Returns the name, with which the ids of its keys begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Task => "task",
        }
    }

    /// Reads the id of a key, `<issuer>.<hash>`.
    fn of(id: &str) -> Option<(Self, &str)> {
        let (name, hash) = id.split_once('.')?;
        let issuer = Self::ALL.into_iter().find(|issuer| issuer.name() == name)?;
        let is_hash =
            hash.len() == 43 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_hash.then_some((issuer, hash))
    }
}

/// A private key, and what is published of it.
pub(super) struct KeyPair {
    pub(super) public: PublicKey,
    pub(super) private: EncodingKey,
}

impl KeyPair {
    /// Derives the keys of an issuer from 256 secret bits.
    pub(super) fn new(issuer: Issuer, seed: &[u8; 32]) -> Self {
        let key = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(seed).verifying_key().as_bytes());
        let private = EncodingKey::from_ed_der(&[PKCS8_HEAD.as_slice(), seed].concat());
        let (issuer, hash) = (issuer.name().to_owned(), thumbprint(&key));
        Self { public: PublicKey { issuer, hash, key, expires_at: None }, private }
    }
}

/// A key with which tokens are checked, as the table has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKey {
    issuer: String,
    hash: String,
    /// The point on the curve, as base64 for URLs.
    key: String,
    /// When it ends, in seconds since 1970; absent while it is the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl PublicKey {
    /// Returns the id that tokens name.
    pub fn id(&self) -> String {
        format!("{}.{}", self.issuer, self.hash)
    }

    /// Returns it as a JSON Web Key.
    pub fn to_jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id(), "x": self.key})
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now.as_second() < end)
    }
}

/// The hash of a key of Ed25519.
///
/// Source: RFC 7638, section 3, and RFC 8037, section 2.
fn thumbprint(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{key}"}}"#)))
}

/// A key that tokens are checked with, and who may sign with it.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) issuer: Issuer,
    pub(super) key: DecodingKey,
    public: PublicKey,
}

impl Known {
    fn read(issuer: Issuer, public: PublicKey) -> Option<Self> {
        let key = DecodingKey::from_ed_components(&public.key).ok()?;
        (thumbprint(&public.key) == public.hash).then_some(Self { issuer, key, public })
    }
}

/// The table of the published keys. Cheap to clone.
#[derive(Clone)]
pub struct PublicKeys {
    table: Table,
    known: Cache<String, Arc<Known>>,
    unknown: Cache<String, ()>,
    lookups: Arc<Semaphore>,
}

impl PublicKeys {
    /// Reads the keys of this table.
    pub fn new(table: Table) -> Self {
        let known = Cache::builder().max_capacity(KNOWN_KEYS).time_to_live(KNOWN_FOR).build();
        let unknown = Cache::builder().max_capacity(UNKNOWN_KEYS).time_to_live(UNKNOWN_FOR).build();
        Self { table, known, unknown, lookups: Arc::new(Semaphore::new(CONCURRENT_LOOKUPS)) }
    }

    /// Returns the key with this id if tokens can still be signed with it.
    pub(super) async fn find(&self, id: &str, now: Timestamp) -> Result<Option<Arc<Known>>, Error> {
        let Some((issuer, hash)) = Issuer::of(id) else { return Ok(None) };
        if let Some(known) = self.known.get(id).await {
            return Ok(Some(known).filter(|known| known.public.is_valid(now)));
        }
        if self.unknown.contains_key(id) {
            return Ok(None);
        }
        let _permit = self.lookups.acquire().await.map_err(Error::cannot("wait for a key"))?;
        let public: Option<PublicKey> = self.table.get(&key_of(issuer, hash)).await?;
        let Some(known) = public.and_then(|public| Known::read(issuer, public)) else {
            self.unknown.insert(id.to_owned(), ()).await;
            return Ok(None);
        };
        let known = Arc::new(known);
        self.known.insert(id.to_owned(), known.clone()).await;
        Ok(Some(known).filter(|known| known.public.is_valid(now)))
    }

    /// Publishes the present key of an issuer; those before it end within the hour.
    pub(super) async fn publish(&self, issuer: Issuer, public: &PublicKey, now: Timestamp) -> Result<(), Error> {
        let published = self.of(issuer).await?;
        if !published.contains(public) {
            self.table.put(public).await?;
        }
        for former in published.into_iter().filter(|other| other.hash != public.hash && other.expires_at.is_none()) {
            let end = Expression::new("SET expiresAt = :end").value(":end", now.as_second() + RETIRED_FOR_S);
            let is_there = Expression::new("attribute_exists(issuer)");
            self.table.update::<PublicKey>(&key_of(issuer, &former.hash), end, Some(is_there)).await?;
        }
        Ok(())
    }

    /// Returns the keys of an issuer with which tokens can be signed.
    pub async fn valid(&self, issuer: Issuer, now: Timestamp) -> Result<Vec<PublicKey>, Error> {
        Ok(self.of(issuer).await?.into_iter().filter(|key| key.is_valid(now)).collect())
    }

    async fn of(&self, issuer: Issuer) -> Result<Vec<PublicKey>, Error> {
        let of_issuer = Expression::new("issuer = :issuer").value(":issuer", issuer.name());
        self.table.query(Query::new(of_issuer)).await
    }
}

impl std::fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKeys({:?})", self.table)
    }
}

fn key_of(issuer: Issuer, hash: &str) -> Value {
    json!({"issuer": issuer.name(), "hash": hash})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_rfc_8032_and_the_hash_of_rfc_8037_are_ours() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let seed: [u8; 32] = hex::decode(seed).unwrap().try_into().unwrap();
        let pair = KeyPair::new(Issuer::Auth, &seed);
        assert_eq!(pair.public.key, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(pair.public.id(), "auth.kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn the_id_of_a_key_names_its_issuer_and_has_the_form_of_a_hash() {
        let hash = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let check = |id: &str, expected: Option<Issuer>| assert_eq!(Issuer::of(id).map(|(issuer, _)| issuer), expected);
        check(&format!("auth.{hash}"), Some(Issuer::Auth));
        check(&format!("task.{hash}"), Some(Issuer::Task));
        check(&format!("mail.{hash}"), None);
        check(&format!("auth.{hash}x"), None);
        check(&format!("auth.{}#", &hash[1..]), None);
        check("1", None);
        check("", None);
    }

    #[test]
    fn a_key_under_the_hash_of_another_one_is_not_taken() {
        let (one, other) = (KeyPair::new(Issuer::Auth, &[1; 32]).public, KeyPair::new(Issuer::Auth, &[2; 32]).public);
        assert!(Known::read(Issuer::Auth, one.clone()).is_some());
        assert!(Known::read(Issuer::Auth, PublicKey { key: other.key, ..one }).is_none());
    }
}
