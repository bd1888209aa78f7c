// How values look when they are printed, as Node.js shows them.

const MAX_INDEX = 2 ** 32 - 2;
const MIN_LINE_WIDTH = 16;
const MIN_GROUPED = 6;
const MAX_COLUMNS = 15;
const PROTOTYPES_SHOWN = 3;
const OVERFLOW = "Maximum call stack size exceeded";

// What is inside braces: named properties, or the elements of a list, which can stand in columns.
const NAMED = 0;
const ELEMENT = 1;
const LIST = 2;

// How characters are escaped that have an escape of their own.
const ESCAPES = { __proto__: null, "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "\\": "\\\\" };

// The classes that the engine knows the objects of.
const BRANDS = ["Map", "Set", "WeakMap", "WeakSet", "Promise", "RegExp", "Date", "ArrayBuffer", "DataView"];

const COLORS = {
  reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], blink: [5, 25], inverse: [7, 27],
  hidden: [8, 28], strikethrough: [9, 29], doubleunderline: [21, 24], black: [30, 39], red: [31, 39], green: [32, 39],
  yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39], white: [37, 39], bgBlack: [40, 49], bgRed: [41, 49],
  bgGreen: [42, 49], bgYellow: [43, 49], bgBlue: [44, 49], bgMagenta: [45, 49], bgCyan: [46, 49], bgWhite: [47, 49],
  framed: [51, 54], overlined: [53, 55], gray: [90, 39], redBright: [91, 39], greenBright: [92, 39], yellowBright: [93, 39],
  blueBright: [94, 39], magentaBright: [95, 39], cyanBright: [96, 39], whiteBright: [97, 39], bgGray: [100, 49],
  bgRedBright: [101, 49], bgGreenBright: [102, 49], bgYellowBright: [103, 49], bgBlueBright: [104, 49],
  bgMagentaBright: [105, 49], bgCyanBright: [106, 49], bgWhiteBright: [107, 49],
};
// Other names of colors: `name, color`.
const OTHER_NAMES = [
  "grey", "gray", "blackBright", "gray", "bgGrey", "bgGray", "bgBlackBright", "bgGray", "faint", "dim", "crossedout",
  "strikethrough", "strikeThrough", "strikethrough", "crossedOut", "strikethrough", "conceal", "hidden", "swapColors", "inverse",
  "swapcolors", "inverse", "doubleUnderline", "doubleunderline",
];
const STYLES = {
  special: "cyan", number: "yellow", bigint: "yellow", boolean: "yellow", undefined: "grey", null: "bold", string: "green",
  symbol: "green", date: "magenta", regexp: "red", module: "underline",
};

