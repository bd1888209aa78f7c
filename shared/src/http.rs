//! HTTP: routes that fail closed, bodies that are checked, answers and errors in their one shape.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::path::Paths;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::auth::{Permission, Tokens};
use crate::error::Refusal;
use crate::json;

/// The largest body that a route takes unless it says otherwise.
pub const BODY_LIMIT_BYTES: usize = 1024 * 1024;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = self.extra;
        body.insert("code".to_owned(), self.code.into());
        body.insert("name".to_owned(), self.name.into());
        body.insert("message".to_owned(), self.message.into());
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
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
    /// Where in the list this page stands.
    pub page: Page,
    /// The items.
    pub data: Vec<T>,
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
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    /// Starts without routes.
    pub fn new(tokens: Tokens) -> Self {
        Self { router: OpenApiRouter::new(), tokens }
    }

    /// Adds routes that anybody may call.
    #[must_use]
    pub fn public(mut self, (schemas, mut paths, routes): UtoipaMethodRouter<S>) -> Self {
        describe_refusals(&mut paths, &Access::Public);
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

    fn gated(
        mut self,
        permission: Option<Permission>,
        (mut schemas, mut paths, routes): UtoipaMethodRouter<S>,
    ) -> Self {
        schemas.push((ErrorBody::name().into_owned(), ErrorBody::schema()));
        // What is any JSON is described by this name.
        schemas.push(("Value".to_owned(), Value::schema()));
        describe_refusals(&mut paths, &Access::Token(permission));
        let gate = Arc::new(Gate { tokens: self.tokens.clone(), permission });
        let routes = routes.layer(from_fn_with_state(gate, check));
        self.router = self.router.routes((schemas, paths, routes));
        self
    }

    /// Returns the router and the OpenAPI description of its routes.
    pub fn finish(self, state: S) -> (Router, utoipa::openapi::OpenApi) {
        let (router, openapi) = self.router.split_for_parts();
        let router = router
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(no_route)
            .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
            .layer(map_response(with_our_error_body))
            .layer(CatchPanicLayer::custom(|_| Refusal::internal().into_response()))
            .with_state(state);
        (router, openapi)
    }
}

/// Who may call a route.
enum Access {
    /// Anybody; the route's errors may have a shape of their own.
    Public,
    /// Clients with a token, and perhaps with a permission.
    Token(Option<Permission>),
}

/// Adds the refusals that every route has, unless a route describes its own.
fn describe_refusals(paths: &mut Paths, access: &Access) {
    for (path, item) in &mut paths.paths {
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten() {
            let mut refused = |status: &str, description: &str| {
                let mut response = ResponseBuilder::new().description(description);
                if matches!(access, Access::Token(_)) {
                    let schema = Ref::from_schema_name(ErrorBody::name());
                    response = response.content("application/json", ContentBuilder::new().schema(Some(schema)).build());
                }
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
            };
            refused("400", "A field, a parameter or the query breaks a rule, which the answer names");
            refused("503", "A service behind this one does not answer; try again after `Retry-After`");
            if let Access::Token(permission) = access {
                refused("401", &token_rule(*permission));
            }
            if path.contains('{') {
                refused("404", "No such resource exists for the one who asks");
            }
            if operation.request_body.is_some() {
                refused("413", "The body is larger than the route takes");
                refused("415", "The content type is not one that the route takes");
            }
            if let Access::Token(_) = access {
                operation.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
            }
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
    let caller = gate.tokens.check(request.headers()).await?;
    if let Some(permission) = gate.permission {
        caller.require(permission.name())?;
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Gives axum's own refusals of a path or a query, which are plain text, the body that every error has.
async fn with_our_error_body(response: Response) -> Response {
    let is_text = |value: &HeaderValue| value.as_bytes().starts_with(b"text/plain");
    match response.status() == http::StatusCode::BAD_REQUEST
        && response.headers().get(CONTENT_TYPE).is_some_and(is_text)
    {
        true => Refusal::illegal_argument("the path or the query of the request cannot be read").into_response(),
        false => response,
    }
}

async fn no_route(uri: Uri) -> Refusal {
    Refusal::unknown("route", uri.path())
}

async fn method_not_allowed() -> Refusal {
    let status = http::StatusCode::METHOD_NOT_ALLOWED;
    Refusal::new(status, 26, "METHOD_NOT_ALLOWED_EXCEPTION", "this route does not take that method")
}

/// A JSON body; what is wrong with one is said with the path of the field.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::unsupported_media_type("application/json"));
        }
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        json::read(&bytes).map(Self)
    }
}

/// A body as it was sent, within the route's limit.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
                Refusal::too_large("the body is larger than this route takes")
            } else {
                Refusal::body_format("the body broke off")
            }
        })?;
        Ok(Self(bytes))
    }
}

/// The header `Idempotency-Key`: the same key means the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Option<HeaderValue>);

impl IdempotencyKey {
    /// The longest key, in bytes.
    const LIMIT_BYTES: usize = 255;

