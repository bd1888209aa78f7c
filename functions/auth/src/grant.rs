//! What a client requests of the token endpoint, read from JSON or a form and from `Authorization: Basic`.

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::Refusal;
use shared::http::{RawBody, SourceAddress};
use shared::json;

use crate::oauth::OAuthError;

/// The longest id, secret or token that is read.
const FIELD_LIMIT_BYTES: usize = 512;
/// The parameters of [`GrantRequest`].
const PARAMETERS: [&str; 6] = ["grant_type", "client_id", "client_secret", "username", "password", "refresh_token"];

/// The body of a request for a token.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct GrantRequest {
    /// `client_credentials`, `password` or `refresh_token`.
    grant_type: Option<String>,
    /// The client's id; may come in `Authorization: Basic` instead.
    client_id: Option<String>,
    /// The client's secret; may come in `Authorization: Basic` instead.
    client_secret: Option<String>,
    /// For `password`: the e-mail address of the user to log in as, or the id of a client.
    username: Option<String>,
    /// For `password`: the user's password, or the client's secret.
    password: Option<String>,
    /// For `refresh_token`: the last refresh token.
    refresh_token: Option<String>,
}

/// An id with its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The client through which a token is requested; programs that cannot keep a secret send none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

/// A request that has all that its grant needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    ClientCredentials(Credentials),
    Password(Application, Credentials),
    RefreshToken(Application, String),
}

impl Grant {
    /// Reads a request.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let request = parameters(headers, body).map_err(OAuthError::invalid_request)?;
        let kind = given("grant_type", request.grant_type)?.ok_or_else(|| missing("grant_type"))?;
        let body = (given("client_id", request.client_id)?, given("client_secret", request.client_secret)?);
        let application = application(headers, body)?;
        match kind.as_str() {
            "client_credentials" => {
                let secret = application.secret.ok_or_else(|| OAuthError::missing_credentials("client_secret"))?;
                Ok(Self::ClientCredentials(Credentials { id: application.id, secret }))
            }
            "password" => {
                let id = given("username", request.username)?.ok_or_else(|| missing("username"))?;
                let secret = given("password", request.password)?.ok_or_else(|| missing("password"))?;
                Ok(Self::Password(application, Credentials { id, secret }))
            }
            "refresh_token" => {
                let token = given("refresh_token", request.refresh_token)?.ok_or_else(|| missing("refresh_token"))?;
                Ok(Self::RefreshToken(application, token))
            }
            other => Err(OAuthError::unsupported_grant(other)),
        }
    }
}

/// A request with the address that it came from.
pub(crate) struct Attempt {
    pub(crate) source: SourceAddress,
    pub(crate) grant: Grant,
}

impl<S: Send + Sync> FromRequest<S> for Attempt {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthError> {
        let (mut parts, body) = request.into_parts();
        let Ok(source) = SourceAddress::from_request_parts(&mut parts, state).await;
        let headers = parts.headers.clone();
        let body = RawBody::from_request(Request::from_parts(parts, body), state).await;
        let RawBody(body) = body.map_err(OAuthError::invalid_request)?;
        Ok(Self { source, grant: Grant::read(&headers, &body)? })
    }
}

/// Takes the client from the header and the body, which must not contradict each other.
fn application(headers: &HeaderMap, body: (Option<String>, Option<String>)) -> Result<Application, OAuthError> {
    let (id, secret) = match (basic(headers)?, body) {
        (None, body) => body,
        (Some((id, secret)), (body_id, body_secret)) => {
            let differs = |body: Option<String>, header: &str| body.is_some_and(|body| body != header);
            if differs(body_id, &id) || differs(body_secret, &secret) {
                let message = "the client of the Authorization header and of the body differ";
                return Err(OAuthError::invalid_request(Refusal::illegal_argument(message)));
            }
            (Some(id), Some(secret).filter(|secret| !secret.is_empty()))
        }
    };
    let id = id.ok_or_else(|| OAuthError::missing_credentials("client_id"))?;
    Ok(Application { id, secret })
}

/// Reads `Authorization: Basic`; other schemes are ignored.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OAuthError> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((_, encoded)) = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) else {
        return Ok(None);
    };
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':')).filter(|(id, _)| !id.is_empty());
    let unreadable = || {
        let message = "the Authorization header is not `Basic` with the base64 of `id:secret`";
        OAuthError::invalid_request(Refusal::illegal_argument(message))
    };
    let (id, secret) = pair.ok_or_else(unreadable)?;
    short("client_id", id)?;
    short("client_secret", secret)?;
    Ok(Some((id.to_owned(), secret.to_owned())))
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Reads a form or JSON; parameters that are not known are ignored, as RFC 6749, section 3.2, requires.
fn parameters(headers: &HeaderMap, body: &[u8]) -> Result<GrantRequest, Refusal> {
    let mut parameters: Map<String, Value> = if is_form(headers) {
        form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into())).collect()
    } else {
        json::from_value(json::parse(body)?)?
    };
    parameters.retain(|name, _| PARAMETERS.contains(&name.as_str()));
    Ok(json::from_value(Value::Object(parameters))?)
}

