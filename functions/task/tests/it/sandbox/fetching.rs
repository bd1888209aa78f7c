//! Requests of scripts, to real servers on loopback.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{any, get};
use std::sync::atomic::AtomicBool;

use harness::until;

use super::*;

async fn echo(headers: HeaderMap, request: Request) -> impl IntoResponse {
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    axum::Json(json!({
        "method": method, "uri": uri, "body": String::from_utf8_lossy(&body),
        "type": header("content-type"), "custom": header("x-custom"),
    }))
}

/// Everything that a server sees of a request.
async fn full(request: Request) -> impl IntoResponse {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let texts = head.headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes())));
    let cookies = [(http::header::SET_COOKIE, "a=1"), (http::header::SET_COOKIE, "b=2")];
    let seen = json!({
        "method": head.method.as_str(), "url": head.uri.to_string(), "body": String::from_utf8_lossy(&body),
        "headers": texts.collect::<BTreeMap<_, _>>(),
    });
    (axum::response::AppendHeaders(cookies), axum::Json(seen))
}

async fn status(Path(code): Path<u16>) -> impl IntoResponse {
    (http::StatusCode::from_u16(code).unwrap(), axum::Json(json!({"code": code})))
}

/// An address where connections are closed without an answer.
pub(super) async fn hanging_up() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
        }
    });
    address
}

