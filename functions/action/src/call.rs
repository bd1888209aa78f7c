//! The call that a step describes, and what its answer means.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use shared::clock::derived_hex24;
use shared::event::{Answer, FailedResponse, STEP_OUTPUT_LIMIT_BYTES, StepError, StepId};
use shared::json::{DEPTH_LIMIT, WholeNumber, depth, foreign, from_value};
use shared::media::{self, Media};
use shared::outbound::{Outbound, OutboundError, Request, Response};

use crate::{form, request};

/// The header by which a server can tell a repeated call; the same for every attempt at one step.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
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
        let fields: Fields = from_value(action).map_err(|problem| StepError::bad_request(problem.to_string()))?;
        let mut request = Request::new(method(&fields.method)?, fields.url);
        request.headers = headers(&fields.headers)?;
        request.headers.entry(IDEMPOTENCY_KEY).or_insert_with(|| idempotency_key(step));
        request.body = body(fields.body, &mut request.headers)?;
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

fn method(name: &str) -> Result<Method, StepError> {
    request::method(name).map_err(|problem| StepError::bad_request(format!("`method` has the {problem}")))
}

fn headers(fields: &BTreeMap<String, Value>) -> Result<HeaderMap, StepError> {
    let mut headers = request::Headers::default();
    for (name, value) in fields {
        let added = headers.add(name, value);
        added.map_err(|rule| StepError::bad_request(format!("`headers.{name}` {rule}")))?;
    }
    Ok(headers.into_map())
}

/// Writes a body in the type that the headers give it; a text is that already.
fn body(body: Value, headers: &mut HeaderMap) -> Result<Bytes, StepError> {
    let body = match body {
        Value::Null => return Ok(Bytes::new()),
        Value::String(text) => {
            if !headers.contains_key(CONTENT_TYPE) && is_json(&text) {
                headers.insert(CONTENT_TYPE, JSON);
            }
            return Ok(text.into());
        }
        json => json,
    };
    let content_type = headers.entry(CONTENT_TYPE).or_insert(JSON);
    let content_type = String::from_utf8_lossy(content_type.as_bytes());
    let media = Media::of(&content_type);
    if let Some(rule) = media.broken_by(&body) {
        return Err(StepError::bad_request(format!("`body` {rule}")));
    }
    match &body {
        Value::Object(fields) if media == Media::Form => {
            form::encoded(fields).map(Into::into).map_err(StepError::bad_request)
        }
        json => Ok(json.to_string().into()),
    }
}

/// Tells whether a text without a type is JSON, as its placeholders were already filled in for it.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
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
    let response = FailedResponse::new(response.status, &output["body"]);
    Answer::failed(error).with_output(output).with_response(Some(response))
}

/// `{status, headers, body}` with the body as JSON where it is that and can be handed on, as text otherwise.
fn output(response: &Response) -> Value {
    let headers: Map<String, Value> = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let content_type = response.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let content_type = String::from_utf8_lossy(content_type);
    let readable = media::readable(&content_type, &response.body);
    let json = readable.and_then(|text| foreign(text.as_bytes()).ok()).filter(|json| depth(json) <= DEPTH_LIMIT);
    let body = json.unwrap_or_else(|| match media::text(&content_type, &response.body) {
        text if text.is_empty() => Value::Null,
        text => text.into(),
    });
    json!({"status": response.status, "headers": headers, "body": body})
}

fn failure(error: &OutboundError, is_idempotent: bool) -> StepError {
    let name = match error {
        OutboundError::Refused { .. } => "AddressRefused",
        OutboundError::InvalidUrl { .. } | OutboundError::InvalidMethod { .. } => StepError::BAD_REQUEST,
        OutboundError::TooLarge { .. } => StepError::OUTPUT_TOO_LARGE,
        _ if error.may_have_arrived() && is_idempotent => "NoAnswer",
        _ if error.may_have_arrived() => StepError::OUTCOME_UNKNOWN,
        _ => "ConnectionFailed",
    };
    StepError::invocation(name, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_in_the_charset_of_its_type_and_without_its_mark() {
        let check = |content_type: &'static str, body: &'static [u8], expected: Value| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            let response = Response { status: 200, headers, body: body.into(), url: String::new() };
            assert_eq!(output(&response)["body"], expected, "{content_type} {body:x?}");
        };
        check("application/json", b"\xef\xbb\xbf{\"a\": 1}", json!({"a": 1}));
        check("text/plain; charset=windows-1252", b"\x80 caf\xe9", json!("€ café"));
        check("application/json; charset=iso-8859-1", b"{\"a\": \"\xe9\"}", json!({"a": "é"}));
        let reserved = r#"{"$serde_json::private::RawValue": "[1]"}"#;
        check("application/json", reserved.as_bytes(), json!(reserved));
        check("application/json", b"{\"a\": \"\xff\"}", json!("{\"a\": \"\u{fffd}\"}"));
        check("application/json; charset=utf-16", b"\xff\xfe[\x001\x00]\x00", json!([1]));
        check("text/plain", "é".as_bytes(), json!("é"));
        check("text/plain", b"", Value::Null);
        check("text/plain", b"\xef\xbb\xbf", Value::Null);
    }
}
