//! The HTTP route: the rotation of keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use shared::Refusal;
use shared::seal::Resealed;
use shared::step::Claims;

use crate::store::Calls;

/// Seals a batch of the records of calls with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/actions/rotate", tag = "actions",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed)),
)]
pub(crate) async fn rotate(State(calls): State<Arc<Claims<Calls>>>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(calls.store().reseal().await?))
}
