//! The requests of one script, on this process's side: sent by the guarded client, which the worker does not have.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use shared::Error;
use shared::outbound::{Outbound, OutboundError, Request, Response};
use shared::step::Marked;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::exchange::{FetchError, FetchRequest, FetchResponse};
use super::fetch::CONCURRENT;
use super::script::BeforeEffect;

/// The longest body of a response.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// Longer than any script runs: the script's own time limit ends a request.
const TIMEOUT: Duration = Duration::from_secs(900);

/// What came of a request, unless its effect could not be marked.
type Outcome = Result<Result<FetchResponse, FetchError>, Error>;

/// The requests of one script; dropping them stops them.
pub(super) struct Requests {
    client: Arc<Client>,
    tasks: JoinSet<(u32, Outcome)>,
    by_id: HashMap<u32, AbortHandle>,
}

struct Client {
    outbound: Outbound,
    first_effect: FirstEffect,
    /// The threads from which requests leave, if they do not from those of the script.
    sending: Option<Handle>,
}

/// What is done once before a script acts on the outside world for the first time. Cheap to clone.
#[derive(Clone)]
pub(super) struct FirstEffect {
    before_effect: BeforeEffect,
    marked: Arc<OnceCell<Marked>>,
}

impl FirstEffect {
    pub(super) fn new(before_effect: BeforeEffect) -> Self {
        Self { before_effect, marked: Arc::default() }
    }

    /// Marks that the script acts; the second time nothing happens. What is returned must hear when it does.
    pub(super) async fn mark(&self) -> Result<Marked, Error> {
        self.marked.get_or_try_init(|| (self.before_effect)()).await.cloned()
    }

    /// Whether the script may have acted.
    pub(super) fn has_happened(&self) -> bool {
        self.marked.initialized()
    }
}

impl Requests {
    /// Starts without requests, to be sent on these threads if there are any of their own.
    pub(super) fn new(outbound: Outbound, first_effect: FirstEffect, sending: Option<Handle>) -> Self {
        let client = Arc::new(Client { outbound, first_effect, sending });
        Self { client, tasks: JoinSet::new(), by_id: HashMap::new() }
    }

    /// Starts a request.
    pub(super) fn start(&mut self, id: u32, request: FetchRequest) {
        let client = self.client.clone();
        let crowded = self.by_id.len() >= CONCURRENT;
        let task = self.tasks.spawn(async move {
            let outcome = match crowded {
                true => Ok(Err(FetchError::new("FetchLimitExceeded", "too many requests are in flight"))),
                false => client.exchange(request).await,
            };
            (id, outcome)
        });
        self.by_id.insert(id, task);
    }

    /// Stops a request.
    pub(super) fn abort(&mut self, id: u32) {
        if let Some(task) = self.by_id.remove(&id) {
            task.abort();
        }
    }

    /// Waits for the end of a request; `None` if there is none.
    pub(super) async fn next(&mut self) -> Option<(u32, Outcome)> {
        loop {
            // Those that were stopped have no outcome.
            if let Ok((id, outcome)) = self.tasks.join_next().await? {
                self.by_id.remove(&id);
                return Some((id, outcome));
            }
        }
    }
}

impl Client {
    async fn exchange(self: Arc<Self>, request: FetchRequest) -> Outcome {
        let refuses_redirects = request.redirect == "error";
        let request = match checked(request) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let marked = self.first_effect.mark().await?;
        let Some(threads) = self.sending.clone() else { return self.send(request, refuses_redirects, &marked).await };
        let sending = threads.spawn(async move { self.send(request, refuses_redirects, &marked).await });
        AbortOnDropHandle::new(sending).await.map_err(|cause| Error::new("send a request", cause))?
    }

    async fn send(&self, request: Request, refuses_redirects: bool, marked: &Marked) -> Outcome {
        marked.acts()?;
        let answered = self.outbound.send(request).await.map_err(|cause| explained(&cause));
        Ok(answered.and_then(|response| read(response, refuses_redirects)))
    }
}

fn read(response: Response, refuses_redirects: bool) -> Result<FetchResponse, FetchError> {
    if refuses_redirects && matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Err(FetchError::new("FetchFailed", "the server answered with a redirect"));
    }
    let status = StatusCode::from_u16(response.status).ok();
    Ok(FetchResponse {
        status: response.status,
        status_text: status.and_then(|status| status.canonical_reason()).unwrap_or_default().to_owned(),
        url: response.url,
        headers: texts(&response.headers),
        body: response.body,
    })
}

fn checked(request: FetchRequest) -> Result<Request, FetchError> {
    let invalid = |what: &str| FetchError::new("TypeError", format!("the {what} of the request is invalid"));
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("method"))?;
    let mut headers = HeaderMap::new();
    for [name, value] in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("header name"))?;
        let value = HeaderValue::from_bytes(&latin1(value)).map_err(|_| invalid("header value"))?;
        headers.try_append(name, value).map_err(|_| invalid("number of headers"))?;
    }
    Ok(Request {
        headers,
        body: request.body.into(),
        timeout: TIMEOUT,
        max_response_bytes: MAX_RESPONSE_BYTES,
        max_redirects: if request.redirect == "follow" { request.max_redirects } else { 0 },
        ..Request::new(method, request.url)
    })
}

/// The bytes of a header's value, which has one in each character.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
}

/// The headers with one character for each byte, so that a script can pass them on.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect::<String>();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn explained(cause: &OutboundError) -> FetchError {
    let name = match cause {
        OutboundError::Refused { .. } => "FetchRefused",
        OutboundError::TooLarge { .. } => "FetchTooLarge",
        OutboundError::InvalidUrl { .. } | OutboundError::InvalidMethod { .. } => "TypeError",
        _ => "FetchFailed",
    };
    FetchError { code: code(cause).map(str::to_owned), ..FetchError::new(name, cause.to_string()) }
}

/// What Node.js calls the cause.
fn code(cause: &OutboundError) -> Option<&'static str> {
    match cause {
        OutboundError::Refused { .. } => Some("EACCES"),
        OutboundError::Connect { code, .. } | OutboundError::Failed { code, .. } => *code,
        OutboundError::Timeout { .. } => Some("ETIMEDOUT"),
        OutboundError::TooLarge { .. } => Some("UND_ERR_RES_EXCEEDED_MAX_SIZE"),
        OutboundError::TooManyRedirects { .. } => Some("ERR_FR_TOO_MANY_REDIRECTS"),
        _ => None,
    }
}
