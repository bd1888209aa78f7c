// fetch as scripts use it, over the host's guarded client.

const AGENT = "hookyard";

export function make(host, { values, methods }, require) {
  const { Promise, ReflectApply } = values;
  const { isBytes } = require("body");
  const { lookUp, need, sorted } = require("header_list");
  const { received } = require("response");
  const { read } = require("request_init");
  const { send } = require("exchange");

  async function exchanged({ method, url, list, redirect, signal }, take) {
    if (signal?.aborted) {
      throw signal.reason;
    }
    const taken = take();
    // A stream is read first, as nothing is sent in parts.
    const content = typeof taken === "object" && taken !== null && !isBytes(taken) ? await taken : taken;
    const target = withoutFragment(url);
    const answer = await send({ method, url: target, headers: headersOf(list), redirect, body: content }, signal);
    if (answer.status > 599) {
      const { failure } = require("fetch_failure");
      throw failure({ name: "FetchFailed", message: `the server answered with the status ${answer.status}` }, url);
    }
    return received(answer, target);
  }

  // Some servers refuse whoever does not say who it is.
  function headersOf(list) {
    const pairs = ReflectApply(methods.ArrayPrototypeSlice, sorted(list), []);
    if (lookUp(list, "user-agent") === null) {
      ReflectApply(methods.ArrayPrototypePush, pairs, [["user-agent", AGENT]]);
    }
    return pairs;
  }

  function withoutFragment(url) {
    const at = ReflectApply(methods.StringPrototypeIndexOf, url, ["#"]);
    return at === -1 ? url : ReflectApply(methods.StringPrototypeSlice, url, [0, at]);
  }

  function begun(input, init) {
    if (typeof input === "object" && input !== null) {
      const { Request, stateOf } = require("request");
      const request = new Request(input, init);
      return exchanged(stateOf(request), () => require("body_reads").take(request));
    }
    // Nobody sees the request that a text stands for, so that no object is made for it.
    const { state, content } = read(input, init);
    const isStream = content !== null && typeof content === "object" && !isBytes(content);
    return exchanged(state, () => (isStream ? require("readable_stream").collect(content) : content));
  }

  function fetch(input, init = undefined) {
    return new Promise((resolve, reject) => {
      need(arguments, 1, "fetch");
      ReflectApply(methods.PromisePrototypeThen, begun(input, init), [resolve, reject]);
    });
  }

  return { fetch };
}
