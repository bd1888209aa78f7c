// The module "util".

export function make(host, { values }, require) {
  const {
    ArrayIsArray, Error, ObjectDefineProperties, ObjectDefineProperty,
    ObjectGetOwnPropertyDescriptors, ObjectGetPrototypeOf, ObjectKeys, ObjectSetPrototypeOf, Promise, ReflectApply, ReflectConstruct,
  } = values;
  const { pop, push, tagOf, then, toWellFormed } = require("calls");
  const errors = require("errors");
  const types = require("types");
  const printing = require("inspect");
  const customPromisify = values.SymbolFor("nodejs.util.promisify.custom");

  const label = (object, name, value) =>
    ObjectDefineProperty(object, name, { __proto__: null, value, writable: false, enumerable: false, configurable: true });

  function promisify(original) {
    errors.validateFunction(original, "original");
    const own = original[customPromisify];
    if (own) {
      errors.validateFunction(own, "util.promisify.custom");
      return label(own, customPromisify, own);
    }
    function promisified(...args) {
      return new Promise((resolve, reject) => {
        push(args, (error, value) => (error ? reject(error) : resolve(value)));
        ReflectApply(original, this, args);
      });
    }
    ObjectSetPrototypeOf(promisified, ObjectGetPrototypeOf(original));
    label(promisified, customPromisify, promisified);
    return ObjectDefineProperties(promisified, ObjectGetOwnPropertyDescriptors(original));
  }
  promisify.custom = customPromisify;

  function callbackify(original) {
    errors.validateFunction(original, "original");
    function callbackified(...args) {
      const callback = pop(args);
      errors.validateFunction(callback, "last argument");
      const later = (...results) => require("microtasks").nextTick(() => ReflectApply(callback, this, results));
      then(
        ReflectApply(original, this, args),
        (value) => later(null, value),
        (reason) => later(reason || falsyRejection(reason)),
      );
    }
    const descriptors = ObjectGetOwnPropertyDescriptors(original);
    if (typeof descriptors.length?.value === "number") {
      descriptors.length.value++;
    }
    if (typeof descriptors.name?.value === "string") {
      descriptors.name.value += "Callbackified";
    }
    return ObjectDefineProperties(callbackified, descriptors);
  }

  function falsyRejection(reason) {
    const error = errors.nodeError(Error, "ERR_FALSY_VALUE_REJECTION", "Promise was rejected with falsy value");
    error.reason = reason;
    return error;
  }

  // Nobody reads warnings here.
  function deprecate(original, message, code) {
    if (code !== undefined) {
      errors.validateString(code, "code");
    }
    function deprecated(...args) {
      return new.target ? ReflectConstruct(original, args, new.target) : ReflectApply(original, this, args);
    }
    ObjectSetPrototypeOf(deprecated, original);
    if (original.prototype) {
      deprecated.prototype = original.prototype;
    }
    return deprecated;
  }

  function inherits(constructor, parent) {
    if (constructor === undefined || constructor === null) {
      throw errors.invalidArgType("ctor", "Function", constructor);
    }
    if (parent === undefined || parent === null) {
      throw errors.invalidArgType("superCtor", "Function", parent);
    }
    if (parent.prototype === undefined) {
      throw errors.invalidArgType("superCtor.prototype", "Object", parent.prototype);
    }
    const kept = { __proto__: null, value: parent, writable: true, configurable: true };
    ObjectDefineProperty(constructor, "super_", kept);
    ObjectSetPrototypeOf(constructor.prototype, parent.prototype);
  }

  function debuglog() {
    const logger = () => {};
    const get = () => false;
    return ObjectDefineProperty(logger, "enabled", { __proto__: null, get, configurable: true, enumerable: true });
  }

  function _extend(target, source) {
    if (source !== null && typeof source === "object") {
      const keys = ObjectKeys(source);
      for (let at = keys.length - 1; at >= 0; at--) {
        target[keys[at]] = source[keys[at]];
      }
    }
    return target;
  }

  function stripVTControlCharacters(text) {
    errors.validateString(text, "str");
    return printing.stripVTControlCharacters(text);
  }

  const isError = (value) => tagOf(value) === "[object Error]" || value instanceof Error;
  const { TextDecoder, TextEncoder } = require("encoding");

  return {
    _extend,
    callbackify,
    debug: debuglog,
    debuglog,
    deprecate,
    format: printing.format,
    formatWithOptions: printing.formatWithOptions,
    inherits,
    inspect: printing.inspect,
    isArray: ArrayIsArray,
    isBoolean: (value) => typeof value === "boolean",
    isBuffer: (value) => require("buffer").Buffer.isBuffer(value),
    isDeepStrictEqual: function isDeepStrictEqual(a, b) {
      return require("comparisons").isDeepStrictEqual(a, b);
    },
    isNull: (value) => value === null,
    isNullOrUndefined: (value) => value === null || value === undefined,
    isNumber: (value) => typeof value === "number",
    isString: (value) => typeof value === "string",
    isSymbol: (value) => typeof value === "symbol",
    isUndefined: (value) => value === undefined,
    isRegExp: types.isRegExp,
    isObject: (value) => value !== null && typeof value === "object",
    isDate: types.isDate,
    isError,
    isFunction: (value) => typeof value === "function",
    isPrimitive: (value) => value === null || (typeof value !== "object" && typeof value !== "function"),
    promisify,
    stripVTControlCharacters,
    toUSVString: (text) => toWellFormed(`${text}`),
    aborted: (signal, resource) => require("abort_controller").aborted(signal, resource),
    types,
    TextDecoder,
    TextEncoder,
  };
}
