// http.IncomingMessage: a response that has arrived whole, read as the stream that it is in Node.js.

export function make(host, { values }, require) {
  const { ObjectAssign, ObjectDefineProperty, Promise } = values;
  const EventEmitter = require("events");
  const { AbortError, nodeError, validateFunction } = require("errors");
  const { collect } = require("http_headers");
  const { pairsOf } = require("received_headers");

  class IncomingMessage extends EventEmitter {
    #content;
    #encoding;
    // What is still to be read of it: "chunk", "end", "close" or "nothing".
    #next = "chunk";
    #isFlowing = null;
    #isScheduled = false;

    constructor(socket, answer = undefined) {
      super();
      const { status = null, statusText = null, headers: received = "", body, url = "" } = answer ?? {};
      const headers = pairsOf(received);
      const rawHeaders = headers.flatMap(([name, value]) => [name, value]);
      ObjectAssign(this, { socket, httpVersion: "1.1", httpVersionMajor: 1, httpVersionMinor: 1, complete: false, rawHeaders });
      ObjectAssign(this, { rawTrailers: [], trailers: {}, headers: collect(headers), aborted: false, url: "", method: null });
      ObjectAssign(this, { statusCode: status, statusMessage: statusText, responseUrl: url, req: undefined });
      ObjectAssign(this, { readable: true, readableEnded: false, destroyed: false, errored: null });
      // A response knows its request, but is not shown with it.
      ObjectDefineProperty(this, "req", { __proto__: null, value: undefined, writable: true, configurable: true });
      this.#content = require("buffer").Buffer.from(body ?? []);
      if (this.#content.length === 0) {
        this.#next = "end";
      }
    }

    get connection() {
      return this.socket;
    }

    get headersDistinct() {
      const distinct = { __proto__: null };
      for (let at = 0; at < this.rawHeaders.length; at += 2) {
        (distinct[this.rawHeaders[at].toLowerCase()] ??= []).push(this.rawHeaders[at + 1]);
      }
      return distinct;
    }

    get readableFlowing() {
      return this.#isFlowing;
    }

    get readableEncoding() {
      return this.#encoding ?? null;
    }

    get readableLength() {
      return this.#next === "chunk" ? this.#content.length : 0;
    }

    on(name, listener) {
      super.on(name, listener);
      if (name === "data" && this.#isFlowing !== false) {
        this.resume();
      } else if (name === "readable") {
        this.#isFlowing ??= false;
        require("microtasks").nextTick(() => this.emit("readable"));
      }
      return this;
    }

    addListener(name, listener) {
      return this.on(name, listener);
    }

    setEncoding(encoding = "utf8") {
      const { Buffer } = require("buffer");
      if (!Buffer.isEncoding(encoding)) {
        throw nodeError(TypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
      }
      this.#encoding = encoding;
      return this;
    }

    setTimeout(ms, callback = undefined) {
      if (callback !== undefined) {
        validateFunction(callback, "callback");
      }
      // Everything has arrived already.
      return this;
    }

    isPaused() {
      return this.#isFlowing === false;
    }

    pause() {
      this.#isFlowing = false;
      return this;
    }

    resume() {
      this.#isFlowing = true;
      this.#schedule();
      return this;
    }

    read() {
      if (this.#next !== "chunk") {
        if (this.#next === "end") {
          this.#schedule(true);
        }
        return null;
      }
      this.#next = "end";
      const chunk = this.#encoding === undefined ? this.#content : this.#content.toString(this.#encoding);
      if (this.listenerCount("data") > 0) {
        this.emit("data", chunk);
      }
      return chunk;
    }

    // One event after the other, and none while it is paused.
    #schedule(isAsked = false) {
      if (this.#isScheduled || this.destroyed) {
        return;
      }
      this.#isScheduled = true;
      require("microtasks").nextTick(() => {
        this.#isScheduled = false;
        if (this.destroyed || !(this.#isFlowing || isAsked || this.#next === "close")) {
          return;
        }
        if (this.#next === "chunk") {
          this.read();
        } else if (this.#next === "end") {
          this.#next = "close";
          ObjectAssign(this, { complete: true, readable: false, readableEnded: true });
          this.emit("end");
        } else {
          this.#next = "nothing";
          this.destroyed = true;
          this.emit("close");
          return;
        }
        this.#schedule(isAsked);
      });
    }

    destroy(error = undefined) {
      if (this.destroyed) {
        return this;
      }
      ObjectAssign(this, { destroyed: true, readable: false, errored: error ?? null });
      this.#next = "nothing";
      require("microtasks").nextTick(() => {
        // Without a listener, as in Node.js, nobody minds.
        if (error !== undefined && error !== null && this.listenerCount("error") > 0) {
          this.emit("error", error);
        }
        this.emit("close");
      });
      return this;
    }

    pipe(destination, options = undefined) {
      this.on("data", (chunk) => destination.write(chunk));
      if (options?.end !== false) {
        this.once("end", () => destination.end());
      }
      destination.emit?.("pipe", this);
      return destination;
    }

    unpipe() {
      return this.pause();
    }

    [Symbol.asyncIterator]() {
      const step = () => {
        const value = this.#next === "chunk" ? this.read() : null;
        if (value !== null) {
          return { value, done: false };
        }
        if (this.errored) {
          throw this.errored;
        }
        if (this.destroyed && !this.readableEnded) {
          throw new AbortError("aborted");
        }
        this.resume();
        return { value: undefined, done: true };
      };
      return {
        next: () => new Promise((resolve) => resolve(step())),
        return: () => {
          this.destroy();
          return new Promise((resolve) => resolve({ value: undefined, done: true }));
        },
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    }
  }

  return { IncomingMessage };
}
