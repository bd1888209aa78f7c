// If two values are deeply and loosely equal, as the module "assert" compares them.

export function make(host, { methods, values }, require) {
  const { ArrayIsArray, NumberIsNaN, ObjectKeys, ReflectApply } = values;
  const { eachOfMap, eachOfSet, isEnumerable, mapSize, push, setSize, tagOf, timeOf } = require("calls");
  const types = require("types");
  const { isDeepStrictEqual } = require("comparisons");
  const { bytesOf } = require("bytes");
  const sourceOf = (expression) => ReflectApply(methods.RegExpPrototypeToString, expression, []);
  const isObject = (value) => typeof value === "object" && value !== null;

  // What "loosely" means.
  const samePrimitive = (a, b) => a == b || (NumberIsNaN(a) && NumberIsNaN(b));

  function equal(a, b, pending) {
    if (a === b) {
      return true;
    }
    if (!isObject(a) || !isObject(b)) {
      return !isObject(a) && !isObject(b) && samePrimitive(a, b);
    }
    if (tagOf(a) !== tagOf(b) || ArrayIsArray(a) !== ArrayIsArray(b)) {
      return false;
    }
    for (let at = 0; at < pending.length; at++) {
      if (pending[at].a === a) {
        return pending[at].b === b;
      }
    }
    push(pending, { a, b });
    const same = sameContent(a, b, pending);
    pending.length--;
    return same;
  }

  function sameContent(a, b, pending) {
    if (types.isDate(a) && (!types.isDate(b) || timeOf(a) !== timeOf(b))) {
      return false;
    }
    if (types.isRegExp(a) && (!types.isRegExp(b) || sourceOf(a) !== sourceOf(b))) {
      return false;
    }
    if (types.isNativeError(a) || a instanceof values.Error) {
      const errors = types.isNativeError(b) || b instanceof values.Error;
      if (!errors || a.message !== b.message || a.name !== b.name) {
        return false;
      }
    }
    if (types.isBoxedPrimitive(a)) {
      return types.isBoxedPrimitive(b) && isDeepStrictEqual(a, b);
    }
    if (types.isArrayBufferView(a) || types.isAnyArrayBuffer(a)) {
      return sameBytes(a, b);
    }
    if (types.isMap(a) || types.isMap(b)) {
      return types.isMap(a) && types.isMap(b) && sameMap(a, b, pending) && sameKeys(a, b, pending);
    }
    if (types.isSet(a) || types.isSet(b)) {
      return types.isSet(a) && types.isSet(b) && sameSet(a, b, pending) && sameKeys(a, b, pending);
    }
    return (!ArrayIsArray(a) || a.length === b.length) && sameKeys(a, b, pending);
  }

  // Numbers are compared as numbers, which makes the two zeros equal.
  function sameBytes(a, b) {
    const [left, right] = types.isTypedArray(a) ? [a, b] : [bytesOf(a), bytesOf(b)];
    if (left.length !== right.length) {
      return false;
    }
    for (let at = 0; at < left.length; at++) {
      if (left[at] !== right[at] && !(NumberIsNaN(left[at]) && NumberIsNaN(right[at]))) {
        return false;
      }
    }
    return true;
  }

  function sameKeys(a, b, pending) {
    const keys = ObjectKeys(a);
    if (keys.length !== ObjectKeys(b).length) {
      return false;
    }
    for (let at = 0; at < keys.length; at++) {
      if (!isEnumerable(b, keys[at]) || !equal(a[keys[at]], b[keys[at]], pending)) {
        return false;
      }
    }
    return true;
  }

  // Every member of one has a member of its own in the other.
  function paired(left, right, same) {
    const used = [];
    for (let at = 0; at < left.length; at++) {
      let found = false;
      for (let other = 0; other < right.length && !found; other++) {
        if (!used[other] && same(left[at], right[other])) {
          used[other] = found = true;
        }
      }
      if (!found) {
        return false;
      }
    }
    return true;
  }

  function sameMap(a, b, pending) {
    const entries = (map) => {
      const list = [];
      eachOfMap(map, (value, key) => push(list, { key, value }));
      return list;
    };
    const same = (one, other) => equal(one.key, other.key, pending) && equal(one.value, other.value, pending);
    return mapSize(a) === mapSize(b) && paired(entries(a), entries(b), same);
  }

  function sameSet(a, b, pending) {
    const members = (set) => {
      const list = [];
      eachOfSet(set, (member) => push(list, member));
      return list;
    };
    return setSize(a) === setSize(b) && paired(members(a), members(b), (one, other) => equal(one, other, pending));
  }

  return { isDeepEqual: (a, b) => equal(a, b, []) };
}
