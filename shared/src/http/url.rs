//! URLs: where clients reach the API, what a sender called, and the paths that the routes know.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Uri};

use crate::error::Refusal;

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

    /// Returns the URLs that a sender may have called: as the request arrived, with and without TLS, as proxies do not
    /// always say which, and below the configured base.
    pub fn may_be_called(&self, headers: &HeaderMap, called: &Called) -> Vec<String> {
        let arrived = base_of(headers).map(|base| format!("{}{}", host_of(&base), called.path_and_query()));
        let arrived = arrived.into_iter().flat_map(|url| [format!("https://{url}"), format!("http://{url}")]);
        let of_base = self.configured().map(|base| format!("{base}{}", called.below_stage()));
        let mut urls: Vec<String> = arrived.collect();
        urls.extend(of_base.filter(|url| !urls.contains(url)));
        urls
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
    /// Takes a URL that reached the routes as it was sent.
    pub(crate) fn new(uri: Uri) -> Self {
        Self { uri, stage: None }
    }

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
}
