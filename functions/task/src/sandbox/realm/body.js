// What Request and Response have in common: a body that can be read once.

const MULTIPART = /^\s*multipart\/form-data\s*(;|$)/i;
const SHORT_BYTES = 48 * 1024;
const FORM = /^\s*application\/x-www-form-urlencoded\s*(;|$)/i;

export function make(host, { uncurryThis, values, methods }, require) {
  const { JSONParse, ObjectDefineProperty, ObjectGetOwnPropertyDescriptors, ReflectOwnKeys, TypeError, Uint8Array } = values;
  const { ReflectApply, WeakMap } = values;
  const bufferOf = uncurryThis(methods.TypedArrayPrototypeGetBuffer);
  const exec = uncurryThis(methods.RegExpPrototypeExec);
  const lengthOf = uncurryThis(methods.TypedArrayPrototypeGetByteLength);
  const lower = uncurryThis(methods.StringPrototypeToLowerCase);
  const offsetOf = uncurryThis(methods.TypedArrayPrototypeGetByteOffset);
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const tagOfTyped = uncurryThis(methods.TypedArrayPrototypeGetSymbolToStringTag);
  const toWellFormed = uncurryThis(methods.StringPrototypeToWellFormed);
  const get = uncurryThis(methods.WeakMapPrototypeGet);
  const set = uncurryThis(methods.WeakMapPrototypeSet);
  const sliceBuffer = uncurryThis(methods.ArrayBufferPrototypeSlice);
  const { lookUp } = require("header_list");
  const states = new WeakMap();

  const streams = () => require("readable_stream");
  const illegal = () => require("errors").nodeError(TypeError, "ERR_INVALID_THIS", "Illegal invocation");
  const unusable = () => new TypeError("Body is unusable: Body has already been read");

  // The content is text, so that it is never copied to bytes, or a Uint8Array, a stream or null.
  function attach(object, content, headers) {
    const isBytes = content === null || typeof content === "string" || tagOfTyped(content) === "Uint8Array";
    const isStream = !isBytes && streams().isStream(content);
    const state = { content: isStream ? null : content, stream: isStream ? content : undefined, used: false, headers };
    set(states, object, state);
  }

  function need(object) {
    const state = typeof object === "object" && object !== null ? get(states, object) : undefined;
    if (state === undefined) {
      throw illegal();
    }
    return state;
  }

  const isEmpty = (state) => state.content === null && state.stream === undefined;
  const isUsed = (state) => state.used || (state.stream !== undefined && streams().isDisturbed(state.stream));
  const isLocked = (state) => isUsed(state) || Boolean(state.stream?.locked);

  // Takes the body, whole: text or a Uint8Array, or a promise of one.
  function take(object) {
    const state = need(object);
    if (isLocked(state)) {
      throw unusable();
    }
    state.used = !isEmpty(state);
    return state.stream === undefined ? state.content : streams().collect(state.stream);
  }

  // Short bytes are decoded as a whole; what else there is for bytes is loaded for longer ones.
  function textOf(content) {
    const length = lengthOf(content);
    return length > SHORT_BYTES
      ? ReflectApply(require("bytes").utf8Slice, content, [])
      : host.utf8Decode(bufferOf(content), offsetOf(content), length);
  }

  function decode(content) {
    const text = typeof content === "string" ? content : content === null ? "" : textOf(content);
    return text[0] === "\ufeff" ? slice(text, 1) : text;
  }

  const encode = (content) =>
    typeof content === "object" && content !== null ? content : new Uint8Array(host.utf8Encode(content ?? ""));

  // A copy, as the body itself may be shared with a clone.
  function bufferOfBytes(content) {
    const whole = encode(content);
    return sliceBuffer(bufferOf(whole), offsetOf(whole), offsetOf(whole) + lengthOf(whole));
  }

  const contentType = (object) => lookUp(need(object).headers, "content-type");

  const methodsOfBody = {
    get body() {
      const state = need(this);
      if (state.stream === undefined && state.content !== null) {
        const { content, used } = state;
        state.stream = streams().streamOf(() => encode(content));
        if (used) {
          streams().collect(state.stream);
        }
      }
      return state.stream ?? null;
    },
    get bodyUsed() {
      return isUsed(need(this));
    },
    async blob() {
      const type = contentType(this);
      const { blobOf } = require("blob");
      return blobOf(new Uint8Array(bufferOfBytes(await take(this))), lower(require("mime").essence(type)));
    },
    async arrayBuffer() {
      return bufferOfBytes(await take(this));
    },
    async text() {
      return decode(await take(this));
    },
    async json() {
      return JSONParse(decode(await take(this)));
    },
    async formData() {
      const type = contentType(this) ?? "";
      if (exec(MULTIPART, type) !== null) {
        return require("multipart").parse(encode(await take(this)), type);
      }
      if (exec(FORM, type) !== null) {
        const { URLSearchParams } = require("whatwg_url");
        const { FormData } = require("form_data");
        const form = new FormData();
        new URLSearchParams(decode(await take(this))).forEach((value, name) => form.append(name, value));
        return form;
      }
      const known = '"multipart/form-data" or "application/x-www-form-urlencoded"';
      throw new TypeError(`Content-Type was not one of ${known}.`);
    },
    async bytes() {
      return new Uint8Array(bufferOfBytes(await take(this)));
    },
  };

  // Gives the class the methods of a body.
  function mixin(Class) {
    const descriptors = ObjectGetOwnPropertyDescriptors(methodsOfBody);
    const names = ReflectOwnKeys(descriptors);
    for (let at = 0; at < names.length; at++) {
      ObjectDefineProperty(Class.prototype, names[at], { __proto__: null, ...descriptors[names[at]] });
    }
  }

  // What a script gives as a body, and the type that it has by itself.
  function readBody(body) {
    if (body === null || body === undefined) {
      return { content: null };
    }
    if (typeof body === "object") {
      const types = require("types");
      if (types.isAnyArrayBuffer(body) || types.isArrayBufferView(body)) {
        return { content: new Uint8Array(require("bytes").bytesOf(body)) };
      }
      const { bytesOfBlob, isBlob } = require("blob");
      if (isBlob(body)) {
        return { content: bytesOfBlob(body), type: body.type };
      }
      const { URLSearchParams, serialize } = require("search_params");
      if (body instanceof URLSearchParams) {
        return { content: serialize(body), type: "application/x-www-form-urlencoded;charset=UTF-8" };
      }
      if (require("form_data").isFormData(body)) {
        return require("form_data").encode(body);
      }
      if (streams().isStream(body)) {
        if (streams().isDisturbed(body) || body.locked) {
          throw new TypeError("Response body object should not be disturbed or locked");
        }
        return { content: body, isStream: true };
      }
      if (typeof body[Symbol.asyncIterator] === "function") {
        return { content: streams().ReadableStream.from(body), isStream: true };
      }
    }
    return { content: toWellFormed(`${body}`), type: "text/plain;charset=UTF-8" };
  }

  // The same body for a clone: shared, or both ends of its stream.
  function share(object, clone) {
    const state = need(object);
    if (isLocked(state)) {
      throw new TypeError(`${object.constructor.name}.clone: Body has already been consumed.`);
    }
    if (state.stream === undefined) {
      attach(clone, state.content, need(clone).headers);
      return;
    }
    const [first, second] = state.stream.tee();
    state.stream = first;
    attach(clone, second, need(clone).headers);
  }

  // The content of a request's body for a request that is made of it.
  function hand(object) {
    const state = need(object);
    if (isLocked(state)) {
      throw new TypeError("Cannot construct a Request with a Request object that has already been used.");
    }
    state.used = !isEmpty(state);
    return state.stream ?? state.content;
  }

  return { attach, hand, mixin, readBody, share, take };
}
