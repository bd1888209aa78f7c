// The methods of the language that depend on a locale or a time zone, of which most scripts use none.

export function install(intrinsics, require) {
  const make = () => require("locale");
  const { BigInt, Date, Number, ObjectDefineProperty, String } = intrinsics.values;
  const { uncurryThis } = intrinsics;

  function method(Class, name, length, call) {
    const value = {
      [name](...args) {
        return call(make(), this, args);
      },
    }[name];
    ObjectDefineProperty(value, "length", { __proto__: null, value: length, configurable: true });
    ObjectDefineProperty(Class.prototype, name, { __proto__: null, value, writable: true, configurable: true });
  }

  // The engine leaves out the name of the zone, which is always the same here.
  function withZone(name) {
    const plain = uncurryThis(Date.prototype[name]);
    const value = {
      [name]() {
        const text = plain(this);
        return text === "Invalid Date" ? text : `${text} (Coordinated Universal Time)`;
      },
    }[name];
    ObjectDefineProperty(Date.prototype, name, { __proto__: null, value, writable: true, configurable: true });
  }

  withZone("toString");
  withZone("toTimeString");
  method(Date, "toLocaleString", 0, (locales, date, args) => locales.date(date, args, "any", "all"));
  method(Date, "toLocaleDateString", 0, (locales, date, args) => locales.date(date, args, "date", "date"));
  method(Date, "toLocaleTimeString", 0, (locales, date, args) => locales.date(date, args, "time", "time"));
  method(Number, "toLocaleString", 0, (locales, number, args) => locales.number(number, args));
  method(BigInt, "toLocaleString", 0, (locales, number, args) => locales.bigint(number, args));
  method(String, "localeCompare", 1, (locales, text, args) => locales.compare(text, args));
  method(String, "toLocaleUpperCase", 0, (locales, text, args) => locales.upper(text, args));
  method(String, "toLocaleLowerCase", 0, (locales, text, args) => locales.lower(text, args));
  ObjectDefineProperty(globalThis, "Intl", {
    __proto__: null,
    get: () => make().intl(),
    set: (value) => ObjectDefineProperty(globalThis, "Intl", { __proto__: null, value, writable: true, configurable: true }),
    enumerable: false,
    configurable: true,
  });
}
