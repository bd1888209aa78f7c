// The module "crypto".

// What Node.js has and the sandbox has not.
const MISSING = [
  "checkPrime", "checkPrimeSync", "createDiffieHellman", "createDiffieHellmanGroup", "createECDH", "diffieHellman",
  "generateKey", "generateKeySync", "generatePrime", "generatePrimeSync", "getDiffieHellman", "privateDecrypt",
  "privateEncrypt", "publicDecrypt", "publicEncrypt", "secureHeapUsed", "setEngine", "setFips", "Certificate", "DiffieHellman",
  "DiffieHellmanGroup", "ECDH", "X509Certificate",
];
// Where the others come from.
const PARTS = {
  __proto__: null,
  crypto_hash: ["createHash", "createHmac", "getHashes", "hash", "Hash", "Hmac"],
  crypto_random: ["randomBytes", "randomFill", "randomFillSync", "randomInt", "randomUUID", "timingSafeEqual"],
  crypto_derive: ["hkdf", "hkdfSync", "pbkdf2", "pbkdf2Sync", "scrypt", "scryptSync"],
  crypto_cipher: ["createCipheriv", "createDecipheriv", "getCipherInfo", "getCiphers", "Cipheriv", "Decipheriv"],
  crypto_keys: [
    "createPrivateKey", "createPublicKey", "createSecretKey", "generateKeyPair", "generateKeyPairSync", "KeyObject",
  ],
  crypto_sign: ["createSign", "createVerify", "sign", "verify", "Sign", "Verify"],
};
const CURVES = ["prime256v1", "secp256k1", "secp384r1", "secp521r1"];
const CONSTANTS = {
  RSA_PKCS1_PADDING: 1,
  RSA_NO_PADDING: 3,
  RSA_PKCS1_OAEP_PADDING: 4,
  RSA_PKCS1_PSS_PADDING: 6,
  RSA_PSS_SALTLEN_DIGEST: -1,
  RSA_PSS_SALTLEN_MAX_SIGN: -2,
  RSA_PSS_SALTLEN_AUTO: -2,
  POINT_CONVERSION_COMPRESSED: 2,
  POINT_CONVERSION_UNCOMPRESSED: 4,
  POINT_CONVERSION_HYBRID: 6,
};

export function make(host, { values }, require) {
  const { ObjectDefineProperty, ObjectFreeze } = values;
  const exports = {};

  function define(name, value) {
    if (typeof value === "function" && value.name !== name) {
      ObjectDefineProperty(value, "name", { __proto__: null, value: name, configurable: true });
    }
    exports[name] = value;
  }

  // Ciphers, keys and the like are loaded when they are first looked at.
  function defineLater(part, name) {
    const set = (value) => ObjectDefineProperty(exports, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
    const get = () => {
      const value = require(part)[name];
      set(value);
      return value;
    };
    ObjectDefineProperty(exports, name, { __proto__: null, get, set, enumerable: true, configurable: true });
  }

  for (const part in PARTS) {
    for (let at = 0; at < PARTS[part].length; at++) {
      defineLater(part, PARTS[part][at]);
    }
  }
  for (let at = 0; at < MISSING.length; at++) {
    const name = MISSING[at];
    define(name, function missing() {
      throw host.notSupported(`crypto.${name}`);
    });
  }
  define("getCurves", () => [...CURVES]);
  define("getFips", () => 0);
  exports.constants = ObjectFreeze({ __proto__: null, ...CONSTANTS });
  const later = (name, get) => ObjectDefineProperty(exports, name, { __proto__: null, get, enumerable: true, configurable: true });
  later("webcrypto", () => require("webcrypto").crypto);
  later("subtle", () => require("webcrypto").crypto.subtle);
  define("getRandomValues", (array) => require("webcrypto").crypto.getRandomValues(array));
  return exports;
}
