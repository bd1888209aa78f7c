// What `format` makes of its arguments, as Node.js does.

export function make(host, { values }, require, printing) {
  const { bigintText, builtIn, counted, inspect, numberText, proxyParts, validateObject } = printing;
  const { JSONStringify, Number, NumberParseFloat, NumberParseInt, String } = values;
  const { ObjectGetOwnPropertyDescriptor, ObjectGetPrototypeOf } = values;
  const { hasOwn, includes, indexOf, setHas, slice } = require("calls");

  // A method of its own, or one of a class that the language does not have, says what its text is.
  function hasOwnText(value) {
    const parts = proxyParts(value);
    const object = parts === undefined ? value : parts[0];
    if (object === null || typeof object.toString !== "function") {
      return false;
    }
    const says = (holder) => hasOwn(holder, "toString") || hasOwn(holder, values.SymbolToPrimitive);
    if (says(object)) {
      return true;
    }
    let holder = object;
    do {
      holder = ObjectGetPrototypeOf(holder);
    } while (holder !== null && !says(holder));
    const constructor = holder === null ? undefined : ObjectGetOwnPropertyDescriptor(holder, "constructor")?.value;
    return typeof constructor !== "function" || !setHas(builtIn, constructor.name);
  }

  function asText(value, options) {
    if (typeof value === "number") {
      return numberText(value, false);
    }
    if (typeof value === "bigint") {
      return bigintText(value, false);
    }
    if (typeof value !== "object" || value === null || hasOwnText(value)) {
      return String(value);
    }
    return inspect(value, { ...options, depth: 0, colors: false, compact: 3 });
  }

  function asNumber(value, parse, whole) {
    if (typeof value === "bigint" && whole) {
      return bigintText(value, false);
    }
    return typeof value === "symbol" ? "NaN" : numberText(parse(value), false);
  }

  function asJson(value) {
    try {
      return `${JSONStringify(value)}`;
    } catch (error) {
      if (isCircular(value, error)) {
        return "[Circular]";
      }
      throw error;
    }
  }

  // The engine's message about a circle is its own.
  let circular;
  function isCircular(value, error) {
    if (circular === undefined) {
      const circle = {};
      circle.circle = circle;
      try {
        JSONStringify(circle);
      } catch ({ message }) {
        circular = slice(message, 0, 12);
      }
    }
    return error?.name === "TypeError" && includes(String(error.message), circular);
  }

  // What stands for this letter, or nothing if it is none.
  function replacement(letter, value, options) {
    switch (letter) {
      case "s":
        return asText(value, options);
      case "j":
        return asJson(value);
      case "d":
        return asNumber(value, Number, true);
      case "i":
        return asNumber(value, NumberParseInt, true);
      case "f":
        return asNumber(value, NumberParseFloat, false);
      case "O":
        return inspect(value, options);
      case "o":
        return inspect(value, { ...options, showHidden: true, showProxy: true, depth: 4 });
      case "c":
        return "";
      default:
        return undefined;
    }
  }

  function shownFor(letter, args, next, options) {
    if (letter === "%") {
      return "%";
    }
    return next < args.length ? counted(() => replacement(letter, args[next], options)) : undefined;
  }

  function formatParts(options, args) {
    let text = "";
    let next = 0;
    const add = (write) => void (text += counted(write));
    if (typeof args[0] === "string") {
      const template = args[0];
      next = 1;
      if (args.length === 1) {
        return counted(() => template);
      }
      let from = 0;
      for (let at = indexOf(template, "%"); at !== -1 && at < template.length - 1; at = indexOf(template, "%", at)) {
        const letter = template[at + 1];
        const shown = shownFor(letter, args, next, options);
        if (shown !== undefined) {
          const before = slice(template, from, at);
          add(() => before + shown);
          next += letter === "%" ? 0 : 1;
          from = at + 2;
        }
        at += shown === undefined ? 1 : 2;
      }
      add(() => slice(template, from));
    }
    for (let at = next; at < args.length; at++) {
      const value = args[at];
      add(() => (at > 0 ? " " : "") + (typeof value === "string" ? value : inspect(value, options)));
    }
    return text;
  }

  function format(...args) {
    return formatParts(undefined, args);
  }

  function formatWithOptions(options, ...args) {
    validateObject(options, "inspectOptions", { allowArray: true, allowFunction: true, nullable: false });
    return formatParts(options, args);
  }

  return { format, formatParts, formatWithOptions };
}
