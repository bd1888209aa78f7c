// FormData and its two forms as a body.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

export function make(host, { values }, require) {
  const { ArrayIsArray, Map, MathFloor, Number, ObjectDefineProperty, ObjectSetPrototypeOf, ReflectApply, String } = values;
  const { IteratorPrototype, SymbolIterator, SymbolToStringTag, TypeError } = values;
  const { eachOfMap, includes, indexOf, joined, mapGet, mapSet, padStart, push, slice, split, toWellFormed } = require("calls");
  const { File, blobOf, bytesOfBlob, isBlob, isFile, joinedBytes, utf8 } = require("blob");
  const { need } = require("header_list");
  const { illegalInvocation } = require("errors");
  const { publish } = require("web_classes");

  const usv = (value) => toWellFormed(`${value}`);

  function entry(method, name, value, filename, hasFilename) {
    if (hasFilename && !isBlob(value)) {
      throw new TypeError(`Failed to execute '${method}' on 'FormData': parameter 2 is not of type 'Blob'`);
    }
    if (!isBlob(value)) {
      return [usv(name), usv(value)];
    }
    if (isFile(value) && !hasFilename) {
      return [usv(name), value];
    }
    const { type, lastModified } = value;
    const options = isFile(value) ? { type, lastModified } : { type };
    return [usv(name), new File([value], hasFilename ? usv(filename) : "blob", options)];
  }

  let entriesOf;
  let replaceEntries;
  let isFormData;

  class FormData {
    #entries = [];

    static {
      isFormData = (value) => typeof value === "object" && value !== null && #entries in value;
      entriesOf = (form) => {
        if (!isFormData(form)) {
          throw illegalInvocation();
        }
        return form.#entries;
      };
      replaceEntries = (form, entries) => void (form.#entries = entries);
    }

    constructor(form = undefined) {
      if (form !== undefined) {
        throw new TypeError("FormData constructor: Argument 1 could not be converted to: undefined.");
      }
    }

    append(name, value, filename = undefined) {
      const entries = entriesOf(this);
      need(arguments, 2, "FormData.append");
      push(entries, entry("append", name, value, filename, arguments.length > 2));
    }

    delete(name) {
      const entries = entriesOf(this);
      need(arguments, 1, "FormData.delete");
      const sought = usv(name);
      replaceEntries(this, select(entries, (one) => one[0] !== sought));
    }

    get(name) {
      const entries = entriesOf(this);
      need(arguments, 1, "FormData.get");
      return find(entries, usv(name))?.[1] ?? null;
    }

    getAll(name) {
      const entries = entriesOf(this);
      need(arguments, 1, "FormData.getAll");
      const sought = usv(name);
      const found = [];
      for (let at = 0; at < entries.length; at++) {
        if (entries[at][0] === sought) {
          push(found, entries[at][1]);
        }
      }
      return found;
    }

    has(name) {
      const entries = entriesOf(this);
      need(arguments, 1, "FormData.has");
      return find(entries, usv(name)) !== undefined;
    }

    set(name, value, filename = undefined) {
      const entries = entriesOf(this);
      need(arguments, 2, "FormData.set");
      const made = entry("set", name, value, filename, arguments.length > 2);
      const first = find(entries, made[0]);
      if (first === undefined) {
        push(entries, made);
        return;
      }
      first[1] = made[1];
      replaceEntries(this, select(entries, (one) => one === first || one[0] !== made[0]));
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
      entriesOf(this);
      need(arguments, 1, "FormData.forEach");
      if (typeof callback !== "function") {
        throw new TypeError("Failed to execute 'forEach' on 'FormData': parameter 1 is not of type 'Function'.");
      }
      for (let at = 0; at < entriesOf(this).length; at++) {
        const [name, value] = entriesOf(this)[at];
        ReflectApply(callback, self, [value, name, this]);
      }
    }

    [CUSTOM_INSPECT](depth, options) {
      const known = new Map();
      for (const [name, value] of entriesOf(this)) {
        const before = mapGet(known, name);
        mapSet(known, name, before === undefined ? value : ArrayIsArray(before) ? [...before, value] : [before, value]);
      }
      const fields = { __proto__: null };
      eachOfMap(known, (value, name) =>
        ObjectDefineProperty(fields, name, { __proto__: null, value, enumerable: true, configurable: true }),
      );
      // Broken into lines as what it is inside of Node.js.
      const shown = require("inspect").inspect(fields, { ...options, depth });
      return `FormData ${slice(shown, indexOf(shown, "]") + 2)}`;
    }
  }
  publish(FormData, ["append", "delete", "get", "getAll", "has", "set", "keys", "values", "entries", "forEach"]);
  ObjectDefineProperty(FormData.prototype, SymbolIterator, {
    __proto__: null,
    value: FormData.prototype.entries,
    writable: true,
    configurable: true,
  });

  function find(entries, name) {
    for (let at = 0; at < entries.length; at++) {
      if (entries[at][0] === name) {
        return entries[at];
      }
    }
    return undefined;
  }

  function select(entries, keep) {
    const kept = [];
    for (let at = 0; at < entries.length; at++) {
      if (keep(entries[at])) {
        push(kept, entries[at]);
      }
    }
    return kept;
  }

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
    value: "FormData Iterator",
    configurable: true,
  });

  function iterate(form, show) {
    entriesOf(form);
    let at = 0;
    const step = () => {
      const entries = entriesOf(form);
      return at < entries.length ? { value: show(entries[at++]), done: false } : { value: undefined, done: true };
    };
    const iterator = ObjectSetPrototypeOf({}, iteratorPrototype);
    return ObjectDefineProperty(iterator, "step", { __proto__: null, value: step });
  }

  const digits = () => padStart(String(MathFloor(Number(Math.random()) * 1e12) || 0), 12, "0");
  // Without expressions, which a script can change.
  const swap = (text, from, to) => (includes(text, from) ? joined(split(text, from), to) : text);
  const escaped = (name) => swap(swap(swap(name, "\n", "%0A"), "\r", "%0D"), '"', "%22");
  const lines = (text) => swap(swap(swap(text, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n");

  // A line between the parts that is in none of them, whatever `Math.random` has become.
  function chooseBoundary(entries) {
    for (let tries = 0; ; tries++) {
      const boundary = `----formdata-${digits()}${tries === 0 ? "" : tries}`;
      let found = false;
      for (let at = 0; at < entries.length && !found; at++) {
        const value = entries[at][1];
        found = includes(entries[at][0], boundary);
        found ||= typeof value === "string" ? includes(value, boundary) : contains(bytesOfBlob(value), utf8(boundary));
      }
      if (!found) {
        return boundary;
      }
    }
  }

  function contains(content, sought) {
    return require("multipart").search(content, sought, 0) !== -1;
  }

  // The body, as text if no part has bytes of its own, and its type.
  function encode(form) {
    const entries = entriesOf(form);
    const boundary = chooseBoundary(entries);
    const parts = [];
    let texts = [];
    for (let at = 0; at < entries.length; at++) {
      const [name, value] = entries[at];
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(lines(name))}"`;
      if (typeof value === "string") {
        push(texts, `${head}\r\n\r\n${lines(value)}\r\n`);
        continue;
      }
      const file = `; filename="${escaped(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}`;
      push(texts, `${head}${file}\r\n\r\n`);
      push(parts, utf8(joined(texts, "")), bytesOfBlob(value));
      texts = ["\r\n"];
    }
    push(texts, `--${boundary}--\r\n`);
    const type = `multipart/form-data; boundary=${boundary}`;
    if (parts.length === 0) {
      return { content: joined(texts, ""), type };
    }
    push(parts, utf8(joined(texts, "")));
    return { content: joinedBytes(parts), type };
  }

  function addFile(form, name, content, filename, type) {
    push(entriesOf(form), [name, new File([blobOf(content, "")], filename, { type })]);
  }

  return { FormData, addFile, encode, isFormData };
}
