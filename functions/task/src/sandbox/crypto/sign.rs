//! Signatures of RSA, ECDSA and Ed25519 keys.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, PublicKey as RsaPublicKey};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result};

use super::{Bytes, read};

/// The curves under OpenSSL's names, each with the end of its identifier in DER.
const CURVES: [(&str, &[u8]); 4] = [
    ("prime256v1", &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]),
    ("secp384r1", &[0x2b, 0x81, 0x04, 0x00, 0x22]),
    ("secp521r1", &[0x2b, 0x81, 0x04, 0x00, 0x23]),
    ("secp256k1", &[0x2b, 0x81, 0x04, 0x00, 0x0a]),
];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// How far from its beginning a public key says what it is.
const HEAD_BYTES: usize = 32;

enum Private {
    Rsa(RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>) -> Result<()> {
    let private = |ctx: Ctx<'js>, der: Bytes<'js>| {
        Private::read(read(&der)).and_then(|key| key.describe(&ctx).transpose()).transpose()
    };
    functions.set("privateKey", Function::new(ctx.clone(), private)?)?;
    let public = |ctx: Ctx<'js>, der: Bytes<'js>| public_key(&ctx, read(&der));
    functions.set("publicKey", Function::new(ctx.clone(), public)?)?;
    functions.set("generateKey", Function::new(ctx.clone(), generate)?)?;
    let sign = |ctx: Ctx<'js>, der: Bytes<'js>, hash: String, scheme: String, data: Bytes<'js>| {
        let signature = Private::read(read(&der)).and_then(|key| key.sign(&hash, &scheme, read(&data)));
        signature.map(|signature| ArrayBuffer::new_copy(ctx, signature)).transpose()
    };
    functions.set("sign", Function::new(ctx.clone(), sign)?)?;
    let verify =
        |kind: String, der: Bytes<'js>, hash: String, scheme: String, data: Bytes<'js>, signature: Bytes<'js>| {
            verify(&kind, read(&der), (&hash, &scheme), read(&data), read(&signature))
        };
    functions.set("verify", Function::new(ctx.clone(), verify)?)
}

impl Private {
    /// Reads a key in PKCS #8 or in the older form of its kind.
    fn read(der: &[u8]) -> Option<Self> {
        if let Ok(key) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Some(Self::Rsa(key));
        }
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Some(Self::Ed25519(key));
        }
        CURVES.iter().find_map(|(curve, _)| {
            let key = EcdsaKeyPair::from_private_key_der(signing(curve, natural_hash(curve), "der")?, der).ok()?;
            Some(Self::Ec(curve, key))
        })
    }

    /// What a script learns about the key: its kind, its public key and itself in PKCS #8.
    fn describe<'js>(&self, ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let (kind, public) = match self {
            Self::Rsa(key) => ("rsa", key.public_key().as_der().ok()),
            Self::Ec(curve, key) => (*curve, key.public_key().as_der().ok()),
            Self::Ed25519(key) => ("ed25519", key.public_key().as_der().ok()),
        };
        let public: Option<PublicKeyX509Der<'_>> = public;
        let (Some(public), Some(private)) = (public, self.pkcs8()) else { return Ok(None) };
        let object = Object::new(ctx.clone())?;
        object.set("kind", kind)?;
        object.set("public", ArrayBuffer::new_copy(ctx.clone(), public.as_ref())?)?;
        object.set("private", ArrayBuffer::new_copy(ctx.clone(), private)?)?;
        Ok(Some(object))
    }

    fn pkcs8(&self) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => AsDer::<Pkcs8V1Der<'_>>::as_der(key).ok().map(|der| der.as_ref().to_vec()),
            Self::Ec(_, key) => key.to_pkcs8v1().ok().map(|der| der.as_ref().to_vec()),
            Self::Ed25519(key) => key.to_pkcs8v1().ok().map(|der| der.as_ref().to_vec()),
        }
    }

    /// The signature of data for Ed25519, and of a digest for the others.
    fn sign(&self, hash: &str, scheme: &str, data: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ed25519(key) => Some(key.sign(data).as_ref().to_vec()),
            Self::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match (scheme, hash) {
                    ("pss", "sha256") => &signature::RSA_PSS_SHA256,
                    ("pss", "sha384") => &signature::RSA_PSS_SHA384,
                    ("pss", "sha512") => &signature::RSA_PSS_SHA512,
                    ("pkcs1", "sha256") => &signature::RSA_PKCS1_SHA256,
                    ("pkcs1", "sha384") => &signature::RSA_PKCS1_SHA384,
                    ("pkcs1", "sha512") => &signature::RSA_PKCS1_SHA512,
                    _ => return None,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(encoding, &digest(hash, data)?, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ec(curve, key) => {
                let pkcs8 = key.to_pkcs8v1().ok()?;
                let key = EcdsaKeyPair::from_pkcs8(signing(curve, hash, scheme)?, pkcs8.as_ref()).ok()?;
                key.sign_digest(&digest(hash, data)?).ok().map(|signature| signature.as_ref().to_vec())
            }
        }
    }
}

