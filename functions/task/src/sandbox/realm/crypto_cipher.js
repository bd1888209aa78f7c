// AES ciphers of the module "crypto".

const CHUNK_BYTES = 64 * 1024;
const BLOCK_BYTES = 16;
const GCM_TAG_BYTES = [4, 8, 12, 13, 14, 15, 16];
const KEY_BITS = [128, 192, 256];
const MODES = ["cbc", "ctr", "ecb", "gcm"];
const NIDS = {
  __proto__: null,
  "aes-128-ecb": 418, "aes-128-cbc": 419, "aes-192-ecb": 422, "aes-192-cbc": 423, "aes-256-ecb": 426, "aes-256-cbc": 427,
  "aes-128-gcm": 895, "aes-192-gcm": 898, "aes-256-gcm": 901, "aes-128-ctr": 904, "aes-192-ctr": 905, "aes-256-ctr": 906,
};
const ALIAS = /^aes-?(128|192|256)$/;
const GCM_ALIAS = /^id-aes(128|192|256)-gcm$/;
const MISSING =
  /^(?:aes|aria|camellia|des|id-aes|sm4|chacha20|bf|blowfish|cast|rc[245]|idea|seed|des3)(?:[-\d]|$)/;

export function make(host, { uncurryThis, values, methods }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const { contains, exec, lower } = require("calls");
  const { Error, NumberIsInteger, RangeError, TypeError, Uint8Array } = values;
  const { nodeError, validateString } = errors;
  const subarray = uncurryThis(methods.TypedArrayPrototypeSubarray);
  const MODE = /^aes-(128|192|256)-(cbc|ctr|ecb|gcm)$/;

  // The name, the mode and the length of the key of a cipher.
  function known(name) {
    let plain = lower(name);
    const alias = exec(ALIAS, plain);
    const gcm = exec(GCM_ALIAS, plain);
    plain = alias !== null ? `aes-${alias[1]}-cbc` : gcm !== null ? `aes-${gcm[1]}-gcm` : plain;
    const parts = exec(MODE, plain);
    if (parts !== null) {
      return { name: plain, mode: parts[2], keyBytes: +parts[1] / 8 };
    }
    if (exec(MISSING, plain) !== null) {
      throw host.notSupported(`the cipher ${name}`);
    }
    return undefined;
  }

  function begin(name, key, iv, options, encrypts) {
    validateString(name, "cipher");
    const secret = input.secret(key, "key", options?.encoding);
    const vector = iv === null ? new Uint8Array(0) : input.anything(iv, "iv");
    const cipher = known(name);
    if (cipher === undefined) {
      throw nodeError(Error, "ERR_CRYPTO_UNKNOWN_CIPHER", "Unknown cipher");
    }
    if (secret.length !== cipher.keyBytes) {
      throw nodeError(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
    }
    const fits =
      cipher.mode === "gcm" ? vector.length > 0 : vector.length === (cipher.mode === "ecb" ? 0 : BLOCK_BYTES);
    if (!fits) {
      throw nodeError(TypeError, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
    }
    const tagBytes = options?.authTagLength;
    if (tagBytes !== undefined && tagBytes !== null) {
      if (!NumberIsInteger(tagBytes) || tagBytes < 0 || tagBytes > 2 ** 31 - 1) {
        throw errors.invalidArgValue("options.authTagLength", tagBytes);
      }
      if (cipher.mode === "gcm") {
        checkTagLength(tagBytes);
      }
    }
    return { state: host.cipher(cipher.mode, encrypts, secret, vector), gcm: cipher.mode === "gcm", tagBytes };
  }

  function checkTagLength(length, expected) {
    if (!contains(GCM_TAG_BYTES, length) || (expected !== undefined && length !== expected)) {
      const message = `Invalid authentication tag length: ${length}`;
      throw nodeError(TypeError, "ERR_CRYPTO_INVALID_AUTH_TAG", message);
    }
  }

  const invalidState = (operation) =>
    nodeError(Error, "ERR_CRYPTO_INVALID_STATE", operation === "" ? "Invalid state" : `Invalid state for operation ${operation}`);
  const unauthentic = () => new Error("Unsupported state or unable to authenticate data");

  class Cipher {
    #state;
    #gcm;
    #tagBytes;
    #tag;
    #encrypts;
    #updated = false;
    #finished = false;
    #decoder;

    constructor(name, key, iv, options, encrypts) {
      const { state, gcm, tagBytes } = begin(name, key, iv, options, encrypts);
      this.#state = state;
      this.#gcm = gcm;
      this.#tagBytes = tagBytes ?? undefined;
      this.#encrypts = encrypts;
    }

    update(data, inputEncoding = undefined, outputEncoding = undefined) {
      const bytes = input.data(data, "data", inputEncoding);
      if (this.#finished) {
        throw new Error("Trying to add data in unsupported state");
      }
      this.#updated = true;
      const parts = [];
      let length = 0;
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        const part = new Uint8Array(this.#state.update(subarray(bytes, at, at + CHUNK_BYTES)));
        parts[parts.length] = part;
        length += part.length;
      }
      return this.#output(input.joined(parts, length), outputEncoding, false);
    }

    final(outputEncoding = undefined) {
      if (this.#finished) {
        throw invalidState("");
      }
      this.#finished = true;
      if (this.#gcm && !this.#encrypts && this.#tag === undefined) {
        throw unauthentic();
      }
      const { problem, bytes, tag } = this.#state.finish();
      if (problem !== undefined) {
        throw problem === "padding"
          ? input.openSsl("1C800064", "Provider routines", "bad decrypt")
          : input.openSsl("1C80006B", "Provider routines", "wrong final block length");
      }
      if (this.#gcm) {
        this.#finishTag(new Uint8Array(tag));
      }
      return this.#output(new Uint8Array(bytes), outputEncoding, true);
    }

    #finishTag(tag) {
      if (this.#encrypts) {
        this.#tag = subarray(tag, 0, this.#tagBytes ?? BLOCK_BYTES);
      } else if (!host.sameBytes(subarray(tag, 0, this.#tag.length), this.#tag)) {
        throw unauthentic();
      }
    }

    // A character whose bytes are not complete yet waits for the next ones.
    #output(bytes, encoding, last) {
      if (encoding === undefined || encoding === null || encoding === "buffer") {
        return input.buffer(bytes.buffer);
      }
      const { StringDecoder } = require("string_decoder");
      this.#decoder ??= new StringDecoder(encoding);
      if (this.#decoder.encoding !== new StringDecoder(encoding).encoding) {
        const message =
          "Cannot change encoding\nThis is caused by either a bug in Node.js or incorrect usage of Node.js internals.\n" +
          "Please open an issue with this stack trace at https://github.com/nodejs/node/issues\n";
        throw nodeError(Error, "ERR_INTERNAL_ASSERTION", message);
      }
      const text = this.#decoder.write(input.buffer(bytes.buffer));
      return last ? text + this.#decoder.end() : text;
    }

    setAutoPadding(padded = true) {
      if (this.#finished) {
        throw invalidState("setAutoPadding");
      }
      this.#state.setPadded(!!padded);
      return this;
    }

    setAAD(data, options = undefined) {
      const bytes = input.anything(data, "buffer", ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView"], options?.encoding);
      if (!this.#gcm || this.#updated || this.#finished) {
        throw invalidState("setAAD");
      }
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        this.#state.associate(subarray(bytes, at, at + CHUNK_BYTES));
      }
      return this;
    }

    static tagOf(cipher) {
      if (!cipher.#gcm || !cipher.#finished) {
        throw invalidState("getAuthTag");
      }
      return input.buffer(input.joined([cipher.#tag], cipher.#tag.length).buffer);
    }

    static setTag(cipher, tag, encoding) {
      const bytes = input.anything(tag, "buffer", ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView"], encoding);
      if (!cipher.#gcm || cipher.#finished || cipher.#tag !== undefined) {
        throw invalidState("setAuthTag");
      }
      checkTagLength(bytes.length, cipher.#tagBytes);
      cipher.#tag = input.joined([bytes], bytes.length);
      return cipher;
    }
  }
  const { setTag, tagOf } = Cipher;
  delete Cipher.setTag;
  delete Cipher.tagOf;
  input.refuseStreaming(Cipher, "Cipher");

  class Cipheriv extends Cipher {
    constructor(name, key, iv, options = undefined) {
      super(name, key, iv, options, true);
    }

    getAuthTag() {
      return tagOf(this);
    }
  }

  class Decipheriv extends Cipher {
    constructor(name, key, iv, options = undefined) {
      super(name, key, iv, options, false);
    }

    setAuthTag(tag, encoding = undefined) {
      return setTag(this, tag, encoding);
    }
  }

  function getCiphers() {
    const names = [];
    for (let mode = 0; mode < MODES.length; mode++) {
      for (let bits = 0; bits < KEY_BITS.length; bits++) {
        names[mode + bits * MODES.length] = `aes-${KEY_BITS[bits]}-${MODES[mode]}`;
      }
    }
    return names;
  }

  function getCipherInfo(nameOrNid, options = undefined) {
    if (typeof nameOrNid !== "string" && typeof nameOrNid !== "number") {
      throw errors.invalidArgType("nameOrNid", ["string", "number"], nameOrNid);
    }
    const names = getCiphers();
    let name = nameOrNid;
    for (let at = 0; at < names.length; at++) {
      name = NIDS[names[at]] === nameOrNid ? names[at] : name;
    }
    const cipher = typeof name === "string" ? known(name) : undefined;
    if (cipher === undefined || (options?.keyLength !== undefined && options.keyLength !== cipher.keyBytes)) {
      return undefined;
    }
    const { mode } = cipher;
    if (options?.ivLength !== undefined && mode !== "gcm" && options.ivLength !== (mode === "ecb" ? 0 : BLOCK_BYTES)) {
      return undefined;
    }
    const info = { mode, name: mode === "gcm" ? `id-aes${cipher.keyBytes * 8}-gcm` : cipher.name, nid: NIDS[cipher.name] };
    if (mode === "cbc" || mode === "ecb") {
      info.blockSize = BLOCK_BYTES;
    } else {
      info.blockSize = 1;
    }
    if (mode !== "ecb") {
      info.ivLength = options?.ivLength ?? (mode === "gcm" ? 12 : BLOCK_BYTES);
    }
    return { ...info, keyLength: cipher.keyBytes };
  }

  return {
    Cipheriv: input.callable(Cipheriv),
    Decipheriv: input.callable(Decipheriv),
    createCipheriv: (name, key, iv, options) => new Cipheriv(name, key, iv, options),
    createDecipheriv: (name, key, iv, options) => new Decipheriv(name, key, iv, options),
    getCipherInfo,
    getCiphers,
  };
}
