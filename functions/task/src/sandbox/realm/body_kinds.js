// The objects that a script can give as a body.

export function make(host, { values }, require) {
  const { TypeError, Uint8Array } = values;
  const streams = () => require("readable_stream");

  // Its content, and the type that it has by itself; nothing for what is a body by its text.
  function read(body) {
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
    return undefined;
  }

  return { read };
}
