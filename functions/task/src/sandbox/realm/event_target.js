// Event, CustomEvent and EventTarget, as DOM defines them and Node.js prints them.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

export function make(host, { values }, require) {
  const { ObjectDefineProperty, ObjectGetOwnPropertyDescriptor, ReflectApply } = values;
  const { invalidArgType, invalidArgValue, invalidThis, missingArgs, nodeError, validateAbortSignal, validateObject } =
    require("errors");

  const { publish, show } = require("web_classes");
  const PHASES = { __proto__: null, NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 };
  let stateOf;

  class Event {
    #state;

    static {
      stateOf = (value) => (typeof value === "object" && value !== null && #state in value ? value.#state : undefined);
    }

    constructor(type, options = undefined) {
      if (arguments.length === 0) {
        throw missingArgs("type");
      }
      if (options !== undefined) {
        validateObject(options, "options", { allowArray: true, allowFunction: true, nullable: true });
      }
      this.#state = {
        type: `${type}`,
        bubbles: Boolean(options?.bubbles),
        cancelable: Boolean(options?.cancelable),
        composed: Boolean(options?.composed),
        prevented: false,
        stopped: false,
        stoppedAtOnce: false,
        dispatching: false,
        trusted: false,
        target: null,
        timeStamp: host.now(),
      };
    }

    static #of(event) {
      const state = stateOf(event);
      if (state === undefined) {
        throw invalidThis("Event");
      }
      return state;
    }

    initEvent(type, bubbles = false, cancelable = false) {
      const state = Event.#of(this);
      if (arguments.length === 0) {
        throw missingArgs("type");
      }
      if (!state.dispatching) {
        Object.assign(state, { type: `${type}`, bubbles: Boolean(bubbles), cancelable: Boolean(cancelable) });
      }
    }

    stopImmediatePropagation() {
      Object.assign(Event.#of(this), { stopped: true, stoppedAtOnce: true });
    }

    preventDefault() {
      Event.#of(this).prevented = true;
    }

    get target() {
      return Event.#of(this).target;
    }

    get currentTarget() {
      const { dispatching, target } = Event.#of(this);
      return dispatching ? target : null;
    }

    get srcElement() {
      return Event.#of(this).target;
    }

    get type() {
      return Event.#of(this).type;
    }

    get cancelable() {
      return Event.#of(this).cancelable;
    }

    get defaultPrevented() {
      const { cancelable, prevented } = Event.#of(this);
      return cancelable && prevented;
    }

    get timeStamp() {
      return Event.#of(this).timeStamp;
    }

    composedPath() {
      const { dispatching, target } = Event.#of(this);
      return dispatching ? [target] : [];
    }

    get returnValue() {
      const { cancelable, prevented } = Event.#of(this);
      return !(cancelable && prevented);
    }

    get bubbles() {
      return Event.#of(this).bubbles;
    }

    get composed() {
      return Event.#of(this).composed;
    }

    get eventPhase() {
      return Event.#of(this).dispatching ? PHASES.AT_TARGET : PHASES.NONE;
    }

    get cancelBubble() {
      return Event.#of(this).stopped;
    }

    set cancelBubble(value) {
      if (value) {
        Event.#of(this).stopped = true;
      }
    }

    stopPropagation() {
      Event.#of(this).stopped = true;
    }

    get isTrusted() {
      return Event.#of(this).trusted;
    }

    [CUSTOM_INSPECT](depth, options) {
      const { type, defaultPrevented, cancelable, timeStamp } = this;
      return show(this, depth, options, { type, defaultPrevented, cancelable, timeStamp });
    }
  }
  publish(Event, ["initEvent", "stopImmediatePropagation", "preventDefault", "target", "currentTarget", "srcElement"]);
  publish(Event, ["type", "cancelable", "defaultPrevented", "timeStamp", "composedPath", "returnValue", "bubbles"]);
  publish(Event, ["composed", "eventPhase", "cancelBubble", "stopPropagation", "isTrusted"]);
  ObjectDefineProperty(Event.prototype, "isTrusted", { __proto__: null, configurable: false });
  for (const name in PHASES) {
    ObjectDefineProperty(Event, name, { __proto__: null, value: PHASES[name], enumerable: true });
  }

  class CustomEvent extends Event {
    #detail;

    constructor(type, options = undefined) {
      if (arguments.length === 0) {
        throw missingArgs("type");
      }
      super(type, options);
      this.#detail = options?.detail ?? null;
    }

    get detail() {
      if (!(#detail in this)) {
        throw invalidThis("CustomEvent");
      }
      return this.#detail;
    }
  }
  publish(CustomEvent, ["detail"]);

  // A listener is nothing, a function or an object; the rest is a mistake.
  function isListener(listener) {
    if (listener === null || listener === undefined) {
      return false;
    }
    if (typeof listener !== "function" && typeof listener !== "object") {
      throw invalidArgType("listener", "EventListener", listener);
    }
    return true;
  }

  function typeName(type) {
    if (typeof type === "symbol") {
      throw invalidArgValue("value", type);
    }
    return `${type}`;
  }

  let internalsOf;

  class EventTarget {
    #internals = { listeners: new Map(), handlers: new Map(), limit: undefined };

    static {
      internalsOf = (value) =>
        (typeof value === "object" || typeof value === "function") && value !== null && #internals in value
          ? value.#internals
          : undefined;
    }

    addEventListener(type, listener, options = undefined) {
      const { listeners } = need(this);
      if (arguments.length < 2) {
        throw missingArgs("type", "listener");
      }
      const { once, capture, signal } = addOptions(options);
      if (!isListener(listener)) {
        return;
      }
      const name = typeName(type);
      if (signal?.aborted) {
        return;
      }
      let list = listeners.get(name);
      if (list === undefined) {
        listeners.set(name, (list = { next: undefined }));
      }
      const last = before(list, (entry) => entry.listener === listener && entry.capture === capture);
      if (last.next !== undefined) {
        return;
      }
      const entry = { listener, once, capture: Boolean(capture), removed: false, next: undefined };
      last.next = entry;
      if (signal) {
        signal.addEventListener("abort", () => remove(list, entry), { once: true });
      }
    }

    removeEventListener(type, listener, options = undefined) {
      const { listeners } = need(this);
      if (arguments.length < 2) {
        throw missingArgs("type", "listener");
      }
      if (!isListener(listener)) {
        return;
      }
      const list = listeners.get(typeName(type));
      // A mere `true` means nothing here.
      const capture = options?.capture === true;
      if (list !== undefined) {
        const matches = (entry) => entry.listener === listener && entry.capture === capture;
        remove(list, before(list, matches).next);
      }
    }

    dispatchEvent(event) {
      need(this);
      if (arguments.length === 0) {
        throw missingArgs("event");
      }
      const state = stateOf(event);
      if (state === undefined) {
        throw invalidArgType("event", "Event", event);
      }
      if (state.dispatching) {
        throw nodeError(Error, "ERR_EVENT_RECURSION", `The event "${state.type}" is already being dispatched`);
      }
      dispatch(this, event, state);
      return !(state.cancelable && state.prevented);
    }

    [CUSTOM_INSPECT](depth, options) {
      return show(this, depth, options, {});
    }
  }
  publish(EventTarget, ["addEventListener", "removeEventListener", "dispatchEvent"]);

  function need(target) {
    const internals = internalsOf(target);
    if (internals === undefined) {
      throw invalidThis("EventTarget");
    }
    return internals;
  }

  // What stands before the first entry of its kind in the list, or last.
  function before(list, matches) {
    let entry = list;
    while (entry.next !== undefined && !matches(entry.next)) {
      entry = entry.next;
    }
    return entry;
  }

  // The entry still knows the next one, for who is at it.
  function remove(list, entry) {
    if (entry !== undefined && !entry.removed) {
      before(list, (one) => one === entry).next = entry.next;
      entry.removed = true;
    }
  }

  function addOptions(options) {
    if (typeof options === "boolean") {
      return { once: false, capture: options, signal: undefined };
    }
    if (options === undefined || options === null) {
      // With `null`, Node.js adds a listener again.
      return { once: false, capture: options === null ? undefined : false, signal: undefined };
    }
    validateObject(options, "options", { allowArray: true, allowFunction: true });
    const { signal } = options;
    validateAbortSignal(signal, "options.signal");
    return { once: Boolean(options.once), capture: Boolean(options.capture), signal };
  }

  // As in Node.js, the next one is known before one is called, and only the first one sees itself dispatched to.
  function dispatch(target, event, state) {
    state.target = target;
    state.dispatching = true;
    const list = internalsOf(target).listeners.get(state.type);
    let next;
    for (let entry = list?.next; entry !== undefined && !state.stoppedAtOnce; entry = next) {
      next = entry.next;
      if (entry.removed) {
        continue;
      }
      if (entry.once) {
        remove(list, entry);
      }
      call(target, event, entry.listener);
      state.dispatching = false;
    }
    state.dispatching = false;
  }

  // What a listener throws fails the script, and does not keep the others from being called.
  function call(target, event, listener) {
    const fail = (error) =>
      require("microtasks").nextTick(() => {
        throw error;
      });
    try {
      let result;
      if (typeof listener === "function") {
        result = ReflectApply(listener, target, [event]);
      } else if (listener.handleEvent) {
        result = listener.handleEvent(event);
      }
      if (result !== null && typeof result === "object" && typeof result.then === "function") {
        result.then(undefined, fail);
      }
    } catch (error) {
      fail(error);
    }
  }

  // Makes `on…` of a class hold one listener.
  function defineHandler(Class, name) {
    const define = {
      get [`on${name}`]() {
        return need(this).handlers.get(name)?.handler ?? null;
      },
      set [`on${name}`](value) {
        const { handlers } = need(this);
        const known = handlers.get(name);
        if (known !== undefined) {
          known.handler = value;
          return;
        }
        const slot = { handler: value };
        handlers.set(name, slot);
        this.addEventListener(name, function (...args) {
          if (typeof slot.handler === "function") {
            return ReflectApply(slot.handler, this, args);
          }
        });
      },
    };
    ObjectDefineProperty(Class.prototype, `on${name}`, ObjectGetOwnPropertyDescriptor(define, `on${name}`));
  }

  // Dispatches an event of the sandbox itself.
  function fire(target, type) {
    const event = new Event(type);
    const state = stateOf(event);
    state.trusted = true;
    dispatch(target, event, state);
  }

  function listenersOf(target, type) {
    const found = [];
    for (let entry = need(target).listeners.get(type)?.next; entry !== undefined; entry = entry.next) {
      found.push(entry.listener);
    }
    return found;
  }

  return {
    CustomEvent,
    Event,
    EventTarget,
    defineHandler,
    fire,
    isEventTarget: (value) => internalsOf(value) !== undefined,
    limit: (target, count) => void (need(target).limit = count),
    limitOf: (target) => need(target).limit,
    listenersOf,
  };
}
