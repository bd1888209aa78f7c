//! AES in the modes CBC, ECB, CTR and GCM, part by part.

use std::cell::RefCell;
use std::rc::Rc;

use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, KeyInit, KeyIvInit,
    StreamCipher, consts::U16,
};
use aes::{Aes128, Aes192, Aes256};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result};

use super::{Bytes, go_on, read};
use crate::sandbox::host::Host;

/// The bytes of a block.
const BLOCK: usize = 16;

/// Transforms bytes in place; in the modes that work on blocks, whole blocks.
type Transform = Box<dyn FnMut(&mut [u8])>;

/// A cipher that is not finished yet.
struct Cipher {
    transform: Transform,
    encrypts: bool,
    kind: Kind,
}

enum Kind {
    /// Whole blocks, the last of which is padded: what is not transformed yet.
    Blocks {
        pending: Vec<u8>,
        padded: bool,
    },
    Stream,
    Authenticated(Tag),
}

/// The authentication tag of GCM as far as it is computed.
struct Tag {
    hash: GHash,
    mask: [u8; BLOCK],
    pending: Vec<u8>,
    associated_bytes: u64,
    bytes: u64,
}

impl Tag {
    fn update(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let (blocks, rest) = self.pending.as_chunks::<BLOCK>();
        blocks.iter().for_each(|block| self.hash.update(&[(*block).into()]));
        self.pending = rest.to_vec();
    }

    /// Fills up the last block.
    fn pad(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.hash.update_padded(&pending);
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.pad();
        let lengths = u128::from(self.associated_bytes * 8) << 64 | u128::from(self.bytes * 8);
        self.hash.update(&[lengths.to_be_bytes().into()]);
        let mut tag: [u8; BLOCK] = self.hash.finalize().into();
        tag.iter_mut().zip(self.mask).for_each(|(byte, mask)| *byte ^= mask);
        tag
    }
}

impl Cipher {
    /// A cipher for a key of 16, 24 or 32 bytes; nothing, if the mode does not take such a key or vector.
    fn new(mode: &str, encrypts: bool, key: &[u8], iv: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Self::with::<Aes128>(mode, encrypts, key, iv),
            24 => Self::with::<Aes192>(mode, encrypts, key, iv),
            32 => Self::with::<Aes256>(mode, encrypts, key, iv),
            _ => None,
        }
    }

    fn with<C>(mode: &str, encrypts: bool, key: &[u8], iv: &[u8]) -> Option<Self>
    where
        C: BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + KeyInit + 'static,
    {
        let blocks = |transform: Transform| {
            Some(Self { transform, encrypts, kind: Kind::Blocks { pending: Vec::new(), padded: true } })
        };
        match (mode, encrypts) {
            ("cbc", true) => {
                let mut cipher = cbc::Encryptor::<C>::new_from_slices(key, iv).ok()?;
                blocks(Box::new(move |bytes| each_block(bytes, |block| cipher.encrypt_block(block.into()))))
            }
            ("cbc", false) => {
                let mut cipher = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
                blocks(Box::new(move |bytes| each_block(bytes, |block| cipher.decrypt_block(block.into()))))
            }
            ("ecb", true) => {
                let cipher = C::new_from_slice(key).ok()?;
                blocks(Box::new(move |bytes| each_block(bytes, |block| cipher.encrypt_block(block.into()))))
            }
            ("ecb", false) => {
                let cipher = C::new_from_slice(key).ok()?;
                blocks(Box::new(move |bytes| each_block(bytes, |block| cipher.decrypt_block(block.into()))))
            }
            ("ctr", _) => {
                let mut cipher = ctr::Ctr128BE::<C>::new_from_slices(key, iv).ok()?;
                let transform: Transform = Box::new(move |bytes| cipher.apply_keystream(bytes));
                Some(Self { transform, encrypts, kind: Kind::Stream })
            }
            ("gcm", _) => Self::authenticated::<C>(encrypts, key, iv),
            _ => None,
        }
    }

    fn authenticated<C>(encrypts: bool, key: &[u8], iv: &[u8]) -> Option<Self>
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + 'static,
    {
        let cipher = C::new_from_slice(key).ok()?;
        let mut hash_key = [0; BLOCK];
        cipher.encrypt_block((&mut hash_key).into());
        let tag =
            |mask| Tag { hash: GHash::new(&hash_key.into()), mask, pending: Vec::new(), associated_bytes: 0, bytes: 0 };
        let counter = first_counter(iv, || tag([0; BLOCK]));
        let mut stream = ctr::Ctr32BE::<C>::new_from_slices(key, &counter).ok()?;
        let mut mask = [0; BLOCK];
        stream.apply_keystream(&mut mask);
        let transform: Transform = Box::new(move |bytes| stream.apply_keystream(bytes));
        Some(Self { transform, encrypts, kind: Kind::Authenticated(tag(mask)) })
    }

    fn associate(&mut self, bytes: &[u8]) {
        if let Kind::Authenticated(tag) = &mut self.kind {
            tag.associated_bytes += bytes.len() as u64;
            tag.update(bytes);
        }
    }

    fn update(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        match &mut self.kind {
            Kind::Stream => (self.transform)(&mut bytes),
            Kind::Blocks { pending, padded } => {
                pending.extend_from_slice(&bytes);
                // The last block of a padded text is not known to be the last yet.
                let kept = usize::from(*padded && !self.encrypts && pending.len().is_multiple_of(BLOCK)) * BLOCK;
                let whole = (pending.len() / BLOCK * BLOCK).saturating_sub(kept);
                bytes = pending.drain(..whole).collect();
                (self.transform)(&mut bytes);
            }
            Kind::Authenticated(tag) => {
                if tag.bytes == 0 {
                    tag.pad();
                }
                tag.bytes += bytes.len() as u64;
                if !self.encrypts {
                    tag.update(&bytes);
                }
                (self.transform)(&mut bytes);
                if self.encrypts {
                    tag.update(&bytes);
                }
            }
        }
        bytes
    }

    /// The last bytes, and the tag of GCM; nothing, if the last block is not complete or not padded.
    fn finish(mut self) -> std::result::Result<(Vec<u8>, Option<[u8; BLOCK]>), &'static str> {
        match self.kind {
            Kind::Stream => Ok((Vec::new(), None)),
            Kind::Authenticated(tag) => Ok((Vec::new(), Some(tag.finish()))),
            Kind::Blocks { mut pending, padded } => {
                if padded && self.encrypts {
                    let padding = BLOCK - pending.len();
                    pending.resize(BLOCK, u8::try_from(padding).unwrap_or_default());
                }
                if !pending.len().is_multiple_of(BLOCK) || padded && pending.is_empty() {
                    return Err(if self.encrypts && !padded { "data" } else { "length" });
                }
                (self.transform)(&mut pending);
                if padded && !self.encrypts {
                    let length = unpadded(&pending).ok_or("padding")?;
                    pending.truncate(length);
                }
                Ok((pending, None))
            }
        }
    }
}

