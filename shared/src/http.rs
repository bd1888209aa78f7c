//! HTTP: routes that fail closed, bodies that are checked, answers and errors in their one shape.

mod request;
mod url;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::path::{Operation, Paths};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

pub use self::request::{IdempotencyKey, JsonBody, RawBody, SourceAddress, is_json};
pub use self::url::{BaseUrl, Called, normalise, route_path};
use crate::auth::{Permission, Sent, Tokens};
use crate::error::{BEARER, Refusal};

/// The largest body that a route takes unless it says otherwise.
pub const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// The longest body that says nothing.
const MAX_NOTHING_BYTES: usize = 1024;

/// The largest body of a route that says so, compressed and not.
#[derive(Clone, Copy)]
struct BodyLimit(usize);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (mut body, message) = (self.extra, self.message.clone());
        body.insert("code".to_owned(), self.code.into());
        body.insert("name".to_owned(), self.name.into());
        body.insert("message".to_owned(), self.message.into());
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        response.extensions_mut().insert(Plain { status: self.status, message });
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        with_challenge(response, self.challenge)
    }
}

/// What a refusal says, beside the body that says it in our words.
#[derive(Debug, Clone)]
struct Plain {
    status: http::StatusCode,
    message: String,
}

/// The body of every error of routes whose clients expect the HTTP status in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PlainErrorBody {
    /// The HTTP status.
    pub code: u16,
    /// What was wrong, naming the field and the rule.
    pub message: String,
}

/// Adds to a 401 what HTTP requires of it, unless it says already how to prove oneself.
fn with_challenge(mut response: Response, challenge: &'static str) -> Response {
    if response.status() == http::StatusCode::UNAUTHORIZED {
        response.headers_mut().entry(WWW_AUTHENTICATE).or_insert(HeaderValue::from_static(challenge));
    }
    response
}

/// The answer to an update or a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Affected {
    /// How many records were changed.
    pub affected_records: u64,
}

/// The body of every error.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// The number that client libraries branch on.
    pub code: u32,
    /// The name of the error, `<UPPER_SNAKE>_EXCEPTION`.
    pub name: String,
    /// What was wrong, naming the field and the rule.
    pub message: String,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct List<T> {
    /// The query as it was understood; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Where in the list this page stands.
    pub page: Page,
    /// The items.
    pub data: Vec<T>,
}

impl<T> List<T> {
    /// Leaves out how many items there are, where nobody counts them all.
    #[must_use]
    pub fn without_total(self) -> Self {
        Self { page: Page { total: None, ..self.page }, ..self }
    }
}

/// Where in a list a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page {
    /// How many items the whole list has, unless the count was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
    /// How many items come before this page.
    pub offset: usize,
    /// The most items that this page can have.
    pub limit: usize,
}

/// The routes of a function; each says who may call it before it exists.
pub struct Api<S> {
    router: OpenApiRouter<S>,
    tokens: Tokens,
    /// Below which path errors have a [`PlainErrorBody`].
    plain_errors: Option<&'static str>,
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    /// Starts without routes.
    pub fn new(tokens: Tokens) -> Self {
        Self { router: OpenApiRouter::new(), tokens, plain_errors: None }
    }

    /// Gives every error below a path, also of routes that do not exist there, a [`PlainErrorBody`].
    #[must_use]
    pub fn plain_errors(self, below: &'static str) -> Self {
        Self { plain_errors: Some(below), ..self }
    }

    /// Adds routes that anybody may call.
    #[must_use]
    pub fn public(mut self, (schemas, mut paths, routes): UtoipaMethodRouter<S>) -> Self {
        describe_refusals(&mut paths, &Access::Public, self.plain_errors);
        self.router = self.router.routes((schemas, paths, routes));
        self
    }

    /// Adds routes that anybody may call, with bodies of up to so many bytes.
    #[must_use]
    pub fn public_up_to(self, body_limit_bytes: usize, (schemas, paths, routes): UtoipaMethodRouter<S>) -> Self {
        self.public((schemas, paths, routes.layer(DefaultBodyLimit::max(body_limit_bytes))))
    }

    /// Adds routes for every client with a valid token.
    #[must_use]
    pub fn signed_in(self, routes: UtoipaMethodRouter<S>) -> Self {
        self.gated(None, routes)
    }

    /// Adds routes for clients with a permission.
    #[must_use]
    pub fn permission(self, permission: Permission, routes: UtoipaMethodRouter<S>) -> Self {
        self.gated(Some(permission), routes)
    }

    /// Adds routes for clients with a permission, with bodies of up to so many bytes.
    #[must_use]
    pub fn permission_up_to(
        self,
        body_limit_bytes: usize,
        permission: Permission,
        (schemas, paths, routes): UtoipaMethodRouter<S>,
    ) -> Self {
        let routes = routes.layer::<_, Infallible>(DefaultBodyLimit::max(body_limit_bytes));
        self.gated(Some(permission), (schemas, paths, routes.layer(Extension(BodyLimit(body_limit_bytes)))))
    }