fn digest(hash: &str, data: &[u8]) -> Option<Digest> {
    let algorithm = match hash {
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => &digest::SHA224,
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        _ => return None,
    };
    Digest::import_less_safe(data, algorithm).ok()
}

/// The hash that is as strong as a curve.
fn natural_hash(curve: &str) -> &'static str {
    match curve {
        "secp384r1" => "sha384",
        "secp521r1" => "sha512",
        _ => "sha256",
    }
}

fn signing(curve: &str, hash: &str, scheme: &str) -> Option<&'static EcdsaSigningAlgorithm> {
    Some(match (curve, hash, scheme) {
        ("prime256v1", "sha256", "der") => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        ("prime256v1", "sha256", _) => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        ("secp384r1", "sha384", "der") => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        ("secp384r1", "sha384", _) => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        ("secp521r1", "sha224", "der") => &signature::ECDSA_P521_SHA224_ASN1_SIGNING,
        ("secp521r1", "sha224", _) => &signature::ECDSA_P521_SHA224_FIXED_SIGNING,
        ("secp521r1", "sha256", "der") => &signature::ECDSA_P521_SHA256_ASN1_SIGNING,
        ("secp521r1", "sha256", _) => &signature::ECDSA_P521_SHA256_FIXED_SIGNING,
        ("secp521r1", "sha384", "der") => &signature::ECDSA_P521_SHA384_ASN1_SIGNING,
        ("secp521r1", "sha384", _) => &signature::ECDSA_P521_SHA384_FIXED_SIGNING,
        ("secp521r1", "sha512", "der") => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        ("secp521r1", "sha512", _) => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        ("secp256k1", "sha256", "der") => &signature::ECDSA_P256K1_SHA256_ASN1_SIGNING,
        ("secp256k1", "sha256", _) => &signature::ECDSA_P256K1_SHA256_FIXED_SIGNING,
        _ => return None,
    })
}

