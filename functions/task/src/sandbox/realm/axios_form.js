// Values as the fields of forms and of queries, and back.

export function make(host, { values }, require) {
  const { ArrayIsArray, Error, JSONStringify, ObjectKeys, String, TypeError, encodeURIComponent } = values;
  const { isPlain } = require("axios_headers");
  const { keep } = require("http_headers");
  const types = require("types");

  const bare = (key) => (key.endsWith("[]") ? key.slice(0, -2) : key);
  const isLeaf = (value) => !ArrayIsArray(value) && !isPlain(value);
  const isFlat = (value) => ArrayIsArray(value) && !value.some((one) => !isLeaf(one));

  function keyOf(path, key, dots) {
    const names = [...path, key].map((name) => bare(String(name)));
    if (path.length === 0) {
      return String(key);
    }
    return dots ? names.join(".") : names.map((name, at) => (at === 0 ? name : `[${name}]`)).join("");
  }

  function fieldValue(value) {
    if (types.isDate(value)) {
      return value.toISOString();
    }
    if (types.isAnyArrayBuffer(value) || types.isArrayBufferView(value)) {
      const { Blob } = require("blob");
      return new Blob([value]);
    }
    return require("blob").isBlob(value) ? value : String(value);
  }

  // Calls `add` with the name and the value of every field.
  function eachField(object, options, add) {
    const { dots = false, indexes = false, metaTokens = true, visitor } = options ?? {};
    if (visitor !== undefined) {
      throw host.notSupported("axios with a visitor of its own");
    }
    const parents = [];

    function field(path, key, value) {
      if (path.length === 0 && typeof value === "object" && value !== null) {
        if (key.endsWith("{}")) {
          add(metaTokens ? key : key.slice(0, -2), JSONStringify(value));
          return;
        }
        if (isFlat(value) || (ArrayIsArray(value) && key.endsWith("[]"))) {
          const name = bare(key);
          value.forEach((one, at) => {
            if (one !== undefined && one !== null) {
              const suffix = indexes === true ? `[${at}]` : indexes === null ? "" : "[]";
              add(`${name}${suffix}`, isLeaf(one) ? fieldValue(one) : JSONStringify(one));
            }
          });
          return;
        }
      }
      if (isLeaf(value)) {
        add(keyOf(path, key, dots), fieldValue(value));
      } else {
        fields([...path, key], value);
      }
    }

    function fields(path, value) {
      if (parents.includes(value)) {
        throw new Error(`Circular reference detected in ${path.join(".")}`);
      }
      parents.push(value);
      for (const key of ObjectKeys(value)) {
        const one = value[key];
        if (one !== undefined && one !== null) {
          field(path, path.length === 0 ? key.trim() : key, one);
        }
      }
      parents.pop();
    }

    fields([], object);
  }

  function toFormData(object, form = undefined, options = undefined) {
    if (object === null || typeof object !== "object") {
      throw new TypeError("target must be an object");
    }
    const { FormData } = require("form_data");
    const made = form ?? new FormData();
    eachField(object, options, (name, value) => made.append(name, value));
    return made;
  }

  function toUrlEncoded(object, options) {
    const { URLSearchParams } = require("search_params");
    const params = new URLSearchParams();
    eachField(object, { ...options, indexes: options?.indexes ?? false }, (name, value) => params.append(name, value));
    return params.toString();
  }

  function formToJSON(form) {
    const result = {};
    for (const [name, value] of form.entries()) {
      const parts = [...name.matchAll(/\w+|\[(\w*)\]/g)];
      const path = parts.map(([all, inner]) => (all === "[]" ? "" : inner ?? all));
      put(path, value, result, 0);
    }
    return result;
  }

  // Returns whether the target is a list.
  function put(path, value, target, at) {
    const name = path[at];
    if (name === undefined || name === "__proto__") {
      return true;
    }
    const isIndex = name !== "" && Number.isFinite(+name);
    const key = name === "" && ArrayIsArray(target) ? target.length : name;
    if (at >= path.length - 1) {
      const known = Object.hasOwn(target, key) ? target[key] : undefined;
      keep(target, key, known === undefined ? value : ArrayIsArray(known) ? [...known, value] : [known, value]);
      return !isIndex;
    }
    if (!Object.hasOwn(target, key) || typeof target[key] !== "object") {
      const next = path[at + 1];
      keep(target, key, next === "" || /^\d{1,6}$/.test(next) ? [] : {});
    }
    put(path, value, target[key], at + 1);
    return !isIndex;
  }

  const PLAIN = { __proto__: null, "%3A": ":", "%24": "$", "%2C": ",", "%20": "+" };
  const encode = (text) => encodeURIComponent(text).replace(/%3A|%24|%2C|%20/gi, (found) => PLAIN[found.toUpperCase()]);

  function serialize(params, serializer) {
    const options = typeof serializer === "function" ? { serialize: serializer } : serializer ?? {};
    if (typeof options.serialize === "function") {
      return options.serialize(params, options);
    }
    const { URLSearchParams } = require("search_params");
    if (params instanceof URLSearchParams) {
      return params.toString();
    }
    if (typeof params !== "object") {
      const { AxiosError } = require("axios_error");
      throw new AxiosError("the parameters must be an object", "ERR_BAD_REQUEST");
    }
    const encoded = (text) => (typeof options.encode === "function" ? options.encode(text, encode) : encode(text));
    const pairs = [];
    eachField(params, options, (name, value) => pairs.push(`${encoded(name)}=${encoded(value)}`));
    return pairs.join("&");
  }

  // The URL with these parameters at its end.
  function buildUrl(url, params, serializer) {
    if (!params) {
      return url;
    }
    const text = serialize(params, serializer);
    if (!text) {
      return url;
    }
    const hash = url.indexOf("#");
    const start = hash === -1 ? url : url.slice(0, hash);
    return `${start}${start.includes("?") ? "&" : "?"}${text}`;
  }

  return { buildUrl, formToJSON, toFormData, toUrlEncoded };
}
