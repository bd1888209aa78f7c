// The stacks of errors, as V8 and Node.js write them: the text is made when it is first read.

const OWN_FILES = "hookyard:";
const OUT_OF_MEMORY = "out of memory";
// What the engine says where no memory is left for the message.
const NO_MESSAGE = "Invalid error message";
// What must be free for the engine to list the frames of an error: it frees them twice when it runs out of memory there.
const ROOM_BYTES = 512 * 1024;

export function makeStacks(host, { uncurryThis, values, methods }) {
  const { ArrayBuffer, Error, ErrorIsError, ObjectDefineProperty, ObjectFreeze, ObjectGetPrototypeOf } = values;
  const { ReflectApply, Symbol, WeakMap } = values;
  const get = uncurryThis(methods.WeakMapPrototypeGet);
  const set = uncurryThis(methods.WeakMapPrototypeSet);
  const startsWith = uncurryThis(methods.StringPrototypeStartsWith);
  const describe = uncurryThis(methods.ErrorPrototypeToString);
  const internalError = host.internalError;
  const syntaxError = values.SyntaxError.prototype;
  const capture = Error.captureStackTrace;
  const frames = new WeakMap();
  let prepare;
  let limit = Error.stackTraceLimit;
  let capturing = false;
  let captured;
  let correct = false;

  host.isNodeError = Symbol("isNodeError");
  // Node.js has no such class.
  delete globalThis.InternalError;

  function header(error) {
    try {
      return error[host.isNodeError] === true ? `${error.name} [${error.code}]: ${error.message}` : describe(error);
    } catch {
      return "Error";
    }
  }

  // The columns of the engine are those of what a source was put into, in bytes.
  function correctColumns(sites) {
    if (correct || sites.length === 0) {
      return;
    }
    correct = true;
    const prototype = ObjectGetPrototypeOf(sites[0]);
    const fileOf = uncurryThis(prototype.getFileName);
    const lineOf = uncurryThis(prototype.getLineNumber);
    const columnOf = uncurryThis(prototype.getColumnNumber);
    function getColumnNumber() {
      const file = fileOf(this);
      const column = columnOf(this);
      return typeof file === "string" ? host.column(file, lineOf(this), column) : column;
    }
    ObjectDefineProperty(prototype, "getColumnNumber", { __proto__: null, value: getColumnNumber, writable: true, configurable: true });
  }

  // The text that `JSON.parse` is given is no file.
  function isParsedJson(file, caller) {
    return file === "<input>" && caller?.getFileName() === null && caller.getFunctionName() === "parse";
  }

  function format(error, sites) {
    correctColumns(sites);
    if (typeof prepare === "function") {
      return prepare(error, sites);
    }
    let text = header(error);
    for (let at = 0; at < sites.length && at < 10; at++) {
      const site = sites[at];
      const file = site.getFileName();
      if (typeof file === "string" && (startsWith(file, OWN_FILES) || (at === 0 && isParsedJson(file, sites[1])))) {
        continue;
      }
      const place = file === null ? "<anonymous>" : `${file}:${site.getLineNumber()}:${site.getColumnNumber()}`;
      const name = site.getFunctionName();
      text += name ? `\n    at ${name} (${place})` : `\n    at ${place}`;
    }
    return text;
  }

  function keep(error, stack) {
    ObjectDefineProperty(error, "stack", { __proto__: null, value: stack, writable: true, configurable: true });
  }

  const lazily = {
    __proto__: null,
    configurable: true,
    enumerable: false,
    get() {
      for (let object = this; object !== null; object = ObjectGetPrototypeOf(object)) {
        const sites = get(frames, object);
        if (sites !== undefined) {
          const stack = format(object, sites);
          keep(object, stack);
          return stack;
        }
      }
      return undefined;
    },
    set(stack) {
      keep(this, stack);
    },
  };

  function attach(object, sites) {
    set(frames, object, sites ?? []);
    ObjectDefineProperty(object, "stack", lazily);
  }

  // The engine asks this before it lists the frames of any error.
  Error.stackTraceLimit = ObjectFreeze({
    __proto__: null,
    valueOf() {
      try {
        new ArrayBuffer(ROOM_BYTES);
      } catch {
        return 0;
      }
      return typeof limit === "number" ? limit : 0;
    },
  });

  // The engine calls this for every error that it makes, and again where it is thrown as long as it gets nothing.
  Error.prepareStackTrace = (error, sites) => {
    if (isExhaustion(error, sites)) {
      host.exhausted();
    }
    if (capturing) {
      captured = sites;
    } else if (ErrorIsError(error) && get(frames, error) === undefined) {
      attach(error, sites);
    }
    return null;
  };

  // No script can construct the engine's own class; expressions that are too large are errors of their syntax.
  function isExhaustion(error, sites) {
    if (ObjectGetPrototypeOf(error) === internalError) {
      // Where no memory is left for it, the message is missing.
      const { message } = error;
      return message === undefined || message === NO_MESSAGE || startsWith(message, OUT_OF_MEMORY);
    }
    if (ObjectGetPrototypeOf(error) !== syntaxError || error.message !== OUT_OF_MEMORY) {
      return false;
    }
    return sites?.[0]?.getFileName() === null && sites[0].getFunctionName() === "RegExp";
  }

  function captureStackTrace(object, until) {
    capturing = true;
    try {
      ReflectApply(capture, Error, [object, until ?? captureStackTrace]);
    } finally {
      capturing = false;
    }
    attach(object, captured);
    captured = undefined;
  }

  values.ErrorCaptureStackTrace = captureStackTrace;
  ObjectDefineProperty(Error, "captureStackTrace", { __proto__: null, value: captureStackTrace, writable: true, configurable: true });
  ObjectDefineProperty(Error, "prepareStackTrace", {
    __proto__: null,
    configurable: false,
    enumerable: true,
    get: () => prepare,
    set: (value) => void (prepare = value),
  });

  ObjectDefineProperty(Error, "stackTraceLimit", {
    __proto__: null,
    configurable: false,
    enumerable: true,
    get: () => limit,
    set: (value) => void (limit = value),
  });

  return {
    named: (error, name) => {
      ObjectDefineProperty(error, "name", { __proto__: null, value: name, writable: true, configurable: true });
      return error;
    },
  };
}
