// Signatures of the module "crypto".

const PSS_PADDING = 6;
const PKCS1_PADDING = 1;
const SALT_LENGTH_DIGEST = -1;
const HASHES = /^(?:rsa-|ecdsa-with-)?(sha)-?(1|224|256|384|512)$/;

export function make(host, { values }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const keys = require("crypto_keys");
  const { started } = require("crypto_hash");
  const { exec, lower, startsWith } = require("calls");
  const { ArrayBufferIsView, Error, TypeError, Uint8Array } = values;
  const { nodeError, validateString } = errors;

  // The hash's name as signatures know it.
  function plainName(hash) {
    const parts = exec(HASHES, lower(hash));
    if (parts === null) {
      throw host.notSupported(`signatures of ${hash}`);
    }
    return `sha${parts[2]}`;
  }

  const bareName = (hash) => (startsWith(lower(hash), "ecdsa-with-") ? plainName(hash) : hash);

  // How the signature is written, from the options that a key may come with.
  function schemeOf(kind, options, digestBytes) {
    if (kind !== "rsa") {
      const encoding = options?.dsaEncoding;
      if (encoding !== undefined && encoding !== "der" && encoding !== "ieee-p1363") {
        throw errors.invalidArgValue("options.dsaEncoding", encoding);
      }
      return encoding === "ieee-p1363" ? "fixed" : "der";
    }
    const padding = options?.padding ?? PKCS1_PADDING;
    if (padding === PKCS1_PADDING) {
      return "pkcs1";
    }
    const salt = options?.saltLength;
    if (padding !== PSS_PADDING || (salt !== SALT_LENGTH_DIGEST && salt !== digestBytes)) {
      throw host.notSupported(padding === PSS_PADDING ? "PSS with a salt that is not as long as the digest" : `the padding ${padding}`);
    }
    return "pss";
  }

  function signed(key, options, hash, data) {
    const name = key.kind === "ed25519" ? "" : plainName(hash);
    const signature = host.sign(key.bytes, name, schemeOf(key.kind, options, data.length), data);
    if (signature === undefined) {
      throw host.notSupported(`${key.kind} signatures of ${hash}`);
    }
    return signature;
  }

  function verified(key, options, hash, data, signature) {
    const name = key.kind === "ed25519" ? "" : plainName(hash);
    const scheme = schemeOf(key.kind, options, data.length);
    const right = host.verify(key.kind, key.spki, name, scheme, data, signature);
    if (right === undefined) {
      throw host.notSupported(`${key.kind} signatures of ${hash}`);
    }
    return right;
  }

  const optionsOf = (key) => (typeof key === "object" && key !== null && !ArrayBufferIsView(key) ? key : undefined);

  class Signer {
    #hash;
    #name;
    #finished = false;

    constructor(name) {
      validateString(name, "algorithm");
      this.#name = name;
      this.#hash = started(bareName(name));
      if (this.#hash === undefined) {
        throw nodeError(TypeError, "ERR_CRYPTO_INVALID_DIGEST", "Invalid digest");
      }
    }

    update(data, encoding = undefined) {
      const bytes = input.data(data, "data", encoding);
      if (this.#finished) {
        throw new Error("Not initialised");
      }
      this.#hash.update(bytes);
      return this;
    }

    static finish(signer, key) {
      if (key.kind === "ed25519") {
        throw nodeError(Error, "ERR_CRYPTO_UNSUPPORTED_OPERATION", "Unsupported crypto operation");
      }
      if (signer.#finished) {
        throw new Error("Not initialised");
      }
      signer.#finished = true;
      return { hash: signer.#name, digest: new Uint8Array(signer.#hash.digest()) };
    }
  }
  const { finish } = Signer;
  delete Signer.finish;
  input.refuseStreaming(Signer, "Sign");

  class Sign extends Signer {
    sign(key, encoding = undefined) {
      if (!key) {
        throw nodeError(Error, "ERR_CRYPTO_SIGN_KEY_REQUIRED", "No key provided to sign");
      }
      const held = keys.forSigning(key);
      const { hash, digest } = finish(this, held);
      return input.output(signed(held, optionsOf(key), hash, digest), encoding);
    }
  }

  class Verify extends Signer {
    verify(key, signature, encoding = undefined) {
      const held = keys.forVerifying(key);
      const bytes = input.anything(signature, "signature", ["ArrayBuffer", "Buffer", "TypedArray", "DataView"], encoding);
      const { hash, digest } = finish(this, held);
      return verified(held, optionsOf(key), hash, digest, bytes);
    }
  }

  // Signs and verifies at once; Ed25519 takes the data itself.
  function digested(hash, data, key) {
    const expected = ["ArrayBuffer", "Buffer", "TypedArray", "DataView"];
    const bytes = input.anything(data, "data", expected);
    if (key.kind === "ed25519") {
      if (hash !== null && hash !== undefined) {
        throw input.openSsl("1C80007A", "Provider routines", "invalid digest");
      }
      return { name: "", digest: bytes };
    }
    const name = hash ?? "sha256";
    const state = started(bareName(name));
    if (state === undefined) {
      throw nodeError(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${hash}`);
    }
    state.update(bytes);
    return { name, digest: new Uint8Array(state.digest()) };
  }

  function checkHash(hash) {
    if (hash !== null && hash !== undefined) {
      validateString(hash, "algorithm");
    }
  }

  function sign(hash, data, key, callback = undefined) {
    checkHash(hash);
    if (!key) {
      throw nodeError(Error, "ERR_CRYPTO_SIGN_KEY_REQUIRED", "No key provided to sign");
    }
    const held = keys.forSigning(key);
    const work = () => {
      const { name, digest } = digested(hash, data, held);
      return input.buffer(signed(held, optionsOf(key), name, digest));
    };
    if (callback === undefined) {
      return work();
    }
    errors.validateFunction(callback, "callback");
    input.later(callback, work);
    return undefined;
  }

  function verify(hash, data, key, signature, callback = undefined) {
    checkHash(hash);
    const held = keys.forVerifying(key);
    if (!ArrayBufferIsView(signature)) {
      throw errors.invalidArgType("signature", ["Buffer", "TypedArray", "DataView"], signature);
    }
    const work = () => {
      const { name, digest } = digested(hash, data, held);
      return verified(held, optionsOf(key), name, digest, input.viewed(signature));
    };
    if (callback === undefined) {
      return work();
    }
    errors.validateFunction(callback, "callback");
    input.later(callback, work);
    return undefined;
  }

  return {
    Sign: input.callable(Sign),
    Verify: input.callable(Verify),
    createSign: (name) => new Sign(name),
    createVerify: (name) => new Verify(name),
    sign,
    verify,
  };
}
