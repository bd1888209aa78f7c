//! Parts of the realm that are loaded when a script first needs them, whatever it has done before.

use super::fetching::fetched;
use super::*;

#[tokio::test]
async fn what_is_loaded_late_meets_no_replaced_method() {
    let body = "const replaced = () => { throw new Error('replaced') }, send = globalThis;
        Map.prototype.set = Map.prototype.get = Map.prototype.has = Array.prototype.push = WeakMap.prototype.get = replaced;
        String.prototype.startsWith = String.prototype.split = String.prototype.slice = Error.prototype.toString = replaced;
        Object.defineProperty = Object.getOwnPropertyDescriptor = Reflect.apply = Object.freeze = replaced;
        const init = { method: 'POST', headers: { a: 'b' }, body: 'c' }, out = [typeof console.log];
        console.log('x', 1); console.group('a'); console.groupEnd();
        const answer = await send.fetch(BASE + '/echo', init), copy = answer.clone();
        out.push = function (one) { this[this.length] = one };
        out.push(typeof new RangeError('far').stack); out.push(answer.ok); out.push((await answer.json()).body);
        out.push(answer.headers.get('content-type')); out.push((await copy.text()).length > 10);
        out.push((1234.5).toLocaleString('en-US')); out.push(new Date(0).toString());
        await new Promise((y) => setTimeout(y, 1)); await new Promise((y) => queueMicrotask(y));
        clearInterval(setInterval(() => {}, 1)); clearTimeout(setTimeout(() => { throw 1 }, 1));
        return out";
    let zoned = "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)";
    let expected = json!(["function", "string", true, "c", "application/json", true, "1,234.5", zoned]);
    assert_eq!(fetched(body).await, expected);
}

#[tokio::test]
async fn a_late_global_can_be_replaced_before_it_is_read() {
    let source = "module.exports = () => { const out = [], of = (name) => {
            const { value, get, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(globalThis, name);
            return [typeof value, typeof get, writable, enumerable, configurable].join() };
        console = 1; out.push(console, of('console')); delete globalThis.setTimeout; out.push(typeof setTimeout);
        globalThis.fetch = undefined; out.push(typeof fetch, of('fetch')); out.push(typeof clearTimeout, of('clearTimeout'));
        return out }";
    let (number, none) = ("number,undefined,true,false,true", "undefined,undefined,true,false,true");
    let function = "function,undefined,true,false,true";
    assert_eq!(value(source).await, json!([1, number, "undefined", "undefined", none, "function", function]));
}

#[tokio::test]
async fn a_response_has_the_members_of_its_class() {
    let source = "module.exports = () => { const show = (object) => Reflect.ownKeys(object).map((key) => {
            const { get, value, writable, enumerable } = Object.getOwnPropertyDescriptor(object, key), it = get ?? value;
            const kind = typeof it === 'function' ? `${it.name}/${it.length} ${it.constructor.name}` : String(it);
            return `${String(key)}: ${kind}${get ? '' : writable ? ' writable' : ' fixed'}${enumerable ? '' : ' hidden'}` }).join(', ');
        return [show(Response), show(Response.prototype)] }";
    let statics = "length: 0 fixed hidden, name: Response fixed hidden, prototype: [object Response] fixed hidden, \
        json: json/1 Function writable hidden, redirect: redirect/1 Function writable hidden, error: error/0 Function writable hidden";
    let members = "constructor: Response/0 Function writable hidden, type: get type/0 Function, url: get url/0 Function, \
        redirected: get redirected/0 Function, status: get status/0 Function, ok: get ok/0 Function, \
        statusText: get statusText/0 Function, headers: get headers/0 Function, clone: clone/0 Function writable, \
        body: get body/0 Function, bodyUsed: get bodyUsed/0 Function, blob: blob/0 AsyncFunction writable, \
        arrayBuffer: arrayBuffer/0 AsyncFunction writable, text: text/0 AsyncFunction writable, json: json/0 AsyncFunction writable, \
        formData: formData/0 AsyncFunction writable, bytes: bytes/0 AsyncFunction writable, \
        Symbol(nodejs.util.inspect.custom): [nodejs.util.inspect.custom]/2 Function writable hidden, \
        Symbol(Symbol.toStringTag): Response fixed hidden";
    assert_eq!(value(source).await, json!([statics, members]));
}

