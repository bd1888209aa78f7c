// The timers of a script; the host says when one is due.

const MAX_TIMERS = 10_000;
const MAX_DELAY_MS = 2 ** 31 - 1;

export function makeTimers(host, { uncurryThis, values, methods }, require, guarded) {
  const { Map, Number, ObjectDefineProperty, RangeError } = values;
  const get = uncurryThis(methods.MapPrototypeGet);
  const set = uncurryThis(methods.MapPrototypeSet);
  const remove = uncurryThis(methods.MapPrototypeDelete);
  const has = uncurryThis(methods.MapPrototypeHas);
  const size = uncurryThis(methods.MapPrototypeGetSize);
  const pending = new Map();
  let lastId = 0;

  class Timeout {
    #id;

    constructor(id) {
      this.#id = id;
    }

    ref() {
      return this;
    }

    unref() {
      return this;
    }

    hasRef() {
      return true;
    }

    refresh() {
      const timer = get(pending, this.#id);
      if (timer) {
        host.schedule(this.#id, timer.ms);
      }
      return this;
    }

    close() {
      clear(this);
      return this;
    }

    [values.SymbolToPrimitive]() {
      return this.#id;
    }

    static idOf(timer) {
      return typeof timer === "object" && timer !== null && #id in timer ? timer.#id : undefined;
    }
  }
  const { idOf } = Timeout;
  delete Timeout.idOf;

  class Immediate extends Timeout {}

  function start(Kind, callback, delay, repeats, args) {
    if (typeof callback !== "function") {
      throw require("errors").invalidArgType("callback", "Function", callback);
    }
    if (size(pending) >= MAX_TIMERS) {
      throw new RangeError(`more than ${MAX_TIMERS} timers are pending`);
    }
    const id = ++lastId;
    const asked = Number(delay);
    const ms = asked >= 1 && asked <= MAX_DELAY_MS ? asked - (asked % 1) : 1;
    set(pending, id, { callback, args, ms, repeats });
    host.schedule(id, ms);
    return new Kind(id);
  }

  function clear(timer) {
    const id = idOf(timer) ?? (typeof timer === "number" || typeof timer === "string" ? Number(timer) : undefined);
    if (id !== undefined && remove(pending, id)) {
      host.unschedule(id);
    }
  }

  function fire(id) {
    const timer = get(pending, id);
    if (!timer) {
      return;
    }
    if (!timer.repeats) {
      remove(pending, id);
    }
    guarded(timer.callback, timer.args);
    if (timer.repeats && has(pending, id)) {
      host.schedule(id, timer.ms);
    }
  }

  const functions = {
    setTimeout: function setTimeout(callback, delay, ...args) {
      return start(Timeout, callback, delay, false, args);
    },
    clearTimeout: function clearTimeout(timer) {
      clear(timer);
    },
    setInterval: function setInterval(callback, delay, ...args) {
      return start(Timeout, callback, delay, true, args);
    },
    clearInterval: function clearInterval(timer) {
      clear(timer);
    },
    setImmediate: function setImmediate(callback, ...args) {
      return start(Immediate, callback, 1, false, args);
    },
    clearImmediate: function clearImmediate(timer) {
      clear(timer);
    },
  };
  // With the arguments that the documentation names.
  const lengths = { __proto__: null, setTimeout: 5, setInterval: 5, setImmediate: 4 };
  for (const name in lengths) {
    ObjectDefineProperty(functions[name], "length", { __proto__: null, value: lengths[name], configurable: true });
  }
  // Those of a task end with it.
  const clearAll = uncurryThis(methods.MapPrototypeClear);
  return { fire, functions, forgetAll: () => clearAll(pending) };
}
