// How buffers read and write numbers.

const MAX_INTEGER_BYTES = 6;

export function makeNumbers({ uncurryThis, values, methods }, errors, outOfBounds) {
  const { DataView, MathFloor, MathTrunc, ObjectDefineProperty, ReflectApply, TypeError } = values;
  const { invalidArgType, outOfRange, validateNumber } = errors;
  const { prototype } = DataView;
  const replace = uncurryThis(methods.StringPrototypeReplace);
  const members = { __proto__: null };

  function define(name, length, method) {
    ObjectDefineProperty(method, "name", { __proto__: null, value: name, configurable: true });
    ObjectDefineProperty(method, "length", { __proto__: null, value: length, configurable: true });
    members[name] = method;
    members[replace(name, "UInt", "Uint")] = method;
  }

  // Fails as Node.js does unless a number of this many bytes is at the offset.
  function check(buffer, offset, size) {
    const last = buffer.length - size;
    if (typeof offset === "number" && offset >= 0 && offset <= last && offset % 1 === 0) {
      return;
    }
    validateNumber(offset, "offset");
    checkWhole(offset, "offset");
    if (last < 0) {
      throw outOfBounds();
    }
    throw outOfRange("offset", `>= 0 and <= ${last}`, offset);
  }

  function checkWhole(value, name) {
    if (MathFloor(value) !== value) {
      validateNumber(value, name);
      throw outOfRange(name, "an integer", value);
    }
  }

  function checkSize(size) {
    if (!(typeof size === "number" && size >= 1 && size <= MAX_INTEGER_BYTES && size % 1 === 0)) {
      checkWhole(size, "byteLength");
      throw outOfRange("byteLength", `>= 1 and <= ${MAX_INTEGER_BYTES}`, size);
    }
  }

  function readInteger(buffer, offset, size, signed, little) {
    check(buffer, offset, size);
    let value = 0;
    for (let at = 0; at < size; at++) {
      value = value * 256 + buffer[offset + (little ? size - 1 - at : at)];
    }
    return signed && value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
  }

  // The range in the words of Node.js, which names the bounds of large numbers as powers.
  function range(size, signed, suffix) {
    const bits = size * 8;
    if (size <= 4) {
      return signed ? `>= ${-(2 ** (bits - 1))} and <= ${2 ** (bits - 1) - 1}` : `>= 0 and <= ${2 ** bits - 1}`;
    }
    const power = (exponent) => `2${suffix} ** ${exponent}${suffix}`;
    return signed
      ? `>= -(${power(bits - 1)}) and < ${power(bits - 1)}`
      : `>= 0${suffix} and < ${power(bits)}`;
  }

  function writeInteger(buffer, number, offset, size, signed, little) {
    const value = +number;
    if (size === 1) {
      validateNumber(offset, "offset");
    }
    const max = 2 ** (signed ? 8 * size - 1 : 8 * size);
    if (value > max - 1 || value < (signed ? -max : 0)) {
      throw outOfRange("value", range(size, signed, ""), value);
    }
    check(buffer, offset, size);
    const low = MathTrunc(value) >>> 0;
    const high = MathFloor(value / 2 ** 32);
    for (let at = 0; at < size; at++) {
      buffer[offset + (little ? at : size - 1 - at)] = at < 4 ? low >>> (8 * at) : high >> (8 * (at - 4));
    }
    return offset + size;
  }

  function defineIntegers(kind, signed, order) {
    const little = order === "LE";
    define(`read${kind}${order}`, 2, function (offset, byteLength) {
      if (offset === undefined) {
        throw invalidArgType("offset", "number", offset);
      }
      checkSize(byteLength);
      return readInteger(this, offset, byteLength, signed, little);
    });
    define(`write${kind}${order}`, 3, function (value, offset, byteLength) {
      checkSize(byteLength);
      return writeInteger(this, value, offset, byteLength, signed, little);
    });
    for (let size = 1; size <= 4; size *= 2) {
      const name = `${kind}${8 * size}${size === 1 ? "" : order}`;
      define(`read${name}`, 0, function (offset = 0) {
        return readInteger(this, offset, size, signed, little);
      });
      define(`write${name}`, 1, function (value, offset = 0) {
        return writeInteger(this, value, offset, size, signed, little);
      });
    }
  }

  // Numbers of the kinds that the language can read itself.
  function defineViewed(kind, viewed, size, order, convert) {
    const little = order === "LE";
    const type = size === 8 && kind !== "Double" ? "bigint" : "number";
    const read = prototype[`get${viewed}`];
    const write = prototype[`set${viewed}`];
    const view = (buffer, offset) => new DataView(buffer.buffer, buffer.byteOffset + offset, size);
    define(`read${kind}${order}`, 0, function (offset = 0) {
      check(this, offset, size);
      return ReflectApply(read, view(this, offset), [0, little]);
    });
    define(`write${kind}${order}`, 1, function (number, offset = 0) {
      const value = convert(number);
      check(this, offset, size);
      if (typeof value !== type) {
        throw new TypeError("Cannot mix BigInt and other types, use explicit conversions");
      }
      ReflectApply(write, view(this, offset), [0, value, little]);
      return offset + size;
    });
  }

  function bigInts(signed) {
    const max = 2n ** (signed ? 63n : 64n);
    const min = signed ? -max : 0n;
    return (value) => {
      if (value >= max || value < min) {
        throw outOfRange("value", range(8, signed, "n"), value);
      }
      return value;
    };
  }

  function defineOrder(order) {
    const number = (value) => +value;
    defineIntegers("UInt", false, order);
    defineIntegers("Int", true, order);
    defineViewed("Float", "Float32", 4, order, number);
    defineViewed("Double", "Float64", 8, order, number);
    defineViewed("BigInt64", "BigInt64", 8, order, bigInts(true));
    defineViewed("BigUInt64", "BigUint64", 8, order, bigInts(false));
  }

  defineOrder("LE");
  defineOrder("BE");
  return members;
}
