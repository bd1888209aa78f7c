// Request, as the fetch standard defines it and Node.js prints it.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

export function make(host, intrinsics, require) {
  const { copyOf, need } = require("header_list");
  const { shownAs } = require("headers");
  const { read } = require("request_init");
  const { publish, show } = require("web_classes");
  const { attach, mixin } = require("body");

  let isRequest;
  let stateOf;

  class Request {
    #state;

    static {
      isRequest = (value) => typeof value === "object" && value !== null && #state in value;
      stateOf = (request) => {
        if (!isRequest(request)) {
          throw require("errors").illegalInvocation();
        }
        return request.#state;
      };
    }

    constructor(input, init = undefined) {
      need(arguments, 1, "Request constructor");
      const from = isRequest(input) ? stateOf(input) : undefined;
      const { state, content } = read(input, init, from, () => require("body_reads").hand(input));
      this.#state = state;
      attach(this, content, state);
    }

    get method() {
      return stateOf(this).method;
    }

    get url() {
      return stateOf(this).url;
    }

    get headers() {
      const state = stateOf(this);
      return (state.headers ??= shownAs(state.list));
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
      clone.#state = { ...state, list: copyOf(state.list), headers: undefined };
      attach(clone, null, clone.#state);
      require("body_reads").share(this, clone);
      return clone;
    }

    [CUSTOM_INSPECT](depth, options) {
      const { method, url, headers, destination, referrer, referrerPolicy, mode, credentials, cache, redirect } = this;
      const { integrity, keepalive, isReloadNavigation, isHistoryNavigation, signal } = this;
      const first = { method, url, headers, destination, referrer, referrerPolicy, mode, credentials, cache, redirect };
      return show(this, depth, options, { ...first, integrity, keepalive, isReloadNavigation, isHistoryNavigation, signal });
    }
  }
  mixin(Request.prototype);
  publish(Request, ["method", "url", "headers", "destination", "referrer", "referrerPolicy", "mode", "credentials"]);
  publish(Request, ["cache", "redirect", "integrity", "keepalive", "isReloadNavigation", "isHistoryNavigation"]);
  publish(Request, ["signal", "duplex", "clone"]);

  return { Request, stateOf };
}
