// Response, as the fetch standard defines it and Node.js prints it.
//
// What a script makes of every response is here, the rest in `response_more`.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const READ = ["type", "url", "redirected", "status", "ok", "statusText", "headers"];
const EMPTY_STATUS = { __proto__: null, 101: 1, 103: 1, 204: 1, 205: 1, 304: 1 };
// What no script can pass to the constructor: its caller sets the state.
const UNSET = {};

export function make(host, { lean, lookUpGetter }, require) {
  const { ObjectDefineProperty, SymbolToStringTag, Uint8Array } = lean;
  const { attach, mixin } = require("body");
  const more = () => require("response_more");

  let stateOf;
  let create;

  class Response {
    #state;

    static {
      stateOf = (response) => {
        if (typeof response !== "object" || response === null || !(#state in response)) {
          throw require("errors").illegalInvocation();
        }
        return response.#state;
      };
      create = (content, state) => {
        const response = new Response(UNSET);
        response.#state = state;
        attach(response, content, state);
        return response;
      };
    }

    constructor(content = null, init = undefined) {
      if (content !== UNSET) {
        const given = more().given(content, init);
        this.#state = given.state;
        attach(this, given.content, given.state);
      }
    }

    static json(data, init = {}) {
      return more().json(arguments, data, init);
    }

    static redirect(url, status = 302) {
      return more().redirect(arguments, url, status);
    }

    static error() {
      return more().error();
    }
  }

  const { prototype } = Response;
  const read = { __proto__: null, get: undefined, enumerable: true, configurable: true };
  for (let at = 0; at < READ.length; at++) {
    const name = READ[at];
    const named = {
      get [name]() {
        return stateOf(this)[name] ?? more().headersOf(stateOf(this));
      },
    };
    read.get = lookUpGetter(named, name);
    ObjectDefineProperty(prototype, name, read);
  }
  const members = {
    clone() {
      return more().clone(this);
    },
    [CUSTOM_INSPECT](depth, options) {
      return more().inspect(this, depth, options);
    },
  };
  const method = { __proto__: null, value: members.clone, writable: true, enumerable: true, configurable: true };
  ObjectDefineProperty(prototype, "clone", method);
  method.value = members[CUSTOM_INSPECT];
  method.enumerable = false;
  ObjectDefineProperty(prototype, CUSTOM_INSPECT, method);
  mixin(prototype);
  ObjectDefineProperty(prototype, SymbolToStringTag, { __proto__: null, value: "Response", configurable: true });

  // The response to a request of ours. Its headers are read when they are asked for.
  function received({ status, statusText, url, headers, body }, requested) {
    const ok = status >= 200 && status < 300;
    const redirected = url !== requested;
    const state = { __proto__: null, type: "basic", url, redirected, status, ok, statusText, headers: undefined, raw: headers };
    return create(EMPTY_STATUS[status] ? null : new Uint8Array(body), state);
  }

  return { EMPTY_STATUS, Response, create, received, stateOf };
}
