// Response, as the fetch standard defines it and Node.js prints it.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const EMPTY_STATUS = { __proto__: null, 101: 1, 103: 1, 204: 1, 205: 1, 304: 1 };
const REDIRECT_STATUS = { __proto__: null, 301: 1, 302: 1, 303: 1, 307: 1, 308: 1 };
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

export function make(host, { uncurryThis, values, methods }, require) {
  const { JSONStringify, MathTrunc, Number, RangeError, TypeError } = values;
  const exec = uncurryThis(methods.RegExpPrototypeExec);
  const { append, appendMissing, byteString, copyOf, emptyList, listOf, need } = require("header_list");
  const { publish, show } = require("web_classes");
  const body = require("body");

  let stateOf;
  let create;

  class Response {
    #state;

    static {
      stateOf = (response) => {
        if (typeof response !== "object" || response === null || !(#state in response)) {
          throw require("errors").nodeError(TypeError, "ERR_INVALID_THIS", "Illegal invocation");
        }
        return response.#state;
      };
      create = (content, state) => {
        const response = new Response();
        response.#state = state;
        body.attach(response, content, state.list);
        return response;
      };
    }

    constructor(content = null, init = undefined) {
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
      this.#state = state;
      body.attach(this, read.content, state.list);
    }

    get type() {
      return stateOf(this).type;
    }

    get url() {
      return stateOf(this).url;
    }

    get redirected() {
      return stateOf(this).redirected;
    }

    get status() {
      return stateOf(this).status;
    }

    get ok() {
      const { status } = stateOf(this);
      return status >= 200 && status < 300;
    }

    get statusText() {
      return stateOf(this).statusText;
    }

    get headers() {
      const state = stateOf(this);
      return (state.headers ??= require("headers").shownAs(state.list));
    }

    clone() {
      const state = stateOf(this);
      const clone = create(null, { ...state, list: copyOf(state.list), headers: undefined });
      body.share(this, clone);
      return clone;
    }

    static json(data, init = {}) {
      need(arguments, 1, "Response.json");
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

    static redirect(url, status = 302) {
      need(arguments, 1, "Response.redirect");
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
      return plain({ status: Number(status), list: frozen([["location", location]]) });
    }

    static error() {
      return plain({ type: "error", status: 0, list: frozen([]) });
    }

    [CUSTOM_INSPECT](depth, options) {
      const { status, statusText, headers, body: stream, bodyUsed, ok, redirected, type, url } = this;
      return show(this, depth, options, { status, statusText, headers, body: stream, bodyUsed, ok, redirected, type, url });
    }
  }
  body.mixin(Response);
  publish(Response, ["type", "url", "redirected", "status", "ok", "statusText", "headers", "clone"]);

  const plain = (given) => create(null, { type: "default", url: "", redirected: false, statusText: "", headers: undefined, ...given });

  function stateFrom(options) {
    const status = options.status === undefined ? 200 : MathTrunc(Number(options.status)) || 0;
    if (status < 200 || status > 599) {
      throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
    }
    const statusText = options.statusText === undefined ? "" : byteString(options.statusText);
    if (exec(REASON, statusText) === null) {
      throw new TypeError("Invalid statusText");
    }
    return { type: "default", url: "", redirected: false, status, statusText, list: readHeaders(options.headers), headers: undefined };
  }

  const readHeaders = (headers) => (headers === undefined ? emptyList() : listOf(headers));

  // Headers that nobody can change.
  function frozen(pairs) {
    const list = emptyList();
    for (let at = 0; at < pairs.length; at++) {
      append(list, pairs[at][0], pairs[at][1]);
    }
    list.isFrozen = true;
    return list;
  }

  // The response to a request of ours.
  function received({ status, statusText, url, headers, body: content }, requested) {
    const { Uint8Array } = values;
    const state = { type: "basic", url, redirected: url !== requested, status, statusText, list: frozen(headers), headers: undefined };
    return create(EMPTY_STATUS[status] ? null : new Uint8Array(content), state);
  }

  return { Response, received };
}
