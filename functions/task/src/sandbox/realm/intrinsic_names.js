// The names of all captured intrinsics, which are put in where this is compiled.

const VALUES = namesIn("values");
const METHODS = namesIn("methods");

export function name(values, methods, replaced) {
  const named = { values: namedBy(VALUES, values), methods: namedBy(METHODS, methods) };
  for (const key in replaced) {
    named.values[key] = replaced[key];
  }
  return named;
}

function namedBy(names, captured) {
  const named = { __proto__: null };
  for (let at = 0; at < names.length; at++) {
    named[names[at]] = captured[at];
  }
  return named;
}
