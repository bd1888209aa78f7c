//! A platform's API on a loopback port.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// The body as JSON; null if it is none.
    pub body: Value,
}

/// An answer of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers besides the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Value,
}

/// What a server does with a request instead of playing its platform.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// It answers this, and the platform knows nothing of the request.
    Answer(Answer),
    /// It closes the connection without an answer, after the platform has done what was asked.
    LoseAnswer,
    /// It never answers, after the platform has done what was asked.
    Hang,
}

type Play = dyn Fn(&Request) -> Answer + Send + Sync;

struct Shared {
    play: Box<Play>,
    requests: Mutex<Vec<Request>>,
    reactions: Mutex<VecDeque<Reaction>>,
}

/// A platform's API on a loopback port; it ends when this is dropped.
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
        let mut response = Response::builder().status(self.status).header("content-type", "application/json");
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body.to_string())).expect("tests write headers that can be sent")
    }
}

impl Request {
    /// Returns the value of a header, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Server {
    /// Starts a server that answers as `play` says.
    pub async fn start(play: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { play: Box::new(play), requests: Mutex::default(), reactions: Mutex::default() });
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
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what happens to the next request that nothing is said about yet.
    pub fn next(&self, reaction: Reaction) {
        self.shared.reactions.lock().unwrap_or_else(PoisonError::into_inner).push_back(reaction);
    }

    /// Answers the next request that nothing is said about yet in this way.
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
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let reaction = shared.reactions.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    match reaction {
        None => (shared.play)(&request).into_response(),
        Some(Reaction::Answer(answer)) => answer.into_response(),
        Some(Reaction::LoseAnswer) => {
            (shared.play)(&request);
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the answer is lost")) });
            Response::new(Body::from_stream(broken))
        }
        Some(Reaction::Hang) => {
            (shared.play)(&request);
            std::future::pending().await
        }
    }
}
