//! The HTTP client of the SDK that reaches the embedded engines instead of a network.

use std::sync::{Arc, Weak};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::engines::Engines;
use crate::fault::Fault;
use crate::wire::{Reply, Service};
use crate::{mail, scheduler};

/// The SDK's connection to the engines; it does not keep them alive.
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
        return Err(broken("a request body cannot be a stream"));
    };
    let target = request.headers().get("x-amz-target");
    let (path, query) = path_and_query(request.uri());
    let called = match target.and_then(|target| target.split_once('.')) {
        Some(("DynamoDB_20120810", name)) => Some((Service::DynamoDb, name)),
        Some(("AWSEvents", name)) => Some((Service::EventBridge, name)),
        Some(("secretsmanager", name)) => Some((Service::SecretsManager, name)),
        Some(_) => None,
        None => rest_operation(request.method(), path),
    };
    let Some((service, operation)) = called else {
        if path.starts_with("/2015-03-31/functions/") {
            // The name that Lambda gives an error of its own.
            let message = "no AWS Lambda runs here: `--lambda-endpoint` names one that does";
            return response(Reply::error(400, "InvalidRuntimeException", message));
        }
        let message = format!("{} {} is not supported here", request.method(), request.uri());
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
        Service::DynamoDb => {
            let (reply, consumed) = engines.tables.answer(operation, body).await;
            engines.faults.count_units(operation, &consumed);
            reply
        }
        Service::EventBridge => engines.bus.answer(operation, body).await,
        Service::SecretsManager => engines.secrets.answer(operation, body).await,
        Service::Scheduler => engines.scheduler.answer(operation, path, query, body).await,
        Service::Ses => engines.mails.answer(operation, body).await,
    };
    match fault {
        Some(Fault::LoseReply) => Err(broken("the connection was lost before the response arrived")),
        Some(Fault::CrashAfter) => crash(engines).await,
        _ => response(reply),
    }
}

/// The operation of a service that is told by method and path.
fn rest_operation(method: &str, path: &str) -> Option<(Service, &'static str)> {
    let scheduler = scheduler::operation(method, path).map(|name| (Service::Scheduler, name));
    scheduler.or_else(|| mail::operation(method, path).map(|name| (Service::Ses, name)))
}

/// Never returns: whatever watches for crashes drops the caller.
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
    let status = reply.status.try_into().map_err(|_| broken("an invalid status"))?;
    let mut response = HttpResponse::new(status, SdkBody::from(reply.body));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/json");
    if let Some(error) = reply.error {
        headers.insert("x-amzn-errortype", error);
    }
    Ok(response)
}

/// A connection error, which the SDK retries.
fn broken(message: &'static str) -> ConnectorError {
    ConnectorError::io(message.into())
}
