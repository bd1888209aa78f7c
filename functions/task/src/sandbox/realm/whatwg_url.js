// URL, as the URL standard defines it and Node.js prints it.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const MAX_CHARACTERS = 1024 * 1024;
// What the host gives for a URL, in this order.
const PARTS = [
  "href",
  "origin",
  "protocol",
  "username",
  "password",
  "host",
  "hostname",
  "port",
  "pathname",
  "search",
  "hash",
];

export function make(host, { uncurryThis, methods, values }, require) {
  const { invalidArgType, missingArgs } = require("errors");
  const { publish } = require("web_classes");
  const { URLSearchParams, attach, refill, serialize } = require("search_params");

  const { ObjectDefineProperty, ObjectGetOwnPropertyDescriptor } = values;
  const toWellFormed = uncurryThis(methods.StringPrototypeToWellFormed);

  function checked(value) {
    const text = `${value}`;
    if (text.length > MAX_CHARACTERS) {
      throw host.notSupported(`a URL of more than ${MAX_CHARACTERS} characters`);
    }
    return toWellFormed(text);
  }

  function need(args) {
    if (args.length === 0) {
      throw missingArgs("url");
    }
  }

  const parse = (input, base) => host.urlParse(checked(input), base === undefined ? null : checked(base));

  // What looks like a URL, and not like what the legacy parser makes, is taken for one.
  const isURL = (value) =>
    Boolean(value?.href && value.protocol && value.auth === undefined && value.path === undefined);

  function invalidUrl(input, base) {
    const error = new TypeError("Invalid URL");
    error.code = "ERR_INVALID_URL";
    error.input = input;
    if (base !== undefined) {
      error.base = base;
    }
    return error;
  }

  let read;
  let update;
  let isOwn;

  class URL {
    #parts;
    #params;
    // Whether the parameters have changed since.
    #stale = false;

    constructor(input, base = undefined) {
      need(arguments);
      const [text, from] = [`${input}`, base === undefined ? undefined : `${base}`];
      const parts = parse(text, from);
      if (parts === undefined) {
        throw invalidUrl(text, from);
      }
      this.#parts = parts;
    }

    static parse(input, base = undefined) {
      need(arguments);
      return parse(input, base) === undefined ? null : new URL(input, base);
    }

    static canParse(input, base = undefined) {
      need(arguments);
      return parse(input, base) !== undefined;
    }

    static createObjectURL(obj) {
      throw invalidArgType("obj", "Blob", obj);
    }

    static revokeObjectURL(url) {
      need(arguments);
      checked(url);
    }

    static {
      read = (url, at) => url.#current()[at];
      update = (url, name, value) => url.#update(name, value);
      isOwn = (value) => typeof value === "object" && value !== null && #parts in value;
    }

    #current() {
      if (this.#stale) {
        this.#parts = host.urlUpdate(this.#parts[0], "search", checked(serialize(this.#params))) ?? this.#parts;
        this.#stale = false;
      }
      return this.#parts;
    }

    #update(name, value) {
      const parts = host.urlUpdate(this.#current()[0], name, checked(value));
      if (parts !== undefined) {
        this.#parts = parts;
      } else if (name === "href") {
        throw invalidUrl(`${value}`);
      }
      if (this.#params !== undefined && (name === "href" || name === "search")) {
        refill(this.#params, this.search);
      }
    }

    get searchParams() {
      return (this.#params ??= attach(this.search, () => void (this.#stale = true)));
    }

    toString() {
      return this.#current()[0];
    }

    toJSON() {
      return this.#current()[0];
    }

    [CUSTOM_INSPECT](depth, options) {
      if (typeof depth === "number" && depth < 0) {
        return this;
      }
      const shown = {};
      for (const name of PARTS) {
        if (name === "hash") {
          shown.searchParams = this.searchParams;
        }
        shown[name] = this[name];
      }
      return `${this.constructor.name} ${require("inspect").inspect(shown, options)}`;
    }
  }
  for (const name of ["parse", "canParse", "createObjectURL", "revokeObjectURL"]) {
    ObjectDefineProperty(URL, name, { __proto__: null, enumerable: true });
  }
  for (let at = 0; at < PARTS.length; at++) {
    const name = PARTS[at];
    const attribute = {
      get [name]() {
        return read(this, at);
      },
      set [name](value) {
        update(this, name, value);
      },
    };
    const { get, set } = ObjectGetOwnPropertyDescriptor(attribute, name);
    const setter = name === "origin" ? undefined : set;
    ObjectDefineProperty(URL.prototype, name, { __proto__: null, get, set: setter, configurable: true });
  }
  publish(URL, ["toString", ...PARTS, "searchParams", "toJSON"]);

  return { URL, URLSearchParams, checked, invalidUrl, isOwn, isURL };
}
