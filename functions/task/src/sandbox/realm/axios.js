// The module "axios", as its documentation describes it, over the host's guarded client.

const VERSION = "1.7.9";
const BODILESS = ["delete", "get", "head", "options"];
const WITH_BODY = ["post", "put", "patch"];

export function make(host, { values }, require) {
  const { ArrayIsArray, Number, Object, ObjectDefineProperty, ObjectKeys, Promise, ReflectApply } = values;
  const { then } = require("calls");
  const { AxiosError, CanceledError } = require("axios_error");
  const { AxiosHeaders } = require("axios_headers");
  const { METHODS, defaults, merge, mergeConfig } = require("axios_config");
  const { buildUrl, formToJSON, toFormData } = require("axios_form");
  const { findAdapter, fullPath } = require("axios_send");

  const isCancel = (value) => Boolean(value?.__CANCEL__);
  const isAxiosError = (payload) => typeof payload === "object" && payload !== null && payload.isAxiosError === true;

  class CancelToken {
    #listeners = [];

    constructor(executor) {
      if (typeof executor !== "function") {
        throw new TypeError("executor must be a function.");
      }
      let resolve;
      this.promise = new Promise((settle) => (resolve = settle));
      executor((message, config, request) => {
        if (this.reason !== undefined) {
          return;
        }
        this.reason = new CanceledError(message, config, request);
        resolve(this.reason);
        for (const listener of this.#listeners.splice(0)) {
          listener(this.reason);
        }
      });
    }

    throwIfRequested() {
      if (this.reason) {
        throw this.reason;
      }
    }

    subscribe(listener) {
      if (this.reason) {
        listener(this.reason);
      } else {
        this.#listeners.push(listener);
      }
    }

    unsubscribe(listener) {
      const at = this.#listeners.indexOf(listener);
      if (at !== -1) {
        this.#listeners.splice(at, 1);
      }
    }

    toAbortSignal() {
      const { AbortController } = require("abort_controller");
      const controller = new AbortController();
      const abort = (reason) => controller.abort(reason);
      this.subscribe(abort);
      controller.signal.unsubscribe = () => this.unsubscribe(abort);
      return controller.signal;
    }

    static source() {
      let cancel;
      const token = new CancelToken((call) => (cancel = call));
      return { token, cancel };
    }
  }

  class InterceptorManager {
    constructor() {
      this.handlers = [];
    }

    use(fulfilled, rejected, options = undefined) {
      const { synchronous = false, runWhen = null } = options ?? {};
      return this.handlers.push({ fulfilled, rejected, synchronous, runWhen }) - 1;
    }

    eject(id) {
      if (this.handlers[id]) {
        this.handlers[id] = null;
      }
    }

    clear() {
      this.handlers = [];
    }

    forEach(callback) {
      for (const handler of this.handlers) {
        if (handler !== null) {
          callback(handler);
        }
      }
    }
  }

  function transform(functions, config, response) {
    const from = response ?? config;
    const headers = AxiosHeaders.from(from.headers);
    let { data } = from;
    for (const one of ArrayIsArray(functions) ? functions : [functions]) {
      if (typeof one === "function") {
        data = ReflectApply(one, config, [data, headers.normalize(), response?.status]);
      }
    }
    headers.normalize();
    return data;
  }

  function throwIfCancelled(config) {
    config.cancelToken?.throwIfRequested();
    if (config.signal?.aborted) {
      throw new CanceledError(undefined, config);
    }
  }

  function received(config, response) {
    throwIfCancelled(config);
    response.data = transform(config.transformResponse, config, response);
    response.headers = AxiosHeaders.from(response.headers);
    return response;
  }

  async function dispatch(config) {
    throwIfCancelled(config);
    config.headers = AxiosHeaders.from(config.headers);
    config.data = transform(config.transformRequest, config);
    if (WITH_BODY.includes(config.method)) {
      config.headers.setContentType("application/x-www-form-urlencoded", false);
    }
    const adapter = findAdapter(config.adapter ?? defaults.adapter);
    let response;
    try {
      response = await adapter(config);
    } catch (reason) {
      if (!isCancel(reason) && reason?.response) {
        received(config, reason.response);
      }
      throw reason;
    }
    return received(config, response);
  }

  function prepare(instance, given) {
    const config = mergeConfig(instance.defaults, given);
    const { headers = {}, paramsSerializer } = config;
    if (typeof paramsSerializer === "function") {
      config.paramsSerializer = { serialize: paramsSerializer };
    }
    config.method = `${config.method || instance.defaults.method || "get"}`.toLowerCase();
    const context = merge(headers.common, headers[config.method], true);
    for (const name of ["common", ...METHODS]) {
      delete headers[name];
    }
    config.headers = AxiosHeaders.concat(context, headers);
    return config;
  }

  class Axios {
    constructor(instanceConfig) {
      this.defaults = instanceConfig ?? {};
      this.interceptors = { request: new InterceptorManager(), response: new InterceptorManager() };
    }

    // As an async function, it makes rejections of what is wrong with the arguments.
    async request(configOrUrl, config) {
      const given = typeof configOrUrl === "string" ? { ...config, url: configOrUrl } : configOrUrl ?? {};
      const prepared = prepare(this, given);
      const chain = [dispatch, undefined];
      this.interceptors.request.forEach(({ fulfilled, rejected, runWhen }) => {
        if (typeof runWhen !== "function" || runWhen(prepared) !== false) {
          chain.unshift(fulfilled, rejected);
        }
      });
      this.interceptors.response.forEach(({ fulfilled, rejected }) => chain.push(fulfilled, rejected));
      let promise = new Promise((resolve) => resolve(prepared));
      for (let at = 0; at < chain.length; at += 2) {
        promise = then(promise, chain[at], chain[at + 1]);
      }
      return promise;
    }

    getUri(config) {
      const merged = mergeConfig(this.defaults, config);
      return buildUrl(fullPath(merged), merged.params, merged.paramsSerializer);
    }
  }
  for (const method of BODILESS) {
    Axios.prototype[method] = function (url, config) {
      return this.request({ ...config, method, url, data: config?.data });
    };
  }
  for (const method of WITH_BODY) {
    const call = (isForm) =>
      function (url, data, config) {
        const headers = isForm ? { ...config?.headers, "Content-Type": "multipart/form-data" } : config?.headers;
        return this.request({ ...config, method, headers, url, data });
      };
    Axios.prototype[method] = call(false);
    Axios.prototype[`${method}Form`] = call(true);
  }

  // A function that is also what a context has.
  function instanceOf(config) {
    const context = new Axios(config);
    const instance = (...args) => ReflectApply(Axios.prototype.request, context, args);
    for (const name of Object.getOwnPropertyNames(Axios.prototype)) {
      if (name !== "constructor") {
        const method = Axios.prototype[name];
        instance[name] = (...args) => ReflectApply(method, context, args);
      }
    }
    for (const name of ["defaults", "interceptors"]) {
      ObjectDefineProperty(instance, name, {
        __proto__: null,
        get: () => context[name],
        set: (value) => void (context[name] = value),
        enumerable: true,
        configurable: true,
      });
    }
    instance.create = (changes) => instanceOf(mergeConfig(config, changes));
    return instance;
  }

  const axios = instanceOf(defaults);
  const HttpStatusCode = {};
  const { STATUS_CODES } = require("http");
  for (const code of ObjectKeys(STATUS_CODES)) {
    const words = STATUS_CODES[code].replace(/-/g, " ").replace(/[^A-Za-z ]/g, "").split(" ");
    const isAcronym = (word) => word.length > 1 && word === word.toUpperCase();
    const titled = (word) => word[0].toUpperCase() + (isAcronym(word) ? word.slice(1).toLowerCase() : word.slice(1));
    const name = words.map(titled).join("");
    HttpStatusCode[name] = Number(code);
    HttpStatusCode[code] = name;
  }
  const all = (promises) => ReflectApply(Promise.all, Promise, [promises]);
  const spread = (callback) => (list) => ReflectApply(callback, null, list);
  Object.assign(axios, { Axios, CanceledError, CancelToken, isCancel, VERSION, toFormData, AxiosError, Cancel: CanceledError });
  Object.assign(axios, { all, spread, isAxiosError, mergeConfig, AxiosHeaders, formToJSON, HttpStatusCode });
  axios.getAdapter = findAdapter;
  axios.default = axios;
  return axios;
}
