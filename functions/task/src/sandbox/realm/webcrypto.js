// The Web Crypto API: digests, HMAC, AES and keys from passwords.

const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");
const HASHES = { __proto__: null, "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512" };
const BLOCK_BITS = { __proto__: null, "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 };
const HMAC_NAMES = { __proto__: null, "SHA-1": "HS1", "SHA-256": "HS256", "SHA-384": "HS384", "SHA-512": "HS512" };
const AES = { __proto__: null, "AES-GCM": "gcm", "AES-CBC": "cbc", "AES-CTR": "ctr" };
// What each algorithm can be used for.
const USAGES = {
  __proto__: null,
  "HMAC": ["sign", "verify"],
  "AES-GCM": ["encrypt", "decrypt", "wrapKey", "unwrapKey"],
  "AES-CBC": ["encrypt", "decrypt", "wrapKey", "unwrapKey"],
  "AES-CTR": ["encrypt", "decrypt", "wrapKey", "unwrapKey"],
  "PBKDF2": ["deriveKey", "deriveBits"],
  "HKDF": ["deriveKey", "deriveBits"],
};
const ALL_USAGES = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];
const FORMATS = ["raw", "pkcs8", "spki", "jwk"];
const GCM_TAG_BITS = [32, 64, 96, 104, 112, 120, 128];
const AES_BITS = [128, 192, 256];
const BLOCK_BYTES = 16;
const CHUNK_BYTES = 64 * 1024;
const ORDINALS = ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th"];
// What Node.js knows beyond these.
const MISSING = /^(?:RSASSA-PKCS1-v1_5|RSA-PSS|RSA-OAEP|ECDSA|ECDH|Ed25519|Ed448|X25519|X448|AES-KW)$/i;

