// http.ClientRequest: a request that is sent when it is ended.

const UNESCAPED = /[^\u0021-\u00ff]/;
const PORTS = { __proto__: null, "http:": 80, "https:": 443 };
// What would change where or how a request is sent, and cannot be done here.
const REFUSED = ["socketPath", "createConnection", "lookup", "localAddress", "ca", "cert", "key", "pfx"];

export function make(host, { values }, require) {
  const { Error, ObjectAssign, ObjectCreate, ObjectKeys, ArrayIsArray, TypeError, Uint8Array } = values;
  const EventEmitter = require("events");
  const { AbortError, invalidArgType, nodeError, validateFunction, validateNumber } = require("errors");
  const { IncomingMessage } = require("incoming_message");
  const { keep, pairsOf, validateHeaderName, validateHeaderValue, validateToken } = require("http_headers");
  const { send } = require("exchange");
  const { exec } = require("calls");
  const { nextTick } = require("microtasks");
  const types = require("types");

  const hangUp = () => ObjectAssign(new Error("socket hang up"), { code: "ECONNRESET" });

  // What scripts set on the socket of a request; there is none.
  class Socket extends EventEmitter {
    constructor(request, isEncrypted) {
      super();
      ObjectAssign(this, { connecting: false, destroyed: false, encrypted: isEncrypted, readable: true, writable: true });
      this.setTimeout = (ms, callback) => {
        request.setTimeout(ms, callback);
        return this;
      };
      this.destroy = (error) => {
        request.destroy(error);
        return this;
      };
    }

    setKeepAlive() {
      return this;
    }

    setNoDelay() {
      return this;
    }

    ref() {
      return this;
    }

    unref() {
      return this;
    }
  }

  function checkText(value, name, expected) {
    if (value !== undefined && value !== null && typeof value !== "string") {
      throw invalidArgType(`options.${name}`, expected, value);
    }
    return value;
  }

  function refuse(options) {
    for (const name of REFUSED) {
      if (options[name] !== undefined && options[name] !== null) {
        throw host.notSupported(`the option ${name} of a request`);
      }
    }
  }

  function targetOf(options, fallback) {
    // An agent says what its requests speak.
    const expected = options.agent?.protocol ?? fallback;
    const protocol = options.protocol ?? fallback;
    if (protocol !== expected) {
      const message = `Protocol "${protocol}" not supported. Expected "${expected}"`;
      throw nodeError(TypeError, "ERR_INVALID_PROTOCOL", message);
    }
    const path = options.path ? `${options.path}` : "/";
    if (exec(UNESCAPED, path) !== null) {
      throw nodeError(TypeError, "ERR_UNESCAPED_CHARACTERS", "Request path contains unescaped characters");
    }
    const kinds = ["string", "undefined", "null"];
    const name = checkText(options.hostname, "hostname", kinds) || checkText(options.host, "host", kinds) || "localhost";
    const port = options.port || options.defaultPort || PORTS[protocol];
    return { path, host: name, port: +port, protocol };
  }

  class ClientRequest extends EventEmitter {
    // By their names in lower case: the name as it was given and the value.
    #headers = ObjectCreate(null);
    #chunks = [];
    #timer;
    #controller;
    #target;

    constructor(options, callback = undefined, fallback = "http:") {
      super();
      const { agent, method, signal, timeout, auth } = options;
      refuse(options);
      if (agent !== undefined && agent !== null && agent !== false && typeof agent !== "object") {
        throw invalidArgType("options.agent", ["Agent-like Object", "undefined", "false"], agent);
      }
      this.#target = targetOf(options, fallback);
      checkText(method, "method", "string");
      const verb = method ? method : "GET";
      validateToken(verb, "Method");
      const { path, host: name, protocol } = this.#target;
      ObjectAssign(this, { method: verb.toUpperCase(), path, host: name, protocol, agent, res: null });
      ObjectAssign(this, { aborted: false, destroyed: false }, { finished: false, writableEnded: false, writableFinished: false, headersSent: false });
      ObjectAssign(this, { reusedSocket: false, maxHeadersCount: null, errored: null, closed: false, writable: true });
      this.socket = new Socket(this, protocol === "https:");
      this.#setAll(options.headers);
      this.#setDefaults(auth);
      if (callback) {
        this.once("response", callback);
      }
      if (timeout !== undefined) {
        this.setTimeout(timeout);
      }
      this.#follow(signal);
      nextTick(() => this.emit("socket", this.socket));
    }

    #setAll(headers) {
      if (ArrayIsArray(headers)) {
        const flat = () => headers.flatMap((name, at) => (at % 2 ? [] : [[name, headers[at + 1]]]));
        const pairs = ArrayIsArray(headers[0]) ? headers : flat();
        pairs.forEach(([name, value]) => this.appendHeader(name, value));
        return;
      }
      for (const name of headers ? ObjectKeys(headers) : []) {
        this.setHeader(name, headers[name]);
      }
    }

    #setDefaults(auth) {
      const { host: name, port, protocol } = this.#target;
      if (!this.hasHeader("host")) {
        const shown = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
        this.setHeader("Host", port === PORTS[protocol] ? shown : `${shown}:${port}`);
      }
      if (auth && !this.hasHeader("authorization")) {
        this.setHeader("Authorization", `Basic ${require("buffer").Buffer.from(`${auth}`).toString("base64")}`);
      }
    }

    #follow(signal) {
      const abort = () => this.destroy(new AbortError(undefined, { cause: signal.reason }));
      if (signal?.aborted) {
        abort();
      } else {
        signal?.addEventListener("abort", abort, { once: true });
      }
    }

    get connection() {
      return this.socket;
    }

    setHeader(name, value) {
      if (this.headersSent) {
        throw nodeError(Error, "ERR_HTTP_HEADERS_SENT", "Cannot set headers after they are sent to the client");
      }
      validateHeaderName(name);
      validateHeaderValue(name, value);
      this.#headers[name.toLowerCase()] = { name, value };
      return this;
    }

    appendHeader(name, value) {
      const known = this.#headers[`${name}`.toLowerCase()];
      return this.setHeader(name, known === undefined ? value : [known.value, value].flat());
    }

    setHeaders(headers) {
      headers.forEach((value, name) => this.setHeader(name, value));
      return this;
    }

    getHeader(name) {
      return this.#headers[`${name}`.toLowerCase()]?.value;
    }

    getHeaders() {
      const shown = ObjectCreate(null);
      for (const key of ObjectKeys(this.#headers)) {
        keep(shown, key, this.#headers[key].value);
      }
      return shown;
    }

    getHeaderNames() {
      return ObjectKeys(this.#headers);
    }

    getRawHeaderNames() {
      return ObjectKeys(this.#headers).map((key) => this.#headers[key].name);
    }

    hasHeader(name) {
      return this.getHeader(name) !== undefined;
    }

    removeHeader(name) {
      delete this.#headers[`${name}`.toLowerCase()];
    }

    flushHeaders() {}

    setNoDelay() {}

    setSocketKeepAlive() {}

    setTimeout(ms, callback = undefined) {
      validateNumber(ms, "timeout", 0);
      const timers = require("timers");
      timers.clearTimeout(this.#timer);
      if (callback !== undefined) {
        validateFunction(callback, "callback");
        this.once("timeout", callback);
      }
      this.timeout = ms;
      if (ms > 0 && !this.destroyed && !this.closed) {
        this.#timer = timers.setTimeout(() => {
          this.emit("timeout");
          this.socket.emit("timeout");
        }, ms);
      }
      return this;
    }

    write(chunk, encoding = undefined, callback = undefined) {
      const done = typeof encoding === "function" ? encoding : callback;
      if (chunk === null) {
        throw nodeError(TypeError, "ERR_STREAM_NULL_VALUES", "May not write null values to stream");
      }
      if (typeof chunk !== "string" && !types.isUint8Array(chunk)) {
        throw invalidArgType("chunk", ["string", "Buffer", "Uint8Array"], chunk);
      }
      if (this.writableEnded) {
        const error = nodeError(Error, "ERR_STREAM_WRITE_AFTER_END", "write after end");
        nextTick(() => {
          done?.(error);
          this.#fail(error);
        });
        return false;
      }
      const { Buffer } = require("buffer");
      const kind = typeof encoding === "string" ? encoding : "utf8";
      this.#chunks.push(typeof chunk === "string" ? Buffer.from(chunk, kind) : new Uint8Array(chunk));
      if (done) {
        nextTick(() => done());
      }
      return true;
    }

    end(chunk = undefined, encoding = undefined, callback = undefined) {
      const done = [chunk, encoding, callback].find((one) => typeof one === "function");
      if (chunk !== undefined && chunk !== null && typeof chunk !== "function") {
        this.write(chunk, typeof encoding === "string" ? encoding : undefined);
      }
      if (this.writableEnded) {
        return this;
      }
      ObjectAssign(this, { writableEnded: true, finished: true, headersSent: true, writable: false });
      if (done) {
        this.once("finish", done);
      }
      if (!this.destroyed) {
        this.#send();
      }
      return this;
    }

    async #send() {
      const { AbortController } = require("abort_controller");
      this.#controller = new AbortController();
      nextTick(() => {
        this.writableFinished = !this.destroyed;
        if (this.writableFinished) {
          this.emit("finish");
        }
      });
      let answer;
      try {
        const { method } = this;
        const request = { method, url: this.#url(), headers: this.#pairs(), redirect: "manual", body: this.#body() };
        answer = await send(request, this.#controller.signal);
      } catch (error) {
        const { cause } = error;
        this.#fail(cause?.code === "ECONNRESET" ? hangUp() : cause?.syscall === undefined ? error : cause);
        return;
      }
      nextTick(() => this.#receive(answer));
    }

    #url() {
      const { host: name, port, protocol, path } = this.#target;
      const { URL } = require("whatwg_url");
      const shown = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
      return new URL(`${protocol}//${shown}:${port}${path.startsWith("/") ? "" : "/"}${path}`).href;
    }

    #pairs() {
      return ObjectKeys(this.#headers).flatMap((key) => pairsOf(this.#headers[key].name, this.#headers[key].value));
    }

    #body() {
      return this.#chunks.length === 0 ? null : require("blob").joinedBytes(this.#chunks);
    }

    #receive(answer) {
      if (this.destroyed) {
        return;
      }
      require("timers").clearTimeout(this.#timer);
      this.res = new IncomingMessage(this.socket, answer);
      this.res.req = this;
      this.res.once("close", () => this.#close());
      if (!this.emit("response", this.res)) {
        this.res.resume();
      }
    }

    #close() {
      if (!this.closed) {
        this.closed = true;
        this.destroyed = true;
        this.emit("close");
      }
    }

    #fail(error) {
      if (this.errored !== null || this.closed) {
        return;
      }
      this.errored = error;
      this.destroyed = true;
      require("timers").clearTimeout(this.#timer);
      nextTick(() => {
        this.emit("error", error);
        this.#close();
      });
    }

    abort() {
      if (!this.aborted) {
        this.aborted = true;
        nextTick(() => this.emit("abort"));
        this.destroy();
      }
    }

    destroy(error = undefined) {
      if (this.destroyed) {
        return this;
      }
      this.destroyed = true;
      this.socket.destroyed = true;
      this.#controller?.abort(error);
      if (this.res !== null) {
        this.res.aborted = true;
        this.res.destroy(error ?? ObjectAssign(new Error("aborted"), { code: "ECONNRESET" }));
      } else {
        this.#fail(error ?? hangUp());
      }
      return this;
    }
  }

  return { ClientRequest };
}
