//! The records: clients by id, and families of refresh tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::table::{Expression, Table, exists, is_new, key};
use shared::{Environment, Error};

/// The most clients that a list looks at.
const LIST_LIMIT: usize = 10_000;
/// Every so many consecutive failures freeze the client.
const FAILURES_TO_FREEZE: u32 = 10;

/// A client of the API.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Client {
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) tenant_id: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) secret_hash: String,
    pub(crate) creation_timestamp: Timestamp,
    pub(crate) update_timestamp: Timestamp,
    /// Counts the changes by people; failed logins do not count.
    pub(crate) version: u64,
    /// How many logins have failed since the last that did not.
    #[serde(default)]
    pub(crate) failed_attempts: u32,
    /// Until when no login is looked at, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) frozen_until_ms: i64,
}

/// The refresh tokens that came out of one login, each the successor of the one before; only the last is good.
///
/// Nothing in here helps to make a token: see [`crate::refresh`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Family {
    /// The hash of the family's id.
    pub(crate) token_hash: String,
    pub(crate) client_id: String,
    /// The client through which the login was made.
    pub(crate) application_id: String,
    /// The hash of the client's secret at that time; a new secret ends the family.
    pub(crate) secret_hash: String,
    /// The generation of the token that is good now.
    pub(crate) generation: u32,
    /// When that token replaced the one before it, in milliseconds since 1970.
    pub(crate) rotated_at_ms: i64,
    pub(crate) revoked: bool,
    /// When it ends, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// The tables of this function.
pub(crate) struct Store {
    clients: Table,
    families: Table,
}

impl Store {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let families = environment.table("REFRESH_TOKENS_TABLE")?;
        Ok(Self { clients: environment.table("CLIENTS_TABLE")?, families })
    }

    pub(crate) async fn client(&self, id: &str) -> Result<Option<Client>, Error> {
        self.clients.get(&client_key(id)).await
    }

    pub(crate) async fn clients(&self) -> Result<Vec<Client>, Error> {
        self.clients.scan(None, LIST_LIMIT).await
    }

    /// Creates a client; its id is drawn, so that one with the same id can only be itself.
    pub(crate) async fn create_client(&self, client: &Client) -> Result<(), Error> {
        self.clients.put_if(client, is_new("clientId")).await.map(|_| ())
    }

    /// Changes name, permissions and secret of the client as it was read; false if it has been changed since.
    pub(crate) async fn change_client(&self, client: &Client, now: Timestamp) -> Result<bool, Error> {
        let change = Expression::new(
            "SET #name = :name, #permissions = :permissions, secretHash = :secret, updateTimestamp = :now, \
             version = :next",
        )
        .name("#name", "name")
        .name("#permissions", "permissions")
        .value(":name", &client.name)
        .value(":permissions", &client.permissions)
        .value(":secret", &client.secret_hash)
        .value(":now", now)
        .value(":next", client.version + 1);
        let unchanged = Expression::new("version = :version").value(":version", client.version);
        let changed: Option<Client> =
            self.clients.update(&client_key(&client.client_id), change, Some(unchanged)).await?;
        Ok(changed.is_some())
    }

    /// Deletes a client; false if there was none.
    pub(crate) async fn delete_client(&self, id: &str) -> Result<bool, Error> {
        Ok(self.clients.delete::<Client>(&client_key(id), None).await?.is_some())
    }

    /// Counts a failed login; every tenth in a row freezes the client until then.
    pub(crate) async fn count_failure(&self, id: &str, freeze_until_ms: i64) -> Result<(), Error> {
        let count = Expression::new("SET failedAttempts = if_not_exists(failedAttempts, :zero) + :one")
            .value(":zero", 0)
            .value(":one", 1);
        let counted: Option<Client> = self.clients.update(&client_key(id), count, Some(exists("clientId"))).await?;
        if counted.is_some_and(|client| client.failed_attempts % FAILURES_TO_FREEZE == 0) {
            let freeze = Expression::new("SET frozenUntilMs = :until").value(":until", freeze_until_ms);
            self.clients.update::<Client>(&client_key(id), freeze, Some(exists("clientId"))).await?;
        }
        Ok(())
    }

    pub(crate) async fn forget_failures(&self, id: &str) -> Result<(), Error> {
        let forget = Expression::new("SET failedAttempts = :zero").value(":zero", 0);
        self.clients.update::<Client>(&client_key(id), forget, Some(exists("clientId"))).await.map(|_| ())
    }

    pub(crate) async fn family(&self, token_hash: &str) -> Result<Option<Family>, Error> {
        self.families.get(&key("tokenHash", token_hash)).await
    }

    pub(crate) async fn create_family(&self, family: &Family) -> Result<(), Error> {
        self.families.put(family).await
    }

    /// Moves the family on by one generation; false if another request did so first or it was revoked.
    pub(crate) async fn rotate_family(&self, family: &Family, now: Timestamp, expires_at: i64) -> Result<bool, Error> {
        let rotate = Expression::new("SET generation = :next, rotatedAtMs = :now, expiresAt = :end")
            .value(":next", family.generation + 1)
            .value(":now", now.as_millisecond())
            .value(":end", expires_at);
        let unchanged = Expression::new("generation = :generation AND revoked = :false")
            .value(":generation", family.generation)
            .value(":false", false);
        let family_key = key("tokenHash", family.token_hash.as_str());
        let rotated: Option<Family> = self.families.update(&family_key, rotate, Some(unchanged)).await?;
        Ok(rotated.is_some())
    }

    /// Makes every token of the family worthless.
    pub(crate) async fn revoke_family(&self, token_hash: &str) -> Result<(), Error> {
        let revoke = Expression::new("SET revoked = :true").value(":true", true);
        let family_key = key("tokenHash", token_hash);
        self.families.update::<Family>(&family_key, revoke, Some(exists("tokenHash"))).await.map(|_| ())
    }
}

fn client_key(id: &str) -> serde_json::Value {
    key("clientId", id)
}
