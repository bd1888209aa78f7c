// A list of headers, as `fetch` and the class Headers have it: checked, and free of what scripts can replace.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const WIDE = /[^\0-\xff]/;
const INVALID_IN_VALUES = /[\0\r\n]/;
const KINDS = "sequence<sequence<ByteString>>, record<ByteString, ByteString>";

export function make(host, { uncurryThis, values, methods }) {
  const { ArrayFrom, Map, ReflectOwnKeys, String, SymbolIterator, TypeError } = values;
  const codeAt = uncurryThis(methods.StringPrototypeCharCodeAt);
  const eachOfMap = uncurryThis(methods.MapPrototypeForEach);
  const exec = uncurryThis(methods.RegExpPrototypeExec);
  const isEnumerable = uncurryThis(methods.ObjectPrototypePropertyIsEnumerable);
  const joined = uncurryThis(methods.ArrayPrototypeJoin);
  const lower = uncurryThis(methods.StringPrototypeToLowerCase);
  const mapGet = uncurryThis(methods.MapPrototypeGet);
  const mapSet = uncurryThis(methods.MapPrototypeSet);
  const push = uncurryThis(methods.ArrayPrototypePush);
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const sort = uncurryThis(methods.ArrayPrototypeSort);

  const isToken = (text) => exec(TOKEN, text) !== null;
  const isSpace = (code) => code === 32 || code === 9 || code === 10 || code === 13;

  function need(args, count, name) {
    if (args.length < count) {
      const given = args.length === 0 ? "0 found" : `only ${args.length} found`;
      throw new TypeError(`${name}: ${count} argument${count > 1 ? "s" : ""} required, but ${given}.`);
    }
  }

  // A text of one byte per character, as headers have it.
  function byteString(value) {
    const text = `${value}`;
    const wide = exec(WIDE, text);
    if (wide !== null) {
      const where = `the character at index ${wide.index} has a value of ${codeAt(text, wide.index)} which is greater than 255.`;
      throw new TypeError(`Cannot convert argument to a ByteString because ${where}`);
    }
    return text;
  }

  function headerName(value, method) {
    const name = byteString(value);
    if (!isToken(name)) {
      throw new TypeError(`Headers.${method}: "${name}" is an invalid header name.`);
    }
    return name;
  }

  function trimmed(text) {
    let start = 0;
    let end = text.length;
    while (start < end && isSpace(codeAt(text, start))) {
      start++;
    }
    while (end > start && isSpace(codeAt(text, end - 1))) {
      end--;
    }
    return slice(text, start, end);
  }

  function headerValue(value, method) {
    const text = trimmed(byteString(value));
    if (exec(INVALID_IN_VALUES, text) !== null) {
      throw new TypeError(`Headers.${method}: "${text}" is an invalid header value.`);
    }
    return text;
  }

  // By their names in lower case: as they were written first, and their values.
  const emptyList = () => ({ __proto__: null, fields: new Map(), sorted: undefined, isFrozen: false });

  const noName = () => new TypeError("Headers contructor: init is a symbol, which cannot be converted to a DOMString.");

  // The headers that a script gives: an object of any kind, of which may be known whether it can be iterated over.
  function listOf(init, isIterable = undefined) {
    const list = emptyList();
    if (init === null || (typeof init !== "object" && typeof init !== "function")) {
      throw new TypeError(`Headers constructor: Argument 1 could not be converted to one of: ${KINDS}.`);
    }
    if (isIterable ?? typeof init[SymbolIterator] === "function") {
      appendPairs(list, init);
      return list;
    }
    const keys = ReflectOwnKeys(init);
    for (let at = 0; at < keys.length; at++) {
      if (typeof keys[at] === "symbol") {
        throw noName();
      }
      if (isEnumerable(init, keys[at])) {
        append(list, keys[at], init[keys[at]]);
      }
    }
    return list;
  }

  // The headers of names and values that follow each other.
  function listOfPairs(pairs) {
    const list = emptyList();
    for (let at = 0; at < pairs.length; at += 2) {
      if (typeof pairs[at] === "symbol") {
        throw noName();
      }
      append(list, pairs[at], pairs[at + 1]);
    }
    return list;
  }

  function copyOf(list) {
    const copy = emptyList();
    const pairs = sorted(list);
    for (let at = 0; at < pairs.length; at++) {
      append(copy, pairs[at][0], pairs[at][1]);
    }
    return copy;
  }

  function append(list, name, value) {
    const shown = headerName(name, "append");
    const text = headerValue(value, "append");
    const { fields } = changeable(list);
    const field = mapGet(fields, lower(shown));
    if (field === undefined) {
      mapSet(fields, lower(shown), { shown, values: [text] });
    } else {
      push(field.values, text);
    }
  }

  function appendPairs(list, pairs) {
    let at = 0;
    for (const pair of pairs) {
      if (pair === null || typeof pair !== "object" || typeof pair[SymbolIterator] !== "function") {
        throw new TypeError(`Headers contructor: init[${at}] (${String(pair)}) is not iterable.`);
      }
      const parts = ArrayFrom(pair);
      if (parts.length !== 2) {
        throw new TypeError(`Headers constructor: expected name/value pair to be length 2, found ${parts.length}.`);
      }
      append(list, parts[0], parts[1]);
      at++;
    }
  }

  function changeable(list) {
    if (list.isFrozen) {
      throw new TypeError("immutable");
    }
    list.sorted = undefined;
    return list;
  }

  // The pairs as they are sent and iterated over; each cookie is one of its own.
  function sorted(list) {
    if (list.sorted !== undefined) {
      return list.sorted;
    }
    const names = [];
    eachOfMap(list.fields, (field, name) => push(names, name));
    sort(names);
    const pairs = [];
    for (let at = 0; at < names.length; at++) {
      const { values: texts } = mapGet(list.fields, names[at]);
      if (names[at] !== "set-cookie") {
        push(pairs, [names[at], joined(texts, ", ")]);
        continue;
      }
      for (let cookie = 0; cookie < texts.length; cookie++) {
        push(pairs, [names[at], texts[cookie]]);
      }
    }
    return (list.sorted = pairs);
  }

  function lookUp(list, name) {
    const field = mapGet(list.fields, name);
    return field === undefined ? null : joined(field.values, ", ");
  }

  function appendMissing(list, name, value) {
    if (lookUp(list, name) === null) {
      append(list, name, value);
    }
  }

  return {
    append, appendMissing, byteString, changeable, copyOf, emptyList, headerName, headerValue, isToken, listOf, listOfPairs, lookUp, need, sorted,
  };
}
