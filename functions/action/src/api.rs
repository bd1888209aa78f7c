//! The HTTP routes, and the rotation of keys.

pub(crate) mod apps;
pub(crate) mod caches;
pub(crate) mod health;
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

/// Seals a batch of the records of calls, sessions and cached values with the current key; call it until there are no
/// more.
#[utoipa::path(
    post, path = "/actions/rotate", tag = "actions",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    let of_tables =
        [services.calls.store().reseal().await?, services.sessions.reseal().await?, services.caches.reseal().await?];
    let resealed = of_tables.iter().map(|table| table.resealed).sum();
    Ok(Json(Resealed { resealed, more: of_tables.iter().any(|table| table.more) }))
}
