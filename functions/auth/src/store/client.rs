//! The records of the API clients.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::auth::directory::SEALED_OF_CLIENTS;
use shared::event::TenantId;
use shared::seal::Resealed;
use shared::table::{Check, Expression, Table, is_new, key};
use shared::{Environment, Error};

use crate::client::Client;
use crate::credential::hash;

/// The most clients that a list returns.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// A client as it is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientRecord {
    #[serde(flatten)]
    pub(crate) client: Client,
    pub(crate) secret_hash: String,
    /// The secret itself, sealed: what a client signs with must be known to those who check it.
    pub(crate) secret: String,
    /// Counts the changes.
    pub(crate) version: u64,
}

impl ClientRecord {
    /// Returns the record of a new client.
    pub(crate) fn new(client: Client, secret: String) -> Self {
        Self { client, secret_hash: hash(&secret), secret, version: 0 }
    }

    /// Replaces the secret.
    pub(crate) fn set_secret(&mut self, secret: String) {
        (self.secret_hash, self.secret) = (hash(&secret), secret);
    }
}

/// The table of clients. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients(Table);

impl Clients {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        environment.sealed_table("CLIENTS_TABLE", &SEALED_OF_CLIENTS).map(Self)
    }

    /// Returns the check that every client can be read.
    pub(crate) fn check(&self) -> Check {
        self.0.check(|_: ClientRecord| Ok(()))
    }

    /// Seals a batch of secrets with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.0.reseal().await
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<ClientRecord>, Error> {
        self.0.get(&client_key(id)).await
    }

    /// Returns the clients of a tenant, in no order, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn of_tenant(&self, tenant: &TenantId) -> Result<Vec<ClientRecord>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        self.0.scan(Some(of_tenant), LIST_LIMIT + 1).await
    }

    /// Creates a client; its id is random, so one with the same id can only be itself.
    pub(crate) async fn create(&self, record: &ClientRecord) -> Result<(), Error> {
        self.0.put_if(record, is_new("clientId")).await.map(|_| ())
    }

    /// Replaces a client as it was read; false if it has been changed since.
    pub(crate) async fn change(&self, record: &ClientRecord) -> Result<bool, Error> {
        let next = ClientRecord { version: record.version + 1, ..record.clone() };
        self.0.put_if(&next, unchanged(record)).await
    }

    /// Deletes a client as it was read; false if it has been changed since.
    pub(crate) async fn delete(&self, record: &ClientRecord) -> Result<bool, Error> {
        let deleted: Option<ClientRecord> =
            self.0.delete(&client_key(&record.client.client_id), Some(unchanged(record))).await?;
        Ok(deleted.is_some())
    }
}

/// The condition that a client is as it was read.
fn unchanged(record: &ClientRecord) -> Expression {
    Expression::new("version = :version").value(":version", record.version)
}

fn client_key(id: &str) -> Value {
    key("clientId", id)
}