export function make(host, intrinsics, require) {
  const { uncurryThis, values, methods } = intrinsics;
  const errors = require("errors");
  const input = require("crypto_input");
  const { Buffer } = require("buffer");
  const { contains, exec, upper } = require("calls");
  const { ArrayBufferIsView, ArrayFrom, ArrayIsArray, MathMin, TypeError, Uint8Array } = values;
  const { nodeError } = errors;
  const { publish } = require("web_classes");
  const subarray = uncurryThis(methods.TypedArrayPrototypeSubarray);
  const toText = uncurryThis(Buffer.prototype.toString);
  const { from } = Buffer;
  const making = {};
  let stateOf;

  const refuse = (message, name) => {
    const { DOMException } = require("dom_exception");
    return new DOMException(message, name);
  };
  const failed = () => refuse("The operation failed for an operation-specific reason", "OperationError");
  const illegal = () => nodeError(TypeError, "ERR_ILLEGAL_CONSTRUCTOR", "Illegal constructor");
  const unknown = () => refuse("Unrecognized algorithm name", "NotSupportedError");
  const show = (value, options) => require("inspect").inspect(value, options);

  class CryptoKey {
    #state;

    static {
      stateOf = (value) => (typeof value === "object" && value !== null && #state in value ? value.#state : undefined);
    }

    constructor(given = undefined, state = undefined) {
      if (given !== making) {
        throw illegal();
      }
      this.#state = state;
    }

    get type() {
      return need(this).type;
    }

    get extractable() {
      return need(this).extractable;
    }

    get algorithm() {
      return need(this).algorithm;
    }

    get usages() {
      return need(this).usages;
    }

    [CUSTOM_INSPECT](depth, options) {
      const { type, extractable, algorithm, usages } = need(this);
      const inner = { ...options, depth: options.depth === null ? null : options.depth - 1 };
      return `CryptoKey ${show({ type, extractable, algorithm, usages }, inner)}`;
    }
  }
  publish(CryptoKey, ["type", "extractable", "algorithm", "usages"]);

  function need(key) {
    const state = stateOf(key);
    if (state === undefined) {
      throw errors.invalidThis("CryptoKey");
    }
    return state;
  }

  function makeKey(algorithm, extractable, usages, bytes) {
    const ordered = [];
    for (let at = 0; at < usages.length; at++) {
      if (!contains(ordered, usages[at])) {
        ordered[ordered.length] = usages[at];
      }
    }
    return new CryptoKey(making, { type: "secret", algorithm, extractable: !!extractable, usages: ordered, bytes });
  }

  // The words with which Web IDL refuses arguments.
  const prefix = (method) => `Failed to execute '${method}' on 'SubtleCrypto': `;
  function checkCount(method, given, needed) {
    if (given < needed) {
      const noun = `argument${needed === 1 ? "" : "s"} required, but only ${given} present.`;
      throw nodeError(TypeError, "ERR_MISSING_ARGS", `${prefix(method)}${needed} ${noun}`);
    }
  }
  function sourceOf(method, position, value) {
    if (!ArrayBufferIsView(value) && !require("types").isAnyArrayBuffer(value)) {
      const message = `${prefix(method)}${ORDINALS[position]} argument is not instance of ArrayBuffer, Buffer, TypedArray, or DataView.`;
      throw nodeError(TypeError, "ERR_INVALID_ARG_TYPE", message);
    }
    const bytes = input.viewed(value);
    return input.joined([bytes], bytes.length);
  }
  function keyOf(method, position, value) {
    const state = stateOf(value);
    if (state === undefined) {
      const message = `${prefix(method)}${ORDINALS[position]} argument is not of type CryptoKey.`;
      throw nodeError(TypeError, "ERR_INVALID_ARG_TYPE", message);
    }
    return state;
  }
  function checkEnum(method, position, value, allowed, type, index = "") {
    if (!contains(allowed, value)) {
      const message = `${prefix(method)}${ORDINALS[position]} argument${index} value '${value}' is not a valid enum value of type ${type}.`;
      throw nodeError(TypeError, "ERR_INVALID_ARG_VALUE", message);
    }
  }
  function usagesOf(method, position, value) {
    const usages = ArrayIsArray(value) ? ArrayFrom(value) : [...value];
    for (let at = 0; at < usages.length; at++) {
      checkEnum(method, position, `${usages[at]}`, ALL_USAGES, "KeyUsage", `, index ${at}`);
    }
    return usages;
  }

  // The name of an algorithm as the standard writes it, and the object with its parameters.
  function normalized(algorithm, known) {
    const given = typeof algorithm === "object" && algorithm !== null ? algorithm : { name: `${algorithm}` };
    if (given.name === undefined) {
      throw missing("name", "Algorithm");
    }
    const wanted = upper(`${given.name}`);
    for (let at = 0; at < known.length; at++) {
      if (upper(known[at]) === wanted) {
        return { name: known[at], parameters: given };
      }
    }
    if (exec(MISSING, `${given.name}`) !== null) {
      throw host.notSupported(`the algorithm ${given.name} of crypto.subtle`);
    }
    throw unknown();
  }
  function missing(name, type) {
    const message = `Failed to normalize algorithm: passed algorithm can not be converted to '${type}' because '${name}' is required in '${type}'.`;
    return nodeError(TypeError, "ERR_MISSING_OPTION", message);
  }
  function required(parameters, name, type) {
    if (parameters[name] === undefined) {
      throw missing(name, type);
    }
    return parameters[name];
  }
  const hashOf = (parameters, type) => normalized(required(parameters, "hash", type), ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]).name;
  const bytesOfParameter = (parameters, name, type) => {
    const value = required(parameters, name, type);
    if (!ArrayBufferIsView(value) && !require("types").isAnyArrayBuffer(value)) {
      const message = `Failed to normalize algorithm: '${name}' of '${type}' (passed algorithm) is not instance of ArrayBuffer, Buffer, TypedArray, or DataView.`;
      throw nodeError(TypeError, "ERR_INVALID_ARG_TYPE", message);
    }
    const bytes = input.viewed(value);
    return input.joined([bytes], bytes.length);
  };

  function checkUsages(name, usages, doing) {
    for (let at = 0; at < usages.length; at++) {
      if (!contains(USAGES[name], usages[at])) {
        const article = name === "HMAC" || name === "HKDF" || name === "AES-GCM" ? "an" : "a";
        const kind = name in AES ? "an AES" : `${article} ${name}`;
        throw refuse(`Unsupported key usage for ${kind} key`, "SyntaxError");
      }
    }
    if (usages.length === 0) {
      throw refuse(`Usages cannot be empty when ${doing} key.`, "SyntaxError");
    }
  }

  function checkUse(key, name, usage) {
    if (key.algorithm.name !== name) {
      throw refuse("The requested operation is not valid for the provided key", "InvalidAccessError");
    }
    if (!contains(key.usages, usage)) {
      throw refuse(`Unable to use this key to ${usage}`, "InvalidAccessError");
    }
  }

  function digest(algorithm, data) {
    const { name } = normalized(algorithm, ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]);
    const state = host.hash(HASHES[name]);
    state.update(data);
    return state.digest();
  }

  function codeOf(key, data) {
    const state = host.hmac(HASHES[key.algorithm.hash.name], key.bytes);
    state.update(data);
    return state.digest();
  }

  // What a key of this algorithm says about itself.
  function described(name, parameters, bytes) {
    if (name === "HMAC") {
      const hash = hashOf(parameters, "HmacImportParams");
      if (bytes.length === 0) {
        throw refuse("Zero-length key is not supported", "DataError");
      }
      return { name, hash: { name: hash }, length: bytes.length * 8 };
    }
    if (name in AES) {
      if (!contains(AES_BITS, bytes.length * 8)) {
        throw refuse("Invalid key length", "DataError");
      }
      return { name, length: bytes.length * 8 };
    }
    return { name };
  }

  const jwkName = ({ name, hash, length }) =>
    name === "HMAC" ? HMAC_NAMES[hash.name] : `A${length}${upper(AES[name])}`;

  function fromJwk(jwk, name, extractable, usages) {
    if (typeof jwk.k !== "string") {
      throw refuse("Invalid keyData", "DataError");
    }
    if (jwk.kty !== "oct") {
      throw refuse('Invalid JWK "kty" Parameter', "DataError");
    }
    if (jwk.ext === false && extractable) {
      throw refuse('JWK "ext" Parameter and extractable mismatch', "DataError");
    }
    if (jwk.key_ops !== undefined && usages.some((usage) => !contains(jwk.key_ops, usage))) {
      throw refuse("Key operations and usage mismatch", "DataError");
    }
    return input.viewed(from(jwk.k, "base64url"));
  }

  function importKey(format, data, algorithm, extractable, usages) {
    const { name, parameters } = normalized(algorithm, ["HMAC", "AES-GCM", "AES-CBC", "AES-CTR", "PBKDF2", "HKDF"]);
    const derives = name === "PBKDF2" || name === "HKDF";
    if (name === "HMAC") {
      required(parameters, "hash", "HmacImportParams");
    }
    if (format !== "raw" && (format !== "jwk" || derives)) {
      throw refuse(`Unable to import ${name} key with format ${format}`, "NotSupportedError");
    }
    if (derives && extractable) {
      throw refuse(`${name} keys are not extractable`, "SyntaxError");
    }
    checkUsages(name, usages, "importing a secret");
    const bytes = format === "jwk" ? fromJwk(data, name, extractable, usages) : data;
    const about = described(name, parameters, bytes);
    if (format === "jwk" && data.alg !== undefined && data.alg !== jwkName(about)) {
      throw refuse('JWK "alg" does not match the requested algorithm', "DataError");
    }
    return makeKey(about, extractable, usages, input.joined([bytes], bytes.length));
  }

  function exportKey(format, key) {
    if (!key.extractable) {
      throw refuse("key is not extractable", "InvalidAccessException");
    }
    if (format === "raw") {
      return input.joined([key.bytes], key.bytes.length).buffer;
    }
    if (format !== "jwk") {
      throw refuse(`Unable to export a raw ${key.algorithm.name} secret key`, "InvalidAccessError");
    }
    const k = toText(from(key.bytes), "base64url");
    return { key_ops: [...key.usages], ext: true, kty: "oct", k, alg: jwkName(key.algorithm) };
  }

  // The algorithm and the length of a key to be made.
  function keyToMake(algorithm) {
    const { name, parameters } = normalized(algorithm, ["HMAC", "AES-GCM", "AES-CBC", "AES-CTR"]);
    if (name !== "HMAC") {
      const length = required(parameters, "length", "AesKeyGenParams");
      if (!contains(AES_BITS, length)) {
        throw refuse("AES key length must be 128, 192, or 256 bits", "OperationError");
      }
      return { about: { name, length }, length };
    }
    const hash = hashOf(parameters, "HmacKeyGenParams");
    const length = parameters.length ?? BLOCK_BITS[hash];
    if (length === 0) {
      throw refuse("Zero-length key is not supported", "OperationError");
    }
    if (length % 8 !== 0) {
      throw errors.invalidArgValue("algorithm.length", length, "must be a multiple of 8");
    }
    return { about: { name, length, hash: { name: hash } }, length };
  }

  function generateKey(algorithm, extractable, usages) {
    const { about, length } = keyToMake(algorithm);
    checkUsages(about.name, usages, "creating a");
    const bytes = new Uint8Array(length / 8);
    require("crypto_random").randomFillSync(bytes);
    return makeKey(about, extractable, usages, bytes);
  }

  function aes(algorithm, key, data, encrypts) {
    const { name, parameters } = normalized(algorithm, ["AES-GCM", "AES-CBC", "AES-CTR"]);
    checkUse(key, name, encrypts ? "encrypt" : "decrypt");
    if (name === "AES-GCM") {
      return gcm(parameters, key, data, encrypts);
    }
    const field = name === "AES-CBC" ? "iv" : "counter";
    const vector = bytesOfParameter(parameters, field, name === "AES-CBC" ? "AesCbcParams" : "AesCtrParams");
    if (vector.length !== BLOCK_BYTES) {
      throw refuse(`algorithm.${field} must contain exactly 16 bytes`, "OperationError");
    }
    if (name === "AES-CTR" && required(parameters, "length", "AesCtrParams") !== BLOCK_BYTES * 8) {
      throw host.notSupported("AES-CTR with a counter of less than 128 bits");
    }
    const state = host.cipher(AES[name], encrypts, key.bytes, vector);
    const parts = updated(state, data);
    const { problem, bytes } = state.finish();
    if (problem !== undefined) {
      throw failed();
    }
    return concatenated([...parts, new Uint8Array(bytes)]);
  }

  function updated(state, data) {
    const parts = [];
    for (let at = 0; at < data.length; at += CHUNK_BYTES) {
      parts[parts.length] = new Uint8Array(state.update(subarray(data, at, MathMin(at + CHUNK_BYTES, data.length))));
    }
    return parts;
  }

  function concatenated(parts) {
    let length = 0;
    for (let at = 0; at < parts.length; at++) {
      length += parts[at].length;
    }
    return input.joined(parts, length).buffer;
  }

  function gcm(parameters, key, data, encrypts) {
    const iv = bytesOfParameter(parameters, "iv", "AesGcmParams");
    const tagBits = parameters.tagLength ?? 128;
    if (!contains(GCM_TAG_BITS, tagBits)) {
      throw refuse(`${tagBits} is not a valid AES-GCM tag length`, "OperationError");
    }
    const tagBytes = tagBits / 8;
    if (!encrypts && data.length < tagBytes) {
      throw refuse("The provided data is too small.", "OperationError");
    }
    const state = iv.length === 0 ? undefined : host.cipher("gcm", encrypts, key.bytes, iv);
    if (state === undefined) {
      throw failed();
    }
    if (parameters.additionalData !== undefined) {
      state.associate(bytesOfParameter(parameters, "additionalData", "AesGcmParams"));
    }
    const text = encrypts ? data : subarray(data, 0, data.length - tagBytes);
    const parts = updated(state, text);
    const tag = subarray(new Uint8Array(state.finish().tag), 0, tagBytes);
    if (encrypts) {
      return concatenated([...parts, tag]);
    }
    if (!host.sameBytes(tag, subarray(data, text.length))) {
      throw failed();
    }
    return concatenated(parts);
  }

  function deriveBits(algorithm, key, length, usage = "deriveBits") {
    const { name, parameters } = normalized(algorithm, ["PBKDF2", "HKDF"]);
    const type = name === "PBKDF2" ? "Pbkdf2Params" : "HkdfParams";
    const hash = HASHES[hashOf(parameters, type)];
    const salt = bytesOfParameter(parameters, "salt", type);
    checkUse(key, name, usage);
    if (length === null || length === undefined) {
      throw refuse("length cannot be null", "OperationError");
    }
    if (length % 8 !== 0) {
      throw refuse("length must be a multiple of 8", "OperationError");
    }
    const { hkdfSync, pbkdf2Sync } = require("crypto_derive");
    if (name === "HKDF") {
      const info = bytesOfParameter(parameters, "info", type);
      try {
        return hkdfSync(hash, key.bytes, salt, info, length / 8);
      } catch {
        throw failed();
      }
    }
    const iterations = required(parameters, "iterations", type);
    if (iterations === 0) {
      throw refuse("iterations cannot be zero", "OperationError");
    }
    return pbkdf2Sync(key.bytes, salt, iterations, length / 8, hash).buffer;
  }

  function deriveKey(algorithm, key, derived, extractable, usages) {
    const { about, length } = keyToMake(derived);
    const bytes = new Uint8Array(deriveBits(algorithm, key, length, "deriveKey"));
    checkUsages(about.name, usages, "importing a secret");
    const ordered = about.name === "HMAC" ? { name: about.name, hash: about.hash, length } : about;
    return makeKey(ordered, extractable, usages, bytes);
  }

  function checkSubtle(value) {
    if (value !== subtle) {
      throw errors.invalidThis("SubtleCrypto");
    }
  }

  // The keys that a key can be given as.
  function jwkOrBytes(format, data) {
    if (format !== "jwk") {
      return sourceOf("importKey", 1, data);
    }
    if (typeof data !== "object" || data === null) {
      const message = `${prefix("importKey")}2nd argument can not be converted to a dictionary`;
      throw nodeError(TypeError, "ERR_INVALID_ARG_TYPE", message);
    }
    return { ...data };
  }

  class SubtleCrypto {
    constructor(given = undefined) {
      if (given !== making) {
        throw illegal();
      }
    }

    async encrypt(algorithm, key, data) {
      checkSubtle(this);
      checkCount("encrypt", arguments.length, 3);
      return aes(algorithm, keyOf("encrypt", 1, key), sourceOf("encrypt", 2, data), true);
    }

    async decrypt(algorithm, key, data) {
      checkSubtle(this);
      checkCount("decrypt", arguments.length, 3);
      return aes(algorithm, keyOf("decrypt", 1, key), sourceOf("decrypt", 2, data), false);
    }

    async sign(algorithm, key, data) {
      checkSubtle(this);
      checkCount("sign", arguments.length, 3);
      const state = keyOf("sign", 1, key);
      const bytes = sourceOf("sign", 2, data);
      checkUse(state, normalized(algorithm, ["HMAC"]).name, "sign");
      return codeOf(state, bytes);
    }

    async verify(algorithm, key, signature, data) {
      checkSubtle(this);
      checkCount("verify", arguments.length, 4);
      const state = keyOf("verify", 1, key);
      const given = sourceOf("verify", 2, signature);
      const bytes = sourceOf("verify", 3, data);
      checkUse(state, normalized(algorithm, ["HMAC"]).name, "verify");
      return host.sameBytes(new Uint8Array(codeOf(state, bytes)), given);
    }

    async digest(algorithm, data) {
      checkSubtle(this);
      checkCount("digest", arguments.length, 2);
      return digest(algorithm, sourceOf("digest", 1, data));
    }

    async generateKey(algorithm, extractable, usages) {
      checkSubtle(this);
      checkCount("generateKey", arguments.length, 3);
      return generateKey(algorithm, extractable, usagesOf("generateKey", 2, usages));
    }

    async deriveKey(algorithm, key, derived, extractable, usages) {
      checkSubtle(this);
      checkCount("deriveKey", arguments.length, 5);
      const state = keyOf("deriveKey", 1, key);
      return deriveKey(algorithm, state, derived, extractable, usagesOf("deriveKey", 4, usages));
    }

    async deriveBits(algorithm, key, length) {
      checkSubtle(this);
      checkCount("deriveBits", arguments.length, 3);
      return deriveBits(algorithm, keyOf("deriveBits", 1, key), length);
    }

    async importKey(format, data, algorithm, extractable, usages) {
      checkSubtle(this);
      checkCount("importKey", arguments.length, 4);
      checkEnum("importKey", 0, format, FORMATS, "KeyFormat");
      const given = jwkOrBytes(format, data);
      return importKey(format, given, algorithm, extractable, usagesOf("importKey", 4, usages));
    }

    async exportKey(format, key) {
      checkSubtle(this);
      checkCount("exportKey", arguments.length, 2);
      checkEnum("exportKey", 0, format, FORMATS, "KeyFormat");
      return exportKey(format, keyOf("exportKey", 1, key));
    }

    async wrapKey() {
      throw host.notSupported("crypto.subtle.wrapKey");
    }

    async unwrapKey() {
      throw host.notSupported("crypto.subtle.unwrapKey");
    }
  }
  publish(SubtleCrypto, [
    "encrypt", "decrypt", "sign", "verify", "digest", "generateKey", "deriveKey", "deriveBits", "importKey", "exportKey",
    "wrapKey", "unwrapKey",
  ]);

  class Crypto {
    constructor(given = undefined) {
      if (given !== making) {
        throw illegal();
      }
    }

    get subtle() {
      checkCrypto(this);
      return subtle;
    }

    getRandomValues(array) {
      checkCrypto(this);
      if (arguments.length === 0) {
        const message = "Failed to execute 'getRandomValues' on 'Crypto': 1 argument required, but only 0 present.";
        throw nodeError(TypeError, "ERR_MISSING_ARGS", message);
      }
      return require("crypto_random").getRandomValues(array);
    }

    randomUUID() {
      checkCrypto(this);
      return require("crypto_random").randomUUID();
    }
  }
  publish(Crypto, ["subtle", "getRandomValues", "randomUUID"]);

  function checkCrypto(value) {
    if (value !== crypto) {
      throw errors.invalidThis("Crypto");
    }
  }

  const subtle = new SubtleCrypto(making);
  const crypto = new Crypto(making);
  return { bytesOf: (key) => stateOf(key)?.bytes, crypto, Crypto, CryptoKey, SubtleCrypto };
}
