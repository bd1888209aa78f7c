//! The client that calls, as it sees itself.

use axum::Json;
use serde::Serialize;
use shared::auth::Caller;
use shared::http::ErrorBody;

/// The client that calls.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    /// The client's id.
    id: String,
    /// The client's id.
    client_id: String,
    /// The client's tenant.
    tenant_id: String,
    /// What the client may do; `*` is everything.
    permissions: Vec<String>,
}

/// Tells who calls.
#[utoipa::path(
    get, path = "/users/v1/me", tag = "auth",
    responses(
        (status = 200, description = "The client that calls.", body = Me),
        (status = 401, description = "No valid access token.", body = ErrorBody),
    )
)]
pub(crate) async fn me(caller: Caller) -> Json<Me> {
    Json(Me {
        id: caller.client_id().to_owned(),
        client_id: caller.client_id().to_owned(),
        tenant_id: caller.tenant_id().to_owned(),
        permissions: caller.permissions().to_vec(),
    })
}
