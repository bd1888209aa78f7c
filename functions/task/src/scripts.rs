//! Where the scripts of tasks come from: a tenant's own assets, or any other place by its URL.

pub(crate) mod url;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_TYPE, DATE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method};
use jiff::SignedDuration;
use jiff::fmt::rfc2822;
use moka::sync::Cache;
use shared::event::{StepError, TenantId};
use shared::http::BaseUrl;
use shared::media::{self, Media};
use shared::outbound::{Outbound, Request, Response};
use shared::{Environment, Error};

use crate::asset::not_found;
use crate::scripts::url::ScriptUrl;
use crate::store::asset::{Asset, Assets};

/// The longest script that is fetched.
const LIMIT_BYTES: usize = 1024 * 1024;
/// How old a change of a script is at least that its time tells from another one.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);
const AGENT: &str = concat!("hookyard/", env!("CARGO_PKG_VERSION"));
/// How much text is kept to be revalidated, and how long after its last use.
const CACHED_BYTES: u64 = 32 * 1024 * 1024;
const CACHED: Duration = Duration::from_secs(60 * 60);
/// What a text in the cache takes besides itself.
const ENTRY_BYTES: usize = 1024;

/// The text of a script, and the name that its errors show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    pub(crate) file_name: String,
}

/// Finds scripts. Cheap to clone; all clones share the cache.
#[derive(Clone)]
pub(crate) struct Scripts {
    assets: Assets,
    outbound: Outbound,
    base: BaseUrl,
    /// By tenant and URL.
    fetched: Cache<String, Arc<Fetched>>,
}

/// A text that was fetched, and by what its server recognises it.
#[derive(Debug)]
struct Fetched {
    text: Arc<str>,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Scripts {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let weight = |key: &String, fetched: &Arc<Fetched>| {
            u32::try_from(key.len() + fetched.text.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        Ok(Self {
            assets: Assets::new(environment)?,
            outbound: environment.outbound()?,
            base: environment.base_url(),
            fetched: Cache::builder().max_capacity(CACHED_BYTES).weigher(weight).time_to_idle(CACHED).build(),
        })
    }

    /// Reads what a task says of its script.
    pub(crate) fn parse(&self, script: &str) -> Result<ScriptUrl, String> {
        ScriptUrl::parse(script, &self.base)
    }

    /// Returns the text of a script as it is now, or why there is none.
    pub(crate) async fn source(&self, tenant: &TenantId, script: &str) -> Result<Result<Source, StepError>, Error> {
        match self.parse(script) {
            Err(rule) => Ok(Err(StepError::bad_request(format!("the script {rule}")))),
            Ok(ScriptUrl::Asset(name)) => Ok(match self.assets.get(tenant, &name).await? {
                Some(Asset { content, .. }) => Ok(Source { text: content.into(), file_name: name.as_str().to_owned() }),
                None => Err(not_found(&name)),
            }),
            Ok(ScriptUrl::Elsewhere(url)) => {
                let text = self.fetch(&tenant.key(url.as_str()), &url).await;
                Ok(text.map(|text| Source { text, file_name: file_name(&url) }))
            }
        }
    }

    async fn fetch(&self, key: &str, url: &::url::Url) -> Result<Arc<str>, StepError> {
        let known = self.fetched.get(key);
        let request = Request {
            headers: headers(known.as_deref()),
            timeout: TIMEOUT,
            max_response_bytes: LIMIT_BYTES,
            ..Request::new(Method::GET, url.as_str())
        };
        let shown = shown(url);
        let answer = self.outbound.send(request).await;
        let answer = answer.map_err(|error| failed("ScriptNotReachable", &shown, &error.to_string()))?;
        if let (304, Some(known)) = (answer.status, known) {
            return Ok(known.text.clone());
        }
        let text = text_of(&answer, &shown)?;
        let Response { headers, .. } = answer;
        let (etag, last_modified) = (headers.get(ETAG).cloned(), settled(&headers));
        match etag.is_some() || last_modified.is_some() {
            true => self.fetched.insert(key.to_owned(), Arc::new(Fetched { text: text.clone(), etag, last_modified })),
            false => self.fetched.invalidate(key),
        }
        Ok(text)
    }
}

/// When a script was last changed, unless that is so recent that another change may bear the same time (RFC 9110, 8.8.2.2).
fn settled(headers: &HeaderMap) -> Option<HeaderValue> {
    let time = |name: HeaderName| Some(rfc2822::parse(headers.get(name)?.to_str().ok()?).ok()?.timestamp());
    let age = time(DATE)?.duration_since(time(LAST_MODIFIED)?);
    headers.get(LAST_MODIFIED).filter(|_| age >= SETTLED_AFTER).cloned()
}

fn headers(known: Option<&Fetched>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([
        (USER_AGENT, HeaderValue::from_static(AGENT)),
        (ACCEPT, HeaderValue::from_static("text/javascript, application/javascript, text/plain, */*;q=0.5")),
    ]);
    let mut conditions = |name: HeaderName, value: Option<&HeaderValue>| {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    };
    conditions(IF_NONE_MATCH, known.and_then(|known| known.etag.as_ref()));
    conditions(IF_MODIFIED_SINCE, known.and_then(|known| known.last_modified.as_ref()));
    headers
}

/// Reads the answer to a request for a script.
fn text_of(answer: &Response, shown: &str) -> Result<Arc<str>, StepError> {
    let status = answer.status;
    match status {
        200..=299 => {}
        404 | 410 => return Err(failed("ScriptNotFound", shown, &format!("its server answers {status}"))),
        _ => return Err(failed("ScriptNotReachable", shown, &format!("its server answers {status}"))),
    }
    let invalid = |why: &str| failed("InvalidScript", shown, why);
    if answer.headers.contains_key(http::header::CONTENT_ENCODING) {
        return Err(invalid("it comes in a content encoding that is not understood"));
    }
    let content_type = answer.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let content_type = content_type.unwrap_or_default();
    if Media::of(&content_type) == Media::Markup || is_page(&answer.body) {
        return Err(invalid("its server answers with a page of HTML or XML and not with a script"));
    }
    let text = media::readable(&content_type, &answer.body).filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| invalid("its server answers with something that is not text"))?;
    match text.trim().is_empty() {
        true => Err(invalid("it is empty")),
        false => Ok(text.into()),
    }
}

/// Tells whether a body begins as a page does, whatever its type.
fn is_page(body: &Bytes) -> bool {
    let start = body.trim_ascii_start();
    [&b"<!doctype"[..], b"<html", b"<?xml"]
        .iter()
        .any(|mark| start.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark)))
}

