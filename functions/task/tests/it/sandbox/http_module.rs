//! The modules `http` and `https`, against a real server on loopback.

use super::fetching::{fetched, hanging_up};
use super::*;

/// What a script hears of a request: `log` is what it returns when `done` is called.
async fn check(script: &str, expected: Value) {
    let body = format!(
        "const http = require('http'), B = BASE, log = [];
        const text = (res) => new Promise((y) => {{ let b = ''; res.setEncoding('utf8'); res.on('data', (c) => (b += c)); res.on('end', () => y(b)) }});
        return await new Promise((resolve, reject) => {{ const done = () => resolve(log); {script} }})"
    );
    assert_eq!(fetched(&body).await, expected, "{script}");
}

#[tokio::test]
async fn a_request_is_sent_when_it_is_ended() {
    check("const r = http.request({ hostname: '127.0.0.1', port: +new URL(B).port, path: '/full?x=1', method: 'post', auth: 'u:p',
            headers: { 'X-A': '1', 'content-type': 'a/b' } }, async (res) => {
                const { method, url, body, headers } = JSON.parse(await text(res));
                log.push(res.statusCode, res.statusMessage, res.headers['content-type'], res.headers['set-cookie'], res.complete);
                log.push(method, url, body, headers['x-a'], headers['content-type'], headers.authorization); done() });
            r.write('a'); r.write(Buffer.from('b')); r.write('63', 'hex'); r.end('d');",
        json!([200, "OK", "application/json", ["a=1", "b=2"], true, "POST", "/full?x=1", "abcd", "1", "a/b", "Basic dTpw"])).await;
    check("const agent = new http.Agent({ keepAlive: true }); require('https').get({ protocol: 'http:', agent, hostname: '127.0.0.1',
            port: new URL(B).port, path: '/teapot' }, (res) => { log.push(res.statusCode); done() })",
        json!([418])).await;
    check("http.get(B + '/redirect', (res) => { log.push(res.statusCode, res.headers.location); res.resume(); res.on('end', done) })",
        json!([307, "/echo"])).await;
    check("http.get(new URL(B + '/teapot'), { headers: { q: '1' } }, async (res) => { for await (const c of res) log.push(String(c), res.statusCode); done() })",
        json!(["short", 418])).await;
}

#[tokio::test]
async fn the_events_come_in_the_order_of_node() {
    check(
        "const r = http.get(B + '/teapot', (res) => { log.push('response'); res.on('data', (c) => log.push(String(c)));
            res.on('end', () => log.push('end')); res.on('close', () => log.push('response closed')) });
            r.on('finish', () => log.push('finish')); r.on('close', () => { log.push('close'); done() })",
        json!(["finish", "response", "short", "end", "close", "response closed"]),
    )
    .await;
    check(
        "http.get(B + '/teapot', (res) => { res.pause(); res.on('data', () => log.push('data'));
            setTimeout(() => { log.push('resumed'); res.on('end', done); res.resume() }, 5) })",
        json!(["resumed", "data"]),
    )
    .await;
}

#[tokio::test]
async fn a_response_can_be_left_before_its_end() {
    check("http.get(B + '/teapot', (res) => { res.on('close', () => { log.push(res.readableEnded); done() }); res.destroy() })",
        json!([false])).await;
    check("const r = http.get(B + '/teapot', (res) => { r.destroy(); res.on('close', () => { log.push('closed'); done() }) })",
        json!(["closed"])).await;
    check("http.get(B + '/teapot', async (res) => { for await (const c of res) { log.push(String(c)); break } log.push('left'); done() })",
        json!(["short", "left"])).await;
}

#[tokio::test]
async fn errors_have_the_codes_of_node() {
    let hanging = hanging_up().await;
    let failing = "r.on('error', (e) => { log.push(e.code, e.message) }); r.on('close', done)";
    check(&format!("const r = http.get('{hanging}'); {failing}"), json!(["ECONNRESET", "socket hang up"])).await;
    check(
        &format!("const r = http.get('http://127.0.0.1:1'); {failing}"),
        json!(["ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1"]),
    )
    .await;
    check(
        &format!("const r = http.get('http://no-such-host.invalid'); {failing}"),
        json!(["ENOTFOUND", "getaddrinfo ENOTFOUND no-such-host.invalid"]),
    )
    .await;
    check(
        &format!("const r = http.get('http://169.254.169.254'); {failing}"),
        json!(["EACCES", "connect EACCES 169.254.169.254:80"]),
    )
    .await;
    check(
        &format!("const r = http.get(B + '/never', {{ timeout: 5 }}); r.on('timeout', () => r.destroy()); {failing}"),
        json!(["ECONNRESET", "socket hang up"]),
    )
    .await;
    check(
        &format!("const r = http.get(B + '/never'); r.setTimeout(5, () => r.destroy(new Error('mine'))); {failing}"),
        json!([null, "mine"]),
    )
    .await;
    check(&format!("const c = new AbortController(); const r = http.get(B + '/never', {{ signal: c.signal }}); setTimeout(() => c.abort(), 5); {failing}"),
        json!(["ABORT_ERR", "The operation was aborted"])).await;
    check(&format!("const r = http.get(B + '/never'); r.on('abort', () => log.push('abort')); setTimeout(() => r.abort(), 5); {failing}"),
        json!(["abort", "ECONNRESET", "socket hang up"])).await;
}

#[tokio::test]
async fn an_error_that_nobody_listens_to_fails_the_script() {
    let source = "module.exports = () => new Promise(() => require('http').get('http://127.0.0.1:1/'))";
    let (_, _, message) = failure(source).await;
    assert_eq!(message, "connect ECONNREFUSED 127.0.0.1:1");
}

#[tokio::test]
async fn what_is_wrong_is_refused_at_once() {
    let cases = [
        ("http.request('x')", "ERR_INVALID_URL"),
        ("http.request('https://a')", "ERR_INVALID_PROTOCOL"),
        ("http.request({ path: '/a b' })", "ERR_UNESCAPED_CHARACTERS"),
        ("http.request({ path: '/a\\r\\nx: y' })", "ERR_UNESCAPED_CHARACTERS"),
        ("http.request({ method: 'a b' })", "ERR_INVALID_HTTP_TOKEN"),
        ("http.request({ headers: { 'a b': 1 } })", "ERR_INVALID_HTTP_TOKEN"),
        ("http.request({ headers: { a: 'b\\r\\nc: d' } })", "ERR_INVALID_CHAR"),
        ("http.request({ headers: { a: undefined } })", "ERR_HTTP_INVALID_HEADER_VALUE"),
        ("http.request({ socketPath: '/x' })", "NotSupported"),
        ("http.createServer()", "NotSupported"),
        ("new (require('https').Agent)({ pfx: 'x' })", "NotSupported"),
        ("new (class extends http.Agent {})(); http.request({ get path() { throw new RangeError() } })", "RangeError"),
    ];
    for (call, expected) in cases {
        check(&format!("try {{ {call} }} catch (e) {{ log.push(e.code ?? e.name); done() }}"), json!([expected])).await;
    }
    let module = "import { get, STATUS_CODES } from 'node:http'; import https from 'https';
        export default () => [typeof get, STATUS_CODES[404], typeof https.request, https.globalAgent.defaultPort]";
    assert_eq!(value(module).await, json!(["function", "Not Found", "function", 443]));
}
