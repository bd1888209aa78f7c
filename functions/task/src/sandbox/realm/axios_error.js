// AxiosError and the errors of what was cancelled.

const CODES = [
  "ERR_FR_TOO_MANY_REDIRECTS", "ERR_BAD_OPTION_VALUE", "ERR_BAD_OPTION", "ERR_NETWORK", "ERR_DEPRECATED", "ERR_BAD_RESPONSE",
  "ERR_BAD_REQUEST", "ERR_NOT_SUPPORT", "ERR_INVALID_URL", "ERR_CANCELED", "ECONNABORTED", "ETIMEDOUT", "ECONNREFUSED",
];
const MAX_DEPTH = 64;

export function make(host, { values }, require) {
  const { ArrayIsArray, Error, ObjectAssign, ObjectDefineProperty } = values;
  const { keep } = require("http_headers");

  const hide = (object, name, value) =>
    ObjectDefineProperty(object, name, { __proto__: null, value, writable: true, configurable: true });

  class AxiosError extends Error {
    constructor(message, code, config, request, response) {
      super(message);
      hide(this, "name", "AxiosError");
      keep(this, "message", this.message);
      keep(this, "name", "AxiosError");
      this.isAxiosError = true;
      const given = { code, config, request, response };
      for (const name in given) {
        if (given[name]) {
          this[name] = given[name];
        }
      }
      if (response) {
        this.status = response.status ? response.status : null;
      }
    }

    static from(error, code, config, request, response, customProps) {
      const made = new AxiosError(error.message, code ?? error.code, config, request, response);
      hide(made, "cause", error);
      return customProps ? ObjectAssign(made, customProps) : made;
    }

    toJSON() {
      const { message, name, stack, config, code, status } = this;
      return { message, name, stack, config: plain(config), code, status };
    }
  }
  for (let at = 0; at < CODES.length; at++) {
    ObjectDefineProperty(AxiosError, CODES[at], { __proto__: null, value: CODES[at], enumerable: true });
  }
  ObjectDefineProperty(AxiosError.prototype, "isAxiosError", { __proto__: null, value: true, writable: true });

  class CanceledError extends AxiosError {
    constructor(message, config, request) {
      super(message ?? "canceled", "ERR_CANCELED", config, request);
      this.name = "CanceledError";
      this.__CANCEL__ = true;
    }
  }

  // The part of a value that JSON can show; what contains itself is left out there.
  function plain(value, parents = []) {
    if (typeof value !== "object" || value === null) {
      return value;
    }
    if (parents.length > MAX_DEPTH || parents.includes(value)) {
      return undefined;
    }
    if (typeof value.toJSON === "function") {
      return value.toJSON();
    }
    const inside = [...parents, value];
    const copy = ArrayIsArray(value) ? [] : {};
    for (const name of values.ObjectKeys(value)) {
      const part = plain(value[name], inside);
      if (part !== undefined) {
        keep(copy, name, part);
      }
    }
    return copy;
  }

  return { AxiosError, CanceledError, plain };
}
