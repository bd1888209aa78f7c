// The errors that Node.js makes, with their codes and messages, and the checks of arguments that throw them.

const LONG_NUMBER = 2 ** 32;
const MAX_RECEIVED = 28;
const MAX_VALUE = 128;
const PRIMITIVES = ["string", "function", "number", "object", "Function", "Object", "boolean", "bigint", "symbol"];

export function make(host, { values }, require) {
  const { ArrayIsArray, Error, JSONStringify, Map, NumberIsInteger, ObjectDefineProperty, RangeError, String, TypeError } = values;
  const { isNodeError } = host;
  const kinds = new Map();

  const inspect = (value, options) => require("inspect").inspect(value, options);
  const hide = (object, name, value) =>
    ObjectDefineProperty(object, name, { __proto__: null, value, writable: true, configurable: true });

  // The class of the errors with a code that are also instances of this class.
  function kindOf(Base) {
    let Kind = kinds.get(Base);
    if (Kind === undefined) {
      Kind = class NodeError extends Base {
        toString() {
          return `${this.name} [${this.code}]: ${this.message}`;
        }
      };
      hide(Kind.prototype, "constructor", Base);
      hide(Kind.prototype, isNodeError, true);
      kinds.set(Base, Kind);
    }
    return Kind;
  }

  function nodeError(Base, code, message) {
    const error = new (kindOf(Base))();
    error.code = code;
    hide(error, "message", message);
    return error;
  }

  // "a, b, or c", and two without a comma.
  function listed(words, conjunction) {
    if (words.length < 3) {
      return words.join(` ${conjunction} `);
    }
    return `${words.slice(0, -1).join(", ")}, ${conjunction} ${words[words.length - 1]}`;
  }

  // "argument" for a name, "property" for a path; what calls itself an argument is not quoted.
  const kindOfName = (name) => (name.includes(".") ? "property" : "argument");
  const subject = (name) => (name.endsWith(" argument") ? `The ${name}` : `The "${name}" ${kindOfName(name)}`);

  function expectation(expected) {
    const types = [];
    const classes = [];
    const others = [];
    for (const word of ArrayIsArray(expected) ? expected : [expected]) {
      if (PRIMITIVES.includes(word)) {
        types.push(word.toLowerCase());
      } else {
        (/^[A-Z][A-Za-z0-9]*$/.test(word) ? classes : others).push(word);
      }
    }
    // Beside classes, "object" is one of them.
    const object = types.indexOf("object");
    if (classes.length > 0 && object !== -1) {
      types.splice(object, 1);
      classes.push("Object");
    }
    const parts = [];
    if (types.length > 0) {
      parts.push(`${types.length > 1 ? "one of type" : "of type"} ${listed(types, "or")}`);
    }
    if (classes.length > 0) {
      parts.push(`an instance of ${listed(classes, "or")}`);
    }
    if (others.length > 1) {
      parts.push(`one of ${listed(others, "or")}`);
    } else if (others.length === 1) {
      parts.push(others[0].toLowerCase() === others[0] ? others[0] : `an ${others[0]}`);
    }
    return parts.join(" or ");
  }

  function quoted(text) {
    const short = text.length > MAX_RECEIVED ? `${text.slice(0, MAX_RECEIVED - 3)}...` : text;
    return short.includes("'") ? JSONStringify(short) : `'${short}'`;
  }

  function received(value) {
    if (value === undefined || value === null) {
      return `${value}`;
    }
    if (typeof value === "function") {
      return `function ${value.name}`;
    }
    if (typeof value === "object") {
      return value.constructor?.name ? `an instance of ${value.constructor.name}` : inspect(value, { depth: -1 });
    }
    return `type ${typeof value} (${typeof value === "string" ? quoted(value) : inspect(value)})`;
  }

  const invalidArgType = (name, expected, actual) =>
    nodeError(
      TypeError,
      "ERR_INVALID_ARG_TYPE",
      `${subject(name)} must be ${expectation(expected)}. Received ${received(actual)}`,
    );

  function invalidArgValue(name, value, reason = "is invalid", Base = TypeError) {
    let text = inspect(value);
    if (text.length > MAX_VALUE) {
      text = `${text.slice(0, MAX_VALUE)}...`;
    }
    return nodeError(Base, "ERR_INVALID_ARG_VALUE", `The ${kindOfName(name)} '${name}' ${reason}. Received ${text}`);
  }

  function outOfRange(name, range, value) {
    let text;
    if (typeof value === "bigint") {
      const long = value > BigInt(LONG_NUMBER) || value < -BigInt(LONG_NUMBER);
      text = `${long ? grouped(String(value)) : value}n`;
    } else if (NumberIsInteger(value) && (value > LONG_NUMBER || value < -LONG_NUMBER)) {
      text = grouped(String(value));
    } else {
      text = inspect(value);
    }
    const message = `The value of "${name}" is out of range. It must be ${range}. Received ${text}`;
    return nodeError(RangeError, "ERR_OUT_OF_RANGE", message);
  }

  // The digits in groups of three from the right.
  function grouped(digits) {
    const sign = digits[0] === "-" ? 1 : 0;
    let text = "";
    let end = digits.length;
    for (; end >= sign + 4; end -= 3) {
      text = `_${digits.slice(end - 3, end)}${text}`;
    }
    return `${digits.slice(0, end)}${text}`;
  }

  function missingArgs(...names) {
    const words = names.map((name) => (ArrayIsArray(name) ? name.map((one) => `"${one}"`).join(" or ") : `"${name}"`));
    const noun = words.length === 1 ? "argument" : "arguments";
    return nodeError(TypeError, "ERR_MISSING_ARGS", `The ${listed(words, "and")} ${noun} must be specified`);
  }

  const unknownEncoding = (name) => nodeError(TypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${name}`);
  const illegalInvocation = () => nodeError(TypeError, "ERR_INVALID_THIS", "Illegal invocation");
  const invalidThis = (kind) => nodeError(TypeError, "ERR_INVALID_THIS", `Value of "this" must be of type ${kind}`);

  class AbortError extends Error {
    constructor(message = "The operation was aborted", options = undefined) {
      if (options !== undefined && typeof options !== "object") {
        throw invalidArgType("options", "Object", options);
      }
      super(message, options);
      this.code = "ABORT_ERR";
      this.name = "AbortError";
    }
  }

  const validateType = (type) =>
    function validate(value, name) {
      if (typeof value !== type) {
        throw invalidArgType(name, type, value);
      }
    };
  const validateNumberType = validateType("number");

  function validateNumber(value, name, min = undefined, max = undefined) {
    validateNumberType(value, name);
    const limits = [min === undefined ? "" : `>= ${min}`, max === undefined ? "" : `<= ${max}`].filter(Boolean);
    if (limits.length > 0 && !(value >= (min ?? -Infinity) && value <= (max ?? Infinity))) {
      throw outOfRange(name, limits.join(" && "), value);
    }
  }

  function validateInteger(value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
    validateNumberType(value, name);
    if (!NumberIsInteger(value)) {
      throw outOfRange(name, "an integer", value);
    }
    validateNumber(value, name, min, max);
  }

  const validateInt32 = (value, name, min = -(2 ** 31), max = 2 ** 31 - 1) => validateInteger(value, name, min, max);
  const validateUint32 = (value, name, positive = false) => validateInteger(value, name, positive ? 1 : 0, 2 ** 32 - 1);

  function validateObject(value, name, { allowArray = false, allowFunction = false, nullable = false } = {}) {
    const fits =
      value === null
        ? nullable
        : (typeof value === "object" && (allowArray || !ArrayIsArray(value))) || (allowFunction && typeof value === "function");
    if (!fits) {
      throw invalidArgType(name, "Object", value);
    }
  }

  function validateArray(value, name, minLength = 0) {
    if (!ArrayIsArray(value)) {
      throw invalidArgType(name, "Array", value);
    }
    if (value.length < minLength) {
      throw invalidArgValue(name, value, `must be longer than ${minLength}`);
    }
  }

  function validateOneOf(value, name, allowed) {
    if (!allowed.includes(value)) {
      const words = allowed.map((one) => (typeof one === "string" ? `'${one}'` : String(one))).join(", ");
      throw invalidArgValue(name, value, `must be one of: ${words}`);
    }
  }

  function validateAbortSignal(signal, name) {
    if (signal !== undefined && (signal === null || typeof signal !== "object" || !("aborted" in signal))) {
      throw invalidArgType(name, "AbortSignal", signal);
    }
  }

  return {
    AbortError,
    illegalInvocation,
    invalidArgType,
    invalidArgValue,
    invalidThis,
    isNodeError,
    missingArgs,
    nodeError,
    outOfRange,
    unknownEncoding,
    validateAbortSignal,
    validateArray,
    validateBoolean: validateType("boolean"),
    validateFunction: validateType("function"),
    validateInt32,
    validateInteger,
    validateNumber,
    validateObject,
    validateOneOf,
    validateString: validateType("string"),
    validateUint32,
  };
}
