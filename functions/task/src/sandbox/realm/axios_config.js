// What axios does by itself: its defaults, how configurations become one, and what becomes of data.

const REPLACED = [
  "url", "method", "data", "baseURL", "transformRequest", "transformResponse", "paramsSerializer", "timeout", "timeoutErrorMessage",
  "withCredentials", "adapter", "responseType", "responseEncoding", "xsrfCookieName", "xsrfHeaderName", "onUploadProgress",
  "onDownloadProgress", "decompress", "maxContentLength", "maxBodyLength", "maxRedirects", "beforeRedirect", "transport", "httpAgent",
  "httpsAgent", "cancelToken", "signal", "socketPath", "validateStatus", "allowAbsoluteUrls",
];
// These are of one request and never of an instance.
const OWN = ["url", "method", "data"];
const METHODS = ["get", "delete", "head", "options", "post", "put", "patch", "purge", "link", "unlink"];
const DANGEROUS = ["__proto__", "constructor", "prototype"];

export function make(host, { values }, require) {
  const { ArrayIsArray, JSONParse, JSONStringify, ObjectKeys, String, SyntaxError } = values;
  const { AxiosError } = require("axios_error");
  const { AxiosHeaders, isPlain } = require("axios_headers");
  const { toFormData, toUrlEncoded, formToJSON } = require("axios_form");
  const { keep } = require("http_headers");
  const types = require("types");

  function merge(first, second, isCaseless = false) {
    const merged = {};
    for (const source of [first, second]) {
      for (const name of isPlain(source) ? ObjectKeys(source) : []) {
        if (DANGEROUS.includes(name)) {
          continue;
        }
        const same = (key) => key.toLowerCase() === name.toLowerCase();
        const key = (isCaseless ? ObjectKeys(merged).find(same) : undefined) ?? name;
        const known = Object.hasOwn(merged, key) ? merged[key] : undefined;
        keep(merged, key, mergedValue(known, source[name], isCaseless));
      }
    }
    return merged;
  }

  function mergedValue(known, value, isCaseless) {
    if (isPlain(value)) {
      return merge(known, value, isCaseless);
    }
    return ArrayIsArray(value) ? [...value] : value;
  }

  // Headers come in every form that AxiosHeaders takes.
  function plainHeaders(headers) {
    if (headers === undefined || headers === null || isPlain(headers)) {
      return headers;
    }
    return { ...AxiosHeaders.from(headers) };
  }

  function mergeConfig(first, second) {
    const [one, two] = [first ?? {}, second ?? {}];
    const config = {};
    for (const name of new Set([...ObjectKeys(one), ...ObjectKeys(two)])) {
      if (DANGEROUS.includes(name)) {
        continue;
      }
      const value = mergedOption(name, one, two);
      if (value !== undefined || (name === "validateStatus" && name in two)) {
        keep(config, name, value);
      }
    }
    return config;
  }

  function mergedOption(name, one, two) {
    if (name === "headers") {
      return merge(plainHeaders(one.headers), plainHeaders(two.headers), true);
    }
    if (name === "validateStatus" && name in two) {
      return two.validateStatus;
    }
    const value = two[name];
    if (OWN.includes(name) || (REPLACED.includes(name) && value !== undefined)) {
      return value;
    }
    return value === undefined ? mergedValue(undefined, one[name], false) : mergedValue(one[name], value, false);
  }

  const isForm = (data) => require("form_data").isFormData(data);
  const hasType = (headers, type) => String(headers.getContentType() ?? "").includes(type);

  // JSON stays as it is, and other text becomes JSON.
  function toJson(data) {
    if (typeof data === "string") {
      try {
        JSONParse(data);
        return data.trim();
      } catch (error) {
        if (!(error instanceof SyntaxError)) {
          throw error;
        }
      }
    }
    return JSONStringify(data);
  }

  function transformRequest(data, headers) {
    const isJson = hasType(headers, "application/json");
    if (isForm(data)) {
      return isJson ? JSONStringify(formToJSON(data)) : data;
    }
    const isObject = typeof data === "object" && data !== null;
    if (isObject) {
      const { URLSearchParams } = require("search_params");
      const isBytes = types.isAnyArrayBuffer(data) || types.isArrayBufferView(data) || require("blob").isBlob(data);
      if (isBytes || require("readable_stream").isStream(data) || typeof data.pipe === "function") {
        return data;
      }
      if (data instanceof URLSearchParams) {
        headers.setContentType("application/x-www-form-urlencoded;charset=utf-8", false);
        return data.toString();
      }
      if (hasType(headers, "application/x-www-form-urlencoded")) {
        return toUrlEncoded(data, this?.formSerializer);
      }
      if (hasType(headers, "multipart/form-data")) {
        return toFormData(data, undefined, this?.formSerializer);
      }
    }
    if (isObject || isJson) {
      headers.setContentType("application/json", false);
      return toJson(data);
    }
    return data;
  }

  function transformResponse(data) {
    const { silentJSONParsing = true, forcedJSONParsing = true } = this?.transitional ?? defaults.transitional;
    const wantsJson = this?.responseType === "json";
    if (typeof data !== "string" || data === "" || !((forcedJSONParsing && !this?.responseType) || wantsJson)) {
      return data;
    }
    try {
      return JSONParse(data);
    } catch (error) {
      if (wantsJson && !silentJSONParsing) {
        throw AxiosError.from(error, "ERR_BAD_RESPONSE", this, undefined, this.response);
      }
      return data;
    }
  }

  const defaults = {
    transitional: { silentJSONParsing: true, forcedJSONParsing: true, clarifyTimeoutError: false },
    adapter: ["xhr", "http", "fetch"],
    transformRequest: [transformRequest],
    transformResponse: [transformResponse],
    timeout: 0,
    xsrfCookieName: "XSRF-TOKEN",
    xsrfHeaderName: "X-XSRF-TOKEN",
    maxContentLength: -1,
    maxBodyLength: -1,
    validateStatus: function validateStatus(status) {
      return status >= 200 && status < 300;
    },
    headers: { common: { Accept: "application/json, text/plain, */*" } },
  };
  for (const method of METHODS) {
    defaults.headers[method] = {};
  }

  return { METHODS, defaults, merge, mergeConfig };
}
