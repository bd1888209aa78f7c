//! The records of logins by user and source.

use serde::{Deserialize, Serialize};
use shared::clock::derived_hex24;
use shared::event::TenantId;
use shared::http::SourceAddress;
use shared::table::{Check, Expression, Table, key};
use shared::{Environment, Error};

use crate::attempt::Attempts;

#[derive(Serialize, Deserialize)]
struct Stored {
    login: String,
    #[serde(flatten)]
    attempts: Attempts,
}

/// The table of logins. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Logins(Table);

/// The logins of one user from one source.
#[derive(Debug, Clone)]
pub(crate) struct LoginKey(String);

impl LoginKey {
    /// Names them by a hash, so that the table does not say who is there.
    pub(crate) fn new(tenant: &TenantId, email: &str, source: SourceAddress) -> Self {
        let source = format!("{source:?}");
        Self(derived_hex24(&[b"login", tenant.as_str().as_bytes(), email.as_bytes(), source.as_bytes()]))
    }
}

impl Logins {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        environment.table("LOGINS_TABLE").map(Self)
    }

    /// Returns the check that every record can be read.
    pub(crate) fn check(&self) -> Check {
        self.0.check(|_: Stored| Ok(()))
    }

    pub(crate) async fn get(&self, login: &LoginKey) -> Result<Attempts, Error> {
        let stored: Option<Stored> = self.0.get(&key("login", login.0.as_str())).await?;
        Ok(stored.map(|stored| stored.attempts).unwrap_or_default())
    }

    /// Replaces what was read; false if it has been changed since.
    pub(crate) async fn change(&self, login: &LoginKey, former: &Attempts, next: Attempts) -> Result<bool, Error> {
        let unchanged = match former.version {
            0 => Expression::new("attribute_not_exists(login)"),
            version => Expression::new("version = :version").value(":version", version),
        };
        self.0.put_if(&Stored { login: login.0.clone(), attempts: next }, unchanged).await
    }
}