    /// Adds routes whose handlers decide who may call them, by a permission or without any token; bodies have up to so many
    /// bytes.
    ///
    /// A token that is sent must be valid all the same; the handler has the caller as an `Option`.
    #[must_use]
    pub fn decided_by_handler(
        mut self,
        permission: Permission,
        body_limit_bytes: usize,
        (mut schemas, mut paths, routes): UtoipaMethodRouter<S>,
    ) -> Self {
        schemas.push((ErrorBody::name().into_owned(), ErrorBody::schema()));
        describe_refusals(&mut paths, &Access::Handler(permission), self.plain_errors);
        let gate = Arc::new(Gate { tokens: self.tokens.clone(), permission: None });
        let routes = routes.layer::<_, Infallible>(DefaultBodyLimit::max(body_limit_bytes));
        let routes = routes.layer(Extension(BodyLimit(body_limit_bytes)));
        let routes = routes.layer(from_fn_with_state(gate, check_if_sent));
        self.router = self.router.routes((schemas, paths, routes));
        self
    }

    fn gated(
        mut self,
        permission: Option<Permission>,
        (mut schemas, mut paths, routes): UtoipaMethodRouter<S>,
    ) -> Self {
        schemas.push((ErrorBody::name().into_owned(), ErrorBody::schema()));
        // What is any JSON is described by this name.
        schemas.push(("Value".to_owned(), Value::schema()));
        if self.plain_errors.is_some() {
            schemas.push((PlainErrorBody::name().into_owned(), PlainErrorBody::schema()));
        }
        describe_refusals(&mut paths, &Access::Token(permission), self.plain_errors);
        let gate = Arc::new(Gate { tokens: self.tokens.clone(), permission });
        let bodiless = Arc::new(Bodiless::of(&paths, self.plain_errors));
        let routes = routes.layer::<_, Infallible>(from_fn_with_state(bodiless, refuse_bodies));
        let routes = routes.layer(from_fn_with_state(gate, check));
        self.router = self.router.routes((schemas, paths, routes));
        self
    }

    /// Returns the router and the OpenAPI description of its routes.
    pub fn finish(self, state: S) -> (Router, utoipa::openapi::OpenApi) {
        let (router, mut openapi) = self.router.split_for_parts();
        describe_wildcards(&mut openapi.paths);
        let router = router
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(no_route)
            .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
            .layer(map_response(with_our_error_body))
            // Bodies of their own, as that of the token endpoint, do not come through `Refusal`.
            .layer(map_response(async |response: Response| with_challenge(response, BEARER)))
            .layer(CatchPanicLayer::custom(|_| Refusal::internal().into_response()))
            .layer(from_fn_with_state(self.plain_errors, with_plain_error_body))
            .with_state(state);
        (router, openapi)
    }
}

/// Writes parameters that take the rest of a path as `OpenAPI`, which has none of these, writes any other.
fn describe_wildcards(paths: &mut Paths) {
    let described = std::mem::take(&mut paths.paths).into_iter();
    paths.paths = described.map(|(path, item)| (path.replace("{*", "{"), item)).collect();
}

/// Who may call a route.
enum Access {
    /// Anybody; the route's errors may have a shape of their own.
    Public,
    /// Clients with a token, and perhaps with a permission.
    Token(Option<Permission>),
    /// Whom the handler lets in: clients with a permission, with any token, or anybody.
    Handler(Permission),
}

/// Adds the refusals that every route has, unless a route describes its own.
fn describe_refusals(paths: &mut Paths, access: &Access, plain_errors: Option<&str>) {
    for (path, item) in &mut paths.paths {
        let body = if is_below(path, plain_errors) { PlainErrorBody::name() } else { ErrorBody::name() };
        let plain = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        let others = [&mut item.patch, &mut item.head, &mut item.options];
        for operation in plain.into_iter().chain(others).flatten() {
            let mut refused = |status: &str, description: &str| {
                let mut response = ResponseBuilder::new().description(description);
                if !matches!(access, Access::Public) {
                    let schema = Ref::from_schema_name(body.clone());
                    response = response.content("application/json", ContentBuilder::new().schema(Some(schema)).build());
                }
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
            };
            refused("400", "A field, a parameter or the query breaks a rule, which the answer names");
            refused("503", "A service behind this one does not answer; try again after `Retry-After`");
            match access {
                Access::Public => {}
                Access::Token(permission) => refused("401", &token_rule(*permission)),
                Access::Handler(permission) => {
                    refused("401", &format!("{}; not where anybody may call", token_rule(Some(*permission))));
                }
            }
            if path.contains('{') {
                refused("404", "No such resource exists for the one who asks");
            }
            if operation.request_body.is_some() {
                refused("413", "The body is larger than the route takes");
                refused("415", "The content type is not one that the route takes");
            }
            let token = SecurityRequirement::new("token", Vec::<String>::new());
            operation.security = match access {
                Access::Public => operation.security.take(),
                Access::Token(_) => Some(vec![token]),
                Access::Handler(_) => Some(vec![token, SecurityRequirement::default()]),
            };
        }
    }
}

