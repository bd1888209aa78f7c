//! Secrets of clients: how they are kept and compared.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Hashes a secret for keeping.
///
/// Secrets are 256 random bits of our own, which nobody can guess however fast the hash is. A slow password hash would
/// only make logins slow.
pub(crate) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

/// Compares a secret with a kept hash in constant time.
pub(crate) fn matches(secret: &str, hashed: &str) -> bool {
    hash(secret).as_bytes().ct_eq(hashed.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_secret_matches_its_hash() {
        assert!(matches("secret", &hash("secret")));
        assert!(!matches("secret ", &hash("secret")));
        assert!(!matches("secret", "secret"));
        assert!(!matches("", ""));
    }
}
