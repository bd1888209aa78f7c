// What Request and Response have in common: a body that can be read once.
//
// What every request and response needs is here, the rest in `body_reads` and `body_kinds`.

const GETTERS = ["body", "bodyUsed"];
const METHODS = ["blob", "arrayBuffer", "text", "json", "formData", "bytes"];

export function make(host, { values, methods }, require) {
  const { ObjectDefineProperty, ObjectGetOwnPropertyDescriptor, ReflectApply, WeakMap } = values;
  const states = new WeakMap();
  const isBytes = (value) => ReflectApply(methods.TypedArrayPrototypeGetSymbolToStringTag, value, []) === "Uint8Array";

  // The content is text, so that it is never copied to bytes, or a Uint8Array, a stream or null. The headers are those of
  // the object's state.
  function attach(object, content, headers) {
    const isPlain = content === null || typeof content === "string" || isBytes(content);
    const isStream = !isPlain && require("readable_stream").isStream(content);
    const state = { content: isStream ? null : content, stream: isStream ? content : undefined, used: false, headers };
    ReflectApply(methods.WeakMapPrototypeSet, states, [object, state]);
  }

  const stateOf = (object) => ReflectApply(methods.WeakMapPrototypeGet, states, [object]);

  // Gives a class the methods of a body.
  function mixin(prototype) {
    const member = { __proto__: null, get: undefined, enumerable: true, configurable: true };
    for (let at = 0; at < GETTERS.length; at++) {
      const name = GETTERS[at];
      const named = {
        get [name]() {
          return require("body_reads").getters[name](this);
        },
      };
      member.get = ObjectGetOwnPropertyDescriptor(named, name).get;
      ObjectDefineProperty(prototype, name, member);
    }
    const method = { __proto__: null, value: undefined, writable: true, enumerable: true, configurable: true };
    for (let at = 0; at < METHODS.length; at++) {
      const name = METHODS[at];
      const named = {
        async [name]() {
          return await require("body_reads").methods[name](this);
        },
      };
      method.value = named[name];
      ObjectDefineProperty(prototype, name, method);
    }
  }

  // What a script gives as a body, and the type that it has by itself.
  function readBody(body) {
    if (body === null || body === undefined) {
      return { content: null, type: undefined, isStream: false };
    }
    const known = typeof body === "object" ? require("body_kinds").read(body) : undefined;
    return known ?? {
      content: ReflectApply(methods.StringPrototypeToWellFormed, `${body}`, []),
      type: "text/plain;charset=UTF-8",
      isStream: false,
    };
  }

  return { attach, isBytes, mixin, readBody, stateOf };
}
