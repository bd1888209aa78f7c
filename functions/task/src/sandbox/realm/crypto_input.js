// What the module "crypto" takes as bytes and gives back in an encoding.

const VIEWS = ["Buffer", "TypedArray", "DataView"];
const KEYS = ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView", "KeyObject", "CryptoKey"];

export function make(host, { uncurryThis, values, methods }, require) {
  host.extend(host);
  const bytes = require("bytes");
  const errors = require("errors");
  const { Buffer } = require("buffer");
  const { joined: join, lengthOf, split, toWellFormed, upper } = require("calls");
  const { ArrayBufferIsView, Error, ObjectDefineProperty, Uint8Array } = values;
  const { from, isEncoding } = Buffer;
  const toText = uncurryThis(Buffer.prototype.toString);
  const put = uncurryThis(methods.TypedArrayPrototypeSet);
  const tag = uncurryThis(methods.TypedArrayPrototypeGetSymbolToStringTag);
  const isBuffer = (value) => require("types").isAnyArrayBuffer(value);

  // The bytes of a view or a buffer; a view of a buffer that was given away has none.
  const viewed = (value) =>
    tag(value) !== undefined && lengthOf(value) === 0 ? new Uint8Array(0) : bytes.bytesOf(value);

  function encoded(text, encoding) {
    if (encoding === undefined || encoding === "utf8" || !isEncoding(encoding)) {
      return new Uint8Array(host.utf8Encode(toWellFormed(text)));
    }
    if (encoding === "hex" && text.length % 2 === 1) {
      throw errors.invalidArgValue("encoding", encoding, `is invalid for data of length ${text.length}`);
    }
    return from(text, encoding);
  }

  // The bytes of a text or a view.
  function data(value, name, encoding, expected = ["string", ...VIEWS]) {
    if (typeof value === "string") {
      return encoded(value, encoding);
    }
    if (ArrayBufferIsView(value)) {
      return viewed(value);
    }
    throw errors.invalidArgType(name, expected, value);
  }

  // The bytes of a text, a view or a buffer.
  function anything(value, name, expected = ["string", "ArrayBuffer", ...VIEWS], encoding = undefined) {
    return isBuffer(value) ? new Uint8Array(value) : data(value, name, encoding, expected);
  }

  // The bytes of a secret key in any of its forms.
  function secret(value, name, encoding, expected = KEYS) {
    const keys = require("crypto_keys");
    return keys.secretOf(value) ?? anything(value, name, expected, encoding);
  }

  const buffer = (arrayBuffer) => from(arrayBuffer);

  // What a method returns: a text, if there is an encoding for it.
  function output(arrayBuffer, encoding) {
    const result = buffer(arrayBuffer);
    return encoding === undefined || encoding === "buffer" || !isEncoding(encoding) ? result : toText(result, encoding);
  }

  function joined(parts, length) {
    const whole = new Uint8Array(length);
    for (let at = 0, filled = 0; at < parts.length; at++) {
      put(whole, parts[at], filled);
      filled += parts[at].length;
    }
    return whole;
  }

  // Calls back later with what `work` returns or throws.
  function later(callback, work) {
    require("timers").setImmediate(() => {
      let result;
      try {
        result = work();
      } catch (error) {
        callback(error);
        return;
      }
      callback(null, result);
    });
  }

  // An error of OpenSSL.
  function openSsl(number, library, reason, group = "") {
    const code = `ERR_OSSL_${group}${upper(join(split(reason, " "), "_"))}`;
    const error = new Error(`error:${number}:${library}::${reason}`);
    error.library = library;
    error.reason = reason;
    error.code = code;
    return error;
  }

  // What these classes inherit from a stream in Node.js, which they are not here.
  function refuseStreaming(Class, name) {
    const refuse = (method) =>
      function refused() {
        throw host.notSupported(`${name}.prototype.${method}: there are no streams`);
      };
    const refused = ["write", "end", "read", "pipe", "on", "once"];
    for (let at = 0; at < refused.length; at++) {
      const value = refuse(refused[at]);
      ObjectDefineProperty(Class.prototype, refused[at], { __proto__: null, value, writable: true, configurable: true });
    }
  }

  // Classes of this module can be called without `new`.
  function callable(Class) {
    function Callable(...args) {
      return values.ReflectConstruct(Class, args, new.target ?? Class);
    }
    ObjectDefineProperty(Callable, "name", { __proto__: null, value: Class.name, configurable: true });
    ObjectDefineProperty(Callable, "prototype", { __proto__: null, value: Class.prototype });
    ObjectDefineProperty(Class.prototype, "constructor", { __proto__: null, value: Callable, writable: true, configurable: true });
    return Callable;
  }

  return { anything, buffer, callable, data, joined, later, openSsl, output, put, refuseStreaming, secret, viewed };
}
