// The requests that wait for the host's guarded client.

const MAX_REDIRECTS = 20;

export function make(host, { lean }, require) {
  const { Promise, ReflectApply } = lean;
  const waiting = { __proto__: null };
  let lastId = 0;

  // Sends a request of texts alone, whose method and URL are as they are sent; its answer goes to `settled`.
  function sendPlain({ method, url, headers, body }, settled, reject) {
    const id = ++lastId;
    const content = typeof body === "string" ? ReflectApply(lean.StringPrototypeToWellFormed, body, []) : undefined;
    host.sendPlain(id, method, url, headers, content);
    waiting[id] = { resolve: settled, reject, url, signal: undefined, onAbort: undefined };
  }

  // Sends a request: its method, URL, headers in pairs and body, and how many redirects are followed.
  function send({ method, url, headers, body, redirect = "follow", maxRedirects = MAX_REDIRECTS }, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const id = ++lastId;
      const content = typeof body === "string" ? ReflectApply(lean.StringPrototypeToWellFormed, body, []) : body;
      host.fetch(id, { method, url, headers, redirect, maxRedirects, body: content });
      const request = { resolve, reject, url, signal, onAbort: undefined };
      waiting[id] = request;
      if (signal) {
        request.onAbort = () => {
          if (waiting[id] !== undefined) {
            delete waiting[id];
            host.abortFetch(id);
            reject(signal.reason);
          }
        };
        signal.addEventListener("abort", request.onAbort);
      }
    });
  }

  function settle(id, answer, error) {
    const request = waiting[id];
    if (request === undefined) {
      return;
    }
    delete waiting[id];
    request.signal?.removeEventListener("abort", request.onAbort);
    if (error) {
      request.reject(require("fetch_failure").failure(error, request.url));
    } else {
      request.resolve(answer);
    }
  }

  return { send, sendPlain, settle };
}
