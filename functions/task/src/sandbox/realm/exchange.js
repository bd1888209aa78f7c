// The requests that wait for the host's guarded client, and the errors that they end with.

// What Node.js says of a failed system call: the call and its number.
const SYSTEM = {
  __proto__: null,
  EACCES: ["connect", -13],
  EAI_AGAIN: ["getaddrinfo", -3001],
  ECONNREFUSED: ["connect", -111],
  ECONNRESET: ["read", -104],
  EHOSTUNREACH: ["connect", -113],
  ENETUNREACH: ["connect", -101],
  ENOTFOUND: ["getaddrinfo", -3008],
  EPIPE: ["write", -32],
  ETIMEDOUT: ["connect", -110],
};
const MAX_REDIRECTS = 20;

export function make(host, { values }, require) {
  const { Error, Map, ObjectAssign, ObjectDefineProperty, Promise, TypeError } = values;
  const { forget, mapGet, mapSet, toWellFormed } = require("calls");
  const waiting = new Map();
  let lastId = 0;

  const partsOf = (url) => {
    const { URL } = require("whatwg_url");
    const { hostname, port, protocol } = new URL(url);
    return { hostname, port: port === "" ? (protocol === "https:" ? "443" : "80") : port };
  };

  // The error of the system that Node.js would have had at this place.
  function systemError(code, message, url) {
    const [syscall, errno] = SYSTEM[code] ?? [];
    if (syscall === undefined) {
      return ObjectAssign(new Error(message), code === undefined ? {} : { code });
    }
    const { hostname, port } = partsOf(url);
    if (syscall === "getaddrinfo") {
      return ObjectAssign(new Error(`getaddrinfo ${code} ${hostname}`), { errno, code, syscall, hostname });
    }
    const connects = syscall === "connect";
    const error = new Error(connects ? `connect ${code} ${hostname}:${port}` : `${syscall} ${code}`);
    ObjectAssign(error, { errno, code, syscall });
    return connects ? ObjectAssign(error, { address: hostname, port: +port }) : error;
  }

  function failure({ name, message, code }, url) {
    const error = ObjectAssign(new TypeError(message), { name });
    if (name !== "TypeError") {
      const value = systemError(code, message, url);
      ObjectDefineProperty(error, "cause", { __proto__: null, value, writable: true, configurable: true });
    }
    return error;
  }

  // Sends a request: its method, URL, headers in pairs and body, and how many redirects are followed.
  function send({ method, url, headers, body, redirect = "follow", maxRedirects = MAX_REDIRECTS }, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const id = ++lastId;
      const onAbort = () => {
        if (forget(waiting, id)) {
          host.abortFetch(id);
          reject(signal.reason);
        }
      };
      const content = typeof body === "string" ? toWellFormed(body) : body;
      host.fetch(id, { method, url, headers, redirect, maxRedirects, body: content });
      mapSet(waiting, id, { resolve, reject, url, forget: () => signal?.removeEventListener("abort", onAbort) });
      signal?.addEventListener("abort", onAbort);
    });
  }

  function settle(id, answer, error) {
    const request = mapGet(waiting, id);
    if (request === undefined) {
      return;
    }
    forget(waiting, id);
    request.forget();
    if (error) {
      request.reject(failure(error, request.url));
    } else {
      request.resolve(answer);
    }
  }

  return { failure, send, settle };
}
