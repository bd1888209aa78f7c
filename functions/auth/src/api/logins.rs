//! What is asked before somebody logs in.

use axum::Json;
use axum::extract::{RawQuery, State};
use http::HeaderMap;
use serde::Serialize;
use shared::Refusal;
use shared::auth::named_tenant;

use crate::store::user::Users;
use crate::user::check_email;

/// Whether an address is free.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EmailAvailable {
    email_available: bool,
}

/// Tells whether a user can be created with an address.
#[utoipa::path(
    get, path = "/users/v1/email_available", tag = "users",
    params(
        ("email" = String, Query, description = "The address."),
        ("x-tenant-id" = Option<String>, Header, description = "The tenant, the default one if none."),
    ),
    responses((status = 200, description = "Whether it is free.", body = EmailAvailable))
)]
pub(crate) async fn email_available(
    State(users): State<Users>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<EmailAvailable>, Refusal> {
    let tenant = named_tenant(&headers, query.as_deref())?;
    let parameters = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let mut emails = parameters.filter(|(name, _)| name == "email").map(|(_, value)| value.into_owned());
    let email = emails.next().ok_or_else(|| Refusal::missing_field("email"))?;
    check_email(&email)?;
    Ok(Json(EmailAvailable { email_available: users.by_email(&tenant, &email).await?.is_none() }))
}
