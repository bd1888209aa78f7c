//! HTTP: routes that fail closed, bodies that are checked, answers and errors in their one shape.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Uri};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::auth::Tokens;
use crate::error::Refusal;

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
    pub fn public(mut self, routes: UtoipaMethodRouter<S>) -> Self {
        self.router = self.router.routes(routes);
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
    pub fn permission(self, permission: &'static str, routes: UtoipaMethodRouter<S>) -> Self {
        self.gated(Some(permission), routes)
    }

    fn gated(mut self, permission: Option<&'static str>, (schemas, paths, routes): UtoipaMethodRouter<S>) -> Self {
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
            .layer(CatchPanicLayer::custom(|_| Refusal::internal().into_response()))
            .with_state(state);
        (router, openapi)
    }
}

struct Gate {
    tokens: Tokens,
    permission: Option<&'static str>,
}

async fn check(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Result<Response, Refusal> {
    let caller = gate.tokens.check(request.headers()).await?;
    if let Some(permission) = gate.permission {
        caller.require(permission)?;
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
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
        read_json(&bytes).map(Self)
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

/// Reads JSON into a type, or says which field breaks which rule.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::empty_body());
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.inner();
        let field = if path == "." { String::new() } else { format!("`{path}`: ") };
        match cause.classify() {
            serde_json::error::Category::Data if cause.to_string().starts_with("missing field") => {
                let mut refusal = Refusal::missing_field("");
                refusal.message = format!("{field}{cause}");
                refusal
            }
            serde_json::error::Category::Data => {
                let mut refusal = Refusal::field("", "");
                refusal.message = format!("{field}{cause}");
                refusal
            }
            _ => Refusal::body_format(format!("the body is no JSON: {cause}")),
        }
    })?;
    let rest = |cause| Refusal::body_format(format!("the body is no JSON: {cause}"));
    reader.end().map_err(rest)?;
    Ok(value)
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
    fn a_wrong_body_is_told_by_field_and_rule() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Thing {
            name: String,
            inner: Option<Inner>,
        }
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Inner {
            count: u32,
        }
        let check = |body: &str, code: u32, part: &str| {
            let refusal = read_json::<Thing>(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code, code, "{body}: {}", refusal.message);
            assert!(refusal.message.contains(part), "{body}: {}", refusal.message);
        };
        check("", 13, "JSON");
        check("  \n", 13, "JSON");
        check("{", 22, "no JSON");
        check(r#"{"name": "a"} x"#, 22, "no JSON");
        check("{}", 14, "name");
        check(r#"{"name": 5}"#, 15, "`name`");
        check(r#"{"name": "a", "inner": {"count": -1}}"#, 15, "`inner.count`");
        check(&format!("{}{}", "[".repeat(5000), "]".repeat(5000)), 15, "");
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
