// If two values are deeply and strictly equal, as Node.js compares them.

export function make(host, { methods, values }, require) {
  const { ArrayIsArray, Map, ObjectIs, ObjectKeys, ReflectApply, Uint8Array } = values;
  const { ObjectGetOwnPropertySymbols, ObjectGetPrototypeOf } = values;
  const {
    bufferOf, dataBufferOf, dataLengthOf, dataOffsetOf, eachOfMap, eachOfSet, forget, has, hasOwn, isEnumerable, lengthOf,
    mapGet, mapSet, mapSize, offsetOf, push, setHas, setSize, tagOf, timeOf,
  } = require("calls");
  const types = require("types");
  const BOXES = ["Number", "String", "Boolean", "BigInt", "Symbol"];

  const isObject = (value) => typeof value === "object" && value !== null;

  // The bytes that a buffer or a view of one holds.
  function bytesOf(value) {
    if (types.isArrayBuffer(value)) {
      return new Uint8Array(value);
    }
    return types.isDataView(value)
      ? new Uint8Array(dataBufferOf(value), dataOffsetOf(value), dataLengthOf(value))
      : new Uint8Array(bufferOf(value), offsetOf(value), lengthOf(value));
  }

  function sameBytes(a, b) {
    const left = bytesOf(a);
    const right = bytesOf(b);
    if (left.length !== right.length) {
      return false;
    }
    for (let at = 0; at < left.length; at++) {
      if (left[at] !== right[at]) {
        return false;
      }
    }
    return true;
  }

  function sameBox(a, b) {
    for (let at = 0; at < BOXES.length; at++) {
      const is = types[`is${BOXES[at]}Object`];
      if (is(a)) {
        const held = methods[`${BOXES[at]}PrototypeValueOf`];
        return is(b) && ObjectIs(ReflectApply(held, a, []), ReflectApply(held, b, []));
      }
    }
    return false;
  }

  // `pending` has what is being compared, each with what it is compared with.
  function equal(a, b, pending) {
    if (ObjectIs(a, b)) {
      return true;
    }
    if (!isObject(a) || !isObject(b) || ObjectGetPrototypeOf(a) !== ObjectGetPrototypeOf(b) || tagOf(a) !== tagOf(b)) {
      return false;
    }
    if (!sameContent(a, b, pending)) {
      return false;
    }
    if (has(pending, a)) {
      return mapGet(pending, a) === b;
    }
    mapSet(pending, a, b);
    const same = sameMembers(a, b, pending) && sameProperties(a, b, pending);
    forget(pending, a);
    return same;
  }

  // What values of the classes of the language hold, besides their properties and members.
  function sameContent(a, b, pending) {
    if (ArrayIsArray(a)) {
      return ArrayIsArray(b) && a.length === b.length;
    }
    if (types.isDate(a)) {
      return types.isDate(b) && timeOf(a) === timeOf(b);
    }
    if (types.isRegExp(a)) {
      return types.isRegExp(b) && a.source === b.source && a.flags === b.flags && a.lastIndex === b.lastIndex;
    }
    if (types.isNativeError(a) || a instanceof values.Error) {
      const error = types.isNativeError(b) || b instanceof values.Error;
      return error && a.message === b.message && a.name === b.name && sameHidden(a, b, pending);
    }
    if (types.isArrayBufferView(a) || types.isArrayBuffer(a)) {
      return types.isArrayBuffer(a) === types.isArrayBuffer(b) && sameBytes(a, b);
    }
    if (types.isSet(a)) {
      return types.isSet(b) && setSize(a) === setSize(b);
    }
    if (types.isMap(a)) {
      return types.isMap(b) && mapSize(a) === mapSize(b);
    }
    if (types.isBoxedPrimitive(a)) {
      return sameBox(a, b);
    }
    return !("href" in a) || !(a instanceof require("whatwg_url").URL) || a.href === b.href;
  }

  // Errors have these without listing them.
  function sameHidden(a, b, pending) {
    const names = ["cause", "errors"];
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      if (hasOwn(a, name) !== hasOwn(b, name) || (hasOwn(a, name) && !equal(a[name], b[name], pending))) {
        return false;
      }
    }
    return true;
  }

  function keysOf(value) {
    const keys = ArrayIsArray(value) || types.isTypedArray(value) ? host.namedKeys(value, true) : ObjectKeys(value);
    const listed = [];
    for (let at = 0; at < keys.length; at++) {
      if (typeof keys[at] === "string") {
        push(listed, keys[at]);
      }
    }
    const symbols = ObjectGetOwnPropertySymbols(value);
    for (let at = 0; at < symbols.length; at++) {
      if (isEnumerable(value, symbols[at])) {
        push(listed, symbols[at]);
      }
    }
    return listed;
  }

  function sameProperties(a, b, pending) {
    const keys = keysOf(a);
    if (keys.length !== keysOf(b).length) {
      return false;
    }
    for (let at = 0; at < keys.length; at++) {
      if (!isEnumerable(b, keys[at])) {
        return false;
      }
    }
    for (let at = 0; at < keys.length; at++) {
      if (!equal(a[keys[at]], b[keys[at]], pending)) {
        return false;
      }
    }
    return true;
  }

  function sameMembers(a, b, pending) {
    if (ArrayIsArray(a)) {
      return sameElements(a, b, pending);
    }
    if (types.isSet(a)) {
      return sameSet(a, b, pending);
    }
    return !types.isMap(a) || sameMap(a, b, pending);
  }

  function sameElements(a, b, pending) {
    // Of an array with gaps, only the elements that there are.
    const indexes = ObjectKeys(a);
    const dense = indexes.length >= a.length;
    const count = dense ? a.length : indexes.length;
    if (!dense && indexes.length !== ObjectKeys(b).length) {
      return false;
    }
    for (let at = 0; at < count; at++) {
      const index = dense ? at : indexes[at];
      if (hasOwn(a, index) !== hasOwn(b, index) || !equal(a[index], b[index], pending)) {
        return false;
      }
    }
    return true;
  }

  // Finds another item for each of these, which need not be in the same order.
  function pairUp(items, others, same) {
    const taken = [];
    for (let at = 0; at < items.length; at++) {
      let found = false;
      for (let other = 0; other < others.length && !found; other++) {
        if (taken[other] !== true && same(items[at], others[other])) {
          taken[other] = true;
          found = true;
        }
      }
      if (!found) {
        return false;
      }
    }
    return true;
  }

  function sameSet(a, b, pending) {
    const left = [];
    const right = [];
    let same = true;
    eachOfSet(a, (member) => {
      if (setHas(b, member)) {
        return;
      }
      same &&= isObject(member);
      push(left, member);
    });
    if (same && left.length > 0) {
      eachOfSet(b, (member) => void (isObject(member) && !setHas(a, member) && push(right, member)));
    }
    return same && pairUp(left, right, (one, other) => equal(one, other, pending));
  }

  function sameMap(a, b, pending) {
    const left = [];
    const right = [];
    let same = true;
    eachOfMap(a, (value, key) => {
      if (isObject(key)) {
        push(left, { key, value });
      } else {
        same &&= has(b, key) && equal(value, mapGet(b, key), pending);
      }
    });
    if (same && left.length > 0) {
      eachOfMap(b, (value, key) => void (isObject(key) && push(right, { key, value })));
    }
    const equalEntries = (one, other) => equal(one.key, other.key, pending) && equal(one.value, other.value, pending);
    return same && left.length === right.length && pairUp(left, right, equalEntries);
  }

  return { isDeepStrictEqual: (a, b) => equal(a, b, new Map()) };
}
