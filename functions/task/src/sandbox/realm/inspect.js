// How values look when they are printed, as Node.js shows them.

const MAX_INDEX = 2 ** 32 - 2;
const PROTOTYPES_SHOWN = 3;
const OVERFLOW = "Maximum call stack size exceeded";

// The classes that the engine knows the objects of.
const BRANDS = ["Map", "Set", "WeakMap", "WeakSet", "Promise", "RegExp", "Date", "ArrayBuffer", "DataView"];

export function make(host, intrinsics, require) {
  const { values, methods } = intrinsics;
  const {
    ArrayIsArray, ErrorIsError, Map, MathMax, MathMin, Number, NumberIsNaN, Object, ObjectAssign, ObjectDefineProperty,
    ObjectGetOwnPropertyDescriptor, ObjectGetOwnPropertyNames, ObjectGetOwnPropertySymbols, ObjectGetPrototypeOf, ObjectKeys,
    ObjectSetPrototypeOf, ReflectOwnKeys, RegExp, Set, String, Uint8Array,
  } = values;
  const {
    contains, digits, eachOfMap, eachOfSet, endsWith, exec, hasOwn, includes, indexOf, isEnumerable, joined, lengthOfTyped,
    lower, mapGet, mapSet, mapSize, padStart, part, pop, push, remove, repeat, setAdd, setHas, setSize, slice, sort,
    sourceOf, split, startsWith, symbolText, tagOfTyped, timeOf,
  } = require("calls");
  const apply = values.ReflectApply;
  const { ELEMENT, LIST, NAMED, ...layout } = host.load("inspect_layout");
  const types = require("types");
  const reflection = host.load("types").makeReflection(host, intrinsics);
  const { stripVTControlCharacters, widthOfText } = host.load("width").make(host, intrinsics, require);
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
      const source = apply(methods.RegExpPrototypeToString, name === null ? new RegExp(value) : value, []);
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
    return "href" in value && isInstance(value, require("whatwg_url").URL);
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
      const entries = (at, module, level, output) => exportsOf(at, module, level, output, keys);
      return { keys: [], open: open("Module"), entries };
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

  const comments = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  const classHead = /^\s[^({]*\{/;

  function isClass(source) {
    if (!startsWith(source, "class") || !endsWith(source, "}")) {
      return false;
    }
    const body = slice(source, 5, -1);
    const brace = indexOf(body, "{");
    if (brace === -1) {
      return false;
    }
    if (!includes(slice(body, 0, brace), "(")) {
      return true;
    }
    return exec(classHead, apply(methods.StringPrototypeReplace, body, [comments, ""])) !== null;
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
    return name !== null ? numbers : (ctx, value, depth, output) => numbers(ctx, new values[kind](value), depth, output);
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

  const shared = { indented, isError, more, prefix, spend, stripVTControlCharacters, widthOfText };
  const { combine } = layout.make(host, intrinsics, require, shared);
  const { errorText, identicalSequenceRange } = host.load("inspect_errors").make(host, intrinsics, require, shared);
  const { bigintText, escaped, numberText, primitive, quoted } = host
    .load("inspect_primitives")
    .make(host, intrinsics, require, shared);
  inspect.custom = custom;
  ObjectDefineProperty(inspect, "defaultOptions", {
    __proto__: null,
    get: () => defaults,
    set: (options) => {
      require("errors").validateObject(options, "options");
      ObjectAssign(defaults, options);
    },
  });
  host.load("inspect_styles").addStyles(inspect, intrinsics);

  const { format, formatParts, formatWithOptions } = host.load("format").make(host, intrinsics, require, {
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
