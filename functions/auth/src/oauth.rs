//! The answers of the token endpoint, which have a shape of their own.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use shared::{Error, Refusal, nearest};

use crate::attempt::Wait;

/// An access token and how to get the next one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenAnswer {
    /// Always `bearer`.
    pub(crate) token_type: &'static str,
    /// Goes into `Authorization: Bearer`.
    pub(crate) access_token: String,
    /// How long the access token is valid, in seconds.
    pub(crate) expires_in: i64,
    /// Gets the next access token, once.
    pub(crate) refresh_token: String,
    /// The user or the client that the token speaks for.
    pub(crate) user_id: String,
    /// The client through which it was obtained.
    pub(crate) application_id: String,
}

/// The body of an error of the token endpoint.
///
/// It has no `code` at the top: clients would take it for an error of another kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OAuthErrorBody {
    /// The error's name in OAuth 2.0.
    error: &'static str,
    /// What was wrong.
    description: String,
    /// The same under its name in OAuth 2.0.
    error_description: String,
    /// The same in the shape of other routes.
    exh_error: ExhError,
}

/// An error in the shape of other routes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ExhError {
    /// The number that client libraries branch on.
    code: u32,
    /// The name of the error, `<UPPER_SNAKE>_EXCEPTION`.
    name: &'static str,
    /// What was wrong.
    description: String,
}

/// Why no token was issued: with the name of the caller's mistake in OAuth 2.0, or without one where the failure is ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OAuthError {
    error: Option<&'static str>,
    pub(crate) refusal: Refusal,
}

impl OAuthError {
    fn new(error: &'static str, code: u32, name: &'static str, description: impl Into<String>) -> Self {
        let is_client = error == "invalid_client";
        let status = if is_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        Self { error: Some(error), refusal: Refusal::new(status, code, name, description) }
    }

    pub(crate) fn invalid_request(refusal: Refusal) -> Self {
        Self { error: Some("invalid_request"), refusal }
    }

    pub(crate) fn missing_credentials(field: &str) -> Self {
        let description = format!("`{field}` is required");
        Self::new("invalid_request", 126, "MISSING_CLIENT_CREDENTIALS_EXCEPTION", description)
    }

    pub(crate) fn unsupported_grant(grant: &str) -> Self {
        let description = match grant {
            "authorization_code" => {
                "the grant `authorization_code` is not supported: there are no login pages here".into()
            }
            "mfa" => "the grant `mfa` is not supported: no login here asks for a second factor".into(),
            grant => nearest::unknown("grant type", grant, ["client_credentials", "password", "refresh_token"]),
        };
        Self::new("unsupported_grant_type", 121, "UNSUPPORTED_GRANT_TYPE_EXCEPTION", description)
    }

    pub(crate) fn unknown_client() -> Self {
        Self::new("invalid_client", 123, "OAUTH2_CLIENT_ID_EXCEPTION", "no such client exists")
    }

    pub(crate) fn wrong_secret() -> Self {
        Self::new("invalid_client", 124, "OAUTH2_CLIENT_SECRET_EXCEPTION", "the client secret is wrong")
    }

    /// Turns a failed login of a client into one of a user, without saying which of name and password is wrong.
    pub(crate) fn of_user(self) -> Self {
        match self.error {
            Some("invalid_client") => Self::wrong_password(),
            _ => self,
        }
    }

    pub(crate) fn wrong_password() -> Self {
        Self::new("invalid_grant", 106, "AUTHENTICATION_EXCEPTION", "the user name or the password is wrong")
    }

    /// Tells that the next password has to wait.
    pub(crate) fn waiting(wait: Wait) -> Self {
        let (code, name, why, seconds) = match wait {
            Wait::Timeout(seconds) => (211, "LOGIN_TIMEOUT_EXCEPTION", "too many logins have failed", seconds),
            Wait::Freeze(seconds) => (212, "LOGIN_FREEZE_EXCEPTION", "ten more logins have failed", seconds),
            Wait::TooMany(seconds) => (213, "TOO_MANY_FAILED_ATTEMPTS_EXCEPTION", "fifty logins have failed", seconds),
        };
        let description = format!("{why} for this user from this address, try again in {seconds} seconds");
        let mut error = Self::new("invalid_grant", code, name, description);
        error.refusal.retry_after_s = Some(seconds);
        error
    }

    /// Tells that the failure is ours.
    pub(crate) fn ours(refusal: Refusal) -> Self {
        Self { error: None, refusal }
    }

    pub(crate) fn too_many_permissions(refusal: Refusal) -> Self {
        Self { error: Some("invalid_grant"), refusal }
    }

    /// Returns it as other routes answer it.
    pub(crate) fn into_refusal(self) -> Refusal {
        match self.refusal.code {
            106 => Refusal { status: StatusCode::UNAUTHORIZED, ..self.refusal },
            _ => self.refusal,
        }
    }

    pub(crate) fn slow_down(seconds: u32) -> Self {
        let description = format!("too many logins from this address have failed, try again in {seconds} seconds");
        let mut error = Self::new("invalid_grant", 211, "LOGIN_TIMEOUT_EXCEPTION", description);
        error.refusal.retry_after_s = Some(seconds);
        error
    }

    pub(crate) fn unknown_refresh_token() -> Self {
        let description = "the refresh token is unknown or no longer valid";
        Self::new("invalid_grant", 119, "REFRESH_TOKEN_UNKNOWN_EXCEPTION", description)
    }

    pub(crate) fn expired_refresh_token() -> Self {
        Self::new("invalid_grant", 120, "REFRESH_TOKEN_EXPIRED_EXCEPTION", "the refresh token has expired")
    }
}

impl From<Error> for OAuthError {
    fn from(error: Error) -> Self {
        Self { error: None, refusal: error.into() }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let Self { error: Some(error), refusal } = self else { return self.refusal.into_response() };
        let Refusal { status, code, name, message, retry_after_s, .. } = refusal;
        let exh_error = ExhError { code, name, description: message.clone() };
        let retry_after = retry_after_s.map(|seconds| [(RETRY_AFTER, HeaderValue::from(seconds))]);
        // RFC 6749, 5.2: a client that is not accepted learns which scheme it may use.
        let challenge = (status == StatusCode::UNAUTHORIZED)
            .then(|| [(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="hookyard""#))]);
        let error_description = message.clone();
        let body = Json(OAuthErrorBody { error, description: message, error_description, exh_error });
        (status, retry_after, challenge, body).into_response()
    }
}
