//! The HTTP client of the SDK that reaches the embedded engines instead of a network.

use std::sync::{Arc, Weak};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde::Serialize;
use serde_json::{Value, json};

use crate::engines::Engines;
use crate::fault::Fault;
use crate::{bus, scheduler, secret};

/// A service that is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    DynamoDb,
    EventBridge,
    Scheduler,
    SecretsManager,
}

impl Service {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::EventBridge => "eventbridge",
            Self::Scheduler => "scheduler",
            Self::SecretsManager => "secretsmanager",
        }
    }

    /// How the service refuses under load.
    fn throttled(self) -> Reply {
        let (status, code) = match self {
            Self::DynamoDb => (400, "ProvisionedThroughputExceededException"),
            Self::EventBridge | Self::SecretsManager => (400, "ThrottlingException"),
            Self::Scheduler => (429, "ThrottlingException"),
        };
        Reply::error(status, code, "Rate exceeded")
    }
}

/// An answer in the JSON that AWS's services speak.
#[derive(Debug)]
pub(crate) struct Reply {
    status: u16,
    body: Vec<u8>,
    /// The header by which REST services name their errors.
    error: Option<&'static str>,
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

/// The SDK's way to the engines; it does not keep them alive.
#[derive(Clone, Debug)]
pub(crate) struct Connector(pub(crate) Weak<Engines>);

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let engines = self.0.upgrade().filter(|engines| !engines.is_closed());
        HttpConnectorFuture::new(async move {
            let engines = engines.ok_or_else(|| broken("the emulator has stopped"))?;
            answer(engines, request).await
        })
    }
}

async fn answer(engines: Arc<Engines>, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let body = request.take_body();
    let Some(body) = body.bytes() else {
        return Err(broken("a request body must not be a stream"));
    };
    let target = request.headers().get("x-amz-target");
    let (path, query) = path_and_query(request.uri());
    let called = match target.and_then(|target| target.split_once('.')) {
        Some(("DynamoDB_20120810", name)) => Some((Service::DynamoDb, name)),
        Some(("AWSEvents", name)) => Some((Service::EventBridge, name)),
        Some(("secretsmanager", name)) => Some((Service::SecretsManager, name)),
        Some(_) => None,
        None => scheduler::operation(request.method(), path).map(|name| (Service::Scheduler, name)),
    };
    let Some((service, operation)) = called else {
        let message = format!("{} {} is not served here", request.method(), request.uri());
        return response(Reply::error(400, "UnknownOperationException", message));
    };
    engines.faults.count(service, operation);
    let fault = engines.faults.next(service, operation);
    match fault {
        Some(Fault::Throttle) => return response(service.throttled()),
        Some(Fault::CrashBefore) => return crash(engines).await,
        _ => {}
    }
    let reply = match service {
        Service::DynamoDb => engines.tables.answer(operation, body).await,
        Service::EventBridge => bus::answer(&engines, operation, body).await,
        Service::SecretsManager => secret::answer(&engines, operation, body).await,
        Service::Scheduler => scheduler::answer(&engines, operation, path, query, body).await,
    };
    match fault {
        Some(Fault::LoseReply) => Err(broken("the connection broke before the answer arrived")),
        Some(Fault::CrashAfter) => crash(engines).await,
        _ => response(reply),
    }
}

/// Never answers: the caller is as good as dead, and whoever watches for crashes drops it.
async fn crash(engines: Arc<Engines>) -> Result<HttpResponse, ConnectorError> {
    engines.faults.crash();
    drop(engines);
    std::future::pending().await
}

fn path_and_query(uri: &str) -> (&str, &str) {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("/", |start| &after_scheme[start..]);
    path.split_once('?').unwrap_or((path, ""))
}

fn response(reply: Reply) -> Result<HttpResponse, ConnectorError> {
    let status = reply.status.try_into().map_err(|_| broken("an impossible status"))?;
    let mut response = HttpResponse::new(status, SdkBody::from(reply.body));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/json");
    if let Some(error) = reply.error {
        headers.insert("x-amzn-errortype", error);
    }
    Ok(response)
}

/// A connection error, which the SDK tries again.
fn broken(message: &'static str) -> ConnectorError {
    ConnectorError::io(message.into())
}
