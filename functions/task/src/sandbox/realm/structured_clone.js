// structuredClone, as HTML and V8 define it.

const ERROR_NAMES = ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];

export function makeStructuredClone(primordials, require, host) {
  const {
    Array,
    ArrayBufferIsView,
    ArrayBufferPrototypeSlice,
    ArrayIsArray,
    ArrayPrototypeIncludes,
    ArrayPrototypePush,
    DataView,
    DataViewPrototypeGetBuffer,
    DataViewPrototypeGetByteLength,
    DataViewPrototypeGetByteOffset,
    Date,
    DatePrototypeGetTime,
    FunctionPrototypeToString,
    Map,
    MapPrototypeForEach,
    MapPrototypeSet,
    Object,
    ObjectDefineProperty,
    ObjectGetOwnPropertyDescriptor,
    ObjectKeys,
    ObjectPrototypeHasOwnProperty,
    ObjectPrototypeToString,
    RegExp,
    RegExpPrototypeGetFlags,
    RegExpPrototypeGetSource,
    SafeMap,
    Set,
    SetPrototypeAdd,
    SetPrototypeForEach,
    String,
    TypedArrayPrototypeGetBuffer,
    TypedArrayPrototypeGetByteOffset,
    TypedArrayPrototypeGetLength,
    TypedArrayPrototypeGetSymbolToStringTag,
  } = primordials;
  const types = require("types");
  const { getConstructorName } = require("reflection");

  function refuse(value) {
    let shown = "#<Object>";
    if (typeof value === "function") {
      shown = FunctionPrototypeToString(value);
    } else if (typeof value === "symbol") {
      shown = String(value);
    } else if (types.isSymbolObject(value) || types.isGeneratorObject(value)) {
      shown = ObjectPrototypeToString(value);
    } else if (!types.isProxy(value) && !types.isArgumentsObject(value)) {
      shown = `#<${getConstructorName(value)}>`;
    }
    const { DOMException } = require("dom_exception");
    throw new DOMException(`${shown} could not be cloned.`, "DataCloneError");
  }

  return function structuredClone(value, options = undefined) {
    if (arguments.length === 0) {
      const error = new primordials.TypeError("The value argument must be specified");
      error.code = "ERR_MISSING_ARGS";
      throw error;
    }
    if (options?.transfer !== undefined && options.transfer.length > 0) {
      throw host.notSupported("transferring in structuredClone");
    }
    const clones = new SafeMap();
    // What is still to be filled; a deep value must not need a deep stack.
    const pending = [];

    function clone(original) {
      if (typeof original === "function" || typeof original === "symbol") {
        refuse(original);
      }
      if (typeof original !== "object" || original === null) {
        return original;
      }
      const known = clones.get(original);
      if (known !== undefined) {
        return known;
      }
      const made = begin(original);
      clones.set(original, made);
      return made;
    }

    function begin(original) {
      if (types.isProxy(original)) {
        refuse(original);
      }
      if (ArrayIsArray(original)) {
        return later(original, new Array(original.length), fill);
      }
      if (types.isDate(original)) {
        return new Date(DatePrototypeGetTime(original));
      }
      if (types.isRegExp(original)) {
        return new RegExp(RegExpPrototypeGetSource(original), RegExpPrototypeGetFlags(original));
      }
      if (types.isMap(original)) {
        return later(original, new Map(), fillMap);
      }
      if (types.isSet(original)) {
        return later(original, new Set(), fillSet);
      }
      if (types.isArrayBuffer(original)) {
        return ArrayBufferPrototypeSlice(original, 0);
      }
      if (ArrayBufferIsView(original)) {
        return cloneView(original);
      }
      if (types.isNativeError(original)) {
        return cloneError(original);
      }
      if (types.isSymbolObject(original)) {
        refuse(original);
      }
      if (types.isBoxedPrimitive(original)) {
        return Object(original.valueOf());
      }
      if (isUnclonable(original)) {
        refuse(original);
      }
      // Nothing of a key can change.
      if (ObjectPrototypeToString(original) === "[object CryptoKey]" && types.isCryptoKey(original)) {
        return original;
      }
      return later(original, {}, fill);
    }

    function isUnclonable(original) {
      return (
        types.isPromise(original) ||
        types.isWeakMap(original) ||
        types.isWeakSet(original) ||
        types.isGeneratorObject(original) ||
        types.isMapIterator(original) ||
        types.isSetIterator(original) ||
        types.isArgumentsObject(original) ||
        ArrayPrototypeIncludes(["[object WeakRef]", "[object FinalizationRegistry]"], ObjectPrototypeToString(original))
      );
    }

    function later(original, made, fillWith) {
      ArrayPrototypePush(pending, { original, made, fillWith });
      return made;
    }

    function put(made, key, value) {
      ObjectDefineProperty(made, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
    }

    function fill(original, made) {
      const keys = ObjectKeys(original);
      for (let at = 0; at < keys.length; at++) {
        if (ObjectPrototypeHasOwnProperty(original, keys[at])) {
          put(made, keys[at], clone(original[keys[at]]));
        }
      }
    }

    function fillMap(original, made) {
      MapPrototypeForEach(original, (value, key) => MapPrototypeSet(made, clone(key), clone(value)));
    }

    function fillSet(original, made) {
      SetPrototypeForEach(original, (value) => SetPrototypeAdd(made, clone(value)));
    }

    function cloneView(original) {
      const name = TypedArrayPrototypeGetSymbolToStringTag(original);
      if (name === undefined) {
        const buffer = clone(DataViewPrototypeGetBuffer(original));
        const length = DataViewPrototypeGetByteLength(original);
        return new DataView(buffer, DataViewPrototypeGetByteOffset(original), length);
      }
      const buffer = clone(TypedArrayPrototypeGetBuffer(original));
      const View = primordials[name];
      return new View(buffer, TypedArrayPrototypeGetByteOffset(original), TypedArrayPrototypeGetLength(original));
    }

    function cloneError(original) {
      const name = `${original.name}`;
      const Class = primordials[ArrayPrototypeIncludes(ERROR_NAMES, name) ? name : "Error"];
      const made = new Class();
      const hide = (key, value) =>
        ObjectDefineProperty(made, key, { __proto__: null, value, writable: true, configurable: true });
      const message = ObjectGetOwnPropertyDescriptor(original, "message");
      if (message !== undefined && "value" in message) {
        hide("message", `${message.value}`);
      } else {
        delete made.message;
      }
      if (typeof original.stack === "string") {
        hide("stack", original.stack);
      }
      if (ObjectPrototypeHasOwnProperty(original, "cause")) {
        hide("cause", clone(original.cause));
      }
      return made;
    }

    const result = clone(value);
    for (let at = 0; at < pending.length; at++) {
      const { original, made, fillWith } = pending[at];
      fillWith(original, made);
    }
    return result;
  };
}
