// The globals of every script. The host passes its functions to `install` and gets back those that wake the script up.

const MAX_TIMERS = 10_000;
const MAX_DELAY_MS = 2 ** 31 - 1;

export function install(host, variables) {
  const timers = new Map();
  let lastTimer = 0;
  let fetching;

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

    close() {
      clear(this);
      return this;
    }

    [Symbol.toPrimitive]() {
      return this.#id;
    }
  }

  function start(callback, delay, repeats, args) {
    if (typeof callback !== "function") {
      throw new TypeError("a timer must have a function");
    }
    if (timers.size >= MAX_TIMERS) {
      throw new RangeError(`more than ${MAX_TIMERS} timers are pending`);
    }
    const id = ++lastTimer;
    const ms = Math.max(1, Math.min(Number(delay) || 0, MAX_DELAY_MS));
    timers.set(id, { callback, args, ms, repeats });
    host.schedule(id, ms);
    return new Timeout(id);
  }

  function clear(timer) {
    const id = Number(timer);
    if (timers.delete(id)) {
      host.unschedule(id);
    }
  }

  function fire(id) {
    const timer = timers.get(id);
    if (!timer) {
      return;
    }
    if (timer.repeats) {
      host.schedule(id, timer.ms);
    } else {
      timers.delete(id);
    }
    timer.callback(...timer.args);
  }

  function provide(name, value) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }

  // Most scripts use few of these, and building them all costs more than starting the sandbox.
  function provideLater(names, load) {
    const getters = new Map();
    for (const name of names) {
      const get = () => {
        const replaced = new Map();
        for (const [other, getter] of getters) {
          const found = Object.getOwnPropertyDescriptor(globalThis, other);
          if (found && found.get !== getter) {
            replaced.set(other, found);
          }
          delete globalThis[other];
        }
        load();
        for (const [other, found] of replaced) {
          Object.defineProperty(globalThis, other, found);
        }
        return globalThis[name];
      };
      getters.set(name, get);
      const set = (value) => provide(name, value);
      Object.defineProperty(globalThis, name, { get, set, enumerable: false, configurable: true });
    }
  }

  function loadAbort() {
    // An abort throws a DOMException, whose prototype must exist by then.
    void globalThis.DOMException;
    host.load("abort");
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new DOMException("the time is up", "TimeoutError")), ms);
      return controller.signal;
    };
  }

  function loadUrl() {
    host.load("url");
    host.load("counted").countUrls(globalThis, host);
  }

  function loadBuffer() {
    host.load("buffer");
    host.load("counted").countBuffer(Buffer);
  }

  function loadText() {
    host.load("util");
    provide("TextEncoder", host.load("counted").makeTextEncoder(host));
  }

  function loadFetch() {
    fetching = host.load("fetch").install(host);
    for (const name of ["fetch", "Headers", "Request", "Response"]) {
      provide(name, fetching[name]);
    }
  }

  provide("global", globalThis);
  provide("process", Object.freeze({ env: Object.freeze(variables) }));
  provide("console", makeConsole(host.print));
  provide("setTimeout", (callback, delay, ...args) => start(callback, delay, false, args));
  provide("setInterval", (callback, delay, ...args) => start(callback, delay, true, args));
  provide("setImmediate", (callback, ...args) => start(callback, 0, false, args));
  provide("clearTimeout", clear);
  provide("clearInterval", clear);
  provide("clearImmediate", clear);
  provide("queueMicrotask", (callback) => void Promise.resolve().then(() => callback()));
  provideLater(["DOMException"], () => host.load("exceptions"));
  provideLater(["Event", "EventTarget", "CustomEvent"], () => host.load("events"));
  provideLater(["AbortController", "AbortSignal"], loadAbort);
  provideLater(["URL", "URLSearchParams"], loadUrl);
  provideLater(["Buffer", "atob", "btoa"], loadBuffer);
  provideLater(["TextEncoder", "TextDecoder"], loadText);
  provideLater(["fetch", "Headers", "Request", "Response"], loadFetch);

  return {
    fire,
    settle: (id, answer, error) => fetching.settle(id, answer, error),
    call: async (main, task) => main(task),
  };
}

function makeConsole(print) {
  const counts = new Map();
  const starts = new Map();
  const console = {};
  for (const name of ["log", "info", "debug", "warn", "error", "trace", "dir", "table", "group"]) {
    console[name] = (...args) => print(...args);
  }
  console.groupCollapsed = console.group;
  console.groupEnd = () => {};
  console.assert = (condition, ...args) => {
    if (!condition) {
      print("Assertion failed:", ...args);
    }
  };
  console.count = (label = "default") => {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    print(`${label}: ${counts.get(label)}`);
  };
  console.time = (label = "default") => void starts.set(label, Date.now());
  console.timeLog = (label = "default") => print(`${label}: ${Date.now() - starts.get(label)}ms`);
  console.timeEnd = (label = "default") => {
    console.timeLog(label);
    starts.delete(label);
  };
  return console;
}
