//! The records of the API clients.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::TenantId;
use shared::table::{Expression, Table, is_new, key};
use shared::{Environment, Error};

use crate::client::Client;

/// The most clients that a list returns.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// A client as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientRecord {
    #[serde(flatten)]
    pub(crate) client: Client,
    pub(crate) secret_hash: String,
    /// Counts the changes.
    pub(crate) version: u64,
}

impl ClientRecord {
    /// Returns the record of a new client.
    pub(crate) fn new(client: Client, secret_hash: String) -> Self {
        Self { client, secret_hash, version: 0 }
    }
}

/// The table of clients. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients(Table);

impl Clients {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        environment.table("CLIENTS_TABLE").map(Self)
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

    /// Changes the name, permissions and secret of a client as it was read; false if it has been changed since.
    pub(crate) async fn change(&self, record: &ClientRecord) -> Result<bool, Error> {
        let change = Expression::new(
            "SET #name = :name, #permissions = :permissions, secretHash = :secret, updateTimestamp = :now, \
             version = :next",
        )
        .name("#name", "name")
        .name("#permissions", "permissions")
        .value(":name", &record.client.name)
        .value(":permissions", &record.client.permissions)
        .value(":secret", &record.secret_hash)
        .value(":now", record.client.update_timestamp)
        .value(":next", record.version + 1);
        let changed: Option<ClientRecord> =
            self.0.update(&client_key(&record.client.client_id), change, Some(unchanged(record))).await?;
        Ok(changed.is_some())
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