export function make(host, intrinsics, require) {
  const { uncurryThis, values, methods } = intrinsics;
  const {
    Array, ArrayIsArray, Date, ErrorIsError, Map, MathFloor, MathMax, MathMin, MathRound, MathSqrt, MathTrunc, Number, NumberIsFinite,
    NumberIsNaN, Object, ObjectAssign, ObjectDefineProperty, ObjectGetOwnPropertyDescriptor, ObjectGetOwnPropertyNames,
    ObjectGetOwnPropertySymbols, ObjectGetPrototypeOf, ObjectIs, ObjectKeys, ObjectSetPrototypeOf, ReflectApply, ReflectOwnKeys, RegExp,
    Set, String, Uint8Array,
  } = values;
  const apply = ReflectApply;
  const push = uncurryThis(methods.ArrayPrototypePush);
  const pop = uncurryThis(methods.ArrayPrototypePop);
  const joined = uncurryThis(methods.ArrayPrototypeJoin);
  const contains = uncurryThis(methods.ArrayPrototypeIncludes);
  const find = uncurryThis(methods.ArrayPrototypeIndexOf);
  const remove = uncurryThis(methods.ArrayPrototypeSplice);
  const sort = uncurryThis(methods.ArrayPrototypeSort);
  const part = uncurryThis(methods.ArrayPrototypeSlice);
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const includes = uncurryThis(methods.StringPrototypeIncludes);
  const indexOf = uncurryThis(methods.StringPrototypeIndexOf);
  const startsWith = uncurryThis(methods.StringPrototypeStartsWith);
  const endsWith = uncurryThis(methods.StringPrototypeEndsWith);
  const repeat = uncurryThis(methods.StringPrototypeRepeat);
  const padStart = uncurryThis(methods.StringPrototypePadStart);
  const padEnd = uncurryThis(methods.StringPrototypePadEnd);
  const split = uncurryThis(methods.StringPrototypeSplit);
  const lower = uncurryThis(methods.StringPrototypeToLowerCase);
  const upper = uncurryThis(methods.StringPrototypeToUpperCase);
  const codeAt = uncurryThis(methods.StringPrototypeCharCodeAt);
  const digits = uncurryThis(methods.NumberPrototypeToString);
  const exec = uncurryThis(methods.RegExpPrototypeExec);
  const hasOwn = uncurryThis(methods.ObjectPrototypeHasOwnProperty);
  const isEnumerable = uncurryThis(methods.ObjectPrototypePropertyIsEnumerable);
  const mapGet = uncurryThis(methods.MapPrototypeGet);
  const mapSet = uncurryThis(methods.MapPrototypeSet);
  const mapSize = uncurryThis(methods.MapPrototypeGetSize);
  const eachOfMap = uncurryThis(methods.MapPrototypeForEach);
  const setAdd = uncurryThis(methods.SetPrototypeAdd);
  const setHas = uncurryThis(methods.SetPrototypeHas);
  const setSize = uncurryThis(methods.SetPrototypeGetSize);
  const eachOfSet = uncurryThis(methods.SetPrototypeForEach);
  const tagOfTyped = uncurryThis(methods.TypedArrayPrototypeGetSymbolToStringTag);
  const lengthOfTyped = uncurryThis(methods.TypedArrayPrototypeGetLength);
  const sourceOf = uncurryThis(methods.FunctionPrototypeToString);
  const symbolText = uncurryThis(methods.SymbolPrototypeToString);
  const timeOf = uncurryThis(methods.DatePrototypeGetTime);

  const types = require("internal/util/types");
  const reflection = host.load("types").makeReflection(host, intrinsics);
  const { stripVTControlCharacters, widthOfText } = host.load("width").make(host, intrinsics);
  const custom = values.SymbolFor("nodejs.util.inspect.custom");
  const builtIn = new Set();
  const { builtInNames } = host.load("constants");
  for (let at = 0; at < builtInNames.length; at++) {
    setAdd(builtIn, builtInNames[at]);
  }

  const defaults = {
    showHidden: false,
    depth: 2,
    colors: false,
    customInspect: true,
    showProxy: false,
    maxArrayLength: 100,
    maxStringLength: 10000,
    breakLength: 80,
    compact: 3,
    sorted: false,
    getters: false,
    numericSeparator: false,
  };

  // How much may still be written; beyond that nothing is, which stops what prints without limits.
  let room = Infinity;
  const exceeded = { __proto__: null };

  function spend(length) {
    room -= length;
    if (room < 0) {
      throw exceeded;
    }
  }

  // The text that this writes, whose parts do not count as well.
  function counted(write) {
    const before = room;
    const text = write();
    if (room >= 0) {
      room = before;
    }
    if (typeof text === "string") {
      spend(text.length);
    }
    return text;
  }

  // Runs what writes at most this much, and returns its result, or nothing if it is more.
  function within(limit, write) {
    const before = room;
    room = limit;
    try {
      const text = write();
      return room < 0 ? undefined : text;
    } catch (error) {
      if (room < 0) {
        return undefined;
      }
      throw error;
    } finally {
      room = before;
    }
  }

  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const more = (count, noun = "item") => `... ${count} more ${noun}${count === 1 ? "" : "s"}`;
  const plain = (text) => text;
  const isClosed = (depth, ctx) => ctx.depth !== null && depth > ctx.depth;

  function colored(text, style) {
    const color = inspect.styles[style];
    const codes = color === undefined ? undefined : inspect.colors[color];
    return codes === undefined ? text : `\u001b[${codes[0]}m${text}\u001b[${codes[1]}m`;
  }

  function replaceAll(text, what, by) {
    return includes(text, what) ? joined(split(text, what), by) : text;
  }

  const indented = (text, ctx) => replaceAll(text, "\n", `\n${repeat(" ", ctx.indentation)}`);

  function inspect(value, options) {
    const ctx = {
      __proto__: null,
      ...defaults,
      stylize: plain,
      seen: [],
      references: undefined,
      indentation: 0,
      depthNow: 0,
      userOptions: undefined,
    };
    if (arguments.length > 1) {
      readOptions(ctx, arguments);
    }
    if (ctx.colors) {
      ctx.stylize = colored;
    }
    ctx.maxArrayLength ??= Infinity;
    ctx.maxStringLength ??= Infinity;
    return show(ctx, value, 0);
  }

  function readOptions(ctx, args) {
    const options = args[1];
    if (args[2] !== undefined) {
      ctx.depth = args[2];
    }
    if (args.length > 3 && args[3] !== undefined) {
      ctx.colors = args[3];
    }
    if (typeof options === "boolean") {
      ctx.showHidden = options;
    } else if (options) {
      const names = ObjectKeys(options);
      for (let at = 0; at < names.length; at++) {
        if (hasOwn(defaults, names[at]) || names[at] === "stylize") {
          ctx[names[at]] = options[names[at]];
        } else {
          ctx.userOptions ??= options;
        }
      }
    }
  }

  // The options that the own method of a value is called with.
  function optionsFor(ctx, foreign) {
    const options = { stylize: ctx.stylize };
    const names = ObjectKeys(defaults);
    for (let at = 0; at < names.length; at++) {
      options[names[at]] = ctx[names[at]];
    }
    ObjectAssign(options, ctx.userOptions);
    if (foreign) {
      ObjectSetPrototypeOf(options, null);
      const { stylize } = ctx;
      options.stylize = ObjectSetPrototypeOf((text, style) => `${stylize(`${text}`, style)}`, null);
    }
    return options;
  }

  function show(ctx, value, depth, typed) {
    if (value === null || (typeof value !== "object" && typeof value !== "function")) {
      return primitive(ctx.stylize, value, ctx);
    }
    let object = value;
    const parts = reflection.proxyParts(value);
    if (parts !== undefined) {
      if (parts[0] === null) {
        return ctx.stylize("<Revoked Proxy>", "special");
      }
      if (ctx.showProxy) {
        return showProxy(ctx, parts, depth);
      }
      object = parts[0];
      while (host.isProxy(object)) {
        const inner = reflection.proxyParts(object);
        if (inner[0] === null) {
          return ctx.stylize("<Revoked Proxy>", "special");
        }
        object = inner[0];
      }
    }
    if (ctx.customInspect) {
      const shown = showCustom(ctx, object, value, depth);
      if (shown !== undefined) {
        return shown;
      }
    }
    if (contains(ctx.seen, object)) {
      ctx.references ??= new Map();
      let index = mapGet(ctx.references, object);
      if (index === undefined) {
        index = mapSize(ctx.references) + 1;
        mapSet(ctx.references, object, index);
      }
      return ctx.stylize(`[Circular *${index}]`, "special");
    }
    return showObject(ctx, object, depth, typed);
  }

  function showCustom(ctx, object, value, depth) {
    const method = object[custom];
    if (typeof method !== "function" || method === inspect) {
      return undefined;
    }
    const { constructor } = object;
    if (constructor && constructor.prototype === object) {
      return undefined;
    }
    const left = ctx.depth === null ? null : ctx.depth - depth;
    const foreign = object !== value || !(value instanceof Object);
    const result = counted(() => apply(method, value, [left, optionsFor(ctx, foreign), inspect]));
    if (result === value) {
      return undefined;
    }
    if (typeof result !== "string") {
      return show(ctx, result, depth);
    }
    return indented(result, ctx);
  }

  function showProxy(ctx, parts, depth) {
    if (isClosed(depth, ctx)) {
      return ctx.stylize("Proxy [Array]", "special");
    }
    ctx.indentation += 2;
    const output = [show(ctx, parts[0], depth + 1), show(ctx, parts[1], depth + 1)];
    ctx.indentation -= 2;
    return combine(ctx, { output, base: "", open: "Proxy [", close: "]", kind: LIST }, depth + 1);
  }

  // Primitives.

  const isControl = (code) => code < 0x20 || (code >= 0x7f && code <= 0x9f);

  function escaped(text, quote) {
    let result = "";
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const code = codeAt(text, at);
      let by;
      if (isControl(code) || code === 0x5c) {
        by = ESCAPES[text[at]] ?? `\\x${padStart(upper(digits(code, 16)), 2, "0")}`;
      } else if (text[at] === quote) {
        by = `\\${quote}`;
      } else if (code >= 0xd800 && code <= 0xdfff) {
        const next = code < 0xdc00 && at + 1 < text.length ? codeAt(text, at + 1) : 0;
        if (next >= 0xdc00 && next <= 0xdfff) {
          at++;
          continue;
        }
        by = `\\u${digits(code, 16)}`;
      } else {
        continue;
      }
      result += slice(text, from, at) + by;
      from = at + 1;
    }
    return from === 0 ? text : result + slice(text, from);
  }

  function quoted(text) {
    let quote = "'";
    if (includes(text, "'")) {
      if (!includes(text, '"')) {
        quote = '"';
      } else if (!includes(text, "`") && !includes(text, "${")) {
        quote = "`";
      }
    }
    return `${quote}${escaped(text, quote)}${quote}`;
  }

  function textOf(stylize, value, ctx) {
    let text = value;
    let rest = "";
    if (text.length > ctx.maxStringLength) {
      rest = more(text.length - ctx.maxStringLength, "character");
      text = slice(text, 0, ctx.maxStringLength);
    }
    spend(text.length + rest.length + 2);
    const narrow = text.length > MIN_LINE_WIDTH && text.length > ctx.breakLength - ctx.indentation - 4;
    if (ctx.compact === true || !narrow || !includes(text, "\n")) {
      return stylize(quoted(text), "string") + rest;
    }
    const lines = split(text, "\n");
    const shown = [];
    for (let at = 0; at < lines.length; at++) {
      const line = at < lines.length - 1 ? `${lines[at]}\n` : lines[at];
      if (line !== "") {
        push(shown, stylize(quoted(line), "string"));
      }
    }
    return joined(shown, ` +\n${repeat(" ", ctx.indentation + 2)}`) + rest;
  }

  // Digits in groups of three, from the right and from the left.
  function grouped(text) {
    const sign = text[0] === "-" ? 1 : 0;
    let result = "";
    let end = text.length;
    for (; end >= sign + 4; end -= 3) {
      result = `_${slice(text, end - 3, end)}${result}`;
    }
    return slice(text, 0, end) + result;
  }

  function groupedFraction(text) {
    let result = "";
    let at = 0;
    for (; at < text.length - 3; at += 3) {
      result += `${slice(text, at, at + 3)}_`;
    }
    return result + slice(text, at);
  }

  function numberText(value, separated) {
    if (!separated) {
      return ObjectIs(value, -0) ? "-0" : `${value}`;
    }
    const text = String(value);
    if (MathTrunc(value) === value) {
      return !NumberIsFinite(value) || includes(text, "e") ? text : grouped(text);
    }
    const point = indexOf(text, ".");
    return NumberIsNaN(value) ? text : `${grouped(slice(text, 0, point))}.${groupedFraction(slice(text, point + 1))}`;
  }

  const bigintText = (value, separated) => `${separated ? grouped(String(value)) : String(value)}n`;

  function primitive(stylize, value, ctx) {
    switch (typeof value) {
      case "string":
        return textOf(stylize, value, ctx);
      case "number":
        spend(1);
        return stylize(numberText(value, ctx.numericSeparator), "number");
      case "bigint": {
        const text = bigintText(value, ctx.numericSeparator);
        spend(text.length);
        return stylize(text, "bigint");
      }
      case "symbol": {
        const text = symbolText(value);
        spend(text.length);
        return stylize(text, "symbol");
      }
      default: {
        spend(4);
        const text = `${value}`;
        return stylize(text, typeof value === "object" ? "null" : typeof value);
      }
    }
  }

  // Objects.

  function isInstance(object, constructor) {
    try {
      return object instanceof constructor;
    } catch {
      return false;
    }
  }

  const isError = (value) => ErrorIsError(value) || isInstance(value, values.Error);

  const constructorAt = (object) => {
    const constructor = ObjectGetOwnPropertyDescriptor(object, "constructor")?.value;
    return typeof constructor === "function" ? constructor : undefined;
  };

  // The name of a value's class, or null if it has no prototype; adds what its prototypes have to `inherited`.
  function className(ctx, value, depth, inherited) {
    const first = ObjectGetPrototypeOf(value);
    for (let object = value; object !== null; object = ObjectGetPrototypeOf(object)) {
      const constructor = constructorAt(object);
      if (constructor !== undefined && constructor.name !== "" && isInstance(value, constructor)) {
        if (inherited !== undefined && (object !== first || !setHas(builtIn, constructor.name))) {
          addInherited(ctx, value, first ?? value, depth, inherited);
        }
        return String(constructor.name);
      }
    }
    if (first === null) {
      return null;
    }
    const engineName = nameOfEngine(value);
    if (isClosed(depth, ctx)) {
      return `${engineName} <Complex prototype>`;
    }
    const parent = className(ctx, first, depth + 1, inherited);
    if (parent === null) {
      const shown = inspect(first, { ...ctx, stylize: ctx.stylize, customInspect: false, depth: -1 });
      return `${engineName} <${shown}>`;
    }
    return `${engineName} <${parent}>`;
  }

  // The class that the engine made a value with, whatever its prototype is now.
  function nameOfEngine(value) {
    const kind = ArrayIsArray(value) ? "Array" : tagOfTyped(value);
    if (kind !== undefined) {
      return kind;
    }
    for (let at = 0; at < BRANDS.length; at++) {
      if (types[`is${BRANDS[at]}`](value)) {
        return BRANDS[at];
      }
    }
    if (types.isBoxedPrimitive(value)) {
      return boxKind(value);
    }
    return reflection.getConstructorName(value);
  }

  function addInherited(ctx, value, first, depth, inherited) {
    const names = new Set();
    let object = first;
    for (let at = 0; at < PROTOTYPES_SHOWN; at++) {
      if (at > 0 || value === object) {
        object = ObjectGetPrototypeOf(object);
        const constructor = object === null ? undefined : constructorAt(object);
        if (object === null || (constructor !== undefined && setHas(builtIn, constructor.name))) {
          return;
        }
      }
      const keys = ReflectOwnKeys(object);
      push(ctx.seen, value);
      for (let index = 0; index < keys.length; index++) {
        const key = keys[index];
        if (key === "constructor" || hasOwn(value, key) || setHas(names, key)) {
          continue;
        }
        setAdd(names, key);
        const descriptor = ObjectGetOwnPropertyDescriptor(object, key);
        if (typeof descriptor.value !== "function") {
          const text = property(ctx, object, depth, key, NAMED, descriptor, value);
          push(inherited, ctx.colors ? `\u001b[2m${text}\u001b[22m` : text);
        }
      }
      pop(ctx.seen);
    }
  }

  function prefix(name, tag, fallback, size = "") {
    const shownTag = tag !== "" && tag !== (name ?? fallback) ? `[${tag}] ` : "";
    return name === null ? `[${fallback}${size}: null prototype] ${shownTag}` : `${name}${size} ${shownTag}`;
  }

  function keysOf(value, showHidden) {
    const symbols = ObjectGetOwnPropertySymbols(value);
    let keys;
    if (showHidden) {
      keys = ObjectGetOwnPropertyNames(value);
    } else {
      try {
        keys = ObjectKeys(value);
      } catch {
        // What a module has not initialized cannot be asked if it is enumerable.
        keys = ObjectGetOwnPropertyNames(value);
      }
    }
    for (let at = 0; at < symbols.length; at++) {
      if (showHidden || isEnumerable(value, symbols[at])) {
        push(keys, symbols[at]);
      }
    }
    return keys;
  }

  // The description of an object: its keys, braces and what stands before them, or its whole text.
  function describe(ctx, value, depth, typed, about) {
    const iterable = values.SymbolIterator in value || about.name === null;
    return (iterable && describeCollection(ctx, value, about)) || describeOther(ctx, value, depth, typed, about);
  }

  function describeCollection(ctx, value, about) {
    const { name, tag, inherited } = about;
    const named = () => reflection.namedKeys(value, !ctx.showHidden);
    if (ArrayIsArray(value)) {
      const before = name !== "Array" || tag !== "" ? prefix(name, tag, "Array", `(${value.length})`) : "";
      const keys = named();
      if (value.length === 0 && keys.length === 0 && inherited === undefined) {
        return { text: `${before}[]` };
      }
      return { keys, open: `${before}[`, close: "]", kind: LIST, entries: elements };
    }
    const isSet = types.isSet(value);
    if (isSet || types.isMap(value)) {
      const size = isSet ? setSize(value) : mapSize(value);
      const before = prefix(name, tag, isSet ? "Set" : "Map", `(${size})`);
      const keys = keysOf(value, ctx.showHidden);
      if (size === 0 && keys.length === 0 && inherited === undefined) {
        return { text: `${before}{}` };
      }
      return { keys, open: `${before}{`, entries: isSet ? membersOfSet : membersOfMap };
    }
    const kind = tagOfTyped(value);
    if (kind !== undefined) {
      const length = lengthOfTyped(value);
      const before = prefix(name, tag, kind, `(${length})`);
      const keys = named();
      if (length === 0 && keys.length === 0 && !ctx.showHidden) {
        return { text: `${before}[]` };
      }
      return { keys, open: `${before}[`, close: "]", kind: LIST, entries: numbersOf(name, kind) };
    }
    if (types.isMapIterator(value) || types.isSetIterator(value)) {
      throw host.notSupported("printing an iterator of a Map or a Set");
    }
    return undefined;
  }

  function describeOther(ctx, value, depth, typed, about) {
    const { name, tag, inherited } = about;
    const keys = keysOf(value, ctx.showHidden);
    const bare = () => keys.length === 0 && inherited === undefined;
    // What stands for itself, with braces only if it has properties.
    const standing = (base, style) => (bare() ? { text: ctx.stylize(base, style) } : { keys, base });
    if (name === "Object" && typeof value !== "function") {
      const before = types.isArgumentsObject(value) ? "[Arguments] " : tag === "" ? "" : prefix(name, tag, "Object");
      return bare() ? { text: `${before}{}` } : { keys, open: `${before}{` };
    }
    if (typeof value === "function") {
      return standing(functionText(ctx, value, name, tag), "special");
    }
    if (types.isRegExp(value)) {
      const before = prefix(name, tag, "RegExp");
      const source = uncurryThis(methods.RegExpPrototypeToString)(name === null ? new RegExp(value) : value);
      const base = before === "RegExp " ? source : before + source;
      return isClosed(depth, ctx) ? { text: ctx.stylize(base, "regexp") } : standing(base, "regexp");
    }
    if (types.isDate(value)) {
      const before = prefix(name, tag, "Date");
      const method = NumberIsNaN(timeOf(value)) ? methods.DatePrototypeToString : methods.DatePrototypeToISOString;
      const text = apply(method, value, []);
      return standing(before === "Date " ? text : before + text, "date");
    }
    if (isError(value)) {
      const base = errorText(ctx, value, name, tag, keys);
      return keys.length === 0 && inherited === undefined ? { text: base } : { keys, base };
    }
    return describeBuffer(ctx, value, typed, about, keys) ?? describeBox(ctx, value, depth, about, keys);
  }

  function describeBuffer(ctx, value, typed, { name, tag, inherited }, keys) {
    const open = (kind) => `${prefix(name, tag, kind)}{`;
    if (types.isArrayBuffer(value)) {
      if (typed !== undefined && keys.length === 0 && inherited === undefined) {
        const length = primitive(ctx.stylize, value.byteLength, { numericSeparator: false });
        return { text: `${prefix(name, tag, "ArrayBuffer")}{ byteLength: ${length} }` };
      }
      const entries = typed === undefined ? bytesOfBuffer : undefined;
      return { keys: concat(["byteLength"], keys), open: open("ArrayBuffer"), entries };
    }
    if (types.isDataView(value)) {
      return { keys: concat(["byteLength", "byteOffset", "buffer"], keys), open: open("DataView") };
    }
    return undefined;
  }

  function isUrl(value) {
    return typeof value.href === "string" && value.protocol && isInstance(value, require("internal/url").URL);
  }

  function describeBox(ctx, value, depth, { name, tag, inherited }, keys) {
    const open = (kind) => `${prefix(name, tag, kind)}{`;
    const bare = () => keys.length === 0 && inherited === undefined;
    if (types.isPromise(value)) {
      return { keys, open: open("Promise"), entries: resultOfPromise };
    }
    const isWeakSet = types.isWeakSet(value);
    if (isWeakSet || types.isWeakMap(value)) {
      return { keys, open: open(isWeakSet ? "WeakSet" : "WeakMap"), entries: unknownItems };
    }
    if (types.isModuleNamespaceObject(value)) {
      return { keys: [], open: open("Module"), entries: (at, module, level, output) => exportsOf(at, module, level, output, keys) };
    }
    if (types.isBoxedPrimitive(value)) {
      const base = boxText(ctx, value, keys, name, tag);
      return bare() ? { text: base } : { keys, base };
    }
    if (!isClosed(depth, ctx) && isUrl(value)) {
      return bare() ? { text: value.href } : { keys, base: value.href };
    }
    return bare() ? { text: `${open("Object")}}` } : { keys, open: open("Object") };
  }

  function concat(first, keys) {
    for (let at = 0; at < keys.length; at++) {
      push(first, keys[at]);
    }
    return first;
  }

  function tagOf(ctx, value) {
    const tag = value[values.SymbolToStringTag];
    if (typeof tag !== "string" || tag === "") {
      return "";
    }
    const listed = ctx.showHidden ? hasOwn : isEnumerable;
    return listed(value, values.SymbolToStringTag) ? "" : tag;
  }

  function showObject(ctx, value, depth, typed) {
    let inherited = ctx.showHidden && (depth <= ctx.depth || ctx.depth === null) ? [] : undefined;
    const name = className(ctx, value, depth, inherited);
    if (inherited?.length === 0) {
      inherited = undefined;
    }
    const about = { name, tag: tagOf(ctx, value), inherited };
    const described = describe(ctx, value, depth, typed, about);
    if (described.text !== undefined) {
      spend(described.text.length);
      return described.text;
    }
    if (isClosed(depth, ctx)) {
      const whole = slice(prefix(name, about.tag, name === null ? nameOfEngine(value) : ""), 0, -1);
      return ctx.stylize(name === null ? whole : `[${whole}]`, "special");
    }
    const { keys, entries, base = "", open = "{", close = "}", kind = NAMED } = described;
    spend(base.length + open.length + 1);
    push(ctx.seen, value);
    ctx.depthNow = depth + 1;
    const output = [];
    const indentation = ctx.indentation;
    try {
      entries?.(ctx, value, depth + 1, output);
      for (let at = 0; at < keys.length; at++) {
        push(output, property(ctx, value, depth + 1, keys[at], kind));
      }
      for (let at = 0; at < (inherited?.length ?? 0); at++) {
        push(output, inherited[at]);
      }
    } catch (error) {
      if (room < 0 || !isError(error) || error.message !== OVERFLOW) {
        throw error;
      }
      ctx.indentation = indentation;
      const whole = slice(prefix(name, about.tag, "Object"), 0, -1);
      return ctx.stylize(`[${whole}: Inspection interrupted prematurely. ${OVERFLOW}.]`, "special");
    }
    pop(ctx.seen);
    const layout = { output: sorted(ctx, output, keys, kind), base, open, close, kind };
    return combine(ctx, referenced(ctx, value, layout), depth + 1, value);
  }

  // Marks what a part of it refers to.
  function referenced(ctx, value, layout) {
    const index = ctx.references === undefined ? undefined : mapGet(ctx.references, value);
    if (index !== undefined) {
      const mark = ctx.stylize(`<ref *${index}>`, "special");
      if (ctx.compact === true) {
        layout.open = `${mark} ${layout.open}`;
      } else {
        layout.base = layout.base === "" ? mark : `${mark} ${layout.base}`;
      }
    }
    return layout;
  }

  function sorted(ctx, output, keys, kind) {
    if (!ctx.sorted) {
      return output;
    }
    const compare = ctx.sorted === true ? undefined : ctx.sorted;
    if (kind === NAMED) {
      return sort(output, compare);
    }
    if (keys.length <= 1) {
      return output;
    }
    const start = output.length - keys.length;
    return concat(part(output, 0, start), sort(part(output, start), compare));
  }

  // Functions and classes.

  const comments = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  const classHead = /^(\s+[^(]*?)\s*\{/;

  function isClass(source) {
    if (!startsWith(source, "class") || !endsWith(source, "}")) {
      return false;
    }
    const body = slice(source, 5, -1);
    const brace = indexOf(body, "{");
    if (brace === -1) {
      return false;
    }
    return !includes(slice(body, 0, brace), "(") || exec(classHead, apply(methods.StringPrototypeReplace, body, [comments, ""])) !== null;
  }

  function functionText(ctx, value, name, tag) {
    const source = sourceOf(value);
    const shownTag = tag !== "" && tag !== name ? ` [${tag}]` : "";
    if (isClass(source)) {
      const own = hasOwn(value, "name") && value.name ? value.name : "(anonymous)";
      let text = `class ${own}${name !== "Function" && name !== null ? ` [${name}]` : ""}${shownTag}`;
      if (name === null) {
        text += " extends [null prototype]";
      } else {
        const parent = ObjectGetPrototypeOf(value).name;
        text += parent ? ` extends ${parent}` : "";
      }
      return `[${text}]`;
    }
    const kind = `${types.isAsyncFunction(value) ? "Async" : ""}${types.isGeneratorFunction(value) ? "Generator" : ""}Function`;
    let text = `[${kind}${name === null ? " (null prototype)" : ""}`;
    text += value.name === "" ? " (anonymous)" : `: ${String(value.name)}`;
    return `${text}]${name !== kind && name !== null ? ` ${name}` : ""}${shownTag}`;
  }

  function boxKind(value) {
    if (types.isNumberObject(value)) {
      return "Number";
    }
    if (types.isStringObject(value)) {
      return "String";
    }
    if (types.isBooleanObject(value)) {
      return "Boolean";
    }
    return types.isBigIntObject(value) ? "BigInt" : "Symbol";
  }

  function boxText(ctx, value, keys, name, tag) {
    const kind = boxKind(value);
    if (kind === "String") {
      // The characters are properties too.
      remove(keys, 0, value.length);
    }
    const held = apply(methods[`${kind}PrototypeValueOf`], value, []);
    const shownName = name === kind ? "" : name === null ? " (null prototype)" : ` (${name})`;
    const shownTag = tag !== "" && tag !== name ? ` [${tag}]` : "";
    const base = `[${kind}${shownName}: ${primitive(plain, held, ctx)}]${shownTag}`;
    return keys.length > 0 || ctx.stylize === plain ? base : ctx.stylize(base, lower(kind));
  }

  // Errors.

  function stackOf(error) {
    return error.stack ? String(error.stack) : apply(methods.ErrorPrototypeToString, error, []);
  }

  function errorText(ctx, error, className_, tag, keys) {
    const name = error.name != null ? String(error.name) : "Error";
    let stack = stackOf(error);
    if (!ctx.showHidden && keys.length !== 0) {
      dropShown(error, stack, keys);
    }
    if ("cause" in error && !contains(keys, "cause")) {
      push(keys, "cause");
    }
    if (ArrayIsArray(error.errors) && !contains(keys, "errors")) {
      push(keys, "errors");
    }
    stack = withClass(stack, className_, name, tag);
    const at = (error.message && indexOf(stack, error.message)) || -1;
    const start = indexOf(stack, "\n    at", at === -1 ? 0 : at + error.message.length);
    if (start === -1) {
      stack = `[${stack}]`;
    } else {
      stack = slice(stack, 0, start + 1) + joined(framesOf(ctx, error, slice(stack, start + 1)), "\n");
    }
    return indented(stack, ctx);
  }

  // Properties whose text the stack has already.
  function dropShown(error, stack, keys) {
    const names = ["name", "message", "stack"];
    for (let at = 0; at < names.length; at++) {
      const index = find(keys, names[at]);
      if (index !== -1 && (typeof error[names[at]] !== "string" || includes(stack, error[names[at]]))) {
        remove(keys, index, 1);
      }
    }
  }

  const headOfStack = /^([A-Z][a-z_ A-Z0-9[\]()-]+)(?::|\n\s+at)/;
  const nameInStack = /^([a-z_A-Z0-9-]*Error)$/;

  // Puts the class of an error into its stack, if this begins with another name.
  function withClass(stack, className_, name, tag) {
    const next = stack[name.length];
    const named =
      endsWith(name, "Error") && startsWith(stack, name) && (next === undefined || next === ":" || next === "\n");
    if (className_ !== null && !named) {
      return stack;
    }
    let fallback = "Error";
    let { length } = name;
    if (className_ === null) {
      fallback = (exec(headOfStack, stack) ?? exec(nameInStack, stack))?.[1] ?? "";
      length = fallback.length;
      fallback ||= "Error";
    }
    const whole = slice(prefix(className_, tag, fallback), 0, -1);
    if (name === whole) {
      return stack;
    }
    if (includes(whole, name)) {
      return length === 0 ? `${whole}: ${stack}` : whole + slice(stack, length);
    }
    return `${whole} [${name}]${slice(stack, length)}`;
  }

  function framesOf(ctx, error, text) {
    const frames = split(text, "\n");
    let cause;
    try {
      ({ cause } = error);
    } catch {
      // What cannot be read has no frames.
    }
    if (cause != null && isError(cause)) {
      const stack = stackOf(cause);
      const start = indexOf(stack, "\n    at");
      if (start !== -1) {
        const { len, offset } = identicalSequenceRange(frames, split(slice(stack, start + 1), "\n"));
        if (len > 3) {
          const message = `    ... ${len - 2} lines matching cause stack trace ...`;
          remove(frames, offset + 1, len - 2, ctx.stylize(message, "undefined"));
        }
      }
    }
    return frames;
  }

  // Where at least four lines of one list are in the other.
  function identicalSequenceRange(lines, others) {
    for (let offset = 0; offset < lines.length - 3; offset++) {
      const at = find(others, lines[offset]);
      if (at === -1) {
        continue;
      }
      let len = 1;
      while (offset + len < lines.length && at + len < others.length && lines[offset + len] === others[at + len]) {
        len++;
      }
      if (len > 3) {
        return { len, offset };
      }
    }
    return { len: 0, offset: 0 };
  }

  // What is between braces before the properties.

  const shownOf = (ctx, length) => MathMin(MathMax(0, ctx.maxArrayLength), length);

  function pushMore(output, count) {
    if (count > 0) {
      push(output, more(count));
    }
  }

  function elements(ctx, value, depth, output) {
    const { length } = value;
    const shown = shownOf(ctx, length);
    for (let at = 0; at < shown; at++) {
      if (!hasOwn(value, at)) {
        return sparseElements(ctx, value, depth, output, shown, at);
      }
      push(output, property(ctx, value, depth, at, ELEMENT));
    }
    pushMore(output, length - shown);
  }

  const isIndex = (key) => exec(/^(?:0|[1-9]\d*)$/, key) !== null && Number(key) <= MAX_INDEX;

  function sparseElements(ctx, value, depth, output, shown, from) {
    const keys = ObjectKeys(value);
    let index = from;
    const gap = (until) => push(output, ctx.stylize(`<${plural(until - index, "empty item")}>`, "undefined"));
    for (let at = from; at < keys.length && output.length < shown; at++) {
      if (!isIndex(keys[at])) {
        break;
      }
      const next = Number(keys[at]);
      if (next !== index) {
        gap(next);
        index = next;
        if (output.length === shown) {
          break;
        }
      }
      push(output, property(ctx, value, depth, keys[at], ELEMENT));
      index++;
    }
    const rest = value.length - index;
    if (output.length !== shown) {
      if (rest > 0) {
        gap(value.length);
      }
    } else {
      pushMore(output, rest);
    }
  }

  // Without a prototype, an array does not say how long it is.
  function numbersOf(name, kind) {
    return name !== null
      ? numbers
      : (ctx, value, depth, output) => numbers(ctx, new values[kind](value), depth, output);
  }

  function numbers(ctx, value, depth, output) {
    const length = lengthOfTyped(value);
    const shown = shownOf(ctx, length);
    for (let at = 0; at < shown; at++) {
      push(output, primitive(ctx.stylize, value[at], ctx));
    }
    pushMore(output, length - shown);
    if (ctx.showHidden) {
      ctx.indentation += 2;
      const names = ["BYTES_PER_ELEMENT", "length", "byteLength", "byteOffset", "buffer"];
      for (let at = 0; at < names.length; at++) {
        push(output, `[${names[at]}]: ${show(ctx, value[names[at]], depth, true)}`);
      }
      ctx.indentation -= 2;
    }
  }

  function membersOfSet(ctx, value, depth, output) {
    members(ctx, setSize(value), output, (add) => eachOfSet(value, (member) => add(() => show(ctx, member, depth))));
  }

  function membersOfMap(ctx, value, depth, output) {
    members(ctx, mapSize(value), output, (add) =>
      eachOfMap(value, (member, key) => add(() => `${show(ctx, key, depth)} => ${show(ctx, member, depth)}`)),
    );
  }

  function members(ctx, size, output, each) {
    const shown = shownOf(ctx, size);
    let count = 0;
    ctx.indentation += 2;
    each((text) => {
      if (count++ < shown) {
        push(output, text());
      }
    });
    pushMore(output, size - shown);
    ctx.indentation -= 2;
  }

  function bytesOfBuffer(ctx, value, depth, output) {
    let bytes;
    try {
      bytes = new Uint8Array(value);
    } catch {
      push(output, ctx.stylize("(detached)", "special"));
      return;
    }
    const shown = shownOf(ctx, bytes.length);
    spend(3 * shown);
    const pairs = [];
    for (let at = 0; at < shown; at++) {
      push(pairs, padStart(digits(bytes[at], 16), 2, "0"));
    }
    const rest = bytes.length - ctx.maxArrayLength;
    const text = joined(pairs, " ") + (rest > 0 ? ` ${more(rest, "byte")}` : "");
    push(output, `${ctx.stylize("[Uint8Contents]", "special")}: <${text}>`);
  }

  function resultOfPromise(ctx, value, depth, output) {
    const state = reflection.promiseState(value);
    if (state[0] === 0) {
      push(output, ctx.stylize("<pending>", "special"));
      return;
    }
    ctx.indentation += 2;
    const text = show(ctx, state[1], depth);
    ctx.indentation -= 2;
    push(output, state[0] === 2 ? `${ctx.stylize("<rejected>", "special")} ${text}` : text);
  }

  function unknownItems(ctx, value, depth, output) {
    if (ctx.showHidden) {
      throw host.notSupported("printing what a weak collection holds");
    }
    push(output, ctx.stylize("<items unknown>", "special"));
  }

  function exportsOf(ctx, value, depth, output, keys) {
    for (let at = 0; at < keys.length; at++) {
      try {
        push(output, property(ctx, value, depth, keys[at], NAMED));
      } catch (error) {
        if (room < 0) {
          throw error;
        }
        push(output, `${keyText(ctx, keys[at], true)}: ${ctx.stylize("<uninitialized>", "special")}`);
      }
    }
  }

  const plainName = /^[a-zA-Z_][a-zA-Z_0-9]*$/;

  function keyText(ctx, key, enumerable) {
    if (typeof key === "symbol") {
      const text = escaped(symbolText(key), "'");
      spend(text.length);
      return `[${ctx.stylize(text, "symbol")}]`;
    }
    spend(key.length);
    if (key === "__proto__") {
      return "['__proto__']";
    }
    if (!enumerable) {
      return `[${escaped(key, "'")}]`;
    }
    return exec(plainName, key) !== null ? ctx.stylize(key, "name") : ctx.stylize(quoted(key), "string");
  }

  function property(ctx, value, depth, key, kind, known, receiver = value) {
    spend(2);
    const found = known ?? ObjectGetOwnPropertyDescriptor(value, key);
    const descriptor = found ?? { __proto__: null, value: value[key], enumerable: true };
    let between = " ";
    let text;
    if (descriptor.value !== undefined) {
      const deeper = ctx.compact !== true || kind !== NAMED ? 2 : 3;
      ctx.indentation += deeper;
      text = show(ctx, descriptor.value, depth);
      if (deeper === 3 && ctx.breakLength < widthOfText(text, ctx.colors)) {
        between = `\n${repeat(" ", ctx.indentation)}`;
      }
      ctx.indentation -= deeper;
    } else if (hasOwn(descriptor, "get") && descriptor.get !== undefined) {
      text = getterText(ctx, descriptor, depth, receiver);
    } else {
      const setter = hasOwn(descriptor, "set") && descriptor.set !== undefined;
      text = setter ? ctx.stylize("[Setter]", "special") : ctx.stylize("undefined", "undefined");
    }
    return kind === ELEMENT ? text : `${keyText(ctx, key, descriptor.enumerable)}:${between}${text}`;
  }

  function getterText(ctx, { get, set }, depth, receiver) {
    const label = set === undefined ? "Getter" : "Getter/Setter";
    const { getters, stylize } = ctx;
    const asked = getters === true || (getters === "get" && set === undefined) || (getters === "set" && set !== undefined);
    if (!asked) {
      return stylize(`[${label}]`, "special");
    }
    const labelled = (text) => `${stylize(`[${label}:`, "special")} ${text}${stylize("]", "special")}`;
    let text;
    ctx.indentation += 2;
    try {
      const result = apply(get, receiver, []);
      if (result === null || (typeof result !== "object" && typeof result !== "function")) {
        text = labelled(primitive(stylize, result, ctx));
      } else if (typeof result === "function") {
        text = labelled(show(ctx, result, depth));
      } else {
        text = `${stylize(`[${label}]`, "special")} ${show(ctx, result, depth)}`;
      }
    } catch (error) {
      if (room < 0) {
        throw error;
      }
      text = labelled(`<Inspection threw (${error.message})>`);
    }
    ctx.indentation -= 2;
    return text;
  }

  // Puts the parts of an object together, on one line if they are short.
  function combine(ctx, layout, depth, value) {
    const { base, open, close, kind } = layout;
    let { output } = layout;
    const before = base === "" ? "" : `${base} `;
    const margin = `\n${repeat(" ", ctx.indentation)}`;
    if (ctx.compact === true) {
      if (isShort(ctx, output, 0, base)) {
        return `${open}${base === "" ? "" : ` ${base}`} ${joined(output, ", ")} ${close}`;
      }
      spend(output.length * margin.length);
      const first = base === "" && open.length === 1 ? " " : `${base === "" ? "" : ` ${base}`}${margin}  `;
      return `${open}${first}${joined(output, `,${margin}  `)} ${close}`;
    }
    if (typeof ctx.compact === "number" && ctx.compact >= 1) {
      const entries = output.length;
      if (kind === LIST && entries > MIN_GROUPED) {
        output = inColumns(ctx, output, value);
      }
      if (ctx.depthNow - depth < ctx.compact && entries === output.length) {
        const start = output.length + ctx.indentation + open.length + base.length + 10;
        const line = isShort(ctx, output, start, base) ? joined(output, ", ") : "\n";
        if (!includes(line, "\n")) {
          return `${before}${open} ${line} ${close}`;
        }
      }
    }
    spend(output.length * margin.length);
    return `${before}${open}${margin}  ${joined(output, `,${margin}  `)}${margin}${close}`;
  }

  function isShort(ctx, output, start, base) {
    let total = output.length + start;
    if (total + output.length > ctx.breakLength || includes(base, "\n")) {
      return false;
    }
    for (let at = 0; at < output.length && total <= ctx.breakLength; at++) {
      total += ctx.colors ? stripVTControlCharacters(output[at]).length : output[at].length;
    }
    return total <= ctx.breakLength;
  }

  // Puts the elements of a long list into columns of about the width that reads well.
  function inColumns(ctx, output, value) {
    const rest = ctx.maxArrayLength < output.length ? 1 : 0;
    const count = output.length - rest;
    const widths = [];
    let total = 0;
    let widest = 0;
    for (let at = 0; at < count; at++) {
      const width = widthOfText(output[at], ctx.colors);
      push(widths, width);
      total += width + 2;
      widest = MathMax(widest, width);
    }
    const column = widest + 2;
    if (column * 3 + ctx.indentation >= ctx.breakLength || (total / column <= 5 && widest > 6)) {
      return output;
    }
    const bias = MathSqrt(column - total / output.length);
    const biased = MathMax(column - 3 - bias, 1);
    const columns = MathMin(
      MathRound(MathSqrt(2.5 * biased * count) / biased),
      MathFloor((ctx.breakLength - ctx.indentation) / column),
      ctx.compact * 4,
      MAX_COLUMNS,
    );
    if (columns <= 1) {
      return output;
    }
    const lines = [];
    const wide = widestOf(widths, columns);
    const toLeft = value !== undefined && !allNumbers(value, output.length);
    for (let from = 0; from < count; from += columns) {
      const last = MathMin(from + columns, count) - 1;
      let line = "";
      for (let at = from; at < last; at++) {
        const padding = wide[at - from] + output[at].length - widths[at];
        line += toLeft ? padEnd(`${output[at]}, `, padding, " ") : padStart(`${output[at]}, `, padding, " ");
      }
      line += toLeft ? output[last] : padStart(output[last], wide[last - from] + output[last].length - widths[last] - 2, " ");
      push(lines, line);
    }
    if (rest > 0) {
      push(lines, output[count]);
    }
    return lines;
  }

  function widestOf(widths, columns) {
    const wide = [];
    for (let column = 0; column < columns; column++) {
      let width = 0;
      for (let at = column; at < widths.length; at += columns) {
        width = MathMax(width, widths[at]);
      }
      push(wide, width + 2);
    }
    return wide;
  }

  function allNumbers(value, count) {
    for (let at = 0; at < count; at++) {
      if (typeof value[at] !== "number" && typeof value[at] !== "bigint") {
        return false;
      }
    }
    return true;
  }

  inspect.custom = custom;
  ObjectDefineProperty(inspect, "defaultOptions", {
    __proto__: null,
    get: () => defaults,
    set: (options) => {
      require("errors").validateObject(options, "options");
      ObjectAssign(defaults, options);
    },
  });
  inspect.colors = ObjectAssign({ __proto__: null }, COLORS);
  for (let at = 0; at < OTHER_NAMES.length; at += 2) {
    const name = OTHER_NAMES[at];
    const color = OTHER_NAMES[at + 1];
    ObjectDefineProperty(inspect.colors, name, {
      __proto__: null,
      get() {
        return this[color];
      },
      set(codes) {
        this[color] = codes;
      },
      configurable: true,
      enumerable: false,
    });
  }
  inspect.styles = ObjectAssign({ __proto__: null }, STYLES);

  const { format, formatParts, formatWithOptions } = host.load("format").make(host, intrinsics, {
    bigintText,
    builtIn,
    counted,
    inspect,
    numberText,
    proxyParts: reflection.proxyParts,
    validateObject: (value, name, options) => require("errors").validateObject(value, name, options),
  });

  return {
    format,
    formatWithOptions,
    // The text of what is printed, or nothing if it is longer than this.
    formatWithin: (limit, args, options) => within(limit, () => formatParts(options, args)),
    identicalSequenceRange,
    inspect,
    stripVTControlCharacters,
    getStringWidth: (text, withSequences = true) => widthOfText(text, withSequences),
    within,
  };
}
