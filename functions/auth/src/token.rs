//! The token endpoint: log in or refresh, and get an access token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use shared::Error;
use shared::http::RawBody;

use crate::Auth;
use crate::credential::matches;
use crate::grant::{Application, Credentials, Grant, GrantRequest};
use crate::oauth::{OAuthError, OAuthErrorBody, Problem, TokenAnswer};
use crate::refresh::{RefreshToken, Use, judge};
use crate::store::{Client, Family};

/// How long an access token is good, in seconds.
const ACCESS_LIFETIME_S: i64 = 300;
/// How long an unused refresh token is good, in seconds: 30 days.
const REFRESH_LIFETIME_S: i64 = 30 * 24 * 3600;
/// How long a client is frozen after too many failed logins, in milliseconds.
const FREEZE_MS: i64 = 60_000;
/// How often a refresh looks again when others refresh at the same time.
const ATTEMPTS: u32 = 4;

/// How a login went.
enum Login {
    Client(Client),
    UnknownId,
    WrongSecret,
    Frozen { seconds: u32 },
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
        (status = 400, description = "The grant is not good.", body = OAuthErrorBody),
        (status = 401, description = "The client is not known.", body = OAuthErrorBody),
    )
)]
pub(crate) async fn issue(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    body: Result<RawBody, shared::Refusal>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<TokenAnswer>), Problem> {
    let RawBody(body) = body.map_err(OAuthError::invalid_request)?;
    let answer = match Grant::read(&headers, &body)? {
        Grant::ClientCredentials(credentials) => auth.client_credentials(credentials).await?,
        Grant::Password(application, credentials) => auth.password(application, credentials).await?,
        Grant::RefreshToken(application, token) => auth.refresh(application, &token).await?,
    };
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)))
}

impl Auth {
    async fn client_credentials(&self, credentials: Credentials) -> Result<TokenAnswer, Problem> {
        let application = Application { id: credentials.id, secret: Some(credentials.secret) };
        let client = self.application(&application).await?;
        let client = client.ok_or_else(|| OAuthError::missing_credentials("client_secret"))?;
        self.start(&client, &application.id).await
    }

    async fn password(&self, application: Application, user: Credentials) -> Result<TokenAnswer, Problem> {
        let with_secret = self.application(&application).await?;
        let is_self = application.id == user.id;
        if with_secret.is_none() && !is_self && self.find(&application.id).await?.is_none() {
            return Err(OAuthError::unknown_client().into());
        }
        match self.log_in(&user.id, &user.secret).await? {
            Login::Client(client) => self.start(&client, &application.id).await,
            Login::UnknownId | Login::WrongSecret => Err(OAuthError::wrong_password().into()),
            Login::Frozen { seconds } => Err(OAuthError::frozen(seconds).into()),
        }
    }

    async fn refresh(&self, application: Application, text: &str) -> Result<TokenAnswer, Problem> {
        self.application(&application).await?;
        let unknown = || Problem::from(OAuthError::unknown_refresh_token());
        let version = RefreshToken::key_version(text).ok_or_else(unknown)?;
        let keys = self.ring.keys_with(version).await?;
        let token = RefreshToken::read(&keys, text).ok_or_else(unknown)?;
        for _ in 0..ATTEMPTS {
            let family = self.store.family(&token.hash()).await?.ok_or_else(unknown)?;
            if family.application_id != application.id {
                return Err(unknown());
            }
            let now = self.clock.now();
            let successor = match judge(&family, token.generation, now) {
                Use::Unknown => return Err(unknown()),
                Use::Expired => return Err(OAuthError::expired_refresh_token().into()),
                Use::Stolen => {
                    tracing::warn!(client_id = family.client_id, "a refresh token was used again, its family ends");
                    self.store.revoke_family(&family.token_hash).await?;
                    return Err(unknown());
                }
                Use::Repeat => family.generation,
                Use::Rotate if self.rotate(&family, now).await? => family.generation + 1,
                Use::Rotate => continue,
            };
            let client = self.find(&family.client_id).await?;
            let client = client.filter(|client| client.secret_hash == family.secret_hash).ok_or_else(unknown)?;
            let token = RefreshToken { generation: successor, ..token };
            return self.answer(&client, application.id, token).await;
        }
        Err(Error::new("refresh a token", "too many requests refresh it at the same time").into())
    }