    /// Returns the key, if the request has one.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.0.as_ref().map(HeaderValue::as_bytes)
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        if parts.headers.get_all("idempotency-key").iter().count() > 1 {
            return Err(Refusal::field("Idempotency-Key", "must be sent once"));
        }
        match parts.headers.get("idempotency-key") {
            Some(key) if !(1..=Self::LIMIT_BYTES).contains(&key.len()) => {
                Err(Refusal::field("Idempotency-Key", format!("must have 1 to {} bytes", Self::LIMIT_BYTES)))
            }
            key => Ok(Self(key.cloned())),
        }
    }
}

/// Where clients reach the API, as far as the configuration says so.
#[derive(Debug, Clone)]
pub struct BaseUrl(Option<Arc<str>>);

impl BaseUrl {
    /// Takes the configured URL.
    pub fn new(configured: Option<&str>) -> Self {
        Self(configured.map(|url| url.trim_end_matches('/').into()))
    }

    /// Returns the configured URL, without a trailing slash.
    pub fn configured(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Returns the configured URL, or else the one under which a request reached us; refuses one that names no host.
    ///
    /// Without a proxy that says otherwise, only hosts of this machine are reached without TLS.
    pub fn of(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let no_host =
            || Refusal::illegal_argument("the request has no valid Host header and no base URL is configured");
        self.configured().map(str::to_owned).or_else(|| base_of(headers)).ok_or_else(no_host)
    }
}

fn base_of(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST.as_str())?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return None;
    }
    let is_loopback = ["localhost", "127.", "[::1]"].iter().any(|name| host.starts_with(name));
    let scheme = match text("x-forwarded-proto") {
        Some("http") => "http",
        None if is_loopback => "http",
        _ => "https",
    };
    Some(format!("{scheme}://{host}"))
}

/// Tells whether the content type is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Returns the path that the routes know: without the stage, without a leading `/localhost` and a trailing slash.
///
/// HTTP APIs put the name of a stage other than `$default` in front of the path. `/localhost` lets clients that treat
/// any URL with that word as it is be pointed at any host.
pub fn route_path<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let path = stage.map_or(path, |stage| without_segment(path, stage));
    let path = without_segment(path, "localhost");
    match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}

fn without_segment<'a>(path: &'a str, segment: &str) -> &'a str {
    match path.strip_prefix('/').and_then(|path| path.strip_prefix(segment)) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Replaces the path of a request by the one that the routes know; keeps the query as it was sent.
pub fn normalise(mut request: http::Request<Body>, stage: Option<&str>) -> http::Request<Body> {
    let uri = request.uri();
    let path = route_path(uri.path(), stage);
    if path != uri.path() {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{path}{query}").parse() {
            *request.uri_mut() = uri;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes_see_no_stage_no_localhost_and_no_trailing_slash() {
        let check = |path, stage, expected| assert_eq!(route_path(path, stage), expected, "{path}");
        check("/dispatchers/v1/", None, "/dispatchers/v1");
        check("/prod/dispatchers/v1", Some("prod"), "/dispatchers/v1");
        check("/production/x", Some("prod"), "/production/x");
        check("/localhost/auth/v2", None, "/auth/v2");
        check("/prod/localhost/auth/", Some("prod"), "/auth");
        check("/localhost", None, "/");
        check("/", None, "/");
        check("/prod", Some("prod"), "/");
    }

    #[test]
    fn without_a_configured_base_the_request_tells_it() {
        let check = |headers: &[(&'static str, &str)], expected: Option<&str>| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers = headers.collect::<HeaderMap>();
            assert_eq!(BaseUrl::new(None).of(&headers).ok().as_deref(), expected);
            assert_eq!(BaseUrl::new(Some("https://a.test/")).of(&headers).as_deref(), Ok("https://a.test"));
        };
        check(&[("host", "api.example.com")], Some("https://api.example.com"));
        check(&[("host", "127.0.0.1:8787")], Some("http://127.0.0.1:8787"));
        check(&[("host", "localhost"), ("x-forwarded-proto", "https")], Some("https://localhost"));
        check(&[("host", "a.b/evil?x")], None);
        check(&[], None);
    }

    #[tokio::test]
    async fn an_idempotency_key_has_one_to_255_bytes() {
        let check = async |key: &str, expected: bool| {
            let request = Request::builder().header("idempotency-key", key).body(Body::empty()).unwrap();
            let found = IdempotencyKey::from_request_parts(&mut request.into_parts().0, &()).await;
            assert_eq!(found.is_ok_and(|found| found.as_bytes() == Some(key.as_bytes())), expected, "{key}");
        };
        check("k", true).await;
        check(&"k".repeat(255), true).await;
        check(&"k".repeat(256), false).await;
        check("", false).await;
    }

    #[test]
    fn json_content_types_are_recognised() {
        let check = |value: &str, expected| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{value}");
        };
        check("application/json", true);
        check("Application/JSON; charset=utf-8", true);
        check("application/cloudevents+json", true);
        check("text/plain", false);
        check("application/jsonp", false);
        assert!(!is_json(&HeaderMap::new()));
    }
}
