// The requests that wait for the host's guarded client.

const MAX_REDIRECTS = 20;

export function make(host, { uncurryThis, values, methods }, require) {
  const { Map, Promise } = values;
  const forget = uncurryThis(methods.MapPrototypeDelete);
  const mapGet = uncurryThis(methods.MapPrototypeGet);
  const mapSet = uncurryThis(methods.MapPrototypeSet);
  const toWellFormed = uncurryThis(methods.StringPrototypeToWellFormed);
  const waiting = new Map();
  let lastId = 0;

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
      request.reject(require("fetch_failure").failure(error, request.url));
    } else {
      request.resolve(answer);
    }
  }

  return { send, settle };
}
