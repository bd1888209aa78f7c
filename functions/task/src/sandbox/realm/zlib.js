// The module "zlib": compressed data in one piece.

const CONSTANTS = {
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_OK: 0, Z_STREAM_END: 1,
  Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2,
  Z_RLE: 3, Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0, ZLIB_VERNUM: 4880, DEFLATE: 1, INFLATE: 2, GZIP: 3, GUNZIP: 4, DEFLATERAW: 5,
  INFLATERAW: 6, UNZIP: 7, BROTLI_DECODE: 8, BROTLI_ENCODE: 9, Z_MIN_WINDOWBITS: 8, Z_MAX_WINDOWBITS: 15,
  Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384, Z_MIN_MEMLEVEL: 1,
  Z_MAX_MEMLEVEL: 9, Z_DEFAULT_MEMLEVEL: 8, Z_MIN_LEVEL: -1, Z_MAX_LEVEL: 9, Z_DEFAULT_LEVEL: -1, BROTLI_OPERATION_PROCESS: 0,
  BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2, BROTLI_OPERATION_EMIT_METADATA: 3, BROTLI_PARAM_MODE: 0,
  BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1, BROTLI_MODE_FONT: 2, BROTLI_DEFAULT_MODE: 0, BROTLI_PARAM_QUALITY: 1,
  BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11, BROTLI_PARAM_LGWIN: 2, BROTLI_MIN_WINDOW_BITS: 10,
  BROTLI_MAX_WINDOW_BITS: 24, BROTLI_LARGE_MAX_WINDOW_BITS: 30, BROTLI_DEFAULT_WINDOW: 22, BROTLI_PARAM_LGBLOCK: 3,
  BROTLI_MIN_INPUT_BLOCK_BITS: 16, BROTLI_MAX_INPUT_BLOCK_BITS: 24, BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING: 4,
  BROTLI_PARAM_SIZE_HINT: 5, BROTLI_PARAM_LARGE_WINDOW: 6, BROTLI_PARAM_NPOSTFIX: 7, BROTLI_PARAM_NDIRECT: 8,
};
const CODES = ["Z_OK", "Z_STREAM_END", "Z_NEED_DICT", "Z_ERRNO", "Z_STREAM_ERROR", "Z_DATA_ERROR", "Z_MEM_ERROR", "Z_BUF_ERROR", "Z_VERSION_ERROR"];
const CLASSES = ["Deflate", "Inflate", "Gzip", "Gunzip", "DeflateRaw", "InflateRaw", "Unzip", "BrotliCompress", "BrotliDecompress"];
const METHODS = [
  "deflate", "gzip", "deflateRaw", "unzip", "inflate", "gunzip", "inflateRaw", "brotliCompress", "brotliDecompress",
];
const MAX_LENGTH = 2 ** 32;
const GZIP = [0x1f, 0x8b];
const CRC_POLYNOMIAL = 0xedb88320;

