//! DynamoDB's HTTP API, as the AWS command line and other tools speak it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use super::{MAX_BODY_BYTES, Tables};
use crate::wire::Reply;

const CONTENT: &str = "application/x-amz-json-1.0";

/// Serves the tables under `/`.
pub(crate) fn router(tables: Tables) -> Router {
    Router::new()
        .route("/", post(answer).merge(get(async || "healthy: dynamodb\n")))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(tables)
}

async fn answer(State(tables): State<Tables>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let reply = match target.split_once('.') {
        Some(("DynamoDB_20120810", operation)) => tables.answer(operation, &body).await.0,
        _ => Reply::error(
            400,
            "com.amazon.coral.service#UnknownOperationException",
            "the header X-Amz-Target names no operation",
        ),
    };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, CONTENT)], reply.body).into_response()
}
