// What the text encoders and decoders of Node.js expect of their host.

const CHUNK_BYTES = 48 * 1024;
const FLUSH = 1;
const FATAL = 2;
const IGNORE_BOM = 4;

export function makeEncoding(primordials, host, require) {
  const { MathMin, StringPrototypeToWellFormed, TypedArrayPrototypeSet, TypedArrayPrototypeSubarray, Uint8Array, Uint32Array } =
    primordials;
  const results = new Uint32Array(2);

  const utf8 = (text) => new Uint8Array(host.utf8Encode(StringPrototypeToWellFormed(text)));

  function encodeInto(source, target) {
    const text = source.length > target.length ? primordials.StringPrototypeSlice(source, 0, target.length) : source;
    const bytes = utf8(text);
    let written = MathMin(bytes.length, target.length);
    while (written < bytes.length && (bytes[written] & 0xc0) === 0x80) {
      written--;
    }
    TypedArrayPrototypeSet(target, TypedArrayPrototypeSubarray(bytes, 0, written));
    let read = 0;
    for (let at = 0; at < written; read++) {
      const lead = bytes[at];
      at += lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      read += lead >= 0xf0 ? 1 : 0;
    }
    results[0] = read;
    results[1] = written;
  }

  const decoder = makeDecoder(primordials, host, require);

  return {
    encodeInto,
    encodeIntoResults: results,
    encodeUtf8String: utf8,
    decodeUTF8: (input, ignoreBom, fatal) => decoder.whole("utf-8", input, ignoreBom, fatal),
    // As this version of Node.js has it, and not as windows-1252.
    decodeLatin1: (input) => decoder.latin1(input),
    toASCII: host.domainToAscii,
  };
}

export function makeIcu(primordials, host, require) {
  const decoder = makeDecoder(primordials, host, require);
  return {
    decode: decoder.next,
    getConverter: (encoding, flags) => (host.hasEncoding(encoding) ? decoder.start(encoding, flags) : undefined),
    icuErrName: () => "U_ILLEGAL_ARGUMENT_ERROR",
    transcode: makeTranscode(primordials, host, require),
  };
}

function makeDecoder(primordials, host, require) {
  const { ArrayPrototypeJoin, ArrayPrototypePush, MathMin, StringPrototypeSlice, TypedArrayPrototypeSet } = primordials;
  const { TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeSubarray, Uint8Array } =
    primordials;

  function bytesOf(input) {
    const { isAnyArrayBuffer, isArrayBufferView } = require("internal/util/types");
    if (!isAnyArrayBuffer(input) && !isArrayBufferView(input)) {
      const kinds = "SharedArrayBuffer, ArrayBuffer or ArrayBufferView";
      const error = new primordials.TypeError(`The "list" argument must be an instance of ${kinds}.`);
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    return require("internal_bytes").bytesOf(input);
  }

  function decode(encoding, bytes, start, end, fatal) {
    const offset = TypedArrayPrototypeGetByteOffset(bytes) + start;
    const text = host.decode(encoding, TypedArrayPrototypeGetBuffer(bytes), offset, end - start, fatal);
    if (text === undefined) {
      const { ERR_ENCODING_INVALID_ENCODED_DATA } = require("internal/errors").codes;
      throw new ERR_ENCODING_INVALID_ENCODED_DATA(encoding, undefined);
    }
    return text;
  }

  // How many bytes at the end of these begin a character that goes on after them.
  function pendingBytes(encoding, bytes, start, end) {
    const offset = TypedArrayPrototypeGetByteOffset(bytes) + start;
    return host.pendingBytes(encoding, TypedArrayPrototypeGetBuffer(bytes), offset, end - start);
  }

  // Decodes part by part, and returns the text and how many bytes are left for the next call.
  function decodeParts(encoding, bytes, fatal, flush) {
    const parts = [];
    let at = 0;
    while (at < bytes.length) {
      let end = MathMin(at + CHUNK_BYTES, bytes.length);
      if (end < bytes.length || !flush) {
        end -= pendingBytes(encoding, bytes, at, end);
      }
      if (end <= at) {
        break;
      }
      ArrayPrototypePush(parts, decode(encoding, bytes, at, end, fatal));
      at = end;
    }
    return { text: ArrayPrototypeJoin(parts, ""), left: TypedArrayPrototypeSubarray(bytes, at) };
  }

  const withoutBom = (text) => (text[0] === "\ufeff" ? StringPrototypeSlice(text, 1) : text);

  function whole(encoding, input, ignoreBom, fatal) {
    const { text } = decodeParts(encoding, bytesOf(input), fatal, true);
    return ignoreBom ? text : withoutBom(text);
  }

  const latin1 = (input) => primordials.FunctionPrototypeCall(require("internal_bytes").latin1Slice, bytesOf(input));

  const start = (encoding, flags) => ({ encoding, flags, pending: new Uint8Array(0), bomSeen: false });

  function next(decoder, input, flags) {
    const flush = (flags & FLUSH) !== 0;
    if (!flush && decoder.encoding === "iso-2022-jp") {
      throw host.notSupported("decoding a stream of iso-2022-jp");
    }
    let bytes = bytesOf(input);
    if (decoder.pending.length > 0) {
      const joined = new Uint8Array(decoder.pending.length + bytes.length);
      TypedArrayPrototypeSet(joined, decoder.pending);
      TypedArrayPrototypeSet(joined, bytes, decoder.pending.length);
      bytes = joined;
    }
    const { text, left } = decodeParts(decoder.encoding, bytes, (decoder.flags & FATAL) !== 0, flush);
    decoder.pending = new Uint8Array(left);
    const unicode = ["utf-8", "utf-16le", "utf-16be"];
    const first = !decoder.bomSeen && text.length > 0;
    decoder.bomSeen = flush ? false : decoder.bomSeen || text.length > 0;
    if (first && (decoder.flags & IGNORE_BOM) === 0 && primordials.ArrayPrototypeIncludes(unicode, decoder.encoding)) {
      return withoutBom(text);
    }
    return text;
  }

  return { whole, latin1, start, next };
}

function makeTranscode(primordials, host, require) {
  const { StringPrototypeCodePointAt } = primordials;
  const KNOWN = { __proto__: null, ascii: 0x7f, latin1: 0xff, utf8: 0x10ffff, utf16le: 0x10ffff };
  const ILLEGAL_ARGUMENT = 1;

  return (source, from, to) => {
    const { Buffer } = require("buffer");
    if (KNOWN[from] === undefined || KNOWN[to] === undefined) {
      return ILLEGAL_ARGUMENT;
    }
    const text = Buffer.from(source).toString(from);
    if (to === "utf8" || to === "utf16le") {
      return Buffer.from(text, to);
    }
    let replaced = "";
    for (const character of new primordials.SafeStringIterator(text)) {
      replaced += StringPrototypeCodePointAt(character, 0) > KNOWN[to] ? "?" : character;
    }
    return Buffer.from(replaced, to);
  };
}
