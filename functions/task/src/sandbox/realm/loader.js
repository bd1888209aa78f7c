// Loads the parts of Node.js that scripts use: `require` for its own sources, and what these expect to be around them.


// Where the sources are that other names are known under.
const SOURCES = {
  __proto__: null,
  "events": "events",
  "internal/abort_controller": "abort_controller",
  "internal/cli_table": "cli_table",
  "internal/errors": "errors",
  "internal/event_target": "event_target",
  "internal/events/abort_listener": "abort_listener",
  "internal/fixed_queue": "fixed_queue",
  "internal/querystring": "internal_querystring",
  "internal/url": "internal_url",
  "internal/util": "internal_util",
  "internal/util/comparisons": "comparisons",
  "internal/util/inspect": "inspect",
  "internal/util/types": "types",
  "internal/validators": "validators",
  "internal/webidl": "webidl",
  "querystring": "querystring",
  "url": "url",
  "util": "util",
};

// Our own modules that other names are known under.
const OWN = {
  __proto__: null,
  "buffer": "buffer",
  "errors": "errors",
  "internal/encoding": "encoding",
  "internal/per_context/domexception": "dom_exception",
};

// The methods that the safe classes have of their own: `name, method`.
const SAFE = {
  __proto__: null,
  Map: [
    "get", "MapPrototypeGet",
    "set", "MapPrototypeSet",
    "has", "MapPrototypeHas",
    "delete", "MapPrototypeDelete",
    "clear", "MapPrototypeClear",
    "forEach", "MapPrototypeForEach",
    "entries", "MapPrototypeEntries",
    "keys", "MapPrototypeKeys",
    "values", "MapPrototypeValues",
  ],
  Set: [
    "add", "SetPrototypeAdd",
    "has", "SetPrototypeHas",
    "delete", "SetPrototypeDelete",
    "clear", "SetPrototypeClear",
    "forEach", "SetPrototypeForEach",
    "entries", "SetPrototypeEntries",
    "keys", "SetPrototypeKeys",
    "values", "SetPrototypeValues",
  ],
  WeakMap: [
    "get", "WeakMapPrototypeGet",
    "set", "WeakMapPrototypeSet",
    "has", "WeakMapPrototypeHas",
    "delete", "WeakMapPrototypeDelete",
  ],
  WeakSet: [
    "add", "WeakSetPrototypeAdd",
    "has", "WeakSetPrototypeHas",
    "delete", "WeakSetPrototypeDelete",
  ],
  WeakRef: [
    "deref", "WeakRefPrototypeDeref",
  ],
  FinalizationRegistry: [
    "register", "FinalizationRegistryPrototypeRegister",
    "unregister", "FinalizationRegistryPrototypeUnregister",
  ],
};

export function makeLoader(host, intrinsics, timers) {
  const primordials = makePrimordials(intrinsics);
  const { Symbol } = primordials;
  const loaded = { __proto__: null };
  const bindings = { __proto__: null };

  const process = {
    platform: "linux",
    versions: {},
    emitWarning: () => {},
    nextTick: host.nextTick,
    cwd: () => "/",
  };

  // What is said in the words of Node.js and made here.
  const own = {
    __proto__: null,
    "internal/assert": () => assert,
    "internal/bootstrap/realm": () => ({ BuiltinModule: { exists: () => false } }),
    "internal/constants": () => host.load("constants").constants,
    "internal/events/symbols": () => ({ kFirstEventParam: Symbol("kFirstEventParam") }),
    "internal/options": () => ({ getOptionValue: () => false }),
    "internal/perf/utils": () => ({ now: () => host.now() }),
    "internal/process/task_queues": () => ({ queueMicrotask: host.queueMicrotask }),
    "internal/worker/js_transferable": () => ({ makeTransferable: (value) => value }),
    "internal_bytes": () => internalBinding("buffer"),
    "internal_reflection": () => internalBinding("util"),
    "path": () => host.load("paths").makePath(primordials),
    "structured_clone": () => host.load("structured_clone").makeStructuredClone(primordials, require, host),
    "timers": () => timers,
  };

  const sourceOfBinding = {
    __proto__: null,
    buffer: () => host.load("bytes").makeBytes(primordials, host),
    errors: () => ({ isNodeError: host.isNodeError }),
    config: () => ({ hasIntl: true }),
    encoding_binding: () => ({ toASCII: host.domainToAscii }),
    realm: () => host.load("constants"),
    symbols: () => ({
      messaging_deserialize_symbol: Symbol("deserialize"),
      messaging_transfer_symbol: Symbol("transfer"),
      messaging_transfer_list_symbol: Symbol("transferList"),
    }),
    types: () => host.load("types").makeTypes(primordials, host),
    url: () => host.load("urls").makeUrls(primordials, host, require),
    util: () => host.load("types").makeReflection(primordials, host),
  };

  function internalBinding(name) {
    return (bindings[name] ??= sourceOfBinding[name]());
  }

  function require(name) {
    const known = loaded[name];
    if (known !== undefined) {
      return known.exports;
    }
    const module = { exports: {} };
    loaded[name] = module;
    if (own[name] !== undefined) {
      module.exports = own[name]();
    } else if (OWN[name] !== undefined) {
      module.exports = host.load(OWN[name]).make(host, intrinsics, require);
    } else {
      const source = host.load(`node/${SOURCES[name]}`).default;
      source(module.exports, require, module, process, internalBinding, primordials);
    }
    return module.exports;
  }

  function assert(value, message) {
    if (!value) {
      throw new primordials.Error(message ?? "an assertion of the sandbox failed");
    }
  }

  return { require, primordials };
}

