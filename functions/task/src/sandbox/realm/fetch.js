// fetch as scripts use it, over the host's guarded client.
//
// A plain request, which is made of texts alone, is read and sent here. `fetch_more` does all others, and says what is
// wrong with a request.

// The members that no plain request has, in the order in which they are read.
const UNUSUAL = ["cache", "credentials", "mode", "redirect", "referrerPolicy", "integrity", "keepalive"];

export function make(host, { lean }, require) {
  const { Promise, ReflectApply, ReflectOwnKeys, SymbolIterator } = lean;
  const { sendPlain } = require("exchange");

  function fetch(input, init = undefined) {
    return new Promise((resolve, reject) => {
      const url = typeof input === "string" ? host.plainUrl(input) : undefined;
      const takes = url !== undefined && (init === undefined || typeof init === "object");
      const request = takes ? readPlain(url, init ?? {}) : undefined;
      if (request?.isPlain) {
        sendPlain(request, (answer) => settle(answer, url, resolve, reject), reject);
      } else {
        const answer = require("fetch_more").begin(arguments, input, init, request);
        ReflectApply(lean.PromisePrototypeThen, answer, [resolve, reject]);
      }
    });
  }

  function settle(answer, url, resolve, reject) {
    if (answer.status > 599) {
      reject(require("fetch_more").unknownStatus(answer.status, url));
    } else {
      resolve(require("response").received(answer, url));
    }
  }

  // Reads the members of a request in the order of the standard, up to the first that makes it more than a plain one, and
  // each as often as `request_init` does.
  function readPlain(url, options) {
    const request = { __proto__: null, isPlain: false, url, pairs: undefined };
    for (let at = 0; at < UNUSUAL.length; at++) {
      const value = (request[UNUSUAL[at]] = options[UNUSUAL[at]]);
      if (value !== undefined) {
        return request;
      }
    }
    const method = (request.method = options.method === undefined ? undefined : options.method);
    if (!isUsual(method)) {
      return request;
    }
    request.signal = options.signal;
    if (request.signal !== undefined) {
      return request;
    }
    request.headers = options.headers;
    const list = listOf(request);
    if (list === undefined) {
      return request;
    }
    const hasBody = options.body !== undefined && options.body !== null;
    const body = (request.body = options.body);
    const takesBody = method !== undefined && method !== "GET" && method !== "HEAD";
    if (hasBody && (typeof body !== "string" || !takesBody)) {
      return request;
    }
    request.isPlain = true;
    return { isPlain: true, method: method ?? "GET", url, headers: list, body };
  }

  function isUsual(method) {
    switch (method) {
      case undefined:
      case "DELETE":
      case "GET":
      case "HEAD":
      case "OPTIONS":
      case "POST":
      case "PUT":
        return true;
      default:
        return false;
    }
  }

  // The names and values as they are sent; nothing for headers that are more than texts, or not valid.
  function listOf(request) {
    const { headers } = request;
    if (headers === undefined || headers === null) {
      return [];
    }
    if (typeof headers !== "object") {
      return undefined;
    }
    request.isIterable = typeof headers[SymbolIterator] === "function";
    if (request.isIterable) {
      return undefined;
    }
    request.pairs = pairsOf(headers);
    return host.plainHeaders(request.pairs);
  }

  // Names and values that follow each other, up to a symbol, which is no name.
  function pairsOf(headers) {
    const pairs = [];
    const keys = ReflectOwnKeys(headers);
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at];
      if (typeof key === "symbol") {
        ReflectApply(lean.ArrayPrototypePush, pairs, [key]);
        return pairs;
      }
      if (ReflectApply(lean.ObjectPrototypePropertyIsEnumerable, headers, [key])) {
        ReflectApply(lean.ArrayPrototypePush, pairs, [key, `${headers[key]}`]);
      }
    }
    return pairs;
  }

  return { fetch };
}
