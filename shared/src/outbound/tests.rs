//! The client against real servers on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

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
    assert!(matches!(error, OutboundError::Connect { sent: false, code: Some("ECONNREFUSED"), .. }), "{error:?}");
    assert!(!error.may_have_arrived());
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_a_failure_that_may_have_arrived() {
    let server = Server::start(|_| b"\r\n".to_vec()).await;
    let error = loopback().send(get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, OutboundError::Failed { code: Some("ECONNRESET"), .. }), "{error:?}");
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

#[tokio::test]
async fn methods_about_the_connection_are_refused() {
    let server = Server::start(|_| answer("200 OK", "", "")).await;
    for method in ["CONNECT", "TRACE", "TRACK", "trace"] {
        let mut request = get(server.url("/"));
        request.method = method.parse().unwrap();
        let error = loopback().send(request).await.unwrap_err();
        assert_eq!(error, OutboundError::InvalidMethod { method: method.to_owned() });
        assert!(!error.may_have_arrived());
    }
    assert!(server.seen().is_empty());
}

/// `hello` compressed by Node's `brotliCompressSync`.
const BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, body).unwrap();
    encoder.finish().unwrap()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest)
}

async fn encoded_answer(encoding: &'static str, body: Vec<u8>, limit: usize) -> Result<Response, OutboundError> {
    let server = Server::start(move |_| {
        let head = format!("connection: close\r\ncontent-length: {}\r\ncontent-encoding: {encoding}", body.len());
        [format!("HTTP/1.1 200 OK\r\n{head}\r\nx-kept: 1\r\n\r\n").as_bytes(), &body].concat()
    });
    let mut request = get(server.await.url("/"));
    request.max_response_bytes = limit;
    loopback().send(request).await
}

#[tokio::test]
async fn encoded_answers_are_decoded_although_nobody_asked_for_the_encoding() {
    let check = async |encoding: &'static str, body: Vec<u8>| {
        let response = encoded_answer(encoding, body, 1_000).await.unwrap();
        assert_eq!(response.body, "hello", "{encoding}");
        assert!(!response.headers.contains_key("content-encoding") && !response.headers.contains_key("content-length"));
        assert_eq!(response.headers["x-kept"], "1");
    };
    check("gzip", gzip(b"hello")).await;
    check("X-GZIP", gzip(b"hello")).await;
    check("deflate", zlib(b"hello")).await;
    check("br", BROTLI.to_vec()).await;
    check("zstd", zstd(b"hello")).await;
    check("gzip, br", brotli_of_gzip()).await;
    check("deflate, gzip", gzip(&zlib(b"hello"))).await;
    check("gzip\r\ncontent-encoding: zstd", zstd(&gzip(b"hello"))).await;
}

/// Brotli that holds the bytes of a gzip body as they are.
fn brotli_of_gzip() -> Vec<u8> {
    let body = gzip(b"hello");
    // A window of 16 bits, one stored block with its length less one, then the empty last block.
    let length = u32::try_from(body.len() - 1).unwrap();
    let header = (length << 4) | (1 << 20);
    [header.to_le_bytes()[..3].to_vec(), body, vec![3]].concat()
}

#[tokio::test]
async fn a_decoded_answer_keeps_to_the_limit_and_is_what_it_says() {
    let bomb = gzip(&vec![0; 10_000_000]);
    assert!(bomb.len() < 20_000);
    assert_eq!(encoded_answer("gzip", bomb, 20_000).await.unwrap_err(), OutboundError::TooLarge { limit: 20_000 });
    let twice = gzip(&gzip(&vec![0; 10_000_000]));
    assert_eq!(
        encoded_answer("gzip, gzip", twice, 20_000).await.unwrap_err(),
        OutboundError::TooLarge { limit: 20_000 }
    );
    for (encoding, body) in
        [("gzip", b"hello".to_vec()), ("br", gzip(b"hello")), ("gzip", gzip(b"hello")[..12].to_vec())]
    {
        let error = encoded_answer(encoding, body, 1_000).await.unwrap_err();
        assert!(matches!(&error, OutboundError::Failed { reason, .. } if reason.contains(encoding)), "{error:?}");
        assert!(error.may_have_arrived());
    }
}

