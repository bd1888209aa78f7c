//! The host functions of a script for time and random values.

use std::rc::Rc;

use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result};

use super::host::Host;

/// How many random bytes are drawn at once.
const MAX_RANDOM_BYTES: usize = 64 * 1024;

/// Adds the functions to those that the host passes to the prelude.
///
/// `now` gives the milliseconds since the script was started, `time` those since 1970, and `random` a number from 0 to 1.
pub(super) fn install<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    let (fine, coarse, random) = (host.clone(), host.clone(), host.clone());
    #[expect(clippy::cast_precision_loss, reason = "no script runs for so long")]
    let now = move || fine.outside().elapsed_us(true) as f64 / 1_000.0;
    #[expect(clippy::cast_precision_loss, reason = "as JavaScript has times")]
    let time = move || coarse.outside().now_ms() as f64;
    let random = move || random.outside().random_number();
    functions.set("now", Function::new(ctx.clone(), now)?.with_name("now")?)?;
    functions.set("time", Function::new(ctx.clone(), time)?.with_name("now")?)?;
    functions.set("random", Function::new(ctx.clone(), random)?.with_name("random")?)
}

/// Adds the function that draws random bytes.
pub(super) fn install_bytes<'js>(ctx: &Ctx<'js>, functions: &Object<'js>, host: &Rc<Host>) -> Result<()> {
    let bytes = host.clone();
    let random_bytes = move |ctx: Ctx<'js>, length: usize| {
        let mut drawn = vec![0; length.min(MAX_RANDOM_BYTES)];
        bytes.outside().fill_random(&mut drawn);
        ArrayBuffer::new_copy(ctx, drawn)
    };
    functions.set("randomBytes", Function::new(ctx.clone(), random_bytes)?)
}
