//! Why a run fails.

use serde::{Deserialize, Serialize};

/// How many violations the message of a failure names.
const NAMED_VIOLATIONS: usize = 5;

/// The machine-readable type of a failure, which retries are decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FailureType {
    /// The input breaks the declaration of the action, or a placeholder cannot be resolved.
    ValidationError,
    /// The product, access tag, app, environment, action, cache or secret does not exist, or the app answered 404.
    NotFound,
    /// The session is not valid, or the app answered 401.
    Unauthorized,
    /// A secret may not be used here, or the app answered 403.
    Forbidden,
    /// There was no complete answer in time.
    Timeout,
    /// The app answered 429.
    RateLimited,
    /// The app answered 502, 503 or 504, or its circuit is open.
    ServiceUnavailable,
    /// No connection could be made, or it broke.
    ConnectionError,
    /// The app answered another status that is not 2xx.
    RequestFailed,
    /// The answer cannot be handed on: too large, or not what its type says.
    InvalidResponse,
    /// Whether the app got the request is not known, and a second one could do harm.
    OutcomeUnknown,
}

/// Why a run failed; none of its texts has the value of a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    /// The type.
    #[serde(rename = "type")]
    pub(crate) kind: FailureType,
    /// What went wrong, for people.
    pub(crate) message: String,
    /// Every rule that the input breaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) violations: Vec<Violation>,
    /// The HTTP status of the app's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// For how long the app asked not to be called, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
}

/// A rule that the input breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Violation {
    /// Where, such as `$Body{create_user}{address}{city}`.
    pub(crate) selector: String,
    /// The rule, such as `is required`.
    pub(crate) rule: String,
}

impl FailureType {
    /// Returns the name, as in `VALIDATION_ERROR`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::NotFound => "NOT_FOUND",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::Timeout => "TIMEOUT",
            Self::RateLimited => "RATE_LIMITED",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::ConnectionError => "CONNECTION_ERROR",
            Self::RequestFailed => "REQUEST_FAILED",
            Self::InvalidResponse => "INVALID_RESPONSE",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
        }
    }
}

impl Failure {
    /// A failure without more than a type and a message.
    pub(crate) fn new(kind: FailureType, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), violations: Vec::new(), status: None, retry_after_ms: None }
    }

    /// An input that breaks these rules.
    pub(crate) fn violating(violations: Vec<Violation>) -> Self {
        let named: Vec<String> = violations
            .iter()
            .take(NAMED_VIOLATIONS)
            .map(|broken| format!("`{}` {}", broken.selector, broken.rule))
            .collect();
        let more = violations.len().saturating_sub(NAMED_VIOLATIONS);
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        let message = format!("the input is not valid: {}{more}", named.join(", "));
        Self { violations, ..Self::new(FailureType::ValidationError, message) }
    }

    /// Something that the run names does not exist.
    pub(crate) fn unknown(resource: &str, tag: impl std::fmt::Display) -> Self {
        Self::new(FailureType::NotFound, format!("no {resource} `{tag}` exists"))
    }
}
