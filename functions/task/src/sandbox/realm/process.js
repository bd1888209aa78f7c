// The global "process" and the clock "performance".

const VERSION = "20.20.2";
const NANOSECONDS_PER_MS = 1e6;
// What a script has no process for.
const MISSING = [
  "abort", "chdir", "cpuUsage", "dlopen", "exit", "getegid", "geteuid", "getgid", "getgroups", "getuid", "kill", "memoryUsage",
  "reallyExit", "resourceUsage", "setegid", "seteuid", "setgid", "setgroups", "setuid", "umask",
  "addListener", "emit", "listeners", "off", "on", "once", "prependListener", "removeAllListeners", "removeListener",
];
const MISSING_STREAMS = ["stderr", "stdin", "stdout"];
const MISSING_MARKS = ["clearMarks", "clearMeasures", "getEntries", "getEntriesByName", "getEntriesByType", "mark", "measure"];

export function make(host, { values }, require) {
  const errors = require("errors");
  const microtasks = require("microtasks");
  const { BigInt, Date, MathTrunc, ObjectDefineProperty, ObjectFreeze } = values;
  const { print } = host;
  const startedAt = Date.now() - host.now();

  function hrtime(previous = undefined) {
    const ms = host.now();
    let seconds = MathTrunc(ms / 1000);
    let nanoseconds = MathTrunc((ms - seconds * 1000) * NANOSECONDS_PER_MS);
    if (previous !== undefined) {
      errors.validateArray(previous, "time");
      if (previous.length !== 2) {
        throw errors.outOfRange("time", "2", previous.length);
      }
      seconds -= previous[0];
      nanoseconds -= previous[1];
      if (nanoseconds < 0) {
        seconds--;
        nanoseconds += 1e9;
      }
    }
    return [seconds, nanoseconds];
  }
  hrtime.bigint = function bigint() {
    return BigInt(MathTrunc(host.now() * NANOSECONDS_PER_MS));
  };

  function nextTick(callback, ...args) {
    errors.validateFunction(callback, "callback");
    microtasks.nextTick(callback, ...args);
  }

  function emitWarning(warning, type = "Warning") {
    const name = typeof type === "string" ? type : (type?.type ?? "Warning");
    print(warning instanceof values.Error ? `${warning}` : `${name}: ${warning}`, false);
  }

  const process = {
    version: `v${VERSION}`,
    versions: ObjectFreeze({ node: VERSION }),
    arch: host.architecture,
    platform: "linux",
    release: ObjectFreeze({ name: "node" }),
    title: "node",
    pid: 1,
    ppid: 0,
    argv: ["node", "/script"],
    argv0: "node",
    execArgv: [],
    execPath: "node",
    exitCode: undefined,
    features: ObjectFreeze({}),
    env: host.variables,
    cwd: () => "/",
    emitWarning,
    hrtime,
    nextTick,
    uptime: () => host.now() / 1000,
  };
  const refuse = (object, owner, names) => {
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      const value = {
        [name]() {
          throw host.notSupported(`${owner}.${name}`);
        },
      }[name];
      ObjectDefineProperty(object, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
    }
  };
  refuse(process, "process", MISSING);
  for (let at = 0; at < MISSING_STREAMS.length; at++) {
    const name = MISSING_STREAMS[at];
    const get = () => {
      throw host.notSupported(`process.${name}`);
    };
    ObjectDefineProperty(process, name, { __proto__: null, get, enumerable: false, configurable: true });
  }
  ObjectDefineProperty(process, values.SymbolToStringTag, { __proto__: null, value: "process", configurable: true });

  class Performance {
    get timeOrigin() {
      return startedAt;
    }

    now() {
      return host.now();
    }

    toJSON() {
      return { timeOrigin: startedAt };
    }
  }
  refuse(Performance.prototype, "performance", MISSING_MARKS);
  require("web_classes").publish(Performance, ["timeOrigin", "now", "toJSON"]);

  return { process, performance: new Performance(), Performance };
}