fn rsa_verification(hash: &str, scheme: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (scheme, hash) {
        ("pss", "sha256") => &signature::RSA_PSS_2048_8192_SHA256,
        ("pss", "sha384") => &signature::RSA_PSS_2048_8192_SHA384,
        ("pss", "sha512") => &signature::RSA_PSS_2048_8192_SHA512,
        ("pkcs1", "sha1") => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ("pkcs1", "sha256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        ("pkcs1", "sha384") => &signature::RSA_PKCS1_2048_8192_SHA384,
        ("pkcs1", "sha512") => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

fn ec_verification(curve: &str, hash: &str, scheme: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (curve, hash, scheme) {
        ("prime256v1", "sha256", "der") => &signature::ECDSA_P256_SHA256_ASN1,
        ("prime256v1", "sha256", _) => &signature::ECDSA_P256_SHA256_FIXED,
        ("secp384r1", "sha384", "der") => &signature::ECDSA_P384_SHA384_ASN1,
        ("secp384r1", "sha384", _) => &signature::ECDSA_P384_SHA384_FIXED,
        ("secp521r1", "sha224", "der") => &signature::ECDSA_P521_SHA224_ASN1,
        ("secp521r1", "sha224", _) => &signature::ECDSA_P521_SHA224_FIXED,
        ("secp521r1", "sha256", "der") => &signature::ECDSA_P521_SHA256_ASN1,
        ("secp521r1", "sha256", _) => &signature::ECDSA_P521_SHA256_FIXED,
        ("secp521r1", "sha384", "der") => &signature::ECDSA_P521_SHA384_ASN1,
        ("secp521r1", "sha384", _) => &signature::ECDSA_P521_SHA384_FIXED,
        ("secp521r1", "sha512", "der") => &signature::ECDSA_P521_SHA512_ASN1,
        ("secp521r1", "sha512", _) => &signature::ECDSA_P521_SHA512_FIXED,
        ("secp256k1", "sha256", "der") => &signature::ECDSA_P256K1_SHA256_ASN1,
        ("secp256k1", "sha256", _) => &signature::ECDSA_P256K1_SHA256_FIXED,
        _ => return None,
    })
}

/// Whether a signature is right; nothing, if this kind of signature is not known here.
fn verify(kind: &str, der: &[u8], (hash, scheme): (&str, &str), data: &[u8], signed: &[u8]) -> Option<bool> {
    if kind == "ed25519" {
        return Some(UnparsedPublicKey::new(&signature::ED25519, der).verify(data, signed).is_ok());
    }
    let algorithm = match kind {
        "rsa" => rsa_verification(hash, scheme)?,
        curve => ec_verification(curve, hash, scheme)?,
    };
    Some(UnparsedPublicKey::new(algorithm, der).verify_digest(&digest(hash, data)?, signed).is_ok())
}

/// The kind of a public key in the form of X.509.
fn kind_of(der: &[u8]) -> Option<&'static str> {
    let head = &der[..der.len().min(HEAD_BYTES)];
    let has = |identifier: &[u8]| memchr::memmem::find(head, identifier).is_some();
    let parses = |algorithm: &'static dyn VerificationAlgorithm| UnparsedPublicKey::new(algorithm, der).parse().is_ok();
    if has(RSA) {
        return parses(&signature::RSA_PKCS1_2048_8192_SHA256).then_some("rsa");
    }
    let (curve, _) = *CURVES.iter().find(|(_, identifier)| has(identifier)).unwrap_or(&("", &[]));
    if let Some(algorithm) = ec_verification(curve, natural_hash(curve), "der") {
        return parses(algorithm).then_some(curve);
    }
    (has(ED25519) && parses(&signature::ED25519)).then_some("ed25519")
}

/// What a script learns about a public key, which may be in the older form of RSA.
fn public_key<'js>(ctx: &Ctx<'js>, der: &[u8]) -> Result<Option<Object<'js>>> {
    let older = || {
        let der: PublicKeyX509Der<'_> = RsaPublicKey::from_der(der).ok()?.as_der().ok()?;
        Some(("rsa", der.as_ref().to_vec()))
    };
    let key = kind_of(der).map(|kind| (kind, der.to_vec())).or_else(older);
    let Some((kind, der)) = key else { return Ok(None) };
    let object = Object::new(ctx.clone())?;
    object.set("kind", kind)?;
    object.set("public", ArrayBuffer::new_copy(ctx.clone(), der)?)?;
    Ok(Some(object))
}

/// A new key of a kind; for RSA, of a size.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn generate<'js>(ctx: Ctx<'js>, kind: String, bits: u32) -> Result<Option<Object<'js>>> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        _ => KeySize::Rsa4096,
    };
    let key = match kind.as_str() {
        "rsa" => RsaKeyPair::generate(size).ok().map(Private::Rsa),
        "ed25519" => Ed25519KeyPair::generate().ok().map(Private::Ed25519),
        curve => CURVES.iter().find(|(name, _)| *name == curve).and_then(|(curve, _)| {
            let key = EcdsaKeyPair::generate(signing(curve, natural_hash(curve), "der")?).ok()?;
            Some(Private::Ec(curve, key))
        }),
    };
    key.and_then(|key| key.describe(&ctx).transpose()).transpose()
}