/// An empty field counts as absent.
fn given(field: &str, value: Option<String>) -> Result<Option<String>, OAuthError> {
    let value = value.filter(|value| !value.is_empty());
    if let Some(value) = &value {
        short(field, value)?;
    }
    Ok(value)
}

fn short(field: &str, value: &str) -> Result<(), OAuthError> {
    if value.len() <= FIELD_LIMIT_BYTES {
        return Ok(());
    }
    Err(OAuthError::invalid_request(Refusal::field(field, format!("must have at most {FIELD_LIMIT_BYTES} bytes"))))
}

fn missing(field: &str) -> OAuthError {
    OAuthError::invalid_request(Refusal::missing_field(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn read(content_type: &str, basic: Option<&str>, body: &str) -> Result<Grant, OAuthError> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        if let Some(pair) = basic {
            headers.insert(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)).parse().unwrap());
        }
        Grant::read(&headers, body.as_bytes())
    }

    fn credentials(id: &str, secret: &str) -> Credentials {
        Credentials { id: id.to_owned(), secret: secret.to_owned() }
    }

    #[test]
    fn credentials_come_in_the_body_the_header_or_both() {
        let expected = || Ok(Grant::ClientCredentials(credentials("a", "b")));
        let json = "application/json";
        let both = r#"{"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}"#;
        assert_eq!(read(json, None, both), expected());
        assert_eq!(read(json, Some("a:b"), both), expected());
        assert_eq!(read(json, Some("a:b"), r#"{"grant_type": "client_credentials"}"#), expected());
        assert_eq!(read(FORM, Some("a:b"), "grant_type=client_credentials"), expected());
        assert_eq!(read(FORM, None, "grant_type=client_credentials&client_id=a&client_secret=%62"), expected());
    }

    #[test]
    fn each_grant_has_what_it_needs() {
        let application =
            |secret: Option<&str>| Application { id: "app".to_owned(), secret: secret.map(str::to_owned) };
        assert_eq!(
            read(FORM, None, "grant_type=password&client_id=app&username=u&password=p"),
            Ok(Grant::Password(application(None), credentials("u", "p")))
        );
        assert_eq!(
            read(FORM, Some("app:s"), "grant_type=refresh_token&refresh_token=r"),
            Ok(Grant::RefreshToken(application(Some("s")), "r".to_owned()))
        );
    }

    #[test]
    fn what_is_missing_or_contradictory_is_told_by_its_code() {
        let check = |basic: Option<&str>, body: &str, code: u32| {
            assert_eq!(read(FORM, basic, body).unwrap_err().refusal.code, code, "{body}");
        };
        check(None, "client_id=a", 14);
        check(None, "grant_type=client_credentials", 126);
        check(None, "grant_type=client_credentials&client_id=a", 126);
        check(None, "grant_type=client_credentials&client_id=a&client_secret=", 126);
        check(None, "grant_type=password&client_id=a&username=u", 14);
        check(None, "grant_type=refresh_token&client_id=a", 14);
        check(None, "grant_type=authorization_code&client_id=a&code=c", 121);
        check(Some("a:b"), "grant_type=client_credentials&client_id=c", 26);
        check(Some("a:b"), "grant_type=client_credentials&client_secret=c", 26);
        check(Some("ab"), "grant_type=client_credentials", 26);
        check(None, &format!("grant_type=client_credentials&client_id={}", "x".repeat(600)), 15);
        assert_eq!(read("application/json", None, "{").unwrap_err().refusal.code, 22);
        assert_eq!(read("application/json", None, "").unwrap_err().refusal.code, 13);
        assert_eq!(read("application/json", None, r#"{"grant_type": 5}"#).unwrap_err().refusal.code, 15);
        assert_eq!(read("application/json", None, r#"["client_credentials", "a", "b"]"#).unwrap_err().refusal.code, 15);
    }

    #[test]
    fn unknown_parameters_are_ignored_up_to_64_levels_of_json() {
        let json = |deep: String| {
            let known = r#""grant_type": "client_credentials", "client_id": "a", "client_secret": "b""#;
            read("application/json", None, &format!("{{{known}, \"resource\": {deep}}}"))
        };
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let expected = Grant::ClientCredentials(credentials("a", "b"));
        assert_eq!(json("{}".to_owned()).as_ref(), Ok(&expected));
        assert_eq!(json(nested(63)).as_ref(), Ok(&expected));
        assert_eq!(json(nested(64)).unwrap_err().refusal.code, 22);
        assert_eq!(read(FORM, Some("a:b"), "grant_type=client_credentials&resource=r"), Ok(expected));
    }

    proptest! {
        #[test]
        fn reading_never_panics(form: bool, header in "[ -~]{0,40}", body in "\\PC{0,80}") {
            let content_type = if form { FORM } else { "application/json" };
            let headers = HeaderMap::from_iter([
                (CONTENT_TYPE, content_type.parse().unwrap()),
                (AUTHORIZATION, format!("Basic {header}").parse().unwrap()),
            ]);
            let _ = Grant::read(&headers, body.as_bytes());
        }
    }
}
