// fetch, Headers, Request and Response as scripts use them, over the host's guarded client.

const NORMALISED = { __proto__: null, DELETE: 1, GET: 1, HEAD: 1, OPTIONS: 1, POST: 1, PUT: 1 };
const FORBIDDEN = { __proto__: null, CONNECT: 1, TRACE: 1, TRACK: 1 };
const EMPTY_STATUS = { __proto__: null, 101: 1, 103: 1, 204: 1, 205: 1, 304: 1 };

export function install(host, primordials, require) {
  const {
    ArrayPrototypeJoin,
    ArrayPrototypeMap,
    ArrayPrototypePush,
    ArrayPrototypeSlice,
    ArrayPrototypeSort,
    FunctionPrototypeCall,
    JSONParse,
    JSONStringify,
    NumberIsInteger,
    ObjectAssign,
    ObjectDefineProperties,
    ObjectSetPrototypeOf,
    Promise,
    RangeError,
    ReflectOwnKeys,
    RegExpPrototypeExec,
    RegExpPrototypeSymbolReplace,
    SafeMap,
    String,
    StringPrototypeCharCodeAt,
    StringPrototypeToLowerCase,
    StringPrototypeToUpperCase,
    SymbolIterator,
    SymbolToStringTag,
    TypeError,
    Uint8Array,
  } = primordials;
  const customInspectSymbol = primordials.SymbolFor("nodejs.util.inspect.custom");
  const kEnumerableProperty = { __proto__: null, enumerable: true };
  const bytes = require("bytes");
  const types = require("types");

  const waiting = new SafeMap();
  let lastId = 0;

  function need(args, count, name) {
    if (args.length < count) {
      const given = args.length === 0 ? "0 found" : `only ${args.length} found`;
      throw new TypeError(`${name}: ${count} argument${count > 1 ? "s" : ""} required, but ${given}.`);
    }
  }

  // A text of one byte per character, as headers have it.
  function byteString(value) {
    const text = `${value}`;
    for (let at = 0; at < text.length; at++) {
      const code = StringPrototypeCharCodeAt(text, at);
      if (code > 255) {
        const where = `the character at index ${at} has a value of ${code} which is greater than 255.`;
        throw new TypeError(`Cannot convert argument to a ByteString because ${where}`);
      }
    }
    return text;
  }

  function headerName(value, method) {
    const name = byteString(value);
    if (RegExpPrototypeExec(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, name) === null) {
      throw new TypeError(`Headers.${method}: "${name}" is an invalid header name.`);
    }
    return StringPrototypeToLowerCase(name);
  }

  function headerValue(value, method) {
    const text = RegExpPrototypeSymbolReplace(/^[\t\n\r ]+|[\t\n\r ]+$/g, byteString(value), "");
    if (RegExpPrototypeExec(/[\0\r\n]/, text) !== null) {
      throw new TypeError(`Headers.${method}: "${text}" is an invalid header value.`);
    }
    return text;
  }

  class Headers {
    #values = new SafeMap();

    constructor(init = undefined) {
      if (init === undefined) {
        return;
      }
      const kinds = "sequence<sequence<ByteString>>, record<ByteString, ByteString>";
      if (init === null || typeof init !== "object") {
        throw new TypeError(`Headers constructor: Argument 1 could not be converted to one of: ${kinds}.`);
      }
      if (typeof init[SymbolIterator] === "function") {
        this.#addPairs(init);
        return;
      }
      const keys = ReflectOwnKeys(init);
      for (let at = 0; at < keys.length; at++) {
        if (primordials.ObjectPrototypePropertyIsEnumerable(init, keys[at])) {
          this.append(keys[at], init[keys[at]]);
        }
      }
    }

    #addPairs(pairs) {
      let at = 0;
      for (const pair of pairs) {
        if (pair === null || typeof pair !== "object" || typeof pair[SymbolIterator] !== "function") {
          throw new TypeError(`Headers contructor: init[${at}] (${String(pair)}) is not iterable.`);
        }
        const parts = primordials.ArrayFrom(pair);
        if (parts.length !== 2) {
          throw new TypeError(`Headers constructor: expected name/value pair to be length 2, found ${parts.length}.`);
        }
        this.append(parts[0], parts[1]);
        at++;
      }
    }

    append(name, value) {
      need(arguments, 2, "Headers.append");
      const { 0: key, 1: text } = [headerName(name, "append"), headerValue(value, "append")];
      const known = this.#values.get(key);
      if (known === undefined) {
        this.#values.set(key, { shown: `${name}`, values: [text] });
      } else {
        ArrayPrototypePush(known.values, text);
      }
    }

    delete(name) {
      need(arguments, 1, "Headers.delete");
      this.#values.delete(headerName(name, "delete"));
    }

    get(name) {
      need(arguments, 1, "Headers.get");
      const known = this.#values.get(headerName(name, "get"));
      return known === undefined ? null : ArrayPrototypeJoin(known.values, ", ");
    }

    has(name) {
      need(arguments, 1, "Headers.has");
      return this.#values.has(headerName(name, "has"));
    }

    set(name, value) {
      need(arguments, 2, "Headers.set");
      this.#values.set(headerName(name, "set"), { shown: `${name}`, values: [headerValue(value, "set")] });
    }

    getSetCookie() {
      return ArrayPrototypeSlice(this.#values.get("set-cookie")?.values ?? []);
    }

    #sorted() {
      const names = [];
      this.#values.forEach((_, name) => ArrayPrototypePush(names, name));
      const pairs = [];
      ArrayPrototypeSort(names);
      for (let at = 0; at < names.length; at++) {
        const { values } = this.#values.get(names[at]);
        const shown = names[at] === "set-cookie" ? values : [ArrayPrototypeJoin(values, ", ")];
        ArrayPrototypePush(pairs, ...ArrayPrototypeMap(shown, (value) => [names[at], value]));
      }
      return pairs;
    }

    forEach(callback, self = undefined) {
      need(arguments, 1, "Headers.forEach");
      if (typeof callback !== "function") {
        throw new TypeError("Headers.forEach: Parameter 1 is not of type 'Function'.");
      }
      const pairs = this.#sorted();
      for (let at = 0; at < pairs.length; at++) {
        FunctionPrototypeCall(callback, self, pairs[at][1], pairs[at][0], this);
      }
    }

    entries() {
      return iterate(this.#sorted(), (pair) => pair);
    }

    keys() {
      return iterate(this.#sorted(), (pair) => pair[0]);
    }

    values() {
      return iterate(this.#sorted(), (pair) => pair[1]);
    }

    [customInspectSymbol](depth, options) {
      const pairs = { __proto__: null };
      this.#values.forEach(({ shown, values }) => (pairs[shown] = ArrayPrototypeJoin(values, ", ")));
      return `Headers ${require("inspect").inspect(ObjectAssign({}, pairs), { ...options, depth })}`;
    }
  }

  const iteratorPrototype = ObjectSetPrototypeOf(
    {
      next() {
        return this.step();
      },
    },
    primordials.IteratorPrototype,
  );

  function iterate(pairs, part) {
    let at = 0;
    const step = () => (at < pairs.length ? { value: part(pairs[at++]), done: false } : { value: undefined, done: true });
    const iterator = ObjectSetPrototypeOf({}, iteratorPrototype);
    ObjectDefineProperties(iterator, { step: { __proto__: null, value: step } });
    return iterator;
  }

  ObjectDefineProperties(iteratorPrototype, {
    next: kEnumerableProperty,
    [SymbolToStringTag]: { __proto__: null, value: "Headers Iterator", configurable: true },
  });
  ObjectDefineProperties(Headers.prototype, {
    append: kEnumerableProperty,
    delete: kEnumerableProperty,
    get: kEnumerableProperty,
    has: kEnumerableProperty,
    set: kEnumerableProperty,
    getSetCookie: kEnumerableProperty,
    forEach: kEnumerableProperty,
    entries: kEnumerableProperty,
    keys: kEnumerableProperty,
    values: kEnumerableProperty,
    [SymbolIterator]: { __proto__: null, value: Headers.prototype.entries, writable: true, configurable: true },
    [SymbolToStringTag]: { __proto__: null, value: "Headers", configurable: true },
  });

  const decode = (buffer) => {
    const text = FunctionPrototypeCall(bytes.utf8Slice, new Uint8Array(buffer));
    return text[0] === "\ufeff" ? primordials.StringPrototypeSlice(text, 1) : text;
  };

  // A body is text or an ArrayBuffer, so that text is never copied to bytes.
  class Body {
    #content;
    #used = false;

    constructor(content) {
      this.#content = content;
    }

    get bodyUsed() {
      return this.#used;
    }

    get body() {
      if (this.#content === null) {
        return null;
      }
      throw host.notSupported("the stream of a body");
    }

    #take() {
      if (this.#used) {
        throw new TypeError("Body is unusable: Body has already been read");
      }
      this.#used = this.#content !== null;
      return this.#content ?? "";
    }

    static peek(body) {
      if (body.#used) {
        throw new TypeError("Body is unusable: Body has already been read");
      }
      return body.#content;
    }

    async text() {
      const content = this.#take();
      return typeof content === "string" ? content : decode(content);
    }

    async json() {
      return JSONParse(await this.text());
    }

    async arrayBuffer() {
      const content = this.#take();
      return typeof content === "string" ? host.utf8Encode(content) : content;
    }

    async bytes() {
      return new Uint8Array(await this.arrayBuffer());
    }

    async blob() {
      throw host.notSupported("Blob");
    }

    async formData() {
      throw host.notSupported("FormData");
    }
  }
  const { peek } = Body;
  delete Body.peek;

  function parseUrl(input) {
    const { URL } = require("whatwg_url");
    const url = URL.canParse(input) ? new URL(input) : undefined;
    if (url === undefined) {
      throw new TypeError(`Failed to parse URL from ${input}`);
    }
    if (url.username !== "" || url.password !== "") {
      throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${input}`);
    }
    return url.href;
  }

  class Request extends Body {
    constructor(input, init = undefined) {
      need(arguments, 1, "Request constructor");
      const options = init ?? {};
      const from = input instanceof Request ? input : undefined;
      const url = from ? from.url : parseUrl(`${input}`);
      const body = readBody(options.body ?? (from ? peek(from) : null));
      super(body.content);
      this.method = readMethod(options.method ?? from?.method ?? "GET");
      if (body.content !== null && (this.method === "GET" || this.method === "HEAD")) {
        throw new TypeError("Request with GET/HEAD method cannot have body.");
      }
      this.url = url;
      this.headers = new Headers(options.headers ?? from?.headers);
      this.redirect = options.redirect ?? from?.redirect ?? "follow";
      this.signal = options.signal ?? from?.signal ?? new (require("abort_controller").AbortController)().signal;
      if (body.type && !this.headers.has("content-type")) {
        this.headers.append("content-type", body.type);
      }
    }

    clone() {
      return new Request(this);
    }
  }

  class Response extends Body {
    constructor(content = null, init = undefined) {
      const body = readBody(content);
      super(body.content);
      const options = init ?? {};
      this.type = "default";
      this.url = "";
      this.redirected = false;
      this.status = options.status ?? 200;
      if (!NumberIsInteger(this.status) || this.status < 200 || this.status > 599) {
        throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
      }
      if (body.content !== null && EMPTY_STATUS[this.status]) {
        throw new TypeError(`Response constructor: Invalid response status code ${this.status}`);
      }
      this.statusText = `${options.statusText ?? ""}`;
      this.headers = new Headers(options.headers);
      if (body.type && !this.headers.has("content-type")) {
        this.headers.append("content-type", body.type);
      }
    }

    get ok() {
      return this.status >= 200 && this.status < 300;
    }

    clone() {
      const { url, redirected } = this;
      return ObjectAssign(new Response(peek(this), this), { url, redirected });
    }

    static json(data, init = {}) {
      need(arguments, 1, "Response.json");
      const text = JSONStringify(data);
      if (text === undefined) {
        throw new TypeError("Value is not JSON serializable");
      }
      const headers = new Headers(init.headers);
      if (!headers.has("content-type")) {
        headers.set("content-type", "application/json");
      }
      return new Response(text, { ...init, headers });
    }

    static redirect(url, status = 302) {
      const codes = { __proto__: null, 301: 1, 302: 1, 303: 1, 307: 1, 308: 1 };
      if (!codes[status]) {
        throw new RangeError(`Invalid status code ${status}`);
      }
      return new Response(null, { status, headers: { location: new (require("whatwg_url").URL)(url).href } });
    }

    static error() {
      return ObjectAssign(new Response(), { type: "error", status: 0 });
    }
  }

  function readMethod(method) {
    const text = `${method}`;
    const upper = StringPrototypeToUpperCase(text);
    if (RegExpPrototypeExec(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, text) === null) {
      throw new TypeError(`'${text}' is not a valid HTTP method.`);
    }
    if (FORBIDDEN[upper]) {
      throw new TypeError(`'${text}' HTTP method is unsupported.`);
    }
    return NORMALISED[upper] ? upper : text;
  }

  function readBody(body) {
    if (body === null || body === undefined) {
      return { content: null };
    }
    if (types.isArrayBuffer(body)) {
      return { content: primordials.ArrayBufferPrototypeSlice(body, 0) };
    }
    if (types.isArrayBufferView(body)) {
      return { content: primordials.TypedArrayPrototypeGetBuffer(new Uint8Array(bytes.bytesOf(body))) };
    }
    const { URLSearchParams } = require("whatwg_url");
    if (body instanceof URLSearchParams) {
      return { content: `${body}`, type: "application/x-www-form-urlencoded;charset=UTF-8" };
    }
    return { content: primordials.StringPrototypeToWellFormed(`${body}`), type: "text/plain;charset=UTF-8" };
  }

  function fetch(input, init = undefined) {
    return new Promise((resolve, reject) => {
      const request = new Request(input, init);
      const { method, url, headers, redirect, signal } = request;
      if (redirect !== "follow" && redirect !== "manual" && redirect !== "error") {
        throw new TypeError("redirect must be follow, manual or error");
      }
      signal.throwIfAborted();
      const id = ++lastId;
      const onAbort = () => {
        if (waiting.delete(id)) {
          host.abortFetch(id);
          reject(signal.reason);
        }
      };
      const pairs = [];
      headers.forEach((value, name) => ArrayPrototypePush(pairs, [name, value]));
      host.fetch(id, { method, url, headers: pairs, redirect, body: peek(request) });
      waiting.set(id, { resolve, reject, url, forget: () => signal.removeEventListener("abort", onAbort) });
      signal.addEventListener("abort", onAbort);
    });
  }

  function settle(id, answer, error) {
    const request = waiting.get(id);
    if (!request) {
      return;
    }
    waiting.delete(id);
    request.forget();
    if (error) {
      request.reject(ObjectAssign(new TypeError(error.message), { name: error.name }));
      return;
    }
    const { status, statusText, url, headers, body } = answer;
    if (status > 599) {
      request.reject(ObjectAssign(new TypeError(`the server answered with the status ${status}`), { name: "FetchFailed" }));
      return;
    }
    const shown = status < 200 ? 200 : status;
    const response = new Response(EMPTY_STATUS[status] ? null : body, { status: shown, statusText, headers });
    request.resolve(ObjectAssign(response, { status, url, redirected: url !== request.url }));
  }

  return { fetch, Headers, Request, Response, settle };
}
