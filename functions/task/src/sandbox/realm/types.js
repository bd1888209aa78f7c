// What the inspection of Node.js asks its engine about values.

export function makeTypes(primordials, host) {
  const {
    ArrayBufferPrototypeGetByteLength,
    AsyncFunctionPrototype,
    AsyncGeneratorFunctionPrototype,
    BigIntPrototypeValueOf,
    BooleanPrototypeValueOf,
    DataViewPrototypeGetByteLength,
    DatePrototypeGetTime,
    ErrorIsError,
    GeneratorFunctionPrototype,
    MapIteratorPrototype,
    MapPrototypeGetSize,
    NumberPrototypeValueOf,
    ObjectGetPrototypeOf,
    ObjectPrototypeToString,
    RegExpPrototypeGetGlobal,
    SetIteratorPrototype,
    SetPrototypeGetSize,
    StringPrototypeValueOf,
    SymbolPrototypeValueOf,
    WeakMapPrototypeHas,
    WeakSetPrototypeHas,
  } = primordials;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // A method of a class works on its own objects only.
  const accepts = (method) => (value) => {
    if (!isObject(value)) {
      return false;
    }
    try {
      method(value);
      return true;
    } catch {
      return false;
    }
  };
  const isRegExp = (value) => {
    try {
      return isObject(value) && RegExpPrototypeGetGlobal(value) !== undefined;
    } catch {
      return false;
    }
  };
  const madeBy = (...prototypes) => (value) => {
    if (typeof value !== "function") {
      return false;
    }
    const prototype = ObjectGetPrototypeOf(value);
    return prototype === prototypes[0] || prototype === prototypes[1];
  };
  const iterates = (prototype) => (value) =>
    isObject(value) && !host.isProxy(value) && ObjectGetPrototypeOf(value) === prototype;
  const tagged = (tag) => (value) => isObject(value) && !host.isProxy(value) && ObjectPrototypeToString(value) === tag;

  const probe = {};
  const isArrayBuffer = accepts(ArrayBufferPrototypeGetByteLength);
  const isBigIntObject = accepts(BigIntPrototypeValueOf);
  const isBooleanObject = accepts(BooleanPrototypeValueOf);
  const isNumberObject = accepts(NumberPrototypeValueOf);
  const isStringObject = accepts(StringPrototypeValueOf);
  const isSymbolObject = accepts(SymbolPrototypeValueOf);

  return {
    isExternal: () => false,
    isDate: accepts(DatePrototypeGetTime),
    isArgumentsObject: tagged("[object Arguments]"),
    isBigIntObject,
    isBooleanObject,
    isNumberObject,
    isStringObject,
    isSymbolObject,
    isBoxedPrimitive: (value) =>
      isObject(value) &&
      (isNumberObject(value) ||
        isStringObject(value) ||
        isBooleanObject(value) ||
        isBigIntObject(value) ||
        isSymbolObject(value)),
    isNativeError: (value) => ErrorIsError(value),
    isRegExp,
    isAsyncFunction: madeBy(AsyncFunctionPrototype, AsyncGeneratorFunctionPrototype),
    isGeneratorFunction: madeBy(GeneratorFunctionPrototype, AsyncGeneratorFunctionPrototype),
    isGeneratorObject: tagged("[object Generator]"),
    isPromise: (value) => host.promiseState(value) !== undefined,
    isMap: accepts(MapPrototypeGetSize),
    isSet: accepts(SetPrototypeGetSize),
    isMapIterator: iterates(MapIteratorPrototype),
    isSetIterator: iterates(SetIteratorPrototype),
    isWeakMap: accepts((value) => WeakMapPrototypeHas(value, probe)),
    isWeakSet: accepts((value) => WeakSetPrototypeHas(value, probe)),
    isArrayBuffer,
    isDataView: accepts(DataViewPrototypeGetByteLength),
    isSharedArrayBuffer: () => false,
    isProxy: host.isProxy,
    isModuleNamespaceObject: (value) =>
      tagged("[object Module]")(value) && ObjectGetPrototypeOf(value) === null,
    isAnyArrayBuffer: isArrayBuffer,
  };
}

export function makeReflection(primordials, host) {
  const { ErrorPrototype, FunctionPrototypeCall, ObjectGetOwnPropertyDescriptor, ObjectGetPrototypeOf } = primordials;

  return {
    constants: {
      kPending: 0,
      kFulfilled: 1,
      kRejected: 2,
      ALL_PROPERTIES: 0,
      ONLY_ENUMERABLE: 2,
    },
    privateSymbols: { untransferable_object_private_symbol: Symbol("untransferable") },
    shouldAbortOnUncaughtToggle: undefined,
    getOwnNonIndexProperties: (value, filter) => host.namedKeys(value, filter === 2),
    getPromiseDetails: (value) => host.promiseState(value),
    getProxyDetails: (value, whole = true) => {
      if (!host.isProxy(value)) {
        return undefined;
      }
      if (typeof value === "function") {
        throw host.notSupported("looking into a proxy of a function");
      }
      const parts = host.proxyParts(value);
      return whole ? parts : parts[0];
    },
    previewEntries: () => {
      throw host.notSupported("printing an iterator of a Map or a Set, or what a weak collection holds");
    },
    getConstructorName: (value) => {
      for (let object = value; object !== null; object = ObjectGetPrototypeOf(object)) {
        const found = ObjectGetOwnPropertyDescriptor(object, "constructor");
        if (typeof found?.value === "function" && found.value.name !== "") {
          return found.value.name;
        }
      }
      return primordials.ErrorIsError(value) ? "Error" : "Object";
    },
    getExternalValue: () => 0n,
    isInsideNodeModules: () => false,
  };
}