fn each_block(bytes: &mut [u8], mut transform: impl FnMut(&mut [u8; BLOCK])) {
    let (blocks, _) = bytes.as_chunks_mut::<BLOCK>();
    blocks.iter_mut().for_each(&mut transform);
}

/// The length of a text without its padding.
fn unpadded(bytes: &[u8]) -> Option<usize> {
    let padding = usize::from(*bytes.last()?);
    let length = bytes.len().checked_sub(padding)?;
    let valid = (1..=BLOCK).contains(&padding) && bytes[length..].iter().all(|byte| usize::from(*byte) == padding);
    valid.then_some(length)
}

/// The first counter of GCM: the vector itself if it has 12 bytes, and its hash otherwise.
fn first_counter(iv: &[u8], tag: impl FnOnce() -> Tag) -> [u8; BLOCK] {
    let mut counter = [0; BLOCK];
    if iv.len() == 12 {
        counter[..12].copy_from_slice(iv);
        counter[15] = 1;
        return counter;
    }
    let mut hash = tag();
    hash.update(iv);
    hash.bytes = iv.len() as u64;
    hash.finish()
}

pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    let host = host.clone();
    let cipher = move |ctx: Ctx<'js>, mode: String, encrypts: bool, key: Bytes<'js>, iv: Bytes<'js>| {
        let cipher = Cipher::new(&mode, encrypts, read(&key), read(&iv));
        cipher.map(|cipher| running(&ctx, &host, cipher)).transpose()
    };
    functions.set("cipher", Function::new(ctx.clone(), cipher)?)
}

/// The functions with which a script uses a cipher: `associate`, `setPadded`, `update` and `finish`, which ends it.
fn running<'js>(ctx: &Ctx<'js>, host: &Rc<Host>, cipher: Cipher) -> Result<Object<'js>> {
    let cipher = Rc::new(RefCell::new(Some(cipher)));
    let object = Object::new(ctx.clone())?;
    let shared = cipher.clone();
    let associate = move |bytes: Bytes<'js>| shared.borrow_mut().iter_mut().for_each(|it| it.associate(read(&bytes)));
    object.set("associate", Function::new(ctx.clone(), associate)?)?;
    let shared = cipher.clone();
    let set_padded = move |value: bool| {
        if let Some(Cipher { kind: Kind::Blocks { padded, .. }, .. }) = shared.borrow_mut().as_mut() {
            *padded = value;
        }
    };
    object.set("setPadded", Function::new(ctx.clone(), set_padded)?)?;
    let (shared, host) = (cipher.clone(), host.clone());
    let update = move |ctx: Ctx<'js>, bytes: Bytes<'js>| -> Result<ArrayBuffer<'js>> {
        go_on(&ctx, &host)?;
        let updated = shared.borrow_mut().as_mut().map(|cipher| cipher.update(read(&bytes).to_vec()));
        ArrayBuffer::new_copy(ctx, updated.unwrap_or_default())
    };
    object.set("update", Function::new(ctx.clone(), update)?)?;
    let finish = move |ctx: Ctx<'js>| -> Result<Option<Object<'js>>> {
        let Some(cipher) = cipher.borrow_mut().take() else { return Ok(None) };
        let finished = Object::new(ctx.clone())?;
        match cipher.finish() {
            Err(problem) => finished.set("problem", problem)?,
            Ok((bytes, tag)) => {
                finished.set("bytes", ArrayBuffer::new_copy(ctx.clone(), bytes)?)?;
                finished.set("tag", tag.map(|tag| ArrayBuffer::new_copy(ctx, tag)).transpose()?)?;
            }
        }
        Ok(Some(finished))
    };
    object.set("finish", Function::new(ctx.clone(), finish)?)?;
    Ok(object)
}
