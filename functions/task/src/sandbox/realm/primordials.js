// The intrinsics for modules that know them by the names of their classes and methods.

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

// The captured functions under the names of their classes, with the object as the first argument.
export function makePrimordials({ methods, uncurryThis, values }) {
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
