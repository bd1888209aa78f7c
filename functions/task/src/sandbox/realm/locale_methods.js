// The methods of the language that depend on a locale or a time zone, of which most scripts use none.

export function install(intrinsics, require) {
  const make = () => require("locale");
  const { BigInt, Date, Number, ObjectDefineProperty, ReflectApply, String } = intrinsics.values;

  const described = { __proto__: null, value: undefined, writable: true, enumerable: false, configurable: true };

  function define(object, name, value) {
    described.value = value;
    ObjectDefineProperty(object, name, described);
  }

  function method(Class, name, kind, first, second) {
    const methods = {
      [name](...args) {
        return make()[kind](this, args, first, second);
      },
    };
    define(Class.prototype, name, methods[name]);
    return methods[name];
  }

  // The engine leaves out the name of the zone, which is always the same here.
  function withZone(name) {
    const plain = Date.prototype[name];
    const methods = {
      [name]() {
        const text = ReflectApply(plain, this, []);
        return text === "Invalid Date" ? text : `${text} (Coordinated Universal Time)`;
      },
    };
    define(Date.prototype, name, methods[name]);
  }

  withZone("toString");
  withZone("toTimeString");
  method(Date, "toLocaleString", "date", "any", "all");
  method(Date, "toLocaleDateString", "date", "date", "date");
  method(Date, "toLocaleTimeString", "date", "time", "time");
  method(Number, "toLocaleString", "number");
  method(BigInt, "toLocaleString", "bigint");
  const compare = method(String, "localeCompare", "compare");
  ObjectDefineProperty(compare, "length", { __proto__: null, value: 1, configurable: true });
  method(String, "toLocaleUpperCase", "upper");
  method(String, "toLocaleLowerCase", "lower");
  ObjectDefineProperty(globalThis, "Intl", {
    __proto__: null,
    get: () => make().intl(),
    set: (value) => define(globalThis, "Intl", value),
    enumerable: false,
    configurable: true,
  });
}
