// The console of a script, as that of Node.js prints.

const KEY_OF_INDEX = "(index)";
const KEY_OF_ITERATION = "(iteration index)";
const KEY_OF_KEYS = "Key";
const KEY_OF_VALUES = "Values";

// Prints the arguments of one call; the host stops a script that prints too much.
export function makePrinter(primordials, require, host) {
  const { formatWithin, inspect, within } = require("inspect");
  const { ArrayFrom, ArrayIsArray, ArrayPrototypePush, ArrayPrototypeUnshift, MapPrototypeForEach } = primordials;
  const { ObjectKeys, ObjectPrototypeHasOwnProperty, ObjectValues, SetPrototypeForEach } = primordials;
  const types = require("types");

  const format = (args) => formatWithin(host.printLimit, args);
  const show = (value, options) => formatWithin(host.printLimit, [value], options);

  function shown(value) {
    const wide = value !== null && typeof value === "object" && !ArrayIsArray(value) && ObjectKeys(value).length > 2;
    return inspect(value, { depth: wide ? -1 : 0, maxArrayLength: 3, breakLength: Infinity });
  }

  // The text of a table, or null if the value is none.
  function table(data, properties) {
    if (properties !== undefined) {
      require("errors").validateArray(properties, "properties");
    }
    if (data === null || typeof data !== "object") {
      return null;
    }
    const draw = require("table");
    const indexes = (length) => ArrayFrom({ length }, (_, index) => shown(index));
    const values = [];
    if (types.isMap(data)) {
      const keys = [];
      MapPrototypeForEach(data, (value, key) => {
        ArrayPrototypePush(keys, shown(key));
        ArrayPrototypePush(values, shown(value));
      });
      return draw([KEY_OF_ITERATION, KEY_OF_KEYS, KEY_OF_VALUES], [indexes(keys.length), keys, values]);
    }
    if (types.isSet(data)) {
      SetPrototypeForEach(data, (value) => ArrayPrototypePush(values, shown(value)));
      return draw([KEY_OF_ITERATION, KEY_OF_VALUES], [indexes(values.length), values]);
    }
    const { names, values: rows } = columns(data, properties);
    return draw(names, rows);
  }

  function columns(data, properties) {
    const map = { __proto__: null };
    const primitives = [];
    const rows = ObjectKeys(data);
    for (let row = 0; row < rows.length; row++) {
      const item = data[rows[row]];
      const primitive = item === null || (typeof item !== "function" && typeof item !== "object");
      if (properties === undefined && primitive) {
        primitives[row] = shown(item);
        continue;
      }
      const keys = properties ?? ObjectKeys(item);
      for (let at = 0; at < keys.length; at++) {
        const column = (map[keys[at]] ??= []);
        const empty = primitive || !ObjectPrototypeHasOwnProperty(item, keys[at]);
        column[row] = empty ? "" : shown(item[keys[at]]);
      }
    }
    const names = ObjectKeys(map);
    const values = ObjectValues(map);
    if (primitives.length > 0) {
      ArrayPrototypePush(names, KEY_OF_VALUES);
      ArrayPrototypePush(values, primitives);
    }
    ArrayPrototypeUnshift(names, KEY_OF_INDEX);
    ArrayPrototypeUnshift(values, rows);
    return { names, values };
  }

  return { format, show, table: (data, properties) => within(host.printLimit, () => table(data, properties)) };
}
