//! The HTTP port: sends each request to the function whose route the template names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{any, get, post};
use emulator::{DeadLetter, Emulator, Template};
use http::Uri;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use shared::auth::Tokens;
use shared::http::{SourceAddress, method_not_allowed, route_path};
use shared::{Function, Refusal};
use tower_http::cors::CorsLayer;

use crate::functions::describe;

/// How many mails of the outbox are listed.
const OUTBOX_LISTED: usize = 100;

/// What the port needs to answer requests.
pub(crate) struct Gateway {
    template: Template,
    functions: Arc<BTreeMap<String, Function>>,
    emulator: Emulator,
    tokens: Tokens,
    /// What answers browsers, unless no page may call.
    cors: Option<CorsLayer>,
}

impl Gateway {
    pub(crate) fn new(
        template: Template,
        functions: Arc<BTreeMap<String, Function>>,
        emulator: Emulator,
        tokens: Tokens,
        cors: Option<CorsLayer>,
    ) -> Self {
        Self { template, functions, emulator, tokens, cors }
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

/// Builds the routes: those of the functions, and those of this process.
pub(crate) fn router(gateway: Gateway) -> Router {
    let (cors, gateway) = (gateway.cors.clone(), Arc::new(gateway));
    // What shows the process shows something of every tenant.
    let local = Router::new()
        .route("/_local/aws-calls", get(aws_calls).delete(reset_aws_calls))
        .route("/_local/dead-letters", get(dead_letters))
        .route("/_local/dead-letters/redrive", post(redrive))
        .route("/_local/dead-letters/{id}/redrive", post(redrive_one))
        .route("/_local/outbox", get(outbox))
        .route("/_local/outbox/{messageId}", get(mail))
        .route("/_local/unreadable", get(unreadable))
        .route("/_local/{*path}", any(unknown))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(gateway.clone(), check_operator));
    let router = Router::new()
        .merge(local)
        .route("/openapi.json", get(openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(async |State(gateway): State<Arc<Gateway>>, request: Request| gateway.route(request).await)
        .with_state(gateway);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

async fn check_operator(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    gateway.tokens.check(request.headers()).await?.require_operator()?;
    Ok(next.run(request).await)
}

async fn unknown(uri: Uri) -> Refusal {
    Refusal::unknown("route", uri.path())
}

/// How many requests were made to each AWS operation since the start or the last reset; under `units`, what those of
/// DynamoDB have used of each table.
async fn aws_calls(State(gateway): State<Arc<Gateway>>) -> Json<BTreeMap<String, Value>> {
    let calls = gateway.emulator.aws_calls().into_iter();
    let mut counts: BTreeMap<String, Value> = calls.map(|(operation, count)| (operation, count.into())).collect();
    counts.insert("units".to_owned(), json!(gateway.emulator.capacity_units()));
    Json(counts)
}

async fn reset_aws_calls(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    gateway.emulator.reset_aws_calls();
    Json(json!({}))
}

/// The dead letters, without the contents of their events.
async fn dead_letters(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let letters = gateway.emulator.dead_letters().into_iter();
    let described = letters.map(|letter| {
        let DeadLetter { id, queue, target, error, attempts, .. } = letter;
        json!({"id": id, "queue": queue, "target": target, "error": error, "attempts": attempts})
    });
    Json(described.collect())
}

/// Moves all dead letters that come from queues back to them.
async fn redrive(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(json!({"redriven": gateway.emulator.redrive(None).await}))
}

/// Moves a dead letter back to its queue; the input of a schedule comes from none.
async fn redrive_one(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let number = id.parse().ok().filter(|number| *number > 0);
    let redriven = match number {
        Some(number) => gateway.emulator.redrive(Some(&[number])).await,
        None => 0,
    };
    match redriven {
        0 => Err(Refusal::unknown("dead letter of a queue", &id)),
        _ => Ok(Json(json!({"redriven": redriven}))),
    }
}

/// The newest hundred mails of all tenants, the newest first.
async fn outbox(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(json!(gateway.emulator.outbox(OUTBOX_LISTED).await))
}

/// A mail as it was sent, with its headers.
async fn mail(State(gateway): State<Arc<Gateway>>, Path(message_id): Path<String>) -> Result<Response, Refusal> {
    let raw = gateway.emulator.mail(&message_id).await;
    let raw = raw.ok_or_else(|| Refusal::unknown("mail", &message_id))?;
    Ok(([(CONTENT_TYPE, "message/rfc822")], raw).into_response())
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
