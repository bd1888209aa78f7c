// The module "events": EventEmitter and the functions around it.

const REJECTION = Symbol.for("nodejs.rejection");
const CAPTURES = Symbol("kCapture");
const SHAPE = Symbol("shapeMode");
const ERROR_MONITOR = Symbol("events.errorMonitor");
const WATERMARKS = Symbol.for("nodejs.watermarkData");

export function make(host, { values }, require) {
  const { ObjectCreate: create, ObjectDefineProperty: defineProperty, ObjectGetPrototypeOf: getPrototypeOf } = values;
  const { ReflectApply: apply, ReflectOwnKeys: ownKeys } = values;
  const errors = require("errors");
  const { AbortError, invalidArgType, nodeError, validateAbortSignal, validateBoolean } = errors;
  const { validateFunction, validateInteger, validateNumber } = errors;
  let maxListeners = 10;

  const targets = () => require("event_target");
  const isEventTarget = (value) => targets().isEventTarget(value);
  const checkCount = (count, name) => validateNumber(count, name, 0);

  function EventEmitter(options) {
    EventEmitter.init.call(this, options);
  }

  EventEmitter.prototype._events = undefined;
  EventEmitter.prototype._eventsCount = 0;
  EventEmitter.prototype._maxListeners = undefined;

  // An emitter that inherits from another one must not share its listeners.
  function init(options) {
    this[SHAPE] = this._events !== undefined && this._events !== getPrototypeOf(this)._events;
    if (!this[SHAPE]) {
      forgetAll(this);
    }
    this._maxListeners ||= undefined;
    if (options?.captureRejections) {
      validateBoolean(options.captureRejections, "options.captureRejections");
    }
    this[CAPTURES] = Boolean(options?.captureRejections ?? EventEmitter.prototype[CAPTURES]);
  }

  function forgetAll(emitter) {
    emitter._events = create(null);
    emitter._eventsCount = 0;
  }

  // What an emitter keeps for an event is nothing, one function or a list of several.
  const kept = (emitter, name) => emitter._events?.[name];
  const listOf = (entry) => (entry === undefined ? [] : typeof entry === "function" ? [entry] : entry);
  const original = (listener) => listener.listener ?? listener;

  function forget(emitter, name) {
    if (--emitter._eventsCount === 0) {
      emitter._events = create(null);
    } else {
      delete emitter._events[name];
    }
  }

  function add(emitter, name, listener, first) {
    validateFunction(listener, "listener");
    if (emitter._events === undefined) {
      forgetAll(emitter);
    } else if (emitter._events.newListener !== undefined) {
      emitter.emit("newListener", name, original(listener));
    }
    const events = emitter._events;
    const entry = events[name];
    if (entry === undefined) {
      events[name] = listener;
      emitter._eventsCount++;
      return emitter;
    }
    if (typeof entry === "function") {
      events[name] = first ? [listener, entry] : [entry, listener];
    } else if (first) {
      entry.unshift(listener);
    } else {
      entry.push(listener);
    }
    const limit = emitter.getMaxListeners();
    if (limit > 0 && events[name].length > limit) {
      events[name].warned = true;
    }
    return emitter;
  }

  function remove(emitter, name, listener) {
    const entry = kept(emitter, name);
    const at = listOf(entry).findLastIndex((one) => one === listener || one.listener === listener);
    if (at === -1) {
      return;
    }
    if (typeof entry === "function" || entry.length === 1) {
      forget(emitter, name);
    } else {
      entry.splice(at, 1);
      if (entry.length === 1) {
        emitter._events[name] = entry[0];
      }
    }
    if (emitter._events.removeListener !== undefined) {
      emitter.emit("removeListener", name, typeof entry === "function" ? original(entry) : listener);
    }
  }

  function onlyOnce(emitter, name, listener) {
    validateFunction(listener, "listener");
    let called = false;
    function onceWrapper() {
      if (!called) {
        emitter.removeListener(name, wrapped);
        called = true;
        return apply(listener, emitter, arguments);
      }
    }
    const wrapped = onceWrapper.bind(undefined);
    wrapped.listener = listener;
    return wrapped;
  }

  function unhandled(error) {
    if (error instanceof Error) {
      return error;
    }
    let shown = error;
    try {
      shown = require("inspect").inspect(error);
    } catch {
      // Shown as it is.
    }
    const failure = nodeError(Error, "ERR_UNHANDLED_ERROR", `Unhandled error. (${shown})`);
    failure.context = error;
    return failure;
  }

  // A rejection of a listener becomes an event of its own.
  function capture(emitter, result, name, args) {
    const { then } = result;
    if (typeof then !== "function") {
      return;
    }
    apply(then, result, [
      undefined,
      (error) =>
        require("microtasks").nextTick(() => {
          if (typeof emitter[REJECTION] === "function") {
            emitter[REJECTION](error, name, ...args);
            return;
          }
          const captures = emitter[CAPTURES];
          try {
            emitter[CAPTURES] = false;
            emitter.emit("error", error);
          } finally {
            emitter[CAPTURES] = captures;
          }
        }),
    ]);
  }

  const methods = {
    setMaxListeners: function setMaxListeners(n) {
      checkCount(n, "setMaxListeners");
      this._maxListeners = n;
      return this;
    },
    getMaxListeners: function getMaxListeners() {
      return this._maxListeners ?? maxListeners;
    },
    emit: function emit(name, ...args) {
      if (name === "error") {
        if (kept(this, ERROR_MONITOR) !== undefined) {
          this.emit(ERROR_MONITOR, ...args);
        }
        if (kept(this, name) === undefined) {
          throw unhandled(args[0]);
        }
      }
      const entry = kept(this, name);
      if (entry === undefined) {
        return false;
      }
      const listeners = typeof entry === "function" ? [entry] : entry.slice();
      for (let at = 0; at < listeners.length; at++) {
        const result = apply(listeners[at], this, args);
        if (this[CAPTURES] && result !== undefined && result !== null) {
          capture(this, result, name, args);
        }
      }
      return true;
    },
    addListener: function addListener(name, listener) {
      return add(this, name, listener, false);
    },
    on: undefined,
    prependListener: function prependListener(name, listener) {
      return add(this, name, listener, true);
    },
    once: function once(name, listener) {
      return this.on(name, onlyOnce(this, name, listener));
    },
    prependOnceListener: function prependOnceListener(name, listener) {
      return this.prependListener(name, onlyOnce(this, name, listener));
    },
    removeListener: function removeListener(name, listener) {
      validateFunction(listener, "listener");
      remove(this, name, listener);
      return this;
    },
    off: undefined,
    removeAllListeners: function removeAllListeners(name) {
      if (this._events === undefined) {
        return this;
      }
      if (this._events.removeListener === undefined) {
        if (arguments.length === 0) {
          forgetAll(this);
        } else if (this._events[name] !== undefined) {
          forget(this, name);
        }
        return this;
      }
      if (arguments.length > 0) {
        const listeners = listOf(kept(this, name));
        for (let at = listeners.length - 1; at >= 0; at--) {
          this.removeListener(name, listeners[at]);
        }
        return this;
      }
      // Those who want to hear of it go last.
      for (const one of ownKeys(this._events)) {
        if (one !== "removeListener") {
          this.removeAllListeners(one);
        }
      }
      this.removeAllListeners("removeListener");
      forgetAll(this);
      return this;
    },
    listeners: function listeners(name) {
      return listOf(kept(this, name)).map(original);
    },
    rawListeners: function rawListeners(name) {
      return listOf(kept(this, name)).slice();
    },
    listenerCount: function listenerCount(name, listener) {
      const listeners = listOf(kept(this, name));
      const counts = (one) => one === listener || one.listener === listener;
      return listener === null || listener === undefined ? listeners.length : listeners.filter(counts).length;
    },
    eventNames: function eventNames() {
      return this._eventsCount > 0 ? ownKeys(this._events) : [];
    },
  };
  methods.on = methods.addListener;
  methods.off = methods.removeListener;
  Object.assign(EventEmitter.prototype, methods);
  defineProperty(EventEmitter.prototype, CAPTURES, { __proto__: null, value: false, writable: true });

  // Listens to an emitter or an event target, and returns what ends that.
  function listen(emitter, name, listener, options) {
    if (typeof emitter.removeListener === "function") {
      emitter[options?.once ? "once" : "on"](name, listener);
      return () => emitter.removeListener(name, listener);
    }
    if (typeof emitter.addEventListener !== "function") {
      throw invalidArgType("emitter", "EventEmitter", emitter);
    }
    emitter.addEventListener(name, listener, options);
    return () => emitter.removeEventListener(name, listener, options);
  }

  function checkSignal(options) {
    const signal = options?.signal;
    validateAbortSignal(signal, "options.signal");
    return signal;
  }

  const aborted = (signal) => new AbortError(undefined, { cause: signal?.reason });

  async function once(emitter, name, options = {}) {
    const signal = checkSignal(options);
    if (signal?.aborted) {
      throw aborted(signal);
    }
    return new Promise((resolve, reject) => {
      const ends = [];
      const settle = (how) => (value) => {
        ends.forEach((end) => end());
        how(value);
      };
      ends.push(listen(emitter, name, (...args) => settle(resolve)(args), { once: true }));
      if (name !== "error" && typeof emitter.once === "function") {
        ends.push(listen(emitter, "error", settle(reject), { once: true }));
      }
      if (signal) {
        ends.push(listen(signal, "abort", () => settle(reject)(aborted(signal)), { once: true }));
      }
    });
  }

  function on(emitter, event, options = {}) {
    const signal = checkSignal(options);
    if (signal?.aborted) {
      throw aborted(signal);
    }
    const high = options.highWaterMark ?? options.highWatermark ?? Number.MAX_SAFE_INTEGER;
    const low = options.lowWaterMark ?? options.lowWatermark ?? 1;
    validateInteger(high, "options.highWaterMark", 1);
    validateInteger(low, "options.lowWaterMark", 1);
    const waiting = [];
    const events = [];
    const ends = [];
    let read = 0;
    let failure;
    let finished = false;
    let paused = false;

    const size = () => events.length - read;
    const step = (value) => ({ value, done: value === undefined });

    function push(args) {
      if (waiting.length > 0) {
        waiting.shift().resolve(step(args));
        return;
      }
      events.push(args);
      if (!paused && size() > high) {
        paused = true;
        emitter.pause();
      }
    }

    function take() {
      const args = events[read++];
      if (read === events.length) {
        events.length = read = 0;
      }
      if (paused && size() < low) {
        emitter.resume();
        paused = false;
      }
      return args;
    }

    function errorHandler(error) {
      if (waiting.length > 0) {
        waiting.shift().reject(error);
      } else {
        failure = { error };
      }
      close();
    }

    function close() {
      ends.splice(0).forEach((end) => end());
      finished = true;
      waiting.splice(0).forEach(({ resolve }) => resolve(step()));
      return Promise.resolve(step());
    }

    const iterator = Object.setPrototypeOf(
      {
        next() {
          if (size() > 0) {
            return Promise.resolve(step(take()));
          }
          if (failure !== undefined) {
            const { error } = failure;
            failure = undefined;
            return Promise.reject(error);
          }
          return finished ? close() : new Promise((resolve, reject) => waiting.push({ resolve, reject }));
        },
        return() {
          return close();
        },
        throw(error) {
          if (!(error instanceof Error)) {
            throw invalidArgType("EventEmitter.AsyncIterator", "Error", error);
          }
          errorHandler(error);
        },
        [Symbol.asyncIterator]() {
          return this;
        },
        [WATERMARKS]: {
          get size() {
            return size();
          },
          get low() {
            return low;
          },
          get high() {
            return high;
          },
          get isPaused() {
            return paused;
          },
        },
      },
      getPrototypeOf(getPrototypeOf(async function* () {}).prototype),
    );
    ends.push(listen(emitter, event, (...args) => push(args)));
    if (event !== "error" && typeof emitter.on === "function") {
      ends.push(listen(emitter, "error", errorHandler));
    }
    for (const name of options.close ?? []) {
      ends.push(listen(emitter, name, close));
    }
    if (signal) {
      ends.push(listen(signal, "abort", () => errorHandler(aborted(signal)), { once: true }));
    }
    return iterator;
  }

  function addAbortListener(signal, listener) {
    if (signal === undefined) {
      throw invalidArgType("signal", "AbortSignal", signal);
    }
    validateAbortSignal(signal, "signal");
    validateFunction(listener, "listener");
    let end;
    if (signal.aborted) {
      require("microtasks").queueMicrotask(() => listener());
    } else {
      signal.addEventListener("abort", listener, { once: true });
      end = () => signal.removeEventListener("abort", listener);
    }
    const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");
    return { __proto__: null, [dispose]: { [dispose]: () => end?.() }[dispose] };
  }

  function needEither(value) {
    if (!isEventTarget(value)) {
      throw invalidArgType("emitter", ["EventEmitter", "EventTarget"], value);
    }
  }

  function getEventListeners(emitter, name) {
    if (typeof emitter?.listeners === "function") {
      return emitter.listeners(name);
    }
    needEither(emitter);
    return targets().listenersOf(emitter, name);
  }

  function getMaxListeners(emitter) {
    if (typeof emitter?.getMaxListeners === "function") {
      return emitter._maxListeners ?? maxListeners;
    }
    needEither(emitter);
    return targets().limitOf(emitter) ?? maxListeners;
  }

  const statics = {
    addAbortListener,
    once,
    on,
    getEventListeners,
    getMaxListeners,
    EventEmitter,
    usingDomains: false,
    captureRejectionSymbol: REJECTION,
  };
  const defineAccessor = (name, get, set) =>
    defineProperty(EventEmitter, name, { __proto__: null, get, set, enumerable: true });
  Object.assign(EventEmitter, statics);
  defineAccessor(
    "captureRejections",
    () => EventEmitter.prototype[CAPTURES],
    (value) => {
      validateBoolean(value, "EventEmitter.captureRejections");
      EventEmitter.prototype[CAPTURES] = value;
    },
  );
  defineAccessor("EventEmitterAsyncResource", () => {
    throw host.notSupported("EventEmitterAsyncResource");
  });
  EventEmitter.errorMonitor = ERROR_MONITOR;
  defineAccessor(
    "defaultMaxListeners",
    () => maxListeners,
    (count) => {
      checkCount(count, "defaultMaxListeners");
      maxListeners = count;
    },
  );
  EventEmitter.setMaxListeners = function (count = maxListeners, ...emitters) {
    checkCount(count, "setMaxListeners");
    if (emitters.length === 0) {
      maxListeners = count;
    }
    for (const emitter of emitters) {
      if (isEventTarget(emitter)) {
        targets().limit(emitter, count);
      } else if (typeof emitter?.setMaxListeners === "function") {
        emitter.setMaxListeners(count);
      } else {
        throw invalidArgType("eventTargets", ["EventEmitter", "EventTarget"], emitter);
      }
    }
  };
  EventEmitter.init = init;
  EventEmitter.listenerCount = function (emitter, name) {
    return typeof emitter.listenerCount === "function"
      ? emitter.listenerCount(name)
      : methods.listenerCount.call(emitter, name);
  };
  return EventEmitter;
}