fn token_rule(permission: Option<Permission>) -> String {
    permission.map_or_else(
        || "No valid access token".to_owned(),
        |permission| format!("No valid access token, or no permission `{}`", permission.name()),
    )
}

struct Gate {
    tokens: Tokens,
    permission: Option<Permission>,
}

async fn check(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Result<Response, Refusal> {
    let caller = gate.tokens.caller(Sent::of(&request)).await?;
    if let Some(permission) = gate.permission {
        caller.require(permission.name())?;
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

async fn check_if_sent(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Result<Response, Refusal> {
    if let Some(caller) = gate.tokens.caller_if_sent(Sent::of(&request)).await? {
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

/// The methods of a route that change something and are described without a body.
struct Bodiless(Vec<Method>);

impl Bodiless {
    /// The clients of routes with plain errors send what they please, as the service that they know did not look at it.
    fn of(paths: &Paths, plain_errors: Option<&str>) -> Self {
        let ours = paths.paths.iter().filter(|(path, _)| !is_below(path, plain_errors));
        let described = ours.flat_map(|(_, item)| {
            [
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ]
        });
        let takes_none = |operation: &Operation| operation.request_body.is_none();
        let bodiless = described.filter(|(_, operation)| operation.as_ref().is_some_and(takes_none));
        Self(bodiless.map(|(method, _)| method).collect())
    }
}

/// Refuses a body that nobody would look at; an object without members, as many clients send it, says nothing.
async fn refuse_bodies(
    State(bodiless): State<Arc<Bodiless>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if !bodiless.0.contains(request.method()) || request.body().is_end_stream() {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let refused = || Refusal::body_format("this route takes no body".to_owned());
    let body = to_bytes(body, MAX_NOTHING_BYTES).await.map_err(|_| refused())?;
    let says_nothing = body.iter().all(u8::is_ascii_whitespace)
        || serde_json::from_slice(&body)
            .is_ok_and(|body: Option<Map<String, Value>>| body.is_none_or(|body| body.is_empty()));
    match says_nothing {
        true => Ok(next.run(Request::from_parts(parts, Body::empty())).await),
        false => Err(refused()),
    }
}

/// Marks a response, as an extension, whose body is not ours and stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct ForeignBody;

/// Gives axum's own refusals of a path or a query, which are plain text, the body that every error has.
async fn with_our_error_body(response: Response) -> Response {
    if response.extensions().get::<ForeignBody>().is_some() {
        return response;
    }
    let is_text = |value: &HeaderValue| value.as_bytes().starts_with(b"text/plain");
    match response.status() == http::StatusCode::BAD_REQUEST
        && response.headers().get(CONTENT_TYPE).is_some_and(is_text)
    {
        true => Refusal::illegal_argument("the path or the query of the request cannot be read").into_response(),
        false => response,
    }
}

fn is_below(path: &str, root: Option<&str>) -> bool {
    let rest = root.and_then(|root| path.strip_prefix(root));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Writes the errors of routes whose clients expect the HTTP status in the body as they expect them.
async fn with_plain_error_body(
    State(plain_errors): State<Option<&'static str>>,
    request: Request,
    next: Next,
) -> Response {
    let is_plain = is_below(request.uri().path(), plain_errors);
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Plain>() {
        Some(Plain { status, message }) if is_plain => {
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(CONTENT_LENGTH);
            let body = Json(PlainErrorBody { code: status.as_u16(), message }).into_response().into_body();
            Response::from_parts(parts, body)
        }
        _ => response,
    }
}

async fn no_route(uri: Uri) -> Refusal {
    Refusal::no_route(uri.path())
}

/// Refuses a method that a route does not take; axum adds the ones that it takes.
pub async fn method_not_allowed() -> Refusal {
    let status = http::StatusCode::METHOD_NOT_ALLOWED;
    Refusal::new(status, 26, "METHOD_NOT_ALLOWED_EXCEPTION", "this route does not take that method")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_401_says_how_to_prove_oneself_and_nothing_else_does() {
        let challenge = |refusal: Refusal| {
            let response = refusal.into_response();
            response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(challenge(Refusal::unauthenticated("x")).as_deref(), Some(BEARER));
        assert!(challenge(Refusal::no_permission("X")).unwrap().contains("insufficient_scope"));
        let unknown = Refusal::new(http::StatusCode::UNAUTHORIZED, 117, "X_EXCEPTION", "x");
        assert!(challenge(unknown).unwrap().contains("invalid_token"));
        let other = Refusal::unauthenticated("x").challenging("Basic realm=\"x\"");
        assert_eq!(challenge(other).as_deref(), Some("Basic realm=\"x\""));
        assert_eq!(challenge(Refusal::unknown("route", "/")), None);
        assert_eq!(challenge(Refusal::internal()), None);
    }
}
