//! HTTP: routes that fail closed, bodies that are checked, answers and errors in their one shape.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE};
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
use crate::encoding;
use crate::error::{BEARER, Refusal};
use crate::json;

/// The largest body that a route takes unless it says otherwise.
pub const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// The largest body of a route that says so, compressed and not.
#[derive(Clone, Copy)]
struct BodyLimit(usize);

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
        with_challenge(response, self.challenge)
    }
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
        describe_refusals(&mut paths, &Access::Handler(permission));
        let gate = Arc::new(Gate { tokens: self.tokens.clone(), permission: None });
        let routes = routes.layer::<_, Infallible>(DefaultBodyLimit::max(body_limit_bytes));
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
        describe_refusals(&mut paths, &Access::Token(permission));
        let gate = Arc::new(Gate { tokens: self.tokens.clone(), permission });
        let routes = routes.layer(from_fn_with_state(gate, check));
        self.router = self.router.routes((schemas, paths, routes));
        self
    }

    /// Returns the router and the OpenAPI description of its routes.
    pub fn finish(self, state: S) -> (Router, utoipa::openapi::OpenApi) {
        let (router, mut openapi) = self.router.split_for_parts();
        // OpenAPI has no parameter of several segments.
        let paths = std::mem::take(&mut openapi.paths.paths).into_iter();
        openapi.paths.paths = paths.map(|(path, item)| (path.replace("{*", "{"), item)).collect();
        let router = router
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(no_route)
            .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
            .layer(map_response(with_our_error_body))
            // Bodies of their own, as that of the token endpoint, do not come through `Refusal`.
            .layer(map_response(async |response: Response| with_challenge(response, BEARER)))
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
    /// Whom the handler lets in: clients with a permission, with any token, or anybody.
    Handler(Permission),
}

