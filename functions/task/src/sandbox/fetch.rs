//! The requests of one script: started from its thread, sent by the guarded client, delivered to its event loop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use shared::outbound::{Outbound, OutboundError, Request};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use super::exchange::{FetchError, FetchRequest, FetchResponse, Finished};
use super::script::BeforeEffect;
use super::stop::Stop;

/// How many requests of one script are in flight at once; the others wait.
const CONCURRENT: usize = 16;
/// How many requests of one script may be in flight or waiting.
const MAX_PENDING: usize = 1_000;
/// The longest body of a response.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// The longest body of a request.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// The total length of the bodies of all pending requests.
const MAX_PENDING_BYTES: usize = 32 * 1024 * 1024;
/// How many redirects are followed, as browsers do.
const MAX_REDIRECTS: u8 = 20;
/// Longer than any script runs: the script's own time limit ends a request.
const TIMEOUT: Duration = Duration::from_secs(900);

/// The requests of one script.
pub(super) struct Fetches {
    client: Arc<Client>,
    runtime: Handle,
    tasks: JoinSet<()>,
    pending: HashMap<u32, Pending>,
    pending_bytes: usize,
}

struct Pending {
    task: AbortHandle,
    body_bytes: usize,
}

struct Client {
    outbound: Outbound,
    before_effect: BeforeEffect,
    marked: OnceCell<()>,
    places: Arc<Semaphore>,
    stop: Stop,
}

impl Fetches {
    /// Starts without requests, and belongs to the Tokio runtime in which it is created.
    pub(super) fn new(outbound: Outbound, before_effect: BeforeEffect, stop: Stop) -> Self {
        let places = Arc::new(Semaphore::new(CONCURRENT));
        let client = Client { outbound, before_effect, marked: OnceCell::new(), places, stop };
        Self {
            client: Arc::new(client),
            runtime: Handle::current(),
            tasks: JoinSet::new(),
            pending: HashMap::new(),
            pending_bytes: 0,
        }
    }

    /// Whether no request is pending.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Starts a request, whose end is delivered to the script's event loop.
    pub(super) fn start(&mut self, id: u32, request: FetchRequest) {
        // Drops those that have finished.
        while self.tasks.try_join_next().is_some() {}
        let client = self.client.clone();
        let body_bytes = request.body.len();
        let crowded = self.pending.len() >= MAX_PENDING || self.pending_bytes + body_bytes > MAX_PENDING_BYTES;
        let task = async move {
            let finished = match crowded {
                true => Finished { id, result: Err(too_many()), _place: None },
                false => client.perform(id, request).await,
            };
            client.stop.fetched(finished);
        };
        let task = self.tasks.spawn_on(task, &self.runtime);
        self.pending_bytes += body_bytes;
        self.pending.insert(id, Pending { task, body_bytes });
    }

    /// Removes a request, and stops it if it is still in flight. Returns whether it was known.
    pub(super) fn forget(&mut self, id: u32) -> bool {
        let Some(pending) = self.pending.remove(&id) else {
            return false;
        };
        pending.task.abort();
        self.pending_bytes -= pending.body_bytes;
        true
    }

    /// Stops all requests.
    pub(super) fn abort_all(&mut self) {
        self.pending.clear();
        self.tasks.abort_all();
    }
}

impl Client {
    async fn perform(&self, id: u32, request: FetchRequest) -> Finished {
        let place = self.places.clone().acquire_owned().await.ok();
        Finished { id, result: self.exchange(request).await, _place: place }
    }

    async fn exchange(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let refuses_redirects = request.redirect == "error";
        let request = checked(request)?;
        if let Err(cause) = self.marked.get_or_try_init(|| (self.before_effect)()).await {
            self.stop.effect_failed(cause);
            return Err(error("FetchFailed", "the script was stopped"));
        }
        let response = self.outbound.send(request).await.map_err(|cause| explained(&cause))?;
        if refuses_redirects && matches!(response.status, 301 | 302 | 303 | 307 | 308) {
            return Err(error("FetchFailed", "the server answered with a redirect"));
        }
        let status = StatusCode::from_u16(response.status).ok();
        Ok(FetchResponse {
            status: response.status,
            status_text: status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            url: response.url,
            headers: texts(&response.headers),
            body: response.body,
        })
    }
}

fn checked(request: FetchRequest) -> Result<Request, FetchError> {
    let invalid = |what: &str| error("TypeError", format!("the {what} of the request is invalid"));
    if request.body.len() > MAX_BODY_BYTES {
        return Err(error("FetchTooLarge", format!("the body is longer than {MAX_BODY_BYTES} bytes")));
    }
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("method"))?;
    let mut headers = HeaderMap::new();
    for [name, value] in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("header name"))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| invalid("header value"))?);
    }
    Ok(Request {
        headers,
        body: request.body.into(),
        timeout: TIMEOUT,
        max_response_bytes: MAX_RESPONSE_BYTES,
        max_redirects: if request.redirect == "follow" { MAX_REDIRECTS } else { 0 },
        ..Request::new(method, request.url)
    })
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn explained(cause: &OutboundError) -> FetchError {
    let name = match cause {
        OutboundError::Refused { .. } => "FetchRefused",
        OutboundError::TooLarge { .. } => "FetchTooLarge",
        OutboundError::InvalidUrl { .. } | OutboundError::InvalidMethod { .. } => "TypeError",
        _ => "FetchFailed",
    };
    error(name, cause.to_string())
}

fn too_many() -> FetchError {
    error("FetchLimitExceeded", "too many requests are pending, or their bodies are too long")
}

fn error(name: &'static str, message: impl Into<String>) -> FetchError {
    FetchError { name, message: message.into() }
}
