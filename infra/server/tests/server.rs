//! The server against clients that do not keep up, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use server::{Connections, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long anything may take on a slow machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

/// Nothing ends before a test does, unless it says otherwise.
const LONG: Limits =
    Limits { connections: 100, head: PATIENCE, idle: PATIENCE, patience: PATIENCE, bytes_per_second: 1_000_000 };

/// A server with routes that answer at once, wait for the test, take a body, or answer at length.
struct Server {
    address: SocketAddr,
    /// What `/wait` waits for.
    gate: Arc<Semaphore>,
    /// What `/wait` gives when it begins.
    begun: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (waits, begins) = (gate.clone(), begun.clone());
        let wait = get(async move || {
            begins.add_permits(1);
            waits.acquire().await.unwrap().forget();
            "waited"
        });
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/wait", wait)
            .route("/unread", post(async || "here"))
            .route("/body", post(async |body: Bytes| body.len().to_string()))
            .route("/long", get(async || vec![b'x'; 64 << 20]));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listener, router, Connections::new(limits), stopped));
        Self { address, gate, begun, stop, task }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    }

    /// Reads one answer to its end, which is the end of one of the known bodies.
    async fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        let is_whole =
            |answer: &[u8]| [&b"\r\n\r\nhere"[..], b"waited", b"\r\n\r\n5"].iter().any(|end| answer.ends_with(end));
        while !is_whole(&answer) {
            let read = timeout(PATIENCE, self.0.read(&mut buffer)).await.expect("there is an answer").unwrap();
            assert!(read > 0, "the connection was closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8(answer).unwrap()
    }

    async fn is_answered(&mut self, path: &str) -> bool {
        self.ask(path).await;
        self.answer().await.starts_with("HTTP/1.1 200")
    }

    /// Waits until the server has closed the connection without an answer.
    async fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 1024];
        matches!(timeout(PATIENCE, self.0.read(&mut buffer)).await.expect("it is closed"), Ok(0) | Err(_))
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let server = Server::start(Limits { head: SHORT, ..LONG }).await;
    assert!(server.connect().await.is_closed().await);
}

