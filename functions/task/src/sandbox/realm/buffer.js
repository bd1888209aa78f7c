// The module "buffer": bytes with the encodings and numbers of Node.js.

const KIB = 1024;
const MAX_INSPECTED = 50;
const MAX_OFFSET = 2 ** 31 - 1;

// The encodings under all their names.
const ENCODINGS = {
  __proto__: null,
  "utf8": "utf8",
  "utf-8": "utf8",
  "utf16le": "utf16le",
  "utf-16le": "utf16le",
  "ucs2": "utf16le",
  "ucs-2": "utf16le",
  "latin1": "latin1",
  "binary": "latin1",
  "ascii": "ascii",
  "base64": "base64",
  "base64url": "base64url",
  "hex": "hex",
};

// The encodings that texts are transcoded between, and what they cannot express.
const TRANSCODED = { __proto__: null, ascii: /[\u{80}-\u{10ffff}]/gu, latin1: /[\u{100}-\u{10ffff}]/gu, utf8: null, utf16le: null };

export function make(host, { uncurryThis, values, methods }, require) {
  const bytes = require("bytes");
  const errors = require("errors");
  const { invalidArgType, nodeError, outOfRange, unknownEncoding } = errors;
  const { validateInteger, validateNumber, validateString } = errors;
  const { ArrayBuffer, ArrayBufferIsView, ArrayIsArray, MathFloor, MathMin, MathTrunc, NumberIsNaN } = values;
  const { ObjectDefineProperty, ObjectSetPrototypeOf, RangeError, ReflectApply, SymbolFor, Uint8Array } = values;
  const tag = uncurryThis(methods.TypedArrayPrototypeGetSymbolToStringTag);
  const lengthOf = uncurryThis(methods.TypedArrayPrototypeGetByteLength);
  const put = uncurryThis(methods.TypedArrayPrototypeSet);
  const fillWith = uncurryThis(methods.TypedArrayPrototypeFill);
  const isWellFormed = uncurryThis(methods.StringPrototypeIsWellFormed);
  const toWellFormed = uncurryThis(methods.StringPrototypeToWellFormed);
  const lowerCase = uncurryThis(methods.StringPrototypeToLowerCase);
  const MAX_LENGTH = bytes.kMaxLength;
  let inspected = MAX_INSPECTED;
  let pool;
  let pooled = 0;

  class FastBuffer extends Uint8Array {
    constructor(source, offset, length) {
      super(source, offset, length);
    }
  }

  const isUint8Array = (value) => tag(value) === "Uint8Array";
  const isArrayBuffer = (value) => require("types").isAnyArrayBuffer(value);
  const view = (source, start, end) => new Uint8Array(source.buffer, source.byteOffset + start, end - start);
  const outOfBounds = (message = "Attempt to access memory outside buffer bounds") =>
    nodeError(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", message);

  function checkBytes(value, name) {
    if (!isUint8Array(value)) {
      throw invalidArgType(name, ["Buffer", "Uint8Array"], value);
    }
  }

  const nameOf = (encoding) => ENCODINGS[encoding] ?? ENCODINGS[lowerCase(`${encoding}`)];

  function known(encoding) {
    const name = nameOf(encoding);
    if (name === undefined) {
      throw unknownEncoding(encoding);
    }
    return name;
  }

  const operation = (encoding, kind) => bytes.accessors[`${encoding === "utf16le" ? "ucs2" : encoding}${kind}`];

  // As Node.js does it, small buffers are parts of a common one.
  function allocate(length) {
    if (!(length > 0)) {
      return new FastBuffer();
    }
    if (length >= Buffer.poolSize >>> 1) {
      return new FastBuffer(length);
    }
    if (pool === undefined || length > pool.byteLength - pooled) {
      pool = new ArrayBuffer(Buffer.poolSize);
      pooled = 0;
    }
    const buffer = new FastBuffer(pool, pooled, length);
    // The next one is aligned for every typed array.
    pooled = MathMin(pool.byteLength, (pooled + buffer.length + 7) & ~7);
    return buffer;
  }

  function copied(source) {
    const buffer = allocate(source.length);
    put(buffer, source);
    return buffer;
  }

  // A buffer of these bytes themselves.
  const owner = (source) => new FastBuffer(source.buffer, source.byteOffset, source.length);

  function fromString(text, encoding) {
    const encoded = bytes.encode(text, typeof encoding === "string" && encoding !== "" ? known(encoding) : "utf8");
    return encoded.length >= Buffer.poolSize >>> 1 ? owner(encoded) : copied(encoded);
  }

  function fromArrayBuffer(source, byteOffset, length) {
    const offset = byteOffset === undefined || NumberIsNaN(+byteOffset) ? 0 : +byteOffset;
    const room = source.byteLength - offset;
    if (room < 0) {
      throw outOfBounds('"offset" is outside of buffer bounds');
    }
    const wanted = length === undefined ? room : +length;
    if (wanted > room) {
      throw outOfBounds('"length" is outside of buffer bounds');
    }
    return new FastBuffer(source, offset, wanted > 0 ? wanted : 0);
  }

  function fromArrayLike(source) {
    if (isUint8Array(source)) {
      return copied(source);
    }
    const buffer = allocate(typeof source.length === "number" ? MathFloor(source.length) : 0);
    for (let at = 0; at < buffer.length; at++) {
      buffer[at] = source[at];
    }
    return buffer;
  }

  function fromObject(value, encoding) {
    if (value.length !== undefined || isArrayBuffer(value.buffer)) {
      return fromArrayLike(value);
    }
    if (value.type === "Buffer" && ArrayIsArray(value.data)) {
      return fromArrayLike(value.data);
    }
    const toPrimitive = value[values.SymbolToPrimitive];
    const primitive = typeof toPrimitive === "function" ? ReflectApply(toPrimitive, value, ["string"]) : undefined;
    return typeof primitive === "string" ? fromString(primitive, encoding) : undefined;
  }

  function from(value, encodingOrOffset, length) {
    if (typeof value === "string") {
      return fromString(value, encodingOrOffset);
    }
    if (typeof value === "object" && value !== null) {
      if (isArrayBuffer(value)) {
        return fromArrayBuffer(value, encodingOrOffset, length);
      }
      const own = isUint8Array(value) ? value : value.valueOf?.();
      if (own !== value && own !== null && (typeof own === "string" || typeof own === "object")) {
        return from(own, encodingOrOffset, length);
      }
      const buffer = fromObject(value, encodingOrOffset);
      if (buffer !== undefined) {
        return buffer;
      }
    }
    throw invalidArgType("first argument", ["string", "Buffer", "ArrayBuffer", "Array", "Array-like Object"], value);
  }

  function Buffer(value, encodingOrOffset, length) {
    if (typeof value !== "number") {
      return from(value, encodingOrOffset, length);
    }
    if (typeof encodingOrOffset === "string") {
      throw invalidArgType("string", "string", value);
    }
    return Buffer.alloc(value);
  }

  const checkSize = (size) => validateNumber(size, "size", 0, MAX_LENGTH);

  function SlowBuffer(length) {
    return Buffer.allocUnsafeSlow(length);
  }

  function byteLength(string, encoding) {
    if (typeof string !== "string") {
      if (ArrayBufferIsView(string) || isArrayBuffer(string)) {
        return string.byteLength;
      }
      throw invalidArgType("string", ["string", "Buffer", "ArrayBuffer"], string);
    }
    const { length } = string;
    switch (nameOf(encoding)) {
      case "utf16le":
        return length * 2;
      case "latin1":
      case "ascii":
        return length;
      case "hex":
        return length >>> 1;
      case "base64":
      case "base64url": {
        const padding = string[length - 1] !== "=" ? 0 : length > 1 && string[length - 2] === "=" ? 2 : 1;
        return MathFloor(((length - padding) * 3) / 4);
      }
      default:
        return bytes.byteLengthUtf8(string);
    }
  }

  const statics = {
    poolSize: 8 * KIB,
    from: (value, encodingOrOffset, length) => from(value, encodingOrOffset, length),
    copyBytesFrom(view, offset, length) {
      if (tag(view) === undefined) {
        throw invalidArgType("view", "TypedArray", view);
      }
      if (view.length > 0 && offset !== undefined) {
        validateInteger(offset, "offset", 0);
      }
      if (view.length === 0 || offset >= view.length) {
        return new FastBuffer();
      }
      if (length !== undefined) {
        validateInteger(length, "length", 0);
      }
      const start = offset ?? 0;
      const end = MathMin(length === undefined ? view.length : start + length, view.length);
      const size = view.BYTES_PER_ELEMENT;
      return copied(new Uint8Array(view.buffer, view.byteOffset + start * size, (end - start) * size));
    },
    of(...items) {
      const buffer = new FastBuffer(items.length);
      for (let at = 0; at < items.length; at++) {
        buffer[at] = items[at];
      }
      return buffer;
    },
    alloc(size, fill, encoding) {
      checkSize(size);
      const buffer = new FastBuffer(size);
      return fill !== undefined && fill !== 0 && size > 0 ? fillRange(buffer, fill, 0, buffer.length, encoding) : buffer;
    },
    allocUnsafe(size) {
      checkSize(size);
      return allocate(size);
    },
    allocUnsafeSlow(size) {
      checkSize(size);
      return new FastBuffer(size);
    },
    isBuffer: (value) => value instanceof Buffer,
    compare(buf1, buf2) {
      checkBytes(buf1, "buf1");
      checkBytes(buf2, "buf2");
      return buf1 === buf2 ? 0 : bytes.compare(buf1, buf2);
    },
    isEncoding: (encoding) => typeof encoding === "string" && nameOf(encoding) !== undefined,
    concat(list, length) {
      if (!ArrayIsArray(list)) {
        throw invalidArgType("list", "Array", list);
      }
      if (list.length === 0) {
        return new FastBuffer();
      }
      let total = 0;
      if (length === undefined) {
        for (let at = 0; at < list.length; at++) {
          total += list[at].length || 0;
        }
      } else {
        validateInteger(length, "length", 0, MAX_LENGTH);
        total = length;
      }
      const buffer = allocate(total);
      let filled = 0;
      for (let at = 0; at < list.length; at++) {
        checkBytes(list[at], `list[${at}]`);
        const count = MathMin(list[at].length, buffer.length - filled);
        put(buffer, view(list[at], 0, count), filled);
        filled += count;
      }
      // The pool may have been written to.
      return fillWith(buffer, 0, filled);
    },
    byteLength,
  };

  function fillRange(buffer, value, offset, end, encoding) {
    let pattern = value;
    if (typeof value === "string") {
      if (offset === undefined || typeof offset === "string") {
        encoding = offset;
        offset = undefined;
      } else if (typeof end === "string") {
        encoding = end;
        end = undefined;
      }
      if (encoding !== undefined && encoding !== null && encoding !== "") {
        validateString(encoding, "encoding");
        encoding = known(encoding);
      } else {
        encoding = "utf8";
      }
      pattern = value === "" ? 0 : value;
    }
    // Without an offset, Node.js takes no end either.
    if (offset === undefined) {
      offset = 0;
      end = buffer.length;
    } else {
      validateInteger(offset, "offset", 0, MAX_LENGTH);
      if (end === undefined) {
        end = buffer.length;
      } else {
        validateInteger(end, "end", 0, buffer.length);
      }
    }
    if (offset >= end) {
      return buffer;
    }
    const result = bytes.fill(buffer, pattern, offset, end, encoding);
    if (result === -1) {
      throw errors.invalidArgValue("value", value);
    }
    if (result === -2) {
      throw outOfBounds();
    }
    return buffer;
  }

  // Where a search for this value begins and what it finds.
  function find(buffer, value, byteOffset, encoding, forward) {
    if (!ArrayBufferIsView(buffer)) {
      throw invalidArgType("buffer", ["Buffer", "TypedArray", "DataView"], buffer);
    }
    if (typeof byteOffset === "string") {
      encoding = byteOffset;
      byteOffset = undefined;
    }
    // Compared first, as this takes a BigInt too.
    const limited = byteOffset > MAX_OFFSET ? MAX_OFFSET : byteOffset < -MAX_OFFSET ? -MAX_OFFSET : +byteOffset;
    const offset = NumberIsNaN(limited) ? (forward ? 0 : (buffer.length ?? buffer.byteLength)) : MathTrunc(limited) + 0;
    if (typeof value === "number") {
      return bytes.indexOfNumber(buffer, value >>> 0, offset, forward);
    }
    if (typeof value === "string") {
      return bytes.indexOfString(buffer, value, offset, encoding === undefined ? "utf8" : known(encoding), forward);
    }
    if (isUint8Array(value)) {
      return bytes.indexOfBuffer(buffer, value, offset, nameOf(encoding) ?? "utf8", forward);
    }
    throw invalidArgType("value", ["number", "string", "Buffer", "Uint8Array"], value);
  }

  // What `copy` makes of an index: what is no number or infinite is 0.
  function wholeOr(whenMissing, value) {
    if (value === undefined) {
      return whenMissing;
    }
    const number = +value;
    return values.NumberIsFinite(number) ? MathFloor(number) : 0;
  }

  // An index that counts from the end if it is negative.
  function relative(value, length) {
    const index = MathTrunc(value);
    if (index < 0) {
      return index + length > 0 ? index + length : 0;
    }
    return index < length ? index : NumberIsNaN(index) ? 0 : length;
  }

  function swapper(size, swap) {
    return {
      [`swap${size * 8}`]() {
        if (this.length % size !== 0) {
          throw nodeError(RangeError, "ERR_INVALID_BUFFER_SIZE", `Buffer size must be a multiple of ${size * 8}-bits`);
        }
        return swap(this);
      },
    };
  }

  function inspect(depth, context) {
    const shown = MathMin(inspected, this.length);
    const more = this.length - inspected;
    let text = ReflectApply(bytes.accessors.hexSlice, this, [0, shown]).replace(/..(?!$)/g, "$& ");
    if (more > 0) {
      text += ` ... ${more} more byte${more > 1 ? "s" : ""}`;
    }
    const keys = context ? host.namedKeys(this, !context.showHidden) : [];
    if (keys.length > 0) {
      const extras = {};
      for (let at = 0; at < keys.length; at++) {
        const value = this[keys[at]];
        ObjectDefineProperty(extras, keys[at], { __proto__: null, value, enumerable: true, configurable: true });
      }
      const options = { ...context, breakLength: Infinity, compact: true };
      const listed = require("inspect").inspect(extras, options).slice(2, -2);
      text += text === "" ? listed : `, ${listed}`;
    }
    return `<${this.constructor.name} ${text}>`;
  }

  const instance = {
    copy(target, targetStart, sourceStart, sourceEnd) {
      checkBytes(this, "source");
      checkBytes(target, "target");
      const to = wholeOr(0, targetStart);
      if (to < 0) {
        throw outOfRange("targetStart", ">= 0", to);
      }
      const start = wholeOr(0, sourceStart);
      if (start < 0 || start > this.length) {
        throw outOfRange("sourceStart", `>= 0 && <= ${this.length}`, start);
      }
      const end = wholeOr(this.length, sourceEnd);
      if (end < 0) {
        throw outOfRange("sourceEnd", ">= 0", end);
      }
      const count = MathMin(end - start, target.length - to, this.length - start);
      if (count <= 0) {
        return 0;
      }
      put(target, view(this, start, start + count), to);
      return count;
    },
    toString(encoding, start, end) {
      const { length } = this;
      if (start >= length) {
        return "";
      }
      const from = start <= 0 ? 0 : MathTrunc(start) || 0;
      const to = end === undefined || end >= length ? length : MathTrunc(end) || 0;
      if (to <= from) {
        return "";
      }
      const name = encoding === undefined ? "utf8" : known(encoding);
      return ReflectApply(operation(name, "Slice"), this, [from, to]);
    },
    equals(otherBuffer) {
      checkBytes(otherBuffer, "otherBuffer");
      if (lengthOf(this) !== lengthOf(otherBuffer)) {
        return false;
      }
      return this === otherBuffer || bytes.compare(this, otherBuffer) === 0;
    },
    inspect,
    compare(target, targetStart, targetEnd, sourceStart, sourceEnd) {
      checkBytes(target, "target");
      checkBytes(this, "source");
      const at = (value, name, whenMissing, max) => {
        if (value !== undefined) {
          validateInteger(value, name, 0, max);
        }
        return value ?? whenMissing;
      };
      const start = at(targetStart, "targetStart", 0, MAX_LENGTH);
      const end = at(targetEnd, "targetEnd", target.length, target.length);
      const ownStart = at(sourceStart, "sourceStart", 0, MAX_LENGTH);
      const ownEnd = at(sourceEnd, "sourceEnd", this.length, this.length);
      if (ownStart >= ownEnd) {
        return start >= end ? 0 : -1;
      }
      return start >= end ? 1 : bytes.compareOffset(this, target, start, ownStart, end, ownEnd);
    },
    indexOf(value, byteOffset, encoding) {
      return find(this, value, byteOffset, encoding, true);
    },
    lastIndexOf(value, byteOffset, encoding) {
      return find(this, value, byteOffset, encoding, false);
    },
    includes(value, byteOffset, encoding) {
      return find(this, value, byteOffset, encoding, true) !== -1;
    },
    fill(value, offset, end, encoding) {
      return fillRange(this, value, offset, end, encoding);
    },
    write(string, offset, length, encoding) {
      // Without an offset, Node.js looks at nothing else.
      if (offset === undefined) {
        return ReflectApply(bytes.accessors.utf8Write, this, [string, 0, this.length]);
      }
      if (length === undefined && typeof offset === "string") {
        encoding = offset;
        offset = 0;
      } else {
        validateInteger(offset, "offset", 0, this.length);
        if (typeof length === "string") {
          encoding = length;
          length = undefined;
        } else if (length !== undefined) {
          validateInteger(length, "length", 0, this.length);
        }
      }
      const room = MathMin(length ?? this.length, this.length - offset);
      return ReflectApply(operation(encoding ? known(encoding) : "utf8", "Write"), this, [string, offset, room]);
    },
    toJSON() {
      const data = [];
      for (let at = 0; at < this.length; at++) {
        data[at] = this[at];
      }
      return { type: "Buffer", data };
    },
    subarray(start, end) {
      const from = relative(start, this.length);
      const to = end === undefined ? this.length : relative(end, this.length);
      return new FastBuffer(this.buffer, this.byteOffset + from, to > from ? to - from : 0);
    },
    slice(start, end) {
      return this.subarray(start, end);
    },
    ...swapper(2, bytes.swap16),
    ...swapper(4, bytes.swap32),
    ...swapper(8, bytes.swap64),
  };

  for (const name in bytes.accessors) {
    instance[name] = bytes.accessors[name];
  }

  // A member as an assignment makes it, so that nothing that a script has put on a prototype gets in the way.
  function define(object, name, value) {
    ObjectDefineProperty(object, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }

  function defineAll(object, members) {
    for (const name in members) {
      define(object, name, members[name]);
    }
  }

  const { prototype } = FastBuffer;
  Buffer.prototype = prototype;
  ObjectDefineProperty(prototype, "constructor", { __proto__: null, value: Buffer, writable: true, configurable: true });
  ObjectSetPrototypeOf(Buffer, Uint8Array);
  ObjectDefineProperty(Buffer, values.SymbolSpecies, { __proto__: null, get: () => FastBuffer, configurable: true });
  SlowBuffer.prototype = Uint8Array.prototype;
  ObjectSetPrototypeOf(SlowBuffer, Uint8Array);
  defineAll(Buffer, statics);
  defineAll(prototype, host.load("numbers").makeNumbers({ uncurryThis, values, methods }, errors, outOfBounds));
  defineAll(prototype, instance);
  define(prototype, "toLocaleString", instance.toString);
  define(prototype, SymbolFor("nodejs.util.inspect.custom"), inspect);
  const older = { __proto__: null, parent: "buffer", offset: "byteOffset" };
  for (const name in older) {
    const get = function () {
      return this instanceof Buffer && tag(this) !== undefined ? this[older[name]] : undefined;
    };
    ObjectDefineProperty(prototype, name, { __proto__: null, get, enumerable: true });
  }

  function transcode(source, fromEncoding, toEncoding) {
    checkBytes(source, "source");
    if (source.length === 0) {
      return new FastBuffer();
    }
    const origin = fromEncoding ? nameOf(fromEncoding) : "utf8";
    const target = toEncoding ? nameOf(toEncoding) : "utf8";
    if (TRANSCODED[origin] === undefined || TRANSCODED[target] === undefined) {
      throw transcoding("U_ILLEGAL_ARGUMENT_ERROR", 1);
    }
    const text = read(source, origin, target);
    const known = TRANSCODED[target] === null ? text : text.replace(/^\ufeff/, "").replace(TRANSCODED[target], "?");
    return owner(bytes.encode(known, target));
  }

  const transcoding = (code, errno) =>
    values.ObjectAssign(new values.Error(`Unable to transcode Buffer [${code}]`), { code, errno });

  // Between the encodings of Unicode, Node.js takes well-formed text only; elsewhere it replaces what is not.
  function read(source, origin, target) {
    const text = ReflectApply(operation(origin === "ascii" ? "latin1" : origin, "Slice"), source, [0, source.length]);
    if (origin === "utf16le" && target === "utf16le") {
      return toWellFormed(source.length % 2 === 0 ? text : `${text}\ufffd`);
    }
    const wellFormed = origin === "utf16le" ? isWellFormed(text) : origin !== "utf8" || bytes.isUtf8(source);
    if (!wellFormed && TRANSCODED[origin] === null && TRANSCODED[target] === null && origin !== target) {
      throw transcoding("U_INVALID_CHAR_FOUND", 10);
    }
    return origin === "ascii" && target !== "utf16le" ? text.replace(TRANSCODED.ascii, "\ufffd") : text;
  }

  // A function of the bytes of a typed array or a buffer.
  const ofBytes = (test) =>
    function (input) {
      if (tag(input) === undefined && !isArrayBuffer(input)) {
        throw invalidArgType("input", ["ArrayBuffer", "Buffer", "TypedArray"], input);
      }
      return test(input);
    };

  function invalidCharacter(message) {
    const { DOMException } = require("dom_exception");
    return new DOMException(message, "InvalidCharacterError");
  }

  function btoa(input) {
    if (arguments.length === 0) {
      throw errors.missingArgs("input");
    }
    const text = bytes.btoa(`${input}`);
    if (text === -1) {
      throw invalidCharacter("Invalid character");
    }
    return text;
  }

  function atob(input) {
    if (arguments.length === 0) {
      throw errors.missingArgs("input");
    }
    const text = bytes.atob(`${input}`);
    if (text === -1) {
      throw invalidCharacter("The string to be decoded is not correctly encoded.");
    }
    if (text === -2) {
      throw invalidCharacter("Invalid character");
    }
    return text;
  }

  return {
    Buffer,
    SlowBuffer,
    transcode,
    isUtf8: ofBytes(bytes.isUtf8),
    isAscii: ofBytes(bytes.isAscii),
    kMaxLength: MAX_LENGTH,
    kStringMaxLength: bytes.kStringMaxLength,
    btoa,
    atob,
    constants: values.ObjectFreeze({ MAX_LENGTH, MAX_STRING_LENGTH: bytes.kStringMaxLength }),
    get INSPECT_MAX_BYTES() {
      return inspected;
    },
    set INSPECT_MAX_BYTES(value) {
      validateNumber(value, "INSPECT_MAX_BYTES", 0);
      inspected = value;
    },
    get Blob() {
      return require("blob").Blob;
    },
    get File() {
      return require("blob").File;
    },
  };
}
