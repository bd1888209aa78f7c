//! The module `axios`, against a real server on loopback.

use super::fetching::{fetched, hanging_up, with_server};
use super::*;

/// The value of an expression over `axios` and the server's address `B`.
async fn check(expression: &str, expected: Value) {
    let body = format!("const axios = require('axios'), B = BASE; return await (async () => ({expression}))()");
    assert_eq!(fetched(&body).await, expected, "{expression}");
}

/// What the server has seen of a request, as one expression shows it.
async fn seen(request: &str, shown: &str, expected: Value) {
    check(&format!("(({{ data, config }}) => {shown})(await {request})"), expected).await;
}

#[tokio::test]
async fn a_query_is_written_as_axios_writes_it() {
    let check = async |options: &str, expected: &str| {
        seen(&format!("axios.get(B + '/full', {options})"), "data.url", json!(format!("/full{expected}"))).await;
    };
    check("{}", "").await;
    check(
        "{ params: { a: 1, b: [1, 2], c: { d: 'x' }, e: null, f: undefined, g: new Date(0), h: true } }",
        "?a=1&b%5B%5D=1&b%5B%5D=2&c%5Bd%5D=x&g=1970-01-01T00:00:00.000Z&h=true",
    )
    .await;
    check("{ params: { a: 'a b:c$,[]@+&é' } }", "?a=a+b:c$,%5B%5D%40%2B%26%C3%A9").await;
    check("{ params: new URLSearchParams('a=b c') }", "?a=b+c").await;
    check("{ params: { a: [1, 2] }, paramsSerializer: { indexes: null } }", "?a=1&a=2").await;
    check("{ params: { a: [1, 2] }, paramsSerializer: { indexes: true } }", "?a%5B0%5D=1&a%5B1%5D=2").await;
    check("{ params: { a: [1, 2] }, paramsSerializer: (p) => 'x=' + p.a.length }", "?x=2").await;
    check("{ params: { a: [[1], { b: 2 }] } }", "?a%5B0%5D%5B0%5D=1&a%5B1%5D%5Bb%5D=2").await;
    seen("axios.get(B + '/full?z=1#h', { params: { a: 1 } })", "data.url", json!("/full?z=1&a=1")).await;
    seen("axios.get('/x', { baseURL: B + '/full/' })", "data.url", json!("/full/x")).await;
    seen("axios.get(B + '/full/y', { baseURL: 'http://127.0.0.1:1/' })", "data.url", json!("/full/y")).await;
}

#[tokio::test]
async fn the_uri_of_a_request_is_told() {
    check(
        "axios.getUri({ url: '/x?y=1', params: { a: [1] }, baseURL: 'http://b/c' })",
        json!("http://b/c/x?y=1&a%5B%5D=1"),
    )
    .await;
}

#[tokio::test]
async fn data_of_every_kind_is_sent_with_its_type() {
    let check = async |data: &str, expected: Value| {
        seen(&format!("axios.post(B + '/full', {data})"), "[data.body, data.headers['content-type']]", expected).await;
    };
    let form = "application/x-www-form-urlencoded";
    check("{ a: 1, b: [true, null] }", json!(["{\"a\":1,\"b\":[true,null]}", "application/json"])).await;
    check("'x'", json!(["x", form])).await;
    check("'x', { headers: { 'content-type': 'application/json' } }", json!(["\"x\"", "application/json"])).await;
    check("' [1] ', { headers: { 'Content-Type': 'application/json' } }", json!(["[1]", "application/json"])).await;
    check(
        "{ a: 1, b: { c: [1, 2] } }, { headers: { 'content-type': 'application/x-www-form-urlencoded' } }",
        json!(["a=1&b%5Bc%5D%5B0%5D=1&b%5Bc%5D%5B1%5D=2", form]),
    )
    .await;
    check("new URLSearchParams({ a: 'b c' })", json!(["a=b+c", format!("{form};charset=utf-8")])).await;
    check("Buffer.from('hi')", json!(["hi", form])).await;
    check("new Uint8Array([65, 66]).subarray(1)", json!(["B", form])).await;
    check("new Blob(['x'], { type: 'a/b' })", json!(["x", "a/b"])).await;
    check("null", json!(["", form])).await;
    check("new Date(0)", json!(["\"1970-01-01T00:00:00.000Z\"", "application/json"])).await;
    let parts = "[data.body.split(/-{4,}formdata-[0-9]+/).join('B'), /^multipart.form-data; boundary=/.test(data.headers['content-type'])]";
    let form = "(() => { const f = new FormData(); f.append('a', 'b'); f.append('f', new Blob(['x\u{e9}']), 'q\".txt'); return f })()";
    let expected = "B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\nB\r\nContent-Disposition: form-data; \
        name=\"f\"; filename=\"q%22.txt\"\r\nContent-Type: application/octet-stream\r\n\r\nx\u{e9}\r\nB--\r\n";
    seen(&format!("axios.post(B + '/full', {form})"), parts, json!([expected, true])).await;
    let expected = "B\r\nContent-Disposition: form-data; name=\"a[]\"\r\n\r\n1\r\nB\r\nContent-Disposition: form-data; \
        name=\"o{}\"\r\n\r\n{\"x\":1}\r\nB--\r\n";
    seen("axios.postForm(B + '/full', { a: [1], 'o{}': { x: 1 } })", parts, json!([expected, true])).await;
}

