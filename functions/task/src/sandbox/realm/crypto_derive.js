// Keys from passwords and other keys: PBKDF2, scrypt and HKDF of the module "crypto".

const MAX_LENGTH = 2 ** 31 - 1;
const MAX_SAFE = 2 ** 53 - 1;
const MAX_INFO_BYTES = 1024;
const MAX_HKDF_LENGTH = 2 ** 32;
const SCRYPT = { N: 16384, r: 8, p: 1, maxmem: 32 * 1024 * 1024 };
const OTHER_NAMES = { N: "cost", r: "blockSize", p: "parallelization" };

export function make(host, { values }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const { toWellFormed } = require("calls");
  const { Error, RangeError, TypeError, Uint8Array } = values;
  const { nodeError, validateFunction, validateInteger, validateInt32, validateString, validateUint32 } = errors;
  const HKDF_KEYS = ["string", "SecretKeyObject", "ArrayBuffer", "TypedArray", "DataView", "Buffer"];
  const HKDF_BYTES = ["string", "ArrayBuffer", "TypedArray", "DataView", "Buffer"];

  const invalidDigest = (digest) => nodeError(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${toWellFormed(digest)}`);

  function sizeOf(digest) {
    const state = host.hash(toWellFormed(digest));
    if (state === undefined) {
      throw invalidDigest(digest);
    }
    return state.digest().byteLength;
  }

  // The work that is left when all arguments are checked.
  function pbkdf2Work(password, salt, iterations, length, digest) {
    validateString(digest, "digest");
    const secret = input.anything(password, "password");
    const salted = input.anything(salt, "salt");
    validateInt32(iterations, "iterations", 1);
    validateInt32(length, "keylen", 0);
    sizeOf(digest);
    return () => {
      // Counted towards the script's memory before the host needs as much.
      const held = new Uint8Array(length);
      const key = host.pbkdf2(toWellFormed(digest), secret, salted, iterations, held.length);
      return input.buffer(key);
    };
  }

  const pbkdf2Sync = (password, salt, iterations, length, digest) =>
    pbkdf2Work(password, salt, iterations, length, digest)();

  function pbkdf2(password, salt, iterations, length, digest, callback) {
    if (typeof digest === "function") {
      callback = digest;
      digest = undefined;
    }
    const work = pbkdf2Work(password, salt, iterations, length, digest);
    validateFunction(callback, "callback");
    input.later(callback, work);
  }

  function scryptParameters(options) {
    const chosen = { ...SCRYPT };
    if (options === undefined || options === null) {
      return chosen;
    }
    for (const name in OTHER_NAMES) {
      const other = OTHER_NAMES[name];
      const given = options[name] !== undefined;
      if (given) {
        validateUint32(options[name], name);
        chosen[name] = options[name];
      }
      if (options[other] !== undefined) {
        if (given) {
          throw nodeError(Error, "ERR_CRYPTO_SCRYPT_INVALID_PARAMETER", "Invalid scrypt parameter");
        }
        validateUint32(options[other], other);
        chosen[name] = options[other];
      }
    }
    if (options.maxmem !== undefined) {
      validateInteger(options.maxmem, "maxmem", 0, MAX_SAFE);
      chosen.maxmem = options.maxmem;
    }
    return { N: chosen.N || SCRYPT.N, r: chosen.r || SCRYPT.r, p: chosen.p || SCRYPT.p, maxmem: chosen.maxmem || SCRYPT.maxmem };
  }

  function checkScrypt({ N, r, p, maxmem }) {
    const refused = (why) => nodeError(RangeError, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", `Invalid scrypt params${why}`);
    if (N < 2 || (N & (N - 1)) !== 0) {
      throw refused("");
    }
    const needed = 128 * r * (N + p + 2);
    if (needed > maxmem) {
      throw refused(": error:030000AC:digital envelope routines::memory limit exceeded");
    }
    if (needed > MAX_LENGTH) {
      host.exhausted();
    }
    return needed;
  }

  function scryptWork(password, salt, length, options) {
    const parameters = scryptParameters(options);
    const secret = input.anything(password, "password");
    const salted = input.anything(salt, "salt");
    validateInt32(length, "keylen", 0, MAX_LENGTH);
    const needed = checkScrypt(parameters);
    const { N, r, p } = parameters;
    return () => {
      // Counted towards the script's memory before the host needs as much.
      const held = new Uint8Array(needed + length);
      return input.buffer(held.length === 0 ? held.buffer : host.scrypt(secret, salted, N, r, p, length));
    };
  }

  const scryptSync = (password, salt, length, options = undefined) => scryptWork(password, salt, length, options)();

  function scrypt(password, salt, length, options, callback) {
    if (callback === undefined) {
      callback = options;
      options = undefined;
    }
    const work = scryptWork(password, salt, length, options);
    validateFunction(callback, "callback");
    input.later(callback, work);
  }

  function hkdfWork(digest, key, salt, info, length) {
    validateString(digest, "digest");
    const secret = input.secret(key, "ikm", undefined, HKDF_KEYS);
    const salted = input.anything(salt, "salt", HKDF_BYTES);
    const context = input.anything(info, "info", HKDF_BYTES);
    validateInteger(length, "length", 0, MAX_HKDF_LENGTH);
    if (context.length > MAX_INFO_BYTES) {
      const range = `must not contain more than ${MAX_INFO_BYTES} bytes`;
      throw errors.outOfRange("info", range, context.length);
    }
    if (length > 255 * sizeOf(digest)) {
      throw nodeError(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
    }
    return () => host.hkdf(toWellFormed(digest), secret, salted, context, length);
  }

  const hkdfSync = (digest, key, salt, info, length) => hkdfWork(digest, key, salt, info, length)();

  function hkdf(digest, key, salt, info, length, callback) {
    const work = hkdfWork(digest, key, salt, info, length);
    validateFunction(callback, "callback");
    input.later(callback, work);
  }

  return { hkdf, hkdfSync, pbkdf2, pbkdf2Sync, scrypt, scryptSync };
}
