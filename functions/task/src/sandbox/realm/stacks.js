// The stacks of errors, as V8 and Node.js write them: the text is made when it is first read.

const OUT_OF_MEMORY = "out of memory";
// What the engine says where no memory is left for the message.
const NO_MESSAGE = "Invalid error message";
// What must be free for the engine to list the frames of an error: it frees them twice when it runs out of memory there.
const ROOM_BYTES = 512 * 1024;

export function makeStacks(host, intrinsics) {
  const { lean } = intrinsics;
  const { ArrayBuffer, Error, ErrorIsError, ObjectDefineProperty, ObjectFreeze, ObjectGetPrototypeOf } = lean;
  const { ReflectApply, Symbol, WeakMap } = lean;
  const internalError = globalThis.InternalError.prototype;
  const syntaxError = lean.SyntaxError.prototype;
  const capture = Error.captureStackTrace;
  const frames = new WeakMap();
  let prepare;
  let limit = Error.stackTraceLimit;
  let capturing = false;
  let captured;
  let format;

  host.isNodeError = Symbol("isNodeError");
  // Node.js has no such class.
  delete globalThis.InternalError;

  const sitesOf = (error) => ReflectApply(lean.WeakMapPrototypeGet, frames, [error]);

  function textOf(error, sites) {
    format ??= host.load("stack_text").makeFormat(host, intrinsics);
    return format(error, sites, prepare);
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
        const sites = sitesOf(object);
        if (sites !== undefined) {
          const stack = textOf(object, sites);
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
    ReflectApply(lean.WeakMapPrototypeSet, frames, [object, sites ?? []]);
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
    } else if (ErrorIsError(error) && sitesOf(error) === undefined) {
      attach(error, sites);
    }
    return null;
  };

  // No script can construct the engine's own class; expressions that are too large are errors of their syntax.
  function isExhaustion(error, sites) {
    if (ObjectGetPrototypeOf(error) === internalError) {
      // Where no memory is left for it, the message is missing.
      const { message } = error;
      return message === undefined || message === NO_MESSAGE || ReflectApply(lean.StringPrototypeStartsWith, message, [OUT_OF_MEMORY]);
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

  intrinsics.replaced.ErrorCaptureStackTrace = captureStackTrace;
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
