// The module "assert".

export function make(host, { values }, require) {
  const errors = require("errors");
  const types = require("types");
  const { AssertionError } = require("assertion_error");
  const { exec, indexOf, push, slice } = require("calls");
  const { isDeepStrictEqual } = require("comparisons");
  const isDeepEqual = (a, b) => require("loose_comparison").isDeepEqual(a, b);
  const { Error, NumberIsNaN, ObjectIs, ObjectKeys, ReflectApply, TypeError } = values;
  const { invalidArgType, invalidArgValue, missingArgs, nodeError, validateFunction } = errors;
  const ErrorPrototype = Error.prototype;
  const inspect = (value) => require("inspect").inspect(value);
  const NOTHING = {};

  function fail(options) {
    if (options.message instanceof Error) {
      throw options.message;
    }
    throw new AssertionError(options);
  }

  function checkTwo(count) {
    if (count < 2) {
      throw missingArgs("actual", "expected");
    }
  }

  function checkOk(start, count, value, message) {
    if (value) {
      return;
    }
    let generated = false;
    if (count === 0) {
      generated = true;
      message = "No value argument passed to `assert.ok()`";
    } else if (message === undefined || message === null) {
      generated = true;
      message = `The expression evaluated to a falsy value:\n\n  ${inspect(value)}\n`;
    } else if (message instanceof Error) {
      throw message;
    }
    const error = new AssertionError({ actual: value, expected: true, message, operator: "==", stackStartFn: start });
    error.generatedMessage = generated;
    throw error;
  }

  function ok(...args) {
    checkOk(ok, args.length, ...args);
  }

  function assert(...args) {
    checkOk(assert, args.length, ...args);
  }

  // An assertion about two values, which fails unless they fulfil it.
  const comparison = (operator, holds, name = operator) => {
    const named = {
      [name](actual, expected, message) {
        checkTwo(arguments.length);
        if (!holds(actual, expected)) {
          fail({ actual, expected, message, operator, stackStartFn: named[name] });
        }
      },
    };
    return named[name];
  };
  const looselyEqual = (a, b) => a == b || (NumberIsNaN(a) && NumberIsNaN(b));

  // What an error must have: the properties of an object, and of an error its name and message too.
  class Comparison {
    constructor(object, keys, actual = undefined) {
      for (let at = 0; at < keys.length; at++) {
        const key = keys[at];
        if (key in object) {
          const matches =
            typeof actual?.[key] === "string" && types.isRegExp(object[key]) && exec(object[key], actual[key]) !== null;
          this[key] = matches ? actual[key] : object[key];
        }
      }
    }
  }

  function compareKeys(actual, expected, message, keys, start) {
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at];
      const matches = typeof actual[key] === "string" && types.isRegExp(expected[key]) && exec(expected[key], actual[key]) !== null;
      if (matches || (key in actual && isDeepStrictEqual(actual[key], expected[key]))) {
        continue;
      }
      if (message) {
        fail({ actual, expected, message, operator: start.name, stackStartFn: start });
      }
      const error = new AssertionError({
        actual: new Comparison(actual, keys),
        expected: new Comparison(expected, keys, actual),
        operator: "deepStrictEqual",
        stackStartFn: start,
      });
      error.actual = actual;
      error.expected = expected;
      error.operator = start.name;
      throw error;
    }
  }

  function refuse(actual, expected, message, generated, start) {
    const error = new AssertionError({ actual, expected, message, operator: start.name, stackStartFn: start });
    error.generatedMessage = generated;
    throw error;
  }

  function checkObject(actual, expected, message, start) {
    if (typeof actual !== "object" || actual === null) {
      const error = new AssertionError({ actual, expected, message, operator: "deepStrictEqual", stackStartFn: start });
      error.operator = start.name;
      throw error;
    }
    const keys = ObjectKeys(expected);
    if (expected instanceof Error) {
      push(keys, "name", "message");
    } else if (keys.length === 0) {
      throw invalidArgValue("error", expected, "may not be an empty object");
    }
    compareKeys(actual, expected, message, keys, start);
  }

  function checkFunction(actual, expected, message, start) {
    if (expected.prototype !== undefined && actual instanceof expected) {
      return;
    }
    if (expected.prototype !== undefined && (expected === Error || isErrorClass(expected))) {
      if (message) {
        refuse(actual, expected, message, false, start);
      }
      let text = `The error is expected to be an instance of "${expected.name}". Received `;
      text += types.isNativeError(actual) ? `"${actual.name}"` : `"${inspect(actual)}"`;
      refuse(actual, expected, `${text}${actual?.message ? `\n\nError message:\n\n${actual.message}` : ""}`, true, start);
    }
    const result = ReflectApply(expected, {}, [actual]);
    if (result === true) {
      return;
    }
    if (message) {
      refuse(actual, expected, message, false, start);
    }
    const name = expected.name ? `"${expected.name}" ` : "";
    let text = `The ${name}validation function is expected to return "true". Received ${inspect(result)}`;
    if (types.isNativeError(actual)) {
      text += `\n\nCaught error:\n\n${actual}`;
    }
    refuse(actual, expected, text, true, start);
  }

  function isErrorClass(value) {
    for (let Class = value; typeof Class === "function"; Class = values.ObjectGetPrototypeOf(Class)) {
      if (Class.prototype === ErrorPrototype) {
        return true;
      }
    }
    return false;
  }

  function checkThrown(actual, expected, message, start) {
    if (typeof expected === "function") {
      checkFunction(actual, expected, message, start);
      return;
    }
    if (!types.isRegExp(expected)) {
      checkObject(actual, expected, message, start);
      return;
    }
    const text = `${actual}`;
    if (exec(expected, text) === null) {
      const generated = !message;
      const words = `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(text)}\n`;
      refuse(actual, expected, message || words, generated, start);
    }
  }

  // The expectation and the message that `throws` and `rejects` were called with.
  function expectation(thrown, error, message, count) {
    if (typeof error !== "string") {
      if (error !== undefined && error !== null && typeof error !== "object" && typeof error !== "function") {
        throw invalidArgType("error", ["Function", "Error", "RegExp", "Object"], error);
      }
      return { error, message };
    }
    if (count >= 3) {
      throw invalidArgType("error", ["Function", "Error", "RegExp", "Object"], error);
    }
    const words = typeof thrown === "object" && thrown !== null ? thrown.message : thrown;
    if (words === error) {
      const what = typeof thrown === "object" ? `The error message "${words}"` : `The error "${words}"`;
      const text = `The "error/message" argument is ambiguous. ${what} is identical to the message.`;
      throw nodeError(TypeError, "ERR_AMBIGUOUS_ARGUMENT", text);
    }
    return { error: undefined, message: error };
  }

  function expectThrown(start, thrown, args) {
    const { error, message } = expectation(thrown, args[0], args[1], args.length + 1);
    if (thrown === NOTHING) {
      const details = `${error?.name ? ` (${error.name})` : ""}${message ? `: ${message}` : "."}`;
      const kind = start === rejects ? "rejection" : "exception";
      const text = `Missing expected ${kind}${details}`;
      fail({ actual: undefined, expected: error, operator: start.name, message: text, stackStartFn: start });
    }
    if (error !== undefined && error !== null) {
      checkThrown(thrown, error, message, start);
    }
  }

  function expectNothing(start, thrown, error, message) {
    if (thrown === NOTHING) {
      return;
    }
    if (typeof error === "string") {
      message = error;
      error = undefined;
    }
    if (error && !matches(thrown, error)) {
      throw thrown;
    }
    const kind = start === doesNotReject ? "rejection" : "exception";
    const details = message ? `: ${message}` : ".";
    const text = `Got unwanted ${kind}${details}\nActual message: "${thrown?.message}"`;
    fail({ actual: thrown, expected: error, operator: start.name, message: text, stackStartFn: start });
  }

  function matches(thrown, expected) {
    if (typeof expected === "function") {
      if (expected.prototype !== undefined && thrown instanceof expected) {
        return true;
      }
      return !isErrorClass(expected) && ReflectApply(expected, {}, [thrown]) === true;
    }
    if (!types.isRegExp(expected)) {
      throw invalidArgType("expected", ["Function", "RegExp"], expected);
    }
    return exec(expected, `${thrown}`) !== null;
  }

  function thrownBy(fn) {
    validateFunction(fn, "fn");
    try {
      fn();
    } catch (error) {
      return error;
    }
    return NOTHING;
  }

  const isThenable = (value) =>
    types.isPromise(value) ||
    (value !== null && typeof value === "object" && typeof value.then === "function" && typeof value.catch === "function");

  async function rejectionOf(promiseOrFunction) {
    let promise = promiseOrFunction;
    if (typeof promiseOrFunction === "function") {
      promise = promiseOrFunction();
      if (!isThenable(promise)) {
        const got = promise?.constructor?.name && typeof promise === "object" ? `an instance of ${promise.constructor.name}` : kindOf(promise);
        const text = `Expected instance of Promise to be returned from the "promiseFn" function but got ${got}.`;
        throw nodeError(TypeError, "ERR_INVALID_RETURN_VALUE", text);
      }
    } else if (!isThenable(promise)) {
      throw invalidArgType("promiseFn", ["Function", "Promise"], promise);
    }
    try {
      await promise;
    } catch (error) {
      return error;
    }
    return NOTHING;
  }
  const kindOf = (value) =>
    value === undefined || value === null ? `${value}` : typeof value === "function" ? `function ${value.name}` : `type ${typeof value} (${inspect(value)})`;

  function throws(fn, ...args) {
    expectThrown(throws, thrownBy(fn), args);
  }

  async function rejects(promiseFn, ...args) {
    expectThrown(rejects, await rejectionOf(promiseFn), args);
  }

  function doesNotThrow(fn, ...args) {
    expectNothing(doesNotThrow, thrownBy(fn), ...args);
  }

  async function doesNotReject(fn, ...args) {
    expectNothing(doesNotReject, await rejectionOf(fn), ...args);
  }

  function ifError(value) {
    if (value === null || value === undefined) {
      return;
    }
    let text = "ifError got unwanted exception: ";
    if (typeof value === "object" && typeof value.message === "string") {
      text += value.message.length === 0 && value.constructor ? value.constructor.name : value.message;
    } else {
      text += inspect(value);
    }
    const error = new AssertionError({ actual: value, expected: null, operator: "ifError", message: text, stackStartFn: ifError });
    error.generatedMessage = false;
    throw error;
  }

  function checkMatch(string, regexp, message, start, wanted) {
    if (!types.isRegExp(regexp)) {
      throw invalidArgType("regexp", "RegExp", regexp);
    }
    if (typeof string === "string" && (exec(regexp, string) !== null) === wanted) {
      return;
    }
    if (message instanceof Error) {
      throw message;
    }
    const generated = !message;
    const not = wanted ? "The input did not match" : "The input was expected to not match";
    const words =
      typeof string !== "string"
        ? `The "string" argument must be of type string. Received ${kindOrInstance(string)}`
        : `${not} the regular expression ${inspect(regexp)}. Input:\n\n${inspect(string)}\n`;
    const error = new AssertionError({ actual: string, expected: regexp, message: message || words, operator: start.name, stackStartFn: start });
    error.generatedMessage = generated;
    throw error;
  }
  const kindOrInstance = (value) => {
    const { message } = invalidArgType("string", "string", value);
    return slice(message, indexOf(message, "Received ") + 9);
  };

  function match(string, regexp, message) {
    checkMatch(string, regexp, message, match, true);
  }

  function doesNotMatch(string, regexp, message) {
    checkMatch(string, regexp, message, doesNotMatch, false);
  }

  function failing(actual, expected, message, operator, stackStartFn) {
    const count = arguments.length;
    if (count < 2) {
      message = count === 0 ? "Failed" : actual;
      actual = undefined;
    } else if (count === 2) {
      operator = "!=";
    }
    if (message instanceof Error) {
      throw message;
    }
    const options = { actual, expected, operator: operator === undefined ? "fail" : operator, stackStartFn: stackStartFn ?? failing };
    if (message !== undefined) {
      options.message = message;
    }
    const error = new AssertionError(options);
    error.generatedMessage = count === 0 || message === undefined;
    throw error;
  }
  values.ObjectDefineProperty(failing, "name", { __proto__: null, value: "fail", configurable: true });

  const equal = comparison("==", looselyEqual, "equal");
  const notEqual = comparison("!=", (a, b) => !looselyEqual(a, b), "notEqual");
  const deepEqual = comparison("deepEqual", isDeepEqual);
  const notDeepEqual = comparison("notDeepEqual", (a, b) => !isDeepEqual(a, b));
  const deepStrictEqual = comparison("deepStrictEqual", isDeepStrictEqual);
  const notDeepStrictEqual = comparison("notDeepStrictEqual", (a, b) => !isDeepStrictEqual(a, b));
  const strictEqual = comparison("strictEqual", ObjectIs);
  const notStrictEqual = comparison("notStrictEqual", (a, b) => !ObjectIs(a, b));

  class CallTracker {
    constructor() {
      throw host.notSupported("assert.CallTracker");
    }
  }

  const members = {
    fail: failing, AssertionError, ok, equal, notEqual, deepEqual, notDeepEqual, deepStrictEqual, notDeepStrictEqual,
    strictEqual, notStrictEqual, throws, rejects, doesNotThrow, doesNotReject, ifError, match, doesNotMatch, CallTracker,
  };
  function strict(...args) {
    checkOk(strict, args.length, ...args);
  }
  values.ObjectAssign(assert, members);
  values.ObjectAssign(strict, members, {
    equal: strictEqual, deepEqual: deepStrictEqual, notEqual: notStrictEqual, notDeepEqual: notDeepStrictEqual,
  });
  assert.strict = strict;
  strict.strict = strict;
  return assert;
}
