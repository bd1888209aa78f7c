// The CommonJS modules of a package, loaded as Node.js does: each once, and half made where they need each other.

import { registry } from "hookyard:prelude";

export function install(host) {
  const { uncurryThis, values, methods } = registry.intrinsics;
  const { ReflectApply } = values;
  const push = uncurryThis(methods.ArrayPrototypePush);
  const cache = { __proto__: null };

  function makeModule(filename, parent) {
    const path = host.parent(filename);
    const module = { id: filename, path, exports: {}, filename, loaded: false, children: [], paths: [], parent };
    module.require = makeRequire(module);
    if (parent !== null) {
      push(parent.children, module);
    }
    return module;
  }

  function makeRequire(module) {
    const resolve = (name) => {
      if (typeof name !== "string") {
        throw registry.require("errors").invalidArgType("id", "string", name);
      }
      return host.resolve(module.filename, name);
    };
    const require = (name) => load(resolve(name), module);
    require.resolve = (name) => resolve(name);
    require.cache = cache;
    // What runs a package is not one of its modules.
    require.main = undefined;
    return require;
  }

  function load(found, parent) {
    if (found[0] !== "/") {
      return host.builtIn(found);
    }
    const known = cache[found];
    if (known !== undefined) {
      return known.exports;
    }
    const module = makeModule(found, parent);
    cache[found] = module;
    try {
      evaluate(module);
      module.loaded = true;
    } finally {
      if (!module.loaded) {
        delete cache[found];
      }
    }
    return module.exports;
  }

  function evaluate(module) {
    const { filename } = module;
    if (host.isJson(filename)) {
      module.exports = host.json(filename);
      return;
    }
    const body = host.body(filename);
    ReflectApply(body, module.exports, [module.exports, module.require, module, filename, module.path]);
  }

  registry.commonjs = { load: (path) => load(path, null) };
  return registry.commonjs;
}
