// URLSearchParams, as the URL standard defines it and Node.js prints it.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const UNESCAPED_IN_FORMS = { __proto__: null, "!": "%21", "'": "%27", "(": "%28", ")": "%29", "~": "%7E", "%20": "+" };

export function make(host, { values }, require) {
  const { IteratorPrototype, ObjectDefineProperty, ObjectSetPrototypeOf } = values;
  const { ReflectApply, ReflectGetOwnPropertyDescriptor, ReflectOwnKeys } = values;
  const { invalidThis, missingArgs, nodeError, validateFunction } = require("errors");
  const { publish } = require("web_classes");
  const { decode: unescape, hasEscapes } = require("percent");

  const inspect = (value, options) => require("inspect").inspect(value, options);
  const usv = (value) => `${value}`.toWellFormed();

  function decode(text) {
    const spaced = text.replaceAll("+", " ");
    return hasEscapes(spaced) ? unescape(spaced) : spaced;
  }

  const encode = (text) => encodeURIComponent(text).replace(/[!'()~]|%20/g, (found) => UNESCAPED_IN_FORMS[found]);

  function parse(text) {
    const pairs = [];
    for (const part of text.split("&")) {
      if (part !== "") {
        const at = part.indexOf("=");
        pairs.push(at === -1 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]);
      }
    }
    return pairs;
  }

  const parseSearch = (search) => parse(search[0] === "?" ? search.slice(1) : search);

  function pairsOf(iterable) {
    const pairs = [];
    const isIterable = (value) =>
      (typeof value === "object" || typeof value === "function") && typeof value?.[Symbol.iterator] === "function";
    if (!isIterable(iterable)) {
      throw nodeError(TypeError, "ERR_ARG_NOT_ITERABLE", "Query pairs must be iterable");
    }
    for (const pair of iterable) {
      const parts = isIterable(pair) ? [...pair] : [];
      if (parts.length !== 2) {
        throw nodeError(TypeError, "ERR_INVALID_TUPLE", "Each query pair must be an iterable [name, value] tuple");
      }
      pairs.push([usv(parts[0]), usv(parts[1])]);
    }
    return pairs;
  }

  function fieldsOf(record) {
    const fields = new Map();
    for (const key of ReflectOwnKeys(record)) {
      if (ReflectGetOwnPropertyDescriptor(record, key)?.enumerable) {
        fields.set(usv(key), usv(record[key]));
      }
    }
    return [...fields];
  }

  function read(init) {
    if (init === undefined || init === null) {
      return [];
    }
    if (typeof init !== "object" && typeof init !== "function") {
      return parseSearch(usv(init));
    }
    const iterate = init[Symbol.iterator];
    return iterate === undefined || iterate === null ? fieldsOf(init) : pairsOf(init);
  }

  // Checks the object and the arguments of a method, and returns the pairs.
  let pairsIn;
  // The parameters of a URL, which hears of every change.
  let attach;
  let refill;

  class URLSearchParams {
    #pairs;
    #changed;

    static {
      pairsIn = (params, given = undefined, names = []) => {
        if (typeof params !== "object" || params === null || !(#pairs in params)) {
          throw invalidThis("URLSearchParams");
        }
        if (given?.length < names.length) {
          throw missingArgs(...names);
        }
        return params.#pairs;
      };
      refill = (params, search) => void (params.#pairs = parseSearch(search));
      attach = (search, changed) => {
        const params = new URLSearchParams();
        refill(params, search);
        params.#changed = changed;
        return params;
      };
    }

    constructor(init = undefined) {
      this.#pairs = read(init);
    }

    #replace(pairs) {
      this.#pairs = pairs;
      this.#changed?.();
    }

    get size() {
      return pairsIn(this).length;
    }

    append(name, value) {
      const pairs = pairsIn(this, arguments, ["name", "value"]);
      pairs.push([usv(name), usv(value)]);
      this.#replace(pairs);
    }

    delete(name, value = undefined) {
      const pairs = pairsIn(this, arguments, ["name"]);
      const matches = matcher(name, value);
      this.#replace(pairs.filter((pair) => !matches(pair)));
    }

    get(name) {
      const pairs = pairsIn(this, arguments, ["name"]);
      return pairs.find(matcher(name))?.[1] ?? null;
    }

    getAll(name) {
      const pairs = pairsIn(this, arguments, ["name"]);
      return pairs.filter(matcher(name)).map((pair) => pair[1]);
    }

    has(name, value = undefined) {
      const pairs = pairsIn(this, arguments, ["name"]);
      return pairs.some(matcher(name, value));
    }

    set(name, value) {
      const pairs = pairsIn(this, arguments, ["name", "value"]);
      const matches = matcher(name);
      const made = [usv(name), usv(value)];
      const first = pairs.findIndex(matches);
      if (first === -1) {
        this.#replace([...pairs, made]);
        return;
      }
      const others = pairs.filter((pair, at) => at <= first || !matches(pair));
      others[first] = made;
      this.#replace(others);
    }

    sort() {
      const pairs = pairsIn(this);
      this.#replace(pairs.sort(([left], [right]) => (left < right ? -1 : Number(left > right))));
    }

    entries() {
      return iterate(this, (pair) => [...pair]);
    }

    forEach(callback, self = undefined) {
      pairsIn(this);
      validateFunction(callback, "callback");
      for (let at = 0; at < this.#pairs.length; at++) {
        const [name, value] = this.#pairs[at];
        ReflectApply(callback, self, [value, name, this]);
      }
    }

    keys() {
      return iterate(this, (pair) => pair[0]);
    }

    values() {
      return iterate(this, (pair) => pair[1]);
    }

    toString() {
      return serialize(this);
    }

    [CUSTOM_INSPECT](depth, options) {
      const pairs = pairsIn(this);
      if (typeof depth === "number" && depth < 0) {
        return options.stylize("[Object]", "special");
      }
      const shown = pairs.map(([name, value]) => `${inspect(name, options)} => ${inspect(value, options)}`);
      const plain = (text) => (options.colors ? require("inspect").stripVTControlCharacters(text) : text);
      const length = shown.reduce((sum, text) => sum + plain(text).length + 2, -2);
      if (shown.length === 0) {
        return `${this.constructor.name} {}`;
      }
      const [open, separator] = length > options.breakLength ? ["{\n  ", ",\n  "] : ["{ ", ", "];
      return `${this.constructor.name} ${open}${shown.join(separator)} }`;
    }
  }
  publish(URLSearchParams, ["size", "append", "delete", "get", "getAll", "has", "set", "sort"]);
  publish(URLSearchParams, ["entries", "forEach", "keys", "values", "toString"]);
  ObjectDefineProperty(URLSearchParams.prototype, Symbol.iterator, {
    __proto__: null,
    value: URLSearchParams.prototype.entries,
    writable: true,
    configurable: true,
  });

  function serialize(params) {
    const fields = pairsIn(params).map(([name, value]) => `${encode(name)}=${encode(value)}`);
    return fields.join("&");
  }

  function matcher(name, value) {
    const soughtName = usv(name);
    if (value === undefined) {
      return (pair) => pair[0] === soughtName;
    }
    const soughtValue = usv(value);
    return (pair) => pair[0] === soughtName && pair[1] === soughtValue;
  }

  let iterate;

  class Iterator {
    #params;
    #part;
    #at = 0;

    static {
      iterate = (params, part) => {
        pairsIn(params);
        const iterator = new Iterator();
        iterator.#params = params;
        iterator.#part = part;
        return iterator;
      };
    }

    static #check(iterator) {
      if (typeof iterator !== "object" || iterator === null || !(#params in iterator)) {
        throw invalidThis("URLSearchParamsIterator");
      }
      return pairsIn(iterator.#params);
    }

    next() {
      const pairs = Iterator.#check(this);
      const done = this.#at >= pairs.length;
      return { value: done ? undefined : this.#part(pairs[this.#at++]), done };
    }

    [CUSTOM_INSPECT](depth, options) {
      const pairs = Iterator.#check(this);
      if (typeof depth === "number" && depth < 0) {
        return options.stylize("[Object]", "special");
      }
      const inner = { ...options, depth: options.depth === null ? null : depth - 1 };
      const rest = pairs.slice(this.#at).map(this.#part);
      const shown = rest.map((value) => inspect(value, inner));
      // Broken into lines where the list would be.
      const [open, separator] = inspect(rest, inner).includes("\n") ? ["{\n  ", ",\n  "] : ["{ ", ", "];
      return `URLSearchParams Iterator ${open}${shown.join(separator)} }`;
    }
  }
  publish(Iterator, ["next"]);
  delete Iterator.prototype.constructor;
  ObjectSetPrototypeOf(Iterator.prototype, IteratorPrototype);
  ObjectDefineProperty(Iterator.prototype, Symbol.toStringTag, {
    __proto__: null,
    value: "URLSearchParams Iterator",
    configurable: true,
  });

  return { URLSearchParams, attach, refill, serialize };
}
