//! The records of refresh tokens: one for each login, whatever the number of tokens that it has led to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::TenantId;
use shared::table::{Expression, Table, exists, key};
use shared::{Environment, Error};

/// The refresh tokens that came out of one login, each the successor of the one before; only the last is valid.
///
/// Nothing in here helps to forge a token, which takes the key ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenFamily {
    /// The hash of the family's id.
    pub(crate) token_hash: String,
    /// Whose login it was.
    pub(crate) client_id: String,
    pub(crate) tenant_id: TenantId,
    /// Whether it was a user's rather than a client's.
    pub(crate) is_user: bool,
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    /// The client through which the login was made.
    pub(crate) application_id: String,
    /// The hash of the client's secret, or the stamp of the user's password, at that time; another one ends the family.
    pub(crate) secret_hash: String,
    /// The generation of the token that is valid now.
    pub(crate) generation: u32,
    /// When that token replaced the one before it, in milliseconds since 1970.
    pub(crate) rotated_at_ms: i64,
    pub(crate) revoked: bool,
    /// When it ends, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// The most families that a list returns.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// The table of token families. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TokenFamilies(Table);

impl TokenFamilies {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        environment.table("REFRESH_TOKENS_TABLE").map(Self)
    }

    pub(crate) async fn get(&self, token_hash: &str) -> Result<Option<TokenFamily>, Error> {
        self.0.get(&family_key(token_hash)).await
    }

    /// Returns the families of a tenant, or of one of its users, that can still be used, in no order.
    pub(crate) async fn of(
        &self,
        tenant: &TenantId,
        user_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<TokenFamily>, Error> {
        let of = "tenantId = :tenant AND revoked = :false AND expiresAt > :now";
        let of = Expression::new(of).value(":tenant", tenant).value(":false", false).value(":now", now.as_second());
        let of = match user_id {
            Some(user_id) => of.append(" AND clientId = :user").value(":user", user_id),
            None => of,
        };
        self.0.scan(Some(of), LIST_LIMIT + 1).await
    }

    pub(crate) async fn create(&self, family: &TokenFamily) -> Result<(), Error> {
        self.0.put(family).await
    }

    /// Moves a family on by one generation; false if another request did so first or it was revoked.
    pub(crate) async fn rotate(&self, family: &TokenFamily, now: Timestamp, expires_at: i64) -> Result<bool, Error> {
        let rotate = Expression::new("SET generation = :next, rotatedAtMs = :now, expiresAt = :end")
            .value(":next", family.generation + 1)
            .value(":now", now.as_millisecond())
            .value(":end", expires_at);
        let unchanged = Expression::new("generation = :generation AND revoked = :false")
            .value(":generation", family.generation)
            .value(":false", false);
        let rotated: Option<TokenFamily> =
            self.0.update(&family_key(&family.token_hash), rotate, Some(unchanged)).await?;
        Ok(rotated.is_some())
    }

    /// Makes every token of a family worthless.
    pub(crate) async fn revoke(&self, token_hash: &str) -> Result<(), Error> {
        let revoke = Expression::new("SET revoked = :true").value(":true", true);
        self.0.update::<TokenFamily>(&family_key(token_hash), revoke, Some(exists("tokenHash"))).await.map(|_| ())
    }
}

fn family_key(token_hash: &str) -> Value {
    key("tokenHash", token_hash)
}
