// The module "timers/promises".

import { registry } from "hookyard:prelude";

const timers = registry.require("timers");
const { Promise } = registry.intrinsics.values;

function wait(start, clear, value, options) {
  return new Promise((resolve, reject) => {
    const signal = options?.signal;
    const abort = () => {
      const { AbortError } = registry.require("errors");
      return new AbortError(undefined, { cause: signal.reason });
    };
    if (signal?.aborted) {
      reject(abort());
      return;
    }
    const onAbort = () => {
      clear(timer);
      reject(abort());
    };
    const timer = start(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve(value);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export const setTimeout = (delay, value, options) =>
  wait((callback) => timers.setTimeout(callback, delay), timers.clearTimeout, value, options);

export const setImmediate = (value, options) =>
  wait((callback) => timers.setImmediate(callback), timers.clearImmediate, value, options);

export async function* setInterval(delay, value, options) {
  for (;;) {
    yield await setTimeout(delay, value, options);
  }
}

export const scheduler = {
  wait: (delay, options) => setTimeout(delay, undefined, options),
  yield: () => setImmediate(),
};

export default { setTimeout, setImmediate, setInterval, scheduler };
