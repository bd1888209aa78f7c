//! An app as tests play it: a token endpoint, limits, faults, and answers of every kind, over real HTTP.
//!
//! | path | what it answers |
//! |---|---|
//! | `/token` | a new token as OAuth 2 has it, good for as long as [`App::tokens_last`] says |
//! | `/guarded` | 401 unless a token that is good comes as `Authorization: Bearer …` |
//! | `/echo/…` | the request: method, path, query, headers, body and the parts of a multipart body |
//! | `/limited` | 429 with `Retry-After: 7`, as often as [`App::limit`] says, and then 200 |
//! | `/limited-until` | the same with the date that is seven seconds after that of the answer |
//! | `/flaky?status=503` | that status, as often as [`App::fail`] says, and then 200 |
//! | `/slow` | nothing before [`App::release`], and then 200 |
//! | `/lost` | the connection breaks before the answer is complete |
//! | `/status?status=418` | that status |
//! | `/redirect?to=…&status=307` | a redirect there; one to itself without `to` |
//! | `/big?bytes=…` | a text of that length; `/bomb?bytes=…` the same, compressed |
//! | `/json/broken`, `/json/deep` | what says that it is JSON and is not, or nests 100 levels deep |
//! | `/encoded/…` | JSON in the encoding `gzip`, `deflate`, `br`, or `broken` or `unknown` |
//! | `/charset/…` | the text `é` in the charset of that name |
//! | `/xml`, `/form`, `/binary`, `/empty`, `/untyped` | what they say |
//! | anything else | 404 |

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use emulator::Clock;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderMap;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::server::{Request, read};

/// The app; it ends when this is dropped.
pub struct App {
    address: SocketAddr,
    played: Arc<Played>,
    task: JoinHandle<()>,
}

struct Played {
    clock: Clock,
    notes: Mutex<Notes>,
    is_released: watch::Sender<bool>,
}

/// What the app has seen, and what it is to do.
struct Notes {
    requests: Vec<Request>,
    token_lifetime: SignedDuration,
    /// When each token ends.
    tokens: BTreeMap<String, Timestamp>,
    limited: usize,
    failing: usize,
}

impl App {
    /// Starts an app whose tokens end by this clock.
    pub async fn start(clock: &Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let notes = Notes {
            requests: Vec::new(),
            token_lifetime: SignedDuration::from_hours(1),
            tokens: BTreeMap::new(),
            limited: 0,
            failing: 0,
        };
        let played = Played { clock: clock.clone(), notes: Mutex::new(notes), is_released: watch::channel(false).0 };
        let played = Arc::new(played);
        let router = Router::new().fallback(handle).with_state(played.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the app runs until it is dropped");
        });
        Self { address, played, task }
    }

    /// Returns the base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests so far, the oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.notes().requests.clone()
    }

    /// Returns how many requests came for a path.
    pub fn count(&self, path: &str) -> usize {
        self.notes().requests.iter().filter(|request| request.path == path).count()
    }

    /// Sets how long the tokens are good that are given from now on.
    pub fn tokens_last(&self, lifetime: SignedDuration) {
        self.notes().token_lifetime = lifetime;
    }

    /// Makes the tokens that were given so far good no longer.
    pub fn revoke_tokens(&self) {
        self.notes().tokens.clear();
    }

    /// Makes this many requests too many.
    pub fn limit(&self, requests: usize) {
        self.notes().limited = requests;
    }

    /// Makes this many requests fail.
    pub fn fail(&self, requests: usize) {
        self.notes().failing = requests;
    }

    /// Lets the slow requests go on, those that come later as well.
    pub fn release(&self) {
        self.played.is_released.send_replace(true);
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.played.notes()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Played {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn handle(State(played): State<Arc<Played>>, parts: Parts, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: read(&text),
        text,
    };
    played.notes().requests.push(request.clone());
    let query: HashMap<String, String> = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let (room, rest) = request.path[1..].split_once('/').unwrap_or((&request.path[1..], ""));
    match room {
        "token" | "guarded" => authorized(&played, room, &request),
        "echo" => json(200, &echo(&request, body).await),
        "limited" | "limited-until" | "flaky" => unreliable(&played, room, &query),
        "slow" => {
            let _ = played.is_released.subscribe().wait_for(|is_released| *is_released).await;
            json(200, &json!({"ok": true}))
        }
        "lost" => {
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the answer is lost")) });
            Response::new(Body::from_stream(broken))
        }
        "redirect" => redirect(&request, &query),
        "status" => json(number(&query, "status", 200), &json!({"status": query.get("status")})),
        _ => content(room, rest, &query),
    }
}

fn authorized(played: &Played, room: &str, request: &Request) -> Response {
    let mut notes = played.notes();
    let now = played.clock.now();
    if room == "token" {
        let token = format!("token-{}", notes.requests.iter().filter(|request| request.path == "/token").count());
        let ends_at = now + notes.token_lifetime;
        let lifetime_s = notes.token_lifetime.as_secs();
        notes.tokens.insert(token.clone(), ends_at);
        return json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": lifetime_s}));
    }
    let token = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    match notes.tokens.get(token).is_some_and(|ends_at| now < *ends_at) {
        true => json(200, &json!({"token": token})),
        false => json(401, &json!({"error": "invalid_token"})),
    }
}

fn unreliable(played: &Played, room: &str, query: &HashMap<String, String>) -> Response {
    let mut notes = played.notes();
    let left = if room == "flaky" { &mut notes.failing } else { &mut notes.limited };
    if *left == 0 {
        return json(200, &json!({"ok": true}));
    }
    *left -= 1;
    if room == "flaky" {
        return json(number(query, "status", 503), &json!({"error": "try again"}));
    }
    let mut response = json(429, &json!({"error": "too many requests"}));
    let (retry_after, date) = match room {
        "limited" => ("7", None),
        _ => ("Sun, 06 Nov 1994 08:49:37 GMT", Some("Sun, 06 Nov 1994 08:49:30 GMT")),
    };
    response.headers_mut().insert("retry-after", retry_after.parse().expect("it is a header"));
    response.headers_mut().extend(date.map(|date| (http::header::DATE, date.parse().expect("it is a header"))));
    response
}

fn redirect(request: &Request, query: &HashMap<String, String>) -> Response {
    let itself = format!("{}?{}", request.path, request.query);
    let to = query.get("to").unwrap_or(&itself);
    let response = Response::builder().status(number(query, "status", 302)).header("location", to);
    response.body(Body::empty()).expect("tests redirect to what can be a header")
}

async fn echo(request: &Request, body: Bytes) -> Value {
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned())));
    json!({
        "method": request.method.as_str(),
        "path": request.path,
        "query": request.query,
        "headers": headers.collect::<Map<_, _>>(),
        "body": request.body,
        "parts": parts(&request.headers, body).await,
    })
}

