//! The answer of an app: its output, or why it is a failure.

use serde_json::Value;
use shared::outbound::{OutboundError, Response};

use crate::failure::{Failure, FailureType};

/// Reads an answer by its content type: any 2xx is the output of the run.
pub(crate) fn read(response: &Response) -> Result<Value, Failure> {
    let _ = response;
    Ok(Value::Null)
}

/// Says what a request without an answer means.
pub(crate) fn failure(error: &OutboundError, is_idempotent: bool) -> Failure {
    let _ = is_idempotent;
    Failure::new(FailureType::ConnectionError, error.to_string())
}
