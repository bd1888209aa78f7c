//! The host functions of a script for cryptography: digests, keys from passwords, ciphers and signatures.
//!
//! Long work looks between two slices whether the script must stop, and what it returns is allocated in the engine.

mod cipher;
mod derive;
mod digest;
mod sign;

use std::rc::Rc;

use rquickjs::{Ctx, Exception, Function, Object, Result, TypedArray};
use subtle::ConstantTimeEq;

use super::host::Host;

/// How many bytes are worked on before the script may be stopped.
const SLICE_BYTES: usize = 64 * 1024;

/// The bytes that a script passes.
type Bytes<'js> = TypedArray<'js, u8>;

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    functions.set("sameBytes", Function::new(ctx.clone(), same_bytes)?)?;
    digest::install(ctx, functions, host)?;
    derive::install(ctx, functions, host)?;
    cipher::install(ctx, functions, host)?;
    sign::install(ctx, functions)
}

/// Fails when the script must stop. A script that catches this is stopped by the engine.
fn go_on(ctx: &Ctx<'_>, host: &Host) -> Result<()> {
    match host.interrupts() {
        true => Err(Exception::throw_internal(ctx, "interrupted")),
        false => Ok(()),
    }
}

fn read<'a>(bytes: &'a Bytes<'_>) -> &'a [u8] {
    bytes.as_bytes().unwrap_or_default()
}

/// Compares in a time that depends on the length only.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn same_bytes(a: Bytes<'_>, b: Bytes<'_>) -> bool {
    read(&a).ct_eq(read(&b)).into()
}
