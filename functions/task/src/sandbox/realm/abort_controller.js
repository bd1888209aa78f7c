// AbortController and AbortSignal.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

export function make(host, intrinsics, require) {
  const { invalidArgType, invalidThis, nodeError, validateAbortSignal, validateArray, validateObject, validateUint32 } =
    require("errors");
  const { EventTarget, defineHandler, fire } = require("event_target");
  const { publish, show } = require("web_classes");
  const key = {};
  let stateOf;

  const domException = (message, name) => {
    const { DOMException } = require("dom_exception");
    return new DOMException(message, name);
  };
  const abortReason = () => domException("This operation was aborted", "AbortError");

  class AbortSignal extends EventTarget {
    #state = { aborted: false, reason: undefined, dependents: new Set(), sources: new Set() };

    static {
      stateOf = (value) => (typeof value === "object" && value !== null && #state in value ? value.#state : undefined);
    }

    constructor(given = undefined) {
      if (given !== key) {
        throw nodeError(TypeError, "ERR_ILLEGAL_CONSTRUCTOR", "Illegal constructor");
      }
      super();
    }

    get aborted() {
      return need(this).aborted;
    }

    get reason() {
      return need(this).reason;
    }

    throwIfAborted() {
      const { aborted, reason } = need(this);
      if (aborted) {
        throw reason;
      }
    }

    [CUSTOM_INSPECT](depth, options) {
      return depth < 0 ? `[${this.constructor.name}]` : show(this, depth, options, { aborted: this.aborted });
    }

    static abort(reason = abortReason()) {
      const signal = create();
      Object.assign(stateOf(signal), { aborted: true, reason });
      return signal;
    }

    static timeout(delay) {
      validateUint32(delay, "delay");
      const signal = create();
      require("timers")
        .setTimeout(() => abort(signal, domException("The operation was aborted due to timeout", "TimeoutError")), delay)
        .unref();
      return signal;
    }

    static any(signals) {
      validateArray(signals, "signals");
      for (let at = 0; at < signals.length; at++) {
        if (stateOf(signals[at]) === undefined) {
          throw invalidArgType(`signals[${at}]`, "AbortSignal", signals[at]);
        }
      }
      const first = signals.find((signal) => signal.aborted);
      if (first !== undefined) {
        return AbortSignal.abort(first.reason);
      }
      const made = create();
      for (const signal of signals) {
        follow(made, signal);
      }
      return made;
    }
  }
  publish(AbortSignal, ["aborted"]);
  defineHandler(AbortSignal, "abort");

  const create = () => new AbortSignal(key);

  // Depends on the signals themselves, or on those that they depend on.
  function follow(signal, source) {
    const { sources } = stateOf(source);
    for (const one of sources.size === 0 ? [source] : sources) {
      stateOf(signal).sources.add(one);
      stateOf(one).dependents.add(signal);
    }
  }

  function need(signal) {
    const state = stateOf(signal);
    if (state === undefined) {
      throw invalidThis("AbortSignal");
    }
    return state;
  }

  function abort(signal, reason) {
    const state = stateOf(signal);
    if (state.aborted) {
      return;
    }
    Object.assign(state, { aborted: true, reason });
    fire(signal, "abort");
    for (const dependent of state.dependents) {
      abort(dependent, reason);
    }
    for (const source of state.sources) {
      stateOf(source).dependents.delete(signal);
    }
    state.dependents.clear();
  }

  class AbortController {
    #signal;

    get signal() {
      return (this.#signal ??= create());
    }

    abort(reason = abortReason()) {
      abort((this.#signal ??= create()), reason);
    }

    [CUSTOM_INSPECT](depth, options) {
      return depth < 0 ? this : show(this, depth, options, { signal: this.signal });
    }
  }
  publish(AbortController, ["signal", "abort"]);

  async function aborted(signal, resource) {
    if (signal === undefined) {
      throw invalidArgType("signal", "AbortSignal", signal);
    }
    validateAbortSignal(signal, "signal");
    validateObject(resource, "resource", { allowArray: true, allowFunction: true });
    if (!signal.aborted) {
      return new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
  }

  return { AbortController, AbortSignal, aborted };
}
