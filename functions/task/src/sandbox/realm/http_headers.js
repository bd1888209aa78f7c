// The headers of requests and responses as the module "http" checks and shows them.

const CONTENT = /^[\t\x20-\x7e\x80-\xff]*$/;
// Of these a response has one; the first counts.
const SINGLE = [
  "age", "authorization", "content-length", "content-type", "etag", "expires", "from", "host", "if-modified-since",
  "if-unmodified-since", "last-modified", "location", "max-forwards", "proxy-authorization", "referer", "retry-after", "server",
  "user-agent",
];

export function make(host, { values }, require) {
  const { ArrayIsArray, ObjectDefineProperty, TypeError } = values;
  const { contains, exec, push } = require("calls");
  const { isToken } = require("header_list");
  const { nodeError } = require("errors");

  function validateToken(value, label) {
    if (typeof value !== "string" || !isToken(value)) {
      throw nodeError(TypeError, "ERR_INVALID_HTTP_TOKEN", `${label} must be a valid HTTP token ["${value}"]`);
    }
  }

  const validateHeaderName = (name, label = "Header name") => validateToken(name, label);

  function validateHeaderValue(name, value) {
    if (value === undefined) {
      throw nodeError(TypeError, "ERR_HTTP_INVALID_HEADER_VALUE", `Invalid value "${value}" for header "${name}"`);
    }
    if (exec(CONTENT, `${value}`) === null) {
      throw nodeError(TypeError, "ERR_INVALID_CHAR", `Invalid character in header content ["${name}"]`);
    }
  }

  const keep = (object, name, value) =>
    ObjectDefineProperty(object, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });

  // The headers of a response under their names in lower case.
  function collect(pairs) {
    const found = { __proto__: null };
    for (let at = 0; at < pairs.length; at++) {
      const [name, value] = pairs[at];
      const known = found[name];
      if (name === "set-cookie") {
        found[name] = known ?? [];
        push(found[name], value);
      } else if (known === undefined) {
        found[name] = value;
      } else if (!contains(SINGLE, name)) {
        found[name] = `${known}${name === "cookie" ? "; " : ", "}${value}`;
      }
    }
    const headers = {};
    for (const name in found) {
      keep(headers, name, found[name]);
    }
    return headers;
  }

  // The pairs that are sent for a header with one value or several.
  function pairsOf(name, value) {
    const pairs = [];
    const list = ArrayIsArray(value) ? value : [value];
    for (let at = 0; at < list.length; at++) {
      validateHeaderValue(name, list[at]);
      push(pairs, [name, `${list[at]}`]);
    }
    return pairs;
  }

  return { collect, keep, pairsOf, validateHeaderName, validateHeaderValue, validateToken };
}
