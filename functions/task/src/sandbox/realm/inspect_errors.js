// How errors look when they are printed.

export function make(host, { methods, values }, require, { indented, isError, prefix }) {
  const { ArrayIsArray, String } = values;
  const { contains, endsWith, exec, find, includes, indexOf, joined, push, remove, slice, split, startsWith } = require("calls");
  const apply = values.ReflectApply;

  function stackOf(error) {
    return error.stack ? String(error.stack) : apply(methods.ErrorPrototypeToString, error, []);
  }

  function errorText(ctx, error, className, tag, keys) {
    const name = error.name != null ? String(error.name) : "Error";
    let stack = stackOf(error);
    if (!ctx.showHidden && keys.length !== 0) {
      dropShown(error, stack, keys);
    }
    if ("cause" in error && !contains(keys, "cause")) {
      push(keys, "cause");
    }
    if (ArrayIsArray(error.errors) && !contains(keys, "errors")) {
      push(keys, "errors");
    }
    stack = withClass(stack, className, name, tag);
    const at = (error.message && indexOf(stack, error.message)) || -1;
    const start = indexOf(stack, "\n    at", at === -1 ? 0 : at + error.message.length);
    if (start === -1) {
      stack = `[${stack}]`;
    } else {
      stack = slice(stack, 0, start + 1) + joined(framesOf(ctx, error, slice(stack, start + 1)), "\n");
    }
    return indented(stack, ctx);
  }

  // Properties whose text the stack has already.
  function dropShown(error, stack, keys) {
    const names = ["name", "message", "stack"];
    for (let at = 0; at < names.length; at++) {
      const index = find(keys, names[at]);
      if (index !== -1 && (typeof error[names[at]] !== "string" || includes(stack, error[names[at]]))) {
        remove(keys, index, 1);
      }
    }
  }

  const headOfStack = /^[A-Z][\w [\]()-]+(?=:|\n\s+at)/;
  const nameInStack = /^[\w-]*Error$/;

  // Puts the class of an error into its stack, if this begins with another name.
  function withClass(stack, className, name, tag) {
    const next = stack[name.length];
    const named =
      endsWith(name, "Error") && startsWith(stack, name) && (next === undefined || next === ":" || next === "\n");
    if (className !== null && !named) {
      return stack;
    }
    let fallback = "Error";
    let { length } = name;
    if (className === null) {
      fallback = (exec(headOfStack, stack) ?? exec(nameInStack, stack))?.[0] ?? "";
      length = fallback.length;
      fallback ||= "Error";
    }
    const whole = slice(prefix(className, tag, fallback), 0, -1);
    if (name === whole) {
      return stack;
    }
    if (includes(whole, name)) {
      return length === 0 ? `${whole}: ${stack}` : whole + slice(stack, length);
    }
    return `${whole} [${name}]${slice(stack, length)}`;
  }

  function framesOf(ctx, error, text) {
    const frames = split(text, "\n");
    let cause;
    try {
      ({ cause } = error);
    } catch {
      // What cannot be read has no frames.
    }
    if (cause != null && isError(cause)) {
      const stack = stackOf(cause);
      const start = indexOf(stack, "\n    at");
      if (start !== -1) {
        const { len, offset } = identicalSequenceRange(frames, split(slice(stack, start + 1), "\n"));
        if (len > 3) {
          const message = `    ... ${len - 2} lines matching cause stack trace ...`;
          remove(frames, offset + 1, len - 2, ctx.stylize(message, "undefined"));
        }
      }
    }
    return frames;
  }

  // Where at least four lines of one list are in the other.
  function identicalSequenceRange(lines, others) {
    for (let offset = 0; offset < lines.length - 3; offset++) {
      const at = find(others, lines[offset]);
      if (at === -1) {
        continue;
      }
      let len = 1;
      while (offset + len < lines.length && at + len < others.length && lines[offset + len] === others[at + len]) {
        len++;
      }
      if (len > 3) {
        return { len, offset };
      }
    }
    return { len: 0, offset: 0 };
  }

  return { errorText, identicalSequenceRange };
}
