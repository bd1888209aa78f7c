//! The client against real servers on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

/// A server that gives the prepared answers by path and remembers what it was asked.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (seen, answers) = (server.seen.clone(), Arc::new(answers));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, seen.clone(), answers.clone()));
            }
        });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>, answers: Arc<impl Fn(&str) -> Vec<u8>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        let read = stream.read(&mut buffer).await.unwrap_or_default();
        if read == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push(request);
    let answer = answers(&path);
    if answer.is_empty() {
        std::future::pending::<()>().await;
    }
    let _ = stream.write_all(&answer).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

fn redirect_to(status: &str, location: &str) -> Vec<u8> {
    answer(status, &format!("location: {location}\r\n"), "")
}

fn loopback() -> Outbound {
    Outbound::new(&["127.0.0.0/8".parse().unwrap()])
}

fn get(url: impl Into<String>) -> Request {
    Request::new(Method::GET, url)
}

fn refused(host: &str, reason: &str, sent: bool) -> OutboundError {
    OutboundError::Refused { host: host.to_owned(), reason: reason.to_owned(), sent }
}

#[tokio::test]
async fn an_allowed_range_is_reached() {
    let server = Server::start(|_| answer("201 Created", "x-answer: 42\r\n", "hello")).await;
    let mut request = Request::new(Method::POST, server.url("/path?x=1"));
    request.body = Bytes::from_static(b"body");
    request.headers.insert("x-ask", HeaderValue::from_static("1"));
    let response = loopback().send(request).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (201, &b"hello"[..]));
    assert_eq!(response.headers["x-answer"], "42");
    assert_eq!(response.url, server.url("/path?x=1"));
    let seen = server.seen().remove(0);
    assert!(seen.starts_with("POST /path?x=1 HTTP/1.1\r\n") && seen.ends_with("\r\n\r\nbody"));
    assert!(seen.contains("x-ask: 1\r\n") && seen.contains("content-length: 4\r\n"));
}

#[tokio::test]
async fn literal_addresses_are_refused_in_every_spelling() {
    let spellings = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "169.254.169.254",
        "0xa9fea9fe",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "0",
        "[::]",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
    ];
    for host in spellings {
        let outcome = Outbound::new(&[]).send(get(format!("http://{host}:9/"))).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, OutboundError::Refused { sent: false, .. }), "{host}: {error:?}");
        assert!(!error.may_have_arrived());
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_a_refused_address_is_refused() {
    let outcome = Outbound::new(&[]).send(get("http://localhost:9/")).await;
    assert_eq!(outcome.unwrap_err(), refused("localhost", "it resolves to a loopback address", false));
}

