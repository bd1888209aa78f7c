// What the buffers of Node.js expect of their host: encodings, searching, filling and swapping.

const CHUNK_BYTES = 48 * 1024;
const CHUNK_CHARACTERS = 4 * 1024;
const MAX_LENGTH = 2 ** 32;
const MAX_STRING_LENGTH = 2 ** 29 - 24;

export function makeBytes(primordials, host) {
  const {
    ArrayBufferIsView,
    ArrayPrototypeJoin,
    ArrayPrototypePush,
    MathMin,
    MathTrunc,
    NumberIsNaN,
    RangeError,
    ReflectApply,
    RegExpPrototypeExec,
    RegExpPrototypeSymbolReplace,
    StringFromCharCode,
    StringPrototypeCharCodeAt,
    StringPrototypeSlice,
    StringPrototypeToWellFormed,
    TypeError,
    TypedArrayPrototypeCopyWithin,
    TypedArrayPrototypeGetBuffer,
    TypedArrayPrototypeGetByteLength,
    TypedArrayPrototypeGetByteOffset,
    TypedArrayPrototypeIndexOf,
    TypedArrayPrototypeLastIndexOf,
    TypedArrayPrototypeSet,
    DataViewPrototypeGetBuffer,
    DataViewPrototypeGetByteLength,
    DataViewPrototypeGetByteOffset,
    TypedArrayPrototypeGetSymbolToStringTag,
    Uint8Array,
  } = primordials;

  const viewOf = (bytes, start, end) =>
    new Uint8Array(
      TypedArrayPrototypeGetBuffer(bytes),
      TypedArrayPrototypeGetByteOffset(bytes) + start,
      end - start,
    );

  // The bytes of any view or buffer.
  function bytesOf(value) {
    if (!ArrayBufferIsView(value)) {
      return new Uint8Array(value);
    }
    if (TypedArrayPrototypeGetSymbolToStringTag(value) === undefined) {
      const offset = DataViewPrototypeGetByteOffset(value);
      return new Uint8Array(DataViewPrototypeGetBuffer(value), offset, DataViewPrototypeGetByteLength(value));
    }
    const offset = TypedArrayPrototypeGetByteOffset(value);
    return new Uint8Array(TypedArrayPrototypeGetBuffer(value), offset, TypedArrayPrototypeGetByteLength(value));
  }

  // Calls the host with a part of the bytes at a time, so that it never needs much memory of its own.
  function sliced(encode, boundary) {
    return function slice(start, end) {
      const length = TypedArrayPrototypeGetByteLength(this);
      ({ start, end } = range(start, end, length));
      const parts = [];
      const buffer = TypedArrayPrototypeGetBuffer(this);
      const offset = TypedArrayPrototypeGetByteOffset(this);
      while (start < end) {
        let next = MathMin(start + CHUNK_BYTES, end);
        if (next < end && boundary !== undefined) {
          next = boundary(this, next);
        }
        ArrayPrototypePush(parts, encode(buffer, offset + start, next - start));
        start = next;
      }
      return parts.length === 1 ? parts[0] : ArrayPrototypeJoin(parts, "");
    };
  }

  function range(start, end, length) {
    if (length === 0) {
      return { start: 0, end: 0 };
    }
    const from = index(start, 0);
    const to = index(end, length);
    if (from > length || to > length) {
      throw outOfRange("Index out of range");
    }
    return { start: from, end: to < from ? from : to };
  }

  function index(value, whenMissing) {
    if (value === undefined) {
      return whenMissing;
    }
    const number = MathTrunc(+value) || 0;
    if (number < 0) {
      throw outOfRange("Index out of range");
    }
    return number;
  }

  function outOfRange(message, code = "ERR_OUT_OF_RANGE") {
    const error = new RangeError(message);
    error.code = code;
    return error;
  }

  // The start of the character at this index.
  function characterBoundary(bytes, at) {
    for (let back = 0; back < 4 && back <= at; back++) {
      if ((bytes[at - back] & 0xc0) !== 0x80) {
        return at - back;
      }
    }
    return at;
  }

  function charactersOf(mask) {
    return function slice(start, end) {
      ({ start, end } = range(start, end, TypedArrayPrototypeGetByteLength(this)));
      const parts = [];
      for (; start < end; start += CHUNK_CHARACTERS) {
        const part = viewOf(this, start, MathMin(start + CHUNK_CHARACTERS, end));
        if (mask !== 0xff) {
          const masked = new Uint8Array(part);
          for (let at = 0; at < masked.length; at++) {
            masked[at] &= mask;
          }
          ArrayPrototypePush(parts, ReflectApply(StringFromCharCode, null, masked));
        } else {
          ArrayPrototypePush(parts, ReflectApply(StringFromCharCode, null, part));
        }
      }
      return ArrayPrototypeJoin(parts, "");
    };
  }

  function ucs2Slice(start, end) {
    ({ start, end } = range(start, end, TypedArrayPrototypeGetByteLength(this)));
    const parts = [];
    let codes = [];
    for (; start + 1 < end; start += 2) {
      ArrayPrototypePush(codes, this[start] | (this[start + 1] << 8));
      if (codes.length === CHUNK_CHARACTERS) {
        ArrayPrototypePush(parts, ReflectApply(StringFromCharCode, null, codes));
        codes = [];
      }
    }
    ArrayPrototypePush(parts, ReflectApply(StringFromCharCode, null, codes));
    return ArrayPrototypeJoin(parts, "");
  }

  // The bytes of a text, of which at most `room` are needed.
  const encoded = {
    __proto__: null,
    utf8: (text) => new Uint8Array(host.utf8Encode(StringPrototypeToWellFormed(text))),
    latin1: (text, room) => {
      const bytes = new Uint8Array(MathMin(text.length, room));
      for (let at = 0; at < bytes.length; at++) {
        bytes[at] = StringPrototypeCharCodeAt(text, at);
      }
      return bytes;
    },
    ucs2: (text, room) => {
      const bytes = new Uint8Array(MathMin(text.length * 2, room - (room % 2)));
      for (let at = 0; at < bytes.length; at += 2) {
        const code = StringPrototypeCharCodeAt(text, at / 2);
        bytes[at] = code & 0xff;
        bytes[at + 1] = code >> 8;
      }
      return bytes;
    },
    hex: (text) => joined(text, CHUNK_BYTES, (part) => {
      const bytes = host.hexDecode(part);
      return { bytes, rest: "", ended: bytes.byteLength * 2 < part.length };
    }),
    base64: (text) => joined(text, CHUNK_BYTES, host.base64Decode),
  };

  // Decodes a text part by part; what is left of one is put before the next.
  function joined(text, size, decode) {
    const parts = [];
    let length = 0;
    let rest = "";
    for (let at = 0; at < text.length; at += size) {
      const part = StringPrototypeToWellFormed(rest + StringPrototypeSlice(text, at, at + size));
      const decoded = decode(part, at + size >= text.length);
      const bytes = new Uint8Array(decoded.bytes);
      ArrayPrototypePush(parts, bytes);
      length += bytes.length;
      rest = decoded.rest;
      if (decoded.ended) {
        break;
      }
    }
    if (parts.length === 1) {
      return parts[0];
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (let part = 0; part < parts.length; part++) {
      TypedArrayPrototypeSet(whole, parts[part], at);
      at += parts[part].length;
    }
    return whole;
  }

  function writes(encode, boundary) {
    return function write(text, offset = 0, length = undefined) {
      if (typeof text !== "string") {
        const error = new TypeError("argument must be a string");
        error.code = "ERR_INVALID_ARG_TYPE";
        throw error;
      }
      const size = TypedArrayPrototypeGetByteLength(this);
      offset = index(offset, 0);
      if (offset > size) {
        throw outOfRange('"offset" is outside of buffer bounds', "ERR_BUFFER_OUT_OF_BOUNDS");
      }
      const room = MathMin(index(length, size - offset), size - offset);
      if (room === 0) {
        return 0;
      }
      const bytes = encode(text, room);
      let count = MathMin(bytes.length, room);
      if (boundary && count < bytes.length) {
        count = characterBoundary(bytes, count);
      }
      TypedArrayPrototypeSet(this, count === bytes.length ? bytes : viewOf(bytes, 0, count), offset);
      return count;
    };
  }

  // The bytes of a text in an encoding by its main name.
  function encode(text, encoding) {
    switch (encoding) {
      case "ascii":
      case "latin1":
        return encoded.latin1(text, text.length);
      case "base64":
      case "base64url":
        return encoded.base64(text);
      case "utf16le":
        return encoded.ucs2(text, text.length * 2);
      case "hex":
        return encoded.hex(text);
      default:
        return encoded.utf8(text);
    }
  }

  function compareRange(a, aStart, aEnd, b, bStart, bEnd) {
    const { 0: left, 1: right } = [viewOf(a, aStart, aEnd), viewOf(b, bStart, bEnd)];
    return host.compare(
      TypedArrayPrototypeGetBuffer(left),
      TypedArrayPrototypeGetByteOffset(left),
      left.length,
      TypedArrayPrototypeGetBuffer(right),
      TypedArrayPrototypeGetByteOffset(right),
      right.length,
    );
  }

  // Where a search begins, or -1 if nothing can be found.
  function searchStart(length, offset, needleLength, forward) {
    let start = offset;
    if (start < 0) {
      start += length;
      if (start < 0) {
        if (!forward) {
          return -1;
        }
        start = 0;
      }
    }
    if (start + needleLength > length) {
      if (forward || needleLength > length) {
        return -1;
      }
      start = length - needleLength;
    }
    return start - (start % 1);
  }

  // Nothing is found wherever the search begins, in either direction.
  function emptyNeedle(length, offset) {
    const start = offset < 0 ? offset + length : offset;
    return start < 0 ? 0 : MathMin(start, length);
  }

  function indexOfBytes(buffer, needle, offset, encoding, forward) {
    const haystack = bytesOf(buffer);
    if (needle.length === 0) {
      return emptyNeedle(encoding === "utf16le" ? haystack.length & ~1 : haystack.length, offset);
    }
    if (haystack.length === 0) {
      return -1;
    }
    const start = searchStart(haystack.length, offset, needle.length, forward);
    if (start < 0) {
      return -1;
    }
    if (encoding === "utf16le") {
      return indexOfUnits(haystack, needle, start, forward);
    }
    const search = forward ? host.search : host.searchLast;
    return search(
      TypedArrayPrototypeGetBuffer(haystack),
      TypedArrayPrototypeGetByteOffset(haystack),
      haystack.length,
      TypedArrayPrototypeGetBuffer(needle),
      TypedArrayPrototypeGetByteOffset(needle),
      needle.length,
      start,
    );
  }

  // Two bytes are one unit of UTF-16; what stands between two units is no match.
  function indexOfUnits(haystack, needle, start, forward) {
    if (haystack.length < 2 || needle.length < 2) {
      return -1;
    }
    const length = needle.length - (needle.length % 2);
    const step = forward ? 2 : -2;
    for (let at = start - (start % 2); at >= 0 && at + length <= haystack.length; at += step) {
      let same = 0;
      while (same < length && haystack[at + same] === needle[same]) {
        same++;
      }
      if (same === length) {
        return at;
      }
    }
    return -1;
  }

  function fill(buffer, value, start, end, encoding) {
    const length = end - start;
    if (start > end || end > TypedArrayPrototypeGetByteLength(buffer)) {
      return -2;
    }
    let pattern;
    if (typeof value === "string") {
      pattern = encode(value, encoding);
    } else if (ArrayBufferIsView(value)) {
      pattern = bytesOf(value);
    } else {
      const byte = +value & 255;
      for (let at = start; at < end; at++) {
        buffer[at] = byte;
      }
      return undefined;
    }
    if (length === 0) {
      return undefined;
    }
    if (pattern.length === 0) {
      return -1;
    }
    const first = MathMin(pattern.length, length);
    TypedArrayPrototypeSet(buffer, viewOf(pattern, 0, first), start);
    for (let filled = first; filled < length; filled *= 2) {
      TypedArrayPrototypeCopyWithin(buffer, start + filled, start, start + MathMin(filled, length - filled));
    }
    return undefined;
  }

  function swaps(size) {
    return (buffer) => {
      for (let at = 0; at + size <= buffer.length; at += size) {
        for (let low = at, high = at + size - 1; low < high; low++, high--) {
          const byte = buffer[low];
          buffer[low] = buffer[high];
          buffer[high] = byte;
        }
      }
      return buffer;
    };
  }

  function btoa(text) {
    if (RegExpPrototypeExec(/[^\0-\xff]/, text) !== null) {
      return -1;
    }
    return ReflectApply(base64Slice, encoded.latin1(text, text.length), []);
  }

  // The forgiving decoder of HTML.
  function atob(text) {
    let plain = RegExpPrototypeSymbolReplace(/[\t\n\f\r ]/g, text, "");
    if (plain.length % 4 === 0) {
      plain = RegExpPrototypeSymbolReplace(/==?$/, plain, "");
    }
    if (RegExpPrototypeExec(/[^A-Za-z0-9+/]/, plain) !== null) {
      return -2;
    }
    if (plain.length % 4 === 1) {
      return -1;
    }
    return ReflectApply(latin1Slice, encoded.base64(plain), []);
  }

  const latin1Slice = charactersOf(0xff);
  const utf8Slice = sliced(host.utf8Decode, characterBoundary);
  const base64Slice = sliced((buffer, offset, length) => host.base64Encode(buffer, offset, length, false));

  return {
    kMaxLength: MAX_LENGTH,
    kStringMaxLength: MAX_STRING_LENGTH,
    bytesOf,
    characterBoundary,
    atob,
    btoa,
    byteLengthUtf8: (text) => host.utf8Length(StringPrototypeToWellFormed(text)),
    compare: (a, b) => compareRange(a, 0, a.length, b, 0, b.length),
    compareOffset: (source, target, targetStart, sourceStart, targetEnd, sourceEnd) => {
      if (sourceStart > source.length) {
        throw outOfRange('The value of "sourceStart" is out of range.');
      }
      if (targetStart > target.length) {
        throw outOfRange('The value of "targetStart" is out of range.');
      }
      return compareRange(source, sourceStart, sourceEnd, target, targetStart, targetEnd);
    },
    encode,
    fill,
    isAscii: (input) => {
      const bytes = bytesOf(input);
      for (let at = 0; at < bytes.length; at++) {
        if (bytes[at] > 127) {
          return false;
        }
      }
      return true;
    },
    isUtf8: (input) => {
      const bytes = bytesOf(input);
      return host.isUtf8(TypedArrayPrototypeGetBuffer(bytes), TypedArrayPrototypeGetByteOffset(bytes), bytes.length);
    },
    indexOfNumber: (buffer, number, offset, forward) => {
      const bytes = bytesOf(buffer);
      const start = searchStart(bytes.length, offset, 1, forward);
      if (start < 0 || NumberIsNaN(start)) {
        return -1;
      }
      const find = forward ? TypedArrayPrototypeIndexOf : TypedArrayPrototypeLastIndexOf;
      return find(bytes, number & 255, start);
    },
    indexOfString: (buffer, text, offset, encoding, forward) =>
      indexOfBytes(buffer, encode(text, encoding), offset, encoding, forward),
    indexOfBuffer: indexOfBytes,
    swap16: swaps(2),
    swap32: swaps(4),
    swap64: swaps(8),
    latin1Slice,
    utf8Slice,
    // Methods of every buffer.
    accessors: {
      __proto__: null,
      asciiSlice: charactersOf(0x7f),
      base64Slice,
      base64urlSlice: sliced((buffer, offset, length) => host.base64Encode(buffer, offset, length, true)),
      latin1Slice,
      hexSlice: sliced(host.hexEncode),
      ucs2Slice,
      utf8Slice,
      asciiWrite: writes(encoded.latin1),
      base64Write: writes(encoded.base64),
      base64urlWrite: writes(encoded.base64),
      latin1Write: writes(encoded.latin1),
      hexWrite: writes(encoded.hex),
      ucs2Write: writes(encoded.ucs2),
      utf8Write: writes(encoded.utf8, true),
    },
  };
}
