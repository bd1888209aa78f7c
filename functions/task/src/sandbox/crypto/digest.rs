//! Hashes and message authentication codes that are computed part by part.

use std::cell::RefCell;
use std::rc::Rc;

use hmac::digest::Digest;
use hmac::{Hmac, KeyInit, Mac, SimpleHmac};
use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result};

use super::derive::Work;
use super::{Bytes, SLICE_BYTES, go_on, read};
use crate::sandbox::host::Host;

/// A digest that is not finished yet.
pub(super) trait Running {
    fn update(&mut self, bytes: &[u8]);
    fn finish(self: Box<Self>) -> Vec<u8>;
    fn copy(&self) -> Box<dyn Running>;
}

/// Derives a key from a password, a salt and a number of rounds.
type Derivation = fn(&Work<'_, '_>, &[u8], &[u8], u32, &mut [u8]) -> Result<()>;

/// What an algorithm can do.
pub(super) struct Algorithm {
    pub(super) hash: fn() -> Box<dyn Running>,
    pub(super) hmac: fn(&[u8]) -> Box<dyn Running>,
    pub(super) pbkdf2: Derivation,
}

macro_rules! algorithms {
    ($($name:literal => $digest:ty, $mac:ident;)*) => {
        /// The algorithm with a name.
        pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
            match plain_name(name).as_str() {
                $($name => Some(Algorithm {
                    hash: || Box::new(Plain(<$digest>::default())),
                    hmac: |key| Box::new(Keyed(keyed::<$mac<$digest>>(key))),
                    pbkdf2: super::derive::pbkdf2::<$mac<$digest>>,
                }),)*
                _ => None,
            }
        }
    };
}

algorithms! {
    "md5" => md5::Md5, Hmac;
    "ripemd160" => ripemd::Ripemd160, Hmac;
    "sha1" => sha1::Sha1, Hmac;
    "sha224" => sha2::Sha224, Hmac;
    "sha256" => sha2::Sha256, Hmac;
    "sha384" => sha2::Sha384, Hmac;
    "sha512" => sha2::Sha512, Hmac;
    "sha512-224" => sha2::Sha512_224, Hmac;
    "sha512-256" => sha2::Sha512_256, Hmac;
    "sha3-224" => sha3::Sha3_224, SimpleHmac;
    "sha3-256" => sha3::Sha3_256, SimpleHmac;
    "sha3-384" => sha3::Sha3_384, SimpleHmac;
    "sha3-512" => sha3::Sha3_512, SimpleHmac;
}

/// The one name of an algorithm that OpenSSL knows under several.
fn plain_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let plain = match lower.as_str() {
        "sha-1" | "rsa-sha1" | "rsa-sha1-2" | "ssl3-sha1" => "sha1",
        "rsa-md5" | "ssl3-md5" => "md5",
        "rmd160" | "ripemd" | "ripemd-160" | "rsa-ripemd160" => "ripemd160",
        "sha-224" | "sha2-224" | "rsa-sha224" => "sha224",
        "sha-256" | "sha2-256" | "rsa-sha256" => "sha256",
        "sha-384" | "sha2-384" | "rsa-sha384" => "sha384",
        "sha-512" | "sha2-512" | "rsa-sha512" => "sha512",
        "sha-512/224" | "sha2-512/224" | "rsa-sha512/224" => "sha512-224",
        "sha-512/256" | "sha2-512/256" | "rsa-sha512/256" => "sha512-256",
        other => other.strip_prefix("rsa-").filter(|base| base.starts_with("sha3-")).unwrap_or(other),
    };
    plain.to_owned()
}

/// A code with this key. Keys may have any length.
pub(super) fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("a code takes keys of any length")
}

#[derive(Clone)]
struct Plain<D>(D);

impl<D: Digest + Clone + 'static> Running for Plain<D> {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

#[derive(Clone)]
struct Keyed<M>(M);

impl<M: Mac + Clone + 'static> Running for Keyed<M> {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().into_bytes().to_vec()
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    let owner = host.clone();
    let hash = move |ctx: Ctx<'js>, name: String| {
        algorithm(&name).map(|algorithm| running(&ctx, &owner, (algorithm.hash)())).transpose()
    };
    functions.set("hash", Function::new(ctx.clone(), hash)?)?;
    let owner = host.clone();
    let hmac = move |ctx: Ctx<'js>, name: String, key: Bytes<'js>| {
        algorithm(&name).map(|algorithm| running(&ctx, &owner, (algorithm.hmac)(read(&key)))).transpose()
    };
    functions.set("hmac", Function::new(ctx.clone(), hmac)?)
}

/// The functions with which a script computes a digest: `update`, `digest`, which ends it, and `copy`.
fn running<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, state: Box<dyn Running>) -> Result<Object<'js>> {
    let state = Rc::new(RefCell::new(Some(state)));
    let object = Object::new(ctx.clone())?;
    let (owner, updated) = (host.clone(), state.clone());
    let update = move |ctx: Ctx<'js>, bytes: Bytes<'js>| -> Result<()> {
        for slice in read(&bytes).chunks(SLICE_BYTES) {
            go_on(&ctx, &owner)?;
            updated.borrow_mut().iter_mut().for_each(|state| state.update(slice));
        }
        Ok(())
    };
    object.set("update", Function::new(ctx.clone(), update)?)?;
    let finished = state.clone();
    let digest = move |ctx: Ctx<'js>| -> Result<ArrayBuffer<'js>> {
        let digest = finished.borrow_mut().take().map(Running::finish);
        ArrayBuffer::new_copy(ctx, digest.unwrap_or_default())
    };
    object.set("digest", Function::new(ctx.clone(), digest)?)?;
    let owner = host.clone();
    let copy = move |ctx: Ctx<'js>| -> Result<Option<Object<'js>>> {
        let copy = state.borrow().as_ref().map(|state| state.copy());
        copy.map(|copy| running(&ctx, &owner, copy)).transpose()
    };
    object.set("copy", Function::new(ctx.clone(), copy)?)?;
    Ok(object)
}
