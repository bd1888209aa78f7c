// What Request and Response have in common: a body that can be read once.
//
// What every request and response needs is here, the rest in `body_reads` and `body_kinds`.

const GETTERS = ["body", "bodyUsed"];
const METHODS = ["blob", "arrayBuffer", "text", "json", "formData", "bytes"];

export function make(host, { lean, lookUpGetter }, require) {
  const { JSONParse, ObjectDefineProperty, ReflectApply, WeakMap } = lean;
  const states = new WeakMap();
  const isBytes = (value) => ReflectApply(lean.TypedArrayPrototypeGetSymbolToStringTag, value, []) === "Uint8Array";

  // The content is text, so that it is never copied to bytes, or a Uint8Array, a stream or null. The headers are those of
  // the object's state.
  function attach(object, content, headers) {
    const isPlain = content === null || typeof content === "string" || isBytes(content);
    const isStream = !isPlain && require("readable_stream").isStream(content);
    const state = { content: isStream ? null : content, stream: isStream ? content : undefined, used: false, headers };
    ReflectApply(lean.WeakMapPrototypeSet, states, [object, state]);
  }

  const stateOf = (object) => ReflectApply(lean.WeakMapPrototypeGet, states, [object]);

  // The text of a short body that nothing has read, which is then read; nothing for any other.
  function takePlain(object) {
    const state = typeof object === "object" && object !== null ? stateOf(object) : undefined;
    if (state === undefined || state.used || state.stream !== undefined || typeof state.content === "string") {
      return undefined;
    }
    const text = state.content === null ? "" : host.shortText(state.content);
    state.used = text !== undefined && state.content !== null;
    return text;
  }

  const more = () => require("body_reads");
  const makeMembers = () => ({
    get body() {
      return more().getters.body(this);
    },
    get bodyUsed() {
      return more().getters.bodyUsed(this);
    },
    async blob() {
      return await more().methods.blob(this);
    },
    async arrayBuffer() {
      return await more().methods.arrayBuffer(this);
    },
    async text() {
      return takePlain(this) ?? (await more().methods.text(this));
    },
    async json() {
      const text = takePlain(this);
      return text === undefined ? await more().methods.json(this) : JSONParse(text);
    },
    async formData() {
      return await more().methods.formData(this);
    },
    async bytes() {
      return await more().methods.bytes(this);
    },
  });

  // Gives a class the methods of a body.
  function mixin(prototype) {
    const members = makeMembers();
    const member = { __proto__: null, get: undefined, enumerable: true, configurable: true };
    for (let at = 0; at < GETTERS.length; at++) {
      member.get = lookUpGetter(members, GETTERS[at]);
      ObjectDefineProperty(prototype, GETTERS[at], member);
    }
    const method = { __proto__: null, value: undefined, writable: true, enumerable: true, configurable: true };
    for (let at = 0; at < METHODS.length; at++) {
      method.value = members[METHODS[at]];
      ObjectDefineProperty(prototype, METHODS[at], method);
    }
  }

  // What a script gives as a body, and the type that it has by itself.
  function readBody(body) {
    if (body === null || body === undefined) {
      return { content: null, type: undefined, isStream: false };
    }
    const known = typeof body === "object" ? require("body_kinds").read(body) : undefined;
    return known ?? {
      content: ReflectApply(lean.StringPrototypeToWellFormed, `${body}`, []),
      type: "text/plain;charset=UTF-8",
      isStream: false,
    };
  }

  return { attach, isBytes, mixin, readBody, stateOf };
}
