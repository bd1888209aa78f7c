// The module "querystring".

const MAX_KEYS = 1000;
const MAX_LIMIT = 2 ** 32 - 1;

export function make(host, intrinsics, require) {
  const { nodeError } = require("errors");
  const { bytesOf, hasEscapes } = require("percent");

  function unescapeBuffer(text, decodeSpaces) {
    const { buffer, length } = bytesOf(text, decodeSpaces);
    return require("buffer").Buffer.from(buffer, 0, length);
  }

  function qsUnescape(text, decodeSpaces) {
    try {
      return decodeURIComponent(text);
    } catch {
      return exports.unescapeBuffer(text, decodeSpaces).toString();
    }
  }

  // Half of a surrogate pair is taken together with whatever follows it, as in Node.js.
  function joinHalves(pair) {
    if (pair.length === 1) {
      throw nodeError(URIError, "ERR_INVALID_URI", "URI malformed");
    }
    const low = (code) => code & 0x3ff;
    return String.fromCodePoint(0x10000 + (low(pair.charCodeAt(0)) << 10) + low(pair.charCodeAt(1)));
  }

  function qsEscape(value) {
    const text = typeof value === "object" ? String(value) : `${value}`;
    return encodeURIComponent(text.isWellFormed() ? text : text.replace(/[\ud800-\udfff][^]?/g, joinHalves));
  }

  function textOf(value) {
    if (typeof value === "number") {
      return Number.isFinite(value) ? `${value}` : "";
    }
    return ["string", "bigint", "boolean"].includes(typeof value) ? `${value}` : "";
  }

  function stringify(obj, separator, equals, options) {
    if (obj === null || typeof obj !== "object") {
      return "";
    }
    const encode = typeof options?.encodeURIComponent === "function" ? options.encodeURIComponent : exports.escape;
    const fields = [];
    for (const key of Object.keys(obj)) {
      const start = `${encode(key)}${equals || "="}`;
      const value = obj[key];
      for (const one of Array.isArray(value) ? value : [value]) {
        fields.push(`${start}${encode(textOf(one))}`);
      }
    }
    return fields.join(separator || "&");
  }

  function parse(text, separator, equals, options) {
    const parsed = { __proto__: null };
    if (typeof text !== "string" || text === "") {
      return parsed;
    }
    const maxKeys = typeof options?.maxKeys === "number" ? options.maxKeys : MAX_KEYS;
    const decode = decoder(options?.decodeURIComponent);
    const [between, within] = [separator ? `${separator}` : "&", equals ? `${equals}` : "="];
    // Empty fields count too.
    const limit = Number.isInteger(maxKeys) && maxKeys > 0 ? Math.min(maxKeys, MAX_LIMIT) : MAX_LIMIT;
    for (const field of text.split(between, limit)) {
      if (field === "") {
        continue;
      }
      const at = field.indexOf(within);
      const key = decode(at === -1 ? field : field.slice(0, at));
      const value = at === -1 ? "" : decode(field.slice(at + within.length));
      if (!(key in parsed)) {
        parsed[key] = value;
      } else if (Array.isArray(parsed[key])) {
        parsed[key].push(value);
      } else {
        parsed[key] = [parsed[key], value];
      }
    }
    return parsed;
  }

  function decoder(given) {
    const decode = typeof given === "function" ? given : exports.unescape;
    const own = decode === qsUnescape;
    return (text) => {
      const spaced = text.replaceAll("+", own ? " " : "%20");
      if (text === "" || (own && !hasEscapes(text))) {
        return spaced;
      }
      try {
        return decode(spaced);
      } catch {
        return exports.unescape(spaced, true);
      }
    };
  }

  const exports = {
    unescapeBuffer,
    unescape: qsUnescape,
    escape: qsEscape,
    stringify,
    encode: stringify,
    parse,
    decode: parse,
  };
  return exports;
}