#[tokio::test]
async fn what_is_not_decoded_keeps_its_headers() {
    let unknown = encoded_answer("rot13", b"uryyb".to_vec(), 1_000).await.unwrap();
    assert_eq!(
        (&unknown.body[..], &unknown.headers["content-encoding"]),
        (&b"uryyb"[..], &HeaderValue::from_static("rot13"))
    );
    let server = Server::start(|_| {
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: 5000000\r\n\r\n".to_vec()
    });
    let mut head = get(server.await.url("/"));
    head.method = Method::HEAD;
    let response = loopback().send(head).await.unwrap();
    assert!(response.body.is_empty());
    assert_eq!(
        (&response.headers["content-encoding"], &response.headers["content-length"]),
        (&"gzip".parse().unwrap(), &"5000000".parse().unwrap())
    );
}

/// A name server that knows `alive.test`, says that there is no `unknown.test`, and answers nothing else.
async fn name_server() -> ResolverConfig {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut question).await.unwrap();
            if let Some(answer) = name_answer(&question[..length]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    let mut connection = ConnectionConfig::udp();
    connection.port = address.port();
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(address.ip(), true, vec![connection])])
}

/// Answers a question in the form of RFC 1035.
fn name_answer(question: &[u8]) -> Option<Vec<u8>> {
    let name_end = 12 + question[12..].iter().position(|byte| *byte == 0)? + 1;
    let name = question[12..name_end].to_ascii_lowercase();
    let (asked, is_ipv4) = (&question[12..name_end + 4], question[name_end..name_end + 2] == [0, 1]);
    let (status, answers) = match () {
        () if name == b"\x05alive\x04test\0" => (0, u8::from(is_ipv4)),
        () if name == b"\x07unknown\x04test\0" => (3, 0),
        () => return None,
    };
    let head = [&question[..2], &[0x81, 0x80 | status, 0, 1, 0, answers, 0, 0, 0, 0], asked].concat();
    let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01";
    Some(if answers == 0 { head } else { [head, record.to_vec()].concat() })
}

async fn with_name_server(allowed: &str) -> Outbound {
    let outbound = Outbound::new(&[allowed.parse().unwrap()]);
    let client = connect::client(outbound.allowed.clone(), false, names::Names::at(name_server().await)).unwrap();
    outbound.client.set(client).unwrap();
    outbound
}

#[tokio::test]
async fn names_that_never_answer_hold_up_neither_other_names_nor_threads() {
    let outbound = with_name_server("127.0.0.0/8").await;
    let server = Server::start(|_| answer("200 OK", "", "hello")).await;
    let mut hanging = tokio::task::JoinSet::new();
    for number in 0..63 * 16 {
        let mut request = get(format!("http://n{number}.dead.test/"));
        request.timeout = Duration::from_secs(2);
        let outbound = outbound.clone();
        hanging.spawn(async move { outbound.send(request).await });
    }
    // All of them ask before anything else happens.
    tokio::task::yield_now().await;
    let url = format!("http://alive.test:{}/", server.address.port());
    let response = outbound.send(get(&url)).await.unwrap();
    assert_eq!((&response.body[..], response.url), (&b"hello"[..], url));
    let threads: Vec<_> = (0..64).map(|_| tokio::task::spawn_blocking(|| ())).collect();
    futures::future::join_all(threads).await;
    while let Some(outcome) = hanging.join_next().await {
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(error, OutboundError::Timeout { sent: false });
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_without_addresses_says_why() {
    let outbound = with_name_server("127.0.0.0/8").await;
    let check = async |host: &str, expected: &str, code| {
        let error = outbound.send(get(format!("http://{host}/"))).await.unwrap_err();
        let reason = expected.to_owned();
        assert_eq!(error, OutboundError::Connect { host: host.to_owned(), reason, code: Some(code), sent: false });
    };
    check("unknown.test", "the name is not known", "ENOTFOUND").await;
    check("dead.test", "no name server has answered in time", "EAI_AGAIN").await;
}

#[tokio::test]
async fn the_addresses_of_a_name_are_guarded() {
    let outbound = with_name_server("10.0.0.0/8").await;
    let reason = "it resolves to a loopback address";
    let error = outbound.send(get("http://alive.test/")).await.unwrap_err();
    assert_eq!(error, refused("alive.test", reason, false));
    let error = outbound.send(get("http://localhost/")).await.unwrap_err();
    assert_eq!(error, refused("localhost", reason, false));
}
