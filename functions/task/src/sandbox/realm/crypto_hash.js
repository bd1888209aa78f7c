// Hashes and message authentication codes of the module "crypto".

// The names that Node.js lists, as far as there is such a hash here.
const HASHES = [
  "RSA-MD5", "RSA-RIPEMD160", "RSA-SHA1", "RSA-SHA1-2", "RSA-SHA224", "RSA-SHA256", "RSA-SHA3-224", "RSA-SHA3-256",
  "RSA-SHA3-384", "RSA-SHA3-512", "RSA-SHA384", "RSA-SHA512", "RSA-SHA512/224", "RSA-SHA512/256", "md5", "ripemd", "ripemd160",
  "rmd160", "sha1", "sha224", "sha256", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "sha384", "sha512", "sha512-224",
  "sha512-256", "ssl3-md5", "ssl3-sha1",
];
// What Node.js has beyond these.
const MISSING = /^(?:rsa-)?(?:blake2[bs]\d+|shake-?(?:128|256)|sm3|md5-sha1|md4|mdc2|whirlpool)$/i;

export function make(host, { values }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const { exec, toWellFormed } = require("calls");
  const { Error, TypeError } = values;
  const { invalidArgType, nodeError, validateString } = errors;
  const copying = {};

  const finalized = () => nodeError(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
  const started = (algorithm) => host.hash(toWellFormed(algorithm));

  function refuseMissing(algorithm) {
    if (exec(MISSING, algorithm) !== null) {
      throw host.notSupported(`the hash ${algorithm}`);
    }
  }

  function start(algorithm) {
    const state = started(algorithm);
    if (state === undefined) {
      refuseMissing(algorithm);
      throw new Error("Digest method not supported");
    }
    return state;
  }

  // A hash is as long as it is.
  function checkLength(options, state) {
    const length = options?.outputLength;
    if (length === undefined) {
      return;
    }
    errors.validateUint32(length, "options.outputLength");
    if (length !== state.copy().digest().byteLength) {
      throw input.openSsl("030000B2", "digital envelope routines", "not XOF or invalid length", "EVP_");
    }
  }

  class Hash {
    #state;

    constructor(algorithm, options, copied = undefined) {
      if (algorithm === copying) {
        this.#state = copied;
        return;
      }
      validateString(algorithm, "algorithm");
      this.#state = start(algorithm);
      checkLength(options, this.#state);
    }

    update(data, encoding = undefined) {
      if (this.#state === undefined) {
        throw finalized();
      }
      this.#state.update(input.data(data, "data", encoding));
      return this;
    }

    digest(encoding = undefined) {
      if (this.#state === undefined) {
        throw finalized();
      }
      const state = this.#state;
      this.#state = undefined;
      return input.output(state.digest(), encoding);
    }

    copy(options = undefined) {
      if (this.#state === undefined) {
        throw finalized();
      }
      checkLength(options, this.#state);
      return new Hash(copying, options, this.#state.copy());
    }
  }
  input.refuseStreaming(Hash, "Hash");

  class Hmac {
    #state;
    #finalized = false;

    constructor(algorithm, key, options = undefined) {
      validateString(algorithm, "hmac");
      const bytes = input.secret(key, "key", options?.encoding);
      this.#state = host.hmac(toWellFormed(algorithm), bytes);
      if (this.#state === undefined) {
        refuseMissing(algorithm);
        throw nodeError(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${toWellFormed(algorithm)}`);
      }
    }

    update(data, encoding = undefined) {
      if (this.#finalized) {
        throw finalized();
      }
      this.#state.update(input.data(data, "data", encoding));
      return this;
    }

    // A second digest is empty.
    digest(encoding = undefined) {
      const digest = this.#finalized ? new values.ArrayBuffer(0) : this.#state.digest();
      this.#finalized = true;
      return input.output(digest, encoding);
    }
  }
  input.refuseStreaming(Hmac, "Hmac");

  function hash(algorithm, data, encoding = "hex") {
    validateString(algorithm, "algorithm");
    if (typeof data !== "string" && !values.ArrayBufferIsView(data)) {
      throw invalidArgType("input", ["Buffer", "TypedArray", "DataView", "string"], data);
    }
    validateString(encoding, "outputEncoding");
    const state = start(algorithm);
    state.update(input.data(data, "input"));
    return input.output(state.digest(), encoding);
  }

  return {
    Hash: input.callable(Hash),
    Hmac: input.callable(Hmac),
    createHash: (algorithm, options) => new Hash(algorithm, options),
    createHmac: (algorithm, key, options) => new Hmac(algorithm, key, options),
    getHashes: () => [...HASHES],
    hash,
    started,
  };
}
