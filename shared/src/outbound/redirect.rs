//! What a redirect makes of a request, as the Fetch standard has it, but for the headers that another origin gets.

use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, HeaderName, LOCATION,
    USER_AGENT,
};
use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;

/// Headers that describe a body, and go with it.
const OF_THE_BODY: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION];

/// Headers that another origin gets as well; any other may be a credential, whatever its name.
const OF_NOBODY: [HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT];

/// Where an answer points, as it stands in the answer; `None` when it is not a redirect.
pub(super) fn location(status: StatusCode, headers: &HeaderMap) -> Option<&[u8]> {
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    headers.get(LOCATION).filter(|_| is_redirect).map(http::HeaderValue::as_bytes)
}

/// The method of the next hop. When it is another one than before, the body stays behind.
pub(super) fn next_method(status: StatusCode, method: &Method) -> Method {
    let becomes_get = match status.as_u16() {
        301 | 302 => method == Method::POST,
        303 => method != Method::GET && method != Method::HEAD,
        _ => false,
    };
    if becomes_get { Method::GET } else { method.clone() }
}

/// Removes the headers that must not go along to the next hop.
pub(super) fn strip(headers: &mut HeaderMap, from: &Url, to: &Url, body_dropped: bool) {
    if body_dropped {
        for name in &OF_THE_BODY {
            headers.remove(name);
        }
    }
    if from.origin() != to.origin() {
        let names: Vec<HeaderName> = headers.keys().cloned().collect();
        for name in names {
            if !OF_NOBODY.contains(&name) && !OF_THE_BODY.contains(&name) {
                headers.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_follows_the_fetch_standard() {
        let check = |status: u16, method: &str, expected: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let next = next_method(StatusCode::from_u16(status).unwrap(), &method);
            assert_eq!(next.as_str(), expected, "{status} {method}");
        };
        check(301, "POST", "GET");
        check(302, "POST", "GET");
        check(302, "PUT", "PUT");
        check(303, "PUT", "GET");
        check(303, "HEAD", "HEAD");
        check(307, "POST", "POST");
        check(308, "DELETE", "DELETE");
    }

    #[test]
    fn only_redirect_statuses_have_a_location() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, http::HeaderValue::from_static("/next"));
        assert_eq!(location(StatusCode::FOUND, &headers), Some(b"/next".as_slice()));
        assert_eq!(location(StatusCode::CREATED, &headers), None);
        assert_eq!(location(StatusCode::NOT_MODIFIED, &headers), None);
        assert_eq!(location(StatusCode::FOUND, &HeaderMap::new()), None);
    }

    #[test]
    fn another_origin_gets_no_credentials() {
        let check = |to: &str, kept: bool| {
            let mut headers = HeaderMap::new();
            for name in ["authorization", "cookie", "x-api-key", "accept", "content-type", "user-agent"] {
                headers.insert(name, http::HeaderValue::from_static("x"));
            }
            strip(&mut headers, &Url::parse("https://a.example/x").unwrap(), &Url::parse(to).unwrap(), false);
            let count = |names: &[&str]| names.iter().filter(|name| headers.contains_key(**name)).count();
            assert_eq!(count(&["authorization", "cookie", "x-api-key"]), if kept { 3 } else { 0 }, "{to}");
            assert_eq!(count(&["accept", "content-type", "user-agent"]), 3, "{to}");
        };
        check("https://a.example/other", true);
        check("https://a.example:443/other", true);
        check("http://a.example/other", false);
        check("https://a.example:8443/other", false);
        check("https://b.example/other", false);
    }

    #[test]
    fn a_dropped_body_takes_its_headers_along() {
        let url = Url::parse("https://a.example/").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        strip(&mut headers, &url, &url, false);
        assert!(headers.contains_key(CONTENT_TYPE));
        strip(&mut headers, &url, &url, true);
        assert!(headers.is_empty());
    }
}
