//! The HTTP routes, and the rotation of keys.

mod actions;
pub(crate) mod apps;
mod body;
pub(crate) mod caches;
mod connections;
pub(crate) mod health;
mod imports;
pub(crate) mod products;
pub(crate) mod runs;
pub(crate) mod secrets;
pub(crate) mod sessions;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::Refusal;
use shared::seal::Resealed;

use crate::services::Services;

/// Seals a batch of the records of calls with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/actions/rotate", tag = "actions",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.calls.store().reseal().await?))
}