#[tokio::test]
async fn every_method_is_sent_with_headers_and_credentials() {
    for (call, expected) in [
        ("axios(B + '/full')", json!(["GET", ""])),
        ("axios({ url: B + '/full', method: 'patch', data: 'x' })", json!(["PATCH", "x"])),
        ("axios.request({ url: B + '/full', method: 'PUT', data: 'y' })", json!(["PUT", "y"])),
        ("axios.delete(B + '/full', { data: { q: 1 } })", json!(["DELETE", "{\"q\":1}"])),
        ("axios.options(B + '/full')", json!(["OPTIONS", ""])),
        ("axios.put(B + '/full', 'z')", json!(["PUT", "z"])),
        ("axios.patch(B + '/full', 'z')", json!(["PATCH", "z"])),
        ("axios.get(B + '/full', { data: { q: 1 } })", json!(["GET", "{\"q\":1}"])),
        ("axios.default.get(B + '/full')", json!(["GET", ""])),
    ] {
        seen(call, "[data.method, data.body]", expected).await;
    }
    check("[(await axios.head(B + '/full')).status, (await axios.head(B + '/full')).data]", json!([200, ""])).await;
    seen(
        "axios.get(B + '/full', { auth: { username: 'u', password: 'p:\u{e9}' } })",
        "data.headers.authorization",
        json!("Basic dTpwOsOp"),
    )
    .await;
    seen("axios.get(B.replace('//', '//us:pa%20@') + '/full')", "data.headers.authorization", json!("Basic dXM6cGEg"))
        .await;
    let headers =
        "{ 'X-A': 'b\\r\\nx-evil: 1', 'x-b': undefined, 'x-c': null, 'x-d': false, 'x-e': ['1', '2'], 'x-f': 5 }";
    let shown =
        "['x-a', 'x-b', 'x-c', 'x-d', 'x-e', 'x-f', 'x-evil', 'accept'].map((name) => data.headers[name] ?? null)";
    seen(
        &format!("axios.get(B + '/full', {{ headers: {headers} }})"),
        shown,
        json!(["bx-evil: 1", null, null, null, "2", "5", null, "application/json, text/plain, */*"]),
    )
    .await;
}

#[tokio::test]
async fn headers_are_taken_in_every_form() {
    for headers in
        ["new Map([['x-m', '1']])", "new Headers({ 'x-m': '1' })", "new axios.AxiosHeaders({ 'X-M': 1 })", "'x-m: 1'"]
    {
        let request = format!("axios.get(B + '/full', {{ headers: {headers} }})");
        seen(&request, "[data.headers['x-m'], data.headers.accept.length > 10]", json!(["1", true])).await;
    }
}

#[tokio::test]
async fn an_instance_has_its_own_defaults() {
    let instance = "const i = axios.create({ baseURL: B, headers: { 'x-i': 1, common: { 'x-c': 2 }, get: { 'x-g': 3 } } });
        i.defaults.headers.common.Authorization = 'Bearer t'; const { data } = await i('/full', { headers: { 'X-I': 4 } });
        return [['x-i', 'x-c', 'x-g', 'authorization'].map((n) => data.headers[n]), axios.defaults.baseURL === undefined,
            typeof i.create, axios.defaults.headers.common.Authorization === undefined]";
    check(
        &format!("await (async () => {{ {instance} }})()"),
        json!([["4", "2", "3", "Bearer t"], true, "function", true]),
    )
    .await;
}

