// What the classes of the web have in common.

export function make(host, { values }, require) {
  const { ObjectDefineProperty, SymbolToStringTag } = values;

  // Prints an object of ours with the fields that are worth showing.
  function show(object, depth, options, fields) {
    const { name } = object.constructor;
    if (depth < 0) {
      return name;
    }
    const inner = { ...options, depth: Number.isInteger(options.depth) ? options.depth - 1 : options.depth };
    return `${name} ${require("inspect").inspect(fields, inner)}`;
  }

  // Web classes have enumerable members and a tag.
  function publish(Class, names) {
    const { prototype } = Class;
    for (let at = 0; at < names.length; at++) {
      ObjectDefineProperty(prototype, names[at], { __proto__: null, enumerable: true });
    }
    const tag = { __proto__: null, value: Class.name, configurable: true };
    ObjectDefineProperty(prototype, SymbolToStringTag, tag);
  }

  return { publish, show };
}