fn failed(name: &str, shown: &str, why: &str) -> StepError {
    StepError::invocation(name, format!("the script {shown} cannot be fetched: {why}"))
}

/// Returns a URL without what may be secret in it.
fn shown(url: &::url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only URLs without a host refuse this, and they have no credentials.
    let _ = (url.set_username(""), url.set_password(None));
    url.into()
}

/// Returns the last part of the path.
fn file_name(url: &::url::Url) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).filter(|last| !last.is_empty());
    last.unwrap_or("script.js").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_change_counts_once_another_change_would_bear_another_time() {
        let check = |changed: &str, date: Option<&str>, expected: bool| {
            let mut headers = HeaderMap::from_iter([(LAST_MODIFIED, changed.parse().unwrap())]);
            headers.extend(date.map(|date| (DATE, date.parse().unwrap())));
            assert_eq!(settled(&headers).is_some(), expected, "{changed} {date:?}");
        };
        let changed = "Thu, 26 Nov 2026 09:20:47 GMT";
        check(changed, Some("Thu, 26 Nov 2026 09:20:47 GMT"), false);
        check(changed, Some("Thu, 26 Nov 2026 09:21:46 GMT"), false);
        check(changed, Some("Thu, 26 Nov 2026 09:21:47 GMT"), true);
        check(changed, Some("Thu, 26 Nov 2026 08:00:00 GMT"), false);
        check(changed, None, false);
        check("yesterday", Some("Thu, 26 Nov 2026 09:21:47 GMT"), false);
    }

    #[test]
    fn only_a_successful_answer_that_is_text_is_a_script() {
        let check = |status: u16, content_type: &str, body: &[u8], expected: Result<&str, &str>| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            let body = Bytes::copy_from_slice(body);
            let answer = Response { status, headers, body, url: String::new() };
            let read = text_of(&answer, "https://a.test/s.js").map_err(|error| error.name);
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{status} {content_type}");
        };
        check(200, "text/javascript", b"1", Ok("1"));
        check(200, "text/plain; charset=latin1", b"'\xe9'", Ok("'é'"));
        check(200, "", "\u{feff}'é'".as_bytes(), Ok("'é'"));
        check(404, "text/html", b"<html>", Err("ScriptNotFound"));
        check(410, "text/plain", b"", Err("ScriptNotFound"));
        for status in [304, 301, 401, 403, 429, 500, 503] {
            check(status, "text/plain", b"1", Err("ScriptNotReachable"));
        }
        check(200, "text/html", b"exports.main = () => 1", Err("InvalidScript"));
        check(200, "text/plain", b"\n<!DOCTYPE html><html>", Err("InvalidScript"));
        check(200, "text/javascript", b"'\xe9'", Err("InvalidScript"));
        check(200, "application/octet-stream", b"PK\x03\x04\0\0", Err("InvalidScript"));
        check(200, "text/javascript", b" \n", Err("InvalidScript"));
    }

    #[test]
    fn nothing_secret_of_a_url_is_shown() {
        let url = ::url::Url::parse("https://user:word@a.test:8443/x/s.js?token=secret#part").unwrap();
        assert_eq!((shown(&url).as_str(), file_name(&url).as_str()), ("https://a.test:8443/x/s.js", "s.js"));
        assert_eq!(file_name(&::url::Url::parse("https://a.test/").unwrap()), "script.js");
    }
}
