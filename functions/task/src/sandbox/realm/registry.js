// Where the modules that scripts import find what the prelude has made.

export const registry = { __proto__: null };
