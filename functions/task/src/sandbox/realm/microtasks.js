// What runs once the script waits: the callbacks of `queueMicrotask` and `process.nextTick`.

export function makeMicrotasks({ uncurryThis, values, methods }, require, guarded) {
  const { Promise, PromiseResolve, ReflectApply } = values;
  const then = uncurryThis(methods.PromisePrototypeThen);

  function enqueue(callback, args) {
    then(ReflectApply(PromiseResolve, Promise, []), () => guarded(callback, args));
  }

  function queueMicrotask(callback) {
    if (typeof callback !== "function") {
      throw require("errors").invalidArgType("callback", "Function", callback);
    }
    enqueue(callback, []);
  }

  return { queueMicrotask, nextTick: (callback, ...args) => enqueue(callback, args) };
}
