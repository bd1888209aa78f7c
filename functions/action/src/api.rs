//! The HTTP routes, and the rotation of keys.

mod actions;
pub(crate) mod apps;
mod body;
pub(crate) mod caches;
mod connections;
pub(crate) mod credentials;
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

/// Seals a batch of what calls, runs, secrets, credentials, sessions and caches have with the current key; call it until
/// there are no more.
#[utoipa::path(
    post, path = "/actions/rotate", tag = "actions",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Arc<Services>>) -> Result<Json<Resealed>, Refusal> {
    let batches = [
        services.calls.store().reseal().await?,
        services.secrets.reseal().await?,
        services.credentials.reseal().await?,
        services.sessions.reseal().await?,
        services.caches.reseal().await?,
    ];
    let resealed = batches.iter().map(|batch| batch.resealed).sum();
    Ok(Json(Resealed { resealed, more: batches.iter().any(|batch| batch.more) }))
}
