//! Scripts that send requests in order to break something.

use super::fetching::{fetched, with_server};
use super::*;

#[tokio::test]
async fn line_breaks_get_into_no_header_and_no_part() {
    let body = r#"const out = []; const note = (p) => Promise.resolve().then(p).then((v) => out.push(v), (e) => out.push(e.name));
        await note(() => fetch(BASE + '/full', { headers: { a: 'b\r\nc: d' } }));
        await note(() => fetch(BASE + '/full', { headers: { 'a\r\nb': 'c' } }));
        await note(() => fetch(BASE + '/full', { method: 'GET\r\nx: y' }));
        await note(() => new Request(BASE, { headers: [['a', '\0']] }));
        await note(async () => (await (await fetch(BASE + '/fu\r\nll')).json()).url);
        await note(async () => { const f = new FormData(); f.append('a"\r\nX-Evil: 1\r\n\r\n', 'b'); f.append('f', new Blob(['x']), 'n"\r\nX-Evil: 1');
            const { body } = await (await fetch(BASE + '/full', { method: 'POST', body: f })).json(); return /^X-Evil/m.test(body) });
        return out"#;
    assert_eq!(fetched(body).await, json!(["TypeError", "TypeError", "TypeError", "TypeError", "/full", false]));
}

#[tokio::test]
async fn a_content_cannot_end_its_part() {
    let body = "Math.random = () => 0.5; const f = new FormData(), line = '----formdata-500000000000';
        f.append('a', `x\\r\\n--${line}--\\r\\n`); f.append('b', new Blob([`--${line}`])); f.append('c', 'last');
        const form = await new Response(f).formData(); return [[...form.keys()], form.get('a').includes(line)]";
    assert_eq!(fetched(body).await, json!([["a", "b", "c"], true]));
}

#[tokio::test]
async fn replaced_globals_change_nothing_for_a_request() {
    let body = "const { fetch: send, FormData: Form } = globalThis, A = Array.prototype, url = BASE + '/full';
        for (const name of ['method', 'url', 'headers', 'body', 'redirect', 'get', 'value', 'then'])
            Object.defineProperty(Object.prototype, name, { __proto__: null, configurable: true, set() { throw new Error('set ' + name) } });
        for (const name of ['push', 'join', 'slice', 'map', 'forEach', 'sort']) A[name] = () => { throw new Error(name) };
        Promise.prototype.then = Promise.resolve = Map.prototype.get = Map.prototype.set = () => { throw new Error('replaced') };
        Headers.prototype.append = Headers.prototype.forEach = Request.prototype.text = () => { throw new Error('replaced') };
        String.prototype.toLowerCase = RegExp.prototype.exec = () => { throw new Error('replaced') };
        const form = new Form(); form.append('a', 'b');
        const answer = await send(url, { __proto__: null, method: 'POST', body: form, headers: { __proto__: null, 'x-a': '1' } });
        const { body, method } = await answer.json(); return `${method} ${body.length > 50} ${answer.headers.get('Content-Type')}`";
    assert_eq!(fetched(body).await, json!("POST true application/json"));
}

#[tokio::test]
async fn what_options_throw_is_what_the_script_gets() {
    let body = "const axios = require('axios'), boom = { get() { throw new RangeError('boom') } }, out = [];
        const bad = (name) => Object.defineProperty({ url: BASE }, name, { ...boom, enumerable: true });
        const note = async (call) => { try { await call(); out.push('fine') } catch (e) { out.push(e.name) } };
        for (const name of ['method', 'headers', 'body', 'signal', 'redirect']) await note(() => fetch(BASE, bad(name)));
        for (const name of ['method', 'headers', 'data', 'params', 'signal', 'timeout', 'proxy']) await note(() => axios(bad(name)));
        await note(() => fetch(BASE, { headers: new Proxy({}, { ownKeys() { throw new RangeError() } }) }));
        await note(() => axios.post(BASE, { toJSON() { throw new RangeError() } }));
        await note(() => axios.post(BASE, { toJSON() { return this } }));
        return out";
    let mut expected = vec![json!("RangeError"); 14];
    expected.push(json!("AxiosError"));
    assert_eq!(fetched(body).await, json!(expected));
}

