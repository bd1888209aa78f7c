//! Cross-origin requests: which pages may call the API from a browser.

use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what it was told, as in the template.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The origin of pages, such as `https://app.example.com`, or `*` for those of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "an origin is a scheme, a host and perhaps a port, such as https://app.example.com, or `*`";
        let uri: Option<Uri> = text.parse().ok();
        let is_origin = uri.is_some_and(|uri| {
            let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
            let (scheme, is_plain) = (uri.scheme_str().unwrap_or_default(), !authority.contains('@'));
            is_plain && format!("{scheme}://{authority}") == text
        });
        // A browser sends an origin in lower case.
        let value = HeaderValue::from_str(&text.to_ascii_lowercase()).map_err(|_| rule)?;
        if text == "*" || is_origin { Ok(Self(value)) } else { Err(rule) }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Returns what answers preflights and adds the headers to every answer, as the template's API does; `None` if no page
/// may call.
pub(crate) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let own = ["idempotency-key", "x-tenant-id", "x-user-agent"].map(HeaderName::from_static);
    let origin = match origins.iter().any(|origin| origin.0 == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())),
    };
    let layer = CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE].into_iter().chain(own).collect::<Vec<_>>())
        .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE])
        .max_age(MAX_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path_and_no_name_of_a_user() {
        let check = |text: &str, expected: Option<&str>| {
            let origin = text.parse::<Origin>().ok().map(|origin| origin.to_string());
            assert_eq!(origin.as_deref(), expected, "{text}");
        };
        check("https://app.example.com", Some("https://app.example.com"));
        check("http://localhost:3000", Some("http://localhost:3000"));
        check("https://App.example.com", Some("https://app.example.com"));
        check("http://[::1]:3000", Some("http://[::1]:3000"));
        check("*", Some("*"));
        check("https://app.example.com/", None);
        check("https://a@app.example.com", None);
        check("app.example.com", None);
        check("https://", None);
        check("", None);
        check("null", None);
    }
}