#[tokio::test]
async fn a_response_has_data_status_and_headers() {
    let shown =
        "[r.status, r.statusText, r.headers['content-type'], r.headers.get('Content-Type'), r.headers['set-cookie'],
        r.config.method, r.request.res.responseUrl === B + '/full', typeof r.data]";
    check(
        &format!("((r) => {shown})(await axios.get(B + '/full'))"),
        json!([200, "OK", "application/json", "application/json", ["a=1", "b=2"], "get", true, "object"]),
    )
    .await;
    check("(await axios.get(B + '/broken')).data", json!("{bad")).await;
    check("(await axios.get(B + '/full', { responseType: 'text' })).data.slice(0, 2)", json!("{\"")).await;
    check("[...(await axios.get(B + '/bytes', { responseType: 'arraybuffer' })).data]", json!([0, 255, 1])).await;
    check("(await axios.get(B + '/marked')).data", json!([1, 2])).await;
    check("((r) => [r.data, r.status, r.config.url === B + '/bytes', r.headers['content-length']])(JSON.parse(JSON.stringify(\
        await axios.get(B + '/bytes', { auth: { username: 'u' }, responseType: 'text' }))))",
        json!(["\u{0}\u{fffd}\u{1}", 200, true, "3"])).await;
    check("JSON.stringify(await axios.get(B + '/full', { auth: { username: 'u', password: 'secret' } })).includes('secret')",
        json!(false)).await;
}

#[tokio::test]
async fn a_response_can_be_the_result_of_a_script() {
    let result = fetched("return await require('axios').get(BASE + '/bytes', { params: { a: 1 }, headers: { authorization: 'secret' } })").await;
    assert_eq!(
        json!([result["status"], result["config"]["params"], result["headers"]["content-length"]]),
        json!([200, {"a": 1}, "3"])
    );
    assert!(result["data"].is_string() && !result.to_string().contains("secret"), "{result}");
}

/// What is thrown, as the values that scripts look at.
const CAUGHT: &str = "(e) => [e.name, e.code, e.message.replace(B, 'B'), axios.isAxiosError(e), e.response?.status ?? null, \
    e.response?.data?.code ?? null]";

async fn fails(call: &str, expected: Value) {
    check(&format!("await {call}.then(() => 'succeeds', {CAUGHT})"), expected).await;
}

#[tokio::test]
async fn a_status_that_is_no_success_is_an_error_with_the_response() {
    let message = |code: u16| format!("Request failed with status code {code}");
    fails("axios.get(B + '/status/404')", json!(["AxiosError", "ERR_BAD_REQUEST", message(404), true, 404, 404])).await;
    fails("axios.get(B + '/status/500')", json!(["AxiosError", "ERR_BAD_RESPONSE", message(500), true, 500, 500]))
        .await;
    check("(await axios.get(B + '/status/404', { validateStatus: null })).status", json!(404)).await;
    check("(await axios.get(B + '/status/404', { validateStatus: (s) => s === 404 })).data", json!({"code": 404}))
        .await;
    let shown =
        "[e instanceof Error, e instanceof axios.AxiosError, e.status, e.toJSON().config.url === B + '/status/404',
        typeof JSON.stringify(e), e.response.config === e.config, String(e)]";
    check(
        &format!("await axios.get(B + '/status/404').catch((e) => {shown})"),
        json!([true, true, 404, true, "string", true, format!("AxiosError: {}", message(404))]),
    )
    .await;
    let (kind, name, text) = failure_of(with_server("await require('axios').get(BASE + '/status/404')").await).await;
    assert_eq!((kind.as_str(), name.as_str(), text), ("runtime", "AxiosError", message(404)));
}