#[tokio::test]
async fn deep_and_circular_data_end_in_an_error() {
    let body = "const axios = require('axios'), out = []; let deep = {}; for (let i = 0; i < 100000; i++) deep = { deep };
        const circle = {}; circle.circle = circle; const type = (name) => ({ headers: { 'content-type': name } });
        const note = (p) => p.then(() => out.push('fine'), (e) => out.push(e instanceof Error));
        for (const data of [deep, circle]) { await note(axios.post(BASE, data)); await note(axios.post(BASE, data, type('multipart/form-data')));
            await note(axios.get(BASE, { params: data })); await note(axios.get(BASE, { headers: data })) }
        let again = () => again(); await note(axios.post(BASE, { toJSON: () => again() }));
        const e = new axios.AxiosError('m', 'C', circle); return [out.every((one) => one === true), typeof JSON.stringify(e), e.toJSON().config]";
    assert_eq!(fetched(body).await, json!([true, "string", {}]));
}

#[tokio::test]
async fn huge_heads_and_bodies_are_refused_and_thousands_of_parts_are_sent() {
    let body = "const name = (p) => p.then((a) => a.status, (e) => e.name), big = 'x'.repeat(300000), long = 'x'.repeat(5e6);
        const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => ['h' + i, 'x'.repeat(100)]));
        const form = new FormData(); for (let i = 0; i < 2000; i++) form.append('f' + i, i % 2 ? 'v' : new Blob(['b']));
        const axios = require('axios');
        return [await name(fetch(BASE + '/full', { headers: { a: big } })), await name(fetch(BASE + '/full', { headers: many })),
            await name(fetch(BASE + '/' + 'x'.repeat(20000))), await name(fetch(BASE + '/full', { method: 'POST', body: long })),
            await name(fetch(BASE + '/full', { method: 'POST', body: form })), await name(axios.post(BASE + '/full', long)),
            [...(await new Response(form).formData()).keys()].length]";
    let expected = json!(["FetchTooLarge", "FetchTooLarge", "TypeError", "FetchTooLarge", 200, "AxiosError", 2000]);
    assert_eq!(fetched(body).await, expected);
}

#[tokio::test]
async fn every_body_counts_against_the_memory() {
    for source in [
        "const a = [], x = 'x'.repeat(1e6); for (;;) a.push(new Blob([x]))",
        "const f = new FormData(), x = 'x'.repeat(1e6); for (let i = 0;; i++) f.append('a', x + i)",
        "const a = [], b = new Blob(['x'.repeat(1e6)]); for (;;) a.push(await b.arrayBuffer())",
        "const a = [], b = new Response('x'.repeat(1e6)); for (;;) a.push(await b.clone().arrayBuffer())",
        "const f = new FormData(); for (let i = 0; i < 20; i++) f.append('a', new Blob(['x'.repeat(1e6)])); const a = []; for (;;) a.push(await new Response(f).text())",
        "const s = new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1e6)) } }); await new Response(s).text()",
        "const r = require('http').request('http://127.0.0.1:1/'); for (;;) r.write('x'.repeat(1e6))",
    ] {
        let script = script(&format!("module.exports = async () => {{ {source} }}"));
        let limits = Limits { memory_bytes: 16 * 1024 * 1024, ..script.limits };
        let (kind, name, _) = failure_of(Script { limits, ..script }).await;
        assert_eq!((kind.as_str(), name.as_str()), ("runtime", "MemoryLimitExceeded"), "{source}");
    }
}

#[tokio::test]
async fn endless_bodies_end_at_the_time_limit() {
    for source in [
        "const s = new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(0)) } }); await new Response(s).text()",
        "await new Response((async function* () { for (;;) yield new Uint8Array(0) })()).text()",
        "await require('axios').get(BASE + '/never')",
        "await new Promise(() => require('http').get(BASE + '/never'))",
    ] {
        let script = with_server(source).await;
        let limits = Limits { time: Duration::from_millis(500), memory_bytes: 256 * 1024 * 1024, ..script.limits };
        assert_eq!(failure_of(Script { limits, ..script }).await.1, "TimeLimitExceeded", "{source}");
    }
}

#[tokio::test]
async fn axios_cannot_be_made_to_pollute_prototypes() {
    let body = "const axios = require('axios'), evil = JSON.parse('{\"__proto__\": {\"polluted\": 1}, \"constructor\": {\"prototype\": {\"polluted\": 1}}}');
        await axios.post(BASE + '/full', evil, { ...evil, headers: evil, params: evil }).catch(() => {});
        axios.create(evil); axios.mergeConfig(evil, evil); axios.formToJSON(new URLSearchParams('__proto__[polluted]=1&a[__proto__][polluted]=1&constructor[prototype][polluted]=1'));
        new axios.AxiosHeaders(evil).toJSON(); return [{}.polluted ?? null, Object.polluted ?? null]";
    assert_eq!(fetched(body).await, json!([null, null]));
}