#[tokio::test]
async fn a_head_that_never_ends_is_closed_however_steadily_it_comes() {
    let server = Server::start(Limits { head: SHORT, ..LONG }).await;
    for start in ["GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut client = server.connect().await;
        client.send(start).await;
        let mut byte = [0];
        // Byte after byte, until the server has had enough.
        while timeout(Duration::from_millis(5), client.0.read(&mut byte)).await.is_err() {
            if client.0.write_all(b"a").await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_stands_still_or_creeps_is_closed() {
    let server = Server::start(Limits { patience: SHORT, ..LONG }).await;
    let head = "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    let mut stands = server.connect().await;
    stands.send(head).await;
    stands.send("12345").await;
    assert!(stands.is_closed().await);
    let mut creeps = server.connect().await;
    creeps.send("POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let mut byte = [0];
    while timeout(Duration::from_millis(5), creeps.0.read(&mut byte)).await.is_err() {
        if creeps.0.write_all(b"1\r\na\r\n").await.is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn a_body_that_takes_longer_is_read_as_long_as_it_progresses() {
    let limits = Limits { patience: SHORT, bytes_per_second: 1, ..LONG };
    let server = Server::start(limits).await;
    let mut other = server.connect().await;
    other.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n").await;
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n1234").await;
    // The patience is over for a body that has not begun, and four bytes are worth four seconds.
    assert!(other.is_closed().await);
    client.send("5").await;
    assert!(client.answer().await.ends_with("\r\n\r\n5"));
}

#[tokio::test]
async fn who_is_answered_in_the_middle_of_a_body_can_finish_it_and_read_the_answer() {
    let server = Server::start(LONG).await;
    let mut client = server.connect().await;
    let body = "x".repeat(6 << 20);
    client.send(&format!("POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len())).await;
    assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    client.send(&body).await;
    assert!(client.is_answered("/").await, "the connection goes on");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head_and_ends_with_its_own() {
    let server = Server::start(Limits { head: SHORT, ..LONG }).await;
    let mut idle = server.connect().await;
    assert!(idle.is_answered("/").await);
    assert!(server.connect().await.is_closed().await);
    assert!(idle.is_answered("/").await, "it is still open after the time for a head");

    let server = Server::start(Limits { idle: SHORT, ..LONG }).await;
    let mut idle = server.connect().await;
    assert!(idle.is_answered("/").await);
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn a_request_may_be_served_for_longer_than_anything_may_stand_still() {
    let server = Server::start(Limits { head: SHORT, idle: SHORT, patience: SHORT, ..LONG }).await;
    let mut client = server.connect().await;
    client.ask("/wait").await;
    // Two times in a row have passed.
    assert!(server.connect().await.is_closed().await);
    assert!(server.connect().await.is_closed().await);
    server.gate.add_permits(1);
    assert!(client.answer().await.ends_with("waited"));
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_closed() {
    let server = Server::start(Limits { connections: 1, patience: SHORT, ..LONG }).await;
    let mut client = server.connect().await;
    client.ask("/long").await;
    // The only place is free again.
    assert!(server.connect().await.is_answered("/").await);
}

#[tokio::test]
async fn the_connection_that_has_been_idle_longest_makes_room() {
    let server = Server::start(Limits { connections: 3, ..LONG }).await;
    let (mut busy, mut old, mut young) = (server.connect().await, server.connect().await, server.connect().await);
    busy.ask("/wait").await;
    server.begun.acquire().await.unwrap().forget();
    assert!(young.is_answered("/").await && old.is_answered("/").await && young.is_answered("/").await);
    let mut new = server.connect().await;
    assert!(new.is_answered("/").await);
    assert!(old.is_closed().await);
    assert!(young.is_answered("/").await);
    server.gate.add_permits(1);
    assert!(busy.answer().await.ends_with("waited"));
}

#[tokio::test]
async fn any_number_of_silent_connections_leaves_the_server_reachable() {
    let server = Server::start(Limits { connections: 20, ..LONG }).await;
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut client = server.connect().await;
        if number % 2 == 0 {
            client.send("GET / HTTP/1.1\r\nx").await;
        }
        silent.push(client);
    }
    assert!(server.connect().await.is_answered("/").await);
}

#[tokio::test]
async fn when_every_connection_serves_a_request_the_next_one_waits() {
    let server = Server::start(Limits { connections: 2, ..LONG }).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for client in [&mut one, &mut two] {
        client.ask("/wait").await;
        server.begun.acquire().await.unwrap().forget();
    }
    let mut three = server.connect().await;
    three.ask("/").await;
    server.gate.add_permits(1);
    assert!(three.answer().await.ends_with("here"), "the first that is idle makes room");
    server.gate.add_permits(1);
}

#[tokio::test]
async fn a_stop_finishes_what_has_begun_and_closes_the_rest() {
    let server = Server::start(LONG).await;
    let (mut busy, mut idle, mut silent) = (server.connect().await, server.connect().await, server.connect().await);
    busy.ask("/wait").await;
    server.begun.acquire().await.unwrap().forget();
    assert!(idle.is_answered("/").await);
    silent.send("GET / HT").await;
    server.stop.send(true).unwrap();
    assert!(idle.is_closed().await && silent.is_closed().await);
    server.gate.add_permits(1);
    assert!(busy.answer().await.ends_with("waited"));
    timeout(PATIENCE, server.task).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn two_ports_share_one_bound() {
    let connections = Connections::new(Limits { connections: 1, ..LONG });
    let mut addresses = Vec::new();
    let (_stop, stopped) = watch::channel(false);
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let router = Router::new().route("/", get(async || "here"));
        tokio::spawn(server::serve(listener, router, connections.clone(), stopped.clone()));
    }
    let mut first = Client(TcpStream::connect(addresses[0]).await.unwrap());
    assert!(first.is_answered("/").await);
    let mut second = Client(TcpStream::connect(addresses[1]).await.unwrap());
    assert!(second.is_answered("/").await);
    assert!(first.is_closed().await);
}
