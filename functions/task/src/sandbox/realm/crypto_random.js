// Random bytes, numbers and identifiers of the module "crypto".

const CHUNK_BYTES = 64 * 1024;
const MAX_BYTES = 2 ** 31 - 1;
const MAX_RANGE = 2 ** 48 - 1;
const MAX_SAFE = 2 ** 53 - 1;
const INTEGERS = [
  "Uint8Array", "Uint8ClampedArray", "Int8Array", "Uint16Array", "Int16Array", "Uint32Array", "Int32Array", "BigInt64Array",
  "BigUint64Array",
];

export function make(host, { uncurryThis, values, methods }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const { contains, digits, lengthOf, tagOfTyped } = require("calls");
  const { ArrayBufferIsView, MathMin, NumberIsInteger, RangeError, TypeError, Uint8Array } = values;
  const { Buffer } = require("buffer");
  const { alloc } = Buffer;
  const subarray = uncurryThis(methods.TypedArrayPrototypeSubarray);
  const isBuffer = (value) => require("types").isAnyArrayBuffer(value);
  const isSafe = (value) => NumberIsInteger(value) && value <= MAX_SAFE && value >= -MAX_SAFE;

  function fill(bytes) {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      input.put(bytes, new Uint8Array(host.randomBytes(MathMin(CHUNK_BYTES, bytes.length - at))), at);
    }
  }

  function checkSize(size, name, max) {
    errors.validateNumber(size, name);
    if (!(size >= 0 && size <= max)) {
      throw errors.outOfRange(name, `>= 0 && <= ${max}`, size);
    }
    return size - (size % 1);
  }

  function randomBytes(size, callback = undefined) {
    const length = checkSize(size, "size", MAX_BYTES);
    if (callback !== undefined) {
      errors.validateFunction(callback, "callback");
    }
    const bytes = alloc(length);
    if (callback === undefined) {
      fill(bytes);
      return bytes;
    }
    input.later(callback, () => {
      fill(bytes);
      return bytes;
    });
    return undefined;
  }

  // The part of the buffer that is filled.
  function partOf(target, offset, size) {
    if (!isBuffer(target) && !ArrayBufferIsView(target)) {
      throw errors.invalidArgType("buf", ["ArrayBuffer", "ArrayBufferView"], target);
    }
    const bytes = input.viewed(target);
    const unit = tagOfTyped(target) === undefined ? 1 : target.BYTES_PER_ELEMENT;
    const start = checkSize(offset ?? 0, "offset", bytes.length / unit) * unit;
    if (size === undefined) {
      return subarray(bytes, start);
    }
    const length = checkSize(size, "size", MAX_BYTES) * unit;
    if (start + length > bytes.length) {
      throw errors.outOfRange("size + offset", `<= ${bytes.length}`, start + length);
    }
    return subarray(bytes, start, start + length);
  }

  function randomFillSync(target, offset = undefined, size = undefined) {
    fill(partOf(target, offset, size));
    return target;
  }

  function randomFill(target, offset, size, callback) {
    if (typeof offset === "function") {
      callback = offset;
      offset = size = undefined;
    } else if (typeof size === "function") {
      callback = size;
      size = undefined;
    }
    errors.validateFunction(callback, "callback");
    const part = partOf(target, offset, size);
    input.later(callback, () => {
      fill(part);
      return target;
    });
  }

  // Below a limit, evenly: what is beyond the largest multiple is drawn again.
  function drawn(range) {
    const limit = MAX_RANGE + 1 - ((MAX_RANGE + 1) % range);
    for (;;) {
      const bytes = new Uint8Array(host.randomBytes(6));
      let number = 0;
      for (let at = 0; at < 6; at++) {
        number = number * 256 + bytes[at];
      }
      if (number < limit) {
        return number % range;
      }
    }
  }

  function randomInt(min, max, callback = undefined) {
    if (max === undefined || typeof max === "function") {
      callback = max;
      max = min;
      min = 0;
    }
    if (!isSafe(min)) {
      throw errors.invalidArgType("min", "a safe integer", min);
    }
    if (!isSafe(max)) {
      throw errors.invalidArgType("max", "a safe integer", max);
    }
    if (max <= min) {
      throw errors.outOfRange("max", `greater than the value of "min" (${min})`, max);
    }
    const range = max - min;
    if (!(range <= MAX_RANGE)) {
      throw errors.outOfRange("max - min", `<= ${MAX_RANGE}`, range);
    }
    if (callback === undefined) {
      return drawn(range) + min;
    }
    errors.validateFunction(callback, "callback");
    input.later((error, number) => callback(error ?? undefined, number), () => drawn(range) + min);
    return undefined;
  }

  function randomUUID(options = undefined) {
    if (options !== undefined) {
      if (options === null || typeof options !== "object") {
        throw errors.invalidArgType("options", "object", options);
      }
      if (options.disableEntropyCache !== undefined) {
        errors.validateBoolean(options.disableEntropyCache, "options.disableEntropyCache");
      }
    }
    const bytes = new Uint8Array(host.randomBytes(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = "";
    for (let at = 0; at < 16; at++) {
      text += `${at === 4 || at === 6 || at === 8 || at === 10 ? "-" : ""}${bytes[at] < 16 ? "0" : ""}${digits(bytes[at], 16)}`;
    }
    return text;
  }

  function getRandomValues(array) {
    const refuse = (message, name) => {
      const { DOMException } = require("dom_exception");
      return new DOMException(message, name);
    };
    if (!contains(INTEGERS, tagOfTyped(array))) {
      throw refuse("The data argument must be an integer-type TypedArray", "TypeMismatchError");
    }
    if (lengthOf(array) > CHUNK_BYTES) {
      throw refuse("The requested length exceeds 65,536 bytes", "QuotaExceededError");
    }
    fill(input.viewed(array));
    return array;
  }

  function timingSafeEqual(a, b) {
    const bytesOf = (value, name) => {
      if (!isBuffer(value) && !ArrayBufferIsView(value)) {
        const message = `The "${name}" argument must be an instance of ArrayBuffer, Buffer, TypedArray, or DataView.`;
        throw errors.nodeError(TypeError, "ERR_INVALID_ARG_TYPE", message);
      }
      return input.viewed(value);
    };
    const left = bytesOf(a, "buf1");
    const right = bytesOf(b, "buf2");
    if (left.length !== right.length) {
      const message = "Input buffers must have the same byte length";
      throw errors.nodeError(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", message);
    }
    return host.sameBytes(left, right);
  }

  return { getRandomValues, randomBytes, randomFill, randomFillSync, randomInt, randomUUID, timingSafeEqual };
}
