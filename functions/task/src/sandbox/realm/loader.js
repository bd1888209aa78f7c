// Loads the modules of the realm when they are first needed, with the intrinsics that no script has replaced.

// A script may have replaced what would derive one name from the other.
const METHODS_OF_MAP = {
  __proto__: null,
  get: "MapPrototypeGet",
  set: "MapPrototypeSet",
  has: "MapPrototypeHas",
  delete: "MapPrototypeDelete",
  clear: "MapPrototypeClear",
  forEach: "MapPrototypeForEach",
  entries: "MapPrototypeEntries",
  keys: "MapPrototypeKeys",
  values: "MapPrototypeValues",
};

// Those that need no more of the host than `fetch` does.
const LEAN = {
  __proto__: null, body: 1, calls: 1, exchange: 1, fetch: 1, header_list: 1, headers: 1, request: 1, request_init: 1,
  response: 1, web_classes: 1,
};

export function makeLoader(host, intrinsics, timers, equip) {
  let made;
  let equipped = false;

  function primordials() {
    needAll();
    return (made ??= makePrimordials(intrinsics));
  }

  function needAll() {
    if (!equipped) {
      equipped = true;
      equip();
    }
  }

  const loaded = { __proto__: null };
  const makers = {
    __proto__: null,
    bytes: () => host.load("bytes").makeBytes(primordials(), host),
    reflection: () => host.load("types").makeReflection(host, intrinsics),
    structured_clone: () => host.load("structured_clone").makeStructuredClone(primordials(), require, host),
    timers: () => timers,
  };

  function require(name) {
    // What two modules need of each other they ask for when they are called, so that neither sees the other unmade.
    if (loaded[name] === undefined) {
      if (LEAN[name] === undefined) {
        needAll();
      }
      const make = makers[name] ?? (() => host.load(name).make(host, intrinsics, require));
      loaded[name] = make();
    }
    return loaded[name];
  }

  return { require, primordials };
}

// The captured functions under the names of their classes, with the object as the first argument.
function makePrimordials({ methods, uncurryThis, values }) {
  const primordials = { __proto__: null, ...values };
  for (const name in methods) {
    primordials[name] = uncurryThis(methods[name]);
  }
  primordials.SafeMap = makeSafeMap(methods, values);
  return primordials;
}

// A map whose methods are its own, so that a script cannot replace them.
function makeSafeMap(methods, { Map, ObjectDefineProperty, ObjectSetPrototypeOf, SymbolIterator }) {
  class SafeMap extends Map {}
  for (const name in METHODS_OF_MAP) {
    const value = methods[METHODS_OF_MAP[name]];
    ObjectDefineProperty(SafeMap.prototype, name, { __proto__: null, value, configurable: true });
  }
  ObjectDefineProperty(SafeMap.prototype, "size", { __proto__: null, get: methods.MapPrototypeGetSize });
  ObjectDefineProperty(SafeMap.prototype, SymbolIterator, { __proto__: null, value: methods.MapPrototypeEntries });
  ObjectSetPrototypeOf(SafeMap.prototype, null);
  return SafeMap;
}
