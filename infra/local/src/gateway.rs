//! The HTTP port: sends each request to the function whose route the template names.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use emulator::{Emulator, Template};
use serde_json::{Value, json};
use shared::http::{SourceAddress, route_path};
use shared::{Function, Refusal};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::cors::CorsLayer;

use crate::functions::describe;

/// What the port needs to answer requests.
pub(crate) struct Gateway {
    template: Template,
    functions: Arc<BTreeMap<String, Function>>,
    emulator: Emulator,
    /// What answers browsers, unless no page may call.
    cors: Option<CorsLayer>,
}

impl Gateway {
    pub(crate) fn new(
        template: Template,
        functions: Arc<BTreeMap<String, Function>>,
        emulator: Emulator,
        cors: Option<CorsLayer>,
    ) -> Self {
        Self { template, functions, emulator, cors }
    }

    /// Hands a request to its function; the answer to an unknown route looks like every other error.
    async fn route(&self, mut request: Request<Body>) -> Response {
        if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
            request.extensions_mut().insert(SourceAddress::new(peer.ip()));
        }
        let path = route_path(request.uri().path(), None);
        let function = self.template.route(request.method().as_str(), path).and_then(|id| self.functions.get(id));
        match function {
            Some(function) => function.call(request).await,
            None => Refusal::no_route(path).into_response(),
        }
    }
}

/// Serves until `stopped` is true, then lets open requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Gateway,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let cors = gateway.cors.clone();
    let router = Router::new()
        .route("/_local/aws-calls", get(aws_calls).delete(reset_aws_calls))
        .route("/_local/dead-letters", get(dead_letters))
        .route("/_local/unreadable", get(unreadable))
        .route("/openapi.json", get(openapi))
        .fallback(async |State(gateway): State<Arc<Gateway>>, request: Request| gateway.route(request).await)
        .with_state(Arc::new(gateway));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(stop).await
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

/// The rows that cannot be read, of the tables of all functions.
async fn unreadable(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, Refusal> {
    let mut rows = Vec::new();
    for function in gateway.functions.values() {
        rows.extend(function.unreadable().await?);
    }
    Ok(Json(json!(rows)))
}

async fn openapi(State(gateway): State<Arc<Gateway>>) -> Json<utoipa::openapi::OpenApi> {
    Json(describe(&gateway.functions))
}
