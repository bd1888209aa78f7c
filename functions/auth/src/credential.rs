//! Secrets of clients: how they are kept and compared, and the administrator's.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use shared::secret::Secret;
use shared::{Environment, Error};
use subtle::ConstantTimeEq as _;

use crate::store::Client;

/// The tenant of the administrator.
const ADMINISTRATOR_TENANT: &str = "default";

/// Hashes a secret for keeping.
///
/// Secrets are 256 random bits that we draw ourselves, so that nobody can guess one however fast the hash is. A slow
/// password hash would only make logging in slow.
pub(crate) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

/// Compares a secret with a kept hash, in a time that tells nothing of either.
pub(crate) fn matches(secret: &str, hashed: &str) -> bool {
    hash(secret).as_bytes().ct_eq(hashed.as_bytes()).into()
}

/// The first client, which may do everything; it lives in Secrets Manager and has no row.
pub(crate) struct Administrator(Secret);

#[derive(Deserialize)]
struct Credentials {
    client_id: String,
    client_secret: String,
}

impl Administrator {
    /// Reads the name of the secret from `ADMINISTRATOR_SECRET`.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self(Secret::new(&environment.aws, environment.config.required("ADMINISTRATOR_SECRET")?)))
    }

    /// Returns the administrator if the id is the administrator's.
    pub(crate) async fn named(&self, id: &str) -> Result<Option<Client>, Error> {
        Ok(client(id, &read(&self.0.text().await?)?))
    }

    /// Does the same with a secret read just now, for one that may have been changed.
    pub(crate) async fn named_now(&self, id: &str) -> Result<Option<Client>, Error> {
        Ok(client(id, &read(&self.0.fresh_text().await?)?))
    }
}

fn client(id: &str, credentials: &Credentials) -> Option<Client> {
    (credentials.client_id == id).then(|| Client {
        client_id: credentials.client_id.clone(),
        tenant_id: ADMINISTRATOR_TENANT.to_owned(),
        permissions: vec![shared::auth::ALL_PERMISSIONS.to_owned()],
        secret_hash: hash(&credentials.client_secret),
        ..Client::default()
    })
}

/// The text of a serde error can quote the secret, so that it must not become a cause.
fn read(text: &str) -> Result<Credentials, Error> {
    let broken = "it has to be a JSON object with `client_id` and `client_secret`";
    let credentials: Credentials =
        serde_json::from_str(text).map_err(|_| Error::new("read the administrator's secret", broken))?;
    if credentials.client_id.is_empty() || credentials.client_secret.len() < 16 {
        return Err(Error::new("read the administrator's secret", "the id is empty or the secret too short"));
    }
    Ok(credentials)
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

    #[test]
    fn an_unusable_administrator_is_refused_without_telling_its_secret() {
        let check = |text: &str| {
            let error = read(text).map(|_| ()).unwrap_err().chain();
            assert!(!error.contains("hunter2"), "{error}");
        };
        check("hunter2");
        check(r#"{"client_id": "administrator", "client_secret": "hunter2"}"#);
        check(r#"{"client_id": "", "client_secret": "hunter2hunter2hunter2"}"#);
        assert!(read(r#"{"client_id": "a", "client_secret": "hunter2hunter2hunter2"}"#).is_ok());
    }
}
