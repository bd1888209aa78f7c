//! The call that a step describes, and what its answer means.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::clock::derived_hex24;
use shared::event::{Answer, STEP_OUTPUT_LIMIT_BYTES, StepError, StepId};
use shared::json::{DEPTH_LIMIT, WholeNumber, depth, from_value};
use shared::outbound::{Outbound, OutboundError, Request, Response};

/// The header by which a server can tell a repeated call; the same for every attempt at one step.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest body of an answer that becomes an output, so that the output as a whole keeps to its limit.
const BODY_LIMIT_BYTES: usize = STEP_OUTPUT_LIMIT_BYTES * 3 / 4;

/// One HTTP call.
#[derive(Debug)]
pub(crate) struct Call(Request);

/// The fields of an action of type `http`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    url: String,
    #[serde(default = "post")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body: Value,
    timeout_seconds: Option<WholeNumber<1, 60>>,
}

fn post() -> String {
    "POST".to_owned()
}

impl Call {
    /// Reads the call of a step from its action; what is wrong with it can only be mended by its author.
    pub(crate) fn parse(action: Value, step: &StepId) -> Result<Self, StepError> {
        let invalid = |message: String| StepError::bad_request(message);
        let fields: Fields = from_value(action).map_err(|problem| invalid(problem.to_string()))?;
        let method = Method::from_bytes(fields.method.to_ascii_uppercase().as_bytes());
        let method = method.map_err(|_| invalid(format!("`method` {:?} is not an HTTP method", fields.method)))?;
        let mut request = Request::new(method, fields.url);
        for (name, value) in &fields.headers {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return Err(invalid(format!("`headers.{name}` must be a string"))),
            };
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
            let (name, value) = parsed.ok_or_else(|| invalid(format!("`headers.{name}` cannot be sent")))?;
            request.headers.append(name, value);
        }
        request.headers.entry(IDEMPOTENCY_KEY).or_insert_with(|| idempotency_key(step));
        request.body = match fields.body {
            Value::Null => Bytes::new(),
            Value::String(text) => text.into(),
            json => {
                request.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                json.to_string().into()
            }
        };
        let timeout = fields.timeout_seconds.map(|seconds| Duration::from_secs(seconds.get().unsigned_abs()));
        request.timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        request.max_response_bytes = BODY_LIMIT_BYTES;
        Ok(Self(request))
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Tells whether the method promises that a second call does no more than the first (RFC 9110, 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        self.0.method.is_idempotent()
    }

    /// Makes the call and says what came of it.
    pub(crate) async fn make(self, outbound: &Outbound) -> Answer {
        let is_idempotent = self.is_idempotent();
        match outbound.send(self.0).await {
            Ok(response) => answer(&response),
            Err(error) => Answer::failed(failure(&error, is_idempotent)),
        }
    }
}

fn idempotency_key(step: &StepId) -> HeaderValue {
    let parts = [step.event_id.as_str(), step.dispatcher_id.as_str(), &step.step];
    let key = derived_hex24(&parts.map(str::as_bytes));
    HeaderValue::from_str(&key).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Any 2xx is success; the answer is the step's output either way.
fn answer(response: &Response) -> Answer {
    let output = output(response);
    if StatusCode::from_u16(response.status).is_ok_and(|status| status.is_success()) {
        return Answer::succeeded(output);
    }
    let error = StepError::invocation("HttpStatus", format!("the server answered {}", response.status));
    Answer::failed(error).with_output(output)
}

/// `{status, headers, body}` with the body as JSON where it is that and can be handed on, as text otherwise.
fn output(response: &Response) -> Value {
    let headers: Map<String, Value> = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let json = serde_json::from_slice(&response.body).ok().filter(|json| depth(json) <= DEPTH_LIMIT);
    let body = json.unwrap_or_else(|| match response.body.is_empty() {
        true => Value::Null,
        false => String::from_utf8_lossy(&response.body).into(),
    });
    json!({"status": response.status, "headers": headers, "body": body})
}

fn failure(error: &OutboundError, is_idempotent: bool) -> StepError {
    let name = match error {
        OutboundError::Refused { .. } => "AddressRefused",
        OutboundError::InvalidUrl { .. } => StepError::BAD_REQUEST,
        OutboundError::TooLarge { .. } => StepError::OUTPUT_TOO_LARGE,
        _ if error.may_have_arrived() && is_idempotent => "NoAnswer",
        _ if error.may_have_arrived() => StepError::OUTCOME_UNKNOWN,
        _ => "ConnectionFailed",
    };
    StepError::invocation(name, error.to_string())
}