/// Reads the parts of a multipart body, by a parser that knows nothing of how it was written.
async fn parts(headers: &HeaderMap, body: Bytes) -> Vec<Value> {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(boundary) = multer::parse_boundary(content_type) else { return Vec::new() };
    let body = futures::stream::once(async { Ok::<_, std::io::Error>(body) });
    let mut multipart = multer::Multipart::new(body, boundary);
    let mut parts = Vec::new();
    while let Some(part) = multipart.next_field().await.expect("the body is multipart") {
        let (name, filename) = (part.name().map(str::to_owned), part.file_name().map(str::to_owned));
        let content_type = part.content_type().map(ToString::to_string);
        let content = part.bytes().await.expect("the part is complete");
        let content = String::from_utf8_lossy(&content).into_owned();
        parts.push(json!({"name": name, "filename": filename, "content_type": content_type, "content": content}));
    }
    parts
}

fn content(room: &str, rest: &str, query: &HashMap<String, String>) -> Response {
    let zeros = || vec![b'0'; number(query, "bytes", 0)];
    match (room, rest) {
        ("big", _) => typed("text/plain", zeros()),
        ("bomb", _) => encoded("gzip", "text/plain", gzip(&zeros())),
        ("json", "broken") => typed("application/json", b"{\"a\": 1,".to_vec()),
        ("json", "deep") => typed("application/json", format!("{}{}", "[".repeat(100), "]".repeat(100)).into_bytes()),
        ("encoded", name) => in_encoding(name, br#"{"encoded": true}"#),
        ("charset", label) => {
            let charset = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8);
            typed(&format!("text/plain; charset={label}"), charset.encode("é").0.into_owned())
        }
        ("xml", _) => typed("text/xml", b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><name>\xe9</name>".to_vec()),
        ("form", _) => typed("application/x-www-form-urlencoded", b"access_token=t+1&scope=a&scope=b".to_vec()),
        ("binary", _) => typed("image/png", b"\x89PNG".to_vec()),
        ("empty", _) => Response::builder().status(204).body(Body::empty()).expect("it is an answer"),
        ("untyped", _) => Response::new(Body::from(r#"{"untyped": true}"#)),
        _ => json(404, &json!({"error": "not found"})),
    }
}

fn in_encoding(name: &str, body: &[u8]) -> Response {
    let body = match name {
        "gzip" => gzip(body),
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body).expect("memory can be written to");
            encoder.finish().expect("memory can be written to")
        }
        "br" => {
            let mut encoded = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 5, 20);
            encoder.write_all(body).expect("memory can be written to");
            drop(encoder);
            encoded
        }
        _ => body.to_vec(),
    };
    encoded(if name == "broken" { "gzip" } else { name }, "application/json", body)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

fn encoded(encoding: &str, content_type: &str, body: Vec<u8>) -> Response {
    let mut response = typed(content_type, body);
    response.headers_mut().insert("content-encoding", encoding.parse().expect("tests use valid headers"));
    response
}

fn json(status: u16, body: &Value) -> Response {
    let mut response = typed("application/json", body.to_string().into_bytes());
    *response.status_mut() = status.try_into().expect("tests use valid statuses");
    response
}

fn typed(content_type: &str, body: Vec<u8>) -> Response {
    let response = Response::builder().header("content-type", content_type);
    response.body(Body::from(body)).expect("tests use valid headers")
}

fn number<T: std::str::FromStr>(query: &HashMap<String, String>, name: &str, default: T) -> T {
    query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}
