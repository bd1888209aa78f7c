// Headers, as the fetch standard defines it and Node.js prints it.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

export function make(host, { values }, require) {
  const { IteratorPrototype, ObjectAssign, ObjectDefineProperty, ObjectSetPrototypeOf } = values;
  const { ReflectApply, SymbolIterator, SymbolToStringTag, TypeError } = values;
  const { eachOfMap, forget, has, joined, lower, mapGet, mapSet, part } = require("calls");
  const list = require("header_list");
  const { changeable, emptyList, headerName, headerValue, lookUp, need } = list;
  const { publish } = require("web_classes");

  let stateOf;
  let shownAs;

  class Headers {
    #state;

    static {
      stateOf = (headers) => {
        if (typeof headers !== "object" || headers === null || !(#state in headers)) {
          throw require("errors").illegalInvocation();
        }
        return headers.#state;
      };
      // The object of this class with a list that is there already.
      shownAs = (given) => {
        const headers = new Headers();
        headers.#state = given;
        return headers;
      };
    }

    constructor(init = undefined) {
      this.#state = init === undefined ? emptyList() : list.listOf(init);
    }

    append(name, value) {
      const given = stateOf(this);
      need(arguments, 2, "Headers.append");
      list.append(given, name, value);
    }

    delete(name) {
      stateOf(this);
      need(arguments, 1, "Headers.delete");
      const key = lower(headerName(name, "delete"));
      forget(changeable(stateOf(this)).fields, key);
    }

    get(name) {
      stateOf(this);
      need(arguments, 1, "Headers.get");
      return lookUp(stateOf(this), lower(headerName(name, "get")));
    }

    has(name) {
      const { fields } = stateOf(this);
      need(arguments, 1, "Headers.has");
      return has(fields, lower(headerName(name, "has")));
    }

    set(name, value) {
      stateOf(this);
      need(arguments, 2, "Headers.set");
      const shown = headerName(name, "set");
      const field = { shown, values: [headerValue(value, "set")] };
      mapSet(changeable(stateOf(this)).fields, lower(shown), field);
    }

    getSetCookie() {
      return part(mapGet(stateOf(this).fields, "set-cookie")?.values ?? []);
    }

    keys() {
      return iterate(this, (pair) => pair[0]);
    }

    values() {
      return iterate(this, (pair) => pair[1]);
    }

    entries() {
      return iterate(this, (pair) => [pair[0], pair[1]]);
    }

    forEach(callback, self = undefined) {
      stateOf(this);
      need(arguments, 1, "Headers.forEach");
      if (typeof callback !== "function") {
        throw new TypeError("Headers.forEach: Parameter 1 is not of type 'Function'.");
      }
      for (let at = 0; at < sorted(this).length; at++) {
        const pair = sorted(this)[at];
        ReflectApply(callback, self, [pair[1], pair[0], this]);
      }
    }

    [CUSTOM_INSPECT](depth, options) {
      const pairs = { __proto__: null };
      eachOfMap(stateOf(this).fields, ({ shown, values: texts }) => (pairs[shown] = joined(texts, ", ")));
      return `Headers ${require("inspect").inspect(ObjectAssign({}, pairs), { ...options, depth })}`;
    }
  }
  publish(Headers, ["append", "delete", "get", "has", "set", "getSetCookie", "keys", "values", "entries", "forEach"]);
  ObjectDefineProperty(Headers.prototype, SymbolIterator, {
    __proto__: null,
    value: Headers.prototype.entries,
    writable: true,
    configurable: true,
  });

  const sorted = (headers) => list.sorted(stateOf(headers));

  const iteratorPrototype = ObjectSetPrototypeOf(
    {
      next() {
        return this.step();
      },
    },
    IteratorPrototype,
  );
  ObjectDefineProperty(iteratorPrototype, SymbolToStringTag, {
    __proto__: null,
    value: "Headers Iterator",
    configurable: true,
  });

  function iterate(headers, show) {
    stateOf(headers);
    let at = 0;
    const step = () => {
      const pairs = sorted(headers);
      return at < pairs.length ? { value: show(pairs[at++]), done: false } : { value: undefined, done: true };
    };
    const iterator = ObjectSetPrototypeOf({}, iteratorPrototype);
    return ObjectDefineProperty(iterator, "step", { __proto__: null, value: step });
  }

  return { Headers, shownAs };
}
