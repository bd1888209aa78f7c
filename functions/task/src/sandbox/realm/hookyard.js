// The module "hookyard": the events that a script publishes and the tasks that it starts, in the order of its calls.

const PUBLISH = 0;
const START_TASK = 1;

export function make(host, { uncurryThis, values, methods }, require) {
  const { Error, JSONParse, JSONStringify, Promise } = values;
  const { invalidArgType } = require("errors");
  const push = uncurryThis(methods.ArrayPrototypePush);
  const { named } = host;
  // Only the first one is under way, so that those that wait take room in the memory of the script.
  let waiting = [];
  let first = 0;
  let lastId = 0;

  function call(kind, request) {
    return new Promise((resolve, reject) => {
      const body = JSONStringify(request);
      if (body.length > host.callLimit) {
        throw named(new Error(`a call has at most ${host.callLimit} bytes of JSON`), "CallTooLarge");
      }
      push(waiting, { id: ++lastId, kind, body, resolve, reject });
      if (waiting.length - first === 1) {
        start();
      }
    });
  }

  function start() {
    const { id, kind, body } = waiting[first];
    host.call(id, kind, body);
  }

  function settle(id, answer, error) {
    const { resolve, reject } = waiting[first];
    waiting[first] = undefined;
    first += 1;
    if (first === waiting.length) {
      waiting = [];
      first = 0;
    } else {
      start();
    }
    if (error) {
      reject(named(new Error(error.message), error.name));
    } else {
      resolve(JSONParse(answer));
    }
  }

  async function publish(type, content, options) {
    if (typeof type !== "string") {
      throw invalidArgType("type", "string", type);
    }
    if (options !== undefined && (typeof options !== "object" || options === null)) {
      throw invalidArgType("options", "Object", options);
    }
    return await call(PUBLISH, { __proto__: null, ...options, type, content });
  }

  async function startTask(task) {
    if (typeof task !== "object" || task === null) {
      throw invalidArgType("task", "Object", task);
    }
    return await call(START_TASK, task);
  }

  return { exports: { publish, startTask }, settle };
}
