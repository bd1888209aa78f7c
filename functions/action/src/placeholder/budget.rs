//! What resolving the texts of one value may cost.
//!
//! It is counted in bytes that are read or written, and everything is paid for before memory is taken.

use crate::failure::Violation;

/// The most that the texts of a value may have when they are resolved.
pub(super) const OUTPUT_BYTES: usize = 1024 * 1024;
/// The most that operators may read and write on the way.
pub(super) const WORK_BYTES: usize = 16 * 1024 * 1024;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    output_bytes: usize,
    work_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { output_bytes: OUTPUT_BYTES, work_bytes: WORK_BYTES }
    }
}

impl Budget {
    /// Pays for a part of the result that `who` gave.
    pub(super) fn output(&mut self, size_bytes: usize, who: &dyn Fn() -> String) -> Result<(), Violation> {
        spend(&mut self.output_bytes, size_bytes, || {
            let rule = format!("makes the input larger than {OUTPUT_BYTES} bytes");
            Violation { selector: who(), rule }
        })
    }

    /// Pays for what `who` reads or is about to write.
    pub(super) fn work(&mut self, size_bytes: usize, who: &dyn Fn() -> String) -> Result<(), Violation> {
        spend(&mut self.work_bytes, size_bytes, || {
            let rule = format!("makes the operators read and write more than {WORK_BYTES} bytes in all");
            Violation { selector: who(), rule }
        })
    }
}

fn spend(left: &mut usize, size_bytes: usize, refusal: impl FnOnce() -> Violation) -> Result<(), Violation> {
    *left = left.checked_sub(size_bytes).ok_or_else(refusal)?;
    Ok(())
}
