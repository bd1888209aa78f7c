// What few scripts make of a Response: the ways to construct one, its headers and its copies.

const REDIRECT_STATUS = { __proto__: null, 301: 1, 302: 1, 303: 1, 307: 1, 308: 1 };
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

export function make(host, { uncurryThis, values, methods }, require) {
  const { JSONStringify, MathTrunc, Number, RangeError, TypeError } = values;
  const exec = uncurryThis(methods.RegExpPrototypeExec);
  const { append, appendMissing, byteString, copyOf, emptyList, listOf, need } = require("header_list");
  const { pairsOf } = require("received_headers");
  const { EMPTY_STATUS, create, stateOf } = require("response");
  const { show } = require("web_classes");
  const body = require("body");

  const isOk = (status) => status >= 200 && status < 300;
  const headersOf = (state) => (state.headers = require("headers").shownAs(readList(state)));
  const readList = (state) => (state.list ??= frozen(pairsOf(state.raw)));

  // What the constructor is given.
  function given(content, init) {
    const options = init ?? {};
    if (typeof options !== "object" && typeof options !== "function") {
      throw new TypeError(`Response constructor: Expected ${options} to be one of: Null, Undefined, Object.`);
    }
    const read = body.readBody(content);
    const state = stateFrom(options);
    if (read.content !== null && EMPTY_STATUS[state.status]) {
      throw new TypeError(`Response constructor: Invalid response status code ${state.status}`);
    }
    if (read.type) {
      appendMissing(state.list, "content-type", read.type);
    }
    return { content: read.content, state };
  }

  function stateFrom(options) {
    const status = options.status === undefined ? 200 : MathTrunc(Number(options.status)) || 0;
    if (status < 200 || status > 599) {
      throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
    }
    const statusText = options.statusText === undefined ? "" : byteString(options.statusText);
    if (exec(REASON, statusText) === null) {
      throw new TypeError("Invalid statusText");
    }
    const list = options.headers === undefined ? emptyList() : listOf(options.headers);
    return plain({ status, ok: isOk(status), statusText, list });
  }

  const plain = (given) => ({
    __proto__: null, type: "default", url: "", redirected: false, ok: false, statusText: "", headers: undefined, ...given,
  });

  function json(args, data, init) {
    need(args, 1, "Response.json");
    const text = JSONStringify(data);
    if (text === undefined) {
      throw new TypeError("Value is not JSON serializable");
    }
    const state = stateFrom(init ?? {});
    if (EMPTY_STATUS[state.status]) {
      throw new TypeError(`Response constructor: Invalid response status code ${state.status}`);
    }
    appendMissing(state.list, "content-type", "application/json");
    return create(text, state);
  }

  function redirect(args, url, status) {
    need(args, 1, "Response.redirect");
    const { URL } = require("whatwg_url");
    let location;
    try {
      location = new URL(`${url}`).href;
    } catch (cause) {
      throw new TypeError(`Failed to parse URL from ${url}`, { cause });
    }
    if (!REDIRECT_STATUS[status]) {
      throw new RangeError(`Invalid status code ${status}`);
    }
    return create(null, plain({ status: Number(status), list: frozen([["location", location]]) }));
  }

  const error = () => create(null, plain({ type: "error", status: 0, list: frozen([]) }));

  // Headers that nobody can change.
  function frozen(pairs) {
    const list = emptyList();
    for (let at = 0; at < pairs.length; at++) {
      append(list, pairs[at][0], pairs[at][1]);
    }
    list.isFrozen = true;
    return list;
  }

  function clone(response) {
    const state = stateOf(response);
    const copy = create(null, { __proto__: null, ...state, list: copyOf(readList(state)), headers: undefined });
    require("body_reads").share(response, copy);
    return copy;
  }

  function inspect(response, depth, options) {
    const { status, statusText, headers, body: stream, bodyUsed, ok, redirected, type, url } = response;
    return show(response, depth, options, { status, statusText, headers, body: stream, bodyUsed, ok, redirected, type, url });
  }

  return { clone, error, given, headersOf, inspect, json, readList, redirect };
}