#[tokio::test]
async fn members_of_a_response_refuse_other_objects() {
    let source = "module.exports = async () => { const out = [], note = async (call) => { try { out.push(await call()) } catch (e) { out.push(e.code ?? e.name) } };
        const get = (name) => Object.getOwnPropertyDescriptor(Response.prototype, name).get, { prototype } = Response;
        for (const name of ['type', 'status', 'headers', 'body', 'bodyUsed']) await note(() => get(name).call(name === 'status' ? null : {}));
        for (const name of ['clone', 'text', 'json', 'blob', 'bytes']) await note(() => prototype[name].call(name === 'text' ? 1 : {}));
        await note(() => prototype.body); await note(() => Response()); await note(() => new Response('a', 1)); await note(() => new Response('', { status: 204 }));
        class Mine extends Response { get more() { return this.status + 1 } }
        await note(async () => { const mine = new Mine('x', { status: 201, headers: { a: 'b' } }); return [mine.more, mine.headers.get('a'), await mine.text()] });
        return [out, require('util').inspect([Response, Headers, fetch, setTimeout])] }";
    let mut expected = vec![json!("ERR_INVALID_THIS"); 11];
    expected.extend([json!("TypeError"), json!("TypeError"), json!("TypeError"), json!([202, "b", "x"])]);
    let shown = "[\n  [class Response],\n  [class Headers],\n  [Function: fetch],\n  [Function: setTimeout]\n]";
    assert_eq!(value(source).await, json!([expected, shown]));
}

#[tokio::test]
async fn headers_of_an_answer_are_read_whole_and_cannot_be_changed() {
    let body = "const answer = await fetch(BASE + '/full'), copy = answer.clone(), { headers } = answer;
        const named = (await fetch(BASE + '/octets')).headers.get('x-octets').length; let error; try { headers.set('a', 'b') } catch (e) { error = e.name }
        copy.headers.set('a', 'b');
        return [headers === answer.headers, headers.getSetCookie(), headers.get('a'), copy.headers.get('a'), copy.headers.get('content-type'), error, named]";
    let expected = json!([true, ["a=1", "b=2"], null, "b", "application/json", "TypeError", 3]);
    assert_eq!(fetched(body).await, expected);
}

#[tokio::test]
async fn options_are_read_once_and_in_order() {
    let body = "const seen = [], seeing = (name, object) => new Proxy(object, {
            get(target, key) { seen.push(`${name}.${String(key)}`); return target[key] },
            ownKeys(target) { seen.push(`${name} keys`); return Reflect.ownKeys(target) },
            has(target, key) { seen.push(`${key} in ${name}`); return key in target } });
        const text = (name, value) => ({ toString() { seen.push(name); return value } });
        const headers = seeing('headers', { 'x-custom': text('value', ' y '), a: '2' });
        const answer = await fetch(BASE + '/echo', seeing('init', { method: text('method', 'post'), headers, body: text('text', 'x') }));
        const { method, custom, body } = await answer.json(); return [seen.join(' '), method, custom, body]";
    let order = "init.cache init.credentials init.mode init.redirect init.referrerPolicy init.integrity init.keepalive init.method \
        init.method method init.signal init.headers headers.Symbol(Symbol.iterator) headers keys headers.x-custom value headers.a \
        init.body init.body init.body text";
    assert_eq!(fetched(body).await, json!([order, "POST", "y", "x"]));
}

#[tokio::test]
async fn a_stack_is_written_when_it_is_first_read_wherever_that_is() {
    let source = "module.exports = () => { const out = [], deep = (n) => { try { return deep(n + 1) } catch (e) { return [e.name, n > 9] } };
        out.push(deep(0)); const kept = new TypeError('x'); Object.prototype.value = Object.prototype.get = 1;
        out.push(kept.stack.split('\\n')[0], Object.getOwnPropertyDescriptor(kept, 'stack').enumerable);
        delete Object.prototype.value; delete Object.prototype.get;
        Error.prepareStackTrace = (error, sites) => sites.length; out.push(typeof new Error('y').stack); Error.prepareStackTrace = undefined;
        const own = {}; Error.captureStackTrace(own); out.push(typeof own.stack, typeof InternalError); return out }";
    let expected = json!([["RangeError", true], "TypeError: x", false, "number", "string", "undefined"]);
    assert_eq!(value(source).await, expected);
}
