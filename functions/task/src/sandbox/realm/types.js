// What kinds of values there are: the checks of the module "util", and what only the host sees.

const TYPED = [
  "Uint8Array", "Uint8ClampedArray", "Uint16Array", "Uint32Array", "Int8Array", "Int16Array", "Int32Array", "Float32Array",
  "Float64Array", "BigInt64Array", "BigUint64Array",
];

export function make(host, { uncurryThis, values, methods }, require) {
  const { ArrayBufferIsView, ErrorIsError, ObjectDefineProperty, ObjectGetPrototypeOf } = values;
  const toString = uncurryThis(methods.ObjectPrototypeToString);
  const tagOfTyped = uncurryThis(methods.TypedArrayPrototypeGetSymbolToStringTag);
  const probe = {};

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // A method of a class works on its own objects only.
  function accepts(name, argument) {
    const method = uncurryThis(methods[name]);
    return (value) => {
      if (!isObject(value)) {
        return false;
      }
      try {
        return method(value, argument) !== undefined;
      } catch {
        return false;
      }
    };
  }
  const madeBy = (first, second) => (value) => {
    const prototype = typeof value === "function" && !host.isProxy(value) && ObjectGetPrototypeOf(value);
    return prototype === first || prototype === second;
  };
  const iterates = (prototype) => (value) =>
    isObject(value) && !host.isProxy(value) && ObjectGetPrototypeOf(value) === prototype;
  const tagged = (tag) => (value) => isObject(value) && !host.isProxy(value) && toString(value) === tag;

  const isArrayBuffer = accepts("ArrayBufferPrototypeGetByteLength");
  const isModule = tagged("[object Module]");
  const boxes = {
    __proto__: null,
    isBigIntObject: accepts("BigIntPrototypeValueOf"),
    isBooleanObject: accepts("BooleanPrototypeValueOf"),
    isNumberObject: accepts("NumberPrototypeValueOf"),
    isStringObject: accepts("StringPrototypeValueOf"),
    isSymbolObject: accepts("SymbolPrototypeValueOf"),
  };
  const types = {
    isExternal: () => false,
    isDate: accepts("DatePrototypeGetTime"),
    isArgumentsObject: tagged("[object Arguments]"),
    ...boxes,
    isNativeError: (value) => ErrorIsError(value),
    isRegExp: accepts("RegExpPrototypeGetGlobal"),
    isAsyncFunction: madeBy(values.AsyncFunctionPrototype, values.AsyncGeneratorFunctionPrototype),
    isGeneratorFunction: madeBy(values.GeneratorFunctionPrototype, values.AsyncGeneratorFunctionPrototype),
    isGeneratorObject: tagged("[object Generator]"),
    isPromise: (value) => host.promiseState(value) !== undefined,
    isMap: accepts("MapPrototypeGetSize"),
    isSet: accepts("SetPrototypeGetSize"),
    isMapIterator: iterates(values.MapIteratorPrototype),
    isSetIterator: iterates(values.SetIteratorPrototype),
    isWeakMap: accepts("WeakMapPrototypeHas", probe),
    isWeakSet: accepts("WeakSetPrototypeHas", probe),
    isArrayBuffer,
    isDataView: accepts("DataViewPrototypeGetByteLength"),
    isSharedArrayBuffer: () => false,
    isProxy: (value) => host.isProxy(value),
    isModuleNamespaceObject: (value) => isModule(value) && ObjectGetPrototypeOf(value) === null,
    isAnyArrayBuffer: (value) => isArrayBuffer(value),
    isBoxedPrimitive: (value) => {
      for (const name in boxes) {
        if (boxes[name](value)) {
          return true;
        }
      }
      return false;
    },
    isArrayBufferView: (value) => ArrayBufferIsView(value),
    isTypedArray: (value) => tagOfTyped(value) !== undefined,
  };
  for (let at = 0; at < TYPED.length; at++) {
    types[`is${TYPED[at]}`] = (value) => tagOfTyped(value) === TYPED[at];
  }
  types.isKeyObject = (value) => isObject(value) && require("crypto_keys").isKeyObject(value);
  types.isCryptoKey = (value) => isObject(value) && require("webcrypto").bytesOf(value) !== undefined;
  const names = values.ObjectKeys(types);
  for (let at = 0; at < names.length; at++) {
    ObjectDefineProperty(types[names[at]], "name", { __proto__: null, value: names[at], configurable: true });
  }
  return types;
}

// What only the host sees of a value.
export function makeReflection(host, { values }) {
  const { ErrorIsError, ObjectGetOwnPropertyDescriptor, ObjectGetPrototypeOf } = values;

  return {
    // The name of the first class that a value's prototypes have.
    getConstructorName: (value) => {
      for (let object = value; object !== null; object = ObjectGetPrototypeOf(object)) {
        const found = ObjectGetOwnPropertyDescriptor(object, "constructor")?.value;
        if (typeof found === "function" && found.name !== "") {
          return found.name;
        }
      }
      return ErrorIsError(value) ? "Error" : typeof value === "function" ? "Function" : "Object";
    },
    promiseState: (value) => host.promiseState(value),
    namedKeys: (value, onlyEnumerable) => host.namedKeys(value, onlyEnumerable),
    // The target and the handler of a proxy, which no trap of it is asked for.
    proxyParts: (value) => {
      if (!host.isProxy(value)) {
        return undefined;
      }
      if (typeof value === "function") {
        throw host.notSupported("looking into a proxy of a function");
      }
      return host.proxyParts(value);
    },
  };
}
