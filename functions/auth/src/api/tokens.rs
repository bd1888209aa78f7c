//! `/auth/v2/oauth2/tokens`: a login or a refresh is answered with an access token.

use axum::Json;
use axum::extract::State;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HeaderName};
use shared::auth::{Client, Identity, Signer};
use shared::clock::{Clock, Ids};
use shared::seal::KeyRing;
use shared::{Error, permission};

use crate::account::Accounts;
use crate::grant::{Attempt, Grant, GrantRequest};
use crate::login::{self, Login};
use crate::oauth::{OAuthError, OAuthErrorBody, TokenAnswer};
use crate::refresh;
use crate::store::token_family::TokenFamilies;

/// Signs access tokens that are valid for a time.
#[derive(Clone)]
pub(crate) struct Issuance {
    pub(crate) signer: Signer,
    pub(crate) lifetime_s: i64,
}

/// Issues an access token.
#[utoipa::path(
    post, path = "/auth/v2/oauth2/tokens", tag = "auth",
    request_body(content(
        (GrantRequest = "application/json"),
        (GrantRequest = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "The token.", body = TokenAnswer),
        (status = 400, description = "The grant is not valid.", body = OAuthErrorBody),
        (status = 413, description = "The body is larger than the route takes.", body = OAuthErrorBody),
        (status = 401, description = "The client is unknown or its secret is wrong.", body = OAuthErrorBody),
    )
)]
pub(crate) async fn issue(
    State(accounts): State<Accounts>,
    State(families): State<TokenFamilies>,
    State(Issuance { signer, lifetime_s }): State<Issuance>,
    State(ring): State<KeyRing>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    Attempt { source, grant }: Attempt,
) -> Result<([(HeaderName, HeaderValue); 1], Json<TokenAnswer>), OAuthError> {
    let now = clock.now();
    let login = Login { accounts: &accounts, source, now };
    let (account, application_id, token) = match grant {
        Grant::ClientCredentials(client) => {
            let account = login::as_client(login, &client.id, &client.secret).await?;
            let token = refresh::start(&families, &ids, now, &account, &client.id).await?;
            (account, client.id, token)
        }
        Grant::Password(application, user) => {
            let account = login::as_user(login, &application, &user).await?;
            let token = refresh::start(&families, &ids, now, &account, &application.id).await?;
            (account, application.id, token)
        }
        Grant::RefreshToken(application, text) => {
            login::check_application(login, &application).await?;
            let (account, token) = refresh::renew(&accounts, &families, &ring, now, &application.id, &text).await?;
            (account, application.id, token)
        }
    };
    // All permissions travel in the token.
    let permissions = permission::checked("roles", account.client.permissions);
    let permissions = permissions.map_err(OAuthError::too_many_permissions)?;
    let client = Client { permissions, ..account.client };
    let keys = ring.keys().await?;
    let refresh_token = token.write(&keys).ok_or_else(|| Error::new("write a refresh token", "the key is missing"))?;
    let answer = TokenAnswer {
        token_type: "bearer",
        user_id: client.id.clone(),
        access_token: signer
            .issue(Identity { client, is_user: account.is_user, application_id: application_id.clone() }, lifetime_s)
            .await?,
        expires_in: lifetime_s,
        refresh_token,
        application_id,
    };
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)))
}
