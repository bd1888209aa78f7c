// The methods of the language that depend on a locale or a time zone, of which most scripts use none.

export function install(intrinsics, require) {
  const make = () => require("locale");
  const { ObjectDefineProperty, ReflectApply } = intrinsics.lean;
  const date = Date.prototype;
  const string = String.prototype;
  const { toString, toTimeString } = date;

  function define(object, name, value) {
    ObjectDefineProperty(object, name, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
  }

  // The engine leaves out the name of the zone, which is always the same here.
  const zoned = (text) => (text === "Invalid Date" ? text : `${text} (Coordinated Universal Time)`);

  const dates = {
    toString() {
      return zoned(ReflectApply(toString, this, []));
    },
    toTimeString() {
      return zoned(ReflectApply(toTimeString, this, []));
    },
    toLocaleString(...args) {
      return make().date(this, args, "any", "all");
    },
    toLocaleDateString(...args) {
      return make().date(this, args, "date", "date");
    },
    toLocaleTimeString(...args) {
      return make().date(this, args, "time", "time");
    },
  };
  const numbers = {
    toLocaleString(...args) {
      return make().number(this, args);
    },
  };
  const bigints = {
    toLocaleString(...args) {
      return make().bigint(this, args);
    },
  };
  const strings = {
    localeCompare(that, ...args) {
      return make().compare(this, [that, args[0], args[1]]);
    },
    toLocaleUpperCase(...args) {
      return make().upper(this, args);
    },
    toLocaleLowerCase(...args) {
      return make().lower(this, args);
    },
  };

  // They take the places of those that the engine has.
  date.toString = dates.toString;
  date.toTimeString = dates.toTimeString;
  date.toLocaleString = dates.toLocaleString;
  date.toLocaleDateString = dates.toLocaleDateString;
  date.toLocaleTimeString = dates.toLocaleTimeString;
  Number.prototype.toLocaleString = numbers.toLocaleString;
  define(BigInt.prototype, "toLocaleString", bigints.toLocaleString);
  string.localeCompare = strings.localeCompare;
  string.toLocaleUpperCase = strings.toLocaleUpperCase;
  string.toLocaleLowerCase = strings.toLocaleLowerCase;
  ObjectDefineProperty(globalThis, "Intl", {
    __proto__: null,
    get: () => make().intl(),
    set: (value) => define(globalThis, "Intl", value),
    enumerable: false,
    configurable: true,
  });
}
