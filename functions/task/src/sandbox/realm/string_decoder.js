// The module "string_decoder": texts from bytes that arrive part by part.

export function make(host, { uncurryThis, values, methods }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const { Buffer } = require("buffer");
  const { lower } = require("calls");
  const { ArrayBufferIsView, ObjectDefineProperty, Uint8Array } = values;
  const subarray = uncurryThis(methods.TypedArrayPrototypeSubarray);
  const toText = uncurryThis(Buffer.prototype.toString);
  const { from, isEncoding } = Buffer;
  const NAMES = { __proto__: null, "utf-8": "utf8", "ucs2": "utf16le", "ucs-2": "utf16le", "utf-16le": "utf16le", "binary": "latin1" };

  function nameOf(encoding) {
    if (encoding === undefined || encoding === null || encoding === "") {
      return "utf8";
    }
    if (!isEncoding(encoding)) {
      throw errors.unknownEncoding(encoding);
    }
    const name = lower(encoding);
    return NAMES[name] ?? name;
  }

  // How many bytes at the end may begin a character.
  function begunUtf8(bytes) {
    for (let back = 1; back <= 3 && back <= bytes.length; back++) {
      const lead = bytes[bytes.length - back];
      if ((lead & 0xc0) !== 0x80) {
        const size = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
        return size > back && host.pendingBytes("utf-8", bytes.buffer, bytes.byteOffset, bytes.length) === back ? back : 0;
      }
    }
    return 0;
  }

  function begunUtf16(bytes) {
    const last = bytes[bytes.length - 1];
    return bytes.length % 2 === 1 ? 1 : last >= 0xd8 && last <= 0xdb ? 2 : 0;
  }

  function begun(encoding, bytes) {
    switch (encoding) {
      case "utf8":
        return begunUtf8(bytes);
      case "utf16le":
        return begunUtf16(bytes);
      case "base64":
      case "base64url":
        return bytes.length % 3;
      default:
        return 0;
    }
  }

  class StringDecoder {
    #pending = new Uint8Array(0);

    constructor(encoding = undefined) {
      this.encoding = nameOf(encoding);
    }

    write(data) {
      if (typeof data === "string") {
        return data;
      }
      if (!ArrayBufferIsView(data)) {
        throw errors.invalidArgType("buf", ["Buffer", "TypedArray", "DataView"], data);
      }
      const bytes = input.viewed(data);
      const whole = input.joined([this.#pending, bytes], this.#pending.length + bytes.length);
      const complete = whole.length - begun(this.encoding, whole);
      this.#pending = subarray(whole, complete);
      return toText(from(whole.buffer, 0, complete), this.encoding);
    }

    end(data = undefined) {
      const text = data === undefined ? "" : this.write(data);
      const left = this.#pending;
      this.#pending = new Uint8Array(0);
      return text + toText(from(left), this.encoding);
    }

    text(data, offset) {
      this.#pending = new Uint8Array(0);
      return this.write(subarray(input.viewed(data), offset));
    }

    get lastNeed() {
      const { length } = this.#pending;
      if (length === 0) {
        return 0;
      }
      if (this.encoding === "utf8") {
        const lead = this.#pending[0];
        return (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2) - length;
      }
      return this.encoding === "utf16le" ? (length % 2 === 1 ? 1 : 2) : 3 - length;
    }

    get lastTotal() {
      return this.#pending.length + this.lastNeed;
    }
  }
  const { prototype } = StringDecoder;
  ObjectDefineProperty(prototype, "write", { __proto__: null, enumerable: true });
  ObjectDefineProperty(prototype, "end", { __proto__: null, enumerable: true });
  return { StringDecoder };
}
