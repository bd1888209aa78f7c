//! The two kinds of failure: ours (the same call may work later) and theirs (it never can).

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::Write as _;

use http::StatusCode;
use serde_json::{Map, Value};

/// How much of a path is quoted, so that an answer stays small.
const QUOTE_LIMIT_CHARACTERS: usize = 200;

/// A failure of ours: AWS, the network or a disk did not do its part.
///
/// `Err(Error)` from a handler means "call me again": Lambda retries the invocation, HTTP answers 503 with `Retry-After`.
/// What can never work travels on as data instead, as a [`Refusal`] or as an outcome.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct Error {
    doing: Cow<'static, str>,
    #[source]
    cause: Box<dyn StdError + Send + Sync>,
}

impl Error {
    /// Builds an error that reads `cannot {doing}`, with its cause.
    pub fn new(doing: impl Into<Cow<'static, str>>, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { doing: doing.into(), cause: cause.into() }
    }

    /// Returns a function for `map_err` that keeps the cause.
    pub fn cannot<E: Into<Box<dyn StdError + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self::new(doing, cause)
    }

    /// Flattens the chain of causes into one line, for the one place that logs it.
    ///
    /// The SDK's `SdkError` prints only "service error"; what really happened stands further down its chain.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(line, ": {error}");
            cause = error.source();
        }
        line
    }
}

impl From<Error> for lambda_runtime::Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: "Hookyard".to_owned(), error_message: error.chain() }
    }
}

/// The challenge of a route that takes an access token.
pub const BEARER: &str = r#"Bearer realm="hookyard""#;

/// Something that the caller asked for and that can never work as asked.
///
/// The one shape of every error answer: `{"code", "name", "message"}` with an HTTP status. `code` is what client
/// libraries branch on, `name` reads `<UPPER_SNAKE>_EXCEPTION`.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// The number that client libraries branch on.
    pub code: u32,
    /// The name of the error, `<UPPER_SNAKE>_EXCEPTION`.
    pub name: &'static str,
    /// What was wrong, naming the field and the rule.
    pub message: String,
    /// Further members of the answer's body.
    pub extra: Map<String, Value>,
    /// Seconds after which a retry helps, sent as `Retry-After`.
    pub retry_after_s: Option<u32>,
    /// How to prove oneself after a 401, sent as `WWW-Authenticate`; with an access token unless it says otherwise.
    pub challenge: &'static str,
}

impl Refusal {
    /// Builds a refusal from its parts.
    pub fn new(status: StatusCode, code: u32, name: &'static str, message: impl Into<String>) -> Self {
        let challenge = match code {
            10 => r#"Bearer realm="hookyard", error="insufficient_scope""#,
            117 | 118 => r#"Bearer realm="hookyard", error="invalid_token""#,
            _ => BEARER,
        };
        Self { status, code, name, message: message.into(), extra: Map::new(), retry_after_s: None, challenge }
    }

    /// Says in another way how to prove oneself.
    #[must_use]
    pub fn challenging(self, challenge: &'static str) -> Self {
        Self { challenge, ..self }
    }

