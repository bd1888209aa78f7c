use reqwest::StatusCode;
use serde_json::Value;

/// An answer of any status; a body that is not JSON is a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
}
