//! What `fetch` makes of a text and options, for which it makes no `Request`: the same as the class does.

use super::fetching::{fetched, with_server};
use super::*;

#[tokio::test]
async fn options_are_read_in_the_order_of_the_class() {
    let body = "const reads = (use) => { const names = []; const options = new Proxy({ method: 'put', body: 'a' },
            { get: (target, name) => { if (!names.includes(name)) names.push(name); return target[name]; } });
            return [use(options), names]; };
        const [answer, byFetch] = reads((options) => fetch(BASE + '/echo', options));
        const [, byClass] = reads((options) => new Request(BASE + '/echo', options));
        const echoed = await (await answer).json();
        return [echoed.method, echoed.body, byFetch, JSON.stringify(byFetch) === JSON.stringify(byClass)];";
    let order = json!([
        "cache",
        "credentials",
        "mode",
        "redirect",
        "referrerPolicy",
        "integrity",
        "keepalive",
        "method",
        "signal",
        "headers",
        "body",
        "duplex"
    ]);
    let result = fetched(body).await;
    let read: Vec<&Value> = result[2].as_array().unwrap().iter().collect();
    let expected: Vec<&Value> = order.as_array().unwrap().iter().filter(|name| read.contains(name)).collect();
    assert_eq!(read, expected);
    assert!(read.len() >= 11, "{read:?}");
    assert_eq!(json!([result[0], result[1], result[3]]), json!(["PUT", "a", true]));
}

#[tokio::test]
async fn options_are_read_as_often_as_by_the_class_and_not_beyond_what_is_refused() {
    let body = "const names = ['cache', 'credentials', 'mode', 'redirect', 'referrerPolicy', 'integrity', 'keepalive', 'method', 'signal', 'headers', 'body'];
        const counted = async (given, use) => {
            const reads = {}, options = {};
            for (const name of names) {
                Object.defineProperty(options, name, { get() { reads[name] = (reads[name] ?? 0) + 1; return given[name]; } });
            }
            const end = await use(options).then(() => 'fine', (error) => error.name);
            return `${end} ${names.map((name) => reads[name] ?? 0).join('')}`;
        };
        const kinds = [{}, { body: null }, { method: 'POST', headers: { a: 'b' }, body: 'c' }, { headers: { 'a b': 'c' } },
            { method: 'post', headers: [['a', 'b']], body: new Uint8Array(1) }, { headers: { a: 'b', [Symbol('s')]: 'c' } }, { mode: 'odd' }];
        const ends = [], differ = [];
        for (const given of kinds) {
            const byFetch = await counted(given, (options) => fetch(BASE + '/echo', options));
            const byClass = await counted(given, async (options) => new Request(BASE, options));
            ends.push(byFetch);
            if (byFetch !== byClass) differ.push([byFetch, byClass]);
        }
        return [ends, differ];";
    let ends = [
        "fine 11111111112",
        "fine 11111111113",
        "fine 11111112113",
        "TypeError 11111111110",
        "fine 11111112113",
        "TypeError 11111111110",
        "TypeError 11100000000",
    ];
    assert_eq!(fetched(body).await, json!([ends, []]));
}

#[tokio::test]
async fn what_is_refused_is_refused_with_the_same_words() {
    let body = "const cases = [[undefined], ['nowhere'], ['http://'], ['http://u:p@example.com/'], ['http://u@example.com/'],
            [null], [7], [BASE, 1], [BASE, { method: 'TRACE' }], [BASE, { method: 'a b' }], [BASE, { method: '' }],
            [BASE, { body: 'a' }], [BASE, { method: 'HEAD', body: '' }], [BASE, { redirect: 'never' }], [BASE, { mode: 'navigate' }],
            [BASE, { signal: {} }], [BASE, { headers: 1 }], [BASE, { headers: null, method: 'POST', body: 'x', cache: 'odd' }],
            [BASE, { headers: { 'a b': '1' } }], [BASE, { headers: { a: 'x\\ny' } }], [BASE, { headers: { a: '\\u20ac' } }],
            [BASE, { headers: [['a']] }], [BASE, { headers: [1] }], [BASE, { headers: { [Symbol('s')]: '1' } }],
            [BASE, { get headers() { throw new RangeError('mine'); } }], ['http://' + 'a'.repeat(2 ** 20)]];
        const words = (error) => [error.name, error.message, error.cause?.code ?? error.cause?.name];
        const differ = [];
        for (const [input, init] of cases) {
            const byFetch = await fetch(input, init).then(() => 'sent', words);
            let byClass = 'made';
            try { new Request(input, init); } catch (error) { byClass = words(error); }
            if (JSON.stringify(byFetch) !== JSON.stringify(byClass)) differ.push([String(input).slice(0, 40), byFetch, byClass]);
        }
        return [cases.length, differ, await fetch().catch((error) => error.message)];";
    assert_eq!(fetched(body).await, json!([26, [], "fetch: 1 argument required, but 0 found."]));
}

