// The global "console".

export function makeConsole(host, { uncurryThis, values, methods }, primordials, require) {
  const { MathMax, Number, ReflectApply } = values;
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const indexOf = uncurryThis(methods.StringPrototypeIndexOf);
  const repeat = uncurryThis(methods.StringPrototypeRepeat);
  const split = uncurryThis(methods.StringPrototypeSplit);
  const join = uncurryThis(methods.ArrayPrototypeJoin);
  const toWellFormed = uncurryThis(methods.StringPrototypeToWellFormed);
  const counts = { __proto__: null };
  const starts = { __proto__: null };
  let indentation = 0;
  let printer;

  const loadPrinter = () => (printer ??= host.load("console").makePrinter(primordials(), require, host));

  function write(text) {
    if (text === undefined || text.length > host.printLimit) {
      host.print(text === undefined ? "" : toWellFormed(slice(text, 0, host.printLimit)), true);
      return;
    }
    const indented = indentation === 0 ? text : join(split(`\n${text}`, "\n"), `\n${repeat(" ", indentation)}`);
    host.print(toWellFormed(indentation === 0 ? text : slice(indented, 1)), false);
  }

  // Texts and plain numbers, which need no formatting.
  function plain(args) {
    let text = "";
    for (let at = 0; at < args.length; at++) {
      const value = args[at];
      const simple = typeof value === "string" || (typeof value === "number" && value !== 0) || typeof value === "boolean";
      if (!simple || text.length > host.printLimit) {
        return undefined;
      }
      if (at === 0 && args.length > 1 && typeof value === "string" && indexOf(value, "%") !== -1) {
        return undefined;
      }
      if (typeof value === "string" && value.length > host.printLimit) {
        return value;
      }
      text += at === 0 ? value : ` ${value}`;
    }
    return `${text}`;
  }

  const log = (...args) => write(plain(args) ?? loadPrinter().format(args));
  const label = (text) => `${text}`;
  const console = {
    log,
    warn: log,
    dir: (value, options) => write(loadPrinter().show(value, { customInspect: false, ...options })),
    time: (name = "default") => void (starts[label(name)] ??= host.now()),
    timeEnd: (name = "default") => {
      console.timeLog(name);
      delete starts[label(name)];
    },
    timeLog: (name = "default", ...data) => {
      const start = starts[label(name)];
      if (start !== undefined) {
        log(`${label(name)}: ${Number((host.now() - start).toFixed(3))}ms`, ...data);
      }
    },
    trace: (...args) => {
      const error = new values.Error(loadPrinter().format(args));
      values.ObjectDefineProperty(error, "name", { __proto__: null, value: "Trace", configurable: true, writable: true });
      write(error.stack);
    },
    assert: (condition, ...args) => {
      if (!condition) {
        if (typeof args[0] === "string") {
          args[0] = `Assertion failed: ${args[0]}`;
          ReflectApply(log, undefined, args);
        } else {
          log("Assertion failed", ...args);
        }
      }
    },
    clear: () => {},
    count: (name = "default") => {
      counts[label(name)] = (counts[label(name)] ?? 0) + 1;
      log(`${label(name)}: ${counts[label(name)]}`);
    },
    countReset: (name = "default") => void delete counts[label(name)],
    group: (...args) => {
      if (args.length > 0) {
        ReflectApply(log, undefined, args);
      }
      indentation += 2;
    },
    groupEnd: () => void (indentation = MathMax(0, indentation - 2)),
    table: (data, properties) => {
      const text = loadPrinter().table(data, properties);
      if (text === null) {
        log(data);
      } else {
        write(text);
      }
    },
    debug: log,
    info: log,
    dirxml: log,
    error: log,
  };
  console.groupCollapsed = console.group;
  return { console };
}
