//! The answers of the token endpoint, which have a shape of their own.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;
use shared::{Error, Refusal};

/// An access token and how to get the next one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenAnswer {
    /// Always `bearer`.
    pub(crate) token_type: &'static str,
    /// Goes into `Authorization: Bearer`.
    pub(crate) access_token: String,
    /// How long the access token is good, in seconds.
    pub(crate) expires_in: i64,
    /// Gets the next access token, once.
    pub(crate) refresh_token: String,
    /// The client that the token speaks for.
    pub(crate) user_id: String,
    /// The client through which it was obtained.
    pub(crate) application_id: String,
}

/// The body of an error of the token endpoint.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OAuthErrorBody {
    /// The error's name in OAuth 2.0.
    error: String,
    /// What was wrong.
    description: String,
    /// The same as other routes tell it.
    exh_error: ExhError,
}

/// An error as other routes tell it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ExhError {
    /// The number that client libraries branch on.
    code: u32,
    /// The name of the error, `<UPPER_SNAKE>_EXCEPTION`.
    name: String,
    /// What was wrong.
    description: String,
}

/// Why no token was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OAuthError {
    error: &'static str,
    code: u32,
    name: &'static str,
    description: String,
    retry_after_s: Option<u32>,
}

impl OAuthError {
    fn new(error: &'static str, code: u32, name: &'static str, description: impl Into<String>) -> Self {
        Self { error, code, name, description: description.into(), retry_after_s: None }
    }

    pub(crate) fn invalid_request(refusal: Refusal) -> Self {
        Self::new("invalid_request", refusal.code, refusal.name, refusal.message)
    }

    pub(crate) fn missing_credentials(field: &str) -> Self {
        let description = format!("`{field}` is required");
        Self::new("invalid_request", 126, "MISSING_CLIENT_CREDENTIALS_EXCEPTION", description)
    }

    pub(crate) fn unsupported_grant(grant: &str) -> Self {
        let grant: String = grant.chars().take(40).collect();
        let description = format!("`{grant}` is none of the grants client_credentials, password and refresh_token");
        Self::new("unsupported_grant_type", 121, "UNSUPPORTED_GRANT_TYPE_EXCEPTION", description)
    }

    pub(crate) fn unknown_client() -> Self {
        Self::new("invalid_client", 123, "OAUTH2_CLIENT_ID_EXCEPTION", "no such client exists")
    }

    pub(crate) fn wrong_secret() -> Self {
        Self::new("invalid_client", 124, "OAUTH2_CLIENT_SECRET_EXCEPTION", "the client secret is wrong")
    }

    /// Does not tell whether the user or the password is wrong.
    pub(crate) fn wrong_password() -> Self {
        Self::new("invalid_grant", 106, "AUTHENTICATION_EXCEPTION", "the user name or the password is wrong")
    }

    pub(crate) fn frozen(retry_after_s: u32) -> Self {
        let description = format!("too many logins have failed, try again in {retry_after_s} s");
        let error = Self::new("invalid_grant", 212, "LOGIN_FREEZE_EXCEPTION", description);
        Self { retry_after_s: Some(retry_after_s), ..error }
    }

    pub(crate) fn unknown_refresh_token() -> Self {
        let description = "the refresh token is not known, or no longer";
        Self::new("invalid_grant", 119, "REFRESH_TOKEN_UNKNOWN_EXCEPTION", description)
    }

    pub(crate) fn expired_refresh_token() -> Self {
        Self::new("invalid_grant", 120, "REFRESH_TOKEN_EXPIRED_EXCEPTION", "the refresh token has expired")
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> u32 {
        self.code
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let status = if self.error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        // No `code` at the top: clients would take it for an error of another kind.
        let body = json!({
            "error": self.error, "description": self.description,
            "exh_error": {"code": self.code, "name": self.name, "description": self.description},
        });
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What the token endpoint answers instead of a token: the caller's mistake, or ours.
#[derive(Debug)]
pub(crate) enum Problem {
    OAuth(OAuthError),
    Ours(Error),
}

impl From<OAuthError> for Problem {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::OAuth(error) => error.into_response(),
            Self::Ours(error) => Refusal::from(error).into_response(),
        }
    }
}
