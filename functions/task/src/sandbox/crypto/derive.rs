//! Keys from passwords and from other keys: PBKDF2, scrypt and HKDF, which a script's limits can stop.

use std::rc::Rc;

use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result};
use sha2::Sha256;

use super::digest::{algorithm, keyed};
use super::{Bytes, go_on, read};
use crate::sandbox::host::Host;

/// How many rounds of PBKDF2 are computed before the script may be stopped.
const ROUNDS: u32 = 1024;
/// How many blocks of scrypt are mixed before the script may be stopped.
const MIXES: usize = 1024;
/// The words of one block of Salsa20.
const WORDS: usize = 16;

/// The script for which something is computed.
pub(super) struct Work<'a, 'js> {
    ctx: &'a Ctx<'js>,
    host: &'a Host,
}

impl Work<'_, '_> {
    fn go_on(&self) -> Result<()> {
        go_on(self.ctx, self.host)
    }
}

pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    let owner = host.clone();
    let derive =
        move |ctx: Ctx<'js>, name: String, password: Bytes<'js>, salt: Bytes<'js>, rounds: u32, length: usize| {
            let Some(algorithm) = algorithm(&name) else { return Ok(None) };
            let work = Work { ctx: &ctx, host: &owner };
            let mut key = vec![0; length];
            (algorithm.pbkdf2)(&work, read(&password), read(&salt), rounds, &mut key)?;
            ArrayBuffer::new_copy(ctx.clone(), key).map(Some)
        };
    functions.set("pbkdf2", Function::new(ctx.clone(), derive)?)?;
    let owner = host.clone();
    let derive =
        move |ctx: Ctx<'js>, password: Bytes<'js>, salt: Bytes<'js>, n: usize, r: usize, p: usize, length: usize| {
            let work = Work { ctx: &ctx, host: &owner };
            let key = scrypt(&work, read(&password), read(&salt), (n, r, p), length)?;
            ArrayBuffer::new_copy(ctx.clone(), key)
        };
    functions.set("scrypt", Function::new(ctx.clone(), derive)?)?;
    let derive = |ctx: Ctx<'js>, name: String, key: Bytes<'js>, salt: Bytes<'js>, info: Bytes<'js>, length: usize| {
        let derived = hkdf(&name, read(&key), read(&salt), read(&info), length);
        derived.map(|key| ArrayBuffer::new_copy(ctx, key)).transpose()
    };
    functions.set("hkdf", Function::new(ctx.clone(), derive)?)
}

/// RFC 8018, part 5.2.
pub(super) fn pbkdf2<M: Mac + KeyInit + Clone>(
    work: &Work<'_, '_>,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    key: &mut [u8],
) -> Result<()> {
    let mac: M = keyed(password);
    let code = |parts: &[&[u8]]| {
        let mut mac = mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    for (block, index) in key.chunks_mut(M::output_size()).zip(1_u32..) {
        work.go_on()?;
        let mut last = code(&[salt, &index.to_be_bytes()]);
        let mut sum = last.clone();
        for round in 1..rounds {
            if round % ROUNDS == 0 {
                work.go_on()?;
            }
            last = code(&[&last]);
            sum.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
        }
        block.copy_from_slice(&sum[..block.len()]);
    }
    Ok(())
}

/// RFC 5869. The length is at most that of 255 codes.
fn hkdf(name: &str, key: &[u8], salt: &[u8], info: &[u8], length: usize) -> Option<Vec<u8>> {
    let hmac = algorithm(name)?.hmac;
    let code = |key: &[u8], parts: &[&[u8]]| {
        let mut mac = hmac(key);
        parts.iter().for_each(|part| mac.update(part));
        mac.finish()
    };
    let secret = code(salt, &[key]);
    let (mut derived, mut last) = (Vec::new(), Vec::new());
    for index in 1..=u8::MAX {
        if derived.len() >= length {
            break;
        }
        last = code(&secret, &[&last, info, &[index]]);
        derived.extend_from_slice(&last);
    }
    derived.truncate(length);
    Some(derived)
}

/// RFC 7914. `n` is a power of two; the caller has counted the memory, 128 · r · (n + p) bytes.
fn scrypt(
    work: &Work<'_, '_>,
    password: &[u8],
    salt: &[u8],
    (n, r, p): (usize, usize, usize),
    length: usize,
) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 128 * r * p];
    pbkdf2::<Hmac<Sha256>>(work, password, salt, 1, &mut bytes)?;
    let mut table = vec![0_u32; 2 * WORDS * r * n];
    for part in bytes.chunks_mut(128 * r) {
        mix(work, part, n, &mut table)?;
    }
    let mut key = vec![0; length];
    pbkdf2::<Hmac<Sha256>>(work, password, &bytes, 1, &mut key)?;
    Ok(key)
}

/// The function `scryptROMix`.
fn mix(work: &Work<'_, '_>, bytes: &mut [u8], n: usize, table: &mut [u32]) -> Result<()> {
    let (words, _) = bytes.as_chunks::<4>();
    let mut block: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let mut mixed = vec![0; block.len()];
    for (index, entry) in table.chunks_exact_mut(block.len()).enumerate() {
        if index % MIXES == 0 {
            work.go_on()?;
        }
        entry.copy_from_slice(&block);
        mix_block(&block, &mut mixed);
        std::mem::swap(&mut block, &mut mixed);
    }
    let last = block.len() - WORDS;
    for round in 0..n {
        if round % MIXES == 0 {
            work.go_on()?;
        }
        // A power of two, below 2³², so that one word tells the index.
        let index = block[last] as usize & (n - 1);
        let entry = &table[index * block.len()..][..block.len()];
        block.iter_mut().zip(entry).for_each(|(word, other)| *word ^= other);
        mix_block(&block, &mut mixed);
        std::mem::swap(&mut block, &mut mixed);
    }
    let words = block.iter().flat_map(|word| word.to_le_bytes());
    bytes.iter_mut().zip(words).for_each(|(byte, word)| *byte = word);
    Ok(())
}

/// The function `scryptBlockMix`: even blocks go to the first half, odd ones to the second.
fn mix_block(block: &[u32], mixed: &mut [u32]) {
    let (blocks, _) = block.as_chunks::<WORDS>();
    let (mixed, _) = mixed.as_chunks_mut::<WORDS>();
    let Some(mut state) = blocks.last().copied() else { return };
    for (index, block) in blocks.iter().enumerate() {
        state.iter_mut().zip(block).for_each(|(word, other)| *word ^= other);
        salsa(&mut state);
        mixed[index / 2 + (index % 2) * (blocks.len() / 2)] = state;
    }
}

/// The core of Salsa20 with eight rounds.
fn salsa(state: &mut [u32; WORDS]) {
    const COLUMNS: [[usize; 4]; 4] = [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]];
    const ROWS: [[usize; 4]; 4] = [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]];
    let start = *state;
    for _ in 0..4 {
        for [a, b, c, d] in COLUMNS.into_iter().chain(ROWS) {
            state[b] ^= state[a].wrapping_add(state[d]).rotate_left(7);
            state[c] ^= state[b].wrapping_add(state[a]).rotate_left(9);
            state[d] ^= state[c].wrapping_add(state[b]).rotate_left(13);
            state[a] ^= state[d].wrapping_add(state[c]).rotate_left(18);
        }
    }
    state.iter_mut().zip(start).for_each(|(word, start)| *word = word.wrapping_add(start));
}
