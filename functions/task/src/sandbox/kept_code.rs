//! The bytecode of modules that ran before, so that the same text is not compiled again.
//!
//! The engine trusts bytecode: only what it has written itself in this process is ever kept, and nothing else is read. It
//! reads the modules that a module imports in the midst of that module, and leaves a module of which one could not be read
//! to those that import it; so only modules are kept that nobody imports: those of scripts without other files, and those that
//! are made of one strict `CommonJS` file each.

use std::sync::atomic::{AtomicUsize, Ordering};

use rquickjs::loader::Loader as _;
use rquickjs::loader::bundle::Bundle;
use rquickjs::module::Declared;
use rquickjs::{Ctx, Module, Result};

/// How much bytecode a process keeps. It stays for as long as the process lives: the engine's safe interface reads no
/// other. Workers are replaced now and then, and what finds no room is compiled for each run.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// The longest bytecode that is kept, so that no script takes the room of many.
const LONGEST_BYTES: usize = KEPT_BYTES / 8;

static KEPT: Room = Room(AtomicUsize::new(0));

/// A name and its bytecode, as the engine takes them.
type Entry = [(&'static str, &'static [u8]); 1];

/// The bytecode of one module. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptCode(&'static Entry);

impl KeptCode {
    /// Keeps what the engine has just written for a module of this name; `None` if there is no room.
    pub(super) fn keep(name: &str, bytes: Vec<u8>) -> Option<Self> {
        if !KEPT.take(name.len() + bytes.len()) {
            return None;
        }
        let (name, bytes): (&'static str, &'static [u8]) = (name.to_owned().leak(), bytes.leak());
        Some(Self(Box::leak(Box::new([(name, bytes)]))))
    }

    /// Loads the module, which is not evaluated yet.
    pub(super) fn load<'js>(self, ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
        let entry: &'static [(&'static str, &'static [u8])] = self.0;
        Bundle(entry).load(ctx, self.0[0].0)
    }
}

/// How much is taken of the room for all bytecode.
struct Room(AtomicUsize);

impl Room {
    fn take(&self, bytes: usize) -> bool {
        let fits = |taken: usize| Some(taken + bytes).filter(|taken| *taken <= KEPT_BYTES);
        bytes <= LONGEST_BYTES && self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use rquickjs::{Context, Runtime, WriteOptions};

    use super::*;

    #[test]
    fn room_is_taken_until_there_is_none() {
        let room = Room(AtomicUsize::new(0));
        assert!(!room.take(LONGEST_BYTES + 1));
        assert_eq!((0..100).filter(|_| room.take(LONGEST_BYTES)).count(), KEPT_BYTES / LONGEST_BYTES);
        assert!(!room.take(1));
    }

    #[test]
    fn what_is_kept_is_the_same_module_in_every_realm() {
        let realm = || {
            let runtime = Runtime::new().unwrap();
            (Context::full(&runtime).unwrap(), runtime)
        };
        let text = "export const text = 'häßlich'; export function twice(n) { return 2 * n }";
        let (context, _runtime) = realm();
        let bytes =
            context.with(|ctx| Module::declare(ctx, "a.js", text).unwrap().write(WriteOptions::default()).unwrap());
        let kept = KeptCode::keep("a.js", bytes).unwrap();
        for _ in 0..2 {
            let (context, _runtime) = realm();
            context.with(|ctx| {
                let (module, evaluated) = kept.load(&ctx).unwrap().eval().unwrap();
                evaluated.finish::<()>().unwrap();
                let exports = module.namespace().unwrap();
                assert_eq!(exports.get::<_, String>("text").unwrap(), "häßlich");
                let twice: rquickjs::Function<'_> = exports.get("twice").unwrap();
                assert_eq!(twice.call::<_, i32>((21,)).unwrap(), 42);
            });
        }
    }
}
