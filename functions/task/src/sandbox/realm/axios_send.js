// Sends the requests of axios.

const MAX_REDIRECTS = 20;
const PROTOCOLS = ["http:", "https:"];
const ADAPTERS = ["xhr", "http", "fetch"];
// What would change where or how a request is sent, and cannot be done here.
const REFUSED = {
  __proto__: null,
  proxy: (value) => Boolean(value),
  socketPath: (value) => Boolean(value),
  transport: (value) => Boolean(value),
  lookup: (value) => Boolean(value),
  beforeRedirect: (value) => Boolean(value),
  maxRate: (value) => Boolean(value),
  decompress: (value) => value === false,
  responseType: (value) => value === "stream",
};

export function make(host, { values }, require) {
  const { ArrayIsArray, MathMin, MathTrunc, NumberIsNaN, ObjectDefineProperty, String, decodeURIComponent } = values;
  const { AxiosError, CanceledError } = require("axios_error");
  const { AxiosHeaders } = require("axios_headers");
  const { buildUrl } = require("axios_form");
  const { collect, keep, pairsOf, validateHeaderName, validateToken } = require("http_headers");
  const { send } = require("exchange");
  const body = require("body");
  const { pairsOf: receivedPairs } = require("received_headers");
  const types = require("types");

  function fullPath({ baseURL, url, allowAbsoluteUrls }) {
    const target = url === undefined || url === null ? "" : `${url}`;
    const isAbsolute = /^(?:[a-z][a-z\d+\-.]*:)?\/\//i.test(target) && allowAbsoluteUrls !== false;
    if (!baseURL || isAbsolute) {
      return target;
    }
    return target === "" ? `${baseURL}` : `${`${baseURL}`.replace(/\/?\/$/, "")}/${target.replace(/^\/+/, "")}`;
  }

  function checkOptions(config) {
    for (const name in REFUSED) {
      if (REFUSED[name](config[name])) {
        const what = name === "responseType" ? "the response type stream" : `the option ${name}`;
        throw host.notSupported(`${what} of axios`);
      }
    }
  }

  // The body as it is sent, and the type that it has by itself.
  async function contentOf(data, config) {
    if (data === undefined || data === null) {
      return { content: null };
    }
    if (typeof data === "string") {
      return { content: data };
    }
    const { isFormData } = require("form_data");
    if (typeof data === "object") {
      if (types.isAnyArrayBuffer(data) || types.isArrayBufferView(data)) {
        return { content: body.readBody(data).content };
      }
      if (isFormData(data) || require("blob").isBlob(data)) {
        const { content, type } = body.readBody(data);
        return { content, type: type || "application/octet-stream" };
      }
      const streams = require("readable_stream");
      if (streams.isStream(data) || typeof data[Symbol.asyncIterator] === "function") {
        return { content: await streams.collect(streams.isStream(data) ? data : streams.ReadableStream.from(data)) };
      }
    }
    const kinds = "a string, an ArrayBuffer, a Buffer, or a Stream";
    throw new AxiosError(`Data after transformation must be ${kinds}`, "ERR_BAD_REQUEST", config);
  }

  const lengthOf = (content) => {
    if (content === null) {
      return 0;
    }
    return typeof content === "string" ? host.utf8Length(content.toWellFormed()) : content.length;
  };

  function targetOf(config) {
    const { URL } = require("whatwg_url");
    const url = new URL(fullPath(config));
    if (!PROTOCOLS.includes(url.protocol)) {
      throw new AxiosError(`Unsupported protocol ${url.protocol}`, "ERR_BAD_REQUEST", config);
    }
    const { username, password } = url;
    const decodedUser = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
    const credentials = username || password ? decodedUser : undefined;
    const query = buildUrl(url.pathname + url.search, config.params, config.paramsSerializer);
    return { url: new URL(`${url.origin}${query}`), credentials: config.auth ?? credentials };
  }

  function headersOf(config, type, credentials) {
    const headers = AxiosHeaders.from(config.headers);
    if (type !== undefined) {
      headers.setContentType(type);
    }
    headers.set("User-Agent", "axios", false);
    if (credentials) {
      const { Buffer } = require("buffer");
      const text = `${credentials.username ?? ""}:${credentials.password ?? ""}`;
      headers.delete("authorization");
      headers.set("Authorization", `Basic ${Buffer.from(text).toString("base64")}`);
    }
    const pairs = [];
    for (const [name, value] of headers) {
      validateHeaderName(name);
      pairs.push(...pairsOf(name, value));
    }
    return pairs;
  }

  function timeoutOf(config, request) {
    const timeout = config.timeout ? values.NumberParseInt(config.timeout, 10) : 0;
    if (NumberIsNaN(timeout)) {
      throw new AxiosError("error trying to parse `config.timeout` to int", "ERR_BAD_OPTION_VALUE", config, request);
    }
    return timeout;
  }

  // Calls `stop` with the error when the time is up or the caller has lost interest; returns what ends that.
  function watch(config, request, stop) {
    const { setTimeout, clearTimeout } = require("timers");
    const { signal, cancelToken, timeoutErrorMessage, transitional } = config;
    const timeout = timeoutOf(config, request);
    const onTime = () => {
      const message = timeoutErrorMessage || `timeout of ${timeout}ms exceeded`;
      stop(new AxiosError(message, transitional?.clarifyTimeoutError ? "ETIMEDOUT" : "ECONNABORTED", config, request));
    };
    const onAbort = () => stop(new CanceledError(undefined, config, request));
    const timer = timeout > 0 ? setTimeout(onTime, timeout) : undefined;
    signal?.addEventListener?.("abort", onAbort);
    cancelToken?.subscribe(stop);
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener?.("abort", onAbort);
      cancelToken?.unsubscribe(stop);
    };
  }

  function failed(error, config, request) {
    if (error instanceof AxiosError) {
      return error;
    }
    const { cause, name } = error;
    const from = (message, code) => {
      const made = AxiosError.from(cause?.syscall === undefined ? error : cause, code, config, request);
      keep(made, "message", message);
      return made;
    };
    switch (cause?.code) {
      case "ECONNRESET":
        return from("socket hang up", "ECONNRESET");
      case "ERR_FR_TOO_MANY_REDIRECTS":
        return from("Maximum number of redirects exceeded", cause.code);
      case "UND_ERR_RES_EXCEEDED_MAX_SIZE":
        return from(error.message, "ERR_BAD_RESPONSE");
      case "EACCES":
        return from(error.message, "EACCES");
      case undefined:
        return from(error.message, name === "FetchTooLarge" || name === "TypeError" ? "ERR_BAD_REQUEST" : "ERR_NETWORK");
      default:
        return from(cause.message, cause.code);
    }
  }

  function decoded(content, { responseType, responseEncoding }) {
    const { Buffer } = require("buffer");
    const buffer = Buffer.from(content);
    if (responseType === "arraybuffer") {
      return buffer;
    }
    const text = buffer.toString(responseEncoding ?? "utf8");
    return text[0] === "\ufeff" ? text.slice(1) : text;
  }

  function responseOf(answer, config, request) {
    const { status, statusText, headers, url, body: content } = answer;
    const limit = config.maxContentLength;
    if (limit > -1 && content.byteLength > limit) {
      throw new AxiosError(`maxContentLength size of ${limit} exceeded`, "ERR_BAD_RESPONSE", config, request);
    }
    request.res = { statusCode: status, responseUrl: url };
    const shown = new AxiosHeaders(collect(receivedPairs(headers)));
    const response = { status, statusText, headers: shown, config, request, data: decoded(content, config) };
    // What a script returns of it is short and has no credentials.
    const toJSON = () => {
      const { data } = response;
      const { method, baseURL, params } = config;
      return { data, status, statusText, headers: response.headers, config: { method, url: config.url, baseURL, params } };
    };
    return ObjectDefineProperty(response, "toJSON", { __proto__: null, value: toJSON, writable: true, configurable: true });
  }

  function settle(response) {
    const { status, config, request } = response;
    const { validateStatus } = config;
    if (!status || !validateStatus || validateStatus(status)) {
      return response;
    }
    const code = status >= 400 && status < 500 ? "ERR_BAD_REQUEST" : "ERR_BAD_RESPONSE";
    throw new AxiosError(`Request failed with status code ${status}`, code, config, request, response);
  }

  async function adapter(config) {
    checkOptions(config);
    const method = `${config.method}`.toUpperCase();
    validateToken(method, "Method");
    const { content, type } = await contentOf(config.data, config);
    const { url, credentials } = targetOf(config);
    if (config.maxBodyLength > -1 && lengthOf(content) > config.maxBodyLength) {
      throw new AxiosError("Request body larger than maxBodyLength limit", "ERR_BAD_REQUEST", config);
    }
    const headers = headersOf(config, type, credentials);
    const limit = config.maxRedirects === undefined ? MAX_REDIRECTS : MathTrunc(MathMin(config.maxRedirects, MAX_REDIRECTS));
    const follows = limit > 0 ? { redirect: "follow", maxRedirects: limit } : { redirect: "manual" };
    const request = { method, protocol: url.protocol, host: url.host, path: url.pathname + url.search, res: undefined };
    const { AbortController } = require("abort_controller");
    const controller = new AbortController();
    let stopped;
    const unwatch = watch(config, request, (error) => {
      stopped ??= error;
      controller.abort(error);
    });
    let answer;
    try {
      answer = await send({ method, url: url.href, headers, body: content, ...follows }, controller.signal);
    } catch (error) {
      throw stopped ?? failed(error, config, request);
    } finally {
      unwatch();
    }
    return settle(responseOf(answer, config, request));
  }

  function findAdapter(given) {
    for (const one of ArrayIsArray(given) ? given : [given]) {
      if (typeof one === "function") {
        return one;
      }
      if (ADAPTERS.includes(one)) {
        return adapter;
      }
    }
    throw new AxiosError(`Unknown adapter '${String(given)}'`, "ERR_NOT_SUPPORT");
  }

  return { findAdapter, fullPath };
}
