// The requests of fetch that are more than plain ones, and those that are refused.

const AGENT = "hookyard";

export function make(host, { values, methods }, require) {
  const { ReflectApply } = values;
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
      throw unknownStatus(answer.status, url);
    }
    return received(answer, target);
  }

  function unknownStatus(status, url) {
    const message = `the server answered with the status ${status}`;
    return require("fetch_failure").failure({ name: "FetchFailed", message }, url);
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

  // `given` is what was read already of the members of a request.
  function begin(args, input, init, given) {
    need(args, 1, "fetch");
    if (typeof input === "object" && input !== null) {
      const { Request, stateOf } = require("request");
      const request = new Request(input, init);
      return exchanged(stateOf(request), () => require("body_reads").take(request));
    }
    // Nobody sees the request that a text stands for, so that no object is made for it.
    const { state, content } = read(input, init, undefined, undefined, given);
    const isStream = content !== null && typeof content === "object" && !isBytes(content);
    return exchanged(state, () => (isStream ? require("readable_stream").collect(content) : content));
  }

  return { begin, unknownStatus };
}
