//! One exchange: hop after hop until an answer that is not a redirect.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;

use super::connect::{PROGRESS, Progress, Refusal, causes, code, innermost};
use super::{Outbound, OutboundError, Request, Response, redirect};
use crate::encoding::{self, Undecodable};

const MAX_URL_BYTES: usize = 16 * 1024;

/// Methods that are about the connection or show its headers, which `fetch` forbids as well.
const REFUSED_METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Headers of the connection or of the framing, which are the client's own affair.
pub const NOT_PASSED_ON: [HeaderName; 9] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// One request of the chain.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

/// Performs the exchange within its time.
pub(super) async fn run(outbound: &Outbound, request: Request) -> Result<Response, OutboundError> {
    if REFUSED_METHODS.iter().any(|refused| refused.eq_ignore_ascii_case(request.method.as_str())) {
        return Err(OutboundError::InvalidMethod { method: request.method.to_string() });
    }
    let url = check_url(&request.url).map_err(|reason| OutboundError::InvalidUrl { reason })?;
    let progress = Progress::default();
    let timeout = request.timeout;
    let chain = PROGRESS.scope(progress.clone(), chain(outbound, request, url));
    match tokio::time::timeout(timeout, chain).await {
        Ok(outcome) => outcome,
        Err(_) => Err(OutboundError::Timeout { sent: progress.may_be_sent() }),
    }
}

async fn chain(outbound: &Outbound, request: Request, url: Url) -> Result<Response, OutboundError> {
    let mut hop = Hop::first(request.method, url, request.headers, request.body);
    let mut followed = 0;
    loop {
        let response = attempt(outbound, &hop).await?;
        let target = match redirect::location(response.status(), response.headers()) {
            Some(target) if request.max_redirects > 0 => target,
            _ => return read(response, request.max_response_bytes).await,
        };
        if followed == request.max_redirects {
            return Err(OutboundError::TooManyRedirects { limit: request.max_redirects });
        }
        followed += 1;
        PROGRESS.with(Progress::answered);
        hop = hop.next(response.status(), target)?;
    }
}

impl Hop {
    fn first(method: Method, url: Url, mut headers: HeaderMap, body: Bytes) -> Self {
        for name in &NOT_PASSED_ON {
            headers.remove(name);
        }
        Self { method, url, headers, body }
    }

    fn next(mut self, status: StatusCode, target: &[u8]) -> Result<Self, OutboundError> {
        let target = String::from_utf8_lossy(target);
        let url = self
            .url
            .join(&target)
            .map_err(|error| error.to_string())
            .and_then(|url| checked(url, target.len()))
            .map_err(|reason| OutboundError::InvalidRedirect { reason })?;
        let method = redirect::next_method(status, &self.method);
        let body_dropped = method != self.method;
        redirect::strip(&mut self.headers, &self.url, &url, body_dropped);
        Ok(Self { method, url, headers: self.headers, body: if body_dropped { Bytes::new() } else { self.body } })
    }
}

/// Sends one hop; the answer's body is still to be read.
async fn attempt(outbound: &Outbound, hop: &Hop) -> Result<reqwest::Response, OutboundError> {
    let host = hop.url.host_str().unwrap_or_default();
    let port = hop.url.port_or_known_default();
    if let Some(reason) = literal(host).and_then(|ip| outbound.refusal(ip, port)) {
        return Err(refused(host, format!("it is {reason}")));
    }
    let mut request = outbound.client(port)?.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
    if !hop.body.is_empty() {
        request = request.body(hop.body.clone());
    }
    request.send().await.map_err(|error| failure(host, &error))
}

/// The address in a URL's host. The URL parser has already turned every odd spelling into the plain one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn refused(host: &str, reason: String) -> OutboundError {
    OutboundError::Refused { host: host.to_owned(), reason, sent: PROGRESS.with(Progress::is_answered) }
}

fn failure(host: &str, error: &reqwest::Error) -> OutboundError {
    if let Some(refusal) = causes(error).find_map(|cause| cause.downcast_ref::<Refusal>()) {
        return refused(host, refusal.to_string());
    }
    if error.is_connect() {
        let sent = PROGRESS.with(Progress::is_answered);
        return OutboundError::Connect { host: host.to_owned(), reason: innermost(error), code: code(error), sent };
    }
    broken(host, error)
}

async fn read(mut response: reqwest::Response, limit: usize) -> Result<Response, OutboundError> {
    let too_large = OutboundError::TooLarge { limit };
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large);
    }
    let url = response.url().clone();
    let host = url.host_str().unwrap_or_default();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(host, &error))? {
        if body.len() + chunk.len() > limit {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    let status = response.status().as_u16();
    let mut headers = std::mem::take(response.headers_mut());
    let body = decoded(&mut headers, body.freeze(), host, limit).await?;
    Ok(Response { status, headers, body, url: url.into() })
}

/// Decodes a body, asked for or not, and removes the headers that were about what came over the connection.
///
/// An encoding that nobody knows is left to the caller, with its header, as browsers do.
async fn decoded(headers: &mut HeaderMap, body: Bytes, host: &str, limit: usize) -> Result<Bytes, OutboundError> {
    let declared = encoding::declared(headers);
    if declared.is_empty() || body.is_empty() {
        return Ok(body);
    }
    let encoded = body.clone();
    // Decoding computes, for as long as the limit allows.
    let decoded = tokio::task::spawn_blocking(move || encoding::decoded(&declared, &encoded, limit)).await;
    let failed = |reason: String| OutboundError::Failed { host: host.to_owned(), reason, code: Some("Z_DATA_ERROR") };
    match decoded.map_err(|_| failed("its body cannot be decoded".to_owned()))? {
        Ok(decoded) => {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
            Ok(decoded)
        }
        Err(Undecodable::Unknown(_)) => Ok(body),
        Err(Undecodable::TooLarge { .. }) => Err(OutboundError::TooLarge { limit }),
        Err(undecodable) => Err(failed(undecodable.to_string())),
    }
}

fn broken(host: &str, error: &reqwest::Error) -> OutboundError {
    // What ends without a word of the system, the other side has closed.
    let code = code(error).or(Some("ECONNRESET"));
    OutboundError::Failed { host: host.to_owned(), reason: innermost(error), code }
}

/// Parses a URL that can be asked for, or says what is wrong with it.
pub fn check_url(url: &str) -> Result<Url, String> {
    // A parser of URLs leaves tabs and line breaks out, and so would ask for something else.
    if url.chars().any(char::is_control) {
        return Err("it has a line break or another control character".to_owned());
    }
    let parsed = Url::parse(url).map_err(|error| error.to_string())?;
    checked(parsed, url.len())
}

fn checked(mut url: Url, bytes: usize) -> Result<Url, String> {
    if bytes > MAX_URL_BYTES {
        return Err(format!("it is longer than {MAX_URL_BYTES} bytes"));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http and https can be requested".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries credentials; send them in a header".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}
