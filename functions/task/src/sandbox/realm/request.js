// Request, as the fetch standard defines it and Node.js prints it.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const NORMALISED = { __proto__: null, DELETE: 1, GET: 1, HEAD: 1, OPTIONS: 1, POST: 1, PUT: 1 };
const FORBIDDEN = { __proto__: null, CONNECT: 1, TRACE: 1, TRACK: 1 };
// The members that are kept as they are given: what they may be, and what they are by themselves.
const CHOICES = {
  __proto__: null,
  cache: ["default", "default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  credentials: ["same-origin", "omit", "same-origin", "include"],
  mode: ["cors", "same-origin", "cors", "no-cors", "navigate", "websocket"],
  redirect: ["follow", "follow", "manual", "error"],
  referrerPolicy: [
    "", "", "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
    "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url",
  ],
};

export function make(host, { values }, require) {
  const { TypeError } = values;
  const { contains, joined, part, upper } = require("calls");
  const { nodeError } = require("errors");
  const { Headers, appendMissing, isToken, need } = require("headers");
  const { publish, show } = require("web_classes");
  const body = require("body");

  let isRequest;
  let stateOf;

  class Request {
    #state;

    static {
      isRequest = (value) => typeof value === "object" && value !== null && #state in value;
      stateOf = (request) => {
        if (!isRequest(request)) {
          throw nodeError(TypeError, "ERR_INVALID_THIS", "Illegal invocation");
        }
        return request.#state;
      };
    }

    constructor(input, init = undefined) {
      need(arguments, 1, "Request constructor");
      const options = init ?? {};
      if (typeof options !== "object" && typeof options !== "function") {
        throw new TypeError(`Request constructor: Expected ${options} to be one of: Null, Undefined, Object.`);
      }
      const from = isRequest(input) ? stateOf(input) : undefined;
      const given = from ?? { url: parseUrl(`${input}`), method: "GET", signal: undefined };
      const state = { __proto__: null, ...given };
      this.#state = state;
      for (const name in CHOICES) {
        state[name] = choice(name, options[name]) ?? state[name] ?? CHOICES[name][0];
      }
      state.integrity = `${options.integrity ?? state.integrity ?? ""}`;
      state.keepalive = Boolean(options.keepalive ?? state.keepalive);
      state.method = options.method === undefined ? state.method : readMethod(options.method);
      state.signal = readSignal(options.signal, state.signal);
      const headers = options.headers ?? from?.headers;
      state.headers = new Headers(headers ?? undefined);
      const content = readContent(this, input, from, options, state.method);
      body.attach(this, content, state.headers);
    }

    get method() {
      return stateOf(this).method;
    }

    get url() {
      return stateOf(this).url;
    }

    get headers() {
      return stateOf(this).headers;
    }

    get destination() {
      stateOf(this);
      return "";
    }

    get referrer() {
      stateOf(this);
      return "about:client";
    }

    get referrerPolicy() {
      return stateOf(this).referrerPolicy;
    }

    get mode() {
      return stateOf(this).mode;
    }

    get credentials() {
      return stateOf(this).credentials;
    }

    get cache() {
      return stateOf(this).cache;
    }

    get redirect() {
      return stateOf(this).redirect;
    }

    get integrity() {
      return stateOf(this).integrity;
    }

    get keepalive() {
      return stateOf(this).keepalive;
    }

    get isReloadNavigation() {
      stateOf(this);
      return false;
    }

    get isHistoryNavigation() {
      stateOf(this);
      return false;
    }

    get signal() {
      const state = stateOf(this);
      const { AbortController } = require("abort_controller");
      return (state.signal ??= new AbortController().signal);
    }

    get duplex() {
      stateOf(this);
      return "half";
    }

    clone() {
      const state = stateOf(this);
      const clone = new Request(state.url);
      clone.#state = { ...state, headers: new Headers(state.headers) };
      body.attach(clone, null, clone.#state.headers);
      body.share(this, clone);
      return clone;
    }

    [CUSTOM_INSPECT](depth, options) {
      const { method, url, headers, destination, referrer, referrerPolicy, mode, credentials, cache, redirect } = this;
      const { integrity, keepalive, isReloadNavigation, isHistoryNavigation, signal } = this;
      const first = { method, url, headers, destination, referrer, referrerPolicy, mode, credentials, cache, redirect };
      return show(this, depth, options, { ...first, integrity, keepalive, isReloadNavigation, isHistoryNavigation, signal });
    }
  }
  body.mixin(Request);
  publish(Request, ["method", "url", "headers", "destination", "referrer", "referrerPolicy", "mode", "credentials"]);
  publish(Request, ["cache", "redirect", "integrity", "keepalive", "isReloadNavigation", "isHistoryNavigation"]);
  publish(Request, ["signal", "duplex", "clone"]);

  function parseUrl(input) {
    const { URL } = require("whatwg_url");
    let url;
    try {
      url = new URL(input);
    } catch (cause) {
      throw new TypeError(`Failed to parse URL from ${input}`, { cause });
    }
    if (url.username !== "" || url.password !== "") {
      throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${input}`);
    }
    return url.href;
  }

  function choice(name, value) {
    if (value === undefined) {
      return undefined;
    }
    const text = `${value}`;
    const allowed = part(CHOICES[name], 1);
    if (!contains(allowed, text)) {
      const expected = joined(allowed, ", ");
      throw new TypeError(`Request constructor: ${text} is not an accepted type. Expected one of ${expected}.`);
    }
    if (name === "mode" && (text === "navigate" || text === "websocket")) {
      throw new TypeError(`Request constructor: invalid request mode ${text}.`);
    }
    return text;
  }

  function readMethod(method) {
    const text = `${method}`;
    const upperCase = upper(text);
    if (!isToken(text)) {
      throw new TypeError(`'${text}' is not a valid HTTP method.`);
    }
    if (FORBIDDEN[upperCase]) {
      throw new TypeError(`'${text}' HTTP method is unsupported.`);
    }
    return NORMALISED[upperCase] ? upperCase : text;
  }

  function readSignal(signal, before) {
    if (signal === undefined) {
      return before;
    }
    if (signal !== null && (typeof signal.aborted !== "boolean" || typeof signal.addEventListener !== "function")) {
      throw new TypeError("Failed to construct 'Request': member signal is not of type AbortSignal.");
    }
    return signal ?? undefined;
  }

  function readContent(request, input, from, options, method) {
    const given = options.body !== undefined && options.body !== null;
    const takes = given || (options.body === undefined && from !== undefined);
    if (given && (method === "GET" || method === "HEAD")) {
      throw new TypeError("Request with GET/HEAD method cannot have body.");
    }
    if (!given) {
      const content = takes ? body.hand(input) : null;
      if (content !== null && (method === "GET" || method === "HEAD")) {
        throw new TypeError("Request with GET/HEAD method cannot have body.");
      }
      return content;
    }
    const { content, type, isStream } = body.readBody(options.body);
    if (isStream && options.duplex === undefined) {
      throw new TypeError("RequestInit: duplex option is required when sending a body.");
    }
    if (type) {
      appendMissing(stateOf(request).headers, "content-type", type);
    }
    return content;
  }

  return { Request, stateOf };
}
