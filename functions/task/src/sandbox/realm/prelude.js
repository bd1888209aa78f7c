// The globals of every script. The host passes its functions to `install` and gets back those that wake the script up.

import { registry } from "hookyard:registry";

const MAX_TIMERS = 10_000;
const MAX_DELAY_MS = 2 ** 31 - 1;

export function install(host, variables) {
  host.load("clock").install(host);
  const intrinsics = host.load("intrinsics");
  const { uncurryThis, values, methods } = intrinsics;
  const { MathMax, Number, ObjectDefineProperty, ObjectFreeze, ReflectApply, RangeError } = values;
  const { ObjectGetOwnPropertyDescriptor, PromiseResolve, Promise } = values;
  const then = uncurryThis(methods.PromisePrototypeThen);
  const timers = makeTimers();
  const stacks = host.load("stacks").makeStacks(host, intrinsics);
  let loader;
  let printer;

  host.notSupported = (what) => stacks.named(new values.Error(`the sandbox does not support ${what}`), "NotSupported");
  host.named = stacks.named;
  host.queueMicrotask = queueMicrotask;
  host.nextTick = (callback, ...args) => enqueue(callback, args);

  function load() {
    if (loader === undefined) {
      host.equipFetch(host);
      loader = host.load("loader").makeLoader(host, intrinsics, timers.functions, equip);
    }
    return loader;
  }

  function equip() {
    host.equip(host);
    host.namedKeys = withSymbols(host.namedKeys);
  }

  const require = (name) => load().require(name);

  // The host can name the symbols among the keys only by their texts.
  function withSymbols(namedKeys) {
    const isEnumerable = uncurryThis(methods.ObjectPrototypePropertyIsEnumerable);
    return (object, onlyEnumerable) => {
      const keys = namedKeys(object, onlyEnumerable);
      const symbols = values.ObjectGetOwnPropertySymbols(object);
      for (let at = 0; at < symbols.length; at++) {
        if (!onlyEnumerable || isEnumerable(object, symbols[at])) {
          keys[keys.length] = symbols[at];
        }
      }
      return keys;
    };
  }

  // A callback that throws fails the script, as nobody can catch it.
  function guarded(callback, args) {
    try {
      ReflectApply(callback, undefined, args);
    } catch (error) {
      host.uncaught(error);
    }
  }

  function enqueue(callback, args) {
    then(ReflectApply(PromiseResolve, Promise, []), () => guarded(callback, args));
  }

  function queueMicrotask(callback) {
    if (typeof callback !== "function") {
      throw require("errors").invalidArgType("callback", "Function", callback);
    }
    enqueue(callback, []);
  }

  function makeTimers() {
    const { Map } = values;
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

  function provide(name, value) {
    ObjectDefineProperty(globalThis, name, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
  }

  // Most scripts use few of these, and building them all costs more than starting the sandbox.
  function provideLater(names, find) {
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      const get = () => {
        const value = find()[name];
        const found = ObjectGetOwnPropertyDescriptor(globalThis, name);
        if (found?.get === get) {
          provide(name, value);
        }
        return value;
      };
      const set = (value) => provide(name, value);
      ObjectDefineProperty(globalThis, name, { __proto__: null, get, set, enumerable: false, configurable: true });
    }
  }

  function loadPrinter() {
    return (printer ??= host.load("console").makePrinter(load().primordials(), require, host));
  }

  function loadStructuredClone() {
    return { structuredClone: require("structured_clone") };
  }

  registry.require = (name) => require(name);
  registry.timers = timers.functions;
  registry.intrinsics = intrinsics;

  provide("global", globalThis);
  host.variables = ObjectFreeze(variables);
  provide("console", makeConsole(host, intrinsics, loadPrinter));
  for (const name in timers.functions) {
    provide(name, timers.functions[name]);
  }
  provide("queueMicrotask", queueMicrotask);
  provideLater(["DOMException"], () => require("dom_exception"));
  provideLater(["Event", "EventTarget", "CustomEvent"], () => require("event_target"));
  provideLater(["AbortController", "AbortSignal"], () => require("abort_controller"));
  provideLater(["URL", "URLSearchParams"], () => require("whatwg_url"));
  provideLater(["Buffer", "atob", "btoa"], () => require("buffer"));
  provideLater(["TextEncoder", "TextDecoder"], () => require("encoding"));
  provideLater(["structuredClone"], loadStructuredClone);
  provideLater(["Blob", "File"], () => require("blob"));
  provideLater(["FormData"], () => require("form_data"));
  provideLater(["ReadableStream", "ReadableStreamDefaultReader"], () => require("readable_stream"));
  provideLater(["fetch"], () => require("fetch"));
  provideLater(["process", "performance", "Performance"], () => require("process"));
  provideLater(["crypto", "Crypto", "CryptoKey", "SubtleCrypto"], () => require("webcrypto"));
  provideLater(["Headers"], () => require("headers"));
  provideLater(["Request"], () => require("request"));
  provideLater(["Response"], () => require("response"));
  host.load("locale_methods").install(intrinsics, require);

  const rejections = makeRejections();
  const noop = () => {};

  function makeRejections() {
    const { Map } = values;
    const rejected = new Map();
    const add = uncurryThis(methods.MapPrototypeSet);
    const remove = uncurryThis(methods.MapPrototypeDelete);
    const entries = uncurryThis(methods.MapPrototypeForEach);
    return {
      add: (promise, reason) => void add(rejected, promise, reason),
      remove: (promise) => void remove(rejected, promise),
      first: () => {
        let found = null;
        entries(rejected, (reason) => void (found ??= describe(reason)));
        return found;
      },
    };
  }

  function describe(reason) {
    const described = { __proto__: null, text: "something without a text", stack: null };
    try {
      if (values.ErrorIsError(reason)) {
        described.text = `${reason}`;
        described.stack = reason.stack;
      } else {
        described.text = require("inspect").inspect(reason);
      }
    } catch {
      // What has no text is described so.
    }
    return described;
  }

  return {
    fire: timers.fire,
    forgetTimers: timers.forgetAll,
    settle: (id, answer, error) => require("exchange").settle(id, answer, error),
    settleCall: (id, answer, error) => require("hookyard").settle(id, answer, error),
    // What is awaited is not asked for its `then`, which a script may have replaced.
    call: async (main, task) => await main(task),
    reject: rejections.add,
    handle: rejections.remove,
    unhandled: rejections.first,
    // The host looks at the result of this promise itself.
    watch: (promise) => void then(promise, noop, noop),
  };
}

function makeConsole(host, { uncurryThis, values, methods }, loadPrinter) {
  const { MathMax, Number, ReflectApply } = values;
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const indexOf = uncurryThis(methods.StringPrototypeIndexOf);
  const repeat = uncurryThis(methods.StringPrototypeRepeat);
  const split = uncurryThis(methods.StringPrototypeSplit);
  const join = uncurryThis(methods.ArrayPrototypeJoin);
  const toWellFormed = uncurryThis(methods.StringPrototypeToWellFormed);
  const counts = { __proto__: null };
  const starts = { __proto__: null };
  let indentation = 0;

  function write(text) {
    if (text === undefined || text.length > host.printLimit) {
      host.print(text === undefined ? "" : toWellFormed(slice(text, 0, host.printLimit)), true);
      return;
    }
    const indented = indentation === 0 ? text : join(split(`\n${text}`, "\n"), `\n${repeat(" ", indentation)}`);
    host.print(toWellFormed(indentation === 0 ? text : slice(indented, 1)), false);
  }

  // Texts and plain numbers, which need no formatting.
  function plain(args) {
    let text = "";
    for (let at = 0; at < args.length; at++) {
      const value = args[at];
      const simple = typeof value === "string" || (typeof value === "number" && value !== 0) || typeof value === "boolean";
      if (!simple || text.length > host.printLimit) {
        return undefined;
      }
      if (at === 0 && args.length > 1 && typeof value === "string" && indexOf(value, "%") !== -1) {
        return undefined;
      }
      if (typeof value === "string" && value.length > host.printLimit) {
        return value;
      }
      text += at === 0 ? value : ` ${value}`;
    }
    return `${text}`;
  }

  const log = (...args) => write(plain(args) ?? loadPrinter().format(args));
  const label = (text) => `${text}`;
  const console = {
    log,
    warn: log,
    dir: (value, options) => write(loadPrinter().show(value, { customInspect: false, ...options })),
    time: (name = "default") => void (starts[label(name)] ??= host.now()),
    timeEnd: (name = "default") => {
      console.timeLog(name);
      delete starts[label(name)];
    },
    timeLog: (name = "default", ...data) => {
      const start = starts[label(name)];
      if (start !== undefined) {
        log(`${label(name)}: ${Number((host.now() - start).toFixed(3))}ms`, ...data);
      }
    },
    trace: (...args) => {
      const error = new values.Error(loadPrinter().format(args));
      values.ObjectDefineProperty(error, "name", { __proto__: null, value: "Trace", configurable: true, writable: true });
      write(error.stack);
    },
    assert: (condition, ...args) => {
      if (!condition) {
        if (typeof args[0] === "string") {
          args[0] = `Assertion failed: ${args[0]}`;
          ReflectApply(log, undefined, args);
        } else {
          log("Assertion failed", ...args);
        }
      }
    },
    clear: () => {},
    count: (name = "default") => {
      counts[label(name)] = (counts[label(name)] ?? 0) + 1;
      log(`${label(name)}: ${counts[label(name)]}`);
    },
    countReset: (name = "default") => void delete counts[label(name)],
    group: (...args) => {
      if (args.length > 0) {
        ReflectApply(log, undefined, args);
      }
      indentation += 2;
    },
    groupEnd: () => void (indentation = MathMax(0, indentation - 2)),
    table: (data, properties) => {
      const text = loadPrinter().table(data, properties);
      if (text === null) {
        log(data);
      } else {
        write(text);
      }
    },
    debug: log,
    info: log,
    dirxml: log,
    error: log,
  };
  console.groupCollapsed = console.group;
  return console;
}