#[tokio::test]
async fn a_name_that_resolves_to_an_allowed_address_is_reached() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let url = format!("http://localhost:{}/", server.address.port());
    assert_eq!(loopback().send(get(url)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_redirect_to_a_refused_address_is_refused() {
    for (target, host, reason) in [
        ("http://169.254.169.254/latest", "169.254.169.254", "it is a metadata address"),
        ("http://[::1]:9/", "[::1]", "it is a loopback address"),
        ("//10.0.0.1/", "10.0.0.1", "it is a private address"),
    ] {
        let server = Server::start(move |_| redirect_to("302 Found", target)).await;
        let error = loopback().send(get(server.url("/"))).await.unwrap_err();
        assert_eq!(error, refused(host, reason, true));
        assert!(error.may_have_arrived());
    }
}

#[tokio::test]
async fn a_port_of_our_own_is_refused_on_every_address_of_this_machine_whatever_is_allowed() {
    let own = Server::start(|_| answer("200 OK", "", "")).await;
    let port = own.address.port();
    let everything = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    let client = Outbound::new(&everything).without_own_ports(&[1, port]);
    let spellings = [
        "127.0.0.1",
        "127.8.7.6",
        "0",
        "2130706433",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:0:0]",
        "localhost",
    ];
    let mut hosts: Vec<String> = spellings.map(str::to_owned).into();
    // The address by which the machine leaves its network, if it has one.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if socket.connect("192.0.2.1:9").is_ok() {
        hosts.push(socket.local_addr().unwrap().ip().to_string());
    }
    for host in hosts {
        let error = client.send(get(format!("http://{host}:{port}/"))).await.unwrap_err();
        let is_refused = |reason: &str| reason.contains("listens on that port itself");
        assert!(matches!(&error, OutboundError::Refused { reason, .. } if is_refused(reason)), "{host}: {error:?}");
    }
    let target = own.url("/");
    let other = Server::start(move |path| match path {
        "/redirect" => redirect_to("307 Temporary Redirect", &target),
        _ => answer("200 OK", "", ""),
    })
    .await;
    let redirected = client.send(get(other.url("/redirect"))).await.unwrap_err();
    assert!(matches!(redirected, OutboundError::Refused { sent: true, .. }), "{redirected:?}");
    assert_eq!(client.send(get(other.url("/"))).await.unwrap().status, 200, "other ports of this machine are reached");
    assert_eq!(own.seen(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_is_followed_with_the_method_and_body_that_fetch_keeps() {
    let server = Server::start(|path| match path {
        "/see-other" => redirect_to("303 See Other", "/end"),
        "/keep" => redirect_to("307 Temporary Redirect", "end"),
        _ => answer("200 OK", "", "done"),
    })
    .await;
    for (path, first_line, body) in [("/see-other", "GET /end ", ""), ("/keep", "POST /end ", "body")] {
        let mut request = Request::new(Method::POST, server.url(path));
        request.body = Bytes::from_static(b"body");
        request.headers.insert("authorization", HeaderValue::from_static("Bearer x"));
        let response = loopback().send(request).await.unwrap();
        assert_eq!(response.url, server.url("/end"));
        let last = server.seen().pop().unwrap();
        assert!(last.starts_with(first_line), "{last}");
        assert_eq!(last.split_once("\r\n\r\n").unwrap().1, body);
        assert!(last.contains("authorization: Bearer x"));
    }
}

#[tokio::test]
async fn another_origin_does_not_get_the_credentials() {
    let other = Server::start(|_| answer("200 OK", "", "")).await;
    let target = other.url("/");
    let server = Server::start(move |_| redirect_to("308 Permanent Redirect", &target)).await;
    let mut request = get(server.url("/"));
    request.headers.insert("authorization", HeaderValue::from_static("Bearer x"));
    loopback().send(request).await.unwrap();
    assert!(server.seen()[0].contains("authorization"));
    assert!(!other.seen()[0].contains("authorization"));
}

#[tokio::test]
async fn redirects_end_at_their_limit() {
    let server = Server::start(|_| redirect_to("302 Found", "/again")).await;
    let mut request = get(server.url("/"));
    request.max_redirects = 3;
    let error = loopback().send(request).await.unwrap_err();
    assert_eq!(error, OutboundError::TooManyRedirects { limit: 3 });
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_redirect_is_the_answer_when_none_may_be_followed() {
    let server = Server::start(|_| redirect_to("302 Found", "/again")).await;
    let mut request = get(server.url("/"));
    request.max_redirects = 0;
    assert_eq!(loopback().send(request).await.unwrap().status, 302);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_with_and_without_a_length() {
    let server = Server::start(|path| match path {
        "/length" => answer("200 OK", "", "12345"),
        _ => b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n12345".to_vec(),
    })
    .await;
    for path in ["/length", "/stream"] {
        let mut request = get(server.url(path));
        request.max_response_bytes = 5;
        assert_eq!(&loopback().send(request.clone()).await.unwrap().body[..], b"12345");
        request.max_response_bytes = 4;
        let error = loopback().send(request).await.unwrap_err();
        assert_eq!(error, OutboundError::TooLarge { limit: 4 });
    }
}

#[tokio::test]
async fn a_server_that_never_answers_may_have_got_the_request() {
    let server = Server::start(|_| Vec::new()).await;
    let mut request = get(server.url("/"));
    request.timeout = Duration::from_millis(200);
    let error = loopback().send(request).await.unwrap_err();
    assert_eq!(error, OutboundError::Timeout { sent: true });
}

#[tokio::test]
async fn a_connection_that_never_stands_has_carried_nothing() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts: a short queue of connections, then the system leaves further ones waiting.
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queued.push(stream);
    }
    let mut request = get(format!("http://{address}/"));
    request.timeout = Duration::from_millis(200);
    let error = loopback().send(request).await.unwrap_err();
    assert_eq!(error, OutboundError::Timeout { sent: false });
    assert!(!error.may_have_arrived());
}

#[tokio::test]
async fn a_refused_connection_has_carried_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = loopback().send(get(url)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Connect { sent: false, .. }), "{error:?}");
    assert!(!error.may_have_arrived());
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_a_failure_that_may_have_arrived() {
    let server = Server::start(|_| b"\r\n".to_vec()).await;
    let error = loopback().send(get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, OutboundError::Failed { .. }), "{error:?}");
    assert!(error.may_have_arrived());
}

#[tokio::test]
async fn urls_that_are_not_plain_http_are_invalid() {
    let long = format!("http://example.com/{}", "x".repeat(17_000));
    for url in ["", "/path", "ftp://example.com/", "file:///etc/passwd", "data:,x", "http://u:p@example.com/", &long] {
        let error = loopback().send(get(url)).await.unwrap_err();
        assert!(matches!(error, OutboundError::InvalidUrl { .. }), "{url}");
        assert!(!error.may_have_arrived());
    }
}

#[tokio::test]
async fn framing_headers_of_the_caller_are_not_passed_on() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    let mut request = get(server.url("/"));
    for (name, value) in [("content-length", "999"), ("transfer-encoding", "chunked"), ("host", "internal")] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    loopback().send(request).await.unwrap();
    let seen = server.seen().remove(0);
    assert!(seen.contains(&format!("host: {}\r\n", server.address)), "{seen}");
    assert!(!seen.contains("content-length: 999") && !seen.contains("chunked") && !seen.contains("internal"), "{seen}");
}

#[tokio::test]
async fn errors_do_not_repeat_the_path_or_the_query() {
    let server = Server::start(|_| b"\r\n".to_vec()).await;
    let error = loopback().send(get(server.url("/secret?token=secret"))).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn what_is_printed_of_a_request_and_its_answer_holds_no_secret() {
    let mut request = Request::new(Method::POST, "https://example.org/bothush/send");
    request.headers.insert("authorization", HeaderValue::from_static("Bearer hush"));
    request.body = "hush".into();
    let response =
        Response { status: 200, headers: request.headers.clone(), body: "hush".into(), url: request.url.clone() };
    let printed = format!("{request:?} {response:?}");
    assert!(printed.contains("POST") && printed.contains("200") && !printed.contains("hush"), "{printed}");
}