#[tokio::test]
async fn a_request_without_a_response_has_the_code_that_node_has() {
    let hanging = hanging_up().await;
    fails(&format!("axios.get('{hanging}')"), json!(["AxiosError", "ECONNRESET", "socket hang up", true, null, null]))
        .await;
    fails(
        "axios.get('http://127.0.0.1:1/')",
        json!(["AxiosError", "ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1", true, null, null]),
    )
    .await;
    fails(
        "axios.get('http://no-such-host.invalid/')",
        json!(["AxiosError", "ENOTFOUND", "getaddrinfo ENOTFOUND no-such-host.invalid", true, null, null]),
    )
    .await;
    fails(
        "axios.get('http://169.254.169.254/')",
        json!([
            "AxiosError",
            "EACCES",
            "requests to 169.254.169.254 are refused: it is a metadata address",
            true,
            null,
            null
        ]),
    )
    .await;
    fails(
        "axios.get(B + '/large')",
        json!(["AxiosError", "ERR_BAD_RESPONSE", "the answer is longer than 4194304 bytes", true, null, null]),
    )
    .await;
    fails(
        "axios.get(B + '/full', { maxContentLength: 5 })",
        json!(["AxiosError", "ERR_BAD_RESPONSE", "maxContentLength size of 5 exceeded", true, null, null]),
    )
    .await;
    fails(
        "axios.post(B + '/full', 'x'.repeat(9), { maxBodyLength: 5 })",
        json!(["AxiosError", "ERR_BAD_REQUEST", "Request body larger than maxBodyLength limit", true, null, null]),
    )
    .await;
    check(
        "await axios.get('http://127.0.0.1:1/').catch((e) => [e.cause.code, e.cause.syscall, e.cause.port])",
        json!(["ECONNREFUSED", "connect", 1]),
    )
    .await;
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_they_may() {
    let echoed =
        "((r) => [r.status, r.data.uri, r.request.res.responseUrl === B + '/echo'])(await axios.get(B + '/redirect'))";
    check(echoed, json!([200, "/echo", true])).await;
    fails(
        "axios.get(B + '/redirect', { maxRedirects: 0 })",
        json!(["AxiosError", "ERR_BAD_RESPONSE", "Request failed with status code 307", true, 307, null]),
    )
    .await;
    fails(
        "axios.get(B + '/loop', { maxRedirects: 3 })",
        json!(["AxiosError", "ERR_FR_TOO_MANY_REDIRECTS", "Maximum number of redirects exceeded", true, null, null]),
    )
    .await;
}

#[tokio::test]
async fn a_request_ends_when_its_time_is_up_or_when_it_is_cancelled() {
    let timeout = |code, message| json!(["AxiosError", code, message, true, null, null]);
    fails("axios.get(B + '/never', { timeout: 20 })", timeout("ECONNABORTED", "timeout of 20ms exceeded")).await;
    fails("axios.get(B + '/never', { timeout: '20', timeoutErrorMessage: 'slow', transitional: { clarifyTimeoutError: true } })",
        timeout("ETIMEDOUT", "slow")).await;
    fails(
        "axios.get(B + '/never', { timeout: 'x' })",
        timeout("ERR_BAD_OPTION_VALUE", "error trying to parse `config.timeout` to int"),
    )
    .await;
    let cancelled = |message| json!(["CanceledError", "ERR_CANCELED", message, true, null, null]);
    fails("axios.get(B + '/full', { signal: AbortSignal.abort() })", cancelled("canceled")).await;
    fails("axios.get(B + '/never', { signal: AbortSignal.timeout(5) })", cancelled("canceled")).await;
    fails(
        "(() => { const s = axios.CancelToken.source(); setTimeout(() => s.cancel('why'), 5);
        return axios.get(B + '/never', { cancelToken: s.token }) })()",
        cancelled("why"),
    )
    .await;
    check("await axios.get(B, { signal: AbortSignal.abort() }).catch((e) => [axios.isCancel(e), e instanceof axios.Cancel])",
        json!([true, true])).await;
}

