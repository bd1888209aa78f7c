//! A function, and the turn from what Lambda hands it to a request or an event.

mod batch;
mod queue;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Method, Request, Response, Uri};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::Environment;
use crate::aws::Aws;
use crate::bus;
use crate::error::{Error, Refusal};
use crate::event::Received;
use crate::http::{SourceAddress, normalise};
use crate::seal::Seal;
use crate::table::{Check, Unreadable};
use batch::Batch;
use queue::Queues;

/// The largest answer that Lambda passes on.
const ANSWER_LIMIT_BYTES: usize = 6 * 1024 * 1024;

/// What the bus or a schedule sends to a function.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// An event from the bus.
    Event {
        /// The source of the event.
        source: String,
        /// The event.
        envelope: Box<Received>,
    },
    /// The input of a schedule, as the function wrote it or as the template says.
    Schedule(Value),
    /// An event that an AWS service itself has published, which has no envelope of ours.
    Service {
        /// The service, such as `aws.ses`.
        source: String,
        /// The detail, as the service describes it.
        detail: Value,
    },
}

impl Incoming {
    /// Describes what no handler of a function takes: the template sends it here by mistake.
    pub fn unexpected(&self) -> Error {
        let what = match self {
            Self::Event { source, envelope } => format!("{} of {source}", envelope.kind),
            Self::Schedule(_) => "the input of a schedule".to_owned(),
            Self::Service { source, .. } => format!("an event of {source}"),
        };
        Error::new("handle an event", format!("{what} is not for this function"))
    }
}

type OnEvent = dyn Fn(Incoming) -> BoxFuture<'static, Result<(), Error>> + Send + Sync;

/// A function: its routes, their description, and what it does with events.
#[derive(Clone)]
pub struct Function {
    seal: Seal,
    router: Router,
    // Shared, as a function is cloned for each event that it takes.
    openapi: Arc<utoipa::openapi::OpenApi>,
    on_event: Arc<OnEvent>,
    checks: Arc<[Check]>,
    queues: Option<Queues>,
}

impl Function {
    /// Puts a function together from its routes and its handler of events, whose sealed contents `seal` opens.
    pub fn new<F, R>(seal: Seal, (router, openapi): (Router, utoipa::openapi::OpenApi), on_event: F) -> Self
    where
        F: Fn(Incoming) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let on_event = Arc::new(move |incoming| -> BoxFuture<'static, _> { Box::pin(on_event(incoming)) });
        Self { seal, router, openapi: Arc::new(openapi), on_event, checks: Arc::new([]), queues: None }
    }

    /// Says how the tables of the function are checked.
    #[must_use]
    pub fn with_checks(self, checks: impl IntoIterator<Item = Check>) -> Self {
        Self { checks: checks.into_iter().collect(), ..self }
    }

    /// Lets what fails be received again soon, where the function is fed by queues of SQS.
    #[must_use]
    pub fn with_queues(self, aws: &Aws) -> Self {
        Self { queues: Some(Queues::new(aws)), ..self }
    }

    /// Reads every item of the function's tables, and returns those that cannot be read.
    pub async fn unreadable(&self) -> Result<Vec<Unreadable>, Error> {
        let mut found = Vec::new();
        for check in &*self.checks {
            found.extend(check().await?);
        }
        Ok(found)
    }

    /// Describes the routes.
    pub fn openapi(&self) -> &utoipa::openapi::OpenApi {
        &self.openapi
    }

    /// Answers an HTTP request.
    pub async fn call(&self, request: Request<Body>) -> Response<Body> {
        let request = normalise(request, None);
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Takes an event.
    pub async fn on_event(&self, incoming: Incoming) -> Result<(), Error> {
        (self.on_event)(incoming).await
    }

    /// Takes an event as the text in which a queue holds it, or the input of a schedule as its text.
    pub async fn handle(&self, event: &str) -> Result<(), Error> {
        self.on_event(Box::pin(self.incoming(event)).await?).await
    }

    /// Does what one Lambda invocation asks for.
    ///
    /// Takes the JSON of an HTTP API (payload format 2.0), of a queue of events, of EventBridge, or the input of a
    /// schedule, and returns the JSON that the invoker expects.
    pub async fn invoke(&self, payload: Value) -> Result<Value, Error> {
        if payload.get("requestContext").is_some_and(|context| context.get("http").is_some()) {
            let request = HttpRequest::deserialize(payload).map_err(Error::cannot("read an HTTP request"))?;
            return Ok(self.invoke_http(request).await);
        }
        if Batch::is_one(&payload) {
            let batch = Batch::deserialize(payload).map_err(Error::cannot("read a batch of messages"))?;
            return Ok(batch.handle(self).await);
        }
        self.handle(&payload.to_string()).await?;
        Ok(Value::Null)
    }

    /// Tells an event of our bus, which is opened here, from one of an AWS service and from the input of a schedule.
    async fn incoming(&self, event: &str) -> Result<Incoming, Error> {
        let Delivered { detail_type: Some(_), source, detail } = read(event)? else {
            return Ok(Incoming::Schedule(read(event)?));
        };
        let source = source.into_owned();
        // EventBridge takes a source that begins so from AWS alone.
        if source.starts_with("aws.") {
            return Ok(Incoming::Service { source, detail: read(detail.get())? });
        }
        let envelope = Box::new(bus::open(&self.seal, &source, detail.get()).await?);
        Ok(Incoming::Event { source, envelope })
    }

    async fn invoke_http(&self, request: HttpRequest) -> Value {
        let response = match request.into_request() {
            Ok(request) => self.call(request).await,
            Err(refusal) => refusal.into_response(),
        };
        answer(response).await
    }
}

/// Runs a function on Lambda until the environment ends.
pub async fn run(function: fn(&Environment) -> Result<Function, Error>) -> Result<(), lambda_runtime::Error> {
    crate::log::init_json();
    let environment = Environment::from_env().await;
    let function = function(&environment)?.with_queues(&environment.aws);
    let handler = |event: LambdaEvent<Value>| {
        let function = &function;
        async move {
            function.invoke(event.payload).await.inspect_err(|error| {
                tracing::error!(error = error.chain(), "invocation failed");
            })
        }
    };
    lambda_runtime::run(service_fn(handler)).await
}

fn read<'a, T: Deserialize<'a>>(event: &'a str) -> Result<T, Error> {
    serde_json::from_str(event).map_err(Error::cannot("read an event"))
}

/// The fields that we read of what EventBridge delivers; the input of a schedule has no `detail-type`.
#[derive(Deserialize)]
struct Delivered<'a> {
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
    #[serde(borrow, default)]
    source: Cow<'a, str>,
    #[serde(borrow, default = "nothing")]
    detail: &'a RawValue,
}

