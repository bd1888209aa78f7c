//! Secrets, in `SECRETS_TABLE` by tenant and key; the values are sealed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::event::TenantId;
use shared::seal::Resealed;
use shared::table::{Check, Expression, Query, SealedAttributes, Table, is_new};
use shared::{Environment, Error};

use crate::tag::{Slug, Tag};

/// Of how many secrets a list can be made.
pub(crate) const LIST_LIMIT: usize = 10_000;
const SEALED: SealedAttributes = SealedAttributes { key: &["tenantId", "key"], apart: &[&["value"]], together: &[] };

/// What a secret is to the app that takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenType {
    /// A key of an API.
    #[default]
    Api,
    /// An access token.
    Access,
}

/// What is known of a secret without its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretHead {
    pub(crate) key: Tag,
    pub(crate) description: String,
    pub(crate) token_type: TokenType,
    /// The access tags that may use it; all if empty.
    pub(crate) scope: Vec<Tag>,
    /// The environments of products in which it may be used; all if empty.
    pub(crate) envs: Vec<Slug>,
    /// From when on it may not be used, in seconds since 1970.
    pub(crate) expires_at: Option<i64>,
    /// Whether it may not be used any more.
    pub(crate) revoked: bool,
    #[serde(with = "shared::clock::iso")]
    pub(crate) created_at: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) updated_at: Timestamp,
}

/// A secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secret {
    tenant_id: TenantId,
    key: Tag,
    pub(crate) head: SecretHead,
    /// Which creation of the key this is.
    id: String,
    /// Absent when it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    version: u64,
}

impl Secret {
    /// Describes a new secret.
    pub(crate) fn new(tenant_id: TenantId, head: SecretHead, id: String, value: String) -> Self {
        Self { tenant_id, key: head.key.clone(), head, id, value: Some(value), version: 1 }
    }
}

/// The table of secrets.
pub(crate) struct Secrets {
    table: Table,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.sealed_table("SECRETS_TABLE", &SEALED)?.check(|_: Secret| Ok(())))
}

impl Secrets {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.sealed_table("SECRETS_TABLE", &SEALED)? })
    }

    /// Creates a secret; false if there is one of this key.
    pub(crate) async fn create(&self, secret: &Secret) -> Result<bool, Error> {
        if self.table.put_if(secret, is_new("key")).await? {
            return Ok(true);
        }
        // It is this very one if the answer to the write was lost.
        let known = self.get(&secret.tenant_id, secret.key.as_str()).await?;
        Ok(known.is_some_and(|known| known.id == secret.id))
    }

    /// Reads a secret.
    pub(crate) async fn get(&self, tenant: &TenantId, key: &str) -> Result<Option<Secret>, Error> {
        self.table.get(&json!({"tenantId": tenant, "key": key})).await
    }

    /// Reads those of these secrets that there are.
    pub(crate) async fn all_of(&self, tenant: &TenantId, keys: &BTreeSet<String>) -> Result<Vec<Secret>, Error> {
        let keys: Vec<_> = keys.iter().map(|key| json!({"tenantId": tenant, "key": key})).collect();
        let rows = self.table.get_rows(&keys).await?;
        let found = rows.len();
        let secrets = self.table.open_rows(rows).await?;
        if secrets.len() < found {
            return Err(Error::new("read the secrets of a run", "one of them cannot be opened"));
        }
        Ok(secrets)
    }

    /// Reads what is known of a tenant's secrets, by key, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn heads(&self, tenant: &TenantId) -> Result<Vec<SecretHead>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        let rows = self.table.query_rows(Query::new(of_tenant).limit(LIST_LIMIT + 1)).await?;
        Ok(rows.iter().filter_map(|row| row.attribute("head")).collect())
    }

    /// Writes a secret in place of what was read; false if it has changed since, or is gone.
    pub(crate) async fn change(&self, mut secret: Secret) -> Result<bool, Error> {
        let unchanged = Expression::new("#version = :version").name("#version", "version");
        let unchanged = unchanged.value(":version", secret.version);
        secret.version += 1;
        self.table.put_if(&secret, unchanged).await
    }

    /// Deletes a secret; false if there was none.
    pub(crate) async fn delete(&self, tenant: &TenantId, key: &str) -> Result<bool, Error> {
        let deleted: Option<Secret> = self.table.delete(&json!({"tenantId": tenant, "key": key}), None).await?;
        Ok(deleted.is_some())
    }

    /// Seals a batch of secrets with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }
}
