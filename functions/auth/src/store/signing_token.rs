//! The records of the tokens with which requests are signed.

use shared::auth::directory::{SEALED_OF_TOKENS, SigningToken};
use shared::event::TenantId;
use shared::seal::Resealed;
use shared::table::{Check, Expression, Table, is_new, key};
use shared::{Environment, Error};

/// The most tokens that a list returns.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// The table of tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SigningTokens(Table);

impl SigningTokens {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        environment.sealed_table("SIGNING_TOKENS_TABLE", &SEALED_OF_TOKENS).map(Self)
    }

    /// Creates a token; it is random, so one that is there can only be itself.
    pub(crate) async fn create(&self, token: &SigningToken) -> Result<(), Error> {
        self.0.put_if(token, is_new("token")).await.map(|_| ())
    }

    /// Returns the tokens of a tenant, or of one of its users, in no order, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn of(&self, tenant: &TenantId, user_id: Option<&str>) -> Result<Vec<SigningToken>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        let of = match user_id {
            Some(user_id) => of_tenant.append(" AND userId = :user").value(":user", user_id),
            None => of_tenant,
        };
        self.0.scan(Some(of), LIST_LIMIT + 1).await
    }

    /// Deletes a token; false if it was deleted before.
    pub(crate) async fn delete(&self, token: &str) -> Result<bool, Error> {
        let deleted: Option<SigningToken> = self.0.delete(&key("token", token), None).await?;
        Ok(deleted.is_some())
    }

    /// Returns the check that every token can be read.
    pub(crate) fn check(&self) -> Check {
        self.0.check(|_: SigningToken| Ok(()))
    }

    /// Seals a batch of secrets with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.0.reseal().await
    }
}