fn nothing() -> &'static RawValue {
    RawValue::NULL
}

/// The fields that we read of payload format 2.0.
///
/// Source: Amazon API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs". The decoded
/// `queryStringParameters` are left aside: only the raw query keeps operators and repeated names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpRequest {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    request_context: RequestContext,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct RequestContext {
    http: HttpContext,
    #[serde(default)]
    stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext {
    method: String,
    #[serde(default)]
    source_ip: Option<String>,
}

impl HttpRequest {
    fn into_request(self) -> Result<Request<Body>, Refusal> {
        let unreadable = |what: &str| Refusal::illegal_argument(format!("the request's {what} cannot be read"));
        let method = Method::from_bytes(self.request_context.http.method.as_bytes());
        let query =
            if self.raw_query_string.is_empty() { String::new() } else { format!("?{}", self.raw_query_string) };
        let uri: Uri = format!("{}{query}", escaped(&self.raw_path)).parse().map_err(|_| unreadable("path"))?;
        let body = self.body.unwrap_or_default();
        let body = match self.is_base64_encoded {
            true => STANDARD.decode(body).map_err(|_| unreadable("body"))?,
            false => body.into_bytes(),
        };
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method.map_err(|_| unreadable("method"))?;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers(&self.headers, &self.cookies);
        if let Some(address) = self.request_context.http.source_ip.and_then(|address| address.parse().ok()) {
            request.extensions_mut().insert(SourceAddress::new(address));
        }
        let stage = self.request_context.stage.filter(|stage| stage != "$default");
        Ok(normalise(request, stage.as_deref()))
    }
}

/// Escapes what a URI cannot have in its path and leaves the rest of `rawPath`, also its escapes, as it is.
fn escaped(path: &str) -> String {
    let bytes = path.as_bytes();
    let is_escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    let mut uri = String::with_capacity(path.len());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' if is_escape(at) => uri.push('%'),
            b'!' | b'$' | b'&'..=b';' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z' | b'~' => uri.push((*byte).into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// Headers arrive with repeated ones joined by commas, and cookies apart from them.
fn headers(named: &Map<String, Value>, cookies: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(named.len() + 1);
    for (name, value) in named {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = value.as_str().map(|value| HeaderValue::from_bytes(value.as_bytes()));
        if let (Ok(name), Some(Ok(value))) = (name, value) {
            headers.append(name, value);
        }
    }
    if let (false, Ok(value)) = (cookies.is_empty(), HeaderValue::from_str(&cookies.join("; "))) {
        headers.insert(COOKIE, value);
    }
    headers
}

/// Writes a response as payload format 2.0; a body that is not text travels as base64.
async fn answer(response: Response<Body>) -> Value {
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_LIMIT_BYTES).await else {
        let message = r#"{"code":1,"name":"SERVER_EXCEPTION","message":"the answer is larger than Lambda passes on"}"#;
        return json!({"statusCode": 500, "headers": {"content-type": "application/json"}, "body": message});
    };
    let mut named = Map::new();
    for name in parts.headers.keys().filter(|name| **name != SET_COOKIE) {
        named.insert(name.to_string(), joined(&parts.headers, name).into());
    }
    let cookies: Vec<&str> = parts.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
    let (body, is_base64_encoded) = match String::from_utf8(bytes.to_vec()) {
        Ok(text) => (text, false),
        Err(error) => (STANDARD.encode(error.as_bytes()), true),
    };
    named.entry(CONTENT_TYPE.as_str()).or_insert_with(|| "text/plain; charset=utf-8".into());
    json!({
        "statusCode": parts.status.as_u16(), "headers": named, "cookies": cookies,
        "body": body, "isBase64Encoded": is_base64_encoded,
    })
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_becomes_a_uri() {
        let check = |path: &str, expected: &str| {
            assert_eq!(escaped(path), expected);
            assert!(expected.parse::<Uri>().is_ok(), "{path}");
        };
        check("/dispatchers/v1/", "/dispatchers/v1/");
        check("/a b/ü", "/a%20b/%C3%BC");
        check("/a?b", "/a%3Fb");
        check("/a%20b", "/a%20b");
        check("/a%b", "/a%25b");
    }
}
