//! The API clients: what a new one needs, how one changes, and how one is shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Refusal;
use shared::event::TenantId;

const NAME_LIMIT_CHARACTERS: usize = 128;

/// A new client.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewClient {
    /// A name for people.
    pub(crate) name: String,
    /// The client's tenant; the caller's own by default, and another one only for the administrator.
    pub(crate) tenant_id: Option<String>,
    /// What the client may do; the caller must hold every permission itself.
    #[serde(default)]
    pub(crate) permissions: Vec<String>,
}

/// A change of a client; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientChange {
    /// A name for people.
    pub(crate) name: Option<String>,
    /// What the client may do; the caller must hold all of this, and all that the client could do before, itself.
    pub(crate) permissions: Option<Vec<String>>,
}

/// A client as everybody in its tenant may see it.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Client {
    /// The client's id, which is its user name as well.
    pub(crate) client_id: String,
    /// A name for people.
    pub(crate) name: String,
    /// The client's tenant.
    pub(crate) tenant_id: TenantId,
    /// What the client may do; `*` is everything.
    pub(crate) permissions: Vec<String>,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
}

/// A client with its new secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientWithSecret {
    /// The client.
    #[serde(flatten)]
    pub(crate) client: Client,
    /// The secret, which is never shown again.
    pub(crate) client_secret: String,
}

/// Checks the name of a client.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let length = name.chars().count();
    if (1..=NAME_LIMIT_CHARACTERS).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Refusal::field("name", format!("must have 1 to {NAME_LIMIT_CHARACTERS} printable characters")))
}
