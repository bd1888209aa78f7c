// Blob and File: bytes that do not change, with a type.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const NOT_PRINTABLE = /[^\u0020-\u007e]/;

export function make(host, { uncurryThis, values, methods }, require) {
  const { Date, MathMax, MathMin, MathTrunc, Number, SymbolIterator, Uint8Array } = values;
  const { bufferOf, exec, joined, lengthOf, lower, offsetOf, push, split, toWellFormed } = require("calls");
  const put = uncurryThis(methods.TypedArrayPrototypeSet);
  const subarray = uncurryThis(methods.TypedArrayPrototypeSubarray);
  const sliceBuffer = uncurryThis(methods.ArrayBufferPrototypeSlice);
  const { invalidArgType, invalidArgValue, invalidThis, missingArgs } = require("errors");
  const { publish, show } = require("web_classes");
  const bytes = require("bytes");
  const types = require("types");

  const utf8 = (text) => new Uint8Array(host.utf8Encode(toWellFormed(text)));

  // One array of all bytes.
  function joinedBytes(parts) {
    let length = 0;
    for (let at = 0; at < parts.length; at++) {
      length += lengthOf(parts[at]);
    }
    const whole = new Uint8Array(length);
    let offset = 0;
    for (let at = 0; at < parts.length; at++) {
      put(whole, parts[at], offset);
      offset += lengthOf(parts[at]);
    }
    return whole;
  }

  function bytesOfSource(source, endings) {
    if (isBlob(source)) {
      return bytesOfBlob(source);
    }
    if (types.isAnyArrayBuffer(source) || types.isArrayBufferView(source)) {
      return bytes.bytesOf(source);
    }
    const text = `${source}`;
    return utf8(endings === "native" ? joined(split(text, "\r\n"), "\n") : text);
  }

  function typeOf(type) {
    const text = `${type}`;
    return exec(NOT_PRINTABLE, text) === null ? lower(text) : "";
  }

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  let create;
  let isBlob;
  let bytesOfBlob;

  class Blob {
    #bytes;
    #type;

    static {
      isBlob = (value) => typeof value === "object" && value !== null && #bytes in value;
      bytesOfBlob = (blob) => blob.#bytes;
      create = (content, type) => {
        const blob = new Blob();
        blob.#bytes = content;
        blob.#type = type;
        return blob;
      };
    }

    constructor(sources = [], options = {}) {
      if (!isObject(sources) || typeof sources[SymbolIterator] !== "function") {
        throw invalidArgType("sources", "a sequence", sources);
      }
      if (options !== undefined && options !== null && !isObject(options)) {
        throw invalidArgType("options", "a dictionary", options);
      }
      const { endings = "transparent", type = "" } = options ?? {};
      if (endings !== "transparent" && endings !== "native") {
        throw invalidArgValue("options.endings", endings);
      }
      const parts = [];
      for (const source of sources) {
        push(parts, bytesOfSource(source, endings));
      }
      this.#bytes = joinedBytes(parts);
      this.#type = typeOf(type);
    }

    get type() {
      need(this);
      return this.#type;
    }

    get size() {
      return lengthOf(need(this));
    }

    slice(start = 0, end = undefined, type = "") {
      const content = need(this);
      const size = lengthOf(content);
      const index = (value, missing) => {
        const whole = value === undefined ? missing : MathTrunc(Number(value)) || 0;
        return whole < 0 ? MathMax(size + whole, 0) : MathMin(whole, size);
      };
      const [from, to] = [index(start, 0), index(end, size)];
      return create(subarray(content, from, MathMax(from, to)), typeOf(type));
    }

    async arrayBuffer() {
      const content = need(this);
      return sliceBuffer(bufferOf(content), offsetOf(content), offsetOf(content) + lengthOf(content));
    }

    async text() {
      const content = need(this);
      return new (require("encoding").TextDecoder)().decode(content);
    }

    stream() {
      const content = need(this);
      return require("readable_stream").streamOf(() => new Uint8Array(content));
    }

    [CUSTOM_INSPECT](depth, options) {
      return show(this, depth, options, { size: this.size, type: this.type });
    }
  }
  publish(Blob, ["type", "size", "slice", "arrayBuffer", "text", "stream"]);

  function need(blob) {
    if (!isBlob(blob)) {
      throw invalidThis("Blob");
    }
    return bytesOfBlob(blob);
  }

  let isFile;

  class File extends Blob {
    #name;
    #lastModified;

    static {
      isFile = (value) => typeof value === "object" && value !== null && #name in value;
    }

    constructor(fileBits, fileName, options = {}) {
      if (arguments.length < 2) {
        throw missingArgs(["fileBits"], ["fileName"]);
      }
      super(fileBits, options);
      this.#name = toWellFormed(`${fileName}`);
      const { lastModified = Date.now() } = options ?? {};
      this.#lastModified = MathTrunc(Number(lastModified)) || 0;
    }

    get name() {
      needFile(this);
      return this.#name;
    }

    get lastModified() {
      needFile(this);
      return this.#lastModified;
    }

    [CUSTOM_INSPECT](depth, options) {
      const { size, type, name, lastModified } = this;
      return show(this, depth, options, { size, type, name, lastModified });
    }
  }
  publish(File, ["name", "lastModified"]);

  function needFile(file) {
    if (!isFile(file)) {
      throw invalidThis("File");
    }
  }

  return { Blob, File, blobOf: create, bytesOfBlob, isBlob, isFile, joinedBytes, utf8 };
}