/// Adds the refusals that every route has, unless a route describes its own.
fn describe_refusals(paths: &mut Paths, access: &Access) {
    for (path, item) in &mut paths.paths {
        let plain = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        let others = [&mut item.patch, &mut item.head, &mut item.options];
        for operation in plain.into_iter().chain(others).flatten() {
            let mut refused = |status: &str, description: &str| {
                let mut response = ResponseBuilder::new().description(description);
                if !matches!(access, Access::Public) {
                    let schema = Ref::from_schema_name(ErrorBody::name());
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
    let caller = gate.tokens.check(request.headers()).await?;
    if let Some(permission) = gate.permission {
        caller.require(permission.name())?;
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

async fn check_if_sent(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Result<Response, Refusal> {
    if let Some(caller) = gate.tokens.check_if_sent(request.headers()).await? {
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
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

async fn no_route(uri: Uri) -> Refusal {
    Refusal::no_route(uri.path())
}

/// Refuses a method that a route does not take; axum adds the ones that it takes.
pub async fn method_not_allowed() -> Refusal {
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
        let encoding = encoding::declared(request.headers());
        let limit = request.extensions().get::<BodyLimit>().map_or(BODY_LIMIT_BYTES, |limit| limit.0);
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        if encoding.is_empty() {
            return json::read(&bytes).map(Self);
        }
        json::read(&encoding::decoded(&encoding, &bytes, limit)?).map(Self)
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

/// The address that a request came from, as far as it is known: that of the last machine in front of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceAddress(Option<IpAddr>);

impl SourceAddress {
    /// Takes an address; of IPv6 the network, of whose addresses its owner has any number.
    pub fn new(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        }))
    }

    /// Returns the address, if it is known.
    pub fn get(self) -> Option<IpAddr> {
        self.0
    }
}

impl<S: Sync> FromRequestParts<S> for SourceAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(None)))
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

    /// Returns the URL that a sender called, for the schemes that sign it.
    ///
    /// A proxy may change all of a URL, so that a configured base counts more than what arrived. One that only this machine
    /// can reach is not what somebody behind a proxy has called.
    pub fn called(&self, headers: &HeaderMap, called: &Called) -> String {
        match (self.configured(), base_of(headers)) {
            (Some(base), None) => format!("{base}{}", called.below_stage()),
            (Some(base), Some(_)) if !is_loopback(host_of(base)) => format!("{base}{}", called.below_stage()),
            (_, arrived) => format!("{}{}", arrived.unwrap_or_default(), called.path_and_query()),
        }
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

/// Reads from the request where a client reached us; what the first proxy says counts more than what the last one sent.
fn base_of(headers: &HeaderMap) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    let is_host = |host: &&str| !host.is_empty() && host.bytes().all(is_plain);
    let host = first(headers, "x-forwarded-host").filter(is_host).or_else(|| first(headers, HOST.as_str()))?;
    let host = Some(host).filter(is_host)?;
    let scheme = match first(headers, "x-forwarded-proto") {
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => "http",
        None if is_loopback(host) => "http",
        _ => "https",
    };
    Some(format!("{scheme}://{host}"))
}

/// Returns the first item of a header, to which each proxy on the way appends one.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim).filter(|item| !item.is_empty())
}

fn is_loopback(host: &str) -> bool {
    ["localhost", "127.", "[::1]"].iter().any(|name| host.starts_with(name))
}

fn host_of(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The path and the query of a request as they were sent, with what the routes do not see.
#[derive(Debug, Clone)]
pub struct Called {
    uri: Uri,
    stage: Option<String>,
}

impl Called {
    /// Returns the query as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// Returns the path as it was sent, trailing slashes too, without the stage and a leading `/localhost`.
    pub fn path(&self) -> &str {
        let path = self.uri.path();
        let path = self.stage.as_deref().map_or(path, |stage| without_segment(path, stage));
        without_segment(path, "localhost")
    }

    fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str)
    }

    /// The same without the stage, which a configured base may have in it.
    fn below_stage(&self) -> &str {
        let whole = self.path_and_query();
        self.stage.as_deref().map_or(whole, |stage| without_segment(whole, stage))
    }
}

impl<S: Sync> FromRequestParts<S> for Called {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let called = parts.extensions.get::<Self>().cloned();
        Ok(called.unwrap_or_else(|| Self { uri: parts.uri.clone(), stage: None }))
    }
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

/// Replaces the path of a request by the one that the routes know; keeps the query as it was sent, and what was [`Called`].
pub fn normalise(mut request: http::Request<Body>, stage: Option<&str>) -> http::Request<Body> {
    let uri = request.uri();
    let path = route_path(uri.path(), stage);
    if path != uri.path() {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(known) = format!("{path}{query}").parse() {
            let called = Called { uri: std::mem::replace(request.uri_mut(), known), stage: stage.map(str::to_owned) };
            if request.extensions().get::<Called>().is_none() {
                request.extensions_mut().insert(called);
            }
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
        // Each proxy appends what it saw itself.
        check(&[("host", "a.test"), ("x-forwarded-proto", "https,http")], Some("https://a.test"));
        check(&[("host", "a.test"), ("x-forwarded-proto", " HTTP , https")], Some("http://a.test"));
        check(&[("host", "127.0.0.1"), ("x-forwarded-proto", "https, http")], Some("https://127.0.0.1"));
        check(&[("host", "inner"), ("x-forwarded-host", "a.test, b.test")], Some("https://a.test"));
        check(&[("host", "inner:8787"), ("x-forwarded-host", "a.test:8443")], Some("https://a.test:8443"));
        check(&[("host", "127.0.0.1:8787"), ("x-forwarded-host", "a.test")], Some("https://a.test"));
        check(&[("host", "inner"), ("x-forwarded-host", "a.b/evil?x")], Some("https://inner"));
        check(&[("host", "inner"), ("x-forwarded-host", "")], Some("https://inner"));
        check(&[("x-forwarded-host", "a.test")], Some("https://a.test"));
    }

    #[test]
    fn a_sender_called_what_it_called() {
        let check = |base: Option<&str>, stage: Option<&str>, path: &str, host: &str, expected: &str| {
            let request = http::Request::builder().uri(path).body(Body::empty()).unwrap();
            let request = normalise(normalise(request, stage), None);
            let called = request.extensions().get::<Called>().cloned();
            let called = called.unwrap_or_else(|| Called { uri: request.uri().clone(), stage: None });
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            assert_eq!(BaseUrl::new(base).called(&headers, &called), expected, "{base:?} {path}");
        };
        check(None, None, "/webhooks/1", "a.test", "https://a.test/webhooks/1");
        check(None, None, "/webhooks/1/?a=%2f", "a.test", "https://a.test/webhooks/1/?a=%2f");
        check(None, None, "/webhooks/%31//", "a.test", "https://a.test/webhooks/%31//");
        check(None, Some("prod"), "/prod/webhooks/1/", "a.test", "https://a.test/prod/webhooks/1/");
        check(None, None, "/localhost/webhooks/1?a", "a.test", "https://a.test/localhost/webhooks/1?a");
        let base = Some("https://b.test/in/");
        check(base, None, "/webhooks/1/?a", "a.test", "https://b.test/in/webhooks/1/?a");
        check(base, Some("prod"), "/prod/webhooks/1/", "a.test", "https://b.test/in/webhooks/1/");
        check(base, None, "/webhooks/1", "a b", "https://b.test/in/webhooks/1");
        // The address that the server listens on is no address of a proxy's.
        let local = Some("http://127.0.0.1:8787");
        check(local, None, "/webhooks/1/", "a.test", "https://a.test/webhooks/1/");
        check(local, None, "/webhooks/1/", "127.0.0.1:8787", "http://127.0.0.1:8787/webhooks/1/");
    }

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

    #[tokio::test]
    async fn a_body_may_be_compressed() {
        use std::io::Write as _;

        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let check = async |encoding: &str, bytes: Vec<u8>, expected: Result<Value, u16>| {
            let request = Request::builder().header(CONTENT_TYPE, "application/json");
            let request = request.header("content-encoding", encoding).body(Body::from(bytes)).unwrap();
            let read = JsonBody::<Value>::from_request(request, &()).await;
            assert_eq!(read.map(|body| body.0).map_err(|refusal| refusal.status.as_u16()), expected, "{encoding}");
        };
        let body = b"{\"a\": 1}".as_slice();
        let read = serde_json::json!({"a": 1});
        check("", body.to_vec(), Ok(read.clone())).await;
        check("gzip", gzip(body), Ok(read)).await;
        check("gzip", body.to_vec(), Err(400)).await;
        check("compress", body.to_vec(), Err(415)).await;
        check("gzip", gzip(&vec![b' '; BODY_LIMIT_BYTES + 1]), Err(413)).await;
    }

    #[test]
    fn the_addresses_of_a_network_are_one_source() {
        let same = |one: &str, other: &str| {
            SourceAddress::new(one.parse().unwrap()) == SourceAddress::new(other.parse().unwrap())
        };
        assert!(same("192.0.2.1", "192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9") && !same("2001:db8:1:2::1", "2001:db8:1:3::1"));
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
