// AxiosHeaders: headers as properties, found whatever the case of their names.

const ACCESSORS = ["Content-Type", "Content-Length", "Accept", "Accept-Encoding", "User-Agent", "Authorization"];
const DIRECTIVE = /([^\s,;=]+)\s*(?:=\s*([^,;]+))?/g;

export function make(host, { values }, require) {
  const { ArrayIsArray, ObjectDefineProperty, ObjectKeys, String, SymbolIterator, SymbolToStringTag } = values;
  const { keep } = require("http_headers");

  const isPlain = (value) => {
    const prototype = typeof value === "object" && value !== null ? Object.getPrototypeOf(value) : undefined;
    return prototype === null || (prototype !== undefined && Object.getPrototypeOf(prototype) === null);
  };
  const normalName = (name) => String(name ?? "").trim().toLowerCase();

  // A line break would end the header.
  function normalValue(value) {
    if (value === false || value === null || value === undefined) {
      return value;
    }
    return ArrayIsArray(value) ? value.map(normalValue) : String(value).replace(/[\r\n]+/g, "").trim();
  }

  function findKey(headers, name) {
    const sought = normalName(name);
    return ObjectKeys(headers).find((key) => key.toLowerCase() === sought);
  }

  function matches(headers, key, matcher) {
    if (matcher === undefined || matcher === null) {
      return true;
    }
    const value = headers[key];
    if (typeof matcher === "function") {
      return matcher.call(headers, value, key);
    }
    if (typeof matcher === "string") {
      return String(value).includes(matcher);
    }
    return matcher instanceof RegExp && matcher.test(value);
  }

  // The lines of a head as HTTP writes it.
  function parsed(text) {
    const headers = new AxiosHeaders();
    for (const line of text.split("\n")) {
      const colon = line.indexOf(":");
      const name = colon > 0 ? normalName(line.slice(0, colon)) : "";
      if (name === "") {
        continue;
      }
      const value = line.slice(colon + 1).trim();
      const known = headers[name];
      if (name === "set-cookie") {
        keep(headers, name, [...(known ?? []), value]);
      } else {
        keep(headers, name, known === undefined ? value : `${known}, ${value}`);
      }
    }
    return headers;
  }

  function directives(value) {
    const found = { __proto__: null };
    for (const [, name, text] of String(value).matchAll(DIRECTIVE)) {
      found[name] = text;
    }
    return found;
  }

  class AxiosHeaders {
    constructor(headers = undefined) {
      if (headers) {
        this.set(headers);
      }
    }

    set(header, value = undefined, rewrite = undefined) {
      const setOne = (name, one, force) => {
        if (normalName(name) === "") {
          throw new Error("header name must be a non-empty string");
        }
        const key = findKey(this, name);
        const overwrites = force === true || (force === undefined && this[key] !== false);
        if (key === undefined || this[key] === undefined || overwrites) {
          keep(this, key ?? `${name}`, normalValue(one));
        }
      };
      if (typeof header === "string") {
        if (header.trim() !== "" && /^[-_a-zA-Z0-9^`|~,!#$%&'*+.]+$/.test(header.trim())) {
          setOne(header.trim(), value, rewrite);
        } else if (header.includes(":") && header.includes("\n")) {
          this.set(parsed(header), value);
        } else if (header.trim() !== "") {
          setOne(header, value, rewrite);
        }
        return this;
      }
      if (header === null || header === undefined) {
        return this;
      }
      const isMap = !(header instanceof AxiosHeaders) && !isPlain(header) && typeof header[SymbolIterator] === "function";
      const pairs = isMap ? [...header] : ObjectKeys(header).map((name) => [name, header[name]]);
      for (const [name, one] of pairs) {
        setOne(name, one, value);
      }
      return this;
    }

    get(header, parser = undefined) {
      const key = findKey(this, header);
      if (key === undefined) {
        return undefined;
      }
      const value = this[key];
      if (!parser) {
        return value;
      }
      if (parser === true) {
        return directives(value);
      }
      if (typeof parser === "function") {
        return parser.call(this, value, key);
      }
      if (parser instanceof RegExp) {
        return parser.exec(value);
      }
      throw new TypeError("parser must be boolean|regexp|function");
    }

    has(header, matcher = undefined) {
      const key = findKey(this, header);
      return key !== undefined && this[key] !== undefined && Boolean(matches(this, key, matcher));
    }

    delete(header, matcher = undefined) {
      let deleted = false;
      for (const name of ArrayIsArray(header) ? header : [header]) {
        const key = findKey(this, name);
        if (key !== undefined && matches(this, key, matcher)) {
          delete this[key];
          deleted = true;
        }
      }
      return deleted;
    }

    clear(matcher = undefined) {
      let deleted = false;
      for (const key of ObjectKeys(this)) {
        const fits = matcher instanceof RegExp ? matcher.test(key) : normalName(key).includes(normalName(matcher));
        if (matcher === undefined || matcher === null || fits) {
          delete this[key];
          deleted = true;
        }
      }
      return deleted;
    }

    normalize(format = false) {
      const seen = {};
      for (const key of ObjectKeys(this)) {
        const value = normalValue(this[key]);
        const known = findKey(seen, key);
        const title = (text) => text.toLowerCase().replace(/(^|-)([a-z\d])/g, (_, dash, letter) => dash + letter.toUpperCase());
        const name = known ?? (format ? title(key.trim()) : key.trim());
        delete this[key];
        keep(this, name, value);
        keep(seen, name, true);
      }
      return this;
    }

    concat(...targets) {
      return AxiosHeaders.concat(this, ...targets);
    }

    toJSON(asStrings = false) {
      const shown = {};
      for (const key of ObjectKeys(this)) {
        const value = this[key];
        if (value !== undefined && value !== null && value !== false) {
          keep(shown, key, asStrings && ArrayIsArray(value) ? value.join(", ") : value);
        }
      }
      return shown;
    }

    toString() {
      return [...this].map(([name, value]) => `${name}: ${value}`).join("\n");
    }

    getSetCookie() {
      return this.get("set-cookie") ?? [];
    }

    [SymbolIterator]() {
      return Object.entries(this.toJSON())[SymbolIterator]();
    }

    get [SymbolToStringTag]() {
      return "AxiosHeaders";
    }

    static from(thing) {
      return thing instanceof AxiosHeaders ? thing : new AxiosHeaders(typeof thing === "string" ? parsed(thing) : thing);
    }

    static concat(first, ...targets) {
      const made = new AxiosHeaders(first);
      for (const target of targets) {
        made.set(target);
      }
      return made;
    }

    static accessor(header) {
      for (const name of ArrayIsArray(header) ? header : [header]) {
        const suffix = name.trim().replace(/(?:^|[-_\s])(.)/g, (_, letter) => letter.toUpperCase());
        for (const verb of ["get", "set", "has"]) {
          const value = function (first, second, third) {
            return this[verb](name, first, second, third);
          };
          ObjectDefineProperty(AxiosHeaders.prototype, `${verb}${suffix}`, { __proto__: null, value, configurable: true });
        }
      }
      return AxiosHeaders;
    }
  }
  AxiosHeaders.accessor(ACCESSORS);

  return { AxiosHeaders, isPlain };
}