/// A server that echoes, redirects and never answers; returns its address.
async fn server() -> String {
    let router = Router::new()
        .route("/echo", any(echo))
        .route("/full", any(full))
        .route("/full/{*path}", any(full))
        .route("/status/{code}", any(status))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/broken", get(|| async { ([("content-type", "application/json")], "{bad") }))
        .route("/octets", get(|| async { [("x-octets", http::HeaderValue::from_bytes(b"\xe2\x82\xac").unwrap())] }))
        .route("/teapot", get(|| async { (http::StatusCode::IM_A_TEAPOT, [("x-kind", "tea")], "short") }))
        .route("/redirect", get(|| async { Redirect::temporary("/echo") }))
        .route("/metadata", get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data/") }))
        .route("/brotli", get(|| async { ([("content-encoding", "br")], &b"\x0b\x02\x80[1,2]\x03"[..]) }))
        .route("/marked", get(|| async { "\u{feff}[1,2]" }))
        .route("/bytes", get(|| async { vec![0_u8, 255, 1] }))
        .route("/large", get(|| async { vec![b'x'; 5 * 1024 * 1024] }))
        .route("/never", get(std::future::pending::<()>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A script whose `BASE` is the server.
pub(super) async fn with_server(body: &str) -> Script {
    let base = server().await;
    script(&format!("const BASE = '{base}'; module.exports = async (task) => {{ {body} }}"))
}

pub(super) async fn fetched(body: &str) -> Value {
    report(with_server(body).await).await.result.unwrap_or_else(|error| panic!("{body}: {error:?}"))
}

#[tokio::test]
async fn a_request_carries_method_headers_and_body() {
    let body = "const answer = await fetch(BASE + '/echo?a=b', { method: 'post', headers: { 'X-Custom': 'y', 'Content-Type': 'application/json' },
        body: JSON.stringify({ n: 1 }) }); return await answer.json();";
    let expected =
        json!({"method": "POST", "uri": "/echo?a=b", "body": "{\"n\":1}", "type": "application/json", "custom": "y"});
    assert_eq!(fetched(body).await, expected);
}

#[tokio::test]
async fn bodies_of_every_kind_are_sent() {
    let check = async |body: &str, expected: Value| {
        let source = format!(
            "return (await (await fetch(new Request(BASE + '/echo', {{ method: 'PUT', body: {body} }}))).json())"
        );
        let echoed = fetched(&source).await;
        assert_eq!(json!([echoed["body"], echoed["type"]]), expected, "{body}");
    };
    check("'é'", json!(["é", "text/plain;charset=UTF-8"])).await;
    check("new URLSearchParams({ a: 'b c' })", json!(["a=b+c", "application/x-www-form-urlencoded;charset=UTF-8"]))
        .await;
    check("new Uint8Array([65, 66, 67]).subarray(1)", json!(["BC", null])).await;
    check("Buffer.from('QQ==', 'base64')", json!(["A", null])).await;
    check("new Uint8Array([65]).buffer", json!(["A", null])).await;
}

#[tokio::test]
async fn a_response_has_status_headers_and_body() {
    let body = "const a = await fetch(BASE + '/teapot'); const b = a.clone();
        return [a.ok, a.status, a.statusText, a.headers.get('X-Kind'), a.url === BASE + '/teapot', a.redirected, a.bodyUsed,
            await a.text(), a.bodyUsed, await b.text(), await a.text().catch((e) => e.name)];";
    let expected = json!([false, 418, "I'm a teapot", "tea", true, false, false, "short", true, "short", "TypeError"]);
    assert_eq!(fetched(body).await, expected);
    let bytes = "const a = await fetch(BASE + '/bytes'); return [...new Uint8Array(await a.arrayBuffer())]";
    assert_eq!(fetched(bytes).await, json!([0, 255, 1]));
}

#[tokio::test]
async fn redirects_are_followed_shown_or_refused() {
    let body = "const show = (r) => r.then((a) => [a.status, a.redirected], (e) => e.name);
        return [await show(fetch(BASE + '/redirect')), await show(fetch(BASE + '/redirect', { redirect: 'manual' })),
            await show(fetch(BASE + '/redirect', { redirect: 'error' }))]";
    assert_eq!(fetched(body).await, json!([[200, true], [307, false], "FetchFailed"]));
}

#[tokio::test]
async fn special_addresses_are_refused_however_they_are_reached() {
    for target in
        ["'http://169.254.169.254/'", "'http://[::ffff:a9fe:a9fe]/'", "'http://0xa9fea9fe/'", "BASE + '/metadata'"]
    {
        let (kind, name, message) = failure_of(with_server(&format!("await fetch({target})")).await).await;
        assert_eq!((kind.as_str(), name.as_str()), ("runtime", "FetchRefused"), "{target}");
        assert_eq!(
            message,
            "requests to 169.254.169.254 are refused: it is a metadata address".replace(
                "169.254.169.254",
                if target.contains("ffff") { "[::ffff:a9fe:a9fe]" } else { "169.254.169.254" }
            )
        );
    }
    let closed = with_outbound(Outbound::new(&[]));
    let report = closed.run(script("module.exports = () => fetch('http://localhost:9/')"), no_effect()).await.unwrap();
    assert_eq!(report.result.unwrap_err().name, "FetchRefused");
}

#[tokio::test]
async fn a_script_can_catch_what_its_requests_fail_with() {
    let body = "const out = []; for (const [url, init] of [['nonsense'], ['ftp://x.example/'], [BASE + '/echo', { method: 'TRACE' }],
        [BASE + '/echo', { body: 'x' }], [BASE + '/echo', { headers: { 'a b': 'c' } }], [BASE + '/echo', { headers: { a: 'b\\nc' } }],
        ['http://127.0.0.1:1/'], [BASE + '/large'], ['http://u:p@x.example/']]) {
            out.push(await fetch(url, init).catch((error) => [error.name, error instanceof TypeError]));
        } return out";
    let type_error = json!(["TypeError", true]);
    let mut expected = vec![type_error.clone(); 6];
    expected.extend([json!(["FetchFailed", true]), json!(["FetchTooLarge", true]), type_error]);
    assert_eq!(fetched(body).await, json!(expected));
}

#[tokio::test]
async fn a_request_can_be_aborted() {
    let body = "const c = new AbortController(); setTimeout(() => c.abort(), 5);
        const names = [await fetch(BASE + '/never', { signal: c.signal }).catch((e) => e.name)];
        names.push(await fetch(BASE + '/never', { signal: AbortSignal.timeout(5) }).catch((e) => e.name));
        names.push(await fetch(BASE + '/never', { signal: c.signal }).catch((e) => e.name)); return names";
    assert_eq!(fetched(body).await, json!(["AbortError", "TimeoutError", "AbortError"]));
}

#[tokio::test]
async fn a_request_without_a_response_ends_at_the_time_limit() {
    let script = with_server("await fetch(BASE + '/never')").await;
    let limits = Limits { time: Duration::from_millis(200), ..script.limits };
    assert_eq!(failure_of(Script { limits, ..script }).await.1, "TimeLimitExceeded");
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let body = "const all = await Promise.all(Array.from({ length: 100 }, (_, i) => fetch(BASE + '/echo?' + i).then((a) => a.json())));
        return all.every((answer, i) => answer.uri === '/echo?' + i)";
    assert_eq!(fetched(body).await, json!(true));
    let body = "const sent = Array.from({ length: 1010 }, () => fetch(BASE + '/never')); sent.forEach((p) => p.catch(() => {})); const all = await Promise.allSettled(sent.slice(1005)); return all.map((r) => r.reason.name)";
    assert_eq!(fetched(body).await, json!(vec!["FetchLimitExceeded"; 5]));
}

#[tokio::test]
async fn the_effect_is_marked_once_before_the_first_request_is_sent() {
    let (marks, reached) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let seen = reached.clone();
    let router = Router::new().route("/", get(move || async move { seen.store(true, Ordering::SeqCst) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (count, reached_before) = (marks.clone(), reached.clone());
    let mark: BeforeEffect = Arc::new(move || {
        assert!(!reached_before.load(Ordering::SeqCst));
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Marked::default()) })
    });
    let quiet = sandbox().run(script("module.exports = () => new Headers()"), mark.clone()).await.unwrap();
    assert_eq!((quiet.result, marks.load(Ordering::SeqCst)), (Ok(json!({})), 0));
    let source = format!(
        "module.exports = () => Promise.all([fetch('{url}'), fetch('{url}')]).then(() => fetch('{url}')).then((a) => a.status)"
    );
    let report = sandbox().run(script(&source), mark).await.unwrap();
    assert_eq!((report.result, marks.load(Ordering::SeqCst)), (Ok(json!(200)), 1));
    assert!(reached.load(Ordering::SeqCst));
}

#[tokio::test]
async fn requests_leave_on_threads_of_their_own_where_there_are_any() {
    let threads = tokio::runtime::Builder::new_multi_thread().thread_name("sending").enable_all().build().unwrap();
    let on_its_own = Arc::<AtomicBool>::default();
    let is_own = on_its_own.clone();
    let mark: BeforeEffect = Arc::new(move || {
        is_own.store(std::thread::current().name() != Some("sending"), Ordering::SeqCst);
        Box::pin(async { Ok(Marked::default()) })
    });
    let sandbox = sandbox().sending_on(Some(threads.handle().clone()));
    let fetching =
        |path: &str, base: &str| script(&format!("module.exports = () => fetch('{base}{path}').then((a) => a.status)"));
    let base = server().await;
    let report = sandbox.run(fetching("/status/200", &base), mark.clone()).await.unwrap();
    assert_eq!((report.result, on_its_own.load(Ordering::SeqCst)), (Ok(json!(200)), true));
    let count = || threads.metrics().num_alive_tasks();
    {
        let sent = async || if count() == 0 { Err(()) } else { Ok(()) };
        tokio::select! {
            report = sandbox.run(fetching("/never", &base), mark) => panic!("{:?}", report.map(|report| report.result)),
            () = until("a request is under way there", sent) => {}
        }
    }
    until("the request is stopped with its script", async || if count() == 0 { Ok(()) } else { Err(count()) }).await;
    threads.shutdown_background();
}

#[tokio::test]
async fn no_request_is_sent_when_the_effect_cannot_be_marked() {
    let refuse: BeforeEffect = Arc::new(|| Box::pin(async { Err(Error::new("mark the task", "the lease is lost")) }));
    let script = script("module.exports = () => fetch('http://127.0.0.1:1/').catch(() => 1)");
    let error = sandbox().run(script, refuse).await.unwrap_err();
    assert_eq!(error.chain(), "cannot mark the task: the lease is lost");
}

#[tokio::test]
async fn an_encoded_answer_is_decoded_and_says_so() {
    let body = "const answer = await fetch(BASE + '/brotli'); const headers = answer.headers;
        return [await answer.json(), headers.get('content-encoding'), headers.get('content-length')];";
    assert_eq!(fetched(body).await, json!([[1, 2], null, null]));
    assert_eq!(fetched("return (await fetch(BASE + '/marked')).json()").await, json!([1, 2]));
}

#[tokio::test]
async fn an_error_has_the_cause_that_it_has_in_node() {
    let hanging = hanging_up().await;
    let body = format!(
        "const out = []; for (const url of ['http://127.0.0.1:1/', 'http://no-such-host.invalid/', '{hanging}', 'http://169.254.169.254/', BASE + '/loop'])
            await fetch(url).catch((e) => out.push([e.name, e instanceof TypeError, e.cause.code, e.cause.syscall ?? null]));
        return out"
    );
    let expected = json!([
        ["FetchFailed", true, "ECONNREFUSED", "connect"],
        ["FetchFailed", true, "ENOTFOUND", "getaddrinfo"],
        ["FetchFailed", true, "ECONNRESET", "read"],
        ["FetchRefused", true, "EACCES", "connect"],
        ["FetchFailed", true, "ERR_FR_TOO_MANY_REDIRECTS", null],
    ]);
    assert_eq!(fetched(&body).await, expected);
}

#[tokio::test]
async fn headers_are_bytes_in_both_directions() {
    let body = "const { headers } = await fetch(BASE + '/octets'); const passed = await fetch(BASE + '/full', { headers });
        const latin = await fetch(BASE + '/full', { headers: { 'x-octets': '\\xc3\\xa9' } });
        const seen = await latin.json(); const own = await fetch(BASE + '/full', { headers: { 'User-Agent': 'me' } });
        return [headers.get('x-octets'), (await passed.json()).headers['x-octets'], seen.headers['x-octets'], seen.headers['user-agent'],
            (await own.json()).headers['user-agent']]";
    assert_eq!(fetched(body).await, json!(["\u{e2}\u{82}\u{ac}", "€", "é", "hookyard", "me"]));
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_built_and_once() {
    let body = "const request = new Request(BASE + '/full?a#fragment', { method: 'put', body: 'x', headers: { 'x-a': '1' } });
        const copy = request.clone(); const first = await fetch(request, { headers: { 'x-b': '2' } }); const seen = await first.json();
        return [seen.method, seen.url, seen.body, seen.headers['x-a'] ?? null, seen.headers['x-b'], request.bodyUsed, first.redirected,
            first.url === BASE + '/full?a', await fetch(request).catch((e) => e.name), (await (await fetch(copy)).json()).body]";
    assert_eq!(fetched(body).await, json!(["PUT", "/full?a", "x", null, "2", true, false, true, "TypeError", "x"]));
    let body = "const stream = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])); c.enqueue(new Uint8Array([66])); c.close() } });
        const answer = await fetch(BASE + '/full', { method: 'POST', body: stream, duplex: 'half' }); const chunks = [];
        for await (const chunk of answer.clone().body) chunks.push(chunk.length > 10);
        return [(await answer.json()).body, chunks]";
    assert_eq!(fetched(body).await, json!(["AB", [true]]));
}

#[tokio::test]
async fn the_headers_of_an_answer_cannot_be_changed_and_list_every_cookie() {
    let body = "const { headers } = await fetch(BASE + '/full'); let error; try { headers.set('a', 'b') } catch (e) { error = e.message }
        return [error, headers.getSetCookie(), [...headers].filter(([name]) => name === 'set-cookie'), headers.get('set-cookie')]";
    let expected = json!(["immutable", ["a=1", "b=2"], [["set-cookie", "a=1"], ["set-cookie", "b=2"]], "a=1, b=2"]);
    assert_eq!(fetched(body).await, expected);
}
