//! The rotation of keys: sealing everything again after the key ring got a new key.

use axum::Json;
use axum::extract::State;
use shared::Refusal;
use shared::seal::Resealed;

use crate::store::Store;

/// Seals a batch of callbacks with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/callbacks/rotate", tag = "callbacks",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed))
)]
pub(crate) async fn rotate(State(store): State<Store>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(store.reseal().await?))
}