#[tokio::test]
async fn interceptors_and_transforms_run_in_order() {
    let run = "const i = axios.create(), log = [];
        i.interceptors.request.use((c) => { log.push('r1'); return c });
        i.interceptors.request.use(async (c) => { log.push('r2'); c.headers.set('x-r', '2'); return c }, null, { runWhen: (c) => c.method === 'get' });
        i.interceptors.response.use((r) => { log.push('s1'); return r });
        const id = i.interceptors.response.use((r) => { log.push('s2'); return r.data });
        const seen = (await i.get(B + '/full')).headers['x-r']; i.interceptors.response.eject(id);
        const { status } = await i.post(B + '/full'); i.interceptors.request.clear(); await i.get(B + '/full'); return [log, seen, status]";
    check(&format!("await (async () => {{ {run} }})()"), json!([["r2", "r1", "s1", "s2", "r1", "s1", "s1"], "2", 200]))
        .await;
    let caught = "const i = axios.create(); i.interceptors.request.use(() => { throw new Error('no') });
        i.interceptors.response.use(null, (e) => ['caught', e.message]); return i.get(B + '/full')";
    check(&format!("await (async () => {{ {caught} }})()"), json!(["caught", "no"])).await;
    let retried = "const i = axios.create({ validateStatus: (s) => s < 300 }); i.interceptors.response.use(null, (e) => i({ ...e.config, url: B + '/full' }));
        return (await i.get(B + '/status/503', { headers: { 'x-k': 'v' } })).data.headers['x-k']";
    check(&format!("await (async () => {{ {retried} }})()"), json!("v")).await;
    seen("axios.post(B + '/echo', { a: 1 }, { transformRequest: [(d, h) => { h['x-custom'] = 'y'; return JSON.stringify({ w: d }) }],
        transformResponse: (d, h, s) => [JSON.parse(d).body, JSON.parse(d).custom, h['content-type'], s] })", "data",
        json!(["{\"w\":{\"a\":1}}", "y", "application/json", 200])).await;
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_by_name() {
    for (options, what) in [
        ("proxy: { host: '127.0.0.1', port: 1 }", "the option proxy of axios"),
        ("socketPath: '/var/run/x.sock'", "the option socketPath of axios"),
        ("decompress: false", "the option decompress of axios"),
        ("responseType: 'stream'", "the response type stream of axios"),
        ("beforeRedirect: () => {}", "the option beforeRedirect of axios"),
    ] {
        fails(
            &format!("axios.get(B + '/full', {{ {options} }})"),
            json!(["NotSupported", null, format!("the sandbox does not support {what}"), false, null, null]),
        )
        .await;
    }
    check("(await axios.get(B + '/full', { proxy: false, httpsAgent: new (require('https').Agent)({ keepAlive: true }), \
        decompress: true, xsrfCookieName: 'x', withCredentials: true, adapter: 'http', onDownloadProgress() {} })).status",
        json!(200)).await;
    fails(
        "axios.get('ftp://x/')",
        json!(["AxiosError", "ERR_BAD_REQUEST", "Unsupported protocol ftp:", true, null, null]),
    )
    .await;
    fails("axios.get('/relative')", json!(["TypeError", "ERR_INVALID_URL", "Invalid URL", false, null, null])).await;
    fails(
        "axios({ url: B, method: 'a b' })",
        json!([
            "TypeError",
            "ERR_INVALID_HTTP_TOKEN",
            "Method must be a valid HTTP token [\"A B\"]",
            false,
            null,
            null
        ]),
    )
    .await;
    fails(
        "axios.get(B, { headers: { 'a b': 'c' } })",
        json!([
            "TypeError",
            "ERR_INVALID_HTTP_TOKEN",
            "Header name must be a valid HTTP token [\"a b\"]",
            false,
            null,
            null
        ]),
    )
    .await;
}

#[tokio::test]
async fn the_rest_of_its_surface_is_there() {
    check("[await axios.all([1, Promise.resolve(2)]), axios.spread((a, b) => a + b)([1, 2]), axios.HttpStatusCode.NotFound]",
        json!([[1, 2], 3, 404])).await;
    check(
        "[...axios.toFormData({ a: 1, b: [1, { c: 2 }], e: null }, new FormData())]",
        json!([["a", "1"], ["b[0]", "1"], ["b[1][c]", "2"]]),
    )
    .await;
    check("axios.formToJSON((() => { const f = new FormData(); f.append('a[b]', '1'); f.append('c[]', '2'); f.append('c[]', '3'); return f })())",
        json!({"a": {"b": "1"}, "c": ["2", "3"]})).await;
    check("(() => { const h = new axios.AxiosHeaders({ 'X-A': 'b' }); h.set('x-a', 'c'); h.setContentType('t/p', false);
        return [h.get('X-a'), h.has('x-A', 'c'), h.has('x-A', 'd'), h.delete('X-A'), h.has('x-a'), h.getContentType(), h.toJSON()] })()",
        json!(["c", true, false, true, false, "t/p", {"Content-Type": "t/p"}])).await;
    let module = "import axios, { isAxiosError, AxiosError } from 'axios';
        export default async () => [isAxiosError(new AxiosError('m', 'C')), axios.AxiosError === AxiosError, typeof axios.get]";
    assert_eq!(value(module).await, json!([true, true, "function"]));
}
