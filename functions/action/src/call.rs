//! The call that a step describes, and what its answer means.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::clock::derived_hex24;
use shared::event::{StepError, StepFinished, StepId, StepRequested};
use shared::outbound::{Outbound, OutboundError, Request, Response};

use crate::BODY_LIMIT_BYTES;

/// The header by which a server can tell a repeated call; the same for every attempt at one step.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const DEFAULT_TIMEOUT_S: u64 = 30;
const MAX_TIMEOUT_S: u64 = 60;

/// One HTTP call.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    timeout: Duration,
}

/// The fields of an action of type `action`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    url: String,
    #[serde(default = "post")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

fn post() -> String {
    "POST".to_owned()
}

impl Call {
    /// Reads the call from a command; what is wrong with it can only be mended by its author.
    pub(crate) fn parse(request: &StepRequested) -> Result<Self, StepError> {
        let invalid = |message: String| StepError::invocation("InvalidAction", message);
        let fields = Fields::deserialize(&request.action).map_err(|error| invalid(error.to_string()))?;
        let method = Method::from_bytes(fields.method.to_ascii_uppercase().as_bytes());
        let method = method.map_err(|_| invalid(format!("`method` {:?} is no HTTP method", fields.method)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &fields.headers {
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = parsed.ok_or_else(|| invalid(format!("`headers.{name}` cannot be sent")))?;
            headers.append(name, value);
        }
        let body = match fields.body {
            None | Some(Value::Null) => Bytes::new(),
            Some(Value::String(text)) => text.into(),
            Some(json) => {
                headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                json.to_string().into()
            }
        };
        let timeout_s = fields.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT_S).clamp(1, MAX_TIMEOUT_S);
        Ok(Self { method, url: fields.url, headers, body, timeout: Duration::from_secs(timeout_s) })
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Tells whether the method promises that a second call does no more than the first (RFC 9110, 9.2.2).
    pub(crate) fn is_safe(&self) -> bool {
        self.method.is_idempotent()
    }

    /// Makes the call and says what came of it.
    pub(crate) async fn make(&self, outbound: &Outbound, step: &StepId) -> StepFinished {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        request.headers = self.headers.clone();
        request.headers.entry(IDEMPOTENCY_KEY).or_insert_with(|| idempotency_key(step));
        request.body = self.body.clone();
        request.timeout = self.timeout;
        request.max_response_bytes = BODY_LIMIT_BYTES;
        match outbound.send(request).await {
            Ok(response) => outcome(step.clone(), &response),
            Err(error) => StepFinished::failed(step.clone(), failure(&error, self.is_safe())),
        }
    }
}

fn idempotency_key(step: &StepId) -> HeaderValue {
    let parts = [step.event_id.as_str(), step.dispatcher_id.as_str(), &step.step];
    let key = derived_hex24(&parts.map(str::as_bytes));
    HeaderValue::from_str(&key).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Any 2xx is success; the answer is the step's output either way.
fn outcome(step: StepId, response: &Response) -> StepFinished {
    let output = output(response);
    if StatusCode::from_u16(response.status).is_ok_and(|status| status.is_success()) {
        return StepFinished::succeeded(step, output);
    }
    let error = StepError::invocation("HttpStatus", format!("the server answered {}", response.status));
    StepFinished { output: Some(output), ..StepFinished::failed(step, error) }
}

/// `{status, headers, body}` with the body as JSON where it is that, as text otherwise.
fn output(response: &Response) -> Value {
    let headers: Map<String, Value> = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let body = match serde_json::from_slice(&response.body) {
        Ok(json) => json,
        Err(_) if response.body.is_empty() => Value::Null,
        Err(_) => String::from_utf8_lossy(&response.body).into(),
    };
    json!({"status": response.status, "headers": headers, "body": body})
}

fn failure(error: &OutboundError, is_safe: bool) -> StepError {
    let name = match error {
        OutboundError::Refused { .. } => "AddressRefused",
        OutboundError::InvalidUrl { .. } => "InvalidAction",
        OutboundError::TooLarge { .. } => "AnswerTooLarge",
        _ if error.may_have_arrived() && is_safe => "NoAnswer",
        _ if error.may_have_arrived() => StepError::OUTCOME_UNKNOWN,
        _ => "ConnectionFailed",
    };
    StepError::invocation(name, error.to_string())
}
