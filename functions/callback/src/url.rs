//! The public URL of a callback.

use std::sync::Arc;

use http::HeaderMap;
use shared::http::BaseUrl;
use shared::{Environment, Refusal};

const DEFAULT_PREFIX: &str = "/unsecured/callback";

/// Where callbacks can be called.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    base: BaseUrl,
    /// The path that is printed between the base and the id; another one is for a proxy that maps it back.
    prefix: Arc<str>,
}

impl Urls {
    /// Reads `BASE_URL` and `CALLBACK_PATH_PREFIX`.
    pub(crate) fn new(environment: &Environment) -> Self {
        Self::below(environment.base_url(), environment.config.optional("CALLBACK_PATH_PREFIX"))
    }

    fn below(base: BaseUrl, prefix: Option<&str>) -> Self {
        let prefix = match prefix.unwrap_or(DEFAULT_PREFIX).trim_matches('/') {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        };
        Self { base, prefix: prefix.into() }
    }

    /// Returns the URL of all callbacks, to which an id and a token are added, as it is configured.
    pub(crate) fn configured(&self) -> Option<String> {
        self.base.configured().map(|base| format!("{base}{}", self.prefix))
    }

    /// Returns the URL of all callbacks, or else that under which a request reached us.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        self.base.of(headers).map(|base| format!("{base}{}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_base_prefix_id_and_token() {
        let check = |base, prefix, expected: &str| {
            let urls = Urls::below(BaseUrl::new(Some(base)), prefix);
            assert_eq!(urls.configured().as_deref(), Some(expected));
            assert_eq!(urls.of(&HeaderMap::new()).as_deref(), Ok(expected));
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
}
