// Headers, as the fetch standard defines it and Node.js prints it.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const WIDE = /[^\0-\xff]/;
const INVALID_IN_VALUES = /[\0\r\n]/;
const KINDS = "sequence<sequence<ByteString>>, record<ByteString, ByteString>";

export function make(host, { values }, require) {
  const { ArrayFrom, Map, ObjectAssign, ObjectDefineProperty, ObjectSetPrototypeOf } = values;
  const { IteratorPrototype, ReflectApply, ReflectOwnKeys, String, SymbolIterator, SymbolToStringTag, TypeError } = values;
  const { codeAt, eachOfMap, exec, forget, has, isEnumerable, joined, lower, mapGet, mapSet, part, push, slice, sort } =
    require("calls");
  const { publish } = require("web_classes");
  const { nodeError } = require("errors");

  const isToken = (text) => exec(TOKEN, text) !== null;
  const isSpace = (code) => code === 32 || code === 9 || code === 10 || code === 13;

  function need(args, count, name) {
    if (args.length < count) {
      const given = args.length === 0 ? "0 found" : `only ${args.length} found`;
      throw new TypeError(`${name}: ${count} argument${count > 1 ? "s" : ""} required, but ${given}.`);
    }
  }

  // A text of one byte per character, as headers have it.
  function byteString(value) {
    const text = `${value}`;
    const wide = exec(WIDE, text);
    if (wide !== null) {
      const where = `the character at index ${wide.index} has a value of ${codeAt(text, wide.index)} which is greater than 255.`;
      throw new TypeError(`Cannot convert argument to a ByteString because ${where}`);
    }
    return text;
  }

  function headerName(value, method) {
    const name = byteString(value);
    if (!isToken(name)) {
      throw new TypeError(`Headers.${method}: "${name}" is an invalid header name.`);
    }
    return name;
  }

  function trimmed(text) {
    let [start, end] = [0, text.length];
    while (start < end && isSpace(codeAt(text, start))) {
      start++;
    }
    while (end > start && isSpace(codeAt(text, end - 1))) {
      end--;
    }
    return slice(text, start, end);
  }

  function headerValue(value, method) {
    const text = trimmed(byteString(value));
    if (exec(INVALID_IN_VALUES, text) !== null) {
      throw new TypeError(`Headers.${method}: "${text}" is an invalid header value.`);
    }
    return text;
  }

  let stateOf;
  let freeze;

  class Headers {
    // By their names in lower case: as they were written first, and their values.
    #state = { fields: new Map(), sorted: undefined, isFrozen: false };

    static {
      stateOf = (headers) => {
        if (typeof headers !== "object" || headers === null || !(#state in headers)) {
          throw nodeError(TypeError, "ERR_INVALID_THIS", "Illegal invocation");
        }
        return headers.#state;
      };
      freeze = (headers) => {
        headers.#state.isFrozen = true;
        return headers;
      };
    }

    constructor(init = undefined) {
      if (init === undefined) {
        return;
      }
      if (init === null || (typeof init !== "object" && typeof init !== "function")) {
        throw new TypeError(`Headers constructor: Argument 1 could not be converted to one of: ${KINDS}.`);
      }
      if (typeof init[SymbolIterator] === "function") {
        appendPairs(this, init);
        return;
      }
      const keys = ReflectOwnKeys(init);
      for (let at = 0; at < keys.length; at++) {
        if (typeof keys[at] === "symbol") {
          throw new TypeError("Headers contructor: init is a symbol, which cannot be converted to a DOMString.");
        }
        if (isEnumerable(init, keys[at])) {
          append(this, keys[at], init[keys[at]]);
        }
      }
    }

    append(name, value) {
      stateOf(this);
      need(arguments, 2, "Headers.append");
      append(this, name, value);
    }

    delete(name) {
      stateOf(this);
      need(arguments, 1, "Headers.delete");
      const key = lower(headerName(name, "delete"));
      forget(changeable(this).fields, key);
    }

    get(name) {
      stateOf(this);
      need(arguments, 1, "Headers.get");
      return lookUp(this, lower(headerName(name, "get")));
    }

    has(name) {
      const { fields } = stateOf(this);
      need(arguments, 1, "Headers.has");
      return has(fields, lower(headerName(name, "has")));
    }

    set(name, value) {
      stateOf(this);
      need(arguments, 2, "Headers.set");
      const shown = headerName(name, "set");
      const field = { shown, values: [headerValue(value, "set")] };
      mapSet(changeable(this).fields, lower(shown), field);
    }

    getSetCookie() {
      return part(mapGet(stateOf(this).fields, "set-cookie")?.values ?? []);
    }

    keys() {
      return iterate(this, (pair) => pair[0]);
    }

    values() {
      return iterate(this, (pair) => pair[1]);
    }

    entries() {
      return iterate(this, (pair) => [pair[0], pair[1]]);
    }

    forEach(callback, self = undefined) {
      stateOf(this);
      need(arguments, 1, "Headers.forEach");
      if (typeof callback !== "function") {
        throw new TypeError("Headers.forEach: Parameter 1 is not of type 'Function'.");
      }
      for (let at = 0; at < sorted(this).length; at++) {
        const pair = sorted(this)[at];
        ReflectApply(callback, self, [pair[1], pair[0], this]);
      }
    }

    [CUSTOM_INSPECT](depth, options) {
      const pairs = { __proto__: null };
      eachOfMap(stateOf(this).fields, ({ shown, values: texts }) => (pairs[shown] = joined(texts, ", ")));
      return `Headers ${require("inspect").inspect(ObjectAssign({}, pairs), { ...options, depth })}`;
    }
  }
  publish(Headers, ["append", "delete", "get", "has", "set", "getSetCookie", "keys", "values", "entries", "forEach"]);
  ObjectDefineProperty(Headers.prototype, SymbolIterator, {
    __proto__: null,
    value: Headers.prototype.entries,
    writable: true,
    configurable: true,
  });

  // What the constructor does as well, whatever a script has made of the method.
  function append(headers, name, value) {
    const shown = headerName(name, "append");
    const text = headerValue(value, "append");
    const { fields } = changeable(headers);
    const field = mapGet(fields, lower(shown));
    if (field === undefined) {
      mapSet(fields, lower(shown), { shown, values: [text] });
    } else {
      push(field.values, text);
    }
  }

  function appendPairs(headers, pairs) {
    let at = 0;
    for (const pair of pairs) {
      if (pair === null || typeof pair !== "object" || typeof pair[SymbolIterator] !== "function") {
        throw new TypeError(`Headers contructor: init[${at}] (${String(pair)}) is not iterable.`);
      }
      const parts = ArrayFrom(pair);
      if (parts.length !== 2) {
        throw new TypeError(`Headers constructor: expected name/value pair to be length 2, found ${parts.length}.`);
      }
      append(headers, parts[0], parts[1]);
      at++;
    }
  }

  function changeable(headers) {
    const state = stateOf(headers);
    if (state.isFrozen) {
      throw new TypeError("immutable");
    }
    state.sorted = undefined;
    return state;
  }

  // The pairs as they are sent and iterated over; each cookie is one of its own.
  function sorted(headers) {
    const state = stateOf(headers);
    if (state.sorted !== undefined) {
      return state.sorted;
    }
    const names = [];
    eachOfMap(state.fields, (field, name) => push(names, name));
    sort(names);
    const pairs = [];
    for (let at = 0; at < names.length; at++) {
      const { values: texts } = mapGet(state.fields, names[at]);
      if (names[at] !== "set-cookie") {
        push(pairs, [names[at], joined(texts, ", ")]);
        continue;
      }
      for (let cookie = 0; cookie < texts.length; cookie++) {
        push(pairs, [names[at], texts[cookie]]);
      }
    }
    return (state.sorted = pairs);
  }

  const iteratorPrototype = ObjectSetPrototypeOf(
    {
      next() {
        return this.step();
      },
    },
    IteratorPrototype,
  );
  ObjectDefineProperty(iteratorPrototype, SymbolToStringTag, {
    __proto__: null,
    value: "Headers Iterator",
    configurable: true,
  });

  function iterate(headers, show) {
    stateOf(headers);
    let at = 0;
    const step = () => {
      const pairs = sorted(headers);
      return at < pairs.length ? { value: show(pairs[at++]), done: false } : { value: undefined, done: true };
    };
    const iterator = ObjectSetPrototypeOf({}, iteratorPrototype);
    return ObjectDefineProperty(iterator, "step", { __proto__: null, value: step });
  }

  // What the method does, whatever a script has made of it.
  function lookUp(headers, name) {
    const field = mapGet(stateOf(headers).fields, name);
    return field === undefined ? null : joined(field.values, ", ");
  }

  function appendMissing(headers, name, value) {
    if (lookUp(headers, name) === null) {
      append(headers, name, value);
    }
  }

  return { Headers, appendMissing, byteString, freeze, isToken, lookUp, need, sorted };
}
