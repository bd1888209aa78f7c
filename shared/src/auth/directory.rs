//! Who signs requests: the clients, the users with their roles, and the tokens, as far as every function reads them.
//!
//! The auth function writes these tables. The others read them for requests that are signed as OAuth 1.0 has it, and for
//! nothing else.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ALL_PERMISSIONS, Client, Identity};
use crate::Environment;
use crate::clock::derived_hex24;
use crate::error::Error;
use crate::event::TenantId;
use crate::permission::covers;
use crate::table::{Expression, SealedAttributes, Table, key};

/// The secret of a client, which it signs with.
pub static SEALED_OF_CLIENTS: SealedAttributes =
    SealedAttributes { key: &["clientId"], apart: &[&["secret"]], together: &[] };
/// The secret of a token, which its owner signs with.
pub static SEALED_OF_TOKENS: SealedAttributes =
    SealedAttributes { key: &["token"], apart: &[&["tokenSecret"]], together: &[] };

/// A client that signs requests.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// The client's id, which is its consumer key.
    pub client_id: String,
    /// The client's tenant.
    pub tenant_id: TenantId,
    /// What the client may do.
    pub permissions: Vec<String>,
    /// The client's secret, which is its consumer secret.
    pub secret: String,
    /// The hash of the secret.
    pub secret_hash: String,
}

/// A token with which a user, or a client as its own user, signs requests through a client; it does not expire.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningToken {
    /// The token, by which requests name it.
    pub token: String,
    /// What the token's owner signs with.
    pub token_secret: String,
    /// By which lists name it.
    pub id: String,
    /// The tenant of its owner and of its client.
    pub tenant_id: TenantId,
    /// The client through which the login was made.
    pub application_id: String,
    /// Whose token it is.
    pub user_id: String,
    /// Whether its owner is a user rather than a client.
    pub is_user: bool,
    /// The hash of the client's secret at the time of the login; a new secret ends the token.
    pub application_stamp: String,
    /// The same of its owner: the hash of a client's secret, or the stamp of a user's password.
    pub owner_stamp: String,
    /// When the login was made.
    #[serde(with = "crate::clock::iso")]
    pub creation_timestamp: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserRoles {
    #[serde(default)]
    roles: Vec<String>,
    password_stamp: String,
}

#[derive(Deserialize)]
struct RolePermissions {
    #[serde(default)]
    permissions: Vec<String>,
}

/// The tables of those who sign. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Directory {
    clients: Table,
    users: Table,
    tokens: Table,
    nonces: Table,
}

impl Directory {
    /// Reads the names of the tables.
    pub fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            clients: environment.sealed_table("CLIENTS_TABLE", &SEALED_OF_CLIENTS)?,
            users: environment.table("USERS_TABLE")?,
            tokens: environment.sealed_table("SIGNING_TOKENS_TABLE", &SEALED_OF_TOKENS)?,
            nonces: environment.table("NONCES_TABLE")?,
        })
    }

    /// Returns the client with this id.
    pub async fn consumer(&self, id: &str) -> Result<Option<Consumer>, Error> {
        self.clients.get(&key("clientId", id)).await
    }

    /// Returns a token.
    pub async fn token(&self, token: &str) -> Result<Option<SigningToken>, Error> {
        self.tokens.get(&key("token", token)).await
    }

    /// Returns what all of these roles permit together.
    pub async fn permissions_of_roles(&self, tenant: &TenantId, roles: &[String]) -> Result<Vec<String>, Error> {
        let keys: BTreeSet<&String> = roles.iter().collect();
        let keys: Vec<Value> = keys.into_iter().map(|id| role_key(tenant, id)).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.users.get_rows(&keys).await?;
        let roles: Vec<RolePermissions> = self.users.open_rows(rows).await?;
        Ok(together(roles.into_iter().flat_map(|role| role.permissions)))
    }

    /// Returns whose token it is, with what that one may do now; `None` if it is there no more.
    pub(super) async fn owner(&self, token: &SigningToken, consumer: &Consumer) -> Result<Option<Identity>, Error> {
        let tenant = &token.tenant_id;
        let permissions = match token.is_user {
            true => self.permissions(tenant, token).await?,
            false => {
                let client = self.consumer(&token.user_id).await?;
                let is_same =
                    |client: &Consumer| client.tenant_id == *tenant && client.secret_hash == token.owner_stamp;
                client.filter(is_same).map(|client| client.permissions)
            }
        };
        let Some(permissions) = permissions else { return Ok(None) };
        let (id, tenant_id) = (token.user_id.clone(), tenant.clone());
        let client = Client { id, tenant_id, permissions, is_administrator: false };
        Ok(Some(Identity { client, is_user: token.is_user, application_id: consumer.client_id.clone() }))
    }

    /// Returns what the user of a token may do now, unless it is deleted or has another password.
    async fn permissions(&self, tenant: &TenantId, token: &SigningToken) -> Result<Option<Vec<String>>, Error> {
        let user: Option<UserRoles> = self.users.get(&user_key(tenant, &token.user_id)).await?;
        match user.filter(|user| user.password_stamp == token.owner_stamp) {
            Some(user) => self.permissions_of_roles(tenant, &user.roles).await.map(Some),
            None => Ok(None),
        }
    }

    /// Uses a nonce up; false if it was used before and not so long ago that it is forgotten.
    pub(super) async fn use_nonce(&self, nonce: &[&str], now: Timestamp, kept_s: i64) -> Result<bool, Error> {
        let parts: Vec<&[u8]> = nonce.iter().map(|part| part.as_bytes()).collect();
        let record = json!({"nonce": derived_hex24(&parts), "expiresAt": now.as_second() + kept_s});
        let is_new = Expression::new("attribute_not_exists(nonce) OR expiresAt < :now").value(":now", now.as_second());
        self.nonces.put_if(&record, is_new).await
    }
}

/// The key of a user's record.
pub fn user_key(tenant: &TenantId, id: &str) -> Value {
    json!({"tenantId": tenant, "record": format!("user#{id}")})
}

/// The key of a role's record.
pub fn role_key(tenant: &TenantId, id: &str) -> Value {
    json!({"tenantId": tenant, "record": format!("role#{id}")})
}

/// Returns each permission once, in order, without those that another one covers.
pub(crate) fn together(permissions: impl Iterator<Item = String>) -> Vec<String> {
    let all: BTreeSet<String> = permissions.collect();
    if all.contains(ALL_PERMISSIONS) {
        return vec![ALL_PERMISSIONS.to_owned()];
    }
    let whole: Vec<String> = all.iter().filter(|permission| !permission.contains(':')).cloned().collect();
    all.into_iter().filter(|permission| !permission.contains(':') || !covers(&whole, permission)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permissions_of_several_roles_are_one_list() {
        let check = |permissions: &[&str], expected: &[&str]| {
            assert_eq!(together(permissions.iter().map(|&name| name.to_owned())), expected, "{permissions:?}");
        };
        check(&["VIEW_TASKS", "CREATE_TASKS", "VIEW_TASKS"], &["CREATE_TASKS", "VIEW_TASKS"]);
        check(&["VIEW_TASKS", "*"], &["*"]);
        check(&["EXECUTE_TASK_FUNCTION:a", "EXECUTE_TASK_FUNCTION"], &["EXECUTE_TASK_FUNCTION"]);
        check(
            &["EXECUTE_TASK_FUNCTION:a", "EXECUTE_API_FUNCTION"],
            &["EXECUTE_API_FUNCTION", "EXECUTE_TASK_FUNCTION:a"],
        );
        check(&[], &[]);
    }
}
