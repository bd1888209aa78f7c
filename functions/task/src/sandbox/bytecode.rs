//! Finds out from a compiled module whether it imports or exports, and whether it awaits outside all functions.
//!
//! The engine cannot free a runtime safely while a module is waiting, so such modules must not start. Only the header
//! of the bytecode that the engine writes says which modules may wait.

/// The tag of a module, and the kinds of exports, in the engine's bytecode.
const TAG_MODULE: u8 = 13;
const EXPORT_LOCAL: u8 = 0;
/// An atom that every runtime knows, written as its number.
const ATOM_CONSTANT: u8 = 0;

/// What the engine says about a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether it imports or exports anything.
    pub(super) links: bool,
    /// Whether it awaits at its top level.
    pub(super) awaits: bool,
}

/// Reads the header of a compiled module; `None` if the bytes are not what the engine writes.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let mut reader = Reader(bytes);
    reader.byte()?;
    for _ in 0..reader.number()? {
        match reader.byte()? {
            ATOM_CONSTANT => reader.skip(4)?,
            _ => reader.text()?,
        }
    }
    if reader.byte()? != TAG_MODULE {
        return None;
    }
    reader.number()?;
    let requests = reader.number()?;
    reader.numbers(requests)?;
    let exports = reader.number()?;
    for _ in 0..exports {
        let numbers = if reader.byte()? == EXPORT_LOCAL { 2 } else { 3 };
        reader.numbers(numbers)?;
    }
    let stars = reader.number()?;
    reader.numbers(stars)?;
    for _ in 0..reader.number()? {
        reader.numbers(3)?;
    }
    let awaits = match reader.byte()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Header { links: requests > 0 || exports > 0 || stars > 0, awaits })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.0 = self.0.get(length..)?;
        Some(())
    }

    /// A number in LEB128.
    fn number(&mut self) -> Option<u32> {
        let mut number = 0_u32;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn numbers(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.number()?;
        }
        Some(())
    }

    /// A string with one or two bytes per character, as the lowest bit of its length says.
    fn text(&mut self) -> Option<()> {
        let head = self.number()?;
        self.skip(usize::try_from((head >> 1) << (head & 1)).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rquickjs::{Context, Module, Runtime, WriteOptions};

    fn compiled(source: &str) -> Vec<u8> {
        let runtime = Runtime::new().unwrap();
        runtime.set_loader(super::super::modules::BuiltIn, super::super::modules::BuiltIn);
        Context::full(&runtime)
            .unwrap()
            .with(|ctx| Module::declare(ctx, "script.js", source).unwrap().write(WriteOptions::default()).unwrap())
    }

    #[test]
    fn modules_that_await_outside_functions_are_recognised() {
        let check = |source: &str, expected: bool| {
            assert_eq!(header(&compiled(source)).map(|header| header.awaits), Some(expected), "{source}");
        };
        check("", false);
        check("export default async () => await 1", false);
        check("export default async () => { for await (const x of y) {} }", false);
        check("import u, { URL as U } from 'url'; import * as b from 'buffer'; export { U, u as default, b }", false);
        check("export * from 'url'; export { URL } from 'url'; export * as all from 'util'", false);
        check("export const häßlich = '日本語', b = 1; export function c() {}", false);
        check("class A { static { } async x() { await 1 } } export { A }", false);
        check("await 1", true);
        check("import u, { URL as U } from 'url'; export { U }; export * from 'util'; { await 1 }", true);
        check("export const häßlich = await '日本語'", true);
        check("for await (const x of []) {}", true);
        check("if (true) { const f = async () => await 1; (await f()) }", true);
    }

    #[test]
    fn modules_that_import_or_export_are_recognised() {
        let check = |source: &str, expected: bool| {
            assert_eq!(header(&compiled(source)).map(|header| header.links), Some(expected), "{source}");
        };
        check("", false);
        check("const s = 'export default 1'; import('url')", false);
        check("import 'url'", true);
        check("import u from 'url'", true);
        check("export default 1", true);
        check("const a = 1; export { a as b }", true);
        check("export * from 'url'", true);
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = header(&bytes);
        }
    }
}
