// What `fetch` and the class Request are given: read once, in the order of the standard.

const NORMALISED = { __proto__: null, DELETE: 1, GET: 1, HEAD: 1, OPTIONS: 1, POST: 1, PUT: 1 };
const MAX_URL = 1024 * 1024;
const FORBIDDEN = { __proto__: null, CONNECT: 1, TRACE: 1, TRACK: 1 };
// The members that are kept as they are given, and what they are by themselves.
const DEFAULTS = {
  __proto__: null, cache: "default", credentials: "same-origin", mode: "cors", redirect: "follow", referrerPolicy: "",
};

const NOTHING = { __proto__: null };

export function make(host, { values, methods }, require) {
  const { ReflectApply, TypeError } = values;
  const { appendMissing, copyOf, emptyList, isToken, listOf, listOfPairs } = require("header_list");
  const { readBody } = require("body");

  // Reads a request that is made of another one, or of the text of its URL. `hand` takes the body of the other one, and
  // `seen` has the members that were read already.
  function read(input, init, from, hand, seen = NOTHING) {
    const options = init ?? {};
    if (typeof options !== "object" && typeof options !== "function") {
      throw new TypeError(`Request constructor: Expected ${options} to be one of: Null, Undefined, Object.`);
    }
    const member = (name) => (name in seen ? seen[name] : options[name]);
    const given = from ?? { url: parseUrl(`${input}`), method: "GET", signal: undefined };
    const state = { __proto__: null, ...given, headers: undefined };
    for (const name in DEFAULTS) {
      const value = member(name);
      state[name] = value === undefined ? (state[name] ?? DEFAULTS[name]) : require("request_choices").choice(name, value);
    }
    state.integrity = `${member("integrity") ?? state.integrity ?? ""}`;
    state.keepalive = Boolean(member("keepalive") ?? state.keepalive);
    state.method = member("method") === undefined ? state.method : readMethod(member("method"));
    state.signal = readSignal(member("signal"), state.signal);
    state.list = readHeaders(member("headers"), from, seen);
    return { state, content: readContent(state, from, member, hand) };
  }

  function parseUrl(input) {
    const parts = input.length > MAX_URL ? undefined : host.urlParse(ReflectApply(methods.StringPrototypeToWellFormed, input, []), null);
    if (parts === undefined) {
      throw new TypeError(`Failed to parse URL from ${input}`, { cause: require("request_choices").causeOf(input) });
    }
    if (parts[3] !== "" || parts[4] !== "") {
      throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${input}`);
    }
    return parts[0];
  }

  function readMethod(method) {
    const text = `${method}`;
    const upperCase = ReflectApply(methods.StringPrototypeToUpperCase, text, []);
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

  function readHeaders(headers, from, { isIterable, pairs }) {
    if (pairs !== undefined) {
      return listOfPairs(pairs);
    }
    if (headers !== undefined && headers !== null) {
      return listOf(headers, isIterable);
    }
    return from ? copyOf(from.list) : emptyList();
  }

  function readContent({ method, list }, from, member, hand) {
    const given = member("body") !== undefined && member("body") !== null;
    const takes = given || (member("body") === undefined && from !== undefined);
    if (given && (method === "GET" || method === "HEAD")) {
      throw new TypeError("Request with GET/HEAD method cannot have body.");
    }
    if (!given) {
      const content = takes ? hand() : null;
      if (content !== null && (method === "GET" || method === "HEAD")) {
        throw new TypeError("Request with GET/HEAD method cannot have body.");
      }
      return content;
    }
    const { content, type, isStream } = readBody(member("body"));
    if (isStream && member("duplex") === undefined) {
      throw new TypeError("RequestInit: duplex option is required when sending a body.");
    }
    if (type) {
      appendMissing(list, "content-type", type);
    }
    return content;
  }

  return { read };
}