    async fn rotate(&self, family: &Family, now: Timestamp) -> Result<bool, Error> {
        self.store.rotate_family(family, now, now.as_second() + REFRESH_LIFETIME_S).await
    }

    /// Checks the secret of an application that has sent one; `None` for one that has not.
    async fn application(&self, application: &Application) -> Result<Option<Client>, Problem> {
        let Some(secret) = &application.secret else { return Ok(None) };
        match self.log_in(&application.id, secret).await? {
            Login::Client(client) => Ok(Some(client)),
            Login::UnknownId => Err(OAuthError::unknown_client().into()),
            Login::WrongSecret => Err(OAuthError::wrong_secret().into()),
            Login::Frozen { seconds } => Err(OAuthError::frozen(seconds).into()),
        }
    }

    /// Compares id and secret; writes only when a login fails, or succeeds after one that failed.
    async fn log_in(&self, id: &str, secret: &str) -> Result<Login, Error> {
        if let Some(administrator) = self.administrator.named(id).await? {
            return self.log_in_administrator(administrator, secret).await;
        }
        let Some(client) = self.store.client(id).await? else { return Ok(Login::UnknownId) };
        let now_ms = self.clock.now().as_millisecond();
        if now_ms < client.frozen_until_ms {
            let seconds = (client.frozen_until_ms - now_ms + 999) / 1000;
            return Ok(Login::Frozen { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) });
        }
        if !matches(secret, &client.secret_hash) {
            self.store.count_failure(id, now_ms + FREEZE_MS).await?;
            return Ok(Login::WrongSecret);
        }
        if client.failed_attempts > 0 {
            self.store.forget_failures(id).await?;
        }
        Ok(Login::Client(client))
    }

    /// The administrator is never frozen: nobody may lock out the one who could help.
    async fn log_in_administrator(&self, administrator: Client, secret: &str) -> Result<Login, Error> {
        if matches(secret, &administrator.secret_hash) {
            return Ok(Login::Client(administrator));
        }
        // The secret may have been changed within the last minutes.
        let administrator = self.administrator.named_now(&administrator.client_id).await?;
        let administrator = administrator.filter(|administrator| matches(secret, &administrator.secret_hash));
        Ok(administrator.map_or(Login::WrongSecret, Login::Client))
    }

    async fn find(&self, id: &str) -> Result<Option<Client>, Error> {
        match self.administrator.named(id).await? {
            Some(administrator) => Ok(Some(administrator)),
            None => self.store.client(id).await,
        }
    }

    /// Answers a login: a new family of refresh tokens starts.
    async fn start(&self, client: &Client, application_id: &str) -> Result<TokenAnswer, Problem> {
        let token = RefreshToken { family: self.ids.bytes(), generation: 0 };
        let now = self.clock.now();
        let family = Family {
            token_hash: token.hash(),
            client_id: client.client_id.clone(),
            application_id: application_id.to_owned(),
            secret_hash: client.secret_hash.clone(),
            generation: 0,
            rotated_at_ms: now.as_millisecond(),
            revoked: false,
            expires_at: now.as_second() + REFRESH_LIFETIME_S,
        };
        self.store.create_family(&family).await?;
        self.answer(client, application_id.to_owned(), token).await
    }

    async fn answer(
        &self,
        client: &Client,
        application_id: String,
        token: RefreshToken,
    ) -> Result<TokenAnswer, Problem> {
        let permissions = client.permissions.clone();
        let access = self.tokens.issue(&client.client_id, &client.tenant_id, permissions, ACCESS_LIFETIME_S).await?;
        let keys = self.ring.keys().await?;
        let refresh_token =
            token.write(&keys).ok_or_else(|| Error::new("make a refresh token", "the key is missing"))?;
        Ok(TokenAnswer {
            token_type: "bearer",
            access_token: access,
            expires_in: ACCESS_LIFETIME_S,
            refresh_token,
            user_id: client.client_id.clone(),
            application_id,
        })
    }
}
