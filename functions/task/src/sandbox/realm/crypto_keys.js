// The keys of the module "crypto": secret, private and public ones.

const LINE = 64;
const BYTES = ["string", "ArrayBuffer", "Buffer", "TypedArray", "DataView"];
const PEM = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/;
const CURVES = { __proto__: null, "P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1" };
// Larger ones take longer than a script can be stopped within.
const RSA_BITS = [2048, 3072, 4096];

export function make(host, { uncurryThis, values }, require) {
  const errors = require("errors");
  const input = require("crypto_input");
  const { Buffer } = require("buffer");
  const { contains, endsWith, exec, includes, slice } = require("calls");
  const { ArrayBufferIsView, TypeError, Uint8Array } = values;
  const { invalidArgType, invalidArgValue, nodeError } = errors;
  const { from } = Buffer;
  const toText = uncurryThis(Buffer.prototype.toString);
  const making = {};
  let contentOf;

  class KeyObject {
    #content;

    static {
      contentOf = (value) => (typeof value === "object" && value !== null && #content in value ? value.#content : undefined);
    }

    constructor(given, content) {
      if (given !== making) {
        throw given === undefined
          ? invalidArgValue("type", given)
          : nodeError(TypeError, "ERR_ILLEGAL_CONSTRUCTOR", "Illegal constructor");
      }
      this.#content = content;
    }

    get type() {
      return this.#content.type;
    }

    equals(other) {
      const content = contentOf(other);
      if (content === undefined) {
        throw invalidArgType("otherKeyObject", "KeyObject", other);
      }
      const own = this.#content;
      return own.type === content.type && own.bytes.length === content.bytes.length && host.sameBytes(own.bytes, content.bytes);
    }

    static from(key) {
      const bytes = require("webcrypto").bytesOf(key);
      if (bytes === undefined) {
        throw invalidArgType("key", "CryptoKey", key);
      }
      return secret(bytes);
    }
  }

  class SecretKeyObject extends KeyObject {
    get symmetricKeySize() {
      return contentOf(this).bytes.length;
    }

    export(options = undefined) {
      const format = exportFormat(options, ["buffer", "jwk"]);
      const { bytes } = contentOf(this);
      const copy = from(bytes);
      return format === "jwk" ? { kty: "oct", k: toText(copy, "base64url") } : copy;
    }
  }

  function exportFormat(options, allowed) {
    if (options === undefined) {
      return undefined;
    }
    errors.validateObject(options, "options");
    if (options.format !== undefined && !contains(allowed, options.format)) {
      const words = allowed.map((one) => `'${one}'`).join(", ");
      throw invalidArgValue("options.format", options.format, `must be one of: undefined, ${words}`);
    }
    return options.format;
  }

  class AsymmetricKeyObject extends KeyObject {
    get asymmetricKeyType() {
      const { kind } = contentOf(this);
      return kind === "rsa" || kind === "ed25519" ? kind : "ec";
    }

    get asymmetricKeyDetails() {
      const { kind, details } = contentOf(this);
      return kind === "rsa" ? details() : kind === "ed25519" ? {} : { namedCurve: kind };
    }

    export(options) {
      errors.validateObject(options, "options");
      const { type, bytes } = contentOf(this);
      const encoding = type === "public" ? "spki" : "pkcs8";
      if (options.format !== "pem" && options.format !== "der") {
        if (options.format === "jwk") {
          throw host.notSupported("exporting asymmetric keys as JWK");
        }
        throw invalidArgValue("options.format", options.format);
      }
      if (options.type !== encoding) {
        throw host.notSupported(`exporting a ${type} key as ${options.type}`);
      }
      if (options.cipher !== undefined || options.passphrase !== undefined) {
        throw host.notSupported("exporting encrypted keys");
      }
      return options.format === "der" ? from(bytes) : pem(type === "public" ? "PUBLIC KEY" : "PRIVATE KEY", bytes);
    }
  }

  class PrivateKeyObject extends AsymmetricKeyObject {}
  class PublicKeyObject extends AsymmetricKeyObject {}

  function pem(label, bytes) {
    const text = toText(from(bytes), "base64");
    let lines = "";
    for (let at = 0; at < text.length; at += LINE) {
      lines += `${slice(text, at, at + LINE)}\n`;
    }
    return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
  }

  const secret = (bytes) => new SecretKeyObject(making, { type: "secret", bytes });

  // The size of an RSA key from its public key: the modulus and the exponent follow the head of the structure.
  function rsaDetails(spki) {
    const number = (at) => {
      let length = spki[at + 1];
      let start = at + 2;
      if (length > 0x80) {
        const count = length & 0x7f;
        length = 0;
        for (let byte = 0; byte < count; byte++) {
          length = length * 256 + spki[start++];
        }
      }
      return { start, end: start + length };
    };
    const outer = number(0);
    const bits = number(number(outer.start).end);
    const modulus = number(number(bits.start + 1).start);
    const exponent = number(modulus.end);
    const first = modulus.start + (spki[modulus.start] === 0 ? 1 : 0);
    let publicExponent = 0n;
    for (let at = exponent.start; at < exponent.end; at++) {
      publicExponent = publicExponent * 256n + values.BigInt(spki[at]);
    }
    return { modulusLength: (modulus.end - first) * 8, publicExponent };
  }

  function privateKey(found) {
    const spki = new Uint8Array(found.public);
    const content = { type: "private", kind: found.kind, bytes: new Uint8Array(found.private), spki };
    return new PrivateKeyObject(making, { ...content, details: () => rsaDetails(spki) });
  }

  function publicKey(found) {
    const bytes = new Uint8Array(found.public);
    return new PublicKeyObject(making, { type: "public", kind: found.kind, bytes, spki: bytes, details: () => rsaDetails(bytes) });
  }

  const unsupported = () => input.openSsl("1E08010C", "DECODER routines", "unsupported");

  // The label and the bytes of a key as it is passed: a text, bytes, or an object with these.
  function encoded(key, expected) {
    const described = typeof key === "object" && key !== null && !ArrayBufferIsView(key) && key.key !== undefined;
    const value = described ? key.key : key;
    if (described && key.format === "jwk") {
      throw host.notSupported("asymmetric keys as JWK");
    }
    const bytes = input.anything(value, described ? "key.key" : "key", expected, described ? key.encoding : undefined);
    if (described && key.format === "der") {
      return { label: "", bytes };
    }
    const parts = exec(PEM, toText(from(bytes), "latin1"));
    if (parts === null) {
      throw unsupported();
    }
    if (parts[1] === "ENCRYPTED PRIVATE KEY" || includes(parts[2], "ENCRYPTED")) {
      throw host.notSupported("encrypted keys");
    }
    return { label: parts[1], bytes: from(parts[2], "base64") };
  }

  const viewOf = (bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

  function createPrivateKey(key) {
    const { label, bytes } = encoded(key, BYTES);
    const found = endsWith(label, "PUBLIC KEY") ? undefined : host.privateKey(viewOf(bytes));
    if (found === undefined) {
      throw unsupported();
    }
    return privateKey(found);
  }

  function createPublicKey(key) {
    const held = contentOf(key) ?? contentOf(key?.key);
    if (held !== undefined) {
      if (held.type !== "private") {
        throw invalidKeyObject(held.type, "private");
      }
      return publicKey({ kind: held.kind, public: held.spki });
    }
    const { label, bytes } = encoded(key, [...BYTES, "KeyObject", "CryptoKey"]);
    if (label === "CERTIFICATE") {
      throw host.notSupported("public keys of certificates");
    }
    const view = viewOf(bytes);
    const found = (endsWith(label, "PRIVATE KEY") ? undefined : host.publicKey(view)) ?? host.privateKey(view);
    if (found === undefined) {
      throw unsupported();
    }
    return publicKey(found);
  }

  const invalidKeyObject = (type, expected) =>
    nodeError(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${type}, expected ${expected}.`);

  // What a signature needs of a key, which a private one may be for both.
  function forSigning(key) {
    const held = contentOf(key) ?? contentOf(key?.key);
    if (held !== undefined && held.type !== "private") {
      throw invalidKeyObject(held.type, "private");
    }
    return held ?? contentOf(createPrivateKey(key));
  }

  function forVerifying(key) {
    const held = contentOf(key) ?? contentOf(key?.key);
    if (held !== undefined && held.type === "secret") {
      throw invalidKeyObject(held.type, "private or public");
    }
    return held ?? contentOf(createPublicKey(key));
  }

  function createSecretKey(key, encoding = undefined) {
    const expected = ["ArrayBuffer", "Buffer", "TypedArray", "DataView"];
    const bytes = input.anything(key, "key", typeof key === "string" ? undefined : expected, encoding);
    return secret(input.joined([bytes], bytes.length));
  }

  function secretOf(value) {
    const content = contentOf(value);
    if (content !== undefined) {
      if (content.type !== "secret") {
        throw invalidKeyObject(content.type, "secret");
      }
      return content.bytes;
    }
    return typeof value === "object" && value !== null ? require("webcrypto").bytesOf(value) : undefined;
  }

  function kindFor(type, options) {
    if (type === "rsa") {
      errors.validateObject(options, "options");
      errors.validateUint32(options.modulusLength, "options.modulusLength");
      const exponent = options.publicExponent ?? 0x10001;
      if (!contains(RSA_BITS, options.modulusLength) || exponent !== 0x10001) {
        throw host.notSupported(`RSA keys of ${options.modulusLength} bits with the exponent ${exponent}`);
      }
      return ["rsa", options.modulusLength];
    }
    if (type === "ec") {
      errors.validateObject(options, "options");
      errors.validateString(options.namedCurve, "options.namedCurve");
      return [CURVES[options.namedCurve] ?? options.namedCurve, 0];
    }
    return [type, 0];
  }

  function generateKeyPairSync(type, options = undefined) {
    errors.validateString(type, "type");
    const [kind, bits] = kindFor(type, options);
    const made = host.generateKey(kind, bits);
    if (made === undefined) {
      throw host.notSupported(`keys of the kind ${kind}`);
    }
    const pair = { publicKey: publicKey(made), privateKey: privateKey(made) };
    const exported = (key, encoding) => (encoding === undefined ? key : key.export(encoding));
    return {
      publicKey: exported(pair.publicKey, options?.publicKeyEncoding),
      privateKey: exported(pair.privateKey, options?.privateKeyEncoding),
    };
  }

  function generateKeyPair(type, options, callback) {
    if (typeof options === "function") {
      callback = options;
      options = undefined;
    }
    errors.validateFunction(callback, "callback");
    kindFor(type, options);
    let pair;
    const done = (error) => (error ? callback(error) : callback(null, pair.publicKey, pair.privateKey));
    input.later(done, () => {
      pair = generateKeyPairSync(type, options);
    });
  }
  values.ObjectDefineProperty(generateKeyPair, values.SymbolFor("nodejs.util.promisify.custom"), {
    __proto__: null,
    value: (type, options) =>
      new values.Promise((resolve, reject) => {
        const settle = (error, made, kept) => (error ? reject(error) : resolve({ publicKey: made, privateKey: kept }));
        generateKeyPair(type, options, settle);
      }),
  });

  return {
    createPrivateKey,
    createPublicKey,
    createSecretKey,
    forSigning,
    forVerifying,
    generateKeyPair,
    generateKeyPairSync,
    isKeyObject: (value) => contentOf(value) !== undefined,
    KeyObject,
    secretOf,
  };
}
