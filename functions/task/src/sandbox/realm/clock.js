// Time and random values, which the language itself takes from the machine: here they come from the host, which can
// give a script the same ones again.

const { construct, apply, defineProperty: define } = Reflect;
const Plain = Date;
const { toString } = Plain.prototype;

export function install(host) {
  const { time } = host;

  function Date(...args) {
    if (new.target === undefined) {
      return apply(toString, new Plain(time()), []);
    }
    if (args.length === 0) {
      args[0] = time();
    }
    return construct(Plain, args, new.target);
  }

  const described = { __proto__: null, value: undefined, writable: true, enumerable: false, configurable: true };
  function hidden(object, name, value) {
    described.value = value;
    define(object, name, described);
  }
  define(Date, "length", { __proto__: null, value: Plain.length, configurable: true });
  define(Date, "prototype", { __proto__: null, value: Plain.prototype, writable: false });
  hidden(Date, "now", time);
  hidden(Date, "parse", Plain.parse);
  hidden(Date, "UTC", Plain.UTC);
  hidden(Plain.prototype, "constructor", Date);
  hidden(globalThis, "Date", Date);
  hidden(Math, "random", host.random);
  // The engine has these two in this order, before all that is ours.
  hidden(globalThis, "DOMException", undefined);
  hidden(globalThis, "performance", undefined);
}
