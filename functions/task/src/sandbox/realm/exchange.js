// The requests that wait for the host's guarded client.

const MAX_REDIRECTS = 20;

export function make(host, { values, methods }, require) {
  const { Map, Promise, ReflectApply } = values;
  const waiting = new Map();
  const forget = (id) => ReflectApply(methods.MapPrototypeDelete, waiting, [id]);
  let lastId = 0;

  // Sends a request: its method, URL, headers in pairs and body, and how many redirects are followed.
  function send({ method, url, headers, body, redirect = "follow", maxRedirects = MAX_REDIRECTS }, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const id = ++lastId;
      const content = typeof body === "string" ? ReflectApply(methods.StringPrototypeToWellFormed, body, []) : body;
      host.fetch(id, { method, url, headers, redirect, maxRedirects, body: content });
      const request = { resolve, reject, url, signal, onAbort: undefined };
      ReflectApply(methods.MapPrototypeSet, waiting, [id, request]);
      if (signal) {
        request.onAbort = () => {
          if (forget(id)) {
            host.abortFetch(id);
            reject(signal.reason);
          }
        };
        signal.addEventListener("abort", request.onAbort);
      }
    });
  }

  function settle(id, answer, error) {
    const request = ReflectApply(methods.MapPrototypeGet, waiting, [id]);
    if (request === undefined) {
      return;
    }
    forget(id);
    request.signal?.removeEventListener("abort", request.onAbort);
    if (error) {
      request.reject(require("fetch_failure").failure(error, request.url));
    } else {
      request.resolve(answer);
    }
  }

  return { send, settle };
}
