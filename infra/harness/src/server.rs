//! An HTTP server on a loopback port that records its requests and gives scripted answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request that a server got.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, empty if there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, a text if it is not JSON, null if there is none.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

/// An answer of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers besides the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body; a text is sent as plain text, everything else as JSON.
    pub body: Value,
}

/// What a server does with a request instead of answering as it usually does.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// It answers this, and nothing else happens.
    Answer(Answer),
    /// It closes the connection without an answer, after it has handled the request.
    LoseAnswer,
    /// It handles the request and never answers.
    Hang,
}

type Respond = dyn Fn(&Request) -> Answer + Send + Sync;

struct Shared {
    respond: Box<Respond>,
    requests: Mutex<Vec<Request>>,
    reactions: Mutex<VecDeque<Reaction>>,
}

/// A server on a loopback port; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Answer {
    /// 200 with JSON.
    pub fn ok(body: Value) -> Self {
        Self::status(200, body)
    }

    /// A status with JSON.
    pub fn status(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn into_response(self) -> Response {
        let (content_type, body) = match self.body {
            Value::String(text) => ("text/plain", text),
            json => ("application/json", json.to_string()),
        };
        let mut response = Response::builder().status(self.status).header("content-type", content_type);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(body)).expect("tests use valid headers")
    }
}

impl Request {
    /// Returns the value of a header, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Server {
    /// Starts a server that answers as `respond` says.
    pub async fn start(respond: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared =
            Arc::new(Shared { respond: Box::new(respond), requests: Mutex::default(), reactions: Mutex::default() });
        let router = Router::new().fallback(handle).with_state(shared.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the server runs until it is dropped");
        });
        Self { address, shared, task }
    }

    /// Returns the base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests so far, the oldest first.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Sets what happens to the next request that has no reaction yet.
    pub fn next(&self, reaction: Reaction) {
        lock(&self.shared.reactions).push_back(reaction);
    }

    /// Sets the answer to the next request that has no reaction yet.
    pub fn answer_next(&self, answer: Answer) {
        self.next(Reaction::Answer(answer));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(State(shared): State<Arc<Shared>>, parts: Parts, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: read(&text),
        text,
    };
    lock(&shared.requests).push(request.clone());
    let reaction = lock(&shared.reactions).pop_front();
    match reaction {
        None => (shared.respond)(&request).into_response(),
        Some(Reaction::Answer(answer)) => answer.into_response(),
        Some(Reaction::LoseAnswer) => {
            (shared.respond)(&request);
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the answer is lost")) });
            Response::new(Body::from_stream(broken))
        }
        Some(Reaction::Hang) => {
            (shared.respond)(&request);
            std::future::pending().await
        }
    }
}

pub(crate) fn read(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { serde_json::from_str(text).unwrap_or_else(|_| text.into()) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
