//! The record of a callback.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{Envelope, TenantId};
use shared::seal::{Sealed, SealedAttribute};
use shared::step::Origin;

// Each part is sealed for a name of its own, so that one cannot stand in for another.
pub(super) const TOKEN: SealedAttribute =
    SealedAttribute { path: &["token"], sealed_for: |id| format!("callback/{id}/token") };
pub(super) const SCHEMA: SealedAttribute =
    SealedAttribute { path: &["schema"], sealed_for: |id| format!("callback/{id}/schema") };
pub(super) const BODY: SealedAttribute =
    SealedAttribute { path: &["body"], sealed_for: |id| format!("callback/{id}/body") };

/// Where a callback is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CallbackState {
    /// Nobody has called it.
    Waiting,
    /// It was called.
    Resolved,
    /// Its time ran out.
    Expired,
}

/// What a new callback is to be.
#[derive(Debug)]
pub(crate) struct CallbackSpec {
    pub(crate) id: String,
    pub(crate) tenant_id: TenantId,
    /// The normalised schema.
    pub(crate) schema: Option<Value>,
    /// When it expires; never if absent.
    pub(crate) deadline: Option<Timestamp>,
    /// The command that creates it, if a step does.
    pub(crate) created_by: Option<Envelope<()>>,
}

/// A callback.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Callback {
    pub(crate) callback_id: String,
    pub(crate) tenant_id: TenantId,
    pub(crate) state: CallbackState,
    pub(super) token: Sealed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Sealed>,
    /// The version of the key that seals these three, see [`Sealed::common_version`].
    pub(super) key_version: String,
    #[serde(with = "shared::clock::iso")]
    pub(crate) created_at: Timestamp,
    /// When it expires if nobody calls it, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_ms: Option<i64>,
    /// When it was called or expired.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    /// The command that created it, if a step did.
    #[serde(rename = "origin", default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<Envelope<()>>,
    /// The steps that wait for it, by the id of their record.
    pub(crate) waiters: BTreeMap<String, Origin>,
    /// Set between its end and the announcement of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<String>,
    /// When it ended, in milliseconds since 1970, while `pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) touched_at: Option<i64>,
    /// When the record is removed, in seconds since 1970; never while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
}

/// Returns the version of the key that seals these parts of a callback.
pub(super) fn common_version(token: &Sealed, schema: Option<&Sealed>, body: Option<&Sealed>) -> String {
    let parts = [Some(token), schema, body].into_iter().flatten();
    Sealed::common_version(parts).unwrap_or_default().to_owned()
}
