//! The modules for scripts beyond what Node.js is compared with: published vectors, limits and hostile input.

use super::*;

/// Published vectors: RFC 1321, FIPS 180-4, FIPS 202, RFC 2202, RFC 4231, RFC 5869, RFC 6070, RFC 7914, and NIST's for AES.
const VECTORS: &str = r#"
const crypto = require("crypto"), hex = (bytes) => Buffer.from(bytes).toString("hex"), from = (text) => Buffer.from(text, "hex");
const hash = (name, text) => crypto.createHash(name).update(text).digest("hex");
const hmac = (name, key, text) => crypto.createHmac(name, key).update(text).digest("hex");
const encrypt = (name, key, iv, text, aad = "") => {
    const cipher = crypto.createCipheriv(name, from(key), iv === null ? null : from(iv)).setAutoPadding(false);
    if (aad !== "") cipher.setAAD(from(aad));
    const out = hex(cipher.update(from(text))) + hex(cipher.final());
    return name.endsWith("gcm") ? out + "|" + hex(cipher.getAuthTag()) : out;
};
const block = "6bc1bee22e409f96e93d7e117393172a", key = "2b7e151628aed2a6abf7158809cf4f3c";
module.exports = () => [
    [hash("md5", "message digest"), "f96b697d7cb7938d525a2f31aaf161d0"],
    [hash("sha256", "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [hash("sha3-256", "abc"), "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"],
    [hash("sha1", "a".repeat(1e6)), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"],
    [hash("ripemd160", "abc"), "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"],
    [hmac("md5", "Jefe", "what do ya want for nothing?"), "750c783e6ab0b503eaa86e310a5db738"],
    [hmac("sha256", Buffer.alloc(131, 0xaa), "Test Using Larger Than Block-Size Key - Hash Key First"), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"],
    [hex(crypto.hkdfSync("sha256", Buffer.alloc(22, 0x0b), from("000102030405060708090a0b0c"), from("f0f1f2f3f4f5f6f7f8f9"), 42)),
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"],
    [hex(crypto.pbkdf2Sync("passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096, 25, "sha1")), "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"],
    [hex(crypto.pbkdf2Sync("pass\0word", "sa\0lt", 4096, 16, "sha1")), "56fa6aa75548099dcc37d7f03425e0c3"],
    [hex(crypto.scryptSync("password", "NaCl", 64, { N: 1024, r: 8, p: 16 })),
     "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"],
    [encrypt("aes-128-ecb", key, null, block), "3ad77bb40d7a3660a89ecaf32466ef97"],
    [encrypt("aes-128-cbc", key, "000102030405060708090a0b0c0d0e0f", block), "7649abac8119b246cee98e9b12e9197d"],
    [encrypt("aes-128-ctr", key, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", block), "874d6191b620e3261bef6864990db6ce"],
    [encrypt("aes-128-gcm", "00".repeat(16), "00".repeat(12), ""), "|58e2fccefa7e3061367f1d57a4e7455a"],
    [encrypt("aes-128-gcm", "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39", "feedfacedeadbeeffeedfacedeadbeefabaddad2"),
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091|5bc94fbc3221a5db94fae95ae7121a47"],
].filter(([value, published]) => value !== published);
"#;

#[tokio::test]
async fn published_vectors_hold() {
    let limits = Limits { time: Duration::from_secs(120), ..script("").limits };
    let report = report(Script { limits, ..script(VECTORS) }).await;
    assert_eq!(report.result, Ok(json!([])));
}

#[tokio::test]
async fn long_work_ends_at_the_time_limit() {
    let endless = [
        "require('crypto').pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512')",
        "require('crypto').pbkdf2Sync('a', 'b', 1000, 2e7, 'sha3-512')",
        "require('crypto').scryptSync('a', 'b', 64, { N: 16384, r: 8, p: 2 ** 13, maxmem: 2 ** 40 })",
        "new Promise((resolve) => require('crypto').pbkdf2('a', 'b', 2 ** 31 - 1, 64, 'md5', resolve))",
        "crypto.subtle.importKey('raw', Buffer.from('a'), 'PBKDF2', false, ['deriveBits']).then((key) => crypto.subtle.deriveBits({ name: 'PBKDF2', salt: Buffer.from('a'), iterations: 2 ** 31 - 1, hash: 'SHA-512' }, key, 512))",
        "{ const hash = require('crypto').createHash('sha3-512'), bytes = Buffer.alloc(2e7); for (;;) hash.update(bytes) }",
        "{ const bytes = Buffer.alloc(4e6), key = Buffer.alloc(32); for (;;) require('crypto').createCipheriv('aes-256-gcm', key, key).update(bytes) }",
        "{ const bytes = require('crypto').randomBytes(2e6); for (;;) require('zlib').gzipSync(bytes, { level: 9 }) }",
        "{ for (;;) { try { require('crypto').pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512') } catch {} } }",
    ];
    for work in endless {
        let limits = Limits { time: Duration::from_millis(500), ..script("").limits };
        let source = format!("module.exports = async () => {{ return await (() => {{ return {work} }})() }}");
        let source = match work.starts_with('{') {
            true => format!("module.exports = () => {work}"),
            false => source,
        };
        let (_, name, message) = failure_of(Script { limits, ..script(&source) }).await;
        assert_eq!(name, "TimeLimitExceeded", "{work}: {message}");
    }
}

#[tokio::test]
async fn what_the_host_computes_counts_towards_the_memory_of_the_script() {
    let greedy = [
        "const zlib = require('zlib'); let bomb = Buffer.alloc(1e6); for (let i = 0; i < 2; i++) bomb = zlib.gzipSync(Buffer.concat(Array(9).fill(bomb))); let big = zlib.gunzipSync(bomb); const held = []; for (;;) held.push(zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(5e6))))",
        "require('zlib').inflateRawSync(Buffer.concat([Buffer.from('ecc1010d000000c2a0f74f6d0f07140000000000000000000000000000000000', 'hex'), Buffer.alloc(1)]), { finishFlush: 2 }); const one = require('zlib').brotliCompressSync(Buffer.alloc(9e6), { params: { 1: 1 } }), held = []; for (;;) held.push(require('zlib').brotliDecompressSync(one))",
        "require('crypto').scryptSync('a', 'b', 64, { N: 2 ** 18, r: 8, p: 1, maxmem: 2 ** 50 })",
        "require('crypto').scryptSync('a', 'b', 64, { N: 2, r: 2 ** 20, p: 2 ** 10, maxmem: 2 ** 50 })",
        "require('crypto').pbkdf2Sync('a', 'b', 1, 2 ** 31 - 1, 'sha1')",
        "require('crypto').randomBytes(2 ** 31 - 1)",
        "const held = []; for (;;) held.push(require('crypto').createHash('sha512'))",
        "const held = []; for (;;) held.push(require('crypto').randomBytes(1e6))",
        "const held = [], key = Buffer.alloc(32); for (;;) held.push(require('crypto').createCipheriv('aes-256-gcm', key, key).update(Buffer.alloc(1e6)))",
    ];
    for source in greedy {
        let limits = Limits { time: Duration::from_secs(120), ..script("").limits };
        let source = format!("module.exports = () => {{ {source} }}");
        let (_, name, message) = failure_of(Script { limits, ..script(&source) }).await;
        assert_eq!(name, "MemoryLimitExceeded", "{source}: {message}");
    }
}

#[tokio::test]
async fn what_a_script_replaces_does_not_reach_the_modules() {
    let sources = [
        "Array.prototype.push = Array.prototype.join = Array.prototype.slice = String.prototype.slice = RegExp.prototype.exec = null; module.exports = () => Number(require('crypto').createHash('md5').update('a').digest('hex') === '0cc175b9c0f1b6a831c399e269772661')",
        "Uint8Array.prototype.set = Uint8Array.prototype.subarray = null; Object.getPrototypeOf(Uint8Array.prototype).set = null; module.exports = () => require('crypto').randomBytes(8).length - 7",
        "globalThis.Uint8Array = globalThis.ArrayBuffer = globalThis.Promise = null; module.exports = () => require('zlib').gunzipSync(require('zlib').gzipSync('a')).length",
        "Map.prototype.get = Object.keys = Object.defineProperty = null; module.exports = () => { try { require('assert').deepStrictEqual({ a: 1 }, { a: 2 }) } catch (e) { return Number(e.code === 'ERR_ASSERTION') } }",
        "String.prototype.split = Array.prototype.indexOf = null; module.exports = () => require('path').join('a', '..', 'b').length",
        "Object.defineProperty(Object.prototype, 'then', { get() { throw 1 } }); module.exports = () => require('crypto').randomUUID().length - 35",
        "module.exports = async () => { crypto.subtle.digest = null; return (await CryptoKey.prototype.constructor, 1) }",
        "module.exports = () => { const b = new Uint8Array(8); b.buffer.transfer?.(); return require('crypto').createHash('md5').update(b).digest().length - 15 }",
        "module.exports = () => { const shared = new Uint8Array(new SharedArrayBuffer(8)); require('crypto').randomFillSync(shared); return require('crypto').timingSafeEqual(shared, Buffer.from(shared)) ? 1 : 0 }",
        "module.exports = () => { const b = new Uint8Array(8); b.buffer.transfer?.(); require('crypto').randomFillSync(b); return 1 }",
        "module.exports = () => { try { require('crypto').createCipheriv({ toString() { throw 1 } }) } catch (e) { return Number(e.code === 'ERR_INVALID_ARG_TYPE') } }",
        "module.exports = () => { try { require('crypto').createHash('sha256', { get outputLength() { throw new Error('mine') } }) } catch (e) { return Number(e.message === 'mine') } }",
        "module.exports = () => { try { require('zlib').gzipSync('a', { get level() { throw new Error('mine') } }) } catch (e) { return Number(e.message === 'mine') } }",
        "module.exports = () => { try { require('crypto').createPrivateKey('-----BEGIN PRIVATE KEY-----\\n' + 'A'.repeat(1e6) + '\\n-----END PRIVATE KEY-----') } catch (e) { return Number(e.code === 'ERR_OSSL_UNSUPPORTED') } }",
        "module.exports = () => { let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; try { require('assert').deepEqual(deep, 1) } catch (e) { return 1 } }",
    ];
    for source in sources {
        assert_eq!(value(source).await, json!(1), "{source}");
    }
}

#[tokio::test]
async fn what_the_sandbox_lacks_says_its_name() {
    let missing = [
        ("require('crypto').createECDH('secp256k1')", "crypto.createECDH"),
        ("require('crypto').publicEncrypt('x', Buffer.alloc(1))", "crypto.publicEncrypt"),
        ("require('crypto').createHash('shake256')", "the hash shake256"),
        (
            "require('crypto').createCipheriv('aes-256-ccm', Buffer.alloc(32), Buffer.alloc(12))",
            "the cipher aes-256-ccm",
        ),
        ("require('crypto').createHash('md5').pipe({})", "Hash.prototype.pipe: there are no streams"),
        ("require('zlib').createGzip()", "zlib.Gzip: there are no streams"),
        ("process.exit(1)", "process.exit"),
        ("process.stdout", "process.stdout"),
        ("crypto.subtle.importKey('raw', Buffer.from('a'), 'ECDSA', true, [])", "the algorithm ECDSA of crypto.subtle"),
    ];
    for (expression, what) in missing {
        let (_, name, message) = failure(&format!("module.exports = async () => {expression}")).await;
        assert_eq!((name.as_str(), message), ("NotSupported", format!("the sandbox does not support {what}")));
    }
}

#[tokio::test]
async fn modules_can_be_imported_and_required_under_both_names() {
    let source = "
        import assert, { strictEqual } from 'node:assert';
        import { createHash } from 'crypto';
        import { join } from 'node:path/posix';
        import { gzipSync, gunzipSync } from 'zlib';
        import { env } from 'process';
        export default () => {
            strictEqual(createHash('md5').digest('hex'), 'd41d8cd98f00b204e9800998ecf8427e');
            assert.ok(join('a', 'b') === 'a/b');
            return [gunzipSync(gzipSync('zip')).toString(), env.KEY];
        };
    ";
    assert_eq!(value(source).await, json!(["zip", "value"]));
}

/// What stands between two comments of the page.
fn listed<'a>(page: &'a str, list: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<!-- {list} -->")).unwrap();
    rest.split_once("<!-- end -->").unwrap().0
}

#[tokio::test]
async fn the_page_lists_the_modules_and_globals_that_there_are() {
    let page = include_str!("../../../../../docs/tasks/scripts.md");
    let rows = listed(page, "modules").lines().filter_map(|line| line.strip_prefix("| `"));
    let modules: Vec<&str> = rows.map(|row| row.split_once('`').unwrap().0).collect();
    let message = failure("module.exports = () => require('fs')").await.2;
    assert_eq!(
        message,
        format!("cannot find the module 'fs' that the script needs: a script can import {} only", modules.join(", "))
    );

    let globals: Vec<&str> = listed(page, "globals").split('`').skip(1).step_by(2).collect();
    let language = "Object Function Array Number Boolean String Symbol Date Promise RegExp Error AggregateError EvalError RangeError \
        ReferenceError SyntaxError TypeError URIError JSON Math Intl Reflect Proxy Map Set WeakMap WeakSet WeakRef \
        FinalizationRegistry ArrayBuffer SharedArrayBuffer Atomics DataView BigInt Iterator Infinity NaN undefined globalThis eval \
        parseInt parseFloat isNaN isFinite decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape";
    let source = format!(
        "module.exports = () => Object.getOwnPropertyNames(globalThis)
            .filter((name) => !{:?}.split(/ +/).includes(name) && !/^(Big)?(Uint|Int|Float)\\d+(Clamped)?Array$/.test(name)).sort()",
        language
    );
    assert_eq!(value(&source).await, json!(globals));
}

#[tokio::test]
async fn what_is_set_up_later_stands_where_it_always_stood() {
    let source = "module.exports = () => {
        const names = Reflect.ownKeys(globalThis).filter((name) => typeof name === 'string');
        const ours = names.slice(names.indexOf('FinalizationRegistry') + 1);
        const kinds = ours.map((name) => {
            const { value, get, set, enumerable, configurable } = Object.getOwnPropertyDescriptor(globalThis, name);
            return (get && set ? 'accessor' : typeof value) + (enumerable ? ' enumerable' : '') + (configurable ? '' : ' fixed');
        });
        return [ours.join(' '), [...new Set(kinds)].sort().join(', '), typeof DOMException, typeof performance.now]
    }";
    let names = "DOMException performance global console setTimeout clearTimeout setInterval clearInterval setImmediate \
        clearImmediate Event EventTarget CustomEvent AbortController AbortSignal URL URLSearchParams Buffer atob \
        btoa TextEncoder TextDecoder structuredClone Blob File FormData ReadableStream ReadableStreamDefaultReader fetch process \
        Performance crypto Crypto CryptoKey SubtleCrypto Headers Request Response Intl";
    let kinds = "accessor, object";
    assert_eq!(value(source).await, json!([names, kinds, "function", "function"]));
}

#[tokio::test]
async fn what_is_set_up_later_meets_no_trap_of_a_script() {
    let source = "const seen = [];
        for (const name of ['fetch', 'utf8Encode', 'urlParse', 'zoneOffset', 'namedKeys', 'randomBytes', 'locale', 'loader']) {
            Object.defineProperty(Object.prototype, name, {
                configurable: true, get() { seen.push(name) }, set(value) { seen.push(name); },
            });
        }
        Object.defineProperty = Reflect.apply = Map.prototype.get = Array.prototype.push.call = () => { throw 1 };
        module.exports = () => {
            const made = [typeof fetch, new URL('https://a.test/b').pathname, (1234.5).toLocaleString('en-US'), Buffer.from('é').length];
            return [made, seen.length]
        }";
    assert_eq!(value(source).await, json!([["function", "/b", "1,234.5", 2], 0]));
}
