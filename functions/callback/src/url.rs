//! The public URL of a callback.

use http::HeaderMap;
use http::header::HOST;

const DEFAULT_PREFIX: &str = "/unsecured/callback";

/// Writes `<base><prefix>/<id>?t=<token>`; the prefix changes only what is printed, for a proxy that maps it back.
pub(crate) fn callback_url(base: &str, prefix: Option<&str>, id: &str, token: &str) -> String {
    let base = base.strip_suffix('/').unwrap_or(base);
    let prefix = prefix.unwrap_or(DEFAULT_PREFIX).trim_matches('/');
    let slash = if prefix.is_empty() { "" } else { "/" };
    format!("{base}{slash}{prefix}/{id}?t={token}")
}

/// Returns the base under which a request reached us.
pub(crate) fn base_of(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST.as_str())?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_base_prefix_id_and_token() {
        let check = |base, prefix, expected: &str| {
            assert_eq!(callback_url(base, prefix, "<ID>", "<T>"), format!("{expected}/<ID>?t=<T>"));
        };
        check("https://foo.bar", None, "https://foo.bar/unsecured/callback");
        check("https://foo.bar", Some("/"), "https://foo.bar");
        check("https://foo.bar", Some("/foobar/"), "https://foo.bar/foobar");
        check("http://utask.example.com", Some("/foo"), "http://utask.example.com/foo");
        check(
            "http://utask.example.com/callbacks/",
            Some("path-prefix"),
            "http://utask.example.com/callbacks/path-prefix",
        );
    }

    #[test]
    fn without_a_base_the_request_tells_it() {
        let check = |headers: &[(&'static str, &str)], expected: Option<&str>| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            assert_eq!(base_of(&headers.collect::<HeaderMap>()).as_deref(), expected);
        };
        check(&[("host", "api.example.com")], Some("https://api.example.com"));
        check(&[("host", "127.0.0.1:8787")], Some("http://127.0.0.1:8787"));
        check(&[("host", "localhost"), ("x-forwarded-proto", "https")], Some("https://localhost"));
        check(&[("host", "a.b/evil?x")], None);
        check(&[], None);
    }
}