export function make(host, { values }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const { isAnyArrayBuffer } = require("types");
  const { startsWith } = require("calls");
  const { ArrayBufferIsView, Error, NumberIsFinite, NumberIsNaN, ObjectDefineProperty, ObjectFreeze, ObjectKeys, RangeError, Uint8Array } = values;

  // A number among the options, within its limits.
  function ranged(options, name, min, max, whenMissing) {
    const value = options?.[name];
    if (value === undefined || (typeof value === "number" && NumberIsNaN(value))) {
      return whenMissing;
    }
    if (typeof value !== "number") {
      throw errors.invalidArgType(`options.${name}`, "number", value);
    }
    if (!NumberIsFinite(value) || value < min || value > max) {
      throw errors.outOfRange(`options.${name}`, max === Infinity ? `>= ${min}` : `>= ${min} and <= ${max}`, value);
    }
    return value;
  }

  function dictionaryOf(options) {
    const { dictionary } = options ?? {};
    if (dictionary === undefined) {
      return undefined;
    }
    if (!ArrayBufferIsView(dictionary) && !isAnyArrayBuffer(dictionary)) {
      throw errors.invalidArgType("options.dictionary", ["Buffer", "TypedArray", "DataView", "ArrayBuffer"], dictionary);
    }
    return input.viewed(dictionary);
  }

  function brotliOptions(options, result) {
    const given = options?.params ?? {};
    const keys = ObjectKeys(given);
    for (let at = 0; at < keys.length; at++) {
      const key = +keys[at];
      if (NumberIsNaN(key) || key < 0 || key > CONSTANTS.BROTLI_PARAM_NDIRECT) {
        throw errors.nodeError(RangeError, "ERR_BROTLI_INVALID_PARAM", `${keys[at]} is not a valid Brotli parameter`);
      }
      const value = given[keys[at]];
      if (typeof value !== "number" && typeof value !== "boolean") {
        throw errors.invalidArgType("options.params[key]", "number", value);
      }
    }
    if (given[CONSTANTS.BROTLI_PARAM_LARGE_WINDOW]) {
      throw host.notSupported("the large windows of Brotli");
    }
    const clamped = (value, min, max) => (value < min ? min : value > max ? max : value);
    result.quality = clamped(+(given[CONSTANTS.BROTLI_PARAM_QUALITY] ?? CONSTANTS.BROTLI_DEFAULT_QUALITY) | 0, 0, 11);
    result.windowBits = clamped(+(given[CONSTANTS.BROTLI_PARAM_LGWIN] ?? CONSTANTS.BROTLI_DEFAULT_WINDOW) | 0, 10, 24);
  }

  function optionsFor(mode, options) {
    const brotli = startsWith(mode, "brotli");
    const finish = brotli ? CONSTANTS.BROTLI_OPERATION_FINISH : CONSTANTS.Z_FINISH;
    const maxFlush = brotli ? CONSTANTS.BROTLI_OPERATION_EMIT_METADATA : CONSTANTS.Z_BLOCK;
    ranged(options, "chunkSize", CONSTANTS.Z_MIN_CHUNK, Infinity, 0);
    ranged(options, "flush", 0, maxFlush, 0);
    const finishFlush = ranged(options, "finishFlush", 0, maxFlush, finish);
    const result = {
      level: -1,
      windowBits: CONSTANTS.Z_DEFAULT_WINDOWBITS,
      quality: 0,
      // The host's word for it is one.
      finishFlush: finishFlush === finish ? CONSTANTS.Z_FINISH : 0,
      maxOutputLength: ranged(options, "maxOutputLength", 1, MAX_LENGTH, MAX_LENGTH),
      dictionary: undefined,
    };
    if (brotli) {
      brotliOptions(options, result);
      return result;
    }
    const detects = mode === "inflate" || mode === "gunzip" || mode === "unzip";
    if (!detects || options?.windowBits) {
      const minimum = mode === "gzip" ? 9 : CONSTANTS.Z_MIN_WINDOWBITS;
      result.windowBits = ranged(options, "windowBits", minimum, CONSTANTS.Z_MAX_WINDOWBITS, result.windowBits);
    }
    // The host knows no smaller window.
    result.windowBits = result.windowBits === 8 ? 9 : result.windowBits;
    result.level = ranged(options, "level", CONSTANTS.Z_MIN_LEVEL, CONSTANTS.Z_MAX_LEVEL, -1) | 0;
    ranged(options, "memLevel", CONSTANTS.Z_MIN_MEMLEVEL, CONSTANTS.Z_MAX_MEMLEVEL, 0);
    ranged(options, "strategy", 0, CONSTANTS.Z_FIXED, 0);
    result.dictionary = dictionaryOf(options);
    return result;
  }

  function failure({ code, errno, message }, options) {
    if (code === "ERR_BUFFER_TOO_LARGE") {
      const most = options.maxOutputLength;
      return errors.nodeError(RangeError, code, `Cannot create a Buffer larger than ${most} bytes`);
    }
    const error = new Error(message);
    error.errno = errno;
    error.code = code;
    return error;
  }

  function run(mode, bytes, options) {
    let actual = mode;
    if (mode === "unzip") {
      // One byte of gzip is not enough to tell.
      const gzip = bytes[0] === GZIP[0] && (bytes.length === 1 || bytes[1] === GZIP[1]);
      actual = gzip ? "gunzip" : "inflate";
    }
    const result = host.zlib(actual, bytes, options);
    if (result.parts === undefined) {
      throw failure(result, options);
    }
    let length = 0;
    const parts = [];
    for (let at = 0; at < result.parts.length; at++) {
      parts[at] = new Uint8Array(result.parts[at]);
      length += parts[at].length;
    }
    return input.buffer(parts.length === 1 ? parts[0].buffer : input.joined(parts, length).buffer);
  }

  function refuseInfo(options) {
    if (options?.info) {
      throw host.notSupported("the option info of zlib: there are no streams");
    }
  }

  function bytesOf(value, name, expected) {
    return isAnyArrayBuffer(value) ? new Uint8Array(value) : input.data(value, name, undefined, expected);
  }

  const exports = {};
  const named = (name, value) => {
    ObjectDefineProperty(value, "name", { __proto__: null, value: name, configurable: true });
    exports[name] = value;
  };
  for (let at = 0; at < METHODS.length; at++) {
    const mode = METHODS[at];
    named(mode, (buffer, options, callback) => {
      if (typeof options === "function") {
        callback = options;
        options = undefined;
      }
      errors.validateFunction(callback, "callback");
      refuseInfo(options);
      const chosen = optionsFor(mode, options);
      const bytes = bytesOf(buffer, "chunk", ["string", "Buffer", "TypedArray", "DataView"]);
      input.later(callback, () => run(mode, bytes, chosen));
    });
    named(`${mode}Sync`, (buffer, options) => {
      const bytes = bytesOf(buffer, "buffer", ["string", "Buffer", "TypedArray", "DataView", "ArrayBuffer"]);
      refuseInfo(options);
      return run(mode, bytes, optionsFor(mode, options));
    });
  }
  for (let at = 0; at < CLASSES.length; at++) {
    const name = CLASSES[at];
    const refused = function refused() {
      throw host.notSupported(`zlib.${name}: there are no streams`);
    };
    named(name, refused);
    exports[`create${name}`] = refused;
  }

  let table;
  function crcTable() {
    table = [];
    for (let byte = 0; byte < 256; byte++) {
      let value = byte;
      for (let bit = 0; bit < 8; bit++) {
        value = value & 1 ? CRC_POLYNOMIAL ^ (value >>> 1) : value >>> 1;
      }
      table[byte] = value >>> 0;
    }
    return table;
  }

  named("crc32", (data, value = 0) => {
    const bytes = input.data(data, "data");
    errors.validateUint32(value, "value");
    const entries = table ?? crcTable();
    let crc = ~value;
    for (let at = 0; at < bytes.length; at++) {
      crc = entries[(crc ^ bytes[at]) & 0xff] ^ (crc >>> 8);
    }
    return ~crc >>> 0;
  });
  const codes = {};
  for (let at = 0; at < CODES.length; at++) {
    codes[CODES[at]] = CONSTANTS[CODES[at]];
  }
  for (let at = 0; at < CODES.length; at++) {
    codes[CONSTANTS[CODES[at]]] = CODES[at];
  }
  const constants = ObjectFreeze({ __proto__: null, ...CONSTANTS });
  ObjectDefineProperty(exports, "constants", { __proto__: null, value: constants, enumerable: true });
  ObjectDefineProperty(exports, "codes", { __proto__: null, value: ObjectFreeze(codes), enumerable: true });
  return exports;
}
