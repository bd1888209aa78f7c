// ReadableStream with its default reader and controller.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

export function make(host, { values }, require) {
  const { Number, NumberIsNaN, ObjectAssign, ObjectDefineProperty, Promise, PromiseResolve, ReflectApply, TypeError } = values;
  const { push, remove, then } = require("calls");
  const { invalidArgType, invalidArgValue, invalidThis, nodeError } = require("errors");
  const { publish, show } = require("web_classes");
  const key = {};
  const noop = () => {};

  const resolved = (value) => ReflectApply(PromiseResolve, Promise, [value]);
  const invalidState = (message) => nodeError(TypeError, "ERR_INVALID_STATE", `Invalid state: ${message}`);
  const attempt = (call) => new Promise((resolve) => resolve(call()));

  function deferred() {
    const made = { __proto__: null };
    made.promise = new Promise((resolve, reject) => {
      made.resolve = resolve;
      made.reject = reject;
    });
    return made;
  }

  let stateOf;

  class ReadableStream {
    #state;

    static {
      stateOf = (value) => {
        if (typeof value !== "object" || value === null || !(#state in value)) {
          throw invalidThis("ReadableStream");
        }
        return value.#state;
      };
    }

    constructor(source = {}, strategy = {}) {
      if (source === null || typeof source !== "object") {
        throw invalidArgType("source", "Object", source);
      }
      if (source.type !== undefined) {
        throw source.type === "bytes" ? host.notSupported("streams of bytes") : invalidArgValue("source.type", source.type);
      }
      const mark = strategy?.highWaterMark === undefined ? 1 : Number(strategy.highWaterMark);
      if (NumberIsNaN(mark) || mark < 0) {
        throw invalidArgValue("strategy.highWaterMark", mark, "is invalid", values.RangeError);
      }
      const state = { kind: "readable", error: undefined, queue: [], requests: [], reader: undefined };
      this.#state = ObjectAssign(state, { source, mark, started: false, pulling: false, again: false });
      ObjectAssign(state, { closing: false, disturbed: false, controller: undefined });
      state.controller = new ReadableStreamDefaultController(key, state);
      const started = source.start === undefined ? undefined : ReflectApply(source.start, source, [state.controller]);
      then(
        resolved(started),
        () => {
          state.started = true;
          pull(state);
        },
        (error) => fail(state, error),
      );
    }

    static from(iterable) {
      const iterate = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
      if (typeof iterate !== "function") {
        throw nodeError(TypeError, "ERR_ARG_NOT_ITERABLE", "iterable must be iterable");
      }
      const iterator = ReflectApply(iterate, iterable, []);
      const source = {
        async pull(controller) {
          const { value, done } = await iterator.next();
          if (done) {
            controller.close();
          } else {
            controller.enqueue(await value);
          }
        },
        async cancel(reason) {
          await iterator.return?.(reason);
        },
      };
      return new ReadableStream(source, { highWaterMark: 0 });
    }

    get locked() {
      return stateOf(this).reader !== undefined;
    }

    async cancel(reason = undefined) {
      const state = stateOf(this);
      if (state.reader !== undefined) {
        throw invalidState("ReadableStream is locked");
      }
      await cancel(state, reason);
    }

    getReader(options = undefined) {
      if (options?.mode !== undefined) {
        throw host.notSupported("readers into buffers");
      }
      return new ReadableStreamDefaultReader(this);
    }

    pipeThrough() {
      throw host.notSupported("ReadableStream.pipeThrough");
    }

    async pipeTo() {
      throw host.notSupported("ReadableStream.pipeTo");
    }

    tee() {
      const reader = new ReadableStreamDefaultReader(this);
      const branches = [];
      let reading = false;
      const each = (call) => {
        for (let at = 0; at < branches.length; at++) {
          if (stateOf(branches[at]).kind === "readable") {
            call(stateOf(branches[at]).controller);
          }
        }
      };
      const read = async () => {
        if (reading) {
          return;
        }
        reading = true;
        try {
          const { value, done } = await reader.read();
          each((controller) => (done ? controller.close() : controller.enqueue(value)));
        } catch (error) {
          each((controller) => controller.error(error));
        }
        reading = false;
      };
      const branch = () => new ReadableStream({ pull: read }, { highWaterMark: 0 });
      push(branches, branch(), branch());
      return branches;
    }

    values(options = undefined) {
      const reader = new ReadableStreamDefaultReader(this);
      let isDone = false;
      // The engine also calls this after the last step.
      const end = async (reason) => {
        if (!isDone) {
          isDone = true;
          const cancelled = options?.preventCancel ? undefined : reader.cancel(reason);
          reader.releaseLock();
          await cancelled;
        }
        return { value: reason, done: true };
      };
      return {
        async next() {
          if (isDone) {
            return { value: undefined, done: true };
          }
          const step = await reader.read();
          if (step.done && !isDone) {
            isDone = true;
            reader.releaseLock();
          }
          return step;
        },
        return: end,
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    }

    [CUSTOM_INSPECT](depth, options) {
      const { kind, supportsBytes } = stateOf(this);
      return show(this, depth, options, { locked: this.locked, state: kind, supportsBYOB: Boolean(supportsBytes) });
    }
  }
  publish(ReadableStream, ["locked", "cancel", "getReader", "pipeThrough", "pipeTo", "tee", "values"]);
  ObjectDefineProperty(ReadableStream.prototype, Symbol.asyncIterator, {
    __proto__: null,
    value: ReadableStream.prototype.values,
    writable: true,
    configurable: true,
  });

  class ReadableStreamDefaultController {
    #stream;

    constructor(given, stream) {
      if (given !== key) {
        throw nodeError(TypeError, "ERR_ILLEGAL_CONSTRUCTOR", "Illegal constructor");
      }
      this.#stream = stream;
    }

    get desiredSize() {
      const { kind, mark, queue } = this.#stream;
      return kind === "errored" ? null : kind === "closed" ? 0 : mark - queue.length;
    }

    close() {
      const state = this.#stream;
      if (state.closing || state.kind !== "readable") {
        throw invalidState("Controller is already closed");
      }
      state.closing = true;
      if (state.queue.length === 0) {
        close(state);
      }
    }

    enqueue(chunk = undefined) {
      const state = this.#stream;
      if (state.closing || state.kind !== "readable") {
        throw invalidState("Controller is already closed");
      }
      if (state.requests.length > 0) {
        shift(state.requests).resolve({ value: chunk, done: false });
      } else {
        push(state.queue, chunk);
      }
      pull(state);
    }

    error(error = undefined) {
      fail(this.#stream, error);
    }
  }
  publish(ReadableStreamDefaultController, ["desiredSize", "close", "enqueue", "error"]);

  const shift = (list) => remove(list, 0, 1)[0];

  // Asks the source for more where somebody waits for it or there is room.
  function pull(state) {
    const { requests, queue, mark, source } = state;
    const wanted = requests.length > 0 || queue.length < mark;
    if (!state.started || state.closing || state.kind !== "readable" || !wanted || source.pull === undefined) {
      return;
    }
    if (state.pulling) {
      state.again = true;
      return;
    }
    state.pulling = true;
    const pulled = attempt(() => ReflectApply(source.pull, source, [state.controller]));
    const next = () => {
      state.pulling = false;
      if (state.again) {
        state.again = false;
        pull(state);
      }
    };
    then(pulled, next, (error) => fail(state, error));
  }

  function settleAll(state, settle) {
    const requests = state.requests;
    state.requests = [];
    for (let at = 0; at < requests.length; at++) {
      settle(requests[at]);
    }
  }

  function close(state) {
    state.kind = "closed";
    settleAll(state, (request) => request.resolve({ value: undefined, done: true }));
    state.reader?.closing.resolve(undefined);
  }

  function fail(state, error) {
    if (state.kind !== "readable") {
      return;
    }
    ObjectAssign(state, { kind: "errored", error, queue: [] });
    settleAll(state, (request) => request.reject(error));
    state.reader?.closing.reject(error);
  }

  async function cancel(state, reason) {
    state.disturbed = true;
    if (state.kind === "errored") {
      throw state.error;
    }
    if (state.kind === "closed") {
      return;
    }
    state.queue = [];
    close(state);
    const { source } = state;
    if (source.cancel !== undefined) {
      await ReflectApply(source.cancel, source, [reason]);
    }
  }

  class ReadableStreamDefaultReader {
    #stream;
    #lock;

    constructor(stream) {
      const state = stateOf(stream);
      if (state.reader !== undefined) {
        throw invalidState("ReadableStream is locked");
      }
      this.#stream = stream;
      this.#lock = { closing: deferred() };
      state.reader = this.#lock;
      then(this.#lock.closing.promise, noop, noop);
      if (state.kind === "closed") {
        this.#lock.closing.resolve(undefined);
      } else if (state.kind === "errored") {
        this.#lock.closing.reject(state.error);
      }
    }

    get closed() {
      return this.#lock.closing.promise;
    }

    async read() {
      const state = this.#held("The reader is not attached to a stream");
      state.disturbed = true;
      if (state.queue.length > 0) {
        const value = shift(state.queue);
        if (state.closing && state.queue.length === 0) {
          close(state);
        } else {
          pull(state);
        }
        return { value, done: false };
      }
      if (state.kind !== "readable") {
        if (state.kind === "errored") {
          throw state.error;
        }
        return { value: undefined, done: true };
      }
      const request = deferred();
      push(state.requests, request);
      pull(state);
      return request.promise;
    }

    async cancel(reason = undefined) {
      await cancel(this.#held("The reader is not attached to a stream"), reason);
    }

    releaseLock() {
      if (this.#stream === undefined) {
        return;
      }
      const state = stateOf(this.#stream);
      const released = invalidState("Releasing reader");
      settleAll(state, (request) => request.reject(released));
      this.#lock.closing.reject(released);
      state.reader = undefined;
      this.#stream = undefined;
    }

    #held(message) {
      if (this.#stream === undefined) {
        throw invalidState(message);
      }
      return stateOf(this.#stream);
    }
  }
  publish(ReadableStreamDefaultReader, ["closed", "read", "cancel", "releaseLock"]);

  // A stream of one chunk, which is made when somebody wants it.
  function streamOf(chunk) {
    const source = {
      pull(controller) {
        const bytes = chunk();
        if (bytes.length > 0) {
          controller.enqueue(bytes);
        }
        controller.close();
      },
    };
    const stream = new ReadableStream(source, { highWaterMark: 0 });
    stateOf(stream).supportsBytes = true;
    return stream;
  }

  // All bytes of a stream, which nobody else can read any more.
  async function collect(stream) {
    const reader = new ReadableStreamDefaultReader(stream);
    const { joinedBytes } = require("blob");
    const { tagOfTyped } = require("calls");
    const chunks = [];
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        return joinedBytes(chunks);
      }
      if (tagOfTyped(value) !== "Uint8Array") {
        throw new TypeError("Received non-Uint8Array chunk");
      }
      push(chunks, value);
    }
  }

  function isStream(value) {
    try {
      return stateOf(value) !== undefined;
    } catch {
      return false;
    }
  }

  const isDisturbed = (stream) => stateOf(stream).disturbed;
  const classes = { ReadableStream, ReadableStreamDefaultController, ReadableStreamDefaultReader };
  return { ...classes, collect, isDisturbed, isStream, streamOf };
}
