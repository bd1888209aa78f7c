//! The JSON of AWS's services.

use serde::Serialize;
use serde_json::{Value, json};

/// A service that the emulator serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    DynamoDb,
    EventBridge,
    Scheduler,
    SecretsManager,
    Ses,
}

impl Service {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::EventBridge => "eventbridge",
            Self::Scheduler => "scheduler",
            Self::SecretsManager => "secretsmanager",
            Self::Ses => "sesv2",
        }
    }

    /// How the service answers when it throttles.
    pub(crate) fn throttled(self) -> Reply {
        let (status, code) = match self {
            Self::DynamoDb => (400, "ProvisionedThroughputExceededException"),
            Self::EventBridge | Self::SecretsManager => (400, "ThrottlingException"),
            Self::Scheduler => (429, "ThrottlingException"),
            Self::Ses => (429, "TooManyRequestsException"),
        };
        Reply::error(status, code, "Rate exceeded")
    }
}

/// A response in the JSON of AWS's services.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The header by which REST services name their errors.
    pub(crate) error: Option<&'static str>,
}

impl Reply {
    pub(crate) const fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, body, error: None }
    }

    pub(crate) fn ok(body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self::new(200, body),
            Err(error) => Self::internal(error),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
    pub(crate) fn error(status: u16, code: &'static str, message: impl ToString) -> Self {
        // Services differ in the case of "message"; the SDK reads both.
        let body = json!({"__type": code, "message": message.to_string(), "Message": message.to_string()});
        Self { status, body: body.to_string().into_bytes(), error: Some(code) }
    }

    pub(crate) fn validation(message: impl ToString) -> Self {
        Self::error(400, "ValidationException", message)
    }

    /// The engine itself failed.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::error(500, "InternalServerException", cause)
    }
}

/// Reads the body of a request as JSON; an empty one is an empty object.
pub(crate) fn read_json(body: &[u8]) -> Result<Value, Reply> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| Reply::error(400, "SerializationException", error))
}
