// fetch as scripts use it, over the host's guarded client.

const AGENT = "hookyard";

export function make(host, { values }, require) {
  const { Promise } = values;
  const { indexOf, part, push, slice, tagOfTyped, then } = require("calls");
  const { lookUp, need, sorted } = require("headers");
  const { Request, stateOf } = require("request");
  const { received } = require("response");
  const { failure, send } = require("exchange");
  const body = require("body");

  async function exchanged(request) {
    const { method, url, headers, redirect, signal } = stateOf(request);
    if (signal?.aborted) {
      throw signal.reason;
    }
    const taken = body.take(request);
    // A stream is read first, as nothing is sent in parts.
    const content = typeof taken === "object" && taken !== null && !isBytes(taken) ? await taken : taken;
    const target = withoutFragment(url);
    const answer = await send({ method, url: target, headers: headersOf(headers), redirect, body: content }, signal);
    if (answer.status > 599) {
      throw failure({ name: "FetchFailed", message: `the server answered with the status ${answer.status}` }, url);
    }
    return received(answer, target);
  }

  // Some servers refuse whoever does not say who it is.
  function headersOf(headers) {
    const pairs = part(sorted(headers));
    if (lookUp(headers, "user-agent") === null) {
      push(pairs, ["user-agent", AGENT]);
    }
    return pairs;
  }

  function withoutFragment(url) {
    const at = indexOf(url, "#");
    return at === -1 ? url : slice(url, 0, at);
  }

  const isBytes = (value) => tagOfTyped(value) === "Uint8Array";

  function fetch(input, init = undefined) {
    return new Promise((resolve, reject) => {
      need(arguments, 1, "fetch");
      then(exchanged(new Request(input, init)), resolve, reject);
    });
  }

  return { fetch };
}
