//! The HTTP port: sends each request to the function whose route the template names.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use emulator::{Emulator, Template};
use serde_json::{Value, json};
use shared::http::{method_not_allowed, route_path};
use shared::{Function, Refusal};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::functions::describe;

/// What the port needs to answer requests.
pub(crate) struct Gateway {
    template: Template,
    functions: Arc<BTreeMap<String, Function>>,
    emulator: Emulator,
}

impl Gateway {
    pub(crate) fn new(template: Template, functions: Arc<BTreeMap<String, Function>>, emulator: Emulator) -> Self {
        Self { template, functions, emulator }
    }

    /// Hands a request to its function; the answer to an unknown route looks like every other error.
    async fn route(&self, request: Request<Body>) -> Response {
        let path = route_path(request.uri().path(), None);
        let function = self.template.route(request.method().as_str(), path).and_then(|id| self.functions.get(id));
        match function {
            Some(function) => function.call(request).await,
            None => Refusal::unknown("route", path).into_response(),
        }
    }
}

/// Serves until `stopped` is true, then lets open requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Gateway,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let router = Router::new()
        .route("/_local/aws-calls", get(aws_calls).delete(reset_aws_calls))
        .route("/_local/dead-letters", get(dead_letters))
        .route("/openapi.json", get(openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(async |State(gateway): State<Arc<Gateway>>, request: Request| gateway.route(request).await)
        .with_state(Arc::new(gateway));
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// How many requests were made to each AWS operation since the start or the last reset.
async fn aws_calls(State(gateway): State<Arc<Gateway>>) -> Json<BTreeMap<String, u64>> {
    Json(gateway.emulator.aws_calls())
}

async fn reset_aws_calls(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    gateway.emulator.reset_aws_calls();
    Json(json!({}))
}

/// The dead letters, without the contents of their events.
async fn dead_letters(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let letters = gateway.emulator.dead_letters().into_iter();
    let letters: Vec<Value> = letters
        .map(|letter| json!({"target": letter.target, "error": letter.error, "attempts": letter.attempts}))
        .collect();
    Json(letters.into())
}

async fn openapi(State(gateway): State<Arc<Gateway>>) -> Json<utoipa::openapi::OpenApi> {
    Json(describe(&gateway.functions))
}
