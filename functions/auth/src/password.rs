//! Passwords: how they are hashed, and compared with a hash.
//!
//! A hash takes 19 MiB and some hundredth of a second on purpose, so that few are computed at once, and none by those
//! that answer requests.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use shared::clock::Ids;
use shared::{Error, Refusal};
use tokio::sync::Semaphore;

/// How many hashes are computed at once.
const AT_ONCE: usize = 2;
/// How many may wait for their turn; a hash more is refused.
const WAITING: usize = 64;
const LENGTH_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=128;

/// Hashes passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    ids: Ids,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new(ids: &Ids) -> Self {
        let (turns, places) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(AT_ONCE + WAITING)));
        Self { ids: ids.clone(), turns, places }
    }

    /// Hashes a password for keeping.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Refusal> {
        let salt: [u8; 16] = self.ids.bytes();
        self.compute(move || {
            let salt = SaltString::encode_b64(&salt).map_err(|_| failed())?;
            let hash = argon2()?.hash_password(password.as_bytes(), &salt).map_err(|_| failed())?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Compares a password with a kept hash; without one it takes as long, and is wrong.
    pub(crate) async fn matches(&self, password: String, hash: Option<&str>) -> Result<bool, Refusal> {
        let (is_known, hash) = (hash.is_some(), hash.unwrap_or(NOBODY).to_owned());
        self.compute(move || {
            let hash = PasswordHash::new(&hash).map_err(|_| failed())?;
            Ok(argon2()?.verify_password(password.as_bytes(), &hash).is_ok() && is_known)
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Refusal::unavailable())?;
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::cannot("wait for a turn"))?;
        let computed = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        Ok(computed.await.map_err(Error::cannot("compute a hash"))??)
    }
}

/// Argon2id with what OWASP recommends at least: 19 MiB, two passes, one lane.
fn argon2() -> Result<Argon2<'static>, Error> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|_| failed())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The causes of these errors must not be told: they could quote a hash.
fn failed() -> Error {
    Error::new("compute the hash of a password", "its parameters are wrong")
}

/// A hash of random bytes that were thrown away.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$q2t7wJrWc1cJmX5dV0mYv1nQe3oS8hTzL6uB4fGkR9E";

/// The rule of [`check`] as a regular expression, which JavaScript reads alike with and without its flags `u` and `v`.
pub(crate) const PATTERN: &str = r"^(?:[\uD800-\uDBFF][\uDC00-\uDFFF]|[^\x00-\x1F\x7F-\x9F\uD800-\uDFFF]){8,128}$";

/// Checks a new password.
pub(crate) fn check(field: &str, password: &str) -> Result<(), Refusal> {
    let length = password.chars().count();
    if LENGTH_CHARACTERS.contains(&length) && !password.chars().any(char::is_control) {
        return Ok(());
    }
    let (least, most) = LENGTH_CHARACTERS.into_inner();
    Err(Refusal::field(field, format!("must have {least} to {most} printable characters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_very_password_matches_its_hash() {
        let passwords = Passwords::new(&Ids::seeded(1));
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse".to_owned()).await.unwrap(), "each has a salt of its own");
        assert!(passwords.matches("correct horse".to_owned(), Some(&hash)).await.unwrap());
        assert!(!passwords.matches("correct horsf".to_owned(), Some(&hash)).await.unwrap());
        assert!(!passwords.matches("correct horse".to_owned(), None).await.unwrap());
    }

    /// The pattern as this crate for regular expressions writes characters outside of the basic plane, which has no
    /// surrogates.
    fn pattern() -> regex::Regex {
        let pattern = PATTERN.replace(r"[\uD800-\uDBFF][\uDC00-\uDFFF]", r"[\x{10000}-\x{10FFFF}]");
        regex::Regex::new(&pattern.replace(r"\uD800-\uDFFF", r"\x{10000}-\x{10FFFF}")).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn the_pattern_says_what_is_accepted(password in "[ -~éß漢😀\u{7f}\u{85}\t\n]{0,12}|.{126,130}") {
            proptest::prop_assert_eq!(pattern().is_match(&password), check("password", &password).is_ok());
        }
    }

    #[test]
    fn a_password_may_have_spaces_and_no_control_characters() {
        let is_ok = |password: &str, expected| {
            assert_eq!((check("password", password).is_ok(), pattern().is_match(password)), (expected, expected));
        };
        is_ok("correct horse", true);
        is_ok("😀😀😀😀", false);
        is_ok(&"😀".repeat(128), true);
        is_ok("correct\thorse", false);
        is_ok("1234567", false);
    }

    #[tokio::test]
    async fn hashes_that_too_many_wait_for_are_refused() {
        let passwords = Passwords::new(&Ids::seeded(1));
        let _all = passwords.places.clone().acquire_many_owned(66).await.unwrap();
        assert_eq!(passwords.hash("correct horse".to_owned()).await.unwrap_err().status, 503);
    }
}
