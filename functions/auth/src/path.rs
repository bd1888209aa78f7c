//! Paths below `/users/v1`: what has not the form of an id names no record there, but a route that does not exist.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use shared::Refusal;

const USERS: &str = "/users/v1/";
const ID: &str = "{id}";
const ID_LENGTH: usize = 24;

/// Refuses a path with something else in the place of an id as one of an unknown service, whoever calls with what method.
pub(crate) async fn check(request: Request, next: Next) -> Result<Response, Refusal> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let path = request.uri().path();
    let mut places = route.split('/').zip(path.split('/'));
    // What is encoded is read, or refused as unreadable, by the route.
    let is_none = |text: &str| !text.contains('%') && !is_id(text);
    if route.starts_with(USERS) && places.any(|(place, text)| place == ID && is_none(text)) {
        return Err(Refusal::no_route(path));
    }
    Ok(next.run(request).await)
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