#[tokio::test]
async fn headers_are_sent_as_the_class_has_them() {
    let body = "const kinds = [{ 'X-Custom': ' y ', Accept: 'a' }, [['x-custom', 'y'], ['X-CUSTOM', 'z']], new Map([['x-custom', 'm']]),
            new Headers({ 'x-custom': 'h' }), Object.create({ 'x-custom': 'inherited' }), 'text'.split(''), function f() {}];
        const seen = [];
        for (const headers of kinds) {
            const custom = (r) => r.then((a) => a.json()).then((a) => a.custom, (e) => e.message);
            seen.push(await custom(fetch(BASE + '/echo#part', { headers })));
        }
        return seen;";
    let refused = "Headers contructor: init[0] (t) is not iterable.";
    assert_eq!(fetched(body).await, json!(["y", "y, z", "m", "h", null, refused, null]));
}

#[tokio::test]
async fn a_response_is_whole_whatever_is_asked_of_it_first() {
    let body = "const get = () => fetch(BASE + '/bytes');
        const first = await get();
        const copy = first.clone();
        const same = first.headers === first.headers && first.headers !== copy.headers;
        const kinds = [first instanceof Response, first.headers instanceof Headers, same,
            first.headers.get('Content-Type') === copy.headers.get('content-type'), [...copy.headers.keys()].includes('content-type')];
        let frozen = '';
        try { first.headers.set('a', 'b'); } catch (error) { frozen = error.message; }
        copy.headers.set('a', 'b');
        return [kinds, frozen, copy.headers.get('a'), [...await first.bytes()], (await copy.arrayBuffer()).byteLength,
            await (await get()).text(), (await (await get()).blob()).size, first.bodyUsed];";
    let all = [true; 5];
    assert_eq!(fetched(body).await, json!([all, "immutable", "b", [0, 255, 1], 3, "\u{0}\u{fffd}\u{1}", 3, true]));
}

#[tokio::test]
async fn long_texts_are_decoded_as_short_ones_are() {
    let body = "const text = '\\u20ac'.repeat(20000) + 'end';
        const echoed = await (await fetch(BASE + '/echo', { method: 'POST', body: text })).json();
        return [echoed.body === text, await (await fetch(BASE + '/marked')).text()];";
    assert_eq!(fetched(body).await, json!([true, "[1,2]"]));
}

#[tokio::test]
async fn streams_and_signals_work_without_a_request() {
    let body = "async function* parts() { yield new TextEncoder().encode('a'); yield new TextEncoder().encode('b'); }
        const echoed = await (await fetch(BASE + '/echo', { method: 'POST', body: parts(), duplex: 'half' })).json();
        const words = (error) => error.message;
        const half = await fetch(BASE + '/echo', { method: 'POST', body: parts() }).catch(words);
        const aborted = await fetch(BASE + '/echo', { signal: AbortSignal.abort(new Error('mine')) }).catch(words);
        const controller = new AbortController();
        const waits = fetch(BASE + '/never', { signal: controller.signal }).catch(words);
        controller.abort(new Error('later'));
        return [echoed.body, half, aborted, await waits];";
    let duplex = "RequestInit: duplex option is required when sending a body.";
    assert_eq!(fetched(body).await, json!(["ab", duplex, "mine", "later"]));
}

#[tokio::test]
async fn replaced_prototypes_reach_nothing_behind_fetch() {
    let body = "const touched = [];
        const spy = (object, name) => { const had = object[name];
            object[name] = function (...args) { touched[touched.length] = name; return had.apply(this, args); }; };
        for (const name of ['slice', 'toLowerCase', 'toUpperCase', 'indexOf', 'charCodeAt', 'toWellFormed']) spy(String.prototype, name);
        for (const name of ['push', 'slice', 'join', 'sort', 'includes']) spy(Array.prototype, name);
        for (const name of ['get', 'set', 'delete', 'forEach']) spy(Map.prototype, name);
        for (const name of ['get', 'set']) spy(WeakMap.prototype, name);
        spy(RegExp.prototype, 'exec');
        for (const name of ['status', 'list', 'url', 'body']) {
            Object.defineProperty(Object.prototype, name, { set() { Map.prototype.add = name; }, configurable: true });
        }
        spy(Array.prototype, Symbol.iterator);
        const answer = await fetch(BASE + '/echo', { method: 'post', headers: { 'X-Custom': 'y' }, body: 'a' });
        const text = await answer.text();
        const found = [answer.ok, answer.headers.get('content-type'), touched.length, Map.prototype.add ?? null];
        for (const name of ['status', 'list', 'url', 'body']) delete Object.prototype[name];
        return [...found, JSON.parse(text).custom];";
    let expected = json!([true, "application/json", 0, null, "y"]);
    assert_eq!(report(with_server(body).await).await.result, Ok(expected));
}
