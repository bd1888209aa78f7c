// The errors of the module "assert" with their messages.

const SHORT = 12;
const NARROW = 80;
const MAX_LINES = 50;
const MAX_TEXT = 1024;
const MAX_PART = 512;
const RUN = 5;
const TAIL = 3;
const TITLES = {
  __proto__: null,
  deepStrictEqual: "Expected values to be strictly deep-equal:",
  strictEqual: "Expected values to be strictly equal:",
  strictEqualObject: 'Expected "actual" to be reference-equal to "expected":',
  deepEqual: "Expected values to be loosely deep-equal:",
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notStrictEqualObject: 'Expected "actual" not to be reference-equal to "expected":',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
  notIdentical: "Values have same structure but are not reference-equal:",
};

export function make(host, { values }, require) {
  const errors = require("errors");
  const { endsWith, joined, part, repeat, slice, split } = require("calls");
  const { Error, ErrorCaptureStackTrace, ObjectAssign, ObjectDefineProperty, ObjectGetPrototypeOf, ObjectSetPrototypeOf } = values;

  const inspect = (value) =>
    require("inspect").inspect(value, {
      compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false, showProxy: false,
      sorted: true, getters: true, breakLength: Infinity,
    });
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  // Where an error was made says nothing about whether it is the same.
  function withoutStack(error) {
    const copy = new Error(error.message);
    const hide = (name, value) => ObjectDefineProperty(copy, name, { __proto__: null, value, writable: true, configurable: true });
    hide("stack", `${error.name}: ${error.message}`);
    return ObjectAssign(ObjectSetPrototypeOf(copy, ObjectGetPrototypeOf(error)), error);
  }

  // What differs, line by line, once the lines that both end with are set aside.
  function difference(left, right) {
    const a = split(left, "\n");
    const b = split(right, "\n");
    const tail = [];
    while (a.length > 0 && b.length > 0 && a[a.length - 1] === b[b.length - 1]) {
      tail[tail.length] = a[a.length - 1];
      a.length--;
      b.length--;
    }
    const output = { text: "", lines: 0, skipped: false };
    const line = (prefix, text) => {
      output.text += `\n${prefix} ${text}`;
      output.lines++;
    };
    let equal = [];
    let removed = [];
    const flushRemoved = () => {
      for (let at = 0; at < removed.length; at++) {
        line("-", removed[at]);
      }
      removed = [];
    };
    const flushEqual = () => {
      const skips = equal.length > RUN;
      for (let at = 0; at < equal.length; at++) {
        if (skips && at === 2) {
          output.text += "\n...";
          output.skipped = true;
          at = equal.length - 2;
        }
        line(" ", equal[at]);
      }
      equal = [];
    };
    for (let at = 0; (at < a.length || at < b.length) && output.lines <= MAX_LINES; at++) {
      const same = at < a.length && at < b.length && sameLine(a[at], b[at]);
      if (same) {
        flushRemoved();
        equal[equal.length] = a[at].length > b[at].length ? a[at] : b[at];
        continue;
      }
      flushEqual();
      if (at < a.length) {
        line("+", a[at]);
      }
      if (at < b.length) {
        removed[removed.length] = b[at];
      }
    }
    flushRemoved();
    flushEqual();
    if (output.lines > MAX_LINES) {
      output.text += "\n...";
      output.skipped = true;
      return output;
    }
    for (let at = tail.length - 1; at >= 0; at--) {
      if (tail.length > TAIL + 1 && at === tail.length - 2) {
        output.text += "\n...";
        output.skipped = true;
        at = TAIL - 1;
      }
      line(" ", tail[at]);
    }
    return output;
  }

  // A comma may follow in one of them only.
  const sameLine = (a, b) =>
    a === b || (endsWith(a, ",") ? slice(a, 0, a.length - 1) === b : endsWith(b, ",") && slice(b, 0, b.length - 1) === a);

  function differing(actual, expected, operator, message) {
    const left = inspect(actual);
    const right = inspect(expected);
    const objects = isObject(actual) && isObject(expected) && operator === "strictEqual";
    const title = message || TITLES[objects ? "strictEqualObject" : operator];
    if (left === right) {
      return `${TITLES.notIdentical}\n\n${left}\n`;
    }
    const single = split(left, "\n").length === 1 && split(right, "\n").length === 1;
    let indicator = "";
    if (single) {
      const short = left.length + right.length <= SHORT && (actual !== 0 || expected !== 0);
      if (short && !isObject(actual) && !isObject(expected)) {
        return `${title}\n\n${left} !== ${right}\n`;
      }
      if (left.length + right.length < NARROW || (left.length < NARROW && right.length < NARROW)) {
        let at = 0;
        while (at < left.length && left[at] === right[at]) {
          at++;
        }
        indicator = at > 2 && !objects ? `\n  ${repeat(" ", at)}^` : "";
      }
    }
    const { text, skipped } = single ? { text: `\n+ ${left}\n- ${right}`, skipped: false } : difference(left, right);
    return `${title}\n+ actual - expected${skipped ? " ... Lines skipped" : ""}\n${text}${indicator}`;
  }

  function same(actual, operator) {
    const objects = operator === "notStrictEqual" && isObject(actual);
    const title = TITLES[objects ? "notStrictEqualObject" : operator];
    let lines = split(inspect(actual), "\n");
    if (lines.length > MAX_LINES) {
      lines = part(lines, 0, MAX_LINES - 4);
      lines[lines.length] = "...";
    }
    if (lines.length === 1) {
      return `${title}${lines[0].length > 5 ? "\n\n" : " "}${lines[0]}`;
    }
    return `${title}\n\n${joined(lines, "\n")}\n`;
  }

  const cut = (text, length) => (text.length > length ? `${slice(text, 0, length - 3)}...` : text);

  function loose(actual, expected, operator) {
    const left = inspect(actual);
    const right = inspect(expected);
    if (operator === "notDeepEqual" && left === right) {
      return cut(`${TITLES[operator]}\n\n${left}`, MAX_TEXT);
    }
    const [one, other] = [cut(left, MAX_PART), cut(right, MAX_PART)];
    if (operator === "deepEqual") {
      return `${TITLES[operator]}\n\n${one}\n\nshould loosely deep-equal\n\n${other}`;
    }
    return operator === "notDeepEqual"
      ? `${one}\n\nshould not loosely deep-equal\n\n${other}`
      : `${one} ${operator} ${other}`;
  }

  function messageFor(given, wanted, operator, message) {
    const errors = given instanceof Error && wanted instanceof Error;
    const [actual, expected] = errors ? [withoutStack(given), withoutStack(wanted)] : [given, wanted];
    if (operator === "deepStrictEqual" || operator === "strictEqual") {
      return differing(actual, expected, operator, message);
    }
    if (message) {
      return message;
    }
    if (operator === "notDeepStrictEqual" || operator === "notStrictEqual") {
      return same(actual, operator);
    }
    return loose(actual, expected, operator);
  }

  class AssertionError extends Error {
    constructor(options) {
      errors.validateObject(options, "options");
      const { message, operator, actual, expected, stackStartFn, stackStartFunction } = options;
      super(messageFor(actual, expected, operator, message === null || message === undefined ? undefined : `${message}`));
      this.generatedMessage = !message;
      ObjectDefineProperty(this, "name", {
        __proto__: null, value: "AssertionError", enumerable: false, writable: true, configurable: true,
      });
      this.code = "ERR_ASSERTION";
      this.actual = actual;
      this.expected = expected;
      this.operator = operator;
      ErrorCaptureStackTrace(this, stackStartFn ?? stackStartFunction);
    }

    toString() {
      return `${this.name} [${this.code}]: ${this.message}`;
    }
  }
  ObjectDefineProperty(AssertionError.prototype, errors.isNodeError, { __proto__: null, value: true });

  return { AssertionError };
}
