// The text encoders and decoders of the Encoding Standard, as Node.js has them.

const CHUNK_BYTES = 48 * 1024;
const UNICODE = { __proto__: null, "utf-8": true, "utf-16le": true, "utf-16be": true };
// What Node.js has no decoder for.
const MISSING = { __proto__: null, "replacement": true, "x-user-defined": true, "iso-8859-16": true };

export function make(host, { uncurryThis, values, methods }, require) {
  const bytes = require("bytes");
  const { invalidArgType, invalidThis, nodeError, validateObject, validateString } = require("errors");
  const { MathMin, ObjectDefineProperties, RangeError, ReflectApply, SymbolFor, SymbolToStringTag, TypeError, Uint8Array } = values;
  const bufferOf = uncurryThis(methods.TypedArrayPrototypeGetBuffer);
  const offsetOf = uncurryThis(methods.TypedArrayPrototypeGetByteOffset);
  const put = uncurryThis(methods.TypedArrayPrototypeSet);
  const subarray = uncurryThis(methods.TypedArrayPrototypeSubarray);
  const tag = uncurryThis(methods.TypedArrayPrototypeGetSymbolToStringTag);
  const toWellFormed = uncurryThis(methods.StringPrototypeToWellFormed);
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const customInspect = SymbolFor("nodejs.util.inspect.custom");

  const utf8 = (text) => new Uint8Array(host.utf8Encode(toWellFormed(text)));
  const inspect = (value, options) => require("inspect").inspect(value, options);

  class TextEncoder {
    #brand;

    static check(value) {
      if (typeof value !== "object" || value === null || !(#brand in value)) {
        throw invalidThis("TextEncoder");
      }
    }

    get encoding() {
      checkEncoder(this);
      return "utf-8";
    }

    encode(input = "") {
      checkEncoder(this);
      return utf8(`${input}`);
    }

    encodeInto(src, dest) {
      checkEncoder(this);
      validateString(src, "src");
      if (tag(dest) !== "Uint8Array") {
        throw invalidArgType("dest", "Uint8Array", dest);
      }
      return encodeInto(src, dest);
    }

    [customInspect](depth, options) {
      checkEncoder(this);
      return depth < 0 ? `[${this.constructor.name}]` : inspect({ encoding: "utf-8" }, options);
    }
  }
  const checkEncoder = TextEncoder.check;
  delete TextEncoder.check;

  function encodeInto(source, target) {
    const encoded = utf8(source.length > target.length ? slice(source, 0, target.length) : source);
    const written = encoded.length > target.length ? bytes.characterBoundary(encoded, target.length) : encoded.length;
    put(target, subarray(encoded, 0, written));
    let read = 0;
    for (let at = 0; at < written; read++) {
      const lead = encoded[at];
      at += lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      read += lead >= 0xf0 ? 1 : 0;
    }
    return { read, written };
  }

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    // Node.js decodes latin1 as it stands until the decoder is first used for a stream.
    #streamed = false;
    #pending = new Uint8Array(0);
    #bomSeen = false;

    constructor(encoding = "utf-8", options = undefined) {
      const label = `${encoding}`;
      if (options !== undefined) {
        validateObject(options, "options", { allowArray: true, allowFunction: true, nullable: true });
      }
      const name = host.encodingName(toWellFormed(label));
      if (name === undefined || MISSING[name]) {
        const message = `The "${name ?? label}" encoding is not supported`;
        throw nodeError(RangeError, "ERR_ENCODING_NOT_SUPPORTED", message);
      }
      this.#encoding = name;
      this.#fatal = Boolean(options?.fatal);
      this.#ignoreBOM = Boolean(options?.ignoreBOM);
    }

    static check(value) {
      if (typeof value !== "object" || value === null || !(#encoding in value)) {
        throw invalidThis("TextDecoder");
      }
    }

    decode(input = undefined, options = undefined) {
      checkDecoder(this);
      const stream = Boolean(options?.stream);
      this.#streamed ||= stream;
      const latin1 = this.#encoding === "windows-1252" && !this.#streamed;
      const given = input === undefined ? new Uint8Array(0) : bytesOf(input, this.#encoding, this.#streamed);
      return latin1 ? ReflectApply(bytes.latin1Slice, given, []) : this.#next(given, !stream);
    }

    get encoding() {
      checkDecoder(this);
      return this.#encoding;
    }

    get fatal() {
      checkDecoder(this);
      return this.#fatal;
    }

    get ignoreBOM() {
      checkDecoder(this);
      return this.#ignoreBOM;
    }

    #next(given, flush) {
      if (!flush && this.#encoding === "iso-2022-jp") {
        throw host.notSupported("decoding a stream of iso-2022-jp");
      }
      const whole = joined(this.#pending, given);
      this.#pending = new Uint8Array(0);
      const { text, left } = decodeParts(this.#encoding, whole, this.#fatal, flush);
      this.#pending = new Uint8Array(left);
      const first = !this.#bomSeen && text.length > 0;
      this.#bomSeen = !flush && (this.#bomSeen || first);
      const drop = first && !this.#ignoreBOM && UNICODE[this.#encoding] && text[0] === "\ufeff";
      return drop ? slice(text, 1) : text;
    }

    [customInspect](depth, options) {
      checkDecoder(this);
      const { name } = this.constructor;
      if (depth < 0) {
        return `[${name}]`;
      }
      // Shown as an instance of a plain class of the same name.
      const { encoding, fatal, ignoreBOM } = this;
      const Shown = { [name]: class {} }[name];
      return inspect(values.ObjectAssign(new Shown(), { encoding, fatal, ignoreBOM }), options);
    }
  }
  const checkDecoder = TextDecoder.check;
  delete TextDecoder.check;

  // Each of its ways of decoding has words of its own for what it does not take.
  function bytesOf(input, encoding, streamed) {
    const { isAnyArrayBuffer, isArrayBufferView } = require("types");
    if (isAnyArrayBuffer(input) || isArrayBufferView(input)) {
      return bytes.bytesOf(input);
    }
    const name = encoding === "utf-8" && !streamed ? "list" : "input";
    const kinds =
      encoding === "windows-1252" && !streamed
        ? "ArrayBuffer, SharedArrayBuffer, or ArrayBufferView"
        : "SharedArrayBuffer, ArrayBuffer or ArrayBufferView";
    throw nodeError(TypeError, "ERR_INVALID_ARG_TYPE", `The "${name}" argument must be an instance of ${kinds}.`);
  }

  function joined(first, second) {
    if (first.length === 0) {
      return second;
    }
    const whole = new Uint8Array(first.length + second.length);
    put(whole, first);
    put(whole, second, first.length);
    return whole;
  }

  // Decodes part by part, and returns the text and what is left for the next call.
  function decodeParts(encoding, source, fatal, flush) {
    const buffer = bufferOf(source);
    const offset = offsetOf(source);
    let text = "";
    let at = 0;
    while (at < source.length) {
      let end = MathMin(at + CHUNK_BYTES, source.length);
      if (end < source.length || !flush) {
        // A character may go on after these bytes.
        end -= host.pendingBytes(encoding, buffer, offset + at, end - at);
      }
      if (end <= at) {
        break;
      }
      const part = host.decode(encoding, buffer, offset + at, end - at, fatal);
      if (part === undefined) {
        const message = `The encoded data was not valid for encoding ${encoding}`;
        throw nodeError(TypeError, "ERR_ENCODING_INVALID_ENCODED_DATA", message);
      }
      text += part;
      at = end;
    }
    return { text, left: subarray(source, at) };
  }

  const enumerable = { __proto__: null, enumerable: true };
  const tagged = (value) => ({ __proto__: null, value, configurable: true });
  ObjectDefineProperties(TextEncoder.prototype, {
    encoding: enumerable,
    encode: enumerable,
    encodeInto: enumerable,
    [SymbolToStringTag]: tagged("TextEncoder"),
  });
  ObjectDefineProperties(TextDecoder.prototype, {
    decode: enumerable,
    encoding: enumerable,
    fatal: enumerable,
    ignoreBOM: enumerable,
    [SymbolToStringTag]: tagged("TextDecoder"),
  });
  return { TextEncoder, TextDecoder };
}