function makePrimordials({ methods, uncurryThis, values }) {
  const primordials = { __proto__: null, ...values, uncurryThis, globalThis };
  for (const name in methods) {
    primordials[name] = uncurryThis(methods[name]);
  }
  const { ReflectApply, ArrayPrototypeSymbolIterator, ArrayIteratorPrototypeNext } = primordials;
  primordials.ArrayPrototypePushApply = (array, items) => ReflectApply(methods.ArrayPrototypePush, array, items);
  primordials.MathMaxApply = (items) => ReflectApply(values.MathMax, null, items);
  primordials.SafeArrayIterator = safeIterator(values, ArrayPrototypeSymbolIterator, ArrayIteratorPrototypeNext);
  const { StringPrototypeSymbolIterator, StringIteratorPrototypeNext } = primordials;
  primordials.SafeStringIterator = safeIterator(values, StringPrototypeSymbolIterator, StringIteratorPrototypeNext);
  for (const name in SAFE) {
    primordials[`Safe${name}`] = safeClass(name, methods, primordials);
  }
  return primordials;
}

function safeIterator(values, iterate, next) {
  class SafeIterator {
    constructor(iterable) {
      this._iterator = iterate(iterable);
    }

    next() {
      return next(this._iterator);
    }

    [values.SymbolIterator]() {
      return this;
    }
  }
  values.ObjectSetPrototypeOf(SafeIterator.prototype, null);
  return SafeIterator;
}

// A class whose methods are its own, so that a script cannot replace them.
function safeClass(name, methods, primordials) {
  const { ObjectDefineProperty } = primordials;
  const Unsafe = primordials[name];
  // A list is taken over without its iterator, which a script may have replaced.
  const iterable = name === "Map" || name === "Set";
  const add = primordials[name === "Map" ? "MapPrototypeSet" : "SetPrototypeAdd"];
  class Safe extends Unsafe {
    constructor(init) {
      super(iterable ? undefined : init);
      for (let at = 0; iterable && init !== undefined && at < init.length; at++) {
        if (name === "Map") {
          add(this, init[at][0], init[at][1]);
        } else {
          add(this, init[at]);
        }
      }
    }
  }
  const own = SAFE[name];
  for (let at = 0; at < own.length; at += 2) {
    const value = methods[own[at + 1]];
    ObjectDefineProperty(Safe.prototype, own[at], { __proto__: null, value, configurable: true });
  }
  if (iterable) {
    const get = methods[`${name}PrototypeGetSize`];
    ObjectDefineProperty(Safe.prototype, "size", { __proto__: null, get, configurable: true });
    const iterate = methods[name === "Map" ? "MapPrototypeEntries" : "SetPrototypeValues"];
    ObjectDefineProperty(Safe.prototype, primordials.SymbolIterator, { __proto__: null, value: iterate });
  }
  primordials.ObjectSetPrototypeOf(Safe.prototype, null);
  return Safe;
}
