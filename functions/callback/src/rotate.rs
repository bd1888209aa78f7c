//! Sealing everything again after the key ring got a new key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as AppState;
use serde::Serialize;
use shared::http::ErrorBody;
use shared::seal::Sealed;
use shared::{Error, Refusal};

use crate::Callbacks;
use crate::create::record;
use crate::store::Callback;

/// How many callbacks one request seals again.
const BATCH: usize = 100;

/// How far the rotation has come.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Rotated {
    /// How many callbacks were sealed with the current key.
    resealed: usize,
    /// Whether there may be more; the next request goes on.
    more: bool,
}

/// Seals a batch of callbacks with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/callbacks/rotate", tag = "callbacks",
    responses(
        (status = 200, description = "How far it has come.", body = Rotated),
        (status = 401, description = "A permission is missing.", body = ErrorBody),
    )
)]
pub(crate) async fn rotate(AppState(callbacks): AppState<Arc<Callbacks>>) -> Result<Json<Rotated>, Refusal> {
    let keys = callbacks.ring.keys().await?;
    let outdated = callbacks.store.sealed_otherwise(keys.current(), BATCH).await?;
    let mut resealed = 0;
    for callback in &outdated {
        let sealed = callbacks.resealed(callback).await?;
        // One that was called meanwhile is found again by the next request.
        resealed += usize::from(callbacks.store.reseal(callback, &sealed).await?);
    }
    Ok(Json(Rotated { resealed, more: outdated.len() == BATCH || resealed < outdated.len() }))
}

impl Callbacks {
    async fn resealed(&self, callback: &Callback) -> Result<Callback, Error> {
        let token = self.again(callback, "token", &callback.token).await?;
        let schema = match &callback.schema {
            Some(schema) => Some(self.again(callback, "schema", schema).await?),
            None => None,
        };
        let body = match &callback.body {
            Some(body) => Some(self.again(callback, "body", body).await?),
            None => None,
        };
        Ok(Callback { key_version: token.key_version().to_owned(), token, schema, body, ..callback.clone() })
    }

    async fn again(&self, callback: &Callback, part: &str, sealed: &Sealed) -> Result<Sealed, Error> {
        let text = self.open(callback, part, sealed).await?;
        self.seal.seal(&record(&callback.callback_id, part), text.as_bytes()).await
    }
}
