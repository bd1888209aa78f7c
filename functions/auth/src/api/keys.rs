//! The keys: those that access tokens are checked with, and the rotation of those that secrets are sealed with.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use shared::Refusal;
use shared::auth::{Issuer, Tokens};
use shared::clock::Clock;
use shared::seal::Resealed;

use crate::store::client::Clients;
use crate::store::signing_token::SigningTokens;

/// A set of JSON Web Keys (RFC 7517).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct KeySet {
    /// The keys.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Value>,
}

/// Shows the public keys with which access tokens are checked: they are signed with Ed25519 (`EdDSA`).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "auth",
    responses((status = 200, description = "The keys.", body = KeySet))
)]
pub(crate) async fn published(
    State(tokens): State<Tokens>,
    State(clock): State<Clock>,
) -> Result<Json<KeySet>, Refusal> {
    let mut keys = Vec::new();
    for issuer in Issuer::ALL {
        let valid = tokens.keys().valid(issuer, clock.now()).await?;
        keys.extend(valid.iter().map(|key| key.to_jwk()));
    }
    Ok(Json(KeySet { keys }))
}

/// Seals a batch of the secrets of clients with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/clients/rotate", tag = "clients",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed))
)]
pub(crate) async fn rotate_clients(State(clients): State<Clients>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(clients.reseal().await?))
}

/// Seals a batch of the secrets of tokens that sign with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/auth/v2/oauth1/tokens/rotate", tag = "auth",
    responses((status = 200, description = "How far the rotation has come.", body = Resealed))
)]
pub(crate) async fn rotate_tokens(State(signing): State<SigningTokens>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(signing.reseal().await?))
}
