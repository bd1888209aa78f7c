// fetch, Headers, Request and Response as scripts use them, over the host's guarded client.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NORMALISED = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]);
const FORBIDDEN = new Set(["CONNECT", "TRACE", "TRACK"]);
const EMPTY_STATUS = new Set([101, 103, 204, 205, 304]);

export function install(host) {
  const waiting = new Map();
  let lastId = 0;

  class Headers {
    #values = new Map();

    constructor(init) {
      if (init === undefined || init === null) {
        return;
      }
      if (typeof init !== "object") {
        throw new TypeError("headers must be an object or a list of pairs");
      }
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) {
        this.append(name, value);
      }
    }

    append(name, value) {
      const key = headerName(name);
      const values = this.#values.get(key) ?? [];
      values.push(headerValue(value));
      this.#values.set(key, values);
    }

    set(name, value) {
      this.#values.set(headerName(name), [headerValue(value)]);
    }

    get(name) {
      return this.#values.get(headerName(name))?.join(", ") ?? null;
    }

    getSetCookie() {
      return [...(this.#values.get("set-cookie") ?? [])];
    }

    has(name) {
      return this.#values.has(headerName(name));
    }

    delete(name) {
      this.#values.delete(headerName(name));
    }

    forEach(callback, self) {
      for (const [name, value] of this) {
        callback.call(self, value, name, this);
      }
    }

    *entries() {
      for (const name of [...this.#values.keys()].sort()) {
        yield [name, this.get(name)];
      }
    }

    *keys() {
      for (const [name] of this) {
        yield name;
      }
    }

    *values() {
      for (const [, value] of this) {
        yield value;
      }
    }

    [Symbol.iterator]() {
      return this.entries();
    }

    toJSON() {
      return Object.fromEntries(this);
    }
  }

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

    #take() {
      if (this.#used) {
        throw new TypeError("the body has already been read");
      }
      this.#used = this.#content !== null;
      return this.#content ?? "";
    }

    peek() {
      if (this.#used) {
        throw new TypeError("the body has already been read");
      }
      return this.#content;
    }

    async text() {
      const content = this.#take();
      return typeof content === "string" ? content : host.decode(content);
    }

    async json() {
      return JSON.parse(await this.text());
    }

    async arrayBuffer() {
      const content = this.#take();
      return typeof content === "string" ? host.encode(content) : content;
    }

    async bytes() {
      return new Uint8Array(await this.arrayBuffer());
    }
  }

  class Request extends Body {
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : undefined;
      const body = readBody(init.body ?? from?.peek() ?? null);
      super(body.content);
      this.method = readMethod(init.method ?? from?.method ?? "GET");
      if (body.content !== null && (this.method === "GET" || this.method === "HEAD")) {
        throw new TypeError(`a ${this.method} request cannot have a body`);
      }
      this.url = from ? from.url : String(input);
      this.headers = new Headers(init.headers ?? from?.headers);
      this.redirect = init.redirect ?? from?.redirect ?? "follow";
      this.signal = init.signal ?? from?.signal ?? null;
      if (body.type && !this.headers.has("content-type")) {
        this.headers.set("content-type", body.type);
      }
    }

    clone() {
      return new Request(this);
    }
  }

  class Response extends Body {
    constructor(content = null, init = {}) {
      const body = readBody(content);
      super(body.content);
      this.status = init.status ?? 200;
      if (!Number.isInteger(this.status) || this.status < 100 || this.status > 599) {
        throw new RangeError("the status must be a number from 100 to 599");
      }
      this.statusText = init.statusText ?? "";
      this.headers = new Headers(init.headers);
      this.url = init.url ?? "";
      this.redirected = init.redirected ?? false;
      this.type = "default";
      if (body.type && !this.headers.has("content-type")) {
        this.headers.set("content-type", body.type);
      }
    }

    get ok() {
      return this.status >= 200 && this.status < 300;
    }

    clone() {
      return new Response(this.peek(), this);
    }

    static json(data, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has("content-type")) {
        headers.set("content-type", "application/json");
      }
      return new Response(JSON.stringify(data), { ...init, headers });
    }
  }

  function fetch(input, init) {
    return new Promise((resolve, reject) => {
      const request = new Request(input, init);
      if (!["follow", "manual", "error"].includes(request.redirect)) {
        throw new TypeError("redirect must be follow, manual or error");
      }
      const { signal } = request;
      signal?.throwIfAborted();
      const id = ++lastId;
      const onAbort = () => {
        if (waiting.delete(id)) {
          host.abortFetch(id);
          reject(signal.reason);
        }
      };
      const { method, url, headers, redirect } = request;
      host.fetch(id, { method, url, headers: [...headers], redirect, body: request.peek() });
      waiting.set(id, { resolve, reject, url, forget: () => signal?.removeEventListener("abort", onAbort) });
      signal?.addEventListener("abort", onAbort);
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
      request.reject(Object.assign(new TypeError(error.message), { name: error.name }));
      return;
    }
    const content = EMPTY_STATUS.has(answer.status) ? null : answer.body;
    request.resolve(new Response(content, { ...answer, redirected: answer.url !== request.url }));
  }

  return { fetch, Headers, Request, Response, settle };
}

function headerName(name) {
  const text = String(name);
  if (!TOKEN.test(text)) {
    throw new TypeError(`"${text}" is not a valid header name`);
  }
  return text.toLowerCase();
}

function headerValue(value) {
  const text = String(value).trim();
  if (/[\0\r\n]/.test(text)) {
    throw new TypeError("a header value cannot contain line breaks");
  }
  return text;
}

function readMethod(method) {
  const text = String(method);
  const upper = text.toUpperCase();
  if (!TOKEN.test(text) || FORBIDDEN.has(upper)) {
    throw new TypeError(`"${text}" is not a method that fetch can use`);
  }
  return NORMALISED.has(upper) ? upper : text;
}

function readBody(body) {
  if (body === null || body === undefined) {
    return { content: null };
  }
  if (body instanceof ArrayBuffer) {
    return { content: body.slice(0) };
  }
  if (ArrayBuffer.isView(body)) {
    return { content: body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) };
  }
  if (Object.prototype.toString.call(body) === "[object URLSearchParams]") {
    return { content: String(body), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  return { content: String(body).toWellFormed(), type: "text/plain;charset=UTF-8" };
}
