//! `/users/v1/me`: the calling client, as it sees itself.

use axum::Json;
use serde::Serialize;
use shared::auth::Caller;
use shared::event::TenantId;

/// The calling client.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    /// The client's id.
    id: String,
    /// The client's id.
    client_id: String,
    /// The tenant for which the client acts.
    tenant_id: TenantId,
    /// What the client may do; `*` is everything.
    permissions: Vec<String>,
}

/// Shows the calling client.
#[utoipa::path(
    get, path = "/users/v1/me", tag = "auth", responses((status = 200, description = "The calling client.", body = Me))
)]
pub(crate) async fn me(caller: Caller) -> Json<Me> {
    Json(Me {
        id: caller.client_id().to_owned(),
        client_id: caller.client_id().to_owned(),
        tenant_id: caller.tenant_id().clone(),
        permissions: caller.permissions().to_vec(),
    })
}
