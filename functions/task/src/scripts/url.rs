//! What a task says of its script: the path of an own asset, or a URL.

use shared::http::BaseUrl;
use url::{Host, Url};

use crate::asset::{AssetName, Kind, ROOT};

const LIMIT_BYTES: usize = 4_096;

/// Where a script is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScriptUrl {
    /// In the tenant's own assets.
    Asset(AssetName),
    /// Anywhere else.
    Elsewhere(Url),
}

impl ScriptUrl {
    /// Reads it, or says the rule that it breaks; a URL under our own base is that of an asset.
    pub(crate) fn parse(script: &str, base: &BaseUrl) -> Result<Self, String> {
        if script.len() > LIMIT_BYTES {
            return Err(format!("must have at most {LIMIT_BYTES} bytes"));
        }
        let rule = || format!("must be an http or https URL, or a path that begins with {ROOT}");
        if script.starts_with('/') && !script.starts_with("//") {
            return own(script).ok_or_else(rule)?;
        }
        let is_plain = !script.chars().any(|char| char.is_control() || char.is_whitespace());
        let url = Url::parse(script).ok().filter(|_| is_plain).ok_or_else(rule)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(rule());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not have a user name or a password in its URL".to_owned());
        }
        match below(&url, base).and_then(|path| own(&path)) {
            Some(own) => own,
            None => Ok(Self::Elsewhere(url)),
        }
    }
}

/// The script of a path among the assets, and `None` for any other path.
fn own(path: &str) -> Option<Result<ScriptUrl, String>> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_prefix("/localhost").unwrap_or(path);
    let name = path.strip_prefix(ROOT)?;
    // What the path of a request would be decoded to.
    let base = Url::parse("http://own").ok()?;
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8().ok();
    let has_separators = name.to_ascii_lowercase().contains("%2f");
    let is_in_place = !has_separators && base.join(path).is_ok_and(|url| url.path().starts_with(ROOT));
    let name = decoded.filter(|_| is_in_place).and_then(|name| AssetName::parse(&name));
    Some(match name.filter(|name| name.kind() == Kind::Script) {
        Some(name) => Ok(ScriptUrl::Asset(name)),
        None => Err(format!("must end in `.js`, and what follows {ROOT} {}", AssetName::RULE)),
    })
}

/// The path of a URL below our own base; the names of this machine's loopback are one host.
fn below(url: &Url, base: &BaseUrl) -> Option<String> {
    let base = Url::parse(base.configured()?).ok()?;
    let is_same_host = url.host() == base.host() || (is_loopback(url) && is_loopback(&base));
    let is_same =
        is_same_host && url.scheme() == base.scheme() && url.port_or_known_default() == base.port_or_known_default();
    let path = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
    is_same.then(|| path.to_owned())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, base: Option<&str>, expected: Option<Result<&str, &str>>) {
        let asset = |name: &str| ScriptUrl::Asset(AssetName::parse(name).unwrap());
        let expected = expected.map(|place| match place {
            Ok(name) => asset(name),
            Err(url) => ScriptUrl::Elsewhere(Url::parse(url).unwrap()),
        });
        assert_eq!(ScriptUrl::parse(script, &BaseUrl::new(base)).ok(), expected, "{script}");
    }

    #[test]
    fn a_script_is_an_own_asset_or_a_url() {
        let base = Some("https://hooks.example.com/in/");
        let path = "/assets/public/director/tasks/a%20b/script.js";
        for own in [path.to_owned(), format!("https://hooks.example.com/in{path}"), format!("/localhost{path}")] {
            check(&own, base, Some(Ok("tasks/a b/script.js")));
        }
        check("/assets/public/director/a.js?x=1", None, Some(Ok("a.js")));
        check("https://HOOKS.example.com:443/in/assets/public/director/a.js", base, Some(Ok("a.js")));
        check("http://localhost:8787/assets/public/director/a.js", Some("http://127.0.0.1:8787"), Some(Ok("a.js")));
        for other in [
            "https://hooks.example.com/assets/public/director/a.js",
            "http://hooks.example.com/in/assets/public/director/a.js",
            "https://hooks.example.com:8443/in/assets/public/director/a.js",
            "https://hooks.example.com/in/other.js",
            "https://example.org/a.js?token=1",
            "http://localhost:8788/assets/public/director/a.js",
        ] {
            check(other, base, Some(Err(other)));
        }
        check(
            "https://hooks.example.com/assets/public/director/a.js",
            None,
            Some(Err("https://hooks.example.com/assets/public/director/a.js")),
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [
            "",
            "a.js",
            "script",
            "//example.org/a.js",
            "/a.js",
            "/assets/public/director/",
            "ftp://a.test/a.js",
            "file:///etc/passwd",
            "javascript:1",
            "data:text/javascript,1",
            "https://",
            "https://u:p@a.test/a.js",
            "https://a.test/a b.js",
            "https://a.test/a\n.js",
            "/assets/public/director/../a.js",
            "/assets/public/director/x/../a.js",
            "/assets/public/director/%2e%2e/a.js",
            "/assets/public/director/a.json",
            "/assets/public/director/a.md",
            "https://b.test/assets/public/director/a.json",
        ] {
            check(wrong, Some("https://b.test"), None);
        }
        assert!(ScriptUrl::parse(&format!("https://a.test/{}", "a".repeat(5_000)), &BaseUrl::new(None)).is_err());
    }
}