    /// Adds a member to the answer's body.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.to_owned(), value.into());
        self
    }

    /// The resource does not exist: 404, code 16.
    pub fn unknown(resource: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 16, "RESOURCE_UNKNOWN_EXCEPTION", format!("no {resource} `{id}` exists"))
    }

    /// A unique name is taken: 400, code 17.
    pub fn already_exists(resource: &str, name: &str) -> Self {
        Self::bad(17, "RESOURCE_ALREADY_EXISTS_EXCEPTION", format!("the {resource} `{name}` exists already"))
    }

    /// A path or body holds an id that cannot be one: 400, code 12.
    pub fn id_format(message: impl Into<String>) -> Self {
        Self::bad(12, "ID_FORMAT_EXCEPTION", message)
    }

    /// The request has no body and needs one: 400, code 13.
    pub fn empty_body() -> Self {
        Self::bad(13, "EMPTY_BODY_EXCEPTION", "the request needs a JSON body")
    }

    /// A required field is missing: 400, code 14.
    pub fn missing_field(field: &str) -> Self {
        Self::bad(14, "MISSING_REQUIRED_FIELDS_EXCEPTION", format!("`{field}` is required"))
    }

    /// None of several fields is there, one of which must be: 400, code 14.
    pub fn missing_one_of(fields: &[&str]) -> Self {
        let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
        Self::bad(14, "MISSING_REQUIRED_FIELDS_EXCEPTION", format!("{} is required", fields.join(" or ")))
    }

    /// A field breaks a rule: 400, code 15.
    pub fn field(field: &str, rule: impl std::fmt::Display) -> Self {
        Self::bad(15, "FIELD_FORMAT_EXCEPTION", format!("`{field}` {rule}"))
    }

    /// The query string is not valid RQL: 400, code 19.
    pub fn invalid_rql(message: impl Into<String>) -> Self {
        Self::bad(19, "INVALID_RQL_EXCEPTION", message)
    }

    /// The body is not what its content type says: 400, code 22.
    pub fn body_format(message: impl Into<String>) -> Self {
        Self::bad(22, "BODY_FORMAT_EXCEPTION", message)
    }

    /// An argument makes no sense here: 400, code 26.
    pub fn illegal_argument(message: impl Into<String>) -> Self {
        Self::bad(26, "ILLEGAL_ARGUMENT_EXCEPTION", message)
    }

    /// The resource is not in a state that allows this: 400, code 27.
    pub fn illegal_state(message: impl Into<String>) -> Self {
        Self::bad(27, "ILLEGAL_STATE_EXCEPTION", message)
    }

    /// The caller lacks a permission: 401 (not 403, which existing clients do not expect), code 10.
    pub fn no_permission(permission: &str) -> Self {
        let message = format!("this needs the permission {permission}");
        Self::new(StatusCode::UNAUTHORIZED, 10, "NO_PERMISSION_EXCEPTION", message)
    }

    /// The request carries credentials that are wrong: 401, code 106.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 106, "AUTHENTICATION_EXCEPTION", message)
    }

    /// The request carries no access token: 401, code 104.
    pub fn no_token(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 104, "USER_NOT_AUTHENTICATED_EXCEPTION", message)
    }

    /// The list would take more work than a request may cause: 401 (as existing clients expect), code 21.
    pub fn long_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 21, "LONG_QUERY_EXCEPTION", message)
    }

    /// No service or route has this path: 404, code 903.
    pub fn no_route(path: &str) -> Self {
        let path: String = path.chars().take(QUOTE_LIMIT_CHARACTERS).collect();
        let message = format!("no service with a route `{path}` exists");
        Self::new(StatusCode::NOT_FOUND, 903, "SERVICE_NOT_FOUND_EXCEPTION", message)
    }

    /// The body is larger than the route takes: 413.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, 22, "BODY_TOO_LARGE_EXCEPTION", message)
    }

    /// The body's content type is not the one that the route takes: 415.
    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::not_understood(format!("the content type must be {expected}"))
    }

    /// The body comes in a way that is not understood, such as an unknown encoding: 415.
    pub fn not_understood(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, 22, "UNSUPPORTED_MEDIA_TYPE_EXCEPTION", message)
    }

    /// Something behind us is not answering: 503 with `Retry-After`, code 4.
    pub fn unavailable() -> Self {
        let message = "a service behind this one is not answering, try again";
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, 4, "SERVICE_UNREACHABLE_EXCEPTION", message);
        refusal.retry_after_s = Some(1);
        refusal
    }

    /// Our own mistake: 500, code 1, with nothing of the inside in it.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, 1, "SERVER_EXCEPTION", "the request could not be processed")
    }

    fn bad(code: u32, name: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, name, message)
    }
}

impl From<Error> for Refusal {
    /// Logs the failure, the only place that does so for HTTP, and answers 503 without its details.
    fn from(error: Error) -> Self {
        tracing::error!(error = error.chain(), "request failed");
        Self::unavailable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_names_every_cause_once() {
        let inner = Error::new("reach the table", std::io::Error::other("connection reset"));
        let outer = Error::new("save the run", inner);
        assert_eq!(outer.to_string(), "cannot save the run");
        assert_eq!(outer.chain(), "cannot save the run: cannot reach the table: connection reset");
    }

    #[test]
    fn an_answer_to_our_own_failure_says_nothing_of_the_inside() {
        let refusal = Refusal::from(Error::new("read channels", "secret-table-name is throttled"));
        assert_eq!((refusal.status, refusal.code), (StatusCode::SERVICE_UNAVAILABLE, 4));
        assert!(!refusal.message.contains("secret-table-name"));
        assert_eq!(refusal.retry_after_s, Some(1));
    }
}
