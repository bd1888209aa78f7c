// What is read of the body of a Request or Response, and what becomes of it.

const MULTIPART = /^\s*multipart\/form-data\s*(;|$)/i;
const SHORT_BYTES = 48 * 1024;
const FORM = /^\s*application\/x-www-form-urlencoded\s*(;|$)/i;

export function make(host, { uncurryThis, values, methods }, require) {
  const { JSONParse, ReflectApply, TypeError, Uint8Array } = values;
  const bufferOf = uncurryThis(methods.TypedArrayPrototypeGetBuffer);
  const exec = uncurryThis(methods.RegExpPrototypeExec);
  const lengthOf = uncurryThis(methods.TypedArrayPrototypeGetByteLength);
  const lower = uncurryThis(methods.StringPrototypeToLowerCase);
  const offsetOf = uncurryThis(methods.TypedArrayPrototypeGetByteOffset);
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const sliceBuffer = uncurryThis(methods.ArrayBufferPrototypeSlice);
  const { lookUp } = require("header_list");
  const { attach, stateOf } = require("body");

  const streams = () => require("readable_stream");
  const unusable = () => new TypeError("Body is unusable: Body has already been read");

  function need(object) {
    const state = typeof object === "object" && object !== null ? stateOf(object) : undefined;
    if (state === undefined) {
      throw require("errors").illegalInvocation();
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

  function contentType(object) {
    const { headers } = need(object);
    return lookUp(headers.list ?? require("response_more").readList(headers), "content-type");
  }

  const getters = {
    __proto__: null,
    body(object) {
      const state = need(object);
      if (state.stream === undefined && state.content !== null) {
        const { content, used } = state;
        state.stream = streams().streamOf(() => encode(content));
        if (used) {
          streams().collect(state.stream);
        }
      }
      return state.stream ?? null;
    },
    bodyUsed: (object) => isUsed(need(object)),
  };

  const methodsOfBody = {
    __proto__: null,
    async blob(object) {
      const type = contentType(object);
      const { blobOf } = require("blob");
      return blobOf(new Uint8Array(bufferOfBytes(await take(object))), lower(require("mime").essence(type)));
    },
    async arrayBuffer(object) {
      return bufferOfBytes(await take(object));
    },
    async text(object) {
      return decode(await take(object));
    },
    async json(object) {
      return JSONParse(decode(await take(object)));
    },
    async formData(object) {
      const type = contentType(object) ?? "";
      if (exec(MULTIPART, type) !== null) {
        return require("multipart").parse(encode(await take(object)), type);
      }
      if (exec(FORM, type) !== null) {
        const { URLSearchParams } = require("whatwg_url");
        const { FormData } = require("form_data");
        const form = new FormData();
        new URLSearchParams(decode(await take(object))).forEach((value, name) => form.append(name, value));
        return form;
      }
      const known = '"multipart/form-data" or "application/x-www-form-urlencoded"';
      throw new TypeError(`Content-Type was not one of ${known}.`);
    },
    async bytes(object) {
      return new Uint8Array(bufferOfBytes(await take(object)));
    },
  };

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

  return { getters, hand, methods: methodsOfBody, share, take };
}
