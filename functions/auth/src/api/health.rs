//! `/users/v1/health` and `/auth/v2/health`: whether users can be read, without which nobody signs in.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::Refusal;
use shared::event::TenantId;

use crate::store::user::Users;

/// How the service of users is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct UsersHealth {
    /// Always `up`: a service that is not does not answer so.
    status: &'static str,
}

/// Says whether users can be read; 503 while they cannot.
#[utoipa::path(
    get, path = "/users/v1/health", tag = "users",
    responses((status = 200, description = "They can.", body = UsersHealth))
)]
pub(crate) async fn users(State(users): State<Users>) -> Result<Json<UsersHealth>, Refusal> {
    read(&users).await
}

/// Says whether somebody can sign in; 503 while users cannot be read.
#[utoipa::path(
    get, path = "/auth/v2/health", tag = "auth",
    responses((status = 200, description = "Somebody can.", body = UsersHealth))
)]
pub(crate) async fn auth(State(users): State<Users>) -> Result<Json<UsersHealth>, Refusal> {
    read(&users).await
}

async fn read(users: &Users) -> Result<Json<UsersHealth>, Refusal> {
    // A record that is not there costs the least and proves as much.
    users.get(&TenantId::new(TenantId::DEFAULT), "health").await?;
    Ok(Json(UsersHealth { status: "up" }))
}
