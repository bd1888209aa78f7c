// The globals of every script. The host passes its functions to `install` and gets back those that wake the script up.
//
// Every script pays for what is read and made here, so that this has only what each of them needs.

import * as clock from "hookyard:clock";
import * as intrinsics from "hookyard:intrinsics";
import * as locale_methods from "hookyard:locale_methods";
import * as stacks from "hookyard:stacks";

// The globals that are made when they are first needed, each after its module.
const LATER = [
  "global_console", "console",
  "timers", "setTimeout", "timers", "clearTimeout", "timers", "setInterval", "timers", "clearInterval",
  "timers", "setImmediate", "timers", "clearImmediate", "microtasks", "queueMicrotask",
  "dom_exception", "DOMException",
  "event_target", "Event", "event_target", "EventTarget", "event_target", "CustomEvent",
  "abort_controller", "AbortController", "abort_controller", "AbortSignal",
  "whatwg_url", "URL", "whatwg_url", "URLSearchParams",
  "buffer", "Buffer", "buffer", "atob", "buffer", "btoa",
  "encoding", "TextEncoder", "encoding", "TextDecoder",
  "global_clone", "structuredClone",
  "blob", "Blob", "blob", "File",
  "form_data", "FormData",
  "readable_stream", "ReadableStream", "readable_stream", "ReadableStreamDefaultReader",
  "fetch", "fetch",
  "process", "process", "process", "performance", "process", "Performance",
  "webcrypto", "crypto", "webcrypto", "Crypto", "webcrypto", "CryptoKey", "webcrypto", "SubtleCrypto",
  "headers", "Headers",
  "request", "Request",
  "response", "Response",
];

// Where the modules that scripts import find what is made here.
export const registry = { __proto__: null };

export function install(host, variables) {
  clock.install(host);
  const captured = intrinsics.capture(host);
  const { lean } = captured;
  const { Map, ObjectDefineProperty, ObjectFreeze, ObjectGetOwnPropertyDescriptor, ReflectApply } = lean;
  const rejected = new Map();
  const noop = () => {};
  const { named } = stacks.makeStacks(host, captured);
  let loader;

  const load = () => (loader ??= host.load("loader").makeLoader(host, captured, guarded, named));
  const require = (name) => load().require(name);

  // A callback that throws fails the script, as nobody can catch it.
  function guarded(callback, args) {
    try {
      ReflectApply(callback, undefined, args);
    } catch (error) {
      host.uncaught(error);
    }
  }

  const shown = { __proto__: null, value: globalThis, writable: true, enumerable: false, configurable: true };
  const accessed = { __proto__: null, get: undefined, set: undefined, enumerable: false, configurable: true };

  function provide(name, value) {
    shown.value = value;
    ObjectDefineProperty(globalThis, name, shown);
    return value;
  }

  // Makes a global when it is first read. It is written with an argument, so that one function does both.
  function provideLater(at) {
    const access = (...given) => {
      const name = LATER[at + 1];
      if (given.length > 0) {
        return void provide(name, given[0]);
      }
      const value = require(LATER[at])[name];
      const found = ObjectGetOwnPropertyDescriptor(globalThis, name);
      return found?.get === access ? provide(name, value) : value;
    };
    accessed.get = accessed.set = access;
    ObjectDefineProperty(globalThis, LATER[at + 1], accessed);
  }

  registry.require = require;
  registry.intrinsics = captured;
  provide("global", globalThis);
  host.variables = ObjectFreeze(variables);
  for (let at = 0; at < LATER.length; at += 2) {
    provideLater(at);
  }
  locale_methods.install(captured, require);

  return {
    fire: (id) => load().timers().fire(id),
    forgetTimers: () => loader?.forgetTimers(),
    settle: (id, answer, error) => require("exchange").settle(id, answer, error),
    settleCall: (id, answer, error) => require("hookyard").settle(id, answer, error),
    // What is awaited is not asked for its `then`, which a script may have replaced.
    call: async (main, task) => await main(task),
    reject: (promise, reason) => void ReflectApply(lean.MapPrototypeSet, rejected, [promise, reason]),
    handle: (promise) => void ReflectApply(lean.MapPrototypeDelete, rejected, [promise]),
    unhandled: () => host.load("rejections").first(rejected, captured, require),
    // The host looks at the result of this promise itself.
    watch: (promise) => void ReflectApply(lean.PromisePrototypeThen, promise, [noop, noop]),
  };
}
